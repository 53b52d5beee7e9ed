//! Claims jobs, does them, retries them, gives them up with an alarm.

use super::sealed::write_down_lost;
use super::{Claimed, Unfinished, delete, fetch, pace, settle, strays, watch};
use crate::clock::random_id;
use crate::service::Service;
use crate::store::StoreError;
use crate::store::jobs::{self, Kind};
use chrono::TimeDelta;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch as channel};
use tracing::{debug, error, warn};

/// How many jobs run at once. Fetching waits for the network; sealing is quick.
const AT_ONCE: usize = 4;
/// How long a claimed job is ours; renewed at a third of it.
const LEASE: TimeDelta = TimeDelta::seconds(60);
/// How long to sleep when there is nothing to do. Another node may enqueue without ringing our bell.
const NAP: Duration = Duration::from_secs(1);

/// Works until `stop` says so; then waits for the jobs it has begun.
pub async fn run(service: Arc<Service>, mut stop: channel::Receiver<bool>) {
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    while !*stop.borrow() {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            break;
        };
        match claim(&service).await {
            Ok(Some(job)) => {
                let service = Arc::clone(&service);
                tokio::spawn(async move {
                    work(&service, job).await;
                    drop(slot);
                    service.worked.send_modify(|count| *count += 1);
                    service.wake.notify_one();
                });
            }
            result => {
                drop(slot);
                if let Err(error) = result {
                    warn!(%error, "the job queue cannot be read");
                }
                let nap = nap(&service).await;
                tokio::select! {
                    () = service.wake.notified() => {}
                    () = tokio::time::sleep(nap) => {}
                    _ = stop.changed() => {}
                }
            }
        }
    }
    let _all = slots.acquire_many(AT_ONCE as u32).await;
}

/// Until the next job is due, but not long.
async fn nap(service: &Service) -> Duration {
    let due = async {
        let mut tx = service.db.read().await?;
        jobs::next_due(&mut tx).await
    };
    match due.await {
        Ok(Some(at)) => (at - service.clock.system_now())
            .to_std()
            .unwrap_or(Duration::ZERO)
            .clamp(Duration::from_millis(5), NAP),
        _ => NAP,
    }
}

async fn claim(service: &Service) -> Result<Option<Claimed>, StoreError> {
    let lease = random_id();
    let now = service.clock.system_now();
    let mut tx = service.db.begin().await?;
    let row = jobs::claim(&mut tx, lease, now, now + LEASE).await?;
    tx.commit().await?;
    Ok(row.map(|row| Claimed { row, lease }))
}

async fn work(service: &Arc<Service>, job: Claimed) {
    let kind: Kind = match job.row.kind.parse() {
        Ok(kind) => kind,
        Err(_) => {
            error!(job = %job.row.id, "a job of an unknown kind");
            return;
        }
    };
    let result = tokio::select! {
        result = carry_out(service, kind, &job) => result,
        () = keep_lease(service, &job) => Err(Unfinished::LeaseLost),
    };
    let put_back = match result {
        Ok(()) => {
            // Not above debug: a log line has an exact time, and that is sealed.
            debug!(job = %kind, subject = %job.row.subject, "job done");
            Ok(())
        }
        Err(Unfinished::LeaseLost) => Ok(()),
        Err(Unfinished::Later(wait)) => retry(service, &job, wait).await,
        Err(reason) => match pace::wait(job.row.attempts) {
            Some(wait) => {
                debug!(job = %kind, subject = %job.row.subject, attempt = job.row.attempts, %reason, "job to be tried again");
                retry(service, &job, wait).await
            }
            None => {
                error!(job = %kind, subject = %job.row.subject, %reason, "job given up");
                bury(service, kind, &job).await
            }
        },
    };
    if let Err(error) = put_back {
        // Its lease runs out, and it is claimed again.
        warn!(job = %kind, %error, "a job's outcome cannot be written down");
    }
}

async fn carry_out(service: &Arc<Service>, kind: Kind, job: &Claimed) -> Result<(), Unfinished> {
    match kind {
        Kind::Fetch => fetch::run(service, job).await,
        Kind::Delete => delete::run(service, job).await,
        Kind::Settle => settle::run(service, job).await,
        Kind::Watch => watch::run(service, job).await,
        Kind::Stray => strays::run(service, job).await,
    }
}

/// Renews the lease until it is lost.
async fn keep_lease(service: &Service, job: &Claimed) {
    let third = (LEASE / 3).to_std().unwrap_or(NAP);
    loop {
        tokio::time::sleep(third).await;
        let renewed = async {
            let until = service.clock.system_now() + LEASE;
            let mut tx = service.db.begin().await?;
            let renewed = jobs::renew(&mut tx, job.row.id, job.lease, until).await?;
            tx.commit().await?;
            Ok::<_, StoreError>(renewed)
        };
        if let Ok(false) = renewed.await {
            return;
        }
    }
}

async fn retry(service: &Service, job: &Claimed, wait: TimeDelta) -> Result<(), StoreError> {
    let at = service.clock.system_now() + wait;
    let mut tx = service.db.begin().await?;
    jobs::retry(&mut tx, job.row.id, job.lease, at).await?;
    tx.commit().await
}

/// Gives a job up. It stays in the table, and the line's status and the metrics show it.
async fn bury(service: &Service, kind: Kind, job: &Claimed) -> Result<(), StoreError> {
    service.counters.jobs_dead.add();
    let mut tx = service.db.begin().await?;
    jobs::bury(&mut tx, job.row.id, job.lease).await?;
    if kind == Kind::Fetch {
        write_down_lost(service, &mut tx, job.row.subject).await?;
    }
    tx.commit().await
}
