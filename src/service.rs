//! What every part of the running service has at hand.

use crate::clock::{Clock, Timers};
use crate::config::Config;
use crate::sounds::Sounds;
use crate::store::Db;
use crate::telephony::Provider;
use crate::vault::receipts::Bench;
use crate::vault::recordings::Recordings;
use crate::vault::secret::{Key, ServiceSecret};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// The running service: configuration, clock, database, keys, providers. Shared by webhooks, API and jobs.
pub struct Service {
    /// The configuration.
    pub config: Config,
    /// Line time and system time.
    pub clock: Clock,
    /// Waits for callers, where the provider leaves that to us.
    pub timers: Arc<dyn Timers>,
    /// The database.
    pub db: Db,
    /// The service secret.
    pub secret: ServiceSecret,
    /// Seals provider ids while they are needed.
    pub sid_key: Key,
    /// The folder of sealed recordings.
    pub recordings: Recordings,
    /// What providers without a voice play.
    pub sounds: Arc<Sounds>,
    /// Providers by name.
    pub providers: BTreeMap<String, Arc<dyn Provider>>,
    /// Rung when there may be a job to do.
    pub wake: Notify,
    /// Counts the jobs somebody has finished working on, well or not; for whoever waits for one.
    pub worked: watch::Sender<u64>,
    /// Slows guessing of passwords down.
    pub logins: crate::login::Logins,
    /// Where receipts are worked out.
    pub receipts: Bench,
    /// Slows guessing of receipts down.
    pub guesses: crate::conduct::guesses::Guesses,
    /// Tells pages what changes.
    pub live: crate::desk::live::Live,
    /// How many recordings are being streamed to us.
    pub arriving: watch::Sender<usize>,
    /// The service stops: connections are to end.
    pub closing: watch::Sender<bool>,
    /// What went on, for operators.
    pub counters: crate::counters::Counters,
    /// What was told of refused webhooks.
    pub refusals: crate::refusals::Refusals,
    /// How long callers on the line are kept waiting.
    pub patience: Patience,
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
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            webhook: Duration::from_millis(1500),
            receipt: Duration::from_millis(900),
            take: Duration::from_secs(3),
        }
    }
}

/// A provider's name and one of its ids, sealed together while needed.
#[derive(serde::Serialize, serde::Deserialize)]
pub struct ProviderRef {
    /// The provider's name in the configuration.
    pub provider: String,
    /// Its id of a call or a recording.
    pub id: String,
}

impl Service {
    /// Seals a provider's id for the database.
    pub fn seal_sid(&self, provider: &str, id: &str) -> Vec<u8> {
        let plain = serde_json::to_vec(&(provider, id)).unwrap_or_default();
        self.sid_key.seal(&plain, b"sid")
    }

    /// Opens what [`Service::seal_sid`] sealed; none when it was not sealed with this secret.
    pub fn open_sid(&self, sealed: &[u8]) -> Option<ProviderRef> {
        let plain = self.sid_key.open(sealed, b"sid").ok()?;
        let (provider, id) = serde_json::from_slice(&plain).ok()?;
        Some(ProviderRef { provider, id })
    }

    /// Keyed hash of a provider's call id.
    pub fn call_lookup(&self, provider: &str, id: &str) -> [u8; 32] {
        self.secret.lookup("call", &[provider, id])
    }

    /// Keyed hash of a provider's recording id.
    pub fn recording_lookup(&self, provider: &str, id: &str) -> [u8; 32] {
        self.secret.lookup("recording", &[provider, id])
    }
}
