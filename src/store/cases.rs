//! The *case* of a call: its row with all data that a webhook about it may need and change. Cases are loaded and
//! written many at a time; webhooks are decided in between without the database. Jobs that change a call load and write
//! its case by the same functions.

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
use super::proofs::Proven;
use super::recordings::RecordingRow;
use super::report_keys::ReportKeyRow;
use super::reports::{self, EntryRow};
use crate::report::status::Status;
use crate::vault::proof::Content;
use chrono::{DateTime, Utc};
use prometheus_client::metrics::counter::Counter;
use std::collections::BTreeMap;
use uuid::Uuid;

/// The part of a report that its calls need.
#[derive(Clone, Debug)]
pub struct CallReport {
    /// The report's id.
    pub id: Uuid,
    /// The report's line.
    pub line: String,
    /// The public half of the report's key.
    pub recipient: String,
    /// The report's status; `None` while it is only a call.
    pub status: Option<Status>,
    /// The hour of arrival, in line time.
    pub received_hour: DateTime<Utc>,
}

impl Proven for CallReport {
    const TABLE: &'static str = "reports";

    fn content(&self) -> Content {
        reports::content(self.id, &self.line, &self.recipient)
    }

    fn id(&self) -> Uuid {
        self.id
    }
}

impl CallReport {
    /// True if the report is or was in the queue; false while it is only a call.
    pub fn is_report(&self) -> bool {
        self.status.is_some()
    }
}

/// A call and the data that belongs to it.
#[derive(Clone)]
pub struct Case {
    /// The call.
    pub call: Call,
    /// The call's own row in `reports`: a report, or only a call so far.
    pub own: CallReport,
    /// The earlier report that the call adds to; `None` if there is none.
    pub earlier: Option<CallReport>,
    /// Recordings of `own` and `earlier`; empty if they were not asked for.
    pub recordings: Vec<RecordingRow>,
    /// Answers by step, sealed under the call key; only those that were asked for.
    pub answers: BTreeMap<u32, Vec<u8>>,
    /// The caller who called back, sealed to the earlier report's key. `None` if the call adds to none, or once
    /// something was added.
    pub caller: Option<SealedCaller>,
    /// Changes to be written.
    pub changes: Changes,
}

/// A change of a job.
#[derive(Clone)]
pub(super) enum JobChange {
    /// Enqueues the job, unless one of its kind and subject exists.
    Enqueue { provider: String, at: DateTime<Utc> },
    /// Removes the job.
    Cancel,
    /// Makes the job due at `now`, unless it has a lease.
    Hasten { now: DateTime<Utc> },
}

/// Rows to be written, gathered from one webhook or from many.
#[derive(Clone, Default)]
pub struct Changes {
    pub(super) reports: Vec<NewReport>,
    /// By id of the call; each value is the whole row.
    pub(super) calls: BTreeMap<Uuid, (Call, Option<SealedCaller>)>,
    pub(super) entries: Vec<EntryRow>,
    /// By the id of the call's report and the step.
    pub(super) answers: BTreeMap<(Uuid, u32), Vec<u8>>,
    pub(super) recordings: Vec<RecordingRow>,
    /// Ids of announced recordings that the provider did not make.
    pub(super) absent: Vec<Uuid>,
    /// Calls that become reports: report id, line, and year of the reference, in the order of their references.
    pub(super) queued: Vec<(Uuid, String, i32)>,
    /// Reports whose source becomes `live`.
    pub(super) live: Vec<Uuid>,
    /// Closed reports that go back to the queue: report id and line.
    pub(super) reopened: Vec<(Uuid, String)>,
    pub(super) jobs: BTreeMap<(Kind, Uuid), JobChange>,
    pub(super) acts: Acts,
    pub(super) hours: Counts,
    pub(super) counted: Vec<Counter>,
}

/// The row of a call that is not a report yet, in `reports`, and its key.
#[derive(Clone)]
pub struct NewReport {
    /// The report.
    pub report: CallReport,
    /// The private half of its key, sealed to the line key.
    pub key: ReportKeyRow,
    /// The entry with the caller.
    pub caller: EntryRow,
}

impl Changes {
    /// True if there are no rows to write. Operators' counters do not count as such.
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

    /// True if a job is enqueued that is due before `until`, or a job is hastened.
    pub fn has_job_before(&self, until: DateTime<Utc>) -> bool {
        self.jobs.values().any(|change| match change {
            JobChange::Enqueue { at, .. } => *at < until,
            JobChange::Hasten { .. } => true,
            JobChange::Cancel => false,
        })
    }

    /// Returns the report ids of the calls that become reports, in the order of their references.
    pub fn queued(&self) -> Vec<Uuid> {
        self.queued.iter().map(|(report, ..)| *report).collect()
    }

    /// Appends changes that were decided after these.
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
            // A job that these changes enqueue keeps its due time.
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
    /// Makes the case of a call that is not written yet, and of its report.
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

    /// Returns the report with this id, if it is the call's own or the one it adds to; otherwise `None`.
    pub fn report(&self, id: Uuid) -> Option<&CallReport> {
        let earlier = self.earlier.as_ref();
        std::iter::once(&self.own)
            .chain(earlier)
            .find(|report| report.id == id)
    }

    /// Queues the call's row to be written with its current values.
    pub fn call_changed(&mut self) {
        let row = (self.call.clone(), self.caller.clone());
        self.changes.calls.insert(self.call.id, row);
    }

    /// Adds a link to the trail of the call's line. An earlier report is of the same line.
    pub fn act(&mut self, act: Act<'_>) {
        let line = &self.call.line;
        let links = self.changes.acts.entry(line.clone()).or_default();
        links.push(link_of(line, act));
    }

    /// Keeps the answer of a step, sealed under the call key.
    pub fn keep_answer(&mut self, step: u32, sealed: Vec<u8>) {
        self.changes
            .answers
            .insert((self.call.report, step), sealed.clone());
        self.answers.insert(step, sealed);
    }

    /// Adds an entry to a report. The function's caller also adds the link that commits to it.
    pub fn add_entry(&mut self, entry: EntryRow) {
        self.changes.entries.push(entry);
    }

    /// Adds a recording that is not known yet, in the state `Announced`.
    pub fn add_recording(&mut self, new: RecordingRow) {
        self.recordings.push(new.clone());
        self.changes.recordings.push(new);
    }

    /// Marks the announced recording with this keyed hash as absent, because the provider made none, and returns its
    /// id. Returns `None` when there is no such recording, or it is in another state.
    pub fn set_absent(&mut self, lookup: &[u8; 32]) -> Option<Uuid> {
        let mut rows = self.recordings.iter_mut();
        let row =
            rows.find(|row| row.lookup == lookup && row.state == RecordingState::Announced)?;
        row.state = RecordingState::Absent;
        self.changes.absent.push(row.id);
        Some(row.id)
    }

    /// Makes the call a report, with the line's next reference of this year.
    pub fn queue(&mut self, year: i32) {
        self.own.status = Some(Status::Queued);
        let queued = (self.own.id, self.own.line.clone(), year);
        self.changes.queued.push(queued);
    }

    /// Marks the call's own report as `live`: its caller speaks with the duty inspector. It must not be in the queue
    /// yet.
    pub fn set_live(&mut self) {
        self.changes.live.push(self.own.id);
    }

    /// Puts the earlier report back into the queue. Returns false when there is none, or it was not closed.
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

    /// Enqueues a job that asks this provider, due at the system time `at`, unless one of its kind and subject exists.
    pub fn enqueue(&mut self, kind: Kind, subject: Uuid, provider: &str, at: DateTime<Utc>) {
        let provider = provider.to_owned();
        let change = JobChange::Enqueue { provider, at };
        self.changes.change_job(kind, subject, change);
    }

    /// Removes a job that need not be done any more.
    pub fn cancel(&mut self, kind: Kind, subject: Uuid) {
        self.changes.change_job(kind, subject, JobChange::Cancel);
    }

    /// Makes a job due at `now`, because what it waits for may have come. Has no effect on a job that has a lease.
    pub fn hasten(&mut self, kind: Kind, subject: Uuid, now: DateTime<Utc>) {
        self.changes
            .change_job(kind, subject, JobChange::Hasten { now });
    }

    /// Adds to the line's counts of the hour in which the call arrived: calls answered, and calls without a message.
    pub fn count_hour(&mut self, answered: i64, without_message: i64) {
        let hour = (self.own.line.clone(), self.own.received_hour);
        let count = self.changes.hours.entry(hour).or_default();
        count.0 += answered;
        count.1 += without_message;
    }

    /// Increments an operators' counter after the commit.
    pub fn count(&mut self, counter: &Counter) {
        self.changes.counted.push(counter.clone());
    }
}

#[cfg(test)]
mod tests;
