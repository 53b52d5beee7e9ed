//! The task of one call on a connection: executes commands, waits for events and timers, asks the conversation.

use super::{Waiter, Wire, lock, nameless};
use crate::base::clock;
use crate::base::hidden::Hidden;
use crate::line::number::Caller;
use crate::telephony::asterisk::message::{Channel, Request};
use crate::telephony::asterisk::performance::{
    Command, Happening, Performance, Purpose, Question, Standing,
};
use crate::telephony::asterisk::program::Program;
use crate::telephony::{Conducted, Event, Hook, RecordingFact, RecordingOutcome, StepRef};
use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedReceiver;
use tracing::error;

/// How a call starts on this connection.
pub(super) enum Beginning {
    /// As a new call.
    New,
    /// As a call that was running before: with the program it was performing, and the state of what that waits for.
    Resumed(Box<Program>, Standing),
}

/// A running call.
pub(super) struct Call {
    wire: Arc<Wire>,
    channel: String,
    to: Hidden<String>,
    from: Hidden<String>,
    /// The step whose answer is awaited. `None` before the first program, and while an answer of
    /// `Provider::render_fallback` is performed; the call may be in the database nevertheless.
    at: Option<StepRef>,
    performance: Performance,
}

impl Call {
    pub fn new(wire: Arc<Wire>, channel: Channel) -> Self {
        Self {
            performance: Performance::new(channel.id.clone(), channel.dialled.clone()),
            channel: channel.id,
            to: channel.dialled,
            from: channel.from,
            at: None,
            wire,
        }
    }

    /// Controls the call until it is over.
    pub async fn carry(
        mut self,
        beginning: Beginning,
        mut happenings: UnboundedReceiver<Happening>,
    ) {
        let conductor = Arc::clone(&self.wire.conductor);
        let mut commands: VecDeque<Command> = self.begin(beginning).await.into();
        let mut timer = None;
        loop {
            while let Some(command) = commands.pop_front() {
                match command {
                    Command::Send(purpose, request) => self.send(purpose, &request),
                    Command::Wait(number, after) => timer = Some((number, conductor.sleep(after))),
                    Command::Ask(question) => commands.extend(self.put(question).await),
                    Command::Over => return self.leave(),
                }
            }
            let ring = async {
                match &mut timer {
                    Some((number, sleep)) => {
                        sleep.await;
                        *number
                    }
                    None => pending().await,
                }
            };
            let happening = tokio::select! {
                // Events that have arrived take precedence over a timer that runs out at the same moment.
                biased;
                happening = happenings.recv() => happening,
                number = ring => {
                    timer = None;
                    Some(Happening::Time(number))
                }
            };
            let Some(happening) = happening else {
                return;
            };
            commands.extend(self.performance.happened(happening));
        }
    }

    async fn begin(&mut self, beginning: Beginning) -> Vec<Command> {
        match beginning {
            Beginning::New => {
                let event = self.event();
                let Some(program) = self.conduct(&Hook::Call, &event).await else {
                    return vec![hang_up(&self.channel), Command::Over];
                };
                // The channel is answered only now: the call has been stored, or the fallback answer is played.
                let uri = format!("channels/{}/answer", self.channel);
                let answer = Command::Send(Purpose::Tidy, Request::new("POST", uri));
                self.at.clone_from(&program.at);
                let mut commands = vec![answer];
                commands.extend(self.performance.begin(program));
                commands
            }
            Beginning::Resumed(program, standing) => {
                self.at.clone_from(&program.at);
                let mark = u32::from_be_bytes(clock::random());
                let mark = format!("{mark:08x}");
                self.performance.resume(*program, standing, &mark)
            }
        }
    }

    fn send(&self, purpose: Purpose, request: &Request) {
        if purpose == Purpose::Ring {
            let leg = self.performance.leg();
            lock(&self.wire.legs).insert(leg, self.channel.clone());
        }
        let waiter = Waiter::Call(self.channel.clone(), purpose);
        self.wire.send(request, waiter);
    }

    fn leave(&self) {
        lock(&self.wire.calls).remove(&self.channel);
    }

    /// Puts a question to the conversation, and returns the commands that result from the answer.
    async fn put(&mut self, question: Question) -> Vec<Command> {
        let mut event = self.event();
        let hook = match question {
            Question::Keys(keys) => {
                event.keys = Some(keys);
                self.step(false)
            }
            Question::Recording { name, seconds, end } => {
                let outcome = self.wire.outcome(&name, seconds, Some(end)).await;
                event.recording = outcome.map(|outcome| fact(name, outcome));
                self.step(event.recording.is_none())
            }
            Question::Nothing => self.step(true),
            Question::TalkOver => self.step(false),
            Question::TalkRecorded { name, seconds } => {
                event.recording = self.completed(name, seconds).await;
                self.at.clone().map(|at| Hook::Recording(Some(at)))
            }
            Question::Whisper => {
                event.call = self.performance.leg().into();
                self.at.clone().map(Hook::Whisper)
            }
            Question::Accepted(key) => {
                event.call = self.performance.leg().into();
                event.keys = Some(key.expose().to_string().into());
                self.at.clone().map(Hook::Accepted)
            }
            Question::Ended { recording } => {
                event.ended = true;
                if let Some((name, seconds)) = recording {
                    event.recording = self.completed(name, seconds).await;
                }
                match event.recording {
                    Some(_) => self.step(false),
                    None => Some(Hook::Status),
                }
            }
        };
        let Some(hook) = hook else {
            return vec![hang_up(&self.channel)];
        };
        let answered = self.conduct(&hook, &event).await;
        if event.ended || matches!(hook, Hook::Recording(_)) {
            return Vec::new();
        }
        let Some(program) = answered else {
            return vec![hang_up(&self.channel)];
        };
        if !matches!(hook, Hook::Whisper(_) | Hook::Accepted(_)) {
            self.at.clone_from(&program.at);
        }
        self.performance.answered(program)
    }

    /// Returns where the answer to the step goes; `nothing` if nothing was recorded. Without a step, the recording of a
    /// fallback answer goes to [`Hook::Fallback`], and `None` is returned if there is no recording.
    fn step(&self, nothing: bool) -> Option<Hook> {
        match &self.at {
            Some(at) => {
                let mut at = at.clone();
                at.nothing = nothing.then(|| "1".to_owned());
                Some(Hook::Step(at))
            }
            None if nothing => None,
            None => Some(Hook::Fallback),
        }
    }

    /// Returns a recording of a talk, or one that ended because the caller hung up; `None` when it has no sound.
    async fn completed(&self, name: String, seconds: u32) -> Option<RecordingFact> {
        let outcome = self.wire.outcome(&name, seconds, None).await;
        outcome.map(|outcome| fact(name, outcome))
    }

    fn event(&self) -> Event {
        let mut event = nameless(&self.channel);
        event.to = self.to.clone();
        event.from = Caller::parse(self.from.expose());
        event
    }

    async fn conduct(&self, hook: &Hook, event: &Event) -> Option<Program> {
        let conducted = self.wire.conductor.conduct(hook, event).await;
        let is_written = matches!(conducted, Conducted::Script(_) | Conducted::Noted);
        if event.recording.is_some() && !is_written {
            self.wire.not_noted.notify_one();
        }
        let (Conducted::Script(rendered) | Conducted::Fallback(rendered)) = conducted else {
            return None;
        };
        serde_json::from_str(&rendered.body)
            .inspect_err(|_| {
                error!(
                    provider = self.wire.asterisk.settings.name,
                    "answer is not an Asterisk program; call hung up"
                )
            })
            .ok()
    }
}

fn fact(name: String, outcome: RecordingOutcome) -> RecordingFact {
    RecordingFact {
        id: name.into(),
        outcome,
    }
}

fn hang_up(channel: &str) -> Command {
    let uri = format!("channels/{channel}");
    Command::Send(Purpose::Tidy, Request::new("DELETE", uri))
}
