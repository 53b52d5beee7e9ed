//! Recordings that are streamed to the service: which connection may stream, what is stored before the first sample,
//! when a call becomes a report, and what the conversation learns of the recording.
//!
//! The recording's row is committed, and so visible to every node, before any sound arrives, so that a recording that
//! was begun is not forgotten. With the first words the call becomes a report. The outcome is stored with the row when
//! the recording ends, and the next step waits for it: the provider's webhook that a recording has ended may come
//! before its last sample.

use super::{facts, open_state, take};
use crate::base::clock::random_id;
use crate::base::hidden::Hidden;
use crate::call::script::RecordingEnd;
use crate::call::state::Place;
use crate::service::Service;
use crate::store::calls::{self, Call};
use crate::store::cases;
use crate::store::columns::RecordingState;
use crate::store::recordings::{self, RecordingRow};
use crate::store::reports::{self, Report};
use crate::store::{StoreError, WriteTx};
use crate::telephony::streams::Stream;
use crate::telephony::streams::recording_id;
use crate::telephony::{Event, Hook, Provider, RecordingFact, RecordingOutcome};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tracing::warn;
use uuid::Uuid;

/// Time between two reads of a recording's row while waiting for its state to change.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A recording whose beginning is stored, and that may now be streamed to the service.
pub struct Arriving {
    /// The recording's row.
    pub recording: RecordingRow,
    /// The report that it belongs to.
    pub report: Report,
    /// The recording's id, made by [`recording_id`], because the provider gives it none.
    pub id: String,
}

/// Outcome of a recording, for the conversation.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// Length in whole seconds.
    pub seconds: u32,
    /// True if speech was heard.
    pub spoken: bool,
    /// Why the service ended the recording; `None` if it ended otherwise.
    pub ended: Option<Ended>,
}

/// Why the service ended a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Nothing was said for too long.
    Silence,
    /// The time limit was reached.
    Limit,
}

impl Outcome {
    /// Seals the outcome of a recording for the database.
    pub fn seal(&self, service: &Service, recording: Uuid) -> Vec<u8> {
        let plain = serde_json::to_vec(self).unwrap_or_default();
        let place = Self::place(recording);
        service.sid_key.seal(&plain, place.as_bytes())
    }

    /// Opens the outcome in the row of a recording; `None` if there is none, or it was sealed for another recording.
    fn of(service: &Service, row: &RecordingRow) -> Option<Self> {
        let (sealed, place) = (row.outcome.as_ref()?, Self::place(row.id));
        let plain = service.sid_key.open(sealed, place.as_bytes()).ok()?;
        serde_json::from_slice(&plain).ok()
    }

    fn place(recording: Uuid) -> String {
        format!("outcome {recording}")
    }
}

/// Returns the key for the addresses of a call's streams; `None` when this provider has no such call, when the call is
/// settled, or when the provider's id of it cannot be opened.
///
/// # Errors
///
/// When the database fails.
pub async fn stream_key(
    service: &Service,
    provider: &str,
    call: Uuid,
) -> Result<Option<Hidden<String>>, StoreError> {
    let mut tx = service.db.webhooks.begin_read().await?;
    let call = calls::by_id_unlocked(&mut tx, call).await?;
    let sid = call
        .and_then(|call| service.open_sid(call.id, &call.sid?))
        .filter(|sid| sid.provider == provider);
    Ok(sid.map(|sid| take::stream_key(&service.secret.call_key(&sid.provider, &sid.id))))
}

/// Stores that a recording begins. Returns `None` when the call does not wait for this recording, or the recording has
/// begun already: of two connections for one recording the first one counts, unless it ended before anything was heard.
/// While the first one is open, this waits for its end, at most `Patience::stream`.
///
/// # Errors
///
/// When the database fails.
pub async fn arriving(
    service: &Service,
    provider: &str,
    stream: &Stream,
) -> Result<Option<Arriving>, StoreError> {
    let waited_for = crate::base::clock::instant() + service.patience.stream;
    loop {
        match begun(service, provider, stream).await? {
            Begun::Now(arriving) => return Ok(Some(*arriving)),
            Begun::Never => return Ok(None),
            Begun::Before if crate::base::clock::instant() >= waited_for => return Ok(None),
            Begun::Before => tokio::time::sleep(POLL_INTERVAL).await,
        }
    }
}

/// Whether a recording could be begun.
enum Begun {
    /// The beginning is stored.
    Now(Box<Arriving>),
    /// Another connection has begun the recording, and it is not stored yet.
    Before,
    /// The call does not wait for the recording, or the recording is stored or lost already.
    Never,
}

async fn begun(service: &Service, provider: &str, stream: &Stream) -> Result<Begun, StoreError> {
    let mut tx = service.db.webhooks.begin().await?;
    let Some(call) = calls::by_id(&mut tx, stream.call).await? else {
        return Ok(Begun::Never);
    };
    let Some(sid) = awaited(service, &call, stream.step) else {
        return Ok(Begun::Never);
    };
    let (report, number) = call.place_of(stream.step);
    let id = recording_id(&sid, stream.step);
    let lookup = service.recording_lookup(provider, &id, call.id);
    let new = random_id();
    let announced = RecordingRow {
        id: new,
        report,
        lookup: lookup.to_vec(),
        source: service.source_lookup(provider, &id).to_vec(),
        sid: Some(service.seal_sid(new, provider, &id)),
        step: number,
        state: RecordingState::Announced,
        deleted: false,
        outcome: None,
    };
    if !recordings::announce(&mut tx, &announced).await? {
        let before = recordings::by_lookup(&mut tx, &lookup).await?;
        let Some(before) = before.filter(|before| before.state != RecordingState::Sealed) else {
            return Ok(Begun::Never);
        };
        if !recordings::begin_again(&mut tx, before.id).await? {
            return Ok(match before.state {
                RecordingState::Announced => Begun::Before,
                RecordingState::Sealed | RecordingState::Absent | RecordingState::Lost => {
                    Begun::Never
                }
            });
        }
    }
    let report = reports::get(&mut tx, report)
        .await?
        .ok_or(StoreError::Unreadable("report of a call"))?;
    let recording = recordings::by_lookup(&mut tx, &lookup).await?;
    tx.commit().await?;
    Ok(match recording {
        Some(recording) => Begun::Now(Box::new(Arriving {
            recording,
            report,
            id,
        })),
        None => Begun::Never,
    })
}

/// Marks a recording that was begun as absent, because its stream had less than a tenth of a second of sound.
///
/// # Errors
///
/// When the database fails.
pub async fn nothing_came(service: &Service, recording: Uuid) -> Result<(), StoreError> {
    let mut tx = service.db.webhooks.begin().await?;
    recordings::give_up(&mut tx, recording, RecordingState::Absent).await?;
    tx.commit().await
}

/// Returns the provider's id of the call, if the call waits for a recording of this step; otherwise `None`.
fn awaited(service: &Service, call: &Call, step: u32) -> Option<String> {
    if call.ended {
        return None;
    }
    let (sid, state) = open_state(service, call)?;
    let line = service.config.line(&call.line)?;
    let records = match state.place {
        Place::Recording { .. } => true,
        // A talk is recorded from the moment the two are connected.
        Place::Ringing { .. } => line.roster.record && call.is_accepted(step),
        _ => false,
    };
    (state.step == step && records).then_some(sid.id)
}

/// Handles that speech was heard in a stream: makes the call a report, if it is none yet, or adds to the earlier report
/// that the step belongs to. Does nothing when there is no such call. The function's caller commits.
///
/// # Errors
///
/// When the database fails.
pub async fn heard(service: &Service, tx: &mut WriteTx, stream: &Stream) -> Result<(), StoreError> {
    let Some(mut case) = cases::of_call(tx, stream.call).await? else {
        return Ok(());
    };
    let (report, _) = case.call.place_of(stream.step);
    facts::belongs_to(service, &mut case, report, service.clock.line_now());
    cases::write(tx, case.changes).await
}

/// For a provider that streams recordings, and so does not know their outcomes, returns the event with what the service
/// knows of the step's recording, and without a recording if `hook` is not a step; `None` for other providers. Waits
/// for a recording that is being stored, for at most half of `Patience::webhook`.
pub(super) async fn known(
    service: &Service,
    provider: &dyn Provider,
    hook: &Hook,
    event: &Event,
) -> Result<Option<Event>, StoreError> {
    if !provider.capabilities().streams_recordings {
        return Ok(None);
    }
    let mut event = event.clone();
    event.recording = None;
    let told = event.unnamed.take();
    let Hook::Step(at) = hook else {
        return Ok(Some(event));
    };
    let id = recording_id(event.call.expose(), at.step);
    let lookup = service.recording_lookup(provider.name(), &id, at.call);
    let waited = tokio::time::timeout(service.patience.webhook / 2, until_there(service, &lookup));
    let found = match waited.await {
        Ok(row) => row?,
        Err(_) => {
            // The recording is still being stored. If its provider says that it was made, the conversation goes on as
            // if it were stored.
            warn!(
                provider = provider.name(),
                step = at.step,
                "recording not stored in time; the conversation goes on"
            );
            event.unnamed = told.filter(|told| *told != RecordingOutcome::Absent);
            return Ok(Some(event));
        }
    };
    event.recording = found.map(|row| RecordingFact {
        id: id.into(),
        outcome: outcome(service, &row, told),
    });
    Ok(Some(event))
}

/// True if speech was heard in the recording. If that is not known, true unless the recording is absent or lost.
pub(super) fn is_of_speech(service: &Service, row: &RecordingRow) -> bool {
    match Outcome::of(service, row) {
        Some(known) => known.spoken,
        None => matches!(
            row.state,
            RecordingState::Announced | RecordingState::Sealed
        ),
    }
}

/// Waits until the recording is sealed or absent, and returns its row; `None` when there is no row, or the recording
/// was lost.
async fn until_there(
    service: &Service,
    lookup: &[u8; 32],
) -> Result<Option<RecordingRow>, StoreError> {
    loop {
        let mut tx = service.db.webhooks.begin_read().await?;
        let row = recordings::by_lookup(&mut tx, lookup).await?;
        drop(tx);
        match row.as_ref().map(|row| row.state) {
            Some(RecordingState::Announced) => tokio::time::sleep(POLL_INTERVAL).await,
            Some(RecordingState::Lost) | None => return Ok(None),
            Some(RecordingState::Sealed | RecordingState::Absent) => return Ok(row),
        }
    }
}

fn outcome(
    service: &Service,
    row: &RecordingRow,
    told: Option<RecordingOutcome>,
) -> RecordingOutcome {
    let known = Outcome::of(service, row);
    let (told_seconds, told_end) = match told {
        Some(RecordingOutcome::Completed { seconds, end }) => (seconds, end),
        _ => (None, None),
    };
    match known {
        _ if row.state == RecordingState::Absent => RecordingOutcome::Absent,
        Some(known) if !known.spoken => RecordingOutcome::Silent,
        Some(known) => RecordingOutcome::Completed {
            seconds: told_seconds.max(Some(known.seconds)),
            end: told_end.or(known.ended.map(|ended| match ended {
                Ended::Silence => RecordingEnd::Silence,
                Ended::Limit => RecordingEnd::Limit,
            })),
        },
        // The outcome is not stored (any more): it is erased once the call is settled and the recording deleted.
        None => RecordingOutcome::Completed {
            seconds: told_seconds,
            end: told_end,
        },
    }
}
