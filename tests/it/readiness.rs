//! When a node says that it is not ready.

use crate::support::{Database, OPEN, TestLine};
use reqwest::StatusCode;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use std::path::Path;
use std::str::FromStr;

async fn ready(line: &TestLine) -> StatusCode {
    let url = format!("{}/health/ready", line.ops_url);
    let answer = crate::support::client().get(url).send().await;
    answer.expect("an answer").status()
}

/// Another session holds a lock on a table that every webhook of a call writes to, as `ALTER TABLE` and
/// `CREATE INDEX` do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_webhooks_cannot_write_a_table_is_not_ready_postgres() {
    let database = Database::postgres().await;
    let address = database.address(Path::new("/"));
    let line = TestLine::with(database, OPEN, |toml| toml).await;
    let options = PgConnectOptions::from_str(&address).unwrap();
    let mut other: PgConnection = options.connect().await.unwrap();
    assert_eq!(ready(&line).await, StatusCode::OK);
    for (table, mode) in [
        ("calls", "ACCESS EXCLUSIVE"),
        ("recordings", "SHARE"),
        ("audit", "EXCLUSIVE"),
    ] {
        let lock = format!("BEGIN; LOCK TABLE {table} IN {mode} MODE");
        let lock = sqlx::raw_sql(AssertSqlSafe(lock));
        lock.execute(&mut other).await.unwrap();
        // As after a webhook that could not be committed; otherwise the last test write counts for 5 s.
        line.service().health.failed();
        let locked = ready(&line).await;
        assert_eq!(locked, StatusCode::SERVICE_UNAVAILABLE, "{table}");
        let unlock = sqlx::raw_sql("ROLLBACK");
        unlock.execute(&mut other).await.unwrap();
        assert_eq!(ready(&line).await, StatusCode::OK, "{table}");
    }
    other.close().await.unwrap();
    line.finish().await;
}
