//! Writes many webhooks in one commit. A webhook that arrives alone is written at once; those that arrive while commits
//! are under way are written together by the next one. SQLite writes one batch at a time, Postgres up to three.

use super::decide::{Decided, decide};
use crate::base::clock::instant;
use crate::service::Service;
use crate::service::metrics::seconds_since;
use crate::service::webhooks::{Batches, Outcome, Prepared, Waiting};
use crate::store::cases::{self, Changes, Loaded, Wanted};
use crate::store::{StoreError, jobs};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Maximum number of webhooks in one batch.
const MAX_BATCH: usize = 512;
/// Maximum number of tries of a batch that fails each time because another transaction was first
/// ([`StoreError::is_of_the_moment`]).
const TRIES: usize = 5;

/// Adds a webhook to the queue, and waits until it is committed, or is found to need a new call or a stray first
/// ([`Outcome`]).
///
/// # Errors
///
/// When the database fails, or the webhook cannot be decided. Then nothing of it was changed, unless the connection was
/// lost during the commit.
pub(super) async fn hand_in(
    service: &Arc<Service>,
    prepared: Box<Prepared>,
) -> Result<Outcome, StoreError> {
    let (answer, answered) = oneshot::channel();
    let one_more = {
        let mut queue = service.batches.queue();
        queue.waiting.push(Waiting { prepared, answer });
        let one_more = queue.busy < service.batches.at_once();
        queue.busy += u32::from(one_more);
        one_more
    };
    if one_more {
        // A separate task, because the client whose webhook started it may hang up.
        tokio::spawn(work(Arc::clone(service)));
    }
    // The sender is dropped without a result when the task panics, or the runtime stops.
    answered.await.unwrap_or(Err(StoreError::Broken(
        "the task that writes webhooks has ended",
    )))
}

/// Decrements `Queue::busy` when it is dropped, that is when the task panics or the runtime stops: the next webhook
/// then starts a new task. If no other task is left after a panic, drops the webhooks that wait, so that they get an
/// error. A task that ends by itself decrements `Queue::busy` without this value.
struct Busy<'a>(&'a Batches);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        queue.busy -= 1;
        if queue.busy == 0 && std::thread::panicking() {
            queue.waiting.clear();
        }
    }
}

async fn work(service: Arc<Service>) {
    let busy = Busy(&service.batches);
    let _ahead = service.db.webhooks.go_ahead();
    loop {
        let batch = {
            let mut queue = service.batches.queue();
            if queue.waiting.is_empty() {
                // Decremented under the lock under which webhooks are queued, so that none is overlooked.
                queue.busy -= 1;
                std::mem::forget(busy);
                return;
            }
            let most = queue.waiting.len().min(MAX_BATCH);
            queue.waiting.drain(..most).collect()
        };
        write_all(&service, batch).await;
    }
}

/// Writes a batch. When the database refuses a value, or holds a row that cannot be read, the batch is written in
/// halves, and these again, so that only the webhook with that value or row gets the error.
async fn write_all(service: &Service, batch: Vec<Waiting>) {
    let mut batches = vec![batch];
    while let Some(mut batch) = batches.pop() {
        // Webhooks that got the fallback answer meanwhile are not written.
        batch.retain(|waiting| !waiting.answer.is_closed());
        if batch.is_empty() {
            continue;
        }
        match tried(service, &batch).await {
            Ok(decided) => {
                for (waiting, decided) in batch.into_iter().zip(decided) {
                    answer(waiting, decided);
                }
            }
            Err(error) if batch.len() > 1 && error.is_of_values() => {
                let later = batch.split_off(batch.len() / 2);
                batches.push(later);
                batches.push(batch);
            }
            Err(error) => {
                let error = Arc::new(error);
                for waiting in batch {
                    let _ = waiting
                        .answer
                        .send(Err(StoreError::Shared(Arc::clone(&error))));
                }
            }
        }
    }
}

fn answer(waiting: Waiting, decided: Result<Decided, StoreError>) {
    let outcome = match decided {
        Ok(Decided::Reply(reply, _)) => Ok(Outcome::Reply(reply)),
        Ok(Decided::Open { spoken }) => Ok(Outcome::Open(waiting.prepared, spoken)),
        Ok(Decided::Stray(reply)) => Ok(Outcome::Stray(waiting.prepared, reply)),
        Ok(Decided::Gone) => return,
        Err(error) => Err(error),
    };
    // The webhook may have got the fallback answer meanwhile.
    let _ = waiting.answer.send(outcome);
}

type AllDecided = Vec<Result<Decided, StoreError>>;

async fn tried(service: &Service, batch: &[Waiting]) -> Result<AllDecided, StoreError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match once(service, batch).await {
            Ok(Some(decided)) => return Ok(decided),
            // A webhook got the fallback answer while the transaction waited for locks: try again without it.
            Ok(None) => {}
            Err(error) if error.is_of_the_moment() && tries < TRIES => {}
            Err(error) => return Err(error),
        }
    }
}

/// Returns, for each webhook, true if the provider still waits for its answer.
fn open(batch: &[Waiting]) -> Vec<bool> {
    let open = |waiting: &Waiting| !waiting.answer.is_closed();
    batch.iter().map(open).collect()
}

/// Decides a batch and commits its changes, in one transaction. Returns `None`, and writes nothing, when there are
/// changes and a webhook got the fallback answer after it was decided.
async fn once(service: &Service, batch: &[Waiting]) -> Result<Option<AllDecided>, StoreError> {
    let metrics = &service.metrics;
    let begun = instant();
    let mut tx = service.db.webhooks.begin_ahead().await?;
    let wanted: Vec<Wanted> = (batch.iter())
        .map(|waiting| waiting.prepared.wanted(service))
        .collect();
    let mut loaded = cases::load(&mut tx, &wanted).await?;
    // Loading may have waited for locks for longer than callers are kept waiting.
    let before = open(batch);
    let waiting = batch.iter().zip(&before);
    let prepared = waiting.map(|(waiting, open)| open.then_some(waiting.prepared.as_ref()));
    let (decided, changes) = decide_all(service, prepared, &mut loaded);
    if !changes.is_empty() {
        let has_job = changes.has_job_before(service.clock.system_now() + jobs::READ_EVERY);
        cases::write_last(&mut tx, changes).await?;
        tx.write_gathered().await?;
        if open(batch) != before {
            return Ok(None);
        }
        let committing = instant();
        tx.commit().await?;
        let seconds = seconds_since(committing);
        metrics.batch_commit_seconds.observe(seconds);
        if has_job {
            service.wake.notify_one();
        }
    }
    metrics.batch_seconds.observe(seconds_since(begun));
    let webhooks = u32::try_from(batch.len()).unwrap_or(u32::MAX);
    metrics.batch_webhooks.observe(webhooks.into());
    Ok(Some(decided))
}

/// Decides webhooks in order: a later one sees what an earlier one of the same call changed. `None` in `batch` stands
/// for a webhook that got the fallback answer meanwhile.
pub(super) fn decide_all<'a>(
    service: &Service,
    batch: impl Iterator<Item = Option<&'a Prepared>>,
    loaded: &mut Loaded,
) -> (AllDecided, Changes) {
    let mut changes = Changes::default();
    let decided = batch
        .map(|prepared| {
            let Some(prepared) = prepared else {
                return Ok(Decided::Gone);
            };
            let decided = decide(service, prepared, loaded)?;
            Ok(match decided {
                Decided::Reply(reply, Some(case)) => {
                    changes.append(loaded.put(*case));
                    Decided::Reply(reply, None)
                }
                other => other,
            })
        })
        .collect();
    (decided, changes)
}
