//! Logs which kinds of jobs keep failing: within a minute of being reported as failing, and then every hour.

use crate::service::Service;
use crate::store::columns::StoredKind;
use crate::store::{StoreError, jobs};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tracing::warn;

/// Time between two checks.
const EVERY: Duration = Duration::from_secs(60);
/// Time after which a kind of jobs that still fails is logged again.
const AGAIN: Duration = Duration::from_secs(3600);

/// Kinds of jobs that were logged as failing, each with the time of the last log line.
#[derive(Default)]
pub struct Told(HashMap<StoredKind, Instant>);

/// Checks every minute which jobs keep failing, until `stop` is true.
pub async fn run(service: Arc<Service>, mut stop: watch::Receiver<bool>) {
    let mut told = Told::default();
    while !*stop.borrow() {
        if let Err(error) = look(&service, &mut told, crate::base::clock::instant()).await {
            warn!(%error, "jobs that keep failing cannot be read; next try in a minute");
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stop.changed() => {}
        }
    }
}

/// Logs a warning for each kind with jobs that keep failing, unless one was logged in the last hour before `now`.
/// Returns the number of warnings.
///
/// # Errors
///
/// When the database fails.
pub async fn look(service: &Service, told: &mut Told, now: Instant) -> Result<usize, StoreError> {
    let mut tx = service.db.jobs.begin_read().await?;
    let failing = jobs::failing(&mut tx).await?;
    drop(tx);
    let mut lines = 0;
    told.0
        .retain(|kind, _| failing.iter().any(|failing| failing.kind == *kind));
    for failing in failing {
        let last = told.0.get(&failing.kind);
        if last.is_some_and(|last| now.saturating_duration_since(*last) < AGAIN) {
            continue;
        }
        warn!(
            job = %failing.kind,
            count = failing.count,
            since = %failing.since.format("%Y-%m-%dT%H:00Z"),
            reason = %failing.reason,
            "jobs keep failing and are tried again; see `dutyline jobs list`"
        );
        told.0.insert(failing.kind, now);
        lines += 1;
    }
    Ok(lines)
}
