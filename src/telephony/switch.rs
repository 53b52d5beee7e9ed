//! The port of a switch: a provider that holds a connection to this service instead of sending webhooks.

use super::{Event, Hook, Provider, ProviderCallId, Rendered};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// A provider that holds a connection to this service, over which all its calls are carried on.
pub trait Switch: Provider {
    /// The WebSocket subprotocol that it speaks.
    fn protocol(&self) -> &'static str;

    /// Maximum size of a message from it, in bytes.
    fn max_message(&self) -> usize;

    /// Carries on the calls of one connection until it ends, or a newer one of the same switch takes its place. `frames` are
    /// the texts that come in, `out` accepts those that go out.
    fn carry(
        self: Arc<Self>,
        conductor: Arc<dyn Conductor>,
        frames: BoxStream<'static, String>,
        out: mpsc::UnboundedSender<String>,
    ) -> BoxFuture<'static, ()>;
}

/// What came of something that was conducted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conducted {
    /// A script.
    Script(Rendered),
    /// A script made from configuration and clock alone: what the event told may not have been written down.
    Fallback(Rendered),
    /// It is noted.
    Noted,
    /// It could not be written down, and is not acknowledged.
    Unavailable,
}

/// A call that has not ended, as far as is written down.
#[derive(Clone, Debug)]
pub struct Running {
    /// Its id at the provider.
    pub id: ProviderCallId,
    /// What it was answered last.
    pub answer: Rendered,
}

/// The conversation, for a provider that holds a connection instead of sending webhooks.
pub trait Conductor: Send + Sync {
    /// Takes in what happened, as a webhook of that kind would have told it.
    fn conduct<'a>(&'a self, hook: &'a Hook, event: &'a Event) -> BoxFuture<'a, Conducted>;

    /// The provider's calls that have not ended. An error when the database does not answer.
    fn running(&self) -> BoxFuture<'_, Result<Vec<Running>, String>>;

    /// Waits for an event, such as a key, at most this long.
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()>;

    /// Waits this long before a failed operation is tried again.
    fn pause(&self, time: Duration) -> BoxFuture<'static, ()>;
}
