//! Conducts calls: from an authenticated webhook to a committed answer.
//!
//! Each input has an identity (call and step, or a recording's id). The first time, it moves the conversation, and the
//! answer is stored with the state it led to; every later time the same answer is given, byte for byte. No answer is
//! given before the commit.
//!
//! A webhook is *prepared* in its own task (`prepare`: keys, sealing, requests to others), *decided* without a database
//! (`decide`: from what was prepared and loaded to an answer and changes), and *written* together with others that
//! arrived meanwhile (`batch`).

mod arriving;
mod batch;
mod decide;
mod duty;
mod facts;
mod fallback;
mod hung_up;
mod prepare;
mod receipt;
mod running;
mod take;
#[cfg(test)]
mod tests;

pub use arriving::{Arriving, Ended, Outcome, arriving, heard, nothing_came, stream_key};
pub use decide::{SILENT, end_call};
pub use facts::{accept_orphan, unnamed_steps};
pub use fallback::{fallback_line, line_of_fallback};
pub use hung_up::hung_up;
pub use running::running;
pub use take::find_take;
pub(crate) use take::open_state;

use crate::call::flow;
use crate::service::Service;
use crate::service::webhooks::{self, Reply};
use crate::store::cases::{self, Case};
use crate::store::{StoreError, WriteTx};
use crate::telephony::{Event, Provider, RecordingOutcome, Rendered};
pub use crate::telephony::{Hook, StepRef};
use std::sync::Arc;

/// Maximum step number. Higher ones were never handed out: a call has about sixty steps.
const MAX_STEP_NUMBER: u32 = 10_000;
/// Maximum number of times that a webhook is queued. A call that is not known yet and a line key that changes need one
/// more time each.
const TRIES: usize = 4;

/// Handles a webhook: moves the conversation, keeps the facts, commits, and then returns the answer.
///
/// # Errors
///
/// When the database fails; then nothing was changed.
pub async fn conduct(
    service: &Arc<Service>,
    provider: &Arc<dyn Provider>,
    hook: &Hook,
    event: &Event,
) -> Result<Reply, StoreError> {
    let mut prepared = Box::new(prepare::prepare(service, provider, hook, event).await?);
    for _ in 0..TRIES {
        match batch::hand_in(service, prepared).await? {
            webhooks::Outcome::Reply(reply) => return Ok(reply),
            webhooks::Outcome::Open(back, spoken) => {
                prepared = back;
                prepare::open(service, &mut prepared, spoken).await?;
            }
            webhooks::Outcome::Stray(back, reply) => {
                keep_unknown(service, provider.as_ref(), &back.event, &back.lookup).await?;
                return Ok(reply);
            }
        }
    }
    Err(StoreError::Broken(
        "the line's key changed as often as the webhook was prepared",
    ))
}

/// Handles a webhook that does not name its call: keeps its recording, if it has one. The answer to the provider does
/// not depend on the database.
///
/// # Errors
///
/// When the database fails; then nothing was changed.
pub async fn keep_without_call(
    service: &Service,
    provider: &dyn Provider,
    event: &Event,
) -> Result<(), StoreError> {
    let fact = event.recording.as_ref();
    let Some(fact) = fact.filter(|fact| fact.outcome != RecordingOutcome::Absent) else {
        return Ok(());
    };
    let mut tx = service.db.webhooks.begin().await?;
    facts::keep_stray(service, &mut tx, provider.name(), event, fact).await?;
    tx.commit().await?;
    service.wake.notify_one();
    Ok(())
}

/// Keeps what a webhook says of a call that has no row: the recording whose line is not known, or the call itself when
/// it is over.
async fn keep_unknown(
    service: &Service,
    provider: &dyn Provider,
    event: &Event,
    lookup: &[u8; 32],
) -> Result<(), StoreError> {
    if event.recording.is_some() {
        return keep_without_call(service, provider, event).await;
    }
    let mut tx = service.db.webhooks.begin().await?;
    facts::ask_about_call(service, &mut tx, provider.name(), event, lookup).await?;
    tx.commit().await?;
    service.wake.notify_one();
    Ok(())
}

/// Writes the changes that a job decided for a call, and commits.
///
/// # Errors
///
/// When the database fails; then nothing was changed.
pub async fn commit(mut tx: WriteTx, case: Case) -> Result<(), StoreError> {
    cases::write_last(&mut tx, case.changes).await?;
    tx.commit().await
}

/// Returns what a caller hears at a number that no line has.
pub fn not_in_service(service: &Service, provider: &dyn Provider) -> Rendered {
    let lines = service.config.lines.iter().map(|entry| &entry.line);
    provider.render_fallback(&flow::not_in_service(lines), None)
}
