//! Data of webhooks that wait to be committed, and the queue they wait in. The module `conduct` prepares, decides and
//! writes them.

use crate::base::clock::Times;
use crate::call::flow::Found;
use crate::call::state::Earlier;
use crate::store::calls::{Call, SealedCaller};
use crate::store::cases::{Key as CallKey, NewReport};
use crate::store::reports::Report;
use crate::store::{Db, StoreError};
use crate::telephony::{Event, Hook, Provider, Rendered};
use crate::vault::secret::Key;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use tracing::Span;
use uuid::Uuid;

/// Maximum number of batches written at the same time on Postgres, where a batch spends most of its time on round trips
/// to the server. Row locks keep the webhooks of one call in order, as they do between nodes.
const MAX_AT_ONCE: u32 = 3;

/// The answer to a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A script.
    Script(Rendered),
    /// No script: 204, without a body.
    Noted,
}

/// Result of looking up the receipt that a caller typed.
pub enum LookedUp {
    /// The receipt opens this report. Also holds what the caller may be told of it.
    Report(Box<Report>, Earlier),
    /// The line has no such receipt, or its call became no report.
    Nothing,
    /// Two callers were told this receipt, so it opens neither report.
    Shared,
    /// There was no receipt to look up.
    NoReceipt,
    /// The receipt was not looked up, because there were too many tries.
    TooMany,
    /// The receipt was not looked up, because its lookup and key were not derived in time or could not be derived.
    NoTime,
}

impl LookedUp {
    /// Returns the result in the form that the conversation uses.
    pub fn found(&self) -> Found {
        match self {
            Self::Report(_, earlier) => Found::Report(earlier.clone()),
            Self::Nothing => Found::Nothing,
            Self::Shared => Found::Shared,
            Self::TooMany => Found::TooMany,
            // `NoReceipt`: the conversation checks whether the digits are a receipt before it uses this result.
            Self::NoTime | Self::NoReceipt => Found::NoTime,
        }
    }
}

/// A webhook that is ready to be decided: it has all that is needed besides the rows of the database.
pub struct Prepared {
    /// The provider that sent it.
    pub provider: Arc<dyn Provider>,
    /// The address of the service that it came to.
    pub hook: Hook,
    /// Its content.
    pub event: Event,
    /// What its call is found by in the database.
    pub call: CallKey,
    /// Keyed hash of the provider's name and its id of the call.
    pub lookup: [u8; 32],
    /// The call key: the state and the answers of the call are sealed with it.
    pub key: Key,
    /// When it was prepared.
    pub times: Times,
    /// Result of looking up the receipt in the event; `NoReceipt` if the event has none.
    pub looked_up: LookedUp,
    /// If a receipt opened a report: the number of the caller who calls back, sealed to that report.
    pub addition: Option<SealedCaller>,
    /// A new call, prepared in case the webhook's call is not known yet.
    pub opening: Option<Opening>,
    /// The span it was prepared in. It names the call if the address of the webhook does.
    pub span: Span,
}

/// A new call and its report, with all sealed data.
pub struct Opening {
    /// The answer to step 0; `None` if the call is not spoken to, because it is over or about to end. With an answer,
    /// `call` has a state too.
    pub answer: Option<Answered>,
    /// The id of the line key that the private half of the report's key is sealed to.
    pub line_key: Uuid,
    /// The public half of the line key.
    pub line_recipient: String,
    /// The report, its key and the caller's entry.
    pub new: NewReport,
    /// The call.
    pub call: Call,
}

/// The answer to step 0.
pub struct Answered {
    /// The answer as it is given.
    pub rendered: Rendered,
    /// The answer as it is stored, sealed under the call key.
    pub sealed: Vec<u8>,
}

/// Result of a webhook that was queued.
pub enum Outcome {
    /// The webhook is committed. Holds its answer.
    Reply(Reply),
    /// The call is not known, so a new one has to be prepared before the webhook is queued again; if the flag is true,
    /// with a conversation.
    Open(Box<Prepared>, bool),
    /// The call is not known, and the provider has to be asked about the webhook's recording or call. Holds the answer
    /// to the webhook.
    Stray(Box<Prepared>, Reply),
}

/// A webhook that waits for its commit.
pub struct Waiting {
    /// The prepared webhook.
    pub prepared: Box<Prepared>,
    /// Sender of its result. Closed if the webhook got the fallback answer meanwhile.
    pub answer: oneshot::Sender<Result<Outcome, StoreError>>,
}

/// The queue of webhooks that wait to be committed.
pub struct Batches {
    queue: Mutex<Queue>,
    at_once: u32,
}

/// Webhooks that are not in a batch yet, and the tasks that write batches.
#[derive(Default)]
pub struct Queue {
    /// The webhooks, in order of arrival.
    pub waiting: Vec<Waiting>,
    /// Number of tasks that write batches. Each ends when no webhook is waiting.
    pub busy: u32,
}

impl Batches {
    /// Returns an empty queue. `db` determines how many batches are written at the same time: one on SQLite, up to
    /// three on Postgres.
    pub fn new(db: &Db) -> Self {
        Self {
            queue: Mutex::default(),
            // Webhooks also read outside their batch (receipts, running calls), so one connection is left free.
            at_once: db.writers().saturating_sub(1).clamp(1, MAX_AT_ONCE),
        }
    }

    /// Returns the number of webhooks that are not in a batch yet.
    pub fn waiting(&self) -> usize {
        self.queue().waiting.len()
    }

    /// Returns the maximum number of batches written at the same time.
    pub fn at_once(&self) -> u32 {
        self.at_once
    }

    /// Returns the number of tasks that write batches now.
    pub fn at_work(&self) -> u32 {
        self.queue().busy
    }

    /// Returns the queue, locked. The guard must not be held across an `await`.
    pub fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
