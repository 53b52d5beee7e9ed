//! Webhooks that wait for their commit: the data of each, and the queue they wait in. `conduct` prepares, decides and
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

/// Maximum number of batches written at the same time. On Postgres a batch spends most of its time on round trips to
/// the server. Row locks keep webhooks of one call in order, as they do between nodes.
const MAX_AT_ONCE: u32 = 3;
/// The answer to a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A script.
    Script(Rendered),
    /// 204, without a body.
    Noted,
}

/// Result of looking up a receipt.
pub enum LookedUp {
    /// A report.
    Report(Box<Report>, Earlier),
    /// No report of this line.
    Nothing,
    /// Two callers were told this receipt, so it opens neither report.
    Shared,
    /// There was no receipt to look up.
    NoReceipt,
    /// The receipt was not looked up, because there were too many tries.
    TooMany,
    /// There was no time to look the receipt up.
    NoTime,
}

impl LookedUp {
    /// Returns the result for the conversation.
    pub fn found(&self) -> Found {
        match self {
            Self::Report(_, earlier) => Found::Report(earlier.clone()),
            Self::Nothing => Found::Nothing,
            Self::Shared => Found::Shared,
            Self::TooMany => Found::TooMany,
            // The conversation checks whether the digits are a receipt before it uses this result.
            Self::NoTime | Self::NoReceipt => Found::NoTime,
        }
    }
}

/// A webhook that is prepared to be decided.
pub struct Prepared {
    /// The provider that sent it.
    pub provider: Arc<dyn Provider>,
    /// The hook: which of the service's addresses it came to.
    pub hook: Hook,
    /// Its content.
    pub event: Event,
    /// What its call is found by.
    pub call: CallKey,
    /// Keyed hash of the provider's name and its id of the call in the event.
    pub lookup: [u8; 32],
    /// The key of the call in the event.
    pub key: Key,
    /// When it was prepared.
    pub times: Times,
    /// Result of looking up the receipt in the event.
    pub looked_up: LookedUp,
    /// The caller who calls back, sealed to the report of that receipt.
    pub addition: Option<SealedCaller>,
    /// A call prepared in case it is not known.
    pub opening: Option<Opening>,
    /// The span it was prepared in. It names the call if the address of the webhook does.
    pub span: Span,
}

/// A new call and its report, with all sealed data.
pub struct Opening {
    /// The answer to step 0, if the call is spoken to; it then has a state too.
    pub answer: Option<Answered>,
    /// The id of the line key that the report's key is sealed to.
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
    /// The call is not known: what it needs has to be prepared first, with a conversation if the flag is true.
    Open(Box<Prepared>, bool),
    /// The provider has to be asked about the recording or the call; holds the answer to the webhook.
    Stray(Box<Prepared>, Reply),
}

/// A webhook that waits for its commit.
pub struct Waiting {
    /// The prepared webhook.
    pub prepared: Box<Prepared>,
    /// Sender of its result. Closed when the client was answered meanwhile.
    pub answer: oneshot::Sender<Result<Outcome, StoreError>>,
}

/// The queue of webhooks that wait for the commits under way.
pub struct Batches {
    queue: Mutex<Queue>,
    at_once: u32,
}

/// Webhooks that no task writes yet.
#[derive(Default)]
pub struct Queue {
    /// In order of arrival.
    pub waiting: Vec<Waiting>,
    /// Number of tasks that write batches. Each ends when no webhook is waiting.
    pub busy: u32,
}

impl Batches {
    /// Makes an empty queue. `db` decides how many batches are written at the same time: one on SQLite, up to three on
    /// Postgres.
    pub fn new(db: &Db) -> Self {
        Self {
            queue: Mutex::default(),
            // Webhooks also read outside their batch (receipts, running calls): one connection is left free for that.
            at_once: db.writers().saturating_sub(1).clamp(1, MAX_AT_ONCE),
        }
    }

    /// Number of webhooks that wait for the commits under way.
    pub fn waiting(&self) -> usize {
        self.queue().waiting.len()
    }

    /// Maximum number of batches written at the same time.
    pub fn at_once(&self) -> u32 {
        self.at_once
    }

    /// Number of batches being written now.
    pub fn at_work(&self) -> u32 {
        self.queue().busy
    }

    /// Returns the queue, locked. The lock is never held across an `await`.
    pub fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
