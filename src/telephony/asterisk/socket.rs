//! A connection of an Asterisk: what happened goes to the call it happened to, what a call puts to the conversation is
//! conducted, and what is to be done goes back over the same socket.
//!
//! A connection that ends takes nothing with it: calls and recordings go on at Asterisk, and where they stand is in the
//! database. The next connection takes them up, ends those that are gone, and tells of every recording on the disk that
//! nobody was told of.

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

/// How long Asterisk may take to answer a request somebody waits for.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest frame read, in bytes. A list of all channels is the longest there is.
pub const MAX_FRAME: usize = 1024 * 1024;

/// Carries on the calls of a connection until it ends, or a newer one of the same Asterisk takes its place. `frames` are
/// the texts that come in, `out` takes those that go out.
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
                // Once is a connection that was lost unnoticed. Again and again it is two that share a name.
                warn!(provider = wire.asterisk.settings.name, "another connection took this one's place");
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
        // Those that are over already.
        while calls.try_join_next().is_some() {}
    }
    // What a call was doing is cut off here, as the end of the process would cut it off.
    calls.shutdown().await;
    info!(
        provider = wire.asterisk.settings.name,
        "the connection of Asterisk ended"
    );
}

/// Who waits for the answer to a request.
enum Waiter {
    /// A call, which wants to know only when it is refused.
    Call(String, Purpose),
    /// Somebody who reads it.
    Reader(oneshot::Sender<Answer>),
}

/// A connection.
struct Wire {
    asterisk: Arc<Asterisk>,
    conductor: Arc<dyn Conductor>,
    out: mpsc::UnboundedSender<String>,
    /// Frames held back until the connection is ready.
    held: Mutex<Option<Vec<String>>>,
    waiters: Mutex<HashMap<String, Waiter>>,
    requests: AtomicU64,
    /// The calls being carried on, by their channel.
    calls: Mutex<HashMap<String, mpsc::UnboundedSender<Happening>>>,
    /// Channels of those who are rung, and the caller's each belongs to.
    legs: Mutex<HashMap<String, String>>,
    /// Told when a recording could not be noted, because the database did not answer.
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

    // --- what comes in -------------------------------------------------------------------------------

    fn event(self: &Arc<Self>, event: Event, tasks: &mut JoinSet<()>) {
        match event {
            Event::Ready => {
                info!(
                    provider = self.asterisk.settings.name,
                    "Asterisk is connected"
                );
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
                    warn!(
                        playback,
                        "Asterisk could not play a sound; can it read the folder?"
                    );
                }
                // Playbacks are told by their own id alone, and that names a call of ours, not a channel.
                for call in lock(&self.calls).values() {
                    let _ = call.send(Happening::PlayedOut(playback.clone()));
                }
            }
            Event::Recorded(recorded) => {
                let Some(name) = RecordingName::parse(&recorded.name) else {
                    return;
                };
                // Its call was over before: nobody else would tell of it.
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
                // Whoever had it rung is gone.
                self.hang_up(&channel.id);
            }
            return;
        }
        if !super::is_channel(&channel.id) {
            return warn!("a channel's id is none that can be worked with");
        }
        self.carry_on(channel, Beginning::New, tasks);
    }

    /// Carries a call on in a task of its own, unless it is carried on already.
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

    /// Tells a call what happened; false when there is no such call here.
    fn tell(&self, channel: &str, happening: Happening) -> bool {
        let calls = lock(&self.calls);
        calls
            .get(channel)
            .is_some_and(|call| call.send(happening).is_ok())
    }

    // --- what goes out -------------------------------------------------------------------------------

    fn put_out(&self, frame: String) {
        if let Some(held) = lock(&self.held).as_mut() {
            held.push(frame);
            return;
        }
        // Nobody takes it when the connection is ending: then it is as if the process had ended before.
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
                    ?purpose,
                    status = answer.status,
                    "Asterisk refused a request"
                );
                if purpose != Purpose::Tidy {
                    self.tell(&channel, Happening::Refused(purpose, answer.status));
                }
            }
            Some(Waiter::Reader(reader)) => {
                // Whoever asked may have stopped waiting.
                let _ = reader.send(answer);
            }
            Some(Waiter::Call(..)) | None => {}
        }
    }

    /// Asks Asterisk something. None when it does not answer.
    async fn read(&self, uri: &str) -> Option<Answer> {
        let (sender, answer) = oneshot::channel();
        self.send(&Request::new("GET", uri), Waiter::Reader(sender));
        tokio::select! {
            answer = answer => answer.ok(),
            () = self.conductor.sleep(PATIENCE) => None,
        }
    }

    // --- the conversation ----------------------------------------------------------------------------

    /// Notes a recording that is on the disk, whatever call it was of. False when it could not be written down.
    async fn note_recording(&self, name: &RecordingName, recorded: &Recorded) -> bool {
        let Some(outcome) = self.outcome(&recorded.name, recorded.seconds, None).await else {
            return true;
        };
        let mut event = nameless(&name.channel);
        event.recording = Some(RecordingFact {
            id: recorded.name.clone().into(),
            outcome,
        });
        // Without a call of ours the name has what was dialled where the line stands.
        if name.at.call.is_nil() {
            event.to = name.at.line.clone().into();
        }
        let hook = Hook::Recording(Some(name.at.clone()));
        self.conductor.conduct(&hook, &event).await != Conducted::Unavailable
    }

    /// What a recording is. None when there is no sound in it at all: then its file holds nothing but a header, and is
    /// removed.
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
                // Nothing was recorded, so there is nothing to lose: no sound ever was in this file.
                if let Err(error) = self.asterisk.delete_recording(name).await {
                    debug!(%error, "an empty recording could not be removed");
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

/// An event about a call, saying nothing yet.
fn nameless(channel: &str) -> telephony::Event {
    telephony::Event {
        call: channel.to_owned().into(),
        ..telephony::Event::nothing()
    }
}
