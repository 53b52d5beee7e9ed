//! A call with all that a webhook of it may need and change: the *case*. Cases are loaded and written many at a time; what is
//! decided in between needs no database. Jobs that change a call load and write its case by the same functions.

mod load;
mod write;

pub use load::{Answers, Key, Loaded, Wanted, load, of_call};
pub use write::{write, write_last};
pub(super) use {load::OVER_ROWS as LOADING, write::OVER_ROWS as WRITING};

use super::audit::{Act, Acts, link_of};
use super::calls::{Call, SealedCaller};
use super::columns::RecordingState;
use super::hours::Counts;
use super::jobs::Kind;
use super::recordings::RecordingRow;
use super::reports::{EntryRow, ReportKeyRow};
use crate::report::status::Status;
use chrono::{DateTime, Utc};
use prometheus_client::metrics::counter::Counter;
use std::collections::BTreeMap;
use uuid::Uuid;

/// A report, as far as a call of it is concerned.
#[derive(Clone, Debug)]
pub struct CallReport {
    /// Its id.
    pub id: Uuid,
    /// Its line.
    pub line: String,
    /// The public half of its key.
    pub recipient: String,
    /// None while it is only a call.
    pub status: Option<Status>,
    /// The hour it arrived, line time.
    pub received_hour: DateTime<Utc>,
}

impl CallReport {
    /// Is it in the queue, or was it? False while it is only a call.
    pub fn is_report(&self) -> bool {
        self.status.is_some()
    }
}

/// A call, and what stands about it.
#[derive(Clone)]
pub struct Case {
    /// The call.
    pub call: Call,
    /// The report it becomes, or would have become.
    pub own: CallReport,
    /// The earlier report it adds to.
    pub earlier: Option<CallReport>,
    /// What was recorded for either report, when it was asked for.
    pub recordings: Vec<RecordingRow>,
    /// The answers of those steps that were asked for, under the call key.
    pub answers: BTreeMap<u32, Vec<u8>>,
    /// Who called back, sealed to the earlier report, until something is added to it.
    pub caller: Option<SealedCaller>,
    /// What is to be written.
    pub changes: Changes,
}

/// A recording that a call names.
#[derive(Clone)]
pub struct NewRecording {
    /// Its row, in the state `Announced`.
    pub row: RecordingRow,
    /// Keyed hash of provider and id there: the same for each call that names it.
    pub source: [u8; 32],
}

/// What becomes of a job.
#[derive(Clone)]
pub(super) enum JobChange {
    /// It is there, unless there is one of its kind and subject already.
    Enqueue { provider: String, at: DateTime<Utc> },
    /// It need not be done any more.
    Cancel,
    /// It is due now.
    Hasten { now: DateTime<Utc> },
}

/// What is to be written, gathered from one webhook or from many.
#[derive(Clone, Default)]
pub struct Changes {
    pub(super) reports: Vec<NewReport>,
    /// By id; the whole row each.
    pub(super) calls: BTreeMap<Uuid, (Call, Option<SealedCaller>)>,
    pub(super) entries: Vec<EntryRow>,
    /// By the id of the call's report and the step.
    pub(super) answers: BTreeMap<(Uuid, u32), Vec<u8>>,
    pub(super) recordings: Vec<NewRecording>,
    /// Recordings of which the provider made none after all.
    pub(super) absent: Vec<Uuid>,
    /// Calls that become reports, with the year of their reference.
    pub(super) queued: Vec<(Uuid, String, i32)>,
    /// Reports that are `live`.
    pub(super) live: Vec<Uuid>,
    /// Closed reports that go back to the queue.
    pub(super) reopened: Vec<(Uuid, String)>,
    pub(super) jobs: BTreeMap<(Kind, Uuid), JobChange>,
    pub(super) acts: Acts,
    pub(super) hours: Counts,
    pub(super) counted: Vec<Counter>,
}

/// A report that is only a call yet, and its key.
#[derive(Clone)]
pub struct NewReport {
    /// The report.
    pub report: CallReport,
    /// Its private half, sealed to the line key.
    pub key: ReportKeyRow,
    /// Who calls.
    pub caller: EntryRow,
}

impl Changes {
    /// True when there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.reports.is_empty()
            && self.calls.is_empty()
            && self.entries.is_empty()
            && self.answers.is_empty()
            && self.recordings.is_empty()
            && self.absent.is_empty()
            && self.queued.is_empty()
            && self.live.is_empty()
            && self.reopened.is_empty()
            && self.jobs.is_empty()
            && self.acts.is_empty()
            && self.hours.is_empty()
    }

    /// True when a job is enqueued that is due before `until`, or one is hastened.
    pub fn has_job_before(&self, until: DateTime<Utc>) -> bool {
        self.jobs.values().any(|change| match change {
            JobChange::Enqueue { at, .. } => *at < until,
            JobChange::Hasten { .. } => true,
            JobChange::Cancel => false,
        })
    }

    /// The calls that become reports, in the order of their references.
    pub fn queued(&self) -> Vec<Uuid> {
        self.queued.iter().map(|(report, ..)| *report).collect()
    }

    /// Adds what was decided after this.
    pub fn append(&mut self, later: Self) {
        self.reports.extend(later.reports);
        self.calls.extend(later.calls);
        self.entries.extend(later.entries);
        self.answers.extend(later.answers);
        self.recordings.extend(later.recordings);
        self.absent.extend(later.absent);
        self.queued.extend(later.queued);
        self.live.extend(later.live);
        self.reopened.extend(later.reopened);
        for ((kind, subject), change) in later.jobs {
            self.change_job(kind, subject, change);
        }
        for (line, links) in later.acts {
            self.acts.entry(line).or_default().extend(links);
        }
        for (hour, (answered, without)) in later.hours {
            let count = self.hours.entry(hour).or_default();
            count.0 += answered;
            count.1 += without;
        }
        self.counted.extend(later.counted);
    }

    fn change_job(&mut self, kind: Kind, subject: Uuid, change: JobChange) {
        match (self.jobs.get(&(kind, subject)), &change) {
            // One that is enqueued here is due as soon as any.
            (
                Some(JobChange::Enqueue { .. }),
                JobChange::Enqueue { .. } | JobChange::Hasten { .. },
            ) => {}
            _ => {
                self.jobs.insert((kind, subject), change);
            }
        }
    }
}

impl Case {
    /// A call that is not written yet, and its report.
    pub fn new(call: Call, new: NewReport) -> Self {
        let own = new.report.clone();
        let mut case = Self {
            own,
            earlier: None,
            recordings: Vec::new(),
            answers: BTreeMap::new(),
            caller: None,
            changes: Changes::default(),
            call,
        };
        case.changes.reports.push(new);
        case.call_changed();
        case
    }

    /// The report with this id: the call's own, or the one it adds to.
    pub fn report(&self, id: Uuid) -> Option<&CallReport> {
        let earlier = self.earlier.as_ref();
        std::iter::once(&self.own)
            .chain(earlier)
            .find(|report| report.id == id)
    }

    /// The call's row is to be written as it stands now.
    pub fn call_changed(&mut self) {
        let row = (self.call.clone(), self.caller.clone());
        self.changes.calls.insert(self.call.id, row);
    }

    /// Adds a link to the trail of the call's line, which is that of the earlier report too.
    pub fn act(&mut self, act: Act<'_>) {
        let line = &self.call.line;
        let links = self.changes.acts.entry(line.clone()).or_default();
        links.push(link_of(line, act));
    }

    /// Keeps the answer of a step, under the call key.
    pub fn keep_answer(&mut self, step: u32, sealed: Vec<u8>) {
        self.changes
            .answers
            .insert((self.call.report, step), sealed.clone());
        self.answers.insert(step, sealed);
    }

    /// Adds an entry to a report. The link that commits to it is written by whoever seals it.
    pub fn add_entry(&mut self, entry: EntryRow) {
        self.changes.entries.push(entry);
    }

    /// Adds a recording that was not heard of before.
    pub fn add_recording(&mut self, new: NewRecording) {
        self.recordings.push(new.row.clone());
        self.changes.recordings.push(new);
    }

    /// The provider made no such recording after all. Gives its id; none when there is no such recording that is announced.
    pub fn set_absent(&mut self, lookup: &[u8; 32]) -> Option<Uuid> {
        let mut rows = self.recordings.iter_mut();
        let row =
            rows.find(|row| row.lookup == lookup && row.state == RecordingState::Announced)?;
        row.state = RecordingState::Absent;
        self.changes.absent.push(row.id);
        Some(row.id)
    }

    /// The call, which is none yet, becomes a report with the next reference of this year.
    pub fn queue(&mut self, year: i32) {
        self.own.status = Some(Status::Queued);
        let queued = (self.own.id, self.own.line.clone(), year);
        self.changes.queued.push(queued);
    }

    /// The report's caller speaks with the duty inspector.
    pub fn set_live(&mut self) {
        self.changes.live.push(self.own.id);
    }

    /// The earlier report goes back to the queue. False when it was not closed.
    pub fn reopen(&mut self) -> bool {
        let closed = |report: &&mut CallReport| report.status == Some(Status::Closed);
        let Some(earlier) = self.earlier.as_mut().filter(closed) else {
            return false;
        };
        earlier.status = Some(Status::Queued);
        let reopened = (earlier.id, earlier.line.clone());
        self.changes.reopened.push(reopened);
        true
    }

    /// Enqueues a job for a provider.
    pub fn enqueue(&mut self, kind: Kind, subject: Uuid, provider: &str, at: DateTime<Utc>) {
        let provider = provider.to_owned();
        let change = JobChange::Enqueue { provider, at };
        self.changes.change_job(kind, subject, change);
    }

    /// A job need not be done any more.
    pub fn cancel(&mut self, kind: Kind, subject: Uuid) {
        self.changes.change_job(kind, subject, JobChange::Cancel);
    }

    /// What a job waits for may have come.
    pub fn hasten(&mut self, kind: Kind, subject: Uuid, now: DateTime<Utc>) {
        self.changes
            .change_job(kind, subject, JobChange::Hasten { now });
    }

    /// Counts a call that came in the report's hour, and calls of it without a message.
    pub fn count_hour(&mut self, answered: i64, without_message: i64) {
        let hour = (self.own.line.clone(), self.own.received_hour);
        let count = self.changes.hours.entry(hour).or_default();
        count.0 += answered;
        count.1 += without_message;
    }

    /// Counts one more for operators, once this is committed.
    pub fn count(&mut self, counter: &Counter) {
        self.changes.counted.push(counter.clone());
    }
}
