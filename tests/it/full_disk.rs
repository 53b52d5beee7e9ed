//! The disk is full when a webhook arrives, and has room again afterwards: the next call succeeds.

use crate::support::small_disk::SmallDisk;
use crate::support::{DEADLINE, Database, NUMBER, OPEN, OwnPostgres, TestLine, queue};
use dutyline::base::clock::instant;
use dutyline::simulator::SAMPLE;
use dutyline::simulator::call::WaitingFor;
use dutyline::simulator::exchange::SpeechEnd;
use dutyline::store::Db;
use reqwest::StatusCode;
use std::time::Duration;

const CALLER: &str = "+8613800138123";
/// Time within which a whole call succeeds after room is made.
const SOON: Duration = Duration::from_secs(5);

/// Makes a call in which a report is left: dial, key, speech, key.
async fn whole_call(line: &TestLine) {
    let exchange = &line.exchange;
    let call = exchange.dial(CALLER, NUMBER).await.unwrap();
    assert!(
        matches!(call.waiting, WaitingFor::Keys { .. }),
        "the menu is offered, which the fallback answer does not do: {call:?}"
    );
    exchange.press(&call.id, "1").await.unwrap();
    let speech = bytes::Bytes::from_static(SAMPLE);
    exchange
        .speak(&call.id, speech, Some(SpeechEnd::Key))
        .await
        .unwrap();
    exchange.press(&call.id, "1").await.unwrap();
}

/// Makes calls until one cannot be stored; then makes room, and checks that the next call leaves a report.
async fn goes_on_after(
    line: TestLine,
    fill: impl AsyncFn(&TestLine),
    free: impl AsyncFnOnce(&TestLine),
) {
    assert_eq!(line.ready().await, StatusCode::OK);
    // A call or two may still fit into allocated pages.
    for _ in 0..40 {
        fill(&line).await;
        line.exchange.dial(CALLER, NUMBER).await.unwrap();
        if line.counter("webhooks_fallback").await == 1 {
            break;
        }
    }
    assert_eq!(line.counter("webhooks_fallback").await, 1);
    free(&line).await;

    let begun = instant();
    whole_call(&line).await;
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert_eq!(line.ready().await, StatusCode::OK);
    line.idle().await;
    let lead = line.lead().await;
    let report = lead.only_report().await;
    assert_eq!(lead.recording(&report, 1).await, SAMPLE);
    assert_eq!(line.counter("webhooks_fallback").await, 1);
    line.finish().await;
}

/// Does the same, and checks that the node is not ready while the disk is full.
async fn on_small_disk(line: TestLine, disk: &SmallDisk) {
    let free = async |line: &TestLine| {
        assert_eq!(line.ready().await, StatusCode::SERVICE_UNAVAILABLE);
        disk.free();
    };
    goes_on_after(line, async |_| disk.fill(), free).await;
}

mod a_full_disk_does_not_end_the_line {
    use super::*;

    /// The folder of the database is a file system that is really full.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn small_disk() {
        let disk = SmallDisk::mount(8);
        let place = disk.path().join("dutyline.db").display().to_string();
        let line = TestLine::with(Database::sqlite(), OPEN, |toml| {
            let database = toml.lines().find(|line| line.starts_with("database"));
            let database = database.expect("a database");
            toml.replace(database, &format!("database = \"sqlite:{place}\""))
        })
        .await;
        on_small_disk(line, &disk).await;
    }

    /// Needs no root: SQLite itself refuses to let the file grow.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn page_limit() {
        let line = TestLine::open(Database::sqlite()).await;
        // SQLite raises it to the current number of pages.
        let fill = async |line: &TestLine| limit_pages(line, "PRAGMA max_page_count = 1").await;
        let free =
            async |line: &TestLine| limit_pages(line, "PRAGMA max_page_count = 1000000").await;
        goes_on_after(line, fill, free).await;
    }

    async fn limit_pages(line: &TestLine, limit: &'static str) {
        let Db::Sqlite { writer, .. } = line.db() else {
            panic!("SQLite");
        };
        let mut connection = writer.acquire().await.unwrap();
        sqlx::raw_sql(limit)
            .execute(&mut *connection)
            .await
            .unwrap();
    }
}

/// Only the folder of recordings is full: calls go on, recordings stay at the provider, and are fetched when there is
/// room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_folder_of_recordings_does_not_stop_calls_small_disk() {
    let disk = SmallDisk::mount(8);
    let place = disk.path().join("recordings").display().to_string();
    let line = TestLine::with(Database::sqlite(), OPEN, |toml| {
        toml.replace("file:data/recordings", &format!("file:{place}"))
    })
    .await;
    disk.fill();
    whole_call(&line).await;
    tried(&line, "fetch").await;
    assert_eq!(line.counter("webhooks_fallback").await, 0);
    let lead = line.lead().await;
    let report = lead.only_report().await;
    assert_eq!(report["recordings"][0]["state"], "announced");
    disk.free();

    whole_call(&line).await;
    queue::make_due(line.db(), "fetch").await;
    line.idle().await;
    let reports = lead.reports().await;
    assert_eq!(reports.len(), 2);
    for report in reports {
        let report = lead.open(&report).await;
        assert_eq!(lead.recording(&report, 1).await, SAMPLE);
    }
    line.finish().await;
}

/// A job that was claimed before the disk was full and failed because of it is tried again when there is room, without
/// waiting for the end of its lease.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_failed_on_a_full_disk_is_tried_again_when_there_is_room() {
    // Like a disk with room for a claim alone: a job can neither be removed nor put back.
    const FULL: &str = "CREATE TRIGGER full_1 BEFORE DELETE ON jobs BEGIN SELECT RAISE(ABORT, 'full'); END;
        CREATE TRIGGER full_2 BEFORE UPDATE ON jobs WHEN NEW.lease IS NULL BEGIN SELECT RAISE(ABORT, 'full'); END;";
    const ROOM: &str = "DROP TRIGGER full_1; DROP TRIGGER full_2;";
    let line = TestLine::open(Database::sqlite()).await;
    let call = line.exchange.dial(CALLER, NUMBER).await.unwrap().id;
    // The webhook that ends the call would delete its `watch` job.
    line.forget_jobs_of("watch").await;
    let Db::Sqlite { writer, .. } = line.db() else {
        panic!("SQLite");
    };
    sqlx::raw_sql(FULL).execute(writer).await.unwrap();
    line.exchange.hang_up(&call).await.unwrap();
    let failed = async {
        while line.service().metrics.jobs_failed.get() == 0 {
            crate::support::pause().await;
        }
    };
    let failed = tokio::time::timeout(DEADLINE, failed).await;
    assert!(failed.is_ok(), "the job fails");
    sqlx::raw_sql(ROOM).execute(writer).await.unwrap();
    // A lease is 60 s.
    let settled = tokio::time::timeout(Duration::from_secs(20), line.until_settled()).await;
    assert!(settled.is_ok(), "{:?}", queue::all(line.db()).await);
    line.finish().await;
}

/// Waits until the only job of a kind was tried and has failed.
async fn tried(line: &TestLine, kind: &str) {
    let mut worked = line.service().worked.subscribe();
    let waiting = async {
        loop {
            worked.borrow_and_update();
            let jobs = queue::all(line.db()).await;
            let is_put_off = |job: &queue::Job| {
                job.kind == kind && job.attempts > 0 && job.lease_until.is_none()
            };
            if jobs.iter().any(is_put_off) {
                return;
            }
            worked.changed().await.unwrap();
        }
    };
    let waited = tokio::time::timeout(DEADLINE, waiting).await;
    waited.unwrap_or_else(|_| panic!("no {kind} has failed"));
}

/// Postgres keeps a connection usable after a full disk, and so does the pool.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_with_a_full_disk_recovers_small_disk_own_postgres() {
    let disk = SmallDisk::mount(64);
    let server = OwnPostgres::start_in(
        disk.path(),
        &["fsync=on", "max_wal_size=4MB", "min_wal_size=2MB"],
    );
    let line = TestLine::with(Database::sqlite(), OPEN, |toml| server.configured(&toml)).await;
    on_small_disk(line, &disk).await;
}
