//! Of which lines every page tells. A member with a few lines is told of all; one with many of those that need attention.

use super::{Inspector, Result, changes, flood};
use crate::line::Line;
use crate::report::role::Role;
use crate::service::Service;
use crate::store::attention;
use std::collections::HashSet;

/// A page tells of so many lines at most. A member with more has many lines: pages do no more for them than for these.
pub const AT_ONCE: usize = 16;

/// The lines that a page tells of, in the order of the configuration: all of a member with few. Of many those that need
/// attention (a flood, a receipt told twice, changes of members), and `chosen`, which is the first one.
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
    if inspector.role() == Role::Lead {
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
