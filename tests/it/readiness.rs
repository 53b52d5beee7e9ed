//! Conditions under which a node is not ready.

use crate::support::{Database, NUMBER, TestLine, wav};
use reqwest::StatusCode;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use std::collections::BTreeSet;
use std::path::Path;
use std::str::FromStr;

/// Starts a line on Postgres, and opens another session on the same database.
async fn with_other_session() -> (TestLine, PgConnection) {
    let database = Database::postgres().await;
    let address = database.address(Path::new("/"));
    let line = TestLine::open(database).await;
    let options = PgConnectOptions::from_str(&address).unwrap();
    (line, options.connect().await.unwrap())
}

/// Another session holds a lock on a table that every webhook of a call writes to, as `ALTER TABLE` and `CREATE INDEX`
/// do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_webhooks_cannot_write_a_table_is_not_ready_postgres() {
    let (line, mut other) = with_other_session().await;
    assert_eq!(line.ready().await, StatusCode::OK);
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
        let locked = line.ready().await;
        assert_eq!(locked, StatusCode::SERVICE_UNAVAILABLE, "{table}");
        let unlock = sqlx::raw_sql("ROLLBACK");
        unlock.execute(&mut other).await.unwrap();
        assert_eq!(line.ready().await, StatusCode::OK, "{table}");
    }
    other.close().await.unwrap();
    line.finish().await;
}

/// Records the name of each table that a statement writes to, whether it changes a row or not. Ended sessions are
/// excluded, because housekeeping may delete them at any time.
const NOTE_WRITES: &str = "
CREATE TABLE written (name TEXT NOT NULL);
CREATE FUNCTION note_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO written VALUES (TG_TABLE_NAME);
    RETURN NULL;
END $$;
DO $$
DECLARE name TEXT;
BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT IN ('written', 'sessions') LOOP
        EXECUTE format('CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON %I EXECUTE FUNCTION note_write()', name);
    END LOOP;
END $$";

async fn written(connection: &mut PgConnection) -> BTreeSet<String> {
    let names = sqlx::query_scalar("SELECT DISTINCT name FROM written");
    let names: Vec<String> = names.fetch_all(&mut *connection).await.unwrap();
    let forget = sqlx::raw_sql("DELETE FROM written");
    forget.execute(connection).await.unwrap();
    names.into_iter().collect()
}

/// Readiness tests every table that a call and its jobs write to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_tries_every_table_that_a_call_writes_to_postgres() {
    let (line, mut other) = with_other_session().await;
    let note = sqlx::raw_sql(NOTE_WRITES);
    note.execute(&mut other).await.unwrap();
    line.leave("+8613800138000", NUMBER, &wav(b"said")).await;
    line.idle().await;
    let by_call = written(&mut other).await;
    assert!(
        by_call.contains("calls") && by_call.contains("receipts"),
        "{by_call:?}"
    );
    assert_eq!(line.ready().await, StatusCode::OK);
    let by_readiness = written(&mut other).await;
    let missing: Vec<_> = by_call.difference(&by_readiness).collect();
    assert!(missing.is_empty(), "{missing:?}");
    other.close().await.unwrap();
    line.finish().await;
}
