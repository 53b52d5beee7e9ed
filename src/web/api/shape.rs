//! What things look like in JSON.

use crate::desk::opened::{OpenReport, Spoken};
use crate::desk::queue::AbandonedCall;
use crate::store::reports::Report;
use crate::vault::entry::Entry;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

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

/// A report, open.
pub(super) fn whole(open: &OpenReport) -> Value {
    let mut report = summary(&open.report);
    report["entries"] = open.entries.iter().map(entry).collect();
    report["recordings"] = open.recordings.iter().map(recording).collect();
    report
}

/// An abandoned call, open; without entries, and marked, when it does not open.
pub(super) fn abandoned(call: &AbandonedCall) -> Value {
    let (report, entries, damaged) = match call {
        AbandonedCall::Open(open) => (&open.report, open.entries.as_slice(), false),
        AbandonedCall::Damaged(report) => (report, [].as_slice(), true),
    };
    json!({
        "id": report.id,
        "line": report.line,
        "received_hour": time(report.received_hour),
        "damaged": damaged,
        "entries": entries.iter().map(entry).collect::<Vec<_>>(),
    })
}

fn entry(entry: &Entry) -> Value {
    json!({
        "id": entry.address.entry,
        "kind": entry.address.kind,
        "at": time(entry.at),
        "by": entry.by,
        "body": entry.body,
    })
}

/// Seconds are a number with a fraction.
fn recording(recording: &Spoken) -> Value {
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

/// RFC 3339 in UTC, to the microsecond.
fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}
