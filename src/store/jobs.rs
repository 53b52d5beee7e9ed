//! Work to be done after a webhook was answered. Enqueued in the transaction that causes it, claimed with a
//! random lease token, acknowledged only with that token, removed when done.

use super::statements::{row, run, statements};
use super::{Result, StoreError, Tx};
use chrono::{DateTime, Utc};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// What is to be done. `subject` of the job is the id of a recording, a call or a stray.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Fetch a recording from the provider, and seal it.
    Fetch,
    /// Delete a recording at the provider, and prove that it is gone.
    Delete,
    /// Compute a call's receipt and erase its state.
    Settle,
    /// Ask the provider whether a silent call is still there.
    Watch,
    /// Ask the provider which call and line a stray belongs to.
    Stray,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Fetch,
        Self::Delete,
        Self::Settle,
        Self::Watch,
        Self::Stray,
    ];

    /// Its name in the database and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Delete => "delete",
            Self::Settle => "settle",
            Self::Watch => "watch",
            Self::Stray => "stray",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(StoreError::Unreadable("job kind"))
    }
}

row! {
    /// A job somebody has claimed.
    #[derive(Clone, Debug)]
    pub struct JobRow {
        /// Its id.
        pub id: Uuid,
        /// What is to be done, as [`Kind::as_str`].
        pub kind: String,
        /// To what.
        pub subject: Uuid,
        /// How often it was tried, this time included.
        pub attempts: i32,
    }
}

statements! {
    ENQUEUE = "INSERT INTO jobs (id, kind, subject, run_after, attempts, dead) VALUES ($1, $2, $3, $4, 0, FALSE) ON CONFLICT (kind, subject) DO NOTHING";
    CLAIM = "UPDATE jobs SET lease = $1, lease_until = $2, attempts = attempts + 1 WHERE id = (
        SELECT id FROM jobs WHERE dead = FALSE AND run_after <= $3 AND (lease_until IS NULL OR lease_until < $3)
        ORDER BY run_after LIMIT 1", postgres: " FOR UPDATE SKIP LOCKED", ")
        RETURNING id, kind, subject, attempts";
    RENEW = "UPDATE jobs SET lease_until = $3 WHERE id = $1 AND lease = $2";
    DONE = "DELETE FROM jobs WHERE id = $1 AND lease = $2";
    RETRY = "UPDATE jobs SET lease = NULL, lease_until = NULL, run_after = $3 WHERE id = $1 AND lease = $2";
    BURY = "UPDATE jobs SET lease = NULL, lease_until = NULL, dead = TRUE WHERE id = $1 AND lease = $2";
    CANCEL = "DELETE FROM jobs WHERE kind = $1 AND subject = $2";
    NEXT = "SELECT run_after FROM jobs WHERE dead = FALSE AND lease IS NULL ORDER BY run_after LIMIT 1";
    COUNT = "SELECT kind, dead, COUNT(*) FROM jobs GROUP BY kind, dead";
    COUNT_DEAD = "SELECT COUNT(*) FROM jobs WHERE dead = TRUE";
}

/// Enqueues a job; one of the same kind for the same subject is enough.
pub async fn enqueue(
    tx: &mut Tx,
    id: Uuid,
    kind: Kind,
    subject: Uuid,
    run_after: DateTime<Utc>,
) -> Result<()> {
    run!(tx, ENQUEUE, execute, id, kind.as_str(), subject, run_after).map(drop)
}

/// Claims the job that has waited longest, if one is due. `now` is system time.
pub async fn claim(
    tx: &mut Tx,
    lease: Uuid,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Option<JobRow>> {
    run!(tx, CLAIM, fetch_optional, lease, until, now)
}

/// Keeps a claimed job longer. False when the lease was lost: then somebody else does it.
pub async fn renew(tx: &mut Tx, id: Uuid, lease: Uuid, until: DateTime<Utc>) -> Result<bool> {
    Ok(run!(tx, RENEW, execute, id, lease, until)? == 1)
}

/// The job is done. False when the lease was lost.
pub async fn done(tx: &mut Tx, id: Uuid, lease: Uuid) -> Result<bool> {
    Ok(run!(tx, DONE, execute, id, lease)? == 1)
}

/// The job is to be tried again.
pub async fn retry(tx: &mut Tx, id: Uuid, lease: Uuid, run_after: DateTime<Utc>) -> Result<()> {
    run!(tx, RETRY, execute, id, lease, run_after).map(drop)
}

/// The job is given up, and stays for somebody to look at.
pub async fn bury(tx: &mut Tx, id: Uuid, lease: Uuid) -> Result<()> {
    run!(tx, BURY, execute, id, lease).map(drop)
}

/// The job need not be done any more.
pub async fn cancel(tx: &mut Tx, kind: Kind, subject: Uuid) -> Result<()> {
    run!(tx, CANCEL, execute, kind.as_str(), subject).map(drop)
}

/// When the next job nobody works on is due.
pub async fn next_due(tx: &mut Tx) -> Result<Option<DateTime<Utc>>> {
    let found: Option<(DateTime<Utc>,)> = run!(tx, NEXT, fetch_optional)?;
    Ok(found.map(|(at,)| at))
}

/// How many jobs there are: kind, given up or not, number.
pub async fn count(tx: &mut Tx) -> Result<Vec<(String, bool, i64)>> {
    run!(tx, COUNT, fetch_all)
}

/// How many jobs were given up.
pub async fn count_dead(tx: &mut Tx) -> Result<i64> {
    let found: Option<(i64,)> = run!(tx, COUNT_DEAD, fetch_optional)?;
    Ok(found.map_or(0, |(count,)| count))
}
