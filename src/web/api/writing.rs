//! Endpoints that add notes, classifications and replies, and approve replies.

use super::answers::{
    Failed, LoggedOut, Missing, NoReceipt, NotForThisRole, NotJson, OwnReply, TooLarge, Unreadable,
    Wrong, WrongStatus,
};
use super::{Answer, App, Body, Caller, Json, Path, report_id};
use crate::desk::{replies, writing};
use crate::report::classification::Classification;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A note of an inspector.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    /// The text of the note. Not only white space.
    #[schema(min_length = 1, max_length = 10_000, pattern = r"\S")]
    text: String,
}

/// A reply to a caller.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reply {
    /// The text to be spoken, in the line's first language. Not only white space.
    #[schema(min_length = 1, max_length = 500, pattern = r"\S")]
    text: String,
}

/// The entry that was added.
#[derive(Serialize, ToSchema)]
pub(super) struct Added {
    /// The entry's id.
    id: Uuid,
}

/// Adds a note to a report, which may be closed.
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

/// Classifies a report that is not closed; the last classification counts.
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

/// Writes a reply to the caller, who hears it when they call back with their receipt.
///
/// Another member has to approve it first.
#[utoipa::path(
    post,
    path = "/reports/{id}/reply",
    operation_id = "reply_add",
    tag = "work",
    params(("id" = Uuid, Path, description = "The report's id.")),
    request_body = Reply,
    responses(
        (status = 201, description = "It is written.", body = Added),
        Unreadable, LoggedOut, NotForThisRole, Missing, NoReceipt, TooLarge, NotJson, Wrong, Failed,
    ),
)]
pub(super) async fn reply(
    State(service): App,
    Path(id): Path<String>,
    Caller(inspector): Caller,
    Json(reply): Json<Reply>,
) -> Answer<(StatusCode, Body<Added>)> {
    let id = replies::write(&service, &inspector, report_id(&id)?, &reply.text).await?;
    Ok((StatusCode::CREATED, axum::Json(Added { id })))
}

/// Approves a reply that another member wrote. The last reply whose approval counts is spoken to the caller.
///
/// If the reply is approved already, nothing changes.
#[utoipa::path(
    post,
    path = "/reports/{id}/replies/{entry}/approve",
    operation_id = "reply_approve",
    tag = "work",
    params(
        ("id" = Uuid, Path, description = "The report's id."),
        ("entry" = Uuid, Path, description = "The id of the reply's entry."),
    ),
    responses(
        (status = 204, description = "It is approved."),
        LoggedOut, NotForThisRole, Missing, OwnReply, Failed,
    ),
)]
pub(super) async fn approve(
    State(service): App,
    Path((id, entry)): Path<(String, String)>,
    Caller(inspector): Caller,
) -> Answer<StatusCode> {
    replies::approve(&service, &inspector, report_id(&id)?, report_id(&entry)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
