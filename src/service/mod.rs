//! The running service: what all of its parts share.

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

/// The running service: configuration, clock, database, keys and providers. Shared by webhooks, API and jobs.
pub struct Service {
    /// The configuration.
    pub config: Config,
    /// Line time and system time.
    pub clock: Clock,
    /// Timers for providers that hold a connection: waiting for callers, and before retries.
    pub timers: Arc<dyn Timers>,
    /// The database, with separate connections for webhooks, jobs and the console.
    pub db: Databases,
    /// Health checks, and whether commits to the database succeed.
    pub health: Health,
    /// The service secret.
    pub secret: ServiceSecret,
    /// Seals providers' ids while they are needed.
    pub sid_key: Key,
    /// Sealed recordings.
    pub blobs: Blobs,
    /// Sounds that providers without a voice play.
    pub sounds: Arc<Sounds>,
    /// Providers by name.
    pub providers: BTreeMap<String, Arc<dyn Provider>>,
    /// Notified when a job may be due.
    pub wake: Notify,
    /// Number of jobs that the worker has finished, successfully or not; changes wake those who wait for one.
    pub worked: watch::Sender<u64>,
    /// Slows down guessing of passwords.
    pub logins: attempts::Logins,
    /// Derives receipts.
    pub receipts: ReceiptDeriver,
    /// Slows down guessing of receipts.
    pub guesses: guesses::Guesses,
    /// The queue of webhooks that wait for a commit.
    pub batches: webhooks::Batches,
    /// The lines' public keys.
    pub line_keys: line_keys::LineKeys,
    /// The lines that members work on.
    pub held_lines: held::HeldLines,
    /// Bounds how often the address of a take is fetched.
    pub take_fetches: fetches::Fetches,
    /// Notifies pages of changes.
    pub live: presence::Live,
    /// What each session has open.
    pub per_session: Arc<per_session::PerSession>,
    /// Number of recordings being streamed to the service.
    pub arriving: watch::Sender<usize>,
    /// True once the service stops: connections have to end.
    pub closing: watch::Sender<bool>,
    /// Number of files in the folder of recordings that no row names, as last counted by housekeeping.
    pub unnamed_files: AtomicUsize,
    /// Counters and durations for operators.
    pub metrics: metrics::Metrics,
    /// Bounds how often refused webhooks are logged.
    pub refusals: refusals::Refusals,
    /// Maximum times for which callers on the line are kept waiting.
    pub patience: Patience,
    /// Minimum speed at which a provider has to send a recording.
    pub slowest: Slowest,
    /// Bounds the number of calls for whose recordings settling asks a provider at the same time.
    pub asking: Slots<String>,
}

/// Minimum speed of a provider that sends a recording. If it sends fewer bytes in this time, the job fails and is tried
/// again later.
#[derive(Clone, Copy, Debug)]
pub struct Slowest {
    /// Number of bytes.
    pub bytes: u64,
    /// Time in which they have to arrive.
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

/// Maximum times for which callers on the line are kept waiting for something slow, before they are answered without
/// it: a caller has to hear something within 2 seconds.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Maximum time to commit a webhook, in total.
    pub webhook: Duration,
    /// Maximum time to derive a receipt, queueing included.
    pub receipt: Duration,
    /// Maximum time until a take can be listened to; then the conversation goes on ("it has been recorded").
    pub take: Duration,
    /// Maximum time to find that the connection of a recording has ended, when another one arrives for the same
    /// recording.
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

/// A provider's name and one of its ids, sealed together while they are needed.
pub struct ProviderRef {
    /// The provider's name in the configuration.
    pub provider: String,
    /// The provider's id of a call or a recording.
    pub id: String,
    /// The account that knows this id: what [`Provider::account`] returned when it was sealed.
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
        /// The account and address configured under this name now.
        configured: String,
        /// The account and address that the id belongs to.
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

    /// Returns the provider that knows an id.
    ///
    /// # Errors
    ///
    /// When the provider is not configured, or another account or address is configured under its name: that account's
    /// answer would say nothing about the id.
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

    /// Returns the name of the provider in what [`Service::seal_sid`] sealed; empty when it cannot be opened.
    pub fn provider_of(&self, sid: Option<&Vec<u8>>) -> String {
        sid.and_then(|sid| self.open_sid(sid))
            .map(|sid| sid.provider)
            .unwrap_or_default()
    }

    /// Returns the keyed hash of a provider's call id.
    pub fn call_lookup(&self, provider: &str, id: &str) -> [u8; 32] {
        self.secret.lookup("call", &[provider, id])
    }

    /// Returns the keyed hash of a recording: its provider, its id there, and the service's id of the call that named
    /// it. Two calls that name one recording of the provider have a recording each.
    pub fn recording_lookup(&self, provider: &str, id: &str, call: Uuid) -> [u8; 32] {
        let call = call.to_string();
        self.secret.lookup("recording", &[provider, id, &call])
    }

    /// Returns the keyed hash of a provider's recording id, the same for all calls that name it.
    pub fn source_lookup(&self, provider: &str, id: &str) -> [u8; 32] {
        self.secret.lookup("recording source", &[provider, id])
    }
}
