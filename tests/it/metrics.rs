//! The metrics that operators read at `/metrics`.

use crate::support::exposition::{self, Metric};
use crate::support::{ACCOUNT, Database, NUMBER, TestLine, client, on_both, sql, wav};
use chrono::TimeDelta;
use dutyline::base::clock::random_id;
use dutyline::report::takes::Reached;
use dutyline::store::jobs::Kind;
use dutyline::telephony::Hook;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use std::collections::{BTreeMap, BTreeSet};

/// Counters that stay at zero in this call.
const STILL: &[&str] = &[
    "calls_not_in_service",
    "calls_accepted",
    "jobs_failed",
    "keys_unasked",
    "logins_wrong",
    "receipts_late",
    "receipts_refused",
    "receipts_shared",
    "recordings_damaged",
    "recordings_lost",
    "webhooks_fallback",
    "webhooks_refused",
];

/// Returns the counters and their values, each with its label.
async fn counters(line: &TestLine) -> BTreeMap<String, u64> {
    let text = line.metrics().await;
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

/// Every metric and its type. Monitoring outside this repository depends on these names.
const METRICS: &[(&str, &str)] = &[
    ("dutyline_batch_commit_seconds", "histogram"),
    ("dutyline_batch_seconds", "histogram"),
    ("dutyline_batch_webhooks", "histogram"),
    ("dutyline_calls_not_in_service_total", "counter"),
    ("dutyline_calls_running", "gauge"),
    ("dutyline_calls_accepted_total", "counter"),
    ("dutyline_calls_total", "counter"),
    ("dutyline_calls_without_message_total", "counter"),
    ("dutyline_database_put_back", "gauge"),
    ("dutyline_flood", "gauge"),
    ("dutyline_rows_refused", "gauge"),
    ("dutyline_job_seconds", "histogram"),
    ("dutyline_jobs", "gauge"),
    ("dutyline_jobs_failed_total", "counter"),
    ("dutyline_jobs_oldest_due_seconds", "gauge"),
    ("dutyline_keys_unasked_total", "counter"),
    ("dutyline_logins_wrong_total", "counter"),
    ("dutyline_receipts_late_total", "counter"),
    ("dutyline_receipts_refused_total", "counter"),
    ("dutyline_receipts_shared_total", "counter"),
    ("dutyline_recordings_damaged_total", "counter"),
    ("dutyline_recordings_lost_total", "counter"),
    ("dutyline_recordings_sealed_total", "counter"),
    ("dutyline_recordings_unnamed", "gauge"),
    ("dutyline_reports", "gauge"),
    ("dutyline_reports_total", "counter"),
    ("dutyline_strays", "gauge"),
    ("dutyline_webhook_seconds", "histogram"),
    ("dutyline_webhooks_fallback_total", "counter"),
    ("dutyline_webhooks_by_kind_total", "counter"),
    ("dutyline_webhooks_refused_total", "counter"),
    ("dutyline_webhooks_total", "counter"),
];

/// Returns the metrics, parsed as Prometheus does.
async fn scraped(line: &TestLine) -> BTreeMap<String, Metric> {
    exposition::parse(&line.metrics().await)
}

/// Returns the number of observations of a histogram, by its labels.
fn counts<'a>(metrics: &'a BTreeMap<String, Metric>, name: &str) -> BTreeMap<&'a str, u64> {
    let start = format!("{name}_count");
    let metric = metrics.get(name);
    let metric = metric.unwrap_or_else(|| panic!("no metric {name}"));
    let of =
        |(series, value): (&'a String, &f64)| Some((series.strip_prefix(&start)?, *value as u64));
    metric.samples.iter().filter_map(of).collect()
}

/// Makes a whole call that leaves a message, and waits until it is settled.
async fn call_and_leave_a_message(line: &TestLine) {
    line.leave("+8613800138000", NUMBER, &wav(b"said")).await;
    line.until_reports(1).await;
}

on_both! {
    async fn one_call_moves_every_counter_that_is_about_it(line: TestLine) {
        call_and_leave_a_message(line).await;
        let counters = counters(line).await;
        for (name, value) in counters.iter().filter(|(name, _)| !name.contains('{')) {
            assert_eq!(STILL.contains(&name.as_str()), *value == 0, "{name} {value}");
        }
        for name in STILL {
            assert!(counters.contains_key(*name), "{name} is a counter");
        }
        // The counts by kind add up to the total.
        let by_kind = |(name, value): &(&String, &u64)| (name.starts_with("webhooks_by_kind{") && **value > 0).then_some(**value);
        let kinds: Vec<u64> = counters.iter().filter_map(|counter| by_kind(&counter)).collect();
        assert_eq!(kinds.len(), 4, "call, step, recording and status: {counters:?}");
        assert_eq!(kinds.iter().sum::<u64>(), counters["webhooks"]);
    }

    async fn every_label_is_there_before_anything_has_happened(line: TestLine) {
        let metrics = scraped(line).await;
        let labels = |name: &str, label: &str| {
            let name = metrics[name].samples.keys().filter_map(|series| series.split_once(&format!("{{{label}=\"")));
            name.filter_map(|(_, rest)| Some(rest.split_once('"')?.0)).collect::<BTreeSet<_>>()
        };
        let hooks = Hook::KINDS.into_iter().collect();
        assert_eq!(labels("dutyline_webhooks_by_kind_total", "kind"), hooks);
        assert_eq!(labels("dutyline_webhook_seconds", "kind"), hooks);
        let jobs = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(labels("dutyline_job_seconds", "kind"), jobs);
        let reached = Reached::ALL.map(Reached::as_str).into_iter().collect();
        assert_eq!(labels("dutyline_calls_without_message_total", "reached"), reached);
    }

    async fn one_call_is_timed_from_its_webhooks_to_its_jobs(line: TestLine) {
        call_and_leave_a_message(line).await;
        line.until_settled().await;
        let metrics = scraped(line).await;

        let webhooks = counts(&metrics, "dutyline_webhook_seconds");
        for kind in ["call", "step", "recording", "status"] {
            let labels = format!("{{kind=\"{kind}\"}}");
            let counted = line.counted_as("webhooks_by_kind", &labels).await;
            assert!(counted > 0, "{kind}");
            assert_eq!(webhooks.get(&*labels), Some(&counted), "{kind}: {webhooks:?}");
        }
        let jobs = counts(&metrics, "dutyline_job_seconds");
        for kind in ["fetch", "settle", "delete"] {
            let labels = format!("{{kind=\"{kind}\"}}");
            assert!(jobs.get(&*labels).is_some_and(|count| *count > 0), "{kind}: {jobs:?}");
        }

        let of_batches = |name: &str| counts(&metrics, name)[""];
        let batches = of_batches("dutyline_batch_seconds");
        assert!(batches > 0);
        assert_eq!(of_batches("dutyline_batch_webhooks"), batches);
        let commits = of_batches("dutyline_batch_commit_seconds");
        assert!((1..=batches).contains(&commits), "{commits} commits of {batches} batches");
        let in_batches = metrics["dutyline_batch_webhooks"].samples["dutyline_batch_webhooks_sum"];
        assert!(in_batches >= line.counter("webhooks").await as f64, "every webhook was in a batch");
        let within = |name: &str, sum: &str| metrics[name].samples[sum];
        let commit = within("dutyline_batch_commit_seconds", "dutyline_batch_commit_seconds_sum");
        let batch = within("dutyline_batch_seconds", "dutyline_batch_seconds_sum");
        assert!(0.0 < commit && commit < batch, "a commit is a part of its batch");
    }

    async fn metrics_are_in_the_format_and_under_the_names_that_monitoring_knows(line: TestLine) {
        call_and_leave_a_message(line).await;
        let silent = line.exchange.dial("+8613800138000", NUMBER).await.unwrap().id;
        line.exchange.hang_up(&silent).await.unwrap();
        line.until_abandoned(1).await;
        // A running call has a `watch` job.
        let call = line.exchange.dial("+8613800138000", NUMBER).await.unwrap().id;
        let answer = client().get(format!("{}/metrics", line.ops_url)).send().await.unwrap();
        assert_eq!(answer.headers()[CONTENT_TYPE], "text/plain; version=0.0.4; charset=utf-8");
        let metrics = exposition::parse(&answer.text().await.unwrap());
        let named = metrics.iter().map(|(name, metric)| (name.as_str(), metric.kind.as_str()));
        assert_eq!(named.collect::<BTreeSet<_>>(), METRICS.iter().copied().collect());

        for (name, metric) in &metrics {
            assert!(metric.help.is_some(), "{name} has a help text");
        }
        // Labels are kinds, states and ids of lines.
        let has = |series: &str| metrics.values().any(|metric| metric.samples.contains_key(series));
        for series in [
            "dutyline_calls_running{line=\"fcg-5\"}",
            "dutyline_calls_without_message_total{reached=\"greeting\"}",
            "dutyline_flood{line=\"fcg-5\"}",
            "dutyline_job_seconds_bucket{kind=\"settle\",le=\"+Inf\"}",
            "dutyline_jobs{kind=\"watch\",state=\"waiting\"}",
            "dutyline_jobs_oldest_due_seconds{kind=\"watch\"}",
            "dutyline_reports{line=\"fcg-5\",status=\"queued\"}",
            "dutyline_webhook_seconds_bucket{kind=\"call\",le=\"0.0005\"}",
            "dutyline_webhook_seconds_bucket{kind=\"call\",le=\"2\"}",
            "dutyline_webhooks_by_kind_total{kind=\"call\"}",
        ] {
            assert!(has(series), "{series}");
        }
        line.exchange.hang_up(&call).await.unwrap();
    }

    async fn the_oldest_due_job_of_each_kind_shows_how_late_it_is(line: TestLine) {
        let insert = "INSERT INTO jobs (id, kind, subject, provider, run_after, attempts, lease, lease_until)
            VALUES ($1, $2, $3, '', $4, 0, $5, $6)";
        let now = line.service().clock.system_now();
        let (late, later) = (now - TimeDelta::seconds(90), now + TimeDelta::seconds(60));
        // Kinds of another version's jobs, which this version does not claim.
        for (kind, run_after, lease_until) in [
            ("due", late, late),
            ("due", now, late),
            ("leased", late, later),
            ("not_due", later, late),
        ] {
            let ids = [random_id(), random_id(), random_id()];
            let values = [
                ids[0].into(), kind.into(), ids[1].into(), run_after.into(), ids[2].into(), lease_until.into(),
            ];
            sql::change(line.db(), insert, &values).await;
        }
        let metrics = scraped(line).await;
        let name = "dutyline_jobs_oldest_due_seconds";
        let metric = metrics.get(name).unwrap_or_else(|| panic!("no metric {name}"));
        let age = |kind: &str| metric.samples.get(&format!("{name}{{kind=\"{kind}\"}}")).copied();
        assert!(age("due").is_some_and(|age| (90.0..600.0).contains(&age)), "{metric:?}");
        assert_eq!((age("leased"), age("not_due")), (None, None), "{metric:?}");
        for kind in ["fetch", "delete", "settle", "watch", "stray"] {
            assert_eq!(age(kind), Some(0.0), "none is due: {metric:?}");
        }
        line.forget_jobs().await;
    }

    /// A webhook that is rolled back at its commit is not counted as a call or a report.
    async fn only_what_is_committed_is_counted(line: TestLine) {
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
        let call = line.exchange.dial("+8613800138000", NUMBER).await.unwrap().id;
        assert_eq!(line.counter("webhooks_fallback").await, 2);
        assert_eq!(counted().await, (0, 0));
        line.exchange.hang_up(&call).await.unwrap();

        sql::run(line.db(), back, &[]).await;
        assert_eq!(told().await.status, StatusCode::NO_CONTENT);
        let call = line.exchange.dial("+8613800138000", NUMBER).await.unwrap().id;
        assert_eq!(counted().await, (1, 1));
        line.exchange.hang_up(&call).await.unwrap();
        line.forget_jobs_of("fetch").await;
    }
}

/// Each service in a process has its own registry.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_services_in_one_process_count_apart() {
    let busy = TestLine::open(Database::sqlite()).await;
    let quiet = TestLine::open(Database::sqlite()).await;
    call_and_leave_a_message(&busy).await;
    let observed = |metrics: &BTreeMap<String, Metric>, name: &str| -> u64 {
        counts(metrics, name).values().sum()
    };
    let (of_busy, of_quiet) = (scraped(&busy).await, scraped(&quiet).await);
    for name in [
        "dutyline_batch_seconds",
        "dutyline_batch_webhooks",
        "dutyline_batch_commit_seconds",
        "dutyline_webhook_seconds",
        "dutyline_job_seconds",
    ] {
        assert!(observed(&of_busy, name) > 0, "{name}");
        assert_eq!(observed(&of_quiet, name), 0, "{name}");
    }
    assert_eq!(
        (busy.counter("calls").await, quiet.counter("calls").await),
        (1, 0)
    );
    busy.finish().await;
    quiet.finish().await;
}
