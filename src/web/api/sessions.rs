//! Logging in and out.

use super::{Answer, App, Caller, Json, Problem, bearer};
use crate::hidden::Hidden;
use crate::login::{self, LoginError};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Credentials {
    name: String,
    password: String,
    /// A second factor; accepted and ignored until members have one.
    #[serde(default, rename = "code")]
    _code: Option<String>,
}

/// `POST /session`. Anybody; reads the member; makes a session; the login is in the trail of each of their lines.
pub(in crate::web) async fn log_in(
    State(service): App,
    Json(given): Json<Credentials>,
) -> Answer<axum::Json<Value>> {
    let password = Hidden::new(given.password);
    match login::log_in(&service, &given.name, password).await {
        Ok((token, member)) => Ok(axum::Json(json!({
            "token": token.text().show(),
            "name": member.name,
            "role": member.role,
        }))),
        Err(LoginError::Wrong) => Err(Problem::wrong_login()),
        Err(LoginError::TooMany) => Err(Problem::too_many()),
        Err(LoginError::Store(error)) => Err(error.into()),
    }
}

/// `GET /session`. Who is logged in, with which lines.
pub(in crate::web) async fn whoami(
    State(service): App,
    Caller(inspector): Caller,
) -> axum::Json<Value> {
    let lines: Vec<_> = inspector
        .lines(&service)
        .into_iter()
        .map(|line| &line.id)
        .collect();
    axum::Json(json!({
        "name": inspector.name(),
        "role": inspector.role(),
        "lines": lines,
    }))
}

/// `DELETE /session`. Ends the session of the token, if there is one.
pub(in crate::web) async fn log_out(State(service): App, headers: HeaderMap) -> Answer<StatusCode> {
    let token = bearer(&headers).ok_or_else(Problem::log_in)?;
    login::log_out(&service, &token).await?;
    Ok(StatusCode::NO_CONTENT)
}
