//! Running nodes: one row for each process.

use super::statements::{run, statements};
use super::{Result, Sql, WriteTx};
use chrono::{DateTime, Utc};
use uuid::Uuid;

statements! {
    SEEN = "INSERT INTO nodes (id, seen_at, filler) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, filler = excluded.filler";
    FORGET = "DELETE FROM nodes WHERE seen_at < $1";
    LOCK_CALLS = "INSERT INTO calls SELECT * FROM calls WHERE 1 = 0";
    LOCK_STEPS = "INSERT INTO steps SELECT * FROM steps WHERE 1 = 0";
    LOCK_JOBS = "INSERT INTO jobs SELECT * FROM jobs WHERE 1 = 0";
    LOCK_REPORTS = "INSERT INTO reports SELECT * FROM reports WHERE 1 = 0";
    LOCK_REPORT_KEYS = "INSERT INTO report_keys SELECT * FROM report_keys WHERE 1 = 0";
    LOCK_NUMBERS = "INSERT INTO report_numbers SELECT * FROM report_numbers WHERE 1 = 0";
    LOCK_COUNTS = "INSERT INTO report_counts SELECT * FROM report_counts WHERE 1 = 0";
    LOCK_RECEIPTS = "INSERT INTO receipts SELECT * FROM receipts WHERE 1 = 0";
    LOCK_ENTRIES = "INSERT INTO entries SELECT * FROM entries WHERE 1 = 0";
    LOCK_BLOBS = "INSERT INTO blobs SELECT * FROM blobs WHERE 1 = 0";
    LOCK_RECORDINGS = "INSERT INTO recordings SELECT * FROM recordings WHERE 1 = 0";
    LOCK_STRAYS = "INSERT INTO strays SELECT * FROM strays WHERE 1 = 0";
    LOCK_HOURS = "INSERT INTO call_hours SELECT * FROM call_hours WHERE 1 = 0";
    LOCK_AUDIT = "INSERT INTO audit SELECT * FROM audit WHERE 1 = 0";
    LOCK_HEADS = "INSERT INTO audit_heads SELECT * FROM audit_heads WHERE 1 = 0";
}

/// One statement for each table that webhooks and the jobs of a call insert into. None of them inserts a row.
const WRITTEN_BY_CALLS: [Sql; 15] = [
    LOCK_CALLS,
    LOCK_STEPS,
    LOCK_JOBS,
    LOCK_REPORTS,
    LOCK_REPORT_KEYS,
    LOCK_NUMBERS,
    LOCK_COUNTS,
    LOCK_RECEIPTS,
    LOCK_ENTRIES,
    LOCK_BLOBS,
    LOCK_RECORDINGS,
    LOCK_STRAYS,
    LOCK_HOURS,
    LOCK_AUDIT,
    LOCK_HEADS,
];

/// Records that a node was running at `at` (system time). `filler` is stored in the node's row, so that the write fails
/// if the disk is full.
pub async fn seen(
    tx: &mut WriteTx,
    node: Uuid,
    at: DateTime<Utc>,
    filler: Option<&[u8]>,
) -> Result<()> {
    run!(tx, SEEN, execute, node, at, filler).map(drop)
}

/// Acquires the table locks that the writes of a call acquire, and holds them until the transaction ends. On Postgres
/// this waits while another session has locked one of these tables against writes, as `LOCK TABLE`, `CREATE INDEX` and
/// most forms of `ALTER TABLE` do.
pub async fn lock_as_calls(tx: &mut WriteTx) -> Result<()> {
    for statement in WRITTEN_BY_CALLS {
        run!(tx, statement, execute)?;
    }
    Ok(())
}

/// Removes the rows of nodes that were last recorded before `before` (system time).
pub async fn forget(tx: &mut WriteTx, before: DateTime<Utc>) -> Result<()> {
    run!(tx, FORGET, execute, before).map(drop)
}
