//! Webhooks that are written in one batch, and what else is written at the same time.

use crate::duty::{BUSY, one_at_once};
use crate::support::altered::Altered;
use crate::support::hooks::step_in;
use crate::support::sql::run;
use crate::support::{
    DEADLINE, Database, LINES, NUMBER, OTHER_NUMBER, TestLine, on_both, pause, sql, two_lines,
    until_one_waits, until_wait, wav,
};
use dutyline::app;
use dutyline::base::clock::{random, random_id};
use dutyline::conduct::{Hook, conduct};
use dutyline::config::Config;
use dutyline::line::number::Caller;
use dutyline::service::Service;
use dutyline::service::webhooks::Reply;
use dutyline::simulator::SAMPLE;
use dutyline::simulator::exchange::SpeechEnd;
use dutyline::store::cases::{Key, Wanted};
use dutyline::store::columns::RecordingState;
use dutyline::store::jobs::{self, Kind};
use dutyline::store::recordings::{self, RecordingRow};
use dutyline::store::{Db, On, StoreError, calls, cases, reports};
use dutyline::telephony::{Event, Provider, RecordingFact, RecordingOutcome, StepRef};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

type Answer = JoinHandle<Result<Reply, StoreError>>;

fn tell(service: &Arc<Service>, hook: Hook, event: Event) -> Answer {
    tell_by(&service.providers["twilio"], service, hook, event)
}

fn tell_by(
    provider: &Arc<dyn Provider>,
    service: &Arc<Service>,
    hook: Hook,
    event: Event,
) -> Answer {
    let (provider, service) = (Arc::clone(provider), Arc::clone(service));
    tokio::spawn(async move { conduct(&service, &provider, &hook, &event).await })
}

fn document(reply: Reply) -> String {
    match reply {
        Reply::Script(rendered) => rendered.body,
        Reply::Noted => panic!("an answer"),
    }
}

/// Returns a webhook about a call to this number, with the outcome of a recording if one is given.
fn event(call: &str, to: &str, recorded: Option<RecordingOutcome>) -> Event {
    Event {
        call: call.to_owned().into(),
        to: to.to_owned().into(),
        from: Caller::parse("+8613800138000"),
        recording: recorded.map(|outcome| RecordingFact {
            id: call.replace("CA", "RE").into(),
            outcome,
        }),
        ..Event::nothing()
    }
}

fn call_id() -> String {
    format!("CA{}", random_id().simple())
}

fn refuses_the_second_line(db: &Db) -> String {
    let second = LINES[1];
    match db {
        Db::Sqlite { .. } => format!(
            "CREATE TRIGGER refused BEFORE INSERT ON calls WHEN NEW.line = '{second}'
             BEGIN SELECT RAISE(ABORT, 'refused'); END"
        ),
        Db::Postgres { .. } => {
            format!("ALTER TABLE calls ADD CONSTRAINT refused CHECK (line <> '{second}')")
        }
    }
}

on_both! {
    async fn a_webhook_that_the_database_refuses_leaves_its_neighbours_answered(line: TestLine = two_lines) {
        let service = line.service();
        let refuses = refuses_the_second_line(line.db());
        match line.db() {
            Db::Sqlite { writer, .. } => {
                sqlx::query(sqlx::AssertSqlSafe(refuses)).execute(writer).await.map(drop).unwrap();
            }
            Db::Postgres { pool, .. } => {
                sqlx::query(sqlx::AssertSqlSafe(refuses)).execute(pool).await.map(drop).unwrap();
            }
        }
        // The first webhooks wait for the lock this transaction holds, and the others for the first ones: they form one
        // batch.
        let mut held = line.db().begin().await.unwrap();
        hold_the_trail(&mut held).await;
        let first = as_many_as_are_written_at_once(line).await;
        let mut answers: Vec<(&str, Answer)> = Vec::new();
        for to in [OTHER_NUMBER, NUMBER, NUMBER, OTHER_NUMBER, NUMBER, NUMBER, OTHER_NUMBER] {
            answers.push((to, tell(service, Hook::Call, event(&call_id(), to, None))));
        }
        while service.batches.waiting() < 7 {
            pause().await;
        }
        drop(held);
        let written_at_once = first.len();
        for first in first {
            assert!(first.await.unwrap().is_ok());
        }
        for (to, answer) in answers {
            let answer = answer.await.unwrap();
            assert_eq!(answer.is_ok(), to == NUMBER, "{to}: {:?}", answer.err());
        }
        let mut tx = line.db().begin_read().await.unwrap();
        assert_eq!(reports::all_of_line(&mut tx, LINES[0]).await.unwrap().0.len(), 4 + written_at_once);
        assert_eq!(reports::all_of_line(&mut tx, LINES[1]).await.unwrap().0.len(), 0);
        drop(tx);
        line.forget_jobs().await;
    }
}

on_both! {
    async fn a_row_that_cannot_be_read_leaves_the_neighbours_of_its_webhook_answered(line: TestLine) {
        let service = line.service();
        let damaged = call_id();
        assert!(tell(service, Hook::Call, event(&damaged, NUMBER, None)).await.unwrap().is_ok());
        run(line.db(), "UPDATE reports SET status = 'x'", &[]).await;
        let mut held = line.db().begin().await.unwrap();
        hold_the_trail(&mut held).await;
        let first = as_many_as_are_written_at_once(line).await;
        let again = tell(service, Hook::Call, event(&damaged, NUMBER, None));
        let mut neighbours = Vec::new();
        for _ in 0..3 {
            neighbours.push(tell(service, Hook::Call, event(&call_id(), NUMBER, None)));
        }
        while service.batches.waiting() < 4 {
            pause().await;
        }
        drop(held);
        for answer in first.into_iter().chain(neighbours) {
            assert!(answer.await.unwrap().is_ok());
        }
        assert!(again.await.unwrap().is_err());
        run(line.db(), "UPDATE reports SET status = NULL WHERE status = 'x'", &[]).await;
        line.forget_jobs().await;
    }
}

on_both! {
    async fn a_webhook_that_panics_leaves_its_neighbours_answered(line: TestLine) {
        let service = line.service();
        let mut held = line.db().begin().await.unwrap();
        hold_the_trail(&mut held).await;
        let first = as_many_as_are_written_at_once(line).await;
        let broken = Altered::panics(&service.providers["twilio"]);
        let at = StepRef { call: random_id(), line: LINES[0].into(), step: 1, nothing: None };
        let taken = tell_by(&broken, service, Hook::Accepted(at), event(&call_id(), NUMBER, None));
        let mut neighbours = Vec::new();
        for _ in 0..3 {
            neighbours.push(tell(service, Hook::Call, event(&call_id(), NUMBER, None)));
        }
        while service.batches.waiting() < 4 {
            pause().await;
        }
        drop(held);
        for first in first {
            assert!(first.await.unwrap().is_ok());
        }
        for neighbour in neighbours {
            assert!(neighbour.await.unwrap().is_ok());
        }
        assert!(taken.await.unwrap().is_err());
        line.forget_jobs().await;
    }

    /// A provider may send more keys than were asked for: the first counts, also where the number of calls on the
    /// roster is limited.
    async fn a_busy_roster_is_busy_for_several_keys(line: TestLine = one_at_once) {
        let service = line.service();
        let mut answers = Vec::new();
        for keys in ["2", "22"] {
            let call = call_id();
            let answered = tell(service, Hook::Call, event(&call, NUMBER, None)).await.unwrap();
            let mut pressed = event(&call, NUMBER, None);
            pressed.keys = Some(keys.to_owned().into());
            let at = step_in(&document(answered.unwrap())).unwrap();
            let answered = tell(service, Hook::Step(at), pressed).await.unwrap();
            answers.push(document(answered.unwrap()));
        }
        assert!(!answers[0].contains(BUSY), "{}", answers[0]);
        assert!(answers[1].contains(BUSY), "{}", answers[1]);
        line.forget_jobs().await;
    }
}

/// Posts calls that are each written alone and wait for the test's lock: the webhooks after them wait together.
async fn as_many_as_are_written_at_once(line: &TestLine) -> Vec<Answer> {
    let service = line.service();
    let batches = &service.batches;
    let mut answers = Vec::new();
    for count in 1..=batches.at_once() {
        answers.push(tell(service, Hook::Call, event(&call_id(), NUMBER, None)));
        while batches.at_work() < count || batches.waiting() > 0 {
            pause().await;
        }
        until_wait(line.db(), count).await;
    }
    answers
}

/// Locks the rows that every webhook of a line writes last. On SQLite the transaction locks the whole database.
async fn hold_the_trail(tx: &mut dutyline::store::WriteTx) {
    if let dutyline::store::On::Postgres(tx) = tx.on() {
        let hold = sqlx::query("UPDATE audit_heads SET seq = seq");
        hold.execute(&mut **tx).await.unwrap();
    }
}

/// A job that stores a recording and a webhook that reports it absent lock the rows they share in one order. Only on
/// Postgres: SQLite has one writer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetched_recording_that_is_said_to_be_absent_makes_no_deadlock_postgres() {
    let line = TestLine::open(Database::postgres().await).await;
    let caller = "+8613800138000";
    let id = line.exchange.dial(caller, NUMBER).await.unwrap().id;
    line.exchange.press(&id, "1").await.unwrap();
    let speech = bytes::Bytes::from_static(SAMPLE);
    let spoken = line.exchange.speak(&id, speech, Some(SpeechEnd::Key));
    spoken.await.unwrap();
    let mut tx = line.db().begin_read().await.unwrap();
    let all = reports::all_of_line(&mut tx, LINES[0]).await.unwrap().0;
    drop(tx);
    let report = all[0].id;
    let recording = sealed(line.db(), report).await;
    let mut tx = line.db().begin().await.unwrap();
    let call = calls::by_recording(&mut tx, report, recording.step).await;
    let call = call.unwrap().unwrap().id;
    drop(tx);
    // A webhook has locked the call. Meanwhile the recording is fetched again, and the job waits.
    let mut webhook = line.db().begin().await.unwrap();
    calls::by_id(&mut webhook, call).await.unwrap();
    let mut tx = line.db().begin().await.unwrap();
    if let On::Postgres(tx) = tx.on() {
        let announced = "UPDATE recordings SET state = 'announced', blob = NULL";
        sqlx::query(announced).execute(&mut **tx).await.unwrap();
    }
    let now = line.service().clock.system_now();
    let job = jobs::enqueue(
        &mut tx,
        random_id(),
        Kind::Fetch,
        recording.id,
        "twilio",
        now,
    );
    job.await.unwrap();
    tx.commit().await.unwrap();
    line.service().wake.notify_one();
    until_one_waits(line.db()).await;
    let mut case = cases::of_call(&mut webhook, call).await.unwrap().unwrap();
    let lookup = recording.lookup.as_slice().try_into().unwrap();
    assert_eq!(case.set_absent(&lookup), Some(recording.id));
    case.cancel(Kind::Fetch, recording.id);
    cases::write(&mut webhook, case.changes).await.unwrap();
    webhook.commit().await.unwrap();
    line.exchange.hang_up(&id).await.unwrap();
    line.idle().await;
    assert_eq!(line.counter("jobs_failed").await, 0);
    line.finish().await;
}

/// Waits until the only recording of a report is sealed, and returns it.
async fn sealed(db: &Db, report: Uuid) -> RecordingRow {
    loop {
        let mut tx = db.begin_read().await.unwrap();
        let rows = recordings::of_report(&mut tx, report).await.unwrap();
        drop(tx);
        if let [row] = rows.as_slice()
            && row.state == RecordingState::Sealed
        {
            return row.clone();
        }
        pause().await;
    }
}

/// A call that another node inserts while a batch waits for its locks is not locked and must not be decided on: the
/// batch is run again, or the webhook prepared anew. Only on Postgres: SQLite has one writer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_appears_while_locks_are_waited_for_is_not_loaded_postgres() {
    let line = TestLine::open(Database::postgres().await).await;
    let service = line.service();
    let first = tell(service, Hook::Call, event(&call_id(), NUMBER, None));
    first.await.unwrap().unwrap();
    let mut tx = line.db().begin_read().await.unwrap();
    let report = reports::all_of_line(&mut tx, LINES[0]).await.unwrap().0[0].id;
    drop(tx);
    let mut held = line.db().begin().await.unwrap();
    reports::lock(&mut held, report).await.unwrap();
    let new = call_id();
    let wanted = Wanted {
        earlier: Some(report),
        ..Wanted::call(Key::Lookup(service.call_lookup("twilio", &new)))
    };
    let db = line.db().clone();
    let loading = tokio::spawn(async move {
        let mut tx = db.begin().await.unwrap();
        let loaded = cases::load(&mut tx, std::slice::from_ref(&wanted)).await;
        loaded.unwrap().case(&wanted.key).unwrap().is_some()
    });
    until_one_waits(line.db()).await;
    let other = tell(service, Hook::Call, event(&new, NUMBER, None));
    other.await.unwrap().unwrap();
    drop(held);
    assert!(!loading.await.unwrap());
    line.forget_jobs().await;
    line.finish().await;
}

#[tokio::test]
async fn another_node_is_told_that_a_trail_has_grown_postgres() {
    let line = TestLine::open(Database::postgres().await).await;
    let config = Config::parse(&line.toml, "test.toml", line.path()).unwrap();
    let other = app::build(config, line.service().clock).await.unwrap();
    let mut changes = other.db.changes();
    let (_stop, stopped) = watch::channel(false);
    let exchange = {
        let other = Arc::clone(&other);
        tokio::spawn(async move { other.db.exchange_changes(stopped).await })
    };
    let both_listen = async {
        let listening = "SELECT COUNT(*) FROM pg_stat_activity
            WHERE datname = current_database() AND query LIKE 'LISTEN %'";
        while sql::number(line.db(), listening).await < 2 {
            pause().await;
        }
    };
    let waited = tokio::time::timeout(DEADLINE, both_listen).await;
    assert!(waited.is_ok(), "a node does not listen");
    assert!(!changes.has_changed().unwrap());
    line.leave("+8613800138001", NUMBER, &wav(b"said")).await;
    let told = tokio::time::timeout(DEADLINE, changes.changed()).await;
    assert!(told.is_ok(), "the other node is not told");
    exchange.abort();
    let _ = exchange.await;
    other.db.close().await;
    line.finish().await;
}

/// Every webhook goes to one of two nodes, some to both at once, and a recording may be announced before its call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_that_share_calls_number_each_once_postgres() {
    const CALLS: usize = 40;
    let line = TestLine::open(Database::postgres().await).await;
    let config = Config::parse(&line.toml, "test.toml", line.path()).unwrap();
    let other = app::build(config, line.service().clock).await.unwrap();
    let nodes = [Arc::clone(line.service()), other];
    let there = || {
        Some(RecordingOutcome::Completed {
            seconds: Some(4),
            end: None,
        })
    };
    let calls = (0..CALLS).map(|_| {
        let nodes = nodes.clone();
        tokio::spawn(async move {
            let call = call_id();
            let choices: [u8; 8] = random();
            let mut told = Vec::new();
            let mut events = [
                (Hook::Call, None),
                (Hook::Recording(None), there()),
                (Hook::Status, None),
            ];
            // In this order, or the recording first: then the call received the fallback answer, and has no
            // conversation.
            if choices[0].is_multiple_of(4) {
                events.swap(0, 1);
            }
            for ((hook, recorded), choice) in events.into_iter().zip(&choices[1..]) {
                let mut event = event(&call, NUMBER, recorded);
                event.ended = hook == Hook::Status;
                // One node, or both at once.
                for node in nodes
                    .iter()
                    .enumerate()
                    .filter(|(n, _)| *choice % 3 != *n as u8)
                {
                    told.push(tell(node.1, hook.clone(), event.clone()));
                }
                if choice.is_multiple_of(2) {
                    for answer in told.drain(..) {
                        answer.await.unwrap().unwrap();
                    }
                }
            }
            for answer in told {
                answer.await.unwrap().unwrap();
            }
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    line.forget_jobs().await;
    let mut tx = line.db().begin_read().await.unwrap();
    let all = reports::all_of_line(&mut tx, LINES[0]).await.unwrap().0;
    drop(tx);
    let references: BTreeSet<String> = all
        .iter()
        .filter_map(|report| report.reference.clone())
        .collect();
    let expected: BTreeSet<String> = (1..=CALLS).map(|n| format!("2024-{n:04}")).collect();
    assert_eq!(references, expected);
    assert_eq!(all.len(), CALLS, "each call is one report");
    let verified = line.cli(&["audit", "verify"]).await;
    assert!(
        verified.status.success(),
        "{}",
        String::from_utf8_lossy(&verified.stdout)
    );
    nodes[1].db.close().await;
    line.finish().await;
}
