//! Opening a report: the one place where what callers said becomes readable.

use super::{DeskError, Inspector, Result};
use crate::members::confirming::{self, Judged};
use crate::service::Service;
use crate::store::audit::{self, Act};
use crate::store::reports::{self, EntryRow, RecordingRow, Report};
use crate::store::{StoreError, Tx};
use crate::trail::OfReport;
use crate::vault::entry::{Address, Entry, EntryKind, open_entry};
use crate::vault::recordings::Reader;
use crate::vault::seal::{Identity, open_identity};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use uuid::Uuid;

/// A report, open.
pub struct OpenReport {
    /// What the queue shows of it.
    pub report: Report,
    /// Where its line's trail ended before it was read.
    pub trail: i64,
    /// Its entries, in the order they were added.
    pub entries: Vec<Entry>,
    /// Its recordings in order of speaking, those that were said again last.
    pub recordings: Vec<Spoken>,
    /// Its replies, in the order they were written: whose they are and who approved them.
    pub replies: Vec<Judged>,
}

/// A recording as inspectors see it: the row, and what its sealed entries say.
pub struct Spoken {
    /// Its number: from 1, in order of speaking.
    pub n: usize,
    /// The row.
    pub row: RecordingRow,
    /// Its length in bytes, when sealed.
    pub bytes: Option<u64>,
    /// Its length in milliseconds, when sealed and known.
    pub milliseconds: Option<u64>,
    /// It was said again later.
    pub replaced: bool,
    /// How loud it is, piece by piece; empty when that is not known.
    pub peaks: Vec<u8>,
}

/// Opens a report. The opening is in the trail before anything is shown.
///
/// # Errors
///
/// [`DeskError::Missing`]; or a sealed thing that is not what it says it is, which is refused and never shown.
pub async fn open(service: &Service, inspector: &Inspector, id: Uuid) -> Result<OpenReport> {
    let mut tx = service.db.console.read().await?;
    let report = find(&mut tx, inspector, id).await?;
    let open = open_all(&mut tx, inspector, report).await?;
    drop(tx);
    // Opening takes time, and a caller may be waiting for the database: only the note is written.
    let mut tx = service.db.console.begin().await?;
    note_opening(
        service,
        &mut tx,
        inspector,
        &open.report,
        "report_opened",
        None,
    )
    .await?;
    tx.commit().await?;
    Ok(open)
}

/// A recording an inspector may listen to. Nobody has yet.
pub struct Found {
    report: Report,
    recording: Uuid,
    file: Uuid,
    length: u64,
    key: ReportKey,
}

/// Finds a recording by its number.
///
/// # Errors
///
/// [`DeskError::Missing`], also while it is not sealed yet.
pub async fn recording(
    service: &Service,
    inspector: &Inspector,
    id: Uuid,
    n: usize,
) -> Result<Found> {
    let mut tx = service.db.console.read().await?;
    let report = find(&mut tx, inspector, id).await?;
    let key = report_key(&mut tx, inspector, &report).await?;
    let open = open_with(&mut tx, report, &key).await?;
    let recording = open
        .recordings
        .iter()
        .find(|recording| recording.n == n && recording.row.state == "sealed")
        .ok_or(DeskError::Missing)?;
    Ok(Found {
        length: recording.bytes.ok_or(DeskError::Missing)?,
        recording: recording.row.id,
        file: recording.row.file.ok_or(DeskError::Missing)?,
        report: open.report,
        key,
    })
}

impl Found {
    /// Its length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Opens it. The listening is in the trail before the first byte is out.
    ///
    /// # Errors
    ///
    /// A file that is not what it says it is, which is refused.
    pub async fn listen(self, service: &Service, inspector: &Inspector) -> Result<Reader> {
        let (store, id, identity) = (
            service.recordings.clone(),
            self.recording,
            self.key.identity,
        );
        let file = self.file;
        let length = self.length;
        let damaged = |error: &dyn std::fmt::Display| {
            DeskError::Failed(format!("a sealed recording is damaged: {error}"))
        };
        // Anybody can seal another recording to the report's key: what is played must be what the trail committed to.
        let (sha256, reader) = tokio::task::spawn_blocking(move || {
            let reader = store.reader(file, &identity, length);
            (store.sealed_sha256(file), reader)
        })
        .await
        .map_err(|_| DeskError::Failed("a worker stopped".into()))?;
        let reader = reader.map_err(|error| damaged(&error))?;
        let sha256 = sha256.map_err(|error| damaged(&error.kind()))?;
        if !self.key.committed.has_recording(id, &sha256) {
            return Err(damaged(&"it is not the one the trail committed to"));
        }
        let mut tx = service.db.console.begin().await?;
        let action = "recording_opened";
        note_opening(service, &mut tx, inspector, &self.report, action, Some(id)).await?;
        tx.commit().await?;
        Ok(reader)
    }
}

/// The report, if there is one and the member holds its line's key; the same answer otherwise.
pub(super) async fn find(tx: &mut Tx, inspector: &Inspector, id: Uuid) -> Result<Report> {
    let report = reports::get(tx, id).await?.ok_or(DeskError::Missing)?;
    if report.reference.is_some() && inspector.has_line(&report.line) {
        Ok(report)
    } else {
        Err(DeskError::Missing)
    }
}

/// The same, locked until the transaction ends: its status and assignee are what they are until then. A report that is
/// not the inspector's is not locked.
pub(super) async fn find_locked(tx: &mut Tx, inspector: &Inspector, id: Uuid) -> Result<Report> {
    find(tx, inspector, id).await?;
    reports::lock(tx, id).await?;
    find(tx, inspector, id).await
}

/// Opens everything about a report or an abandoned call, with a line key the member holds.
pub(super) async fn open_all(
    tx: &mut Tx,
    inspector: &Inspector,
    report: Report,
) -> Result<OpenReport> {
    let key = report_key(tx, inspector, &report).await?;
    open_with(tx, report, &key).await
}

/// Proves that the inspector can open the report, before anything is sealed to its key: so nothing is sealed to a key
/// that is not the report's.
pub(super) async fn prove_key(tx: &mut Tx, inspector: &Inspector, report: &Report) -> Result<()> {
    report_key(tx, inspector, report).await.map(drop)
}

/// A report's key, and what the trail committed to.
struct ReportKey {
    identity: Identity,
    committed: OfReport,
}

/// Opens a report's key with a line key the member holds. It must be the one the trail committed to, and fit the
/// public half that entries are sealed to.
async fn report_key(tx: &mut Tx, inspector: &Inspector, report: &Report) -> Result<ReportKey> {
    let refused = || StoreError::Unreadable("report key");
    let committed = OfReport::read(tx, report).await?;
    let keys = reports::keys(tx, report.id).await?;
    if keys.is_empty() {
        return Err(refused().into());
    }
    for key in keys {
        if let Some(line_key) = inspector.line_key(tx, key.sealed_to).await? {
            let identity = open_identity(&key.sealed, &line_key).map_err(|_| refused())?;
            let is_it = committed.has_key(report, &key)
                && identity.recipient().to_string() == report.recipient;
            if !is_it {
                return Err(refused().into());
            }
            return Ok(ReportKey {
                identity,
                committed,
            });
        }
    }
    Err(DeskError::Missing)
}

/// Opens entries and recordings. One that is not what it says it is, is refused; so are all when one was added behind
/// the trail's back, or is missing. (`export` with the recovery key still opens what there is.)
async fn open_with(tx: &mut Tx, report: Report, key: &ReportKey) -> Result<OpenReport> {
    let refused = StoreError::Unreadable;
    let trail = audit::end(tx, &report.line).await?;
    let rows = reports::entries(tx, report.id).await?;
    if !key.committed.has_entries(&rows) {
        return Err(refused("entry").into());
    }
    let entries: Vec<Entry> = rows
        .iter()
        .map(|row| open_row(&report, &key.identity, row))
        .collect::<Result<_>>()?;
    let replies = confirming::replies_of(tx, &report).await?;
    for Judged { reply, .. } in &replies {
        let row = rows.iter().find(|row| row.id == reply.entry);
        let is_so = |by: &String| row.is_some_and(|row| key.committed.has_approval(row, by));
        if !reply.approved_by.as_ref().is_none_or(is_so) {
            return Err(refused("approval").into());
        }
    }
    let rows = reports::recordings(tx, report.id).await?;
    if !key.committed.has_recordings(&rows) {
        return Err(refused("recording").into());
    }
    for row in rows.iter().filter(|row| row.state == "sealed") {
        if facts(&entries, row).is_none_or(|facts| facts["step"] != row.step) {
            return Err(refused("recording").into());
        }
    }
    let recordings = in_order(rows, &entries);
    Ok(OpenReport {
        report,
        trail,
        entries,
        recordings,
        replies,
    })
}

fn open_row(report: &Report, identity: &Identity, row: &EntryRow) -> Result<Entry> {
    let refused = || StoreError::Unreadable("entry");
    let kind: EntryKind = row.kind.parse().map_err(|_| refused())?;
    let address = Address {
        line: report.line.clone(),
        report: report.id,
        entry: row.id,
        kind,
    };
    Ok(open_entry(&row.sealed, identity, &address).map_err(|_| refused())?)
}

/// Notes in the trail that somebody looked.
pub(super) async fn note_opening(
    service: &Service,
    tx: &mut Tx,
    inspector: &Inspector,
    report: &Report,
    action: &str,
    object: Option<Uuid>,
) -> Result<()> {
    let act = Act {
        at: service.clock.line_now(),
        actor: Some(inspector.name()),
        action,
        report: Some(report.id),
        object,
        ..Act::default()
    };
    audit::append(tx, &report.line, act);
    Ok(())
}

fn of_kind(entries: &[Entry], kind: EntryKind) -> impl Iterator<Item = &Value> {
    entries
        .iter()
        .filter(move |entry| entry.address.kind == kind)
        .map(|entry| &entry.body)
}

/// What a sealed entry says of a recording.
fn facts<'a>(entries: &'a [Entry], row: &RecordingRow) -> Option<&'a Value> {
    of_kind(entries, EntryKind::Recording)
        .find(|body| body["recording"].as_str() == Some(&row.id.to_string()))
}

/// Recordings in order of speaking, those that were said again last. One the provider never made is none.
fn in_order(rows: Vec<RecordingRow>, entries: &[Entry]) -> Vec<Spoken> {
    let mut spoken: Vec<Spoken> = rows
        .into_iter()
        .filter(|row| row.state != "absent")
        .enumerate()
        .map(|(i, row)| {
            let facts = facts(entries, &row);
            let replaced = of_kind(entries, EntryKind::Take).any(|body| {
                body["replaced_steps"]
                    .as_array()
                    .is_some_and(|steps| steps.iter().any(|step| step == row.step))
            });
            Spoken {
                n: i + 1,
                bytes: facts.and_then(|facts| facts["bytes"].as_u64()),
                milliseconds: facts.and_then(|facts| facts["milliseconds"].as_u64()),
                replaced,
                peaks: facts
                    .and_then(|facts| STANDARD.decode(facts["peaks"].as_str()?).ok())
                    .unwrap_or_default(),
                row,
            }
        })
        .collect();
    spoken.sort_by_key(|recording| (recording.replaced, recording.n));
    spoken
}
