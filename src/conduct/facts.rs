//! Facts about recordings, applied by the recording's id, whatever webhook brings them.

use super::Conducting;
use crate::call::flow::Effect;
use crate::call::state::State;
use crate::clock::{hour, random_id};
use crate::filing::{NewEntry, add_entry, add_sealed};
use crate::line::Line;
use crate::report::entries::TakeBody;
use crate::report::status::Move;
use crate::service::Service;
use crate::store::audit::{self, Act};
use crate::store::calls::{self, Call};
use crate::store::jobs::{self, Kind};
use crate::store::reports::{self, Announced, EntryRow, Report};
use crate::store::strays::{self, Stray};
use crate::store::{StoreError, Tx, hours};
use crate::telephony::{Event, RecordingFact, RecordingOutcome};
use crate::vault::entry::EntryKind;
use chrono::Datelike;
use serde_json::json;
use tracing::warn;
use uuid::Uuid;

/// Keeps what a webhook says of a recording of a known call. True when that is a recording not heard of before.
pub(super) async fn keep(
    turn: &mut Conducting<'_>,
    call: &Call,
    step: u32,
) -> Result<bool, StoreError> {
    let Some(fact) = turn.event.recording.clone() else {
        return Ok(false);
    };
    keep_fact(
        turn.service,
        turn.tx,
        turn.provider.name(),
        call,
        &fact,
        step,
    )
    .await
}

/// The steps that were spoken into, and of whose recording nobody has said which it is, in order of speaking.
///
/// # Errors
///
/// When the database fails.
pub async fn unnamed_steps(
    tx: &mut Tx,
    call: &Call,
    state: &State,
) -> Result<Vec<u32>, StoreError> {
    let mut spoken: Vec<u32> = state
        .takes
        .iter()
        .flat_map(|take| take.steps.clone())
        .collect();
    spoken.sort_unstable();
    let mut unnamed = Vec::new();
    for step in spoken {
        let (report, number) = call.place_of(step);
        let rows = reports::recordings(tx, report).await?;
        if rows.iter().all(|row| row.step != number) {
            unnamed.push(step);
        }
    }
    Ok(unnamed)
}

/// Keeps a recording a call is found to have without any webhook having said so.
///
/// # Errors
///
/// When the database fails.
pub async fn accept_orphan(
    service: &Service,
    tx: &mut Tx,
    provider: &str,
    call: &Call,
    recording: &str,
    step: u32,
) -> Result<(), StoreError> {
    let fact = RecordingFact {
        id: recording.to_owned().into(),
        outcome: RecordingOutcome::Completed {
            seconds: None,
            end: None,
        },
    };
    keep_fact(service, tx, provider, call, &fact, step)
        .await
        .map(drop)
}

async fn keep_fact(
    service: &Service,
    tx: &mut Tx,
    provider: &str,
    call: &Call,
    fact: &RecordingFact,
    step: u32,
) -> Result<bool, StoreError> {
    let sid = fact.id.show();
    let lookup = service.recording_lookup(provider, sid, call.id);
    if fact.outcome == RecordingOutcome::Absent {
        absent(tx, &lookup).await?;
        return Ok(false);
    }
    let id = random_id();
    let silent = fact.outcome == RecordingOutcome::Silent;
    // What adds nothing to an earlier report does not stand in it.
    let (report, number) = match silent {
        true => (call.report, i32::try_from(step).unwrap_or(i32::MAX)),
        false => call.place_of(step),
    };
    let announced = Announced {
        lookup: &lookup,
        source: &service.source_lookup(provider, sid),
        sid: &service.seal_sid(provider, sid),
    };
    let now = service.clock.system_now();
    if !reports::announce(tx, id, report, &announced, number).await? {
        // If it could not be fetched so far, it may be there now.
        if let Some(known) = reports::recording_by_lookup(tx, &lookup).await? {
            jobs::hasten(tx, Kind::Fetch, known.id, now).await?;
        }
        return Ok(false);
    }
    let others = reports::of_same_source(tx, id).await?;
    if let Some(other) = others.first() {
        warn!(recording = %id, other = %other.id, provider, "recording named by a second call; kept in both");
    }
    jobs::enqueue_at(tx, random_id(), Kind::Fetch, id, provider, now).await?;
    if silent {
        return Ok(true);
    }
    if report == call.report {
        make_report(service, tx, call).await?;
    } else {
        add_to(service, tx, call, report).await?;
    }
    Ok(true)
}

/// Something was added to an earlier report: it has to say who did, and somebody has to look at it.
pub(super) async fn add_to(
    service: &Service,
    tx: &mut Tx,
    call: &Call,
    earlier: Uuid,
) -> Result<(), StoreError> {
    reports::lock(tx, earlier).await?;
    let report = report_of(tx, earlier).await?;
    let at = hour(service.clock.line_now());
    if let Some(caller) = calls::set_added(tx, call.id).await? {
        let entry = EntryRow {
            id: caller.entry,
            report: earlier,
            kind: EntryKind::Caller.as_str().to_owned(),
            sealed: caller.sealed,
        };
        add_sealed(tx, &report, &entry, at, None).await?;
    }
    let (closed, queued) = Move::Reopen.between();
    if reports::change_status(tx, earlier, closed.as_str(), queued.as_str(), None).await? {
        let act = Act {
            at,
            action: Move::Reopen.as_str(),
            report: Some(earlier),
            ..Act::default()
        };
        audit::append(tx, &report.line, act);
    }
    if call.settled && !call.added {
        let own = report_of(tx, call.report).await?;
        has_come_after_all(tx, &own);
    }
    Ok(())
}

/// A recording came to light when its call was settled, and counted as one without a message.
fn has_come_after_all(tx: &mut Tx, own: &Report) {
    if own.reference.is_none() {
        hours::take_without_message(tx, &own.line, own.received_hour);
    }
}

/// The provider made no such recording after all: nothing to fetch, nothing to be alarmed about.
async fn absent(tx: &mut Tx, lookup: &[u8; 32]) -> Result<(), StoreError> {
    let Some(recording) = reports::recording_by_lookup(tx, lookup).await? else {
        return Ok(());
    };
    if reports::give_up(tx, recording.id, "absent").await? {
        jobs::cancel(tx, Kind::Fetch, recording.id).await?;
    }
    Ok(())
}

/// The first recording of a call makes it a report, with a reference and in the queue.
pub(super) async fn make_report(
    service: &Service,
    tx: &mut Tx,
    call: &Call,
) -> Result<(), StoreError> {
    let report = report_of(tx, call.report).await?;
    if report.reference.is_some() {
        return Ok(());
    }
    let now = service.clock.line_now();
    let year = match service.config.line(&call.line) {
        Some(line) => now.with_timezone(&line.schedule.timezone).year(),
        None => now.year(),
    };
    let Some(reference) = reports::promote(tx, call.report, &call.line, year).await? else {
        return Ok(());
    };
    tx.count(&service.counters.reports);
    if call.settled && !call.added {
        has_come_after_all(tx, &report);
    }
    audit::append(
        tx,
        &call.line,
        Act {
            at: hour(now),
            action: "report_queued",
            report: Some(call.report),
            detail: Some(&reference),
            ..Act::default()
        },
    );
    Ok(())
}

/// A webhook about a call we never answered: its answer was lost, or given bluntly while the database was down.
/// With a recording it becomes a report of the line it was for; if that can't be known, the recording is kept by
/// its id. When the call is over and nothing is said of a recording, the provider is asked which recordings it has: their
/// webhooks may have been given up during an outage.
pub(super) async fn of_unknown_call(
    turn: &mut Conducting<'_>,
    line: Option<&Line>,
    lookup: &[u8; 32],
) -> Result<(), StoreError> {
    let Some(fact) = turn.event.recording.clone() else {
        return match turn.event.ended {
            true => ask_about_call(turn, lookup).await,
            false => Ok(()),
        };
    };
    if fact.outcome == RecordingOutcome::Absent {
        return Ok(());
    }
    let only_line = match turn.service.config.lines.as_slice() {
        [only] => Some(&only.line),
        _ => None,
    };
    let Some(line) = line.or(only_line) else {
        let provider = turn.provider.name();
        return keep_stray(turn.service, turn.tx, provider, turn.event, &fact).await;
    };
    let call = turn.new_call(line, lookup, None).await?;
    keep_fact(turn.service, turn.tx, turn.provider.name(), &call, &fact, 0).await?;
    // The provider speaks of the call only after it, or soon after: nothing more will be said by us.
    super::end_call(turn.service, turn.tx, &call).await
}

/// Has a job ask the provider for the recordings of a call that is over and that no row is of.
async fn ask_about_call(turn: &mut Conducting<'_>, lookup: &[u8; 32]) -> Result<(), StoreError> {
    let (service, provider) = (turn.service, turn.provider.name());
    let stray = Stray {
        id: random_id(),
        sid: service.seal_sid(provider, turn.event.call.show()),
        call: None,
        whole_call: true,
    };
    let hour = hour(service.clock.line_now());
    if strays::insert(turn.tx, &stray, lookup, hour).await? {
        let now = service.clock.system_now();
        jobs::enqueue(turn.tx, random_id(), Kind::Stray, stray.id, now).await?;
    }
    Ok(())
}

/// Keeps the recording an event tells of, by its id, where it is not known which call or line it belongs to. A job asks
/// the provider.
pub(super) async fn keep_stray(
    service: &Service,
    tx: &mut Tx,
    provider: &str,
    event: &Event,
    fact: &RecordingFact,
) -> Result<(), StoreError> {
    let lookup = service.source_lookup(provider, fact.id.show());
    let named = event.names_a_call();
    let stray = Stray {
        id: random_id(),
        sid: service.seal_sid(provider, fact.id.show()),
        call: named.then(|| service.seal_sid(provider, event.call.show())),
        whole_call: false,
    };
    let hour = hour(service.clock.line_now());
    if strays::insert(tx, &stray, &lookup, hour).await? {
        warn!(stray = %stray.id, provider, "recording of an unknown call kept; the provider is asked which line it is for");
        let now = service.clock.system_now();
        jobs::enqueue(tx, random_id(), Kind::Stray, stray.id, now).await?;
    }
    Ok(())
}

/// Writes down what the conversation decided besides its state.
pub(super) async fn write_effect(
    service: &Service,
    tx: &mut Tx,
    call: &Call,
    effect: &Effect,
) -> Result<(), StoreError> {
    let (steps, by) = match effect {
        Effect::Replaced { steps, by } => (steps, by),
        Effect::WrongKey => {
            tx.count(&service.counters.keys_unasked);
            return Ok(());
        }
        // The receipt works once the call is settled; the state remembers that it was spoken.
        Effect::ReceiptSpoken => return Ok(()),
    };
    let (report, by_step) = call.place_of(*by);
    let report = report_of(tx, report).await?;
    let replaced_steps: Vec<i32> = steps.iter().map(|step| call.place_of(*step).1).collect();
    let now = service.clock.line_now();
    add_entry(
        tx,
        &report,
        NewEntry {
            kind: EntryKind::Take,
            at: now,
            by: None,
            body: json!(TakeBody {
                replaced_steps: &replaced_steps,
                by_step,
            }),
        },
    )
    .await
    .map(drop)
}

pub(super) async fn report_of(tx: &mut Tx, id: Uuid) -> Result<Report, StoreError> {
    reports::get(tx, id)
        .await?
        .ok_or(StoreError::Unreadable("report of a call"))
}
