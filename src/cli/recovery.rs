//! `dutyline recovery`: replaces a line's recovery key.

use super::member::Acting;
use super::{Failure, Outcome, one_line, open_db};
use crate::base::clock::Clock;
use crate::config::Config;
use crate::members::{self, resealing};
use crate::store::Db;
use crate::vault::seal::Identity;
use clap::{Args, Subcommand};
use std::io::Write;
use std::path::Path;

#[derive(Subcommand)]
pub(super) enum RecoveryCommand {
    /// Replace a line's recovery key: the line gets another key, and its reports are sealed to it
    #[command(
        after_help = "Example:\n  dutyline recovery renew --line fcg-5 --as wang --as-password-file wang.txt\n\nThe new recovery key is shown once. With the former one, only backups from before still open."
    )]
    Renew(Renew),
}

#[derive(Args)]
pub(super) struct Renew {
    /// The line
    #[arg(long, value_name = "ID")]
    line: String,
    #[command(flatten)]
    acting: Acting,
}

impl RecoveryCommand {
    pub async fn run(self, config: Option<&Path>) -> Outcome {
        let Self::Renew(renew) = self;
        let config = Config::load(config)?;
        let db = open_db(&config).await?;
        let done = renew.run(&config, &db).await;
        db.close().await;
        done
    }
}

impl Renew {
    async fn run(self, config: &Config, db: &Db) -> Outcome {
        let clock = Clock::system();
        let (actor, own) = self.acting.unlock(db).await?;
        let line = &one_line(config, Some(&self.line))?.id;
        let (next, recovery) = members::next_recovery_key(db, &actor, &own, line).await?;
        // Shown before the change: a key that was never written down must not take the place of one that was. Not while a
        // transaction is open: a terminal may stop the output.
        show(line, &recovery).map_err(|error| {
            Failure::Failed(format!(
                "the recovery key cannot be shown, so nothing was changed: {error}"
            ))
        })?;
        let mut tx = db.begin().await?;
        members::renew_recovery(&mut tx, &clock, &actor, &next).await?;
        tx.commit().await.map_err(|error| {
            Failure::Failed(format!(
                "{error}; keep both recovery keys: it is not known which one is in force until `dutyline export` opens with one"
            ))
        })?;
        println!("the new recovery key of line {line} is in force");
        let done = resealing::finish(db, &clock, &actor, &own, line, || false).await?;
        println!(
            "{} reports and calls sealed to the line's new key; the former recovery key opens only backups from before",
            done.sealed
        );
        Ok(())
    }
}

fn show(line: &str, recovery: &Identity) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    super::init::is_shown(&out)?;
    let secret = recovery.to_secret();
    writeln!(out, "line {line}")?;
    writeln!(out, "  recovery key: {}", secret.expose().as_str())?;
    writeln!(
        out,
        "  Write it down on paper and lock it away. It is shown once and stored nowhere. It is in force once this says so."
    )?;
    out.flush()
}
