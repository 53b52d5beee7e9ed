//! The API, one file per group of endpoints. [`crate::desk`] checks the rights of inspectors and writes the audit
//! trail; this module adds addresses, JSON and status codes.

mod answers;
mod describe;
mod lines;
mod moves;
mod problem;
mod recordings;
mod reports;
mod sessions;
mod shape;
mod writing;

pub(super) use describe::router;
pub(super) use problem::{Problem, not_found, wrong_method};

use super::policy::{Policy, Route};
use crate::desk::rights::Right;
use crate::desk::{DeskError, Inspector};
use crate::members::login::Use;
use crate::service::Service;
use crate::vault::session::Token;
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use utoipa_axum::router::UtoipaMethodRouter;
use utoipa_axum::routes;
use uuid::Uuid;

type App = State<Arc<Service>>;
type Answer<T> = Result<T, Problem>;
type Body<T> = axum::Json<T>;

/// Returns the endpoints with their policies. The attributes of the handlers hold the addresses, and the OpenAPI
/// description is generated from them.
fn routes() -> Vec<(Policy, UtoipaMethodRouter<Arc<Service>>)> {
    use Policy::{Anybody, Inspector, OwnLine, Session};
    vec![
        (Anybody, routes!(describe::description)),
        (Anybody, routes!(sessions::log_in)),
        (Inspector, routes!(sessions::whoami)),
        (Session, routes!(sessions::log_out)),
        (Inspector, routes!(lines::list)),
        (OwnLine, routes!(lines::show)),
        (Inspector, routes!(reports::abandoned_calls)),
        (Inspector, routes!(reports::list)),
        (OwnLine, routes!(reports::show)),
        (OwnLine, routes!(recordings::play)),
        (OwnLine, routes!(moves::claim)),
        (OwnLine, routes!(moves::release)),
        (OwnLine, routes!(moves::close)),
        (OwnLine, routes!(moves::reopen)),
        (OwnLine, routes!(writing::note)),
        (OwnLine, routes!(writing::classify)),
        (OwnLine, routes!(writing::reply)),
        (OwnLine, routes!(writing::approve)),
    ]
}

/// Returns the routes of the API, with their policies.
pub(super) fn table() -> Vec<Route> {
    let mut table = Vec::new();
    for (policy, (_, paths, _)) in routes() {
        for (path, item) in paths.paths {
            for (method, operation) in [
                (Method::GET, item.get),
                (Method::POST, item.post),
                (Method::DELETE, item.delete),
                (Method::PUT, item.put),
                (Method::PATCH, item.patch),
            ] {
                table.extend(operation.is_some().then(|| Route {
                    method: Some(method),
                    path: format!("/api/v1{path}"),
                    policy,
                }));
            }
        }
    }
    table
}

/// Returns the bearer token of a request. `None` unless there is exactly one `Authorization` header and it holds a
/// well-formed token.
fn bearer(headers: &HeaderMap) -> Option<Token> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (given.next(), given.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim().parse().ok())?
}

/// The member who sends the request: logged in, and with a role that works on reports. The request extends their
/// session.
pub(super) struct Caller(pub Inspector);

impl FromRequestParts<Arc<Service>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        service: &Arc<Service>,
    ) -> Result<Self, Problem> {
        let token = bearer(&parts.headers).ok_or(DeskError::LoggedOut)?;
        Ok(Self(Inspector::admit(service, &token, Use::Member).await?))
    }
}

/// Parses the id of a report. Text that is not an id is answered like the id of a missing report.
fn report_id(text: &str) -> Answer<Uuid> {
    text.parse().map_err(|_| Problem::missing())
}

/// The variable parts of an address. If they cannot be parsed, the response is 404.
pub(super) struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        axum::extract::Path::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Path(values)| Self(values))
            .map_err(|_| Problem::missing())
    }
}

/// A body that is a JSON object. The problem for an invalid body repeats nothing of it.
pub(super) struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|kind| {
                let kind = kind.split(';').next().unwrap_or_default().trim();
                kind.eq_ignore_ascii_case("application/json")
            });
        if !is_json {
            return Err(Problem::unsupported());
        }
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|_| Problem::too_large())?;
        // Parsed twice, so that text that is not JSON gets 400, and JSON of a wrong shape 422, whichever fault comes
        // first in the text. A list is refused here, because serde would accept it for an object whose keys are
        // optional.
        match serde_json::from_slice::<serde_json::Value>(&body) {
            Ok(value) if value.is_object() => {}
            Ok(_) => return Err(Problem::invalid("The body is not a JSON object.")),
            Err(_) => return Err(Problem::bad_request("The body is not JSON.")),
        }
        match serde_json::from_slice(&body) {
            Ok(value) => Ok(Self(value)),
            Err(error) => Err(Problem::invalid(&shape_error(&error))),
        }
    }
}

/// Returns what is wrong with a body's shape: the missing field, which serde's message names, or else the place of the
/// error. Nothing of the body is repeated.
fn shape_error(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if text.starts_with("missing field") {
        text
    } else {
        format!(
            "The body has the wrong shape at line {}, column {}.",
            error.line(),
            error.column()
        )
    }
}
