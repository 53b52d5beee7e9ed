//! Opens reports: the only module of the desk that decrypts what callers said.

use super::{DeskError, Inspector, Result, off_thread};
use crate::members::confirming::{self, Judged};
use crate::register::trail::OfReport;
use crate::report::entries::{Body, RecordingBody};
use crate::service::Service;
use crate::store::audit::{self, Act};
use crate::store::blobs::{self, Blob};
use crate::store::columns::RecordingState;
use crate::store::recordings::{self, RecordingRow};
use crate::store::report_keys::{self, ReportKeyRow};
use crate::store::reports::{self, EntryRow, Report};
use crate::store::{ReadTx, StoreError, WriteTx};
use crate::vault::action::Action;
use crate::vault::blobs::Reader;
use crate::vault::entry::{Address, Entry, EntryKind, open_entry};
use crate::vault::seal::{Identity, open_identity};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use scoped_futures::ScopedFutureExt;
use uuid::Uuid;

/// An opened report.
pub struct OpenReport {
    /// The report's unsealed row, which the queue shows too.
    pub report: Report,
    /// Number of the last link of the line's trail before the report was read.
    pub trail: i64,
    /// The entries, in the order they were added.
    pub entries: Vec<Entry>,
    /// The recordings in order of speaking; replaced ones last.
    pub recordings: Vec<Spoken>,
    /// The replies in the order they were written, with author and approver, and whether the approval counts.
    pub replies: Vec<Judged>,
}

/// A recording as inspectors see it: its row, and facts from the sealed entries about it.
pub struct Spoken {
    /// Number of the recording in the report: from 1, in order of speaking.
    pub n: usize,
    /// The database row.
    pub row: RecordingRow,
    /// Length in bytes; `None` if no entry that can be read says it, as before the recording is sealed.
    pub bytes: Option<u64>,
    /// Length in milliseconds; `None` if `bytes` is `None`, or if the length is not known.
    pub milliseconds: Option<u64>,
    /// True if the caller replaced this take by a later one.
    pub replaced: bool,
    /// The waveform: loudness, one value for each section; empty if it is not known.
    pub peaks: Vec<u8>,
}

/// Opens a report. The opening is recorded in the trail before the report is returned.
///
/// # Errors
///
/// Returns [`DeskError::Missing`] for a report that is not accessible to the inspector, and an error, instead of a part
/// of the report, when something sealed does not match the trail. Also when the database fails.
pub async fn open(service: &Service, inspector: &Inspector, id: Uuid) -> Result<OpenReport> {
    let sealed = Sealed::of(service, inspector, id).await?;
    let own = inspector.identity().clone();
    let open = off_thread(move || sealed.open(&own)).await?;
    let opened = [&open.report];
    note_openings(service, inspector, &opened, Action::ReportOpened, None).await?;
    Ok(open)
}

/// A recording that an inspector may listen to, before its file is opened.
pub struct Found {
    report: Report,
    recording: Uuid,
    blob: Blob,
    length: u64,
    identity: Identity,
}

/// Finds a report's recording by its number ([`Spoken::n`]).
///
/// # Errors
///
/// Returns [`DeskError::Missing`] when the report is not accessible to the inspector, or has no sealed recording with
/// this number, and an error when something sealed does not match the trail. Also when the database fails.
pub async fn recording(
    service: &Service,
    inspector: &Inspector,
    id: Uuid,
    n: usize,
) -> Result<Found> {
    let console = &service.db.console;
    let read = console.read(|tx| {
        async move {
            let report = find(tx, inspector, id).await?;
            let blobs = blobs::of_report(tx, report.id).await?;
            Ok::<_, DeskError>((Sealed::read(tx, inspector, report).await?, blobs))
        }
        .scope_boxed()
    });
    let (sealed, blobs) = read.await?;
    let own = inspector.identity().clone();
    off_thread(move || {
        let identity = sealed.key.open(&sealed.report, &own)?;
        let committed = sealed.key.committed.clone();
        let open = sealed.open_with(&identity)?;
        let is_it =
            |recording: &&Spoken| recording.n == n && recording.row.state == RecordingState::Sealed;
        let recording = open.recordings.iter().find(is_it);
        let recording = recording.ok_or(DeskError::Missing)?;
        let blob = blobs.get(&recording.row.id);
        let blob = blob.ok_or_else(|| damaged(&"the row of its file is missing or refused"))?;
        // Anyone who knows the report's public key can seal another recording to it. Therefore the recording must be
        // the one that the trail committed to. The reader compares the digest of the file's header; the rest of the
        // file opens only under that header.
        if !committed.has_recording(recording.row.id, &blob.digests) {
            return Err(damaged(&"it is not the one the trail committed to"));
        }
        Ok(Found {
            length: recording.bytes.ok_or(DeskError::Missing)?,
            recording: recording.row.id,
            blob: *blob,
            report: open.report,
            identity,
        })
    })
    .await
}

fn damaged(error: &dyn std::fmt::Display) -> DeskError {
    DeskError::Failed(format!("a sealed recording is damaged: {error}"))
}

impl Found {
    /// Returns the length of the recording, in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Opens the recording for reading. The opening is recorded in the trail before the reader is returned.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or does not match its digests, or when the database fails.
    pub async fn listen(self, service: &Service, inspector: &Inspector) -> Result<Reader> {
        let (store, identity) = (service.blobs.clone(), self.identity);
        let (Blob { object, digests }, length) = (self.blob, self.length);
        let open = move || {
            let reader = store.reader(object, &digests, &identity, length);
            reader.map_err(|error| damaged(&error))
        };
        let reader = off_thread(open).await?;
        let (opened, action) = ([&self.report], Action::RecordingOpened);
        note_openings(service, inspector, &opened, action, Some(self.recording)).await?;
        Ok(reader)
    }
}

/// Returns a report whose line's key the inspector holds. For a report that does not exist, one of another line, and a
/// call that is no report, the error is [`DeskError::Missing`].
pub(super) async fn find(tx: &mut ReadTx, inspector: &Inspector, id: Uuid) -> Result<Report> {
    let report = reports::get(tx, id).await?.ok_or(DeskError::Missing)?;
    if report.reference.is_some() && inspector.has_line(&report.line) {
        Ok(report)
    } else {
        Err(DeskError::Missing)
    }
}

/// Like [`find`], with the report's row locked until the transaction ends, so that its status and assignee do not
/// change until then. A report that is not accessible to the inspector is not locked.
pub(super) async fn find_locked(
    tx: &mut WriteTx,
    inspector: &Inspector,
    id: Uuid,
) -> Result<Report> {
    find(tx, inspector, id).await?;
    reports::lock(tx, id).await?;
    find(tx, inspector, id).await
}

/// Returns a report after opening its key with the inspector's own key. That proves that the stored public key is the
/// report's; nothing may be sealed to another one.
///
/// # Errors
///
/// Returns [`DeskError::Missing`] for a report that is not accessible to the inspector, and an error when the stored
/// key is not the report's. Also when the database fails.
pub(super) async fn proven(service: &Service, inspector: &Inspector, id: Uuid) -> Result<Report> {
    let console = &service.db.console;
    let read = console.read(|tx| {
        async move {
            let report = find(tx, inspector, id).await?;
            Ok::<_, DeskError>((SealedKey::read(tx, inspector, &report).await?, report))
        }
        .scope_boxed()
    });
    let (key, report) = read.await?;
    let own = inspector.identity().clone();
    off_thread(move || {
        key.open(&report, &own)?;
        Ok(report)
    })
    .await
}

/// Fails if the public key of `report`, read again in a later transaction, is not that of `proven`, which the function
/// [`proven`] has checked.
pub(super) fn has_same_key(proven: &Report, report: &Report) -> Result<()> {
    match proven.recipient == report.recipient {
        true => Ok(()),
        false => Err(StoreError::Unreadable("report key").into()),
    }
}

/// A report's key as it is stored, with what the trail committed to about the report.
struct SealedKey {
    committed: OfReport,
    /// The private half of the report's key, sealed to a line key that the inspector holds.
    row: ReportKeyRow,
    /// The private half of that line key, sealed to the inspector.
    line_key: Vec<u8>,
}

impl SealedKey {
    async fn read(tx: &mut ReadTx, inspector: &Inspector, report: &Report) -> Result<Self> {
        let mut committed = OfReport::read(tx, report).await?;
        let rows = report_keys::of_report(tx, report.id).await?;
        if rows.is_empty() {
            return Err(StoreError::Unreadable("report key").into());
        }
        // The row that is sealed to the line's latest key comes first.
        for row in rows {
            if let Some(line_key) = inspector.granted(tx, row.sealed_to).await? {
                committed.read_link_of(tx, &report.line, &row).await?;
                return Ok(Self {
                    committed,
                    row,
                    line_key,
                });
            }
        }
        Err(DeskError::Missing)
    }

    /// Opens the report's key with the inspector's own key. The key must be the one that the trail committed to, and
    /// must match the public key that entries are sealed to. Blocks.
    fn open(&self, report: &Report, own: &Identity) -> Result<Identity> {
        let line_key = open_identity(&self.line_key, own);
        let line_key = line_key.map_err(|_| StoreError::Unreadable("grant"))?;
        let refused = StoreError::Unreadable("report key");
        match open_identity(&self.row.sealed, &line_key) {
            Ok(identity)
                if self.committed.has_key(report, &self.row)
                    && identity.recipient().to_string() == report.recipient =>
            {
                Ok(identity)
            }
            _ => Err(refused.into()),
        }
    }
}

/// All sealed and unsealed data of a report, or of a call without a message, before it is opened.
pub(super) struct Sealed {
    pub(super) report: Report,
    trail: i64,
    key: SealedKey,
    entries: Vec<EntryRow>,
    recordings: Vec<RecordingRow>,
    replies: Vec<Judged>,
}

impl Sealed {
    async fn of(service: &Service, inspector: &Inspector, id: Uuid) -> Result<Self> {
        let console = &service.db.console;
        let read = console.read(|tx| {
            async move {
                let report = find(tx, inspector, id).await?;
                Self::read(tx, inspector, report).await
            }
            .scope_boxed()
        });
        read.await
    }

    /// Reads the data of a report from the database, without opening any of it.
    ///
    /// # Errors
    ///
    /// When the database fails, or holds data that cannot be read. Returns [`DeskError::Missing`] when the inspector
    /// holds no key that the report's key is sealed to.
    pub(super) async fn read(
        tx: &mut ReadTx,
        inspector: &Inspector,
        report: Report,
    ) -> Result<Self> {
        Ok(Self {
            trail: audit::end(tx, &report.line).await?,
            key: SealedKey::read(tx, inspector, &report).await?,
            entries: reports::entries(tx, report.id).await?,
            recordings: recordings::of_report(tx, report.id).await?,
            replies: confirming::replies_of(tx, &report).await?,
            report,
        })
    }

    /// Opens all of it with the inspector's own key. Blocks.
    ///
    /// # Errors
    ///
    /// When something does not match its commitment in the trail, when something is missing, or when something was
    /// added that the trail does not name; then nothing is returned. (`export` with the recovery key still opens what
    /// is readable.)
    pub(super) fn open(self, own: &Identity) -> Result<OpenReport> {
        let identity = self.key.open(&self.report, own)?;
        self.open_with(&identity)
    }

    fn open_with(self, identity: &Identity) -> Result<OpenReport> {
        let refused = |what| DeskError::from(StoreError::Unreadable(what));
        let committed = &self.key.committed;
        if !committed.has_entries(&self.entries) {
            return Err(refused("entry"));
        }
        let rows = self.entries.iter();
        let entries: Vec<Entry> = rows
            .map(|row| open_row(&self.report, identity, row))
            .collect::<Result<_>>()?;
        let mut writers = self.entries.iter().zip(&entries);
        if !writers.all(|(row, entry)| committed.has_writer(row.id, entry.by.as_deref())) {
            return Err(refused("writer of an entry"));
        }
        for Judged { reply, .. } in &self.replies {
            let row = self.entries.iter().find(|row| row.id == reply.entry);
            let is_so = |by: &String| row.is_some_and(|row| committed.has_approval(row, by));
            if !reply.approved_by.as_ref().is_none_or(is_so) {
                return Err(refused("approval"));
            }
        }
        if !committed.has_recordings(&self.recordings) {
            return Err(refused("recording"));
        }
        for row in &self.recordings {
            if row.state == RecordingState::Sealed && !is_named(&entries, row.id, row.step) {
                return Err(refused("recording"));
            }
        }
        Ok(OpenReport {
            report: self.report,
            trail: self.trail,
            recordings: in_order(self.recordings, &entries),
            entries,
            replies: self.replies,
        })
    }
}

fn open_row(report: &Report, identity: &Identity, row: &EntryRow) -> Result<Entry> {
    let refused = || StoreError::Unreadable("entry");
    let address = Address {
        line: report.line.clone(),
        report: report.id,
        entry: row.id,
        kind: row.kind,
    };
    Ok(open_entry(&row.sealed, identity, &address).map_err(|_| refused())?)
}

/// Records in the trail, as `action`, that an inspector opened these reports. `object` is the id of what was opened,
/// such as a recording, if it was only that; `opened` then has one report.
///
/// # Errors
///
/// When the database fails; then nothing of these reports may be shown.
pub(super) async fn note_openings(
    service: &Service,
    inspector: &Inspector,
    opened: &[&Report],
    action: Action,
    object: Option<Uuid>,
) -> Result<()> {
    service
        .db
        .console
        .write(|tx| {
            async move {
                for report in opened {
                    note_opening(service, tx, inspector, report, action, object);
                }
                Ok(())
            }
            .scope_boxed()
        })
        .await
}

/// Like [`note_openings`] for one report, in a transaction of the function's caller.
pub(super) fn note_opening(
    service: &Service,
    tx: &mut WriteTx,
    inspector: &Inspector,
    report: &Report,
    action: Action,
    object: Option<Uuid>,
) {
    let act = Act {
        actor: Some(inspector.name()),
        report: Some(report.id),
        object,
        ..Act::new(service.clock.line_now(), action)
    };
    tx.sign_as(inspector.signer());
    audit::append(tx, &report.line, act);
}

/// Returns what a sealed entry says about a recording; `None` if no entry that can be read does.
fn facts(entries: &[Entry], recording: Uuid) -> Option<&RecordingBody> {
    entries.iter().find_map(|entry| match entry.body.known()? {
        Body::Recording(facts) if facts.recording == recording => Some(facts),
        _ => None,
    })
}

/// True if a sealed entry names the recording and the step that recorded it. Also true if no entry that can be read
/// names it, but there is a recording entry that this version cannot read and that may name it. In that case the
/// recording is not played, because its length is not known.
fn is_named(entries: &[Entry], recording: Uuid, step: i32) -> bool {
    match facts(entries, recording) {
        Some(facts) => facts.step == step,
        None => entries.iter().any(|entry| {
            entry.address.kind == EntryKind::Recording && entry.body.known().is_none()
        }),
    }
}

/// True if a sealed entry says that the take of this step was replaced by a later one.
fn is_replaced(entries: &[Entry], step: i32) -> bool {
    entries.iter().any(|entry| match entry.body.known() {
        Some(Body::Take(take)) => take.replaced_steps.contains(&step),
        _ => false,
    })
}

/// Returns recordings in order of speaking, replaced ones last. Those that the provider never made are left out and not
/// counted.
fn in_order(rows: Vec<RecordingRow>, entries: &[Entry]) -> Vec<Spoken> {
    let mut spoken: Vec<Spoken> = rows
        .into_iter()
        .filter(|row| row.state != RecordingState::Absent)
        .enumerate()
        .map(|(i, row)| {
            let facts = facts(entries, row.id);
            Spoken {
                n: i + 1,
                bytes: facts.map(|facts| facts.bytes),
                milliseconds: facts.and_then(|facts| facts.milliseconds),
                replaced: is_replaced(entries, row.step),
                peaks: facts
                    .and_then(|facts| STANDARD.decode(&facts.peaks).ok())
                    .unwrap_or_default(),
                row,
            }
        })
        .collect();
    spoken.sort_by_key(|recording| (recording.replaced, recording.n));
    spoken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::random_id;
    use crate::report::entries::Content;
    use serde_json::value::RawValue;

    fn entry(kind: EntryKind, body: Content) -> Entry {
        Entry {
            address: Address {
                line: "fcg-5".into(),
                report: random_id(),
                entry: random_id(),
                kind,
            },
            at: chrono::DateTime::UNIX_EPOCH,
            by: None,
            body,
        }
    }

    #[test]
    fn a_recording_is_one_that_an_entry_names_or_may_name() {
        let id = random_id();
        let named = Body::Recording(RecordingBody {
            recording: id,
            step: 2,
            bytes: 1,
            sha256: String::new(),
            milliseconds: None,
            r#type: "audio/wav".into(),
            peaks: String::new(),
        });
        let json = RawValue::from_string("{}".into()).unwrap();
        let later = Content::Unknown { version: 2, json };
        let mut entries = vec![entry(EntryKind::Note, later.clone())];
        assert!(!is_named(&entries, id, 2), "a note names none");
        entries.push(entry(EntryKind::Recording, named.into()));
        assert!(is_named(&entries, id, 2));
        assert!(!is_named(&entries, id, 3), "another step");
        assert!(!is_named(&entries, random_id(), 2));
        entries.push(entry(EntryKind::Recording, later));
        assert!(!is_named(&entries, id, 3), "another step");
        assert!(
            is_named(&entries, random_id(), 2),
            "the later one may name it"
        );
    }
}
