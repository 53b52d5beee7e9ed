//! The provider port: the trait [`Provider`], and a module for each provider. The other rooms use a provider through
//! the traits of this module; only configuration, construction, commands and the simulator name a particular provider.
//!
//! A provider calls the service over HTTP (a *webhook*); the service answers with a script in the provider's language,
//! and calls the provider's REST API to fetch and delete recordings. A webhook is handled by
//! [`Provider::authenticate`] on the raw bytes, then [`Provider::parse`] to an [`Event`], and finally
//! [`Provider::render`]. Two kinds of provider differ: a [`Switch`] holds a connection instead of sending webhooks, and
//! one with [`Streams`] sends the audio of recordings to this service.

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
use axum::http::{HeaderMap, Uri};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A provider's request as received, before it is authenticated: a webhook, a request for a take, or the request that
/// opens a switch's connection.
#[derive(Clone, Debug)]
pub struct RawRequest {
    /// The whole address the provider called: the configured public URL, followed by the request's path and query.
    pub url: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body, at most 64 KiB.
    pub body: Bytes,
    /// Time of receipt, in system time; compared with the timestamp of signatures that are valid for minutes only.
    pub at: DateTime<Utc>,
}

impl RawRequest {
    /// A request to `uri`, received at `at`. Only the path and the query of `uri` are used: a client may write any
    /// scheme and host in front of them (RFC 9112, section 3.2.2).
    pub fn new(
        public_url: &str,
        uri: &Uri,
        headers: HeaderMap,
        body: Bytes,
        at: DateTime<Utc>,
    ) -> Self {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Self {
            url: format!("{public_url}{path}"),
            headers,
            body,
            at,
        }
    }
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
    /// Length announced by the provider, in bytes; `None` if it announces none.
    pub length: Option<u64>,
    /// The bytes. An error in the stream means that the remaining bytes were not received.
    pub body: BoxStream<'static, Result<Bytes, ProviderError>>,
}

/// Why a request to a provider's REST API failed.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// What was requested does not exist yet, or does not exist any more (404).
    #[error("the provider does not have what was requested")]
    NotFound,
    /// The provider rejected the configured credentials (401, 403).
    #[error("the provider rejects the configured account or token")]
    Denied,
    /// The provider's API has no such request.
    #[error("the provider does not support this request")]
    Unsupported,
    /// The provider answered 429 or 503, and asks for no further request before this time has passed. A longer time is
    /// shortened to one hour.
    #[error("the provider asks for no further request for {} s", .0.as_secs())]
    Busy(Duration),
    /// Any other failure, e.g. no connection, an answer cut short, an error status. Safe to log: contains no address
    /// and no body.
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
    /// Wrong: calls, or the fetching of recordings, fail as long as it is so.
    Bad(String),
}

/// What a provider can and cannot do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// True if the provider can speak to the caller while a recording runs. No provider can: a take of more than two
    /// minutes is made as two recordings, with the warning between them.
    pub speaks_while_recording: bool,
    /// True if the provider has text-to-speech. If false, it plays sound files, which a [`Voice`] supplies.
    pub has_voice: bool,
    /// True if the called inspector can be asked for a key before being connected to the caller. If false, a voicemail
    /// could answer the call, so no inspector is dialled and the option is not offered.
    pub asks_who_picks_up: bool,
    /// True if silence ends a recording; the provider detects it, or this service in the streamed audio. If false, a
    /// recording ends on `#`, at the limit or when the caller hangs up.
    pub hears_silence: bool,
    /// True if a recording without speech is recognised, by the provider or by this service. If false, a caller who
    /// says nothing leaves a report like any other.
    pub knows_silence: bool,
    /// True if the provider deletes a recording on request. If false, recordings stay at the provider as long as the
    /// account's settings say.
    pub deletes: bool,
    /// True if the provider makes no recordings itself and streams the audio to this service as it is spoken. The
    /// outcome of a recording is then known here, not at the provider, and a fallback answer must not record, because
    /// the audio could not be stored.
    pub streams_recordings: bool,
}

/// Sound files for spoken text, for a provider without text-to-speech.
pub trait Voice: Send + Sync {
    /// Returns the files to play one after the other for a text: absolute paths, without the extension `.wav`. Pieces
    /// without a file are left out.
    fn files(&self, language: &str, text: &Spoken) -> Vec<PathBuf>;

    /// Returns the file of the beep before a recording, an absolute path without the extension `.wav`; `None` if there
    /// is none.
    fn beep(&self) -> Option<PathBuf>;
}

/// A [`Voice`] without any files: nothing is played.
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

    /// Returns the account and, unless ids outlive a change of it, the address, in words for an operator. This text is
    /// stored with each id of a call or recording, and an id is only looked up at a provider with the same text: the
    /// 404 of another account proves nothing.
    fn account(&self) -> String;

    /// What the provider can and cannot do.
    fn capabilities(&self) -> Capabilities;

    /// Checks that the request is from the provider: on the raw bytes, before any of it is used. Secrets are compared
    /// in constant time.
    ///
    /// # Errors
    ///
    /// Returns why it is refused, for the log.
    fn authenticate(&self, request: &RawRequest) -> Result<(), Refused>;

    /// Names of the headers that belong to the provider's signature, in lower case. A request for a take without any of
    /// them counts as unsigned, and is accepted unless the configuration requires a signature.
    fn signature_headers(&self) -> &'static [&'static str];

    /// Parses an authenticated webhook. A field that is missing or cannot be read is left out of the event, because a
    /// webhook of the configured account is answered whatever else it contains.
    ///
    /// # Errors
    ///
    /// [`Refused::OtherAccount`] when the request names another account, or names none although the provider's webhooks
    /// do.
    fn parse(&self, request: &RawRequest) -> Result<Event, Refused>;

    /// Renders a script in the provider's language.
    fn render(&self, script: &Script, links: &Links) -> Rendered;

    /// Renders the script that the called inspector hears before being connected; the key pressed goes to
    /// [`Links::accepted`].
    fn render_whisper(&self, script: &Script, links: &Links) -> Rendered;

    /// Renders the answer to the called inspector's key: connect to the caller if the call was `accepted`, else hang
    /// up.
    fn render_accepted(&self, accepted: bool) -> Rendered;

    /// Renders an answer that belongs to no step: the database is down, the number is of no line, or the call is over.
    /// Verbs that wait for keys, dial or play a take are left out. A [`Record`](crate::call::script::Verb::Record) is
    /// left out by a provider that streams recordings; with others the recording stays at the provider. When it has
    /// ended, the provider requests `/hooks/{provider}/fallback`, and the event has the recording. That request must be
    /// answered with a goodbye, or the caller would be asked to speak in a loop. What follows the `Record` in the
    /// script is heard if nothing was recorded and the provider goes on. `line` is the line that the addresses in the
    /// answer name, if any.
    fn render_fallback(&self, script: &Script, line: Option<&FallbackLine>) -> Rendered;

    /// Starts fetching a recording, as WAV.
    ///
    /// # Errors
    ///
    /// [`ProviderError::NotFound`] also while the recording is still being made.
    fn fetch<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Download, ProviderError>>;

    /// Asks the provider to delete a recording. Neither success nor [`ProviderError::NotFound`] proves that the
    /// recording is gone, because it may be fetched from a different address than it is deleted at. [`Self::is_gone`]
    /// proves it.
    ///
    /// # Errors
    ///
    /// [`ProviderError::Unsupported`] when the provider cannot delete recordings.
    fn delete<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), ProviderError>>;

    /// True if a recording can no longer be fetched: the provider answers that it does not exist, and right after that
    /// lists the recordings of the account, so the answer is not about the whole account. For a provider that streams
    /// recordings: true if there is no copy in memory. False while the provider says that the recording is not ready
    /// yet.
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
    /// When the list cannot be read: it is then unknown which recordings exist. [`ProviderError::NotFound`] does not
    /// mean that there are none.
    fn recordings_of<'a>(
        &'a self,
        call: &'a str,
    ) -> BoxFuture<'a, Result<Vec<ProviderRecordingId>, ProviderError>>;

    /// Returns the call a recording was made in, the number dialled and the caller's number. `call` is the call's id
    /// where it is known.
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

    /// Lists the calls that began, and the recordings that were made, at `since` or later. Those whose time the
    /// provider does not give are included.
    ///
    /// # Errors
    ///
    /// [`ProviderError::Unsupported`] when the provider has no such lists.
    fn list(&self, since: DateTime<Utc>) -> BoxFuture<'_, Result<Listing, ProviderError>>;

    /// Checks address, account and credentials of the provider's API. If they are right, the findings contain the
    /// addresses of this service to enter at the provider.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_in_a_request_line_is_no_part_of_its_address() {
        let url = |uri: &'static str| {
            let uri = Uri::from_static(uri);
            let public_url = "https://duty.example.org";
            let now = DateTime::UNIX_EPOCH;
            RawRequest::new(public_url, &uri, HeaderMap::new(), Bytes::new(), now).url
        };
        assert_eq!(
            url("/hooks/a/ari?b=c"),
            "https://duty.example.org/hooks/a/ari?b=c"
        );
        assert_eq!(
            url("http://any.text/hooks/a/ari"),
            "https://duty.example.org/hooks/a/ari"
        );
    }
}
