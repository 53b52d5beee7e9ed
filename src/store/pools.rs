//! Connection pools: their size, and the check before a connection is used again.

use super::{ACQUIRE, StoreError};
use crate::base::clock::instant;
use sqlx::pool::PoolConnectionMetadata;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, Postgres};
use sqlx::sqlite::{SqliteConnection, SqliteError, SqlitePoolOptions};
use sqlx::{Connection, Error, Transaction};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tracing::Instrument;

/// Time at which SQLite last reported that it could not read or write an open file; `None` if it never did.
static LAST_FAULT: Mutex<Option<Instant>> = Mutex::new(None);

/// SQLite's primary result code for a failed read, write or sync of the file (`SQLITE_IOERR`).
const IOERR: i32 = 10;
/// `SQLITE_IOERR_SHMSIZE`: the shared memory file cannot grow, because the disk is full. The connection stays usable.
const IOERR_SHMSIZE: i32 = 4874;
/// `SQLITE_READONLY_DBMOVED`: the file was moved or replaced since it was opened.
const READONLY_DBMOVED: i32 = 1032;

/// Options of a pool of SQLite connections. The pool closes connections that cannot begin a transaction any more.
///
/// After `SQLITE_FULL`, `SQLITE_IOERR`, `SQLITE_NOMEM` and `SQLITE_INTERRUPT` SQLite may have rolled the transaction
/// back by itself. The ROLLBACK that sqlx sends then fails, and sqlx counts the transaction as open for as long as the
/// connection lives: every later `BEGIN IMMEDIATE` on it is refused.
pub(super) fn sqlite(max: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(max)
        .acquire_timeout(ACQUIRE)
        // Dropping a transaction only queues its ROLLBACK. The pool pings a connection that is returned, and the ping
        // is answered after the ROLLBACK has run, so a second ping before each transaction would add a round trip and
        // no information.
        .test_before_acquire(false)
        .before_acquire(|connection, meta| Box::pin(async move { Ok(is_sound(connection, &meta)) }))
}

/// Settings of every Postgres session. They override those in the configured address.
///
/// A node that hangs in a transaction keeps its rows locked. The server ends a transaction that writes after 5 s
/// without a statement, and any session after about 25 s without an answer from the node's machine; other nodes wait at
/// most 3 s for one lock, so that not all of their connections are used up meanwhile.
const POSTGRES_SETTINGS: [(&str, &str); 9] = [
    ("lock_timeout", "3s"),
    ("idle_in_transaction_session_timeout", "5s"),
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "25s"),
    // A webhook is answered after the commit is on the disk.
    ("synchronous_commit", "on"),
    // No statement has a better plan for some values than for others, and planning takes longer than running most of
    // them.
    ("plan_cache_mode", "force_generic_plan"),
    // A generic plan estimates a LIMIT as a tenth of the rows. From about 500,000 reports on, that estimate makes the
    // server compile the query of a page for 10 ms, and the query then runs for 0.2 ms.
    ("jit", "off"),
];

/// Idle time after which a connection is pinged before a transaction begins on it, because the server may have
/// restarted. A connection that was idle for less is not pinged, which saves a round trip; [`begin`] replaces it if it
/// is lost.
const TRIED_AFTER: Duration = Duration::from_millis(100);

/// Options of a pool of Postgres connections.
pub(super) fn postgres(max: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(max)
        .acquire_timeout(ACQUIRE)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > TRIED_AFTER {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
}

/// Begins a transaction on a Postgres connection with this statement. A task of its own does it: when the returned
/// future is dropped early, the task goes on, and rolls the transaction back.
///
/// sqlx 0.9.0 itself would lose track of a transaction whose beginning was dropped half-way, and lend the connection
/// with that transaction still open (<https://github.com/transact-rs/sqlx/issues/4393>).
pub(super) async fn begin(
    pool: &PgPool,
    statement: &'static str,
) -> Result<Transaction<'static, Postgres>, Error> {
    // After a restart of the server every connection in the pool may be lost. No statement of the transaction was sent
    // on them, so trying again is safe.
    let mut old = pool.size();
    loop {
        let pool = pool.clone();
        let begun = async move { pool.begin_with(statement).await };
        let begun = tokio::spawn(begun.in_current_span());
        // An error of the task is a panic, or a runtime that is being shut down.
        match begun.await.unwrap_or(Err(Error::WorkerCrashed)) {
            Err(error) if old > 0 && is_of_connection(&error) => old -= 1,
            begun => return begun,
        }
    }
}

/// True if the connection was lost, or closed by the server
/// (<https://www.postgresql.org/docs/15/errcodes-appendix.html>, "operator intervention").
fn is_of_connection(error: &Error) -> bool {
    match error {
        Error::Io(_) => true,
        Error::Database(error) => error.code().is_some_and(|code| code.starts_with("57P")),
        _ => false,
    }
}

/// Error text for a pool whose connections are all in use.
const ALL_IN_USE: &str = "all connections of this pool are in use";
/// Maximum time for the one connection that is made to find out why a pool has none.
const PROBE: Duration = Duration::from_secs(1);
/// Bounds the connections that are made to find out why a pool has none: one at a time in the whole process. It comes
/// on top of those of the pools.
static PROBES: Semaphore = Semaphore::const_new(1);

/// Converts the error of beginning a transaction on an SQLite pool; a timeout of the pool gets its reason.
pub(super) fn explained_sqlite<T>(begun: Result<T, Error>) -> super::Result<T> {
    begun.map_err(|error| match error {
        Error::PoolTimedOut => StoreError::NoConnection(ALL_IN_USE.to_owned()),
        error => error.into(),
    })
}

/// Converts the error of beginning a transaction on a Postgres pool; a timeout of the pool gets its reason. The pool
/// tries again when a connection is refused or the server has no room for one, and does not return that error; so one
/// more connection is made outside the pool to learn it.
pub(super) async fn explained_postgres<T>(
    pool: &PgPool,
    begun: Result<T, Error>,
) -> super::Result<T> {
    match begun {
        Err(Error::PoolTimedOut) => Err(StoreError::NoConnection(why_none(pool).await)),
        begun => Ok(begun?),
    }
}

async fn why_none(pool: &PgPool) -> String {
    // Another request is finding out the reason: that request's error will have it.
    let Ok(_one) = PROBES.try_acquire() else {
        return "all connections of this pool are in use, or none can be made".to_owned();
    };
    let options = pool.connect_options();
    match tokio::time::timeout(PROBE, PgConnection::connect_with(&options)).await {
        Ok(Ok(connection)) => {
            // The connection was made only for this; an error in closing it has no meaning.
            let _ = connection.close().await;
            ALL_IN_USE.to_owned()
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("the server does not answer within {} s", PROBE.as_secs()),
    }
}

/// Returns another pool for the same database, of at most `connections` connections, made when they are needed.
pub(super) fn beside(pool: &PgPool, connections: u32) -> PgPool {
    let options = PgConnectOptions::clone(&pool.connect_options());
    postgres(connections).connect_lazy_with(options)
}

/// Adds the settings of every session to a configured address.
pub(super) fn with_settings(address: PgConnectOptions) -> PgConnectOptions {
    address.options(POSTGRES_SETTINGS)
}

/// True if the connection can be used again: it is in no transaction, and was opened after a file last failed. The file
/// descriptors of an older one may belong to a file system that is gone.
fn is_sound(connection: &SqliteConnection, meta: &PoolConnectionMetadata) -> bool {
    let last = LAST_FAULT.lock().unwrap_or_else(PoisonError::into_inner);
    let saw_fault = last.is_some_and(|at| at.elapsed() <= meta.age);
    !saw_fault && !connection.is_in_transaction()
}

/// Records the time of an error after which connections to an SQLite file have to be opened anew. Ignores other errors.
pub(super) fn note(error: &Error) {
    let Error::Database(error) = error else {
        return;
    };
    let is_sqlite = error.try_downcast_ref::<SqliteError>().is_some();
    let code = error.code().and_then(|code| code.parse().ok());
    if is_sqlite && code.is_some_and(is_fault) {
        remember_fault();
    }
}

fn remember_fault() {
    *LAST_FAULT.lock().unwrap_or_else(PoisonError::into_inner) = Some(instant());
}

/// True if an extended result code of SQLite means that the open file cannot be used.
fn is_fault(code: i32) -> bool {
    (code & 0xff == IOERR && code != IOERR_SHMSIZE) || code == READONLY_DBMOVED
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::sqlite::SqliteConnectOptions;

    #[tokio::test]
    async fn a_connection_that_was_open_when_the_file_failed_is_not_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new()
            .filename(folder.path().join("test.db"))
            .create_if_missing(true);
        let pool = sqlite(1).connect_with(options).await.unwrap();
        // Only the connection that made it has this table.
        let made = sqlx::query("CREATE TEMP TABLE mark (x)");
        made.execute(&pool).await.unwrap();
        let is_same = async || {
            sqlx::query("SELECT x FROM mark")
                .execute(&pool)
                .await
                .is_ok()
        };
        assert!(is_same().await);
        remember_fault();
        assert!(!is_same().await);
        pool.close().await;
    }

    #[tokio::test]
    async fn a_timeout_names_the_connections_last_error() {
        // The port is closed: connecting is refused.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let address = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(port);
        let pool = postgres(2).acquire_timeout(Duration::from_millis(10));
        let pool = pool.connect_lazy_with(address);
        let begun = pool.begin().await;
        assert!(matches!(begun, Err(Error::PoolTimedOut)));
        let error = explained_postgres(&pool, begun).await.unwrap_err();
        assert!(error.to_string().contains("refused"), "{error}");
    }

    #[tokio::test]
    async fn a_timeout_says_that_all_connections_are_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new()
            .filename(folder.path().join("test.db"))
            .create_if_missing(true);
        let pool = sqlite(1).acquire_timeout(Duration::from_millis(10));
        let pool = pool.connect_with(options).await.unwrap();
        let taken = pool.begin().await.unwrap();
        let error = explained_sqlite(pool.begin().await).unwrap_err();
        assert!(error.to_string().ends_with(ALL_IN_USE), "{error}");
        drop(taken);
        pool.close().await;
    }

    /// Codes as <https://www.sqlite.org/rescode.html> lists them.
    #[test]
    fn what_the_file_failed_with_is_told_from_what_a_statement_failed_with() {
        for (code, fault) in [
            (10, true),    // SQLITE_IOERR
            (266, true),   // SQLITE_IOERR_READ
            (778, true),   // SQLITE_IOERR_WRITE
            (1034, true),  // SQLITE_IOERR_FSYNC
            (1032, true),  // SQLITE_READONLY_DBMOVED
            (4874, false), // SQLITE_IOERR_SHMSIZE
            (13, false),   // SQLITE_FULL
            (5, false),    // SQLITE_BUSY
            (9, false),    // SQLITE_INTERRUPT
            (2067, false), // SQLITE_CONSTRAINT_UNIQUE
        ] {
            assert_eq!(is_fault(code), fault, "{code}");
        }
    }
}
