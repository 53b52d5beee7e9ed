//! What inspectors write: notes and classifications.

use super::opened;
use super::reports::report_id;
use super::{Answer, App, Inspector, Json, Path, Problem};
use crate::filing::{NewEntry, add_entry};
use crate::report::classification::Classification;
use crate::report::status::Status;
use crate::service::Service;
use crate::vault::entry::EntryKind;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

/// The longest note, in characters.
const LONGEST_NOTE: usize = 10_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Note {
    text: String,
}

type Created = (StatusCode, axum::Json<Value>);

/// `POST /reports/{id}/notes` `{"text"}`. Members of the line; adds a sealed entry; in the trail.
pub(in crate::web) async fn note(
    State(service): App,
    Path(id): Path<String>,
    inspector: Inspector,
    Json(note): Json<Note>,
) -> Answer<Created> {
    if note.text.trim().is_empty() {
        return Err(Problem::invalid("The note is empty."));
    }
    if note.text.chars().count() > LONGEST_NOTE {
        return Err(Problem::invalid(
            "The note is longer than 10,000 characters; make two of it.",
        ));
    }
    let body = json!({ "text": note.text });
    add(&service, &inspector, &id, EntryKind::Note, body).await
}

/// `POST /reports/{id}/classification`. Members of the line; adds a sealed entry, the last one counts; in the trail.
pub(in crate::web) async fn classify(
    State(service): App,
    Path(id): Path<String>,
    inspector: Inspector,
    Json(classification): Json<Classification>,
) -> Answer<Created> {
    let body = serde_json::to_value(&classification)
        .map_err(|_| Problem::internal("a classification cannot be written"))?;
    let report = report_id(&id)?;
    let mut tx = service.db.read().await?;
    let report = opened::find(&mut tx, &inspector, report).await?;
    drop(tx);
    let line = service
        .config
        .line(&report.line)
        .ok_or_else(Problem::missing)?;
    classification
        .check(line)
        .map_err(|reason| Problem::invalid(&reason))?;
    add(&service, &inspector, &id, EntryKind::Classification, body).await
}

async fn add(
    service: &Service,
    inspector: &Inspector,
    id: &str,
    kind: EntryKind,
    body: Value,
) -> Answer<Created> {
    let id = report_id(id)?;
    let mut tx = service.db.begin().await?;
    let report = opened::find(&mut tx, inspector, id).await?;
    if kind == EntryKind::Classification
        && report.status.as_deref() == Some(Status::Closed.as_str())
    {
        return Err(Problem::conflict(
            "The report is closed; reopen it to classify it anew.",
        ));
    }
    let new = NewEntry {
        kind,
        at: service.clock.line_now(),
        by: Some(inspector.name()),
        body,
    };
    // Opened, so that nothing is sealed to a key that is not the report's.
    let open = opened::open(&mut tx, inspector, report).await?;
    let entry = add_entry(&mut tx, &open.report, new).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, axum::Json(json!({ "id": entry }))))
}
