//! Bounds log lines that requests from outside can cause: at most one line a minute of each kind.

use crate::base::clock;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Minimum time between two lines of one kind.
const APART: Duration = Duration::from_secs(60);

/// Allows one line of a kind each minute, and counts the lines that are held back.
#[derive(Debug)]
pub struct LogPace(Mutex<State>);

#[derive(Debug)]
struct State {
    last: Option<Instant>,
    held_back: u64,
}

impl LogPace {
    /// Returns a pace that allows the next line.
    pub const fn new() -> Self {
        Self(Mutex::new(State {
            last: None,
            held_back: 0,
        }))
    }

    /// Returns the number of lines held back since the last one that was logged, if a line may be logged now. Otherwise
    /// counts this line as held back and returns `None`.
    pub fn due(&self) -> Option<u64> {
        self.due_at(clock::instant())
    }

    fn due_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.last.is_some_and(|last| now < last + APART) {
            state.held_back += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.held_back))
    }
}

impl Default for LogPace {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_minute_and_it_says_how_many_were_held_back() {
        let (pace, start) = (LogPace::new(), clock::instant());
        let after = |seconds| pace.due_at(start + Duration::from_secs(seconds));
        assert_eq!(after(0), Some(0));
        assert_eq!(after(1), None);
        assert_eq!(after(59), None);
        assert_eq!(after(60), Some(2));
        assert_eq!(after(119), None);
        assert_eq!(after(500), Some(1));
    }
}
