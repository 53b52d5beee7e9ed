//! Tests of the conversation: its rules as properties of any call ([`properties`]), and examples of the exact words on
//! the open line ([`examples`]), with a receipt ([`calling_back`]), and while the line is closed ([`closed`]).

mod any;
mod calling_back;
mod closed;
mod examples;
mod properties;

use super::flow::{self, Context, Found, Input, Turn};
use super::script::{RecordingEnd, Script, Verb};
use super::state::State;
use crate::config::{Config, EMBEDDED};
use crate::line::Line;
use crate::report::takes::Take;
use crate::telephony::{Links, twiml};
use chrono::{DateTime, Utc};
use std::path::Path;

/// The receipt of every call in these tests.
const RECEIPT: &str = "572943817503";

/// A time at which the line is open.
const OPEN: &str = "2024-03-06T09:00";

fn default_line() -> Line {
    let config = Config::parse(EMBEDDED, "default", Path::new("/nowhere")).unwrap();
    config.lines[0].line.clone()
}

/// A time in the default line's time zone.
fn at(shanghai: &str) -> DateTime<Utc> {
    format!("{shanghai}:00+08:00").parse().unwrap()
}

fn recorded(end: RecordingEnd) -> Input {
    Input::Recorded {
        end: Some(end),
        seconds: None,
    }
}

/// A simulated call to a line: its state, and the script and effects of the last step.
struct Caller<'a> {
    line: &'a Line,
    context: Context,
    state: State,
    heard: Script,
    effects: Vec<flow::Effect>,
}

impl<'a> Caller<'a> {
    fn dial(line: &'a Line, at: DateTime<Utc>) -> Self {
        let Turn {
            state,
            effects,
            script,
        } = flow::answer(line, at, RECEIPT.to_owned(), true);
        Self {
            line,
            context: Context {
                now: at,
                duty_busy: false,
                reply_sounds: true,
            },
            state,
            heard: script,
            effects,
        }
    }

    fn does(&mut self, input: Input) -> &mut Self {
        let turn = flow::next(self.line, self.context, self.state.clone(), input);
        self.state = turn.state;
        self.heard = turn.script;
        self.effects = turn.effects;
        self
    }

    fn presses(&mut self, key: char) -> &mut Self {
        self.does(Input::Key(key))
    }

    /// Types a receipt, with the given result of the lookup.
    fn types(&mut self, keys: &str, found: Found) -> &mut Self {
        let keys = keys.to_owned().into();
        self.does(Input::Typed { keys, found })
    }

    fn says_something(&mut self) -> &mut Self {
        self.does(recorded(RecordingEnd::Key))
    }

    fn waits(&self) -> Waits {
        waits(&self.heard)
    }

    fn words(&self) -> String {
        words(&self.heard)
    }
}

/// What a script waits for at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Waits {
    Keys(String),
    Record(u32),
    /// A telephone with this number rings.
    Ringing(String),
    HungUp,
    /// A receipt, of at most this many digits.
    Digits(u32),
    /// The script is empty: the caller has hung up.
    Nobody,
}

fn waits(script: &Script) -> Waits {
    match script.0.last() {
        Some(Verb::Gather { keys, .. }) => Waits::Keys(keys.clone()),
        Some(Verb::Record { max_seconds, .. }) => Waits::Record(*max_seconds),
        Some(Verb::Digits { most, .. }) => Waits::Digits(*most),
        Some(Verb::Connect { number, .. }) => Waits::Ringing(number.expose().clone()),
        Some(Verb::HangUp) => Waits::HungUp,
        Some(other) => panic!("a script ends in {other:?}"),
        None => Waits::Nobody,
    }
}

/// Returns what is said, one sentence a line.
fn words(script: &Script) -> String {
    let said = script.0.iter().filter_map(|verb| match verb {
        Verb::Say { text, .. } => Some(text.to_string()),
        _ => None,
    });
    said.collect::<Vec<_>>().join("\n")
}

/// Returns the script as a caller hears it: words with their language, then what is waited for.
fn heard(script: &Script) -> String {
    let lines = script.0.iter().map(|verb| match verb {
        Verb::Say { text, language } => format!("{language}: {text}"),
        Verb::Play { take } => format!("[plays what was said at step {take}]"),
        Verb::Gather { keys, seconds } => format!("[waits {seconds} s for {keys}]"),
        Verb::Digits { most, seconds } => format!("[waits {seconds} s for each of {most} digits]"),
        Verb::Record { max_seconds, .. } => format!("[records up to {max_seconds} s]"),
        Verb::Connect {
            name,
            ring_seconds,
            max_seconds,
            ..
        } => format!("[rings {name} for {ring_seconds} s, to talk for {max_seconds} s]"),
        Verb::HangUp => "[hangs up]".to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns the script as a TwiML document, one element a line.
fn document(caller: &Caller<'_>) -> String {
    let links = Links {
        public_url: "https://duty.example.org".to_owned(),
        provider: "twilio".to_owned(),
        call: uuid::Uuid::nil(),
        line: "fcg-5".to_owned(),
        step: caller.state.step,
        take_key: "KEY".to_owned().into(),
        stream_key: "KEY".to_owned().into(),
        line_number: "+8618877009155".into(),
        language: "zh-CN".into(),
    };
    twiml::document(&twiml::TWILIO, &caller.heard, &links).replace("><", ">\n<")
}

/// A take recorded at these steps.
fn taken(steps: &[u32], replaced: bool) -> Take {
    Take {
        steps: steps.to_vec(),
        replaced,
    }
}
