//! Measurements, which are not part of the gate: `cargo test --release --test it -- --ignored measured --nocapture`.

use super::scene::{LINE, PASSWORD, is_finished, step_one, unlocked};
use crate::load::fill::fill;
use crate::support::{Database, LEAD, LINES, TestLine};
use dutyline::base::clock::instant;
use dutyline::members::resealing::{Piece, Resealing};
use dutyline::report::role::Role;
use dutyline::store::keys;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Measures how long the reports of a line take to be sealed to its next key, and how long callers wait meanwhile.
async fn measure(database: Database, count: usize) {
    let line = &TestLine::open(database).await;
    let end = line.service().clock.line_now();
    fill(&line.service().config, LEAD.0, count, end, false).await;
    line.make_member("li", Role::Inspector, PASSWORD, &LINES[..1])
        .await;
    let (db, clock) = (line.db(), line.service().clock);
    let (wang, own) = unlocked(db, LEAD.0).await;
    step_one(line, "li").await.unwrap();
    let done = AtomicBool::new(false);
    let began = instant();
    let work = async {
        let mut work = Resealing::begin(db, &wang, &own, LINE)
            .await
            .unwrap()
            .unwrap();
        let mut longest = Duration::ZERO;
        loop {
            let piece = instant();
            let result = work.piece(db, &clock).await.unwrap();
            longest = longest.max(piece.elapsed());
            if result == Piece::Done {
                break;
            }
        }
        done.store(true, Ordering::Relaxed);
        (began.elapsed(), longest)
    };
    let calls = async {
        let mut waits = Vec::new();
        while !done.load(Ordering::Relaxed) {
            let dialled = instant();
            let mut tx = db.begin_ahead().await.unwrap();
            keys::lock(&mut tx, LINE).await.unwrap();
            drop(tx);
            waits.push(dialled.elapsed());
            tokio::task::yield_now().await;
        }
        waits.sort();
        waits
    };
    let ((took, longest), waits) = tokio::join!(work, calls);
    is_finished(line).await;
    println!(
        "{count} reports in {took:.2?}; longest piece {longest:.1?}; {} other writers waited {:.1?} at the median, {:.1?} at most",
        waits.len(),
        waits[waits.len() / 2],
        waits[waits.len() - 1]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn five_thousand_reports_measured_sqlite() {
    measure(Database::sqlite(), 5000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn five_thousand_reports_measured_postgres() {
    measure(Database::postgres().await, 5000).await;
}
