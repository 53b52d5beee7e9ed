//! Endpoints for login and logout.

use super::answers::{
    Failed, LoggedOut, NotForThisRole, NotJson, TooLarge, TooMany, Unreadable, Wrong, WrongLogin,
};
use super::{Answer, App, Body, Caller, Json, Problem, bearer};
use crate::base::hidden::Hidden;
use crate::members::canonical;
use crate::members::login::{self, LoggedIn, LoginError, Origin};
use crate::report::role::Role;
use crate::web::ClientAddress;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Name and password of a member.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Credentials {
    name: String,
    #[schema(format = Password)]
    password: String,
    /// A second factor. Accepted but ignored, because members have none.
    #[serde(default, rename = "code")]
    _code: Option<String>,
}

/// A new session.
#[derive(Serialize, ToSchema)]
pub(super) struct Session {
    /// The token to send as `Authorization: Bearer`. No other operation returns it.
    token: String,
    name: String,
    role: Role,
}

/// The member of a session.
#[derive(Serialize, ToSchema)]
pub(super) struct Who {
    name: String,
    role: Role,
    /// The ids of the lines of which they hold a key, in the order of the configuration. Lines that are not configured any
    /// more are left out.
    lines: Vec<String>,
}

/// Logs in.
///
/// After five wrong passwords in a row for a name, each further login with it is delayed by up to five seconds, with a
/// right password too. Too many logins at once with a name, from an address or in total are refused with 429. The login
/// is recorded in the audit trail of each of the member's lines.
#[utoipa::path(
    post,
    path = "/session",
    operation_id = "session_begin",
    tag = "session",
    security(()),
    request_body = Credentials,
    responses(
        (status = 200, description = "The session.", body = Session),
        Unreadable, WrongLogin, TooLarge, NotJson, Wrong, TooMany, Failed,
    ),
)]
pub(super) async fn log_in(
    State(service): App,
    address: ClientAddress,
    Json(given): Json<Credentials>,
) -> Answer<Body<Session>> {
    let password = Hidden::new(given.password);
    let from = Origin {
        address: address.limit_key(),
        device: None,
    };
    match login::log_in(&service, &canonical(&given.name), password, from).await {
        Ok(LoggedIn { token, member, .. }) => Ok(axum::Json(Session {
            token: token.text().expose().clone(),
            name: member.name,
            role: member.role,
        })),
        Err(LoginError::Wrong) => Err(Problem::wrong_login()),
        Err(LoginError::TooMany | LoginError::SessionOver) => Err(Problem::too_many()),
        Err(LoginError::Store(error)) => Err(error.into()),
    }
}

/// Returns who is logged in, and their lines.
#[utoipa::path(
    get,
    path = "/session",
    operation_id = "session_show",
    tag = "session",
    responses(
        (status = 200, description = "You.", body = Who),
        LoggedOut, NotForThisRole, Failed,
    ),
)]
pub(super) async fn whoami(State(service): App, Caller(inspector): Caller) -> Body<Who> {
    let lines = inspector.lines(&service);
    axum::Json(Who {
        name: inspector.name().to_owned(),
        role: inspector.role(),
        lines: lines.into_iter().map(|line| line.id.clone()).collect(),
    })
}

/// Logs out: ends the session of the token, if there is one.
#[utoipa::path(
    delete,
    path = "/session",
    operation_id = "session_end",
    tag = "session",
    responses(
        (status = 204, description = "The token opens nothing any more."),
        LoggedOut, Failed,
    ),
)]
pub(super) async fn log_out(State(service): App, headers: HeaderMap) -> Answer<StatusCode> {
    let token = bearer(&headers).ok_or_else(Problem::log_in)?;
    login::log_out(&service, &token).await?;
    Ok(StatusCode::NO_CONTENT)
}
