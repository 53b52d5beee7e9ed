//! Receives a recording that a provider streams while it is spoken: its audio is sealed on its way from the socket to
//! the disk, and the recording is stored in the database when the stream ends. Unsealed audio is not written to
//! the disk; a copy for callers who listen to it is kept in memory.

use super::Unfinished;
use super::sealed::{PEAKS, Sound, read_back, write_down, write_down_lost};
use crate::audio::wav::{UNTIL_THE_END, WavCheck, header};
use crate::base::clock::hour;
use crate::conduct::{self, Arriving, Ended, Outcome};
use crate::register::trail::OfReport;
use crate::service::Service;
use crate::store::recordings;
use crate::telephony::Streams;
use crate::telephony::streams::Stream;
use crate::telephony::streams::listening::{Enough, Heard, Listening, SLACK};
use crate::vault::blobs::{Stored, Writer};
use crate::vault::seal::Recipient;
use bytes::Bytes;
use futures_util::{Stream as Frames, StreamExt};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{error, warn};

/// Maximum number of frames of a stream that wait to be sealed.
const WAITING: usize = 256;
/// Number of bytes that are collected before they are sealed and written: the size of one piece of the cipher, four
/// seconds of audio.
const BATCH: usize = 64 * 1024;
/// Maximum time without a frame, in addition to the silence that ends the stream.
const NO_FRAME: Duration = Duration::from_secs(5);
/// Maximum time without a frame if no silence ends the stream: a talk may be on hold.
const ON_HOLD: Duration = Duration::from_secs(60);
/// Maximum total time of a stream, in addition to its limit and [`SLACK`].
const BEYOND: Duration = Duration::from_secs(30);
/// Number of repeated tries to store a sealed recording in the database after which this is given up if the service is
/// being stopped. Otherwise the tries have no limit, because the recording is complete and this is the only copy. The
/// pauses between the tries grow to 16 s.
const TRIES: u32 = 10;
/// Time after the end of a recording after which its copy in memory is removed. A call counts as over about two hours
/// after it was answered (`watch.rs`).
const MAX_CALL: Duration = Duration::from_secs(3 * 3600);

/// Counts a stream in [`Service::arriving`] while this value exists, because stopping the service waits for running
/// streams.
struct Counted(Arc<Service>);

impl Counted {
    fn new(service: &Arc<Service>) -> Self {
        service.arriving.send_modify(|count| *count += 1);
        Self(Arc::clone(service))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.arriving.send_modify(|count| *count -= 1);
    }
}

/// Receives a stream until it ends or its limits are reached. When this returns, the recording is stored as sealed, as
/// absent if less than a tenth of a second of sound was heard, or as lost. If storing it as lost fails, settling the
/// call does so later.
pub async fn receive(
    service: Arc<Service>,
    provider: Arc<dyn Streams>,
    stream: Stream,
    begun: Arriving,
    frames: impl Frames<Item = Bytes>,
) {
    let _counted = Counted::new(&service);
    if let Err(reason) = sealed(&service, &provider, &stream, &begun, frames).await {
        error!(recording = %begun.recording.id, %reason, "recording lost while it was streamed");
        let lost = async {
            let mut tx = service.db.jobs.begin().await?;
            write_down_lost(&service, &mut tx, begun.recording.id).await?;
            tx.commit().await
        };
        if let Err(error) = lost.await {
            // Settling the call stores it as lost.
            warn!(recording = %begun.recording.id, %error, "loss of a recording could not be stored");
        }
    }
    service.wake.notify_one();
}

async fn sealed(
    service: &Arc<Service>,
    provider: &Arc<dyn Streams>,
    stream: &Stream,
    begun: &Arriving,
    frames: impl Frames<Item = Bytes>,
) -> Result<(), Unfinished> {
    let mut tx = service.db.jobs.begin_read().await?;
    let committed = OfReport::read(&mut tx, &begun.report).await?;
    drop(tx);
    if !committed.has_recipient(&begun.report) {
        return Err(super::unreadable("the report's key"));
    }
    let recipient: Recipient = begun
        .report
        .recipient
        .parse()
        .map_err(|_| super::unreadable("the report's key"))?;
    let writer = service.blobs.writer(&recipient)?;
    let (sender, chunks) = mpsc::channel::<Bytes>(WAITING);
    let at = hour(service.clock.line_now());
    let sealing = tokio::spawn(seal(writer, chunks, at));
    let mut copy = provider.copy(&begun.id);
    let mut listening = Listening::new(stream.max_seconds, stream.silence_seconds);
    let mut frames = pin!(frames);
    let mut closing = service.closing.subscribe();
    let mut telling = None;
    let quiet = match stream.silence_seconds {
        0 => ON_HOLD,
        seconds => NO_FRAME + Duration::from_secs(seconds.into()),
    };
    let all = BEYOND + Duration::from_secs(u64::from(stream.max_seconds) + SLACK);
    let mut all = pin!(tokio::time::sleep(all));
    let ended = loop {
        let frame = tokio::select! {
            frame = tokio::time::timeout(quiet, frames.next()) => frame,
            () = &mut all => break Some(Enough::Limit),
            // An error means that the sender was dropped, because the service has ended.
            _ = closing.wait_for(|closing| *closing) => break None,
        };
        let frame = match frame {
            Ok(Some(frame)) => frame,
            Ok(None) => break None,
            Err(_) => break Some(Enough::Silence),
        };
        let (kept, enough) = listening.frame(&frame);
        let kept = frame.slice(..kept);
        copy.write(&kept);
        // Empty chunks are not sent, because an empty one means the end. An error of `send` means that sealing has
        // failed.
        if !kept.is_empty() && sender.send(kept).await.is_err() {
            break enough;
        }
        if telling.is_none() && listening.heard() == Heard::Speech {
            telling = Some(tell(service, stream));
        }
        if enough.is_some() {
            break enough;
        }
    };
    let heard = listening.heard();
    if heard == Heard::Nothing {
        drop(sender);
        // The empty chunk that means the end was not sent, so the file is not kept.
        let _ = sealing.await;
        return Ok(conduct::nothing_came(service, begun.recording.id).await?);
    }
    copy.write(listening.missing());
    if !listening.missing().is_empty() {
        let _ = sender.send(Bytes::from_static(listening.missing())).await;
    }
    let _ = sender.send(Bytes::new()).await;
    drop(sender);
    let (stored, peaks) = sealing.await??;
    read_back(service, &stored).await?;
    if let Some(telling) = telling {
        // An error of this task does not matter: `written_down` makes the call a report if the task did not.
        let _ = telling.await;
    }
    let outcome = Outcome {
        seconds: u32::try_from(listening.milliseconds() / 1000).unwrap_or(u32::MAX),
        spoken: heard == Heard::Speech,
        ended: ended.map(|enough| match enough {
            Enough::Silence => Ended::Silence,
            Enough::Limit => Ended::Limit,
        }),
    };
    let sound = Sound {
        milliseconds: Some(listening.milliseconds()),
        peaks,
    };
    written_down(service, stream, begun, &stored, &sound, &outcome).await?;
    copy.finish();
    forget_later(provider, &begun.id);
    Ok(())
}

/// Seals chunks of audio, after a WAV header that says "until the end": the header is written before the length is
/// known. An empty chunk means the end; if the channel closes without one, nothing is kept and an error is returned.
/// `at` becomes the time of the file.
///
/// Uses a blocking thread for each batch, and none while waiting for the caller to speak: otherwise as many callers as
/// there are threads would occupy all of them.
async fn seal(
    writer: Writer,
    mut chunks: mpsc::Receiver<Bytes>,
    at: chrono::DateTime<chrono::Utc>,
) -> Result<(Stored, Vec<u8>), Unfinished> {
    // `Listening` has bounded the length already.
    let checker = WavCheck::new(u64::MAX, None);
    let mut sealing = Sealing { writer, checker };
    let mut batch = header(UNTIL_THE_END).to_vec();
    while let Some(chunk) = chunks.recv().await {
        batch.extend_from_slice(&chunk);
        if !chunk.is_empty() && batch.len() < BATCH {
            continue;
        }
        let full = std::mem::take(&mut batch);
        sealing = tokio::task::spawn_blocking(move || sealing.take(&full)).await??;
        if chunk.is_empty() {
            return tokio::task::spawn_blocking(move || sealing.finish(at)).await?;
        }
    }
    Err(Unfinished::Failed("nothing of it is to be kept".into()))
}

/// A recording that is being sealed.
struct Sealing {
    writer: Writer,
    checker: WavCheck,
}

impl Sealing {
    fn take(mut self, audio: &[u8]) -> Result<Self, Unfinished> {
        self.checker
            .feed(audio)
            .map_err(|error| Unfinished::Failed(error.to_string()))?;
        self.writer.write(audio)?;
        Ok(self)
    }

    fn finish(self, at: chrono::DateTime<chrono::Utc>) -> Result<(Stored, Vec<u8>), Unfinished> {
        // This is the only copy of what was said, so the file is kept even if no row comes to refer to it.
        Ok((self.writer.finish(at)?.keep(), self.checker.peaks(PEAKS)))
    }
}

/// Starts a task that makes the call a report, or adds to the earlier one, as soon as speech is heard, because the call
/// may be cut off at any moment. The task logs its error.
fn tell(service: &Arc<Service>, stream: &Stream) -> JoinHandle<()> {
    let (service, stream) = (Arc::clone(service), stream.clone());
    tokio::spawn(async move {
        let told = async {
            let mut tx = service.db.jobs.begin().await?;
            conduct::heard(&service, &mut tx, &stream).await?;
            tx.commit().await
        };
        if let Err(error) = told.await {
            warn!(%error, "speech in a recording could not be stored; trying again when the recording ends");
        }
    })
}

/// Removes the copy in memory after [`MAX_CALL`]. The job that deletes the recording may run on another node, which
/// does not remove this node's copy.
fn forget_later(provider: &Arc<dyn Streams>, recording: &str) {
    let (provider, recording) = (Arc::downgrade(provider), recording.to_owned());
    tokio::spawn(async move {
        tokio::time::sleep(MAX_CALL).await;
        if let Some(provider) = provider.upgrade() {
            provider.forget(&recording);
        }
    });
}

async fn written_down(
    service: &Service,
    stream: &Stream,
    begun: &Arriving,
    stored: &Stored,
    sound: &Sound,
    outcome: &Outcome,
) -> Result<(), Unfinished> {
    for tried in 0.. {
        let written = async {
            let mut tx = service.db.jobs.begin().await?;
            if outcome.spoken {
                conduct::heard(service, &mut tx, stream).await?;
            }
            let (row, report) = (&begun.recording, &begun.report);
            let there = write_down(service, &mut tx, row, report, stored, sound).await?;
            if there {
                let sealed = outcome.seal(service, row.id);
                recordings::set_outcome(&mut tx, row.id, &sealed).await?;
            }
            tx.commit().await?;
            Ok::<_, crate::store::StoreError>(there)
        };
        match written.await {
            Ok(there) => {
                if there {
                    service.metrics.recordings_sealed.inc();
                }
                break;
            }
            Err(error) if tried < TRIES || !*service.closing.borrow() => {
                warn!(recording = %begun.recording.id, %error, "sealed recording could not be stored in the database; trying again");
                tokio::time::sleep(Duration::from_millis(250 << tried.min(6))).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
