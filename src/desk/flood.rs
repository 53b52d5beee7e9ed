//! Detects floods of calls on a line from the number of calls by hour, which is not sealed.

use crate::base::clock::hour;
use crate::store::hours::{self, HourRow};
use crate::store::{ReadTx, StoreError};
use chrono::{DateTime, TimeDelta, Utc};

/// Minimum number of calls without a message in a flood, counted over the last one to two hours, however few calls the
/// line usually has.
const FEW: i64 = 20;
/// A flood has more than this many times the usual number of calls without a message.
const TIMES: i64 = 5;
/// Number of days before the recent hours from which the usual number is calculated.
const DAYS: i64 = 7;

/// The calls of a line in the current hour and the one before, that is in the last one to two hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recent {
    /// Number of calls that were answered.
    pub answered: i64,
    /// Calls that have ended and left no message.
    pub without_message: i64,
    /// Usual number of calls without a message in two hours: twice the median of the hours with at least one call in
    /// the seven days before.
    pub usual: i64,
}

impl Recent {
    /// True if the calls without a message are a flood: at least 20, and more than five times the usual number.
    pub fn is_flood(&self) -> bool {
        self.without_message >= FEW && self.without_message > TIMES * self.usual
    }

    /// Summarizes the hours of a line. Rows of hours before the seven days are ignored.
    fn of(rows: &[HourRow], now: DateTime<Utc>) -> Self {
        let from = recent_since(now);
        let first = first_day(now);
        let (recent, before): (Vec<HourRow>, Vec<HourRow>) =
            rows.iter().partition(|row| row.hour >= from);
        let mut usual: Vec<i64> = before
            .iter()
            .filter(|row| row.hour >= first)
            .map(|row| row.without_message)
            .collect();
        usual.sort_unstable();
        Self {
            answered: recent.iter().map(|row| row.answered).sum(),
            without_message: recent.iter().map(|row| row.without_message).sum(),
            // The median is used so that a flood of some hours does not raise the usual number.
            usual: 2 * usual.get(usual.len() / 2).copied().unwrap_or(0),
        }
    }
}

/// Returns the start of the hour before the current one (at `now`).
pub(super) fn recent_since(now: DateTime<Utc>) -> DateTime<Utc> {
    hour(now) - TimeDelta::hours(1)
}

fn first_day(now: DateTime<Utc>) -> DateTime<Utc> {
    recent_since(now) - TimeDelta::days(DAYS)
}

/// Returns the calls of a line in the current hour and the one before, with the usual number.
///
/// # Errors
///
/// When the database fails.
pub async fn recent(tx: &mut ReadTx, line: &str, now: DateTime<Utc>) -> Result<Recent, StoreError> {
    let rows = hours::since(tx, line, first_day(now)).await?;
    Ok(Recent::of(&rows, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    const NOW: &str = "2024-03-06T03:59:59Z";

    fn row(hours_ago: i64, without_message: i64) -> HourRow {
        HourRow {
            hour: hour(at(NOW)) - TimeDelta::hours(hours_ago),
            answered: without_message + 1,
            without_message,
        }
    }

    fn recent(rows: &[HourRow]) -> Recent {
        Recent::of(rows, at(NOW))
    }

    #[test]
    fn this_hour_and_the_one_before_count() {
        let all = recent(&[row(2, 9), row(1, 3), row(0, 4)]);
        let expected = Recent {
            answered: 9,
            without_message: 7,
            usual: 18,
        };
        assert_eq!(all, expected);
        assert_eq!(recent(&[]).answered, 0);
    }

    #[test]
    fn twenty_are_a_flood_where_nobody_ever_called() {
        assert!(!recent(&[row(0, 19)]).is_flood());
        assert!(recent(&[row(0, 20)]).is_flood());
        assert!(recent(&[row(1, 10), row(0, 10)]).is_flood());
    }

    #[test]
    fn more_than_five_times_what_is_usual_is_a_flood() {
        let usual: Vec<HourRow> = (2..20).map(|ago| row(ago, 6)).collect();
        let with = |now: i64| recent(&[&usual[..], &[row(0, now)]].concat());
        assert_eq!(with(0).usual, 12);
        assert!(!with(60).is_flood());
        assert!(with(61).is_flood());
    }

    #[test]
    fn a_flood_of_some_hours_does_not_become_usual() {
        let mut hours: Vec<HourRow> = (2..8).map(|ago| row(ago, 1000)).collect();
        hours.extend((20..27).map(|ago| row(ago, 1)));
        hours.push(row(0, 1000));
        assert_eq!(recent(&hours).usual, 2);
        assert!(recent(&hours).is_flood());
    }

    #[test]
    fn what_is_older_than_a_week_says_nothing() {
        let week = DAYS * 24;
        assert_eq!(recent(&[row(week + 1, 7)]).usual, 14);
        assert_eq!(recent(&[row(week + 2, 7)]).usual, 0);
    }
}
