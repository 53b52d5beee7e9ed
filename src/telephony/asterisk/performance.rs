//! One call on the switch, pure: what happened comes in, what is to be done comes out.
//!
//! A program is performed: its sounds are played, then keys, speech or somebody of the roster are waited for, and what
//! came of it is put to the conversation, which answers with the next program. No I/O and no clock in here: timers are
//! asked for, and come back as something that happened.

mod roster;

use super::message::{Recorded, Request};
use super::program::{Program, RecordingName, Sound, Then};
use crate::base::hidden::Hidden;
use crate::call::script::RecordingEnd;
use roster::Talk;
use serde_json::json;
use std::time::Duration;

/// How much longer than its limit a recording may take before it is stopped from here.
const OVERDUE: Duration = Duration::from_secs(15);
/// How long what was recorded may be told of after its channel.
const LATE: Duration = Duration::from_secs(5);
/// How long a channel may take to go when it was hung up.
const FAREWELL: Duration = Duration::from_secs(15);

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The caller pressed a key.
    Key(Hidden<char>),
    /// A playback of this call is through.
    PlayedOut(String),
    /// A recording of this call is done.
    Recorded(Recorded),
    /// A recording of this call came to nothing.
    NotRecorded(String),
    /// The caller hangs up. What was being recorded is told next.
    HangsUp,
    /// The caller is gone.
    Gone,
    /// Whoever was rung picked up.
    LegUp,
    /// Whoever was rung pressed a key.
    LegKey(Hidden<char>),
    /// Whoever was rung is gone, or never came.
    LegGone,
    /// What was asked for with this purpose was refused, with this status.
    Refused(Purpose, u16),
    /// A timer ran out.
    Time(u32),
}

/// What a request is for: its refusal means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// What the caller hears.
    Play,
    /// What the caller says.
    Record,
    /// Ringing somebody.
    Ring,
    /// Putting the two together.
    Bridge,
    /// Tidying up: when it is refused there is nothing to tidy.
    Tidy,
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A request to the switch.
    Send(Purpose, Request),
    /// Let this timer run out after so long.
    Wait(u32, Duration),
    /// Put something to the conversation.
    Ask(Question),
    /// The call is over, and everything about it told.
    Over,
}

/// What is put to the conversation. Those with an answer are followed by [`Performance::answered`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// The answer to the step: keys, or none. The next program is the answer.
    Keys(Hidden<String>),
    /// The answer to the step: a recording. The next program is the answer.
    Recording {
        /// Its name.
        name: String,
        /// Whole seconds.
        seconds: u32,
        /// How it ended.
        end: RecordingEnd,
    },
    /// The answer to the step: what it was to record came to nothing. The next program is the answer.
    Nothing,
    /// The answer to the step: whoever was rung is gone. The next program is the answer.
    TalkOver,
    /// The talk was recorded. Needs no answer.
    TalkRecorded {
        /// Its name.
        name: String,
        /// Whole seconds.
        seconds: u32,
    },
    /// What does whoever picked up hear? The answer is a program for them.
    Whisper,
    /// They pressed this key. The answer is [`Then::Bridge`], or [`Then::HangUp`].
    Accepted(Hidden<char>),
    /// The call is over, and with it what was being recorded, if that is named. Needs no answer.
    Ended {
        /// What was said until the caller hung up.
        recording: Option<(String, u32)>,
    },
}

/// Where a performance is.
#[derive(Debug)]
enum Stage {
    /// Sounds are played.
    Playing,
    /// Keys are waited for.
    Keys,
    /// Speech is recorded.
    Recording,
    /// Somebody is rung, or speaks with the caller.
    Talk(Talk),
    /// The conversation was asked.
    Asking,
    /// The channel was hung up.
    Leaving,
    /// It is over.
    Over,
}

/// A call being carried on.
#[derive(Debug)]
pub struct Performance {
    channel: String,
    dialled: Hidden<String>,
    program: Program,
    stage: Stage,
    keys: String,
    /// The timer that counts. Older ones run out unheeded.
    timer: u32,
    /// The caller pressed `#` while being recorded.
    hash: bool,
    hangs_up: bool,
    gone: bool,
    /// The playback of this program, when it is not the first: what the one before it still plays is another.
    again: Option<String>,
}

impl Performance {
    /// A call on this channel, to this number, about to be told what to perform.
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

    /// Begins a program.
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

    /// Takes up a program that was being performed when the service or the connection was lost. `standing` is how what
    /// it waits for stands. What is played is played anew, under an id with `mark` in it: Asterisk would play it twice.
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
            // Whoever was rung is let go by whoever takes the call up; whether they had taken it is written down.
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

    /// Takes in what happened.
    pub fn happened(&mut self, happening: Happening) -> Vec<Command> {
        match happening {
            Happening::Gone if matches!(self.stage, Stage::Recording) => return self.left_behind(),
            Happening::Gone => return self.gone(None),
            Happening::HangsUp => {
                self.hangs_up = true;
                return Vec::new();
            }
            Happening::Time(timer) if timer != self.timer => return Vec::new(),
            // There is no such channel any more, and nothing will be told of it.
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

    /// The conversation's answer.
    pub fn answered(&mut self, program: Program) -> Vec<Command> {
        match self.stage {
            Stage::Talk(_) => self.told_in_talk(program),
            Stage::Over => Vec::new(),
            _ => self.begin(program),
        }
    }

    /// The name of what the program records.
    pub fn recording_name(&self) -> RecordingName {
        RecordingName::new(
            self.program.at.as_ref(),
            &self.channel,
            self.dialled.expose(),
        )
    }

    /// The channel of whoever the program rings.
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

    // --- what is heard -------------------------------------------------------------------------------

    fn while_playing(&mut self, happening: Happening) -> Vec<Command> {
        match happening {
            Happening::Key(key) if matches!(self.program.then, Then::Keys { .. }) => {
                let mut commands = vec![self.stop_words()];
                commands.extend(self.key(*key.expose()));
                commands
            }
            Happening::PlayedOut(id) if id == self.words() => self.after_playing(),
            // What cannot be played is not heard; the call goes on.
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

    // --- speech --------------------------------------------------------------------------------------

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
            // It has that name already: it was made, and what told of it was lost.
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

    /// The caller is gone, and what they said until then is about to be told of.
    fn left_behind(&mut self) -> Vec<Command> {
        if self.gone {
            return Vec::new();
        }
        (self.gone, self.hangs_up) = (true, true);
        vec![self.wait(LATE)]
    }

    // --- the end -------------------------------------------------------------------------------------

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

/// How what a program waits for stood when the connection was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is known of it.
    None,
    /// What it records is being recorded.
    Running,
    /// What it records is there.
    Done,
    /// The two speak with each other.
    Talking,
}

#[cfg(test)]
mod tests;
