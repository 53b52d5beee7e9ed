//! Reports, their entries, recordings and receipts.

use super::columns::{Holder, RecordingState};
use super::rows::{self, Rows, over_rows};
use super::statements::{row, run, statements};
use super::{ReadTx, Result, StoreError, WriteTx, blobs};
use crate::report::entries::EntryKind;
use crate::report::reference::Reference;
use crate::report::status::{Source, Status};
use crate::vault::blobs::Stored;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What the queue shows of a report.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its place in the order of arrival, over all lines. Never shown.
    pub n: i64,
    /// Its id.
    pub id: Uuid,
    /// Its line.
    pub line: String,
    /// The public half of its key.
    pub recipient: String,
    /// How it came in.
    pub source: Source,
    /// None while it is only a call.
    pub status: Option<Status>,
    /// Its public number, e.g. `2024-0017`.
    pub reference: Option<String>,
    /// Whose it is.
    pub assignee: Option<Uuid>,
    /// The name of whoever's it is.
    pub assignee_name: Option<String>,
    /// The hour it arrived, line time.
    pub received_hour: DateTime<Utc>,
    /// Its caller speaks with the duty inspector right now.
    pub live: bool,
}

macro_rules! report {
    ($row:ty) => {
        impl sqlx::FromRow<'_, $row> for Report {
            fn from_row(row: &$row) -> std::result::Result<Self, sqlx::Error> {
                use sqlx::Row;
                let year: Option<i32> = row.try_get("year")?;
                let number: Option<i32> = row.try_get("number")?;
                Ok(Self {
                    n: row.try_get("n")?,
                    id: row.try_get("id")?,
                    line: row.try_get("line")?,
                    recipient: row.try_get("recipient")?,
                    source: row.try_get("source")?,
                    status: row.try_get("status")?,
                    reference: year
                        .zip(number)
                        .map(|(year, number)| Reference { year, number }.to_string()),
                    assignee: row.try_get("assignee")?,
                    assignee_name: row.try_get("assignee_name")?,
                    received_hour: row.try_get("received_hour")?,
                    live: row.try_get("live")?,
                })
            }
        }
    };
}
report!(sqlx::sqlite::SqliteRow);
report!(sqlx::postgres::PgRow);

row! {
    /// One sealed piece of a report.
    #[derive(Clone)]
    pub struct EntryRow {
        /// Its id.
        pub id: Uuid,
        /// Its report.
        pub report: Uuid,
        /// What kind of entry.
        pub kind: EntryKind,
        /// The sealed piece.
        pub sealed: Vec<u8>,
    }
}

row! {
    /// Who called in an abandoned call.
    #[derive(Clone)]
    pub struct OldEntry {
        /// Its place in the order of arrival.
        pub n: i64,
        /// Its id.
        pub id: Uuid,
        /// Its report.
        pub report: Uuid,
        /// What kind of entry.
        pub kind: EntryKind,
    }
}

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

row! {
    /// A report's private half, sealed to a line key or a member.
    #[derive(Clone)]
    pub struct ReportKeyRow {
        /// The report.
        pub report: Uuid,
        /// What kind of key it is sealed to.
        pub holder: Holder,
        /// Which one.
        pub sealed_to: Uuid,
        /// The sealed half.
        pub sealed: Vec<u8>,
    }
}

over_rows! {
    COUNTS = "INSERT INTO report_counts (line, status, count)", ["text", "text", "bigint"],
        "ON CONFLICT (line, status) DO UPDATE SET count = report_counts.count + excluded.count";
}

statements! {
    KEY = "SELECT reports.id AS report, holder, sealed_to, sealed FROM report_keys JOIN reports ON reports.n = report WHERE reports.id = $1 ORDER BY epoch, sealed_to";
    GET = "SELECT reports.n, reports.id, line, reports.recipient, source, status, year, number, assignee, members.name AS assignee_name, received_hour,
        EXISTS (SELECT 1 FROM calls WHERE calls.report = reports.n AND at_duty AND taken_step IS NOT NULL) AS live
        FROM reports LEFT JOIN members ON members.id = assignee
        WHERE reports.id = $1";
    ALL_OF_LINE = "SELECT reports.n, reports.id, line, reports.recipient, source, status, year, number, assignee, members.name AS assignee_name, received_hour,
        EXISTS (SELECT 1 FROM calls WHERE calls.report = reports.n AND at_duty AND taken_step IS NOT NULL) AS live
        FROM reports LEFT JOIN members ON members.id = assignee
        WHERE line = $1 AND number IS NULL
        UNION ALL SELECT reports.n, reports.id, line, reports.recipient, source, status, year, number, assignee, members.name AS assignee_name, received_hour,
        EXISTS (SELECT 1 FROM calls WHERE calls.report = reports.n AND at_duty AND taken_step IS NOT NULL) AS live
        FROM reports LEFT JOIN members ON members.id = assignee
        WHERE line = $1 AND number IS NOT NULL ORDER BY 1";
    LIST = "SELECT reports.n, reports.id, line, reports.recipient, source, status, year, number, assignee, members.name AS assignee_name, received_hour,
        EXISTS (SELECT 1 FROM calls WHERE calls.report = reports.n AND at_duty AND taken_step IS NOT NULL) AS live
        FROM reports LEFT JOIN members ON members.id = assignee
        WHERE line = $1 AND number IS NOT NULL AND reports.n > $2 ORDER BY reports.n LIMIT $3";
    LIST_WITH = "SELECT reports.n, reports.id, line, reports.recipient, source, status, year, number, assignee, members.name AS assignee_name, received_hour,
        EXISTS (SELECT 1 FROM calls WHERE calls.report = reports.n AND at_duty AND taken_step IS NOT NULL) AS live
        FROM reports LEFT JOIN members ON members.id = assignee
        WHERE line = $1 AND number IS NOT NULL AND reports.n > $2 AND status = $4 ORDER BY reports.n LIMIT $3";
    LIST_OF = "SELECT reports.n, reports.id, line, reports.recipient, source, status, year, number, assignee, members.name AS assignee_name, received_hour,
        EXISTS (SELECT 1 FROM calls WHERE calls.report = reports.n AND at_duty AND taken_step IS NOT NULL) AS live
        FROM reports LEFT JOIN members ON members.id = assignee
        WHERE line = $1 AND number IS NOT NULL AND reports.n > $2 AND (status = $4 OR $4 IS NULL) AND assignee = $5 ORDER BY reports.n LIMIT $3";
    LIST_ALL = "SELECT reports.n, reports.id, line, reports.recipient, source, status, year, number, assignee, members.name AS assignee_name, received_hour,
        EXISTS (SELECT 1 FROM calls WHERE calls.report = reports.n AND at_duty AND taken_step IS NOT NULL) AS live
        FROM reports LEFT JOIN members ON members.id = assignee
        WHERE number IS NOT NULL AND reports.n > $1 ORDER BY reports.n LIMIT $2";
    LIST_ALL_WITH = "SELECT reports.n, reports.id, line, reports.recipient, source, status, year, number, assignee, members.name AS assignee_name, received_hour,
        EXISTS (SELECT 1 FROM calls WHERE calls.report = reports.n AND at_duty AND taken_step IS NOT NULL) AS live
        FROM reports LEFT JOIN members ON members.id = assignee
        WHERE number IS NOT NULL AND reports.n > $1 AND status = $3 ORDER BY reports.n LIMIT $2";
    LIST_ALL_OF = "SELECT reports.n, reports.id, line, reports.recipient, source, status, year, number, assignee, members.name AS assignee_name, received_hour,
        EXISTS (SELECT 1 FROM calls WHERE calls.report = reports.n AND at_duty AND taken_step IS NOT NULL) AS live
        FROM reports LEFT JOIN members ON members.id = assignee
        WHERE number IS NOT NULL AND reports.n > $1 AND (status = $3 OR $3 IS NULL) AND assignee = $4 ORDER BY reports.n LIMIT $2";
    BY_REFERENCE = "SELECT id FROM reports WHERE line = $1 AND year = $2 AND number = $3";
    ABANDONED = "SELECT reports.n, reports.id, reports.line, reports.recipient, source, status, year, number, assignee, CAST(NULL AS TEXT) AS assignee_name,
        received_hour, FALSE AS live FROM reports JOIN calls ON calls.report = reports.n
        WHERE reports.line = $1 AND number IS NULL AND settled AND NOT added AND reports.n < $2 ORDER BY reports.n DESC LIMIT $3";
    COUNT = "SELECT status, count FROM report_counts WHERE line = $1 AND count > 0 ORDER BY status";
    TAKE_NUMBERS = "INSERT INTO report_numbers (line, year, last) VALUES ($1, $2, $3) ON CONFLICT (line, year) DO UPDATE SET last = report_numbers.last + excluded.last RETURNING last";
    LOCK = "SELECT line FROM reports WHERE id = $1", postgres: " FOR NO KEY UPDATE";
    MOVE = "UPDATE reports SET status = $3, assignee = $4 WHERE id = $1 AND status = $2 RETURNING line";
    ENTRIES = "SELECT entries.id, reports.id AS report, kind, sealed FROM entries JOIN reports ON reports.n = report WHERE reports.id = $1 ORDER BY entries.n";
    INSERT_ENTRY = "INSERT INTO entries (id, report, kind, sealed) VALUES ($1, (SELECT n FROM reports WHERE id = $2), $3, $4)";
    INSERT_RECORDING = "INSERT INTO recordings (id, report, lookup, source, sid, step, state, deleted)
        VALUES ($1, (SELECT n FROM reports WHERE id = $2), $3, $4, $5, $6, $7, FALSE) ON CONFLICT (lookup) DO NOTHING";
    BY_SOURCE = "SELECT id FROM recordings WHERE source = $1 LIMIT 1";
    OF_SAME_SOURCE = "SELECT recordings.id, reports.id AS report, lookup, sid, step, state, deleted, outcome FROM recordings
        JOIN reports ON reports.n = report
        WHERE recordings.source = (SELECT source FROM recordings WHERE id = $1) AND recordings.id <> $1 ORDER BY recordings.id";
    BEGIN_AGAIN = "UPDATE recordings SET state = $2, outcome = NULL WHERE id = $1 AND state = $3";
    RECORDING_UNLOCKED = "SELECT recordings.id, reports.id AS report, lookup, sid, step, state, deleted, outcome FROM recordings
        JOIN reports ON reports.n = report WHERE recordings.id = $1";
    RECORDING_BY_LOOKUP = "SELECT recordings.id, reports.id AS report, lookup, sid, step, state, deleted, outcome FROM recordings
        JOIN reports ON reports.n = report WHERE lookup = $1";
    RECORDINGS = "SELECT recordings.id, reports.id AS report, lookup, sid, step, state, deleted, outcome FROM recordings
        JOIN reports ON reports.n = report WHERE reports.id = $1 ORDER BY step, recordings.id";
    SEAL = "UPDATE recordings SET state = $2 WHERE id = $1 AND state IN ($3, $4)";
    SET_BLOB = "UPDATE recordings SET blob = (SELECT n FROM blobs WHERE id = $2) WHERE id = $1";
    SET_RECORDING_STATE = "UPDATE recordings SET state = $2 WHERE id = $1 AND state = $3";
    SET_DELETED = "UPDATE recordings SET deleted = TRUE, sid = NULL, outcome = NULL WHERE id = $1";
    FORGET_SOURCE = "UPDATE recordings SET sid = NULL, outcome = NULL WHERE id = $1";
    SET_OUTCOME = "UPDATE recordings SET outcome = $2 WHERE id = $1";
    INSERT_RECEIPT = "INSERT INTO receipts (lookup, line, report, recipient, shared)
        VALUES ($1, $2, (SELECT n FROM reports WHERE id = $3), $4, FALSE) ON CONFLICT (lookup) DO NOTHING";
    SHARE_RECEIPT = "UPDATE receipts SET shared = TRUE WHERE lookup = $1 AND report <> (SELECT n FROM reports WHERE id = $2)";
    RECEIPTS = "SELECT recipient FROM receipts WHERE report = (SELECT n FROM reports WHERE id = $1) AND NOT shared ORDER BY lookup";
    BY_RECEIPT = "SELECT reports.id, shared FROM receipts JOIN reports ON reports.n = report WHERE lookup = $1 AND receipts.line = $2";
    SHARED_RECEIPTS = "SELECT COUNT(*) FROM receipts JOIN reports ON reports.n = report
        WHERE receipts.line = $1 AND shared AND (status IS NULL OR status <> $2)";
    OLD_CALLER_ENTRIES = "SELECT entries.n, entries.id, reports.id AS report, kind FROM entries JOIN reports ON reports.n = report
        WHERE kind = 'caller' AND entries.n > $2 AND number IS NULL AND received_hour < $1 ORDER BY entries.n LIMIT 100";
    DELETE_ENTRY = "DELETE FROM entries WHERE id = $1";
}

/// The sealed private halves of a report's key.
pub async fn keys(tx: &mut ReadTx, report: Uuid) -> Result<Vec<ReportKeyRow>> {
    run!(tx, KEY, fetch_all, report)
}

/// A report, or a call on its way to one.
pub async fn get(tx: &mut ReadTx, id: Uuid) -> Result<Option<Report>> {
    run!(tx, GET, fetch_optional, id)
}

/// Everything of a line, abandoned calls included.
pub async fn all_of_line(tx: &mut ReadTx, line: &str) -> Result<Vec<Report>> {
    run!(tx, ALL_OF_LINE, fetch_all, line)
}

/// Which reports are listed.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// Of this line; of every line when none.
    pub line: Option<&'a str>,
    /// With this status; with any when none.
    pub status: Option<Status>,
    /// Claimed by this member; by anybody or nobody when none.
    pub assignee: Option<Uuid>,
    /// That arrived after the one with this number.
    pub after: i64,
    /// So many at most.
    pub limit: i64,
}

/// Reports in order of arrival.
pub async fn list(tx: &mut ReadTx, listed: Listed<'_>) -> Result<Vec<Report>> {
    let Listed {
        line,
        status,
        assignee,
        after,
        limit,
    } = listed;
    match (line, assignee) {
        (Some(line), Some(id)) => run!(tx, LIST_OF, fetch_all, line, after, limit, status, id),
        (Some(line), None) if status.is_none() => {
            run!(tx, LIST, fetch_all, line, after, limit)
        }
        (Some(line), None) => run!(tx, LIST_WITH, fetch_all, line, after, limit, status),
        (None, Some(id)) => run!(tx, LIST_ALL_OF, fetch_all, after, limit, status, id),
        (None, None) if status.is_none() => run!(tx, LIST_ALL, fetch_all, after, limit),
        (None, None) => run!(tx, LIST_ALL_WITH, fetch_all, after, limit, status),
    }
}

/// The report with this reference on a line.
pub async fn by_reference(tx: &mut ReadTx, line: &str, reference: &str) -> Result<Option<Uuid>> {
    let Ok(Reference { year, number }) = reference.parse() else {
        return Ok(None);
    };
    let found: Option<(Uuid,)> = run!(tx, BY_REFERENCE, fetch_optional, line, year, number)?;
    Ok(found.map(|(id,)| id))
}

/// Calls that ended without a recording, and added nothing to an earlier report, the newest first: those that arrived before
/// the one with the number `before`.
pub async fn abandoned(
    tx: &mut ReadTx,
    line: &str,
    before: i64,
    limit: i64,
) -> Result<Vec<Report>> {
    run!(tx, ABANDONED, fetch_all, line, before, limit)
}

/// How many reports of a line have which status.
pub async fn count(tx: &mut ReadTx, line: &str) -> Result<Vec<(Status, i64)>> {
    run!(tx, COUNT, fetch_all, line)
}

/// Takes the next `count` numbers of a line's reports of a year; gives the last of them.
pub async fn take_numbers(tx: &mut WriteTx, line: &str, year: i32, count: i32) -> Result<i32> {
    let found: Option<(i32,)> = run!(tx, TAKE_NUMBERS, fetch_optional, line, year, count)?;
    let (last,) = found.ok_or(StoreError::Unreadable("report number"))?;
    Ok(last)
}

/// Moves a report from one status to another; false when it was not in `from`.
pub async fn change_status(
    tx: &mut WriteTx,
    id: Uuid,
    from: Status,
    to: Status,
    assignee: Option<Uuid>,
) -> Result<bool> {
    let moved: Option<(String,)> = run!(tx, MOVE, fetch_optional, id, from, to, assignee)?;
    let Some((line,)) = moved else {
        return Ok(false);
    };
    tx.count_status(&line, from, -1);
    tx.count_status(&line, to, 1);
    Ok(true)
}

/// A report's entries in the order they were added.
pub async fn entries(tx: &mut ReadTx, report: Uuid) -> Result<Vec<EntryRow>> {
    run!(tx, ENTRIES, fetch_all, report)
}

/// Holds a report until the transaction ends. Rows that refer to it can be added meanwhile: what is written at a commit, behind
/// the head of the trail, does so.
pub async fn lock(tx: &mut WriteTx, id: Uuid) -> Result<()> {
    let _: Option<(String,)> = run!(tx, LOCK, fetch_optional, id)?;
    Ok(())
}

/// Adds an entry at the end of its report. Locks the report, so that there is one order of its entries.
pub async fn insert_entry(tx: &mut WriteTx, entry: &EntryRow) -> Result<()> {
    lock(tx, entry.report).await?;
    run!(
        tx,
        INSERT_ENTRY,
        execute,
        entry.id,
        entry.report,
        entry.kind,
        &entry.sealed[..]
    )
    .map(drop)
}

/// A recording that a call names: how it is found again, and what it is at the provider.
pub struct Announced<'a> {
    /// Keyed hash of provider, id there, and call: names the recording.
    pub lookup: &'a [u8; 32],
    /// Keyed hash of provider and id there: the same for each call that names it.
    pub source: &'a [u8; 32],
    /// Both in full, under the service secret.
    pub sid: &'a [u8],
}

/// Writes down that the provider has a recording; false when that is known already of this call.
pub async fn announce(
    tx: &mut WriteTx,
    id: Uuid,
    report: Uuid,
    recording: &Announced<'_>,
    step: i32,
) -> Result<bool> {
    Ok(run!(
        tx,
        INSERT_RECORDING,
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

/// The recordings of other calls that are the same one at the provider, just to look at.
pub async fn of_same_source(tx: &mut ReadTx, id: Uuid) -> Result<Vec<RecordingRow>> {
    run!(tx, OF_SAME_SOURCE, fetch_all, id)
}

/// A recording of which nothing came is expected after all; false when it is not `absent`.
pub async fn begin_again(tx: &mut WriteTx, id: Uuid) -> Result<bool> {
    let [from, to] = [RecordingState::Absent, RecordingState::Announced];
    Ok(run!(tx, BEGIN_AGAIN, execute, id, to, from)? == 1)
}

/// A recording, just to look at.
pub async fn recording_unlocked(tx: &mut ReadTx, id: Uuid) -> Result<Option<RecordingRow>> {
    run!(tx, RECORDING_UNLOCKED, fetch_optional, id)
}

/// The recording with this keyed hash of the provider's id.
pub async fn recording_by_lookup(
    tx: &mut ReadTx,
    lookup: &[u8; 32],
) -> Result<Option<RecordingRow>> {
    run!(tx, RECORDING_BY_LOOKUP, fetch_optional, &lookup[..])
}

/// A report's recordings in order of speaking.
pub async fn recordings(tx: &mut ReadTx, report: Uuid) -> Result<Vec<RecordingRow>> {
    run!(tx, RECORDINGS, fetch_all, report)
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
    Ok(run!(tx, SET_RECORDING_STATE, execute, id, state, before)? == 1)
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

/// Adds to the kept counts of reports, in order of line and status.
pub(super) async fn write_counts(
    tx: &mut WriteTx,
    counts: BTreeMap<(String, Status), i64>,
) -> Result<()> {
    let rows = Rows::new(COUNTS)
        .text(counts.keys().map(|(line, _)| Some(line.clone())))
        .name(counts.keys().map(|(_, status)| *status))
        .integer(counts.values().copied().map(Some));
    rows::execute(tx, vec![rows]).await
}

/// Makes a receipt work. If another report has the same one, it opens neither report from then on, and that report's id
/// is returned.
pub async fn insert_receipt(
    tx: &mut WriteTx,
    lookup: &[u8; 32],
    line: &str,
    report: Uuid,
    recipient: &str,
) -> Result<Option<Uuid>> {
    let inserted = run!(
        tx,
        INSERT_RECEIPT,
        execute,
        &lookup[..],
        line,
        report,
        recipient
    )?;
    if inserted == 1 || run!(tx, SHARE_RECEIPT, execute, &lookup[..], report)? == 0 {
        return Ok(None);
    }
    let found: Option<(Uuid, bool)> = run!(tx, BY_RECEIPT, fetch_optional, &lookup[..], line)?;
    Ok(found.map(|(other, _)| other))
}

/// How many receipts of a line were told to two callers, and belong to a report that is not closed.
pub async fn shared_receipts(tx: &mut ReadTx, line: &str) -> Result<i64> {
    let found: Option<(i64,)> = run!(tx, SHARED_RECEIPTS, fetch_optional, line, Status::Closed)?;
    Ok(found.map_or(0, |(count,)| count))
}

/// The public halves of a report's receipts: who has one of them opens what is sealed to it. A shared one is not among
/// them.
pub async fn receipts(tx: &mut ReadTx, report: Uuid) -> Result<Vec<String>> {
    let found: Vec<(String,)> = run!(tx, RECEIPTS, fetch_all, report)?;
    Ok(found.into_iter().map(|(recipient,)| recipient).collect())
}

/// What a receipt opens.
pub enum ByReceipt {
    /// This report.
    Report(Box<Report>),
    /// Nothing any more: two callers were told it.
    Shared,
    /// Nothing: there is no such receipt on the line.
    Nothing,
}

/// What a receipt of a line opens.
pub async fn by_receipt(tx: &mut ReadTx, lookup: &[u8; 32], line: &str) -> Result<ByReceipt> {
    let found: Option<(Uuid, bool)> = run!(tx, BY_RECEIPT, fetch_optional, &lookup[..], line)?;
    let report = match found {
        Some((_, true)) => return Ok(ByReceipt::Shared),
        Some((report, false)) => get(tx, report).await?,
        None => None,
    };
    Ok(report.map_or(ByReceipt::Nothing, |report| {
        ByReceipt::Report(Box::new(report))
    }))
}

/// Caller entries of abandoned calls that arrived before `before`, in order of arrival: a hundred at most, after the one
/// with the number `after`.
pub async fn old_caller_entries(
    tx: &mut ReadTx,
    before: DateTime<Utc>,
    after: i64,
) -> Result<Vec<OldEntry>> {
    run!(tx, OLD_CALLER_ENTRIES, fetch_all, before, after)
}

/// Removes an entry. Only the purge of abandoned calls does; everything else only ever adds.
pub async fn delete_entry(tx: &mut WriteTx, id: Uuid) -> Result<()> {
    run!(tx, DELETE_ENTRY, execute, id).map(drop)
}
