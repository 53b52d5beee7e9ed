//! Timers that expire when the test drops them, so that no test waits for the length of a timer.

use dutyline::base::clock::Timers;
use futures_util::future::BoxFuture;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{oneshot, watch};

type Set = Vec<(Duration, oneshot::Sender<()>)>;

/// The timers of one service. Clones share them.
#[derive(Clone)]
pub struct ByHand {
    set: Arc<Mutex<Set>>,
    passed: Arc<Mutex<Set>>,
    changed: watch::Sender<u64>,
}

impl Default for ByHand {
    fn default() -> Self {
        Self {
            set: Arc::default(),
            passed: Arc::default(),
            changed: watch::Sender::new(0),
        }
    }
}

impl Timers for ByHand {
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        let (sender, receiver) = oneshot::channel();
        self.set.lock().unwrap().push((time, sender));
        self.changed.send_modify(|count| *count += 1);
        Box::pin(async move {
            // Returns an error when the sender is dropped, which is how the timer expires.
            let _ = receiver.await;
        })
    }

    /// Does not wait: a test waits for the result of the next attempt, not for the pause before it.
    fn pause(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::task::yield_now())
    }
}

/// A timer that expires when dropped.
pub struct Timer(
    #[expect(dead_code, reason = "what waits for it notices when it goes")] oneshot::Sender<()>,
);

impl ByHand {
    /// Returns a receiver that is notified when a timer is set.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// True if a timer of one of these lengths, in seconds, was set since the last [`Self::pass_over`] and is still
    /// awaited.
    pub fn has(&self, seconds: &[u64]) -> bool {
        let mut set = self.set.lock().unwrap();
        set.retain(|(_, sender)| !sender.is_closed());
        set.iter()
            .any(|(time, _)| seconds.contains(&time.as_secs()))
    }

    /// Removes and returns the last timer of one of these lengths, in seconds; dropping it lets it expire.
    pub fn take(&self, seconds: &[u64]) -> Option<Timer> {
        let mut set = self.set.lock().unwrap();
        set.retain(|(_, sender)| !sender.is_closed());
        let found = set
            .iter()
            .rposition(|(time, _)| seconds.contains(&time.as_secs()));
        found.map(|at| Timer(set.remove(at).1))
    }

    /// Keeps the timers set until now from ever expiring, because another event came first.
    pub fn pass_over(&self) {
        let passed = std::mem::take(&mut *self.set.lock().unwrap());
        self.passed.lock().unwrap().extend(passed);
    }
}
