//! Actions on a report: playing its recordings, changing its status, writing to it. After a form was posted, the
//! browser is redirected to the report's page.

use super::form::Posted;
use super::page::{Stop, Visit, in_words, status_of};
use super::report::{App, Draft, page_of, report_id};
use crate::desk::{DeskError, Invalid, moves, replies, writing};
use crate::report::classification::{Classification, Scope};
use crate::report::status::{Move, Outcome};
use crate::service::Service;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};

/// `GET /console/reports/{id}/recordings/{n}`, for members of the line. Responds with the recording, or the requested
/// range of it. Recorded in the trail.
pub(super) async fn listen(
    State(service): App,
    Path((id, n)): Path<(String, usize)>,
    visit: Visit,
    headers: HeaderMap,
) -> Result<Response, Stop> {
    let id = report_id(&visit, &id)?;
    crate::web::audio::respond(&service, &visit.who, id, n, &headers)
        .await
        .map_err(|error| visit.stop(error))
}

/// `POST /console/reports/{id}/claim`, for members of the line. Recorded in the trail.
pub(super) async fn claim(app: App, id: Path<String>, visit: Visit) -> Result<Response, Stop> {
    make(app, id, visit, Move::Claim).await
}

/// `POST /console/reports/{id}/release`, for the assignee or a lead of the line. Recorded in the trail.
pub(super) async fn release(app: App, id: Path<String>, visit: Visit) -> Result<Response, Stop> {
    make(app, id, visit, Move::Release).await
}

/// `POST /console/reports/{id}/reopen`, for members of the line. Recorded in the trail.
pub(super) async fn reopen(app: App, id: Path<String>, visit: Visit) -> Result<Response, Stop> {
    make(app, id, visit, Move::Reopen).await
}

async fn make(
    State(service): App,
    Path(id): Path<String>,
    visit: Visit,
    step: Move,
) -> Result<Response, Stop> {
    let uuid = report_id(&visit, &id)?;
    let done = moves::make(&service, &visit.who, uuid, step).await;
    after(&service, &visit, &id, done.map(drop), Draft::default()).await
}

/// `POST /console/reports/{id}/close`, for the assignee or a lead of the line. Adds the outcome as a sealed entry.
/// Recorded in the trail.
pub(super) async fn close(
    State(service): App,
    Path(id): Path<String>,
    visit: Visit,
    form: Posted,
) -> Result<Response, Stop> {
    let uuid = report_id(&visit, &id)?;
    let outcome = match form.get("outcome") {
        "handled" => Some(Outcome::Handled {}),
        "referred" => Some(Outcome::Referred {
            destination: form.get("destination").to_owned(),
        }),
        "no_action" => Some(Outcome::NoAction {}),
        "duplicate" => Some(Outcome::Duplicate {
            of: Some(form.get("of").trim().to_owned()).filter(|of| !of.is_empty()),
        }),
        _ => None,
    };
    let done = match outcome {
        Some(outcome) => moves::close(&service, &visit.who, uuid, &outcome).await,
        None => Err(DeskError::Invalid(Invalid::Choice)),
    };
    after(&service, &visit, &id, done.map(drop), Draft::default()).await
}

/// `POST /console/reports/{id}/note`, for members of the line. Adds the note as a sealed entry. Recorded in the trail.
pub(super) async fn note(
    State(service): App,
    Path(id): Path<String>,
    visit: Visit,
    form: Posted,
) -> Result<Response, Stop> {
    let uuid = report_id(&visit, &id)?;
    // Browsers send line ends as CR LF; a note has LF.
    let text = form.get("text").replace("\r\n", "\n");
    let done = writing::note(&service, &visit.who, uuid, &text).await;
    let draft = Draft {
        note: &text,
        ..Draft::default()
    };
    after(&service, &visit, &id, done.map(drop), draft).await
}

/// `POST /console/reports/{id}/classification`, for members of the line. Adds the classification as a sealed entry.
/// Recorded in the trail.
pub(super) async fn classify(
    State(service): App,
    Path(id): Path<String>,
    visit: Visit,
    form: Posted,
) -> Result<Response, Stop> {
    let uuid = report_id(&visit, &id)?;
    let scope = match form.get("scope") {
        "in" => Some(Scope::In),
        "out" => Some(Scope::Out),
        _ => None,
    };
    let done = match scope {
        Some(scope) => {
            let classification = Classification {
                scope,
                disciplines: form.all("discipline"),
                focuses: form.all("focus"),
            };
            writing::classify(&service, &visit.who, uuid, &classification).await
        }
        None => Err(DeskError::Invalid(Invalid::Choice)),
    };
    after(&service, &visit, &id, done.map(drop), Draft::default()).await
}

/// `POST /console/reports/{id}/reply`, for members of the line. Adds the reply as a sealed entry. Recorded in the
/// trail.
pub(super) async fn reply(
    State(service): App,
    Path(id): Path<String>,
    visit: Visit,
    form: Posted,
) -> Result<Response, Stop> {
    let uuid = report_id(&visit, &id)?;
    let text = form.get("text").replace("\r\n", "\n");
    let done = replies::write(&service, &visit.who, uuid, &text).await;
    let draft = Draft {
        reply: &text,
        ..Draft::default()
    };
    after(&service, &visit, &id, done.map(drop), draft).await
}

/// `POST /console/reports/{id}/replies/{entry}/approve`, for members of the line except the author. Recorded in the
/// trail.
pub(super) async fn approve(
    State(service): App,
    Path((id, entry)): Path<(String, String)>,
    visit: Visit,
) -> Result<Response, Stop> {
    let (uuid, entry) = (report_id(&visit, &id)?, report_id(&visit, &entry)?);
    let done = replies::approve(&service, &visit.who, uuid, entry).await;
    after(&service, &visit, &id, done, Draft::default()).await
}

/// Redirects to the report's page after an action that succeeded. If it failed, and [`in_words`] has a text for the
/// error, returns the page with that text and what was written.
async fn after(
    service: &Service,
    visit: &Visit,
    id: &str,
    done: Result<(), DeskError>,
    draft: Draft<'_>,
) -> Result<Response, Stop> {
    let error = match done {
        Ok(()) => {
            return Ok(Redirect::to(&format!("/console/reports/{id}")).into_response());
        }
        Err(error) => error,
    };
    match in_words(visit.w, &error) {
        Some(text) => {
            let page = page_of(service, visit, id, Some(text.to_owned()), draft).await?;
            Ok((status_of(&error), page).into_response())
        }
        None => Err(visit.stop(error)),
    }
}
