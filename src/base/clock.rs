//! The only place that knows the time and the random numbers, and that waits for a caller.
//!
//! There are two times. *Line time* is what callers and inspectors live in: phases, spoken dates,
//! references, the hour of arrival. `--clock` shifts it, and it runs on from there. *System time* is
//! what machines agree on: leases, backoff, sessions, signature windows. Nothing shifts it.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// The two times. Cheap to copy; every copy tells the same time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    shift: TimeDelta,
}

impl Clock {
    /// Line time and system time are the same.
    pub fn system() -> Self {
        Self::default()
    }

    /// Line time starts at `start` now and runs on from there.
    pub fn starting_at(start: DateTime<Utc>) -> Self {
        Self {
            shift: start - system_now(),
        }
    }

    /// Line time, to the microsecond (what both databases keep).
    pub fn line_now(&self) -> DateTime<Utc> {
        micros(system_now() + self.shift)
    }

    /// System time, to the microsecond.
    pub fn system_now(&self) -> DateTime<Utc> {
        micros(system_now())
    }

    /// Line time and system time.
    pub fn times(&self) -> Times {
        Times {
            now: self.line_now(),
            system_now: self.system_now(),
        }
    }

    /// How far line time is from system time; `None` when it is not shifted.
    pub fn shift(&self) -> Option<TimeDelta> {
        (!self.shift.is_zero()).then_some(self.shift)
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the door")]
fn system_now() -> DateTime<Utc> {
    Utc::now()
}

fn micros(at: DateTime<Utc>) -> DateTime<Utc> {
    at.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(at)
}

/// The two times at which a webhook or a job is decided.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Line time.
    pub now: DateTime<Utc>,
    /// System time.
    pub system_now: DateTime<Utc>,
}

/// The start of the hour `at` lies in. Times of what a caller causes are stored no finer than this.
pub fn hour(at: DateTime<Utc>) -> DateTime<Utc> {
    at.duration_trunc(TimeDelta::hours(1)).unwrap_or(at)
}

/// Waits, in system time, for a provider that holds a connection. `--clock` does not shift it.
///
/// The two kinds of waiting are apart so that a test can end each `sleep` when it chooses, and skip every `pause`.
pub trait Timers: Send + Sync {
    /// Waits for an event, such as a key, at most this long.
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()>;

    /// Waits this long before a failed operation is tried again.
    fn pause(&self, time: Duration) -> BoxFuture<'static, ()>;
}

/// Waits for the whole of the time given.
pub struct RealTimers;

impl Timers for RealTimers {
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(time))
    }

    fn pause(&self, time: Duration) -> BoxFuture<'static, ()> {
        self.sleep(time)
    }
}

/// A monotonic instant, for measuring how long something took. Never stored.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub fn instant() -> Instant {
    Instant::now()
}

/// `N` bytes from the operating system.
///
/// # Panics
///
/// When the operating system gives no randomness: nothing could be sealed then.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has random numbers");
    bytes
}

/// A random id (UUIDv4: newer kinds carry the time in them).
pub fn random_id() -> Uuid {
    uuid::Builder::from_random_bytes(random()).into_uuid()
}
