//! The exchange: its settings, what a caller can do on it, what it has sent, what it keeps.
//!
//! Everything is in memory. A call is carried on in a task of its own, so that a telephone that goes away in the middle
//! of a request leaves it in order.

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

/// How many webhooks and troubles are remembered.
const REMEMBERED: usize = 500;

/// Where an exchange finds the service, and who it is to it.
#[derive(Clone, Debug)]
pub struct ExchangeSettings {
    /// The account, `AC…` at Twilio.
    pub account: String,
    /// What webhooks are signed with and what opens the REST side.
    pub auth_token: Hidden<String>,
    /// Where the service listens, e.g. `http://127.0.0.1:8080/hooks/simulator`. Calls go to `/call` there, the end of
    /// a call to `/status`, what fails to `/fallback`.
    pub hooks_url: String,
    /// Where the REST side is, as it stands in the addresses of recordings.
    pub api_url: String,
    /// The service's public URL: it stands for scheme, host and port of `hooks_url` in what is signed.
    pub public_url: String,
}

/// How a call stands, as the REST side tells it.
#[derive(Clone, Debug)]
pub struct CallFacts {
    /// Who calls, as the telephone said it.
    pub from: Hidden<String>,
    /// What was dialled.
    pub to: Hidden<String>,
    /// Twilio's word: `ringing`, `in-progress`, `completed`, `busy`, `no-answer`.
    pub status: &'static str,
    /// Simulated seconds, once it is over.
    pub duration: Option<u32>,
    /// When it began (RFC 2822, UTC).
    pub started: String,
    /// Twilio's word: `inbound`, or `outbound-dial` for one that was rung.
    pub direction: &'static str,
}

/// Something the service answered that could not be acted upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Twilio's error code, e.g. 11200.
    pub code: u32,
    /// The address, as signed.
    pub url: String,
    /// What was wrong, in a sentence.
    pub reason: String,
}

/// What the caller has heard since the last time they did something, and what the line waits for now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhoneView {
    /// The call.
    pub id: String,
    /// In order.
    pub heard: Vec<Heard>,
    /// What is next.
    pub waiting: WaitingFor,
}

/// What a caller can't do.
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
    /// A second piece of speech in one recording.
    #[error(
        "something was said in this recording already: end it first, with a key, by silence or by hanging up"
    )]
    AlreadySpoken,
    /// There is nobody on the other side to hang up.
    #[error("the caller is not speaking with anybody")]
    NotTalking,
    /// The call's task broke: a bug of the exchange.
    #[error("the exchange has dropped the call")]
    Broken,
}

/// What ends a recording after the caller has spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpeechEnd {
    /// They press `#`.
    Key,
    /// They keep silent.
    Silence,
    /// They go on to the limit.
    Limit,
}

/// A telephone exchange. Clones are the same exchange.
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
    /// By number; others are not answered.
    pub(super) answering: Mutex<HashMap<String, Answering>>,
    calls: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Call>>>>,
    sent: Mutex<VecDeque<Sent>>,
    troubles: Mutex<VecDeque<Trouble>>,
}

impl Exchange {
    /// An exchange without calls and without faults.
    ///
    /// # Errors
    ///
    /// A sentence when `hooks_url` is no address.
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

    /// From now on, these faults.
    pub fn set_faults(&self, faults: Faults) {
        *lock(&self.inner.faults) = faults;
    }

    /// Dials `to`, which is any text, as `from`; returns when the line waits for the caller, or the call is over.
    ///
    /// # Errors
    ///
    /// [`CallError::Broken`] only.
    pub async fn dial(&self, from: &str, to: &str) -> Result<PhoneView, CallError> {
        let call = Call::new(sid("CA"), from.to_owned(), to.to_owned());
        let id = call.sid.clone();
        self.inner.list(&call);
        lock(&self.inner.calls).insert(id.clone(), Arc::new(tokio::sync::Mutex::new(call)));
        self.carry_out(&id, Deed::Dial).await
    }

    /// Presses keys, one after the other. Those pressed when nothing listens for them are lost.
    ///
    /// # Errors
    ///
    /// [`CallError::Unknown`], [`CallError::NotAKey`].
    pub async fn press(&self, id: &str, keys: &str) -> Result<PhoneView, CallError> {
        if !keys.chars().all(crate::call::acts::is_key) {
            return Err(CallError::NotAKey);
        }
        self.carry_out(id, Deed::Press(keys.to_owned())).await
    }

    /// Speaks `audio`, a WAV file, and ends the recording when `end` says how; without, the recording goes on. While
    /// keys are waited for it counts as silence. In a talk it is said to whoever was rung, and ends nothing.
    ///
    /// # Errors
    ///
    /// [`CallError::Unknown`], [`CallError::NotWav`], [`CallError::AlreadySpoken`].
    pub async fn speak(
        &self,
        id: &str,
        audio: Bytes,
        end: Option<SpeechEnd>,
    ) -> Result<PhoneView, CallError> {
        let millis = wav_millis(&audio).ok_or(CallError::NotWav)?;
        self.carry_out(id, Deed::Speak { audio, millis, end }).await
    }

    /// Keeps silent until the line goes on by itself: until a telephone that rings is given up, or a talk has lasted as
    /// long as it may.
    ///
    /// # Errors
    ///
    /// [`CallError::Unknown`].
    pub async fn keep_silent(&self, id: &str) -> Result<PhoneView, CallError> {
        self.carry_out(id, Deed::Silence).await
    }

    /// Hangs up. On a call that is over it changes nothing.
    ///
    /// # Errors
    ///
    /// [`CallError::Unknown`].
    pub async fn hang_up(&self, id: &str) -> Result<PhoneView, CallError> {
        self.carry_out(id, Deed::HangUp).await
    }

    /// The `n`th audio played in a call, from 1, as [`Heard::Played`] counts them. Only the last one is kept, for as long
    /// as the exchange lasts.
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

    /// The last 500 webhooks, oldest first.
    pub fn sent(&self) -> Vec<Sent> {
        lock(&self.inner.sent).iter().cloned().collect()
    }

    /// What the service answered that could not be acted upon: the last 500, oldest first.
    pub fn troubles(&self) -> Vec<Trouble> {
        lock(&self.inner.troubles).iter().cloned().collect()
    }

    /// Sends a webhook as it is, without the call knowing: a provider that repeats itself.
    ///
    /// # Errors
    ///
    /// A sentence when nothing usable came back.
    pub async fn deliver(&self, webhook: &Webhook) -> Result<Answer, String> {
        self.inner.outgoing.post(webhook).await
    }

    /// A webhook with its signature, for tests that make up their own.
    pub fn webhook(&self, url: &str, form: Vec<(String, String)>) -> Webhook {
        self.inner.webhook(url, form)
    }

    /// The recordings the exchange keeps of a call, in the order they were made.
    pub fn recordings_of(&self, call: &str) -> Vec<Recording> {
        self.inner.recordings_of(call)
    }
}

impl Inner {
    /// From now on the REST side knows the call.
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

    /// Sends a webhook, once or twice, and remembers it. The first answer counts.
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
            "the simulated exchange can't act upon an answer"
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

/// Twilio's kind of id: two letters and 32 hexadecimal digits.
pub(super) fn sid(prefix: &str) -> String {
    let mut text = prefix.to_owned();
    for byte in clock::random::<16>() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Now, as Twilio writes it. System time: a provider knows nothing of line time.
pub(super) fn now() -> String {
    Clock::system().system_now().to_rfc2822()
}
