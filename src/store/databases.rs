//! One database, on Postgres with separate connections for webhooks, jobs and the console.

use super::{Db, Result};
use crate::config::{Connections, DatabaseAddress};

/// The database of a running service. On Postgres each field has a pool of its own, so that pages that use up the
/// console's connections delay neither a webhook nor a job. On SQLite all three fields are the same: one writer and its
/// readers.
#[derive(Clone, Debug)]
pub struct Databases {
    /// For webhooks, which callers wait for, and for the test write of `GET /health/ready`.
    pub webhooks: Db,
    /// For jobs, housekeeping and metrics.
    pub jobs: Db,
    /// For the console and the API.
    pub console: Db,
}

impl Databases {
    /// Opens the database, and creates its tables if it has none: see [`Db::open`].
    ///
    /// # Errors
    ///
    /// Returns a sentence for the operator, as [`Db::open`].
    pub async fn open(
        address: &DatabaseAddress,
        connections: Connections,
    ) -> std::result::Result<Self, String> {
        let webhooks = Db::open_with(address, connections.webhooks).await?;
        Ok(Self {
            jobs: webhooks.beside(connections.jobs),
            console: webhooks.beside(connections.console),
            webhooks,
        })
    }

    /// See [`Db::syncs_to_disk`].
    ///
    /// # Errors
    ///
    /// When Postgres cannot be reached.
    pub async fn syncs_to_disk(&self) -> Result<bool> {
        self.webhooks.syncs_to_disk().await
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.console.close().await;
        self.jobs.close().await;
        self.webhooks.close().await;
    }
}
