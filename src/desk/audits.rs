//! The trails of lines, for auditors: who did what when, without what callers said. Reading a trail is recorded in it.

use super::rights::Auditor;
use super::{DeskError, Result};
use crate::line::hours::Phase;
use crate::service::Service;
use crate::store::audit::{self, Act, LinkRow};
use crate::store::{StoreError, reports};
use crate::vault::action::Action;
use scoped_futures::ScopedFutureExt;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Number of links on a page.
pub const PAGE: i64 = 200;

/// A link of a line's trail.
pub struct Seen {
    /// The link.
    pub link: LinkRow,
    /// The reference of the report that it is about.
    pub reference: Option<String>,
    /// True if content was opened.
    pub is_opening: bool,
    /// True if content was opened while the line was not staffed.
    pub is_out_of_hours: bool,
}

/// A part of a line's trail.
pub struct Part {
    /// Links whose hash, MAC and signature hold, the last one first.
    pub links: Vec<Seen>,
    /// Number of links that are refused.
    pub refused: usize,
    /// Number of links of the line.
    pub total: i64,
    /// The number before which the next part's links are; `None` at the beginning of the trail.
    pub earlier: Option<i64>,
}

/// True for acts by which a member learns what a caller said.
fn opens(action: Action) -> bool {
    matches!(
        action,
        Action::ReportOpened
            | Action::AbandonedOpened
            | Action::RecordingOpened
            | Action::ExportOpened
            | Action::ExportSealed
    )
}

/// Returns the links of a line's trail before the number `before`, at most [`PAGE`]; the last ones if it is `None`.
/// Recorded in the same trail, after the links that are returned.
///
/// # Errors
///
/// Returns [`DeskError::Missing`] for a line that is not configured. Also when the database fails.
pub async fn of_line(
    service: &Service,
    auditor: &Auditor,
    line: &str,
    before: Option<i64>,
) -> Result<Part> {
    let line = service.config.line(line).ok_or(DeskError::Missing)?;
    let console = &service.db.console;
    let read = console.write(|tx| {
        async move {
            tx.sign_as(auditor.signer());
            let total = audit::end(tx, &line.id).await?;
            let before = before.unwrap_or(total + 1).clamp(1, total + 1);
            let first = (before - PAGE).max(1);
            let links = audit::range(tx, &line.id, first, before - 1).await?;
            let mut references = HashMap::new();
            for report in links.iter().filter_map(|link| link.report) {
                if let Entry::Vacant(new) = references.entry(report) {
                    let found = match reports::get(tx, report).await {
                        Err(StoreError::Forged(_)) => None,
                        found => found?,
                    };
                    new.insert(found.and_then(|report| report.reference));
                }
            }
            let act = Act {
                actor: Some(auditor.name()),
                ..Act::new(service.clock.line_now(), Action::TrailOpened)
            };
            audit::append(tx, &line.id, act);
            let asked = usize::try_from(before - first).unwrap_or_default();
            let earlier = (first > 1).then_some(first);
            Ok::<_, DeskError>((links, references, asked, total, earlier))
        }
        .scope_boxed()
    });
    let (mut links, references, asked, total, earlier) = read.await?;
    links.reverse();
    let schedule = &line.schedule;
    let is_staffed =
        |link: &LinkRow| matches!(schedule.phase(link.at), Phase::Open | Phase::IntakeClosed);
    Ok(Part {
        refused: asked.saturating_sub(links.len()),
        links: links
            .into_iter()
            .map(|link| Seen {
                reference: link.report.and_then(|id| references.get(&id)?.clone()),
                is_opening: opens(link.action),
                is_out_of_hours: opens(link.action) && !is_staffed(&link),
                link,
            })
            .collect(),
        total,
        earlier,
    })
}
