//! What inspectors write: notes and classifications.

use super::{Answer, App, Body, Caller, Json, Path, report_id};
use crate::desk::writing;
use crate::report::classification::Classification;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Note {
    text: String,
}

/// `POST /reports/{id}/notes` `{"text"}`.
pub(in crate::web) async fn note(
    State(service): App,
    Path(id): Path<String>,
    Caller(inspector): Caller,
    Json(note): Json<Note>,
) -> Answer<(StatusCode, Body)> {
    let entry = writing::note(&service, &inspector, report_id(&id)?, &note.text).await?;
    Ok((StatusCode::CREATED, axum::Json(json!({ "id": entry }))))
}

/// `POST /reports/{id}/classification`.
pub(in crate::web) async fn classify(
    State(service): App,
    Path(id): Path<String>,
    Caller(inspector): Caller,
    Json(classification): Json<Classification>,
) -> Answer<(StatusCode, Body)> {
    let id = report_id(&id)?;
    let entry = writing::classify(&service, &inspector, id, &classification).await?;
    Ok((StatusCode::CREATED, axum::Json(json!({ "id": entry }))))
}
