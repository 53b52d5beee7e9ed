//! Time between the tries of a job that fails: 1, 2, 4, 8 s … up to 15 minutes for a day, then an hour. Jitter keeps
//! jobs that failed together from being tried together again.

use crate::base::clock::random;
use chrono::TimeDelta;

/// Maximum wait on the first day, in seconds, without jitter.
const FIRST_DAY: i64 = 900;
/// Number of failures in a row, reached a day after the first one, from which on a job is tried once an hour.
const DAY: i32 = 106;
/// Wait after the first day, without jitter, and maximum wait that a provider may ask for.
pub const HOUR: TimeDelta = TimeDelta::hours(1);
/// Number of failures in a row, reached 127 s after the first one, from which on a job is reported as failing.
const TOLD: i32 = 8;
/// Wait from which on a job is reported as failing after any number of failures: the provider asked for it.
const TOLD_WAIT: TimeDelta = TimeDelta::minutes(3);

/// Returns the wait after the `failures`th failure in a row (counted from 1), with jitter of up to a quarter.
pub fn wait(failures: i32) -> TimeDelta {
    let exponent = u32::try_from(failures.max(1) - 1).unwrap_or(0).min(30);
    with_jitter(match failures {
        DAY.. => HOUR,
        _ => TimeDelta::seconds((1i64 << exponent).min(FIRST_DAY)),
    })
}

/// Adds a random part of up to a quarter of `time` to it.
pub fn with_jitter(time: TimeDelta) -> TimeDelta {
    let part = i64::from(u16::from_be_bytes(random()));
    time + TimeDelta::milliseconds(time.num_milliseconds() * part / (4 * i64::from(u16::MAX)))
}

/// True if a job that has failed this often in a row and now waits this long is reported as failing.
pub fn is_told(failures: i32, wait: TimeDelta) -> bool {
    failures >= TOLD || wait >= TOLD_WAIT
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_within(wait: TimeDelta, base: TimeDelta) {
        assert!(base <= wait && wait <= base * 5 / 4, "{wait}, {base}");
    }

    #[test]
    fn waits_grow_for_a_day_and_then_are_an_hour() {
        let mut shortest = TimeDelta::zero();
        for failures in 1..DAY {
            let base = TimeDelta::seconds((1i64 << (failures - 1).min(20)).min(900));
            assert_within(wait(failures), base);
            shortest += base;
        }
        assert!(shortest >= TimeDelta::hours(24), "{shortest}");
        for failures in [DAY, DAY + 1, 100_000, i32::MAX] {
            assert_within(wait(failures), HOUR);
        }
        assert!(wait(i32::MAX) < crate::store::jobs::MAX_WAIT);
    }

    #[test]
    fn waits_differ() {
        let mut waits: Vec<TimeDelta> = (0..100).map(|_| wait(DAY)).collect();
        waits.sort();
        waits.dedup();
        assert!(waits.len() > 90, "{} of 100", waits.len());
    }

    #[test]
    fn people_are_told_within_the_first_minutes() {
        let second = TimeDelta::seconds(1);
        assert!(!is_told(1, second) && !is_told(7, second * 64));
        assert!(is_told(8, second * 128) && is_told(1, TimeDelta::minutes(10)));
        let before: TimeDelta = (1..8).map(|failures| second * (1 << (failures - 1))).sum();
        assert!(before > TimeDelta::minutes(2) && before * 5 / 4 < TimeDelta::minutes(3));
    }
}
