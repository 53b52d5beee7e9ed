//! Who carries the call. One trait, one file a provider; nothing outside this folder names one.
//!
//! A provider calls us over HTTP (a *webhook*), we answer with a script in its language, and we call its
//! REST API to fetch and delete recordings. In the order of a request: [`Provider::authenticate`] on the raw
//! bytes, [`Provider::parse`] to an [`Event`], and at the end [`Provider::render`].

pub mod asterisk;
pub mod carrier;
mod event;
pub mod form;
pub mod http_client;
pub mod jambonz;
pub mod json;
mod links;
mod listing;
mod refused;
pub mod signalwire;
pub mod signature;
pub mod simulator;
pub mod somleng;
pub mod streams;
mod switch;
pub mod telnyx;
pub mod twilio;
pub mod twiml;

pub use event::{
    Event, Hook, ProviderCallId, ProviderRecordingId, RecordingFact, RecordingOutcome, StepRef,
};
pub use links::{FallbackLine, Links, take_token};
pub use listing::{CallStanding, ListedCall, ListedRecording, Listing, Origin};
pub use refused::Refused;
pub use streams::Streams;
pub use switch::{Conducted, Conductor, Running, Switch};

use crate::call::script::{Script, Spoken};
use axum::http::HeaderMap;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A webhook as it came in, before anything is believed.
#[derive(Clone, Debug)]
pub struct RawRequest {
    /// The whole address the provider called, made from the configured public URL and the path and query of the request.
    pub url: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body, at most 64 KiB.
    pub body: Bytes,
    /// When it came, in system time: some signatures hold for minutes only.
    pub at: DateTime<Utc>,
}

/// A rendered script: the body of the answer to a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The `Content-Type`.
    pub content_type: Cow<'static, str>,
    /// The body.
    pub body: String,
}

/// A recording on its way from the provider.
pub struct Download {
    /// What the provider says the length is, in bytes.
    pub length: Option<u64>,
    /// The bytes. An error in it means the rest did not come.
    pub body: BoxStream<'static, Result<Bytes, ProviderError>>,
}

/// Why a request to a provider's REST API came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// 404: not there yet, or not there any more.
    #[error("the provider has no such thing")]
    NotFound,
    /// The provider refuses our credentials (401, 403).
    #[error("the provider refuses the configured account or token")]
    Denied,
    /// The provider has no such request.
    #[error("the provider cannot do that")]
    Unsupported,
    /// The provider answered 429 or 503 and asks not to be asked again before this time has passed: an hour at most.
    #[error("the provider asks to be left alone for {} s", .0.as_secs())]
    Busy(Duration),
    /// Anything else: unreachable, cut short, an error status. Safe to log: holds no address and no body.
    #[error("the provider answered badly: {0}")]
    Failed(String),
}

/// Something found when a provider was looked at, for an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is as it should be.
    Good(String),
    /// It may be meant so.
    Odd(String),
    /// Calls will not work like this.
    Bad(String),
}

/// What a provider cannot do; the flow copes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// It can speak into a running recording. Where it can't, a long recording is made in two, with the warning between.
    pub speaks_while_recording: bool,
    /// It speaks words. One that can't plays sounds, which a [`Voice`] has.
    pub has_voice: bool,
    /// It lets whoever is rung press a key before they hear the caller. Where it can't, a voicemail would swallow the
    /// caller: nobody is rung, and the duty inspector is not offered.
    pub asks_who_picks_up: bool,
    /// It ends a recording when nobody speaks any more. Where it can't, `#`, the limit and hanging up end one.
    pub hears_silence: bool,
    /// It tells a recording in which nobody spoke from one in which somebody did. Where it can't, a silent caller leaves
    /// a report like any other.
    pub knows_silence: bool,
    /// It deletes a recording when asked to. Where it can't, it keeps them as long as the account says there.
    pub deletes: bool,
    /// It records nothing: what a caller says is streamed to us as it is spoken. What became of it is known here, not
    /// there, and while nothing can be written down no recording may be offered.
    pub streams_recordings: bool,
}

/// The sounds of what is said, for a provider without a voice of its own.
pub trait Voice: Send + Sync {
    /// Files to play one after the other: absolute paths, without the extension `.wav`. Pieces without a sound are
    /// left out.
    fn files(&self, language: &str, text: &Spoken) -> Vec<PathBuf>;

    /// The beep before a recording, in the same form.
    fn beep(&self) -> Option<PathBuf>;
}

/// No sounds at all: where nothing is said to anybody.
pub struct Mute;

impl Voice for Mute {
    fn files(&self, _: &str, _: &Spoken) -> Vec<PathBuf> {
        Vec::new()
    }

    fn beep(&self) -> Option<PathBuf> {
        None
    }
}

/// A carrier of calls.
pub trait Provider: Send + Sync {
    /// Its name in the configuration.
    fn name(&self) -> &str;

    /// The account and address that its ids of calls and recordings are of, in words for an operator. Ids of another
    /// account say nothing here, and its 404 says nothing about them.
    fn account(&self) -> String;

    /// What it can and can't do.
    fn capabilities(&self) -> Capabilities;

    /// Is this really from the provider? On the raw bytes, in constant time, before anything is believed.
    fn authenticate(&self, request: &RawRequest) -> Result<(), Refused>;

    /// The headers that a signature of the provider stands in. A request with none of them is not signed.
    fn signature_headers(&self) -> &'static [&'static str];

    /// What an authenticated webhook says. A field that is missing or cannot be read is left out of the event: a request
    /// with a right signature is answered, whatever it holds.
    ///
    /// # Errors
    ///
    /// [`Refused::OtherAccount`] when it does not name the configured account.
    fn parse(&self, request: &RawRequest) -> Result<Event, Refused>;

    /// A script in the provider's language.
    fn render(&self, script: &Script, links: &Links) -> Rendered;

    /// What whoever was rung hears before the caller does; the key they press goes to [`Links::taken`].
    fn render_whisper(&self, script: &Script, links: &Links) -> Rendered;

    /// What becomes of a telephone that was rung: it is put together with the caller, or hung up.
    fn render_accepted(&self, taken: bool) -> Rendered;

    /// What to answer when there is no call to speak of (database down, a number no line has): the same, without steps;
    /// a recording is left with the provider. Once it has ended the provider comes back to `/hooks/{provider}/fallback`
    /// with the recording in the event: that must be answered with a goodbye, or the caller is asked to speak again
    /// and again. What a script says after its [`Record`](crate::call::script::Verb::Record) is heard when nothing was
    /// recorded. `line` is the line it is an answer of, for the addresses in it, where it may record.
    fn render_fallback(&self, script: &Script, line: Option<&FallbackLine>) -> Rendered;

    /// Fetches a recording, as WAV.
    fn fetch<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Download, ProviderError>>;

    /// Asks the provider to delete a recording. Neither success nor [`ProviderError::NotFound`] proves that it is gone:
    /// it may be deleted at another address than it is fetched from. [`Self::is_gone`] does.
    fn delete<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), ProviderError>>;

    /// True when the address that a recording is fetched from answers that it does not exist, and the account itself
    /// answers right after that. That the provider is only not ready to serve it is no such answer.
    ///
    /// # Errors
    ///
    /// When the provider says neither.
    fn is_gone<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, ProviderError>>;

    /// How a call stands.
    fn ask<'a>(&'a self, call: &'a str) -> BoxFuture<'a, Result<CallStanding, ProviderError>>;

    /// The ids of the recordings the provider has of a call.
    ///
    /// # Errors
    ///
    /// When the list cannot be read, [`ProviderError::NotFound`] included: then it is not known what the provider has.
    fn recordings_of<'a>(
        &'a self,
        call: &'a str,
    ) -> BoxFuture<'a, Result<Vec<ProviderRecordingId>, ProviderError>>;

    /// Which call a recording was made in, and which number was dialled. `call` is the call's id where that is known.
    ///
    /// # Errors
    ///
    /// [`ProviderError::Unsupported`] where the provider cannot be asked.
    fn origin<'a>(
        &'a self,
        recording: &'a str,
        call: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Origin, ProviderError>> {
        let _ = (recording, call);
        Box::pin(std::future::ready(Err(ProviderError::Unsupported)))
    }

    /// Calls and recordings since a time: what to compare with what was heard of.
    ///
    /// # Errors
    ///
    /// [`ProviderError::Unsupported`] where the provider lists nothing.
    fn list(&self, since: DateTime<Utc>) -> BoxFuture<'_, Result<Listing, ProviderError>>;

    /// Looks whether it can be worked with: address, account, secret, and where it has to find us.
    fn look<'a>(&'a self, public_url: &'a str) -> BoxFuture<'a, Vec<Finding>>;

    /// The switch behind it, when it holds a connection to us.
    fn switch(self: Arc<Self>) -> Option<Arc<dyn Switch>> {
        None
    }

    /// The account behind it, when what is recorded is streamed to us.
    fn streams(self: Arc<Self>) -> Option<Arc<dyn Streams>> {
        None
    }
}
