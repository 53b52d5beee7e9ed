//! `dutyline init`: the service secret, the first lead, the keys of the lines. Run again, it adds what is missing.

use super::{Failure, Outcome, one_line, read_password};
use crate::clock::Clock;
use crate::config::Config;
use crate::login::Role;
use crate::members::{self, NewLineKey};
use crate::store::Db;
use crate::store::members as rows;
use crate::vault::recordings::Recordings;
use crate::vault::secret::ServiceSecret;
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(super) struct Init {
    /// The first lead's name
    #[arg(long, value_name = "NAME")]
    lead: String,
    /// A file with the lead's password
    #[arg(long, value_name = "FILE")]
    password_file: PathBuf,
    /// Only these lines [default: all in the configuration]
    #[arg(long, value_name = "ID")]
    line: Vec<String>,
}

impl Init {
    pub async fn run(self, config: Option<&Path>) -> Outcome {
        let config = Config::load(config)?;
        let password = read_password(&self.password_file)?;
        let mut lines = Vec::new();
        for id in &self.line {
            lines.push(one_line(&config, Some(id))?.id.clone());
        }
        if lines.is_empty() {
            lines.extend(config.lines.iter().map(|entry| entry.line.id.clone()));
        }
        let made = init(
            &config,
            &Clock::system(),
            &self.lead,
            password.show(),
            &lines,
        )
        .await?;
        if made.is_empty() {
            println!("Every line has its key already; nothing was changed.");
        }
        for (line, key) in made {
            let recovery = key.recovery.to_secret();
            println!("line {line}");
            println!("  recovery key: {}", recovery.show().as_str());
            println!(
                "  Write it down on paper and lock it away. It is shown once and stored nowhere;"
            );
            println!(
                "  with it everything of this line can be opened, without it and without members nothing."
            );
            println!("  To pin the line's public key, add this to its [[line]]:");
            println!("  key = \"{}\"", key.recipient);
        }
        Ok(())
    }
}

/// Makes what is missing. Gives the keys that are new, for the only time.
pub(super) async fn init(
    config: &Config,
    clock: &Clock,
    lead: &str,
    password: &str,
    lines: &[String],
) -> Result<Vec<(String, NewLineKey)>, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::Failed(error.to_string());
    if let Some(folder) = config.secret_file.parent() {
        std::fs::create_dir_all(folder).map_err(|error| {
            Failure::Failed(format!(
                "the folder {} cannot be made: {error}",
                folder.display()
            ))
        })?;
    }
    if !config.secret_file.exists() {
        ServiceSecret::create(&config.secret_file).map_err(|error| failed(&error))?;
    }
    ServiceSecret::load(&config.secret_file).map_err(|error| failed(&error))?;
    Recordings::open_folder(&config.recordings).map_err(|error| {
        Failure::Failed(format!(
            "the folder {} cannot be written: {error}",
            config.recordings.display()
        ))
    })?;
    let db = Db::open(&config.database).await.map_err(Failure::Failed)?;
    let mut tx = db.begin().await?;
    let member = if rows::by_name(&mut tx, lead).await?.is_some() {
        members::unlock(&mut tx, lead, password).await?.0
    } else {
        // Whoever can run this has the whole machine; but a second lead is the first one's to make.
        if !rows::list(&mut tx).await?.is_empty() {
            return Err(Failure::Failed(format!(
                "there are members already, and {lead} is none of them; a lead adds others with `dutyline member add`"
            )));
        }
        members::make(&mut tx, clock, lead, Role::Lead, password).await?
    };
    let mut made = Vec::new();
    for line in lines {
        if let Some(key) = members::make_line_key(&mut tx, clock, line, &member).await? {
            made.push((line.clone(), key));
        }
    }
    tx.commit().await?;
    db.close().await;
    Ok(made)
}
