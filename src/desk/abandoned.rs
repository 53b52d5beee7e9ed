//! Calls that came to nothing: a page at a time, so that ten thousand of them are no more to open than fifty.

use super::opened::{OpenReport, note_opening, open_all};
use super::{DeskError, Inspector, Invalid, Result};
use crate::service::Service;
use crate::store::reports::{self, Report};
use crate::store::{StoreError, hours};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Calls a page has at most: each is opened, and each opening is in the trail.
pub const PAGE: usize = 50;

/// A call that came to nothing, opened; or what is in the clear of one that does not open, and belongs looked into
/// with `audit verify`.
pub enum AbandonedCall {
    /// Open.
    Open(OpenReport),
    /// Something of it is not what the trail says it is.
    Damaged(Report),
}

/// Some calls that came to nothing, line by line, the newest hour first.
pub struct Page {
    /// At most [`PAGE`] of them.
    pub calls: Vec<AbandonedCall>,
    /// Where the next page begins; none after the last one.
    pub next: Option<String>,
}

/// Calls that ended before anything was recorded, opened: who called, and how far they got. Each opening is in the
/// trail.
///
/// # Errors
///
/// [`DeskError::Missing`] for a line not theirs, [`Invalid::Cursor`].
pub async fn list(
    service: &Service,
    inspector: &Inspector,
    line: Option<&str>,
    cursor: Option<&str>,
) -> Result<Page> {
    let mut lines = inspector.lines_named(service, line)?;
    let mut after = None;
    if let Some(cursor) = cursor.filter(|text| !text.is_empty()) {
        let wrong = || DeskError::Invalid(Invalid::Cursor);
        let (line, place) = read_cursor(cursor).ok_or_else(wrong)?;
        let at = lines.iter().position(|own| own.id == line);
        lines.drain(..at.ok_or_else(wrong)?);
        after = Some(place);
    }
    let mut tx = service.db.read().await?;
    let mut found = Vec::new();
    for line in lines {
        let wanted = i64::try_from(PAGE + 1 - found.len()).unwrap_or(1);
        found.extend(reports::abandoned(&mut tx, &line.id, after.take(), wanted).await?);
        if found.len() > PAGE {
            break;
        }
    }
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let next = found.last().filter(|_| more).map(cursor_after);
    let mut calls = Vec::new();
    for report in found {
        calls.push(match open_all(&mut tx, inspector, report.clone()).await {
            Ok(open) => AbandonedCall::Open(open),
            // One that was tampered with must not hide the others.
            Err(DeskError::Store(StoreError::Unreadable(_))) => AbandonedCall::Damaged(report),
            Err(error) => return Err(error),
        });
    }
    drop(tx);
    let mut tx = service.db.begin().await?;
    for call in &calls {
        if let AbandonedCall::Open(OpenReport { report, .. }) = call {
            note_opening(
                service,
                &mut tx,
                inspector,
                report,
                "abandoned_opened",
                None,
            )
            .await?;
        }
    }
    tx.commit().await?;
    Ok(Page { calls, next })
}

/// How many calls of the inspector's lines came to nothing. Nothing is opened.
///
/// # Errors
///
/// When the database fails.
pub async fn count(service: &Service, inspector: &Inspector) -> Result<i64> {
    let mut tx = service.db.read().await?;
    let mut count = 0;
    for line in inspector.lines(service) {
        count += hours::without_message(&mut tx, &line.id).await?;
    }
    Ok(count)
}

fn cursor_after(report: &Report) -> String {
    let hour = report.received_hour.timestamp();
    URL_SAFE_NO_PAD.encode(format!("{}/{hour}/{}", report.line, report.id))
}

fn read_cursor(cursor: &str) -> Option<(String, (DateTime<Utc>, Uuid))> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (line, place) = text.split_once('/')?;
    let (hour, id) = place.split_once('/')?;
    // Four digits for the year: text is what SQLite compares.
    let hour = hour
        .parse()
        .ok()
        .filter(|hour| (0..LATEST).contains(hour))?;
    let hour = DateTime::from_timestamp(hour, 0)?;
    Some((line.to_owned(), (hour, id.parse().ok()?)))
}

/// The year 10000, in seconds.
const LATEST: i64 = 253_402_300_800;
