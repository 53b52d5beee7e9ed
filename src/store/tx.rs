//! Transactions. Transactions that only read and transactions that write have different types, so that a function that
//! changes rows cannot be given one that only reads.
//!
//! Most transactions of the console run as a closure in [`Db::read`] or [`Db::write`]. The latter commits, and runs the
//! closure again when Postgres reports that another transaction was first. A closure must not do anything slow: sealing
//! and opening are done before or after it, and it asks no provider. Webhooks, jobs and commands begin and commit their
//! transactions themselves ([`Db::begin_ahead`], [`Db::begin`], [`Db::begin_read`]).

use super::changes::Changes;
use super::heads::Head;
use super::proofs::Setting;
use super::rows::{self, Groups};
use super::service_chain::SetRow;
use super::turns::Ahead;
use super::{Db, Proofs, Result, StoreError, audit, hours, pools, report_keys, reports};
use crate::report::status::Status;
use crate::vault::signing::Signer;
use prometheus_client::metrics::counter::Counter;
use scoped_futures::ScopedBoxFuture;
use sqlx::Transaction;
use sqlx::postgres::Postgres;
use sqlx::sqlite::Sqlite;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};
use tokio::sync::OwnedSemaphorePermit;

/// Statements that begin a transaction that reads, on Postgres. It may be idle for longer than a transaction that
/// writes: it locks no row that another node waits for, and an export writes files between two of its statements.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
    SET LOCAL idle_in_transaction_session_timeout = '10min'";
/// Statements that begin a transaction that writes, on Postgres and on SQLite. SQLite acquires its write lock at once,
/// because a deferred transaction can be refused at its first write. How commits are written is set at each beginning
/// on SQLite, and for one transaction only on Postgres, so nothing has to be reset afterwards.
struct Begin {
    postgres: &'static str,
    sqlite: &'static str,
    /// True if the commit is on the disk when it returns.
    is_flushed: bool,
}

/// The commit is on the disk when it returns (see [`Db::syncs_to_disk`]).
const FLUSHED: Begin = Begin {
    postgres: "BEGIN",
    sqlite: "PRAGMA synchronous = FULL; BEGIN IMMEDIATE",
    is_flushed: true,
};
/// The commit is on the disk some time after it returns. Transactions stay atomic, and reach the disk in their order
/// (<https://www.sqlite.org/pragma.html#pragma_synchronous>,
/// <https://www.postgresql.org/docs/15/wal-async-commit.html>).
const UNFLUSHED: Begin = Begin {
    postgres: "BEGIN; SET LOCAL synchronous_commit = off",
    sqlite: "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE",
    is_flushed: false,
};
/// Maximum number of times that [`Db::write`] runs a closure, if Postgres reports each time that another transaction
/// was first.
const TRIES: usize = 5;

/// A transaction that reads, on either database. One that [`Db::begin_read`] begins sees the database as it was at its
/// first statement. A [`WriteTx`] dereferences to this type, for functions that only read.
#[derive(Debug)]
pub struct ReadTx {
    pub(super) on: On,
    /// Makes and checks the MACs of rows and links.
    pub(super) proofs: Proofs,
    /// Rows that this transaction has set or removed: those that it has set get their MAC at the commit.
    pub(super) pending: BTreeSet<SetRow>,
    /// The number of the last link of the service's chain that was seen before the transaction began: the transaction
    /// sees that link.
    pub(super) floor: i64,
}

/// A transaction that reads and writes, on either database. Rolled back when it is dropped before it is committed.
#[derive(Debug)]
pub struct WriteTx {
    read: ReadTx,
    /// The turn at SQLite's writer, held until the transaction ends: see `begin_in_turn`. `None` for webhooks and on
    /// Postgres. Declared after the transaction, so that it is dropped after it.
    turn: Option<OwnedSemaphorePermit>,
    /// Counts this transaction's commit if it adds to a trail.
    changes: Changes,
    /// The last link of each chain to which links were written.
    pub(super) ends: Vec<(String, Head)>,
    /// True if the commit is on the disk when it returns.
    is_flushed: bool,
    /// Who signs the links that a member causes.
    pub(super) signer: Option<Signer>,
    /// Links to be added to trails, written at the commit.
    pub(super) acts: audit::Acts,
    /// Rows that links of the service's chain set, by place of the link in `acts`.
    pub(super) settings: BTreeMap<usize, Setting>,
    /// Keys of reports that were sealed again, to be inserted with the number of the link that commits to them, by line
    /// and place of the link in `acts`.
    pub(super) resealed: BTreeMap<(String, usize), Vec<report_keys::ReportKeyRow>>,
    /// Counts of calls by line and hour, written at the commit.
    pub(super) counts: hours::Counts,
    /// Changes of the counts of reports by line and status, written at the commit.
    statuses: BTreeMap<(String, Status), i64>,
    /// Statements that SQLite runs at the commit: see [`rows::execute_last`].
    pub(super) last: Groups,
    /// Operators' counters to be incremented after the commit.
    pub(super) counted: Vec<Counter>,
}

/// A transaction of the driver (sqlx).
#[derive(Debug)]
pub enum On {
    /// A transaction on SQLite.
    Sqlite(Transaction<'static, Sqlite>),
    /// A transaction on Postgres.
    Postgres(Transaction<'static, Postgres>),
}

impl Deref for WriteTx {
    type Target = ReadTx;

    fn deref(&self) -> &ReadTx {
        &self.read
    }
}

impl DerefMut for WriteTx {
    fn deref_mut(&mut self) -> &mut ReadTx {
        &mut self.read
    }
}

impl ReadTx {
    /// Returns the driver's transaction, for statements outside the store.
    pub fn on(&mut self) -> &mut On {
        &mut self.on
    }
}

/// Return type of a closure in [`Db::read`] and [`Db::write`]: `async move { … }.scope_boxed()`. The closure may
/// borrow from its transaction and from its environment. (An async closure cannot be proven to be `Send`:
/// <https://github.com/rust-lang/rust/issues/110338>.)
pub type Work<'env, 'tx, T, E> = ScopedBoxFuture<'env, 'tx, std::result::Result<T, E>>;

/// An error of a closure in [`Db::write`], which may be an error of the database.
pub trait HoldsStoreError: From<StoreError> {
    /// Returns the error of the database; `None` if it is another error.
    fn store_error(&self) -> Option<&StoreError>;
}

impl HoldsStoreError for StoreError {
    fn store_error(&self) -> Option<&StoreError> {
        Some(self)
    }
}

impl Db {
    /// Runs `work` once, in a transaction that only reads. It waits for no other transaction, so Postgres never asks to
    /// run it again.
    ///
    /// # Errors
    ///
    /// Returns the error of the closure or of the database.
    pub async fn read<'env, T, E>(
        &self,
        work: impl for<'tx> FnOnce(&'tx mut ReadTx) -> Work<'env, 'tx, T, E> + Send,
    ) -> std::result::Result<T, E>
    where
        T: Send + 'env,
        E: From<StoreError> + Send + 'env,
    {
        let mut tx = self.begin_read().await?;
        work(&mut tx).await
    }

    /// Runs `work` in a transaction, and commits it. The closure runs again, at most five times in all, when another
    /// transaction was first (a deadlock or a serialization failure of Postgres). Any other error rolls the transaction
    /// back and is returned.
    ///
    /// # Errors
    ///
    /// Returns the error of the closure or of the database. Then nothing was changed, unless the connection was lost
    /// during the commit.
    pub async fn write<'env, T, E>(
        &self,
        work: impl for<'tx> FnMut(&'tx mut WriteTx) -> Work<'env, 'tx, T, E> + Send,
    ) -> std::result::Result<T, E>
    where
        T: Send + 'env,
        E: HoldsStoreError + Send + 'env,
    {
        self.write_with(&FLUSHED, work).await
    }

    /// Like [`Db::write`], for a change that is made again if it is lost: see [`Db::begin_unflushed`].
    ///
    /// # Errors
    ///
    /// As [`Db::write`].
    pub async fn write_unflushed<'env, T, E>(
        &self,
        work: impl for<'tx> FnMut(&'tx mut WriteTx) -> Work<'env, 'tx, T, E> + Send,
    ) -> std::result::Result<T, E>
    where
        T: Send + 'env,
        E: HoldsStoreError + Send + 'env,
    {
        self.write_with(&UNFLUSHED, work).await
    }

    async fn write_with<'env, T, E>(
        &self,
        begin: &Begin,
        mut work: impl for<'tx> FnMut(&'tx mut WriteTx) -> Work<'env, 'tx, T, E> + Send,
    ) -> std::result::Result<T, E>
    where
        T: Send + 'env,
        E: HoldsStoreError + Send + 'env,
    {
        let mut tries = 1;
        loop {
            let mut tx = self.begin_in_turn(begin).await?;
            let done = match work(&mut tx).await {
                Ok(value) => tx.commit().await.map(|()| value).map_err(E::from),
                Err(error) => Err(error),
            };
            let was_beaten = |error: &E| error.store_error().is_some_and(StoreError::was_beaten);
            match done {
                Err(error) if was_beaten(&error) && tries < TRIES => tries += 1,
                done => return done,
            }
        }
    }

    /// Begins a transaction that writes. On SQLite it waits for its turn (`store/turns.rs`), and holds the write lock
    /// from the start.
    ///
    /// # Errors
    ///
    /// When the database cannot be reached, or no connection is free in time.
    pub async fn begin(&self) -> Result<WriteTx> {
        self.begin_in_turn(&FLUSHED).await
    }

    /// Like [`Db::begin`], for a change that is made again if it is lost, such as the claim of a job: the commit does
    /// not wait for the disk. A crash of the database's machine, or of the Postgres server, may lose such transactions,
    /// but never a part of one, a flushed one, or one that was committed before a flushed one. A crash of this program
    /// loses nothing.
    ///
    /// # Errors
    ///
    /// As [`Db::begin`].
    pub async fn begin_unflushed(&self) -> Result<WriteTx> {
        self.begin_in_turn(&UNFLUSHED).await
    }

    /// Announces that webhooks are waiting or being written, until the returned value is dropped. On SQLite
    /// transactions of jobs and members are delayed meanwhile, each for a short time (`store/turns.rs`). Returns `None`
    /// on Postgres, which has no single writer.
    pub fn go_ahead(&self) -> Option<Ahead> {
        match self {
            Self::Sqlite { turns, .. } => Some(turns.go_ahead()),
            Self::Postgres { .. } => None,
        }
    }

    /// Like [`Db::begin`], for webhooks, which callers wait for. On SQLite it does not wait for its turn behind
    /// transactions of jobs and members: at most one of them goes before it.
    ///
    /// # Errors
    ///
    /// As [`Db::begin`].
    pub async fn begin_ahead(&self) -> Result<WriteTx> {
        self.begin_with(&FLUSHED).await
    }

    async fn begin_in_turn(&self, begin: &Begin) -> Result<WriteTx> {
        let turn = match self {
            Self::Sqlite { turns, .. } => Some(turns.take().await?),
            Self::Postgres { .. } => None,
        };
        let mut tx = self.begin_with(begin).await?;
        tx.turn = turn;
        Ok(tx)
    }

    async fn begin_with(&self, begin: &Begin) -> Result<WriteTx> {
        let floor = self.floor().await?;
        let on = match self {
            Self::Sqlite { writer, .. } => {
                let begun = writer.begin_with(begin.sqlite).await;
                On::Sqlite(pools::explained_sqlite(begun)?)
            }
            Self::Postgres { pool, .. } => {
                let begun = pools::begin(pool, begin.postgres).await;
                On::Postgres(pools::explained_postgres(pool, begun).await?)
            }
        };
        let mut tx = WriteTx::new(on, self.proofs().clone(), self.shared_changes().clone());
        tx.is_flushed = begin.is_flushed;
        tx.floor = floor;
        Ok(tx)
    }

    /// Begins a transaction that only reads, and sees the database as it was at its first statement. SQLite's
    /// write-ahead log does that by itself; Postgres is asked for it. Otherwise two tables that are compared could
    /// differ by a commit in between, and [`crate::register::verify`] would report tampering where there is
    /// none.
    ///
    /// # Errors
    ///
    /// As [`Db::begin`].
    pub async fn begin_read(&self) -> Result<ReadTx> {
        let floor = self.floor().await?;
        self.snapshot(floor).await
    }

    /// Returns the number of the last link of the service's chain that this process has seen. Reads the chain first if
    /// the process has not.
    async fn floor(&self) -> Result<i64> {
        let proofs = self.proofs();
        if proofs.keys().is_ok() && !proofs.service().is_loaded() {
            let followed = self.snapshot(0).await?.follow(None).await;
            match followed {
                // The rows that links set are refused then.
                Err(StoreError::Forged(_) | StoreError::PutBack { .. }) => {}
                followed => followed?,
            }
        }
        Ok(proofs.floor())
    }

    async fn snapshot(&self, floor: i64) -> Result<ReadTx> {
        let on = match self {
            Self::Sqlite { reader, .. } => {
                On::Sqlite(pools::explained_sqlite(reader.begin().await)?)
            }
            Self::Postgres { pool, .. } => {
                let begun = pools::begin(pool, SNAPSHOT).await;
                On::Postgres(pools::explained_postgres(pool, begun).await?)
            }
        };
        Ok(ReadTx {
            on,
            proofs: self.proofs().clone(),
            pending: BTreeSet::new(),
            floor,
        })
    }
}

impl WriteTx {
    /// Sets who signs the links of this transaction that have an actor. Without a signer such links cannot be written.
    pub fn sign_as(&mut self, signer: Signer) {
        self.signer = Some(signer);
    }

    fn new(on: On, proofs: Proofs, changes: Changes) -> Self {
        Self {
            read: ReadTx {
                on,
                proofs,
                pending: BTreeSet::new(),
                floor: 0,
            },
            turn: None,
            changes,
            ends: Vec::new(),
            is_flushed: true,
            signer: None,
            acts: audit::Acts::default(),
            settings: BTreeMap::new(),
            resealed: BTreeMap::new(),
            counts: hours::Counts::default(),
            statuses: BTreeMap::new(),
            last: Groups::new(),
            counted: Vec::new(),
        }
    }

    /// Increments an operators' counter after the commit.
    pub fn count(&mut self, counter: &Counter) {
        self.counted.push(counter.clone());
    }

    /// Adds `by` to the stored count of a line's reports with this status, at the commit.
    pub(super) fn count_status(&mut self, line: &str, status: Status, by: i64) {
        let key = (line.to_owned(), status);
        *self.statuses.entry(key).or_default() += by;
    }

    /// Writes what was gathered for the commit: counts, links, and the statements that come last. [`WriteTx::commit`]
    /// does this too; no other statement may follow.
    ///
    /// Rows that every call of a line changes are locked here, as late as possible and in one order: the line's counts
    /// of calls and of reports, then the heads of the trails in order of line.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn write_gathered(&mut self) -> Result<()> {
        let calls = hours::rows_of(std::mem::take(&mut self.counts));
        let statuses = reports::rows_of_counts(std::mem::take(&mut self.statuses));
        rows::execute_last(self, vec![vec![calls, statuses]]).await?;
        audit::write(self).await?;
        let last = std::mem::take(&mut self.last);
        rows::execute(self, last).await
    }

    /// Writes what was gathered for the commit, and commits.
    ///
    /// # Errors
    ///
    /// When the transaction could not be committed. Then nothing was changed, unless the connection was lost during the
    /// commit.
    pub async fn commit(mut self) -> Result<()> {
        self.write_gathered().await?;
        match self.read.on {
            On::Sqlite(tx) => tx.commit().await?,
            On::Postgres(tx) => tx.commit().await?,
        }
        for counter in self.counted {
            counter.inc();
        }
        if self.ends.is_empty() {
            return Ok(());
        }
        self.changes.committed();
        // A commit that is not on the disk yet may be lost, and the database is then not to be refused.
        if self.is_flushed {
            for (chain, head) in &self.ends {
                self.read.proofs.heads().see(chain, *head);
            }
        }
        Ok(())
    }
}
