//! The open report pages with the names of their members, and the channel that wakes open pages when something changes.
//! `desk/live.rs` finds out what has changed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use uuid::Uuid;

/// Maximum time between two reads of the last links of the trails; a notification causes an earlier one. Notifications
/// of other nodes may be lost.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// Value that is sent to pages that follow changes; a new value wakes them.
#[derive(Clone, Default)]
pub struct Seen {
    /// Number of the last link in each line's trail.
    pub heads: Arc<BTreeMap<String, i64>>,
    /// Incremented when a report page is opened or closed on this node.
    pub presence: u64,
    /// Incremented when a session is ended on this node.
    pub sessions: u64,
    /// True once the service stops.
    pub closing: bool,
}

/// State for notifying the open pages of this node of changes.
pub struct Live {
    /// Maximum time between two reads of the last links of the trails.
    pub poll_interval: Duration,
    /// Sends the value that wakes pages.
    pub seen: watch::Sender<Seen>,
    /// Open pages of each report on this node: a random number for each page, and the member's name.
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
    /// Wakes all open pages after a session was ended, so that the pages of that session notice it.
    pub fn session_ended(&self) {
        self.seen.send_modify(|seen| seen.sessions += 1);
    }

    /// Calls `change` with the open pages of each report on this node, and returns its result.
    pub fn pages<T>(&self, change: impl FnOnce(&mut HashMap<Uuid, Vec<(u64, String)>>) -> T) -> T {
        change(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
