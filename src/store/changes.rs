//! Tells those who follow a line that its trail has grown: within the process by a channel, to other nodes by NOTIFY of
//! Postgres.
//!
//! NOTIFY is sent after the commit, in a transaction of its own: within one that writes, Postgres would let only one such
//! transaction of the whole server commit at a time. What is told is only that something changed. Notifications get lost while
//! a connection is broken, so that followers also look from time to time.

use super::{Databases, Db, pools};
use sqlx::postgres::{PgListener, PgPool};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tracing::{debug, warn};

/// The channel of NOTIFY.
const CHANNEL: &str = "dutyline_trail";
/// Other nodes are told at most 20 times a second.
const APART: Duration = Duration::from_millis(50);
/// How soon listening is tried again when it fails.
const AGAIN: Duration = Duration::from_secs(5);

/// Counts commits that added to a trail.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Those of this process.
    own: Arc<watch::Sender<u64>>,
    /// Those of this process, and what other nodes told.
    all: Arc<watch::Sender<u64>>,
}

impl Changes {
    /// A transaction of this process that added to a trail is committed.
    pub(super) fn committed(&self) {
        self.own.send_modify(|count| *count += 1);
        self.told();
    }

    fn told(&self) {
        self.all.send_modify(|count| *count += 1);
    }
}

impl Databases {
    /// A value that changes when a trail may have grown, here or on another node.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.console.shared_changes().all.subscribe()
    }

    /// Tells other nodes of changes, and hears of theirs, until `stop` says so. Does nothing on SQLite, which has no other nodes.
    pub async fn exchange_changes(&self, mut stop: watch::Receiver<bool>) {
        let Db::Postgres { pool, changes } = &self.console else {
            return;
        };
        // One connection listens for as long as the service runs, another one notifies.
        let pool = &pools::beside(pool, 2);
        tokio::select! {
            () = tell(pool, changes) => {}
            () = listen(pool, changes) => {}
            // An error means that the sender is gone.
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}

async fn tell(pool: &PgPool, changes: &Changes) {
    let mut own = changes.own.subscribe();
    // The sender is in `changes`.
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
                warn!(%error, "notifications of other nodes not received; pages show their changes later");
                broken = true;
            }
        }
        // Some may have been lost.
        changes.told();
        tokio::time::sleep(AGAIN).await;
    }
}

async fn listen_once(pool: &PgPool, changes: &Changes) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    // None: the connection is lost.
    while listener.try_recv().await?.is_some() {
        changes.told();
    }
    Ok(())
}
