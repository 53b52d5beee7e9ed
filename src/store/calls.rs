//! Calls and the answers given at their steps.

use super::proofs::{Proven, WithMac};
use super::statements::{row, run, statements};
use super::{ReadTx, Result, StoreError, WriteTx};
use crate::vault::proof::Content;
use chrono::{DateTime, Utc};
use uuid::Uuid;

row! {
    /// A call. Its conversation is in `state`, sealed under the call key.
    #[derive(Clone)]
    pub struct Call {
        /// The service's own id, used in the addresses it gives to providers.
        pub id: Uuid,
        /// Keyed hash of the provider's name and its id of the call.
        pub lookup: Vec<u8>,
        /// The line's id.
        pub line: String,
        /// The id of the call's own row in `reports`, which is a report only if it has a status.
        pub report: Uuid,
        /// The provider's name and its id of the call, sealed under the service secret; erased when the call is
        /// settled.
        pub sid: Option<Vec<u8>>,
        /// State of the conversation, sealed under the call key; `None` if the service never answered the call; erased
        /// when the call is settled.
        pub state: Option<Vec<u8>>,
        /// True if the call is over: the provider has said so, or it counts as over after two hours.
        pub ended: bool,
        /// True if the call is settled: its state is erased, and its receipt works if there is something to call back
        /// about.
        pub settled: bool,
        /// The earlier report that the caller has called back about; `None` if there is none.
        pub addition_to: Option<Uuid>,
        /// First step whose recordings belong to `addition_to`.
        pub addition_from: Option<i32>,
        /// Number added to a step to get the number of its recording in `addition_to`.
        pub addition_offset: Option<i32>,
        /// True if something was added to `addition_to`.
        pub added: bool,
        /// True while the roster is rung, or a member of it speaks with the caller.
        pub at_duty: bool,
        /// The step that rang the duty inspector who accepted the call; `None` while none has; erased when the call is
        /// settled.
        pub accepted_step: Option<i32>,
    }
}

impl Proven for Call {
    const TABLE: &'static str = "calls";

    /// Covers where what the caller says belongs. State and answers are sealed under the call key.
    fn content(&self) -> Content {
        Content::of(Self::TABLE)
            .id(self.id)
            .bytes(&*self.lookup)
            .text(&*self.line)
            .id(self.report)
            .id(self.addition_to)
            .integer(self.addition_from.map(i64::from))
            .integer(self.addition_offset.map(i64::from))
    }

    fn id(&self) -> Uuid {
        self.id
    }
}

/// Maximum number of steps of a call. The numbers of recordings that several calls add to one report are offset by
/// multiples of it.
const STEPS: i32 = 10_000;

impl Call {
    /// Returns `lookup` as an array; zeros when the row does not hold 32 bytes.
    pub fn lookup_bytes(&self) -> [u8; 32] {
        self.lookup.as_slice().try_into().unwrap_or_default()
    }

    /// Returns the id of the report that a recording of this step belongs to, and its number there: the step in the
    /// call's own report; the step plus `addition_offset` in an earlier one.
    pub fn place_of(&self, step: u32) -> (Uuid, i32) {
        let step = i32::try_from(step).unwrap_or(STEPS).min(STEPS - 1);
        match (self.addition_to, self.addition_from, self.addition_offset) {
            (Some(earlier), Some(from), Some(offset)) if step >= from => (earlier, offset + step),
            _ => (self.report, step),
        }
    }

    /// Makes what the call records from step `from` on belong to the report `earlier`. `called_back` is the number of
    /// calls that have called back about it before; it gives each call a range of recording numbers of its own.
    ///
    /// # Errors
    ///
    /// When no recording numbers are left, or the step is too high for the column.
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

    /// True if the duty inspector rung by this step has accepted the call.
    pub fn is_accepted(&self, step: u32) -> bool {
        self.accepted_step
            .is_some_and(|taken| i64::from(taken) == i64::from(step))
    }

    /// True if a recording with this number in the earlier report was made in this call. False if the call adds to
    /// none.
    pub fn has_added(&self, number: i32) -> bool {
        self.addition_offset
            .is_some_and(|offset| (offset..offset + STEPS).contains(&number))
    }
}

/// The first entry that a call adds to an earlier report: the caller, sealed to that report's key.
#[derive(Clone)]
pub struct SealedCaller {
    /// The entry's id.
    pub entry: Uuid,
    /// The sealed entry.
    pub sealed: Vec<u8>,
}

row! {
    struct CallerRow {
        call: Uuid,
        entry: Option<Uuid>,
        sealed: Option<Vec<u8>>,
        mac: Option<Vec<u8>>,
    }
}

/// The columns of a call's row that hold its [`SealedCaller`], which have a MAC of their own: they are erased alone.
pub(super) struct OfAddition<'a> {
    pub call: Uuid,
    pub caller: &'a SealedCaller,
}

impl Proven for OfAddition<'_> {
    const TABLE: &'static str = "calls.addition_caller";

    fn content(&self) -> Content {
        Content::of(Self::TABLE)
            .id(self.call)
            .id(self.caller.entry)
            .bytes(&*self.caller.sealed)
    }

    fn id(&self) -> Uuid {
        self.call
    }
}

statements! {
    LOCK = "SELECT id FROM calls WHERE id = $1", postgres: " FOR NO KEY UPDATE";
    BY_ID_UNLOCKED = "SELECT calls.id, calls.lookup, calls.line, own.id AS report, calls.sid, calls.state, calls.ended, calls.settled, earlier.id AS addition_to,
        calls.addition_from, calls.addition_offset, calls.added, calls.at_duty, calls.accepted_step, calls.mac
        FROM calls JOIN reports AS own ON own.n = calls.report LEFT JOIN reports AS earlier ON earlier.n = calls.addition_to WHERE calls.id = $1";
    BY_LOOKUP_UNLOCKED = "SELECT calls.id, calls.lookup, calls.line, own.id AS report, calls.sid, calls.state, calls.ended, calls.settled, earlier.id AS addition_to,
        calls.addition_from, calls.addition_offset, calls.added, calls.at_duty, calls.accepted_step, calls.mac
        FROM calls JOIN reports AS own ON own.n = calls.report LEFT JOIN reports AS earlier ON earlier.n = calls.addition_to WHERE lookup = $1";
    OF_LINE_RUNNING = "SELECT calls.id, calls.lookup, calls.line, own.id AS report, calls.sid, calls.state, calls.ended, calls.settled, earlier.id AS addition_to,
        calls.addition_from, calls.addition_offset, calls.added, calls.at_duty, calls.accepted_step, calls.mac
        FROM calls JOIN reports AS own ON own.n = calls.report LEFT JOIN reports AS earlier ON earlier.n = calls.addition_to WHERE calls.line = $1 AND NOT ended AND state IS NOT NULL";
    LOCK_OF_RECORDING = "SELECT id FROM calls WHERE (report = (SELECT n FROM reports WHERE id = $1) AND $2 < 10000)
        OR (addition_to = (SELECT n FROM reports WHERE id = $1) AND $2 - addition_offset BETWEEN 0 AND 9999)", postgres: " FOR NO KEY UPDATE";
    CALLS_BACK = "SELECT COUNT(*) FROM calls WHERE addition_to = (SELECT n FROM reports WHERE id = $1)";
    FORGET_CALLERS = "UPDATE calls SET addition_entry = NULL, addition_caller = NULL, addition_mac = NULL
        WHERE addition_caller IS NOT NULL AND settled AND EXISTS (SELECT 1 FROM reports WHERE reports.n = calls.report AND received_hour < $1)";
    AT_DUTY = "SELECT COUNT(*) FROM calls WHERE line = $1 AND NOT ended AND at_duty";
    SETTLE = "UPDATE calls SET settled = TRUE, state = NULL, sid = NULL, accepted_step = NULL WHERE id = $1";
    LOCK_ROSTER = "SELECT CAST($1 AS TEXT)", postgres: " FROM pg_advisory_xact_lock(hashtextextended('roster ' || $1, 0))";
    STEP = "SELECT answer FROM steps WHERE call = (SELECT report FROM calls WHERE id = $1) AND step = $2";
    DELETE_STEPS = "DELETE FROM steps WHERE call = (SELECT report FROM calls WHERE id = $1)";
    OF_LINE = "SELECT calls.id, calls.lookup, calls.line, own.id AS report, calls.sid, calls.state, calls.ended, calls.settled, earlier.id AS addition_to,
        calls.addition_from, calls.addition_offset, calls.added, calls.at_duty, calls.accepted_step, calls.mac
        FROM calls JOIN reports AS own ON own.n = calls.report LEFT JOIN reports AS earlier ON earlier.n = calls.addition_to
        WHERE own.line = $1";
    CALLERS_OF_LINE = "SELECT calls.id AS call, addition_entry AS entry, addition_caller AS sealed, addition_mac AS mac
        FROM calls WHERE calls.line = $1 AND (addition_entry IS NOT NULL OR addition_caller IS NOT NULL OR addition_mac IS NOT NULL)";
    RUNNING = "SELECT COUNT(*) FROM calls WHERE line = $1 AND NOT ended";
}

/// Returns the call with this id, locked until the transaction ends.
pub async fn by_id(tx: &mut WriteTx, id: Uuid) -> Result<Option<Call>> {
    // A statement of its own: one that also read the earlier report would, after waiting for the lock, see the call as
    // the other transaction left it, and that report as it was before.
    let _: Option<(Uuid,)> = run!(tx, LOCK, fetch_optional, id)?;
    by_id_unlocked(tx, id).await
}

/// Returns the call with this id, not locked.
pub async fn by_id_unlocked(tx: &mut ReadTx, id: Uuid) -> Result<Option<Call>> {
    let found = run!(tx, BY_ID_UNLOCKED, fetch_optional, id)?;
    tx.proven_one(found).await
}

/// Returns the call with this keyed hash, not locked.
pub async fn by_lookup_unlocked(tx: &mut ReadTx, lookup: &[u8; 32]) -> Result<Option<Call>> {
    let found = run!(tx, BY_LOOKUP_UNLOCKED, fetch_optional, &lookup[..])?;
    tx.proven_one(found).await
}

/// Returns the calls of a line that have not ended and have a state, not locked. Calls whose rows are refused are left
/// out.
pub async fn of_line_running(tx: &mut ReadTx, line: &str) -> Result<Vec<Call>> {
    let found: Vec<WithMac<Call>> = run!(tx, OF_LINE_RUNNING, fetch_all, line)?;
    Ok(tx.proven_rest(found).await?.0)
}

/// Returns the call in which the recording with this number of a report was made, locked until the transaction ends;
/// `None` if it has no row.
pub async fn by_recording(tx: &mut WriteTx, report: Uuid, number: i32) -> Result<Option<Call>> {
    let found: Option<(Uuid,)> = run!(tx, LOCK_OF_RECORDING, fetch_optional, report, number)?;
    match found {
        Some((id,)) => by_id_unlocked(tx, id).await,
        None => Ok(None),
    }
}

/// Erases the sealed caller of settled calls that called back, have added nothing, and arrived before `before` (line
/// time).
pub async fn forget_callers(tx: &mut WriteTx, before: DateTime<Utc>) -> Result<()> {
    run!(tx, FORGET_CALLERS, execute, before).map(drop)
}

/// Returns the number of calls that have called back about a report.
pub async fn called_back(tx: &mut ReadTx, report: Uuid) -> Result<i64> {
    let found: Option<(i64,)> = run!(tx, CALLS_BACK, fetch_optional, report)?;
    Ok(found.map_or(0, |(count,)| count))
}

/// Locks a line's roster until the transaction ends. A transaction that counts the calls with the roster and then adds
/// one needs this lock, so that no other transaction does the same meanwhile. Does nothing on SQLite, which has one
/// writer.
pub async fn lock_roster(tx: &mut ReadTx, line: &str) -> Result<()> {
    let _: Option<(String,)> = run!(tx, LOCK_ROSTER, fetch_optional, line)?;
    Ok(())
}

/// Returns the number of a line's running calls that ring the roster or speak with a member of it.
pub async fn at_duty(tx: &mut ReadTx, line: &str) -> Result<i64> {
    let found: Option<(i64,)> = run!(tx, AT_DUTY, fetch_optional, line)?;
    Ok(found.map_or(0, |(count,)| count))
}

/// Marks a call as settled: deletes the answers of its steps, and erases its state, the provider's id of it, and the
/// accepted step.
pub async fn settle(tx: &mut WriteTx, id: Uuid) -> Result<()> {
    run!(tx, DELETE_STEPS, execute, id)?;
    run!(tx, SETTLE, execute, id).map(drop)
}

/// Returns the answer given at a step of a call, sealed under the call key; `None` if none is stored.
pub async fn step(tx: &mut ReadTx, call: Uuid, step: u32) -> Result<Option<Vec<u8>>> {
    let found: Option<(Vec<u8>,)> = run!(tx, STEP, fetch_optional, call, step_column(step)?)?;
    Ok(found.map(|(answer,)| answer))
}

/// Returns the ids of a line's reports that have a call, and the ids of calls whose rows are refused, for `audit
/// verify`.
pub async fn of_reports(tx: &mut ReadTx, line: &str) -> Result<(Vec<Uuid>, Vec<Uuid>)> {
    let found: Vec<WithMac<Call>> = run!(tx, OF_LINE, fetch_all, line)?;
    let (proven, refused) = tx.proven_rest(found).await?;
    let mut refused: Vec<Uuid> = refused.into_iter().map(|call| call.id).collect();
    let found: Vec<CallerRow> = run!(tx, CALLERS_OF_LINE, fetch_all, line)?;
    for row in found {
        let Some((entry, sealed)) = row.entry.zip(row.sealed) else {
            refused.push(row.call);
            continue;
        };
        let caller = SealedCaller { entry, sealed };
        let of = OfAddition {
            call: row.call,
            caller: &caller,
        };
        match tx.prove(&of, row.mac.as_deref()) {
            Err(StoreError::Forged(_)) => refused.push(row.call),
            proven => proven?,
        }
    }
    Ok((
        proven.into_iter().map(|call| call.report).collect(),
        refused,
    ))
}

/// Returns the number of a line's calls that have not ended.
pub async fn running(tx: &mut ReadTx, line: &str) -> Result<i64> {
    let found: Option<(i64,)> = run!(tx, RUNNING, fetch_optional, line)?;
    Ok(found.map_or(0, |(count,)| count))
}

fn step_column(step: u32) -> Result<i32> {
    i32::try_from(step).map_err(|_| StoreError::Unreadable("step"))
}
