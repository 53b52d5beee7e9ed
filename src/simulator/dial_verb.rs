//! `<Dial>`: a telephone is rung, hears a document of its own, and is put together with the caller.

use super::call::{Call, Deed, Waiting};
use super::dial_reader::Dial;
use super::exchange::{CallError, Exchange, Inner, PhoneView, Trouble, lock, now, sid};
use super::recordings::{Recording, whole_seconds};
use super::webhook;
use bytes::Bytes;

/// What a telephone does when it is rung.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Answering {
    /// It rings, and nobody picks up.
    #[default]
    Nobody,
    /// It is engaged.
    Busy,
    /// It can't be reached.
    Unreachable,
    /// Somebody picks up, or a voicemail does, and presses these keys, one each time a key is waited for; then none.
    PicksUp {
        /// The keys. A voicemail presses none.
        keys: String,
    },
}

/// A telephone that was rung.
pub(super) struct Dialled {
    pub(super) dial: Dial,
    /// Its own call.
    leg: Call,
    /// What the caller has said to it.
    spoken: Option<(Bytes, u64)>,
}

impl Dialled {
    /// The caller speaks. One piece of speech is all that is kept of a talk.
    pub(super) fn hear(&mut self, audio: Bytes, millis: u64) -> Result<(), CallError> {
        if self.spoken.is_some() {
            return Err(CallError::AlreadySpoken);
        }
        self.spoken = Some((audio, millis));
        Ok(())
    }
}

impl Exchange {
    /// From now on the telephone of this number does that when it is rung. Others are not answered.
    pub fn set_answering(&self, number: &str, answering: Answering) {
        lock(&self.inner.answering).insert(number.to_owned(), answering);
    }

    /// Whoever was rung, and speaks with the caller, hangs up.
    ///
    /// # Errors
    ///
    /// [`CallError::Unknown`], [`CallError::NotTalking`].
    pub async fn other_hangs_up(&self, id: &str) -> Result<PhoneView, CallError> {
        self.carry_out(id, Deed::OtherHangsUp).await
    }
}

impl Inner {
    /// Rings. Whoever does not pick up lets it ring until the caller has waited for as long as the document says.
    pub(super) async fn begin_dial(&self, call: &mut Call, dial: Dial) {
        let seen = dial.caller_id.clone().unwrap_or_else(|| call.from.clone());
        let wrong = if !is_e164(&dial.number) {
            Some((13224, "the number is not written as +8613800138000 is"))
        } else if dial.caller_id.is_some() && !is_e164(&seen) {
            Some((13214, "callerId is not written as +8613800138000 is"))
        } else {
            None
        };
        let mut leg = Call::new(sid("CA"), seen, dial.number.clone());
        leg.parent = Some(call.sid.clone());
        self.list(&leg);
        let answering = lock(&self.answering).get(&dial.number).cloned();
        let dialled = Box::new(Dialled {
            dial,
            leg,
            spoken: None,
        });
        if let Some((code, reason)) = wrong {
            self.trouble(Trouble {
                code,
                url: call.document.clone(),
                reason: reason.to_owned(),
            });
            return self.end_dial(call, dialled, "failed").await;
        }
        match answering.unwrap_or_default() {
            Answering::Nobody => call.waiting = Waiting::Ringing(dialled),
            Answering::Busy => self.end_dial(call, dialled, "busy").await,
            Answering::Unreachable => self.end_dial(call, dialled, "failed").await,
            Answering::PicksUp { keys } => self.picks_up(call, dialled, &keys).await,
        }
    }

    /// Whoever was rung hears their document; unless it hangs up on them, they are put together with the caller.
    async fn picks_up(&self, call: &mut Call, mut dialled: Box<Dialled>, keys: &str) {
        let Dialled { dial, leg, .. } = &mut *dialled;
        self.set_status(leg, "in-progress");
        if let Some(url) = dial.url.clone() {
            leg.document.clone_from(&call.document);
            self.go_to(leg, url, &[]).await;
            // The document is carried out as any call's is, which may ring: hence the boxes.
            Box::pin(self.advance(leg)).await;
            let mut keys = keys.chars();
            while !matches!(leg.waiting, Waiting::Nothing) {
                match keys.next() {
                    Some(key) => Box::pin(self.press(leg, key)).await,
                    None => Box::pin(self.silence(leg)).await,
                }
            }
        }
        call.elapsed += leg.elapsed;
        if leg.is_over() {
            self.end_dial(call, dialled, "completed").await;
        } else {
            call.waiting = Waiting::Talking(dialled);
        }
    }

    /// The caller has waited for as long as it may ring, or talked for as long as a talk may last.
    pub(super) async fn time_dial_out(&self, call: &mut Call) {
        match std::mem::replace(&mut call.waiting, Waiting::Nothing) {
            Waiting::Ringing(dialled) => {
                call.elapsed += u64::from(dialled.dial.timeout) * 1000;
                self.end_dial(call, dialled, "no-answer").await;
            }
            Waiting::Talking(mut dialled) => {
                let limit = u64::from(dialled.dial.time_limit) * 1000;
                dialled.leg.elapsed = limit;
                call.elapsed += limit;
                self.end_bridge(call, dialled).await;
            }
            _ => {}
        }
        self.advance(call).await;
    }

    /// Whoever was rung hangs up.
    pub(super) async fn end_talk(&self, call: &mut Call) -> Result<(), CallError> {
        match std::mem::replace(&mut call.waiting, Waiting::Nothing) {
            Waiting::Talking(dialled) => {
                self.end_bridge(call, dialled).await;
                self.advance(call).await;
                Ok(())
            }
            other => {
                call.waiting = other;
                Err(CallError::NotTalking)
            }
        }
    }

    /// The caller hangs up. Twilio's reference does not say what becomes of a telephone that rings then; here it was
    /// canceled, and the action is posted as after any other end.
    pub(super) async fn leave_dial(&self, call: &mut Call) {
        self.set_status(call, "completed");
        match std::mem::replace(&mut call.waiting, Waiting::Nothing) {
            Waiting::Ringing(dialled) => self.end_dial(call, dialled, "canceled").await,
            Waiting::Talking(dialled) => self.end_bridge(call, dialled).await,
            _ => {}
        }
        self.finish(call, "completed").await;
    }

    /// The end of a talk.
    async fn end_bridge(&self, call: &mut Call, dialled: Box<Dialled>) {
        let recording = dialled.dial.record.as_ref().map(|told| {
            let (audio, millis) = dialled.spoken.clone().unzip();
            call.recordings += 1;
            let recording = Recording {
                sid: sid("RE"),
                // "This will always refer to the parent leg of a two-leg call."
                call: call.sid.clone(),
                source: "DialVerb",
                number: call.recordings,
                seconds: millis.map_or(0, whole_seconds),
                audio,
                started: now(),
                asked_too_early: 0,
            };
            lock(&self.recordings).insert(recording.sid.clone(), recording.clone());
            // As with `<Record>`, of which nothing was said there is no recording.
            let state = match recording.audio {
                Some(_) => "completed",
                None => "absent",
            };
            let callback = self.callback(call, told, &recording, state);
            let url = self.recording_url(&recording.sid);
            (recording.audio.is_some().then_some(url), callback)
        });
        let (url, callback) = recording.unwrap_or_default();
        let callback = self.callback_after_action(call, callback).await;
        let mut form = vec![("DialBridged", "true".to_owned())];
        form.extend(url.map(|url| ("RecordingUrl", url)));
        self.tell_action(call, dialled, "completed", form).await;
        self.send_if_any(callback).await;
    }

    /// The end of a telephone's being rung, without a talk.
    async fn end_dial(&self, call: &mut Call, dialled: Box<Dialled>, status: &'static str) {
        let form = vec![("DialBridged", "false".to_owned())];
        self.tell_action(call, dialled, status, form).await;
    }

    /// Tells how it went and goes on with the answer; without an address to tell, the document goes on.
    async fn tell_action(
        &self,
        call: &mut Call,
        mut dialled: Box<Dialled>,
        status: &'static str,
        mut form: Vec<(&'static str, String)>,
    ) {
        let Dialled { dial, leg, .. } = &mut *dialled;
        if !leg.is_over() {
            self.finish(leg, status).await;
        }
        let lost = lock(&self.faults).drop_action;
        if lost {
            if !call.is_over() {
                self.finish(call, "completed").await;
            }
            return;
        }
        form.extend([
            ("DialCallStatus", status.to_owned()),
            ("DialCallSid", leg.sid.clone()),
        ]);
        if status == "completed" {
            let seconds = whole_seconds(leg.elapsed);
            form.push(("DialCallDuration", seconds.to_string()));
        }
        let Some(action) = dial.action.take() else {
            return;
        };
        if !call.is_over() {
            return self.go_to(call, action, &form).await;
        }
        // The caller is gone: the answer is nobody's.
        if let Ok(url) = webhook::resolve(&call.document, &action) {
            let form = self.form(call, &form);
            let _ = self.send(self.webhook(&url, form)).await;
        }
    }
}

/// A plus and 8 to 15 digits. Twilio can't ring anything else.
fn is_e164(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(|digits| {
        (8..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests;
