//! Running calls, the answers they were given, and recordings of calls nobody knows.

use super::statements::{row, run, statements};
use super::{ReadTx, Result, StoreError, WriteTx};
use chrono::{DateTime, Utc};
use uuid::Uuid;

row! {
    /// A call. What it is about is in `state`, under the call key.
    #[derive(Clone)]
    pub struct Call {
        /// Our id, in the addresses we hand out.
        pub id: Uuid,
        /// Keyed hash of the provider and its id of the call.
        pub lookup: Vec<u8>,
        /// The line's id.
        pub line: String,
        /// The report it becomes, or would have become.
        pub report: Uuid,
        /// The provider's name and its id of the call, under the service secret; gone when settled.
        pub sid: Option<Vec<u8>>,
        /// The conversation, under the call key; gone when settled.
        pub state: Option<Vec<u8>>,
        /// The provider said it is over.
        pub ended: bool,
        /// Its receipt is computed and its state erased.
        pub settled: bool,
        /// The earlier report the caller has called back about.
        pub addition_to: Option<Uuid>,
        /// What this step and later ones record stands in that report.
        pub addition_from: Option<i32>,
        /// What their numbers there are more than their steps.
        pub addition_offset: Option<i32>,
        /// Something was added to that report.
        pub added: bool,
        /// The roster is rung, or one of it speaks with the caller.
        pub at_duty: bool,
        /// The step that rang whoever took the call, pressing their key; gone when settled.
        pub accepted_step: Option<i32>,
    }
}

/// Steps a call has at most, and by how much the numbers of calls that add to one report are apart.
const STEPS: i32 = 10_000;

impl Call {
    /// The keyed hash it is found by; zeros when the row holds none.
    pub fn lookup_bytes(&self) -> [u8; 32] {
        self.lookup.as_slice().try_into().unwrap_or_default()
    }

    /// Where what a step records stands: the report, and its number there.
    pub fn place_of(&self, step: u32) -> (Uuid, i32) {
        let step = i32::try_from(step).unwrap_or(STEPS).min(STEPS - 1);
        match (self.addition_to, self.addition_from, self.addition_offset) {
            (Some(earlier), Some(from), Some(offset)) if step >= from => (earlier, offset + step),
            _ => (self.report, step),
        }
    }

    /// From step `from` on what the call records is added to an earlier report, about which so many calls have called back
    /// before: each gets numbers of its own.
    ///
    /// # Errors
    ///
    /// When there are no numbers left.
    pub fn add_to(&mut self, earlier: Uuid, from: u32, called_back: i64) -> Result<()> {
        let offset = i32::try_from(called_back + 1)
            .ok()
            .and_then(|count| count.checked_mul(STEPS))
            .filter(|offset| offset.checked_add(STEPS).is_some())
            .ok_or(StoreError::Unreadable("number of calls back"))?;
        self.addition_to = Some(earlier);
        self.addition_from = Some(step_column(from)?);
        self.addition_offset = Some(offset);
        Ok(())
    }

    /// Did whoever this step rang take the call?
    pub fn is_accepted(&self, step: u32) -> bool {
        self.accepted_step
            .is_some_and(|taken| i64::from(taken) == i64::from(step))
    }

    /// Was the recording of this number in the earlier report made in this call?
    pub fn has_added(&self, number: i32) -> bool {
        self.addition_offset
            .is_some_and(|offset| (offset..offset + STEPS).contains(&number))
    }
}

/// The first entry of an addition: who called, sealed to the earlier report's key.
#[derive(Clone)]
pub struct SealedCaller {
    /// The entry's id.
    pub entry: Uuid,
    /// The entry.
    pub sealed: Vec<u8>,
}

statements! {
    BY_LOOKUP = "SELECT calls.id, calls.lookup, calls.line, own.id AS report, calls.sid, calls.state, calls.ended, calls.settled, earlier.id AS addition_to,
        calls.addition_from, calls.addition_offset, calls.added, calls.at_duty, calls.accepted_step
        FROM calls JOIN reports AS own ON own.n = calls.report LEFT JOIN reports AS earlier ON earlier.n = calls.addition_to WHERE lookup = $1", postgres: " FOR NO KEY UPDATE OF calls";
    BY_ID = "SELECT calls.id, calls.lookup, calls.line, own.id AS report, calls.sid, calls.state, calls.ended, calls.settled, earlier.id AS addition_to,
        calls.addition_from, calls.addition_offset, calls.added, calls.at_duty, calls.accepted_step
        FROM calls JOIN reports AS own ON own.n = calls.report LEFT JOIN reports AS earlier ON earlier.n = calls.addition_to WHERE calls.id = $1", postgres: " FOR NO KEY UPDATE OF calls";
    BY_ID_UNLOCKED = "SELECT calls.id, calls.lookup, calls.line, own.id AS report, calls.sid, calls.state, calls.ended, calls.settled, earlier.id AS addition_to,
        calls.addition_from, calls.addition_offset, calls.added, calls.at_duty, calls.accepted_step
        FROM calls JOIN reports AS own ON own.n = calls.report LEFT JOIN reports AS earlier ON earlier.n = calls.addition_to WHERE calls.id = $1";
    BY_LOOKUP_UNLOCKED = "SELECT calls.id, calls.lookup, calls.line, own.id AS report, calls.sid, calls.state, calls.ended, calls.settled, earlier.id AS addition_to,
        calls.addition_from, calls.addition_offset, calls.added, calls.at_duty, calls.accepted_step
        FROM calls JOIN reports AS own ON own.n = calls.report LEFT JOIN reports AS earlier ON earlier.n = calls.addition_to WHERE lookup = $1";
    OF_LINE_RUNNING = "SELECT calls.id, calls.lookup, calls.line, own.id AS report, calls.sid, calls.state, calls.ended, calls.settled, earlier.id AS addition_to,
        calls.addition_from, calls.addition_offset, calls.added, calls.at_duty, calls.accepted_step
        FROM calls JOIN reports AS own ON own.n = calls.report LEFT JOIN reports AS earlier ON earlier.n = calls.addition_to WHERE calls.line = $1 AND NOT ended AND state IS NOT NULL";
    BY_RECORDING = "SELECT calls.id, calls.lookup, calls.line, own.id AS report, calls.sid, calls.state, calls.ended, calls.settled, earlier.id AS addition_to,
        calls.addition_from, calls.addition_offset, calls.added, calls.at_duty, calls.accepted_step
        FROM calls JOIN reports AS own ON own.n = calls.report LEFT JOIN reports AS earlier ON earlier.n = calls.addition_to
        WHERE (calls.report = (SELECT n FROM reports WHERE id = $1) AND $2 < 10000)
        OR (calls.addition_to = (SELECT n FROM reports WHERE id = $1) AND $2 - addition_offset BETWEEN 0 AND 9999)", postgres: " FOR NO KEY UPDATE OF calls";
    CALLS_BACK = "SELECT COUNT(*) FROM calls WHERE addition_to = (SELECT n FROM reports WHERE id = $1)";
    FORGET_CALLERS = "UPDATE calls SET addition_entry = NULL, addition_caller = NULL
        WHERE addition_caller IS NOT NULL AND settled AND EXISTS (SELECT 1 FROM reports WHERE reports.n = calls.report AND received_hour < $1)";
    AT_DUTY = "SELECT COUNT(*) FROM calls WHERE line = $1 AND NOT ended AND at_duty";
    SETTLE = "UPDATE calls SET settled = TRUE, state = NULL, sid = NULL, accepted_step = NULL WHERE id = $1";
    LOCK_ROSTER = "SELECT CAST($1 AS TEXT)", postgres: " FROM pg_advisory_xact_lock(hashtextextended('roster ' || $1, 0))";
    STEP = "SELECT answer FROM steps WHERE call = (SELECT report FROM calls WHERE id = $1) AND step = $2";
    DELETE_STEPS = "DELETE FROM steps WHERE call = (SELECT report FROM calls WHERE id = $1)";
    RUNNING = "SELECT COUNT(*) FROM calls WHERE line = $1 AND NOT ended";
}

/// The call with this keyed hash, locked until the transaction ends.
pub async fn by_lookup(tx: &mut WriteTx, lookup: &[u8; 32]) -> Result<Option<Call>> {
    run!(tx, BY_LOOKUP, fetch_optional, &lookup[..])
}

/// The call with this id, locked until the transaction ends.
pub async fn by_id(tx: &mut WriteTx, id: Uuid) -> Result<Option<Call>> {
    run!(tx, BY_ID, fetch_optional, id)
}

/// The call with this id, just to look at.
pub async fn by_id_unlocked(tx: &mut ReadTx, id: Uuid) -> Result<Option<Call>> {
    run!(tx, BY_ID_UNLOCKED, fetch_optional, id)
}

/// The call with this keyed hash, just to look at.
pub async fn by_lookup_unlocked(tx: &mut ReadTx, lookup: &[u8; 32]) -> Result<Option<Call>> {
    run!(tx, BY_LOOKUP_UNLOCKED, fetch_optional, &lookup[..])
}

/// The calls of a line that have not ended, just to look at.
pub async fn of_line_running(tx: &mut ReadTx, line: &str) -> Result<Vec<Call>> {
    run!(tx, OF_LINE_RUNNING, fetch_all, line)
}

/// The call in which a report's recording of this number was made, locked until the transaction ends.
pub async fn by_recording(tx: &mut WriteTx, report: Uuid, number: i32) -> Result<Option<Call>> {
    run!(tx, BY_RECORDING, fetch_optional, report, number)
}

/// Forgets who called back and added nothing, of calls that arrived before `before`.
pub async fn forget_callers(tx: &mut WriteTx, before: DateTime<Utc>) -> Result<()> {
    run!(tx, FORGET_CALLERS, execute, before).map(drop)
}

/// How many calls have called back about a report.
pub async fn called_back(tx: &mut ReadTx, report: Uuid) -> Result<i64> {
    let found: Option<(i64,)> = run!(tx, CALLS_BACK, fetch_optional, report)?;
    Ok(found.map_or(0, |(count,)| count))
}

/// Holds a line's roster until the transaction ends: who counts the calls that are with it and then adds one must be
/// alone. SQLite has one writer anyway.
pub async fn lock_roster(tx: &mut ReadTx, line: &str) -> Result<()> {
    let _: Option<(String,)> = run!(tx, LOCK_ROSTER, fetch_optional, line)?;
    Ok(())
}

/// How many calls of a line are with the roster, ringing or speaking.
pub async fn at_duty(tx: &mut ReadTx, line: &str) -> Result<i64> {
    let found: Option<(i64,)> = run!(tx, AT_DUTY, fetch_optional, line)?;
    Ok(found.map_or(0, |(count,)| count))
}

/// Erases everything about a call but that it was there.
pub async fn settle(tx: &mut WriteTx, id: Uuid) -> Result<()> {
    run!(tx, DELETE_STEPS, execute, id)?;
    run!(tx, SETTLE, execute, id).map(drop)
}

/// The answer a step was given, under the call key.
pub async fn step(tx: &mut ReadTx, call: Uuid, step: u32) -> Result<Option<Vec<u8>>> {
    let found: Option<(Vec<u8>,)> = run!(tx, STEP, fetch_optional, call, step_column(step)?)?;
    Ok(found.map(|(answer,)| answer))
}

/// How many calls of a line are running.
pub async fn running(tx: &mut ReadTx, line: &str) -> Result<i64> {
    let found: Option<(i64,)> = run!(tx, RUNNING, fetch_optional, line)?;
    Ok(found.map_or(0, |(count,)| count))
}

fn step_column(step: u32) -> Result<i32> {
    i32::try_from(step).map_err(|_| StoreError::Unreadable("step"))
}
