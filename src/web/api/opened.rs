//! Opening a report: the one place where what callers said becomes readable.

use super::{Answer, Inspector, Problem};
use crate::service::Service;
use crate::store::audit::{self, Act};
use crate::store::reports::{self, EntryRow, RecordingRow, Report};
use crate::store::{StoreError, Tx};
use crate::trail::OfReport;
use crate::vault::entry::{Address, Entry, EntryKind, open_entry};
use crate::vault::seal::{Identity, open_identity};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

/// A report, and its key.
pub(super) struct Opened {
    pub report: Report,
    pub identity: Identity,
    committed: OfReport,
}

/// The report, if there is one and the member holds its line's key; the same answer otherwise.
pub(super) async fn find(tx: &mut Tx, inspector: &Inspector, id: Uuid) -> Answer<Report> {
    let report = reports::get(tx, id).await?.ok_or_else(Problem::missing)?;
    if report.reference.is_some() && inspector.has_line(&report.line) {
        Ok(report)
    } else {
        Err(Problem::missing())
    }
}

/// Opens a report's key with a line key the member holds. It must be the one the trail committed to, and fit the
/// public half that entries are sealed to.
pub(super) async fn open(tx: &mut Tx, inspector: &Inspector, report: Report) -> Answer<Opened> {
    let refused = || StoreError::Unreadable("report key");
    let committed = OfReport::read(tx, &report).await?;
    let keys = reports::keys(tx, report.id).await?;
    if keys.is_empty() {
        return Err(refused().into());
    }
    for key in keys {
        let held = inspector.keys.iter().find(|(id, ..)| *id == key.sealed_to);
        if let Some((_, _, line_key)) = held {
            let identity = open_identity(&key.sealed, line_key).map_err(|_| refused())?;
            let is_it = committed.has_key(&report, &key)
                && identity.recipient().to_string() == report.recipient;
            if !is_it {
                return Err(refused().into());
            }
            return Ok(Opened {
                report,
                identity,
                committed,
            });
        }
    }
    Err(Problem::missing())
}

/// Notes in the trail that somebody looked.
pub(super) async fn note_opening(
    service: &Service,
    tx: &mut Tx,
    inspector: &Inspector,
    report: &Report,
    action: &str,
    object: Option<Uuid>,
) -> Answer<()> {
    let act = Act {
        at: service.clock.line_now(),
        actor: Some(inspector.name()),
        action,
        report: Some(report.id),
        object,
        ..Act::default()
    };
    Ok(audit::append(tx, &report.line, act).await?)
}

impl Opened {
    /// The report's entries, open, in the order they were added. One that is not what it says it is, is refused; so
    /// are all when one was added behind the trail's back, or is missing. (`export` with the recovery key still opens
    /// what there is.)
    pub async fn entries(&self, tx: &mut Tx) -> Answer<Vec<Entry>> {
        let rows = reports::entries(tx, self.report.id).await?;
        if !self.committed.has_entries(&rows) {
            return Err(StoreError::Unreadable("entry").into());
        }
        rows.iter().map(|row| self.entry(row)).collect()
    }

    /// The report's recordings. What the rows say of them must be what the trail and the sealed entries say.
    pub async fn recordings(&self, tx: &mut Tx, entries: &[Entry]) -> Answer<Vec<Spoken>> {
        let refused = || StoreError::Unreadable("recording");
        let rows = reports::recordings(tx, self.report.id).await?;
        if !self.committed.has_recordings(&rows) {
            return Err(refused().into());
        }
        for row in rows.iter().filter(|row| row.state == "sealed") {
            if facts(entries, row).is_none_or(|facts| facts["step"] != row.step) {
                return Err(refused().into());
            }
        }
        Ok(recordings(rows, entries))
    }

    /// Is this the SHA-256 the trail committed to for a recording's sealed file?
    pub fn has_recording(&self, id: Uuid, sha256: &[u8; 32]) -> bool {
        self.committed.has_recording(id, sha256)
    }

    fn entry(&self, row: &EntryRow) -> Answer<Entry> {
        let refused = || StoreError::Unreadable("entry");
        let kind: EntryKind = row.kind.parse().map_err(|_| refused())?;
        let address = Address {
            line: self.report.line.clone(),
            report: self.report.id,
            entry: row.id,
            kind,
        };
        Ok(open_entry(&row.sealed, &self.identity, &address).map_err(|_| refused())?)
    }
}

/// What the queue shows of a report.
pub(super) fn summary(report: &Report) -> Value {
    json!({
        "id": report.id,
        "reference": report.reference,
        "line": report.line,
        "status": report.status,
        "source": report.source,
        "assignee": report.assignee_name,
        "received_hour": time(report.received_hour),
    })
}

/// An entry, open.
pub(super) fn entry_json(entry: &Entry) -> Value {
    json!({
        "id": entry.address.entry,
        "kind": entry.address.kind,
        "at": time(entry.at),
        "by": entry.by,
        "body": entry.body,
    })
}

/// RFC 3339 in UTC, to the microsecond.
pub(super) fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// A recording as inspectors see it: the row, and what its sealed entries say.
pub(super) struct Spoken {
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

/// A report's recordings in order of speaking, those that were said again last. One the provider never made is none.
fn recordings(rows: Vec<RecordingRow>, entries: &[Entry]) -> Vec<Spoken> {
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
                row,
            }
        })
        .collect();
    spoken.sort_by_key(|recording| (recording.replaced, recording.n));
    spoken
}

/// A recording in JSON. Seconds as a number with a fraction.
pub(super) fn recording_json(recording: &Spoken) -> Value {
    json!({
        "n": recording.n,
        "id": recording.row.id,
        "state": recording.row.state,
        "seconds": recording.milliseconds.map(|ms| ms as f64 / 1000.0),
        "bytes": recording.bytes,
        "replaced": recording.replaced,
        "deleted_at_provider": recording.row.deleted,
    })
}
