//! `dutyline prompts`: lists the sounds to record, and those that are missing.

use super::{Failure, Outcome};
use crate::config::Config;
use crate::sounds::{Place, places};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::path::Path;

#[derive(Subcommand)]
pub(super) enum PromptsCommand {
    /// The script to read out when recording the prompts: 8 kHz, mono, 16-bit WAV
    #[command(
        after_help = "Example:\n  dutyline prompts list --language zh-CN > script.txt\n\nRead out what stands behind each file name; in brackets is the sentence it is a piece of."
    )]
    List(Asked),
    /// Print which sounds are missing or in the wrong format
    #[command(
        after_help = "Example:\n  dutyline prompts check\n\nExit code 1 when something is missing that no synthesizer fills in."
    )]
    Check(Asked),
}

#[derive(Args)]
pub(super) struct Asked {
    /// Only the sounds of this language [default: all languages]
    #[arg(long, value_name = "LANGUAGE")]
    language: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl PromptsCommand {
    pub fn run(self, path: Option<&Path>) -> Outcome {
        let config = Config::load(path)?;
        match self {
            Self::List(asked) => list(&config, &asked.places(&config)?, asked.json),
            Self::Check(asked) => check(&asked.places(&config)?, asked.json),
        }
    }
}

impl Asked {
    fn places(&self, config: &Config) -> Result<Vec<Place>, Failure> {
        let places = places(config, self.language.as_deref());
        match &self.language {
            Some(language) if places.is_empty() => {
                Err(Failure::Usage(format!("no line speaks {language}")))
            }
            _ => Ok(places),
        }
    }
}

/// A sound that `list --json` prints.
#[derive(Serialize)]
struct Listed<'a> {
    language: &'a str,
    id: &'a str,
    file: String,
    words: &'a str,
    sentence: Option<&'a str>,
}

fn print_json(value: &impl Serialize) -> Outcome {
    let text = serde_json::to_string(value);
    println!(
        "{}",
        text.map_err(|error| Failure::Failed(error.to_string()))?
    );
    Ok(())
}

fn list(config: &Config, places: &[Place], as_json: bool) -> Outcome {
    // Paths are relative to the operator's folder, because that folder may have another path on the machine where the
    // sounds are recorded.
    let name = |place: &Place| {
        let within = place.recording.strip_prefix(&config.prompts.folder);
        within.unwrap_or(&place.recording).display().to_string()
    };
    if as_json {
        let rows = places.iter().map(|place| Listed {
            language: &place.language,
            id: &place.entry.sound.id,
            file: name(place),
            words: place.entry.sound.read_out(),
            sentence: place.entry.sentence.as_deref(),
        });
        return print_json(&rows.collect::<Vec<_>>());
    }
    let longest = places.iter().map(|place| name(place).len()).max();
    for place in places {
        let words = place.entry.sound.read_out();
        let file = name(place);
        let width = longest.unwrap_or_default();
        match &place.entry.sentence {
            Some(sentence) => println!("{file:<width$}  {words}  [{sentence}]"),
            None => println!("{file:<width$}  {words}"),
        }
    }
    Ok(())
}

/// A sound that `check --json` prints.
#[derive(Serialize)]
struct Checked<'a> {
    language: &'a str,
    id: &'a str,
    path: &'a Path,
    standing: &'static str,
    wrong: Option<&'a str>,
}

/// The state of a sound.
struct Found {
    /// `recorded`, `synthesized`, `to_synthesize`, `missing` or `wrong`.
    standing: &'static str,
    /// What is wrong with its recording; `None` if nothing is, or if there is no recording.
    wrong: Option<String>,
}

fn look(place: &Place) -> Found {
    let recorded = place.recorded();
    let standing = match (&recorded, &place.cached) {
        (Ok(Some(_)), _) => "recorded",
        (Err(_), _) => "wrong",
        (Ok(None), None) => "missing",
        (Ok(None), Some(_)) if place.sound().is_some() => "synthesized",
        (Ok(None), Some(_)) => "to_synthesize",
    };
    Found {
        standing,
        wrong: recorded.err().map(|wrong| wrong.to_string()),
    }
}

fn check(places: &[Place], as_json: bool) -> Outcome {
    let looked: Vec<(&Place, Found)> = places.iter().map(|place| (place, look(place))).collect();
    let count = |standing: &str| {
        let found = looked.iter();
        found
            .filter(|(_, found)| found.standing == standing)
            .count()
    };
    if as_json {
        let rows = looked.iter().map(|(place, found)| Checked {
            language: &place.language,
            id: &place.entry.sound.id,
            path: &place.recording,
            standing: found.standing,
            wrong: found.wrong.as_deref(),
        });
        print_json(&rows.collect::<Vec<_>>())?;
    } else {
        for (place, found) in &looked {
            let path = place.recording.display();
            match (&found.wrong, found.standing) {
                (Some(wrong), _) => println!("✗ {path}: {wrong}"),
                (None, "missing") => {
                    println!("✗ {path}: missing: {}", place.entry.sound.read_out());
                }
                _ => {}
            }
        }
        println!(
            "{} sounds: {} recorded, {} synthesized, {} to be synthesized at the next start, {} missing, {} in the wrong format",
            looked.len(),
            count("recorded"),
            count("synthesized"),
            count("to_synthesize"),
            count("missing"),
            count("wrong"),
        );
    }
    match count("missing") + count("wrong") {
        0 => Ok(()),
        1 => Err(Failure::Failed("one sound is to be recorded".into())),
        many => Err(Failure::Failed(format!("{many} sounds are to be recorded"))),
    }
}
