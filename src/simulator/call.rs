//! One call: a state machine that executes verbs in order until it has to wait for the caller, and continues when
//! the caller acts. Semantics are those of Twilio's TwiML reference; where the reference does not define a case, a
//! comment states the choice made here.

use super::dial_verb::Dialled;
use super::exchange::{CallError, Inner, PhoneView, SpeechEnd};
use super::record_verb::End;
use super::recordings::wav_millis;
use super::twiml_reader::{Gather, Record, Verb};
use super::webhook::{self, Webhook};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Maximum size of the audio that `<Play>` fetches, in bytes.
const PLAY_LIMIT: usize = 16 * 1024 * 1024;

/// Something the caller hears.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Heard {
    /// A text spoken by the line. A provider would synthesise it.
    Say {
        /// The text.
        say: String,
        /// Its language tag.
        language: String,
    },
    /// The beep before a recording.
    Beep {
        /// Always `true`.
        beep: bool,
    },
    /// Audio fetched from a URL.
    Played {
        /// Its duration, in seconds; 0 if it is not a WAV file.
        played: f64,
        /// Its size, in bytes.
        bytes: usize,
        /// Its number among the audio played in this call, from 1; the last one is available from
        /// [`super::exchange::Exchange::played`].
        n: u32,
    },
    /// Audio that could not be fetched: the caller hears nothing.
    PlayFailed {
        /// The reason.
        play_failed: String,
    },
}

/// What the line waits for, as reported to the telephone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "for", rename_all = "lowercase")]
pub enum WaitingFor {
    /// A key.
    Keys {
        /// Time it waits for the next key, in seconds.
        seconds: u32,
    },
    /// Speech: a recording is running.
    Speech {
        /// Maximum length of the recording, in seconds.
        max_seconds: u32,
        /// True if speech was already received in this recording.
        spoken: bool,
    },
    /// The dialled telephone to answer.
    Ringing {
        /// Maximum time the telephone rings, in seconds.
        seconds: u32,
    },
    /// The end of the conversation with the called party.
    Talking {
        /// Maximum length of the conversation, in seconds.
        max_seconds: u32,
    },
    /// Nothing: the call is over.
    Nothing,
}

/// An action of the caller, or of the called party.
pub(super) enum Deed {
    Dial,
    Press(String),
    Speak {
        audio: Bytes,
        millis: u64,
        end: Option<SpeechEnd>,
    },
    Silence,
    HangUp,
    /// The called party hangs up.
    OtherHangsUp,
}

pub(super) enum Waiting {
    Keys {
        gather: Gather,
        pressed: String,
    },
    Speech {
        record: Record,
        sid: String,
        started: String,
        spoken: Option<(Bytes, u64)>,
    },
    Ringing(Box<Dialled>),
    Talking(Box<Dialled>),
    Nothing,
}

/// A call, running or over.
pub(super) struct Call {
    pub(super) sid: String,
    /// The id of the inbound call; `None` if this call is itself inbound, `Some` for a leg started by `<Dial>`.
    pub(super) parent: Option<String>,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) status: &'static str,
    /// The URL of the current document, as signed.
    pub(super) document: String,
    pub(super) verbs: VecDeque<Verb>,
    pub(super) waiting: Waiting,
    pub(super) heard: Vec<Heard>,
    /// Simulated time since the call began, in milliseconds.
    pub(super) elapsed: u64,
    /// Number of documents fetched since the last action of the caller or the called party.
    pub(super) documents: u32,
    pub(super) recordings: u32,
    /// The audio played last, and its number among the audio played in the call.
    pub(super) played: Option<(u32, Bytes)>,
    /// Callbacks to be sent after the end of the call.
    pub(super) late: Vec<Webhook>,
}

impl Call {
    pub(super) fn new(sid: String, from: String, to: String) -> Self {
        Self {
            sid,
            parent: None,
            from,
            to,
            status: "ringing",
            document: String::new(),
            verbs: VecDeque::new(),
            waiting: Waiting::Nothing,
            heard: Vec::new(),
            elapsed: 0,
            documents: 0,
            recordings: 0,
            played: None,
            late: Vec::new(),
        }
    }

    pub(super) fn play(&mut self, audio: Bytes) {
        let millis = wav_millis(&audio).unwrap_or(0);
        self.elapsed += millis;
        let n = self.played.take().map_or(0, |(n, _)| n) + 1;
        self.heard.push(Heard::Played {
            played: millis as f64 / 1000.0,
            bytes: audio.len(),
            n,
        });
        self.played = Some((n, audio));
    }

    /// Returns what was heard since the last call of this function, and what the line waits for.
    pub(super) fn view(&mut self) -> PhoneView {
        PhoneView {
            id: self.sid.clone(),
            heard: std::mem::take(&mut self.heard),
            waiting: match &self.waiting {
                Waiting::Keys { gather, .. } => WaitingFor::Keys {
                    seconds: gather.timeout,
                },
                Waiting::Speech { record, spoken, .. } => WaitingFor::Speech {
                    max_seconds: record.max_length,
                    spoken: spoken.is_some(),
                },
                Waiting::Ringing(dialled) => WaitingFor::Ringing {
                    seconds: dialled.dial.timeout,
                },
                Waiting::Talking(dialled) => WaitingFor::Talking {
                    max_seconds: dialled.dial.time_limit,
                },
                Waiting::Nothing => WaitingFor::Nothing,
            },
        }
    }

    /// Returns the call's direction in Twilio's terms.
    pub(super) fn direction(&self) -> &'static str {
        match self.parent {
            None => "inbound",
            Some(_) => "outbound-dial",
        }
    }

    pub(super) fn say(&mut self, text: String, language: String) {
        // Speech is not synthesised here, so its duration is estimated: four characters a second.
        self.elapsed += text.chars().count() as u64 * 250;
        self.heard.push(Heard::Say {
            say: text,
            language,
        });
    }

    pub(super) fn is_over(&self) -> bool {
        !matches!(self.status, "ringing" | "in-progress")
    }
}

impl Inner {
    pub(super) async fn carry_out(&self, call: &mut Call, deed: Deed) -> Result<(), CallError> {
        call.documents = 0;
        match deed {
            Deed::Dial => {
                self.go_to(call, self.outgoing.hook("call"), &[]).await;
                self.advance(call).await;
            }
            Deed::Press(keys) => {
                for key in keys.chars() {
                    self.press(call, key).await;
                }
            }
            Deed::Speak { audio, millis, end } => self.speak(call, audio, millis, end).await?,
            Deed::Silence => self.silence(call).await,
            Deed::HangUp if call.is_over() => {}
            Deed::HangUp => match call.waiting {
                Waiting::Speech { .. } => self.end_record(call, End::HangUp).await,
                Waiting::Ringing(_) | Waiting::Talking(_) => self.leave_dial(call).await,
                _ => self.finish(call, "completed").await,
            },
            Deed::OtherHangsUp => self.end_talk(call).await?,
        }
        Ok(())
    }

    pub(super) async fn press(&self, call: &mut Call, key: char) {
        let ends = match &mut call.waiting {
            Waiting::Keys { gather, pressed } => {
                let finishes = gather.finish_on_key == Some(key);
                if !finishes {
                    pressed.push(key);
                }
                finishes
                    || gather
                        .num_digits
                        .is_some_and(|n| pressed.len() >= n as usize)
            }
            Waiting::Speech { record, .. } if record.finish_on_key.contains(key) => {
                return self.end_record(call, End::Key(key)).await;
            }
            // Another key does not end a recording. At any other time a key has no effect; during a conversation it
            // is a tone for the called party.
            _ => false,
        };
        if ends {
            self.end_gather(call).await;
        }
    }

    async fn speak(
        &self,
        call: &mut Call,
        audio: Bytes,
        millis: u64,
        end: Option<SpeechEnd>,
    ) -> Result<(), CallError> {
        let too_long = match &mut call.waiting {
            Waiting::Speech {
                spoken: Some(_), ..
            } => return Err(CallError::AlreadySpoken),
            Waiting::Speech { record, spoken, .. } => {
                *spoken = Some((audio, millis));
                millis >= u64::from(record.max_length) * 1000
            }
            Waiting::Keys { .. } => {
                self.silence(call).await;
                return Ok(());
            }
            Waiting::Talking(dialled) => return dialled.hear(audio, millis),
            Waiting::Ringing(_) | Waiting::Nothing => return Ok(()),
        };
        match end {
            // The audio is kept whole; only the reported duration stops at the limit.
            _ if too_long => self.end_record(call, End::Limit).await,
            None => {}
            Some(SpeechEnd::Key) => self.press(call, '#').await,
            Some(SpeechEnd::Silence) => self.end_record(call, End::Silence).await,
            Some(SpeechEnd::Limit) => self.end_record(call, End::Limit).await,
        }
        Ok(())
    }

    pub(super) async fn silence(&self, call: &mut Call) {
        match &call.waiting {
            Waiting::Keys { gather, .. } => {
                call.elapsed += u64::from(gather.timeout) * 1000;
                self.end_gather(call).await;
            }
            Waiting::Speech { record, .. } => {
                call.elapsed += u64::from(record.timeout) * 1000;
                self.end_record(call, End::Silence).await;
            }
            Waiting::Ringing(_) | Waiting::Talking(_) => self.time_dial_out(call).await,
            Waiting::Nothing => {}
        }
    }

    /// Executes verbs until the line waits for the caller or the call is over.
    pub(super) async fn advance(&self, call: &mut Call) {
        while matches!(call.waiting, Waiting::Nothing) && !call.is_over() {
            let Some(verb) = call.verbs.pop_front() else {
                // At the end of its document a dialled leg does not end: `picks_up` connects it to the caller.
                if call.parent.is_some() {
                    return;
                }
                return self.finish(call, "completed").await;
            };
            // A call that is ringing is answered by any verb other than `Pause` and `Reject`.
            if !matches!(verb, Verb::Pause { .. } | Verb::Reject { .. }) {
                self.set_status(call, "in-progress");
            }
            match verb {
                Verb::Gather(mut gather) => {
                    for prompt in std::mem::take(&mut gather.prompts) {
                        self.prompt(call, prompt).await;
                    }
                    let pressed = String::new();
                    call.waiting = Waiting::Keys { gather, pressed };
                }
                Verb::Record(record) => self.begin_record(call, record).await,
                Verb::Dial(dial) => self.begin_dial(call, dial).await,
                Verb::Redirect { url } => self.go_to(call, url, &[]).await,
                Verb::Hangup => self.finish(call, "completed").await,
                Verb::Reject { busy } if call.status == "ringing" => {
                    // Twilio does not document the status of a rejected call; "no-answer" is chosen for one without
                    // a busy signal.
                    let status = if busy { "busy" } else { "no-answer" };
                    self.finish(call, status).await;
                }
                Verb::Reject { .. } => self.finish(call, "completed").await,
                prompt => self.prompt(call, prompt).await,
            }
        }
    }

    async fn prompt(&self, call: &mut Call, verb: Verb) {
        match verb {
            Verb::Say { text, language } => call.say(text, language),
            Verb::Pause { seconds } => call.elapsed += u64::from(seconds) * 1000,
            Verb::Play { url } => {
                let audio = match webhook::resolve(&call.document, &url) {
                    Ok(url) => self.outgoing.audio(&url, PLAY_LIMIT).await,
                    Err(reason) => Err(reason),
                };
                match audio {
                    Ok(audio) => call.play(audio),
                    Err(reason) => call.heard.push(Heard::PlayFailed {
                        play_failed: reason,
                    }),
                }
            }
            // Not reached: the reader admits only these three verbs in `<Gather>`, and `advance` executes all others.
            _ => {}
        }
    }

    /// Ends the wait for keys: posts the keys pressed, or continues with the next verb if there are none and
    /// `actionOnEmptyResult` is false. The finishing key is not among them, so pressed before any other key it counts
    /// as no input: older pages of the reference say so, the current one says only that it cannot be relied upon.
    async fn end_gather(&self, call: &mut Call) {
        let waiting = std::mem::replace(&mut call.waiting, Waiting::Nothing);
        let Waiting::Keys { gather, pressed } = waiting else {
            return;
        };
        if !pressed.is_empty() || gather.action_on_empty_result {
            let action = gather.action.unwrap_or_default();
            self.go_to(call, action, &[("Digits", pressed)]).await;
        }
        self.advance(call).await;
    }
}

#[cfg(test)]
mod tests;
