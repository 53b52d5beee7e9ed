//! What inspectors write: notes and classifications.

use super::opened::{find, find_locked, prove_key};
use super::{DeskError, Inspector, Invalid, Result};
use crate::filing::{NewEntry, add_entry};
use crate::report::classification::Classification;
use crate::report::entries::Body;
use crate::report::status::Status;
use crate::service::Service;
use uuid::Uuid;

/// The longest note, in characters.
const LONGEST_NOTE: usize = 10_000;

/// Adds a note. Gives the entry's id.
///
/// # Errors
///
/// [`DeskError::Missing`], [`DeskError::Invalid`].
pub async fn note(service: &Service, inspector: &Inspector, id: Uuid, text: &str) -> Result<Uuid> {
    if text.trim().is_empty() {
        return Err(DeskError::Invalid(Invalid::EmptyNote));
    }
    if text.chars().count() > LONGEST_NOTE {
        return Err(DeskError::Invalid(Invalid::LongNote));
    }
    add(service, inspector, id, Body::Note(text.into())).await
}

/// Adds a classification; the last one counts. Gives the entry's id.
///
/// # Errors
///
/// [`DeskError::Missing`], [`DeskError::Invalid`], [`DeskError::Closed`].
pub async fn classify(
    service: &Service,
    inspector: &Inspector,
    id: Uuid,
    classification: &Classification,
) -> Result<Uuid> {
    let mut tx = service.db.console.begin_read().await?;
    let report = find(&mut tx, inspector, id).await?;
    drop(tx);
    let line = service
        .config
        .line(&report.line)
        .ok_or(DeskError::Missing)?;
    classification
        .check(line)
        .map_err(|reason| DeskError::Invalid(Invalid::Classification(reason)))?;
    let body = Body::Classification(classification.clone());
    add(service, inspector, id, body).await
}

async fn add(service: &Service, inspector: &Inspector, id: Uuid, body: Body) -> Result<Uuid> {
    let mut tx = service.db.console.begin().await?;
    let report = find_locked(&mut tx, inspector, id).await?;
    let closed = report.status == Some(Status::Closed);
    if matches!(body, Body::Classification(_)) && closed {
        return Err(DeskError::Closed);
    }
    let new = NewEntry {
        at: service.clock.line_now(),
        by: Some(inspector.name()),
        body,
    };
    prove_key(&mut tx, inspector, &report).await?;
    let entry = add_entry(&mut tx, &report, new).await?;
    tx.commit().await?;
    Ok(entry)
}
