//! How long to wait between tries: 1, 2, 4, 8 s … up to a quarter of an hour, for a day.

use chrono::TimeDelta;

/// The longest wait between two tries, in seconds.
const LONGEST: i64 = 900;
/// After so many tries, a day after the first, a job is given up.
pub const MOST_TRIES: i32 = 106;

/// How long to wait after the `tries`th try (from 1) failed; `None` when it was the last one.
pub fn wait(tries: i32) -> Option<TimeDelta> {
    if tries >= MOST_TRIES {
        return None;
    }
    let exponent = u32::try_from(tries.max(1) - 1).unwrap_or(0).min(30);
    Some(TimeDelta::seconds((1i64 << exponent).min(LONGEST)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_go_on_for_a_day() {
        assert_eq!(
            (1..=5)
                .filter_map(wait)
                .map(|t| t.num_seconds())
                .collect::<Vec<_>>(),
            [1, 2, 4, 8, 16]
        );
        let total: TimeDelta = (1..).map_while(wait).sum();
        assert!(total >= TimeDelta::hours(24), "{total}");
        assert!(total <= TimeDelta::hours(25), "{total}");
    }
}
