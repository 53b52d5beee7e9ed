//! `dutyline member`: members, and the lines they work on.

use super::{Failure, Outcome, one_line, open_db, read_new_password, read_secret_file};
use crate::base::clock::Clock;
use crate::config::Config;
use crate::members::{self, Maker, MemberName, Source, resealing};
use crate::report::role::Role;
use crate::store::members as rows;
use crate::store::{Db, ReadTx};
use crate::vault::seal::Identity;
use crate::vault::signing::Signer;
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};

#[derive(Subcommand)]
pub(super) enum MemberCommand {
    /// Add a member, and give them lines
    #[command(
        after_help = "Example:\n  dutyline member add li --role inspector --line fcg-5 --password-file li.txt --as wang --as-password-file wang.txt\n  dutyline member add zhao --role lead --line fcg-5 --password-file zhao.txt --recovery-key-file recovery.txt"
    )]
    Add(Add),
    /// List the members, their roles and lines
    #[command(after_help = "Example:\n  dutyline member list")]
    List,
    /// Lock a member out and end their sessions
    #[command(
        after_help = "Example:\n  dutyline member disable li --as wang --as-password-file wang.txt"
    )]
    Disable(Named),
    /// Let a member who was locked out log in again
    #[command(
        after_help = "Example:\n  dutyline member enable li --as wang --as-password-file wang.txt"
    )]
    Enable(Named),
    /// Give a member another line
    #[command(
        after_help = "Example:\n  dutyline member grant li --line fcg-6 --as wang --as-password-file wang.txt"
    )]
    Grant(Grant),
    /// Take a member off a line: the line gets another key, and its reports are sealed to it
    #[command(
        after_help = "Example:\n  dutyline member take-off li --line fcg-5 --as wang --as-password-file wang.txt\n\nIt cannot take back what the member has read or copied. Backups from before still open with their key."
    )]
    TakeOff(TakeOff),
}

#[derive(Args)]
pub(super) struct Acting {
    /// The name of the lead who does this
    #[arg(long = "as", value_name = "NAME", requires = "as_password_file")]
    as_name: Option<String>,
    /// A file with the password of the lead named by --as
    #[arg(long, value_name = "FILE")]
    as_password_file: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct Add {
    /// The new member's name
    name: String,
    /// The new member's role: lead or inspector
    #[arg(long)]
    role: String,
    /// The lines that the new member works on [default: the configuration's only line]
    #[arg(long, value_name = "ID")]
    line: Vec<String>,
    /// A file with the new member's password
    #[arg(long, value_name = "FILE")]
    password_file: PathBuf,
    #[command(flatten)]
    acting: Acting,
    /// Instead of --as: a file with the line's recovery key
    #[arg(long, value_name = "FILE", conflicts_with = "as_name")]
    recovery_key_file: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct Named {
    /// The member's name
    name: String,
    #[command(flatten)]
    acting: Acting,
}

#[derive(Args)]
pub(super) struct Grant {
    /// The member's name
    name: String,
    /// The lines to give to the member
    #[arg(long, value_name = "ID", required = true)]
    line: Vec<String>,
    #[command(flatten)]
    acting: Acting,
    /// Instead of --as: a file with the line's recovery key
    #[arg(long, value_name = "FILE", conflicts_with = "as_name")]
    recovery_key_file: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct TakeOff {
    /// The member's name
    name: String,
    /// The line
    #[arg(long, value_name = "ID")]
    line: String,
    #[command(flatten)]
    acting: Acting,
}

impl MemberCommand {
    pub async fn run(self, config: Option<&Path>) -> Outcome {
        let config = Config::load(config)?;
        let db = open_db(&config).await?;
        let done = match self {
            Self::Add(add) => add.run(&config, &db).await,
            Self::List => list(&db).await,
            Self::Disable(named) => named.disable(&db).await,
            Self::Enable(named) => named.enable(&db).await,
            Self::Grant(grant) => grant.run(&config, &db).await,
            Self::TakeOff(take_off) => take_off.run(&config, &db).await,
        };
        db.close().await;
        done
    }
}

impl Acting {
    /// Returns the acting lead and the lead's key. Fails if `--as` is not given, the password cannot be read, the name
    /// or the password is wrong, or the member is locked out or is not a lead.
    pub(super) async fn unlock(&self, db: &Db) -> Result<(rows::Member, Identity), Failure> {
        let (Some(name), Some(file)) = (&self.as_name, &self.as_password_file) else {
            return Err(Failure::Usage(
                "who does it? Name a lead with --as NAME --as-password-file FILE".into(),
            ));
        };
        let password = read_secret_file(file)?;
        let (member, identity) = members::unlock(db, name, password).await?;
        if member.role != Role::Lead {
            return Err(Failure::Failed(format!("{name} is no lead")));
        }
        Ok((member, identity))
    }
}

impl Add {
    async fn run(self, config: &Config, db: &Db) -> Outcome {
        let role: Role = self.role.parse().map_err(|_| {
            Failure::Usage(format!(
                "--role {}: there are lead and inspector",
                self.role
            ))
        })?;
        if !role.works_on_reports() {
            return Err(Failure::Usage(format!(
                "--role {}: there are no pages for this role yet; choose lead or inspector",
                self.role
            )));
        }
        let name = MemberName::parse(&self.name)
            .map_err(|error| Failure::Usage(format!("{}: {error}", self.name)))?;
        let mut lines = Vec::new();
        for id in &self.line {
            lines.push(one_line(config, Some(id))?.id.clone());
        }
        if lines.is_empty() {
            lines.push(one_line(config, None)?.id.clone());
        }
        let password = read_new_password(&self.password_file, config, name.as_str())?;
        let recovery = self
            .recovery_key_file
            .as_deref()
            .map(recovery_key)
            .transpose()?;
        let acting = match &recovery {
            Some(_) => None,
            None => Some(self.acting.unlock(db).await?),
        };
        let from = source(acting.as_ref(), recovery.as_ref())?;
        let maker = match &acting {
            Some((actor, _)) => Maker::Member(actor.id),
            None => Maker::Recovery,
        };
        let (member, _) = members::new_member(&name, role, password, maker).await?;
        let keys = members::seal_keys(db, from, &member, &lines).await?;
        let mut tx = db.begin().await?;
        if let Some((actor, _)) = &acting {
            members::rights::acting(&mut tx, actor).await?;
        }
        members::add(&mut tx, &Clock::system(), &keys, &member).await?;
        tx.commit().await?;
        println!(
            "{name} can log in ({}; {})",
            role.as_str(),
            lines.join(", ")
        );
        Ok(())
    }
}

/// Returns the source from which line keys are passed on: the acting lead, or else the recovery key.
fn source<'a>(
    acting: Option<&'a (rows::Member, Identity)>,
    recovery: Option<&'a Identity>,
) -> Result<Source<'a>, Failure> {
    match (acting, recovery) {
        (Some((actor, identity)), _) => Ok(Source::Member(actor, identity)),
        (None, Some(recovery)) => Ok(Source::Recovery(recovery)),
        (None, None) => Err(Failure::Usage("--as or --recovery-key-file".into())),
    }
}

async fn list(db: &Db) -> Outcome {
    let mut tx = db.begin_read().await?;
    let all = rows::list(&mut tx).await?;
    for member in &all {
        let lines = members::rights::lines_of(&mut tx, member.id).await?;
        let disabled = if member.disabled { "  disabled" } else { "" };
        let alike = |other: &rows::Member| {
            other.id != member.id && members::look_alike(&other.name, &member.name)
        };
        let id = if all.iter().any(alike) {
            format!(" ({})", members::short_id(member.id))
        } else {
            String::new()
        };
        println!(
            "{}{id}  {}  {}{disabled}",
            member.name,
            member.role,
            lines.join(", ")
        );
    }
    Ok(())
}

impl Named {
    async fn disable(self, db: &Db) -> Outcome {
        let (actor, identity) = self.acting.unlock(db).await?;
        let mut tx = db.begin().await?;
        tx.sign_as(Signer::new(actor.id, &identity));
        let member = named(&mut tx, &self.name).await?;
        members::disable(&mut tx, &Clock::system(), &actor, &member).await?;
        tx.commit().await?;
        println!("{} cannot log in any more", member.name);
        Ok(())
    }

    async fn enable(self, db: &Db) -> Outcome {
        let (actor, identity) = self.acting.unlock(db).await?;
        let mut tx = db.begin().await?;
        tx.sign_as(Signer::new(actor.id, &identity));
        let member = named(&mut tx, &self.name).await?;
        members::enable(&mut tx, &Clock::system(), &actor, &member).await?;
        tx.commit().await?;
        println!("{} can log in", member.name);
        Ok(())
    }
}

async fn named(tx: &mut ReadTx, name: &str) -> Result<rows::Member, Failure> {
    let member = members::find(tx, name).await?;
    member.ok_or_else(|| Failure::Failed(format!("there is no member {name}")))
}

impl Grant {
    async fn run(self, config: &Config, db: &Db) -> Outcome {
        let clock = Clock::system();
        let actor = match &self.recovery_key_file {
            Some(_) => None,
            None => Some(self.acting.unlock(db).await?),
        };
        let recovery = self
            .recovery_key_file
            .as_deref()
            .map(recovery_key)
            .transpose()?;
        let lines: Result<Vec<String>, Failure> = (self.line.iter())
            .map(|id| one_line(config, Some(id)).map(|line| line.id.clone()))
            .collect();
        let member = named(&mut db.begin_read().await?, &self.name).await?;
        let from = source(actor.as_ref(), recovery.as_ref())?;
        let keys = members::seal_keys(db, from, &member, &lines?).await?;
        let mut tx = db.begin().await?;
        if let Some((actor, _)) = &actor {
            members::rights::acting(&mut tx, actor).await?;
        }
        let member = named(&mut tx, &self.name).await?;
        members::grant(&mut tx, &clock, &keys, &member).await?;
        tx.commit().await?;
        println!("{} works on {}", member.name, self.line.join(", "));
        Ok(())
    }
}

impl TakeOff {
    async fn run(self, config: &Config, db: &Db) -> Outcome {
        let clock = Clock::system();
        let (actor, own) = self.acting.unlock(db).await?;
        let line = &one_line(config, Some(&self.line))?.id;
        let member = named(&mut db.begin_read().await?, &self.name).await?;
        let next = members::next_key(db, &actor, &own, &member, line).await?;
        let mut tx = db.begin().await?;
        let member = named(&mut tx, &self.name).await?;
        members::take_off(&mut tx, &clock, &actor, &member, &next).await?;
        tx.commit().await?;
        let name = &member.name;
        println!("{name} does not work on {line} any more; the line has another key");
        println!(
            "what {name} has read or copied they know; backups from before still open with their key"
        );
        if member.id == actor.id {
            println!(
                "the reports are sealed to the line's new key after the next login of another member"
            );
            return Ok(());
        }
        let done = resealing::finish(db, &clock, &actor, &own, line, || false).await?;
        println!(
            "{} reports and calls sealed to the line's new key; the former key is retired",
            done.sealed
        );
        Ok(())
    }
}

/// Reads a recovery key from a file: the first word that starts with `AGE-SECRET-KEY-1`, in capital or small letters;
/// other text in the file is ignored.
pub(super) fn recovery_key(file: &Path) -> Result<Identity, Failure> {
    let text = read_secret_file(file)?;
    text.expose()
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
