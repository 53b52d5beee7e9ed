//! A connection of an Asterisk: events are dispatched to the calls they belong to, the calls' questions are put to the
//! conversation, and commands go back over the same socket.
//!
//! When a connection ends, calls and recordings continue at Asterisk, and the state of the calls is in the database.
//! Events until the next connection, such as keys, are lost. The next connection resumes the calls, ends those that are
//! gone, and reports every recording on the disk; one that was reported before changes nothing.

mod call;
mod resume;

use super::Asterisk;
use super::message::{self, Answer, Channel, Event, Message, Recorded, Request};
use super::performance::{Happening, Purpose};
use super::program::RecordingName;
use crate::telephony::{self, Conducted, Conductor, Hook, RecordingFact, RecordingOutcome};
use call::Beginning;
use futures_util::{Stream, StreamExt};
use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

/// Maximum time for Asterisk to answer a request whose answer is awaited.
const PATIENCE: Duration = Duration::from_secs(5);
/// Maximum size of a frame, in bytes. The longest frame is a list of all channels.
pub const MAX_FRAME: usize = 1024 * 1024;

/// Controls the calls of a connection until it ends or a newer connection of the same Asterisk replaces it. `frames`
/// are the text frames received, `out` accepts the frames to send.
pub async fn carry(
    asterisk: Arc<Asterisk>,
    conductor: Arc<dyn Conductor>,
    frames: impl Stream<Item = String>,
    out: mpsc::UnboundedSender<String>,
) {
    let mut newest = asterisk.connection.subscribe();
    asterisk.connection.send_modify(|count| *count += 1);
    let own = *newest.borrow_and_update();
    let wire = Arc::new(Wire::new(asterisk, conductor, out));
    let mut calls = JoinSet::new();
    let mut frames = pin!(frames);
    loop {
        let frame = tokio::select! {
            frame = frames.next() => frame,
            _ = newest.wait_for(|count| *count != own) => {
                // If this happens once, the loss of the older connection was not noticed. If it happens repeatedly, two
                // Asterisks use the same name.
                warn!(provider = wire.asterisk.settings.name, "connection replaced by a newer one");
                None
            }
        };
        let Some(frame) = frame else {
            break;
        };
        match message::read(&frame) {
            Some(Message::Answer(answer)) => wire.answer(answer),
            Some(Message::Event(event)) => wire.event(event, &mut calls),
            None => {}
        }
        // Remove the tasks that have finished.
        while calls.try_join_next().is_some() {}
    }
    // The tasks of the calls are aborted here, as the end of the process would abort them.
    calls.shutdown().await;
    info!(
        provider = wire.asterisk.settings.name,
        "Asterisk connection ended"
    );
}

/// What to do with the answer to a request.
enum Waiter {
    /// Send [`Happening::Refused`] to the call on this channel if the status is 400 or higher and the purpose is not
    /// [`Purpose::Tidy`].
    Call(String, Purpose),
    /// Send the answer to the task that waits for it.
    Reader(oneshot::Sender<Answer>),
}

/// A connection.
struct Wire {
    asterisk: Arc<Asterisk>,
    conductor: Arc<dyn Conductor>,
    out: mpsc::UnboundedSender<String>,
    /// Frames held back until [`Event::Ready`]; `None` from then on.
    held: Mutex<Option<Vec<String>>>,
    waiters: Mutex<HashMap<String, Waiter>>,
    requests: AtomicU64,
    /// Senders of events to the running calls, by channel.
    calls: Mutex<HashMap<String, mpsc::UnboundedSender<Happening>>>,
    /// Channels of called inspectors, each with the caller's channel.
    legs: Mutex<HashMap<String, String>>,
    /// Notified when a recording could not be stored, so that the recordings on the disk are listed again.
    not_noted: Notify,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Wire {
    fn new(
        asterisk: Arc<Asterisk>,
        conductor: Arc<dyn Conductor>,
        out: mpsc::UnboundedSender<String>,
    ) -> Self {
        Self {
            asterisk,
            conductor,
            out,
            held: Mutex::new(Some(Vec::new())),
            waiters: Mutex::default(),
            requests: AtomicU64::new(0),
            calls: Mutex::default(),
            legs: Mutex::default(),
            not_noted: Notify::new(),
        }
    }

    // --- incoming messages ---------------------------------------------------------------------------

    fn event(self: &Arc<Self>, event: Event, tasks: &mut JoinSet<()>) {
        match event {
            Event::Ready => {
                info!(provider = self.asterisk.settings.name, "Asterisk connected");
                for frame in lock(&self.held).take().unwrap_or_default() {
                    self.put_out(frame);
                }
                tasks.spawn(resume::resume_calls(Arc::clone(self)));
            }
            Event::Started { channel, arguments } => self.started(channel, &arguments, tasks),
            Event::Ended(channel) => match lock(&self.legs).remove(&channel) {
                Some(caller) => {
                    self.tell(&caller, Happening::LegGone);
                }
                None => {
                    self.tell(&channel, Happening::Gone);
                }
            },
            Event::HangsUp(channel) => {
                self.tell(&channel, Happening::HangsUp);
            }
            Event::Key { channel, key } => match lock(&self.legs).get(&channel).cloned() {
                Some(caller) => {
                    self.tell(&caller, Happening::LegKey(key));
                }
                None => {
                    self.tell(&channel, Happening::Key(key));
                }
            },
            Event::PlayedOut { playback, failed } => {
                if failed {
                    // Without the playback's id, which may hold the channel's.
                    warn!(
                        provider = self.asterisk.settings.name,
                        "Asterisk could not play a sound; can it read the folder?"
                    );
                }
                // The playback's id does not tell on which channel it was played, so every call gets the event.
                for call in lock(&self.calls).values() {
                    let _ = call.send(Happening::PlayedOut(playback.clone()));
                }
            }
            Event::Recorded(recorded) => {
                let Some(name) = RecordingName::parse(&recorded.name) else {
                    return;
                };
                // If the call is over, it does not report the recording, so the recording is noted here.
                if !self.tell(&name.channel, Happening::Recorded(recorded.clone())) {
                    let wire = Arc::clone(self);
                    tasks.spawn(async move {
                        if !wire.note_recording(&name, &recorded).await {
                            wire.not_noted.notify_one();
                        }
                    });
                }
            }
            Event::NotRecorded(recording) => {
                if let Some(name) = RecordingName::parse(&recording) {
                    self.tell(&name.channel, Happening::NotRecorded(recording));
                }
            }
        }
    }

    fn started(self: &Arc<Self>, channel: Channel, arguments: &[String], tasks: &mut JoinSet<()>) {
        if arguments.first().is_some_and(|word| word == super::RUNG) {
            let caller = lock(&self.legs).get(&channel.id).cloned();
            if !caller.is_some_and(|caller| self.tell(&caller, Happening::LegUp)) {
                // The call that this telephone was dialled for is over or not known here.
                self.hang_up(&channel.id);
            }
            return;
        }
        if !super::is_channel(&channel.id) {
            return warn!(
                provider = self.asterisk.settings.name,
                "channel ignored: its id is too long or contains characters that are not allowed"
            );
        }
        self.carry_on(channel, Beginning::New, tasks);
    }

    /// Starts a task that controls a call, unless one is running already.
    fn carry_on(self: &Arc<Self>, channel: Channel, beginning: Beginning, tasks: &mut JoinSet<()>) {
        if let Some(task) = self.prepare(channel, beginning) {
            tasks.spawn(task);
        }
    }

    fn prepare(
        self: &Arc<Self>,
        channel: Channel,
        beginning: Beginning,
    ) -> Option<impl Future<Output = ()> + use<>> {
        let mut calls = lock(&self.calls);
        if calls.contains_key(&channel.id) {
            return None;
        }
        let (sender, happenings) = mpsc::unbounded_channel();
        calls.insert(channel.id.clone(), sender);
        let call = call::Call::new(Arc::clone(self), channel);
        Some(call.carry(beginning, happenings))
    }

    /// Sends an event to a call; false when no such call is running here.
    fn tell(&self, channel: &str, happening: Happening) -> bool {
        let calls = lock(&self.calls);
        calls
            .get(channel)
            .is_some_and(|call| call.send(happening).is_ok())
    }

    // --- outgoing messages ---------------------------------------------------------------------------

    fn put_out(&self, frame: String) {
        if let Some(held) = lock(&self.held).as_mut() {
            held.push(frame);
            return;
        }
        // Sending fails while the connection is ending. The frame is then lost, as if the process had ended before.
        let _ = self.out.send(frame);
    }

    fn send(&self, request: &Request, waiter: Waiter) {
        let id = self.requests.fetch_add(1, Ordering::Relaxed).to_string();
        let frame = request.frame(&id);
        lock(&self.waiters).insert(id, waiter);
        self.put_out(frame);
    }

    fn hang_up(&self, channel: &str) {
        let request = Request::new("DELETE", format!("channels/{channel}"));
        let waiter = Waiter::Call(channel.to_owned(), Purpose::Tidy);
        self.send(&request, waiter);
    }

    fn answer(&self, answer: Answer) {
        let waiter = lock(&self.waiters).remove(&answer.id);
        match waiter {
            Some(Waiter::Call(channel, purpose)) if answer.status >= 400 => {
                debug!(
                    provider = self.asterisk.settings.name,
                    ?purpose,
                    status = answer.status,
                    "Asterisk refused a request"
                );
                if purpose != Purpose::Tidy {
                    self.tell(&channel, Happening::Refused(purpose, answer.status));
                }
            }
            Some(Waiter::Reader(reader)) => {
                // The task that asked may have stopped waiting.
                let _ = reader.send(answer);
            }
            Some(Waiter::Call(..)) | None => {}
        }
    }

    /// Requests `uri` with `GET` and waits for the answer; `None` when there is none within [`PATIENCE`].
    async fn read(&self, uri: &str) -> Option<Answer> {
        let (sender, answer) = oneshot::channel();
        self.send(&Request::new("GET", uri), Waiter::Reader(sender));
        tokio::select! {
            answer = answer => answer.ok(),
            () = self.conductor.sleep(PATIENCE) => None,
        }
    }

    // --- recordings ----------------------------------------------------------------------------------

    /// Notes a recording on the disk, whatever call it belongs to. False when it could not be stored; true also when it
    /// has no sound and need not be stored.
    async fn note_recording(&self, name: &RecordingName, recorded: &Recorded) -> bool {
        let Some(outcome) = self.outcome(&recorded.name, recorded.seconds, None).await else {
            return true;
        };
        let mut event = nameless(&name.channel);
        event.recording = Some(RecordingFact {
            id: recorded.name.clone().into(),
            outcome,
        });
        // The recording of a fallback answer has the number dialled in place of the line in its name.
        if name.at.call.is_nil() {
            event.to = name.at.line.clone().into();
        }
        let hook = Hook::Recording(Some(name.at.clone()));
        self.conductor.conduct(&hook, &event).await != Conducted::Unavailable
    }

    /// Determines the outcome of a recording of `seconds` (0 if unknown); the file of one of at most a second is
    /// examined. It can be [`RecordingOutcome::Silent`] only if silence ended it (`end`). `None` when it has no sound
    /// at all: its file is only a header then, and is deleted.
    async fn outcome(
        &self,
        name: &str,
        seconds: u32,
        end: Option<crate::call::script::RecordingEnd>,
    ) -> Option<RecordingOutcome> {
        use crate::call::script::RecordingEnd;
        let completed = RecordingOutcome::Completed {
            seconds: (seconds > 0).then_some(seconds),
            end,
        };
        if seconds > 1 {
            return Some(completed);
        }
        match self.asterisk.short_sound(name).await {
            Some(0) => {
                // The file has no sound, so deleting it loses nothing.
                if let Err(error) = self.asterisk.delete_recording(name).await {
                    debug!(
                        provider = self.asterisk.settings.name,
                        %error,
                        "empty recording could not be deleted"
                    );
                }
                None
            }
            Some(length)
                if super::ari::is_nothing(length) && end == Some(RecordingEnd::Silence) =>
            {
                Some(RecordingOutcome::Silent)
            }
            _ => Some(completed),
        }
    }
}

/// An event about a call, without further content.
fn nameless(channel: &str) -> telephony::Event {
    telephony::Event {
        call: channel.to_owned().into(),
        ..telephony::Event::nothing()
    }
}
