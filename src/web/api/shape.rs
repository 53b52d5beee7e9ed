//! The JSON forms of reports, entries and recordings.

use crate::desk::abandoned::AbandonedCall;
use crate::desk::opened::{OpenReport, Spoken};
use crate::members::confirming::Judged;
use crate::report::classification::Classification;
use crate::report::entries::{
    CallBody, CallerBody, Content, RecordingBody, TakeBody, TalkBody, TextBody,
};
use crate::report::status::{Outcome, Source, Status};
use crate::store::columns::RecordingState;
use crate::store::reports;
use crate::vault::entry::{self, EntryKind};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A report as the queue shows it: without sealed data.
#[derive(Serialize, ToSchema)]
pub(super) struct Report {
    id: Uuid,
    /// Its reference, unique on its line.
    // A row without a reference or a status is a call, and calls are not shown as reports.
    #[schema(value_type = String, example = "2024-0017")]
    reference: Option<String>,
    /// Its line's id.
    line: String,
    #[schema(value_type = Status)]
    status: Option<Status>,
    /// How it was received: `live` if the caller spoke with the duty inspector, else `call`.
    #[schema(value_type = String)]
    source: Source,
    /// True while the caller is connected to the duty inspector.
    on_the_line: bool,
    /// The name of the member who has claimed it; null unless its status is `claimed`.
    #[schema(required)]
    assignee: Option<String>,
    /// When the call was received, cut to the hour: line time, in UTC.
    #[schema(format = DateTime)]
    received_hour: String,
}

/// An opened report.
#[derive(Serialize, ToSchema)]
pub(super) struct WholeReport {
    #[serde(flatten)]
    report: Report,
    /// In the order they were added.
    entries: Vec<Entry>,
    /// In order of speaking; those that the caller replaced come last.
    recordings: Vec<Recording>,
    /// The state of its replies, in the order they were written. The last one whose approval counts is spoken to the
    /// caller.
    replies: Vec<ReplyStanding>,
}

/// State of a reply. Its text is in its entry.
#[derive(Serialize, ToSchema)]
pub(super) struct ReplyStanding {
    /// The id of the reply's entry.
    entry: Uuid,
    /// The name of the member who approved it; null if it is not approved.
    #[schema(required)]
    approved_by: Option<String>,
    /// The name of the account, the author's or the approver's, that a third member has to confirm before the approval
    /// counts: without that, both accounts may belong to one person. Absent if the approval counts, or the reply is not
    /// approved.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    unconfirmed: Option<String>,
}

/// A call that ended before anything was recorded, opened.
#[derive(Serialize, ToSchema)]
pub(super) struct Abandoned {
    id: Uuid,
    /// Its line's id.
    line: String,
    /// When the call was received, cut to the hour: line time, in UTC.
    #[schema(format = DateTime)]
    received_hour: String,
    /// True if the call cannot be opened, because part of it does not match the audit trail. It then has no entries.
    damaged: bool,
    /// The caller's number, and how far the caller got.
    entries: Vec<Entry>,
}

/// An entry of a report or call. Entries are never changed.
#[derive(Serialize, ToSchema)]
pub(super) struct Entry {
    id: Uuid,
    kind: EntryKind,
    /// Time of the entry, to the microsecond: line time, in UTC.
    #[schema(format = DateTime)]
    at: String,
    /// The name of the member who wrote it; null if the service did.
    #[schema(required)]
    by: Option<String>,
    #[schema(value_type = EntryBody)]
    body: Content,
}

/// Content of an entry. The kind of the entry tells which of these shapes it has.
// A body that this version cannot read is passed on unchanged, and may have another shape.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(
    dead_code,
    reason = "the schema of `Content`, which is what is serialized"
)]
pub(super) enum EntryBody {
    /// Of the kind `caller`.
    Caller(CallerBody),
    /// Of the kind `call`.
    Call(CallBody),
    /// Of the kind `talk`.
    Talk(TalkBody),
    /// Of the kind `recording`.
    Recording(RecordingBody),
    /// Of the kind `take`.
    Take(TakeBody),
    /// Of the kinds `note`, `transcript` and `reply`.
    Text(TextBody),
    /// Of the kind `classification`.
    Classification(Classification),
    /// Of the kind `outcome`.
    Outcome(Outcome),
}

/// One recording of a report.
#[derive(Serialize, ToSchema)]
pub(super) struct Recording {
    /// Its number in addresses: from 1, in order of speaking.
    #[schema(minimum = 1)]
    n: usize,
    id: Uuid,
    /// `announced` until it is stored, then `sealed`: it can be played. `lost` if it was lost while it was streamed, or
    /// fetching it was given up.
    #[schema(value_type = String)]
    state: RecordingState,
    /// Its length; null if it is not known.
    #[schema(required)]
    seconds: Option<f64>,
    /// Its size; null until it is sealed.
    #[schema(required)]
    bytes: Option<u64>,
    /// True if the caller replaced it by a later recording.
    replaced: bool,
    /// True if it is proven that the provider no longer has a copy.
    deleted_at_provider: bool,
}

impl Report {
    pub fn new(report: &reports::Report) -> Self {
        Self {
            id: report.id,
            reference: report.reference.clone(),
            line: report.line.clone(),
            status: report.status,
            source: report.source,
            on_the_line: report.live,
            assignee: report.assignee_name.clone(),
            received_hour: time(report.received_hour),
        }
    }
}

impl WholeReport {
    pub fn new(open: &OpenReport) -> Self {
        Self {
            report: Report::new(&open.report),
            entries: open.entries.iter().map(Entry::new).collect(),
            recordings: open.recordings.iter().map(Recording::new).collect(),
            replies: open
                .replies
                .iter()
                .map(|Judged { reply, unconfirmed }| ReplyStanding {
                    entry: reply.entry,
                    approved_by: reply.approved_by.clone(),
                    unconfirmed: unconfirmed.clone(),
                })
                .collect(),
        }
    }
}

impl Abandoned {
    pub fn new(call: &AbandonedCall) -> Self {
        let (report, entries, damaged) = match call {
            AbandonedCall::Open(open) => (&open.report, open.entries.as_slice(), false),
            AbandonedCall::Damaged(report) => (report, [].as_slice(), true),
        };
        Self {
            id: report.id,
            line: report.line.clone(),
            received_hour: time(report.received_hour),
            damaged,
            entries: entries.iter().map(Entry::new).collect(),
        }
    }
}

impl Entry {
    fn new(entry: &entry::Entry) -> Self {
        Self {
            id: entry.address.entry,
            kind: entry.address.kind,
            at: time(entry.at),
            by: entry.by.clone(),
            body: entry.body.clone(),
        }
    }
}

impl Recording {
    fn new(recording: &Spoken) -> Self {
        Self {
            n: recording.n,
            id: recording.row.id,
            state: recording.row.state,
            seconds: recording.milliseconds.map(|ms| ms as f64 / 1000.0),
            bytes: recording.bytes,
            replaced: recording.replaced,
            deleted_at_provider: recording.row.deleted,
        }
    }
}

/// Formats a time in RFC 3339 in UTC, to the microsecond.
fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}
