//! Listening.

use super::{Answer, App, Caller, Path, Problem, report_id};
use crate::web::audio;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

/// `GET /reports/{id}/recordings/{n}`.
pub(in crate::web) async fn play(
    State(service): App,
    Path((id, n)): Path<(String, String)>,
    Caller(inspector): Caller,
    headers: HeaderMap,
) -> Answer<Response> {
    let n: usize = n.parse().map_err(|_| Problem::missing())?;
    Ok(audio::respond(&service, &inspector, report_id(&id)?, n, &headers).await?)
}
