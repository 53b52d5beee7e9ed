//! Watches whether the database is what this node has seen: keeps the last links of the chains in the file `heads`, and
//! checks that the chains still have them.

use crate::service::Service;
use crate::store::StoreError;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;
use tracing::{error, warn};

/// Time between two checks. A crash of the machine loses what was seen since the last one.
const EVERY: Duration = Duration::from_secs(5);

/// Checks every five seconds until `stop` is true, and once more then.
pub async fn run(service: Arc<Service>, mut stop: watch::Receiver<bool>) {
    let mut is_last = false;
    while !is_last {
        is_last = *stop.borrow();
        look(&service).await;
        if !is_last {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                _ = stop.changed() => {}
            }
        }
    }
}

/// Checks once. What is wrong is logged, and shown to members and operators until a later check finds it well.
pub async fn look(service: &Service) {
    let console = service.db.console.clone();
    let put_back = match console.check_heads_seen().await {
        Ok(()) => Some(false),
        Err(error @ StoreError::PutBack { .. }) => {
            if !service.put_back.load(Ordering::Relaxed) {
                error!(%error, "the database was put back");
            }
            Some(true)
        }
        // Whether the database works is watched elsewhere. What was seen is kept all the same.
        Err(_) => None,
    };
    if let Some(put_back) = put_back {
        service.put_back.store(put_back, Ordering::Relaxed);
    }
    let saved = tokio::task::spawn_blocking(move || console.save_heads()).await;
    if let Ok(Err(error)) = saved {
        warn!(%error, "cannot write the file heads beside the service secret");
    }
}
