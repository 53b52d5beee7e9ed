//! Work to be done after a webhook was answered. Enqueued in the transaction that causes it, claimed with a
//! random lease token, acknowledged only with that token, removed when done. One that fails is tried again, for ever.

use super::columns::StoredKind;
use super::statements::{row, run, statements};
use super::{ReadTx, Result, WriteTx};
use crate::base::names::names;
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;
use uuid::Uuid;

/// The queue is read at least this often. A job that is enqueued for a later time needs no announcement.
pub const READ_EVERY: Duration = Duration::from_secs(1);

names! {
    "jobs.kind";
    /// What is to be done. `subject` of the job is the id of a recording, a call or a stray.
    pub enum Kind {
        /// Fetch a recording from the provider, and seal it.
        Fetch = "fetch",
        /// Delete a recording at the provider, and prove that it is gone.
        Delete = "delete",
        /// Compute a call's receipt and erase its state.
        Settle = "settle",
        /// Ask the provider whether a silent call is still there.
        Watch = "watch",
        /// Ask the provider which call and line a stray belongs to.
        Stray = "stray",
    }
}

row! {
    /// A claimed job.
    #[derive(Clone, Debug)]
    pub struct JobRow {
        /// Its id.
        pub id: Uuid,
        /// What is to be done.
        pub kind: Kind,
        /// To what.
        pub subject: Uuid,
        /// Our id of the call that the subject is, or that made the recording it is; none for a stray.
        pub call: Option<Uuid>,
        /// How often it was tried, this time included.
        pub attempts: i32,
        /// How many of its tries failed, one after the other.
        pub failures: i32,
    }
}

row! {
    /// A job as an operator sees it.
    #[derive(Clone, Debug)]
    pub struct Listed {
        /// Its id.
        pub id: Uuid,
        /// What is to be done.
        pub kind: StoredKind,
        /// The provider it waits for, as the configuration names it; empty where that is not known.
        pub provider: String,
        /// When it is tried next, system time.
        pub run_after: DateTime<Utc>,
        /// How many of its tries failed, one after the other.
        pub failures: i32,
        /// The hour since which it keeps failing.
        pub failing_since: Option<DateTime<Utc>>,
        /// Why its last try failed.
        pub reason: Option<String>,
        /// A node works on it.
        pub running: bool,
        /// The line of its call or recording.
        pub line: Option<String>,
        /// The year of the reference of its report.
        pub year: Option<i32>,
        /// The number of that reference.
        pub number: Option<i32>,
    }
}

row! {
    /// Jobs of one kind that keep failing.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Failing {
        /// What is to be done.
        pub kind: StoredKind,
        /// How many.
        pub count: i64,
        /// The hour since which the first of them fails.
        pub since: DateTime<Utc>,
        /// Why one of them failed last.
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

/// A job is put off no longer than this, the longest backoff with its jitter and some more. One that is due later was
/// put off by a clock that has been put back since, and is due.
pub const MAX_WAIT: TimeDelta = TimeDelta::minutes(80);
/// A lease runs out no later than this. One that does was given by a clock that has been put back since, and is over.
/// A lease is 60 s; the rest is what the clocks of two nodes may differ.
pub const MAX_LEASE: TimeDelta = TimeDelta::seconds(120);

/// Enqueues a job that waits for no provider, or for one that is not known; one of the same kind for the same subject is
/// enough. It must be due within [`MAX_WAIT`].
pub async fn enqueue(
    tx: &mut WriteTx,
    id: Uuid,
    kind: Kind,
    subject: Uuid,
    run_after: DateTime<Utc>,
) -> Result<()> {
    enqueue_at(tx, id, kind, subject, "", run_after).await
}

/// The same for a job that asks a provider, named as in the configuration: it waits behind the jobs of that provider
/// alone.
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

/// Kinds and providers of which a job is due. `now` is system time.
pub async fn due(tx: &mut ReadTx, now: DateTime<Utc>) -> Result<Vec<(StoredKind, String)>> {
    let (latest, longest) = (now + MAX_WAIT, now + MAX_LEASE);
    run!(tx, DUE, fetch_all, now, latest, longest)
}

/// Claims the job of this kind and provider that has waited longest, if one is due. `now` is system time.
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

/// Keeps a claimed job longer. False when the lease was lost.
pub async fn renew(tx: &mut WriteTx, id: Uuid, lease: Uuid, until: DateTime<Utc>) -> Result<bool> {
    Ok(run!(tx, RENEW, execute, id, lease, until)? == 1)
}

/// The job is done. False when the lease was lost.
pub async fn done(tx: &mut WriteTx, id: Uuid, lease: Uuid) -> Result<bool> {
    Ok(run!(tx, DONE, execute, id, lease)? == 1)
}

/// Nothing is wrong with the job; it is to be done at this time.
pub async fn put_off(
    tx: &mut WriteTx,
    id: Uuid,
    lease: Uuid,
    run_after: DateTime<Utc>,
) -> Result<()> {
    run!(tx, PUT_OFF, execute, id, lease, run_after).map(drop)
}

/// The job has failed, and is to be tried again at this time. `since`: people are to be told that it keeps failing,
/// since this hour unless they are told already.
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

/// What the job waits for may have come: it is due now, and its backoff starts anew. One that is being worked on is left
/// alone.
pub async fn hasten(tx: &mut WriteTx, kind: Kind, subject: Uuid, now: DateTime<Utc>) -> Result<()> {
    run!(tx, HASTEN, execute, kind, subject, now).map(drop)
}

/// The same for the job with this id; false when there is none, or it is being worked on.
pub async fn hasten_one(tx: &mut WriteTx, id: Uuid, now: DateTime<Utc>) -> Result<bool> {
    Ok(run!(tx, HASTEN_ONE, execute, id, now)? == 1)
}

/// The same for every job whose last try failed; gives their number.
pub async fn hasten_failed(tx: &mut WriteTx, now: DateTime<Utc>) -> Result<u64> {
    run!(tx, HASTEN_FAILED, execute, now)
}

/// The job need not be done any more.
pub async fn cancel(tx: &mut WriteTx, kind: Kind, subject: Uuid) -> Result<()> {
    run!(tx, CANCEL, execute, kind, subject).map(drop)
}

/// When the next job that is not being worked on is due, after `now`.
pub async fn next_due(tx: &mut ReadTx, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
    let found: Option<(DateTime<Utc>,)> = run!(tx, NEXT, fetch_optional, now)?;
    Ok(found.map(|(at,)| at))
}

/// How many jobs there are: kind, whether they keep failing, number.
pub async fn count(tx: &mut ReadTx) -> Result<Vec<(StoredKind, bool, i64)>> {
    run!(tx, COUNT, fetch_all)
}

/// For each kind of which a job is due and is not being worked on, when the oldest of them was due. `now` is system time. Jobs
/// that are due only because the clock was put back are left out: how long they have waited is not known.
pub async fn oldest_due(
    tx: &mut ReadTx,
    now: DateTime<Utc>,
) -> Result<Vec<(StoredKind, DateTime<Utc>)>> {
    run!(tx, OLDEST_DUE, fetch_all, now, now + MAX_LEASE)
}

/// How many jobs keep failing.
pub async fn count_failing(tx: &mut ReadTx) -> Result<i64> {
    let found: Option<(i64,)> = run!(tx, COUNT_FAILING, fetch_optional)?;
    Ok(found.map_or(0, |(count,)| count))
}

/// How many jobs for calls and recordings of a line keep failing.
pub async fn count_failing_of(tx: &mut ReadTx, line: &str) -> Result<i64> {
    let found: Option<(i64,)> = run!(tx, COUNT_FAILING_OF, fetch_optional, line)?;
    Ok(found.map_or(0, |(count,)| count))
}

/// The kind and the subject of a job, and why its last try failed.
pub async fn get(tx: &mut ReadTx, id: Uuid) -> Result<Option<(StoredKind, Uuid, Option<String>)>> {
    run!(tx, GET, fetch_optional, id)
}

/// The jobs that keep failing, added up by kind.
pub async fn failing(tx: &mut ReadTx) -> Result<Vec<Failing>> {
    run!(tx, FAILING, fetch_all)
}

/// Every job.
pub async fn list(tx: &mut ReadTx) -> Result<Vec<Listed>> {
    run!(tx, LIST, fetch_all)
}
