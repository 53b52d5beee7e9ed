//! `dutyline init`: makes the service secret, the first lead and the keys of the lines. Running it again adds what
//! is missing.

use super::{Outcome, one_line, read_new_password};
use crate::app::setup::{MadeKey, init_showing};
use crate::base::clock::Clock;
use crate::config::Config;
use crate::vault::signing::Verifying;
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(super) struct Init {
    /// The name of the first lead, who is added; at a later run, of any lead
    #[arg(long, value_name = "NAME")]
    lead: String,
    /// A file with the password of the lead named by --lead
    #[arg(long, value_name = "FILE")]
    password_file: PathBuf,
    /// Make the keys of these lines only [default: all lines in the configuration]
    #[arg(long, value_name = "ID")]
    line: Vec<String>,
}

impl Init {
    pub async fn run(self, config: Option<&Path>) -> Outcome {
        let config = Config::load(config)?;
        let password = read_new_password(&self.password_file, &config, &self.lead)?;
        let mut lines = Vec::new();
        for id in &self.line {
            lines.push(one_line(&config, Some(id))?.id.clone());
        }
        if lines.is_empty() {
            lines.extend(config.lines.iter().map(|entry| entry.line.id.clone()));
        }
        let made = init_showing(
            &config,
            &Clock::system(),
            &self.lead,
            password,
            &lines,
            |lead, made| show(lead, made, &mut std::io::stdout().lock()),
        )
        .await?;
        if made.is_empty() {
            println!("Every line has its key already; nothing was changed.");
        }
        Ok(())
    }
}

/// Writes the new keys to standard output and flushes it; they are committed only if that succeeds. Fails if standard
/// output is `/dev/null` (which also replaces one that is closed), because the keys would be lost.
fn show(
    lead: Option<&Verifying>,
    made: &[MadeKey],
    out: &mut std::io::StdoutLock<'_>,
) -> std::io::Result<()> {
    is_shown(out)?;
    if let Some(lead) = lead {
        writeln!(
            out,
            "To pin the first lead's signing key, by which every other member and key is checked, add this:"
        )?;
        writeln!(out, "  [trust]")?;
        writeln!(out, "  lead = \"{lead}\"")?;
    }
    for (line, key) in made {
        let recovery = key.recovery.to_secret();
        writeln!(out, "line {line}")?;
        writeln!(out, "  recovery key: {}", recovery.expose().as_str())?;
        writeln!(
            out,
            "  Write it down on paper and lock it away. It is shown once and stored nowhere;"
        )?;
        writeln!(
            out,
            "  with it everything of this line can be opened, without it and without members nothing."
        )?;
        writeln!(
            out,
            "  To pin the line's public key, add this to its [[line]]:"
        )?;
        writeln!(out, "  key = \"{}\"", key.recipient)?;
    }
    out.flush()
}

/// Fails if what is written to standard output is lost, because it is closed or `/dev/null`.
pub(super) fn is_shown(out: &std::io::StdoutLock<'_>) -> std::io::Result<()> {
    #[cfg(unix)]
    if is_null_device(out)? {
        return Err(std::io::Error::other(
            "standard output is closed or /dev/null",
        ));
    }
    Ok(())
}

#[cfg(unix)]
fn is_null_device(out: &std::io::StdoutLock<'_>) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let open = rustix::fs::fstat(out)?;
    let null = std::fs::metadata("/dev/null")?;
    Ok((open.st_dev, open.st_ino) == (null.dev(), null.ino()))
}
