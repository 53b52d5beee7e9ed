//! What every part of the running service has at hand.

pub mod attempts;
pub mod fetches;
pub mod guesses;
pub mod health;
pub mod held;
pub mod line_keys;
pub mod log_pace;
pub mod metrics;
pub mod per_session;
pub mod presence;
pub mod refusals;
pub mod security_log;
pub mod slots;
pub mod webhooks;

use self::health::Health;
use self::slots::Slots;
use crate::base::clock::{Clock, Timers};
use crate::config::Config;
use crate::sounds::Sounds;
use crate::store::Databases;
use crate::telephony::Provider;
use crate::vault::blobs::Blobs;
use crate::vault::receipts::ReceiptDeriver;
use crate::vault::secret::{Key, ServiceSecret};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use uuid::Uuid;

/// The running service: configuration, clock, database, keys, providers. Shared by webhooks, API and jobs.
pub struct Service {
    /// The configuration.
    pub config: Config,
    /// Line time and system time.
    pub clock: Clock,
    /// Waits for callers and before retries, for providers that hold a connection.
    pub timers: Arc<dyn Timers>,
    /// The database, as webhooks, jobs and the console reach it.
    pub db: Databases,
    /// Whether commits to the database succeed.
    pub health: Health,
    /// The service secret.
    pub secret: ServiceSecret,
    /// Seals provider ids while they are needed.
    pub sid_key: Key,
    /// Sealed recordings.
    pub blobs: Blobs,
    /// What providers without a voice play.
    pub sounds: Arc<Sounds>,
    /// Providers by name.
    pub providers: BTreeMap<String, Arc<dyn Provider>>,
    /// Rung when there may be a job to do.
    pub wake: Notify,
    /// Counts the jobs somebody has finished working on, well or not; for whoever waits for one.
    pub worked: watch::Sender<u64>,
    /// Slows guessing of passwords down.
    pub logins: attempts::Logins,
    /// Where receipts are worked out.
    pub receipts: ReceiptDeriver,
    /// Slows guessing of receipts down.
    pub guesses: guesses::Guesses,
    /// Where webhooks wait for the commit under way.
    pub batches: webhooks::Batches,
    /// The lines' public keys.
    pub line_keys: line_keys::LineKeys,
    /// The lines that members work on.
    pub held_lines: held::HeldLines,
    /// Bounds how often the address of a take is fetched.
    pub take_fetches: fetches::Fetches,
    /// Tells pages what changes.
    pub live: presence::Live,
    /// What each session has open.
    pub per_session: Arc<per_session::PerSession>,
    /// How many recordings are being streamed to us.
    pub arriving: watch::Sender<usize>,
    /// The service stops: connections are to end.
    pub closing: watch::Sender<bool>,
    /// How many files of the folder of recordings no row names, as housekeeping counted last.
    pub unnamed_files: AtomicUsize,
    /// What happened and how long it took, for operators.
    pub metrics: metrics::Metrics,
    /// What was told of refused webhooks.
    pub refusals: refusals::Refusals,
    /// How long callers on the line are kept waiting.
    pub patience: Patience,
    /// How slowly a provider may send a recording.
    pub slowest: Slowest,
    /// Settling asks a provider for the recordings of so many calls at once.
    pub asking: Slots<String>,
}

/// How slowly a provider may send a recording: one that sends fewer bytes in this time is asked again later.
#[derive(Clone, Copy, Debug)]
pub struct Slowest {
    /// So many bytes.
    pub bytes: u64,
    /// In this time.
    pub time: Duration,
}

impl Default for Slowest {
    /// 1 KiB/s over 20 s.
    fn default() -> Self {
        Self {
            bytes: 20 * 1024,
            time: Duration::from_secs(20),
        }
    }
}

/// How long callers on the line are kept waiting for what is slow, before they are answered without it: whoever waits
/// on the other end has to hear something within 2 seconds.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a webhook to be written down, all in all.
    pub webhook: Duration,
    /// For a receipt to be worked out, others before it included.
    pub receipt: Duration,
    /// For a take to be there when it is listened to; then the line goes on ("it has been recorded").
    pub take: Duration,
    /// For the connection of a recording to be found out to have ended, when another one comes for the same recording.
    pub stream: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            webhook: Duration::from_millis(1500),
            receipt: Duration::from_millis(900),
            take: Duration::from_secs(3),
            stream: Duration::from_millis(500),
        }
    }
}

/// A provider's name and one of its ids, sealed together while needed.
pub struct ProviderRef {
    /// The provider's name in the configuration.
    pub provider: String,
    /// Its id of a call or a recording.
    pub id: String,
    /// The account that knows this id, as [`Provider::account`] said when it was sealed.
    pub account: String,
}

/// Why a provider cannot be asked about an id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Unaskable {
    /// The configuration has no provider of this name.
    #[error("no [[provider]] is named {0}; configure it under this name again")]
    NotConfigured(String),
    /// The configuration has another account or address under this name.
    #[error(
        "[[provider]] {provider} is {configured}, and this is of {former}; configure the former again under the name {provider}"
    )]
    OtherAccount {
        /// The provider's name in the configuration.
        provider: String,
        /// The account and address under this name now.
        configured: String,
        /// Those the id is of.
        former: String,
    },
}

impl Service {
    /// Seals a provider's id for the database.
    pub fn seal_sid(&self, provider: &str, id: &str) -> Vec<u8> {
        let account = self.providers.get(provider).map(|own| own.account());
        let account = account.unwrap_or_default();
        let plain = serde_json::to_vec(&(provider, id, account)).unwrap_or_default();
        self.sid_key.seal(&plain, b"sid")
    }

    /// Opens what [`Service::seal_sid`] sealed; none when it was not sealed with this secret.
    pub fn open_sid(&self, sealed: &[u8]) -> Option<ProviderRef> {
        let plain = self.sid_key.open(sealed, b"sid").ok()?;
        let (provider, id, account) = serde_json::from_slice(&plain).ok()?;
        Some(ProviderRef {
            provider,
            id,
            account,
        })
    }

    /// The provider that knows an id.
    ///
    /// # Errors
    ///
    /// When it is not configured, or another account or address is configured under its name: what that one answers says
    /// nothing about the id.
    pub fn provider_that_knows(&self, id: &ProviderRef) -> Result<&Arc<dyn Provider>, Unaskable> {
        let provider = self
            .providers
            .get(&id.provider)
            .ok_or_else(|| Unaskable::NotConfigured(id.provider.clone()))?;
        let configured = provider.account();
        if configured == id.account {
            return Ok(provider);
        }
        Err(Unaskable::OtherAccount {
            provider: id.provider.clone(),
            configured,
            former: id.account.clone(),
        })
    }

    /// The name of the provider in what [`Service::seal_sid`] sealed; empty when it cannot be opened.
    pub fn provider_of(&self, sid: Option<&Vec<u8>>) -> String {
        sid.and_then(|sid| self.open_sid(sid))
            .map(|sid| sid.provider)
            .unwrap_or_default()
    }

    /// Keyed hash of a provider's call id.
    pub fn call_lookup(&self, provider: &str, id: &str) -> [u8; 32] {
        self.secret.lookup("call", &[provider, id])
    }

    /// Keyed hash of a recording: its provider, its id there, and our id of the call that named it. Two calls that name one
    /// recording of the provider have a recording each.
    pub fn recording_lookup(&self, provider: &str, id: &str, call: Uuid) -> [u8; 32] {
        let call = call.to_string();
        self.secret.lookup("recording", &[provider, id, &call])
    }

    /// Keyed hash of what a provider has under a recording's id, whichever calls named it.
    pub fn source_lookup(&self, provider: &str, id: &str) -> [u8; 32] {
        self.secret.lookup("recording source", &[provider, id])
    }
}
