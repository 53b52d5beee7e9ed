//! The running service: the state that webhooks, API, console and jobs share.

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
pub mod resealing;
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
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use uuid::Uuid;

/// The running service: configuration, clock, database, keys and providers. Shared by webhooks, API, console and jobs.
pub struct Service {
    /// The configuration.
    pub config: Config,
    /// Line time and system time.
    pub clock: Clock,
    /// Timers for providers that hold a connection: for waiting for a caller's input, and for pauses before retries.
    pub timers: Arc<dyn Timers>,
    /// The database, with separate connections for webhooks, jobs and the console.
    pub db: Databases,
    /// Results of recent commits and test writes, for health checks.
    pub health: Health,
    /// The service secret.
    pub secret: ServiceSecret,
    /// Seals the ids that providers give to calls and recordings.
    pub sid_key: Key,
    /// The store of sealed recordings.
    pub blobs: Blobs,
    /// Sound files for providers without text-to-speech.
    pub sounds: Arc<Sounds>,
    /// Providers by name.
    pub providers: BTreeMap<String, Arc<dyn Provider>>,
    /// Notified when a job may be due, to wake the job runner.
    pub wake: Notify,
    /// Number of tries of jobs that have ended on this node, successfully or not. Tests wait for it to change.
    pub worked: watch::Sender<u64>,
    /// Slows down guessing of passwords.
    pub logins: attempts::Logins,
    /// Derives receipts.
    pub receipts: ReceiptDeriver,
    /// Slows down guessing of receipts.
    pub guesses: guesses::Guesses,
    /// The queue of webhooks that wait for a commit.
    pub batches: webhooks::Batches,
    /// The lines' public keys that were read from the database.
    pub line_keys: line_keys::LineKeys,
    /// The lines that members hold the keys of, as last read.
    pub held_lines: held::HeldLines,
    /// Bounds how often the address of a take is fetched.
    pub take_fetches: fetches::Fetches,
    /// Notifies open pages of changes.
    pub live: presence::Live,
    /// The event streams and recordings that each session has open.
    pub per_session: Arc<per_session::PerSession>,
    /// Number of recordings being streamed to this process.
    pub arriving: watch::Sender<usize>,
    /// Tasks that seal the keys of reports to their line's next key. Stopping the service waits for them.
    pub resealing: resealing::Resealing,
    /// True once the service stops: all connections and background tasks have to end.
    pub closing: watch::Sender<bool>,
    /// Number of files in the folder of recordings that no row refers to, as last counted by housekeeping.
    pub unnamed_files: AtomicUsize,
    /// True if the database was put back to an earlier state than this node has seen, as last checked.
    pub put_back: AtomicBool,
    /// Counters and durations for operators.
    pub metrics: metrics::Metrics,
    /// Bounds how often refused webhooks are logged.
    pub refusals: refusals::Refusals,
    /// Maximum times for which callers on the line are kept waiting.
    pub patience: Patience,
    /// Minimum speed at which a provider has to send a recording.
    pub slowest: Slowest,
    /// For each provider, bounds the number of calls whose recordings it is asked for at the same time, when they are
    /// settled.
    pub asking: Slots<String>,
}

/// Minimum speed of a provider that sends a recording. If fewer bytes arrive in this time, the job that fetches the
/// recording fails and is tried again later.
#[derive(Clone, Copy, Debug)]
pub struct Slowest {
    /// Minimum number of bytes.
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

/// Maximum times for which a caller on the line is kept waiting for something slow. After that the call goes on without
/// it, because callers should not hear silence for long.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Maximum time to prepare and commit a webhook. After that the fallback answer is given: a caller has to hear
    /// something within 2 seconds.
    pub webhook: Duration,
    /// Maximum time to derive the lookup and key of a typed receipt, queueing included, and to synthesize the reply for
    /// a provider that cannot speak. Part of the time of the webhook.
    pub receipt: Duration,
    /// Maximum time until a take can be played back to the caller. After that silence is played, and the conversation
    /// goes on.
    pub take: Duration,
    /// If a second connection for a recording arrives: maximum time to wait for the first one to end.
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

/// A provider's name and one of its ids. In the database both are sealed together.
pub struct ProviderRef {
    /// The provider's name in the configuration.
    pub provider: String,
    /// The provider's id of a call or a recording.
    pub id: String,
    /// The account that knows this id: what [`Provider::account`] returned when the id was sealed; empty if the
    /// provider was not configured then.
    pub account: String,
}

/// Why the provider of an id cannot be asked about it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Unaskable {
    /// The configuration has no provider of this name.
    #[error("no [[provider]] is named {0}; configure it under this name again")]
    NotConfigured(String),
    /// Another account or address is configured under this name than the one that the id belongs to.
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
    /// Seals the name and account of a provider and its id of a call or recording, for the row with the id `of`: in
    /// another row it does not open.
    pub fn seal_sid(&self, of: Uuid, provider: &str, id: &str) -> Vec<u8> {
        let account = self.providers.get(provider).map(|own| own.account());
        let account = account.unwrap_or_default();
        let plain = serde_json::to_vec(&(provider, id, account)).unwrap_or_default();
        self.sid_key.seal(&plain, of.as_bytes())
    }

    /// Opens what [`Service::seal_sid`] sealed; `None` if it was not sealed with this service's secret, or for another
    /// row.
    pub fn open_sid(&self, of: Uuid, sealed: &[u8]) -> Option<ProviderRef> {
        let plain = self.sid_key.open(sealed, of.as_bytes()).ok()?;
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
    /// When the provider is not configured, or another account or address is configured under its name. An answer from
    /// that account would say nothing about the id.
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

    /// Returns the name of the provider in what [`Service::seal_sid`] sealed for the row `of`; empty if there is nothing
    /// to open, or it cannot be opened.
    pub fn provider_of(&self, of: Uuid, sid: Option<&Vec<u8>>) -> String {
        sid.and_then(|sid| self.open_sid(of, sid))
            .map(|sid| sid.provider)
            .unwrap_or_default()
    }

    /// Returns the keyed hash of a provider's name and its id of a call.
    pub fn call_lookup(&self, provider: &str, id: &str) -> [u8; 32] {
        self.secret.lookup("call", &[provider, id])
    }

    /// Returns the keyed hash of a recording of a call: of the provider's name, its id of the recording, and the
    /// service's id of the call. If two calls name the same recording of the provider, each of them gets a row of its
    /// own.
    pub fn recording_lookup(&self, provider: &str, id: &str, call: Uuid) -> [u8; 32] {
        let call = call.to_string();
        self.secret.lookup("recording", &[provider, id, &call])
    }

    /// Returns the keyed hash of a provider's name and its id of a recording, which is the same for all calls that name
    /// it.
    pub fn source_lookup(&self, provider: &str, id: &str) -> [u8; 32] {
        self.secret.lookup("recording source", &[provider, id])
    }
}
