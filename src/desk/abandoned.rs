//! Calls that came to nothing: a page at a time, so that ten thousand of them are no more to open than fifty.

use super::opened::{OpenReport, note_opening, open_all};
use super::{DeskError, Inspector, Invalid, Result};
use crate::service::Service;
use crate::store::reports::{self, Report};
use crate::store::{StoreError, hours};
use crate::vault::action::Action;
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
    let mut before = i64::MAX;
    let mut tx = service.db.console.begin_read().await?;
    if let Some(cursor) = cursor.filter(|text| !text.is_empty()) {
        let wrong = || DeskError::Invalid(Invalid::Cursor);
        let id: Uuid = cursor.parse().map_err(|_| wrong())?;
        let last = reports::get(&mut tx, id).await?.ok_or_else(wrong)?;
        let at = lines.iter().position(|own| own.id == last.line);
        lines.drain(..at.ok_or_else(wrong)?);
        before = last.n;
    }
    let mut found = Vec::new();
    for line in lines {
        let wanted = i64::try_from(PAGE + 1 - found.len()).unwrap_or(1);
        found.extend(reports::abandoned(&mut tx, &line.id, before, wanted).await?);
        before = i64::MAX;
        if found.len() > PAGE {
            break;
        }
    }
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| last.id.to_string());
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
    let mut tx = service.db.console.begin().await?;
    for call in &calls {
        if let AbandonedCall::Open(OpenReport { report, .. }) = call {
            note_opening(
                service,
                &mut tx,
                inspector,
                report,
                Action::AbandonedOpened,
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
    let mut tx = service.db.console.begin_read().await?;
    let mut count = 0;
    for line in inspector.lines(service) {
        count += hours::without_message(&mut tx, &line.id).await?;
    }
    Ok(count)
}
