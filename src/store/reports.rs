//! Reports, their entries and receipts.

use super::proofs::{Proven, WithMac};
use super::rows::{Rows, over_rows};
use super::statements::{row, run, statements};
use super::{ReadTx, Result, StoreError, WriteTx};
use crate::report::entries::EntryKind;
use crate::report::reference::Reference;
use crate::report::status::{Source, Status};
use crate::vault::proof::Content;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use uuid::Uuid;

/// A report, or a call that is not one yet, as the queue shows it.
#[derive(Clone, Debug)]
pub struct Report {
    /// Number of its row in order of arrival, over all lines. It is not shown.
    pub n: i64,
    /// Its id.
    pub id: Uuid,
    /// Its line.
    pub line: String,
    /// The public half of its key.
    pub recipient: String,
    /// How it arrived.
    pub source: Source,
    /// Its status; `None` while it is only a call.
    pub status: Option<Status>,
    /// Its reference, e.g. `2024-0017`; `None` while it is only a call.
    pub reference: Option<String>,
    /// The id of the member who has claimed it; `None` if it is not claimed.
    pub assignee: Option<Uuid>,
    /// The name of the member who has claimed it.
    pub assignee_name: Option<String>,
    /// The hour of arrival, in line time.
    pub received_hour: DateTime<Utc>,
    /// True while its caller speaks with the duty inspector.
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
    /// An entry of a report, sealed.
    #[derive(Clone)]
    pub struct EntryRow {
        /// Its id.
        pub id: Uuid,
        /// Its report.
        pub report: Uuid,
        /// The kind of entry.
        pub kind: EntryKind,
        /// The sealed entry.
        pub sealed: Vec<u8>,
    }
}

row! {
    /// A caller entry of a call that did not become a report.
    #[derive(Clone)]
    pub struct OldEntry {
        /// Number of its row in the order in which entries were added.
        pub n: i64,
        /// Its id.
        pub id: Uuid,
        /// Its report.
        pub report: Uuid,
        /// The kind of entry.
        pub kind: EntryKind,
    }
}

row! {
    /// A receipt of a report.
    #[derive(Clone)]
    struct ReceiptRow {
        lookup: Vec<u8>,
        line: String,
        report: Uuid,
        recipient: String,
        shared: bool,
    }
}

/// Returns the columns of a row of `reports` that never change: the report's line, and the key that all it says is
/// sealed to.
pub(super) fn content(id: Uuid, line: &str, recipient: &str) -> Content {
    Content::of("reports").id(id).text(line).text(recipient)
}

impl Proven for Report {
    const TABLE: &'static str = "reports";

    fn content(&self) -> Content {
        content(self.id, &self.line, &self.recipient)
    }

    fn id(&self) -> Uuid {
        self.id
    }
}

impl Proven for ReceiptRow {
    const TABLE: &'static str = "receipts";

    fn content(&self) -> Content {
        Content::of(Self::TABLE)
            .bytes(&*self.lookup)
            .text(&*self.line)
            .id(self.report)
            .text(&*self.recipient)
            .boolean(self.shared)
    }

    fn id(&self) -> Uuid {
        self.report
    }
}

over_rows! {
    COUNTS = "INSERT INTO report_counts (line, status, count)", ["text", "text", "bigint"],
        "ON CONFLICT (line, status) DO UPDATE SET count = report_counts.count + excluded.count";
}

statements! {
    GET = "SELECT reports.n, reports.id, line, reports.recipient, source, status, year, number, assignee, members.name AS assignee_name, received_hour,
        EXISTS (SELECT 1 FROM calls WHERE calls.report = reports.n AND at_duty AND accepted_step IS NOT NULL) AS live, reports.mac
        FROM reports LEFT JOIN members ON members.id = assignee
        WHERE reports.id = $1";
    ALL_OF_LINE = "SELECT reports.n, reports.id, line, reports.recipient, source, status, year, number, assignee, members.name AS assignee_name, received_hour,
        EXISTS (SELECT 1 FROM calls WHERE calls.report = reports.n AND at_duty AND accepted_step IS NOT NULL) AS live, reports.mac
        FROM reports LEFT JOIN members ON members.id = assignee
        WHERE line = $1 AND number IS NULL
        UNION ALL SELECT reports.n, reports.id, line, reports.recipient, source, status, year, number, assignee, members.name AS assignee_name, received_hour,
        EXISTS (SELECT 1 FROM calls WHERE calls.report = reports.n AND at_duty AND accepted_step IS NOT NULL) AS live, reports.mac
        FROM reports LEFT JOIN members ON members.id = assignee
        WHERE line = $1 AND number IS NOT NULL ORDER BY 1";
    LIST = "SELECT reports.n, reports.id, line, reports.recipient, source, status, year, number, assignee, members.name AS assignee_name, received_hour,
        EXISTS (SELECT 1 FROM calls WHERE calls.report = reports.n AND at_duty AND accepted_step IS NOT NULL) AS live, reports.mac
        FROM reports LEFT JOIN members ON members.id = assignee
        WHERE line = $1 AND number IS NOT NULL AND reports.n > $2 ORDER BY reports.n LIMIT $3";
    LIST_WITH = "SELECT reports.n, reports.id, line, reports.recipient, source, status, year, number, assignee, members.name AS assignee_name, received_hour,
        EXISTS (SELECT 1 FROM calls WHERE calls.report = reports.n AND at_duty AND accepted_step IS NOT NULL) AS live, reports.mac
        FROM reports LEFT JOIN members ON members.id = assignee
        WHERE line = $1 AND number IS NOT NULL AND reports.n > $2 AND status = $4 ORDER BY reports.n LIMIT $3";
    LIST_OF = "SELECT reports.n, reports.id, line, reports.recipient, source, status, year, number, assignee, members.name AS assignee_name, received_hour,
        EXISTS (SELECT 1 FROM calls WHERE calls.report = reports.n AND at_duty AND accepted_step IS NOT NULL) AS live, reports.mac
        FROM reports LEFT JOIN members ON members.id = assignee
        WHERE line = $1 AND number IS NOT NULL AND reports.n > $2 AND (status = $4 OR $4 IS NULL) AND assignee = $5 ORDER BY reports.n LIMIT $3";
    LIST_ALL = "SELECT reports.n, reports.id, line, reports.recipient, source, status, year, number, assignee, members.name AS assignee_name, received_hour,
        EXISTS (SELECT 1 FROM calls WHERE calls.report = reports.n AND at_duty AND accepted_step IS NOT NULL) AS live, reports.mac
        FROM reports LEFT JOIN members ON members.id = assignee
        WHERE number IS NOT NULL AND reports.n > $1 ORDER BY reports.n LIMIT $2";
    LIST_ALL_WITH = "SELECT reports.n, reports.id, line, reports.recipient, source, status, year, number, assignee, members.name AS assignee_name, received_hour,
        EXISTS (SELECT 1 FROM calls WHERE calls.report = reports.n AND at_duty AND accepted_step IS NOT NULL) AS live, reports.mac
        FROM reports LEFT JOIN members ON members.id = assignee
        WHERE number IS NOT NULL AND reports.n > $1 AND status = $3 ORDER BY reports.n LIMIT $2";
    LIST_ALL_OF = "SELECT reports.n, reports.id, line, reports.recipient, source, status, year, number, assignee, members.name AS assignee_name, received_hour,
        EXISTS (SELECT 1 FROM calls WHERE calls.report = reports.n AND at_duty AND accepted_step IS NOT NULL) AS live, reports.mac
        FROM reports LEFT JOIN members ON members.id = assignee
        WHERE number IS NOT NULL AND reports.n > $1 AND (status = $3 OR $3 IS NULL) AND assignee = $4 ORDER BY reports.n LIMIT $2";
    RESTORE = "UPDATE reports SET line = $2, recipient = $3, mac = $4 WHERE id = $1";
    BY_REFERENCE = "SELECT id FROM reports WHERE line = $1 AND year = $2 AND number = $3";
    ABANDONED = "SELECT reports.n, reports.id, reports.line, reports.recipient, source, status, year, number, assignee, CAST(NULL AS TEXT) AS assignee_name,
        received_hour, FALSE AS live, reports.mac FROM reports JOIN calls ON calls.report = reports.n
        WHERE reports.line = $1 AND number IS NULL AND settled AND NOT added AND reports.n < $2 ORDER BY reports.n DESC LIMIT $3";
    COUNT = "SELECT status, count FROM report_counts WHERE line = $1 AND count > 0 ORDER BY status";
    ASSIGN_NUMBERS = "INSERT INTO report_numbers (line, year, last) VALUES ($1, $2, $3) ON CONFLICT (line, year) DO UPDATE SET last = report_numbers.last + excluded.last RETURNING last";
    LOCK = "SELECT line FROM reports WHERE id = $1", postgres: " FOR NO KEY UPDATE";
    MOVE = "UPDATE reports SET status = $3, assignee = $4 WHERE id = $1 AND status = $2 RETURNING line";
    ENTRIES = "SELECT entries.id, reports.id AS report, kind, sealed FROM entries JOIN reports ON reports.n = report WHERE reports.id = $1 ORDER BY entries.n";
    INSERT_ENTRY = "INSERT INTO entries (id, report, kind, sealed) VALUES ($1, (SELECT n FROM reports WHERE id = $2), $3, $4)";
    INSERT_RECEIPT = "INSERT INTO receipts (lookup, line, report, recipient, shared, mac)
        VALUES ($1, $2, (SELECT n FROM reports WHERE id = $3), $4, FALSE, $5) ON CONFLICT (lookup) DO NOTHING";
    SHARE_RECEIPT = "UPDATE receipts SET shared = TRUE, mac = $2 WHERE lookup = $1";
    RECEIPTS = "SELECT lookup, receipts.line, reports.id AS report, receipts.recipient, shared, receipts.mac
        FROM receipts JOIN reports ON reports.n = report WHERE reports.id = $1 ORDER BY lookup";
    BY_RECEIPT = "SELECT lookup, receipts.line, reports.id AS report, receipts.recipient, shared, receipts.mac
        FROM receipts JOIN reports ON reports.n = report WHERE lookup = $1 AND receipts.line = $2";
    RECEIPTS_OF_LINE = "SELECT lookup, receipts.line, reports.id AS report, receipts.recipient, shared, receipts.mac
        FROM receipts JOIN reports ON reports.n = report WHERE reports.line = $1";
    LOCKED_RECEIPT = "SELECT lookup, receipts.line, reports.id AS report, receipts.recipient, shared, receipts.mac
        FROM receipts JOIN reports ON reports.n = report WHERE lookup = $1", postgres: " FOR NO KEY UPDATE OF receipts";
    SHARED_RECEIPTS = "SELECT COUNT(*) FROM receipts JOIN reports ON reports.n = report
        WHERE receipts.line = $1 AND shared AND (status IS NULL OR status <> $2)";
    OLD_CALLER_ENTRIES = "SELECT entries.n, entries.id, reports.id AS report, kind FROM entries JOIN reports ON reports.n = report
        WHERE kind = 'caller' AND entries.n > $2 AND number IS NULL AND received_hour < $1 ORDER BY entries.n LIMIT 100";
    DELETE_ENTRY = "DELETE FROM entries WHERE id = $1";
}

/// Returns the report, or the call that is none yet, with this id.
pub async fn get(tx: &mut ReadTx, id: Uuid) -> Result<Option<Report>> {
    let found = run!(tx, GET, fetch_optional, id)?;
    tx.proven_one(found).await
}

/// Returns all reports of a line and all its calls that are not reports, in order of arrival, and those whose rows are
/// refused.
pub async fn all_of_line(tx: &mut ReadTx, line: &str) -> Result<(Vec<Report>, Vec<Report>)> {
    let found = run!(tx, ALL_OF_LINE, fetch_all, line)?;
    tx.proven_rest(found).await
}

/// Filter and range of a list of reports.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// The line; `None` for all lines.
    pub line: Option<&'a str>,
    /// The status; `None` for any status.
    pub status: Option<Status>,
    /// The id of the member who has claimed them; `None` for reports that any member or no member has claimed.
    pub assignee: Option<Uuid>,
    /// The number (`n`) after which the listed reports come; 0 for the first ones.
    pub after: i64,
    /// Maximum number of reports.
    pub limit: i64,
}

/// Returns the reports of this filter and range, in order of arrival. Calls that are not reports are left out, and so
/// are reports whose rows are refused.
pub async fn list(tx: &mut ReadTx, listed: Listed<'_>) -> Result<Vec<Report>> {
    let mut all = Vec::new();
    let mut asked = listed;
    loop {
        let found = page(tx, asked).await?;
        let is_last = (found.len() as i64) < asked.limit;
        let (proven, refused) = tx.proven_rest(found).await?;
        let last = proven.iter().chain(&refused).map(|report| report.n).max();
        all.extend(proven);
        // In place of refused rows the next ones are read, so that a page of the queue is full while there are more.
        match last {
            Some(last) if !is_last && !refused.is_empty() => {
                asked.after = last;
                asked.limit = listed.limit - all.len() as i64;
            }
            _ => return Ok(all),
        }
    }
}

async fn page(tx: &mut ReadTx, listed: Listed<'_>) -> Result<Vec<WithMac<Report>>> {
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

/// Returns the id of the report with this reference on a line; `None` if there is none, or `reference` is not a
/// reference.
pub async fn by_reference(tx: &mut ReadTx, line: &str, reference: &str) -> Result<Option<Uuid>> {
    let Ok(Reference { year, number }) = reference.parse() else {
        return Ok(None);
    };
    let found: Option<(Uuid,)> = run!(tx, BY_REFERENCE, fetch_optional, line, year, number)?;
    Ok(found.map(|(id,)| id))
}

/// Returns settled calls of a line that are not reports and added nothing to an earlier report, the newest first: at
/// most `limit` calls whose number (`n`) is below `before`. Those whose rows are refused are left out.
pub async fn abandoned(
    tx: &mut ReadTx,
    line: &str,
    mut before: i64,
    limit: i64,
) -> Result<Vec<Report>> {
    let mut all: Vec<Report> = Vec::new();
    loop {
        let missing = limit - all.len() as i64;
        let found: Vec<WithMac<Report>> = run!(tx, ABANDONED, fetch_all, line, before, missing)?;
        let is_last = (found.len() as i64) < missing;
        let (proven, refused) = tx.proven_rest(found).await?;
        let last = proven.iter().chain(&refused).map(|report| report.n).min();
        all.extend(proven);
        // As in [`list`].
        match last {
            Some(last) if !is_last && !refused.is_empty() => before = last,
            _ => return Ok(all),
        }
    }
}

/// Returns the number of a line's reports by status. Statuses without reports are left out.
pub async fn count(tx: &mut ReadTx, line: &str) -> Result<Vec<(Status, i64)>> {
    run!(tx, COUNT, fetch_all, line)
}

/// Assigns the next `count` numbers of a line's references in a year, and returns the last of them.
pub async fn assign_numbers(tx: &mut WriteTx, line: &str, year: i32, count: i32) -> Result<i32> {
    let found: Option<(i32,)> = run!(tx, ASSIGN_NUMBERS, fetch_optional, line, year, count)?;
    let (last,) = found.ok_or(StoreError::Unreadable("report number"))?;
    Ok(last)
}

/// Changes a report's status and assignee, and the counts by status at the commit. Returns false, and changes nothing,
/// when its status is not `from`.
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

/// Returns a report's entries in the order they were added.
pub async fn entries(tx: &mut ReadTx, report: Uuid) -> Result<Vec<EntryRow>> {
    run!(tx, ENTRIES, fetch_all, report)
}

/// Locks a report until the transaction ends. Other transactions can still add rows that refer to it, as a commit does
/// with links of the trail after it has locked the head.
pub async fn lock(tx: &mut WriteTx, id: Uuid) -> Result<()> {
    let _: Option<(String,)> = run!(tx, LOCK, fetch_optional, id)?;
    Ok(())
}

/// Adds an entry at the end of its report. Locks the report, so that two transactions add their entries one after the
/// other.
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

/// Returns the statement that adds these numbers to `report_counts`, in order of line and status.
pub(super) fn rows_of_counts(counts: BTreeMap<(String, Status), i64>) -> Rows {
    Rows::new(COUNTS)
        .text(counts.keys().map(|(line, _)| Some(line.clone())))
        .name(counts.keys().map(|(_, status)| *status))
        .integer(counts.values().copied().map(Some))
}

/// Stores a receipt of a report, and returns `None`. If another report has the same receipt, the receipt opens neither
/// report from then on; the id of that other report is then returned.
pub async fn insert_receipt(
    tx: &mut WriteTx,
    lookup: &[u8; 32],
    line: &str,
    report: Uuid,
    recipient: &str,
) -> Result<Option<Uuid>> {
    let mut receipt = ReceiptRow {
        lookup: lookup.to_vec(),
        line: line.to_owned(),
        report,
        recipient: recipient.to_owned(),
        shared: false,
    };
    let mac = tx.mac(&receipt)?;
    let inserted = run!(
        tx,
        INSERT_RECEIPT,
        execute,
        &lookup[..],
        line,
        report,
        recipient,
        mac
    )?;
    if inserted == 1 {
        return Ok(None);
    }
    let found = run!(tx, LOCKED_RECEIPT, fetch_optional, &lookup[..])?;
    match tx.proven_one::<ReceiptRow>(found).await? {
        Some(other) if other.report != report => receipt = other,
        _ => return Ok(None),
    }
    receipt.shared = true;
    let mac = tx.mac(&receipt)?;
    run!(tx, SHARE_RECEIPT, execute, &lookup[..], mac)?;
    Ok(Some(receipt.report))
}

/// Sets line and key of a report whose row is not what the service wrote to what its trail says.
pub async fn restore(tx: &mut WriteTx, id: Uuid, line: &str, recipient: &str) -> Result<()> {
    let mac = tx.mac_of(content(id, line, recipient))?;
    run!(tx, RESTORE, execute, id, line, recipient, mac).map(drop)
}

/// Returns the number of a line's receipts that two callers were told, except those whose row in `receipts` belongs to
/// a closed report.
pub async fn shared_receipts(tx: &mut ReadTx, line: &str) -> Result<i64> {
    let found: Option<(i64,)> = run!(tx, SHARED_RECEIPTS, fetch_optional, line, Status::Closed)?;
    Ok(found.map_or(0, |(count,)| count))
}

/// Returns the public keys of a report's receipts. The owner of a receipt can open what is sealed to its public key.
/// Receipts that two callers were told are left out.
pub async fn receipts(tx: &mut ReadTx, report: Uuid) -> Result<Vec<String>> {
    let found: Vec<WithMac<ReceiptRow>> = run!(tx, RECEIPTS, fetch_all, report)?;
    let receipts = tx.proven_all(found).await?.into_iter();
    Ok(receipts
        .filter(|receipt| !receipt.shared)
        .map(|receipt| receipt.recipient)
        .collect())
}

/// Returns the reports of a line whose receipts have rows that are refused, for `audit verify`.
pub async fn with_refused_receipts(tx: &mut ReadTx, line: &str) -> Result<Vec<Uuid>> {
    let found: Vec<WithMac<ReceiptRow>> = run!(tx, RECEIPTS_OF_LINE, fetch_all, line)?;
    let (_, refused) = tx.proven_rest(found).await?;
    Ok(refused.into_iter().map(|receipt| receipt.report).collect())
}

/// Result of looking up a receipt.
pub enum ByReceipt {
    /// The receipt opens this report, or this call that is not a report yet.
    Report(Box<Report>),
    /// The receipt opens no report, because two callers were told it.
    Shared,
    /// The line has no such receipt.
    Nothing,
}

/// Looks up the receipt with this keyed hash on a line.
pub async fn by_receipt(tx: &mut ReadTx, lookup: &[u8; 32], line: &str) -> Result<ByReceipt> {
    let found = run!(tx, BY_RECEIPT, fetch_optional, &lookup[..], line)?;
    let report = match tx.proven_one::<ReceiptRow>(found).await? {
        Some(receipt) if receipt.shared => return Ok(ByReceipt::Shared),
        Some(receipt) => get(tx, receipt.report).await?,
        None => None,
    };
    Ok(report.map_or(ByReceipt::Nothing, |report| {
        ByReceipt::Report(Box::new(report))
    }))
}

/// Returns caller entries of calls that are not reports and arrived before `before` (line time), in the order in which
/// they were added: at most 100, those after the entry with the number `after`.
pub async fn old_caller_entries(
    tx: &mut ReadTx,
    before: DateTime<Utc>,
    after: i64,
) -> Result<Vec<OldEntry>> {
    run!(tx, OLD_CALLER_ENTRIES, fetch_all, before, after)
}

/// Removes an entry. Only housekeeping calls this, for callers' numbers of abandoned calls; all other code only adds
/// entries.
pub async fn delete_entry(tx: &mut WriteTx, id: Uuid) -> Result<()> {
    run!(tx, DELETE_ENTRY, execute, id).map(drop)
}
