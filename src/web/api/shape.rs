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

/// What the queue shows of a report.
#[derive(Serialize, ToSchema)]
pub(super) struct Report {
    id: Uuid,
    /// Its public number, unique in its line.
    // A row without a reference or a status is a call, and calls are not shown as reports.
    #[schema(value_type = String, example = "2024-0017")]
    reference: Option<String>,
    /// Its line's id.
    line: String,
    #[schema(value_type = Status)]
    status: Option<Status>,
    /// How it came: `call`, or `live` when the caller spoke with the duty inspector.
    #[schema(value_type = String)]
    source: Source,
    /// The caller speaks with the duty inspector right now.
    on_the_line: bool,
    /// The name of the member who has claimed it.
    #[schema(required)]
    assignee: Option<String>,
    /// When it came, cut to the hour, in UTC.
    #[schema(format = DateTime)]
    received_hour: String,
}

/// A report, open.
#[derive(Serialize, ToSchema)]
pub(super) struct WholeReport {
    #[serde(flatten)]
    report: Report,
    /// In the order they were added.
    entries: Vec<Entry>,
    /// In order of speaking, those that were said again last.
    recordings: Vec<Recording>,
    /// How its replies stand, in the order they were written. The last one whose approval counts is spoken.
    replies: Vec<ReplyStanding>,
}

/// How a reply stands. What it says is its entry's.
#[derive(Serialize, ToSchema)]
pub(super) struct ReplyStanding {
    /// Its entry.
    entry: Uuid,
    /// The name of the member who approved it; null until then.
    #[schema(required)]
    approved_by: Option<String>,
    /// The account that a third member has to confirm before the approval counts: one of author and approver added it
    /// for the other. Absent when the approval counts, and while there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    unconfirmed: Option<String>,
}

/// A call that ended before anything was recorded, open.
#[derive(Serialize, ToSchema)]
pub(super) struct Abandoned {
    id: Uuid,
    /// Its line's id.
    line: String,
    /// When it came, cut to the hour, in UTC.
    #[schema(format = DateTime)]
    received_hour: String,
    /// It does not open: something of it is not what the audit trail says it is. Then it has no entries.
    damaged: bool,
    /// Who called, and how far they got.
    entries: Vec<Entry>,
}

/// A piece of a report. Entries are only ever added.
#[derive(Serialize, ToSchema)]
pub(super) struct Entry {
    id: Uuid,
    kind: EntryKind,
    /// When it happened, in UTC, to the microsecond.
    #[schema(format = DateTime)]
    at: String,
    /// The name of the member who wrote it; null when the service did.
    #[schema(required)]
    by: Option<String>,
    #[schema(value_type = EntryBody)]
    body: Content,
}

/// What an entry says; which of these it is, its kind says.
// A body that a later version wrote is passed on unchanged.
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
    /// `sealed` once it can be played; `announced` until then; `lost` when the provider had none to give.
    #[schema(value_type = String)]
    state: RecordingState,
    /// Its length, when known.
    #[schema(required)]
    seconds: Option<f64>,
    /// Its size, when sealed.
    #[schema(required)]
    bytes: Option<u64>,
    /// It was said again later.
    replaced: bool,
    /// The provider has proven that its copy is gone.
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
