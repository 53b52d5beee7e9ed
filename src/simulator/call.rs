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
mod tests {
    use super::*;
    use crate::simulator::SAMPLE;
    use crate::simulator::exchange::Exchange;
    use crate::simulator::testing::Service;

    const CALL: &str = "/hooks/sim/call";

    fn speech() -> Bytes {
        Bytes::from_static(SAMPLE)
    }

    async fn answered_with(verbs: &str) -> (Service, Exchange) {
        let service = Service::start().await;
        service.at(CALL, verbs);
        let exchange = service.exchange();
        (service, exchange)
    }

    #[tokio::test]
    async fn a_whole_call() {
        let (service, exchange) = answered_with(
            r#"<Say language="cmn-CN">您好。</Say><Gather numDigits="1" timeout="8" action="https://duty.example.org/step?n=1"><Say>Press 1.</Say></Gather>"#,
        )
        .await;
        service.at(
            "/step?n=1",
            r##"<Record action="/step?n=2" finishOnKey="#" maxLength="300" recordingStatusCallback="/recording?n=2"/>"##,
        );
        service.at(
            "/step?n=2",
            r#"<Play>/take.wav</Play><Gather numDigits="1" action="/step?n=3"/>"#,
        );
        service.raw("/take.wav", "here");
        service.at("/step?n=3", "<Say>Goodbye.</Say><Hangup/>");

        let view = exchange
            .dial("+8613800138000", "18877009155")
            .await
            .unwrap();
        let call = view.id.clone();
        assert_eq!((call.len(), &call[..2]), (34, "CA"));
        let words = |say: &str, language: &str| Heard::Say {
            say: say.into(),
            language: language.into(),
        };
        assert_eq!(
            view.heard,
            [words("您好。", "cmn-CN"), words("Press 1.", "en-US")]
        );
        assert_eq!(view.waiting, WaitingFor::Keys { seconds: 8 });

        let view = exchange.press(&call, "1").await.unwrap();
        assert_eq!(view.heard, [Heard::Beep { beep: true }]);
        let waits = |spoken| WaitingFor::Speech {
            max_seconds: 300,
            spoken,
        };
        assert_eq!(view.waiting, waits(false));
        let view = exchange.speak(&call, speech(), None).await.unwrap();
        assert_eq!((view.heard.len(), view.waiting), (0, waits(true)));

        // The key `5` ends nothing and is lost; `#` ends the recording; `1` answers the next document's prompt.
        let view = exchange.press(&call, "5#1").await.unwrap();
        assert!(
            matches!(view.heard[0], Heard::Played { played, bytes, n: 1 } if played > 4.0 && bytes == SAMPLE.len())
        );
        assert_eq!(view.heard[1], words("Goodbye.", "en-US"));
        assert_eq!(view.waiting, WaitingFor::Nothing);

        let told = service.told();
        let paths: Vec<_> = told.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(
            paths,
            [
                CALL,
                "/step?n=1",
                "/step?n=2",
                "/recording?n=2",
                "/step?n=3",
                "/hooks/sim/status"
            ]
        );
        assert_eq!(told[0].1["CallStatus"], "ringing");
        assert_eq!(told[1].1["CallStatus"], "in-progress");
        assert_eq!(told[1].1["Digits"], "1");
        for (name, value) in [
            ("From", "+8613800138000"),
            ("Caller", "+8613800138000"),
            ("To", "18877009155"),
            ("Called", "18877009155"),
            ("Direction", "inbound"),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", &call),
        ] {
            assert_eq!(told[0].1[name], value);
        }
        assert_eq!(told[2].1["RecordingDuration"], "4");
        assert_eq!(told[2].1["Digits"], "#");
        assert_eq!(told[5].1["CallStatus"], "completed");
        assert!(told[5].1["CallDuration"].parse::<u32>().unwrap() > 4);
        assert_eq!(exchange.troubles(), []);
        assert_eq!(exchange.sent().len(), 6);

        // A call that is over ignores keys.
        let view = exchange.press(&call, "1").await.unwrap();
        assert_eq!((view.heard.len(), view.waiting), (0, WaitingFor::Nothing));
        exchange.hang_up(&call).await.unwrap();
        assert!(service.told().is_empty());
    }

    #[tokio::test]
    async fn silence_at_a_gather() {
        let (service, exchange) = answered_with(
            r#"<Gather numDigits="2" action="/a"/><Gather actionOnEmptyResult="true" action="/b"/>"#,
        )
        .await;
        service.at("/b", "<Hangup/>");
        let view = exchange.dial("anonymous", "1").await.unwrap();
        let view = exchange.keep_silent(&view.id).await.unwrap();
        assert_eq!(view.waiting, WaitingFor::Keys { seconds: 5 });
        // Speech during a menu counts as silence.
        exchange.speak(&view.id, speech(), None).await.unwrap();
        let told = service.told();
        assert_eq!(told[1].0, "/b");
        assert_eq!(told[1].1["Digits"], "");
    }

    #[tokio::test]
    async fn what_ends_a_gather() {
        let (service, exchange) =
            answered_with(r#"<Gather numDigits="3" action="/keys" timeout="2"/>"#).await;
        service.at("/keys", r#"<Redirect>/hooks/sim/call</Redirect>"#);
        let id = exchange.dial("1", "2").await.unwrap().id;
        exchange.press(&id, "1234").await.unwrap();
        exchange.keep_silent(&id).await.unwrap();
        exchange.press(&id, "5#").await.unwrap();
        let told = service.told();
        let digits: Vec<_> = told
            .iter()
            .filter_map(|(_, form)| form.get("Digits"))
            .collect();
        // One gather was ended by the number of digits, the next one by the timeout after a first key, the last one
        // by the finishing key.
        assert_eq!(digits, ["123", "4", "5"]);
        // The finishing key alone counts as no input: the document continues and reaches its end.
        let view = exchange.press(&id, "#").await.unwrap();
        assert_eq!(view.waiting, WaitingFor::Nothing);
        assert_eq!(service.paths(), ["/hooks/sim/status"]);
    }

    #[tokio::test]
    async fn hanging_up_at_a_menu_tells_only_the_end() {
        let (service, exchange) = answered_with(r#"<Gather action="/a"/>"#).await;
        let id = exchange.dial("1", "2").await.unwrap().id;
        exchange.press(&id, "1").await.unwrap();
        let view = exchange.hang_up(&id).await.unwrap();
        assert_eq!(view.waiting, WaitingFor::Nothing);
        assert_eq!(service.paths(), [CALL, "/hooks/sim/status"]);
    }

    #[tokio::test]
    async fn a_refused_call_is_never_in_progress() {
        let (service, exchange) = answered_with(r#"<Reject reason="busy"/>"#).await;
        exchange.dial("1", "2").await.unwrap();
        let told = service.told();
        assert_eq!(told[1].1["CallStatus"], "busy");
        assert_eq!(told[1].1["CallDuration"], "0");
    }

    #[tokio::test]
    async fn audio_that_is_not_there_is_reported() {
        let (_service, exchange) = answered_with("<Play>/gone.mp3</Play><Say>On.</Say>").await;
        let view = exchange.dial("1", "2").await.unwrap();
        assert!(matches!(&view.heard[0], Heard::PlayFailed { .. }));
        assert_eq!(view.heard.len(), 2);
    }

    #[tokio::test]
    async fn what_a_caller_cannot_do() {
        let (_service, exchange) = answered_with("<Record/>").await;
        let id = exchange.dial("1", "2").await.unwrap().id;
        assert_eq!(exchange.press("CA0", "1").await, Err(CallError::Unknown));
        assert_eq!(exchange.press(&id, "x").await, Err(CallError::NotAKey));
        let html = Bytes::from_static(b"<html>");
        assert_eq!(
            exchange.speak(&id, html, None).await,
            Err(CallError::NotWav)
        );
        exchange.speak(&id, speech(), None).await.unwrap();
        assert_eq!(
            exchange.speak(&id, speech(), None).await,
            Err(CallError::AlreadySpoken)
        );
    }
}
