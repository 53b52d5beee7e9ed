//! `dutyline check`: each part a ✓, or what to do.

use super::{Failure, Outcome};
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::line::Line;
use crate::sounds;
use crate::store::{Db, members, strays};
use crate::telephony::{Finding, Mute};
use crate::vault::recordings::Recordings;
use crate::vault::secret::ServiceSecret;
use clap::Args;
use std::path::Path;
use std::sync::Arc;

/// So many of the times nobody is on duty are printed.
const GAPS_NAMED: usize = 3;

#[derive(Args)]
pub(super) struct Check {}

impl Check {
    pub async fn run(self, path: Option<&Path>) -> Outcome {
        let config = Config::load(path)?;
        let mut report = Report::default();
        report.good(&format!(
            "configuration: {} line(s), {} provider(s)",
            config.lines.len(),
            config.providers.len()
        ));
        lines(&config, &mut report);
        storage(&config, &mut report).await;
        let speechless = providers(&config, &mut report).await;
        if speechless {
            sounds(&config, &mut report);
        }
        report.end()
    }
}

/// What was found, printed as it is found.
#[derive(Default)]
struct Report {
    bad: usize,
}

impl Report {
    fn good(&self, text: &str) {
        println!("✓ {text}");
    }

    fn warn(&self, text: &str) {
        println!("! {text}");
    }

    fn bad(&mut self, text: &str) {
        self.bad += 1;
        println!("✗ {text}");
    }

    fn end(self) -> Outcome {
        match self.bad {
            0 => Ok(()),
            1 => Err(Failure::Failed("one thing is to be done".into())),
            bad => Err(Failure::Failed(format!("{bad} things are to be done"))),
        }
    }
}

fn lines(config: &Config, report: &mut Report) {
    for entry in &config.lines {
        let line = &entry.line;
        let period = &line.schedule.inspection;
        let open = line
            .schedule
            .days(period.from, period.to)
            .iter()
            .filter(|day| !day.windows.is_empty())
            .count();
        report.good(&format!(
            "line {}: {} staffed on {open} days, {} to {}",
            line.id, line.dial, period.from, period.to
        ));
        let now = Clock::system().line_now();
        let today = now.with_timezone(&line.schedule.timezone).date_naive();
        if today > period.to {
            report.warn(&format!("line {}: its inspection is over", line.id));
        }
        roster(line, report);
    }
    for warning in config.warnings() {
        report.warn(&warning);
    }
    if config.public_url.starts_with("http://") {
        report.warn("public_url is http://: providers on the internet need https://");
    }
}

/// Who can be rung, and when nobody can. All of the inspection is looked at: a configuration is checked before it runs.
fn roster(line: &Line, report: &mut Report) {
    let id = &line.id;
    let people = line.roster.people.len();
    if people == 0 {
        return report.good(&format!(
            "line {id}: no roster, callers are not offered the duty inspector"
        ));
    }
    let gaps = line
        .roster
        .gaps(&line.schedule, line.schedule.inspection.from);
    if gaps.is_empty() {
        return report.good(&format!(
            "line {id}: {people} on the roster, somebody is on whenever it is staffed"
        ));
    }
    let mut times: Vec<String> = gaps
        .iter()
        .take(GAPS_NAMED)
        .map(|(from, to)| {
            format!(
                "{} to {}",
                from.format("%Y-%m-%d %H:%M"),
                to.format("%H:%M")
            )
        })
        .collect();
    if let more @ 1.. = gaps.len().saturating_sub(GAPS_NAMED) {
        times.push(format!("{more} more times"));
    }
    report.warn(&format!(
        "line {id}: {people} on the roster, nobody is on while it is staffed {}: callers are not offered the duty inspector then",
        times.join(", ")
    ));
}

async fn storage(config: &Config, report: &mut Report) {
    match ServiceSecret::load(&config.secret_file) {
        Ok(_) => report.good("service secret"),
        Err(error) => report.bad(&format!("service secret: {error}")),
    }
    if config.recordings.is_dir() {
        match Recordings::open_folder(&config.recordings) {
            Ok(_) => report.good("folder of recordings"),
            Err(error) => report.bad(&format!(
                "folder of recordings {}: {error}",
                config.recordings.display()
            )),
        }
    } else {
        report.bad(&format!(
            "folder of recordings {}: not there; run `dutyline init`",
            config.recordings.display()
        ));
    }
    if let crate::config::DatabaseAddress::Sqlite(path) = &config.database
        && !path.exists()
    {
        report.bad(&format!(
            "database {}: not there; run `dutyline init`",
            path.display()
        ));
        return;
    }
    let db = match Db::open(&config.database).await {
        Ok(db) => db,
        Err(error) => return report.bad(&error),
    };
    report.good("database");
    for entry in &config.lines {
        let id = &entry.line.id;
        let key = async { members::current_key(&mut db.read().await?, id).await }.await;
        match key {
            Ok(Some(key)) => match &entry.pinned_key {
                Some(pinned) if pinned.to_string() != key.recipient => report.bad(&format!(
                    "line {id}: the key in the database is not the pinned one; find out who changed it"
                )),
                Some(_) => report.good(&format!("line {id}: key, as pinned")),
                None => report.good(&format!(
                    "line {id}: key; to pin it: key = \"{}\"",
                    key.recipient
                )),
            },
            Ok(None) => report.bad(&format!("line {id}: no key; run `dutyline init`")),
            Err(error) => report.bad(&format!("line {id}: {error}")),
        }
    }
    let found = async { strays::count(&mut db.read().await?).await }.await;
    match found {
        Ok(0) => {}
        Ok(found) => report.warn(&format!(
            "{found} recording(s) of unknown calls: it is not known yet which line they are for; `dutyline serve` asks the provider"
        )),
        Err(error) => report.bad(&format!("recordings of unknown calls: {error}")),
    }
    db.close().await;
}

/// What a provider without a voice plays.
fn sounds(config: &Config, report: &mut Report) {
    let places = sounds::places(config, None);
    let gaps = places
        .iter()
        .filter(|place| place.cached.is_none() && place.sound().is_none())
        .count();
    match gaps {
        0 => report.good(&format!("{} sounds of the lines", places.len())),
        gaps => report.bad(&format!(
            "{gaps} of {} sounds are missing; `dutyline prompts check` says which",
            places.len()
        )),
    }
    for concern in sounds::concerns(config) {
        report.warn(&concern);
    }
}

/// True when one of them has no voice of its own.
async fn providers(config: &Config, report: &mut Report) -> bool {
    let mut speechless = false;
    for provider in &config.providers {
        let name = &provider.name;
        let made = match app::make_provider(provider, &config.public_url, Arc::new(Mute)) {
            Ok(made) => made,
            Err(error) => {
                report.bad(&error.to_string());
                continue;
            }
        };
        speechless |= !made.capabilities().has_voice;
        for found in made.look(&config.public_url).await {
            match found {
                Finding::Good(text) => report.good(&format!("provider {name}: {text}")),
                Finding::Odd(text) => report.warn(&format!("provider {name}: {text}")),
                Finding::Bad(text) => report.bad(&format!("provider {name}: {text}")),
            }
        }
    }
    speechless
}
