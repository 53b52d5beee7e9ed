//! `dutyline recordings`: lists and removes files in the folder of sealed recordings that no row refers to.

use super::{Failure, Outcome, open_db};
use crate::app::installation;
use crate::base::clock::Clock;
use crate::config::Config;
use crate::store::blobs;
use crate::vault::blobs::{Blobs, KEPT_UNNAMED};
use crate::work::housekeeping;
use clap::{Args, Subcommand};
use std::path::Path;

#[derive(Subcommand)]
pub(super) enum RecordingsCommand {
    /// List the files that no recording refers to, and remove old ones on request
    ///
    /// A crash, or a worker that lost its lease, leaves such files. A recording that was streamed to the service while
    /// the database was down may be among them: look before you remove. Files of the last hour are not listed.
    #[command(
        after_help = "Example:\n  dutyline recordings unnamed\n  dutyline recordings unnamed --remove\n\nFiles younger than 30 days are never removed."
    )]
    Unnamed(ListUnnamed),
}

#[derive(Args)]
pub(super) struct ListUnnamed {
    /// Remove those that are older than 30 days
    #[arg(long)]
    remove: bool,
}

impl RecordingsCommand {
    pub async fn run(self, config: Option<&Path>) -> Outcome {
        let Self::Unnamed(command) = self;
        let config = Config::load(config)?;
        let db = open_db(&config).await?;
        let failed =
            |error: std::io::Error| Failure::Failed(format!("the folder of recordings: {error}"));
        let installation = installation::read(&mut db.begin_read().await?)
            .await
            .map_err(|error| Failure::Failed(error.to_string()))?;
        let blobs = Blobs::open(&config.recordings, installation.id);
        // No file in another installation's folder has a row in this database, so all its files would be listed or
        // removed.
        blobs
            .check_marker()
            .map_err(|error| Failure::Failed(error.to_string()))?;
        let now = Clock::system().system_now();
        if command.remove {
            let named = blobs::objects(&mut db.begin_read().await?).await?;
            let removed = blobs.remove_unnamed(&named, now).map_err(failed)?;
            for file in &removed {
                println!("removed {}", file.name);
            }
        }
        let left = housekeeping::unnamed(&db, &blobs, now)
            .await
            .map_err(Failure::Failed)?;
        for file in &left {
            let day = file.at.format("%Y-%m-%d");
            println!("{day}  {:>10} bytes  {}", file.bytes, file.name);
        }
        println!(
            "{} file(s) that no recording refers to; kept for at least {} days",
            left.len(),
            KEPT_UNNAMED.num_days()
        );
        db.close().await;
        Ok(())
    }
}
