//! The provider port: one trait, one file per provider. No module outside this folder names a provider.
//!
//! A provider calls the service over HTTP (a *webhook*); the service answers with a script in the provider's language,
//! and calls the provider's REST API to fetch and delete recordings. In the order of a request:
//! [`Provider::authenticate`] on the raw bytes, [`Provider::parse`] to an [`Event`], and finally [`Provider::render`].

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

/// A webhook as received, before its signature is checked.
#[derive(Clone, Debug)]
pub struct RawRequest {
    /// The whole address the provider called, built from the configured public URL and the path and query of the
    /// request.
    pub url: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body, at most 64 KiB.
    pub body: Bytes,
    /// Time of receipt, in system time. Some signatures are valid for minutes only.
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

/// A recording being fetched from the provider.
pub struct Download {
    /// Length announced by the provider, in bytes.
    pub length: Option<u64>,
    /// The bytes. An error in the stream means that the remaining bytes were not received.
    pub body: BoxStream<'static, Result<Bytes, ProviderError>>,
}

/// Why a request to a provider's REST API failed.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// 404: does not exist yet, or does not exist any more.
    #[error("the provider does not have what was requested")]
    NotFound,
    /// The provider rejected the configured credentials (401, 403).
    #[error("the provider rejects the configured account or token")]
    Denied,
    /// The provider's API has no such request.
    #[error("the provider does not support this request")]
    Unsupported,
    /// The provider answered 429 or 503 and asks for no further request before this time has passed (at most one hour).
    #[error("the provider asks for no further request for {} s", .0.as_secs())]
    Busy(Duration),
    /// Any other failure: unreachable, cut short, an error status. Safe to log: contains no address and no body.
    #[error("the provider answered badly: {0}")]
    Failed(String),
}

/// One result of checking a provider, for an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// As it should be.
    Good(String),
    /// Unusual, but may be intended.
    Odd(String),
    /// Calls will fail with this configuration.
    Bad(String),
}

/// What a provider can and cannot do. The conversation adapts to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// True if the provider can speak into a running recording. If false, a long recording is made as two, with the
    /// warning between them.
    pub speaks_while_recording: bool,
    /// True if the provider has text-to-speech. If false, it plays sound files, which a [`Voice`] supplies.
    pub has_voice: bool,
    /// True if the called inspector can be asked for a key before being connected to the caller. If false, a voicemail
    /// could answer the call, so no inspector is dialled and the option is not offered.
    pub asks_who_picks_up: bool,
    /// True if the provider ends a recording on silence. If false, a recording ends on `#`, at the limit or when the
    /// caller hangs up.
    pub hears_silence: bool,
    /// True if the provider tells a recording with speech from one without. If false, a silent caller leaves a report
    /// like any other.
    pub knows_silence: bool,
    /// True if the provider deletes a recording on request. If false, recordings stay as long as the account's settings
    /// say.
    pub deletes: bool,
    /// True if the provider makes no recordings itself and streams the audio to this service as it is spoken. The
    /// outcome of a recording is then known here, not at the provider, and no recording may be offered while the
    /// database cannot be written.
    pub streams_recordings: bool,
}

/// Sound files for spoken text, for a provider without text-to-speech.
pub trait Voice: Send + Sync {
    /// Files to play one after the other: absolute paths, without the extension `.wav`. Pieces without a file are left
    /// out.
    fn files(&self, language: &str, text: &Spoken) -> Vec<PathBuf>;

    /// The beep before a recording, in the same form.
    fn beep(&self) -> Option<PathBuf>;
}

/// A [`Voice`] without any files, where nothing is played.
pub struct Mute;

impl Voice for Mute {
    fn files(&self, _: &str, _: &Spoken) -> Vec<PathBuf> {
        Vec::new()
    }

    fn beep(&self) -> Option<PathBuf> {
        None
    }
}

/// A telephony provider.
pub trait Provider: Send + Sync {
    /// The provider's name in the configuration.
    fn name(&self) -> &str;

    /// The account and address that ids of calls and recordings belong to, in words for an operator. Ids of another
    /// account are unknown to this one, so its 404 proves nothing about them.
    fn account(&self) -> String;

    /// What the provider can and cannot do.
    fn capabilities(&self) -> Capabilities;

    /// Checks that the request is from the provider: on the raw bytes, in constant time, before any of it is used.
    fn authenticate(&self, request: &RawRequest) -> Result<(), Refused>;

    /// The headers that can carry the provider's signature. A request with none of them is unsigned.
    fn signature_headers(&self) -> &'static [&'static str];

    /// Parses an authenticated webhook. A field that is missing or cannot be read is left out of the event, because a
    /// request with a valid signature is always answered.
    ///
    /// # Errors
    ///
    /// [`Refused::OtherAccount`] when the request does not name the configured account.
    fn parse(&self, request: &RawRequest) -> Result<Event, Refused>;

    /// Renders a script in the provider's language.
    fn render(&self, script: &Script, links: &Links) -> Rendered;

    /// Renders the script that the called inspector hears before being connected; the key pressed goes to
    /// [`Links::accepted`].
    fn render_whisper(&self, script: &Script, links: &Links) -> Rendered;

    /// Renders the answer to the called inspector's key: connect to the caller if `taken` (the call was accepted), else
    /// hang up.
    fn render_accepted(&self, taken: bool) -> Rendered;

    /// Renders the answer when no call can be looked up (database down, number of no line): like [`Self::render`],
    /// without steps; a recording is left with the provider. When the recording has ended, the provider requests
    /// `/hooks/{provider}/fallback` with the recording in the event. That request must be answered with a goodbye, or
    /// the caller is asked to speak in a loop. The part of the script after its
    /// [`Record`](crate::call::script::Verb::Record) is heard when nothing was recorded. `line` is the line the answer
    /// is for, to be named in its addresses, where the line may record.
    fn render_fallback(&self, script: &Script, line: Option<&FallbackLine>) -> Rendered;

    /// Fetches a recording, as WAV.
    fn fetch<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Download, ProviderError>>;

    /// Asks the provider to delete a recording. Neither success nor [`ProviderError::NotFound`] proves that the
    /// recording is gone, because it may be fetched from a different address than it is deleted at. [`Self::is_gone`]
    /// proves it.
    fn delete<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), ProviderError>>;

    /// True if the address a recording is fetched from answers that the recording does not exist, and the account
    /// itself answers right after that. An answer that the recording is not ready yet does not count.
    ///
    /// # Errors
    ///
    /// When neither can be established.
    fn is_gone<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, ProviderError>>;

    /// Asks whether a call has ended.
    fn ask<'a>(&'a self, call: &'a str) -> BoxFuture<'a, Result<CallStanding, ProviderError>>;

    /// Returns the ids of the recordings that the provider has of a call.
    ///
    /// # Errors
    ///
    /// When the list cannot be read, [`ProviderError::NotFound`] included: it is then unknown which recordings exist.
    fn recordings_of<'a>(
        &'a self,
        call: &'a str,
    ) -> BoxFuture<'a, Result<Vec<ProviderRecordingId>, ProviderError>>;

    /// Returns the call a recording was made in, and the number dialled. `call` is the call's id where it is known.
    ///
    /// # Errors
    ///
    /// [`ProviderError::Unsupported`] when the provider has no such request.
    fn origin<'a>(
        &'a self,
        recording: &'a str,
        call: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Origin, ProviderError>> {
        let _ = (recording, call);
        Box::pin(std::future::ready(Err(ProviderError::Unsupported)))
    }

    /// Lists calls and recordings since a time, to be compared with those that webhooks reported.
    ///
    /// # Errors
    ///
    /// [`ProviderError::Unsupported`] when the provider has no such lists.
    fn list(&self, since: DateTime<Utc>) -> BoxFuture<'_, Result<Listing, ProviderError>>;

    /// Checks that the provider can be used: address, account and secret; reports the addresses to enter at the
    /// provider.
    fn look<'a>(&'a self, public_url: &'a str) -> BoxFuture<'a, Vec<Finding>>;

    /// The provider as a [`Switch`], if it holds a connection to this service.
    fn switch(self: Arc<Self>) -> Option<Arc<dyn Switch>> {
        None
    }

    /// The provider as [`Streams`], if it streams recordings to this service.
    fn streams(self: Arc<Self>) -> Option<Arc<dyn Streams>> {
        None
    }
}
