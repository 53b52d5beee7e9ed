//! A script in the form that the switch performs: sounds, then one thing to wait for. It is stored as the answer to a
//! step, and so is the same after a restart.

use crate::base::hidden::Hidden;
use crate::call::script::{Script, Spoken, Verb};
use crate::telephony::{Links, StepRef, Voice};
use serde::{Deserialize, Serialize};
use std::path::Path;
use uuid::Uuid;

/// What a channel plays, and what it does afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The step that the caller's next input belongs to; `None` in an answer of `Provider::render_fallback`, and in the
    /// answer to the called inspector's key.
    pub at: Option<StepRef>,
    /// What is played, in order.
    pub play: Vec<Sound>,
    /// What follows the sounds.
    pub then: Then,
}

impl Program {
    /// Returns an id for an object on the switch, made of call and step (if [`Self::at`] is `None`: of `channel`) and
    /// of `what`, so that a command sent twice names the same object.
    pub(super) fn id(&self, channel: &str, what: &str) -> String {
        match &self.at {
            Some(at) => format!("{}-{}-{what}", at.call, at.step),
            None => format!("{}-{channel}-{what}", Uuid::nil()),
        }
    }
}

/// A sound to play.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sound {
    /// A file, by its path without the extension.
    File(String),
    /// The take that the step of this number recorded.
    Take(u32),
}

/// What a channel does after its sounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// Wait for keys. The first key stops the sounds.
    Keys {
        /// Maximum number of keys.
        most: u32,
        /// Time to wait for the first key, and again after each key, in seconds.
        seconds: u32,
        /// True if `#` ends the input; it is not part of the keys then.
        hash_ends: bool,
    },
    /// Record speech.
    Record {
        /// Maximum duration, in seconds.
        max_seconds: u32,
        /// Duration of silence that ends the recording, in seconds.
        silence_seconds: u32,
    },
    /// Dial a roster member.
    Connect {
        /// The endpoint to dial.
        #[serde(with = "shown")]
        endpoint: Hidden<String>,
        /// The number shown to the member: the line's.
        caller_id: String,
        /// Time the telephone rings, in seconds.
        ring_seconds: u32,
        /// Maximum duration of the talk, in seconds.
        max_seconds: u32,
        /// True if the talk is recorded.
        record: bool,
    },
    /// Connect the called inspector and the caller.
    Bridge,
    /// Hang up.
    HangUp,
}

/// Serializes a hidden string in clear. The program as a whole is encrypted under the call key when it is stored.
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

/// Turns scripts into programs for one switch.
pub(super) struct Writer<'a> {
    /// The sound files that the switch plays.
    pub voice: &'a dyn Voice,
    /// Endpoint that dials a roster member, with `{number}` in it; `None` if no member can be dialled.
    pub dial: Option<&'a str>,
}

impl Writer<'_> {
    /// Converts a script of a running call.
    pub fn program(&self, script: &Script, links: &Links) -> Program {
        let at = StepRef {
            call: links.call,
            line: links.line.clone(),
            step: links.step,
            nothing: None,
        };
        self.write(script, Some(at), &links.line_number)
    }

    /// Converts a script of `Provider::render_fallback`, which belongs to no step: keys are not waited for, no member
    /// is dialled, and takes are not played.
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

    /// Returns the beep before a recording, a sound file of this service, if there is one. The switch's own beep may
    /// not be installed, and a recording that asks for it then fails at once.
    fn beep(&self) -> Option<Sound> {
        self.voice.beep().map(|file| sound(&file))
    }
}

fn sound(file: &Path) -> Sound {
    Sound::File(file.display().to_string())
}

/// The name of a recording on the switch. It contains the step and call that made the recording, and the channel, so
/// that the recording can be attributed by its name when everything else is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingName {
    /// The step that made the recording. For a fallback answer the call id is nil, the step 0, and in place of the line
    /// there is the number dialled.
    pub at: StepRef,
    /// The channel's id.
    pub channel: String,
}

impl RecordingName {
    /// Returns the name of the recording that a step makes on a channel. Without a step it is the recording of a
    /// fallback answer, named with the first 32 letters and digits of the number dialled.
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

    /// Returns the name of another step's recording in the same call.
    pub fn of_step(&self, step: u32) -> Self {
        let mut name = self.clone();
        name.at.step = step;
        name
    }

    /// Parses a name; `None` when it does not have the form of the names that this service generates.
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

/// Prefix of the names of this service's recordings.
const MARK: &str = "duty";

impl std::fmt::Display for RecordingName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let StepRef {
            call, line, step, ..
        } = &self.at;
        write!(f, "{MARK}.{line}.{call}.{step}.{}", self.channel)
    }
}
