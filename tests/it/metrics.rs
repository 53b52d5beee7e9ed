//! What operators read of one call.

use crate::support::{ACCOUNT, Database, NUMBER, TestLine, client, on_both, speech, sql};
use dutyline::simulator::exchange::SpeechEnd;
use reqwest::StatusCode;
use std::collections::BTreeMap;

/// These count what goes wrong, or what this call has nothing of.
const STILL: &[&str] = &[
    "calls_not_in_service",
    "calls_taken",
    "jobs_failed",
    "keys_unasked",
    "logins_wrong",
    "receipts_late",
    "receipts_refused",
    "receipts_shared",
    "recordings_damaged",
    "recordings_lost",
    "webhooks_blunt",
    "webhooks_refused",
];

/// The counters and their values, each with its label.
async fn counters(line: &TestLine) -> BTreeMap<String, u64> {
    let url = format!("{}/metrics", line.ops_url);
    let text = client()
        .get(url)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("dutyline_"));
    lines
        .filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            let (name, label) = name.split_once("_total")?;
            Some((format!("{name}{label}"), value.parse().ok()?))
        })
        .collect()
}

on_both! {
    async fn one_call_moves_every_counter_that_is_about_it(line: TestLine) {
        let call = line.exchange.dial("+8613800138000", crate::support::NUMBER).await.unwrap();
        line.exchange.press(&call.id, "1").await.unwrap();
        line.exchange.speak(&call.id, speech(1), Some(SpeechEnd::Key)).await.unwrap();
        line.exchange.press(&call.id, "1").await.unwrap();
        line.exchange.hang_up(&call.id).await.unwrap();
        line.until_reports(1).await;
        let counters = counters(line).await;
        for (name, value) in &counters {
            assert_eq!(STILL.contains(&name.as_str()), *value == 0, "{name} {value}");
        }
        for name in STILL {
            assert!(counters.contains_key(*name), "{name} is a counter");
        }
        // As many by kind as altogether.
        let by_kind = |(name, value): (&String, &u64)| name.starts_with("webhooks_by_kind{").then_some(*value);
        let kinds: Vec<u64> = counters.iter().filter_map(by_kind).collect();
        assert_eq!(kinds.len(), 4, "call, step, recording and status: {counters:?}");
        assert_eq!(kinds.iter().sum::<u64>(), counters["webhooks"]);
    }
}

/// A webhook that is rolled back at its commit is not counted as a call or a report.
async fn only_what_is_committed_is_counted(database: Database) {
    let line = TestLine::open(database).await;
    let away = "ALTER TABLE audit_heads RENAME TO audit_heads_away";
    let back = "ALTER TABLE audit_heads_away RENAME TO audit_heads";
    let counted = async || (line.counter("calls").await, line.counter("reports").await);
    sql::run(line.db(), away, &[]).await;
    let fields = [
        ("AccountSid", ACCOUNT),
        ("CallSid", "CA1"),
        ("RecordingSid", "RE1"),
        ("RecordingStatus", "completed"),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let told = async || line.hook("/hooks/twilio/recording", &fields.to_vec()).await;
    assert_eq!(told().await.status, StatusCode::SERVICE_UNAVAILABLE);
    let call = line
        .exchange
        .dial("+8613800138000", NUMBER)
        .await
        .unwrap()
        .id;
    assert_eq!(line.counter("webhooks_blunt").await, 2);
    assert_eq!(counted().await, (0, 0));
    line.exchange.hang_up(&call).await.unwrap();

    sql::run(line.db(), back, &[]).await;
    assert_eq!(told().await.status, StatusCode::NO_CONTENT);
    let call = line
        .exchange
        .dial("+8613800138000", NUMBER)
        .await
        .unwrap()
        .id;
    assert_eq!(counted().await, (1, 1));
    line.exchange.hang_up(&call).await.unwrap();
    line.forget_jobs_of("fetch").await;
    line.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_committed_is_counted_sqlite() {
    only_what_is_committed_is_counted(Database::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_committed_is_counted_postgres() {
    only_what_is_committed_is_counted(Database::postgres().await).await;
}
