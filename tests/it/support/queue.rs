//! The job queue as the database has it, with functions that expire its times so that tests need not wait.

use chrono::{DateTime, TimeDelta, Utc};
use dutyline::base::clock::Clock;
use dutyline::store::Db;

/// A row of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub kind: String,
    pub attempts: i32,
    pub run_after: DateTime<Utc>,
    pub lease_until: Option<DateTime<Utc>>,
    pub failures: i32,
}

const ALL: &str =
    "SELECT kind, attempts, run_after, lease_until, failures FROM jobs ORDER BY kind, id";
const DUE: &str = "UPDATE jobs SET run_after = $1 WHERE kind = $2 AND lease IS NULL";
const LAPSED: &str = "UPDATE jobs SET lease_until = $1 WHERE lease IS NOT NULL";

type Row = (String, i32, DateTime<Utc>, Option<DateTime<Utc>>, i32);

/// Returns all jobs.
pub async fn all(db: &Db) -> Vec<Job> {
    let rows: Vec<Row> = match db {
        Db::Sqlite { reader, .. } => sqlx::query_as(ALL).fetch_all(reader).await,
        Db::Postgres { pool, .. } => sqlx::query_as(ALL).fetch_all(pool).await,
    }
    .expect("the jobs");
    rows.into_iter()
        .map(|(kind, attempts, run_after, lease_until, failures)| Job {
            kind,
            attempts,
            run_after,
            lease_until,
            failures,
        })
        .collect()
}

/// Makes the waiting jobs of a kind due.
pub async fn make_due(db: &Db, kind: &str) {
    match db {
        Db::Sqlite { writer, .. } => {
            let query = sqlx::query(DUE).bind(past()).bind(kind);
            query.execute(writer).await.map(drop)
        }
        Db::Postgres { pool, .. } => {
            let query = sqlx::query(DUE).bind(past()).bind(kind);
            query.execute(pool).await.map(drop)
        }
    }
    .expect("the jobs are due");
}

/// Expires the leases of all claimed jobs.
pub async fn lapse(db: &Db) {
    match db {
        Db::Sqlite { writer, .. } => {
            let query = sqlx::query(LAPSED).bind(past());
            query.execute(writer).await.map(drop)
        }
        Db::Postgres { pool, .. } => {
            let query = sqlx::query(LAPSED).bind(past());
            query.execute(pool).await.map(drop)
        }
    }
    .expect("the leases run out");
}

/// Deletes all jobs. A worker that holds one loses its lease.
pub async fn forget(db: &Db) {
    const FORGET: &str = "DELETE FROM jobs";
    match db {
        Db::Sqlite { writer, .. } => sqlx::query(FORGET).execute(writer).await.map(drop),
        Db::Postgres { pool, .. } => sqlx::query(FORGET).execute(pool).await.map(drop),
    }
    .expect("no jobs");
}

fn past() -> DateTime<Utc> {
    Clock::system().system_now() - TimeDelta::seconds(1)
}

/// Sets the attempts of the jobs of a kind, all of them counted as failed.
pub async fn age(db: &Db, kind: &str, attempts: i32) {
    const AGED: &str = "UPDATE jobs SET attempts = $1, failures = $1 WHERE kind = $2";
    match db {
        Db::Sqlite { writer, .. } => {
            let query = sqlx::query(AGED).bind(attempts).bind(kind);
            query.execute(writer).await.map(drop)
        }
        Db::Postgres { pool, .. } => {
            let query = sqlx::query(AGED).bind(attempts).bind(kind);
            query.execute(pool).await.map(drop)
        }
    }
    .expect("the jobs are older");
}
