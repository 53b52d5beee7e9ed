//! `<Record>`: how a recording begins, how it ends, and the order of the requests sent at its end.

use super::call::{Call, Heard, Waiting};
use super::exchange::{Inner, lock, now, sid};
use super::faults::Callbacks;
use super::recordings::{Recording, whole_seconds};
use super::twiml_reader::{Record, RecordingCallback};
use super::webhook::{self, Webhook};

/// What ended a recording.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Key(char),
    Silence,
    Limit,
    HangUp,
}

impl Inner {
    pub(super) async fn begin_record(&self, call: &mut Call, record: Record) {
        if record.play_beep {
            call.heard.push(Heard::Beep { beep: true });
        }
        let recording = Recording {
            sid: sid("RE"),
            call: call.sid.clone(),
            source: "RecordVerb",
            number: call.recordings + 1,
            audio: None,
            seconds: 0,
            started: now(),
            asked_too_early: 0,
        };
        call.recordings += 1;
        if let Some(callback) = self.callback(call, &record.callback, &recording, "in-progress") {
            let _ = self.send(callback).await;
        }
        call.waiting = Waiting::Speech {
            record,
            sid: recording.sid,
            started: recording.started,
            spoken: None,
        };
    }

    pub(super) async fn end_record(&self, call: &mut Call, end: End) {
        let waiting = std::mem::replace(&mut call.waiting, Waiting::Nothing);
        let Waiting::Speech {
            record,
            sid,
            started,
            spoken,
        } = waiting
        else {
            return;
        };
        if end == End::HangUp {
            self.set_status(call, "completed");
        }
        let (audio, millis) = spoken.unzip();
        let seconds = match (end, millis) {
            (_, None) => 0,
            (End::Limit, Some(_)) => record.max_length,
            (_, Some(millis)) => whole_seconds(millis).min(record.max_length),
        };
        call.elapsed += u64::from(seconds) * 1000;
        let said = audio.is_some();
        let recording = Recording {
            sid,
            call: call.sid.clone(),
            source: "RecordVerb",
            number: call.recordings,
            audio,
            seconds,
            started,
            asked_too_early: 0,
        };
        let state = if said { "completed" } else { "absent" };
        let callback = self.callback(call, &record.callback, &recording, state);
        let mut form = vec![
            ("RecordingSid", recording.sid.clone()),
            ("RecordingUrl", self.recording_url(&recording.sid)),
            ("RecordingDuration", seconds.to_string()),
        ];
        match end {
            End::Key(key) => form.push(("Digits", key.to_string())),
            End::HangUp => form.push(("Digits", "hangup".to_owned())),
            End::Silence | End::Limit => {}
        }
        lock(&self.recordings).insert(recording.sid.clone(), recording);

        let action_lost = said && lock(&self.faults).drop_action;
        let callback = self.callback_after_action(call, callback).await;
        if said && !action_lost {
            let action = record.action.unwrap_or_default();
            if end == End::HangUp {
                // The caller has hung up, so the answer is discarded.
                if let Ok(url) = webhook::resolve(&call.document, &action) {
                    let form = self.form(call, &form);
                    let _ = self.send(self.webhook(&url, form)).await;
                }
            } else {
                self.go_to(call, action, &form).await;
            }
        }
        self.send_if_any(callback).await;
        if end == End::HangUp || action_lost {
            self.finish(call, "completed").await;
        } else {
            self.advance(call).await;
        }
    }

    /// Sends the callback about a recording now (before the action), drops it, or keeps it until the call is over, as
    /// the faults say. Returns it if it is to be sent after the action was answered.
    pub(super) async fn callback_after_action(
        &self,
        call: &mut Call,
        callback: Option<Webhook>,
    ) -> Option<Webhook> {
        let when = lock(&self.faults).callbacks;
        match when {
            Callbacks::Never => {}
            Callbacks::AfterCall => call.late.extend(callback),
            Callbacks::BeforeAction => self.send_if_any(callback).await,
            Callbacks::AfterAction => return callback,
        }
        None
    }

    pub(super) async fn send_if_any(&self, webhook: Option<Webhook>) {
        if let Some(webhook) = webhook {
            let _ = self.send(webhook).await;
        }
    }

    /// Returns the webhook that reports a recording's state; `None` if the document did not request that state, or
    /// gave no URL that can be resolved.
    pub(super) fn callback(
        &self,
        call: &Call,
        told: &RecordingCallback,
        recording: &Recording,
        state: &str,
    ) -> Option<Webhook> {
        if !told.events.iter().any(|e| e == state) {
            return None;
        }
        let url = told.url.as_ref()?;
        let url = webhook::resolve(&call.document, url).ok()?;
        let track = match recording.source {
            "DialVerb" => "both",
            _ => "inbound",
        };
        // As documented, this request has neither From nor To.
        let mut form = vec![
            ("AccountSid", self.settings.account.clone()),
            ("CallSid", call.sid.clone()),
            ("RecordingSid", recording.sid.clone()),
            ("RecordingUrl", self.recording_url(&recording.sid)),
            ("RecordingStatus", state.to_owned()),
            ("RecordingDuration", recording.seconds.to_string()),
            ("RecordingChannels", "1".to_owned()),
            ("RecordingStartTime", recording.started.clone()),
            ("RecordingSource", recording.source.to_owned()),
            ("RecordingTrack", track.to_owned()),
        ];
        if state == "absent" {
            // Twilio's error 16101: the recording is too short.
            form.push(("ErrorCode", "16101".to_owned()));
        }
        let form = form.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
        Some(self.webhook(&url, form))
    }

    pub(super) fn recording_url(&self, sid: &str) -> String {
        format!(
            "{}/2010-04-01/Accounts/{}/Recordings/{sid}",
            self.settings.api_url.trim_end_matches('/'),
            self.settings.account
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::SAMPLE;
    use crate::simulator::call::WaitingFor;
    use crate::simulator::exchange::{Exchange, PhoneView, SpeechEnd};
    use crate::simulator::faults::Faults;
    use crate::simulator::testing::Service;
    use bytes::Bytes;

    const RECORD: &str = r##"<Record action="/took" finishOnKey="#" maxLength="60" playBeep="false" recordingStatusCallback="/state" recordingStatusCallbackEvent="completed absent"/><Redirect>/nothing</Redirect>"##;

    /// Starts a call that is being recorded, and discards the requests the service has received so far.
    async fn recording(faults: Faults) -> (Service, Exchange, String) {
        let service = Service::start().await;
        service.at("/hooks/sim/call", RECORD);
        service.at("/took", "<Hangup/>");
        service.at("/nothing", "<Gather/>");
        let exchange = service.exchange();
        exchange.set_faults(faults);
        let view = exchange.dial("+861", "2").await.unwrap();
        assert!(view.heard.is_empty());
        service.told();
        (service, exchange, view.id)
    }

    async fn speak(exchange: &Exchange, id: &str, end: Option<SpeechEnd>) -> PhoneView {
        let sample = Bytes::from_static(SAMPLE);
        exchange.speak(id, sample, end).await.unwrap()
    }

    #[tokio::test]
    async fn each_way_to_end_after_speech() {
        let ways = [
            (Some(SpeechEnd::Key), "4", Some("#")),
            (Some(SpeechEnd::Silence), "4", None),
            (Some(SpeechEnd::Limit), "60", None),
            (None, "4", Some("hangup")),
        ];
        for (end, seconds, digits) in ways {
            let (service, exchange, id) = recording(Faults::default()).await;
            speak(&exchange, &id, end).await;
            exchange.hang_up(&id).await.unwrap();
            let told = service.told();
            let paths: Vec<_> = told.iter().map(|(path, _)| path.as_str()).collect();
            assert_eq!(paths, ["/took", "/state", "/hooks/sim/status"]);
            let action = &told[0].1;
            assert_eq!(action["RecordingDuration"], seconds);
            assert_eq!(action.get("Digits").map(String::as_str), digits);
            let status = if end.is_none() {
                "completed"
            } else {
                "in-progress"
            };
            assert_eq!(action["CallStatus"], status);
            let sid = &action["RecordingSid"];
            assert_eq!((sid.len(), &sid[..2]), (34, "RE"));
            assert!(
                action["RecordingUrl"].starts_with("https://api.example/2010-04-01/Accounts/AC")
            );
            assert!(action["RecordingUrl"].ends_with(sid.as_str()));

            let state = &told[1].1;
            assert_eq!(state["RecordingStatus"], "completed");
            assert_eq!(state["RecordingSid"], *sid);
            assert_eq!(state["RecordingSource"], "RecordVerb");
            assert_eq!(state["RecordingChannels"], "1");
            assert_eq!(state["CallSid"], id);
            assert!(!state.contains_key("From"));
            let kept = exchange.recordings_of(&id);
            assert_eq!(kept[0].audio.as_deref(), Some(SAMPLE));
        }
    }

    #[tokio::test]
    async fn nothing_said_has_no_action() {
        for keys in ["", "#"] {
            let (service, exchange, id) = recording(Faults::default()).await;
            let view = match keys {
                "" => exchange.keep_silent(&id).await,
                keys => exchange.press(&id, keys).await,
            };
            // Without speech the action is not posted; the document has continued with its next verb.
            assert_eq!(view.unwrap().waiting, WaitingFor::Keys { seconds: 5 });
            let told = service.told();
            let paths: Vec<_> = told.iter().map(|(path, _)| path.as_str()).collect();
            assert_eq!(paths, ["/state", "/nothing"]);
            assert_eq!(told[0].1["RecordingStatus"], "absent");
        }
        let (service, exchange, id) = recording(Faults::default()).await;
        exchange.hang_up(&id).await.unwrap();
        assert_eq!(service.paths(), ["/state", "/hooks/sim/status"]);
    }

    #[tokio::test]
    async fn without_an_action_the_same_document_is_asked_again() {
        let service = Service::start().await;
        service.at("/hooks/sim/call", "<Record/>");
        let exchange = service.exchange();
        let id = exchange.dial("1", "2").await.unwrap().id;
        speak(&exchange, &id, Some(SpeechEnd::Key)).await;
        assert_eq!(service.paths(), ["/hooks/sim/call", "/hooks/sim/call"]);
    }

    #[tokio::test]
    async fn faults_change_what_is_told_and_when() {
        let faults = |callbacks| Faults {
            callbacks,
            ..Faults::default()
        };
        let cases: [(Faults, &[&str]); 6] = [
            (
                faults(Callbacks::BeforeAction),
                &["/state", "/took", "/hooks/sim/status"],
            ),
            (
                faults(Callbacks::AfterCall),
                &["/took", "/hooks/sim/status", "/state"],
            ),
            (faults(Callbacks::Never), &["/took", "/hooks/sim/status"]),
            (
                Faults {
                    drop_action: true,
                    ..Faults::default()
                },
                &["/state", "/hooks/sim/status"],
            ),
            (
                Faults {
                    drop_status: true,
                    ..Faults::default()
                },
                &["/took", "/state"],
            ),
            (
                Faults {
                    twice: true,
                    ..Faults::default()
                },
                &[
                    "/took",
                    "/took",
                    "/state",
                    "/state",
                    "/hooks/sim/status",
                    "/hooks/sim/status",
                ],
            ),
        ];
        for (faults, paths) in cases {
            let (service, exchange, id) = recording(faults).await;
            let view = speak(&exchange, &id, Some(SpeechEnd::Key)).await;
            assert_eq!(view.waiting, WaitingFor::Nothing);
            assert_eq!(service.paths(), paths, "{faults:?}");
            assert_eq!(exchange.recordings_of(&id).len(), 1);
        }
    }

    #[tokio::test]
    async fn a_webhook_can_be_sent_once_more_by_hand() {
        let (service, exchange, id) = recording(Faults::default()).await;
        speak(&exchange, &id, Some(SpeechEnd::Key)).await;
        let before = service.told();
        let sent = exchange.sent();
        let action = sent.iter().find(|s| s.webhook.url.ends_with("/took"));
        let action = action.unwrap();
        let again = exchange.deliver(&action.webhook).await;
        assert_eq!(again, action.answers[0]);
        assert_eq!(service.told()[0], before[0]);
    }
}
