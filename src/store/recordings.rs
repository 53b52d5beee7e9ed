//! Recordings of calls: announced by a provider or streamed by it, sealed by the service, then deleted at the provider.

use super::columns::RecordingState;
use super::proofs::{Proven, WithMac};
use super::statements::{row, run, statements};
use super::{ReadTx, Result, WriteTx, blobs};
use crate::vault::blobs::Stored;
use crate::vault::proof::Content;
use uuid::Uuid;

row! {
    /// A recording that a provider announced or streams, sealed or not.
    #[derive(Clone)]
    pub struct RecordingRow {
        /// The service's own id.
        pub id: Uuid,
        /// Its report.
        pub report: Uuid,
        /// Keyed hash of the provider's name, its id of the recording, and the service's id of the call that named it.
        pub lookup: Vec<u8>,
        /// Keyed hash of the provider's name and its id of the recording: the same for each call that names it.
        pub source: Vec<u8>,
        /// The provider's name and its id of the recording, sealed under the service secret; erased when the recording
        /// is deleted there, is not there, or is given up.
        pub sid: Option<Vec<u8>>,
        /// Number of the recording in its report: the step that recorded it, in an earlier report plus the call's
        /// offset.
        pub step: i32,
        /// State of the recording.
        pub state: RecordingState,
        /// True if the recording is proven to be gone at the provider.
        pub deleted: bool,
        /// Outcome of a recording that was streamed to the service, sealed under the service secret; `None` for other
        /// recordings; erased with `sid`.
        pub outcome: Option<Vec<u8>>,
    }
}

impl Proven for RecordingRow {
    const TABLE: &'static str = "recordings";

    /// Covers the columns that never change. The provider's id is sealed with the id of the recording.
    fn content(&self) -> Content {
        Content::of(Self::TABLE)
            .id(self.id)
            .id(self.report)
            .bytes(&*self.lookup)
            .bytes(&*self.source)
            .integer(i64::from(self.step))
    }

    fn id(&self) -> Uuid {
        self.id
    }
}

statements! {
    ANNOUNCE = "INSERT INTO recordings (id, report, lookup, source, sid, step, state, deleted, mac)
        VALUES ($1, (SELECT n FROM reports WHERE id = $2), $3, $4, $5, $6, $7, FALSE, $8) ON CONFLICT (lookup) DO NOTHING";
    BY_SOURCE = "SELECT id FROM recordings WHERE source = $1 LIMIT 1";
    OF_SAME_SOURCE = "SELECT recordings.id, reports.id AS report, lookup, recordings.source, sid, step, state, deleted, outcome, recordings.mac FROM recordings
        JOIN reports ON reports.n = report
        WHERE recordings.source = (SELECT named.source FROM recordings AS named WHERE named.id = $1) AND recordings.id <> $1 ORDER BY recordings.id";
    BEGIN_AGAIN = "UPDATE recordings SET state = $2, outcome = NULL WHERE id = $1 AND state = $3";
    GET = "SELECT recordings.id, reports.id AS report, lookup, recordings.source, sid, step, state, deleted, outcome, recordings.mac FROM recordings
        JOIN reports ON reports.n = report WHERE recordings.id = $1";
    BY_LOOKUP = "SELECT recordings.id, reports.id AS report, lookup, recordings.source, sid, step, state, deleted, outcome, recordings.mac FROM recordings
        JOIN reports ON reports.n = report WHERE lookup = $1";
    OF_REPORT = "SELECT recordings.id, reports.id AS report, lookup, recordings.source, sid, step, state, deleted, outcome, recordings.mac FROM recordings
        JOIN reports ON reports.n = report WHERE reports.id = $1 ORDER BY step, recordings.id";
    SEAL = "UPDATE recordings SET state = $2 WHERE id = $1 AND state IN ($3, $4)";
    SET_BLOB = "UPDATE recordings SET blob = (SELECT n FROM blobs WHERE id = $2) WHERE id = $1";
    SET_STATE = "UPDATE recordings SET state = $2 WHERE id = $1 AND state = $3";
    SET_DELETED = "UPDATE recordings SET deleted = TRUE, sid = NULL, outcome = NULL WHERE id = $1";
    FORGET_SOURCE = "UPDATE recordings SET sid = NULL, outcome = NULL WHERE id = $1";
    SET_OUTCOME = "UPDATE recordings SET outcome = $2 WHERE id = $1";
}

/// Adds a recording in the state `Announced`. Returns false, and adds nothing, when this call has named it before.
pub async fn announce(tx: &mut WriteTx, recording: &RecordingRow) -> Result<bool> {
    let mac = tx.mac(recording)?;
    Ok(run!(
        tx,
        ANNOUNCE,
        execute,
        recording.id,
        recording.report,
        &recording.lookup[..],
        &recording.source[..],
        recording.sid.as_deref(),
        recording.step,
        RecordingState::Announced,
        mac
    )? == 1)
}

/// Returns the id of a row for the recording with this keyed hash of provider and recording, whichever call named it;
/// `None` if there is none.
pub async fn by_source(tx: &mut ReadTx, source: &[u8; 32]) -> Result<Option<Uuid>> {
    let found: Option<(Uuid,)> = run!(tx, BY_SOURCE, fetch_optional, &source[..])?;
    Ok(found.map(|(id,)| id))
}

/// Returns the rows of other calls for the same recording at the provider, not locked.
pub async fn of_same_source(tx: &mut ReadTx, id: Uuid) -> Result<Vec<RecordingRow>> {
    let found: Vec<WithMac<RecordingRow>> = run!(tx, OF_SAME_SOURCE, fetch_all, id)?;
    tx.proven_all(found).await
}

/// Changes a recording from `Absent` to `Announced`, because it is streamed after all. Returns false when it is not
/// `Absent`.
pub async fn begin_again(tx: &mut WriteTx, id: Uuid) -> Result<bool> {
    let [from, to] = [RecordingState::Absent, RecordingState::Announced];
    Ok(run!(tx, BEGIN_AGAIN, execute, id, to, from)? == 1)
}

/// Returns the recording with this id, not locked.
pub async fn get(tx: &mut ReadTx, id: Uuid) -> Result<Option<RecordingRow>> {
    let found = run!(tx, GET, fetch_optional, id)?;
    tx.proven_one(found).await
}

/// Returns the recording with this keyed hash of provider, recording and call.
pub async fn by_lookup(tx: &mut ReadTx, lookup: &[u8; 32]) -> Result<Option<RecordingRow>> {
    let found = run!(tx, BY_LOOKUP, fetch_optional, &lookup[..])?;
    tx.proven_one(found).await
}

/// Returns a report's recordings in order of their numbers, which is the order of speaking.
pub async fn of_report(tx: &mut ReadTx, report: Uuid) -> Result<Vec<RecordingRow>> {
    let found: Vec<WithMac<RecordingRow>> = run!(tx, OF_REPORT, fetch_all, report)?;
    tx.proven_all(found).await
}

/// Marks a recording as sealed and adds the row of its sealed file, as `stored`, under the id `blob`. Returns false,
/// and writes nothing, when the recording is neither `Announced` nor `Lost`.
///
/// # Errors
///
/// When the database fails.
pub async fn seal(
    tx: &mut WriteTx,
    recording: &RecordingRow,
    blob: Uuid,
    stored: &Stored,
) -> Result<bool> {
    let id = recording.id;
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
    blobs::insert(tx, id, recording.report, blob, stored).await?;
    run!(tx, SET_BLOB, execute, id, blob)?;
    Ok(true)
}

/// Changes an `Announced` recording to `state`: `Absent` if the provider made none, `Lost` if it is not to be expected
/// any more. Returns false when it is not `Announced`.
pub async fn give_up(tx: &mut WriteTx, id: Uuid, state: RecordingState) -> Result<bool> {
    let before = RecordingState::Announced;
    Ok(run!(tx, SET_STATE, execute, id, state, before)? == 1)
}

/// Stores the outcome of a recording that was streamed to the service.
pub async fn set_outcome(tx: &mut WriteTx, id: Uuid, outcome: &[u8]) -> Result<()> {
    run!(tx, SET_OUTCOME, execute, id, outcome).map(drop)
}

/// Marks a recording as proven to be gone at the provider, and erases the provider's id of it and its outcome.
pub async fn set_deleted(tx: &mut WriteTx, id: Uuid) -> Result<()> {
    run!(tx, SET_DELETED, execute, id).map(drop)
}

/// Erases the provider's id of a recording that the provider does not have, or that was given up, and its outcome.
pub async fn forget_source(tx: &mut WriteTx, id: Uuid) -> Result<()> {
    run!(tx, FORGET_SOURCE, execute, id).map(drop)
}
