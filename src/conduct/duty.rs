//! The duty inspector: who may be rung, and whoever was rung taking the call.
//!
//! A provider's word on how such a call went proves nothing: a voicemail picks up too. The pressed key does, and it is
//! written down before the two are put together.

use super::{Conducting, Hook, Reply, StepRef, facts, open_state};
use crate::call::flow::{self, Around, Input};
use crate::call::state::{Place, State};
use crate::clock::hour;
use crate::filing::{NewEntry, add_entry};
use crate::line::Line;
use crate::report::entries::TalkBody;
use crate::service::Service;
use crate::store::audit::{self, Act};
use crate::store::calls::{self, Call};
use crate::store::{StoreError, Tx, reports};
use crate::telephony::{Event, Links, Provider};
use crate::vault::entry::EntryKind;
use serde_json::json;

/// The key that takes the call.
const TAKE: &str = "1";

impl Conducting<'_> {
    /// What the conversation has to know besides what came back.
    pub(super) async fn around(
        &mut self,
        line: &Line,
        state: &State,
        input: &Input,
    ) -> Result<Around, StoreError> {
        let asks = state.place == Place::Menu && *input == Input::Key('2');
        let mut duty_busy = false;
        if asks && !line.roster.people.is_empty() {
            // Two that ask at once are counted one after the other.
            calls::lock_roster(self.tx, &line.id).await?;
            let at_duty = calls::at_duty(self.tx, &line.id).await?;
            duty_busy = at_duty >= i64::from(line.roster.at_once);
        }
        Ok(Around {
            now: self.service.clock.line_now(),
            duty_busy,
            reply_sounds: self.reply_sounds(line, state, input),
        })
    }
}

/// A webhook about the telephone that was rung. It names our call and step in an address we signed for; the provider's
/// id in it is another call's.
pub(super) async fn of_whoever_was_rung(
    service: &Service,
    provider: &dyn Provider,
    hook: &Hook,
    at: &StepRef,
    event: &Event,
) -> Result<Reply, StoreError> {
    let mut tx = service.db.begin().await?;
    let call = calls::by_id(&mut tx, at.call).await?;
    let rung = call
        .as_ref()
        .and_then(|call| rung(service, provider, call, at));
    let (Some(call), Some((line, person))) = (call, rung) else {
        // The caller is gone, or was rung for longer than they waited.
        return Ok(Reply::Script(provider.render_taken(false)));
    };
    if matches!(hook, Hook::Whisper(_)) {
        let links = Links {
            public_url: service.config.public_url.clone(),
            provider: provider.name().to_owned(),
            call: call.id,
            line: line.id.clone(),
            step: at.step,
            take_key: String::new().into(),
            stream_key: String::new().into(),
            line_number: String::new(),
            language: line.languages.first().cloned().unwrap_or_default(),
        };
        let whisper = provider.render_whisper(&flow::whisper(line), &links);
        return Ok(Reply::Script(whisper));
    }
    let keys = event.keys.as_ref().map(|keys| keys.show().as_str());
    let taken = keys == Some(TAKE) && !event.ended;
    if taken && !call.is_taken(at.step) {
        take(service, &mut tx, &call, line, person, at.step).await?;
        tx.commit().await?;
        service.wake.notify_one();
    }
    Ok(Reply::Script(provider.render_taken(taken)))
}

/// The line and whom of its roster this step rings right now.
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

/// The call is taken: from now on it is a report, which shows on the inspectors' screens with a place for their notes.
async fn take(
    service: &Service,
    tx: &mut Tx,
    call: &Call,
    line: &Line,
    person: usize,
    step: u32,
) -> Result<(), StoreError> {
    calls::set_taken(tx, call.id, step).await?;
    tx.count(&service.counters.calls_taken);
    reports::set_source(tx, call.report, "live").await?;
    facts::make_report(service, tx, call).await?;
    let report = facts::report_of(tx, call.report).await?;
    let body = json!(TalkBody {
        on_duty: &line.roster.people[person].name,
        step,
        recorded: line.roster.record,
    });
    let entry = NewEntry {
        kind: EntryKind::Talk,
        at: service.clock.line_now(),
        by: None,
        body,
    };
    add_entry(tx, &report, entry).await.map(drop)
}

/// The talk is over: pages that show it as running are to learn it.
pub(super) fn note_end(service: &Service, tx: &mut Tx, call: &Call) {
    let act = Act {
        at: hour(service.clock.line_now()),
        action: "talk_ended",
        report: Some(call.report),
        ..Act::default()
    };
    audit::append(tx, &call.line, act);
}
