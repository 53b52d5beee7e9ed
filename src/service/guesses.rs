//! Bounds how fast receipts can be guessed: for each caller's number, and for each line. The bounds are in memory, so
//! they apply to each node separately.
//!
//! A receipt has eleven free digits: with a thousand reports on a line, one try in a hundred million finds one. These
//! bounds allow a line at most 43,230 tries in any day, so one hit takes more than six years on average. In addition a
//! call allows three wrong receipts.
//!
//! While other callers use up the bounds, a caller who tries less often might never be allowed a try. Therefore a call
//! that was refused may, a minute after that, also use the line's reserve, which is only for such calls and is bounded
//! too.

use crate::base::clock;
use governor::clock::{Clock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Time after the first of a call's refusals in a row after which the call may use the reserve.
const WAIT: Duration = Duration::from_secs(60);
/// Time after the last try of a call after which the call is forgotten. A call counts as over about two hours after it
/// was answered (`work/watch.rs`).
const FORGET: Duration = Duration::from_secs(3 * 3600);
/// Number of tries after which the calls and numbers without a recent try are removed from memory.
const TIDY: u32 = 1000;

/// Bound for one caller's number on a line: maximum number of tries at once, and time after which one more is allowed.
const NUMBER: (u32, Duration) = (6, Duration::from_secs(30));
/// Bound for all callers of a line who withhold their number, in the same form. It is wider, because they share it.
const WITHHELD: (u32, Duration) = (12, Duration::from_secs(5));
/// Bound for all callers of a line together, in the same form.
const LINE: (u32, Duration) = (20, Duration::from_millis(2500));
/// Bound for all calls of a line that were refused and have waited, in the same form.
const RESERVE: (u32, Duration) = (10, Duration::from_secs(10));

/// What a try to open a report with a receipt is counted by.
#[derive(Clone, Debug)]
pub struct Asker {
    /// The call.
    pub call: Uuid,
    /// The call's step. The same step may arrive twice, and is one try.
    pub step: u32,
    /// The call's line.
    pub line: String,
    /// Keyed hash of the line and the caller's number; `None` if the number is withheld.
    pub number: Option<[u8; 32]>,
}

/// The machine's monotonic time, which the service's clock does not shift.
#[derive(Clone, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    type Instant = Instant;

    fn now(&self) -> Instant {
        clock::instant()
    }
}

type Limiter<K, C> = RateLimiter<K, HashMapStateStore<K>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// The tries so far, by caller's number, line and call.
pub struct Guesses<C: Clock = SystemClock> {
    clock: C,
    numbers: Limiter<[u8; 32], C>,
    withheld: Limiter<String, C>,
    lines: Limiter<String, C>,
    reserves: Limiter<String, C>,
    seen: Mutex<Seen<C::Instant>>,
}

/// Calls that have tried a receipt, each with its last try; and how often [`Guesses::may`] was called, repetitions
/// included, since calls and numbers without a recent try were last removed (see [`TIDY`]).
struct Seen<I> {
    calls: HashMap<Uuid, Last<I>>,
    tries: u32,
}

/// The last try of a call.
struct Last<I> {
    at: I,
    step: u32,
    /// Time since which the call is refused; `None` if its last try was allowed.
    refused: Option<I>,
}

impl Default for Guesses {
    fn default() -> Self {
        Self::new(SystemClock)
    }
}

fn limiter<K: Hash + Eq + Clone, C: Clock + Clone>(
    (at_once, every): (u32, Duration),
    clock: &C,
) -> Limiter<K, C> {
    let quota = Quota::with_period(every)
        .expect("a period is longer than nothing")
        .allow_burst(NonZeroU32::new(at_once).expect("one at least"));
    RateLimiter::new(quota, HashMapStateStore::default(), clock.clone())
}

impl<C: Clock + Clone> Guesses<C> {
    /// Returns bounds that no try has used yet.
    pub fn new(clock: C) -> Self {
        Self {
            numbers: limiter(NUMBER, &clock),
            withheld: limiter(WITHHELD, &clock),
            lines: limiter(LINE, &clock),
            reserves: limiter(RESERVE, &clock),
            seen: Mutex::new(Seen {
                calls: HashMap::new(),
                tries: 0,
            }),
            clock,
        }
    }

    /// Counts a try. Returns true if it is allowed now. A repetition of the call's last step is no further try: it gets
    /// the same result.
    pub fn may(&self, asker: &Asker) -> bool {
        let now = self.clock.now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.tries += 1;
        if seen.tries >= TIDY {
            seen.tries = 0;
            let forget = FORGET.into();
            seen.calls
                .retain(|_, last| now.duration_since(last.at) < forget);
            self.numbers.retain_recent();
            self.withheld.retain_recent();
        }
        let last = seen.calls.get(&asker.call);
        if let Some(last) = last.filter(|last| last.step == asker.step) {
            return last.refused.is_none();
        }
        let since = last.and_then(|last| last.refused);
        let waited = since.is_some_and(|since| now.duration_since(since) >= WAIT.into());
        let may = self.is_within_bounds(asker)
            || (waited && self.reserves.check_key(&asker.line).is_ok());
        let last = Last {
            at: now,
            step: asker.step,
            refused: (!may).then(|| since.unwrap_or(now)),
        };
        seen.calls.insert(asker.call, last);
        may
    }

    fn is_within_bounds(&self, asker: &Asker) -> bool {
        let own = match &asker.number {
            Some(number) => self.numbers.check_key(number).is_ok(),
            None => self.withheld.check_key(&asker.line).is_ok(),
        };
        own && self.lines.check_key(&asker.line).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::random_id;
    use governor::clock::FakeRelativeClock;

    fn asker(number: Option<u8>) -> Asker {
        Asker {
            call: random_id(),
            step: 1,
            line: "fcg-5".into(),
            number: number.map(|n| [n; 32]),
        }
    }

    fn let_through(
        guesses: &Guesses<FakeRelativeClock>,
        tries: u32,
        who: impl Fn(u32) -> Asker,
    ) -> usize {
        (0..tries).filter(|n| guesses.may(&who(*n))).count()
    }

    #[test]
    fn a_number_is_bounded_and_others_are_not() {
        let clock = FakeRelativeClock::default();
        let guesses = Guesses::new(clock.clone());
        assert_eq!(let_through(&guesses, 20, |_| asker(Some(1))), 6);
        assert!(guesses.may(&asker(Some(2))));
        assert!(guesses.may(&asker(None)));
        // Tries that were refused do not count against the number.
        clock.advance(Duration::from_secs(30));
        assert_eq!(let_through(&guesses, 20, |_| asker(Some(1))), 1);
    }

    #[test]
    fn those_without_a_number_share_theirs_and_a_line_bounds_all() {
        let clock = FakeRelativeClock::default();
        let guesses = Guesses::new(clock.clone());
        assert_eq!(let_through(&guesses, 40, |_| asker(None)), 12);
        assert_eq!(let_through(&guesses, 40, |n| asker(Some(n as u8))), 8);
        assert!(!guesses.may(&asker(Some(99))));
        let mut other = asker(Some(99));
        other.line = "fcg-6".into();
        assert!(
            guesses.may(&other),
            "another line has nothing to do with it"
        );
        clock.advance(Duration::from_secs(24 * 3600));
        assert_eq!(let_through(&guesses, 40, |n| asker(Some(n as u8))), 20);
    }

    #[test]
    fn a_call_that_waits_a_minute_gets_through_from_the_reserve() {
        let clock = FakeRelativeClock::default();
        let guesses = Guesses::new(clock.clone());
        let mut own = asker(None);
        let mut tries = || {
            own.step += 1;
            guesses.may(&own)
        };
        while tries() {}
        for _ in 0..59 {
            clock.advance(Duration::from_secs(1));
            // Other calls use up the line's tries.
            while guesses.may(&asker(None)) {}
            assert!(!tries());
        }
        clock.advance(Duration::from_secs(1));
        while guesses.may(&asker(None)) {}
        assert!(tries());
        assert!(!tries(), "once");
    }

    /// The bound of the reserve holds however many calls are refused first, wait a minute and try then.
    #[test]
    fn calls_that_have_waited_share_a_bounded_reserve() {
        let clock = FakeRelativeClock::default();
        let guesses = Guesses::new(clock.clone());
        while guesses.may(&asker(None)) {}
        let mut waiting: Vec<_> = (0..150).map(|_| asker(None)).collect();
        assert!(waiting.iter().all(|asker| !guesses.may(asker)));
        clock.advance(WAIT);
        // Other callers use up the tries that are not in the reserve.
        while guesses.may(&asker(None)) {}
        for n in 0..255 {
            guesses.may(&asker(Some(n)));
        }
        let mut let_through = 0;
        for asker in &mut waiting {
            asker.step += 1;
            let_through += usize::from(guesses.may(asker));
        }
        assert_eq!(let_through, 10);
    }

    /// Checks the number in `docs/line.md`: for a day forty calls at any time, with and without numbers, each of 100
    /// seconds, try as often as they can.
    #[test]
    fn no_day_has_more_tries_than_the_documents_say() {
        const A_DAY: usize = 43_230;
        let clock = FakeRelativeClock::default();
        let guesses = Guesses::new(clock.clone());
        let mut calls: Vec<_> = (0..40).map(|n| asker(Some(n))).collect();
        let mut let_through = 0;
        let steps = 24 * 3600 * 1000 / 2500;
        for step in 0..steps {
            for call in &mut calls {
                call.step += 1;
                let_through += usize::from(guesses.may(call));
            }
            let number = u8::try_from(step % 251).unwrap();
            calls[step % 40] = asker((step % 3 != 0).then_some(number));
            clock.advance(Duration::from_millis(2500));
        }
        assert!(let_through <= A_DAY, "{let_through}");
        // Shows that the bound is measured, and not a lack of tries.
        assert!(let_through > A_DAY - 200, "{let_through}");
    }

    #[test]
    fn the_same_step_is_one_try() {
        let guesses = Guesses::new(FakeRelativeClock::default());
        let one = asker(Some(1));
        assert!((0..20).all(|_| guesses.may(&one)));
        assert_eq!(let_through(&guesses, 20, |_| asker(Some(1))), 5);
        let refused = asker(Some(1));
        assert!((0..20).all(|_| !guesses.may(&refused)));
    }

    #[test]
    fn who_has_long_not_tried_is_forgotten() {
        let clock = FakeRelativeClock::default();
        let guesses = Guesses::new(clock.clone());
        for n in 0..TIDY - 1 {
            guesses.may(&asker(Some((n % 256) as u8)));
        }
        assert!(guesses.numbers.len() > 10);
        clock.advance(FORGET);
        guesses.may(&asker(Some(1)));
        assert!(guesses.numbers.len() <= 1);
        assert_eq!(guesses.seen.lock().unwrap().calls.len(), 1);
    }
}
