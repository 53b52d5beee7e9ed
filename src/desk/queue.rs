//! The queue, and a report's trail.

use super::opened::{find, note_opening};
use super::{DeskError, Inspector, Invalid, Result};
use crate::report::status::Status;
use crate::service::Service;
use crate::store::audit::{self, LinkRow};
use crate::store::reports::{self, Report};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

/// Reports a page has at most.
pub const PAGE: usize = 50;

/// Which reports.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only this line.
    pub line: Option<String>,
    /// Only with this status.
    pub status: Option<Status>,
    /// Only those the inspector has claimed.
    pub mine: bool,
    /// What comes after a page: its [`Page::next`].
    pub cursor: Option<String>,
}

/// Some reports, in order of line and reference.
pub struct Page {
    /// At most [`PAGE`] of them.
    pub reports: Vec<Report>,
    /// Where the next page begins; none after the last one.
    pub next: Option<String>,
}

/// Reports of the inspector's lines. Nothing is opened, so nothing is in the trail.
///
/// # Errors
///
/// [`DeskError::Missing`] for a line not theirs, [`Invalid::Cursor`].
pub async fn list(service: &Service, inspector: &Inspector, filter: &Filter) -> Result<Page> {
    let mut lines = inspector.lines_named(service, filter.line.as_deref())?;
    let status = filter.status.map_or("", Status::as_str);
    let mine = filter.mine.then(|| inspector.id());
    let mut after = String::new();
    if let Some(cursor) = filter.cursor.as_deref().filter(|text| !text.is_empty()) {
        let wrong = || DeskError::Invalid(Invalid::Cursor);
        let (line, reference) = read_cursor(cursor).ok_or_else(wrong)?;
        let at = lines
            .iter()
            .position(|own| own.id == line)
            .ok_or_else(wrong)?;
        lines.drain(..at);
        after = reference;
    }
    let mut tx = service.db.read().await?;
    let mut found = Vec::new();
    for line in lines {
        let wanted = i64::try_from(PAGE + 1 - found.len()).unwrap_or(1);
        found.extend(reports::list(&mut tx, &line.id, status, &after, wanted, mine).await?);
        after.clear();
        if found.len() > PAGE {
            break;
        }
    }
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let next = found.last().filter(|_| more).map(cursor_after);
    Ok(Page {
        reports: found,
        next,
    })
}

/// The report that has waited longest, by the hour it arrived: of one line of the inspector's, or of all of them. Of
/// those of one hour the line that comes first in the configuration goes first.
///
/// # Errors
///
/// [`DeskError::Missing`] for a line not theirs.
pub async fn longest_waiting(
    service: &Service,
    inspector: &Inspector,
    line: Option<&str>,
) -> Result<Option<Report>> {
    let mut tx = service.db.read().await?;
    let mut longest: Option<Report> = None;
    for line in inspector.lines_named(service, line)? {
        let next = reports::longest_waiting(&mut tx, &line.id).await?;
        longest = match (longest, next) {
            (Some(one), Some(other)) if other.received_hour < one.received_hour => Some(other),
            (Some(one), _) => Some(one),
            (None, next) => next,
        };
    }
    Ok(longest)
}

fn cursor_after(report: &Report) -> String {
    let reference = report.reference.as_deref().unwrap_or_default();
    URL_SAFE_NO_PAD.encode(format!("{}/{reference}", report.line))
}

fn read_cursor(cursor: &str) -> Option<(String, String)> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (line, reference) = text.split_once('/')?;
    let of_ours = |c: char| c.is_ascii_digit() || c == '-';
    if reference.is_empty() || !reference.chars().all(of_ours) {
        return None;
    }
    Some((line.to_owned(), reference.to_owned()))
}

/// The audit trail of a report. Looking at it is in it.
///
/// # Errors
///
/// [`DeskError::Missing`].
pub async fn trail(
    service: &Service,
    inspector: &Inspector,
    id: Uuid,
) -> Result<(Report, Vec<LinkRow>)> {
    let mut tx = service.db.begin().await?;
    let report = find(&mut tx, inspector, id).await?;
    note_opening(service, &mut tx, inspector, &report, "trail_opened", None).await?;
    let links = audit::of_report(&mut tx, &report.line, id).await?;
    tx.commit().await?;
    Ok((report, links))
}
