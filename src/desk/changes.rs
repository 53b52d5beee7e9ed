//! What changed about who works on a line: leads see it on every page until they put it away, or for a week. A login
//! that was stolen together with its password so leaves something the other leads see. Twenty changes are shown at once,
//! from the oldest on; only these are put away, and then the next ones are shown.

use super::{Inspector, Result};
use crate::line::Line;
use crate::report::role::Role;
use crate::service::Service;
use crate::store::audit::{self, LinkRow};
use crate::store::members as rows;
use crate::vault::action::Action;
use chrono::{DateTime, TimeDelta, Utc};
use scoped_futures::ScopedFutureExt;

/// How long a change is shown, in line time.
const SHOWN: TimeDelta = TimeDelta::days(7);
/// So many changes of a line are shown at once.
const AT_ONCE: usize = 20;

/// The changes of one line.
#[derive(Default)]
pub struct Changes {
    /// The links that are shown, the oldest first, without those that belong to another one.
    pub links: Vec<LinkRow>,
    /// How many newer ones are not shown yet; 1,000 links are counted at most.
    pub more: usize,
    /// Up to this number links are put away: no link that is not shown yet is among them. 0 when there is none.
    pub up_to: i64,
}

/// The changes of a line that the inspector has not put away; none for those who are no leads. What adding a member
/// brings with it is one change.
///
/// # Errors
///
/// When the database fails.
pub async fn of(service: &Service, inspector: &Inspector, line: &Line) -> Result<Changes> {
    if inspector.role() != Role::Lead {
        return Ok(Changes::default());
    }
    let since = shown_since(service.clock.line_now());
    let links = service
        .db
        .console
        .read(|tx| {
            async move {
                let after = rows::seen_up_to(tx, inspector.id(), &line.id).await?;
                audit::of_members(tx, &line.id, after, since).await
            }
            .scope_boxed()
        })
        .await?;
    let mut shown: Vec<LinkRow> = links
        .iter()
        .filter(|link| !goes_without_saying(link, &links))
        .cloned()
        .collect();
    let later = shown.split_off(AT_ONCE.min(shown.len()));
    Ok(Changes {
        up_to: match later.first() {
            Some(next) => next.seq - 1,
            None => links.last().map_or(0, |link| link.seq),
        },
        links: shown,
        more: later.len(),
    })
}

/// From when on changes are shown.
pub(super) fn shown_since(now: DateTime<Utc>) -> DateTime<Utc> {
    now - SHOWN
}

/// A line given by the link after the one that added the member; or the key of a new line given to the lead who made it.
fn goes_without_saying(link: &LinkRow, all: &[LinkRow]) -> bool {
    let of_new_member = |other: &LinkRow| {
        other.action == Action::MemberAdded
            && other.object == link.object
            && other.seq + 1 == link.seq
    };
    link.action == Action::Granted && (link.actor == link.detail || all.iter().any(of_new_member))
}

/// Puts a line's changes away, up to link number `seq`, for this inspector alone. What is not theirs is passed over.
///
/// # Errors
///
/// When the database fails.
pub async fn put_away(
    service: &Service,
    inspector: &Inspector,
    seen: &[(String, i64)],
) -> Result<()> {
    super::team::lead(inspector)?;
    service
        .db
        .console
        .write(|tx| {
            async move {
                for (line, seq) in seen {
                    if inspector.has_line(line) {
                        // Nothing that is still to come is put away.
                        let seq = (*seq).min(audit::end(tx, line).await?);
                        rows::set_seen(tx, inspector.id(), line, seq).await?;
                    }
                }
                Ok(())
            }
            .scope_boxed()
        })
        .await
}
