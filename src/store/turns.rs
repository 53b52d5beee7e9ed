//! The order in which transactions get SQLite's only writer. Webhooks go first, because a caller waits for each of
//! them.

use super::{ACQUIRE, Result, StoreError};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};

/// Maximum time for which the next transaction of a job or a member is delayed while webhooks are waiting or being
/// written.
const ASIDE: Duration = Duration::from_millis(25);
/// Time after asking for the turn from which on a transaction is not delayed for webhooks any more, once it has the
/// turn.
const ASIDE_AT_MOST: Duration = Duration::from_secs(1);

/// The queue for SQLite's writer. It lets one transaction of a job or a member through at a time, so that a webhook
/// waits for at most one of them.
#[derive(Clone, Debug)]
pub struct Turns {
    turn: Arc<Semaphore>,
    /// Number of live [`Ahead`] values.
    ahead: Arc<watch::Sender<usize>>,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            turn: Arc::new(Semaphore::new(1)),
            ahead: Arc::new(watch::Sender::new(0)),
        }
    }
}

impl Turns {
    /// Delays transactions of jobs and members until the returned value is dropped, each for at most [`ASIDE`] once it
    /// has the turn.
    pub(super) fn go_ahead(&self) -> Ahead {
        self.ahead.send_modify(|ahead| *ahead += 1);
        Ahead(Arc::clone(&self.ahead))
    }

    /// Waits until a transaction of a job or a member may begin. The function's caller keeps the returned permit until
    /// that transaction ends.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoConnection`] when the transactions before it have not ended within [`ACQUIRE`].
    pub(super) async fn take(&self) -> Result<OwnedSemaphorePermit> {
        let mut patience = pin!(sleep(ASIDE_AT_MOST));
        let turn = Arc::clone(&self.turn).acquire_owned();
        let Ok(Ok(turn)) = timeout(ACQUIRE, turn).await else {
            let why = "the transactions that write before this one have not ended";
            return Err(StoreError::NoConnection(why.to_owned()));
        };
        let mut ahead = self.ahead.subscribe();
        tokio::select! {
            _ = ahead.wait_for(|ahead| *ahead == 0) => {}
            // Webhooks that keep coming must not stop jobs and members.
            () = sleep(ASIDE) => {}
            () = &mut patience => {}
        }
        Ok(turn)
    }
}

/// Exists while webhooks are waiting or being written.
#[derive(Debug)]
pub struct Ahead(Arc<watch::Sender<usize>>);

impl Drop for Ahead {
    fn drop(&mut self) {
        self.0.send_modify(|ahead| *ahead -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// True if the turn comes within this time.
    async fn comes_within(turns: &Turns, time: Duration) -> bool {
        timeout(time, turns.take()).await.is_ok()
    }

    const AT_ONCE: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn who_has_the_turn_stands_aside_for_webhooks_and_not_for_ever() {
        let turns = Turns::default();
        assert!(comes_within(&turns, AT_ONCE).await);
        let ahead = turns.go_ahead();
        assert!(!comes_within(&turns, ASIDE - AT_ONCE).await);
        assert!(comes_within(&turns, ASIDE + AT_ONCE).await);
        drop(ahead);
        assert!(comes_within(&turns, AT_ONCE).await);
    }

    #[tokio::test(start_paused = true)]
    async fn the_turn_comes_as_soon_as_no_webhook_is_left() {
        let turns = Turns::default();
        let (first, second) = (turns.go_ahead(), turns.go_ahead());
        let take = async { turns.take().await.map(drop) };
        let mut taken = pin!(take);
        assert!(timeout(AT_ONCE, &mut taken).await.is_err());
        drop(first);
        assert!(timeout(AT_ONCE, &mut taken).await.is_err());
        drop(second);
        assert!(timeout(AT_ONCE, taken).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn many_that_wait_are_not_held_up_one_after_the_other() {
        let turns = Turns::default();
        let _ahead = turns.go_ahead();
        let many = (0..1000).map(|_| async { turns.take().await.map(drop) });
        let all = futures_util::future::join_all(many);
        let taken = timeout(ASIDE_AT_MOST + ASIDE, all).await.unwrap();
        assert!(taken.iter().all(Result::is_ok));
    }
}
