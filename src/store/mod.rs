//! Where SQL lives. One [`Db`] over SQLite and Postgres, one [`Tx`], one set of statements that runs on either.
//!
//! Every statement is a constant beside the function that runs it, declared with `statements!`; a test prepares
//! them all on both databases. Functions take a `&mut Tx`, so that what belongs together is committed together.
//!
//! | file | rows |
//! |---|---|
//! | [`calls`] | running calls, their steps |
//! | [`strays`] | recordings whose line is not known yet |
//! | [`reports`] | reports, entries, recordings, receipts |
//! | [`hours`] | how many calls came in which hour |
//! | [`replies`] | who wrote replies, and who approved them |
//! | [`jobs`] | work to be done |
//! | [`installation`] | which service secret and folder of recordings belong to the database |
//! | [`members`] | members, keys, grants, sessions |
//! | [`nodes`] | running processes |
//! | [`audit`] | the hash chain of each line |

pub mod audit;
pub mod calls;
pub mod hours;
pub mod installation;
pub mod jobs;
pub mod members;
pub mod nodes;
mod pools;
pub mod replies;
pub mod reports;
mod statements;
pub mod strays;

pub use statements::{Sql, all as all_statements};

use crate::config::DatabaseAddress;
use crate::counters::{Counted, Counter, Labelled};
use crate::hidden::Hidden;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool, Postgres};
use sqlx::sqlite::{
    Sqlite, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqliteSynchronous,
};
use sqlx::{SqlSafeStr, Transaction};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

/// The migrations, in order. Never edited once released; a change is a new file.
const MIGRATIONS: [(i64, &str, &str); 15] = [
    (
        1,
        "foundation",
        include_str!("migrations/0001_foundation.sql"),
    ),
    (
        2,
        "calling back",
        include_str!("migrations/0002_calling_back.sql"),
    ),
    (
        3,
        "duty inspector",
        include_str!("migrations/0003_duty_inspector.sql"),
    ),
    (4, "floods", include_str!("migrations/0004_floods.sql")),
    (5, "streams", include_str!("migrations/0005_streams.sql")),
    (6, "nodes", include_str!("migrations/0006_nodes.sql")),
    (
        7,
        "installation",
        include_str!("migrations/0007_installation.sql"),
    ),
    (
        9,
        "files of recordings",
        include_str!("migrations/0009_files_of_recordings.sql"),
    ),
    (
        10,
        "jobs that keep failing",
        include_str!("migrations/0010_jobs_that_keep_failing.sql"),
    ),
    (
        14,
        "shared receipts",
        include_str!("migrations/0014_shared_receipts.sql"),
    ),
    (17, "members", include_str!("migrations/0017_members.sql")),
    (
        18,
        "changes seen",
        include_str!("migrations/0018_changes_seen.sql"),
    ),
    (
        20,
        "shared recordings",
        include_str!("migrations/0020_shared_recordings.sql"),
    ),
    (21, "strays", include_str!("migrations/0021_strays.sql")),
    (
        34,
        "calls to ask about",
        include_str!("migrations/0034_calls_to_ask_about.sql"),
    ),
];

/// How long a connection waits for the database before the request is given up.
const ACQUIRE: Duration = Duration::from_secs(5);

/// A database. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Db {
    /// One writer, several readers: SQLite has one writer anyway, and a queue is fairer than retries.
    Sqlite {
        /// At most one connection.
        writer: SqlitePool,
        /// For reads.
        reader: SqlitePool,
    },
    /// A Postgres server.
    Postgres(PgPool),
}

/// A transaction on either database. Rolled back when dropped.
#[derive(Debug)]
pub struct Tx {
    on: On,
    /// Links of the trail, written at the commit.
    acts: audit::Acts,
    /// Calls counted by the hour, written at the commit.
    counts: hours::Counts,
    /// Operators' counters to be raised after the commit.
    counted: Vec<Counted>,
}

/// The transaction of the database.
#[derive(Debug)]
pub enum On {
    /// On SQLite.
    Sqlite(Transaction<'static, Sqlite>),
    /// On Postgres.
    Postgres(Transaction<'static, Postgres>),
}

/// Something went wrong in the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A row with this key is there already.
    #[error("it is there already")]
    Duplicate,
    /// The database does not do its work: unreachable, locked, full.
    #[error("the database failed: {0}")]
    Failed(#[source] sqlx::Error),
    /// A row holds what this program never wrote there.
    #[error("the database holds something unreadable: {0}")]
    Unreadable(&'static str),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        pools::note(&error);
        match &error {
            sqlx::Error::Database(inner) if inner.is_unique_violation() => Self::Duplicate,
            _ => Self::Failed(error),
        }
    }
}

/// What functions of the store return.
pub type Result<T> = std::result::Result<T, StoreError>;

/// How Postgres begins a transaction of [`Db::read`]. It locks no row that another node waits for, and an export writes files
/// between two statements: it may be idle for longer than one that writes.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
    SET LOCAL idle_in_transaction_session_timeout = '10min'";
/// Before migrations: another node may be at them, for as long as they take.
const WAIT_FOR_LOCKS: &str = "SET lock_timeout = 0";

impl Db {
    /// Opens the database and brings it up to date. An SQLite file is made when missing, for its owner alone.
    ///
    /// # Errors
    ///
    /// A sentence for the operator.
    pub async fn open(address: &DatabaseAddress) -> std::result::Result<Self, String> {
        let db = match address {
            DatabaseAddress::Sqlite(path) => Self::open_sqlite(path).await?,
            DatabaseAddress::Postgres(address) => Self::open_postgres(address).await?,
        };
        db.migrate()
            .await
            .map_err(|error| format!("the database cannot be brought up to date: {error}"))?;
        Ok(db)
    }

    async fn open_sqlite(path: &Path) -> std::result::Result<Self, String> {
        private_file(path).map_err(|error| {
            format!("the database {} cannot be written: {error}", path.display())
        })?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .pragma("secure_delete", "ON")
            .busy_timeout(ACQUIRE);
        let failed = |error| format!("the database {} cannot be opened: {error}", path.display());
        let writer = pools::sqlite(1).connect_with(options.clone()).await;
        let writer = writer.map_err(failed)?;
        let reader = pools::sqlite(4).connect_with(options).await;
        let reader = reader.map_err(failed)?;
        Ok(Self::Sqlite { writer, reader })
    }

    async fn open_postgres(address: &Hidden<String>) -> std::result::Result<Self, String> {
        let options = PgConnectOptions::from_str(address.show())
            .map_err(|_| "the database address cannot be read".to_owned())?;
        let place = format!("{}:{}", options.get_host(), options.get_port());
        pools::postgres()
            .connect_with(pools::with_settings(options))
            .await
            .map(Self::Postgres)
            .map_err(|error| format!("the database at {place} cannot be reached: {error}"))
    }

    async fn migrate(&self) -> std::result::Result<(), sqlx::migrate::MigrateError> {
        let migrator = Migrator::with_migrations(
            MIGRATIONS
                .into_iter()
                .map(|(version, name, sql)| {
                    Migration::new(
                        version,
                        name.into(),
                        MigrationType::Simple,
                        sql.into_sql_str(),
                        false,
                    )
                })
                .collect(),
        );
        match self {
            Self::Sqlite { writer, .. } => migrator.run(writer).await,
            Self::Postgres(pool) => {
                let mut connection = pool.acquire().await?;
                // Closed afterwards: the setting is for migrations only.
                connection.close_on_drop();
                sqlx::query(WAIT_FOR_LOCKS)
                    .execute(&mut *connection)
                    .await?;
                migrator.run(&mut *connection).await
            }
        }
    }

    /// A transaction that writes. On SQLite it holds the write lock from the start: a deferred one fails under load.
    ///
    /// # Errors
    ///
    /// When the database cannot be reached.
    pub async fn begin(&self) -> Result<Tx> {
        Ok(Tx::new(match self {
            Self::Sqlite { writer, .. } => On::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(pool) => On::Postgres(pool.begin().await?),
        }))
    }

    /// A transaction that only reads, and sees the database as it was at its first statement: SQLite's write-ahead log
    /// gives that by itself. Whoever compares one table with another would otherwise find a difference that a commit
    /// in between has made: [`crate::trail::verify`] would call an honest trail tampered with.
    ///
    /// # Errors
    ///
    /// When the database cannot be reached.
    pub async fn read(&self) -> Result<Tx> {
        Ok(Tx::new(match self {
            Self::Sqlite { reader, .. } => On::Sqlite(reader.begin().await?),
            Self::Postgres(pool) => On::Postgres(pool.begin_with(SNAPSHOT).await?),
        }))
    }

    /// Empties SQLite's write-ahead log into the database. Until then the log keeps what rows held before they were
    /// changed or removed: of a call's jobs, when exactly it came.
    ///
    /// # Errors
    ///
    /// When the database cannot be reached. That somebody is reading, and nothing could be emptied, is none: writers
    /// have to wait meanwhile, so it is not waited for long.
    pub async fn empty_log(&self) -> Result<()> {
        let Self::Sqlite { writer, .. } = self else {
            return Ok(());
        };
        let mut connection = writer.acquire().await?;
        let emptied = async {
            for pragma in [
                "PRAGMA busy_timeout = 200",
                "PRAGMA wal_checkpoint(TRUNCATE)",
                "PRAGMA busy_timeout = 5000", // as ACQUIRE
            ] {
                sqlx::query(pragma).execute(&mut *connection).await?;
            }
            Ok::<_, sqlx::Error>(())
        };
        let emptied = emptied.await;
        if emptied.is_err() {
            // It would wait for other writers for too short a time from now on.
            connection.close_on_drop();
        }
        Ok(emptied?)
    }

    /// True when the server writes a commit to the disk before it answers. SQLite always does; Postgres does not with
    /// `fsync = off`, and loses committed reports when its machine loses power.
    ///
    /// # Errors
    ///
    /// When the database cannot be reached.
    pub async fn syncs_to_disk(&self) -> Result<bool> {
        match self {
            Self::Sqlite { .. } => Ok(true),
            Self::Postgres(pool) => {
                let query = sqlx::query_scalar("SELECT current_setting('fsync')");
                let fsync: String = query.fetch_one(pool).await?;
                Ok(fsync == "on")
            }
        }
    }

    /// Closes all connections.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { writer, reader } => {
                reader.close().await;
                writer.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Tx {
    fn new(on: On) -> Self {
        Self {
            on,
            acts: audit::Acts::default(),
            counts: hours::Counts::default(),
            counted: Vec::new(),
        }
    }

    /// Counts one more for operators, once this is committed.
    pub fn count(&mut self, counter: &Counter) {
        self.counted.push(Counted::One(counter.clone()));
    }

    /// The same of a counter with a label.
    pub fn count_as(&mut self, counter: &Labelled, value: &'static str) {
        self.counted.push(Counted::As(counter.clone(), value));
    }

    /// The transaction of the database, for statements that are not the store's.
    pub fn on(&mut self) -> &mut On {
        &mut self.on
    }

    /// Writes what was gathered for the commit, and commits.
    ///
    /// The rows that every call of a line changes are locked here and for as short as can be, in one order: the line's
    /// counts of calls, then the heads of the trail in order of line.
    ///
    /// # Errors
    ///
    /// When it could not be committed; then nothing in it happened.
    pub async fn commit(mut self) -> Result<()> {
        hours::write(&mut self).await?;
        audit::write(&mut self).await?;
        match self.on {
            On::Sqlite(tx) => tx.commit().await?,
            On::Postgres(tx) => tx.commit().await?,
        }
        self.counted.iter().for_each(Counted::add);
        Ok(())
    }
}

/// Makes an empty file only its owner can read, with its folder, unless it is there. SQLite gives its
/// write-ahead log the same permissions.
fn private_file(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        crate::private::make_folder(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}
