//! What inspectors write: notes and classifications.

use super::answers::{
    Failed, LoggedOut, Missing, NotForThisRole, NotJson, TooLarge, Unreadable, Wrong, WrongStatus,
};
use super::{Answer, App, Body, Caller, Json, Path, report_id};
use crate::desk::writing;
use crate::report::classification::Classification;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What an inspector notes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    /// Not only white space.
    #[schema(min_length = 1, max_length = 10_000, pattern = r"\S")]
    text: String,
}

/// An entry that was added.
#[derive(Serialize, ToSchema)]
pub(super) struct Added {
    /// The entry's id.
    id: Uuid,
}

/// Adds a note, also to a closed report.
#[utoipa::path(
    post,
    path = "/reports/{id}/notes",
    operation_id = "note_add",
    tag = "work",
    params(("id" = Uuid, Path, description = "The report's id.")),
    request_body = Note,
    responses(
        (status = 201, description = "It is noted.", body = Added),
        Unreadable, LoggedOut, NotForThisRole, Missing, TooLarge, NotJson, Wrong, Failed,
    ),
)]
pub(super) async fn note(
    State(service): App,
    Path(id): Path<String>,
    Caller(inspector): Caller,
    Json(note): Json<Note>,
) -> Answer<(StatusCode, Body<Added>)> {
    let id = writing::note(&service, &inspector, report_id(&id)?, &note.text).await?;
    Ok((StatusCode::CREATED, axum::Json(Added { id })))
}

/// Classifies a report; the last classification counts.
#[utoipa::path(
    post,
    path = "/reports/{id}/classification",
    operation_id = "classification_add",
    tag = "work",
    params(("id" = Uuid, Path, description = "The report's id.")),
    request_body = Classification,
    responses(
        (status = 201, description = "It is classified.", body = Added),
        Unreadable, LoggedOut, NotForThisRole, Missing, WrongStatus, TooLarge, NotJson, Wrong, Failed,
    ),
)]
pub(super) async fn classify(
    State(service): App,
    Path(id): Path<String>,
    Caller(inspector): Caller,
    Json(classification): Json<Classification>,
) -> Answer<(StatusCode, Body<Added>)> {
    let id = report_id(&id)?;
    let id = writing::classify(&service, &inspector, id, &classification).await?;
    Ok((StatusCode::CREATED, axum::Json(Added { id })))
}
