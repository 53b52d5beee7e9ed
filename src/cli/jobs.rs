//! `dutyline jobs`: lists jobs, makes them due at once so that the running service tries them again, and gives up
//! fetching a recording that the provider no longer has.

use super::member::Acting;
use super::{Failure, Outcome, open_db};
use crate::base::clock::Clock;
use crate::config::Config;
use crate::report::reference::Reference;
use crate::store::Db;
use crate::store::jobs::{self, Listed};
use crate::vault::signing::Signer;
use crate::work::fetch::{self, GivenUp};
use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand};
use std::path::Path;
use uuid::Uuid;

#[derive(Subcommand)]
pub(super) enum JobsCommand {
    /// List the jobs: fetching recordings, deleting them at the provider, settling and watching calls, and asking the
    /// provider about strays
    #[command(after_help = "Example:\n  dutyline jobs list")]
    List,
    /// Try jobs again at once instead of waiting for their next try
    #[command(
        after_help = "Example:\n  dutyline jobs retry --all\n  dutyline jobs retry 3f2c9a54-6d0e-4b7a-9d55-1f0c2b8e7a61\n\nThe service must be running: it does the jobs, within a second."
    )]
    Retry(Retry),
    /// Give up fetching a recording that the provider has no more: it counts as lost, and the trail says who gave it up
    #[command(
        after_help = "Example:\n  dutyline jobs give-up 3f2c9a54-6d0e-4b7a-9d55-1f0c2b8e7a61 --as wang --as-password-file wang.txt"
    )]
    GiveUp(GiveUp),
}

#[derive(Args)]
pub(super) struct GiveUp {
    /// The id of a job of the kind `fetch`, as `dutyline jobs list` prints it
    id: Uuid,
    /// Give up also if the last try did not show that the provider no longer has the recording
    #[arg(long)]
    although_it_may_be_there: bool,
    #[command(flatten)]
    acting: Acting,
}

#[derive(Args)]
pub(super) struct Retry {
    /// The id of a job, as `dutyline jobs list` prints it
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    id: Option<Uuid>,
    /// Every job whose last try failed
    #[arg(long)]
    all: bool,
}

impl JobsCommand {
    pub async fn run(self, config: Option<&Path>) -> Outcome {
        let config = Config::load(config)?;
        let db = open_db(&config).await?;
        let now = Clock::system().system_now();
        match self {
            Self::List => {
                let all = jobs::list(&mut db.begin_read().await?).await?;
                for job in &all {
                    println!("{}", line(job, now));
                }
                println!("{} job(s)", all.len());
            }
            Self::Retry(Retry { id: Some(id), .. }) => {
                let mut tx = db.begin().await?;
                if !jobs::hasten_one(&mut tx, id, now).await? {
                    return Err(Failure::Failed(format!(
                        "there is no job {id}, or it is being worked on; `dutyline jobs list` lists them"
                    )));
                }
                tx.commit().await?;
                println!("job {id} is tried again now");
            }
            Self::Retry(Retry { id: None, .. }) => {
                let mut tx = db.begin().await?;
                let count = jobs::hasten_failed(&mut tx, now).await?;
                tx.commit().await?;
                println!("{count} job(s) are tried again now");
            }
            Self::GiveUp(give_up) => give_up.run(&db).await?,
        }
        db.close().await;
        Ok(())
    }
}

impl GiveUp {
    async fn run(self, db: &Db) -> Outcome {
        let id = self.id;
        let (actor, identity) = self.acting.unlock(db).await?;
        let signer = Signer::new(actor.id, &identity);
        let anyway = self.although_it_may_be_there;
        match fetch::give_up(db, &Clock::system(), (&actor, signer), id, anyway).await? {
            GivenUp::Yes => {
                println!("job {id} is given up, and its recording counts as lost");
                Ok(())
            }
            GivenUp::NoSuchJob => Err(Failure::Failed(format!(
                "there is no job {id} that fetches a recording of a line of yours; `dutyline jobs list` lists the jobs"
            ))),
            GivenUp::MayBeThere => Err(Failure::Failed(format!(
                "the last try of job {id} did not show that the provider has the recording no more, and what the caller said would be lost; `dutyline jobs list` says why it failed. To give it up all the same, add --although-it-may-be-there"
            ))),
        }
    }
}

/// Formats a job as one line of text: id, kind, provider, and whether it is running, due, or in how many seconds it
/// will be; then, if it has them, duty line, report, and the number of its failures in a row, since when, and why.
fn line(job: &Listed, now: DateTime<Utc>) -> String {
    let provider = match job.provider.as_str() {
        "" => "-",
        name => name,
    };
    let state = match (job.running, job.run_after - now) {
        (true, _) => "running".to_owned(),
        (false, wait) if wait <= TimeDelta::zero() => "due".to_owned(),
        (false, wait) => format!("in {} s", wait.num_seconds() + 1),
    };
    let mut line = format!("{}  {:<6}  {provider:<10}  {state}", job.id, job.kind);
    if let Some(id) = &job.line {
        let reference = job.year.zip(job.number);
        let reference = reference.map(|(year, number)| Reference { year, number }.to_string());
        line += &format!("  {id} {}", reference.as_deref().unwrap_or("call"));
    }
    if let Some(reason) = &job.reason {
        line += &format!("  failed {} time(s)", job.failures);
        if let Some(since) = job.failing_since {
            line += &format!(", since {} UTC", since.format("%Y-%m-%d %H:00"));
        }
        line += &format!(": {reason}");
    }
    line
}
