//! The yardstick: the throughput of the database on this machine without the service, opened as the service opens it;
//! and the number of transactions it has committed.

use super::Spread;
use super::databases::Database;
use dutyline::config::{Connections, DatabaseAddress};
use dutyline::store::{Databases, Db, On};
use sqlx::Row;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const FOR: Duration = Duration::from_secs(2);
/// About the size of a webhook's rows, in bytes.
const ROW: [u8; 1024] = [7; 1024];

fn sqlite_file(folder: &Path) -> PathBuf {
    folder.join("data/dutyline.db")
}

async fn open(database: &Database, folder: &Path) -> Db {
    let address = match database {
        Database::Sqlite => DatabaseAddress::Sqlite(sqlite_file(folder)),
        Database::Postgres { .. } => DatabaseAddress::Postgres(database.address(folder).into()),
    };
    let connections = Connections {
        webhooks: 16,
        ..Connections::default()
    };
    let databases = Databases::open(&address, connections).await;
    databases.expect("a database").webhooks
}

async fn run(db: &Db, statement: &'static str, row: Option<&[u8]>) {
    let mut tx = db.begin().await.expect("a transaction");
    let done = match (tx.on(), row) {
        (On::Sqlite(tx), Some(row)) => sqlx::query(statement)
            .bind(row)
            .execute(&mut **tx)
            .await
            .map(drop),
        (On::Sqlite(tx), None) => sqlx::query(statement).execute(&mut **tx).await.map(drop),
        (On::Postgres(tx), Some(row)) => sqlx::query(statement)
            .bind(row)
            .execute(&mut **tx)
            .await
            .map(drop),
        (On::Postgres(tx), None) => sqlx::query(statement).execute(&mut **tx).await.map(drop),
    };
    done.expect("the statement is right");
    tx.commit().await.expect("a commit");
}

/// Measures transactions that write one row, from one task and from sixteen.
pub async fn commits(database: &Database, folder: &Path) -> [Spread; 2] {
    let db = Arc::new(open(database, folder).await);
    run(&db, "CREATE TABLE bare (content BYTEA NOT NULL)", None).await;
    let spread = [
        commits_at_once(&db, 1).await,
        commits_at_once(&db, 16).await,
    ];
    db.close().await;
    spread
}

async fn commits_at_once(db: &Arc<Db>, at_once: usize) -> Spread {
    let start = Instant::now();
    let mut writers = Vec::new();
    for _ in 0..at_once {
        let db = Arc::clone(db);
        writers.push(tokio::spawn(async move {
            let mut times = Vec::new();
            while start.elapsed() < FOR {
                let begun = Instant::now();
                run(&db, "INSERT INTO bare VALUES ($1)", Some(&ROW)).await;
                times.push(begun.elapsed());
            }
            times
        }));
    }
    let mut times = Vec::new();
    for writer in writers {
        times.extend(writer.await.expect("a writer"));
    }
    Spread::of(times, start.elapsed())
}

/// Describes the durability of a commit.
pub async fn durability(database: &Database) -> String {
    match database {
        Database::Sqlite => " (write-ahead log, synchronous = full)".to_owned(),
        Database::Postgres { .. } => {
            let db = open(database, Path::new("")).await;
            let row = query(
                &db,
                "SELECT current_setting('server_version'), current_setting('fsync')",
            )
            .await;
            format!(
                " {} (fsync {})",
                row.get::<&str, _>(0),
                row.get::<&str, _>(1)
            )
        }
    }
}

/// Returns the number of transactions that have written to the database.
pub async fn count(database: &Database, folder: &Path) -> u64 {
    match database {
        // "iChange" in the header of the write-ahead log's index: incremented with each transaction.
        Database::Sqlite => {
            let index = sqlite_file(folder).with_extension("db-shm");
            let index = std::fs::read(index).expect("the index of the write-ahead log");
            u64::from(u32::from_ne_bytes(
                index[8..12].try_into().expect("four bytes"),
            ))
        }
        Database::Postgres { .. } => {
            let db = open(database, folder).await;
            let next = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint";
            query(&db, next).await.get::<i64, _>(0) as u64
        }
    }
}

/// Returns the size of the database, in bytes.
pub async fn size(database: &Database, folder: &Path) -> f64 {
    match database {
        Database::Sqlite => {
            let file = sqlite_file(folder);
            let parts = [file.clone(), file.with_extension("db-wal")];
            let sizes = parts.iter().filter_map(|part| part.metadata().ok());
            sizes.map(|part| part.len() as f64).sum()
        }
        Database::Postgres { .. } => {
            let db = open(database, folder).await;
            let size = "SELECT pg_database_size(current_database())";
            query(&db, size).await.get::<i64, _>(0) as f64
        }
    }
}

async fn query(db: &Db, statement: &'static str) -> sqlx::postgres::PgRow {
    let Db::Postgres { pool, .. } = db else {
        panic!("only Postgres is asked")
    };
    sqlx::query(statement)
        .fetch_one(pool)
        .await
        .expect("an answer")
}
