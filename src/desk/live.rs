//! Live updates of open pages.
//!
//! Updates are derived from the audit trail: each event on a line is a link of its chain, committed in the same
//! transaction as the event. So committed changes are reported and changes that were rolled back are not, on every
//! node.

use super::attention::AT_ONCE;
use super::{Inspector, Result};
use crate::members::login;
use crate::service::Service;
use crate::service::presence::Seen;
use crate::store::StoreError;
use crate::store::audit::{self, LinkRow};
use crate::vault::action::Action;
use crate::vault::entry::EntryKind;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use uuid::Uuid;

/// Minimum time between two reads of the last links of the trails (the audit heads). Each read may cause every open
/// page to read its report or its list again.
const APART: Duration = Duration::from_millis(300);
/// Time without any wake-up after which the session of a page that follows changes is checked.
const STILL_THERE: Duration = Duration::from_secs(5);

/// Reads the audit heads when a trail has grown, and at least every
/// [`poll_interval`](crate::service::presence::Live::poll_interval), while any page follows changes. Ends, and ends the
/// following of all pages, when `stop` becomes true.
pub async fn run(service: Arc<Service>, mut stop: watch::Receiver<bool>) {
    let live = &service.live;
    let mut changes = service.db.changes();
    let mut broken = false;
    loop {
        let told = async {
            tokio::time::sleep(APART).await;
            // The result is ignored: the sender is owned by the service, and a timeout only means that no change was
            // announced.
            let _ = tokio::time::timeout(live.poll_interval, changes.changed()).await;
        };
        tokio::select! {
            () = told => {}
            // An error means that the sender was dropped.
            _ = stop.wait_for(|stop| *stop) => break,
        }
        if live.seen.receiver_count() == 0 {
            continue;
        }
        let looked = look(&service).await;
        if looked.is_err() {
            // The announcement of the change is used up although nothing was read: read in the next round.
            changes.mark_changed();
        }
        match looked {
            Ok(()) => broken = false,
            Err(error) if broken => {
                tracing::debug!(%error, "live updates still paused: audit heads cannot be read")
            }
            Err(error) => {
                tracing::error!(%error, "live updates paused: audit heads cannot be read");
                broken = true;
            }
        }
    }
    live.seen.send_modify(|seen| seen.closing = true);
}

async fn look(service: &Service) -> std::result::Result<(), StoreError> {
    let mut tx = service.db.console.begin_read().await?;
    let heads: BTreeMap<String, i64> = audit::heads(&mut tx).await?.into_iter().collect();
    drop(tx);
    service.live.seen.send_if_modified(|seen| {
        let changed = *seen.heads != heads;
        seen.heads = Arc::new(heads);
        changed
    });
    Ok(())
}

/// An update sent to a following page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The page's content has changed.
    Changed {
        /// Position in the trails to continue from after an interruption, in the form that [`now`] returns.
        at: i64,
    },
    /// Names of the other members who have the report open on this node.
    Present(Vec<String>),
    /// A new minute of line time has begun.
    Minute,
    /// The session has ended. No further update comes.
    LoggedOut,
}

/// State of one open page that follows changes.
pub struct Following {
    service: Arc<Service>,
    session: [u8; 32],
    name: String,
    /// The lines that the page follows, each with the number of the last link that was read.
    lines: Vec<(String, i64)>,
    /// True if the page follows more than [`AT_ONCE`] lines.
    many: bool,
    seen: watch::Receiver<Seen>,
    sessions: u64,
    minute: i64,
    /// True if something changed after the page was read and before it began to follow.
    behind: bool,
    page: Option<OpenPage>,
    told_present: Option<Vec<String>>,
    over: bool,
}

/// An open page of a report; removed from the list of open pages when this is dropped.
struct OpenPage {
    service: Arc<Service>,
    report: Uuid,
    number: u64,
}

impl Drop for OpenPage {
    fn drop(&mut self) {
        let live = &self.service.live;
        live.pages(|open| {
            if let Some(pages) = open.get_mut(&self.report) {
                pages.retain(|(number, _)| *number != self.number);
                if pages.is_empty() {
                    open.remove(&self.report);
                }
            }
        });
        live.seen.send_modify(|seen| seen.presence += 1);
    }
}

/// Returns the position of a page in the trails, to be passed to [`follow`]. With `line`: the number of its last link.
/// Without: the sum of these numbers over the inspector's lines; if there are more than [`AT_ONCE`] of them, a hash
/// that changes with every link of any line of the installation. Must be called before the page reads anything.
///
/// # Errors
///
/// When the database fails.
pub async fn now(service: &Service, inspector: &Inspector, line: Option<&str>) -> Result<i64> {
    if line.is_none() && has_many(service, inspector) {
        let mut tx = service.db.console.begin_read().await?;
        return Ok(disguised(service, audit::total(&mut tx).await?));
    }
    let own = own_heads(service, inspector, line).await?;
    Ok(own.iter().map(|(_, seq)| seq).sum())
}

fn has_many(service: &Service, inspector: &Inspector) -> bool {
    inspector.lines(service).len() > AT_ONCE
}

/// Hashes the number of links of all lines, so that it does not reveal that number: some of the lines may not be the
/// member's.
fn disguised(service: &Service, total: i64) -> i64 {
    let [a, b, c, d, ..] = service.secret.lookup("links", &[&total.to_string()]);
    u32::from_be_bytes([a, b, c, d]).into()
}

async fn own_heads(
    service: &Service,
    inspector: &Inspector,
    line: Option<&str>,
) -> Result<Vec<(String, i64)>> {
    let own: Vec<&str> = match line {
        Some(line) if inspector.has_line(line) => vec![line],
        Some(_) => Vec::new(),
        None => {
            let lines = inspector.lines(service).into_iter();
            lines.map(|line| line.id.as_str()).collect()
        }
    };
    let mut tx = service.db.console.begin_read().await?;
    Ok(audit::heads_of(&mut tx, &own).await?)
}

/// Begins to follow the inspector's lines, or one report. `after` is the position in the trails before the page was
/// read; see [`now`].
///
/// # Errors
///
/// Returns [`super::DeskError::Missing`] for a report that does not exist or is not accessible to the inspector. Also
/// when the database fails.
pub async fn follow(
    service: &Arc<Service>,
    inspector: &Inspector,
    report: Option<Uuid>,
    after: i64,
) -> Result<Following> {
    let mut seen = service.live.seen.subscribe();
    let sessions = seen.borrow_and_update().sessions;
    let line = match report {
        Some(id) => {
            let mut tx = service.db.console.begin_read().await?;
            let report = super::opened::find(&mut tx, inspector, id).await?;
            Some(report.line)
        }
        None => None,
    };
    let many = line.is_none() && has_many(service, inspector);
    let mut lines = own_heads(service, inspector, line.as_deref()).await?;
    let mut behind = match many {
        true => now(service, inspector, None).await? != after,
        false => lines.iter().map(|(_, seq)| seq).sum::<i64>() != after,
    };
    // A report's page follows one line, so it is known which links the page has missed. They are read and filtered,
    // because most of them do not concern the report.
    if let (Some(_), true, [(_, seq)]) = (report, behind, lines.as_mut_slice()) {
        *seq = after.clamp(0, *seq);
        behind = false;
    }
    let page = report.map(|report| {
        let number = u64::from_be_bytes(crate::base::clock::random());
        let name = inspector.name().to_owned();
        service
            .live
            .pages(|open| open.entry(report).or_default().push((number, name)));
        service.live.seen.send_modify(|seen| seen.presence += 1);
        OpenPage {
            service: Arc::clone(service),
            report,
            number,
        }
    });
    Ok(Following {
        service: Arc::clone(service),
        session: inspector.session(),
        name: inspector.name().to_owned(),
        lines,
        many,
        seen,
        sessions,
        minute: minute(service),
        behind,
        page,
        told_present: None,
        over: false,
    })
}

impl Following {
    /// Waits for the next update. Returns `None` when the service stops, or after [`News::LoggedOut`] was returned.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn next(&mut self) -> Result<Option<News>> {
        if self.over {
            return Ok(None);
        }
        loop {
            if std::mem::take(&mut self.behind) {
                return Ok(Some(self.changed()));
            }
            if let Some(present) = self.present() {
                return Ok(Some(News::Present(present)));
            }
            let heads = Arc::clone(&self.seen.borrow().heads);
            if self.moved_on(&heads).await? {
                return Ok(Some(self.changed()));
            }
            let woken = tokio::time::timeout(STILL_THERE, self.seen.changed()).await;
            let seen = self.seen.borrow_and_update().clone();
            if seen.closing || matches!(woken, Ok(Err(_))) {
                return Ok(None);
            }
            let look = woken.is_err() || seen.sessions != self.sessions;
            self.sessions = seen.sessions;
            if look && !login::lasts(&self.service, &self.session).await? {
                self.over = true;
                return Ok(Some(News::LoggedOut));
            }
            let minute = minute(&self.service);
            if std::mem::replace(&mut self.minute, minute) != minute {
                return Ok(Some(News::Minute));
            }
        }
    }

    fn changed(&self) -> News {
        let at = if self.many {
            let total = self.seen.borrow().heads.values().sum();
            disguised(&self.service, total)
        } else {
            self.lines.iter().map(|(_, seq)| seq).sum()
        };
        News::Changed { at }
    }

    /// Reads the links that were added to the followed trails, up to `heads`. Returns true if one of them changes what
    /// the page shows.
    async fn moved_on(&mut self, heads: &BTreeMap<String, i64>) -> Result<bool> {
        let report = self.page.as_ref().map(|page| page.report);
        let mut changed = false;
        for (line, known) in &mut self.lines {
            let head = heads.get(line).copied().unwrap_or(*known);
            while *known < head {
                let mut tx = self.service.db.console.begin_read().await?;
                let links = audit::links(&mut tx, line, *known).await?;
                drop(tx);
                let Some(last) = links.last() else {
                    break;
                };
                *known = last.seq;
                changed |= links.iter().any(|link| shows(link, report));
            }
        }
        Ok(changed)
    }

    /// Returns the names of the other members who have the report open on this node, if they have changed since they
    /// were last returned. `None` if they have not, or if the page is not a report's.
    fn present(&mut self) -> Option<Vec<String>> {
        let page = self.page.as_ref()?;
        let mut names: Vec<String> = self.service.live.pages(|open| {
            let pages = open.get(&page.report).into_iter().flatten();
            pages
                .map(|(_, name)| name.clone())
                .filter(|name| *name != self.name)
                .collect()
        });
        names.sort();
        names.dedup();
        let told = self.told_present.replace(names.clone());
        // At first a page shows no names.
        (told.unwrap_or_default() != names).then_some(names)
    }
}

/// Returns line time in whole minutes since 1970.
fn minute(service: &Service) -> i64 {
    service.clock.line_now().timestamp().div_euclid(60)
}

/// True if a link changes what the page of this report shows, or, if `report` is `None`, what the queue shows.
fn shows(link: &LinkRow, report: Option<Uuid>) -> bool {
    let is_own = link.report == report;
    match link.action {
        // Opening, logging in and sealing keys again change nothing that is shown.
        Action::ReportOpened
        | Action::AbandonedOpened
        | Action::RecordingOpened
        | Action::TrailOpened
        | Action::ExportOpened
        | Action::HeadAccepted
        | Action::HeadNamed
        | Action::ReportKeysResealed
        | Action::LineKeyRetired
        | Action::Login => false,
        // A call that is no report yet does not change the queue, and there may be very many of them.
        Action::CallAnswered | Action::EntryPurged => report.is_some() && is_own,
        Action::EntryAdded => match report {
            Some(_) => is_own,
            None => ![EntryKind::Caller, EntryKind::Call]
                .iter()
                .any(|kind| link.detail.as_deref() == Some(kind.as_str())),
        },
        Action::ReportQueued
        | Action::TalkEnded
        | Action::RecordingSealed
        | Action::RecordingLost
        | Action::RecordingGivenUp
        | Action::ReceiptShared
        | Action::ReportRestored
        | Action::ReplyApproved
        | Action::Claim
        | Action::Release
        | Action::Close
        | Action::Reopen
        | Action::PasswordChanged
        | Action::GrantRenewed
        | Action::LineKeyMade
        | Action::RecoveryRenewed
        | Action::MemberAdded
        | Action::Granted
        | Action::MemberDisabled
        | Action::MemberEnabled
        | Action::MemberConfirmed
        | Action::TakenOff
        | Action::ConfirmationWaived
        | Action::ConfirmationRequired
        | Action::ExportSealed => report.is_none() || is_own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::random_id;

    fn link(action: Action, detail: Option<&str>, report: Option<Uuid>) -> LinkRow {
        LinkRow {
            line: "fcg-5".into(),
            seq: 1,
            at: chrono::DateTime::UNIX_EPOCH,
            actor: None,
            action,
            report,
            object: None,
            digest: None,
            detail: detail.map(str::to_owned),
            hash: Vec::new(),
        }
    }

    #[test]
    fn a_call_without_a_message_is_no_news_in_the_queue() {
        let call = Some(random_id());
        for (action, detail) in [
            (Action::CallAnswered, None),
            (Action::EntryAdded, Some("caller")),
            (Action::EntryAdded, Some("call")),
            (Action::EntryPurged, None),
            (Action::AbandonedOpened, None),
        ] {
            assert!(!shows(&link(action, detail, call), None), "{action}");
        }
        for (action, detail) in [
            (Action::ReportQueued, Some("2024-0001")),
            (Action::Claim, None),
            (Action::EntryAdded, Some("talk")),
            (Action::RecordingLost, None),
        ] {
            assert!(shows(&link(action, detail, call), None), "{action}");
        }
    }

    #[test]
    fn a_report_is_told_of_what_is_its_own() {
        let (own, other) = (Some(random_id()), Some(random_id()));
        assert!(shows(&link(Action::EntryAdded, Some("caller"), own), own));
        assert!(!shows(
            &link(Action::EntryAdded, Some("caller"), other),
            own
        ));
        assert!(!shows(&link(Action::ReportOpened, None, own), own));
    }
}
