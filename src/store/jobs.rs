//! Jobs: work to be done after a webhook was answered. A job is enqueued in the transaction that causes it, claimed
//! with a random lease token, acknowledged only with that token, and removed when done. A job that fails is tried again
//! without limit.

use super::columns::StoredKind;
use super::statements::{row, run, statements};
use super::{ReadTx, Result, WriteTx};
use crate::base::names::names;
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;
use uuid::Uuid;

/// Maximum time between two reads of the queue. The worker need not be woken for a job that is due later than that.
pub const READ_EVERY: Duration = Duration::from_secs(1);

names! {
    "jobs.kind";
    /// What a job does. Its `subject` is the id of a recording, a call or a stray.
    pub enum Kind {
        /// Fetches a recording from the provider, and seals it.
        Fetch = "fetch",
        /// Deletes a recording at the provider, and checks that it is gone.
        Delete = "delete",
        /// Derives a call's receipt, and erases the call's state.
        Settle = "settle",
        /// Asks the provider whether a silent call still runs.
        Watch = "watch",
        /// Asks the provider which call and line a stray belongs to.
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
        /// Id of the call that is the subject, or in which the recording that is the subject was made; none for a
        /// stray.
        pub call: Option<Uuid>,
        /// Number of tries, including this one.
        pub attempts: i32,
        /// Number of failed tries in a row.
        pub failures: i32,
    }
}

row! {
    /// A job as operators see it.
    #[derive(Clone, Debug)]
    pub struct Listed {
        /// The job's id.
        pub id: Uuid,
        /// What the job does.
        pub kind: StoredKind,
        /// The provider that the job asks, as named in the configuration; empty when it is not known.
        pub provider: String,
        /// System time of the next try.
        pub run_after: DateTime<Utc>,
        /// Number of failed tries in a row.
        pub failures: i32,
        /// The hour since which the job keeps failing.
        pub failing_since: Option<DateTime<Utc>>,
        /// Why the last try failed.
        pub reason: Option<String>,
        /// True if a node works on the job.
        pub running: bool,
        /// The line of its call or recording.
        pub line: Option<String>,
        /// Year of its report's reference.
        pub year: Option<i32>,
        /// Number of that reference.
        pub number: Option<i32>,
    }
}

row! {
    /// Jobs of one kind that keep failing.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Failing {
        /// What the jobs do.
        pub kind: StoredKind,
        /// Number of jobs.
        pub count: i64,
        /// The earliest hour since which one of them keeps failing.
        pub since: DateTime<Utc>,
        /// Why the last try of one of them failed.
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

/// Maximum delay of a job: the longest backoff with its jitter is 75 minutes, and some margin. A job that is due later
/// than this was delayed by a clock that has been set back since, and counts as due.
pub const MAX_WAIT: TimeDelta = TimeDelta::minutes(80);
/// Maximum remaining time of a lease: a lease is 60 s, and the clocks of two nodes may differ by the rest. A longer one
/// was given by a clock that has been set back since, and counts as expired.
pub const MAX_LEASE: TimeDelta = TimeDelta::seconds(120);

/// Enqueues a job that asks no provider, or one that is not known. Does nothing when a job of this kind for this
/// subject exists. The job must be due within [`MAX_WAIT`].
pub async fn enqueue(
    tx: &mut WriteTx,
    id: Uuid,
    kind: Kind,
    subject: Uuid,
    run_after: DateTime<Utc>,
) -> Result<()> {
    enqueue_at(tx, id, kind, subject, "", run_after).await
}

/// Like [`enqueue`], for a job that asks a provider, named as in the configuration. It waits only for other jobs of
/// that provider.
pub async fn enqueue_at(
    tx: &mut WriteTx,
    id: Uuid,
    kind: Kind,
    subject: Uuid,
    provider: &str,
    run_after: DateTime<Utc>,
) -> Result<()> {
    run!(tx, ENQUEUE, execute, id, kind, subject, provider, run_after).map(drop)
}

/// Returns the kinds and providers that have a due job. `now` is system time.
pub async fn due(tx: &mut ReadTx, now: DateTime<Utc>) -> Result<Vec<(StoredKind, String)>> {
    let (latest, longest) = (now + MAX_WAIT, now + MAX_LEASE);
    run!(tx, DUE, fetch_all, now, latest, longest)
}

/// Claims the job of this kind and provider that has been due longest, if one is due. `now` is system time.
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

/// Extends the lease of a claimed job. Returns false when the lease was lost.
pub async fn renew(tx: &mut WriteTx, id: Uuid, lease: Uuid, until: DateTime<Utc>) -> Result<bool> {
    Ok(run!(tx, RENEW, execute, id, lease, until)? == 1)
}

/// Removes a job that is done. Returns false when the lease was lost.
pub async fn done(tx: &mut WriteTx, id: Uuid, lease: Uuid) -> Result<bool> {
    Ok(run!(tx, DONE, execute, id, lease)? == 1)
}

/// Gives back a job that has not failed and is to be tried at this time. Resets its failures.
pub async fn put_off(
    tx: &mut WriteTx,
    id: Uuid,
    lease: Uuid,
    run_after: DateTime<Utc>,
) -> Result<()> {
    run!(tx, PUT_OFF, execute, id, lease, run_after).map(drop)
}

/// Gives back a job that has failed and is to be tried again at this time. `since` is the hour since which it is
/// reported as failing; an earlier hour that is stored already is kept.
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

/// Makes a job due now, because what it waits for may have come, and restarts its backoff. Leaves a job alone that a
/// node works on.
pub async fn hasten(tx: &mut WriteTx, kind: Kind, subject: Uuid, now: DateTime<Utc>) -> Result<()> {
    run!(tx, HASTEN, execute, kind, subject, now).map(drop)
}

/// Like [`hasten`], for the job with this id. Returns false when there is none, or a node works on it.
pub async fn hasten_one(tx: &mut WriteTx, id: Uuid, now: DateTime<Utc>) -> Result<bool> {
    Ok(run!(tx, HASTEN_ONE, execute, id, now)? == 1)
}

/// Like [`hasten`], for every job whose last try failed. Returns their number.
pub async fn hasten_failed(tx: &mut WriteTx, now: DateTime<Utc>) -> Result<u64> {
    run!(tx, HASTEN_FAILED, execute, now)
}

/// Removes a job that need not be done any more.
pub async fn cancel(tx: &mut WriteTx, kind: Kind, subject: Uuid) -> Result<()> {
    run!(tx, CANCEL, execute, kind, subject).map(drop)
}

/// Returns the time after `now` at which the next job that no node works on is due.
pub async fn next_due(tx: &mut ReadTx, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
    let found: Option<(DateTime<Utc>,)> = run!(tx, NEXT, fetch_optional, now)?;
    Ok(found.map(|(at,)| at))
}

/// Returns the number of jobs by kind, and by whether they keep failing.
pub async fn count(tx: &mut ReadTx) -> Result<Vec<(StoredKind, bool, i64)>> {
    run!(tx, COUNT, fetch_all)
}

/// Returns, for each kind with a due job that no node works on, the time at which the oldest of them became due. `now`
/// is system time. Jobs that count as due only because the clock was set back are left out: how long they have waited
/// is not known.
pub async fn oldest_due(
    tx: &mut ReadTx,
    now: DateTime<Utc>,
) -> Result<Vec<(StoredKind, DateTime<Utc>)>> {
    run!(tx, OLDEST_DUE, fetch_all, now, now + MAX_LEASE)
}

/// Returns the number of jobs that keep failing.
pub async fn count_failing(tx: &mut ReadTx) -> Result<i64> {
    let found: Option<(i64,)> = run!(tx, COUNT_FAILING, fetch_optional)?;
    Ok(found.map_or(0, |(count,)| count))
}

/// Returns the number of jobs for calls and recordings of a line that keep failing.
pub async fn count_failing_of(tx: &mut ReadTx, line: &str) -> Result<i64> {
    let found: Option<(i64,)> = run!(tx, COUNT_FAILING_OF, fetch_optional, line)?;
    Ok(found.map_or(0, |(count,)| count))
}

/// Returns the kind and subject of a job, and why its last try failed.
pub async fn get(tx: &mut ReadTx, id: Uuid) -> Result<Option<(StoredKind, Uuid, Option<String>)>> {
    run!(tx, GET, fetch_optional, id)
}

/// Returns the jobs that keep failing, summed up by kind.
pub async fn failing(tx: &mut ReadTx) -> Result<Vec<Failing>> {
    run!(tx, FAILING, fetch_all)
}

/// Returns all jobs.
pub async fn list(tx: &mut ReadTx) -> Result<Vec<Listed>> {
    run!(tx, LIST, fetch_all)
}
