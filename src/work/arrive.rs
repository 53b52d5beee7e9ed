//! Takes in a recording while it is spoken: from the socket through the cipher to disk, written down when it ends,
//! however it ends. Nothing of it rests anywhere else.

use super::Unfinished;
use super::sealed::{PEAKS, Sound, read_back, write_down, write_down_lost};
use crate::audio::wav::{UNTIL_THE_END, WavCheck, header};
use crate::base::clock::hour;
use crate::conduct::{self, Arriving, Ended, Outcome};
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

/// Frames that may wait for the disk.
const WAITING: usize = 256;
/// So many bytes are sealed at a time: as much as the cipher seals as one piece, four seconds of audio.
const BATCH: usize = 64 * 1024;
/// How long a stream may send nothing, beyond the silence that ends it.
const NO_FRAME: Duration = Duration::from_secs(5);
/// The same where no silence ends it: a talk that is on hold.
const ON_HOLD: Duration = Duration::from_secs(60);
/// What a stream may take beyond its limit, all in all.
const BEYOND: Duration = Duration::from_secs(30);
/// How often it is tried to write down what is on disk when the service is being stopped, with pauses that grow. Else it
/// is tried for as long as it lives: the recording is whole, and here alone.
const TRIES: u32 = 10;
/// No call lasts that long: a copy of what was said in one is needed no more.
const MAX_CALL: Duration = Duration::from_secs(3 * 3600);

/// Counts a stream as long as it is there: whoever stops the service waits for it.
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

/// Takes in what comes, until it ends or is enough. When this returns it is written down, or it is written down that it
/// was lost.
pub async fn receive(
    service: Arc<Service>,
    provider: Arc<dyn Streams>,
    stream: Stream,
    begun: Arriving,
    frames: impl Frames<Item = Bytes>,
) {
    let _counted = Counted::new(&service);
    if let Err(reason) = sealed(&service, &provider, &stream, &begun, frames).await {
        error!(recording = %begun.recording.id, %reason, "a recording was lost while it was streamed");
        let lost = async {
            let mut tx = service.db.jobs.begin().await?;
            write_down_lost(&service, &mut tx, begun.recording.id).await?;
            tx.commit().await
        };
        if let Err(error) = lost.await {
            // When the call is settled it is found out.
            warn!(%error, "that a recording was lost could not be written down");
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
            // An error means that whoever could say so is gone.
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
        // An empty one would say that this is all. That nobody takes it means that sealing has failed.
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
        // It leaves nothing behind.
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
        // What came of it is seen when all is written down.
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

/// Seals what comes, behind a header that says "until the end": it is written before anybody knows how long it gets. An
/// empty chunk says that all has come; a closed channel alone says that nothing of it is to be kept.
///
/// A thread is taken for each batch, and none while the caller speaks: as many as there are would otherwise be held by
/// as many callers.
async fn seal(
    writer: Writer,
    mut chunks: mpsc::Receiver<Bytes>,
    at: chrono::DateTime<chrono::Utc>,
) -> Result<(Stored, Vec<u8>), Unfinished> {
    // How much may come is bounded before it gets here.
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
        // The only copy of what was said: the file stays, whatever becomes of the row that names it.
        Ok((self.writer.finish(at)?.keep(), self.checker.peaks(PEAKS)))
    }
}

/// The first words make a report, at once: the caller may be cut off in the next moment.
fn tell(service: &Arc<Service>, stream: &Stream) -> JoinHandle<()> {
    let (service, stream) = (Arc::clone(service), stream.clone());
    tokio::spawn(async move {
        let told = async {
            let mut tx = service.db.jobs.begin().await?;
            conduct::heard(&service, &mut tx, &stream).await?;
            tx.commit().await
        };
        if let Err(error) = told.await {
            warn!(%error, "that somebody speaks could not be written down; it is tried again at the end");
        }
    })
}

/// The process that takes a recording in may not be the one that is told to forget it.
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
                let sealed = outcome.seal(service);
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
                warn!(%error, "a recording is on disk and could not be written down; it is tried again");
                tokio::time::sleep(Duration::from_millis(250 << tried.min(6))).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
