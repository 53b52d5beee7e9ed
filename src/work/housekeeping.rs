//! Removes what has expired: callers' numbers of abandoned calls, old sessions, old values in SQLite's log, and sounds
//! of replies whose calls another node has settled. Counts files that no row names.

use crate::base::clock::hour;
use crate::members::login;
use crate::service::Service;
use crate::store::audit::{self, Act};
use crate::store::{Db, StoreError, blobs, calls, members, nodes, reports};
use crate::vault::action::Action;
use crate::vault::blobs::{Blobs, Unnamed};
use chrono::{DateTime, TimeDelta, Utc};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;
use tracing::{debug, warn};

/// Number of days for which the caller of an abandoned call is kept.
const ABANDONED_DAYS: i64 = 30;
/// Time after which sounds made for a call are removed. No call is that long.
const MAX_CALL: TimeDelta = TimeDelta::hours(3);
/// Time for which the row of a node is kept after its last health check.
const NODES_KEPT: TimeDelta = TimeDelta::days(1);
/// Time between two runs.
const EVERY: Duration = Duration::from_secs(3600);

/// Runs now and every hour until `stop` is true.
pub async fn run(service: Arc<Service>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        if let Err(error) = tidy(&service).await {
            warn!(%error, "housekeeping failed; it is tried again in an hour");
        }
        if let Err(error) = count_unnamed(&service, service.clock.system_now()).await {
            warn!(%error, "files of recordings cannot be counted; it is tried again in an hour");
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stop.changed() => {}
        }
    }
}

/// Time between two copies of SQLite's log into the database. If commits did it, some webhooks would wait for it.
const CHECKPOINTS: Duration = Duration::from_secs(1);

/// Copies SQLite's log into the database until `stop` is true.
pub async fn checkpoints(service: Arc<Service>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        if let Err(error) = service.db.jobs.checkpoint().await {
            // Commits copy it themselves once the log is long.
            debug!(%error, "SQLite's log was not copied into the database");
        }
        tokio::select! {
            () = tokio::time::sleep(CHECKPOINTS) => {}
            _ = stop.changed() => {}
        }
    }
}

/// Age below which a file is not counted, because a row may still come to name it.
pub const MAY_BE_NAMED: TimeDelta = TimeDelta::hours(1);

/// Returns the files in the folder of recordings that no row names, except those of the last hour before `now`.
///
/// # Errors
///
/// When the database or the folder cannot be read.
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

/// Counts those files for the metrics, and logs a warning when there are any.
///
/// # Errors
///
/// When the database or the folder cannot be read.
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

/// Removes what has expired.
///
/// # Errors
///
/// When the database fails.
pub async fn tidy(service: &Service) -> Result<(), StoreError> {
    let now = service.clock.system_now();
    service.sounds.forget_before(now - MAX_CALL);
    let mut tx = service.db.jobs.begin().await?;
    members::delete_old_sessions(&mut tx, now - login::MAX_AGE, now - login::IDLE).await?;
    nodes::forget(&mut tx, now - NODES_KEPT).await?;
    tx.commit().await?;
    let before = service.clock.line_now() - TimeDelta::days(ABANDONED_DAYS);
    let mut tx = service.db.jobs.begin().await?;
    calls::forget_callers(&mut tx, before).await?;
    tx.commit().await?;
    // A hundred rows in each transaction, so that a webhook waits for at most a hundred of them.
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
            let Some(report) = reports::get(&mut tx, entry.report).await? else {
                continue;
            };
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
