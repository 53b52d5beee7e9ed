//! `dutyline audit`: checks that the trail is complete and that everything stored matches it, and restores rows of reports
//! and their keys from it.

use super::member::Acting;
use super::{Failure, Outcome, one_line, open_blobs, open_db};
use crate::app::installation;
use crate::base::clock::Clock;
use crate::config::Config;
use crate::members::rights;
use crate::register::restoring::{self, Restored};
use crate::register::verify::{self, Proof};
use crate::store::audit::Act;
use crate::store::audit::SERVICE;
use crate::store::heads;
use crate::vault::action::Action;
use crate::vault::signing::Signer;
use crate::work::hex;
use clap::{Args, Subcommand};
use std::path::Path;
use uuid::Uuid;

#[derive(Subcommand)]
pub(super) enum AuditCommand {
    /// Verify that the trail is complete and that everything sealed matches it
    #[command(
        after_help = "Example:\n  dutyline audit verify\n  dutyline audit verify --line fcg-5 --head 57:9f2c…\n\nKeep the printed head elsewhere; given again later with --head it proves that nothing before it was rewritten."
    )]
    Verify(Verify),
    /// Restore a report and its keys, whose rows another program has changed, from the line's trail
    #[command(
        after_help = "Example:\n  dutyline audit restore 3f2c9a54-6d0e-4b7a-9d55-1f0c2b8e7a61 --line fcg-5 --as wang --as-password-file wang.txt\n\n`dutyline audit verify` names the reports whose rows are refused. Their recordings are fetched after that."
    )]
    Restore(Restore),
}

#[derive(Args)]
pub(super) struct Restore {
    /// The id of the report, as `dutyline audit verify` prints it
    report: Uuid,
    /// The line of the report
    #[arg(long, value_name = "ID")]
    line: String,
    #[command(flatten)]
    acting: Acting,
}

impl Restore {
    async fn run(self, config: &Config) -> Outcome {
        let line = one_line(config, Some(&self.line))?.id.clone();
        let db = open_db(config).await?;
        let (lead, identity) = self.acting.unlock(&db).await?;
        let mut tx = db.begin().await?;
        tx.sign_as(Signer::new(lead.id, &identity));
        let lead = rights::acting(&mut tx, &lead).await?;
        if !rights::lines_of(&mut tx, lead.id).await?.contains(&line) {
            return Err(Failure::Failed(format!(
                "{} does not hold the key of line {line}",
                lead.name
            )));
        }
        let act = Act {
            actor: Some(&lead.name),
            report: Some(self.report),
            ..Act::new(Clock::system().line_now(), Action::ReportRestored)
        };
        let restored = restoring::restore(&mut tx, &line, self.report, act).await?;
        tx.commit().await?;
        db.close().await;
        let id = self.report;
        match restored {
            Restored::Yes { keys, removed } => {
                println!("the rows of report {id} are what the trail says again");
                if keys > 0 {
                    println!("  {keys} of its keys restored");
                }
                if removed > 0 {
                    println!("  {removed} keys removed that are not its own");
                }
                Ok(())
            }
            Restored::WereRight => {
                println!("the rows of report {id} are what the service wrote; nothing was changed");
                Ok(())
            }
            Restored::KeyLost => Err(Failure::Failed(format!(
                "the keys of report {id} in the database are not those of the trail, so it cannot be opened; nothing was changed; its rows in `report_keys` must be taken from a backup"
            ))),
            Restored::Unknown => Err(Failure::Failed(format!(
                "the trail of line {line} names no report {id}, or the database has no row of it"
            ))),
        }
    }
}

#[derive(Args)]
pub(super) struct Verify {
    /// Only this line and the service's own chain [default: all lines]
    #[arg(long, value_name = "ID")]
    line: Option<String>,
    /// A head printed earlier and kept elsewhere
    #[arg(long, value_name = "NUMBER:HASH", requires = "line")]
    head: Option<String>,
    /// Check hashes and signatures only, without the service secret: by the first lead's key that [trust] lead pins
    #[arg(long, conflicts_with_all = ["line", "head"])]
    public: bool,
}

impl AuditCommand {
    pub async fn run(self, config: Option<&Path>) -> Outcome {
        let config = Config::load(config)?;
        let verify = match self {
            Self::Verify(verify) => verify,
            Self::Restore(restore) => return restore.run(&config).await,
        };
        if verify.public {
            return public(&config).await;
        }
        let lines: Vec<String> = match &verify.line {
            Some(id) => vec![one_line(&config, Some(id))?.id.clone()],
            None => config.lines.iter().map(|l| l.line.id.clone()).collect(),
        };
        let head = verify.head.as_deref().map(parse_head).transpose()?;
        let db = open_db(&config).await?;
        let blobs = open_blobs(&config, &db).await?;
        let mut wrong = 0;
        // The rows of a line's keys and members are in the chain of the service.
        wrong += show("the service", &verify::service(&db, None).await?);
        for line in lines {
            wrong += show(&line, &verify::line(&db, &blobs, &line, head).await?);
        }
        db.close().await;
        ended(wrong)
    }
}

/// Checks hashes and signatures without the service secret.
async fn public(config: &Config) -> Outcome {
    let Some(lead) = &config.lead else {
        return Err(Failure::Usage(
            "--public: the configuration has no `[trust] lead`, from which all signatures are checked".into(),
        ));
    };
    let opened = installation::open_database(&config.database).await;
    let db = opened.map_err(Failure::Failed)?;
    let proofs = verify::public(&db, lead).await?;
    db.close().await;
    let wrong = proofs.iter().map(|(chain, proof)| match chain.as_str() {
        SERVICE => show("the service", proof),
        line => show(line, proof),
    });
    ended(wrong.sum())
}

fn ended(wrong: usize) -> Outcome {
    match wrong {
        0 => Ok(()),
        1 => Err(Failure::Failed("one thing is wrong".into())),
        wrong => Err(Failure::Failed(format!("{wrong} things are wrong"))),
    }
}

/// Prints the result of verifying a chain, and returns the number of things that are wrong.
fn show(chain: &str, proof: &Proof) -> usize {
    for sentence in &proof.wrong {
        println!("✗ {chain}: {sentence}");
    }
    if proof.wrong.is_empty() {
        println!("✓ {chain}: {} links whole", proof.links);
        println!("  head {}:{}", proof.links, hex(&proof.head));
    }
    proof.wrong.len()
}

fn parse_head(text: &str) -> Result<(i64, [u8; 32]), Failure> {
    let bad = || Failure::Usage(format!("--head {text}: not a head; it looks like 57:9f2c…"));
    heads::read(text).ok_or_else(bad)
}
