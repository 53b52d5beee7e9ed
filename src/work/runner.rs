//! The job runner: claims jobs, does them, and tries them again while they fail.

use super::{
    Claimed, Unfinished, WAIT_FOR_FOLDER, alarm, delete, fetch, pace, settle, strays, watch,
};
use crate::base::clock::{hour, instant, random_id};
use crate::service::Service;
use crate::service::metrics::seconds_since;
use crate::service::slots::Slots;
use crate::store::StoreError;
use crate::store::columns::StoredKind;
use crate::store::jobs::{self, Kind};
use chrono::{DateTime, TimeDelta, Utc};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch as channel};
use tokio::task::JoinSet;
use tracing::{Instrument, Span, debug, error, error_span, warn};

/// Time for which a job belongs to this worker after it was claimed, or its lease was renewed.
const LEASE: TimeDelta = TimeDelta::seconds(60);
/// Time after which a lease is renewed.
const RENEW_AFTER: Duration = Duration::from_secs(20);
/// Maximum time of one try to claim a job or to renew its lease.
const RENEW_WITHIN: Duration = Duration::from_secs(5);
/// Time after which renewing is tried again if it failed.
const RENEW_AGAIN: Duration = Duration::from_secs(1);
/// Time after which a job's result is written again if that failed.
const WRITE_AGAIN: Duration = Duration::from_millis(500);
/// Time without a renewal after which the work on a job is given up, and maximum time for writing its result. Together
/// with the time that claiming or renewing took, it is shorter than the lease.
const GIVE_UP_AFTER: Duration = Duration::from_secs(50);

/// A kind of job, and the provider it asks. Each lane has slots of its own, so that slow jobs do not delay those of
/// other lanes.
type Lane = (Kind, String);

/// Returns the maximum number of jobs of a lane that run at the same time.
fn slots_of((kind, _): &Lane) -> usize {
    match kind {
        // A caller's receipt works only once the call is settled. Only some of these jobs may ask the provider
        // meanwhile (see `settle`).
        Kind::Settle => 8,
        _ => 4,
    }
}

/// Runs jobs until `stop` is true; then waits for those that have begun. Also runs [`alarm`].
pub async fn run(service: Arc<Service>, mut stop: channel::Receiver<bool>) {
    let alarm = tokio::spawn(alarm::run(Arc::clone(&service), stop.clone()));
    let slots = Slots::new(slots_of);
    while !*stop.borrow() {
        let now = service.clock.system_now();
        let nap = match begin_due(&service, &slots, now).await {
            Ok(Looked::Begun) => continue,
            Ok(Looked::Idle { next }) => nap(&service, next),
            Err(error) => {
                warn!(%error, "the job queue cannot be read; trying again");
                jobs::READ_EVERY
            }
        };
        tokio::select! {
            () = service.wake.notified() => {}
            () = tokio::time::sleep(nap) => {}
            _ = stop.changed() => {}
        }
    }
    slots.all_free().await;
    let _ = alarm.await;
}

/// Result of reading the queue.
enum Looked {
    /// Jobs were begun.
    Begun,
    /// No job was begun: none is due, or those that are due wait for a slot.
    Idle {
        /// Time at which the next job becomes due; `None` if there is none.
        next: Option<DateTime<Utc>>,
    },
}

/// Begins one job of each kind and provider that has a due job and a free slot.
async fn begin_due(
    service: &Arc<Service>,
    slots: &Slots<Lane>,
    now: DateTime<Utc>,
) -> Result<Looked, StoreError> {
    // Both reads are in one transaction, to save a round trip to the database: this runs several times for each call.
    let mut tx = service.db.jobs.begin_read().await?;
    let due = jobs::due(&mut tx, now).await?;
    let next = jobs::next_due(&mut tx, now).await?;
    drop(tx);
    let mut begun = false;
    for (kind, provider) in due {
        // A kind that this version does not know is left to nodes of the version that does.
        let StoredKind::Known(kind) = kind else {
            continue;
        };
        let lane = (kind, provider);
        let Some(slot) = slots.take(&lane) else {
            continue;
        };
        if let Some(job) = claim(service, &lane).await? {
            begin(service, kind, job, slot);
            begun = true;
        }
    }
    Ok(match begun {
        true => Looked::Begun,
        false => Looked::Idle { next },
    })
}

fn begin(service: &Arc<Service>, kind: Kind, job: Claimed, slot: OwnedSemaphorePermit) {
    let service = Arc::clone(service);
    // The span has the level of errors, so that it is present on log lines of any level.
    let span = match job.row.call {
        Some(call) => error_span!("job", %kind, %call),
        None => error_span!("job", %kind),
    };
    tokio::spawn(async move {
        work(&service, kind, &job).instrument(span).await;
        drop(slot);
        service.worked.send_modify(|count| *count += 1);
        service.wake.notify_one();
    });
}

/// Returns the time to sleep: until `next`, when the next job becomes due, at least 5 ms and at most
/// [`jobs::READ_EVERY`]. Jobs that are due already begin when a slot becomes free.
fn nap(service: &Service, next: Option<DateTime<Utc>>) -> Duration {
    match next {
        Some(at) => (at - service.clock.system_now())
            .to_std()
            .unwrap_or(Duration::ZERO)
            .clamp(Duration::from_millis(5), jobs::READ_EVERY),
        None => jobs::READ_EVERY,
    }
}

async fn claim(service: &Service, (kind, provider): &Lane) -> Result<Option<Claimed>, StoreError> {
    let begun = instant();
    let lease = random_id();
    let now = service.clock.system_now();
    let mut tx = service.db.jobs.begin_unflushed().await?;
    let row = jobs::claim(&mut tx, *kind, provider, lease, now, now + LEASE).await?;
    tx.commit().await?;
    // So much of the lease has passed that it cannot be relied on: it expires, and the job is claimed again.
    if begun.elapsed() > RENEW_WITHIN {
        return Ok(None);
    }
    Ok(row.map(|row| Claimed { row, lease }))
}

async fn work(service: &Arc<Service>, kind: Kind, job: &Claimed) {
    let begun = instant();
    let result = tokio::select! {
        result = carry_out(service, kind, job) => result,
        () = keep_lease(|| renew(service, job)) => Err(Unfinished::LeaseLost),
    };
    let seconds = service.metrics.job_seconds.of(kind.as_str());
    seconds.observe(seconds_since(begun));
    match result {
        Ok(()) => {
            // Not above debug, because a log line has an exact time, and that of a call is sealed data.
            debug!(job = %kind, subject = %job.row.subject, "job done");
        }
        Err(Unfinished::LeaseLost) => {}
        Err(reason) => {
            if !matches!(reason, Unfinished::Later(_)) {
                service.metrics.jobs_failed.inc();
            }
            put_back(service, kind, job, &reason).await;
        }
    }
}

/// Stores that a job is to be tried again. If the database refuses that, as on a full disk, storing is repeated for
/// [`GIVE_UP_AFTER`] or until the service stops: if it is not stored, the job waits until its lease expires.
async fn put_back(service: &Service, kind: Kind, job: &Claimed, reason: &Unfinished) {
    let mut closing = service.closing.subscribe();
    let writing = async {
        let mut told = false;
        loop {
            let written = match reason {
                Unfinished::Later(wait) => put_off(service, job, *wait).await,
                reason => fail(service, kind, job, reason).await,
            };
            let Err(error) = written else { return };
            if !told {
                warn!(job = %kind, %error, "job result cannot be stored; trying again");
                told = true;
            }
            tokio::time::sleep(WRITE_AGAIN).await;
        }
    };
    tokio::select! {
        _ = tokio::time::timeout(GIVE_UP_AFTER, writing) => {}
        // The service stops: the job is claimed again when its lease has expired.
        _ = closing.wait_for(|closing| *closing) => {}
    }
}

/// Does a job in a task of its own, so that a panic counts as a failure of the job. The task is aborted when this
/// future is dropped.
async fn carry_out(service: &Arc<Service>, kind: Kind, job: &Claimed) -> Result<(), Unfinished> {
    let (service, job) = (Arc::clone(service), job.clone());
    let mut task = JoinSet::new();
    let work = async move {
        match kind {
            Kind::Fetch => fetch::run(&service, &job).await,
            Kind::Delete => delete::run(&service, &job).await,
            Kind::Settle => settle::run(&service, &job).await,
            Kind::Watch => watch::run(&service, &job).await,
            Kind::Stray => strays::run(&service, &job).await,
        }
    };
    task.spawn(work.instrument(Span::current()));
    match task.join_next().await {
        Some(Ok(result)) => result,
        Some(Err(_)) | None => {
            error!(job = %kind, "job panicked");
            Err(Unfinished::Failed("the program failed (a panic)".into()))
        }
    }
}

/// Renews a lease again and again with `renew`, which returns false if the lease is lost. Returns when the lease is
/// lost, or could not be renewed in time.
async fn keep_lease<F>(mut renew: impl FnMut() -> F)
where
    F: Future<Output = Result<bool, StoreError>>,
{
    loop {
        let renewed = async {
            tokio::time::sleep(RENEW_AFTER).await;
            loop {
                if let Ok(Ok(renewed)) = tokio::time::timeout(RENEW_WITHIN, renew()).await {
                    return renewed;
                }
                tokio::time::sleep(RENEW_AGAIN).await;
            }
        };
        if !matches!(tokio::time::timeout(GIVE_UP_AFTER, renewed).await, Ok(true)) {
            return;
        }
    }
}

async fn renew(service: &Service, job: &Claimed) -> Result<bool, StoreError> {
    let until = service.clock.system_now() + LEASE;
    let mut tx = service.db.jobs.begin_unflushed().await?;
    let renewed = jobs::renew(&mut tx, job.row.id, job.lease, until).await?;
    tx.commit().await?;
    Ok(renewed)
}

async fn put_off(service: &Service, job: &Claimed, wait: TimeDelta) -> Result<(), StoreError> {
    let at = service.clock.system_now() + wait;
    let mut tx = service.db.jobs.begin_unflushed().await?;
    jobs::put_off(&mut tx, job.row.id, job.lease, at).await?;
    tx.commit().await
}

/// Gives back a job that has failed: it is tried again after its backoff, later if the provider asked for that, or
/// after [`WAIT_FOR_FOLDER`] if the folder of recordings is missing.
async fn fail(
    service: &Service,
    kind: Kind,
    job: &Claimed,
    reason: &Unfinished,
) -> Result<(), StoreError> {
    let failures = job.row.failures.saturating_add(1);
    debug!(job = %kind, subject = %job.row.subject, failures, %reason, "job to be tried again");
    let wait = match reason {
        Unfinished::Busy(_, asked) => {
            let asked = pace::with_jitter(*asked).min(pace::HOUR);
            asked.max(pace::wait(failures))
        }
        _ => pace::wait(failures),
    };
    let (wait, told) = match reason {
        Unfinished::NoFolder(_) => (WAIT_FOR_FOLDER, true),
        _ => (wait, pace::is_told(failures, wait)),
    };
    let now = service.clock.system_now();
    // Cut to the hour, because the times of a job's first tries would show when its call came.
    let since = told.then(|| hour(now));
    let mut tx = service.db.jobs.begin_unflushed().await?;
    let reason = reason.to_string();
    jobs::fail(&mut tx, job.row.id, job.lease, now + wait, &reason, since).await?;
    tx.commit().await
}

#[cfg(test)]
mod tests;
