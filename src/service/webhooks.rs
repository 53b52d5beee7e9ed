//! Webhooks that wait for their commit: what is known of each, and the queue they wait in. `conduct` prepares, decides and
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

/// Maximum number of batches written at the same time. On Postgres a batch spends most of its time on round trips to the server.
/// Row locks keep webhooks of one call in order, as they do between nodes.
const MAX_AT_ONCE: u32 = 3;
/// What a webhook is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A script.
    Script(Rendered),
    /// 204: it is noted.
    Noted,
}

/// What stands behind a receipt.
pub enum LookedUp {
    /// A report.
    Report(Box<Report>, Earlier),
    /// No report of this line.
    Nothing,
    /// Two callers were told this receipt, so it opens neither report.
    Shared,
    /// There was no receipt to look up.
    NoReceipt,
    /// Nobody looked: there were too many tries.
    TooMany,
    /// There was no time to look.
    NoTime,
}

impl LookedUp {
    /// As the conversation is told.
    pub fn found(&self) -> Found {
        match self {
            Self::Report(_, earlier) => Found::Report(earlier.clone()),
            Self::Nothing => Found::Nothing,
            Self::Shared => Found::Shared,
            Self::TooMany => Found::TooMany,
            // Digits that are no receipt are told apart before anybody asks what stands behind them.
            Self::NoTime | Self::NoReceipt => Found::NoTime,
        }
    }
}

/// A webhook that is ready to be decided.
pub struct Prepared {
    /// The provider that sent it.
    pub provider: Arc<dyn Provider>,
    /// Which of our addresses it came to.
    pub hook: Hook,
    /// What it says.
    pub event: Event,
    /// The call it is about.
    pub call: CallKey,
    /// Keyed hash of the provider and its id of the call in the event.
    pub lookup: [u8; 32],
    /// The key of the call in the event.
    pub key: Key,
    /// When it was prepared.
    pub times: Times,
    /// What stands behind the receipt in the event, if there is one.
    pub looked_up: LookedUp,
    /// Who calls back, sealed to the report of that receipt.
    pub addition: Option<SealedCaller>,
    /// What a call needs that is not known yet.
    pub opening: Option<Opening>,
    /// The span it was prepared in. It names the call if the address of the webhook does.
    pub span: Span,
}

/// A new call and its report, with all that is sealed.
pub struct Opening {
    /// It was spoken to: it has a state, and an answer to step 0.
    pub answer: Option<Answered>,
    /// The line key the report's key is sealed to.
    pub line_key: Uuid,
    /// Its public half.
    pub line_recipient: String,
    /// The report, its key and its caller.
    pub new: NewReport,
    /// The call.
    pub call: Call,
}

/// The answer to the call itself.
pub struct Answered {
    /// As it is given.
    pub rendered: Rendered,
    /// As it is kept, under the call key.
    pub sealed: Vec<u8>,
}

/// What becomes of a webhook that was handed in.
pub enum Outcome {
    /// It is committed, and answered.
    Reply(Reply),
    /// The call is not known: what it needs has to be made first, with a conversation when it is spoken to.
    Open(Box<Prepared>, bool),
    /// The provider has to be asked: see [`Decided::Stray`].
    Stray(Box<Prepared>, Reply),
}

/// A webhook that waits for its commit.
pub struct Waiting {
    /// What is known of it.
    pub prepared: Box<Prepared>,
    /// Where its outcome is sent. Closed when the client was answered meanwhile.
    pub answer: oneshot::Sender<Result<Outcome, StoreError>>,
}

/// Where webhooks wait for the commits under way.
pub struct Batches {
    queue: Mutex<Queue>,
    at_once: u32,
}

/// The webhooks that no task writes yet.
#[derive(Default)]
pub struct Queue {
    /// In order of arrival.
    pub waiting: Vec<Waiting>,
    /// Number of tasks that write batches. Each ends when no webhook is waiting.
    pub busy: u32,
}

impl Batches {
    /// An empty queue. `db` decides how many batches are written at the same time: one on SQLite, up to three on Postgres.
    pub fn new(db: &Db) -> Self {
        Self {
            queue: Mutex::default(),
            // Webhooks also read outside their batch (receipts, running calls): one connection stays free for that.
            at_once: db.writers().saturating_sub(1).clamp(1, MAX_AT_ONCE),
        }
    }

    /// How many webhooks wait for the commits under way.
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

    /// The queue, locked. Never held across an `await`.
    pub fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
