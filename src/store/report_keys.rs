//! The keys of reports, sealed to line keys.

use super::audit::{self, Act};
use super::columns::Holder;
use super::proofs::{Proven, WithMac};
use super::rows::{self, Rows, over_rows};
use super::statements::{row, run, statements};
use super::{ReadTx, Result, WriteTx};
use crate::vault::proof::Content;
use sqlx::FromRow;
use uuid::Uuid;

row! {
    /// The private half of a report's key, sealed to one key: a line key, a member's key or a recovery key.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct ReportKeyRow {
        /// The report.
        pub report: Uuid,
        /// 1 for the first key of the report.
        pub epoch: i32,
        /// The kind of key that it is sealed to.
        pub holder: Holder,
        /// The id of that key, or of the member.
        pub sealed_to: Uuid,
        /// The sealed private half.
        pub sealed: Vec<u8>,
        /// If it was sealed again when the line's key changed: its path to the root that the link commits to
        /// ([`crate::vault::merkle`]).
        pub path: Option<Vec<u8>>,
        /// The number of that link in the line's trail.
        pub link: Option<i64>,
    }
}

impl ReportKeyRow {
    /// The number of a report's first key.
    pub const FIRST_EPOCH: i32 = 1;
}

impl Proven for ReportKeyRow {
    const TABLE: &'static str = "report_keys";

    fn content(&self) -> Content {
        Content::of(Self::TABLE)
            .id(self.report)
            .integer(i64::from(self.epoch))
            .text(self.holder.as_str())
            .id(self.sealed_to)
            .bytes(&*self.sealed)
            .bytes(self.path.as_deref())
    }

    fn id(&self) -> Uuid {
        self.report
    }
}

/// The key of a report, with the number of the report's row.
#[derive(Clone)]
pub struct NumberedKey {
    /// The number of the report's row.
    pub n: i64,
    /// The key.
    pub key: ReportKeyRow,
}

impl<'r, R: sqlx::Row> FromRow<'r, R> for NumberedKey
where
    ReportKeyRow: FromRow<'r, R>,
    i64: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    &'static str: sqlx::ColumnIndex<R>,
{
    fn from_row(row: &'r R) -> std::result::Result<Self, sqlx::Error> {
        Ok(Self {
            n: row.try_get("n")?,
            key: ReportKeyRow::from_row(row)?,
        })
    }
}

impl Proven for NumberedKey {
    const TABLE: &'static str = ReportKeyRow::TABLE;

    fn content(&self) -> Content {
        self.key.content()
    }

    fn id(&self) -> Uuid {
        self.key.id()
    }
}

over_rows! {
    RESEALED = "WITH new (report, epoch, holder, sealed_to, sealed, path, mac, link) AS (",
        ["uuid", "bigint", "text", "uuid", "bytea", "bytea", "bytea", "bigint"],
        ") INSERT INTO report_keys (report, epoch, holder, sealed_to, sealed, path, mac, link)
        SELECT (SELECT n FROM reports WHERE reports.id = new.report), new.epoch, new.holder, new.sealed_to, new.sealed, new.path,
        new.mac, new.link FROM new";
    DROPPED = "WITH dropped (report, epoch, sealed_to) AS (", ["bigint", "bigint", "uuid"],
        ") DELETE FROM report_keys WHERE (report, epoch, sealed_to) IN (SELECT report, epoch, sealed_to FROM dropped)";
    ALREADY = "WITH wanted (report, epoch, sealed_to) AS (", ["bigint", "bigint", "uuid"],
        ") SELECT report_keys.report FROM wanted JOIN report_keys ON report_keys.report = wanted.report
        AND report_keys.epoch = wanted.epoch AND report_keys.sealed_to = wanted.sealed_to";
}

statements! {
    KEY = "SELECT reports.id AS report, report_keys.epoch, holder, sealed_to, sealed, path, report_keys.mac, report_keys.link
        FROM report_keys JOIN reports ON reports.n = report LEFT JOIN line_keys ON line_keys.id = sealed_to
        WHERE reports.id = $1 ORDER BY report_keys.epoch, COALESCE(line_keys.epoch, 0) DESC, sealed_to";
    TO_RESEAL = "SELECT reports.n, reports.id AS report, epoch, holder, sealed_to, sealed, path, report_keys.mac, report_keys.link
        FROM report_keys JOIN reports ON reports.n = report_keys.report WHERE sealed_to = $1 AND report_keys.report > $3
        AND NOT EXISTS (SELECT 1 FROM report_keys AS newer WHERE newer.report = report_keys.report
        AND newer.epoch = report_keys.epoch AND newer.sealed_to = $2)
        ORDER BY report_keys.report LIMIT $4";
    REMOVE = "DELETE FROM report_keys WHERE report = (SELECT n FROM reports WHERE id = $1) AND epoch = $2 AND sealed_to = $3";
    RESTORE = "INSERT INTO report_keys (report, epoch, holder, sealed_to, sealed, path, mac, link)
        VALUES ((SELECT n FROM reports WHERE id = $1), $2, $3, $4, $5, $6, $7, $8)";
    SEALED_TO = "SELECT reports.n, reports.id AS report, epoch, holder, sealed_to, sealed, path, report_keys.mac, report_keys.link
        FROM report_keys JOIN reports ON reports.n = report_keys.report WHERE sealed_to = $1 AND report_keys.report > $2
        ORDER BY report_keys.report LIMIT 50";
    RESEALED_OF = "SELECT reports.n, reports.id AS report, newer.epoch, newer.holder, newer.sealed_to, newer.sealed, newer.path, newer.mac,
        newer.link FROM report_keys AS former JOIN report_keys AS newer ON newer.report = former.report
        AND newer.epoch = former.epoch AND newer.sealed_to = $2 JOIN reports ON reports.n = newer.report
        WHERE former.sealed_to = $1 ORDER BY former.report LIMIT $3";
}

/// Returns the private half of a report's key, once for each key that it is sealed to, in order of the report key's
/// epoch; of the same epoch the one that is sealed to the line's latest key is first.
pub async fn of_report(tx: &mut ReadTx, report: Uuid) -> Result<Vec<ReportKeyRow>> {
    let found: Vec<WithMac<ReportKeyRow>> = run!(tx, KEY, fetch_all, report)?;
    tx.proven_all(found).await
}

/// Like [`of_report`], but returns the rows that are refused apart.
pub async fn of_report_but_refused(
    tx: &mut ReadTx,
    report: Uuid,
) -> Result<(Vec<ReportKeyRow>, Vec<ReportKeyRow>)> {
    let found: Vec<WithMac<ReportKeyRow>> = run!(tx, KEY, fetch_all, report)?;
    tx.proven_rest(found).await
}

/// Removes a row as it is in the database.
pub async fn remove(tx: &mut WriteTx, row: &ReportKeyRow) -> Result<()> {
    let (report, epoch, sealed_to) = (row.report, row.epoch, row.sealed_to);
    run!(tx, REMOVE, execute, report, epoch, sealed_to).map(drop)
}

/// Stores a row to which the trail commits.
pub async fn restore(tx: &mut WriteTx, row: &ReportKeyRow) -> Result<()> {
    let mac = tx.mac_with(row, row.link)?;
    run!(
        tx,
        RESTORE,
        execute,
        row.report,
        row.epoch,
        row.holder,
        row.sealed_to,
        &row.sealed[..],
        row.path.as_deref(),
        mac,
        row.link
    )
    .map(drop)
}

/// Returns report keys that are sealed to the line key `former` and not yet to `next`, in order of their reports'
/// numbers: at most `limit`, of reports after number `after`. Also returns those whose rows are refused.
pub async fn to_reseal(
    tx: &mut ReadTx,
    former: Uuid,
    next: Uuid,
    after: i64,
    limit: i64,
) -> Result<(Vec<NumberedKey>, Vec<NumberedKey>)> {
    let found = run!(tx, TO_RESEAL, fetch_all, former, next, after, limit)?;
    tx.proven_rest(found).await
}

/// True if the key of at least one report is sealed to this line key. Rows that are refused do not count.
pub(super) async fn is_any_sealed_to(tx: &mut ReadTx, line_key: Uuid) -> Result<bool> {
    let mut after = 0;
    loop {
        let found: Vec<WithMac<NumberedKey>> = run!(tx, SEALED_TO, fetch_all, line_key, after)?;
        let (proven, refused) = tx.proven_rest(found).await?;
        let Some(last) = refused.iter().map(|key| key.n).max() else {
            return Ok(!proven.is_empty());
        };
        if !proven.is_empty() {
            return Ok(true);
        }
        after = last;
    }
}

/// True if at least one of these reports has its key sealed to the line key `next`.
pub async fn is_any_resealed(tx: &mut ReadTx, keys: &[NumberedKey], next: Uuid) -> Result<bool> {
    let asked = Rows::new(ALREADY)
        .integer(keys.iter().map(|key| Some(key.n)))
        .integer(keys.iter().map(|key| Some(i64::from(key.key.epoch))))
        .uuid(keys.iter().map(|_| Some(next)));
    let found: Vec<(i64,)> = rows::fetch(tx, asked, "").await?;
    Ok(!found.is_empty())
}

/// Adds report keys that were sealed again to another line key, and `act` to the line's trail, whose link must commit
/// to them. They are inserted at the commit, with the number of that link.
pub fn insert(tx: &mut WriteTx, line: &str, keys: Vec<ReportKeyRow>, act: Act<'_>) {
    let place = audit::append(tx, line, act);
    tx.resealed.insert((line.to_owned(), place), keys);
}

/// Returns the statement that inserts report keys to which the link with this number commits.
pub(super) fn rows_of(tx: &WriteTx, keys: Vec<ReportKeyRow>, link: i64) -> Result<Rows> {
    let macs = keys
        .iter()
        .map(|key| tx.mac_with(key, Some(link)).map(Some));
    let macs = macs.collect::<Result<Vec<_>>>()?;
    Ok(Rows::new(RESEALED)
        .uuid(keys.iter().map(|key| Some(key.report)))
        .integer(keys.iter().map(|key| Some(i64::from(key.epoch))))
        .name(keys.iter().map(|key| key.holder))
        .uuid(keys.iter().map(|key| Some(key.sealed_to)))
        .bytes(keys.iter().map(|key| Some(key.sealed.clone())))
        .bytes(keys.iter().map(|key| key.path.clone()))
        .bytes(macs)
        .integer(keys.iter().map(|_| Some(link))))
}

/// Removes at most `limit` report keys that are sealed to the line key `former`, of reports whose key is sealed to
/// `next` too. Returns their number.
///
/// # Errors
///
/// Returns [`super::StoreError::Forged`] when a row that is sealed to `next` is refused: then none is removed. Also
/// when the database fails.
pub async fn drop_former(tx: &mut WriteTx, former: Uuid, next: Uuid, limit: i64) -> Result<usize> {
    let found = run!(tx, RESEALED_OF, fetch_all, former, next, limit)?;
    let newer: Vec<NumberedKey> = tx.proven_all(found).await?;
    let dropped = Rows::new(DROPPED)
        .integer(newer.iter().map(|key| Some(key.n)))
        .integer(newer.iter().map(|key| Some(i64::from(key.key.epoch))))
        .uuid(newer.iter().map(|_| Some(former)));
    rows::execute(tx, vec![vec![dropped]]).await?;
    Ok(newer.len())
}
