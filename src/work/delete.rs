//! Deletes a recording at the provider, after the call and only if the sealed copy can be read back. The job is tried
//! again until the deletion is proven. If the provider cannot delete, the job ends and the recording stays there.

use super::{Claimed, Unfinished, own_folder, unreadable};
use crate::register::trail::OfReport;
use crate::service::Service;
use crate::store::blobs;
use crate::store::columns::RecordingState;
use crate::store::recordings::{self, RecordingRow};
use crate::store::reports;
use crate::telephony::{Provider, ProviderError};
use chrono::TimeDelta;
use std::io;
use std::sync::Arc;
use tracing::error;

/// Time after which a deletion is tried again if another call still has to fetch the same recording.
const NEEDED: TimeDelta = TimeDelta::minutes(1);

pub(super) async fn run(service: &Arc<Service>, job: &Claimed) -> Result<(), Unfinished> {
    let mut tx = service.db.jobs.begin_read().await?;
    let recording = recordings::get(&mut tx, job.row.subject).await?;
    drop(tx);
    if let Some(recording) = recording
        && recording.state == RecordingState::Sealed
        && !recording.deleted
    {
        let source = recording
            .sid
            .as_ref()
            .and_then(|sid| service.open_sid(recording.id, sid))
            .ok_or_else(|| unreadable("the recording's id"))?;
        own_folder(service).await?;
        let mut tx = service.db.jobs.begin_read().await?;
        let others = recordings::of_same_source(&mut tx, recording.id).await?;
        drop(tx);
        // Another call that named the same recording may still have to fetch it.
        if others.iter().any(is_needed) {
            return Err(Unfinished::Later(NEEDED));
        }
        let copies = others
            .iter()
            .filter(|other| other.state == RecordingState::Sealed);
        for copy in copies.chain([&recording]) {
            must_be_whole(service, copy).await?;
        }
        let streams = |provider: &&Arc<dyn Provider>| provider.capabilities().streams_recordings;
        let provider = match service.providers.get(&source.provider).filter(streams) {
            // A provider that streams keeps no recording, whatever its account.
            Some(streaming) => streaming,
            None => service.provider_that_knows(&source)?,
        };
        if !provider.capabilities().deletes {
            // The recording stays at the provider for as long as the account keeps recordings, so it is not marked as
            // deleted.
            let mut tx = service.db.jobs.begin_unflushed().await?;
            job.done(&mut tx).await?;
            return Ok(tx.commit().await?);
        }
        prove_gone(provider.as_ref(), &source.id).await?;
    }
    // If this commit is lost, the deletion is proven once more.
    let mut tx = service.db.jobs.begin_unflushed().await?;
    recordings::set_deleted(&mut tx, job.row.subject).await?;
    job.done(&mut tx).await?;
    Ok(tx.commit().await?)
}

/// True if a recording may still have to be fetched from the provider: it has the provider's id, and is neither sealed
/// nor absent nor deleted. One that a lead has given up has no id any more. A recording lost while it was streamed
/// counts as needed too, although it is not fetched.
fn is_needed(recording: &RecordingRow) -> bool {
    !recording.deleted
        && recording.sid.is_some()
        && !matches!(
            recording.state,
            RecordingState::Sealed | RecordingState::Absent
        )
}

async fn must_be_whole(service: &Service, recording: &RecordingRow) -> Result<(), Unfinished> {
    if is_whole(service, recording).await? {
        return Ok(());
    }
    service.metrics.recordings_damaged.inc();
    error!(recording = %recording.id, "sealed recording differs from what was sealed; not deleted at the provider");
    Err(Unfinished::Failed(
        "our copy is not as it was sealed".into(),
    ))
}

/// True if the sealed file exists, and is as it was sealed according to the trail.
async fn is_whole(service: &Service, recording: &RecordingRow) -> Result<bool, Unfinished> {
    let mut tx = service.db.jobs.begin_read().await?;
    let Some(blob) = blobs::of_recording(&mut tx, recording.id).await? else {
        return Ok(false);
    };
    let report = reports::get(&mut tx, recording.report).await?;
    let report = report.ok_or_else(|| unreadable("the recording's report"))?;
    let committed = OfReport::read(&mut tx, &report).await?;
    drop(tx);
    if !committed.has_recording(recording.id, &blob.digests) {
        return Ok(false);
    }
    let store = service.blobs.clone();
    let digests = tokio::task::spawn_blocking(move || store.digests(blob.object)).await?;
    match digests {
        Ok(digests) => Ok(digests == blob.digests),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::InvalidData
            ) =>
        {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Deletes the recording, and fails unless it is gone. The response to the deletion proves nothing;
/// [`Provider::is_gone`] asks at the address that the recording was fetched from.
async fn prove_gone(provider: &dyn Provider, id: &str) -> Result<(), Unfinished> {
    match provider.delete(id).await {
        Ok(()) | Err(ProviderError::NotFound) => {}
        Err(error) => return Err(error.into()),
    }
    match provider.is_gone(id).await? {
        true => Ok(()),
        false => Err(Unfinished::Failed(
            "deleted at the provider, but it can still be fetched there".into(),
        )),
    }
}
