//! How many calls came in which hour: what can be said of a flood without opening anything.

use super::statements::{row, run, statements};
use super::{Result, Tx};
use chrono::{DateTime, Utc};

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
    ADD = "INSERT INTO call_hours (line, hour, answered, without_message) VALUES ($1, $2, $3, $4) ON CONFLICT (line, hour) DO UPDATE
        SET answered = call_hours.answered + excluded.answered, without_message = call_hours.without_message + excluded.without_message";
    SINCE = "SELECT hour, answered, without_message FROM call_hours WHERE line = $1 AND hour >= $2 ORDER BY hour";
    WITHOUT_MESSAGE = "SELECT COALESCE(CAST(SUM(without_message) AS BIGINT), 0) FROM call_hours WHERE line = $1";
}

/// Another call came in this hour. Whoever adds holds the line's row until the transaction ends: the trail's head comes
/// before it, and nothing that others hold comes after.
pub async fn add_answered(tx: &mut Tx, line: &str, hour: DateTime<Utc>) -> Result<()> {
    run!(tx, ADD, execute, line, hour, 1_i64, 0_i64).map(drop)
}

/// A call of this hour is over, and left no message.
pub async fn add_without_message(tx: &mut Tx, line: &str, hour: DateTime<Utc>) -> Result<()> {
    run!(tx, ADD, execute, line, hour, 0_i64, 1_i64).map(drop)
}

/// A call that was counted as one without a message has left one after all.
pub async fn take_without_message(tx: &mut Tx, line: &str, hour: DateTime<Utc>) -> Result<()> {
    run!(tx, ADD, execute, line, hour, 0_i64, -1_i64).map(drop)
}

/// The hours of a line in which anybody called, from `since` on, in order.
pub async fn since(tx: &mut Tx, line: &str, since: DateTime<Utc>) -> Result<Vec<HourRow>> {
    run!(tx, SINCE, fetch_all, line, since)
}

/// How many calls of a line left no message, in all its time.
pub async fn without_message(tx: &mut Tx, line: &str) -> Result<i64> {
    let found: Option<(i64,)> = run!(tx, WITHOUT_MESSAGE, fetch_optional, line)?;
    Ok(found.map_or(0, |(count,)| count))
}
