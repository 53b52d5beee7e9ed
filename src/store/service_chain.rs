//! What the chain of the service says of the rows that links set, as this process has verified it.
//!
//! A row that was replaced still has a MAC that holds, so a program with access to the database could put it back.
//! Therefore each change of such a row adds a link to the chain of the service. The link names the row and commits to
//! its content, and the row has the number of that link. Each process reads the chain once, verifies it, and keeps in
//! memory which link set each row last; from then on it reads only the links that follow. So no statement decides which
//! row is the last one, and a link that is changed in the database later changes nothing.

use super::audit::{self, SERVICE, StoredLink};
use super::heads::{self, Head};
use super::{ReadTx, Result, StoreError};
use crate::base::clock::instant;
use crate::vault::action::Action;
use crate::vault::chain::{self, Link};
use crate::vault::signers::{Facts, Signers};
use crate::vault::signing::Verifying;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long it is remembered that links at the end of the chain do not hold.
const REFUSED_FOR: Duration = Duration::from_secs(1);

/// A row that links set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SetRow {
    /// The row of the member with this id.
    Member(Uuid),
    /// The row of the line key with this id.
    LineKey(Uuid),
    /// The grant of this line key (the first id) to this member.
    Grant(Uuid, Uuid),
    /// The waiver of this line.
    Waiver(String),
}

impl SetRow {
    /// Returns the row that a link of the service's chain sets, and the digest of its content; no digest if the link
    /// says that the row was removed. `None` for a link that sets no row.
    pub fn of(link: &Link) -> Option<(Self, Option<[u8; 32]>)> {
        let row = match link.action {
            Action::MemberAdded
            | Action::PasswordChanged
            | Action::MemberDisabled
            | Action::MemberEnabled
            | Action::MemberConfirmed => Self::Member(link.object?),
            Action::LineKeyMade => Self::LineKey(link.object?),
            Action::Granted | Action::GrantRenewed | Action::TakenOff | Action::LineKeyRetired => {
                Self::Grant(link.detail.as_ref()?.parse().ok()?, link.object?)
            }
            Action::ConfirmationWaived | Action::ConfirmationRequired => {
                Self::Waiver(link.detail.clone()?)
            }
            Action::CallAnswered
            | Action::ReportQueued
            | Action::TalkEnded
            | Action::RecordingSealed
            | Action::RecordingLost
            | Action::RecordingGivenUp
            | Action::ReceiptShared
            | Action::EntryAdded
            | Action::EntryPurged
            | Action::ReportRestored
            | Action::ReportOpened
            | Action::AbandonedOpened
            | Action::RecordingOpened
            | Action::TrailOpened
            | Action::ReplyApproved
            | Action::Claim
            | Action::Release
            | Action::Close
            | Action::Reopen
            | Action::Login
            | Action::ExportSealed
            | Action::ExportOpened
            | Action::ReportKeysResealed
            | Action::RecoveryRenewed
            | Action::HeadAccepted
            | Action::HeadNamed => return None,
        };
        Some((row, link.digest))
    }

    /// Returns the table of the row.
    pub(super) fn table(&self) -> &'static str {
        match self {
            Self::Member(_) => "members",
            Self::LineKey(_) => "line_keys",
            Self::Grant(..) => "grants",
            Self::Waiver(_) => "waivers",
        }
    }

    /// Returns the row's name in the log, which identifies no person.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Member(id) | Self::LineKey(id) => id.to_string(),
            Self::Grant(key, member) => format!("{key} {member}"),
            Self::Waiver(line) => line.clone(),
        }
    }
}

/// The verified chain of the service. All pools of a database share it.
#[derive(Debug, Default)]
pub struct ServiceChain(Mutex<Verified>);

/// A link that set a row: its number, and the digest of the row's content; no digest if it removed the row.
type SetBy = (i64, Option<[u8; 32]>);

#[derive(Debug)]
struct Verified {
    /// The last link that was verified.
    end: Head,
    /// True once the whole chain was read.
    is_loaded: bool,
    /// The number of the last link that could not be verified although later ones could; 0 if there is none. It may
    /// have set any row, so no row that was set before it counts.
    broken: i64,
    /// By row: the links that set it, in order.
    rows: BTreeMap<SetRow, Vec<SetBy>>,
    /// By member: what the row must say from each link on that set it.
    members: BTreeMap<Uuid, Vec<(i64, Facts)>>,
    /// By line: the link that made its last key, and the id of that key.
    keys: BTreeMap<String, (i64, Uuid)>,
    /// By line: the last link that the chain names of it.
    named: BTreeMap<String, Head>,
    /// Line time at which the heads of lines were named last; before that, of the first link.
    named_at: Option<DateTime<Utc>>,
    /// Who may sign links.
    signers: Arc<Signers>,
    /// What was found not to hold: by then the chain was verified up to the first link, a statement had read the number
    /// of the last one, and this was the time.
    refused: Option<(Head, i64, Instant)>,
}

impl Default for Verified {
    fn default() -> Self {
        Self {
            end: (0, chain::genesis(SERVICE)),
            is_loaded: false,
            broken: 0,
            rows: BTreeMap::new(),
            members: BTreeMap::new(),
            keys: BTreeMap::new(),
            named: BTreeMap::new(),
            named_at: None,
            signers: Arc::default(),
            refused: None,
        }
    }
}

impl Verified {
    /// Adds a verified link.
    fn add(&mut self, link: &Link) {
        if self.named_at.is_none() || link.action == Action::HeadNamed {
            self.named_at = Some(link.at);
        }
        if let Some((line, head)) = heads::named(link) {
            self.named.insert(line.to_owned(), head);
        }
        let Some((row, digest)) = SetRow::of(link) else {
            return;
        };
        let line = link
            .detail
            .as_ref()
            .and_then(|detail| detail.split_once(' '));
        if let (SetRow::LineKey(id), Some((line, _))) = (&row, line) {
            self.keys.insert(line.to_owned(), (link.seq, *id));
        }
        if let SetRow::Member(id) = &row
            && let Some(facts) = self.signers.facts(*id)
        {
            let of_member = self.members.entry(*id).or_default();
            of_member.push((link.seq, facts.clone()));
        }
        self.rows.entry(row).or_default().push((link.seq, digest));
    }
}

impl ServiceChain {
    fn verified(&self) -> MutexGuard<'_, Verified> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if less than [`REFUSED_FOR`] ago the chain was found not to hold between the last link that was verified and
    /// the link `until`. Links that another program adds to the end of the chain are so read once a second, and not with
    /// each statement.
    fn is_refused(&self, until: i64) -> bool {
        let verified = self.verified();
        verified.refused.is_some_and(|(end, last, since)| {
            end == verified.end && last == until && since.elapsed() < REFUSED_FOR
        })
    }

    /// Forgets that links at the end of the chain did not hold, because this process has added its own since.
    pub(super) fn forget_refused(&self) {
        self.verified().refused = None;
    }

    /// True once the whole chain was read.
    pub(super) fn is_loaded(&self) -> bool {
        self.verified().is_loaded
    }

    /// Returns the last link that was verified.
    pub(super) fn end(&self) -> Head {
        self.verified().end
    }

    /// Forgets everything, because the operator has accepted an earlier state of the database.
    pub(super) fn forget(&self) {
        let mut verified = self.verified();
        let signers = Arc::new(verified.signers.unlearned());
        *verified = Verified {
            signers,
            ..Verified::default()
        };
    }

    /// True if the last link that sets the row and is not after number `until` is `link`, and commits to `digest`.
    pub(super) fn was_set_last(
        &self,
        row: &SetRow,
        link: i64,
        digest: [u8; 32],
        until: i64,
    ) -> bool {
        let verified = self.verified();
        let links = verified.rows.get(row).map_or(&[][..], Vec::as_slice);
        let last = links.iter().rfind(|(seq, _)| *seq <= until);
        link > verified.broken && last == Some(&(link, Some(digest)))
    }

    /// Returns what the row of a member must say by the last link that sets it and is not after number `until`.
    pub(super) fn facts(&self, member: Uuid, until: i64) -> Option<Facts> {
        let verified = self.verified();
        let links = verified.members.get(&member)?;
        let last = links.iter().rfind(|(seq, _)| *seq <= until)?;
        Some(last.1.clone())
    }

    /// Returns the rows that exist by the last link that names them, unless that link is after number `until`.
    fn standing(&self, until: i64, is: &dyn Fn(&SetRow) -> bool) -> Vec<SetRow> {
        let verified = self.verified();
        let rows = verified.rows.iter().filter(|(row, links)| {
            let last = links.last();
            last.is_some_and(|(seq, digest)| *seq <= until && digest.is_some()) && is(row)
        });
        rows.map(|(row, _)| row.clone()).collect()
    }

    /// Verifies links that follow `before`, and adds those that hold. Returns false if the last of `links` does not.
    fn extend(&self, before: Head, links: Vec<StoredLink>, tx: &ReadTx) -> Result<bool> {
        let (mut end, mut broken) = (before, 0);
        let mut verified = self.verified();
        if verified.end != before {
            // Another transaction has read the same links meanwhile.
            return Ok(true);
        }
        let mut holds = false;
        for stored in links {
            let seq = stored.seq;
            if seq == before.0 + 1 && !stored.follows(&before.1) {
                return Err(heads::put_back(SERVICE, before.0, seq));
            }
            // A link whose predecessor is missing does not hold.
            let chained = stored.chained(&tx.proofs)?.filter(|(link, hash)| {
                let signers = Arc::make_mut(&mut verified.signers);
                signers.add(link, hash, stored.signed())
            });
            holds = chained.is_some();
            match chained {
                Some((link, hash)) => {
                    end = (seq, hash);
                    verified.broken = verified.broken.max(broken);
                    verified.add(&link);
                }
                None => {
                    stored.refuse(&tx.proofs);
                    broken = seq;
                }
            }
        }
        verified.end = end;
        drop(verified);
        tx.proofs.heads().see(SERVICE, end);
        Ok(holds)
    }

    /// True if the first link of the chain may be this one: if it adds the lead whose key is pinned, or none is pinned.
    pub(super) fn is_first(&self, link: &Link) -> bool {
        self.verified().signers.is_first(link)
    }

    /// Returns the last link of a line that the chain names.
    pub fn named(&self, line: &str) -> Option<Head> {
        self.verified().named.get(line).copied()
    }

    /// Returns the line time at which the heads of lines were named last; before that, of the chain's first link; `None`
    /// when it has no link.
    pub(super) fn named_at(&self) -> Option<DateTime<Utc>> {
        self.verified().named_at
    }

    /// Sets the key that the first lead must have, before the chain is read.
    pub(super) fn pin(&self, lead: Verifying) {
        let mut verified = self.verified();
        if verified.end.0 == 0 {
            verified.signers = Arc::new(Signers::new(Some(lead)));
        }
    }

    /// Returns who may sign links, as far as the chain was verified.
    pub(super) fn signers(&self) -> Arc<Signers> {
        Arc::clone(&self.verified().signers)
    }
}

impl ReadTx {
    /// Verifies the links of the service's chain up to number `until`; all that the transaction sees if it is `None`.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError::Forged`] when the last ones do not hold or are missing. Also when the database fails.
    pub(super) async fn follow(&mut self, until: Option<i64>) -> Result<()> {
        loop {
            let before = self.proofs.service().end();
            if until.is_some_and(|until| before.0 >= until) {
                return Ok(());
            }
            if until.is_some_and(|until| self.proofs.service().is_refused(until)) {
                return Err(StoreError::Forged("audit"));
            }
            let links = audit::stored_links(self, SERVICE, before.0).await?;
            if links.is_empty() {
                if until.is_some_and(|until| until <= self.floor) {
                    return Err(heads::put_back(SERVICE, self.floor, before.0));
                }
                if until.is_some() {
                    let next = format!("{SERVICE} {}", before.0 + 1);
                    return Err(self.proofs.refuse("audit", &next));
                }
                self.proofs.service().verified().is_loaded = true;
                return Ok(());
            }
            if !self.proofs.service().extend(before, links, self)? {
                if let Some(until) = until {
                    let mut verified = self.proofs.service().verified();
                    verified.refused = Some((verified.end, until, instant()));
                }
                return Err(StoreError::Forged("audit"));
            }
        }
    }

    /// Verifies the chain up to its last link at the time of a statement, whose number the statement has read as `head`.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError::PutBack`] when a later link was seen before this transaction began. Also as
    /// [`ReadTx::follow`].
    pub(super) async fn follow_to(&mut self, head: i64) -> Result<()> {
        if head < self.floor {
            return Err(heads::put_back(SERVICE, self.floor, head));
        }
        self.follow(Some(head)).await
    }

    /// Returns who may sign links, as the whole chain says that the transaction sees.
    ///
    /// # Errors
    ///
    /// When the database fails. It is no error when the chain does not hold: then those who come after are unknown.
    pub async fn signers(&mut self) -> Result<Arc<Signers>> {
        match self.follow(None).await {
            Err(StoreError::Forged(_) | StoreError::PutBack { .. }) => {}
            followed => followed?,
        }
        Ok(self.proofs.service().signers())
    }

    /// Checks that of the rows for which `is` is true, none is missing that existed when the transaction began and was
    /// not removed since. `found` tells which were found.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError::Forged`] when one is missing. Also as [`ReadTx::follow`].
    pub(super) async fn none_missing(
        &mut self,
        is: impl Fn(&SetRow) -> bool + Send + Sync,
        found: impl Fn(&SetRow) -> bool + Send + Sync,
    ) -> Result<()> {
        let floor = self.floor;
        let until = self.proofs.service().is_loaded().then_some(floor);
        self.follow(until).await?;
        let is_missing = |row: &SetRow| is(row) && !found(row);
        let missing = |tx: &Self| {
            let all = tx.proofs.service().standing(floor, &is_missing);
            all.into_iter().find(|row| !tx.pending.contains(row))
        };
        if missing(self).is_none() {
            return Ok(());
        }
        // Another node may have removed it since this one has read the chain.
        self.follow(None).await?;
        match missing(self) {
            Some(row) => Err(self.proofs.refuse(row.table(), &row.name())),
            None => Ok(()),
        }
    }

    /// Like [`ReadTx::none_missing`], for the current key of a line: checks that `found` is the last one that was made up
    /// to the link `head`, which the statement that found it has read.
    pub(super) async fn is_current_key(
        &mut self,
        line: &str,
        found: Option<Uuid>,
        head: Option<i64>,
    ) -> Result<()> {
        self.none_missing(|_| false, |_| true).await?;
        // This transaction has made it.
        if found.is_some_and(|id| self.pending.contains(&SetRow::LineKey(id))) {
            return Ok(());
        }
        let floor = self.floor.max(head.unwrap_or_default());
        let other = |tx: &Self| {
            let last = tx.proofs.service().verified().keys.get(line).copied();
            last.filter(|(seq, id)| *seq <= floor && Some(*id) != found)
        };
        if other(self).is_none() {
            return Ok(());
        }
        self.follow(None).await?;
        match other(self) {
            Some((_, id)) => Err(self.proofs.refuse("line_keys", &id.to_string())),
            None => Ok(()),
        }
    }

    /// True if this transaction has set the row, or the chain says that it exists.
    pub(super) fn stands(&self, row: &SetRow) -> bool {
        let is_it = |other: &SetRow| other == row;
        self.pending.contains(row) || !self.proofs.service().standing(i64::MAX, &is_it).is_empty()
    }
}
