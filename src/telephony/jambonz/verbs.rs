//! Scripts as jambonz executes them: an array of verbs.
//!
//! Only verbs and properties of the published schema are used. What is said immediately before waiting for a key is
//! nested in the `gather`, because a key interrupts only there. A `gather` says one text in one language; several texts
//! have a `gather` each, which continues with the next one when no key was pressed (see [`Links::said`]).
//!
//! After each verb that requests the next verbs from this service there is a `redirect` to the same step: jambonz
//! continues with the next verb when the service could not be reached, and a step requested twice gets the same answer.

use crate::call::script::{Script, Verb};
use crate::telephony::Links;
use crate::telephony::streams::Stream;
use crate::telephony::twiml::{pieces, sayable};
use serde_json::{Value, json};

/// User name that jambonz presents at a stream's address.
pub const USER: &str = "jambonz";

/// `timeout`, in seconds, of a `gather` that is followed by another one: the pause after its last word.
const BETWEEN: f64 = 0.1;

/// Maximum time to wait for input, for an answer to ringing or for the end of silence, in seconds. A timer of jambonz
/// is a 31-bit number of milliseconds; a longer time would run out at once.
const MAX_WAIT: u32 = 600;
/// Maximum duration of a talk or a recording, in seconds: four hours.
const MAX_TALK: u32 = 14_400;

/// Maximum number of digits that one `gather` collects.
const MAX_DIGITS: u32 = 100;

/// Maximum length of a text joined from several, in characters: a voice starts later the longer its text is. A single
/// text may be longer.
const MAX_PIECE_CHARS: usize = 1000;

/// Time added for each digit, in seconds, to the timeout of a `gather`: jambonz has one timeout for all digits, counted
/// from the last word.
const A_DIGIT: u32 = 2;

/// Returns the properties of a `listen` that streams a recording, be it a verb or within a `dial`.
fn listen_verb(stream: &Stream, links: &Links) -> Value {
    let key = links.stream_key.expose();
    let socket = match links.public_url.split_once("://") {
        Some(("http", rest)) => format!("ws://{rest}"),
        Some((_, rest)) => format!("wss://{rest}"),
        None => links.public_url.clone(),
    };
    json!({
        "url": format!(
            "{socket}/hooks/{}/listen/{}/{}",
            links.provider,
            stream.path(),
            stream.token(key)
        ),
        "wsAuth": {"username": USER, "password": stream.password(key)},
        "sampleRate": 8000,
        "maxLength": stream.max_seconds,
        "disableBidirectionalAudio": true,
    })
}

/// The verbs of a script in a running call. Verbs after one that ends the script are left out.
pub fn document(script: &Script, links: &Links) -> Value {
    let mut verbs = Vec::new();
    let mut parts = Vec::new();
    for verb in &script.0 {
        match verb {
            Verb::Say { .. } | Verb::Play { .. } => add(&mut parts, verb, links),
            Verb::Gather { seconds, .. } => {
                let keys = one_key(*seconds);
                gathers(&mut verbs, parts.split_off(0), &keys, links);
                verbs.push(again(links));
                break;
            }
            Verb::Digits { most, seconds } => {
                let keys = digits(*most, *seconds);
                gathers(&mut verbs, parts.split_off(0), &keys, links);
                verbs.push(again(links));
                break;
            }
            Verb::Record {
                max_seconds,
                silence_seconds,
            } => {
                verbs.extend(parts.drain(..).map(Part::verb));
                let stream = stream(links, *max_seconds, *silence_seconds);
                let mut listen = listen_verb(&stream, links);
                listen["verb"] = json!("listen");
                listen["actionHook"] = json!(links.step());
                listen["mixType"] = json!("mono");
                listen["finishOnKey"] = json!("#");
                listen["playBeep"] = json!(true);
                // jambonz ignores this property; silence is detected where the stream is received.
                listen["timeout"] = json!(stream.silence_seconds);
                verbs.extend([listen, again(links)]);
                break;
            }
            Verb::Connect {
                number,
                ring_seconds,
                max_seconds,
                record,
                ..
            } => {
                verbs.extend(parts.drain(..).map(Part::verb));
                let mut dial = json!({
                    "verb": "dial",
                    "actionHook": links.step(),
                    // On the `dial`, not on its target: in jambonz' schema a URL matches both alternatives of the
                    // target's `oneOf`, and is therefore invalid.
                    "confirmHook": links.whisper(),
                    "callerId": links.line_number,
                    "timeout": (*ring_seconds).clamp(1, MAX_WAIT),
                    "timeLimit": (*max_seconds).clamp(1, MAX_TALK),
                    "target": [{"type": "phone", "number": number.expose()}],
                });
                if *record {
                    dial["listen"] = listen_verb(&stream(links, *max_seconds, 0), links);
                    dial["listen"]["mixType"] = json!("mixed");
                }
                verbs.extend([dial, again(links)]);
                break;
            }
            Verb::HangUp => {
                verbs.extend(parts.drain(..).map(Part::verb));
                verbs.push(hang_up());
                break;
            }
        }
    }
    verbs.extend(parts.into_iter().map(Part::verb));
    Value::Array(verbs)
}

/// The verbs for the called inspector. The key pressed, or none, is posted to [`Links::accepted`]. jambonz connects the
/// inspector to the caller if the verbs end without a hang-up, so the last verb hangs up, and only the answer of
/// [`accepted`] replaces it.
pub fn whisper(script: &Script, links: &Links) -> Value {
    let mut parts = Vec::new();
    let mut keys = one_key(1);
    for verb in &script.0 {
        match verb {
            Verb::Gather { seconds, .. } => {
                keys = one_key(*seconds);
                break;
            }
            verb => add(&mut parts, verb, links),
        }
    }
    // One `gather` with all the text in one language, so that the inspector cannot be connected between two of them.
    let words: Vec<&str> = parts.iter().filter_map(Part::words).collect();
    let language = parts.iter().find_map(Part::language);
    let part = Part::Say {
        text: words.join(" "),
        language: language.flatten().map(str::to_owned),
    };
    Value::Array(vec![gather(Some(part), &keys, links.accepted()), hang_up()])
}

/// The answer to the called inspector's key. If the call was accepted it is `tag`, an allowed verb without effect:
/// after an empty answer jambonz would go on to the `hangup` that follows the `gather`.
pub fn accepted(accepted: bool) -> Value {
    match accepted {
        true => json!([{"verb": "tag", "data": {"accepted": true}}]),
        false => Value::Array(vec![hang_up()]),
    }
}

/// The verbs of a script that belongs to no step: the database is down, the number is of no line, or the call is over.
/// Only what is said is kept, and a hang-up follows: no answer could be stored, and neither could audio. Texts in the
/// language of the first one name no language.
pub fn fallback_document(script: &Script) -> Value {
    let mut verbs = Vec::new();
    let first = script.0.iter().find_map(|verb| match verb {
        Verb::Say { language, .. } => Some(language.as_str()),
        _ => None,
    });
    for verb in &script.0 {
        match verb {
            Verb::Say { text, language } => {
                let language = (Some(language.as_str()) != first).then(|| language.clone());
                let said = said(&text.to_string(), language);
                verbs.extend(said.into_iter().map(Part::verb));
            }
            Verb::HangUp => break,
            _ => {}
        }
    }
    verbs.push(hang_up());
    Value::Array(verbs)
}

/// A text or a recording to play.
enum Part {
    Say {
        text: String,
        /// `None` for the language that the application speaks by default.
        language: Option<String>,
    },
    Play(String),
}

impl Part {
    fn words(&self) -> Option<&str> {
        match self {
            Self::Say { text, .. } => Some(text),
            Self::Play(_) => None,
        }
    }

    /// Appends another text if it has the same language and both together are shorter than [`MAX_PIECE_CHARS`]; false
    /// if it was not appended.
    fn takes_in(&mut self, more: &Self) -> bool {
        let (
            Self::Say { text, language },
            Self::Say {
                text: more,
                language: in_language,
            },
        ) = (self, more)
        else {
            return false;
        };
        let together = text.chars().count() + more.chars().count() < MAX_PIECE_CHARS;
        if language != in_language || !together {
            return false;
        }
        // After an ASCII character a space separates the texts; after Chinese punctuation none is needed.
        if text.ends_with(|last: char| last.is_ascii()) {
            text.push(' ');
        }
        text.push_str(more);
        true
    }

    fn language(&self) -> Option<Option<&str>> {
        match self {
            Self::Say { language, .. } => Some(language.as_deref()),
            Self::Play(_) => None,
        }
    }

    /// Returns the name and the value of the property of a `gather` that contains this part: `say` or `play`.
    fn nested(self) -> (&'static str, Value) {
        match self {
            Self::Say { text, language } => {
                let mut say = json!({"text": text});
                if let Some(language) = language {
                    say["synthesizer"] = json!({"vendor": "default", "language": language});
                }
                ("say", say)
            }
            Self::Play(url) => ("play", json!({"url": url})),
        }
    }

    fn verb(self) -> Value {
        let (name, mut verb) = self.nested();
        verb["verb"] = json!(name);
        verb
    }
}

/// Adds what a verb says or plays, joined to the preceding text where the language is the same.
fn add(parts: &mut Vec<Part>, verb: &Verb, links: &Links) {
    match verb {
        Verb::Say { text, language } => {
            let language = (*language != links.language).then(|| language.clone());
            for part in said(&text.to_string(), language) {
                let taken = parts
                    .last_mut()
                    .is_some_and(|before| before.takes_in(&part));
                if !taken {
                    parts.push(part);
                }
            }
        }
        Verb::Play { take } => parts.push(Part::Play(links.take(*take))),
        _ => {}
    }
}

fn said(text: &str, language: Option<String>) -> Vec<Part> {
    let text = sayable(text);
    let pieces = pieces(&text).into_iter().map(plain);
    let pieces = pieces.filter(|text| !text.is_empty());
    pieces
        .map(|text| Part::Say {
            text,
            language: language.clone(),
        })
        .collect()
}

/// Changes a text that jambonz would not speak as text: jambonz plays a text that looks like an address as a file, and
/// reads a text that begins with `<` as markup for the voice. Leading `<` are removed, the colon becomes a comma.
fn plain(text: &str) -> String {
    let text = text.trim_start_matches(['<', ' ']);
    let scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    match text.split_once(':') {
        Some((before, after)) if !before.is_empty() && before.chars().all(scheme) => {
            format!("{before}, {after}")
        }
        _ => text.to_owned(),
    }
}

/// The properties of a `gather` that waits for one key.
fn one_key(seconds: u32) -> Value {
    json!({"numDigits": 1, "timeout": seconds.clamp(1, MAX_WAIT)})
}

fn digits(most: u32, seconds: u32) -> Value {
    let (most, seconds) = (most.clamp(1, MAX_DIGITS), seconds.clamp(1, MAX_WAIT));
    json!({
        "numDigits": most,
        "minDigits": 1,
        "finishOnKey": "#",
        "interDigitTimeout": seconds,
        "timeout": seconds + most * A_DIGIT,
    })
}

fn gather(said: Option<Part>, keys: &Value, hook: String) -> Value {
    let mut gather = json!({
        "verb": "gather",
        "input": ["digits"],
        "dtmfBargein": true,
        "actionHook": hook,
    });
    if let (Value::Object(gather), Value::Object(keys)) = (&mut gather, keys) {
        gather.extend(keys.clone());
    }
    if let Some((name, value)) = said.map(Part::nested) {
        gather[name] = value;
    }
    gather
}

/// Adds a `gather` for each part that is said or played before input is waited for; the last `gather` waits for the
/// input. Without parts it is a single `gather`.
fn gathers(verbs: &mut Vec<Value>, parts: Vec<Part>, keys: &Value, links: &Links) {
    let mut parts = parts.into_iter().peekable();
    if parts.peek().is_none() {
        verbs.push(gather(None, keys, links.step()));
    }
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        let mut keys = keys.clone();
        let hook = if last {
            links.step()
        } else {
            keys["timeout"] = json!(BETWEEN);
            links.said()
        };
        verbs.push(gather(Some(part), &keys, hook));
    }
}

fn stream(links: &Links, max_seconds: u32, silence_seconds: u32) -> Stream {
    Stream {
        call: links.call,
        step: links.step,
        max_seconds: max_seconds.clamp(1, MAX_TALK),
        silence_seconds: silence_seconds.min(MAX_WAIT),
    }
}

fn again(links: &Links) -> Value {
    json!({"verb": "redirect", "actionHook": links.step()})
}

fn hang_up() -> Value {
    json!({"verb": "hangup"})
}

#[cfg(test)]
mod tests;
