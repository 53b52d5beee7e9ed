//! `<Dial>`: a telephone is rung, hears a document of its own, and is connected to the caller.

use super::call::{Call, Deed, Waiting};
use super::dial_reader::Dial;
use super::exchange::{CallError, Exchange, Inner, PhoneView, Trouble, lock, now, sid};
use super::recordings::{Recording, whole_seconds};
use super::webhook;
use bytes::Bytes;

/// What a telephone does when it is rung.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Answering {
    /// It rings unanswered.
    #[default]
    Nobody,
    /// It is busy.
    Busy,
    /// It cannot be reached.
    Unreachable,
    /// A person or a voicemail answers. Each time the document played to it waits, it presses the next one of these
    /// keys; when they are used up, it keeps silent.
    PicksUp {
        /// The keys. A voicemail presses none.
        keys: String,
    },
}

/// A telephone that was rung by `<Dial>`.
pub(super) struct Dialled {
    pub(super) dial: Dial,
    /// The call to the telephone, a leg of the caller's call.
    leg: Call,
    /// What the caller has said during the conversation: the audio, and its duration in milliseconds.
    spoken: Option<(Bytes, u64)>,
}

impl Dialled {
    /// Stores what the caller says. Fails if something is stored already, because a conversation keeps only one piece
    /// of speech.
    pub(super) fn hear(&mut self, audio: Bytes, millis: u64) -> Result<(), CallError> {
        if self.spoken.is_some() {
            return Err(CallError::AlreadySpoken);
        }
        self.spoken = Some((audio, millis));
        Ok(())
    }
}

impl Exchange {
    /// Sets what the telephone of a number does when it is rung. Numbers without a setting ring unanswered.
    pub fn set_answering(&self, number: &str, answering: Answering) {
        lock(&self.inner.answering).insert(number.to_owned(), answering);
    }

    /// Hangs up on the called party's side of a conversation.
    ///
    /// # Errors
    ///
    /// Returns [`CallError::Unknown`], [`CallError::NotTalking`] or [`CallError::Broken`].
    pub async fn other_hangs_up(&self, id: &str) -> Result<PhoneView, CallError> {
        self.carry_out(id, Deed::OtherHangsUp).await
    }
}

impl Inner {
    /// Rings the number of a `<Dial>`. With [`Answering::Nobody`] the call then waits for the caller, who keeps
    /// silent for the `timeout` or hangs up. Numbers that Twilio could not ring or show are recorded as a
    /// [`Trouble`], and the `<Dial>` fails.
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

    /// Plays the document of the `<Number>`, if it has one, to the called party, and connects it to the caller unless
    /// that document has ended its leg.
    async fn picks_up(&self, call: &mut Call, mut dialled: Box<Dialled>, keys: &str) {
        let Dialled { dial, leg, .. } = &mut *dialled;
        self.set_status(leg, "in-progress");
        if let Some(url) = dial.url.clone() {
            leg.document.clone_from(&call.document);
            self.go_to(leg, url, &[]).await;
            // Futures are boxed because `advance` can call `begin_dial`, which calls this function.
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

    /// Ends the ringing after its timeout, or the conversation after its time limit.
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

    /// Ends the conversation because the called party hangs up.
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

    /// Ends the ringing or the conversation because the caller hangs up. Twilio's reference does not define what
    /// happens to a telephone that is ringing then; here its status is `canceled`, and the action is posted as
    /// after any other end.
    pub(super) async fn leave_dial(&self, call: &mut Call) {
        self.set_status(call, "completed");
        match std::mem::replace(&mut call.waiting, Waiting::Nothing) {
            Waiting::Ringing(dialled) => self.end_dial(call, dialled, "canceled").await,
            Waiting::Talking(dialled) => self.end_bridge(call, dialled).await,
            _ => {}
        }
        self.finish(call, "completed").await;
    }

    /// Ends a conversation: stores its recording and reports its state, if the document asked for one, and posts the
    /// result to the action.
    async fn end_bridge(&self, call: &mut Call, dialled: Box<Dialled>) {
        let recording = dialled.dial.record.as_ref().map(|told| {
            let (audio, millis) = dialled.spoken.clone().unzip();
            call.recordings += 1;
            let recording = Recording {
                sid: sid("RE"),
                // Twilio's reference: "This will always refer to the parent leg of a two-leg call."
                call: call.sid.clone(),
                source: "DialVerb",
                number: call.recordings,
                seconds: millis.map_or(0, whole_seconds),
                audio,
                started: now(),
                asked_too_early: 0,
            };
            lock(&self.recordings).insert(recording.sid.clone(), recording.clone());
            // As with `<Record>`: without speech there is no audio, and the state is `absent`.
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

    /// Ends a `<Dial>` whose telephone was not connected to the caller, and posts the result to the action.
    async fn end_dial(&self, call: &mut Call, dialled: Box<Dialled>, status: &'static str) {
        let form = vec![("DialBridged", "false".to_owned())];
        self.tell_action(call, dialled, status, form).await;
    }

    /// Posts the result to the action and continues with the document in the answer, unless the caller has hung up;
    /// without an action the current document continues. If the faults drop the action, the call ends.
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
        // The caller has hung up, so the answer is discarded.
        if let Ok(url) = webhook::resolve(&call.document, &action) {
            let form = self.form(call, &form);
            let _ = self.send(self.webhook(&url, form)).await;
        }
    }
}

/// True if `number` is a plus sign and 8 to 15 digits, the only form that Twilio can ring.
fn is_e164(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(|digits| {
        (8..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests;
