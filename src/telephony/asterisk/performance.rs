//! The state machine of one call on the switch: events go in, commands come out.
//!
//! A program is performed as follows: its sounds are played; then keys, speech or a roster member are waited for; the
//! result is put to the conversation, which answers with the next program. There is no I/O and no clock here: timers
//! are requested with a command and run out as an event.

mod roster;

use super::message::{Recorded, Request};
use super::program::{Program, RecordingName, Sound, Then};
use crate::base::hidden::Hidden;
use crate::call::script::RecordingEnd;
use roster::Talk;
use serde_json::json;
use std::time::Duration;

/// Time after the limit of a recording at which this service stops it, if Asterisk has not.
const OVERDUE: Duration = Duration::from_secs(15);
/// Time to wait, after the caller's channel is gone, for the event that reports the recording.
const LATE: Duration = Duration::from_secs(5);
/// Time to wait, after this service hung up a channel, for the event that the channel is gone. Then it counts as gone.
const FAREWELL: Duration = Duration::from_secs(15);

/// An event in a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The caller pressed a key.
    Key(Hidden<char>),
    /// The playback with this id ended; it may be that of another call.
    PlayedOut(String),
    /// A recording of this call has ended.
    Recorded(Recorded),
    /// The recording of this call with this name failed.
    NotRecorded(String),
    /// A hang-up of the caller's channel was requested. The event about the running recording, if any, follows.
    HangsUp,
    /// The caller's channel is gone.
    Gone,
    /// The called inspector answered.
    LegUp,
    /// The called inspector pressed a key.
    LegKey(Hidden<char>),
    /// The called inspector's channel is gone, or the telephone was not answered.
    LegGone,
    /// The switch refused a request with this purpose, with this HTTP status code.
    Refused(Purpose, u16),
    /// The timer with this number ran out.
    Time(u32),
}

/// Purpose of a request, which determines how its refusal is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Play to the caller.
    Play,
    /// Record the caller.
    Record,
    /// Dial a roster member.
    Ring,
    /// Connect the caller and the called inspector.
    Bridge,
    /// Any other request, e.g. to hang up, to stop a playback, or to play to the called inspector. A refusal is
    /// ignored: what is to end has ended already, or the call goes on without it.
    Tidy,
}

/// A command that results from an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Send a request to the switch.
    Send(Purpose, Request),
    /// Start the timer with this number, to run out after this duration. It replaces the call's former timer.
    Wait(u32, Duration),
    /// Put a question to the conversation.
    Ask(Question),
    /// The call is over, and everything about it has been reported.
    Over,
}

/// A question to the conversation. If it has an answer, [`Performance::answered`] is called with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// The step's answer: keys, or none. Answered with the next program.
    Keys(Hidden<String>),
    /// The step's answer: a recording. Answered with the next program.
    Recording {
        /// The recording's name.
        name: String,
        /// Its duration in whole seconds, rounded down; 0 also if unknown.
        seconds: u32,
        /// How it ended.
        end: RecordingEnd,
    },
    /// The step's answer: the recording failed. Answered with the next program.
    Nothing,
    /// The step's answer: the talk with the inspector is over, or did not take place. Answered with the next program.
    TalkOver,
    /// The talk was recorded. Has no answer.
    TalkRecorded {
        /// The recording's name.
        name: String,
        /// Its duration in whole seconds, rounded down; 0 also if unknown.
        seconds: u32,
    },
    /// What to play to the called inspector. Answered with a program for the inspector's channel.
    Whisper,
    /// The called inspector pressed this key. Answered with [`Then::Bridge`] or [`Then::HangUp`].
    Accepted(Hidden<char>),
    /// The call is over. Has no answer.
    Ended {
        /// Name and whole seconds (0 if unknown) of the recording that was running when the caller hung up. `None` if
        /// there was none, or if Asterisk did not report it within 5 s; it is then found on the disk.
        recording: Option<(String, u32)>,
    },
}

/// Stage of a performance.
#[derive(Debug)]
enum Stage {
    /// Sounds are playing.
    Playing,
    /// Waiting for keys.
    Keys,
    /// Speech is being recorded.
    Recording,
    /// A roster member is being dialled, or speaks with the caller.
    Talk(Talk),
    /// Waiting for the conversation's answer.
    Asking,
    /// This service hung up the caller's channel, and waits for the event that it is gone.
    Leaving,
    /// The call is over.
    Over,
}

/// A running call.
#[derive(Debug)]
pub struct Performance {
    channel: String,
    dialled: Hidden<String>,
    program: Program,
    stage: Stage,
    keys: String,
    /// Number of the current timer; a timer with another number is ignored when it runs out.
    timer: u32,
    /// True if the caller pressed `#` while being recorded.
    hash: bool,
    hangs_up: bool,
    gone: bool,
    /// Id of the playback of a resumed program; `None` for any other. It differs from the regular id, because the
    /// playback from before the interruption may still be running.
    again: Option<String>,
}

impl Performance {
    /// Creates the performance of a call on this channel to this number, before its first program.
    pub fn new(channel: String, dialled: Hidden<String>) -> Self {
        Self {
            channel,
            dialled,
            program: Program {
                at: None,
                play: Vec::new(),
                then: Then::HangUp,
            },
            stage: Stage::Asking,
            keys: String::new(),
            timer: 0,
            hash: false,
            hangs_up: false,
            gone: false,
            again: None,
        }
    }

    /// Starts a program.
    pub fn begin(&mut self, program: Program) -> Vec<Command> {
        self.again = None;
        self.start(program)
    }

    fn start(&mut self, program: Program) -> Vec<Command> {
        self.program = program;
        self.keys.clear();
        self.hash = false;
        self.stage = Stage::Playing;
        if self.program.play.is_empty() {
            return self.after_playing();
        }
        let uri = format!("channels/{}/play", self.channel);
        let media: Vec<String> = self.program.play.iter().map(|s| self.media(s)).collect();
        let body = json!({ "media": media, "playbackId": self.words() });
        vec![Command::Send(
            Purpose::Play,
            Request::with("POST", uri, body),
        )]
    }

    /// Resumes a program that was being performed when the service or the connection ended. `standing` is the state of
    /// the recording or talk that the program waits for; a talk that is not running is over. Otherwise the sounds are
    /// played from the start, under an id that contains `mark`: with the id of the playback from before, which may
    /// still be running, Asterisk would play them twice.
    pub fn resume(&mut self, program: Program, standing: Standing, mark: &str) -> Vec<Command> {
        match (&program.then, standing) {
            (Then::Record { .. }, Standing::Running) => {
                self.program = program;
                self.stage = Stage::Recording;
                self.recording_timer()
            }
            (Then::Record { .. }, Standing::Done) => {
                self.program = program;
                let name = self.recording_name().to_string();
                self.ask(Question::Recording {
                    name,
                    seconds: 0,
                    end: RecordingEnd::Silence,
                })
            }
            (
                Then::Connect {
                    max_seconds: seconds,
                    ..
                },
                Standing::Talking,
            ) => {
                let limit = Duration::from_secs((*seconds).into());
                self.program = program;
                self.stage = Stage::Talk(Talk::Speaking);
                vec![self.wait(limit)]
            }
            // The function `resume_calls` hangs up the leg; whether the inspector had accepted is in the database.
            (Then::Connect { .. }, _) => {
                self.program = program;
                self.ask(Question::TalkOver)
            }
            _ => {
                self.program = program.clone();
                let mut commands = vec![self.stop_words()];
                self.again = Some(self.id(&format!("words-{mark}")));
                commands.extend(self.start(program));
                commands
            }
        }
    }

    /// Processes an event.
    pub fn happened(&mut self, happening: Happening) -> Vec<Command> {
        match happening {
            Happening::Gone if matches!(self.stage, Stage::Recording) => return self.left_behind(),
            Happening::Gone => return self.gone(None),
            Happening::HangsUp => {
                self.hangs_up = true;
                return Vec::new();
            }
            Happening::Time(timer) if timer != self.timer => return Vec::new(),
            // 404: the channel no longer exists, so no further event about it will come.
            Happening::Refused(Purpose::Play | Purpose::Record, 404) => return self.gone(None),
            _ => {}
        }
        match &self.stage {
            Stage::Playing => self.while_playing(happening),
            Stage::Keys => match happening {
                Happening::Key(key) => self.key(*key.expose()),
                Happening::Time(_) => self.keys_done(),
                _ => Vec::new(),
            },
            Stage::Recording => self.while_recording(happening),
            Stage::Talk(_) => self.in_talk(happening),
            Stage::Leaving => match happening {
                Happening::Time(_) | Happening::Refused(..) => self.gone(None),
                _ => Vec::new(),
            },
            Stage::Asking | Stage::Over => Vec::new(),
        }
    }

    /// Processes the conversation's answer.
    pub fn answered(&mut self, program: Program) -> Vec<Command> {
        match self.stage {
            Stage::Talk(_) => self.told_in_talk(program),
            Stage::Over => Vec::new(),
            _ => self.begin(program),
        }
    }

    /// Returns the name of the recording that the program makes.
    pub fn recording_name(&self) -> RecordingName {
        RecordingName::new(
            self.program.at.as_ref(),
            &self.channel,
            self.dialled.expose(),
        )
    }

    /// Returns the channel id of the roster member whom the program dials.
    pub fn leg(&self) -> String {
        self.id("leg")
    }

    fn id(&self, what: &str) -> String {
        self.program.id(&self.channel, what)
    }

    fn media(&self, sound: &Sound) -> String {
        match sound {
            Sound::File(file) => format!("sound:{file}"),
            Sound::Take(step) => format!("recording:{}", self.recording_name().of_step(*step)),
        }
    }

    fn wait(&mut self, after: Duration) -> Command {
        self.timer += 1;
        Command::Wait(self.timer, after)
    }

    fn ask(&mut self, question: Question) -> Vec<Command> {
        self.timer += 1;
        self.stage = Stage::Asking;
        vec![Command::Ask(question)]
    }

    // --- sounds --------------------------------------------------------------------------------------

    fn while_playing(&mut self, happening: Happening) -> Vec<Command> {
        match happening {
            Happening::Key(key) if matches!(self.program.then, Then::Keys { .. }) => {
                let mut commands = vec![self.stop_words()];
                commands.extend(self.key(*key.expose()));
                commands
            }
            Happening::PlayedOut(id) if id == self.words() => self.after_playing(),
            // If the switch refuses to play the sounds, the call goes on as if they had been played.
            Happening::Refused(Purpose::Play, _) => self.after_playing(),
            _ => Vec::new(),
        }
    }

    fn words(&self) -> String {
        self.again.clone().unwrap_or_else(|| self.id("words"))
    }

    fn stop_words(&self) -> Command {
        stop(&self.words())
    }

    fn stop_playing(&self, what: &str) -> Command {
        stop(&self.id(what))
    }

    fn after_playing(&mut self) -> Vec<Command> {
        match self.program.then {
            Then::Keys { seconds, .. } => {
                self.stage = Stage::Keys;
                vec![self.wait(Duration::from_secs(seconds.into()))]
            }
            Then::Record {
                max_seconds,
                silence_seconds,
            } => self.record(max_seconds, silence_seconds),
            Then::Connect { .. } => self.ring(),
            Then::Bridge | Then::HangUp => {
                self.stage = Stage::Leaving;
                vec![self.hang_up(&self.channel), self.wait(FAREWELL)]
            }
        }
    }

    fn hang_up(&self, channel: &str) -> Command {
        let uri = format!("channels/{channel}");
        Command::Send(Purpose::Tidy, Request::new("DELETE", uri))
    }

    // --- keys ----------------------------------------------------------------------------------------

    fn key(&mut self, key: char) -> Vec<Command> {
        let Then::Keys {
            most,
            seconds,
            hash_ends,
        } = self.program.then
        else {
            return Vec::new();
        };
        if hash_ends && key == '#' {
            return self.keys_done();
        }
        self.keys.push(key);
        if self.keys.len() >= most as usize {
            return self.keys_done();
        }
        self.stage = Stage::Keys;
        vec![self.wait(Duration::from_secs(seconds.into()))]
    }

    fn keys_done(&mut self) -> Vec<Command> {
        let keys = std::mem::take(&mut self.keys);
        self.ask(Question::Keys(keys.into()))
    }

    // --- recording -----------------------------------------------------------------------------------

    fn record(&mut self, max_seconds: u32, silence_seconds: u32) -> Vec<Command> {
        self.stage = Stage::Recording;
        let uri = format!("channels/{}/record", self.channel);
        let body = json!({
            "name": self.recording_name().to_string(),
            "format": "wav",
            "maxDurationSeconds": max_seconds,
            "maxSilenceSeconds": silence_seconds,
            "ifExists": "fail",
            "beep": false,
            "terminateOn": "#",
        });
        let mut commands = vec![Command::Send(
            Purpose::Record,
            Request::with("POST", uri, body),
        )];
        commands.extend(self.recording_timer());
        commands
    }

    fn recording_timer(&mut self) -> Vec<Command> {
        match self.program.then {
            Then::Record { max_seconds, .. } => {
                let limit = Duration::from_secs(max_seconds.into());
                vec![self.wait(limit + OVERDUE)]
            }
            _ => Vec::new(),
        }
    }

    fn while_recording(&mut self, happening: Happening) -> Vec<Command> {
        let own = self.recording_name().to_string();
        match happening {
            Happening::Key(key) => {
                self.hash |= *key.expose() == '#';
                Vec::new()
            }
            Happening::Recorded(recorded) if recorded.name == own => self.recorded(&recorded),
            Happening::NotRecorded(name) if name == own => self.ask(Question::Nothing),
            // 409: a recording of this name exists. It was made before, and the event that reported it was lost.
            Happening::Refused(Purpose::Record, 409) => self.recorded(&Recorded {
                name: own,
                seconds: 0,
            }),
            Happening::Refused(Purpose::Record, _) => self.ask(Question::Nothing),
            Happening::Time(_) if self.gone => self.gone(None),
            Happening::Time(_) => {
                let uri = format!("recordings/live/{own}/stop");
                let stop = Command::Send(Purpose::Tidy, Request::new("POST", uri));
                let mut commands = vec![stop];
                commands.extend(self.recorded(&Recorded {
                    name: own,
                    seconds: 0,
                }));
                commands
            }
            _ => Vec::new(),
        }
    }

    fn recorded(&mut self, recorded: &Recorded) -> Vec<Command> {
        let Then::Record { max_seconds, .. } = self.program.then else {
            return Vec::new();
        };
        let Recorded { name, seconds } = recorded.clone();
        if self.hangs_up {
            return self.gone(Some((name, seconds)));
        }
        let end = if self.hash {
            RecordingEnd::Key
        } else if seconds >= max_seconds {
            RecordingEnd::Limit
        } else {
            RecordingEnd::Silence
        };
        self.ask(Question::Recording { name, seconds, end })
    }

    /// The caller's channel is gone while being recorded: waits, at most [`LATE`], for the event about the recording.
    fn left_behind(&mut self) -> Vec<Command> {
        if self.gone {
            return Vec::new();
        }
        (self.gone, self.hangs_up) = (true, true);
        vec![self.wait(LATE)]
    }

    // --- end of the call -----------------------------------------------------------------------------

    fn gone(&mut self, recording: Option<(String, u32)>) -> Vec<Command> {
        if matches!(self.stage, Stage::Over) {
            return Vec::new();
        }
        let mut commands = match self.stage {
            Stage::Talk(_) => self.let_go(),
            _ => Vec::new(),
        };
        self.timer += 1;
        self.stage = Stage::Over;
        commands.push(Command::Ask(Question::Ended { recording }));
        commands.push(Command::Over);
        commands
    }
}

fn stop(playback: &str) -> Command {
    let uri = format!("playbacks/{playback}");
    Command::Send(Purpose::Tidy, Request::new("DELETE", uri))
}

/// State, when a call is resumed, of the recording or talk that its program waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// None of the following, or not known.
    None,
    /// The recording is running.
    Running,
    /// The recording has ended and exists.
    Done,
    /// The caller and the called inspector are connected.
    Talking,
}

#[cfg(test)]
mod tests;
