//! Decides a webhook: derives the answer and the changes to be written from what was prepared and loaded. Does not use
//! the database.

use super::facts;
use super::{Hook, MAX_STEP_NUMBER, duty, not_in_service};
use crate::base::clock::Times;
use crate::base::clock::hour;
use crate::call::flow::{self, Context, Found, Input};
use crate::call::script::RecordingEnd;
use crate::call::state::{Place, State};
use crate::line::Line;
use crate::register::filing;
use crate::service::Service;
use crate::service::webhooks::{LookedUp, Prepared, Reply};
use crate::store::StoreError;
use crate::store::audit::Act;
use crate::store::cases::{Case, Loaded};
use crate::store::jobs::Kind;
use crate::telephony::{RecordingFact, RecordingOutcome, Rendered};
use crate::vault::action::Action;
use crate::vault::secret::Key;
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tracing::error;

/// Time after a call is answered at which the provider is first asked whether the call still runs.
pub const SILENT: TimeDelta = TimeDelta::minutes(10);

/// Result of deciding a webhook.
pub(super) enum Decided {
    /// The answer, and the case with its changes; `None` when there is nothing to write, or `decide_all` has taken the
    /// changes.
    Reply(Reply, Option<Box<Case>>),
    /// The call is not known: a new call has to be prepared first (again, if the line's key has changed), with the
    /// first state and answer if `spoken`.
    Open { spoken: bool },
    /// The provider has to be asked: the webhook is about a recording whose line is not known, or about the end of a
    /// call that is not known.
    Stray(Reply),
    /// The webhook got the fallback answer meanwhile: it is not decided, and nothing of it is written.
    Gone,
}

/// An answer, as it is stored under the call key.
#[derive(Serialize, Deserialize)]
struct Kept {
    content_type: String,
    body: String,
}

/// Decides one webhook with what was loaded for its batch. Log lines written meanwhile carry the service's id of its
/// call, if it has one.
///
/// # Errors
///
/// When loaded data cannot be read, or deciding panics.
pub(super) fn decide(
    service: &Service,
    prepared: &Prepared,
    loaded: &Loaded,
) -> Result<Decided, StoreError> {
    let case = loaded.case(&prepared.call)?.cloned();
    let known = case.as_ref().map(|case| case.call.id);
    prepared.in_span(known, || {
        // After a panic the other webhooks of the batch are still answered: this one changes only its own copy of the
        // case.
        let decide = AssertUnwindSafe(|| decide_case(service, prepared, loaded, case));
        catch_unwind(decide)
            .unwrap_or(Err(StoreError::Broken("deciding a webhook panicked")))
            .inspect_err(|error| {
                error!(provider = prepared.provider.name(), %error, "webhook cannot be decided");
            })
    })
}

fn decide_case(
    service: &Service,
    prepared: &Prepared,
    loaded: &Loaded,
    case: Option<Case>,
) -> Result<Decided, StoreError> {
    let deciding = Deciding {
        service,
        prepared,
        loaded,
    };
    match (&prepared.hook, case) {
        (Hook::Whisper(at) | Hook::Accepted(at), case) => {
            let (reply, case) = duty::of_rung_telephone(service, prepared, at, case)?;
            Ok(Decided::Reply(reply, case.map(Box::new)))
        }
        (_, Some(mut case)) => {
            let reply = deciding.known_call(&mut case)?;
            Ok(Decided::Reply(reply, Some(Box::new(case))))
        }
        (_, None) => deciding.unknown_call(),
    }
}

/// A webhook that is being decided.
struct Deciding<'a> {
    service: &'a Service,
    prepared: &'a Prepared,
    loaded: &'a Loaded,
}

impl Deciding<'_> {
    fn unknown_call(&self) -> Result<Decided, StoreError> {
        let event = &self.prepared.event;
        let line = self.prepared.line_meant(self.service);
        match &self.prepared.hook {
            Hook::Status | Hook::Recording(_) => self.fact_of_unknown_call(line, Reply::Noted),
            // After a fallback answer: the recording that it asked for, or the end of the call.
            Hook::Fallback if self.prepared.is_of_end() => {
                let farewell = Reply::Script(self.farewell(line, 0));
                self.fact_of_unknown_call(line, farewell)
            }
            // An unknown step starts the conversation anew. Whisper and accepted hooks are handled before.
            _ => {
                let Some(line) = line else {
                    self.service.metrics.calls_not_in_service.inc();
                    let said = not_in_service(self.service, self.prepared.provider.as_ref());
                    return Ok(Decided::Reply(Reply::Script(said), None));
                };
                let Some((mut case, Some(answer))) = self.opened(line) else {
                    return Ok(Decided::Open { spoken: true });
                };
                case.count(&self.service.metrics.calls);
                let silent = self.prepared.times.system_now + SILENT;
                let provider = self.prepared.provider.name();
                case.enqueue(Kind::Watch, case.call.id, provider, silent);
                if let Some(fact) = &event.recording {
                    self.keep_fact(&mut case, fact, 0);
                }
                let reply = Reply::Script(answer);
                Ok(Decided::Reply(reply, Some(Box::new(case))))
            }
        }
    }

    /// Handles a webhook about a call that has no row, for example because the call got the fallback answer while the
    /// database was down. If the webhook has a recording that the provider made, the call is stored for its line as
    /// ended, and becomes a report unless the recording is silent; if the line is not known, the recording is stored as
    /// a stray. If the webhook names no recording and says that the call is over, the provider is asked for the call's
    /// recordings, because their webhooks may have been given up during an outage.
    fn fact_of_unknown_call(
        &self,
        line: Option<&Line>,
        reply: Reply,
    ) -> Result<Decided, StoreError> {
        let fact = match &self.prepared.event.recording {
            Some(fact) if fact.outcome != RecordingOutcome::Absent => fact,
            None if self.prepared.event.ended => return Ok(Decided::Stray(reply)),
            _ => return Ok(Decided::Reply(reply, None)),
        };
        let Some(line) = line else {
            return Ok(Decided::Stray(reply));
        };
        let Some((mut case, _)) = self.opened(line) else {
            return Ok(Decided::Open { spoken: false });
        };
        self.keep_fact(&mut case, fact, 0);
        // The provider sends such a webhook when the call is over or about to end: the service gives no further answer
        // in it.
        end_call(self.service, &mut case, self.prepared.times);
        Ok(Decided::Reply(reply, Some(Box::new(case))))
    }

    /// Returns the case of the prepared call, with the answer if the call is spoken to. Returns `None` when the call
    /// has to be prepared (again): it is not prepared, or is for another line, or the line has another key now.
    fn opened(&self, line: &Line) -> Option<(Case, Option<Rendered>)> {
        let opening = self.prepared.opening.as_ref()?;
        let current = self.loaded.line_keys.get(&line.id);
        let is_current = current.is_some_and(|key| {
            key.id == opening.line_key && key.recipient == opening.line_recipient
        });
        if opening.call.line != line.id || !is_current {
            self.service.line_keys.forget(&line.id);
            return None;
        }
        let mut case = Case::new(opening.call.clone(), opening.new.clone());
        let (at, new) = (hour(self.prepared.times.now), &opening.new);
        case.act(Act {
            report: Some(new.report.id),
            object: Some(opening.line_key),
            digest: Some(Sha256::digest(&new.key.sealed).into()),
            // The link holds the public half too. If the row had another one, the owner of that key could read what is
            // added from then on.
            detail: Some(&new.report.recipient),
            ..Act::new(at, Action::CallAnswered)
        });
        case.act(filing::added(&new.caller, at, None));
        case.count_hour(1, 0);
        let answer = opening.answer.as_ref().map(|answer| {
            case.keep_answer(0, answer.sealed.clone());
            answer.rendered.clone()
        });
        Some((case, answer))
    }

    fn known_call(&self, case: &mut Case) -> Result<Reply, StoreError> {
        let (hook, event) = (&self.prepared.hook, &self.prepared.event);
        let state = self.state(case)?;
        let at_step = match hook {
            Hook::Step(at) | Hook::Recording(Some(at)) if at.call == case.call.id => Some(at.step),
            _ => None,
        };
        // A fact about a recording is kept by the recording's id, whichever webhook brings it. Without a step it
        // belongs to the first step that was spoken into and has no recording yet.
        let step = match (at_step, &state, &event.recording) {
            (Some(step), ..) => step,
            (None, Some(state), Some(_)) => {
                let unnamed = facts::unnamed_steps(&case.call, state, &case.recordings);
                unnamed.first().copied().unwrap_or(state.step)
            }
            (None, state, _) => state.as_ref().map_or(0, |state| state.step),
        };
        let new_recording = match &event.recording {
            Some(fact) => self.keep_fact(case, fact, step),
            None => false,
        };
        let unnamed = event.recording.is_none() && event.tells_of_recording();
        let reply = match (hook, state) {
            (
                Hook::Status
                | Hook::Recording(_)
                | Hook::Said(_)
                | Hook::Whisper(_)
                | Hook::Accepted(_),
                _,
            ) => Reply::Noted,
            (_, None) => {
                let line = self.service.config.line(&case.call.line);
                Reply::Script(self.farewell(line, 0))
            }
            // A call with a state has an answer to step 0.
            (Hook::Call, Some(_)) => self
                .kept(case, 0)?
                .ok_or(StoreError::Unreadable("answer"))?,
            // If a fallback answer in the middle of a call has made a recording, the conversation goes on to the
            // review. If a telephone was being rung, that has ended, whatever the result was, and no telephone is rung
            // again.
            (Hook::Fallback, Some(state))
                if new_recording || unnamed || matches!(state.place, Place::Ringing { .. }) =>
            {
                let step = state.step;
                self.advance(case, state, step)?
            }
            // Repeats what the caller heard last; the conversation goes on from there.
            (Hook::Fallback, Some(state)) => {
                match self.kept(case, state.step.saturating_sub(1))? {
                    Some(kept) => kept,
                    None => self.advance(case, state, u32::MAX)?,
                }
            }
            (Hook::Step(at), Some(state)) => {
                let ours = at.call == case.call.id;
                self.advance(case, state, if ours { at.step } else { u32::MAX })?
            }
        };
        if event.ended {
            end_call(self.service, case, self.prepared.times);
        }
        Ok(reply)
    }

    fn advance(&self, case: &mut Case, state: State, step: u32) -> Result<Reply, StoreError> {
        let Some(line) = self.service.config.line(&case.call.line) else {
            return Ok(Reply::Script(self.farewell(None, 0)));
        };
        let input = if step == state.step {
            self.input(case, &state)
        } else if let Some(kept) = self.kept(case, step)? {
            return Ok(kept);
        } else {
            // No answer to this step is stored, so it was never handed out: the conversation starts anew, and keeps
            // what was said.
            Input::Restart
        };
        let knew = state.earlier.is_some();
        let context = self.context(line, &state, &input);
        let talked = case.call.at_duty && case.call.accepted_step.is_some();
        let turn = flow::next(line, context, state, input);
        if !knew && turn.state.earlier.is_some() {
            self.call_back(case, turn.state.step)?;
        }
        for effect in &turn.effects {
            facts::write_effect(self.service, case, self.prepared.times.now, effect)?;
        }
        let rendered = if turn.script.0.is_empty() {
            // An empty script means that the caller has hung up and hears no answer, but the provider expects one.
            self.farewell(Some(line), turn.state.language)
        } else {
            let links = self
                .prepared
                .links(self.service, case.call.id, line, turn.state.step);
            self.prepared.provider.render(&turn.script, &links)
        };
        if step <= MAX_STEP_NUMBER {
            let sealed = seal_answer(&self.prepared.key, step, &rendered)?;
            case.keep_answer(step, sealed);
        }
        case.call.state = Some(seal_state(&self.prepared.key, &turn.state)?);
        let at_duty = matches!(turn.state.place, Place::Ringing { .. });
        if at_duty != case.call.at_duty {
            case.call.at_duty = at_duty;
            if talked {
                duty::note_end(case, self.prepared.times.now);
            }
        }
        case.call_changed();
        Ok(Reply::Script(rendered))
    }

    /// Returns what the conversation has to know besides the input.
    fn context(&self, line: &Line, state: &State, input: &Input) -> Context {
        let asks = state.place == Place::Menu && *input == Input::Key('2');
        // Without a count the roster counts as busy: the caller can leave a report instead.
        let at_roster = self.loaded.at_roster.get(&line.id);
        let is_free = at_roster.is_some_and(|count| *count < i64::from(line.roster.at_once));
        Context {
            now: self.prepared.times.now,
            duty_busy: asks && !line.roster.people.is_empty() && !is_free,
            reply_sounds: self.reply_sounds(line, state, input),
        }
    }

    /// True if the reply to the earlier report can be said on this call: the provider has a voice, or a sound of the
    /// reply exists. The earlier report is the one just found, or the one that the state knows.
    fn reply_sounds(&self, line: &Line, state: &State, input: &Input) -> bool {
        let found = match input {
            Input::Typed {
                found: Found::Report(earlier),
                ..
            } => Some(earlier),
            _ => state.earlier.as_ref(),
        };
        let reply = found.and_then(|earlier| earlier.reply.as_ref());
        self.prepared.provider.capabilities().has_voice
            || reply
                .is_some_and(|reply| self.service.sounds.has(&line.languages[0], reply.expose()))
    }

    /// Starts adding to the earlier report, whose receipt the caller has entered: what is said from step `from` on
    /// belongs to it. The caller's number was sealed to that report's key while preparing; the entry is added to the
    /// report with the first addition.
    fn call_back(&self, case: &mut Case, from: u32) -> Result<(), StoreError> {
        let LookedUp::Report(report, _) = &self.prepared.looked_up else {
            return Ok(());
        };
        let Some(caller) = &self.prepared.addition else {
            return Ok(());
        };
        let earlier = self.loaded.earlier.get(&report.id);
        let (earlier, called_back) =
            earlier.ok_or(StoreError::Unreadable("report of a receipt"))?;
        case.call.add_to(report.id, from, *called_back)?;
        case.earlier = Some(earlier.clone());
        case.caller = Some(caller.clone());
        Ok(())
    }

    /// Returns the input of the conversation that the webhook stands for.
    fn input(&self, case: &mut Case, state: &State) -> Input {
        let (hook, event) = (&self.prepared.hook, &self.prepared.event);
        // Whether the call was accepted is known from the pressed key alone, not from what the provider says of the
        // end. A recording at this step is that of the talk, unless a fallback answer asked for it.
        let fallback = matches!(hook, Hook::Fallback) && event.tells_of_recording();
        if matches!(state.place, Place::Ringing { .. }) && !fallback {
            return if event.ended {
                Input::HungUp
            } else if case.call.is_accepted(state.step) {
                Input::Connected
            } else {
                Input::Nothing
            };
        }
        let outcome = event.recording.as_ref().map(|fact| fact.outcome);
        if let Some(outcome) = outcome.or(event.unnamed) {
            return match outcome {
                RecordingOutcome::Completed { seconds, end } => Input::Recorded {
                    end: if event.ended {
                        Some(RecordingEnd::HangUp)
                    } else {
                        end
                    },
                    seconds,
                },
                RecordingOutcome::Silent if event.ended => Input::HungUp,
                RecordingOutcome::Silent | RecordingOutcome::Absent => Input::Nothing,
            };
        }
        if event.ended {
            return Input::HungUp;
        }
        if matches!(hook, Hook::Step(at) if at.nothing.is_some()) {
            return Input::Nothing;
        }
        match &event.keys {
            Some(keys) if matches!(state.place, Place::Receipt(_)) && !keys.expose().is_empty() => {
                Input::Typed {
                    keys: keys.clone(),
                    found: self.prepared.looked_up.found(),
                }
            }
            Some(keys) => {
                let mut keys = keys.expose().chars();
                let first = keys.next();
                if keys.next().is_some() {
                    case.count(&self.service.metrics.keys_unasked);
                }
                first.map_or(Input::Nothing, Input::Key)
            }
            None => Input::Nothing,
        }
    }

    fn farewell(&self, line: Option<&Line>, language: usize) -> Rendered {
        let provider = self.prepared.provider.as_ref();
        match line {
            Some(line) => provider.render_fallback(&flow::goodbye(line, language), None),
            None => not_in_service(self.service, provider),
        }
    }

    fn state(&self, case: &Case) -> Result<Option<State>, StoreError> {
        case.call
            .state
            .as_ref()
            .map(|sealed| {
                let opened = self.prepared.key.open(sealed, b"state");
                let plain = opened.map_err(|_| StoreError::Unreadable("call state"))?;
                serde_json::from_slice(&plain).map_err(|_| StoreError::Unreadable("call state"))
            })
            .transpose()
    }

    fn kept(&self, case: &Case, step: u32) -> Result<Option<Reply>, StoreError> {
        let sealed = case.answers.get(&step);
        sealed
            .map(|sealed| {
                Ok(Reply::Script(open_answer(
                    &self.prepared.key,
                    step,
                    sealed,
                )?))
            })
            .transpose()
    }

    fn keep_fact(&self, case: &mut Case, fact: &RecordingFact, step: u32) -> bool {
        let provider = self.prepared.provider.name();
        let source = self.service.source_lookup(provider, fact.id.expose());
        let other = self.loaded.sources.get(&source).copied();
        facts::keep(
            self.service,
            case,
            provider,
            fact,
            step,
            other,
            self.prepared.times,
        )
    }
}

/// Seals a conversation's state under its call's key.
///
/// # Errors
///
/// When the state cannot be written as JSON, which does not happen.
pub(super) fn seal_state(key: &Key, state: &State) -> Result<Vec<u8>, StoreError> {
    let plain = zeroize::Zeroizing::new(
        serde_json::to_vec(state).map_err(|_| StoreError::Unreadable("call state"))?,
    );
    Ok(key.seal(&plain, b"state"))
}

/// Seals the answer of a step under its call's key.
///
/// # Errors
///
/// When the answer cannot be written as JSON, which does not happen.
pub(super) fn seal_answer(
    key: &Key,
    step: u32,
    rendered: &Rendered,
) -> Result<Vec<u8>, StoreError> {
    let kept = Kept {
        content_type: rendered.content_type.to_string(),
        body: rendered.body.clone(),
    };
    let plain = zeroize::Zeroizing::new(
        serde_json::to_vec(&kept).map_err(|_| StoreError::Unreadable("answer"))?,
    );
    Ok(key.seal(&plain, of_step(step).as_bytes()))
}

/// What binds an answer to its step, so that no other answer of the call can be put in its place.
fn of_step(step: u32) -> String {
    format!("answer {step}")
}

/// Opens an answer that [`seal_answer`] sealed.
///
/// # Errors
///
/// When it was sealed under another key or for another step, or is not an answer.
pub(super) fn open_answer(key: &Key, step: u32, sealed: &[u8]) -> Result<Rendered, StoreError> {
    let unreadable = || StoreError::Unreadable("answer");
    let opened = key.open(sealed, of_step(step).as_bytes());
    let plain = opened.map_err(|_| unreadable())?;
    let kept: Kept = serde_json::from_slice(&plain).map_err(|_| unreadable())?;
    Ok(Rendered {
        content_type: kept.content_type.into(),
        body: kept.body,
    })
}

/// Marks a call as ended, and enqueues the job that settles it. The state is kept until then, so that the job can see
/// whether a recording was running. Does nothing when the call has ended already.
pub fn end_call(service: &Service, case: &mut Case, times: Times) {
    if case.call.ended {
        return;
    }
    if case.call.at_duty && case.call.accepted_step.is_some() {
        duty::note_end(case, times.now);
    }
    case.call.ended = true;
    case.call.at_duty = false;
    case.call_changed();
    case.cancel(Kind::Watch, case.call.id);
    let provider = service.provider_of(case.call.id, case.call.sid.as_ref());
    case.enqueue(Kind::Settle, case.call.id, &provider, times.system_now);
}
