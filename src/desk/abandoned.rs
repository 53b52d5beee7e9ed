//! Calls that came to nothing: a page at a time, so that ten thousand of them are no more to open than fifty.

use super::opened::{OpenReport, Sealed, note_openings};
use super::{DeskError, Inspector, Invalid, Result, off_thread};
use crate::line::Line;
use crate::service::Service;
use crate::store::reports::{self, Report};
use crate::store::{ReadTx, StoreError, hours};
use crate::vault::action::Action;
use scoped_futures::ScopedFutureExt;
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
    let lines = &inspector.lines_named(service, line)?;
    let console = &service.db.console;
    let read = console.read(|tx| {
        async move {
            let (found, next) = page(tx, lines, cursor).await?;
            let mut sealed = Vec::new();
            for report in found {
                let read = Sealed::read(tx, inspector, report.clone()).await;
                sealed.push(or_damaged(read, report)?);
            }
            Ok::<_, DeskError>((sealed, next))
        }
        .scope_boxed()
    });
    let (sealed, next) = read.await?;
    let own = inspector.identity().clone();
    let open = move |sealed: std::result::Result<Sealed, Report>| match sealed {
        Ok(sealed) => {
            let report = sealed.report.clone();
            Ok(match or_damaged(sealed.open(&own), report)? {
                Ok(open) => AbandonedCall::Open(open),
                Err(report) => AbandonedCall::Damaged(report),
            })
        }
        Err(report) => Ok(AbandonedCall::Damaged(report)),
    };
    let open_all = move || sealed.into_iter().map(open).collect::<Result<Vec<_>>>();
    let calls = off_thread(open_all).await?;
    let opened = calls.iter().filter_map(|call| match call {
        AbandonedCall::Open(OpenReport { report, .. }) => Some(report),
        AbandonedCall::Damaged(_) => None,
    });
    let opened: Vec<&Report> = opened.collect();
    note_openings(service, inspector, &opened, Action::AbandonedOpened, None).await?;
    Ok(Page { calls, next })
}

/// One that was tampered with must not hide the others.
fn or_damaged<T>(read: Result<T>, report: Report) -> Result<std::result::Result<T, Report>> {
    match read {
        Ok(value) => Ok(Ok(value)),
        Err(DeskError::Store(StoreError::Unreadable(_))) => Ok(Err(report)),
        Err(error) => Err(error),
    }
}

/// The calls of a page, and the cursor of the next one.
async fn page(
    tx: &mut ReadTx,
    mut lines: &[&Line],
    cursor: Option<&str>,
) -> Result<(Vec<Report>, Option<String>)> {
    let mut before = i64::MAX;
    if let Some(cursor) = cursor.filter(|text| !text.is_empty()) {
        let wrong = || DeskError::Invalid(Invalid::Cursor);
        let id: Uuid = cursor.parse().map_err(|_| wrong())?;
        let last = reports::get(tx, id).await?.ok_or_else(wrong)?;
        let at = lines.iter().position(|own| own.id == last.line);
        lines = &lines[at.ok_or_else(wrong)?..];
        before = last.n;
    }
    let mut found = Vec::new();
    for line in lines {
        let wanted = i64::try_from(PAGE + 1 - found.len()).unwrap_or(1);
        found.extend(reports::abandoned(tx, &line.id, before, wanted).await?);
        before = i64::MAX;
        if found.len() > PAGE {
            break;
        }
    }
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let last = found.last().filter(|_| more);
    let next = last.map(|last| last.id.to_string());
    Ok((found, next))
}

/// How many calls of the inspector's lines came to nothing. Nothing is opened.
///
/// # Errors
///
/// When the database fails.
pub async fn count(service: &Service, inspector: &Inspector) -> Result<i64> {
    service
        .db
        .console
        .read(|tx| {
            async move {
                let mut count = 0;
                for line in inspector.lines(service) {
                    count += hours::without_message(tx, &line.id).await?;
                }
                Ok(count)
            }
            .scope_boxed()
        })
        .await
}
