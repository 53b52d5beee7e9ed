//! What a caller would hear, at any time and whatever they do, without anybody calling.

use crate::call::flow::{self, Around, Found, Input, Turn};
use crate::call::prompts::speech_seconds;
use crate::call::script::{RecordingEnd, Script, Verb};
use crate::call::state::{Place, State};
use crate::line::Line;
use crate::report::receipt::DIGITS;
use crate::simulator::acts::Act;
use chrono::{DateTime, NaiveDateTime, TimeZone, Utc};

/// What was heard, and what was done in between.
pub struct Heard {
    /// The first words.
    pub answer: Script,
    /// What was done, and what was said to it.
    pub then: Vec<(Vec<Act>, Script)>,
    /// Where the call is now.
    pub state: State,
}

/// Calls a line at a time and does these things, as far as the call goes.
pub fn play(line: &Line, at: DateTime<Utc>, acts: &[Act]) -> Heard {
    let Turn { state, script, .. } = flow::answer(line, at, "000000000000".to_owned(), true);
    let mut heard = Heard {
        answer: script,
        then: Vec::new(),
        state,
    };
    let around = Around {
        now: at,
        duty_busy: false,
        reply_sounds: true,
    };
    let mut spoken = false;
    let mut typed = String::new();
    let mut since: Vec<Act> = Vec::new();
    for act in acts {
        since.push(*act);
        let recording = matches!(heard.state.place, Place::Recording { .. });
        let typing = matches!(heard.state.place, Place::Receipt(_));
        // Nobody takes the call here, whatever the caller does while it rings.
        let ringing = matches!(heard.state.place, Place::Ringing { .. });
        if let (Act::Key(key), true) = (act, typing)
            && *key != '#'
        {
            typed.push(*key);
            if typed.len() < DIGITS {
                continue;
            }
        }
        let input = match (act, recording) {
            // Nobody has a receipt here.
            (Act::Key(_) | Act::Silence, _) if typing && !typed.is_empty() => Input::Typed {
                keys: std::mem::take(&mut typed).into(),
                found: Found::Nothing,
            },
            (Act::Key(_), _) if typing => Input::Nothing,
            (Act::Key(_) | Act::Speak | Act::Silence, _) if ringing => Input::Nothing,
            (Act::Speak, true) => {
                spoken = true;
                continue;
            }
            (Act::Key('#'), true) if spoken => recorded(RecordingEnd::Key),
            (Act::Silence, true) if spoken => recorded(RecordingEnd::Silence),
            (Act::Key('#'), true) | (Act::Silence, _) | (Act::Speak, false) => Input::Nothing,
            // Keys other than # are part of what is recorded.
            (Act::Key(_), true) => continue,
            (Act::Key(key), false) => Input::Key(*key),
            (Act::HangUp, _) => Input::HungUp,
        };
        spoken = false;
        let turn = flow::next(line, around, heard.state, input);
        heard.state = turn.state;
        heard.then.push((std::mem::take(&mut since), turn.script));
        if heard.state.place == Place::Over {
            break;
        }
    }
    heard
}

fn recorded(end: RecordingEnd) -> Input {
    Input::Recorded {
        end: Some(end),
        seconds: Some(10),
    }
}

/// How long the words of a script take, in seconds, up to where it first waits.
pub fn seconds(script: &Script) -> f64 {
    script
        .0
        .iter()
        .take_while(|verb| {
            !matches!(
                verb,
                Verb::Gather { .. }
                    | Verb::Digits { .. }
                    | Verb::Record { .. }
                    | Verb::Connect { .. }
            )
        })
        .map(|verb| match verb {
            Verb::Say { text, language } => speech_seconds(language, &text.to_string()),
            _ => 0.0,
        })
        .sum()
}

/// A time that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TimeError {
    /// Not a date and time.
    #[error("not a date and time; write it like 2024-04-07T09:00")]
    NoTime,
    /// Daylight saving leaves it out.
    #[error("the clocks skip this time in {0}")]
    Skipped(chrono_tz::Tz),
}

/// Reads a time; without an offset it is the line's local one.
///
/// # Errors
///
/// See [`TimeError`].
pub fn parse_time(line: &Line, text: &str) -> Result<DateTime<Utc>, TimeError> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.with_timezone(&Utc));
    }
    if let Ok(at) = DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M%:z") {
        return Ok(at.with_timezone(&Utc));
    }
    let local = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .ok_or(TimeError::NoTime)?;
    let zone = line.schedule.timezone;
    zone.from_local_datetime(&local)
        .earliest()
        .map(|at| at.with_timezone(&Utc))
        .ok_or(TimeError::Skipped(zone))
}
