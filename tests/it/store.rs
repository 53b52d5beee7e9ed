//! The store on both databases: statements, the job queue, references, concurrent transactions.

use crate::support::{Api, Database, TestLine, configuration, on_both, open_db, sql};
use chrono::{DateTime, TimeDelta, Utc};
use dutyline::base::clock::{Clock, random, random_id};
use dutyline::conduct::{Hook, conduct};
use dutyline::config::Config;
use dutyline::line::number::Caller;
use dutyline::report::role::Role;
use dutyline::report::status::{Source, Status};
use dutyline::service::Service;
use dutyline::simulator::SAMPLE;
use dutyline::simulator::exchange::SpeechEnd;
use dutyline::store::audit::{self, Act};
use dutyline::store::calls::Call;
use dutyline::store::cases::{self, CallReport, Case, NewReport};
use dutyline::store::columns::{Holder, RecordingState, StoredKind};
use dutyline::store::jobs::{self, JobRow, Kind};
use dutyline::store::report_keys::ReportKeyRow;
use dutyline::store::reports::EntryRow;
use dutyline::store::{Db, On, StoreError, WriteTx, all_statements};
use dutyline::telephony::{Event, RecordingFact, RecordingOutcome};
use dutyline::vault::action::Action;
use dutyline::vault::entry::EntryKind;
use futures_util::future::join_all;
use reqwest::StatusCode;
use scoped_futures::ScopedFutureExt;
use sqlx::{AssertSqlSafe, Executor, SqlSafeStr};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Barrier;
use uuid::Uuid;

async fn open(database: &Database, folder: &Path) -> Db {
    let toml = configuration(&database.address(folder), "http://127.0.0.1:9");
    let config = Config::parse(&toml, "test.toml", folder).unwrap();
    open_db(&config).await
}

/// Declares a test of the bare database on SQLite and on Postgres.
macro_rules! on_both_databases {
    ($(async fn $name:ident($db:ident: &Db) $body:block)*) => {
        $(mod $name {
            use super::*;

            async fn body($db: &Db) $body

            async fn on(database: Database) {
                let folder = tempfile::tempdir().unwrap();
                let db = open(&database, folder.path()).await;
                body(&db).await;
                db.close().await;
                database.remove().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                on(Database::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                on(Database::postgres().await).await;
            }
        })*
    };
}

fn now() -> DateTime<Utc> {
    Clock::system().system_now()
}

const MINUTE: TimeDelta = TimeDelta::minutes(1);

async fn enqueue(db: &Db, at: DateTime<Utc>) {
    let mut tx = db.begin().await.unwrap();
    let (id, subject) = (random_id(), random_id());
    jobs::enqueue(&mut tx, id, Kind::Fetch, subject, "", at)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

/// Claims a job as of a time, for a minute.
async fn claim(db: &Db, lease: Uuid, at: DateTime<Utc>) -> Option<JobRow> {
    let mut tx = db.begin().await.unwrap();
    let row = jobs::claim(&mut tx, Kind::Fetch, "", lease, at, at + MINUTE)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    row
}

async fn done(db: &Db, job: &JobRow, lease: Uuid) -> bool {
    let mut tx = db.begin().await.unwrap();
    let done = jobs::done(&mut tx, job.id, lease).await.unwrap();
    tx.commit().await.unwrap();
    done
}

async fn renew(db: &Db, job: &JobRow, lease: Uuid, until: DateTime<Utc>) -> bool {
    let mut tx = db.begin().await.unwrap();
    let renewed = jobs::renew(&mut tx, job.id, lease, until).await.unwrap();
    tx.commit().await.unwrap();
    renewed
}

on_both_databases! {
    async fn a_reader_sees_one_moment_whatever_is_written_meanwhile(db: &Db) {
        enqueue(db, now()).await;
        let mut tx = db.begin_read().await.unwrap();
        let before = jobs::count(&mut tx).await.unwrap();
        enqueue(db, now()).await;
        assert_eq!(jobs::count(&mut tx).await.unwrap(), before);
        drop(tx);
        let after = jobs::count(&mut db.begin_read().await.unwrap()).await.unwrap();
        assert_ne!(after, before);
    }

    async fn nothing_is_written_for_a_report_that_is_not_there(db: &Db) {
        let act = |report| Act { report, ..Act::new(now(), Action::ReportQueued) };
        let mut tx = db.begin().await.unwrap();
        audit::append(&mut tx, "fcg-5", act(Some(random_id())));
        assert!(tx.commit().await.is_err());
        let mut tx = db.begin().await.unwrap();
        audit::append(&mut tx, "fcg-5", act(None));
        tx.commit().await.unwrap();

        let report = CallReport {
            id: random_id(),
            line: "fcg-5".into(),
            recipient: "age1".into(),
            status: None,
            received_hour: now(),
        };
        let call = Call {
            id: random_id(),
            lookup: random::<32>().to_vec(),
            line: "fcg-5".into(),
            report: report.id,
            sid: None,
            state: None,
            ended: false,
            settled: false,
            addition_to: None,
            addition_from: None,
            addition_offset: None,
            added: false,
            at_duty: false,
            accepted_step: None,
        };
        let entry = |report| EntryRow { id: random_id(), report, kind: EntryKind::Caller, sealed: vec![1] };
        let key = ReportKeyRow { report: report.id, epoch: 1, holder: Holder::Line, sealed_to: random_id(), sealed: vec![1], path: None, link: None };
        for wrong in [false, true] {
            let new = NewReport { report: report.clone(), key: key.clone(), caller: entry(report.id) };
            let mut case = Case::new(call.clone(), new);
            if wrong {
                case.add_entry(entry(random_id()));
            }
            let mut tx = db.begin().await.unwrap();
            assert_eq!(cases::write(&mut tx, case.changes).await.is_err(), wrong);
        }
    }

    // The database reads and writes each enum's names; any other text is an error that names the column.
    async fn columns_of_names_hold_names(db: &Db) {
        const SQL: &str = "SELECT CAST($1 AS TEXT)";
        macro_rules! read {
            ($type:ty, $value:expr) => {{
                let mut tx = db.begin_read().await.unwrap();
                let read: Result<($type,), sqlx::Error> = match tx.on() {
                    On::Sqlite(tx) => sqlx::query_as(SQL).bind($value).fetch_one(&mut **tx).await,
                    On::Postgres(tx) => sqlx::query_as(SQL).bind($value).fetch_one(&mut **tx).await,
                };
                read.map(|(value,)| value).map_err(StoreError::from)
            }};
        }
        macro_rules! hold_names {
            ($($type:ty: $column:literal),*) => {$(
                for &value in <$type>::ALL {
                    assert_eq!(read!($type, value).unwrap(), value);
                    assert_eq!(read!(String, value).unwrap(), value.as_str());
                }
                for text in ["nothing", "", "Queued"] {
                    let error = read!($type, text).unwrap_err();
                    assert!(matches!(error, StoreError::Unreadable($column)), "{error}");
                }
            )*};
        }
        hold_names!(
            Action: "audit.action",
            EntryKind: "entries.kind",
            Holder: "report_keys.holder",
            Kind: "jobs.kind",
            RecordingState: "recordings.state",
            Role: "members.role",
            Source: "reports.source",
            Status: "reports.status"
        );
        assert_eq!(read!(StoredKind, Kind::Watch).unwrap(), StoredKind::Known(Kind::Watch));
        assert_eq!(read!(StoredKind, "later").unwrap(), StoredKind::Other("later".into()));
    }

    async fn every_statement_prepares(db: &Db) {
        let all = all_statements();
        assert!(all.len() > 50, "{} statements", all.len());
        let mut wrong = Vec::new();
        for statement in all {
            let prepared = match db {
                Db::Sqlite { reader, .. } => {
                    reader.prepare(AssertSqlSafe(statement.sqlite).into_sql_str()).await.map(drop)
                }
                Db::Postgres { pool, .. } => {
                    pool.prepare(AssertSqlSafe(statement.postgres).into_sql_str()).await.map(drop)
                }
            };
            if let Err(error) = prepared {
                wrong.push(format!("{}: {error}", statement.name));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    async fn sixteen_claims_at_once_of_five_jobs_are_five(db: &Db) {
        let at = now();
        for _ in 0..5 {
            enqueue(db, at).await;
        }
        let claims = join_all((0..16).map(|_| {
            let db = db.clone();
            tokio::spawn(async move { claim(&db, random_id(), at).await })
        }));
        let claimed: Vec<JobRow> = claims.await.into_iter().filter_map(Result::unwrap).collect();
        assert_eq!(claimed.len(), 5);
        let distinct: BTreeSet<Uuid> = claimed.iter().map(|job| job.id).collect();
        assert_eq!(distinct.len(), 5);
    }

    async fn a_lease_that_ran_out_is_somebody_elses(db: &Db) {
        let at = now();
        enqueue(db, at).await;
        let (first, second) = (random_id(), random_id());
        let job = claim(db, first, at).await.unwrap();
        assert_eq!(job.attempts, 1);
        assert!(claim(db, second, at + MINUTE).await.is_none(), "the lease holds to its end");
        let later = at + MINUTE + TimeDelta::microseconds(1);
        let again = claim(db, second, later).await.unwrap();
        assert_eq!((again.id, again.attempts), (job.id, 2));
        assert!(!renew(db, &job, first, later + MINUTE).await, "the first has lost it");
        assert!(!done(db, &job, first).await, "what the first did does not count");
        assert!(renew(db, &job, second, later + MINUTE * 2).await);
        assert!(claim(db, first, later + MINUTE).await.is_none(), "it was renewed");
        assert!(done(db, &job, second).await);
        assert!(!done(db, &job, second).await, "once");
    }

    async fn a_job_is_not_claimed_before_its_time(db: &Db) {
        let at = now();
        enqueue(db, at + MINUTE).await;
        assert!(claim(db, random_id(), at).await.is_none());
        let lease = random_id();
        let job = claim(db, lease, at + MINUTE).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        jobs::put_off(&mut tx, job.id, random_id(), at).await.unwrap();
        jobs::put_off(&mut tx, job.id, lease, at + MINUTE * 5).await.unwrap();
        tx.commit().await.unwrap();
        assert!(claim(db, lease, at + MINUTE * 4).await.is_none(), "only its holder puts it off");
        let mut tx = db.begin_read().await.unwrap();
        assert_eq!(jobs::next_due(&mut tx, at).await.unwrap(), Some(at + MINUTE * 5));
        assert_eq!(jobs::next_due(&mut tx, at + MINUTE * 5).await.unwrap(), None);
        assert_eq!(jobs::due(&mut tx, at + MINUTE * 4).await.unwrap(), []);
        let due = jobs::due(&mut tx, at + MINUTE * 5).await.unwrap();
        assert_eq!(due, [(StoredKind::Known(Kind::Fetch), String::new())]);
        drop(tx);
        let job = claim(db, lease, at + MINUTE * 5).await.unwrap();
        assert_eq!((job.attempts, job.failures), (2, 0));
        let mut tx = db.begin().await.unwrap();
        jobs::fail(&mut tx, job.id, lease, at + MINUTE * 6, "first", None).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = db.begin_read().await.unwrap();
        assert_eq!(jobs::count(&mut tx).await.unwrap(), [(StoredKind::Known(Kind::Fetch), false, 1)]);
        assert_eq!(jobs::failing(&mut tx).await.unwrap(), []);
        drop(tx);
        for (minute, since) in [(6, Some(at)), (7, Some(at + MINUTE)), (8, None)] {
            let job = claim(db, lease, at + MINUTE * minute).await.unwrap();
            assert_eq!(job.failures, minute - 5);
            let mut tx = db.begin().await.unwrap();
            let next = at + MINUTE * (minute + 1);
            jobs::fail(&mut tx, job.id, lease, next, "again", since).await.unwrap();
            tx.commit().await.unwrap();
            let mut tx = db.begin_read().await.unwrap();
            assert_eq!(jobs::count(&mut tx).await.unwrap(), [(StoredKind::Known(Kind::Fetch), true, 1)]);
            let failing = jobs::failing(&mut tx).await.unwrap();
            assert_eq!((failing[0].count, failing[0].since), (1, at), "since the first time");
            assert_eq!(failing[0].reason, "again");
        }
        let mut tx = db.begin().await.unwrap();
        assert_eq!(jobs::hasten_failed(&mut tx, at).await.unwrap(), 1);
        let listed = jobs::list(&mut tx).await.unwrap();
        assert_eq!((listed[0].run_after, listed[0].failures, listed[0].running), (at, 0, false));
        tx.commit().await.unwrap();
        claim(db, lease, at).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        assert_eq!(jobs::hasten_failed(&mut tx, at).await.unwrap(), 0, "it is being worked on");
        assert!(!jobs::hasten_one(&mut tx, job.id, at).await.unwrap());
        jobs::put_off(&mut tx, job.id, lease, at).await.unwrap();
        assert!(jobs::hasten_one(&mut tx, job.id, at).await.unwrap());
        assert_eq!(jobs::failing(&mut tx).await.unwrap(), [], "nothing is wrong any more");
    }

    async fn the_same_job_twice_is_one(db: &Db) {
        let subject = random_id();
        for _ in 0..2 {
            let mut tx = db.begin().await.unwrap();
            let at = now();
            jobs::enqueue(&mut tx, random_id(), Kind::Settle, subject, "", at).await.unwrap();
            jobs::enqueue(&mut tx, random_id(), Kind::Delete, subject, "", at).await.unwrap();
            tx.commit().await.unwrap();
        }
        let mut tx = db.begin().await.unwrap();
        let counted = jobs::count(&mut tx).await.unwrap();
        assert_eq!(counted.iter().map(|(.., count)| count).sum::<i64>(), 2);
        jobs::cancel(&mut tx, Kind::Settle, subject).await.unwrap();
        let counted = jobs::count(&mut tx).await.unwrap();
        assert_eq!(counted, [(StoredKind::Known(Kind::Delete), false, 1)]);
    }
}

/// A database whose tables differ from this version's.
#[tokio::test]
async fn a_database_of_another_version_is_refused_in_a_sentence() {
    for changed in [
        "UPDATE _sqlx_migrations SET checksum = X'00'",
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (2, 'x', TRUE, X'00', 0)",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::sqlite();
        let db = open(&database, folder.path()).await;
        sql::run(&db, changed, &[]).await;
        db.close().await;
        let toml = configuration(&database.address(folder.path()), "http://127.0.0.1:9");
        let config = Config::parse(&toml, "test.toml", folder.path()).unwrap();
        let refused = Db::open(&config.database).await.unwrap_err();
        assert!(
            refused.starts_with("the database was made by another version of dutyline"),
            "{refused}"
        );
    }
}

/// Returns the references of all reports, sorted.
async fn references(lead: &Api) -> Vec<String> {
    let reports = lead.reports().await;
    let reference = |report: &serde_json::Value| report["reference"].as_str().unwrap().to_owned();
    let mut references: Vec<String> = reports.iter().map(reference).collect();
    references.sort_unstable();
    references
}

/// Returns the first references of 2024.
fn first(count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("2024-{n:04}")).collect()
}

/// Returns a webhook of a call, with or without its recording.
fn event(call: &str, recorded: bool) -> Event {
    let outcome = RecordingOutcome::Completed {
        seconds: Some(4),
        end: None,
    };
    let recording = recorded.then(|| RecordingFact {
        id: call.replace("CA", "RE").into(),
        outcome,
    });
    Event {
        call: call.to_owned().into(),
        to: "18877009155".to_owned().into(),
        from: Caller::parse("+8613800138000"),
        keys: None,
        ended: false,
        recording,
        unnamed: None,
    }
}

/// Number of tries of a webhook when no connection is free; each waits for one as long as the service would.
const TRIES: usize = 10;

/// Conducts a webhook without the time limit of a request, which a slow machine would exceed.
async fn conducted(service: &Arc<Service>, hook: Hook, event: Event) {
    let provider = &service.providers["twilio"];
    for _ in 0..TRIES {
        match conduct(service, provider, &hook, &event).await {
            Ok(_) => return,
            // Twenty calls share a few connections here.
            Err(StoreError::NoConnection(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("no connection was free in {TRIES} tries");
}

/// Runs all tasks at once.
async fn at_once(tasks: impl IntoIterator<Item = impl Future<Output = ()> + Send + 'static>) {
    let tasks: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
    for task in join_all(tasks).await {
        task.unwrap();
    }
}

fn call_id() -> String {
    format!("CA{}", random_id().simple())
}

on_both! {
    async fn twenty_calls_at_once_get_references_without_gap_or_double(line: TestLine) {
        at_once((0..20).map(|_| {
            let (service, call) = (line.service().clone(), call_id());
            async move {
                conducted(&service, Hook::Call, event(&call, false)).await;
                conducted(&service, Hook::Recording(None), event(&call, true)).await;
            }
        }))
        .await;
        line.forget_jobs().await;
        assert_eq!(references(&line.lead().await).await, first(20));
    }

    async fn known_and_unknown_calls_at_once_wait_for_nobody(line: TestLine) {
        // For an unknown call the trail is written before its report is numbered. If known calls did it in the other
        // order, two transactions could wait for each other, and Postgres would abort one.
        let known: Vec<String> = (0..6).map(|_| call_id()).collect();
        for call in &known {
            conducted(line.service(), Hook::Call, event(call, false)).await;
        }
        let unknown = (0..6).map(|_| call_id());
        at_once(known.iter().cloned().chain(unknown).map(|call| {
            let service = line.service().clone();
            async move { conducted(&service, Hook::Recording(None), event(&call, true)).await }
        }))
        .await;
        line.forget_jobs().await;
        assert_eq!(references(&line.lead().await).await, first(12));
    }

    async fn of_two_inspectors_who_claim_at_once_one_gets_it(line: TestLine) {
        let password = "another good password";
        line.make_member("li", Role::Inspector, password, &["fcg-5"]).await;
        let call = line.exchange.dial("+8613800138000", "18877009155").await.unwrap();
        line.exchange.press(&call.id, "1").await.unwrap();
        let speech = bytes::Bytes::from_static(SAMPLE);
        line.exchange.speak(&call.id, speech, Some(SpeechEnd::Key)).await.unwrap();
        line.exchange.hang_up(&call.id).await.unwrap();
        line.idle().await;
        let wang = line.lead().await;
        let li = Api::log_in(&line.url, "li", password).await;
        let id = wang.only_report().await["id"].as_str().unwrap().to_owned();
        for _ in 0..10 {
            let claim = format!("/reports/{id}/claim");
            let (first, second) = tokio::join!(wang.act(&claim), li.act(&claim));
            let mut statuses = [first.status, second.status];
            statuses.sort();
            assert_eq!(statuses, [StatusCode::OK, StatusCode::CONFLICT]);
            let (winner, name) = if first.status == StatusCode::OK {
                (&wang, "wang")
            } else {
                (&li, "li")
            };
            assert_eq!(wang.only_report().await["assignee"], name);
            winner.act(&format!("/reports/{id}/release")).await.ok();
        }
    }
}

/// Adds one to a row that another transaction may have locked.
async fn add_one(tx: &mut WriteTx, id: i32) -> Result<(), StoreError> {
    if let On::Postgres(tx) = tx.on() {
        let add = sqlx::query("UPDATE pair SET n = n + 1 WHERE id = $1");
        add.bind(id).execute(&mut **tx).await?;
    }
    Ok(())
}

/// Two transactions lock two rows in opposite orders: Postgres aborts one of them, whose closure runs again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_was_beaten_is_run_again_postgres() {
    let line = TestLine::open(Database::postgres().await).await;
    let db = &line.service().db.console;
    for statement in [
        "CREATE TABLE pair (id INTEGER PRIMARY KEY, n BIGINT NOT NULL)",
        "INSERT INTO pair VALUES (1, 0), (2, 0)",
    ] {
        sql::run(db, statement, &[]).await;
    }
    let (meet, runs) = (&Barrier::new(2), &AtomicUsize::new(0));
    let add = |first: i32, second: i32| {
        db.write(move |tx| {
            let meets = runs.fetch_add(1, Ordering::Relaxed) < 2;
            async move {
                add_one(tx, first).await?;
                if meets {
                    meet.wait().await;
                }
                add_one(tx, second).await
            }
            .scope_boxed()
        })
    };
    let (one, other) = tokio::join!(add(1, 2), add(2, 1));
    one.unwrap();
    other.unwrap();
    assert_eq!(runs.load(Ordering::Relaxed), 3);
    let sum = "SELECT CAST(SUM(n) AS BIGINT) FROM pair WHERE n = 2";
    assert_eq!(sql::number(db, sum).await, 4, "each counts once");
    line.finish().await;
}
