//! What is thrown away in time: callers' numbers of abandoned calls, old sessions, what SQLite's log still holds, the
//! sound of a reply whose call nobody here has settled. And what is counted in time: files no row names.

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

/// How long the caller of an abandoned call is remembered.
const ABANDONED_DAYS: i64 = 30;
/// No call lasts that long: what one needed to be said is needed no more.
const MAX_CALL: TimeDelta = TimeDelta::hours(3);
/// How long the row of a node is kept that is not checked any more.
const NODES_KEPT: TimeDelta = TimeDelta::days(1);
/// How often it is done.
const EVERY: Duration = Duration::from_secs(3600);

/// Tidies up now and every hour until `stop` says so.
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

/// How often SQLite's log is copied into the database. Left to the commits, some webhooks would wait for it.
const CHECKPOINTS: Duration = Duration::from_secs(1);

/// Copies SQLite's log into the database until `stop` says so.
pub async fn checkpoints(service: Arc<Service>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        if let Err(error) = service.db.jobs.checkpoint().await {
            // Commits do it then, once the log is long.
            debug!(%error, "SQLite's log was not copied into the database");
        }
        tokio::select! {
            () = tokio::time::sleep(CHECKPOINTS) => {}
            _ = stop.changed() => {}
        }
    }
}

/// A file younger than this may be named by a row any moment: it is not counted.
pub const MAY_BE_NAMED: TimeDelta = TimeDelta::hours(1);

/// The files of the folder of recordings that no row names, but for those of the last hour before `now`.
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

/// Counts those files, for the metrics, and logs when there are any.
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

/// Throws away what is due.
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
    // A hundred at a time, and each row looked at once: whoever calls meanwhile waits for a hundred at most.
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
