//! The port of a switch: a provider that holds a connection to this service instead of sending webhooks.

use super::{Event, Hook, Provider, ProviderCallId, Rendered};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// A provider that holds a connection to this service, over which all its calls are controlled.
pub trait Switch: Provider {
    /// The WebSocket subprotocol that the provider speaks.
    fn protocol(&self) -> &'static str;

    /// Maximum size of a message from the provider, in bytes.
    fn max_message(&self) -> usize;

    /// Controls the calls of one connection until it ends or a newer connection of the same switch replaces it.
    /// `frames` are the text frames received, `out` accepts the frames to send.
    fn carry(
        self: Arc<Self>,
        conductor: Arc<dyn Conductor>,
        frames: BoxStream<'static, String>,
        out: mpsc::UnboundedSender<String>,
    ) -> BoxFuture<'static, ()>;
}

/// The result of handing an event to the conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conducted {
    /// A script to perform.
    Script(Rendered),
    /// A script made from configuration and clock alone. It is not known that the event was stored.
    Fallback(Rendered),
    /// The event needs no answer, and what had to be stored of it was stored.
    Noted,
    /// The event could not be stored, and is not acknowledged.
    Unavailable,
}

/// A call that has not ended, according to the database.
#[derive(Clone, Debug)]
pub struct Running {
    /// The call's id at the provider.
    pub id: ProviderCallId,
    /// The last answer given to the call.
    pub answer: Rendered,
}

/// The conversation, for a provider that holds a connection instead of sending webhooks.
pub trait Conductor: Send + Sync {
    /// Processes an event, as if a webhook of that kind had reported it.
    fn conduct<'a>(&'a self, hook: &'a Hook, event: &'a Event) -> BoxFuture<'a, Conducted>;

    /// Returns the provider's calls that have not ended. Calls that cannot be read are left out.
    ///
    /// # Errors
    ///
    /// Returns a sentence when the database fails.
    fn running(&self) -> BoxFuture<'_, Result<Vec<Running>, String>>;

    /// Waits this long: the time limit for an event, such as a key.
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()>;

    /// Waits this long before a failed operation is tried again.
    fn pause(&self, time: Duration) -> BoxFuture<'static, ()>;
}
