//! Endpoints that change the status of a report: claim, release, close, reopen.

use super::answers::{
    Failed, LoggedOut, Missing, NotForThisRole, NotJson, TooLarge, Unreadable, Wrong, WrongStatus,
};
use super::shape::Report;
use super::{Answer, App, Body, Caller, Json, Path, report_id};
use crate::desk::moves;
use crate::report::status::{Move, Outcome};
use axum::extract::State;

/// Claims a queued report: assigns it to you.
#[utoipa::path(
    post,
    path = "/reports/{id}/claim",
    operation_id = "report_claim",
    tag = "work",
    params(("id" = Uuid, Path, description = "The report's id.")),
    responses(
        (status = 200, description = "It is yours.", body = Report),
        LoggedOut, NotForThisRole, Missing, WrongStatus, Failed,
    ),
)]
pub(super) async fn claim(app: App, id: Path<String>, caller: Caller) -> Answer<Body<Report>> {
    make(app, id, caller, Move::Claim).await
}

/// Releases a claimed report: puts it back into the queue.
///
/// Only the member who has claimed it or a lead may release it.
#[utoipa::path(
    post,
    path = "/reports/{id}/release",
    operation_id = "report_release",
    tag = "work",
    params(("id" = Uuid, Path, description = "The report's id.")),
    responses(
        (status = 200, description = "It is back in the queue.", body = Report),
        LoggedOut, NotForThisRole, Missing, WrongStatus, Failed,
    ),
)]
pub(super) async fn release(app: App, id: Path<String>, caller: Caller) -> Answer<Body<Report>> {
    make(app, id, caller, Move::Release).await
}

/// Reopens a closed report: puts it back into the queue.
#[utoipa::path(
    post,
    path = "/reports/{id}/reopen",
    operation_id = "report_reopen",
    tag = "work",
    params(("id" = Uuid, Path, description = "The report's id.")),
    responses(
        (status = 200, description = "It is back in the queue.", body = Report),
        LoggedOut, NotForThisRole, Missing, WrongStatus, Failed,
    ),
)]
pub(super) async fn reopen(app: App, id: Path<String>, caller: Caller) -> Answer<Body<Report>> {
    make(app, id, caller, Move::Reopen).await
}

/// Closes a claimed report with its outcome, which is sealed.
///
/// Only the member who has claimed it or a lead may close it.
#[utoipa::path(
    post,
    path = "/reports/{id}/close",
    operation_id = "report_close",
    tag = "work",
    params(("id" = Uuid, Path, description = "The report's id.")),
    request_body = Outcome,
    responses(
        (status = 200, description = "It is closed.", body = Report),
        Unreadable, LoggedOut, NotForThisRole, Missing, WrongStatus, TooLarge, NotJson, Wrong, Failed,
    ),
)]
pub(super) async fn close(
    State(service): App,
    Path(id): Path<String>,
    Caller(inspector): Caller,
    Json(outcome): Json<Outcome>,
) -> Answer<Body<Report>> {
    let report = moves::close(&service, &inspector, report_id(&id)?, &outcome).await?;
    Ok(axum::Json(Report::new(&report)))
}

async fn make(
    State(service): App,
    Path(id): Path<String>,
    Caller(inspector): Caller,
    step: Move,
) -> Answer<Body<Report>> {
    let report = moves::make(&service, &inspector, report_id(&id)?, step).await?;
    Ok(axum::Json(Report::new(&report)))
}
