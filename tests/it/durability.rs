//! Requirements on a Postgres server: durable commits, and no node that stops the others.

use crate::support::{Binary, Database, NUMBER, OPEN, OwnPostgres, TestLine};
use dutyline::base::clock::instant;
use dutyline::config::Config;
use dutyline::service::Patience;
use dutyline::simulator::call::WaitingFor;
use dutyline::store::{Db, On, WriteTx, nodes};
use reqwest::StatusCode;
use std::time::Duration;

const CALLER: &str = "+8613800138123";

/// A server that does not flush commits to the disk is refused by `serve` and reported by `check`. With a shifted clock
/// the line is not for real callers, and it is only a warning.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_refuses_a_postgres_without_fsync_own_postgres() {
    let server = OwnPostgres::start(&["fsync=off"]);
    let configured = |toml: String| server.configured(&toml);
    let mut binary = Binary::start(Database::sqlite(), "http://127.0.0.1:9", configured).await;
    assert!(binary.log().contains("fsync = off"), "{}", binary.log());
    binary.kill().await;
    for command in [&["serve"][..], &["check"]] {
        let output = binary.try_run(command);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains("set fsync = on in postgresql.conf"), "{said}");
    }
}

/// A node holds row locks and then does nothing. The other node answers callers again within seconds, and stays ready
/// all the while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_hangs_in_a_transaction_does_not_stop_the_others_postgres() {
    let patience = Patience::default();
    let database = Database::postgres().await;
    let line = TestLine::with_patience(patience, database, OPEN, |toml| toml).await;
    let config = Config::parse(&line.toml, "test.toml", line.path()).unwrap();
    let other = Db::open(&config.database).await.unwrap();
    let mut hanging = other.begin().await.unwrap();
    let On::Postgres(tx) = hanging.on() else {
        panic!("Postgres");
    };
    // The rows a node locks when it commits a webhook: no call can be stored while they are locked.
    let locked = sqlx::raw_sql("UPDATE audit_heads SET seq = seq")
        .execute(&mut **tx)
        .await
        .unwrap();
    assert!(locked.rows_affected() > 0, "a line with a trail");

    let begun = instant();
    let heard = line.exchange.dial(CALLER, NUMBER).await.unwrap();
    assert!(
        matches!(heard.waiting, WaitingFor::Speech { .. }),
        "the fallback answer: {heard:?}"
    );
    assert_eq!(line.ready().await, StatusCode::OK);
    loop {
        let heard = line.exchange.dial(CALLER, NUMBER).await.unwrap();
        if matches!(heard.waiting, WaitingFor::Keys { .. }) {
            break;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(15),
            "{:?}",
            begun.elapsed()
        );
    }
    // Postgres ended the node's transaction, so that it has no effect.
    assert!(hanging.commit().await.is_err());
    other.close().await;
    line.finish().await;
}

/// An operator's database address cannot turn off synchronous commits, on which the promises to callers depend.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_session_waits_for_the_disk_postgres() {
    let line = TestLine::with(Database::postgres().await, OPEN, |toml| {
        let lines = toml
            .lines()
            .map(|line| match line.starts_with("database ") {
                true => format!(
                    "{}?options=-c%20synchronous_commit%3Doff\"\n",
                    line.trim_end_matches('"')
                ),
                false => format!("{line}\n"),
            });
        lines.collect()
    })
    .await;
    let Db::Postgres { pool, .. } = line.db() else {
        panic!("Postgres");
    };
    let shown: String = sqlx::query_scalar("SHOW synchronous_commit")
        .fetch_one(pool)
        .await
        .unwrap();
    assert_eq!(shown, "on");
    line.finish().await;
}

/// Returns how the transaction's connection flushes commits.
async fn flushes(tx: &mut WriteTx) -> String {
    match tx.on() {
        On::Sqlite(tx) => {
            let level = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut **tx);
            let level: i64 = level.await.unwrap();
            level.to_string()
        }
        On::Postgres(tx) => {
            let setting = sqlx::query_scalar("SHOW synchronous_commit").fetch_one(&mut **tx);
            setting.await.unwrap()
        }
    }
}

/// `flushed` and `unflushed` are the levels as the database reports them.
async fn only_what_may_be_lost_is_not_waited_for(line: &TestLine, flushed: &str, unflushed: &str) {
    let db = &line.service().db.webhooks;
    for _ in 0..2 {
        let mut tx = db.begin_unflushed().await.unwrap();
        assert_eq!(flushes(&mut tx).await, unflushed);
        drop(tx);
        let mut tx = db.begin_ahead().await.unwrap();
        assert_eq!(
            flushes(&mut tx).await,
            flushed,
            "after one that was dropped"
        );
        drop(tx);
        let mut tx = db.begin_unflushed().await.unwrap();
        nodes::lock_as_calls(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = db.begin().await.unwrap();
        assert_eq!(
            flushes(&mut tx).await,
            flushed,
            "after one that was committed"
        );
    }
}

/// Levels as numbered in <https://www.sqlite.org/pragma.html#pragma_synchronous>.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_waits_for_the_disk_unless_it_may_be_lost_sqlite() {
    let line = TestLine::with(Database::sqlite(), OPEN, |toml| toml).await;
    only_what_may_be_lost_is_not_waited_for(&line, "2", "1").await;
    line.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_waits_for_the_disk_unless_it_may_be_lost_postgres() {
    let few = |toml: String| {
        toml.replacen(
            "[[provider]]",
            "connections = { webhooks = 2, jobs = 2, console = 2 }\n\n[[provider]]",
            1,
        )
    };
    let line = TestLine::with(Database::postgres().await, OPEN, few).await;
    only_what_may_be_lost_is_not_waited_for(&line, "on", "off").await;
    line.finish().await;
}
