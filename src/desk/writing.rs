//! Notes and classifications that inspectors add to reports.

use super::opened::{find, find_locked, has_same_key, proven};
use super::{DeskError, Inspector, Invalid, Result, off_thread};
use crate::register::filing::{NewEntry, add_sealed, seal};
use crate::report::classification::Classification;
use crate::report::entries::Body;
use crate::report::status::Status;
use crate::service::Service;
use crate::store::reports::{EntryRow, Report};
use crate::vault::seal::Recipient;
use chrono::{DateTime, Utc};
use scoped_futures::ScopedFutureExt;
use uuid::Uuid;

/// Maximum length of a note, in characters.
const MAX_NOTE: usize = 10_000;

/// Adds a note to a report. Returns the id of its entry.
///
/// # Errors
///
/// Returns [`DeskError::Missing`] for a report that is not accessible to the inspector, and [`DeskError::Invalid`] when
/// the note is empty or longer than 10,000 characters. Also when the stored key is not the report's, or the database
/// fails.
pub async fn note(service: &Service, inspector: &Inspector, id: Uuid, text: &str) -> Result<Uuid> {
    if text.trim().is_empty() {
        return Err(DeskError::Invalid(Invalid::EmptyNote));
    }
    if text.chars().count() > MAX_NOTE {
        return Err(DeskError::Invalid(Invalid::LongNote));
    }
    add(service, inspector, id, Body::Note(text.into())).await
}

/// Adds a classification to a report; the last one added is the valid one. Returns the id of its entry.
///
/// # Errors
///
/// Returns [`DeskError::Missing`] for a report that is not accessible to the inspector, or whose line is not in the
/// configuration; [`DeskError::Invalid`] when the classification has a discipline or focus that the line does not have,
/// or names one twice; [`DeskError::Closed`] when the report is closed. Also when the stored key is not the report's,
/// or the database fails.
pub async fn classify(
    service: &Service,
    inspector: &Inspector,
    id: Uuid,
    classification: &Classification,
) -> Result<Uuid> {
    let console = &service.db.console;
    let report = console.read(|tx| async move { find(tx, inspector, id).await }.scope_boxed());
    let report = report.await?;
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
    let is_classification = matches!(body, Body::Classification(_));
    let report = &proven(service, inspector, id).await?;
    let at = service.clock.line_now();
    let entry = &sealed(inspector, report, body, at, Vec::new()).await?;
    service
        .db
        .console
        .write(|tx| {
            async move {
                tx.sign_as(inspector.signer());
                let now = find_locked(tx, inspector, id).await?;
                has_same_key(report, &now)?;
                if is_classification && now.status == Some(Status::Closed) {
                    return Err(DeskError::Closed);
                }
                add_sealed(tx, report, entry, at, Some(inspector.name())).await?;
                Ok(entry.id)
            }
            .scope_boxed()
        })
        .await
}

/// Seals an entry that an inspector writes, to the report's key and to the recipients in `also`.
pub(super) async fn sealed(
    inspector: &Inspector,
    report: &Report,
    body: Body,
    at: DateTime<Utc>,
    also: Vec<Recipient>,
) -> Result<EntryRow> {
    let (report, by) = (report.clone(), inspector.name().to_owned());
    off_thread(move || {
        let by = Some(by.as_str());
        Ok(seal(&report, NewEntry { at, by, body }, &also)?)
    })
    .await
}
