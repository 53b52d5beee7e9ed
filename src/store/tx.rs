//! Transactions. One that reads is another type than one that writes, so that a function that changes rows cannot be given
//! the former.
//!
//! What members do runs as a closure in [`Db::read`] or [`Db::write`]. The latter commits, and runs the closure again when the
//! database says that another transaction was first. Nothing slow belongs into a closure: nothing is sealed or
//! opened there, and no provider is asked. Webhooks and jobs hold their transactions themselves ([`Db::begin_ahead`],
//! [`Db::begin`], [`Db::begin_read`]).

use super::changes::Changes;
use super::rows::{self, Groups};
use super::turns::Ahead;
use super::{Db, Result, StoreError, audit, hours, pools, reports};
use crate::report::status::Status;
use prometheus_client::metrics::counter::Counter;
use scoped_futures::ScopedBoxFuture;
use sqlx::Transaction;
use sqlx::postgres::Postgres;
use sqlx::sqlite::Sqlite;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use tokio::sync::OwnedSemaphorePermit;

/// How Postgres begins a transaction that reads. It locks no row that another node waits for, and an export writes files
/// between two statements: it may be idle for longer than one that writes.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
    SET LOCAL idle_in_transaction_session_timeout = '10min'";
/// How a transaction that writes is begun: on Postgres and on SQLite. SQLite takes its write lock at once, since a deferred
/// transaction fails under load, and every beginning says how the connection's commits are written: nothing has to be put
/// back afterwards.
struct Begin {
    postgres: &'static str,
    sqlite: &'static str,
}

/// The commit is on the disk when it returns.
const FLUSHED: Begin = Begin {
    postgres: "BEGIN",
    sqlite: "PRAGMA synchronous = FULL; BEGIN IMMEDIATE",
};
/// The commit is on the disk some time after it returned. Transactions stay whole, and on the disk in their order
/// (<https://www.sqlite.org/pragma.html#pragma_synchronous>, <https://www.postgresql.org/docs/15/wal-async-commit.html>).
const UNFLUSHED: Begin = Begin {
    postgres: "BEGIN; SET LOCAL synchronous_commit = off",
    sqlite: "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE",
};
/// How often a closure is run when other transactions are first.
const TRIES: usize = 5;

/// A transaction that reads, on either database. It sees the database as it was at its first statement.
#[derive(Debug)]
pub struct ReadTx {
    pub(super) on: On,
}

/// A transaction that reads and writes, on either database. Rolled back when dropped.
#[derive(Debug)]
pub struct WriteTx {
    read: ReadTx,
    /// On SQLite, for as long as it is open: see `begin_in_turn`. Behind the transaction, which is dropped first.
    turn: Option<OwnedSemaphorePermit>,
    /// Told of the commit when it adds to a trail.
    changes: Changes,
    /// A link of a trail was written.
    pub(super) has_links: bool,
    /// Links of the trail, written at the commit.
    pub(super) acts: audit::Acts,
    /// Calls counted by the hour, written at the commit.
    pub(super) counts: hours::Counts,
    /// Reports counted by line and status, written at the commit.
    statuses: BTreeMap<(String, Status), i64>,
    /// Statements that are run last: see [`rows::execute_last`].
    pub(super) last: Groups,
    /// Operators' counters to be raised after the commit.
    pub(super) counted: Vec<Counter>,
}

/// The transaction of the database.
#[derive(Debug)]
pub enum On {
    /// On SQLite.
    Sqlite(Transaction<'static, Sqlite>),
    /// On Postgres.
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
    /// The transaction of the database, for statements that are not the store's.
    pub fn on(&mut self) -> &mut On {
        &mut self.on
    }
}

/// What a closure returns: `async move { … }.scope_boxed()`. It may borrow from its transaction and from its surroundings. (An
/// async closure could not be shown to be `Send`: <https://github.com/rust-lang/rust/issues/110338>.)
pub type Work<'env, 'tx, T, E> = ScopedBoxFuture<'env, 'tx, std::result::Result<T, E>>;

/// An error of a closure, which may be the database's.
pub trait HoldsStoreError: From<StoreError> {
    /// The error of the database, if it is one.
    fn store_error(&self) -> Option<&StoreError>;
}

impl HoldsStoreError for StoreError {
    fn store_error(&self) -> Option<&StoreError> {
        Some(self)
    }
}

impl Db {
    /// Runs `work` in a transaction that only reads. Such a one waits for no other transaction, so that none can be first.
    ///
    /// # Errors
    ///
    /// That of the closure, or the database's.
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

    /// Runs `work` in a transaction, and commits it. The closure runs again when another transaction was first (a deadlock or
    /// a serialization failure of Postgres); whatever else it fails with rolls the transaction back and is returned.
    ///
    /// # Errors
    ///
    /// That of the closure, or the database's; then nothing was changed.
    pub async fn write<'env, T, E>(
        &self,
        mut work: impl for<'tx> FnMut(&'tx mut WriteTx) -> Work<'env, 'tx, T, E> + Send,
    ) -> std::result::Result<T, E>
    where
        T: Send + 'env,
        E: HoldsStoreError + Send + 'env,
    {
        let mut tries = 1;
        loop {
            let mut tx = self.begin().await?;
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

    /// A transaction that writes. On SQLite it holds the write lock from the start.
    ///
    /// # Errors
    ///
    /// When the database cannot be reached.
    pub async fn begin(&self) -> Result<WriteTx> {
        self.begin_in_turn(FLUSHED).await
    }

    /// The same for what is only done again when it is lost, as a job is that somebody has claimed: the commit does not wait for
    /// the disk. What a crash of the machine loses of these is never half a transaction, nor a flushed one, nor one before
    /// a flushed one. A crash of the program loses nothing.
    ///
    /// # Errors
    ///
    /// When the database cannot be reached.
    pub async fn begin_unflushed(&self) -> Result<WriteTx> {
        self.begin_in_turn(UNFLUSHED).await
    }

    /// Announces that webhooks are waiting or being written, until the returned value is dropped. On SQLite the transactions of
    /// jobs and members are delayed meanwhile (`store/turns.rs`). None on Postgres, which has no single writer.
    pub fn go_ahead(&self) -> Option<Ahead> {
        match self {
            Self::Sqlite { turns, .. } => Some(turns.go_ahead()),
            Self::Postgres { .. } => None,
        }
    }

    /// The same as [`Db::begin`] for webhooks, whose callers wait: ahead of every other transaction that has not begun yet.
    ///
    /// # Errors
    ///
    /// When the database cannot be reached.
    pub async fn begin_ahead(&self) -> Result<WriteTx> {
        self.begin_with(FLUSHED).await
    }

    async fn begin_in_turn(&self, begin: Begin) -> Result<WriteTx> {
        let turn = match self {
            Self::Sqlite { turns, .. } => Some(turns.take().await?),
            Self::Postgres { .. } => None,
        };
        let mut tx = self.begin_with(begin).await?;
        tx.turn = turn;
        Ok(tx)
    }

    async fn begin_with(&self, begin: Begin) -> Result<WriteTx> {
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
        Ok(WriteTx::new(on, self.shared_changes().clone()))
    }

    /// A transaction that only reads, and sees the database as it was at its first statement: SQLite's write-ahead log gives
    /// that by itself. Two tables that are compared would otherwise differ by a commit in between, and
    /// [`crate::register::trail::verify`] would report tampering where there is none.
    ///
    /// # Errors
    ///
    /// When the database cannot be reached.
    pub async fn begin_read(&self) -> Result<ReadTx> {
        let on = match self {
            Self::Sqlite { reader, .. } => {
                On::Sqlite(pools::explained_sqlite(reader.begin().await)?)
            }
            Self::Postgres { pool, .. } => {
                let begun = pools::begin(pool, SNAPSHOT).await;
                On::Postgres(pools::explained_postgres(pool, begun).await?)
            }
        };
        Ok(ReadTx { on })
    }
}

impl WriteTx {
    fn new(on: On, changes: Changes) -> Self {
        Self {
            read: ReadTx { on },
            turn: None,
            changes,
            has_links: false,
            acts: audit::Acts::default(),
            counts: hours::Counts::default(),
            statuses: BTreeMap::new(),
            last: Groups::new(),
            counted: Vec::new(),
        }
    }

    /// Counts one more for operators, once this is committed.
    pub fn count(&mut self, counter: &Counter) {
        self.counted.push(counter.clone());
    }

    /// Counts reports of a line that have got a status, or lost it, at the commit.
    pub(super) fn count_status(&mut self, line: &str, status: Status, by: i64) {
        let key = (line.to_owned(), status);
        *self.statuses.entry(key).or_default() += by;
    }

    /// Writes what was gathered for the commit: the last statements before it.
    ///
    /// The rows that every call of a line changes are locked here and for as short as can be, in one order: the line's
    /// counts of calls and of reports, then the heads of the trail in order of line.
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
    /// When it could not be committed; then nothing in it happened.
    pub async fn commit(mut self) -> Result<()> {
        self.write_gathered().await?;
        match self.read.on {
            On::Sqlite(tx) => tx.commit().await?,
            On::Postgres(tx) => tx.commit().await?,
        }
        for counter in self.counted {
            counter.inc();
        }
        if self.has_links {
            self.changes.committed();
        }
        Ok(())
    }
}
