//! `dutyline check`: prints a ✓ for each part that is in order, or else what to do.

use super::{Failure, Outcome};
use crate::app;
use crate::app::exposure;
use crate::app::installation;
use crate::base::clock::Clock;
use crate::config::Config;
use crate::line::Line;
use crate::line::hours::Phase;
use crate::sounds;
use crate::store::keys;
use crate::store::{Db, StoreError, jobs, strays};
use crate::telephony::{Finding, Mute};
use crate::vault::blobs::{Blobs, KEPT_UNNAMED};
use crate::vault::secret::ServiceSecret;
use crate::work::housekeeping;
use clap::Args;
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

/// Maximum number of gaps in the roster (staffed times without an inspector on duty) that are printed for a line.
const GAPS_NAMED: usize = 3;
/// Maximum number of files printed that no row refers to.
const FILES_NAMED: usize = 10;

#[derive(Args)]
pub(super) struct Check {
    /// Print only the URL of the webhook with this path, exactly as it is used to check signatures
    #[arg(long, value_name = "PATH")]
    webhook: Option<String>,
}

impl Check {
    pub async fn run(self, path: Option<&Path>) -> Outcome {
        let config = Config::load(path)?;
        if let Some(webhook) = &self.webhook {
            return super::webhook::run(&config, webhook);
        }
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

/// Prints the findings as they are made, and counts in `bad` those that need something to be done.
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
        if line.schedule.phase(now) == Phase::Ended {
            report.warn(&format!("line {}: its inspection is over", line.id));
        }
        for night in line.schedule.windows.as_slice() {
            if night.ends_next_day() {
                report.good(&format!(
                    "line {}: the window {night} ends on the next day",
                    line.id
                ));
            }
        }
        dialled(config, line, report);
        roster(line, report);
    }
    for warning in config.warnings() {
        report.warn(&warning);
    }
    if config.public_url.starts_with("http://") {
        report.warn("public_url is http://: providers on the internet need https://");
    }
}

/// Reports which line answers a call to each number of `line`. The answering line is looked up as a webhook does it.
fn dialled(config: &Config, line: &Line, report: &mut Report) {
    let own = (line.dial.clone(), line.number.to_string());
    let answers = line.answers.iter().map(ToString::to_string);
    for (written, sent) in std::iter::once(own).chain(answers.map(|to| (to.clone(), to))) {
        let shown = match written == sent {
            true => written.clone(),
            false => format!("{written} ({sent})"),
        };
        // A provider may also send the number as the operator wrote it.
        let answering = [&sent, &written].map(|dialled| config.line_dialled(dialled));
        match answering.map(|found| found.map(|line| line.id.as_str())) {
            [Some(one), Some(other)] if one == line.id && other == line.id => {
                report.good(&format!("a call to {shown} is answered by line {one}"));
            }
            [Some(one), _] if one == line.id => report.bad(&format!(
                "a call to {sent} is answered by line {one}, and one to {written} is not; write {sent} in the configuration of line {}",
                line.id
            )),
            [Some(other), _] => report.bad(&format!(
                "a call to {shown} is answered by line {other}, and should be by line {}; give each line a number of its own",
                line.id
            )),
            [None, _] => report.bad(&format!(
                "a call to {shown} is answered by no line, and should be by line {}; write the number as it is dialled in the line's country, or with a plus",
                line.id
            )),
        }
    }
}

/// Reports the size of a line's roster, and the staffed times when no inspector is on duty. The whole inspection
/// period is examined, because a configuration is checked before it is in use.
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
    for warning in exposure::warnings(config) {
        report.warn(&warning);
    }
    let secret = ServiceSecret::load(&config.secret_file);
    if let Err(error) = &secret {
        report.bad(&format!("service secret: {error}"));
    }
    let db = match installation::open_database(&config.database).await {
        Ok(db) => db,
        Err(error) => return report.bad(&error),
    };
    match db.syncs_to_disk().await {
        Ok(true) => report.good("database"),
        Ok(false) => report.bad(&format!("database: {}", app::NO_FSYNC)),
        Err(error) => report.bad(&format!("database: {error}")),
    }
    let (installation, blobs) = belonging(config, &db, secret.as_ref().ok(), report).await;
    failing_jobs(&db, report).await;
    stray_recordings(&db, report).await;
    if let Some(blobs) = blobs {
        unnamed_files(&blobs, &db, report).await;
    }
    if let (Ok(secret), Some(installation)) = (secret, installation) {
        db.prove_with(&secret, installation, config.lead.as_ref());
        match (db.check_lead().await, &config.lead) {
            (Err(error), _) => report.bad(&format!("first lead: {error}")),
            (Ok(()), Some(_)) => report.good("first lead's key, as pinned"),
            (Ok(()), None) => report.warn(
                "the first lead's key is not pinned: add the `[trust] lead` that `dutyline init` has printed",
            ),
        }
        match db.check_heads(&installation::heads_file(config)).await {
            Ok(()) => report.good("chains of the trail, as this machine has seen them"),
            Err(error) => report.bad(&format!("chains of the trail: {error}")),
        }
        keys(config, &db, report).await;
    }
    db.close().await;
}

/// Reports whether the service secret and the folder of recordings belong to the database. Returns the installation if
/// the secret belongs to it, and the folder if it does.
async fn belonging(
    config: &Config,
    db: &Db,
    secret: Option<&ServiceSecret>,
    report: &mut Report,
) -> (Option<Uuid>, Option<Blobs>) {
    let found = async { installation::read(&mut db.begin_read().await?).await }.await;
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            report.bad(&format!("installation: {error}"));
            return (None, None);
        }
    };
    let mut installation = None;
    if let Some(secret) = secret {
        match installation::verify(&found, secret, &config.secret_file) {
            Ok(()) => {
                report.good("service secret");
                installation = Some(found.id);
            }
            Err(error) => report.bad(&format!("service secret: {error}")),
        }
    }
    let blobs = Blobs::open(&config.recordings, found.id);
    let blobs = match blobs.check_marker() {
        Ok(()) => {
            report.good("folder of recordings");
            Some(blobs)
        }
        Err(error) => {
            report.bad(&error.to_string());
            None
        }
    };
    (installation, blobs)
}

async fn keys(config: &Config, db: &Db, report: &mut Report) {
    for entry in &config.lines {
        let id = &entry.line.id;
        let pinned = entry.pinned_key.as_ref().map(ToString::to_string);
        let read = async {
            let mut tx = db.begin_read().await?;
            let Some(key) = keys::current_key(&mut tx, id).await? else {
                return Ok(None);
            };
            let is_pinned = match &pinned {
                Some(pinned) => keys::is_pinned(&mut tx, &key, pinned).await?,
                None => true,
            };
            let first = keys::first_key(&mut tx, id).await?;
            Ok::<_, StoreError>(first.map(|first| (first, is_pinned)))
        };
        match read.await {
            Ok(Some((first, is_pinned))) => match &pinned {
                Some(_) if !is_pinned => report.bad(&format!(
                    "line {id}: the key in the database is not the pinned one; find out who changed it"
                )),
                Some(_) => report.good(&format!("line {id}: key, as pinned")),
                None => report.good(&format!(
                    "line {id}: key; to pin it: key = \"{}\"",
                    first.recipient
                )),
            },
            Ok(None) => report.bad(&format!("line {id}: no key; run `dutyline init`")),
            Err(error) => report.bad(&format!("line {id}: {error}")),
        }
    }
}

/// Reports the kinds of jobs that keep failing.
async fn failing_jobs(db: &Db, report: &mut Report) {
    let failing = async { jobs::failing(&mut db.begin_read().await?).await };
    let failing: Result<_, StoreError> = failing.await;
    match failing {
        Ok(kinds) if kinds.is_empty() => report.good("jobs: none keeps failing"),
        Ok(kinds) => {
            for kind in kinds {
                report.bad(&format!(
                    "jobs: {} of kind {} keep failing since {} UTC: {}; see `dutyline jobs list`",
                    kind.count,
                    kind.kind,
                    kind.since.format("%Y-%m-%d %H:00"),
                    kind.reason
                ));
            }
        }
        Err(error) => report.bad(&format!("jobs: {error}")),
    }
}

/// Reports files in the folder of recordings that no row refers to, as left by a crash or by a worker that lost its
/// lease. Files of the last hour are not reported.
async fn unnamed_files(blobs: &Blobs, db: &Db, report: &mut Report) {
    match housekeeping::unnamed(db, blobs, Clock::system().system_now()).await {
        Ok(files) if files.is_empty() => {
            report.good("every file in the folder of recordings belongs to a recording")
        }
        Ok(files) => {
            report.warn(&format!(
                "folder of recordings: {} file(s) that no recording refers to; `dutyline recordings unnamed --remove` removes those older than {} days",
                files.len(),
                KEPT_UNNAMED.num_days()
            ));
            for file in files.iter().take(FILES_NAMED) {
                report.warn(&format!("  {}  {}", file.at.format("%Y-%m-%d"), file.name));
            }
        }
        Err(error) => report.bad(&error),
    }
}

/// Reports the number of recordings that a provider has announced for calls whose line is not known yet.
async fn stray_recordings(db: &Db, report: &mut Report) {
    let found = async { strays::count(&mut db.begin_read().await?).await }.await;
    match found {
        Ok(0) => {}
        Ok(found) => report.warn(&format!(
            "{found} recording(s) of unknown calls: it is not known yet which line they are for; `dutyline serve` asks the provider"
        )),
        Err(error) => report.bad(&format!("recordings of unknown calls: {error}")),
    }
}

/// Reports the sounds for providers without text-to-speech: whether some are missing, and concerns about their
/// folders.
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

/// Reports what each provider finds in its configuration and at its API. Returns true if one of them has no
/// text-to-speech; a provider that cannot be created does not count.
async fn providers(config: &Config, report: &mut Report) -> bool {
    let mut speechless = false;
    for provider in &config.providers {
        let name = &provider.name;
        let unreadable = provider.unreadable_secrets();
        if !unreadable.is_empty() {
            for error in unreadable {
                report.bad(&error.to_string());
            }
            continue;
        }
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
