//! Scripts in jambonz's language for a call: an array of verbs.
//!
//! Only verbs and properties of its published schema are used. What is said straight before a key is waited for stands
//! inside the `gather`: only there a key interrupts. A `gather` says one thing in one language; where there are several,
//! each has a `gather` of its own, which goes on with the next one when no key was pressed (see [`Links::said`]).
//!
//! Behind each verb that asks us what comes next stands a `redirect` to the same step: jambonz goes on with the next
//! verb when we could not be reached, and a step that is asked for twice is answered the same.

use crate::call::script::{Script, Verb};
use crate::telephony::Links;
use crate::telephony::streams::Stream;
use crate::telephony::twiml::{pieces, sayable};
use serde_json::{Value, json};

/// Whom jambonz calls itself at a stream's address.
pub const USER: &str = "jambonz";

/// How long a `gather` that is followed by another one waits after its last word, in seconds.
const BETWEEN: f64 = 0.1;

/// The longest wait for anything, and the longest talk or recording, in seconds: jambonz's own timers, in milliseconds
/// of 31 bits, run out at once when they are set for longer than they can count.
const MAX_WAIT: u32 = 600;
const MAX_TALK: u32 = 14_400;

/// More digits nobody types.
const MAX_DIGITS: u32 = 100;

/// Characters said in one piece. Voices take 5,000 bytes, and begin the later the more it is.
const MAX_PIECE_CHARS: usize = 1000;

/// What typing one digit may take, in seconds: jambonz counts the time for all digits from the last word on.
const A_DIGIT: u32 = 2;

/// The verb that streams a recording.
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

/// A script of a running call. Verbs behind one that ends the script are not written.
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
                // jambonz does not act upon it: who listens counts the silence.
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
                    // Not in the target, where the schema takes an address for two things at once.
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

/// What whoever was rung hears. Whichever key they press, or none, is posted to [`Links::taken`]. They are put together
/// with the caller if they are still there when all is done: so the end is to hang up, and only [`taken`] replaces it.
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
    // One thing in one language: nobody may be let through between two.
    let words: Vec<&str> = parts.iter().filter_map(Part::words).collect();
    let language = parts.iter().find_map(Part::language);
    let part = Part::Say {
        text: words.join(" "),
        language: language.flatten().map(str::to_owned),
    };
    Value::Array(vec![gather(Some(part), &keys, links.accepted()), hang_up()])
}

/// The answer to the key of whoever was rung. Of what may stand in such an answer `tag` is the verb that does nothing;
/// an empty one would leave the hanging up behind the `gather` in its place.
pub fn taken(taken: bool) -> Value {
    match taken {
        true => json!([{"verb": "tag", "data": {"accepted": true}}]),
        false => Value::Array(vec![hang_up()]),
    }
}

/// A script where there is no call to come back to: the database is down, or the number is no line's. What waits for
/// an answer is left out, and nothing is recorded: there is nobody to stream it to.
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

/// Something said or played.
enum Part {
    Say {
        text: String,
        /// None when it is the language the application speaks anyway.
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

    /// Says this too, where it fits: in the same language, and not too much for a voice in one piece.
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
        // A full stop of full width has its space in it.
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

    /// As it stands in a `gather`: `say` or `play`, and what of it.
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

/// Adds something said to what is said before it, where the language is the same.
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

/// The words as words: jambonz takes a text that reads as an address for a file to play, and one in angle brackets for
/// instructions to its voice.
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

/// What keys are waited for: the properties of a `gather`.
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

/// What is said before a key is waited for, part by part, and the waiting behind the last one.
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
