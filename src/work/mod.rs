//! Jobs: work that is done after a webhook was answered. Each kind of job has a file; [`runner`] claims jobs and tries
//! them again.
//!
//! A recording that a webhook *announces* is `fetch`ed, checked, sealed and read back; when the call is over, it is
//! `delete`d at the provider and proven to be gone. A recording that the provider streams is received by [`arrive`]
//! instead of a job. A call is `watch`ed while it runs, and `settle`d when it is over. A recording whose line is not
//! known is a `stray` until the provider names its call.

pub mod alarm;
pub mod arrive;
mod delete;
pub mod fetch;
pub mod housekeeping;
mod pace;
pub mod runner;
mod sealed;
mod settle;
mod strays;
pub mod trust;
mod watch;

pub use settle::most_asks as settle_asks;

use crate::service::{Service, Unaskable};
use crate::store::jobs::{self, JobRow};
use crate::store::{StoreError, WriteTx};
use crate::telephony::ProviderError;
use chrono::TimeDelta;
use std::fmt;
use uuid::Uuid;

/// A job that this node has claimed, with the token of its lease.
#[derive(Clone, Debug)]
pub(crate) struct Claimed {
    row: JobRow,
    lease: Uuid,
}

impl Claimed {
    /// Removes the job, in the transaction of its work. If the lease was lost, returns [`Unfinished::LeaseLost`], and
    /// the transaction must not be committed.
    async fn done(&self, tx: &mut WriteTx) -> Result<(), Unfinished> {
        if jobs::done(tx, self.row.id, self.lease).await? {
            Ok(())
        } else {
            Err(Unfinished::LeaseLost)
        }
    }
}

/// Why a job is not done.
#[derive(Debug)]
pub(crate) enum Unfinished {
    /// The job failed and is tried again after a time that grows with the number of failures in a row. The reason is
    /// logged and stored, so it must not contain a secret.
    Failed(String),
    /// The job failed because the provider asks for no request before this time has passed; it is tried again after
    /// that.
    Busy(String, TimeDelta),
    /// The job has not failed, and is tried again after this time. Its failures so far no longer count.
    Later(TimeDelta),
    /// The folder of recordings is missing, or is not the installation's own. The job is reported as failing at once,
    /// and is tried again after [`WAIT_FOR_FOLDER`], however often it has failed.
    NoFolder(String),
    /// The lease was lost, or could not be renewed: another worker may have claimed the job.
    LeaseLost,
}

impl From<StoreError> for Unfinished {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<ProviderError> for Unfinished {
    fn from(error: ProviderError) -> Self {
        let reason = error.to_string();
        match error {
            ProviderError::Busy(time) => {
                Self::Busy(reason, TimeDelta::from_std(time).unwrap_or(pace::HOUR))
            }
            _ => Self::Failed(reason),
        }
    }
}

impl From<Unaskable> for Unfinished {
    fn from(error: Unaskable) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<std::io::Error> for Unfinished {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(format!("the folder of recordings: {}", error.kind()))
    }
}

impl From<crate::vault::receipts::Stopped> for Unfinished {
    fn from(error: crate::vault::receipts::Stopped) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<tokio::task::JoinError> for Unfinished {
    fn from(_: tokio::task::JoinError) -> Self {
        Self::Failed("a worker stopped".into())
    }
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(reason) | Self::Busy(reason, _) | Self::NoFolder(reason) => {
                f.write_str(reason)
            }
            Self::Later(_) => f.write_str("not yet"),
            Self::LeaseLost => f.write_str("the lease was lost"),
        }
    }
}

/// Time after which a job that found no folder of recordings is tried again.
const WAIT_FOR_FOLDER: TimeDelta = TimeDelta::seconds(30);

/// Fails unless the folder of recordings is the installation's own. Nothing may be sealed into another folder, and
/// nothing may be deleted at the provider because of what another folder contains.
async fn own_folder(service: &Service) -> Result<(), Unfinished> {
    let blobs = service.blobs.clone();
    match tokio::task::spawn_blocking(move || blobs.check_marker()).await? {
        Ok(()) => Ok(()),
        Err(error) => {
            service.health.folder_is_missing(&error);
            Err(Unfinished::NoFolder(error.to_string()))
        }
    }
}

fn unreadable(what: &str) -> Unfinished {
    Unfinished::Failed(format!("{what} cannot be read with this service secret"))
}

/// Returns bytes as lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
