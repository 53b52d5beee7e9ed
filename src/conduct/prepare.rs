//! Prepares a webhook in its own task, before it is decided: does the expensive work, and looks up what deciding
//! depends on.

use super::receipt;
use super::{Hook, MAX_STEP_NUMBER, StepRef, arriving, decide, take};
use crate::base::clock::{hour, random, random_id};
use crate::call::flow;
use crate::line::Line;
use crate::line::number::Caller;
use crate::register::filing::{self, NewEntry};
use crate::report::entries::{Body, CallerBody};
use crate::report::receipt::Receipt;
use crate::service::Service;
use crate::service::webhooks::{Answered, LookedUp, Opening, Prepared};
use crate::store::StoreError;
use crate::store::calls::{Call, SealedCaller};
use crate::store::cases::{Answers, CallReport, Key as CallKey, NewReport, Wanted};
use crate::store::columns::Holder;
use crate::store::keys;
use crate::store::report_keys::ReportKeyRow;
use crate::telephony::{Event, Links, Provider, RecordingOutcome};
use crate::vault::seal::{Identity, Recipient, seal_identity};
use chrono::{DateTime, Utc};
use std::sync::Arc;
use tracing::{Span, error_span};
use uuid::Uuid;

/// Prepares a webhook.
///
/// # Errors
///
/// When the database fails, a key in it is missing or not a valid public key, or the line's key is not the pinned one.
pub(super) async fn prepare(
    service: &Service,
    provider: &Arc<dyn Provider>,
    hook: &Hook,
    event: &Event,
) -> Result<Prepared, StoreError> {
    let lookup = service.call_lookup(provider.name(), event.call.expose());
    let known = arriving::known(service, provider.as_ref(), hook, event).await?;
    let event = known.unwrap_or_else(|| event.clone());
    let looked_up = receipt::look_up(service, provider.as_ref(), hook, &event, &lookup).await?;
    let call = match hook {
        // These hooks name the service's call; the provider's id in the event is that of another call.
        Hook::Whisper(at) | Hook::Accepted(at) => CallKey::Id(at.call),
        _ => CallKey::Lookup(lookup),
    };
    let times = service.clock.times();
    let mut prepared = Prepared {
        key: service
            .secret
            .call_key(provider.name(), event.call.expose()),
        provider: Arc::clone(provider),
        hook: hook.clone(),
        event,
        call,
        lookup,
        times,
        addition: None,
        looked_up,
        opening: None,
        span: Span::current(),
    };
    if let LookedUp::Report(report, _) = &prepared.looked_up {
        let entry = filing::seal(&**report, caller(&prepared.event, times.now), &[])?;
        prepared.addition = Some(SealedCaller {
            entry: entry.id,
            sealed: entry.sealed,
        });
    }
    if matches!(hook, Hook::Call) {
        open(service, &mut prepared, true).await?;
    }
    Ok(prepared)
}

/// Returns the entry with the caller's number, or with the fact that it is withheld.
fn caller(event: &Event, at: DateTime<Utc>) -> NewEntry<'static> {
    let number = match &event.from {
        Caller::Withheld => None,
        Caller::Number(number) => Some(number.expose().clone()),
    };
    NewEntry {
        at,
        by: None,
        body: Body::Caller(CallerBody {
            withheld: number.is_none(),
            number,
        }),
    }
}

/// Prepares a call that is not known yet: its report's key, the caller's entry, and, if `spoken`, the first state of
/// the conversation with the answer to step 0. Prepares nothing when the webhook is for no line.
///
/// # Errors
///
/// When the database fails, or the line has no valid key, or not the pinned one.
pub(super) async fn open(
    service: &Service,
    prepared: &mut Prepared,
    spoken: bool,
) -> Result<(), StoreError> {
    let Some(line) = prepared.line_meant(service) else {
        return Ok(());
    };
    let (line_key, line_recipient) = line_key(service, line).await?;
    let now = prepared.times.now;
    let identity = Identity::generate();
    let report = CallReport {
        id: random_id(),
        line: line.id.clone(),
        recipient: identity.recipient().to_string(),
        status: None,
        received_hour: hour(now),
    };
    let sealed = seal_identity(&identity, &[&line_recipient]);
    drop(identity);
    let entry = filing::seal(&report, caller(&prepared.event, now), &[])?;
    let provider = prepared.provider.as_ref();
    let id = random_id();
    let mut call = Call {
        id,
        lookup: prepared.lookup.to_vec(),
        line: line.id.clone(),
        report: report.id,
        sid: Some(service.seal_sid(id, provider.name(), prepared.event.call.expose())),
        state: None,
        ended: false,
        settled: false,
        addition_to: None,
        addition_from: None,
        addition_offset: None,
        added: false,
        at_duty: false,
        accepted_step: None,
    };
    let answer = if spoken {
        let receipt = Receipt::from_random(random());
        let rings = provider.capabilities().asks_who_picks_up;
        let turn = flow::answer(line, now, receipt.digits().to_owned(), rings);
        call.state = Some(decide::seal_state(&prepared.key, &turn.state)?);
        let links = prepared.links(service, call.id, line, turn.state.step);
        let rendered = provider.render(&turn.script, &links);
        let sealed = decide::seal_answer(&prepared.key, 0, &rendered)?;
        Some(Answered { rendered, sealed })
    } else {
        None
    };
    let key = ReportKeyRow {
        report: report.id,
        epoch: 1,
        holder: Holder::Line,
        sealed_to: line_key,
        sealed,
        path: None,
        link: None,
    };
    prepared.opening = Some(Opening {
        answer,
        line_key,
        line_recipient: line_recipient.to_string(),
        new: NewReport {
            report,
            key,
            caller: entry,
        },
        call,
    });
    Ok(())
}

/// Returns the id and public half of a line's current key, from memory or from the database. Fails if it is neither the
/// pinned one nor a later key of the same line.
async fn line_key(service: &Service, line: &Line) -> Result<(Uuid, Recipient), StoreError> {
    if let Some(kept) = service.line_keys.get(&line.id) {
        return Ok(kept);
    }
    let mut tx = service.db.webhooks.begin_read().await?;
    let key = keys::current_key(&mut tx, &line.id)
        .await?
        .ok_or(StoreError::Unreadable("line key"))?;
    // The configuration may pin the key, because the owner of another one could read what callers say.
    let entry = service.config.lines.by_id(&line.id);
    if let Some(pinned) = entry.and_then(|(_, entry)| entry.pinned_key.as_ref())
        && !keys::is_pinned(&mut tx, &key, &pinned.to_string()).await?
    {
        return Err(StoreError::Unreadable("pinned line key"));
    }
    let recipient: Recipient = key
        .recipient
        .parse()
        .map_err(|_| StoreError::Unreadable("line key"))?;
    service.line_keys.keep(&line.id, key.id, recipient.clone());
    Ok((key.id, recipient))
}

impl Prepared {
    /// Runs `decide` in the webhook's span. If that does not name the webhook's call, a further span does. `known` is
    /// the id of the call's row; if there is none, the id of the prepared call is used.
    pub(super) fn in_span<T>(&self, known: Option<Uuid>, decide: impl FnOnce() -> T) -> T {
        let new = self.opening.as_ref().map(|opening| opening.call.id);
        let call = known.or(new);
        // Set if the address of the webhook names no call, or another one: the webhook's span then lacks the right id.
        let unnamed = call.filter(|call| self.hook.call() != Some(*call));
        self.span.in_scope(|| match unnamed {
            Some(call) => error_span!("call", %call).in_scope(decide),
            None => decide(),
        })
    }

    /// Returns what has to be loaded to decide the webhook.
    pub(super) fn wanted(&self, service: &Service) -> Wanted {
        let fact = self.event.recording.as_ref();
        let fact = fact.filter(|fact| fact.outcome != RecordingOutcome::Absent);
        // If the caller pressed more keys than were asked for, the first one counts.
        let keys = self.event.keys.as_ref();
        let asks_for_roster = keys.is_some_and(|keys| keys.expose().starts_with('2'));
        let line = match &self.hook {
            Hook::Step(at) => service.config.line(&at.line),
            _ => None,
        };
        Wanted {
            answers: match &self.hook {
                Hook::Call => Answers::Of(0),
                Hook::Step(StepRef { step, .. }) if *step <= MAX_STEP_NUMBER => Answers::Of(*step),
                Hook::Fallback => Answers::All,
                _ => Answers::Nothing,
            },
            recordings: self.event.recording.is_some(),
            source: fact.map(|fact| service.source_lookup(self.provider.name(), fact.id.expose())),
            // Locks the roster too, so that two calls that ask for it at once are counted one after the other.
            roster_of: line
                .filter(|line| asks_for_roster && !line.roster.people.is_empty())
                .map(|line| line.id.clone()),
            earlier: match &self.looked_up {
                LookedUp::Report(report, _) => Some(report.id),
                _ => None,
            },
            key_of: self.opening.as_ref().map(|new| new.call.line.clone()),
            ..Wanted::call(self.call)
        }
    }

    /// Returns the line that a webhook of an unknown call is for: the one with the dialled number, else the one that
    /// its address names, else the only line of the configuration, if the webhook names no number or is about a
    /// recording or the call's end. `None` if there is no such line.
    pub(super) fn line_meant<'a>(&self, service: &'a Service) -> Option<&'a Line> {
        let config = &service.config;
        let dialled = self.event.to.expose();
        let named = match &self.hook {
            Hook::Step(at) | Hook::Recording(Some(at)) => config.line(&at.line),
            _ => None,
        };
        let of_facts = matches!(self.hook, Hook::Status | Hook::Recording(_))
            || (self.hook == Hook::Fallback && self.is_of_end());
        let only = match &config.lines[..] {
            [only] if of_facts => Some(&only.line),
            _ => None,
        };
        config
            .line_dialled(dialled)
            .or(named)
            .or_else(|| config.line_called(dialled))
            .or(only)
    }

    /// True if the webhook reports a recording, or the end of the call.
    pub(super) fn is_of_end(&self) -> bool {
        self.event.tells_of_recording() || self.event.ended
    }

    pub(super) fn links(&self, service: &Service, call: Uuid, line: &Line, step: u32) -> Links {
        Links {
            public_url: service.config.public_url.clone(),
            provider: self.provider.name().to_owned(),
            call,
            line: line.id.clone(),
            step,
            take_key: take::take_key(&self.key, step),
            stream_key: take::stream_key(&self.key),
            line_number: line.number_called(self.event.to.expose()),
            language: line.languages.first().cloned().unwrap_or_default(),
        }
    }
}
