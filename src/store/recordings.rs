//! Recordings of calls: announced by a provider, sealed here, deleted there.

use super::columns::RecordingState;
use super::statements::{row, run, statements};
use super::{ReadTx, Result, WriteTx, blobs};
use crate::vault::blobs::Stored;
use uuid::Uuid;

row! {
    /// A recording, announced by the provider, perhaps here by now.
    #[derive(Clone)]
    pub struct RecordingRow {
        /// Its id.
        pub id: Uuid,
        /// Its report.
        pub report: Uuid,
        /// Keyed hash of its provider, its id there, and our id of the call that named it.
        pub lookup: Vec<u8>,
        /// The provider's name and its id of the recording, under the service secret; gone when deleted there.
        pub sid: Option<Vec<u8>>,
        /// The step that recorded it.
        pub step: i32,
        /// What became of it.
        pub state: RecordingState,
        /// Proven gone at the provider.
        pub deleted: bool,
        /// What became of one that was streamed to us, under the service secret; gone when the call is settled.
        pub outcome: Option<Vec<u8>>,
    }
}

statements! {
    ANNOUNCE = "INSERT INTO recordings (id, report, lookup, source, sid, step, state, deleted)
        VALUES ($1, (SELECT n FROM reports WHERE id = $2), $3, $4, $5, $6, $7, FALSE) ON CONFLICT (lookup) DO NOTHING";
    BY_SOURCE = "SELECT id FROM recordings WHERE source = $1 LIMIT 1";
    OF_SAME_SOURCE = "SELECT recordings.id, reports.id AS report, lookup, sid, step, state, deleted, outcome FROM recordings
        JOIN reports ON reports.n = report
        WHERE recordings.source = (SELECT source FROM recordings WHERE id = $1) AND recordings.id <> $1 ORDER BY recordings.id";
    BEGIN_AGAIN = "UPDATE recordings SET state = $2, outcome = NULL WHERE id = $1 AND state = $3";
    GET = "SELECT recordings.id, reports.id AS report, lookup, sid, step, state, deleted, outcome FROM recordings
        JOIN reports ON reports.n = report WHERE recordings.id = $1";
    BY_LOOKUP = "SELECT recordings.id, reports.id AS report, lookup, sid, step, state, deleted, outcome FROM recordings
        JOIN reports ON reports.n = report WHERE lookup = $1";
    OF_REPORT = "SELECT recordings.id, reports.id AS report, lookup, sid, step, state, deleted, outcome FROM recordings
        JOIN reports ON reports.n = report WHERE reports.id = $1 ORDER BY step, recordings.id";
    SEAL = "UPDATE recordings SET state = $2 WHERE id = $1 AND state IN ($3, $4)";
    SET_BLOB = "UPDATE recordings SET blob = (SELECT n FROM blobs WHERE id = $2) WHERE id = $1";
    SET_STATE = "UPDATE recordings SET state = $2 WHERE id = $1 AND state = $3";
    SET_DELETED = "UPDATE recordings SET deleted = TRUE, sid = NULL, outcome = NULL WHERE id = $1";
    FORGET_SOURCE = "UPDATE recordings SET sid = NULL, outcome = NULL WHERE id = $1";
    SET_OUTCOME = "UPDATE recordings SET outcome = $2 WHERE id = $1";
}

/// What is stored of a recording that a call names.
pub struct Announced<'a> {
    /// Keyed hash of provider, id there, and call: names the recording.
    pub lookup: &'a [u8; 32],
    /// Keyed hash of provider and id there: the same for each call that names it.
    pub source: &'a [u8; 32],
    /// Both in full, under the service secret.
    pub sid: &'a [u8],
}

/// Adds a recording that the provider has; false when this call named it before.
pub async fn announce(
    tx: &mut WriteTx,
    id: Uuid,
    report: Uuid,
    recording: &Announced<'_>,
    step: i32,
) -> Result<bool> {
    Ok(run!(
        tx,
        ANNOUNCE,
        execute,
        id,
        report,
        &recording.lookup[..],
        &recording.source[..],
        recording.sid,
        step,
        RecordingState::Announced
    )? == 1)
}

/// A recording that is this one at the provider, if any call has named it.
pub async fn by_source(tx: &mut ReadTx, source: &[u8; 32]) -> Result<Option<Uuid>> {
    let found: Option<(Uuid,)> = run!(tx, BY_SOURCE, fetch_optional, &source[..])?;
    Ok(found.map(|(id,)| id))
}

/// The recordings of other calls that are the same one at the provider, not locked.
pub async fn of_same_source(tx: &mut ReadTx, id: Uuid) -> Result<Vec<RecordingRow>> {
    run!(tx, OF_SAME_SOURCE, fetch_all, id)
}

/// A recording of which nothing came is expected after all; false when it is not `absent`.
pub async fn begin_again(tx: &mut WriteTx, id: Uuid) -> Result<bool> {
    let [from, to] = [RecordingState::Absent, RecordingState::Announced];
    Ok(run!(tx, BEGIN_AGAIN, execute, id, to, from)? == 1)
}

/// A recording, not locked.
pub async fn get(tx: &mut ReadTx, id: Uuid) -> Result<Option<RecordingRow>> {
    run!(tx, GET, fetch_optional, id)
}

/// The recording with this keyed hash of the provider's id.
pub async fn by_lookup(tx: &mut ReadTx, lookup: &[u8; 32]) -> Result<Option<RecordingRow>> {
    run!(tx, BY_LOOKUP, fetch_optional, &lookup[..])
}

/// A report's recordings in order of speaking.
pub async fn of_report(tx: &mut ReadTx, report: Uuid) -> Result<Vec<RecordingRow>> {
    run!(tx, OF_REPORT, fetch_all, report)
}

/// The recording is sealed in our store, as `stored`; `blob` becomes the id of its row there. False when the recording was not
/// expected any more: then nothing was written.
///
/// # Errors
///
/// When the database fails.
pub async fn seal(tx: &mut WriteTx, id: Uuid, blob: Uuid, stored: &Stored) -> Result<bool> {
    if run!(
        tx,
        SEAL,
        execute,
        id,
        RecordingState::Sealed,
        RecordingState::Announced,
        RecordingState::Lost
    )? == 0
    {
        return Ok(false);
    }
    blobs::insert(tx, id, blob, stored).await?;
    run!(tx, SET_BLOB, execute, id, blob)?;
    Ok(true)
}

/// The recording will not come: `Absent` (the provider made none) or `Lost` (while it was streamed to us).
pub async fn give_up(tx: &mut WriteTx, id: Uuid, state: RecordingState) -> Result<bool> {
    let before = RecordingState::Announced;
    Ok(run!(tx, SET_STATE, execute, id, state, before)? == 1)
}

/// What became of a recording that was streamed to us.
pub async fn set_outcome(tx: &mut WriteTx, id: Uuid, outcome: &[u8]) -> Result<()> {
    run!(tx, SET_OUTCOME, execute, id, outcome).map(drop)
}

/// The recording is proven gone at the provider; its id there is forgotten.
pub async fn set_deleted(tx: &mut WriteTx, id: Uuid) -> Result<()> {
    run!(tx, SET_DELETED, execute, id).map(drop)
}

/// Forgets which recording of the provider it was: there is none.
pub async fn forget_source(tx: &mut WriteTx, id: Uuid) -> Result<()> {
    run!(tx, FORGET_SOURCE, execute, id).map(drop)
}
