//! Who carries the call. One trait, one file a provider; nothing outside this folder names one.
//!
//! A provider calls us over HTTP (a *webhook*), we answer with a script in its language, and we call its
//! REST API to fetch and delete recordings. In the order of a request: [`Provider::authenticate`] on the raw
//! bytes, [`Provider::parse`] to an [`Event`], and at the end [`Provider::render`].

pub mod asterisk;
pub mod carrier;
pub mod form;
pub mod jambonz;
pub mod json;
mod refused;
pub mod rest;
pub mod signalwire;
pub mod signature;
pub mod simulator;
pub mod somleng;
pub mod telnyx;
pub mod twilio;
pub mod twiml;
pub mod wav;

pub use refused::Refused;

use crate::call::script::{RecordingEnd, Script, Spoken};
use crate::hidden::Hidden;
use crate::line::number::Caller;
use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

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

/// A call's id at its provider: an opaque string. In our database only its keyed hash is kept.
pub type ProviderCallId = Hidden<String>;
/// A recording's id at its provider: an opaque string.
pub type ProviderRecordingId = Hidden<String>;

/// What a webhook says, whoever sent it.
#[derive(Clone, Debug)]
pub struct Event {
    /// The call it is about; empty when the webhook does not name one that can be read.
    pub call: ProviderCallId,
    /// The number that was dialled, as the provider writes it; empty when the webhook doesn't say.
    pub to: Hidden<String>,
    /// Who calls.
    pub from: Caller,
    /// Keys pressed: `None` when the webhook has no such field, empty when nothing was pressed in time. Keys that ended a
    /// recording are not among them.
    pub keys: Option<Hidden<String>>,
    /// The call is over (the provider says `completed`, `busy`, `failed`, `no-answer`, `canceled` or the like).
    pub ended: bool,
    /// A recording the webhook speaks of, whatever kind of webhook it is.
    pub recording: Option<RecordingFact>,
    /// What became of a recording whose id the webhook does not say: another one will.
    pub unnamed: Option<RecordingOutcome>,
}

impl Event {
    /// An event that says nothing, not even which call it is about.
    pub fn nothing() -> Self {
        Self {
            call: Hidden::default(),
            to: Hidden::default(),
            from: Caller::Withheld,
            keys: None,
            ended: false,
            recording: None,
            unnamed: None,
        }
    }

    /// Does it say which call it is about?
    pub fn names_a_call(&self) -> bool {
        !self.call.show().is_empty()
    }

    /// It tells that something was recorded, whether it says which recording that is or not.
    pub fn tells_of_recording(&self) -> bool {
        let unnamed = |outcome: &RecordingOutcome| *outcome != RecordingOutcome::Absent;
        self.recording.is_some() || self.unnamed.as_ref().is_some_and(unnamed)
    }
}

/// What a provider says of one recording.
#[derive(Clone, Debug)]
pub struct RecordingFact {
    /// Its id at the provider.
    pub id: ProviderRecordingId,
    /// What became of it.
    pub outcome: RecordingOutcome,
}

/// What became of a recording at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingOutcome {
    /// It is there, complete. Seconds as the provider counts them, when it says; how it ended as far as the webhook tells.
    Completed {
        /// Whole seconds, when the webhook says.
        seconds: Option<u32>,
        /// How it ended: the action webhook knows, a callback may not.
        end: Option<RecordingEnd>,
    },
    /// There is one, and as far as the provider can tell nobody spoke in it. It is kept, and makes no report: whoever
    /// can only whisper loses nothing, and silence does not fill the queue.
    Silent,
    /// The provider made none (nothing was said, or it failed).
    Absent,
}

/// Which address of ours a webhook came to, or what a provider that holds a connection would have sent there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hook {
    /// A call comes in.
    Call,
    /// The answer to a step.
    Step(StepRef),
    /// A part of what is said before a step is over; with a key it is the answer to the step already.
    Said(StepRef),
    /// The call's standing changed.
    Status,
    /// What became of a recording; with the step that recorded it when we handed out the address.
    Recording(Option<StepRef>),
    /// Whoever was rung has picked up: what do they hear? The step is the one that awaits the end of the talk.
    Whisper(StepRef),
    /// Whoever was rung has pressed a key, or none.
    Taken(StepRef),
    /// Something of ours failed, and the provider asks again elsewhere.
    Fallback,
}

impl Hook {
    /// What [`Hook::kind`] gives.
    pub const KINDS: [&str; 7] = [
        "call",
        "step",
        "status",
        "recording",
        "whisper",
        "taken",
        "fallback",
    ];

    /// What it is about, as its address names it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Step(_) | Self::Said(_) => "step",
            Self::Status => "status",
            Self::Recording(_) => "recording",
            Self::Whisper(_) => "whisper",
            Self::Taken(_) => "taken",
            Self::Fallback => "fallback",
        }
    }

    /// Our id of the call that its address names; none when it names no call.
    pub fn call(&self) -> Option<Uuid> {
        match self {
            Self::Step(at)
            | Self::Said(at)
            | Self::Whisper(at)
            | Self::Taken(at)
            | Self::Recording(Some(at)) => Some(at.call).filter(|call| !call.is_nil()),
            Self::Call | Self::Status | Self::Recording(None) | Self::Fallback => None,
        }
    }
}

/// What every address we hand out carries: [`Links`] make it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRef {
    /// Our id of the call.
    pub call: Uuid,
    /// The line.
    pub line: String,
    /// The step this is the answer to.
    pub step: u32,
    /// `1` where the provider goes on because a recording came to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nothing: Option<String>,
}

/// What came of something that was conducted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conducted {
    /// A script.
    Script(Rendered),
    /// A script made from configuration and clock alone: what the event told may not have been written down.
    Blunt(Rendered),
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

/// Where a script's answers go: all addresses are absolute and carry call, line and step.
#[derive(Clone, Debug)]
pub struct Links {
    /// The configured public URL, without a trailing slash.
    pub public_url: String,
    /// The provider's name in the configuration: the `{provider}` of `/hooks/{provider}/…`.
    pub provider: String,
    /// Our id of the call.
    pub call: Uuid,
    /// The line's id.
    pub line: String,
    /// The number of the step the answer to this script will be.
    pub step: u32,
    /// What the tokens of takes' addresses are made with ([`take_token`]): of the call and this step, 32 bytes in base64url.
    pub take_key: Hidden<String>,
    /// The same for the addresses what is said is streamed to: whoever gets to see where a take is played from learns
    /// nothing of those.
    pub stream_key: Hidden<String>,
    /// What whoever is rung sees: the line's own number in E.164, never the caller's.
    pub line_number: String,
    /// The line's first language: what an account speaks unless told otherwise.
    pub language: String,
}

impl Links {
    fn at(&self, hook: &str, extra: &str) -> String {
        format!(
            "{}/hooks/{}/{hook}?call={}&line={}&step={}{extra}",
            self.public_url, self.provider, self.call, self.line, self.step
        )
    }

    /// Where a key, or a recording that ended, is posted.
    pub fn step(&self) -> String {
        self.at("step", "")
    }

    /// Where it is posted that a part of what is said is over, and with which key.
    pub fn said(&self) -> String {
        self.at("said", "")
    }

    /// Where the provider goes on when a recording came to nothing.
    pub fn nothing(&self) -> String {
        self.at("step", "&nothing=1")
    }

    /// Where the provider tells what became of a recording.
    pub fn recording(&self) -> String {
        self.at("recording", "")
    }

    /// Where the provider asks what whoever was rung is to hear before the caller does.
    pub fn whisper(&self) -> String {
        self.at("whisper", "")
    }

    /// Where the key of whoever was rung is posted.
    pub fn taken(&self) -> String {
        self.at("taken", "")
    }

    /// The unguessable address of a take, by the step that recorded it. It holds while the call is at `step`.
    pub fn take(&self, take: u32) -> String {
        format!(
            "{}/hooks/{}/take/{}/{take}/{}",
            self.public_url,
            self.provider,
            self.call,
            take_token(&self.take_key, take)
        )
    }
}

/// What makes the address of a take unguessable: an HMAC-SHA256 over the step that recorded it, in base64url.
pub fn take_token(take_key: &Hidden<String>, take: u32) -> String {
    // An HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(take_key.show().as_bytes()) else {
        return String::new();
    };
    mac.update(format!("take {take}").as_bytes());
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
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

/// What a provider has, as it lists it.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Calls, those that are running included.
    pub calls: Vec<ListedCall>,
    /// Recordings that are there, or will be.
    pub recordings: Vec<ListedRecording>,
}

/// A call, as its provider lists it.
#[derive(Clone, Debug)]
pub struct ListedCall {
    /// Its id.
    pub id: ProviderCallId,
    /// The number that was dialled, as the provider writes it; empty when the list doesn't say.
    pub to: Hidden<String>,
    /// It is over.
    pub ended: bool,
    /// When it began, when the list says.
    pub began: Option<DateTime<Utc>>,
}

/// A recording, as its provider lists it.
#[derive(Clone, Debug)]
pub struct ListedRecording {
    /// Its id.
    pub id: ProviderRecordingId,
    /// The call it was made in, when the list says.
    pub call: Option<ProviderCallId>,
    /// When it was made, when the list says.
    pub made: Option<DateTime<Utc>>,
}

/// What a provider answers when asked about a call.
#[derive(Clone, Debug)]
pub struct CallStanding {
    /// The call is over.
    pub ended: bool,
}

/// Where a recording comes from, as its provider says when asked.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The call it was made in.
    pub call: ProviderCallId,
    /// The number that was dialled, as the provider writes it.
    pub to: Hidden<String>,
    /// Who called.
    pub from: Caller,
}

/// The line a fallback answer is of, as the query of its addresses names it. The key is made of the service secret: who
/// does not have it cannot name a line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FallbackLine {
    /// The line's id.
    pub line: String,
    /// What proves that we named it.
    pub key: String,
}

impl FallbackLine {
    /// As the end of a query: `line=…&key=…`.
    pub fn query(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .append_pair("line", &self.line)
            .append_pair("key", &self.key)
            .finish()
    }
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
    fn render_taken(&self, taken: bool) -> Rendered;

    /// What to answer when there is no call to speak of (database down, a number no line has): the same, without steps;
    /// a recording is left with the provider. Once it has ended the provider comes back to `/hooks/{provider}/fallback`
    /// with the recording in the event: that must be answered with a goodbye, or the caller is asked to speak again
    /// and again. What a script says after its [`Record`](crate::call::script::Verb::Record) is heard when nothing was
    /// recorded. `line` is the line it is an answer of, for the addresses in it, where it may record.
    fn render_blunt(&self, script: &Script, line: Option<&FallbackLine>) -> Rendered;

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
    fn switch(self: Arc<Self>) -> Option<Arc<asterisk::Asterisk>> {
        None
    }

    /// The account behind it, when what is recorded is streamed to us.
    fn streams(self: Arc<Self>) -> Option<Arc<jambonz::Jambonz>> {
        None
    }
}
