//! Deletes a recording at the provider: only what can be read back here, only after the call, and until it is proven.

use super::{Claimed, Unfinished, unreadable};
use crate::service::Service;
use crate::store::reports::{self, RecordingRow};
use crate::telephony::ProviderError;
use std::io;
use std::sync::Arc;
use tracing::error;

pub(super) async fn run(service: &Arc<Service>, job: &Claimed) -> Result<(), Unfinished> {
    let mut tx = service.db.read().await?;
    let recording = reports::recording_unlocked(&mut tx, job.row.subject).await?;
    drop(tx);
    if let Some(recording) = recording
        && recording.state == "sealed"
        && !recording.deleted
    {
        let source = recording
            .sid
            .as_ref()
            .and_then(|sid| service.open_sid(sid))
            .ok_or_else(|| unreadable("the recording's id"))?;
        if !is_whole(service, &recording).await? {
            service.counters.recordings_damaged.add();
            error!(recording = %recording.id, "our copy is not as it was sealed; the provider's is kept");
            return Err(Unfinished::Failed(
                "our copy is not as it was sealed".into(),
            ));
        }
        let provider = service
            .providers
            .get(&source.provider)
            .ok_or_else(|| super::not_configured(&source.provider))?;
        if !provider.capabilities().deletes {
            // It stays there as long as the account keeps recordings, and nobody is told otherwise.
            let mut tx = service.db.begin().await?;
            job.done(&mut tx).await?;
            return Ok(tx.commit().await?);
        }
        prove_gone(provider.as_ref(), &source.id).await?;
    }
    let mut tx = service.db.begin().await?;
    job.done(&mut tx).await?;
    reports::set_deleted(&mut tx, job.row.subject).await?;
    Ok(tx.commit().await?)
}

/// Is our file there, and as it was sealed?
async fn is_whole(service: &Service, recording: &RecordingRow) -> Result<bool, Unfinished> {
    let Some(file) = recording.file else {
        return Ok(false);
    };
    let recordings = service.recordings.clone();
    let hash = tokio::task::spawn_blocking(move || recordings.sealed_sha256(file)).await?;
    match hash {
        Ok(hash) => Ok(recording.sha256.as_deref() == Some(&hash[..])),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Deletes, and deletes again: only "there is no such thing" proves it.
async fn prove_gone(provider: &dyn crate::telephony::Provider, id: &str) -> Result<(), Unfinished> {
    for _ in 0..2 {
        match provider.delete(id).await {
            Err(ProviderError::NotFound) => return Ok(()),
            result => result?,
        }
    }
    Err(Unfinished::Failed(
        "deleted at the provider, but not proven gone".into(),
    ))
}
