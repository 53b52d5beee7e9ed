//! Verifies the audit trail, and that line keys, report keys, entries and recordings are what the trail committed to.

use crate::store::audit::{self, SERVICE};
use crate::store::columns::RecordingState;
use crate::store::recordings::{self, RecordingRow};
use crate::store::reports::{self, EntryRow, Report, ReportKeyRow};
use crate::store::{Db, ReadTx, StoreError, blobs as files, members, replies};
use crate::vault::action::Action;
use crate::vault::blobs::{Blobs, Digests};
use crate::vault::chain::{self, Link};
use crate::vault::entry::EntryKind;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use uuid::Uuid;

/// Result of verifying the trail of one line.
pub struct Proof {
    /// Number of the last link, which is the number of links if none is missing.
    pub links: i64,
    /// Hash of the last link, or the genesis hash of a line without links; to be kept elsewhere.
    pub head: [u8; 32],
    /// What is wrong, one sentence each. Empty when nothing is.
    pub wrong: Vec<String>,
}

/// Hashes and facts that the trail committed to, by id.
#[derive(Clone, Default)]
struct Committed {
    entries: HashMap<Uuid, [u8; 32]>,
    recordings: HashMap<Uuid, [u8; 32]>,
    report_keys: HashMap<Uuid, [u8; 32]>,
    /// By id of a report or line key: the public half of its key; for a report also the id of the line key that the
    /// report's key is sealed to.
    public: HashMap<Uuid, (Option<String>, Option<Uuid>)>,
    line_keys: HashMap<Uuid, [u8; 32]>,
    /// By id of a member: the last digest of their row. Only in the chain of the service.
    members: HashMap<Uuid, [u8; 32]>,
    /// Digests of grants of the line's keys, with the id of the member.
    grants: HashMap<[u8; 32], Uuid>,
    /// By id of an entry or recording: its report, and an entry's kind.
    places: HashMap<Uuid, (Option<Uuid>, Option<String>)>,
    /// By id of an entry: the name of the member who wrote it; `None` if the service did.
    writers: HashMap<Uuid, Option<String>>,
    /// By id of a reply's entry: the name of the member who approved it, and the hash of what was approved.
    approvals: HashMap<Uuid, (Option<String>, [u8; 32])>,
}

impl Committed {
    /// Adds what the next link commits to.
    fn add(&mut self, link: &Link) {
        match link.action {
            Action::CallAnswered => {
                if let Some(report) = link.report {
                    let public = (link.detail.clone(), link.object);
                    self.public.insert(report, public);
                }
                commit(&mut self.report_keys, link.report, link.digest);
            }
            Action::LineKeyMade => {
                if let Some(key) = link.object {
                    self.public.insert(key, (link.detail.clone(), None));
                }
                commit(&mut self.line_keys, link.object, link.digest);
            }
            Action::EntryAdded => {
                self.place(link);
                commit(&mut self.entries, link.object, link.digest);
            }
            Action::RecordingSealed => {
                self.place(link);
                commit(&mut self.recordings, link.object, link.digest);
            }
            Action::MemberAdded
            | Action::PasswordChanged
            | Action::MemberDisabled
            | Action::MemberEnabled
            | Action::MemberConfirmed
                if link.line == SERVICE =>
            {
                commit(&mut self.members, link.object, link.digest);
            }
            Action::Granted => {
                if let (Some(member), Some(digest)) = (link.object, link.digest) {
                    self.grants.insert(digest, member);
                }
            }
            Action::ReplyApproved => {
                if let (Some(id), Some(digest)) = (link.object, link.digest) {
                    self.approvals.insert(id, (link.actor.clone(), digest));
                }
            }
            Action::EntryPurged => {
                // Only the numbers of callers who left no message are ever deleted.
                if let Some(id) = link.object.filter(|id| self.is_caller(*id)) {
                    self.entries.remove(&id);
                }
            }
            // The links of these actions commit to no sealed data.
            Action::ReportQueued
            | Action::TalkEnded
            | Action::RecordingLost
            | Action::RecordingGivenUp
            | Action::ReceiptShared
            | Action::ReportOpened
            | Action::AbandonedOpened
            | Action::RecordingOpened
            | Action::TrailOpened
            | Action::Claim
            | Action::Release
            | Action::Close
            | Action::Reopen
            | Action::Login
            | Action::PasswordChanged
            | Action::MemberAdded
            | Action::MemberDisabled
            | Action::MemberEnabled
            | Action::MemberConfirmed
            | Action::ConfirmationWaived
            | Action::ConfirmationRequired
            | Action::ExportSealed
            | Action::ExportOpened => {}
        }
    }

    fn is_caller(&self, entry: Uuid) -> bool {
        let place = self.places.get(&entry);
        place.is_some_and(|(_, kind)| kind.as_deref() == Some(EntryKind::Caller.as_str()))
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
    fn has_place(&self, id: Uuid, report: Uuid, kind: Option<&str>) -> bool {
        let found = self.places.get(&id);
        found.is_some_and(|(own, what)| *own == Some(report) && what.as_deref() == kind)
    }

    /// True if the entry is a reply that the member named `by` approved as it is now, and that another member wrote.
    fn has_approval(&self, entry: &EntryRow, by: &str) -> bool {
        let digest = Sha256::digest(&entry.sealed).into();
        self.entries.get(&entry.id) == Some(&digest)
            && self.has_place(entry.id, entry.report, Some(EntryKind::Reply.as_str()))
            && entry.kind == EntryKind::Reply
            && self.approvals.get(&entry.id) == Some(&(Some(by.to_owned()), digest))
            && self
                .writers
                .get(&entry.id)
                .is_some_and(|writer| writer.as_deref() != Some(by))
    }

    fn has_public(&self, id: Uuid, recipient: &str, sealed_to: Option<Uuid>) -> bool {
        let found = self.public.get(&id);
        found.is_some_and(|(own, to)| own.as_deref() == Some(recipient) && *to == sealed_to)
    }
}

/// What the trail committed to of one report. What is opened must match it exactly, with nothing added or missing: an
/// age file does not say who made it, so without this check an outsider could add to a report.
#[derive(Clone)]
pub struct OfReport(Committed);

impl OfReport {
    /// Reads what the chain says of a report. [`verify`] checks the chain itself.
    ///
    /// # Errors
    ///
    /// When the database fails, or a link of the report cannot be read.
    pub async fn read(tx: &mut ReadTx, report: &Report) -> Result<Self, StoreError> {
        let mut committed = Committed::default();
        for row in audit::committed(tx, &report.line, report.id).await? {
            committed.add(&row.link().ok_or(StoreError::Unreadable("audit link"))?);
        }
        Ok(Self(committed))
    }

    /// True if `key` and the public half in `report` are the report's key that the trail committed to.
    pub fn has_key(&self, report: &Report, key: &ReportKeyRow) -> bool {
        self.0.report_keys.get(&report.id) == Some(&Sha256::digest(&key.sealed).into())
            && self
                .0
                .has_public(report.id, &report.recipient, Some(key.sealed_to))
    }

    /// True if these are the report's entries, with none changed, added or missing.
    pub fn has_entries(&self, rows: &[EntryRow]) -> bool {
        rows.len() == self.0.entries.len() && rows.iter().all(|row| self.has_entry(row))
    }

    /// True if this entry is an unchanged reply of the report, which the member named `by` approved and another member
    /// wrote.
    pub fn has_approval(&self, entry: &EntryRow, by: &str) -> bool {
        self.0.has_approval(entry, by)
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

/// Verifies the chain of the service from its first link, and compares the members with it. `expected` is a head that was
/// kept elsewhere, as for [`verify`].
///
/// # Errors
///
/// When the database fails.
pub async fn verify_service(
    db: &Db,
    expected: Option<(i64, [u8; 32])>,
) -> Result<Proof, StoreError> {
    let mut tx = db.begin_read().await?;
    let (mut committed, mut proof) = chain_of(&mut tx, SERVICE, expected).await?;
    let (all, refused) = members::list_but_refused(&mut tx).await?;
    for member in refused {
        committed.members.remove(&member.id);
        proof.forged("member", member.id);
    }
    for member in all {
        let found = Some(member.digest());
        compare(
            &mut committed.members,
            member.id,
            found,
            "member",
            &mut proof,
        );
    }
    for id in committed.members.keys() {
        proof.wrong.push(format!("member {id} is missing"));
    }
    Ok(proof)
}

/// Verifies a line's chain from its first link, and compares the line's keys, reports, entries, approvals and
/// recordings with it. `expected` is a head that was kept elsewhere: number and hash of a link that the chain must
/// still have.
///
/// # Errors
///
/// When the database fails.
pub async fn verify(
    db: &Db,
    blobs: &Blobs,
    line: &str,
    expected: Option<(i64, [u8; 32])>,
) -> Result<Proof, StoreError> {
    let mut tx = db.begin_read().await?;
    let (committed, mut proof) = chain_of(&mut tx, line, expected).await?;
    things(&mut tx, blobs, line, committed, &mut proof).await?;
    Ok(proof)
}

impl Proof {
    /// Adds the error of a refused row of a report, and returns `None` for it.
    fn unless_refused<T>(
        &mut self,
        report: Uuid,
        rows: Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match rows {
            Ok(rows) => Ok(Some(rows)),
            Err(error @ StoreError::Forged(_)) => {
                self.wrong.push(format!("report {report}: {error}"));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Adds that a row is not what the service wrote, or not the last one that it wrote.
    fn forged(&mut self, what: &str, id: Uuid) {
        let wrong = format!("the row of {what} {id} is not what the service wrote last");
        self.wrong.push(wrong);
    }
}

/// Verifies a chain, and returns what it commits to.
async fn chain_of(
    tx: &mut ReadTx,
    line: &str,
    expected: Option<(i64, [u8; 32])>,
) -> Result<(Committed, Proof), StoreError> {
    let mut proof = Proof {
        links: 0,
        head: chain::genesis(line),
        wrong: Vec::new(),
    };
    let committed = walk(tx, line, expected, &mut proof).await?;
    // A line without any act has neither links nor a head.
    let head = audit::head(tx, line).await?;
    if head.unwrap_or((0, chain::genesis(line))) != (proof.links, proof.head) {
        proof
            .wrong
            .push("the chain does not end where its head says".into());
    }
    if expected.is_some_and(|(seq, _)| seq > proof.links) {
        proof
            .wrong
            .push("the chain is shorter than the head kept elsewhere".into());
    }
    Ok((committed, proof))
}

async fn walk(
    tx: &mut ReadTx,
    line: &str,
    expected: Option<(i64, [u8; 32])>,
    proof: &mut Proof,
) -> Result<Committed, StoreError> {
    let mut committed = Committed::default();
    loop {
        let links = audit::stored_links(tx, line, proof.links).await?;
        if links.is_empty() {
            return Ok(committed);
        }
        for stored in links {
            let seq = proof.links + 1;
            let read = stored.row.as_ref().filter(|row| row.seq == seq);
            let read = read.and_then(|row| Some((row.link()?, row.hash.clone())));
            let Some((link, kept)) = read else {
                proof.wrong.push(format!("link {seq} is missing or broken"));
                proof.links = stored.seq;
                continue;
            };
            let hash = chain::hash(&proof.head, &link);
            if kept != hash {
                proof
                    .wrong
                    .push(format!("link {seq} was changed, or the one before it"));
            }
            if !stored.has_mac_of(&hash, tx)? {
                proof
                    .wrong
                    .push(format!("link {seq} was not written by the service"));
            }
            if expected.is_some_and(|head| head.0 == seq && head.1 != hash) {
                proof
                    .wrong
                    .push(format!("link {seq} is not the head kept elsewhere"));
            }
            proof.links = seq;
            // Continues from the stored hash, so that every broken link is found and not only the first.
            proof.head = kept.as_slice().try_into().unwrap_or(hash);
            committed.add(&link);
        }
    }
}

/// Compares what is stored with what the trail committed to, and adds to `proof` what was changed, added, or is
/// missing. `committed` is that of the whole chain.
async fn things(
    tx: &mut ReadTx,
    blobs: &Blobs,
    line: &str,
    mut committed: Committed,
    proof: &mut Proof,
) -> Result<(), StoreError> {
    let (keys, refused) = members::line_keys_but_refused(tx).await?;
    for key in refused {
        // Its line may have been changed too.
        if committed.line_keys.remove(&key.id).is_some() || key.line == line {
            proof.forged("line key", key.id);
        }
    }
    for key in keys.into_iter().filter(|key| key.line == line) {
        if !committed.has_public(key.id, &key.recipient, None) {
            proof.wrong.push(format!(
                "the public half of line key {} was changed",
                key.id
            ));
        }
        let found = Some(key.digest());
        compare(&mut committed.line_keys, key.id, found, "line key", proof);
    }
    let (grants, refused) = members::grants_of_line(tx, line).await?;
    for grant in refused {
        proof.forged("a grant to member", grant.member);
    }
    for grant in grants {
        if committed.grants.remove(&grant.digest()).is_none() {
            proof.wrong.push(format!(
                "a grant to member {} was added behind the trail's back",
                grant.member
            ));
        }
    }
    for member in committed.grants.values() {
        proof.wrong.push(format!(
            "a grant to member {member} is missing or was changed"
        ));
    }
    let (all, refused) = reports::all_of_line(tx, line).await?;
    for report in refused {
        proof.forged("report", report.id);
    }
    for report in all {
        match report_things(tx, blobs, &report, &mut committed, proof).await {
            // One row that cannot be read must not hide the others.
            Err(error @ StoreError::Unreadable(_)) => {
                proof.wrong.push(format!("report {}: {error}", report.id));
            }
            compared => compared?,
        }
    }
    let missing = [
        ("line key", committed.line_keys),
        ("report key", committed.report_keys),
        ("entry", committed.entries),
        ("recording", committed.recordings),
    ];
    for (what, left) in missing {
        for id in left.keys() {
            proof.wrong.push(format!("{what} {id} is missing"));
        }
    }
    Ok(())
}

async fn report_things(
    tx: &mut ReadTx,
    blobs: &Blobs,
    report: &Report,
    committed: &mut Committed,
    proof: &mut Proof,
) -> Result<(), StoreError> {
    let keys = reports::keys(tx, report.id).await;
    let Some(keys) = proof.unless_refused(report.id, keys)? else {
        committed.report_keys.remove(&report.id);
        return entries_and_recordings(tx, blobs, report, committed, proof).await;
    };
    let sealed_to = keys.first().map(|key| key.sealed_to);
    if !committed.has_public(report.id, &report.recipient, sealed_to) {
        proof.wrong.push(format!(
            "the public half of report key {}, or whom it is sealed to, was changed",
            report.id
        ));
    }
    let found = match keys.as_slice() {
        [key] => Some(Sha256::digest(&key.sealed).into()),
        _ => None,
    };
    compare(
        &mut committed.report_keys,
        report.id,
        found,
        "report key",
        proof,
    );
    entries_and_recordings(tx, blobs, report, committed, proof).await
}

async fn entries_and_recordings(
    tx: &mut ReadTx,
    blobs: &Blobs,
    report: &Report,
    committed: &mut Committed,
    proof: &mut Proof,
) -> Result<(), StoreError> {
    let entries = reports::entries(tx, report.id).await?;
    let replies = replies::of_report(tx, report.id).await;
    let replies = proof.unless_refused(report.id, replies)?;
    for reply in replies.unwrap_or_default() {
        if let Some(by) = &reply.approved_by
            && !entries
                .iter()
                .any(|entry| entry.id == reply.entry && committed.has_approval(entry, by))
        {
            proof.wrong.push(format!(
                "reply {} is marked as approved, and nobody approved it",
                reply.entry
            ));
        }
    }
    for entry in entries {
        if !committed.has_place(entry.id, report.id, Some(entry.kind.as_str())) {
            proof.wrong.push(format!(
                "entry {} has another kind or report than it was added with",
                entry.id
            ));
        }
        let found = Sha256::digest(&entry.sealed).into();
        compare(
            &mut committed.entries,
            entry.id,
            Some(found),
            "entry",
            proof,
        );
    }
    let rows = files::of_report(tx, report.id).await?;
    let all = recordings::of_report(tx, report.id).await;
    let Some(all) = proof.unless_refused(report.id, all)? else {
        let places = &committed.places;
        let is_elsewhere = |id: &Uuid| {
            places
                .get(id)
                .is_none_or(|(own, _)| *own != Some(report.id))
        };
        committed.recordings.retain(|id, _| is_elsewhere(id));
        return Ok(());
    };
    for recording in all {
        if recording.state == RecordingState::Sealed {
            if !committed.has_place(recording.id, report.id, None) {
                proof.wrong.push(format!(
                    "recording {} has another report than it was sealed for",
                    recording.id
                ));
            }
            let (store, blob) = (blobs.clone(), rows.get(&recording.id).copied());
            let digests = move || {
                let blob = blob?;
                let digests = store.digests(blob.object).ok()?;
                (digests == blob.digests).then(|| digests.committed())
            };
            let found = tokio::task::spawn_blocking(digests).await.ok().flatten();
            let committed = &mut committed.recordings;
            compare(committed, recording.id, found, "recording", proof);
        }
    }
    Ok(())
}

fn compare(
    committed: &mut HashMap<Uuid, [u8; 32]>,
    id: Uuid,
    found: Option<[u8; 32]>,
    what: &str,
    proof: &mut Proof,
) {
    match committed.remove(&id) {
        None => proof
            .wrong
            .push(format!("{what} {id} was added behind the trail's back")),
        Some(digest) if Some(digest) != found => {
            proof
                .wrong
                .push(format!("{what} {id} was changed, or cannot be read"));
        }
        Some(_) => {}
    }
}
