//! How many calls came in which hour: what can be said of a flood without opening anything.

use super::rows::{Rows, over_rows};
use super::statements::{row, run, statements};
use super::{ReadTx, Result, WriteTx};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// What a transaction adds to the counts: calls answered and calls without a message, by line and hour.
pub(super) type Counts = BTreeMap<(String, DateTime<Utc>), (i64, i64)>;

row! {
    /// The calls of one hour.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct HourRow {
        /// The hour they came in, line time.
        pub hour: DateTime<Utc>,
        /// All of them.
        pub answered: i64,
        /// Those that are over, and left nothing to work on.
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

/// Counts a call that came in this hour, at the commit: every call of the hour changes the same row.
pub fn add_answered(tx: &mut WriteTx, line: &str, hour: DateTime<Utc>) {
    add(tx, line, hour, (1, 0));
}

/// Counts a call of this hour that is over and left no message, at the commit.
pub fn add_without_message(tx: &mut WriteTx, line: &str, hour: DateTime<Utc>) {
    add(tx, line, hour, (0, 1));
}

/// Takes back one call without a message of this hour, at the commit: it has left one after all.
pub fn subtract_without_message(tx: &mut WriteTx, line: &str, hour: DateTime<Utc>) {
    add(tx, line, hour, (0, -1));
}

fn add(tx: &mut WriteTx, line: &str, hour: DateTime<Utc>, (answered, without): (i64, i64)) {
    let count = tx.counts.entry((line.to_owned(), hour)).or_default();
    count.0 += answered;
    count.1 += without;
}

/// Adds to what was counted, in order of line and hour.
pub(super) fn rows_of(counts: Counts) -> Rows {
    Rows::new(ADD)
        .text(counts.keys().map(|(line, _)| Some(line.clone())))
        .time(counts.keys().map(|(_, hour)| Some(*hour)))
        .integer(counts.values().map(|(answered, _)| Some(*answered)))
        .integer(counts.values().map(|(_, without)| Some(*without)))
}

/// The hours of a line in which anybody called, from `since` on, in order.
pub async fn since(tx: &mut ReadTx, line: &str, since: DateTime<Utc>) -> Result<Vec<HourRow>> {
    run!(tx, SINCE, fetch_all, line, since)
}

/// How many calls of a line left no message, in all its time.
pub async fn without_message(tx: &mut ReadTx, line: &str) -> Result<i64> {
    let found: Option<(i64,)> = run!(tx, WITHOUT_MESSAGE, fetch_optional, line)?;
    Ok(found.map_or(0, |(count,)| count))
}
