//! `dutyline hear`: prints what a caller would hear.

use super::{Failure, Outcome, one_line};
use crate::base::clock::Clock;
use crate::call::acts::parse_script;
use crate::call::rehearsal::{self, Heard};
use crate::call::script::{Script, Verb};
use crate::config::Config;
use crate::line::Line;
use crate::line::hours::Phase;
use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use serde::Serialize;
use std::path::Path;

#[derive(Args)]
pub(super) struct Hear {
    /// When the call comes in; without an offset it is the line's local time [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// The line that is called [default: the configuration's only line]
    #[arg(long, value_name = "ID")]
    line: Option<String>,
    /// What the caller does: keys, `speak`, `silence`, `hangup`, separated by commas
    #[arg(long, value_name = "ACTS", default_value = "")]
    keys: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Hear {
    pub fn run(self, config: Option<&Path>) -> Outcome {
        let config = Config::load(config)?;
        let line = one_line(&config, self.line.as_deref())?;
        let at = match &self.at {
            Some(text) => rehearsal::parse_time(line, text)
                .map_err(|error| Failure::Usage(format!("--at {text}: {error}")))?,
            None => Clock::system().line_now(),
        };
        let acts = parse_script(&self.keys).map_err(Failure::Usage)?;
        let heard = rehearsal::play(line, at, &acts);
        if self.json {
            print_json(line, at, &heard)?;
        } else {
            print_words(line, at, &heard);
        }
        Ok(())
    }
}

fn local(line: &Line, at: DateTime<Utc>) -> String {
    at.with_timezone(&line.schedule.timezone)
        .to_rfc3339_opts(SecondsFormat::Secs, false)
}

/// Output of `--json`. Times are the line's local time with its offset.
#[derive(Serialize)]
struct Answer<'a> {
    at: String,
    line: &'a str,
    phase: Phase,
    reopens_at: Option<String>,
    script: Vec<&'a Verb>,
}

fn print_json(line: &Line, at: DateTime<Utc>, heard: &Heard) -> Outcome {
    let script: Vec<&Verb> = std::iter::once(&heard.answer)
        .chain(heard.then.iter().map(|(_, script)| script))
        .flat_map(|script| &script.0)
        .collect();
    let answer = Answer {
        at: local(line, at),
        line: &line.id,
        phase: heard.state.phase,
        reopens_at: heard.state.reopens_at.map(|at| local(line, at)),
        script,
    };
    let text = serde_json::to_string(&answer);
    println!(
        "{}",
        text.map_err(|error| Failure::Failed(error.to_string()))?
    );
    Ok(())
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
        rehearsal::seconds(&heard.answer)
    );
    for (acts, script) in &heard.then {
        for act in acts {
            println!("> {act}");
        }
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
            Verb::Digits { most, seconds } => {
                println!("      (waits {seconds} s for each of {most} digits, # ends)");
            }
            Verb::Record { max_seconds, .. } => {
                println!("      (beep; records up to {max_seconds} s, # ends)");
            }
            Verb::Connect {
                name, ring_seconds, ..
            } => println!("      (rings {name} for {ring_seconds} s)"),
            Verb::HangUp => println!("      (hangs up)"),
        }
    }
}
