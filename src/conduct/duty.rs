//! The duty inspector: which telephone is being rung, and how a call is accepted on it.
//!
//! What a provider reports about the call to a telephone does not prove that a person answered: a voicemail picks up
//! too. The pressed key does prove it, and that is stored before caller and inspector are connected.

use super::{Hook, StepRef, facts, open_state};
use crate::base::clock::hour;
use crate::call::flow;
use crate::call::state::Place;
use crate::line::Line;
use crate::register::opening::make_report;
use crate::report::entries::{Body, TalkBody};
use crate::service::Service;
use crate::service::webhooks::{Prepared, Reply};
use crate::store::StoreError;
use crate::store::audit::Act;
use crate::store::calls::Call;
use crate::store::cases::Case;
use crate::telephony::{Links, Provider};
use crate::vault::action::Action;
use chrono::{DateTime, Utc};

/// The key that the duty inspector presses to accept the call.
const ACCEPT_KEY: &str = "1";

/// Handles a webhook about the telephone that was rung. The caller's call and the step are in its address, which the
/// service handed out; the provider's id in the webhook is that of the call to the telephone. Returns the answer, and
/// the case when something is to be written.
pub(super) fn of_rung_telephone(
    service: &Service,
    prepared: &Prepared,
    at: &StepRef,
    case: Option<Case>,
) -> Result<(Reply, Option<Case>), StoreError> {
    let (provider, event) = (prepared.provider.as_ref(), &prepared.event);
    let rung = case
        .as_ref()
        .and_then(|case| rung(service, provider, &case.call, at));
    let (Some(mut case), Some((line, person))) = (case, rung) else {
        // This telephone is not being rung for the caller (any more): for example, the caller has hung up.
        return Ok((Reply::Script(provider.render_accepted(false)), None));
    };
    if matches!(prepared.hook, Hook::Whisper(_)) {
        let links = Links {
            public_url: service.config.public_url.clone(),
            provider: provider.name().to_owned(),
            call: case.call.id,
            line: line.id.clone(),
            step: at.step,
            take_key: String::new().into(),
            stream_key: String::new().into(),
            line_number: String::new(),
            language: line.languages.first().cloned().unwrap_or_default(),
        };
        let whisper = provider.render_whisper(&flow::whisper(line), &links);
        return Ok((Reply::Script(whisper), None));
    }
    let keys = event.keys.as_ref().map(|keys| keys.expose().as_str());
    let taken = keys == Some(ACCEPT_KEY) && !event.ended;
    let reply = Reply::Script(provider.render_accepted(taken));
    if !taken || case.call.is_accepted(at.step) {
        return Ok((reply, None));
    }
    accept(
        service,
        &mut case,
        line,
        person,
        at.step,
        prepared.times.now,
    )?;
    Ok((reply, Some(case)))
}

/// Returns the line, and the index of the roster's member whose telephone the step `at` is ringing now. `None` if it
/// rings none, if the call has ended, is another provider's or cannot be opened, or if the configuration no longer has
/// the line or the member.
fn rung<'a>(
    service: &'a Service,
    provider: &dyn Provider,
    call: &Call,
    at: &StepRef,
) -> Option<(&'a Line, usize)> {
    if call.ended {
        return None;
    }
    let (sid, state) = open_state(service, call)?;
    let line = service.config.line(&call.line)?;
    match state.place {
        Place::Ringing { person, .. } if state.step == at.step => (sid.provider == provider.name()
            && person < line.roster.people.len())
        .then_some((line, person)),
        _ => None,
    }
}

/// Accepts the call for the member of the roster at index `person`, whom `step` rang: makes it a report, which the
/// console shows with a field for notes while the two talk, and adds the entry about the talk.
fn accept(
    service: &Service,
    case: &mut Case,
    line: &Line,
    person: usize,
    step: u32,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    case.call.accepted_step = i32::try_from(step).ok();
    case.call_changed();
    case.count(&service.metrics.calls_accepted);
    if !case.own.is_report() {
        case.set_live();
    }
    make_report(service, case, now);
    let body = Body::Talk(TalkBody {
        on_duty: line.roster.people[person].name.clone(),
        step,
        recorded: line.roster.record,
    });
    facts::add_entry(case, case.own.id, now, body)
}

/// Adds a link that the talk is over, so that pages that show it as running are updated. `now` is line time.
pub(super) fn note_end(case: &mut Case, now: DateTime<Utc>) {
    case.act(Act {
        report: Some(case.own.id),
        ..Act::new(hour(now), Action::TalkEnded)
    });
}
