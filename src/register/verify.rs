//! Verifies the audit trail, and that all rows and sealed things are what the trail committed to and this service wrote.

mod chain;
mod public;
mod service;

pub use public::public;
pub use service::{service, service_in};

use self::chain::{OfLine, Walk};
use super::trail::Committed;
use crate::store::audit;
use crate::store::columns::RecordingState;
use crate::store::heads::{self, Head};
use crate::store::keys;
use crate::store::recordings;
use crate::store::replies::Reply;
use crate::store::report_keys;
use crate::store::reports::{self, EntryRow, Report};
use crate::store::{Db, ReadTx, StoreError, blobs as files, calls, replies};
use crate::vault::blobs::Blobs;
use crate::vault::entry::EntryKind;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
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

/// Verifies a line's chain from its first link, and compares the line's keys, reports, entries, approvals and
/// recordings with it. `expected` is a head that was kept elsewhere: number and hash of a link that the chain must
/// still have.
///
/// # Errors
///
/// When the database fails.
pub async fn line(
    db: &Db,
    blobs: &Blobs,
    line: &str,
    expected: Option<Head>,
) -> Result<Proof, StoreError> {
    let kept = Kept::of(db, line, expected);
    line_in(&mut db.begin_read().await?, blobs, line, &kept).await
}

/// Like [`line()`], in a transaction.
///
/// # Errors
///
/// When the database fails.
pub async fn line_in(
    tx: &mut ReadTx,
    blobs: &Blobs,
    line: &str,
    kept: &[Kept],
) -> Result<Proof, StoreError> {
    let mut committed = Committed::default();
    let mut signatures = OfLine::new(tx.signers().await?);
    let mut service = None;
    let walk = Walk {
        chain: line,
        kept,
        has_macs: true,
    };
    let mut proof = walk
        .verify(tx, &mut |link, hash, signed| {
            let is_again = committed.is_answered_again(link);
            committed.add(link);
            service = heads::named_of_service(link).or(service);
            let again = is_again.then_some("answers a call that was answered before");
            again.or(signatures.judge(link, hash, signed))
        })
        .await?;
    if let Some((seq, hash)) = service
        && audit::hash_of_service(tx, seq).await? != Some(hash)
    {
        let wrong =
            format!("the chain of the service has another link {seq} than this chain names");
        proof.wrong.push(wrong);
    }
    things(tx, blobs, line, committed, &mut proof).await?;
    rows_of_calls(tx, line, &mut proof).await?;
    Ok(proof)
}

/// Adds to `proof` which calls and receipts of a line are not what the service wrote, and which reports lack
/// their call.
async fn rows_of_calls(tx: &mut ReadTx, line: &str, proof: &mut Proof) -> Result<(), StoreError> {
    let (with_call, refused) = calls::of_reports(tx, line).await?;
    for id in refused {
        proof.forged("call", id);
    }
    let with_call: HashSet<Uuid> = with_call.into_iter().collect();
    let (all, _) = reports::all_of_line(tx, line).await?;
    for report in all.iter().filter(|report| !with_call.contains(&report.id)) {
        proof
            .wrong
            .push(format!("the call of report {} is missing", report.id));
    }
    for id in reports::with_refused_receipts(tx, line).await? {
        proof.forged("a receipt of report", id);
    }
    Ok(())
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

/// A link that a chain must still have.
pub struct Kept {
    head: Head,
    /// Where it is kept, for the sentences about it.
    by: &'static str,
}

impl Kept {
    /// Returns the head that was given, the last link that this machine has seen, and the one that the chain of the
    /// service names. Called before the transaction that reads the chain begins.
    pub fn of(db: &Db, chain: &str, given: Option<Head>) -> Vec<Self> {
        let seen = db.proofs().heads().of(chain);
        let given = given.map(|head| Self {
            head,
            by: "the head kept elsewhere",
        });
        let seen = seen.map(|head| Self {
            head,
            by: "the last link that this machine has seen",
        });
        let named = db.proofs().service().named(chain);
        let named = named.map(|head| Self {
            head,
            by: "the last link that the chain of the service names",
        });
        given.into_iter().chain(seen).chain(named).collect()
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
    // Refused keys are found with the chain of the service.
    let (keys, _) = keys::line_keys_but_refused(tx).await?;
    for key in keys.into_iter().filter(|key| key.line == line) {
        if !committed.has_line_key(key.id, &key.recipient) {
            proof.wrong.push(format!(
                "the public half of line key {} was changed, or the trail does not name it",
                key.id
            ));
        }
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
    let keys = report_keys::of_report(tx, report.id).await;
    let Some(keys) = proof.unless_refused(report.id, keys)? else {
        committed.report_keys.remove(&report.id);
        return entries_and_recordings(tx, blobs, report, committed, proof).await;
    };
    for key in &keys {
        if committed.retired.contains(&key.sealed_to) {
            proof.wrong.push(format!(
                "report key {} is sealed to line key {}, which was retired",
                report.id, key.sealed_to
            ));
        } else if !committed.has_key(report, key) {
            proof.wrong.push(format!(
                "report key {} was changed or added, or its public half or whom it is sealed to was, or the link that commits to it",
                report.id
            ));
        }
    }
    // What is left is missing.
    if !keys.is_empty() {
        committed.report_keys.remove(&report.id);
    }
    entries_and_recordings(tx, blobs, report, committed, proof).await
}

/// Compares the authors and approvals of a report's replies with the trail.
fn compare_replies(
    entries: &[EntryRow],
    replies: &[Reply],
    committed: &Committed,
    proof: &mut Proof,
) {
    for entry in entries
        .iter()
        .filter(|entry| entry.kind == EntryKind::Reply)
    {
        let reply = replies.iter().find(|reply| reply.entry == entry.id);
        let approved_by = reply.and_then(|reply| reply.approved_by.as_ref());
        let is_approved = committed.approvals.contains_key(&entry.id);
        let wrong = match approved_by {
            _ if reply.is_none() => "has no author",
            None if is_approved => "was approved, and is not marked as approved",
            Some(by) if !committed.has_approval(entry, by) => {
                "is marked as approved, and the trail has no approval of it"
            }
            _ => continue,
        };
        proof.wrong.push(format!("reply {} {wrong}", entry.id));
    }
    for reply in replies {
        let is_of = |entry: &EntryRow| entry.id == reply.entry && entry.kind == EntryKind::Reply;
        if !entries.iter().any(is_of) {
            let wrong = format!("reply {} has no entry", reply.entry);
            proof.wrong.push(wrong);
        }
    }
}

async fn entries_and_recordings(
    tx: &mut ReadTx,
    blobs: &Blobs,
    report: &Report,
    committed: &mut Committed,
    proof: &mut Proof,
) -> Result<(), StoreError> {
    let entries = reports::entries(tx, report.id).await?;
    if !committed.are_in_order(&entries) {
        proof.wrong.push(format!(
            "the entries of report {} are not in the order in which they were added",
            report.id
        ));
    }
    let replies = replies::of_report(tx, report.id).await;
    if let Some(replies) = proof.unless_refused(report.id, replies)? {
        compare_replies(&entries, &replies, committed, proof);
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
