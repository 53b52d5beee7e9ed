//! Conducts calls: from a webhook that is believed to an answer that is committed.
//!
//! Each input has an identity (call and step, or a recording's id). The first time it moves the conversation, and
//! the answer is written down with the state it led to; every later time the same answer is given, byte for byte.
//! Nothing is answered before the commit.

mod answer;
mod arriving;
mod duty;
mod facts;
mod fallback;
pub mod guesses;
mod hung_up;
mod receipt;
mod running;
mod take;

pub use arriving::{Arriving, Ended, Outcome, arriving, heard, nothing_came, stream_key};
pub use facts::{accept_orphan, unnamed_steps};
pub use fallback::{fallback_line, line_of_fallback};
pub use hung_up::hung_up;
pub use running::running;
pub(crate) use take::open_state;
pub use take::{Fetches, find_take};

use crate::call::flow::{self, Input};
use crate::call::script::RecordingEnd;
use crate::call::state::{Place, State};
use crate::line::Line;
use crate::service::Service;
use crate::store::calls::{self, Call};
use crate::store::jobs::{self, Kind};
use crate::store::{StoreError, Tx};
use crate::telephony::{Event, Links, Provider, RecordingOutcome, Rendered};
pub use crate::telephony::{Hook, StepRef};
use crate::vault::secret::Key;
use receipt::LookedUp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a webhook is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A script.
    Script(Rendered),
    /// 204: it is noted.
    Noted,
}

/// Takes in a webhook: moves the conversation, keeps the facts, commits, and only then gives the answer.
///
/// # Errors
///
/// When the database does not do its work; then nothing was changed.
pub async fn conduct(
    service: &Service,
    provider: &dyn Provider,
    hook: &Hook,
    event: &Event,
) -> Result<Reply, StoreError> {
    match once(service, provider, hook, event).await {
        // The same call came in twice at once, and the other one was first: now it is a known call.
        Err(StoreError::Duplicate) => once(service, provider, hook, event).await,
        result => result,
    }
}

/// Takes in a webhook that does not name its call: keeps the recording it tells of, if any. What it is answered does not
/// depend on the database.
///
/// # Errors
///
/// When the database does not do its work; then nothing was changed.
pub async fn keep_without_call(
    service: &Service,
    provider: &dyn Provider,
    event: &Event,
) -> Result<(), StoreError> {
    let fact = event.recording.as_ref();
    let Some(fact) = fact.filter(|fact| fact.outcome != RecordingOutcome::Absent) else {
        return Ok(());
    };
    let mut tx = service.db.begin().await?;
    facts::keep_stray(service, &mut tx, provider.name(), event, fact).await?;
    tx.commit().await?;
    service.wake.notify_one();
    Ok(())
}

async fn once(
    service: &Service,
    provider: &dyn Provider,
    hook: &Hook,
    event: &Event,
) -> Result<Reply, StoreError> {
    if let Hook::Whisper(at) | Hook::Taken(at) = hook {
        return duty::of_whoever_was_rung(service, provider, hook, at, event).await;
    }
    let lookup = service.call_lookup(provider.name(), event.call.show());
    let known;
    let event = match arriving::known(service, provider, hook, event).await? {
        Some(better) => {
            known = better;
            &known
        }
        None => event,
    };
    // Before the transaction: it takes its time, and others have to write meanwhile.
    let looked_up = receipt::look_up(service, provider, hook, event, &lookup).await?;
    let key = service.secret.call_key(provider.name(), event.call.show());
    let mut tx = service.db.begin().await?;
    let mut turn = Conducting {
        service,
        provider,
        event,
        key,
        looked_up,
        tx: &mut tx,
    };
    let reply = match calls::by_lookup(turn.tx, &lookup).await? {
        Some(call) => turn.known_call(hook, call).await?,
        None => turn.unknown_call(hook, &lookup).await?,
    };
    tx.commit().await?;
    service.wake.notify_one();
    Ok(reply)
}

/// One webhook being worked on.
struct Conducting<'a> {
    service: &'a Service,
    provider: &'a dyn Provider,
    event: &'a Event,
    key: Key,
    /// What stands behind the receipt in the event, if there is one.
    looked_up: LookedUp,
    tx: &'a mut Tx,
}

/// An answer as it is kept under the call key.
#[derive(Serialize, Deserialize)]
struct Kept {
    content_type: String,
    body: String,
}

impl<'a> Conducting<'a> {
    async fn unknown_call(&mut self, hook: &Hook, lookup: &[u8; 32]) -> Result<Reply, StoreError> {
        let line = self.line_meant(hook);
        match hook {
            Hook::Status | Hook::Recording(_) => {
                facts::of_unknown_call(self, line, lookup).await?;
                Ok(Reply::Noted)
            }
            Hook::Fallback if self.event.tells_of_recording() || self.event.ended => {
                // A recording made while the database was down: it was announced bluntly, and is kept now.
                facts::of_unknown_call(self, line, lookup).await?;
                Ok(Reply::Script(self.farewell(line, 0)))
            }
            // An unknown step starts the conversation anew. Whisper and taken never come here.
            Hook::Call
            | Hook::Fallback
            | Hook::Step(_)
            | Hook::Said(_)
            | Hook::Whisper(_)
            | Hook::Taken(_) => {
                let Some(line) = line else {
                    self.tx.count(&self.service.counters.calls_not_in_service);
                    return Ok(Reply::Script(not_in_service(self.service, self.provider)));
                };
                self.tx.count(&self.service.counters.calls);
                let call = self.open_call(line, lookup).await?;
                facts::keep(self, &call, 0).await?;
                self.kept_answer(call.id, 0).await
            }
        }
    }

    async fn known_call(&mut self, hook: &Hook, call: Call) -> Result<Reply, StoreError> {
        let state = self.state(&call)?;
        let at_step = match hook {
            Hook::Step(at) | Hook::Recording(Some(at)) if at.call == call.id => Some(at.step),
            _ => None,
        };
        // Whatever brings it, a fact about a recording is kept by the recording's id; without a step it is of the first one
        // that was spoken and not named yet.
        let step = match (at_step, &state, &self.event.recording) {
            (Some(step), ..) => step,
            (None, Some(state), Some(_)) => {
                let unnamed = facts::unnamed_steps(self.tx, &call, state).await?;
                unnamed.first().copied().unwrap_or(state.step)
            }
            (None, state, _) => state.as_ref().map_or(0, |state| state.step),
        };
        let new_recording = facts::keep(self, &call, step).await?;
        let unnamed = self.event.recording.is_none() && self.event.tells_of_recording();
        let reply = match (hook, state) {
            (
                Hook::Status
                | Hook::Recording(_)
                | Hook::Said(_)
                | Hook::Whisper(_)
                | Hook::Taken(_),
                _,
            ) => Reply::Noted,
            (_, None) => Reply::Script(self.farewell(self.service.config.line(&call.line), 0)),
            (Hook::Call, Some(_)) => self.kept_answer(call.id, 0).await?,
            // A recording made by a blunt answer in the middle of a call: to the review with it. A telephone that was
            // rung is down again, however that went: nobody is rung twice.
            (Hook::Fallback, Some(state))
                if new_recording || unnamed || matches!(state.place, Place::Ringing { .. }) =>
            {
                let step = state.step;
                self.take_step(hook, &call, state, step).await?
            }
            // What the caller heard last, once more: the conversation goes on from there.
            (Hook::Fallback, Some(state)) => {
                match self.kept(call.id, state.step.saturating_sub(1)).await? {
                    Some(kept) => kept,
                    None => self.take_step(hook, &call, state, u32::MAX).await?,
                }
            }
            (Hook::Step(at), Some(state)) => {
                let step = if at.call == call.id {
                    at.step
                } else {
                    u32::MAX
                };
                self.take_step(hook, &call, state, step).await?
            }
        };
        if self.event.ended {
            end_call(self.service, self.tx, &call).await?;
        }
        Ok(reply)
    }

    async fn take_step(
        &mut self,
        hook: &Hook,
        call: &Call,
        state: State,
        step: u32,
    ) -> Result<Reply, StoreError> {
        let Some(line) = self.service.config.line(&call.line) else {
            return Ok(Reply::Script(self.farewell(None, 0)));
        };
        let input = if step == state.step {
            self.input(hook, call, &state)
        } else if let Some(kept) = self.kept(call.id, step).await? {
            return Ok(kept);
        } else {
            // A step nobody was asked for: the conversation starts anew, with what was said kept.
            Input::Restart
        };
        let knew = state.earlier.is_some();
        let around = self.around(line, &state, &input).await?;
        let talked = call.at_duty && call.taken_step.is_some();
        let turn = flow::next(line, around, state, input);
        if !knew && turn.state.earlier.is_some() {
            self.call_back(call, turn.state.step).await?;
        }
        for effect in &turn.effects {
            facts::write_effect(self.service, self.tx, call, effect).await?;
        }
        let rendered = if turn.script.0.is_empty() {
            // Nobody is there any more to hear an answer; the provider wants one all the same.
            self.farewell(Some(line), turn.state.language)
        } else {
            self.provider
                .render(&turn.script, &self.links(call.id, line, turn.state.step))
        };
        if step <= MAX_STEP_NUMBER {
            self.keep_answer(call.id, step, &rendered).await?;
        }
        self.keep_state(call.id, &turn.state).await?;
        let at_duty = matches!(turn.state.place, Place::Ringing { .. });
        if at_duty != call.at_duty {
            calls::set_at_duty(self.tx, call.id, at_duty).await?;
            if talked {
                duty::note_end(self.service, self.tx, call);
            }
        }
        Ok(Reply::Script(rendered))
    }

    /// What the provider's webhook means to the conversation.
    fn input(&mut self, hook: &Hook, call: &Call, state: &State) -> Input {
        // The pressed key says whether anybody took the call; nothing the provider says of the end does. A recording is
        // that of the talk, unless a blunt answer asked for it.
        let blunt = matches!(hook, Hook::Fallback) && self.event.tells_of_recording();
        if matches!(state.place, Place::Ringing { .. }) && !blunt {
            return if self.event.ended {
                Input::HungUp
            } else if call.is_taken(state.step) {
                Input::Connected
            } else {
                Input::Nothing
            };
        }
        let outcome = self.event.recording.as_ref().map(|fact| fact.outcome);
        if let Some(outcome) = outcome.or(self.event.unnamed) {
            return match outcome {
                RecordingOutcome::Completed { seconds, end } => Input::Recorded {
                    end: if self.event.ended {
                        Some(RecordingEnd::HangUp)
                    } else {
                        end
                    },
                    seconds,
                },
                RecordingOutcome::Silent if self.event.ended => Input::HungUp,
                RecordingOutcome::Silent | RecordingOutcome::Absent => Input::Nothing,
            };
        }
        if self.event.ended {
            return Input::HungUp;
        }
        if matches!(hook, Hook::Step(at) if at.nothing.is_some()) {
            return Input::Nothing;
        }
        match &self.event.keys {
            Some(keys) if matches!(state.place, Place::Receipt(_)) && !keys.show().is_empty() => {
                Input::Typed {
                    keys: keys.clone(),
                    found: self.looked_up.found(),
                }
            }
            Some(keys) => {
                let mut keys = keys.show().chars();
                let first = keys.next();
                if keys.next().is_some() {
                    self.tx.count(&self.service.counters.keys_unasked);
                }
                first.map_or(Input::Nothing, Input::Key)
            }
            None => Input::Nothing,
        }
    }

    async fn enqueue(
        &mut self,
        kind: Kind,
        subject: Uuid,
        at: chrono::DateTime<chrono::Utc>,
    ) -> Result<(), StoreError> {
        let (id, provider) = (crate::clock::random_id(), self.provider.name());
        jobs::enqueue_at(self.tx, id, kind, subject, provider, at).await
    }

    /// The line a webhook of an unknown call is for: the one dialled, or the one its address names.
    fn line_meant(&self, hook: &Hook) -> Option<&'a Line> {
        let config = &self.service.config;
        let dialled = self.event.to.show();
        let named = match hook {
            Hook::Step(at) | Hook::Recording(Some(at)) => config.line(&at.line),
            _ => None,
        };
        config
            .line_dialled(dialled)
            .or(named)
            .or_else(|| config.line_called(dialled))
    }

    fn links(&self, call: Uuid, line: &Line, step: u32) -> Links {
        Links {
            public_url: self.service.config.public_url.clone(),
            provider: self.provider.name().to_owned(),
            call,
            line: line.id.clone(),
            step,
            take_key: take::take_key(&self.key, step),
            stream_key: take::stream_key(&self.key),
            line_number: line.number_called(self.event.to.show()),
            language: line.languages.first().cloned().unwrap_or_default(),
        }
    }

    fn farewell(&self, line: Option<&Line>, language: usize) -> Rendered {
        match line {
            Some(line) => self
                .provider
                .render_blunt(&flow::goodbye(line, language), None),
            None => not_in_service(self.service, self.provider),
        }
    }

    fn state(&self, call: &Call) -> Result<Option<State>, StoreError> {
        call.state
            .as_ref()
            .map(|sealed| {
                let plain = self
                    .key
                    .open(sealed, b"state")
                    .map_err(|_| StoreError::Unreadable("call state"))?;
                serde_json::from_slice(&plain).map_err(|_| StoreError::Unreadable("call state"))
            })
            .transpose()
    }

    fn seal_state(&self, state: &State) -> Result<Vec<u8>, StoreError> {
        let plain = zeroize::Zeroizing::new(
            serde_json::to_vec(state).map_err(|_| StoreError::Unreadable("call state"))?,
        );
        Ok(self.key.seal(&plain, b"state"))
    }

    async fn keep_state(&mut self, call: Uuid, state: &State) -> Result<(), StoreError> {
        let sealed = self.seal_state(state)?;
        calls::set_state(self.tx, call, &sealed).await
    }

    async fn keep_answer(
        &mut self,
        call: Uuid,
        step: u32,
        rendered: &Rendered,
    ) -> Result<(), StoreError> {
        let kept = Kept {
            content_type: rendered.content_type.to_string(),
            body: rendered.body.clone(),
        };
        let plain = zeroize::Zeroizing::new(
            serde_json::to_vec(&kept).map_err(|_| StoreError::Unreadable("answer"))?,
        );
        let sealed = self.key.seal(&plain, b"answer");
        calls::keep_step(self.tx, call, step, &sealed).await
    }

    async fn kept(&mut self, call: Uuid, step: u32) -> Result<Option<Reply>, StoreError> {
        if step > MAX_STEP_NUMBER {
            return Ok(None);
        }
        let Some(sealed) = calls::step(self.tx, call, step).await? else {
            return Ok(None);
        };
        Ok(Some(Reply::Script(open_answer(&self.key, &sealed)?)))
    }

    /// The answer of a step that must have been given.
    async fn kept_answer(&mut self, call: Uuid, step: u32) -> Result<Reply, StoreError> {
        self.kept(call, step)
            .await?
            .ok_or(StoreError::Unreadable("answer"))
    }
}

/// An answer that was kept.
fn open_answer(key: &Key, sealed: &[u8]) -> Result<Rendered, StoreError> {
    let unreadable = || StoreError::Unreadable("answer");
    let plain = key.open(sealed, b"answer").map_err(|_| unreadable())?;
    let kept: Kept = serde_json::from_slice(&plain).map_err(|_| unreadable())?;
    Ok(Rendered {
        content_type: kept.content_type.into(),
        body: kept.body,
    })
}

/// The provider says the call is over: what is left is done by a job. The state stays as it is until then, so that the
/// job can see whether a recording was running.
///
/// # Errors
///
/// When the database fails.
pub async fn end_call(service: &Service, tx: &mut Tx, call: &Call) -> Result<(), StoreError> {
    if !calls::set_ended(tx, call.id).await? {
        return Ok(());
    }
    if call.at_duty && call.taken_step.is_some() {
        duty::note_end(service, tx, call);
    }
    let now = service.clock.system_now();
    jobs::cancel(tx, Kind::Watch, call.id).await?;
    let provider = service.provider_of(call.sid.as_ref());
    let id = crate::clock::random_id();
    jobs::enqueue_at(tx, id, Kind::Settle, call.id, &provider, now).await
}

/// Steps beyond this were never handed out: a call has some sixty.
const MAX_STEP_NUMBER: u32 = 10_000;

/// What a caller hears at a number no line has.
pub fn not_in_service(service: &Service, provider: &dyn Provider) -> Rendered {
    let lines = service.config.lines.iter().map(|entry| &entry.line);
    provider.render_blunt(&flow::not_in_service(lines), None)
}
