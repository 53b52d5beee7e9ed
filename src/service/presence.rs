//! Open pages and their members, and the channel that wakes pages when something changes. `desk/live.rs` says what has
//! changed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use uuid::Uuid;

/// Time between two reads of the trails without a notification, because notifications of other nodes may be lost.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// Value that wakes the pages that follow changes.
#[derive(Clone, Default)]
pub struct Seen {
    /// Number of the last link of each line's trail.
    pub heads: Arc<BTreeMap<String, i64>>,
    /// Incremented when a report is opened or left.
    pub presence: u64,
    /// Incremented when a session is ended on this node.
    pub sessions: u64,
    /// True once the service stops.
    pub closing: bool,
}

/// State for notifying pages of changes.
pub struct Live {
    /// Time between two reads of the trails without a notification.
    pub poll_interval: Duration,
    /// Wakes the pages that follow.
    pub seen: watch::Sender<Seen>,
    /// Open pages of each report: a number for each page, and the member's name.
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
    /// Notifies the other pages of a session that it was ended.
    pub fn session_ended(&self) {
        self.seen.send_modify(|seen| seen.sessions += 1);
    }

    /// Changes the open pages of reports.
    pub fn pages<T>(&self, change: impl FnOnce(&mut HashMap<Uuid, Vec<(u64, String)>>) -> T) -> T {
        change(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
