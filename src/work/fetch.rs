//! Fetches a recording: streamed from the provider through the cipher to disk, checked on the way, read back.

use super::sealed::{PEAKS, Sound, read_back, write_down};
use super::{Claimed, Unfinished, own_folder, unreadable};
use crate::clock::hour;
use crate::service::{ProviderRef, Service};
use crate::store::reports::{self, RecordingRow, Report};
use crate::telephony::Download;
use crate::telephony::wav::{LARGEST, Wav, WavCheck};
use crate::vault::recordings::Stored;
use crate::vault::seal::Recipient;
use bytes::Bytes;
use futures_util::StreamExt;
use std::sync::Arc;
use tokio::sync::mpsc;

pub(super) async fn run(service: &Arc<Service>, job: &Claimed) -> Result<(), Unfinished> {
    let mut tx = service.db.read().await?;
    let recording = reports::recording_unlocked(&mut tx, job.row.subject).await?;
    let report = match &recording {
        Some(recording) => reports::get(&mut tx, recording.report).await?,
        None => None,
    };
    drop(tx);
    let (Some(recording), Some(report)) = (recording, report) else {
        return finish_empty(service, job).await;
    };
    if recording.state != "announced" {
        return finish_empty(service, job).await;
    }
    own_folder(service).await?;
    let source = recording
        .sid
        .as_ref()
        .and_then(|sid| service.open_sid(sid))
        .ok_or_else(|| unreadable("the recording's id"))?;
    let (stored, wav, peaks) = download(service, &source, &recording, &report).await?;
    read_back(service, recording.id, &stored).await?;
    let sound = Sound {
        milliseconds: wav.duration_ms,
        peaks,
    };
    commit(service, job, &recording, &report, &stored, &sound).await
}

async fn finish_empty(service: &Service, job: &Claimed) -> Result<(), Unfinished> {
    let mut tx = service.db.begin().await?;
    job.done(&mut tx).await?;
    Ok(tx.commit().await?)
}

/// From the provider through the checker and the cipher to disk. Whatever is not a whole WAV leaves nothing behind.
async fn download(
    service: &Arc<Service>,
    source: &ProviderRef,
    recording: &RecordingRow,
    report: &Report,
) -> Result<(Stored, Wav, Vec<u8>), Unfinished> {
    let provider = service.providers.get(&source.provider).ok_or_else(|| {
        Unfinished::Failed(format!("no provider {} is configured", source.provider))
    })?;
    let recipient: Recipient = report
        .recipient
        .parse()
        .map_err(|_| unreadable("the report's key"))?;
    let Download { length, mut body } = provider.fetch(&source.id).await?;
    let mut writer = service.recordings.writer(recording.id, &recipient)?;
    let (sender, mut chunks) = mpsc::channel::<Bytes>(8);
    let at = hour(service.clock.line_now());
    let sealing = tokio::task::spawn_blocking(move || {
        let mut checker = WavCheck::new(LARGEST, length);
        while let Some(chunk) = chunks.blocking_recv() {
            // An empty chunk says that all has come; a closed channel alone says that it has not.
            if chunk.is_empty() {
                let peaks = checker.peaks(PEAKS);
                let wav = checker
                    .finish()
                    .map_err(|error| Unfinished::Failed(error.to_string()))?;
                return Ok((writer.finish(at)?, wav, peaks));
            }
            checker
                .feed(&chunk)
                .map_err(|error| Unfinished::Failed(error.to_string()))?;
            writer.write(&chunk)?;
        }
        Err(Unfinished::Failed("the recording broke off".into()))
    });
    while let Some(chunk) = body.next().await {
        let chunk = chunk?;
        if !chunk.is_empty() && sender.send(chunk).await.is_err() {
            break;
        }
    }
    let _ = sender.send(Bytes::new()).await;
    drop(sender);
    sealing.await?
}

async fn commit(
    service: &Service,
    job: &Claimed,
    recording: &RecordingRow,
    report: &Report,
    stored: &Stored,
    sound: &Sound,
) -> Result<(), Unfinished> {
    let mut tx = service.db.begin().await?;
    job.done(&mut tx).await?;
    if !write_down(service, &mut tx, recording, report, stored, sound).await? {
        // The provider said meanwhile that there is none: nothing will refer to the file.
        tx.commit().await?;
        let (recordings, id) = (service.recordings.clone(), recording.id);
        tokio::task::spawn_blocking(move || recordings.remove(id)).await??;
        return Ok(());
    }
    tx.commit().await?;
    service.counters.recordings_sealed.add();
    Ok(())
}
