//! Changes of the members who work on a line, and what is done with the line's recovery key. Each lead of the line sees them
//! on every page for seven days, or until they dismiss them, so that the use of a stolen session and password is visible to
//! the other leads. What is done with the recovery key is shown to the line's inspectors too. At most 20
//! changes are shown at once, the oldest first. Only those that are shown can be dismissed; the next ones are shown
//! after that.

use super::{Inspector, Result};
use crate::line::Line;
use crate::service::Service;
use crate::store::audit::{self, LinkRow};
use crate::store::members as rows;
use crate::vault::action::Action;
use crate::vault::signers::RECOVERY_KEY;
use chrono::{DateTime, TimeDelta, Utc};
use scoped_futures::ScopedFutureExt;

/// Time for which a change is shown, in line time.
const SHOWN: TimeDelta = TimeDelta::days(7);
/// Maximum number of changes of a line that are shown at once.
const AT_ONCE: usize = 20;

/// The changes of one line that a member has not dismissed.
#[derive(Default)]
pub struct Changes {
    /// The links of the changes that are shown, the oldest first, without links that another one implies.
    pub links: Vec<LinkRow>,
    /// Number of newer changes that are not shown yet, among the 1,000 oldest links about members that are not
    /// dismissed.
    pub more: usize,
    /// Link number with which [`put_away`] dismisses the shown changes; changes that are not shown yet have higher
    /// numbers. 0 if there is no change.
    pub up_to: i64,
}

/// Returns the changes of a line in the last 7 days (line time) that the inspector has not dismissed, the oldest first, at
/// most 20; if the inspector is not a lead, only what is done with the recovery key. Adding a member and giving them the
/// line counts as one change.
///
/// # Errors
///
/// When the database fails.
pub async fn of(service: &Service, inspector: &Inspector, line: &Line) -> Result<Changes> {
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
        .filter(|link| inspector.is_lead() || is_of_recovery(link))
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

/// Returns the line time from which on changes are shown at `now`.
pub(super) fn shown_since(now: DateTime<Utc>) -> DateTime<Utc> {
    now - SHOWN
}

/// True if the link says what was done with the recovery key.
fn is_of_recovery(link: &LinkRow) -> bool {
    link.action == Action::RecoveryRenewed || link.actor.as_deref() == Some(RECOVERY_KEY)
}

/// True if another link implies `link`, because `link` gives the line to a member whom the link directly before it
/// added, or gives it to the acting member themselves, as after making a line key.
fn goes_without_saying(link: &LinkRow, all: &[LinkRow]) -> bool {
    let of_new_member = |other: &LinkRow| {
        other.action == Action::MemberAdded
            && other.object == link.object
            && other.seq + 1 == link.seq
    };
    link.action == Action::Granted && (link.actor == link.detail || all.iter().any(of_new_member))
}

/// Dismisses, for this inspector only, changes of lines up to a link number: `seen` holds lines and numbers. Lines that
/// are not the inspector's are skipped.
///
/// # Errors
///
/// When the database fails.
pub async fn put_away(
    service: &Service,
    inspector: &Inspector,
    seen: &[(String, i64)],
) -> Result<()> {
    service
        .db
        .console
        .write(|tx| {
            async move {
                for (line, seq) in seen {
                    if inspector.has_line(line) {
                        // Links that are added later must not be dismissed.
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
