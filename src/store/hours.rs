//! Number of calls by line and hour. They show a flood of calls without anything sealed being opened.

use super::rows::{Rows, over_rows};
use super::statements::{row, run, statements};
use super::{ReadTx, Result, WriteTx};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// Numbers that a transaction adds to the counts: calls answered and calls without a message, by line and hour.
pub(super) type Counts = BTreeMap<(String, DateTime<Utc>), (i64, i64)>;

row! {
    /// Numbers of the calls that arrived on a line in one hour.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct HourRow {
        /// The hour, in line time.
        pub hour: DateTime<Utc>,
        /// Number of calls that were answered.
        pub answered: i64,
        /// Number of these calls that are settled and left no message.
        pub without_message: i64,
    }
}

statements! {
    SINCE = "SELECT hour, answered, without_message FROM call_hours WHERE line = $1 AND hour >= $2 ORDER BY hour";
    WITHOUT_MESSAGE = "SELECT COALESCE(CAST(SUM(without_message) AS BIGINT), 0) FROM call_hours WHERE line = $1";
}

over_rows! {
    ADD = "INSERT INTO call_hours (line, hour, answered, without_message)", ["text", "timestamptz", "bigint", "bigint"],
        "ON CONFLICT (line, hour) DO UPDATE SET answered = call_hours.answered + excluded.answered,
        without_message = call_hours.without_message + excluded.without_message";
}

/// Counts a call that arrived in this hour, is over, and left no message. The count is written at the commit.
pub fn add_without_message(tx: &mut WriteTx, line: &str, hour: DateTime<Utc>) {
    add(tx, line, hour, (0, 1));
}

fn add(tx: &mut WriteTx, line: &str, hour: DateTime<Utc>, (answered, without): (i64, i64)) {
    let count = tx.counts.entry((line.to_owned(), hour)).or_default();
    count.0 += answered;
    count.1 += without;
}

/// Returns the statement that adds these numbers to the stored counts, in order of line and hour.
pub(super) fn rows_of(counts: Counts) -> Rows {
    Rows::new(ADD)
        .text(counts.keys().map(|(line, _)| Some(line.clone())))
        .time(counts.keys().map(|(_, hour)| Some(*hour)))
        .integer(counts.values().map(|(answered, _)| Some(*answered)))
        .integer(counts.values().map(|(_, without)| Some(*without)))
}

/// Returns the hours of a line with at least one call, from `since` on, in order.
pub async fn since(tx: &mut ReadTx, line: &str, since: DateTime<Utc>) -> Result<Vec<HourRow>> {
    run!(tx, SINCE, fetch_all, line, since)
}

/// Returns the number of a line's calls without a message, over all hours.
pub async fn without_message(tx: &mut ReadTx, line: &str) -> Result<i64> {
    let found: Option<(i64,)> = run!(tx, WITHOUT_MESSAGE, fetch_optional, line)?;
    Ok(found.map_or(0, |(count,)| count))
}
