//! Notifies pages that an audit trail has grown: within the process by a channel, other nodes by NOTIFY of Postgres.
//!
//! NOTIFY is sent after the commit, in a transaction of its own: Postgres commits transactions that contain a NOTIFY
//! one at a time for the whole server. A notification says only that some trail has grown. Notifications are lost while
//! a connection is broken, so the heads of the trails are also read without one every few seconds (`desk/live.rs`).

use super::{Databases, Db, pools};
use sqlx::postgres::{PgListener, PgPool};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tracing::{debug, warn};

/// Name of the channel of NOTIFY.
const CHANNEL: &str = "dutyline_trail";
/// Minimum time between two notifications to other nodes: at most 20 a second.
const APART: Duration = Duration::from_millis(50);
/// Time after which listening is tried again when it failed or its connection was lost.
const AGAIN: Duration = Duration::from_secs(5);

/// Counts the commits that added to an audit trail. A changed number wakes the receivers.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Number of commits of this process.
    own: Arc<watch::Sender<u64>>,
    /// Number of commits of this process, notifications from other nodes, and times that notifications may have been
    /// lost.
    all: Arc<watch::Sender<u64>>,
}

impl Changes {
    /// Counts a committed transaction of this process that added to a trail.
    pub(super) fn committed(&self) {
        self.own.send_modify(|count| *count += 1);
        self.told();
    }

    fn told(&self) {
        self.all.send_modify(|count| *count += 1);
    }
}

impl Databases {
    /// Returns a receiver whose value changes when a trail may have grown, on this node or another one.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.console.shared_changes().all.subscribe()
    }

    /// Notifies other nodes of changes and receives their notifications, until `stop` is true. Does nothing on SQLite,
    /// which has no other nodes.
    pub async fn exchange_changes(&self, mut stop: watch::Receiver<bool>) {
        let Db::Postgres { pool, changes, .. } = &self.console else {
            return;
        };
        // One connection listens for as long as the service runs, the other one notifies.
        let pool = &pools::beside(pool, 2);
        tokio::select! {
            () = tell(pool, changes) => {}
            () = listen(pool, changes) => {}
            // An error means that the sender is dropped: the service has ended.
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}

async fn tell(pool: &PgPool, changes: &Changes) {
    let mut own = changes.own.subscribe();
    // `changes` holds the sender, so this loop does not end by itself.
    while own.changed().await.is_ok() {
        let notify = sqlx::query("SELECT pg_notify($1, '')").bind(CHANNEL);
        if let Err(error) = notify.execute(pool).await {
            debug!(%error, "other nodes not notified of a change");
        }
        tokio::time::sleep(APART).await;
    }
}

async fn listen(pool: &PgPool, changes: &Changes) {
    let mut broken = false;
    loop {
        match listen_once(pool, changes).await {
            Ok(()) => broken = false,
            Err(error) if broken => debug!(%error, "notifications still not received"),
            Err(error) => {
                warn!(%error, "notifications of other nodes not received; changes made there are shown up to 5 s late");
                broken = true;
            }
        }
        // Notifications may have been lost meanwhile.
        changes.told();
        tokio::time::sleep(AGAIN).await;
    }
}

async fn listen_once(pool: &PgPool, changes: &Changes) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    // `None` means that the connection is lost.
    while listener.try_recv().await?.is_some() {
        changes.told();
    }
    Ok(())
}
