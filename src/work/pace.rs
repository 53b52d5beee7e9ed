//! How long to wait between tries: 1, 2, 4, 8 s … up to a quarter of an hour for a day, then an hour; with jitter, so
//! that jobs that failed together are not tried together.

use crate::base::clock::random;
use chrono::TimeDelta;

/// The longest wait on the first day, in seconds.
const FIRST_DAY: i64 = 900;
/// After so many failures, a day after the first, a try an hour has to do.
const DAY: i32 = 106;
/// The wait after the first day, and the most a provider may ask for.
pub const HOUR: TimeDelta = TimeDelta::hours(1);
/// After so many failures in a row, 127 s after the first, people are told.
const TOLD: i32 = 8;
/// A wait as long as this is told at once.
const TOLD_WAIT: TimeDelta = TimeDelta::minutes(3);

/// How long to wait after the `failures`th failure in a row (from 1); a quarter longer at most.
pub fn wait(failures: i32) -> TimeDelta {
    let exponent = u32::try_from(failures.max(1) - 1).unwrap_or(0).min(30);
    with_jitter(match failures {
        DAY.. => HOUR,
        _ => TimeDelta::seconds((1i64 << exponent).min(FIRST_DAY)),
    })
}

/// A time, or up to a quarter more.
pub fn with_jitter(time: TimeDelta) -> TimeDelta {
    let part = i64::from(u16::from_be_bytes(random()));
    time + TimeDelta::milliseconds(time.num_milliseconds() * part / (4 * i64::from(u16::MAX)))
}

/// Are people to be told of a job that has failed so often in a row and now waits so long?
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
