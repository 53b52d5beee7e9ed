//! Settles a call that is over: asks the provider for recordings that no webhook has named, writes how the call went,
//! makes the receipt work, enqueues the deletion of recordings at the provider, and erases the call's state, answers
//! and provider id.

use super::sealed::write_down_lost;
use super::{Claimed, Unfinished};
use crate::base::clock::hour;
use crate::call::state::{Place, State};
use crate::conduct::{accept_orphan, commit, hung_up, open_state, unnamed_steps};
use crate::register::filing::{NewEntry, add_entry};
use crate::report::entries::{Body, CallBody};
use crate::report::receipt::Receipt;
use crate::report::takes::{Reached, Take};
use crate::service::{ProviderRef, Service};
use crate::store::audit::{self, Act};
use crate::store::calls::{self, Call};
use crate::store::cases::{self, Case};
use crate::store::columns::RecordingState;
use crate::store::hours;
use crate::store::jobs::{self, Kind};
use crate::store::recordings::{self, RecordingRow};
use crate::store::reports::{self, Report};
use crate::store::{ReadTx, StoreError, WriteTx};
use crate::vault::action::Action;
use crate::vault::receipts::{self, Derived};
use chrono::TimeDelta;
use std::sync::Arc;
use std::time::Duration;
use tracing::error;
use uuid::Uuid;

/// Number of failures in a row, those of the first day and then one an hour for 30 days, after which a call is settled
/// without the provider's list of its recordings. Until then the call's state is kept, and the running service can read
/// it.
const PATIENCE: i32 = 110 + 30 * 24;
/// Maximum time for a provider to list the recordings of one call.
const LISTED_WITHIN: Duration = Duration::from_secs(20);
/// Number of the try, about 20 seconds after the first one, from which on a recording that is still being streamed no
/// longer delays settling: it counts as lost, because the node that receives it seems to be gone. If the recording ends
/// later, it is stored all the same.
const STREAMED: i32 = 9;

/// Returns the maximum number of calls for whose recordings a provider is asked at the same time. It is smaller than
/// the number of calls that are settled at the same time, so that a provider that does not answer delays only the calls
/// it is asked about.
pub fn most_asks(_provider: &String) -> usize {
    4
}

pub(super) async fn run(service: &Arc<Service>, job: &Claimed) -> Result<(), Unfinished> {
    let mut tx = service.db.jobs.begin_read().await?;
    let call = calls::by_id_unlocked(&mut tx, job.row.subject).await?;
    let unheard = match &call {
        Some(call) => {
            let rows = recordings_of(&mut tx, call).await?;
            unheard_recordings(service, call, &rows)
        }
        None => None,
    };
    drop(tx);
    if let (Some(call), Some((sid, _))) = (&call, unheard) {
        look_for_recordings(service, job, call.id, &sid).await?;
    }
    if let Some(call) = &call {
        wait_for_what_arrives(service, job, call).await?;
    }
    let running = call.as_ref().and_then(|call| open_state(service, call));
    let receipt = match (&call, &running) {
        (Some(call), Some((_, state))) if state.receipt_spoken => {
            Some(derive(service, call, state).await?)
        }
        _ => None,
    };
    let mut tx = service.db.jobs.begin().await?;
    // The call is locked before its job, as in `watch`.
    let case = cases::of_call(&mut tx, job.row.subject).await?;
    job.done(&mut tx).await?;
    if let Some(case) = case
        && !case.call.settled
    {
        // The state is opened again, because the conversation may have gone on while the provider was asked.
        let state = open_state(service, &case.call).map(|(_, state)| state);
        if receipt.is_none() && state.as_ref().is_some_and(|state| state.receipt_spoken) {
            return Err(Unfinished::Later(TimeDelta::milliseconds(200)));
        }
        settle(service, &mut tx, case, state, receipt).await?;
    }
    tx.commit().await?;
    service.sounds.forget(job.row.subject);
    Ok(())
}

/// Returns the recordings in a call's own report and, if the caller called back about an earlier report, in that one.
async fn recordings_of(tx: &mut ReadTx, call: &Call) -> Result<Vec<RecordingRow>, StoreError> {
    let mut rows = recordings::of_report(tx, call.report).await?;
    if let Some(earlier) = call.addition_to {
        rows.extend(recordings::of_report(tx, earlier).await?);
    }
    Ok(rows)
}

/// Returns the provider's id of the call, and the steps that were or may have been recorded and have no recording yet,
/// in order of speaking except that the step of [`recorded_last`] comes last. `None` if there is no such step, or the
/// call's state cannot be opened. `rows` are the recordings in the call's reports.
fn unheard_recordings(
    service: &Service,
    call: &Call,
    rows: &[RecordingRow],
) -> Option<(ProviderRef, Vec<u32>)> {
    let (sid, state) = open_state(service, call)?;
    let mut steps = unnamed_steps(call, &state, rows);
    if let Some(step) = recorded_last(service, call, &state) {
        let place = call.place_of(step);
        if rows.iter().all(|row| (row.report, row.step) != place) {
            steps.push(step);
        }
    }
    (!steps.is_empty()).then_some((sid, steps))
}

/// Returns a step whose recording a webhook may not have named: the one that was being recorded when the call ended, or
/// else that of a recorded talk, because the webhook about the end of a talk does not name its recording. `None` if
/// there is neither.
fn recorded_last(service: &Service, call: &Call, state: &State) -> Option<u32> {
    if matches!(state.place, Place::Recording { .. }) {
        return Some(state.step);
    }
    let line = service.config.line(&call.line)?;
    let taken = call.accepted_step.filter(|_| line.roster.record)?;
    u32::try_from(taken).ok()
}

async fn look_for_recordings(
    service: &Service,
    job: &Claimed,
    call: Uuid,
    sid: &ProviderRef,
) -> Result<(), Unfinished> {
    let provider = match service.provider_that_knows(sid) {
        Ok(provider) => provider,
        Err(error) => return without_word(job, error.into()),
    };
    let Some(slot) = service.asking.take(&sid.provider) else {
        let seconds = 1 << job.row.attempts.clamp(1, 5);
        return Err(Unfinished::Later(TimeDelta::milliseconds(500 * seconds)));
    };
    let asked = tokio::time::timeout(LISTED_WITHIN, provider.recordings_of(&sid.id)).await;
    drop(slot);
    let asked = match asked {
        Ok(asked) => asked.map_err(Unfinished::from),
        Err(_) => Err(Unfinished::Failed("the provider took too long".into())),
    };
    match asked {
        Ok(found) => {
            let mut tx = service.db.jobs.begin().await?;
            let Some(mut case) = cases::of_call(&mut tx, call).await? else {
                return Ok(());
            };
            // Computed again, because webhooks may have named some of the recordings while the provider was asked.
            let unheard = unheard_recordings(service, &case.call, &case.recordings);
            let steps = unheard.map(|(_, steps)| steps).unwrap_or_default();
            let mut steps = steps.into_iter().peekable();
            for recording in found {
                let id = recording.expose();
                let lookup = service.recording_lookup(&sid.provider, id, case.call.id);
                if case.recordings.iter().any(|row| row.lookup == lookup) {
                    continue;
                }
                // The provider lists recordings in the order in which they were made. Those left over belong to the
                // last step.
                let Some(&step) = steps.peek() else { break };
                let source = service.source_lookup(&sid.provider, id);
                let other = recordings::by_source(&mut tx, &source).await?;
                accept_orphan(service, &mut case, &sid.provider, id, step, other);
                if steps.len() > 1 {
                    steps.next();
                }
            }
            Ok(commit(tx, case).await?)
        }
        Err(reason) => without_word(job, reason),
    }
}

/// Returns `reason` as an error until the job has failed [`PATIENCE`] times in a row, so that the provider is asked
/// again. After that, logs an error and lets the call be settled. A recording that the provider has not listed may be
/// all that is left of what a caller said, and settling erases the id by which it is found.
fn without_word(job: &Claimed, reason: Unfinished) -> Result<(), Unfinished> {
    if job.row.failures < PATIENCE {
        return Err(reason);
    }
    error!(%reason, "call settled, although the provider's list of recordings could not be read");
    Ok(())
}

/// Delays settling while a recording of the call is still being streamed, by [`Unfinished::Later`]. From try
/// number [`STREAMED`] on, stores such recordings as lost instead.
async fn wait_for_what_arrives(
    service: &Service,
    job: &Claimed,
    call: &Call,
) -> Result<(), Unfinished> {
    let mut tx = service.db.jobs.begin_read().await?;
    let mut rows = recordings::of_report(&mut tx, call.report).await?;
    if let Some(earlier) = call.addition_to {
        let all = recordings::of_report(&mut tx, earlier).await?;
        rows.extend(all.into_iter().filter(|row| call.has_added(row.step)));
    }
    drop(tx);
    rows.retain(|row| row.state == RecordingState::Announced && is_streamed(service, row));
    if rows.is_empty() {
        return Ok(());
    }
    if job.row.attempts < STREAMED {
        let seconds = 1 << job.row.attempts.clamp(0, 4);
        return Err(Unfinished::Later(TimeDelta::milliseconds(200 * seconds)));
    }
    let mut tx = service.db.jobs.begin().await?;
    // The call is locked first, as in `sealed::write_down`.
    calls::by_id(&mut tx, call.id).await?;
    for row in rows {
        write_down_lost(service, &mut tx, row.id).await?;
    }
    Ok(tx.commit().await?)
}

fn is_streamed(service: &Service, row: &RecordingRow) -> bool {
    let sid = row
        .sid
        .as_ref()
        .and_then(|sid| service.open_sid(row.id, sid));
    sid.and_then(|sid| service.providers.get(&sid.provider))
        .is_some_and(|provider| provider.capabilities().streams_recordings)
}

async fn derive(service: &Arc<Service>, call: &Call, state: &State) -> Result<Derived, Unfinished> {
    let receipt = Receipt::parse(&state.receipt)
        .map_err(|_| Unfinished::Failed("the call's receipt cannot be read".into()))?;
    let key = service.secret.derive(receipts::LABEL);
    let derived = service
        .receipts
        .derive_for_job(receipt, call.line.clone(), key);
    Ok(derived.await?)
}

async fn settle(
    service: &Service,
    tx: &mut WriteTx,
    mut case: Case,
    state: Option<State>,
    receipt: Option<Derived>,
) -> Result<(), StoreError> {
    let call = case.call.clone();
    // A recording may be being sealed at this moment. Of the two transactions the second one sees what the first one
    // did, and enqueues the deletion at the provider.
    reports::lock(tx, call.report).await?;
    let report = reports::get(tx, call.report)
        .await?
        .ok_or(StoreError::Unreadable("report of a call"))?;
    let earlier = match call.addition_to {
        Some(earlier) if call.added => {
            reports::lock(tx, earlier).await?;
            reports::get(tx, earlier).await?
        }
        _ => None,
    };
    let state = match state {
        Some(state) => Some(hung_up(service, &mut case, state)?),
        None => None,
    };
    let changes = std::mem::take(&mut case.changes);
    cases::write(tx, changes).await?;
    let call = &call;
    if let Some(state) = &state {
        if earlier.is_none() || report.reference.is_some() {
            write_call_entry(service, tx, call, &report, state).await?;
        }
        if let Some(earlier) = &earlier {
            write_call_entry(service, tx, call, earlier, state).await?;
        }
    }
    // Takes count even if no recording is named yet: the receipt was spoken, and has to work for recordings named
    // later.
    let comes = |state: &State| !state.takes.is_empty();
    let comes = report.reference.is_some() || state.as_ref().is_some_and(comes);
    if let (Some(derived), true) = (receipt, comes) {
        let recipient = derived.identity.recipient().to_string();
        let lookup = &derived.lookup;
        let other = reports::insert_receipt(tx, lookup, &call.line, report.id, &recipient).await?;
        if let Some(other) = other {
            receipt_is_shared(service, tx, &call.line, [report.id, other]).await?;
        }
    }
    calls::settle(tx, call.id).await?;
    let now = service.clock.system_now();
    let mut recordings = recordings::of_report(tx, call.report).await?;
    // Also if the call added nothing to the earlier report: recordings without speech may belong to it.
    if let Some(earlier) = call.addition_to {
        let all = recordings::of_report(tx, earlier).await?;
        recordings.extend(all.into_iter().filter(|row| call.has_added(row.step)));
    }
    for recording in recordings {
        if recording.state == RecordingState::Sealed && !recording.deleted {
            let id = crate::base::clock::random_id();
            let provider = service.provider_of(recording.id, recording.sid.as_ref());
            jobs::enqueue(tx, id, Kind::Delete, recording.id, &provider, now).await?;
        } else if recording.state == RecordingState::Absent && is_streamed(service, &recording) {
            // A provider that streams keeps no copy, so the id is not needed any more.
            recordings::forget_source(tx, recording.id).await?;
        }
    }
    if report.reference.is_none() && !call.added {
        hours::add_without_message(tx, &report.line, report.received_hour);
        let reached = state.map_or(Reached::Greeting, |state| state.reached);
        let counter = &service.metrics.calls_without_message;
        tx.count(&counter.of(reached.as_str()));
    }
    Ok(())
}

/// Records for both reports, in the trail of their line, that two callers were told the same receipt; also logs and
/// counts it. It is found only now, because the digits were spoken before they were looked up. The receipt opens
/// neither report from now on. The probability is one call in a hundred million on a line with a thousand reports.
async fn receipt_is_shared(
    service: &Service,
    tx: &mut WriteTx,
    line: &str,
    [report, other]: [Uuid; 2],
) -> Result<(), StoreError> {
    error!(%line, %report, %other, "two callers have the same receipt; it opens neither report");
    tx.count(&service.metrics.receipts_shared);
    for (report, other) in [(report, other), (other, report)] {
        let act = Act {
            report: Some(report),
            object: Some(other),
            ..Act::new(hour(service.clock.line_now()), Action::ReceiptShared)
        };
        audit::append(tx, line, act);
    }
    Ok(())
}

/// Returns the takes of a call that have recordings in `report`, with the numbers of these recordings instead of steps.
fn takes_in(call: &Call, report: &Report, takes: &[Take]) -> Vec<Take> {
    takes
        .iter()
        .filter_map(|take| {
            let steps: Vec<u32> = take
                .steps
                .iter()
                .map(|step| call.place_of(*step))
                .filter(|(place, _)| *place == report.id)
                .filter_map(|(_, number)| u32::try_from(number).ok())
                .collect();
            (!steps.is_empty()).then_some(Take {
                steps,
                replaced: take.replaced,
            })
        })
        .collect()
}

/// Adds a sealed entry to `report` about the course of the call: when it was answered, phase, language, how far the
/// caller got, whether the receipt was spoken, and the takes.
async fn write_call_entry(
    service: &Service,
    tx: &mut WriteTx,
    call: &Call,
    report: &Report,
    state: &State,
) -> Result<(), StoreError> {
    let language = service
        .config
        .line(&report.line)
        .and_then(|line| line.languages.get(state.language));
    add_entry(
        tx,
        report,
        NewEntry {
            at: service.clock.line_now(),
            by: None,
            body: Body::Call(CallBody {
                answered_at: state.answered_at,
                phase: state.phase,
                language: language.cloned(),
                // If the caller hangs up during the talk, the conversation does not learn that the two were connected.
                reached: match call.accepted_step {
                    Some(_) if report.id == call.report => state.reached.max(Reached::Connected),
                    _ => state.reached,
                },
                receipt_spoken: state.receipt_spoken,
                added: report.id != call.report,
                takes: takes_in(call, report, &state.takes),
            }),
        },
    )
    .await
    .map(drop)
}
