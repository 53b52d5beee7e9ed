//! Reads back a recording that was sealed, whether it was fetched or streamed, and stores it in the database.

use super::{Unfinished, hex};
use crate::base::clock::{hour, random_id};
use crate::register::filing::{NewEntry, add_entry};
use crate::report::entries::{Body, RecordingBody};
use crate::service::Service;
use crate::store::audit::{self, Act};
use crate::store::columns::RecordingState;
use crate::store::jobs::{self, Kind};
use crate::store::recordings::{self, RecordingRow};
use crate::store::reports::{self, Report};
use crate::store::{StoreError, WriteTx, calls};
use crate::vault::action::Action;
use crate::vault::blobs::Stored;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

/// Maximum number of values in the waveform of a recording that a player shows.
pub(super) const PEAKS: usize = 600;

/// Length and waveform of a recording, for its sealed entry.
pub(super) struct Sound {
    /// Length in milliseconds, if it is known.
    pub milliseconds: Option<u64>,
    /// The waveform: at most [`PEAKS`] levels, as [`WavCheck::peaks`](crate::audio::wav::WavCheck::peaks) returns them.
    pub peaks: Vec<u8>,
}

/// Checks that the file on disk is what was written, before its recording is stored as sealed.
pub(super) async fn read_back(service: &Service, stored: &Stored) -> Result<(), Unfinished> {
    let (blobs, object) = (service.blobs.clone(), stored.object);
    let digests = tokio::task::spawn_blocking(move || blobs.digests(object)).await??;
    if digests == stored.digests {
        Ok(())
    } else {
        Err(Unfinished::Failed(
            "the sealed recording was read back differently".into(),
        ))
    }
}

/// Stores that the recording is sealed, with what is known of it. If its call is settled or not known, also enqueues
/// the job that deletes it at the provider. Returns false, and stores nothing, if the recording is neither announced
/// nor lost.
pub(super) async fn write_down(
    service: &Service,
    tx: &mut WriteTx,
    recording: &RecordingRow,
    report: &Report,
    stored: &Stored,
    sound: &Sound,
) -> Result<bool, StoreError> {
    let now = service.clock.line_now();
    // In the order in which webhooks lock them: the call, the report, the recording.
    let call = calls::by_recording(tx, report.id, recording.step).await?;
    reports::lock(tx, report.id).await?;
    if !recordings::seal(tx, recording, random_id(), stored).await? {
        return Ok(false);
    }
    add_entry(
        tx,
        report,
        NewEntry {
            at: now,
            by: None,
            body: Body::Recording(RecordingBody {
                recording: recording.id,
                step: recording.step,
                bytes: stored.length,
                sha256: hex(&stored.plain_sha256),
                milliseconds: sound.milliseconds,
                r#type: "audio/wav".to_owned(),
                peaks: STANDARD.encode(&sound.peaks),
            }),
        },
    )
    .await?;
    audit::append(
        tx,
        &report.line,
        Act {
            report: Some(report.id),
            object: Some(recording.id),
            digest: Some(stored.digests.committed()),
            ..Act::new(hour(now), Action::RecordingSealed)
        },
    );
    if call.is_none_or(|call| call.settled) {
        let now = service.clock.system_now();
        let provider = service.provider_of(recording.id, recording.sid.as_ref());
        let id = random_id();
        jobs::enqueue(tx, id, Kind::Delete, recording.id, &provider, now).await?;
    }
    Ok(true)
}

/// Stores that a recording is lost, and adds a link about it, which updates pages that wait for the recording. Does
/// nothing if the recording is not announced any more.
pub(super) async fn write_down_lost(
    service: &Service,
    tx: &mut WriteTx,
    recording: Uuid,
) -> Result<(), StoreError> {
    if !recordings::give_up(tx, recording, RecordingState::Lost).await? {
        return Ok(());
    }
    tx.count(&service.metrics.recordings_lost);
    let Some(row) = recordings::get(tx, recording).await? else {
        return Ok(());
    };
    let Some(report) = reports::get(tx, row.report).await? else {
        return Ok(());
    };
    let act = Act {
        report: Some(report.id),
        object: Some(recording),
        ..Act::new(hour(service.clock.line_now()), Action::RecordingLost)
    };
    audit::append(tx, &report.line, act);
    Ok(())
}
