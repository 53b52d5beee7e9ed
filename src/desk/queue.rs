//! The list of reports (the queue), and the audit trail of a report.

use super::attention::AT_ONCE;
use super::opened::{find, note_opening};
use super::{DeskError, Inspector, Invalid, Result};
use crate::line::Line;
use crate::report::status::Status;
use crate::service::Service;
use crate::store::ReadTx;
use crate::store::audit::{self, LinkRow};
use crate::store::reports::{self, Listed, Report};
use crate::vault::action::Action;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use scoped_futures::ScopedFutureExt;
use std::collections::HashSet;
use uuid::Uuid;

/// Maximum number of reports on a page.
pub const PAGE: usize = 50;

/// Selects reports of a list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only reports of this line.
    pub line: Option<String>,
    /// Only reports with this status.
    pub status: Option<Status>,
    /// If true, only reports that are assigned to the inspector.
    pub mine: bool,
    /// The [`Page::next`] of a page after which the list continues; the first page if it is missing or empty.
    pub cursor: Option<String>,
}

/// One page of reports, in order of arrival over all lines.
pub struct Page {
    /// At most [`PAGE`] reports.
    pub reports: Vec<Report>,
    /// The cursor of the next page; `None` on the last page.
    pub next: Option<String>,
}

/// Returns one page of reports of the inspector's lines. Nothing is opened, so nothing is recorded in the trail.
///
/// # Errors
///
/// Returns [`DeskError::Missing`] for a line that is not the inspector's, and [`Invalid::Cursor`] for a cursor that
/// names no report of the lines asked for. Also when the database fails.
pub async fn list(service: &Service, inspector: &Inspector, filter: &Filter) -> Result<Page> {
    let lines = &inspector.lines_named(service, filter.line.as_deref())?;
    let mut found = service
        .db
        .console
        .read(|tx| {
            async move {
                let after = match filter.cursor.as_deref().filter(|text| !text.is_empty()) {
                    Some(cursor) => place(tx, lines, cursor).await?,
                    None => 0,
                };
                let wanted = Listed {
                    line: None,
                    status: filter.status,
                    assignee: filter.mine.then(|| inspector.id()),
                    after,
                    limit: i64::try_from(PAGE + 1).unwrap_or(i64::MAX),
                };
                of_lines(tx, lines, wanted).await
            }
            .scope_boxed()
        })
        .await?;
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let next = found.last().filter(|_| more).map(cursor_after);
    Ok(Page {
        reports: found,
        next,
    })
}

/// Maximum number of reports that one statement reads if it reads those of all lines.
const PIECE: i64 = 500;

/// Returns the reports of these lines in order of arrival, at most `wanted.limit`. Up to [`AT_ONCE`] lines are read one
/// by one. For more lines, the reports of all lines are read in order and filtered, because a member with many lines
/// has access to a large part of them.
async fn of_lines(tx: &mut ReadTx, lines: &[&Line], wanted: Listed<'_>) -> Result<Vec<Report>> {
    let limit = usize::try_from(wanted.limit).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    if lines.len() <= AT_ONCE {
        for line in lines {
            let line = Some(line.id.as_str());
            found.extend(reports::list(tx, Listed { line, ..wanted }).await?);
        }
        found.sort_by_key(|report| report.n);
    } else {
        let own: HashSet<&str> = lines.iter().map(|line| line.id.as_str()).collect();
        let mut piece = wanted;
        while found.len() < limit {
            let next = reports::list(tx, piece).await?;
            let Some(last) = next.last() else { break };
            piece.after = last.n;
            // Read more rows the next time, because few of them may belong to the member's lines.
            piece.limit = (4 * piece.limit).min(PIECE);
            found.extend(
                next.into_iter()
                    .filter(|report| own.contains(report.line.as_str())),
            );
        }
    }
    found.truncate(limit);
    Ok(found)
}

/// Returns the queued report that has waited longest, on the named line or on all of the inspector's lines; `None` if
/// no report is queued there.
///
/// # Errors
///
/// Returns [`DeskError::Missing`] for a line that is not the inspector's. Also when the database fails.
pub async fn longest_waiting(
    service: &Service,
    inspector: &Inspector,
    line: Option<&str>,
) -> Result<Option<Report>> {
    let lines = &inspector.lines_named(service, line)?;
    let wanted = Listed {
        line: None,
        status: Some(Status::Queued),
        assignee: None,
        after: 0,
        limit: 1,
    };
    Ok(service
        .db
        .console
        .read(|tx| async move { of_lines(tx, lines, wanted).await }.scope_boxed())
        .await?
        .pop())
}

/// Returns the cursor of the page after a report. It holds line and reference of the report and not its row number,
/// because row numbers would reveal how many calls other lines have had.
fn cursor_after(report: &Report) -> String {
    let reference = report.reference.as_deref().unwrap_or_default();
    URL_SAFE_NO_PAD.encode(format!("{}/{reference}", report.line))
}

/// Returns the row number of the report that a cursor names; fails if the cursor names no report of these lines.
async fn place(tx: &mut ReadTx, lines: &[&Line], cursor: &str) -> Result<i64> {
    let wrong = || DeskError::Invalid(Invalid::Cursor);
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| wrong())?;
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    let (line, reference) = text.rsplit_once('/').ok_or_else(wrong)?;
    if !lines.iter().any(|own| own.id == line) {
        return Err(wrong());
    }
    let id = reports::by_reference(tx, line, reference).await?;
    let report = reports::get(tx, id.ok_or_else(wrong)?).await?;
    Ok(report.ok_or_else(wrong)?.n)
}

/// Returns a report and its audit trail. This access is recorded in the trail, after the links that are returned.
///
/// # Errors
///
/// Returns [`DeskError::Missing`] for a report that is not accessible to the inspector. Also when the database fails.
pub async fn trail(
    service: &Service,
    inspector: &Inspector,
    id: Uuid,
) -> Result<(Report, Vec<LinkRow>)> {
    service
        .db
        .console
        .write(|tx| {
            async move {
                let report = find(tx, inspector, id).await?;
                note_opening(service, tx, inspector, &report, Action::TrailOpened, None);
                let links = audit::of_report(tx, &report.line, id).await?;
                Ok((report, links))
            }
            .scope_boxed()
        })
        .await
}
