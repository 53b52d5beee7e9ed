//! A script as the switch performs it: sounds, then one thing that is waited for. It is the answer that is kept of a
//! step, and so the same after a restart.

use crate::base::hidden::Hidden;
use crate::call::script::{Script, Spoken, Verb};
use crate::telephony::{Links, StepRef, Voice};
use serde::{Deserialize, Serialize};
use std::path::Path;
use uuid::Uuid;

/// What a channel plays, and what it waits for then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The step the answer will be; none where there is no call to come back to.
    pub at: Option<StepRef>,
    /// What is played, in order.
    pub play: Vec<Sound>,
    /// What comes then.
    pub then: Then,
}

impl Program {
    /// An id of ours at the switch: of this call and step, so that a command given twice names the same thing.
    pub(super) fn id(&self, channel: &str, what: &str) -> String {
        match &self.at {
            Some(at) => format!("{}-{}-{what}", at.call, at.step),
            None => format!("{}-{channel}-{what}", Uuid::nil()),
        }
    }
}

/// Something played.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sound {
    /// A file, without its ending.
    File(String),
    /// What this step recorded.
    Take(u32),
}

/// What a channel waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// Keys. The first one stops what is being played.
    Keys {
        /// So many at most.
        most: u32,
        /// For so long, and as long again after each, in seconds.
        seconds: u32,
        /// `#` ends it, and is not one of them.
        hash_ends: bool,
    },
    /// Speech.
    Record {
        /// The limit, in seconds.
        max_seconds: u32,
        /// Silence that ends it, in seconds.
        silence_seconds: u32,
    },
    /// Somebody of the roster.
    Connect {
        /// The endpoint that is dialled.
        #[serde(with = "shown")]
        endpoint: Hidden<String>,
        /// What they see: the line's number.
        caller_id: String,
        /// How long it rings, in seconds.
        ring_seconds: u32,
        /// How long the talk may last, in seconds.
        max_seconds: u32,
        /// It is recorded.
        record: bool,
    },
    /// Whoever was rung is put together with the caller.
    Bridge,
    /// The end.
    HangUp,
}

/// A kept answer is written under the call key alone.
mod shown {
    use crate::base::hidden::Hidden;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(text: &Hidden<String>, to: S) -> Result<S::Ok, S::Error> {
        text.expose().serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Hidden<String>, D::Error> {
        String::deserialize(from).map(Hidden::new)
    }
}

/// How scripts become programs on one switch.
pub(super) struct Writer<'a> {
    /// Its sounds.
    pub voice: &'a dyn Voice,
    /// How a number of the roster is dialled, with `{number}` in it.
    pub dial: Option<&'a str>,
}

impl Writer<'_> {
    /// A script of a running call.
    pub fn program(&self, script: &Script, links: &Links) -> Program {
        let at = StepRef {
            call: links.call,
            line: links.line.clone(),
            step: links.step,
            nothing: None,
        };
        self.write(script, Some(at), &links.line_number)
    }

    /// A script where there is no call to come back to: keys have no meaning then, and takes cannot be played.
    pub fn fallback(&self, script: &Script) -> Program {
        self.write(script, None, "")
    }

    fn write(&self, script: &Script, at: Option<StepRef>, caller_id: &str) -> Program {
        let mut play = Vec::new();
        let mut then = Then::HangUp;
        for verb in &script.0 {
            match verb {
                Verb::Say { text, language } => play.extend(self.sounds(language, text)),
                Verb::Play { take } if at.is_some() => play.push(Sound::Take(*take)),
                Verb::Gather { seconds, .. } if at.is_some() => {
                    then = Then::Keys {
                        most: 1,
                        seconds: *seconds,
                        hash_ends: false,
                    };
                    break;
                }
                Verb::Digits { most, seconds } if at.is_some() => {
                    then = Then::Keys {
                        most: *most,
                        seconds: *seconds,
                        hash_ends: true,
                    };
                    break;
                }
                Verb::Record {
                    max_seconds,
                    silence_seconds,
                } => {
                    play.extend(self.beep());
                    then = Then::Record {
                        max_seconds: *max_seconds,
                        silence_seconds: *silence_seconds,
                    };
                    break;
                }
                Verb::Connect {
                    number,
                    ring_seconds,
                    max_seconds,
                    record,
                    ..
                } if at.is_some() => {
                    let dial = self.dial.unwrap_or_default();
                    then = Then::Connect {
                        endpoint: dial.replace("{number}", number.expose()).into(),
                        caller_id: caller_id.to_owned(),
                        ring_seconds: *ring_seconds,
                        max_seconds: *max_seconds,
                        record: *record,
                    };
                    break;
                }
                Verb::HangUp => break,
                Verb::Play { .. }
                | Verb::Gather { .. }
                | Verb::Digits { .. }
                | Verb::Connect { .. } => {}
            }
        }
        Program { at, play, then }
    }

    fn sounds(&self, language: &str, text: &Spoken) -> Vec<Sound> {
        let files = self.voice.files(language, text);
        files.iter().map(|file| sound(file)).collect()
    }

    /// The switch's own beep may not be installed, and recording then comes to nothing at once: ours is a sound like
    /// any other.
    fn beep(&self) -> Option<Sound> {
        self.voice.beep().map(|file| sound(&file))
    }
}

fn sound(file: &Path) -> Sound {
    Sound::File(file.display().to_string())
}

/// The name of a recording on the switch. It says which step of which call made it, and on which channel: so it is found
/// by name when everything else was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingName {
    /// The step. Where there was no call of ours its call is nil, and its line what was dialled.
    pub at: StepRef,
    /// The channel.
    pub channel: String,
}

impl RecordingName {
    /// The name of what a step of a call records on a channel; without a call, of what the blunt answer records.
    pub fn new(at: Option<&StepRef>, channel: &str, dialled: &str) -> Self {
        let fallback = || StepRef {
            call: Uuid::nil(),
            line: dialled
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .take(32)
                .collect(),
            step: 0,
            nothing: None,
        };
        Self {
            at: at.cloned().unwrap_or_else(fallback),
            channel: channel.to_owned(),
        }
    }

    /// The name of another step's recording in the same call.
    pub fn of_step(&self, step: u32) -> Self {
        let mut name = self.clone();
        name.at.step = step;
        name
    }

    /// Reads a name; none when it was not made here.
    pub fn parse(name: &str) -> Option<Self> {
        let mut parts = name.splitn(5, '.');
        let (mark, line, call) = (parts.next()?, parts.next()?, parts.next()?);
        let (step, channel) = (parts.next()?, parts.next()?);
        let at = StepRef {
            call: call.parse().ok()?,
            line: line.to_owned(),
            step: step.parse().ok()?,
            nothing: None,
        };
        let name = Self {
            at,
            channel: channel.to_owned(),
        };
        (mark == MARK && super::is_channel(channel)).then_some(name)
    }
}

/// What our recordings' names begin with.
const MARK: &str = "duty";

impl std::fmt::Display for RecordingName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let StepRef {
            call, line, step, ..
        } = &self.at;
        write!(f, "{MARK}.{line}.{call}.{step}.{}", self.channel)
    }
}
