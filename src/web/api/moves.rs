//! Claim, release, close, reopen.

use super::shape::summary;
use super::{Answer, App, Body, Caller, Json, Path, report_id};
use crate::desk::moves;
use crate::report::status::{Move, Outcome};
use axum::extract::State;

/// `POST /reports/{id}/claim`.
pub(in crate::web) async fn claim(app: App, id: Path<String>, caller: Caller) -> Answer<Body> {
    make(app, id, caller, Move::Claim).await
}

/// `POST /reports/{id}/release`.
pub(in crate::web) async fn release(app: App, id: Path<String>, caller: Caller) -> Answer<Body> {
    make(app, id, caller, Move::Release).await
}

/// `POST /reports/{id}/reopen`.
pub(in crate::web) async fn reopen(app: App, id: Path<String>, caller: Caller) -> Answer<Body> {
    make(app, id, caller, Move::Reopen).await
}

/// `POST /reports/{id}/close` with the outcome.
pub(in crate::web) async fn close(
    State(service): App,
    Path(id): Path<String>,
    Caller(inspector): Caller,
    Json(outcome): Json<Outcome>,
) -> Answer<Body> {
    let report = moves::close(&service, &inspector, report_id(&id)?, &outcome).await?;
    Ok(axum::Json(summary(&report)))
}

async fn make(
    State(service): App,
    Path(id): Path<String>,
    Caller(inspector): Caller,
    step: Move,
) -> Answer<Body> {
    let report = moves::make(&service, &inspector, report_id(&id)?, step).await?;
    Ok(axum::Json(summary(&report)))
}
