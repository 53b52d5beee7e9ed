//! The links of the trail are written when their transaction commits, and no two transactions deadlock.

use crate::support::{Database, configuration, each_database, open_db};
use dutyline::base::clock::{Clock, random_id};
use dutyline::config::Config;
use dutyline::store::audit::{self, Act, LinkRow};
use dutyline::store::{Db, StoreError, WriteTx};
use dutyline::vault::action::Action;
use dutyline::vault::chain;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Barrier;

const LINES: [&str; 3] = ["fcg-5", "fcg-6", "fcg-7"];

async fn open(database: &Database, folder: &Path) -> Db {
    let toml = configuration(&database.address(folder), "http://127.0.0.1:9");
    let config = Config::parse(&toml, "test.toml", folder).unwrap();
    open_db(&config).await
}

fn say(tx: &mut WriteTx, line: &str, detail: &str) {
    let act = Act {
        object: Some(random_id()),
        detail: Some(detail),
        ..Act::new(Clock::system().line_now(), Action::Login)
    };
    audit::append(tx, line, act);
}

/// Returns the details of a line's links in order, after checking every hash of the chain.
async fn details(db: &Db, line: &str) -> Vec<String> {
    let mut tx = db.begin_read().await.unwrap();
    let mut links: Vec<LinkRow> = Vec::new();
    loop {
        let after = links.last().map_or(0, |link| link.seq);
        let more = audit::links(&mut tx, line, after).await.unwrap();
        if more.is_empty() {
            break;
        }
        links.extend(more);
    }
    let mut hash = chain::genesis(line);
    for (seq, row) in (1..).zip(&links) {
        assert_eq!(row.seq, seq);
        hash = chain::hash(&hash, &row.link().unwrap());
        assert_eq!(row.hash, hash);
    }
    let head = audit::head(&mut tx, line).await.unwrap();
    let end = i64::try_from(links.len()).unwrap();
    assert_eq!(head.unwrap_or((0, hash)), (end, hash));
    links.into_iter().filter_map(|link| link.detail).collect()
}

each_database! {
    async fn links_are_written_at_the_commit_in_the_order_they_were_said(database: Database) {
        let folder = tempfile::tempdir().unwrap();
        let db = open(&database, folder.path()).await;
        let mut tx = db.begin().await.unwrap();
        say(&mut tx, LINES[0], "dropped");
        drop(tx);
        let mut tx = db.begin().await.unwrap();
        // Not in the order of the lines, and more links than one statement can insert.
        for n in 0..1500 {
            say(&mut tx, LINES[2], &format!("c{n}"));
            if n < 2 {
                say(&mut tx, LINES[0], &format!("a{n}"));
            }
        }
        assert!(details(&db, LINES[2]).await.is_empty());
        tx.commit().await.unwrap();
        let mut tx = db.begin().await.unwrap();
        say(&mut tx, LINES[1], "b0");
        say(&mut tx, LINES[0], "a2");
        tx.commit().await.unwrap();
        let many: Vec<String> = (0..1500).map(|n| format!("c{n}")).collect();
        assert_eq!(details(&db, LINES[2]).await, many);
        assert_eq!(details(&db, LINES[1]).await, ["b0"]);
        assert_eq!(details(&db, LINES[0]).await, ["a0", "a1", "a2"]);
        db.close().await;
        database.remove().await;
    }
}

/// Runs two transactions, each of which does its first part before either does its second. Only on Postgres: SQLite has
/// one writer.
async fn both_at_once(
    db: &Db,
    [first, second]: [fn(&mut WriteTx); 2],
    [then, last]: [fn(&mut WriteTx); 2],
) {
    let barrier = Arc::new(Barrier::new(2));
    let run = |begin: fn(&mut WriteTx), end: fn(&mut WriteTx)| {
        let (db, barrier) = (db.clone(), Arc::clone(&barrier));
        tokio::spawn(async move {
            let mut tx = db.begin().await?;
            begin(&mut tx);
            barrier.wait().await;
            end(&mut tx);
            tx.commit().await
        })
    };
    let (one, other) = tokio::join!(run(first, then), run(second, last));
    let results: [Result<(), StoreError>; 2] = [one.unwrap(), other.unwrap()];
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

#[tokio::test]
async fn two_transactions_with_links_of_the_same_lines_do_not_wait_for_each_other_postgres() {
    let database = Database::postgres().await;
    let folder = tempfile::tempdir().unwrap();
    let db = open(&database, folder.path()).await;
    for _ in 0..10 {
        both_at_once(
            &db,
            [|tx| say(tx, LINES[0], "x"), |tx| say(tx, LINES[1], "x")],
            [|tx| say(tx, LINES[1], "y"), |tx| say(tx, LINES[0], "y")],
        )
        .await;
    }
    for line in &LINES[..2] {
        assert_eq!(details(&db, line).await.len(), 20);
    }
    db.close().await;
    database.remove().await;
}
