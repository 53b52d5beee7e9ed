//! Stores facts about recordings, by the recording's id, whichever webhook brings them. Also stores the effects of the
//! conversation.

use crate::base::clock::Times;
use crate::base::clock::{hour, random_id};
use crate::call::flow::Effect;
use crate::call::state::State;
use crate::register::filing::{self, NewEntry};
use crate::register::opening::{add_to, make_report};
use crate::report::entries::{Body, TakeBody};
use crate::service::Service;
use crate::store::calls::Call;
use crate::store::cases::Case;
use crate::store::columns::RecordingState;
use crate::store::jobs::{self, Kind};
use crate::store::recordings::RecordingRow;
use crate::store::strays::{self, Stray};
use crate::store::{StoreError, WriteTx};
use crate::telephony::{Event, RecordingFact, RecordingOutcome};
use chrono::{DateTime, Utc};
use tracing::warn;
use uuid::Uuid;

/// Returns the steps of a call that were spoken into and have no recording yet, in order of speaking. `recordings` are
/// those of the call's reports.
pub fn unnamed_steps(call: &Call, state: &State, recordings: &[RecordingRow]) -> Vec<u32> {
    let mut spoken: Vec<u32> = state
        .takes
        .iter()
        .flat_map(|take| take.steps.clone())
        .collect();
    spoken.sort_unstable();
    spoken.retain(|step| {
        let place = call.place_of(*step);
        recordings.iter().all(|row| (row.report, row.step) != place)
    });
    spoken
}

/// Adds to a call a recording that the provider lists for it and no webhook has named. `step` is the step that counts
/// as having recorded it. `other` is the id of the row that another call has for the same recording, if there is one.
pub fn accept_orphan(
    service: &Service,
    case: &mut Case,
    provider: &str,
    recording: &str,
    step: u32,
    other: Option<Uuid>,
) {
    let fact = RecordingFact {
        id: recording.to_owned().into(),
        outcome: RecordingOutcome::Completed {
            seconds: None,
            end: None,
        },
    };
    let times = service.clock.times();
    keep(service, case, provider, &fact, step, other, times);
}

/// Stores what a webhook says of a recording of a known call. `step` is the step that recorded it. Returns true if the
/// provider made the recording and it was not known before. `other` is the id of the row that another call has for the
/// same recording, if there is one.
pub(super) fn keep(
    service: &Service,
    case: &mut Case,
    provider: &str,
    fact: &RecordingFact,
    step: u32,
    other: Option<Uuid>,
    times: Times,
) -> bool {
    let sid = fact.id.expose();
    let lookup = service.recording_lookup(provider, sid, case.call.id);
    if fact.outcome == RecordingOutcome::Absent {
        // The provider made no such recording: there is nothing to fetch, and a job for it would keep failing.
        if let Some(recording) = case.set_absent(&lookup) {
            case.cancel(Kind::Fetch, recording);
        }
        return false;
    }
    let known = case.recordings.iter().find(|row| row.lookup == lookup);
    if let Some(known) = known {
        // If the recording could not be fetched so far, the provider may have it now.
        let known = known.id;
        case.hasten(Kind::Fetch, known, times.system_now);
        return false;
    }
    let id = random_id();
    let silent = fact.outcome == RecordingOutcome::Silent;
    // A silent recording adds nothing to an earlier report, so it belongs to the call's own report.
    let (report, number) = match silent {
        true => (case.own.id, i32::try_from(step).unwrap_or(i32::MAX)),
        false => case.call.place_of(step),
    };
    if let Some(other) = other {
        warn!(recording = %id, %other, provider, "recording named by a second call; kept in both");
    }
    case.add_recording(RecordingRow {
        id,
        report,
        lookup: lookup.to_vec(),
        source: service.source_lookup(provider, sid).to_vec(),
        sid: Some(service.seal_sid(id, provider, sid)),
        step: number,
        state: RecordingState::Announced,
        deleted: false,
        outcome: None,
    });
    case.enqueue(Kind::Fetch, id, provider, times.system_now);
    if !silent {
        belongs_to(service, case, report, times.now);
    }
    true
}

/// Handles that something was said that belongs to `report`: makes the call a report if `report` is its own row,
/// otherwise adds to the earlier report. `now` is line time.
pub(super) fn belongs_to(service: &Service, case: &mut Case, report: Uuid, now: DateTime<Utc>) {
    if report == case.own.id {
        make_report(service, case, now);
    } else {
        add_to(case, now);
    }
}

/// Stores a call that is over and has no row as a stray, and enqueues a job that asks the provider for its recordings.
/// Does nothing when the stray is stored already.
pub(super) async fn ask_about_call(
    service: &Service,
    tx: &mut WriteTx,
    provider: &str,
    event: &Event,
    lookup: &[u8; 32],
) -> Result<(), StoreError> {
    let id = random_id();
    let stray = Stray {
        id,
        sid: service.seal_sid(id, provider, event.call.expose()),
        call: None,
        whole_call: true,
    };
    let hour = hour(service.clock.line_now());
    if strays::insert(tx, &stray, lookup, hour).await? {
        let now = service.clock.system_now();
        jobs::enqueue(tx, random_id(), Kind::Stray, stray.id, provider, now).await?;
    }
    Ok(())
}

/// Stores the recording of an event as a stray, because its call or line is not known, and enqueues a job that asks the
/// provider. Does nothing when the recording is stored already.
pub(super) async fn keep_stray(
    service: &Service,
    tx: &mut WriteTx,
    provider: &str,
    event: &Event,
    fact: &RecordingFact,
) -> Result<(), StoreError> {
    let lookup = service.source_lookup(provider, fact.id.expose());
    let named = event.names_a_call();
    let id = random_id();
    let stray = Stray {
        id,
        sid: service.seal_sid(id, provider, fact.id.expose()),
        call: named.then(|| service.seal_sid(id, provider, event.call.expose())),
        whole_call: false,
    };
    let hour = hour(service.clock.line_now());
    if strays::insert(tx, &stray, &lookup, hour).await? {
        warn!(stray = %stray.id, provider, "recording of an unknown call kept; asking the provider for its line");
        let now = service.clock.system_now();
        jobs::enqueue(tx, random_id(), Kind::Stray, stray.id, provider, now).await?;
    }
    Ok(())
}

/// Adds an effect of the conversation to the changes of the case: an entry about replaced takes, or a count of a wrong
/// key. A spoken receipt needs no change here.
///
/// # Errors
///
/// When the report of the replaced takes is not one of the case's, or its key in the database is not a valid public
/// key.
pub(super) fn write_effect(
    service: &Service,
    case: &mut Case,
    now: DateTime<Utc>,
    effect: &Effect,
) -> Result<(), StoreError> {
    let (steps, by) = match effect {
        Effect::Replaced { steps, by } => (steps, by),
        Effect::WrongKey => {
            case.count(&service.metrics.keys_unasked);
            return Ok(());
        }
        // Nothing to store: the receipt works once the call is settled, and the state records that it was spoken.
        Effect::ReceiptSpoken => return Ok(()),
    };
    let (report, by_step) = case.call.place_of(*by);
    let replaced_steps: Vec<i32> = steps
        .iter()
        .map(|step| case.call.place_of(*step).1)
        .collect();
    let body = Body::Take(TakeBody {
        replaced_steps,
        by_step,
    });
    add_entry(case, report, now, body)
}

/// Seals an entry made by the service to one of the case's reports, and adds it.
///
/// # Errors
///
/// When the report is not one of the case's, or its key in the database is not a valid public key.
pub(super) fn add_entry(
    case: &mut Case,
    report: Uuid,
    at: DateTime<Utc>,
    body: Body,
) -> Result<(), StoreError> {
    let new = NewEntry { at, by: None, body };
    let report = case
        .report(report)
        .ok_or(StoreError::Unreadable("report of a call"))?;
    let entry = filing::seal(report, new, &[])?;
    filing::add_to_case(case, entry, hour(at));
    Ok(())
}
