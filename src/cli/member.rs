//! `dutyline member`: who has a login, and which lines they work on.

use super::{Failure, Outcome, one_line, open_db, read_new_password, read_secret_file};
use crate::clock::Clock;
use crate::config::Config;
use crate::login::Role;
use crate::members::{self, Source};
use crate::store::members as rows;
use crate::store::{Db, Tx};
use crate::vault::seal::Identity;
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};

#[derive(Subcommand)]
pub(super) enum MemberCommand {
    /// Add a member, and give them lines
    #[command(
        after_help = "Example:\n  dutyline member add li --role inspector --line fcg-5 --password-file li.txt --as wang --as-password-file wang.txt"
    )]
    Add(Add),
    /// Members, their roles and lines
    #[command(after_help = "Example:\n  dutyline member list")]
    List,
    /// Lock a member out and end their sessions
    #[command(
        after_help = "Example:\n  dutyline member disable li --as wang --as-password-file wang.txt"
    )]
    Disable(Disable),
    /// Give a member another line
    #[command(
        after_help = "Example:\n  dutyline member grant li --line fcg-6 --as wang --as-password-file wang.txt"
    )]
    Grant(Grant),
}

#[derive(Args)]
pub(super) struct Acting {
    /// Who does it: a lead
    #[arg(long = "as", value_name = "NAME", requires = "as_password_file")]
    as_name: Option<String>,
    /// A file with their password
    #[arg(long, value_name = "FILE")]
    as_password_file: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct Add {
    /// The new member's name
    name: String,
    /// lead, inspector, auditor or operator
    #[arg(long)]
    role: String,
    /// The lines they work on [default: the configuration's only line]
    #[arg(long, value_name = "ID")]
    line: Vec<String>,
    /// A file with their password
    #[arg(long, value_name = "FILE")]
    password_file: PathBuf,
    #[command(flatten)]
    acting: Acting,
}

#[derive(Args)]
pub(super) struct Disable {
    /// Whom
    name: String,
    #[command(flatten)]
    acting: Acting,
}

#[derive(Args)]
pub(super) struct Grant {
    /// To whom
    name: String,
    /// Which lines
    #[arg(long, value_name = "ID", required = true)]
    line: Vec<String>,
    #[command(flatten)]
    acting: Acting,
    /// Instead of --as: a file with the line's recovery key
    #[arg(long, value_name = "FILE", conflicts_with = "as_name")]
    recovery_key_file: Option<PathBuf>,
}

impl MemberCommand {
    pub async fn run(self, config: Option<&Path>) -> Outcome {
        let config = Config::load(config)?;
        let db = open_db(&config).await?;
        let done = match self {
            Self::Add(add) => add.run(&config, &db).await,
            Self::List => list(&db).await,
            Self::Disable(disable) => disable.run(&db).await,
            Self::Grant(grant) => grant.run(&config, &db).await,
        };
        db.close().await;
        done
    }
}

impl Acting {
    /// The lead who acts, with their key.
    async fn unlock(&self, tx: &mut Tx) -> Result<(rows::Member, Identity), Failure> {
        let (Some(name), Some(file)) = (&self.as_name, &self.as_password_file) else {
            return Err(Failure::Usage(
                "who does it? Name a lead with --as NAME --as-password-file FILE".into(),
            ));
        };
        let password = read_secret_file(file)?;
        let (member, identity) = members::unlock(tx, name, password).await?;
        if Role::parse(&member.role) != Some(Role::Lead) {
            return Err(Failure::Failed(format!("{name} is no lead")));
        }
        Ok((member, identity))
    }
}

impl Add {
    async fn run(self, config: &Config, db: &Db) -> Outcome {
        let role = Role::parse(&self.role).ok_or_else(|| {
            Failure::Usage(format!(
                "--role {}: there are lead, inspector, auditor, operator",
                self.role
            ))
        })?;
        let mut lines = Vec::new();
        for id in &self.line {
            lines.push(one_line(config, Some(id))?);
        }
        if lines.is_empty() && role.works_on_reports() {
            lines.push(one_line(config, None)?);
        }
        let password = read_new_password(&self.password_file)?;
        let clock = Clock::system();
        let mut tx = db.begin().await?;
        let (actor, identity) = self.acting.unlock(&mut tx).await?;
        let member = members::make(&mut tx, &clock, &self.name, role, password).await?;
        for line in &lines {
            let from = Source::Member(&actor, &identity);
            members::grant(&mut tx, &clock, &line.id, from, &member).await?;
        }
        tx.commit().await?;
        let lines: Vec<&str> = lines.iter().map(|line| line.id.as_str()).collect();
        println!(
            "{} can log in ({}; {})",
            self.name,
            role.as_str(),
            lines.join(", ")
        );
        Ok(())
    }
}

async fn list(db: &Db) -> Outcome {
    let mut tx = db.read().await?;
    for member in rows::list(&mut tx).await? {
        let mut lines: Vec<String> = rows::grants(&mut tx, member.id)
            .await?
            .into_iter()
            .map(|grant| grant.line)
            .collect();
        lines.dedup();
        let disabled = if member.disabled { "  disabled" } else { "" };
        println!(
            "{}  {}  {}{disabled}",
            member.name,
            member.role,
            lines.join(", ")
        );
    }
    Ok(())
}

impl Disable {
    async fn run(self, db: &Db) -> Outcome {
        let mut tx = db.begin().await?;
        let (actor, _) = self.acting.unlock(&mut tx).await?;
        let member = rows::by_name(&mut tx, &self.name)
            .await?
            .ok_or_else(|| Failure::Failed(format!("there is no member {}", self.name)))?;
        members::disable(&mut tx, &Clock::system(), &actor.name, &member).await?;
        tx.commit().await?;
        println!("{} cannot log in any more", self.name);
        Ok(())
    }
}

impl Grant {
    async fn run(self, config: &Config, db: &Db) -> Outcome {
        let clock = Clock::system();
        let mut tx = db.begin().await?;
        let actor = match &self.recovery_key_file {
            Some(_) => None,
            None => Some(self.acting.unlock(&mut tx).await?),
        };
        let recovery = self
            .recovery_key_file
            .as_deref()
            .map(recovery_key)
            .transpose()?;
        let member = rows::by_name(&mut tx, &self.name)
            .await?
            .ok_or_else(|| Failure::Failed(format!("there is no member {}", self.name)))?;
        for id in &self.line {
            let line = one_line(config, Some(id))?;
            let from = match (&actor, &recovery) {
                (Some((actor, identity)), _) => Source::Member(actor, identity),
                (None, Some(recovery)) => Source::Recovery(recovery),
                (None, None) => return Err(Failure::Usage("--as or --recovery-key-file".into())),
            };
            members::grant(&mut tx, &clock, &line.id, from, &member).await?;
        }
        tx.commit().await?;
        println!("{} works on {}", self.name, self.line.join(", "));
        Ok(())
    }
}

/// Reads a recovery key: the line that starts with `AGE-SECRET-KEY-1`, whatever else was copied with it.
pub(super) fn recovery_key(file: &Path) -> Result<Identity, Failure> {
    let text = read_secret_file(file)?;
    text.show()
        .split_whitespace()
        .find(|word| word.to_uppercase().starts_with("AGE-SECRET-KEY-1"))
        .and_then(|word| word.to_uppercase().parse().ok())
        .ok_or_else(|| {
            Failure::Usage(format!(
                "{}: no recovery key in it; it starts with AGE-SECRET-KEY-1",
                file.display()
            ))
        })
}
