//! `dutyline init`: the service secret, the first lead, the keys of the lines. Run again, it adds what is missing.

use super::{Outcome, one_line, read_new_password};
use crate::clock::Clock;
use crate::config::Config;
use crate::setup::init;
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
        let password = read_new_password(&self.password_file)?;
        let mut lines = Vec::new();
        for id in &self.line {
            lines.push(one_line(&config, Some(id))?.id.clone());
        }
        if lines.is_empty() {
            lines.extend(config.lines.iter().map(|entry| entry.line.id.clone()));
        }
        let made = init(&config, &Clock::system(), &self.lead, password, &lines).await?;
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
