//! Chooses the lines that every page lists: all lines of a member who has few, and of a member who has many only those
//! that need attention.

use super::{Inspector, Result, changes, flood};
use crate::line::Line;
use crate::service::Service;
use crate::store::attention;
use std::collections::HashSet;

/// Maximum number of lines that a page lists, so that its work does not grow with the number of lines. A member with
/// more lines than this has many lines.
pub const AT_ONCE: usize = 16;

/// Returns the lines that a page lists, at most [`AT_ONCE`], in the order of the configuration. For a member with more
/// lines, these are those that need attention (a possible flood, a waived confirmation; for leads also a shared receipt
/// or changes of members), after the line `chosen`, if the member holds it.
///
/// # Errors
///
/// When the database fails.
pub async fn lines<'a>(
    service: &'a Service,
    inspector: &Inspector,
    chosen: Option<&str>,
) -> Result<Vec<&'a Line>> {
    let all = inspector.lines(service);
    if all.len() <= AT_ONCE {
        return Ok(all);
    }
    let now = service.clock.line_now();
    let mut tx = service.db.console.begin_read().await?;
    let mut found = attention::flooded(&mut tx, flood::recent_since(now)).await?;
    if inspector.is_lead() {
        found.extend(attention::shared_receipts(&mut tx).await?);
        let since = changes::shown_since(now);
        found.extend(attention::changed(&mut tx, inspector.id(), since).await?);
    }
    found.extend(attention::waived(&mut tx).await?);
    drop(tx);
    let found: HashSet<String> = found.into_iter().collect();
    let chosen = chosen.filter(|line| inspector.has_line(line));
    let chosen = chosen.and_then(|line| service.config.line(line));
    let others = all
        .into_iter()
        .filter(|line| found.contains(&line.id) && chosen.is_none_or(|own| own.id != line.id));
    Ok(chosen.into_iter().chain(others).take(AT_ONCE).collect())
}
