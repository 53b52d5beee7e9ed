//! Checks whether this node can commit to its database, and logs while jobs wait for the folder of recordings.

use super::log_pace::LogPace;
use crate::base::clock::{Clock, instant, random, random_id};
use crate::store::{Db, StoreError, nodes};
use crate::vault::blobs::MarkerError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tracing::warn;
use uuid::Uuid;

/// Time for which a test write that succeeded counts. Health checks may come more often than the disk should be written
/// to.
const KEPT: Duration = Duration::from_secs(5);
/// Size in bytes of the filler in a test write after a webhook has failed. On a full disk, a write that fits into
/// existing pages would succeed although those of webhooks fail.
const FILLER: usize = 32 * 1024;
/// Maximum time of a test write, after which it counts as failed.
const LIMIT: Duration = Duration::from_secs(2);

/// Results of the webhooks' commits and of test writes.
#[derive(Debug)]
pub struct Health {
    node: Uuid,
    /// Number of webhooks that could not be committed since the start.
    failed: AtomicU64,
    /// Value of `failed` when the latest of the successful writes began. If it is lower than `failed`, the node is not
    /// ready.
    recovered: AtomicU64,
    last: Mutex<Option<TestWrite>>,
    /// Bounds how often it is logged that jobs wait for the folder of recordings.
    folder_log: LogPace,
}

/// The last test write: when it ended, and its result, with the reason if it failed.
#[derive(Clone, Debug)]
struct TestWrite {
    ended: Instant,
    outcome: Result<(), String>,
}

/// Number of failed webhooks when a write began.
#[derive(Clone, Copy, Debug)]
pub struct Begun(u64);

impl Default for Health {
    fn default() -> Self {
        Self {
            node: random_id(),
            failed: AtomicU64::new(0),
            recovered: AtomicU64::new(0),
            last: Mutex::new(None),
            folder_log: LogPace::new(),
        }
    }
}

impl Health {
    /// Returns the state before a write, to be passed to [`Health::succeeded`] when the write is committed.
    pub fn begin(&self) -> Begun {
        Begun(self.failed.load(Ordering::SeqCst))
    }

    /// Records that a write was committed. Failures from before it began no longer count.
    pub fn succeeded(&self, begun: Begun) {
        self.recovered.fetch_max(begun.0, Ordering::SeqCst);
    }

    /// Records that a webhook could not be committed. The node is not ready until a write succeeds that begins after
    /// this.
    pub fn failed(&self) {
        self.failed.fetch_add(1, Ordering::SeqCst);
    }

    /// Checks whether the database commits, by a test write to the node's own row, so that it waits for no row lock of
    /// another node. The write also acquires the table locks that the writes of a call acquire. A success is returned
    /// again for 5 s, unless a webhook fails meanwhile. Only one test write runs at a time; calls that waited for it
    /// share its result.
    ///
    /// # Errors
    ///
    /// Returns the error of the database, or that it did not commit within 2 s.
    pub async fn check(&self, db: &Db, clock: &Clock) -> Result<(), String> {
        let asked = instant();
        let mut last = self.last.lock().await;
        if let Some(write) = &*last {
            let shared = write.ended >= asked;
            let kept = write.outcome.is_ok() && write.ended.elapsed() < KEPT;
            if shared || (kept && !self.is_failing()) {
                return write.outcome.clone();
            }
        }
        let begun = self.begin();
        let outcome = match tokio::time::timeout(LIMIT, self.write(db, clock)).await {
            Ok(Ok(())) => {
                self.succeeded(begun);
                Ok(())
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!(
                "no commit within {} s: it does not answer, or another session holds a lock on a table",
                LIMIT.as_secs()
            )),
        };
        *last = Some(TestWrite {
            ended: instant(),
            outcome: outcome.clone(),
        });
        outcome
    }

    /// Logs, at most once a minute, that jobs wait for the folder of recordings. `error` says what is wrong with it.
    pub fn folder_is_missing(&self, error: &MarkerError) {
        if let Some(held_back) = self.folder_log.due() {
            warn!(%error, held_back, "jobs wait for the folder of recordings");
        }
    }

    fn is_failing(&self) -> bool {
        self.recovered.load(Ordering::SeqCst) < self.failed.load(Ordering::SeqCst)
    }

    async fn write(&self, db: &Db, clock: &Clock) -> Result<(), StoreError> {
        let filler = self.is_failing().then(random::<FILLER>);
        let filler = filler.as_ref().map(<[u8; FILLER]>::as_slice);
        let mut tx = db.begin().await?;
        nodes::lock_as_calls(&mut tx).await?;
        nodes::seen(&mut tx, self.node, clock.system_now(), filler).await?;
        tx.commit().await
    }
}
