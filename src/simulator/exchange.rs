//! The exchange: its settings, the caller's actions on it, the webhooks it has sent, and its state.
//!
//! All state is in memory. Each action on a call runs in a task of its own, so that a telephone that disconnects in
//! the middle of a request leaves the call in a consistent state.

use super::call::{Call, Deed, Heard, WaitingFor};
use super::dial_verb::Answering;
use super::faults::Faults;
use super::recordings::{Recording, wav_millis};
use super::signer;
use super::webhook::{Answer, Outgoing, Sent, Webhook};
use crate::base::clock::{self, Clock};
use crate::base::hidden::Hidden;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Maximum number of webhooks kept, and maximum number of troubles kept; the oldest ones are dropped.
const REMEMBERED: usize = 500;

/// How the exchange reaches the service, and the account it uses.
#[derive(Clone, Debug)]
pub struct ExchangeSettings {
    /// The account id, `AC…` at Twilio.
    pub account: String,
    /// The token that signs webhooks and authenticates requests to the REST API.
    pub auth_token: Hidden<String>,
    /// URL of the webhooks at the service's listener, e.g. `http://127.0.0.1:8080/hooks/simulator`. Below it, a new
    /// call is posted to `/call`, its end to `/status`, and a document that failed to `/fallback`.
    pub hooks_url: String,
    /// Base URL of the exchange's REST API, used in the URLs of recordings.
    pub api_url: String,
    /// The service's public URL: a signed URL has it in the place of the scheme, host and port of `hooks_url`.
    pub public_url: String,
}

/// The state of a call, as served by the REST API.
#[derive(Clone, Debug)]
pub struct CallFacts {
    /// The caller's number, as given by the telephone; for a dialled leg, the number shown to the called party.
    pub from: Hidden<String>,
    /// The number dialled.
    pub to: Hidden<String>,
    /// Twilio's status: `ringing`, `in-progress`, `completed`, `busy`, `no-answer`, and for a dialled leg also
    /// `failed` and `canceled`.
    pub status: &'static str,
    /// Duration in simulated seconds, 0 unless `status` is `completed`; `None` while the call is running.
    pub duration: Option<u32>,
    /// When the call began, in system time (RFC 2822, UTC).
    pub started: String,
    /// Twilio's direction: `inbound`, or `outbound-dial` for a leg started by `<Dial>`.
    pub direction: &'static str,
}

/// A failure of the service as the exchange sees it: no answer to a request for a document, an answer that the
/// exchange cannot act upon, or a `<Dial>` to or from a number that Twilio cannot ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Twilio's error code, e.g. 11200.
    pub code: u32,
    /// The URL requested, as signed; a reference that cannot be resolved, as written; for a `<Dial>`, the URL of its
    /// document.
    pub url: String,
    /// What was wrong, in words.
    pub reason: String,
}

/// What the caller has heard since the previous view of the call, and what the line waits for now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhoneView {
    /// The call's id.
    pub id: String,
    /// What was heard, in order.
    pub heard: Vec<Heard>,
    /// What the line waits for.
    pub waiting: WaitingFor,
}

/// Why an action of a caller is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No call has this id.
    #[error("there is no such call")]
    Unknown,
    /// A key that is not on a telephone.
    #[error("the keys of a telephone are 0 to 9, * and #")]
    NotAKey,
    /// Speech that is not WAV.
    #[error("speech has to be a WAV file")]
    NotWav,
    /// A second piece of speech in one recording or conversation.
    #[error(
        "something was said in this recording already: end it first, with a key, by silence or by hanging up"
    )]
    AlreadySpoken,
    /// No conversation is running, so the called party cannot hang up.
    #[error("no conversation is running on this call")]
    NotTalking,
    /// The call's task panicked: a bug of the exchange.
    #[error("the task of the call panicked")]
    Broken,
}

/// What ends a recording after the caller has spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpeechEnd {
    /// The caller presses `#`. The recording continues if its document does not let `#` end it.
    Key,
    /// The caller keeps silent.
    Silence,
    /// The recording reaches its maximum length.
    Limit,
}

/// A telephone exchange. Clones share the same state.
#[derive(Clone)]
pub struct Exchange {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) settings: ExchangeSettings,
    pub(super) outgoing: Outgoing,
    pub(super) faults: Mutex<Faults>,
    pub(super) facts: Mutex<HashMap<String, CallFacts>>,
    pub(super) recordings: Mutex<BTreeMap<String, Recording>>,
    /// What each telephone does when it is rung, by number; a number that is not listed rings unanswered.
    pub(super) answering: Mutex<HashMap<String, Answering>>,
    calls: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Call>>>>,
    sent: Mutex<VecDeque<Sent>>,
    troubles: Mutex<VecDeque<Trouble>>,
}

impl Exchange {
    /// Returns an exchange without calls and without faults.
    ///
    /// # Errors
    ///
    /// Returns a sentence when `hooks_url` is not a URL or the HTTP client cannot be built.
    pub fn new(settings: ExchangeSettings) -> Result<Self, String> {
        let outgoing = Outgoing::new(&settings.hooks_url, &settings.public_url)?;
        let inner = Inner {
            settings,
            outgoing,
            faults: Mutex::default(),
            facts: Mutex::default(),
            recordings: Mutex::default(),
            answering: Mutex::default(),
            calls: Mutex::default(),
            sent: Mutex::default(),
            troubles: Mutex::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Replaces the faults, effective immediately.
    pub fn set_faults(&self, faults: Faults) {
        *lock(&self.inner.faults) = faults;
    }

    /// Dials `to` (any text) from the number `from`; returns when the line waits for the caller or the call is
    /// over.
    ///
    /// # Errors
    ///
    /// Returns [`CallError::Broken`] when the call's task panics.
    pub async fn dial(&self, from: &str, to: &str) -> Result<PhoneView, CallError> {
        let call = Call::new(sid("CA"), from.to_owned(), to.to_owned());
        let id = call.sid.clone();
        self.inner.list(&call);
        lock(&self.inner.calls).insert(id.clone(), Arc::new(tokio::sync::Mutex::new(call)));
        self.carry_out(&id, Deed::Dial).await
    }

    /// Presses keys, one after the other. A key that the line does not wait for has no effect.
    ///
    /// # Errors
    ///
    /// Returns [`CallError::Unknown`], [`CallError::NotAKey`] or [`CallError::Broken`].
    pub async fn press(&self, id: &str, keys: &str) -> Result<PhoneView, CallError> {
        if !keys.chars().all(crate::call::acts::is_key) {
            return Err(CallError::NotAKey);
        }
        self.carry_out(id, Deed::Press(keys.to_owned())).await
    }

    /// Speaks `audio`, a WAV file, and ends the recording in the way given by `end`; with `None` the recording
    /// continues, unless `audio` is at least as long as its maximum length. While the line waits for keys, speech
    /// counts as silence until the timeout. During a conversation it is heard by the called party and ends nothing.
    /// At any other time it has no effect.
    ///
    /// # Errors
    ///
    /// Returns [`CallError::Unknown`], [`CallError::NotWav`], [`CallError::AlreadySpoken`] or [`CallError::Broken`].
    pub async fn speak(
        &self,
        id: &str,
        audio: Bytes,
        end: Option<SpeechEnd>,
    ) -> Result<PhoneView, CallError> {
        let millis = wav_millis(&audio).ok_or(CallError::NotWav)?;
        self.carry_out(id, Deed::Speak { audio, millis, end }).await
    }

    /// Keeps silent until the line continues by itself: after the timeout of the wait for a key, for speech or for a
    /// telephone to answer, or after the time limit of a conversation. Changes nothing on a call that is over.
    ///
    /// # Errors
    ///
    /// Returns [`CallError::Unknown`] or [`CallError::Broken`].
    pub async fn keep_silent(&self, id: &str) -> Result<PhoneView, CallError> {
        self.carry_out(id, Deed::Silence).await
    }

    /// Hangs up. Changes nothing on a call that is over.
    ///
    /// # Errors
    ///
    /// Returns [`CallError::Unknown`] or [`CallError::Broken`].
    pub async fn hang_up(&self, id: &str) -> Result<PhoneView, CallError> {
        self.carry_out(id, Deed::HangUp).await
    }

    /// Returns the `n`th audio played in a call, from 1, as numbered by [`Heard::Played`]. Only the last one of each
    /// call is kept, until the exchange is dropped; `None` for any other, and for an unknown call.
    pub async fn played(&self, id: &str, n: u32) -> Option<Bytes> {
        let call = lock(&self.inner.calls).get(id).cloned()?;
        let call = call.lock().await;
        let (last, audio) = call.played.as_ref()?;
        (*last == n).then(|| audio.clone())
    }

    pub(super) async fn carry_out(&self, id: &str, deed: Deed) -> Result<PhoneView, CallError> {
        let call = lock(&self.inner.calls).get(id).cloned();
        let call = call.ok_or(CallError::Unknown)?;
        let inner = Arc::clone(&self.inner);
        let task = tokio::spawn(async move {
            let mut call = call.lock().await;
            inner.carry_out(&mut call, deed).await?;
            Ok(call.view())
        });
        task.await.unwrap_or(Err(CallError::Broken))
    }

    /// Returns the last 500 webhooks sent and their answers, oldest first.
    pub fn sent(&self) -> Vec<Sent> {
        lock(&self.inner.sent).iter().cloned().collect()
    }

    /// Returns the last 500 failures of the service, oldest first.
    pub fn troubles(&self) -> Vec<Trouble> {
        lock(&self.inner.troubles).iter().cloned().collect()
    }

    /// Sends a webhook once more, as a provider's retry. It is not added to [`Exchange::sent`].
    ///
    /// # Errors
    ///
    /// Returns a sentence when no complete answer of at most 64 KiB was received.
    pub async fn deliver(&self, webhook: &Webhook) -> Result<Answer, String> {
        self.inner.outgoing.post(webhook).await
    }

    /// Returns a webhook with its signature, for tests that build their own form.
    pub fn webhook(&self, url: &str, form: Vec<(String, String)>) -> Webhook {
        self.inner.webhook(url, form)
    }

    /// Returns the recordings of a call that have ended and were not deleted, in the order they were made.
    pub fn recordings_of(&self, call: &str) -> Vec<Recording> {
        self.inner.recordings_of(call)
    }
}

impl Inner {
    /// Makes the call available through the REST API.
    pub(super) fn list(&self, call: &Call) {
        let facts = CallFacts {
            from: call.from.clone().into(),
            to: call.to.clone().into(),
            status: call.status,
            duration: None,
            started: now(),
            direction: call.direction(),
        };
        lock(&self.facts).insert(call.sid.clone(), facts);
    }

    pub(super) fn webhook(&self, url: &str, form: Vec<(String, String)>) -> Webhook {
        Webhook {
            url: url.to_owned(),
            signature: signer::sign(&self.settings.auth_token, url, &form),
            form,
        }
    }

    /// Sends a webhook, twice if [`Faults::twice`] is set, and adds it to [`Exchange::sent`]. Returns the first
    /// answer.
    pub(super) async fn send(&self, webhook: Webhook) -> Result<Answer, String> {
        let twice = lock(&self.faults).twice;
        let first = self.outgoing.post(&webhook).await;
        let mut answers = vec![first.clone()];
        if twice {
            answers.push(self.outgoing.post(&webhook).await);
        }
        remember(&self.sent, Sent { webhook, answers });
        first
    }

    pub(super) fn trouble(&self, trouble: Trouble) {
        tracing::warn!(
            code = trouble.code,
            reason = trouble.reason,
            "simulated exchange received no document that it can act upon"
        );
        remember(&self.troubles, trouble);
    }

    pub(super) fn recordings_of(&self, call: &str) -> Vec<Recording> {
        let recordings = lock(&self.recordings);
        let mut of_call: Vec<_> = recordings
            .values()
            .filter(|recording| recording.call == call)
            .cloned()
            .collect();
        of_call.sort_by_key(|recording| recording.number);
        of_call
    }
}

fn remember<T>(list: &Mutex<VecDeque<T>>, item: T) {
    let mut list = lock(list);
    if list.len() == REMEMBERED {
        list.pop_front();
    }
    list.push_back(item);
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns a new id in Twilio's format: `prefix` (two letters) and 32 random hexadecimal digits.
pub(super) fn sid(prefix: &str) -> String {
    let mut text = prefix.to_owned();
    for byte in clock::random::<16>() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Returns the current time in Twilio's format. It is system time, because a provider has no line time.
pub(super) fn now() -> String {
    Clock::system().system_now().to_rfc2822()
}
