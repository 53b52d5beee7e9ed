//! Fetches a recording: it is sealed on its way from the provider to the disk, checked meanwhile, read back, and stored
//! in the database. Also gives up recordings that cannot be fetched.

use super::sealed::{PEAKS, Sound, read_back, write_down};
use super::{Claimed, Unfinished, own_folder, unreadable};
use crate::audio::wav::{LARGEST, Wav, WavCheck};
use crate::base::clock::Clock;
use crate::base::clock::hour;
use crate::members::{MemberError, rights};
use crate::register::trail::OfReport;
use crate::service::{ProviderRef, Service};
use crate::store::audit::{self, Act};
use crate::store::columns::{RecordingState, StoredKind};
use crate::store::jobs::{self, Kind};
use crate::store::members::Member;
use crate::store::recordings::{self, RecordingRow};
use crate::store::reports::{self, Report};
use crate::store::{Db, calls};
use crate::telephony::{Download, ProviderError};
use crate::vault::action::Action;
use crate::vault::blobs::Finished;
use crate::vault::seal::Recipient;
use crate::vault::signing::Signer;
use bytes::Bytes;
use futures_util::StreamExt;
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::mpsc;
use uuid::Uuid;

pub(super) async fn run(service: &Arc<Service>, job: &Claimed) -> Result<(), Unfinished> {
    let mut tx = service.db.jobs.begin_read().await?;
    let recording = recordings::get(&mut tx, job.row.subject).await?;
    let report = match &recording {
        Some(recording) => reports::get(&mut tx, recording.report).await?,
        None => None,
    };
    // A row that was written with the service secret has a MAC that holds; the link of the answered call came first.
    if let Some(report) = &report
        && !OfReport::read(&mut tx, report).await?.has_recipient(report)
    {
        return Err(unreadable("the report's key"));
    }
    drop(tx);
    let (Some(recording), Some(report)) = (recording, report) else {
        return finish_empty(service, job).await;
    };
    if recording.state != RecordingState::Announced {
        return finish_empty(service, job).await;
    }
    own_folder(service).await?;
    let source = recording
        .sid
        .as_ref()
        .and_then(|sid| service.open_sid(recording.id, sid))
        .ok_or_else(|| unreadable("the recording's id"))?;
    let (finished, wav, peaks) = download(service, &source, &report).await?;
    read_back(service, finished.stored()).await?;
    let sound = Sound {
        milliseconds: wav.duration_ms,
        peaks,
    };
    commit(service, job, &recording, &report, finished, &sound).await
}

async fn finish_empty(service: &Service, job: &Claimed) -> Result<(), Unfinished> {
    let mut tx = service.db.jobs.begin().await?;
    job.done(&mut tx).await?;
    Ok(tx.commit().await?)
}

/// Downloads a recording from the provider through the checker and the cipher to disk. If the provider is slower than
/// [`Service::slowest`], or sends anything but a complete WAV file, nothing is kept and an error is returned.
async fn download(
    service: &Arc<Service>,
    source: &ProviderRef,
    report: &Report,
) -> Result<(Finished, Wav, Vec<u8>), Unfinished> {
    let provider = service.provider_that_knows(source)?;
    let recipient: Recipient = report
        .recipient
        .parse()
        .map_err(|_| unreadable("the report's key"))?;
    let slowest = service.slowest;
    let too_slow = || {
        Unfinished::Failed(format!(
            "the provider sent less than {} bytes in {} s",
            slowest.bytes,
            slowest.time.as_secs_f32()
        ))
    };
    let mut window = pin!(tokio::time::sleep(slowest.time));
    let Download { length, mut body } = tokio::select! {
        download = provider.fetch(&source.id) => download?,
        () = &mut window => return Err(too_slow()),
    };
    let mut writer = service.blobs.writer(&recipient)?;
    let (sender, mut chunks) = mpsc::channel::<Bytes>(8);
    let at = hour(service.clock.line_now());
    let sealing = tokio::task::spawn_blocking(move || {
        let mut checker = WavCheck::new(LARGEST, length);
        while let Some(chunk) = chunks.blocking_recv() {
            // An empty chunk means that the body is complete; a closed channel alone means that it is not.
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
    let mut in_window = 0;
    loop {
        let chunk = tokio::select! {
            chunk = body.next() => chunk,
            () = &mut window => {
                if in_window < slowest.bytes {
                    return Err(too_slow());
                }
                in_window = 0;
                window.set(tokio::time::sleep(slowest.time));
                continue;
            }
        };
        let Some(chunk) = chunk else { break };
        let chunk = chunk?;
        in_window += chunk.len() as u64;
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
    finished: Finished,
    sound: &Sound,
) -> Result<(), Unfinished> {
    let mut tx = service.db.jobs.begin().await?;
    // Until `keep`, an error drops `finished`, which deletes the file: no row refers to it.
    let stored = *finished.stored();
    let there = write_down(service, &mut tx, recording, report, &stored, sound).await?;
    // The job comes after the call and the recording, because webhooks lock them in that order.
    job.done(&mut tx).await?;
    if !there {
        // The recording is not expected any more, for example because the provider has said meanwhile that there is
        // none: no row will refer to the file, which is deleted.
        return Ok(tx.commit().await?);
    }
    // A commit that returns an error may have succeeded all the same.
    finished.keep();
    tx.commit().await?;
    service.metrics.recordings_sealed.inc();
    Ok(())
}

/// Result of giving up a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenUp {
    /// The recording counts as lost now.
    Yes,
    /// There is no such job, it does not fetch a recording that is still expected, or the lead holds no key of the
    /// recording's line.
    NoSuchJob,
    /// The recording was not given up: the last try did not show that the provider no longer has it, and `anyway` is
    /// false.
    MayBeThere,
}

/// Gives up a recording that the provider no longer has or, with `anyway`, may still have. `job` is the id of the job
/// that fetches it; it is removed. The recording counts as lost. A link in the trail names the lead and, as for all
/// acts of members, the exact time.
///
/// # Errors
///
/// Returns [`MemberError::NoLead`] when the member is no lead or is locked out, or when their password was changed
/// since `lead` was read. Also when the database fails.
pub async fn give_up(
    db: &Db,
    clock: &Clock,
    (lead, signer): (&Member, Signer),
    job: Uuid,
    anyway: bool,
) -> Result<GivenUp, MemberError> {
    let mut tx = db.begin().await?;
    tx.sign_as(signer);
    rights::acting(&mut tx, lead).await?;
    let (recording, reason) = match jobs::get(&mut tx, job).await? {
        Some((StoredKind::Known(Kind::Fetch), recording, reason)) => (recording, reason),
        _ => return Ok(GivenUp::NoSuchJob),
    };
    let Some(row) = recordings::get(&mut tx, recording).await? else {
        return Ok(GivenUp::NoSuchJob);
    };
    let report = reports::get(&mut tx, row.report).await?;
    let own = rights::lines_of(&mut tx, lead.id).await?;
    let Some(report) = report.filter(|report| own.contains(&report.line)) else {
        return Ok(GivenUp::NoSuchJob);
    };
    if !anyway && reason != Some(ProviderError::NotFound.to_string()) {
        return Ok(GivenUp::MayBeThere);
    }
    // In the order in which webhooks lock them.
    calls::by_recording(&mut tx, report.id, row.step).await?;
    reports::lock(&mut tx, report.id).await?;
    if !recordings::give_up(&mut tx, recording, RecordingState::Lost).await? {
        return Ok(GivenUp::NoSuchJob);
    }
    // Another call that named the same recording need not wait for this one any more.
    recordings::forget_source(&mut tx, recording).await?;
    let act = Act {
        actor: Some(&lead.name),
        report: Some(report.id),
        object: Some(recording),
        ..Act::new(clock.line_now(), Action::RecordingGivenUp)
    };
    audit::append(&mut tx, &report.line, act);
    jobs::cancel(&mut tx, Kind::Fetch, recording).await?;
    tx.commit().await?;
    Ok(GivenUp::Yes)
}
