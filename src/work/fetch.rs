//! Fetches a recording: streamed from the provider through the cipher to disk, checked on the way, read back.

use super::{Claimed, Unfinished, hex, unreadable};
use crate::clock::hour;
use crate::filing::{NewEntry, add_entry};
use crate::report::entries::RecordingBody;
use crate::service::{ProviderRef, Service};
use crate::store::audit::{self, Act};
use crate::store::calls;
use crate::store::jobs::{self, Kind};
use crate::store::reports::{self, RecordingRow, Report};
use crate::telephony::Download;
use crate::telephony::wav::{LARGEST, Wav, WavCheck};
use crate::vault::entry::EntryKind;
use crate::vault::recordings::Stored;
use crate::vault::seal::Recipient;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::mpsc;

/// A player's picture of a recording has at most so many pieces.
const PEAKS: usize = 600;

/// What is sealed about a recording beside its bytes.
struct Sound {
    wav: Wav,
    /// Loudness, see [`WavCheck::peaks`].
    peaks: Vec<u8>,
}

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
    let source = recording
        .sid
        .as_ref()
        .and_then(|sid| service.open_sid(sid))
        .ok_or_else(|| unreadable("the recording's id"))?;
    let (stored, wav, peaks) = download(service, &source, &recording, &report).await?;
    read_back(service, &recording, &stored).await?;
    let sound = Sound { wav, peaks };
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

/// What was written must be what is on disk now, before anything relies on it.
async fn read_back(
    service: &Arc<Service>,
    recording: &RecordingRow,
    stored: &Stored,
) -> Result<(), Unfinished> {
    let (recordings, id) = (service.recordings.clone(), recording.id);
    let hash = tokio::task::spawn_blocking(move || recordings.sealed_sha256(id)).await??;
    if hash == stored.sealed_sha256 {
        Ok(())
    } else {
        Err(Unfinished::Failed(
            "the sealed recording was read back differently".into(),
        ))
    }
}

async fn commit(
    service: &Service,
    job: &Claimed,
    recording: &RecordingRow,
    report: &Report,
    stored: &Stored,
    sound: &Sound,
) -> Result<(), Unfinished> {
    let now = service.clock.line_now();
    let mut tx = service.db.begin().await?;
    job.done(&mut tx).await?;
    let padded = i64::try_from(stored.padded).unwrap_or(i64::MAX);
    if !reports::seal(&mut tx, recording.id, padded, &stored.sealed_sha256).await? {
        // The provider said meanwhile that there is none: nothing will refer to the file.
        tx.commit().await?;
        let (recordings, id) = (service.recordings.clone(), recording.id);
        tokio::task::spawn_blocking(move || recordings.remove(id)).await??;
        return Ok(());
    }
    add_entry(
        &mut tx,
        report,
        NewEntry {
            kind: EntryKind::Recording,
            at: now,
            by: None,
            body: json!(RecordingBody {
                recording: recording.id,
                step: recording.step,
                bytes: stored.length,
                sha256: &hex(&stored.plain_sha256),
                milliseconds: sound.wav.duration_ms,
                r#type: "audio/wav",
                peaks: &STANDARD.encode(&sound.peaks),
            }),
        },
    )
    .await?;
    audit::append(
        &mut tx,
        &report.line,
        Act {
            at: hour(now),
            action: "recording_sealed",
            report: Some(report.id),
            object: Some(recording.id),
            digest: Some(stored.sealed_sha256),
            ..Act::default()
        },
    )
    .await?;
    let over = calls::by_recording(&mut tx, report.id, recording.step)
        .await?
        .is_none_or(|call| call.settled);
    if over {
        let now = service.clock.system_now();
        jobs::enqueue(
            &mut tx,
            crate::clock::random_id(),
            Kind::Delete,
            recording.id,
            now,
        )
        .await?;
    }
    tx.commit().await?;
    service.counters.recordings_sealed.add();
    Ok(())
}
