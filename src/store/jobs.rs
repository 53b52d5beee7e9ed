//! Jobs: work to be done after a webhook was answered. A job is enqueued in the transaction that causes it. A node
//! claims it with a random lease token; with this token alone it can renew the lease, give the job back, or remove it
//! as done. A job that fails is tried again without limit. A job that need not be done any more is removed without the
//! token.

use super::columns::StoredKind;
use super::statements::{row, run, statements};
use super::{ReadTx, Result, WriteTx};
use crate::base::names::names;
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;
use uuid::Uuid;

/// Maximum time that a worker sleeps until it reads the queue again. It need not be woken for a job that is due later
/// than that.
pub const READ_EVERY: Duration = Duration::from_secs(1);

names! {
    "jobs.kind";
    /// What a job does. The `subject` of the job is the id of a recording, a call or a stray.
    pub enum Kind {
        /// Fetches a recording from the provider, and seals it. The subject is the recording.
        Fetch = "fetch",
        /// Deletes a recording at the provider, and checks that it is gone. The subject is the recording.
        Delete = "delete",
        /// Settles a call that is over: asks for recordings that no webhook has named, makes the receipt work, and
        /// erases the call's state. The subject is the call.
        Settle = "settle",
        /// Asks the provider whether a call still runs, because the webhook about its end may be lost. The subject is
        /// the call.
        Watch = "watch",
        /// Asks the provider for the call and line of a stray recording, or for the recordings of a stray call. The
        /// subject is the stray.
        Stray = "stray",
    }
}

row! {
    /// A claimed job.
    #[derive(Clone, Debug)]
    pub struct JobRow {
        /// The job's id.
        pub id: Uuid,
        /// What the job does.
        pub kind: Kind,
        /// Id of the recording, call or stray.
        pub subject: Uuid,
        /// Id of the call that is the subject, or in which the recording that is the subject was made; `None` for a
        /// stray, and if that call is not known.
        pub call: Option<Uuid>,
        /// Number of times that the job was claimed, including this one.
        pub attempts: i32,
        /// Number of failed tries in a row before this one. Hastening the job resets it.
        pub failures: i32,
    }
}

row! {
    /// A job, as `dutyline jobs` lists it.
    #[derive(Clone, Debug)]
    pub struct Listed {
        /// The job's id.
        pub id: Uuid,
        /// What the job does.
        pub kind: StoredKind,
        /// The provider that the job asks, as named in the configuration; empty if the job was enqueued without it.
        pub provider: String,
        /// System time from which on the job is due.
        pub run_after: DateTime<Utc>,
        /// Number of failed tries in a row. Hastening the job resets it.
        pub failures: i32,
        /// Hour of system time since which the job is reported as failing; `None` if it is not.
        pub failing_since: Option<DateTime<Utc>>,
        /// Why the last try failed; `None` if no try has failed, or the last one did not.
        pub reason: Option<String>,
        /// True if the job has a lease: a node works on it, or stopped before it gave the job back.
        pub running: bool,
        /// The line of the call or recording that is the subject; `None` for a stray.
        pub line: Option<String>,
        /// Year of the reference of the report that the call or recording belongs to; `None` if it has none.
        pub year: Option<i32>,
        /// Number in that reference.
        pub number: Option<i32>,
    }
}

row! {
    /// The jobs of one kind that are reported as failing.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Failing {
        /// What the jobs do.
        pub kind: StoredKind,
        /// Number of jobs.
        pub count: i64,
        /// The earliest hour of system time since which one of them is reported.
        pub since: DateTime<Utc>,
        /// Why the last try of one of them failed: of all reasons the first in alphabetical order.
        pub reason: String,
    }
}

statements! {
    ENQUEUE = "INSERT INTO jobs (id, kind, subject, provider, run_after, attempts) VALUES ($1, $2, $3, $4, $5, 0) ON CONFLICT (kind, subject) DO NOTHING";
    DUE = "SELECT DISTINCT kind, provider FROM jobs
        WHERE (run_after <= $1 OR run_after > $2) AND (lease_until IS NULL OR lease_until < $1 OR lease_until > $3)";
    CLAIM = "UPDATE jobs SET lease = $1, lease_until = $2, attempts = attempts + 1 WHERE id = (
        SELECT id FROM jobs WHERE kind = $6 AND provider = $7
        AND (run_after <= $3 OR run_after > $4) AND (lease_until IS NULL OR lease_until < $3 OR lease_until > $5)
        ORDER BY run_after LIMIT 1", postgres: " FOR UPDATE SKIP LOCKED", ")
        RETURNING id, kind, subject, attempts, failures, COALESCE(
            (SELECT calls.id FROM calls WHERE calls.id = jobs.subject),
            (SELECT calls.id FROM recordings JOIN calls ON calls.report = recordings.report
                WHERE recordings.id = jobs.subject AND recordings.step < 10000),
            (SELECT calls.id FROM recordings JOIN calls ON calls.addition_to = recordings.report
                WHERE recordings.id = jobs.subject AND recordings.step - calls.addition_offset BETWEEN 0 AND 9999 LIMIT 1)
        ) AS call";
    RENEW = "UPDATE jobs SET lease_until = $3 WHERE id = $1 AND lease = $2";
    DONE = "DELETE FROM jobs WHERE id = $1 AND lease = $2";
    PUT_OFF = "UPDATE jobs SET lease = NULL, lease_until = NULL, run_after = $3, failures = 0, failing_since = NULL, reason = NULL WHERE id = $1 AND lease = $2";
    FAIL = "UPDATE jobs SET lease = NULL, lease_until = NULL, run_after = $3, failures = failures + 1, reason = $4, failing_since = COALESCE(failing_since, $5) WHERE id = $1 AND lease = $2";
    HASTEN = "UPDATE jobs SET run_after = $3, failures = 0 WHERE id = (
        SELECT id FROM jobs WHERE kind = $1 AND subject = $2 AND lease IS NULL", postgres: " FOR UPDATE SKIP LOCKED", ")";
    HASTEN_ONE = "UPDATE jobs SET run_after = $2, failures = 0 WHERE id = $1 AND lease IS NULL";
    HASTEN_FAILED = "UPDATE jobs SET run_after = $1, failures = 0 WHERE reason IS NOT NULL AND lease IS NULL";
    GET = "SELECT kind, subject, reason FROM jobs WHERE id = $1";
    CANCEL = "DELETE FROM jobs WHERE kind = $1 AND subject = $2";
    NEXT = "SELECT run_after FROM jobs WHERE lease IS NULL AND run_after > $1 ORDER BY run_after LIMIT 1";
    COUNT = "SELECT kind, failing_since IS NOT NULL, COUNT(*) FROM jobs GROUP BY kind, failing_since IS NOT NULL";
    OLDEST_DUE = "SELECT kind, MIN(run_after) FROM jobs
        WHERE run_after <= $1 AND (lease_until IS NULL OR lease_until < $1 OR lease_until > $2) GROUP BY kind";
    COUNT_FAILING = "SELECT COUNT(*) FROM jobs WHERE failing_since IS NOT NULL";
    COUNT_FAILING_OF = "SELECT COUNT(*) FROM jobs LEFT JOIN calls ON calls.id = subject
        LEFT JOIN recordings ON recordings.id = subject LEFT JOIN reports ON reports.n = recordings.report
        WHERE failing_since IS NOT NULL AND COALESCE(calls.line, reports.line) = $1";
    FAILING = "SELECT kind, COUNT(*) AS count, MIN(failing_since) AS since, COALESCE(MIN(reason), '') AS reason
        FROM jobs WHERE failing_since IS NOT NULL GROUP BY kind ORDER BY kind";
    LIST = "SELECT jobs.id, kind, provider, run_after, failures, failing_since, reason, lease IS NOT NULL AS running,
        reports.line, reports.year, reports.number
        FROM jobs LEFT JOIN calls ON calls.id = subject LEFT JOIN recordings ON recordings.id = subject
        LEFT JOIN reports ON reports.n = COALESCE(calls.report, recordings.report) ORDER BY kind, subject";
}

/// Maximum time until a job is due. The longest backoff with its jitter is 75 minutes; the rest is margin. A job that
/// is due later was put off by a clock that has been set back since, and counts as due.
pub const MAX_WAIT: TimeDelta = TimeDelta::minutes(80);
/// Maximum remaining time of a lease: a lease is 60 s, and the clocks of two nodes may differ by another 60 s. A lease
/// with more time left was given by a clock that has been set back since, and counts as expired.
pub const MAX_LEASE: TimeDelta = TimeDelta::seconds(120);

/// Enqueues a job that asks `provider`, as the configuration names it; empty if that is not known. The job waits only for
/// others of its kind and provider. Does nothing when a job of this kind for this subject exists. `run_after` is system
/// time, at most [`MAX_WAIT`] from now.
pub async fn enqueue(
    tx: &mut WriteTx,
    id: Uuid,
    kind: Kind,
    subject: Uuid,
    provider: &str,
    run_after: DateTime<Utc>,
) -> Result<()> {
    run!(tx, ENQUEUE, execute, id, kind, subject, provider, run_after).map(drop)
}

/// Returns each kind and provider with a due job that no node works on. `now` is system time.
pub async fn due(tx: &mut ReadTx, now: DateTime<Utc>) -> Result<Vec<(StoredKind, String)>> {
    let (latest, longest) = (now + MAX_WAIT, now + MAX_LEASE);
    run!(tx, DUE, fetch_all, now, latest, longest)
}

/// Claims the job of this kind and provider that has been due longest, with the token `lease` until `until`. Returns
/// `None` when none is due that no node works on. `now` and `until` are system time.
pub async fn claim(
    tx: &mut WriteTx,
    kind: Kind,
    provider: &str,
    lease: Uuid,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Option<JobRow>> {
    let (latest, longest) = (now + MAX_WAIT, now + MAX_LEASE);
    run!(
        tx,
        CLAIM,
        fetch_optional,
        lease,
        until,
        now,
        latest,
        longest,
        kind,
        provider
    )
}

/// Extends the lease of a claimed job to `until`. Returns false when the job no longer has this lease.
pub async fn renew(tx: &mut WriteTx, id: Uuid, lease: Uuid, until: DateTime<Utc>) -> Result<bool> {
    Ok(run!(tx, RENEW, execute, id, lease, until)? == 1)
}

/// Removes a job that is done. Returns false when the job no longer has this lease.
pub async fn done(tx: &mut WriteTx, id: Uuid, lease: Uuid) -> Result<bool> {
    Ok(run!(tx, DONE, execute, id, lease)? == 1)
}

/// Gives back a job that has not failed, to be tried again at `run_after`. Resets its failures. Does nothing when the
/// job no longer has this lease.
pub async fn put_off(
    tx: &mut WriteTx,
    id: Uuid,
    lease: Uuid,
    run_after: DateTime<Utc>,
) -> Result<()> {
    run!(tx, PUT_OFF, execute, id, lease, run_after).map(drop)
}

/// Gives back a job that has failed, to be tried again at `run_after`. `since` is the hour since which the job is
/// reported as failing, or `None` if it is not yet; an earlier hour that is stored already is kept. Does nothing when
/// the job no longer has this lease.
pub async fn fail(
    tx: &mut WriteTx,
    id: Uuid,
    lease: Uuid,
    run_after: DateTime<Utc>,
    reason: &str,
    since: Option<DateTime<Utc>>,
) -> Result<()> {
    run!(tx, FAIL, execute, id, lease, run_after, reason, since).map(drop)
}

/// Makes a job due at `now`, because what it waits for may have come, and restarts its backoff. Does nothing when the
/// job has a lease, even an expired one.
pub async fn hasten(tx: &mut WriteTx, kind: Kind, subject: Uuid, now: DateTime<Utc>) -> Result<()> {
    run!(tx, HASTEN, execute, kind, subject, now).map(drop)
}

/// Like [`hasten`], for the job with this id. Returns false when there is none, or it has a lease.
pub async fn hasten_one(tx: &mut WriteTx, id: Uuid, now: DateTime<Utc>) -> Result<bool> {
    Ok(run!(tx, HASTEN_ONE, execute, id, now)? == 1)
}

/// Like [`hasten`], for every job whose last try failed. Returns their number.
pub async fn hasten_failed(tx: &mut WriteTx, now: DateTime<Utc>) -> Result<u64> {
    run!(tx, HASTEN_FAILED, execute, now)
}

/// Removes a job that need not be done any more, whether or not a node works on it.
pub async fn cancel(tx: &mut WriteTx, kind: Kind, subject: Uuid) -> Result<()> {
    run!(tx, CANCEL, execute, kind, subject).map(drop)
}

/// Returns the earliest time after `now` at which a job without a lease becomes due; `None` if there is none.
pub async fn next_due(tx: &mut ReadTx, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
    let found: Option<(DateTime<Utc>,)> = run!(tx, NEXT, fetch_optional, now)?;
    Ok(found.map(|(at,)| at))
}

/// Returns the number of jobs by kind, and by whether (true) they are reported as failing.
pub async fn count(tx: &mut ReadTx) -> Result<Vec<(StoredKind, bool, i64)>> {
    run!(tx, COUNT, fetch_all)
}

/// Returns, for each kind with a due job that no node works on, the time at which the oldest of these jobs became due.
/// `now` is system time. Jobs that count as due only because the clock was set back are left out: how long they have
/// waited is not known.
pub async fn oldest_due(
    tx: &mut ReadTx,
    now: DateTime<Utc>,
) -> Result<Vec<(StoredKind, DateTime<Utc>)>> {
    run!(tx, OLDEST_DUE, fetch_all, now, now + MAX_LEASE)
}

/// Returns the number of jobs that are reported as failing.
pub async fn count_failing(tx: &mut ReadTx) -> Result<i64> {
    let found: Option<(i64,)> = run!(tx, COUNT_FAILING, fetch_optional)?;
    Ok(found.map_or(0, |(count,)| count))
}

/// Returns the number of jobs for a line's calls and recordings that are reported as failing.
pub async fn count_failing_of(tx: &mut ReadTx, line: &str) -> Result<i64> {
    let found: Option<(i64,)> = run!(tx, COUNT_FAILING_OF, fetch_optional, line)?;
    Ok(found.map_or(0, |(count,)| count))
}

/// Returns the kind and subject of the job with this id, and why its last try failed, if it did. `None` when there is
/// no such job.
pub async fn get(tx: &mut ReadTx, id: Uuid) -> Result<Option<(StoredKind, Uuid, Option<String>)>> {
    run!(tx, GET, fetch_optional, id)
}

/// Returns the jobs that are reported as failing, summed up by kind.
pub async fn failing(tx: &mut ReadTx) -> Result<Vec<Failing>> {
    run!(tx, FAILING, fetch_all)
}

/// Returns all jobs, in order of kind and subject.
pub async fn list(tx: &mut ReadTx) -> Result<Vec<Listed>> {
    run!(tx, LIST, fetch_all)
}
