//! Removes what has expired: callers' numbers of calls without a message, old sessions, rows of nodes that no longer
//! run, old values in SQLite's log, and sounds made for calls that another node has settled. Counts the files that no
//! row refers to, and names the last links of chains in each other.

use crate::base::clock::hour;
use crate::members::login;
use crate::register::trail::OfReport;
use crate::service::Service;
use crate::store::audit::{self, Act};
use crate::store::{Db, StoreError, blobs, calls, nodes, reports, sessions};
use crate::vault::action::Action;
use crate::vault::blobs::{Blobs, Unnamed};
use chrono::{DateTime, TimeDelta, Utc};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;
use tracing::{debug, warn};

/// Number of days after the hour of its arrival for which the caller's number of a call without a message is kept.
const ABANDONED_DAYS: i64 = 30;
/// Time after which sounds made for a call are removed. A call counts as over about two hours after it was answered
/// (`watch.rs`).
const MAX_CALL: TimeDelta = TimeDelta::hours(3);
/// Time for which the row of a node is kept after the node's last test write.
const NODES_KEPT: TimeDelta = TimeDelta::days(1);
/// Time between two runs.
const EVERY: Duration = Duration::from_secs(3600);

/// Runs now and every hour until `stop` is true.
pub async fn run(service: Arc<Service>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        if let Err(error) = tidy(&service).await {
            warn!(%error, "housekeeping failed; next try in an hour");
        }
        if let Err(error) = service.db.jobs.name_heads(service.clock.line_now()).await {
            warn!(%error, "the last links of the chains were not named; next try in an hour");
        }
        if let Err(error) = count_unnamed(&service, service.clock.system_now()).await {
            warn!(%error, "cannot count the files that no row refers to; next try in an hour");
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stop.changed() => {}
        }
    }
}

/// Time between two copies of SQLite's log into the database. Without them commits would copy it, and some webhooks
/// would wait for that.
const CHECKPOINTS: Duration = Duration::from_secs(1);

/// Copies SQLite's log into the database every second, until `stop` is true. Does nothing on Postgres.
pub async fn checkpoints(service: Arc<Service>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        if let Err(error) = service.db.jobs.checkpoint().await {
            // Commits copy the log themselves once it is long.
            debug!(%error, "SQLite's log was not copied into the database");
        }
        tokio::select! {
            () = tokio::time::sleep(CHECKPOINTS) => {}
            _ = stop.changed() => {}
        }
    }
}

/// Minimum age of a file that is counted. The row of a younger file may not be committed yet.
pub const MAY_BE_NAMED: TimeDelta = TimeDelta::hours(1);

/// Returns the files in the folder of recordings that no row refers to and that were not changed in the last hour
/// before `now` (system time).
///
/// # Errors
///
/// Returns a sentence when the database or the folder cannot be read.
pub async fn unnamed(db: &Db, blobs: &Blobs, now: DateTime<Utc>) -> Result<Vec<Unnamed>, String> {
    let before = now - MAY_BE_NAMED;
    let named = async { blobs::objects(&mut db.begin_read().await?).await };
    let named = named.await.map_err(|error: StoreError| error.to_string())?;
    let blobs = blobs.clone();
    tokio::task::spawn_blocking(move || blobs.unnamed(&named, before))
        .await
        .map_err(|_| "a worker stopped".to_owned())?
        .map_err(|error| format!("the folder of recordings: {error}"))
}

/// Counts the files that [`unnamed`] returns, for the metrics, and logs a warning if there are any.
///
/// # Errors
///
/// Returns a sentence when the database or the folder cannot be read.
pub async fn count_unnamed(service: &Service, now: DateTime<Utc>) -> Result<(), String> {
    let unnamed = unnamed(&service.db.jobs, &service.blobs, now).await?;
    let count = unnamed.len();
    service.unnamed_files.store(count, Ordering::Relaxed);
    if count > 0 {
        warn!(
            count,
            "files in the folder of recordings that no recording refers to; see `dutyline recordings unnamed`"
        );
    }
    Ok(())
}

/// Removes what has expired, and empties SQLite's log. The removal of a caller entry is recorded in the trail.
///
/// # Errors
///
/// When the database fails.
pub async fn tidy(service: &Service) -> Result<(), StoreError> {
    let now = service.clock.system_now();
    service.sounds.forget_before(now - MAX_CALL);
    let mut tx = service.db.jobs.begin().await?;
    sessions::delete_old(&mut tx, now - login::MAX_AGE, now - login::IDLE).await?;
    nodes::forget(&mut tx, now - NODES_KEPT).await?;
    tx.commit().await?;
    let before = service.clock.line_now() - TimeDelta::days(ABANDONED_DAYS);
    let mut tx = service.db.jobs.begin().await?;
    calls::forget_callers(&mut tx, before).await?;
    tx.commit().await?;
    // At most a hundred rows in each transaction, so that a webhook does not wait for more of them.
    let mut after = 0;
    loop {
        let mut tx = service.db.jobs.begin().await?;
        let due = reports::old_caller_entries(&mut tx, before, after).await?;
        if due.is_empty() {
            drop(tx);
            return service.db.jobs.empty_log().await;
        }
        for entry in due {
            after = entry.n;
            let report = match reports::get(&mut tx, entry.report).await {
                Ok(Some(report)) => report,
                // A row that is refused does not keep the others from being purged.
                Ok(None) | Err(StoreError::Forged(_)) => continue,
                Err(error) => return Err(error),
            };
            // The row may have been changed so that it seems to be an old call without a message.
            let trail = OfReport::read(&mut tx, &report).await?;
            if trail.is_queued(report.id) {
                warn!(report = %report.id, "caller entry not purged: the trail says that the call became a report");
                continue;
            }
            reports::delete_entry(&mut tx, entry.id).await?;
            let act = Act {
                report: Some(report.id),
                object: Some(entry.id),
                detail: Some(entry.kind.as_str()),
                ..Act::new(hour(service.clock.line_now()), Action::EntryPurged)
            };
            audit::append(&mut tx, &report.line, act);
        }
        tx.commit().await?;
    }
}
