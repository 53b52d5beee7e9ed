//! On Postgres, webhooks, jobs and the console have separate connections.

use crate::support::{Database, NUMBER, TestLine, wav};
use dutyline::service::Patience;
use dutyline::store::{Db, On, WriteTx, nodes};
use reqwest::StatusCode;
use std::pin::Pin;

const FEW: &str = "connections = { webhooks = 2, jobs = 2, console = 2 }\n\n[[provider]]";

fn with_few(toml: String) -> String {
    toml.replacen("[[provider]]", FEW, 1)
}

/// Acquires all connections of a pool.
async fn all_of(db: &Db) -> Vec<WriteTx> {
    vec![db.begin().await.unwrap(), db.begin().await.unwrap()]
}

/// A call is answered from the database, its jobs are done, and the node stays ready, while the console has no free
/// connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_console_without_connections_delays_neither_webhooks_nor_jobs_postgres() {
    let patience = Patience::default();
    let database = Database::postgres().await;
    let line = TestLine::with_patience(patience, database, crate::support::OPEN, with_few).await;
    let service = line.service().clone();
    let taken = all_of(&service.db.console).await;
    line.leave("+8613800138000", NUMBER, &wav(b"said")).await;
    assert_eq!(line.counter("webhooks_fallback").await, 0);
    line.idle().await;
    assert_eq!(line.ready().await, StatusCode::OK);
    drop(taken);
    assert_eq!(line.lead().await.reports().await.len(), 1);
    line.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_names_why_there_is_no_connection_postgres() {
    let database = Database::postgres().await;
    let line = TestLine::with(database, crate::support::OPEN, with_few).await;
    let db = line.service().db.console.clone();
    let taken = all_of(&db).await;
    let error = db.begin_read().await.unwrap_err().to_string();
    assert_eq!(
        error,
        "no database connection within 5 s: all connections of this pool are in use"
    );
    drop(taken);
    line.finish().await;
}

/// The beginning of a transaction may be cancelled at any moment: by a browser that hangs up, by a webhook that has
/// timed out. The connection that was about to begin it is reused for a transaction that writes.
async fn a_transaction_that_nobody_waits_for_any_more_leaves_none_open(database: Database) {
    let line = TestLine::with(database, crate::support::OPEN, |toml| toml).await;
    let db = line.service().db.console.clone();
    for polls in (0..60).map(|step| step * step) {
        drop_after(polls, Box::pin(db.begin_read())).await;
        drop_after(polls, Box::pin(db.begin())).await;
        let mut tx = db.begin().await.unwrap();
        let written = nodes::lock_as_calls(&mut tx).await;
        assert!(written.is_ok(), "dropped after {polls} polls: {written:?}");
    }
    line.finish().await;
}

async fn drop_after<T>(polls: usize, mut begins: Pin<Box<impl Future<Output = T>>>) {
    for _ in 0..polls {
        if futures_util::poll!(&mut begins).is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_nobody_waits_for_any_more_leaves_none_open_sqlite() {
    a_transaction_that_nobody_waits_for_any_more_leaves_none_open(Database::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_nobody_waits_for_any_more_leaves_none_open_postgres() {
    let database = Database::postgres().await;
    a_transaction_that_nobody_waits_for_any_more_leaves_none_open(database).await;
}

/// The server may end connections that were used a moment ago: the beginning of a transaction then uses another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_the_server_ended_are_not_noticed_postgres() {
    let database = Database::postgres().await;
    let line = TestLine::with(database, crate::support::OPEN, with_few).await;
    let (db, other) = (
        line.service().db.webhooks.clone(),
        line.service().db.console.clone(),
    );
    let Db::Postgres { pool, .. } = &other else {
        panic!("not on Postgres")
    };
    let (mut used, ended) = (0, "SELECT pg_terminate_backend($1)");
    for _ in 0..20 {
        let mut all = all_of(&db).await;
        let mut backends = Vec::new();
        for tx in &mut all {
            let On::Postgres(tx) = tx.on() else {
                panic!("not on Postgres")
            };
            let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
                .fetch_one(&mut **tx)
                .await
                .unwrap();
            backends.push(backend);
        }
        for tx in all {
            tx.commit().await.unwrap();
        }
        for backend in backends {
            sqlx::query(ended)
                .bind(backend)
                .execute(pool)
                .await
                .unwrap();
        }
        for tx in all_of(&db).await {
            tx.commit().await.unwrap();
            used += 1;
        }
    }
    assert_eq!(used, 40);
    line.finish().await;
}

/// A query of one page is not compiled, however many rows the planner expects.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_query_is_compiled_postgres() {
    let database = Database::postgres().await;
    let line = TestLine::with(database, crate::support::OPEN, |toml| toml).await;
    let databases = &line.service().db;
    for db in [&databases.webhooks, &databases.jobs, &databases.console] {
        let Db::Postgres { pool, .. } = db else {
            panic!("not on Postgres")
        };
        let plan =
            "EXPLAIN SELECT sum(a * b) FROM generate_series(1, 4000) a, generate_series(1, 4000) b
            WHERE a + b < 4";
        let lines: Vec<String> = sqlx::query_scalar(plan).fetch_all(pool).await.unwrap();
        assert!(lines.iter().all(|line| !line.contains("JIT")), "{lines:#?}");
    }
    line.finish().await;
}
