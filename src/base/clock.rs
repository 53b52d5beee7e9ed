//! The only module of this program that reads the system clock or draws random numbers; `.clippy.toml` forbids it
//! elsewhere. Libraries, such as age, draw random numbers themselves.
//!
//! There are two times. *Line time* is the time callers and inspectors see: phases, spoken dates, references, the hour
//! of arrival. `--clock` shifts it by a fixed amount. *System time* is used for what is compared between nodes and with
//! providers: leases, backoff, sessions, signature windows. It is never shifted.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Source of line time and system time. Cheap to copy; all copies use the same shift.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    shift: TimeDelta,
}

impl Clock {
    /// Returns a clock whose line time equals system time.
    pub fn system() -> Self {
        Self::default()
    }

    /// Returns a clock whose line time is `start` at this moment and advances with system time.
    pub fn starting_at(start: DateTime<Utc>) -> Self {
        Self {
            shift: start - system_now(),
        }
    }

    /// Returns line time, truncated to microseconds (the precision of both databases).
    pub fn line_now(&self) -> DateTime<Utc> {
        micros(system_now() + self.shift)
    }

    /// Returns system time, truncated to microseconds.
    pub fn system_now(&self) -> DateTime<Utc> {
        micros(system_now())
    }

    /// Returns line time and system time.
    pub fn times(&self) -> Times {
        Times {
            now: self.line_now(),
            system_now: self.system_now(),
        }
    }

    /// Returns the offset of line time from system time; `None` if it is zero.
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

/// Line time and system time at which a webhook or a job is processed.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Line time.
    pub now: DateTime<Utc>,
    /// System time.
    pub system_now: DateTime<Utc>,
}

/// Returns the start of the hour that contains `at`: the precision with which the times of a caller's actions are kept
/// unsealed in reports and in the audit trail.
pub fn hour(at: DateTime<Utc>) -> DateTime<Utc> {
    at.duration_trunc(TimeDelta::hours(1)).unwrap_or(at)
}

/// Timers in system time, for providers that hold a connection. `--clock` does not shift them.
///
/// The two methods are separate so that a test can end each `sleep` when it chooses, and skip every `pause`.
pub trait Timers: Send + Sync {
    /// Completes after `time`, the maximum time to wait for an event such as a key. If the event occurs earlier, drop
    /// the future.
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()>;

    /// Completes after `time`, before a failed operation is tried again.
    fn pause(&self, time: Duration) -> BoxFuture<'static, ()>;
}

/// Timers that wait for the whole duration given.
pub struct RealTimers;

impl Timers for RealTimers {
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(time))
    }

    fn pause(&self, time: Duration) -> BoxFuture<'static, ()> {
        self.sleep(time)
    }
}

/// Returns a monotonic instant, for measuring durations. Never stored.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub fn instant() -> Instant {
    Instant::now()
}

/// Returns `N` random bytes from the operating system.
///
/// # Panics
///
/// When the operating system returns no random bytes: without them, nothing can be sealed.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has random numbers");
    bytes
}

/// Returns a random id. UUIDv4, because versions 1, 6 and 7 contain the time.
pub fn random_id() -> Uuid {
    uuid::Builder::from_random_bytes(random()).into_uuid()
}
