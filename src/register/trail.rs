//! What the audit trail commits to: line keys, report keys, entries, approvals and recordings. What is opened or spoken
//! must match it. [`super::verify`] compares everything that is stored with it.

use crate::store::audit;
use crate::store::columns::{Holder, RecordingState};
use crate::store::recordings::RecordingRow;
use crate::store::report_keys::ReportKeyRow;
use crate::store::reports::{EntryRow, Report};
use crate::store::{ReadTx, StoreError};
use crate::vault::action::Action;
use crate::vault::blobs::Digests;
use crate::vault::chain::Link;
use crate::vault::entry::EntryKind;
use crate::vault::merkle;
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap, HashSet};
use uuid::Uuid;

/// Hashes and facts that the trail committed to, by id.
#[derive(Clone, Default)]
pub(super) struct Committed {
    pub(super) entries: HashMap<Uuid, [u8; 32]>,
    /// By id of an entry: the number of the link that added it.
    added: HashMap<Uuid, i64>,
    pub(super) recordings: HashMap<Uuid, [u8; 32]>,
    pub(super) report_keys: HashMap<Uuid, [u8; 32]>,
    /// By id of a report or line key: the public half of its key; for a report also the id of the line key that the
    /// report's key is sealed to.
    pub(super) public: HashMap<Uuid, (Option<String>, Option<Uuid>)>,
    /// Former keys of the line, to which no report is sealed any more.
    pub(super) retired: BTreeSet<Uuid>,
    /// By number of a link: the line key that report keys were sealed to again, and the root of the tree over them.
    resealed: HashMap<i64, (Uuid, [u8; 32])>,
    /// Reports that are or were in the queue.
    queued: HashSet<Uuid>,
    /// By id of an entry or recording: its report, and an entry's kind.
    pub(super) places: HashMap<Uuid, (Option<Uuid>, Option<String>)>,
    /// By id of an entry: the name of the member who wrote it; `None` if the service did.
    pub(super) writers: HashMap<Uuid, Option<String>>,
    /// By id of a reply's entry: the name of the member who approved it, and the hash of what was approved.
    pub(super) approvals: HashMap<Uuid, (Option<String>, [u8; 32])>,
}

impl Committed {
    /// Adds what the next link commits to.
    pub(super) fn add(&mut self, link: &Link) {
        match link.action {
            Action::CallAnswered => {
                // Only the first one counts: a report has one key, and a later link could be added by who has the service
                // secret.
                if let Some(report) = link.report
                    && !self.public.contains_key(&report)
                {
                    let public = (link.detail.clone(), link.object);
                    self.public.insert(report, public);
                    commit(&mut self.report_keys, link.report, link.digest);
                }
            }
            Action::LineKeyMade => {
                if let Some(key) = link.object {
                    self.public.insert(key, (link.detail.clone(), None));
                }
            }
            Action::ReportKeysResealed => {
                if let (Some(key), Some(root)) = (link.object, link.digest) {
                    self.resealed.insert(link.seq, (key, root));
                }
            }
            Action::LineKeyRetired => self.retired.extend(link.object),
            Action::EntryAdded => {
                self.place(link);
                commit(&mut self.entries, link.object, link.digest);
                self.added.extend(link.object.map(|id| (id, link.seq)));
            }
            Action::RecordingSealed => {
                self.place(link);
                commit(&mut self.recordings, link.object, link.digest);
            }
            Action::ReplyApproved => {
                if let (Some(id), Some(digest)) = (link.object, link.digest) {
                    self.approvals.insert(id, (link.actor.clone(), digest));
                }
            }
            Action::EntryPurged => {
                // Only the numbers of callers who left no message are ever deleted.
                let is_queued = link.report.is_some_and(|id| self.queued.contains(&id));
                let entry = link.object.filter(|id| !is_queued && self.is_caller(*id));
                entry.map(|id| self.entries.remove(&id));
            }
            Action::ReportQueued => self.queued.extend(link.report),
            // What the links of these actions commit to is compared with the chain of the service.
            Action::PasswordChanged
            | Action::Granted
            | Action::GrantRenewed
            | Action::MemberAdded
            | Action::MemberDisabled
            | Action::MemberEnabled
            | Action::MemberConfirmed
            | Action::TakenOff
            | Action::RecoveryRenewed
            | Action::ConfirmationWaived
            | Action::ConfirmationRequired => {}
            // The links of these actions commit to no sealed data.
            Action::TalkEnded
            | Action::RecordingLost
            | Action::RecordingGivenUp
            | Action::ReceiptShared
            | Action::ReportRestored
            | Action::ReportOpened
            | Action::AbandonedOpened
            | Action::RecordingOpened
            | Action::TrailOpened
            | Action::Claim
            | Action::Release
            | Action::Close
            | Action::Reopen
            | Action::Login
            | Action::ExportSealed
            | Action::ExportOpened
            | Action::HeadAccepted
            | Action::HeadNamed => {}
        }
    }

    /// True if these entries are in the order in which they were added.
    pub(super) fn are_in_order(&self, entries: &[EntryRow]) -> bool {
        entries.is_sorted_by_key(|entry| self.added.get(&entry.id))
    }

    fn is_caller(&self, entry: Uuid) -> bool {
        let place = self.places.get(&entry);
        place.is_some_and(|(_, kind)| kind.as_deref() == Some(EntryKind::Caller.as_str()))
    }

    /// True if a call of this report was answered before this link.
    pub(super) fn is_answered_again(&self, link: &Link) -> bool {
        let report = link.report.filter(|_| link.action == Action::CallAnswered);
        report.is_some_and(|report| self.public.contains_key(&report))
    }

    /// Stores the report, kind and writer of an entry or a recording.
    fn place(&mut self, link: &Link) {
        if let Some(id) = link.object {
            self.places.insert(id, (link.report, link.detail.clone()));
            self.writers.insert(id, link.actor.clone());
        }
    }
}

fn commit(to: &mut HashMap<Uuid, [u8; 32]>, id: Option<Uuid>, digest: Option<[u8; 32]>) {
    if let (Some(id), Some(digest)) = (id, digest) {
        to.insert(id, digest);
    }
}

impl Committed {
    pub(super) fn has_place(&self, id: Uuid, report: Uuid, kind: Option<&str>) -> bool {
        let found = self.places.get(&id);
        found.is_some_and(|(own, what)| *own == Some(report) && what.as_deref() == kind)
    }

    /// True if the entry is a reply that the member named `by` approved as it is now, and that another member wrote.
    pub(super) fn has_approval(&self, entry: &EntryRow, by: &str) -> bool {
        let digest = Sha256::digest(&entry.sealed).into();
        self.entries.get(&entry.id) == Some(&digest)
            && self.has_place(entry.id, entry.report, Some(EntryKind::Reply.as_str()))
            && entry.kind == EntryKind::Reply
            && self.approvals.get(&entry.id) == Some(&(Some(by.to_owned()), digest))
            && self
                .writers
                .get(&entry.id)
                .and_then(Option::as_deref)
                .is_some_and(|writer| writer != by)
    }

    /// True if `key` is a key of the report: the one that the link of the answered call commits to, or one that was
    /// sealed to a later line key and that the link with its number commits to.
    pub(super) fn has_key(&self, report: &Report, key: &ReportKeyRow) -> bool {
        let public = self.public.get(&report.id);
        public.is_some_and(|(recipient, _)| recipient.as_ref() == Some(&report.recipient))
            && self.key_as_written(report.id, key).as_ref() == Some(key)
    }

    /// Returns the row of a report key as the service wrote it, if what is sealed is a key of the report; the other
    /// columns may have been changed. `None` if the trail does not commit to it.
    pub(super) fn key_as_written(&self, report: Uuid, key: &ReportKeyRow) -> Option<ReportKeyRow> {
        let sealed_to = match (key.link, &key.path) {
            (None, None) => {
                let digest: [u8; 32] = Sha256::digest(&key.sealed).into();
                let (_, first) = self.public.get(&report)?;
                first.filter(|_| self.report_keys.get(&report) == Some(&digest))?
            }
            (Some(link), Some(path)) => {
                let (to, root) = self.resealed.get(&link)?;
                let leaf = merkle::leaf_of_key(report, &key.sealed);
                merkle::leads_to(root, leaf, path).then_some(*to)?
            }
            _ => return None,
        };
        Some(ReportKeyRow {
            report,
            epoch: ReportKeyRow::FIRST_EPOCH,
            holder: Holder::Line,
            sealed_to,
            ..key.clone()
        })
    }

    /// True if the trail says that this is the public half of the line key.
    pub(super) fn has_line_key(&self, id: Uuid, recipient: &str) -> bool {
        let found = self.public.get(&id);
        found.is_some_and(|(own, _)| own.as_deref() == Some(recipient))
    }
}

/// What the trail committed to of one report. What is opened must match it exactly, with nothing added or missing: an
/// age file does not say who made it, so without this check an outsider could add to a report.
#[derive(Clone)]
pub struct OfReport(Committed);

impl OfReport {
    /// Reads what the chain says of a report. [`super::verify`] checks the whole chain.
    ///
    /// # Errors
    ///
    /// When the database fails, or a link of the report cannot be read.
    pub async fn read(tx: &mut ReadTx, report: &Report) -> Result<Self, StoreError> {
        Self::read_keys(tx, &report.line, report.id, &[])
            .await
            .map(Self)
    }

    /// Reads what the chain says of the keys of a report, of which only line and id need be right.
    ///
    /// # Errors
    ///
    /// As [`OfReport::read`].
    pub(super) async fn read_keys(
        tx: &mut ReadTx,
        line: &str,
        report: Uuid,
        keys: &[ReportKeyRow],
    ) -> Result<Committed, StoreError> {
        let mut committed = Committed::default();
        for row in audit::committed(tx, line, report).await? {
            committed.add(&row.link().ok_or(StoreError::Unreadable("audit link"))?);
        }
        let mut of_report = Self(committed);
        for key in keys {
            of_report.read_link_of(tx, line, key).await?;
        }
        Ok(of_report.0)
    }

    /// Reads the link that commits to a report key which was sealed again. Does nothing for any other key.
    ///
    /// # Errors
    ///
    /// When the database fails, or the link cannot be read.
    pub async fn read_link_of(
        &mut self,
        tx: &mut ReadTx,
        line: &str,
        key: &ReportKeyRow,
    ) -> Result<(), StoreError> {
        let Some(seq) = key.link else {
            return Ok(());
        };
        if let Some(row) = audit::one(tx, line, seq).await?
            && row.action == Action::ReportKeysResealed
        {
            let link = row.link().ok_or(StoreError::Unreadable("audit link"))?;
            self.0.add(&link);
        }
        Ok(())
    }

    /// True if `key` and the public half in `report` are the report's key that the trail committed to. For a key that
    /// was sealed again, [`OfReport::read_link_of`] must have read its link.
    pub fn has_key(&self, report: &Report, key: &ReportKeyRow) -> bool {
        self.0.has_key(report, key)
    }

    /// True if these are the report's entries in the order in which they were added, with none changed, added or
    /// missing.
    pub fn has_entries(&self, rows: &[EntryRow]) -> bool {
        rows.len() == self.0.entries.len()
            && rows.iter().all(|row| self.has_entry(row))
            && self.0.are_in_order(rows)
    }

    /// True if every approval in the trail is that of one of these entries: of replies that are marked as approved.
    pub fn has_all_approvals(&self, approved: &[Uuid]) -> bool {
        self.0.approvals.keys().all(|id| approved.contains(id))
    }

    /// True if this entry is an unchanged reply of the report, which the member named `by` approved and another member
    /// wrote.
    pub fn has_approval(&self, entry: &EntryRow, by: &str) -> bool {
        self.0.has_approval(entry, by)
    }

    /// True if the trail says that the report is or was in the queue.
    pub fn is_queued(&self, report: Uuid) -> bool {
        self.0.queued.contains(&report)
    }

    /// True if the trail says that this member wrote the entry, or the service if `by` is `None`.
    pub fn has_writer(&self, entry: Uuid, by: Option<&str>) -> bool {
        let writer = self.0.writers.get(&entry);
        writer.is_some_and(|writer| writer.as_deref() == by)
    }

    /// True if the trail says that this is the public half of the report's key.
    pub fn has_recipient(&self, report: &Report) -> bool {
        let public = self.0.public.get(&report.id);
        public.is_some_and(|(own, _)| own.as_deref() == Some(&*report.recipient))
    }

    /// True if this is one of the report's entries, unchanged since it was added.
    pub fn has_entry(&self, entry: &EntryRow) -> bool {
        self.0.entries.get(&entry.id) == Some(&Sha256::digest(&entry.sealed).into())
    }

    /// True if those of these recordings that are sealed are the report's sealed recordings, with none added or
    /// missing.
    pub fn has_recordings(&self, rows: &[RecordingRow]) -> bool {
        let mut sealed = rows
            .iter()
            .filter(|row| row.state == RecordingState::Sealed);
        sealed.clone().count() == self.0.recordings.len()
            && sealed.all(|row| self.0.recordings.contains_key(&row.id))
    }

    /// True if these are the digests of the recording's sealed file.
    pub fn has_recording(&self, id: Uuid, digests: &Digests) -> bool {
        self.0.recordings.get(&id) == Some(&digests.committed())
    }
}
