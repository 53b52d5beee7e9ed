//! What is thrown away in time: callers' numbers of abandoned calls, old sessions, what SQLite's log still holds, the
//! sound of a reply whose call nobody here has settled.

use crate::clock::hour;
use crate::login;
use crate::service::Service;
use crate::store::audit::{self, Act};
use crate::store::{StoreError, calls, members, nodes, reports};
use chrono::TimeDelta;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tracing::warn;
use uuid::Uuid;

/// How long the caller of an abandoned call is remembered.
const ABANDONED_DAYS: i64 = 30;
/// No call lasts that long: what one needed to be said is needed no more.
const LONGEST_CALL: TimeDelta = TimeDelta::hours(3);
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
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stop.changed() => {}
        }
    }
}

/// Throws away what is due.
///
/// # Errors
///
/// When the database fails.
pub async fn tidy(service: &Service) -> Result<(), StoreError> {
    let now = service.clock.system_now();
    service.sounds.forget_before(now - LONGEST_CALL);
    let mut tx = service.db.begin().await?;
    members::delete_old_sessions(&mut tx, now - login::LONGEST, now - login::IDLE).await?;
    nodes::forget(&mut tx, now - NODES_KEPT).await?;
    tx.commit().await?;
    let before = service.clock.line_now() - TimeDelta::days(ABANDONED_DAYS);
    let mut tx = service.db.begin().await?;
    calls::forget_callers(&mut tx, before).await?;
    tx.commit().await?;
    // A hundred at a time, and each row looked at once: whoever calls meanwhile waits for a hundred at most.
    let mut after = Uuid::nil();
    loop {
        let mut tx = service.db.begin().await?;
        let due = reports::old_caller_entries(&mut tx, before, after).await?;
        if due.is_empty() {
            drop(tx);
            return service.db.empty_log().await;
        }
        for entry in due {
            after = entry.id;
            let Some(report) = reports::get(&mut tx, entry.report).await? else {
                continue;
            };
            reports::delete_entry(&mut tx, entry.id).await?;
            let act = Act {
                at: hour(service.clock.line_now()),
                action: "entry_purged",
                report: Some(report.id),
                object: Some(entry.id),
                detail: Some(&entry.kind),
                ..Act::default()
            };
            audit::append(&mut tx, &report.line, act).await?;
        }
        tx.commit().await?;
    }
}
