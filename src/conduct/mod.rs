//! Conducts calls: from an authenticated webhook to a committed answer.
//!
//! An input has an identity: call and step, or a recording's id. When a step's input arrives for the first time, it
//! moves the conversation, and the answer is stored with the new state; when it arrives again, the stored answer is
//! given, byte for byte. What an answer changes is committed before the answer is given; without a commit in time the
//! provider gets the fallback answer.
//!
//! A webhook is *prepared* in its own task (`prepare`: keys, sealing, receipts), *decided* without a database
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

/// Maximum number of a step whose answer is loaded or stored. Higher numbers were never handed out: a call has at most
/// sixty steps and a few more.
const MAX_STEP_NUMBER: u32 = 10_000;
/// Maximum number of times that a webhook is queued. It is queued once more if its call turns out not to be known, and
/// once more each time the line's key has changed.
const TRIES: usize = 4;

/// Handles a webhook that names its call: moves the conversation, stores what the webhook says of a recording and of
/// the call's end, commits, and then returns the answer.
///
/// # Errors
///
/// When the database fails or holds something unreadable, when deciding panics, when the line has no valid key or not
/// the pinned one, or when the webhook was queued four times without an answer because the line's key kept changing.
/// Then nothing was changed, unless the connection was lost during the commit.
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

/// Handles a webhook that does not name its call, or reports a recording of a call that has no row: stores the
/// recording as a stray. Does nothing when the event has no recording, or the provider made none.
///
/// # Errors
///
/// When the database fails. Then nothing was changed, unless the connection was lost during the commit.
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

/// Stores what a webhook says of a call that has no row, as a stray: the recording whose line is not known, or the call
/// itself when it is over.
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

/// Writes the changes of a case that a job loaded in this transaction, and commits.
///
/// # Errors
///
/// When the database fails. Then nothing was changed, unless the connection was lost during the commit.
pub async fn commit(mut tx: WriteTx, case: Case) -> Result<(), StoreError> {
    cases::write_last(&mut tx, case.changes).await?;
    tx.commit().await
}

/// Returns the script that a caller hears at a number that no line has.
pub fn not_in_service(service: &Service, provider: &dyn Provider) -> Rendered {
    let lines = service.config.lines.iter().map(|entry| &entry.line);
    provider.render_fallback(&flow::not_in_service(lines), None)
}
