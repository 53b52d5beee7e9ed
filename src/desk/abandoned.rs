//! Calls without a message, opened one page at a time, so that the cost of a page does not grow with the number of
//! calls.

use super::opened::{OpenReport, Sealed, note_openings};
use super::{DeskError, Inspector, Invalid, Result, off_thread};
use crate::line::Line;
use crate::service::Service;
use crate::store::reports::{self, Report};
use crate::store::{ReadTx, StoreError, hours};
use crate::vault::action::Action;
use scoped_futures::ScopedFutureExt;
use uuid::Uuid;

/// Maximum number of calls on a page. Each of them is opened, and each opening is recorded in the trail.
pub const PAGE: usize = 50;

/// A call without a message: opened, or only its unsealed row if it cannot be opened. `dutyline audit verify` tells
/// what is wrong with such a call.
pub enum AbandonedCall {
    /// The opened call.
    Open(OpenReport),
    /// Part of the call cannot be read, or does not match the trail. Holds the unsealed row.
    Damaged(Report),
}

/// One page of calls without a message: line by line, and the latest first.
pub struct Page {
    /// At most [`PAGE`] calls.
    pub calls: Vec<AbandonedCall>,
    /// The cursor of the next page; `None` on the last page.
    pub next: Option<String>,
}

/// Returns a page of calls that are settled, became no report and added nothing to an earlier one, opened: the caller's
/// number and how far the caller got. `line` and `cursor` may be missing or empty, for all lines and for the first
/// page. Each opening is recorded in the trail.
///
/// # Errors
///
/// Returns [`DeskError::Missing`] for a line that is not the inspector's, and [`Invalid::Cursor`] for a cursor that
/// names no call of the lines asked for. Also when the database fails.
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

/// Replaces the error for a call that cannot be read by the call's unsealed row, so that one call that was tampered
/// with does not hide the others.
fn or_damaged<T>(read: Result<T>, report: Report) -> Result<std::result::Result<T, Report>> {
    match read {
        Ok(value) => Ok(Ok(value)),
        Err(DeskError::Store(StoreError::Unreadable(_) | StoreError::Forged(_))) => Ok(Err(report)),
        Err(error) => Err(error),
    }
}

/// Returns the calls of a page, unopened, and the cursor of the next page.
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

/// Returns the number of calls without a message on all of the inspector's lines. Nothing is opened.
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
