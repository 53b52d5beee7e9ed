//! What a caller would hear at a given time for given actions, without a call.

use crate::call::acts::Act;
use crate::call::flow::{self, Context, Found, Input, Turn};
use crate::call::script::{RecordingEnd, Script, Verb};
use crate::call::state::{Place, State};
use crate::line::Line;
use crate::line::prompts::speech_seconds;
use crate::report::receipt::DIGITS;
use chrono::{DateTime, NaiveDateTime, TimeZone, Utc};

/// The scripts heard in a simulated call, and the caller's actions between them.
pub struct Heard {
    /// The first script.
    pub answer: Script,
    /// For each further step: the caller's actions, and the script that followed them.
    pub then: Vec<(Vec<Act>, Script)>,
    /// State at the end.
    pub state: State,
}

/// Simulates a call to a line at a given time with these actions, until they are used up or the call ends. No receipt
/// is found, and no telephone of the roster accepts the call.
pub fn play(line: &Line, at: DateTime<Utc>, acts: &[Act]) -> Heard {
    let Turn { state, script, .. } = flow::answer(line, at, "000000000000".to_owned(), true);
    let mut heard = Heard {
        answer: script,
        then: Vec::new(),
        state,
    };
    let context = Context {
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
        // The telephone of the roster does not accept the call, whatever the caller does while it rings.
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
            // In a simulated call no receipt is found.
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
            // Keys other than # are part of the recording.
            (Act::Key(_), true) => continue,
            (Act::Key(key), false) => Input::Key(*key),
            (Act::HangUp, _) => Input::HungUp,
        };
        spoken = false;
        let turn = flow::next(line, context, heard.state, input);
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

/// The word before the key where a sentence offers one, e.g. `press 1`: in Chinese and in English.
const OFFERS: [&str; 2] = ["按", "press"];

/// Returns the beginning of `text` up to and including the offer of `key`, such as `press 1`. `None` if `text` does not
/// offer this key.
fn up_to_offer(text: &str, key: char) -> Option<&str> {
    text.char_indices().find_map(|(at, c)| {
        let before = text[..at].trim_end();
        let offered = c == key && OFFERS.iter().any(|word| before.ends_with(word));
        offered.then(|| &text[..at + c.len_utf8()])
    })
}

/// Estimates how long a caller listens before they can act, in seconds: the words of a script up to the offer of its
/// first key, or all words up to the wait if none of them offers that key. Takes that are played are not counted.
pub fn seconds(script: &Script) -> f64 {
    let first = script.0.iter().find_map(|verb| match verb {
        Verb::Gather { keys, .. } => keys.chars().next(),
        _ => None,
    });
    let mut total = 0.0;
    for verb in &script.0 {
        match verb {
            Verb::Say { text, language } => {
                let text = text.to_string();
                if let Some(words) = first.and_then(|key| up_to_offer(&text, key)) {
                    return total + speech_seconds(language, words);
                }
                total += speech_seconds(language, &text);
            }
            Verb::Play { .. } => {}
            Verb::Gather { .. }
            | Verb::Digits { .. }
            | Verb::Record { .. }
            | Verb::Connect { .. }
            | Verb::HangUp => break,
        }
    }
    total
}

/// Why a time cannot be parsed.
#[derive(Debug, thiserror::Error)]
pub enum TimeError {
    /// The text is not a date and time in one of the accepted forms.
    #[error("not a date and time; write it like 2024-04-07T09:00")]
    NoTime,
    /// A local time that the clocks of this time zone skip, such as at the start of daylight saving time.
    #[error("the clocks skip this time in {0}")]
    Skipped(chrono_tz::Tz),
}

/// Parses a time: RFC 3339, such as `2024-04-07T09:00:00+08:00`. The seconds may be left out, and so may the offset,
/// for local time of the line. Of a local time that occurs twice, the first is meant.
///
/// # Errors
///
/// [`TimeError::NoTime`] if the text has another form; [`TimeError::Skipped`] if the clocks of the line's time zone
/// skip the time.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::script::Spoken;

    fn script(language: &str, sentences: &[&str], keys: &str) -> Script {
        let mut verbs: Vec<Verb> = sentences
            .iter()
            .map(|text| Verb::Say {
                text: Spoken::words("x", text),
                language: language.into(),
            })
            .collect();
        verbs.push(Verb::Gather {
            keys: keys.into(),
            seconds: 6,
        });
        Script(verbs)
    }

    #[test]
    fn what_is_heard_before_the_first_key_ends_where_it_is_offered() {
        let greeting = "您好，这里是防城港市委第五巡察组值班电话。";
        // The date contains the same digit as a key; the menu continues after the first offer.
        let closed = script(
            "zh-CN",
            &[
                greeting,
                "我们将于今天3月6日下午3点开始值班。",
                "了解其他反映渠道，请按3。",
                "您可以来信反映，地址是：防城港市邮政5号专用信箱。",
            ],
            "349",
        );
        let expected = speech_seconds("zh-CN", greeting)
            + speech_seconds("zh-CN", "我们将于今天3月6日下午3点开始值班。")
            + speech_seconds("zh-CN", "了解其他反映渠道，请按3");
        assert!((seconds(&closed) - expected).abs() < 1e-9);
        let menu = script(
            "en",
            &["To report, press 1. To speak to us, press 2."],
            "12",
        );
        assert!((seconds(&menu) - speech_seconds("en", "To report, press 1")).abs() < 1e-9);
        // No key is named: the whole text is heard before the wait.
        let silent = script("en", &["Please wait."], "1");
        assert!((seconds(&silent) - speech_seconds("en", "Please wait.")).abs() < 1e-9);
    }
}
