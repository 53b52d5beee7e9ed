//! Who has which page open, and what wakes pages that follow a change. `desk/live.rs` tells them what has changed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use uuid::Uuid;

/// How often the trails are looked at although no change was told: what another node told may be lost.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// What everybody who follows is woken by.
#[derive(Clone, Default)]
pub struct Seen {
    /// The number of each line's last link.
    pub heads: Arc<BTreeMap<String, i64>>,
    /// Somebody opened or left a report.
    pub presence: u64,
    /// A session was ended here.
    pub sessions: u64,
    /// The service stops.
    pub closing: bool,
}

/// What the service keeps to tell what changes.
pub struct Live {
    /// How often the trails are looked at although no change was told.
    pub poll_interval: Duration,
    /// Wakes the pages that follow.
    pub seen: watch::Sender<Seen>,
    /// Who has which report open: a number for each page, and the member's name.
    open: Mutex<HashMap<Uuid, Vec<(u64, String)>>>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            poll_interval: POLL_INTERVAL,
            seen: watch::Sender::new(Seen::default()),
            open: Mutex::default(),
        }
    }
}

impl Live {
    /// Says that a session was ended, so that its other pages notice at once.
    pub fn session_ended(&self) {
        self.seen.send_modify(|seen| seen.sessions += 1);
    }

    /// Changes who has which report open.
    pub fn pages<T>(&self, change: impl FnOnce(&mut HashMap<Uuid, Vec<(u64, String)>>) -> T) -> T {
        change(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
