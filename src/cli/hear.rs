//! `dutyline hear`: what a caller would hear.

use super::{Failure, Outcome, one_line};
use crate::call::flow::{self, Input, Turn};
use crate::call::prompts::speech_seconds;
use crate::call::script::{RecordingEnd, Script, Verb};
use crate::call::state::{Place, State};
use crate::clock::Clock;
use crate::config::Config;
use crate::line::Line;
use crate::simulator::phone::{Act, parse_script};
use chrono::{DateTime, NaiveDateTime, SecondsFormat, TimeZone, Utc};
use clap::Args;
use serde_json::json;
use std::path::Path;

#[derive(Args)]
pub(super) struct Hear {
    /// When the call comes in; without an offset it is the line's local time [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// The line that is called
    #[arg(long, value_name = "ID")]
    line: Option<String>,
    /// What the caller does: keys, `speak`, `silence`, `hangup`
    #[arg(long, value_name = "ACTS", default_value = "")]
    keys: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Hear {
    pub fn run(self, config: Option<&Path>) -> Outcome {
        let config = Config::load(config)?;
        let line = one_line(&config, self.line.as_deref())?;
        let at = match &self.at {
            Some(text) => parse_time(line, text)?,
            None => Clock::system().line_now(),
        };
        let acts = parse_script(&self.keys).map_err(Failure::Usage)?;
        let heard = play(line, at, &acts);
        if self.json {
            print_json(line, at, &heard);
        } else {
            print_words(line, at, &heard);
        }
        Ok(())
    }
}

/// What was heard, and what was done in between.
struct Heard {
    answer: Script,
    then: Vec<(String, Script)>,
    state: State,
}

fn play(line: &Line, at: DateTime<Utc>, acts: &[Act]) -> Heard {
    let Turn { state, script, .. } = flow::answer(line, at, "000000000000".to_owned());
    let mut heard = Heard {
        answer: script,
        then: Vec::new(),
        state,
    };
    let mut spoken = false;
    for act in acts {
        let recording = matches!(heard.state.place, Place::Recording { .. });
        let input = match (act, recording) {
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
        let turn = flow::next(line, heard.state, input);
        heard.state = turn.state;
        heard.then.push((act.to_string(), turn.script));
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

fn local(line: &Line, at: DateTime<Utc>) -> String {
    at.with_timezone(&line.schedule.timezone)
        .to_rfc3339_opts(SecondsFormat::Secs, false)
}

fn print_json(line: &Line, at: DateTime<Utc>, heard: &Heard) {
    let script: Vec<&Verb> = std::iter::once(&heard.answer)
        .chain(heard.then.iter().map(|(_, script)| script))
        .flat_map(|script| &script.0)
        .collect();
    let answer = json!({
        "at": local(line, at),
        "line": line.id,
        "phase": heard.state.phase,
        "reopens_at": heard.state.reopens_at.map(|at| local(line, at)),
        "script": script,
    });
    println!("{answer}");
}

fn print_words(line: &Line, at: DateTime<Utc>, heard: &Heard) {
    println!(
        "{}  line {}  {}",
        local(line, at),
        line.id,
        heard.state.phase
    );
    if let Some(at) = heard.state.reopens_at {
        println!("staffed again {}", local(line, at));
    }
    print_script(&heard.answer);
    println!(
        "about {:.1} s of speech before the first choice",
        seconds(&heard.answer)
    );
    for (act, script) in &heard.then {
        println!("> {act}");
        print_script(script);
    }
}

fn print_script(script: &Script) {
    for verb in &script.0 {
        match verb {
            Verb::Say { text, language } => println!("{language:<6}{text}"),
            Verb::Play { .. } => println!("      (what the caller said)"),
            Verb::Gather { keys, seconds } => {
                let keys: Vec<String> = keys.chars().map(String::from).collect();
                println!("      (waits {seconds} s for {})", keys.join(" "));
            }
            Verb::Record { max_seconds, .. } => {
                println!("      (beep; records up to {max_seconds} s, # ends)");
            }
            Verb::HangUp => println!("      (hangs up)"),
        }
    }
}

/// How long the words of a script take, up to where it first waits.
fn seconds(script: &Script) -> f64 {
    script
        .0
        .iter()
        .take_while(|verb| !matches!(verb, Verb::Gather { .. } | Verb::Record { .. }))
        .map(|verb| match verb {
            Verb::Say { text, language } => speech_seconds(language, text),
            _ => 0.0,
        })
        .sum()
}

fn parse_time(line: &Line, text: &str) -> Result<DateTime<Utc>, Failure> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.with_timezone(&Utc));
    }
    if let Ok(at) = DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M%:z") {
        return Ok(at.with_timezone(&Utc));
    }
    let local = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .ok_or_else(|| {
            Failure::Usage(format!(
                "--at {text}: not a date and time; write it like 2024-04-07T09:00"
            ))
        })?;
    line.schedule
        .timezone
        .from_local_datetime(&local)
        .earliest()
        .map(|at| at.with_timezone(&Utc))
        .ok_or_else(|| {
            Failure::Usage(format!(
                "--at {text}: the clocks skip this time in {}",
                line.schedule.timezone
            ))
        })
}
