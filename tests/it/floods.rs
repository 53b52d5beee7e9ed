//! Floods: many calls in which nothing is said, one caller who dials again and again, superfluous keys. Callers who
//! speak get through, and members see the flood.

use crate::support::hooks::{address_in, call_form, path_of};
use crate::support::{Api, Database, LINES, NUMBER, TestLine, configuration, on_both, wav};
use dutyline::config::Config;
use dutyline::store::audit;
use dutyline::store::{Db, all_statements};
use dutyline::vault::action::Action;
use serde_json::{Value, json};
use sqlx::SqlSafeStr;
use std::collections::BTreeSet;

/// Number of the caller who dials again and again.
const FLOODER: &str = "+8613800138000";
const SPEAKER: &str = "+8613900139000";
const CALL: &str = "/hooks/twilio/call";
const STATUS: &str = "/hooks/twilio/status";
/// Number of calls in which nothing is said: more than two pages.
const SILENT: u64 = 120;

impl TestLine {
    /// Makes a call in which these keys are pressed in the menu, and which then ends.
    async fn silent_call(&self, number: u64, keys: &str) {
        let call = format!("CA{number:032}");
        let answer = self
            .hook(CALL, &call_form(&call, &[("From", FLOODER)]))
            .await;
        if !keys.is_empty() {
            let step = address_in(answer.text(), "/step?");
            let pressed = call_form(&call, &[("Digits", keys)]);
            assert_eq!(self.hook(path_of(&step), &pressed).await.status, 200);
        }
        let over = call_form(&call, &[("CallStatus", "completed")]);
        assert_eq!(self.hook(STATUS, &over).await.status, 204);
    }

    /// Returns the latest calls of the default line, from the API.
    async fn recent_calls(&self) -> Value {
        let line = self.lead().await.get("/lines/fcg-5").await.ok();
        line["recent_calls"].clone()
    }
}

/// Returns the sizes of all pages of calls without a message, and all ids.
async fn pages(lead: &Api) -> (Vec<usize>, BTreeSet<String>) {
    let (mut sizes, mut ids) = (Vec::new(), BTreeSet::new());
    let mut cursor = String::new();
    loop {
        let page = lead.get(&format!("/abandoned?cursor={cursor}")).await.ok();
        let calls = page["calls"].as_array().unwrap();
        sizes.push(calls.len());
        ids.extend(
            calls
                .iter()
                .map(|call| call["id"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => return (sizes, ids),
        }
    }
}

on_both! {
    async fn who_speaks_gets_through_a_flood(line: TestLine) {
        for number in 0..SILENT / 2 {
            line.silent_call(number, if number % 3 == 0 { "7" } else { "" }).await;
        }
        let said = wav(b"words");
        line.leave(SPEAKER, NUMBER, &said).await;
        for number in SILENT / 2..SILENT {
            line.silent_call(number, "").await;
        }
        line.idle().await;
        let lead = line.lead().await;
        let report = lead.only_report().await;
        assert!(lead.recording(&report, 1).await == said);

        let recent = json!({ "answered": SILENT + 1, "without_message": SILENT, "usual": 0, "flood": true });
        assert_eq!(line.recent_calls().await, recent);
        let metrics = line.metrics().await;
        for expected in [
            "dutyline_calls_total 121",
            "dutyline_reports_total 1",
            "dutyline_calls_without_message_total{reached=\"greeting\"} 120",
            "dutyline_webhooks_by_kind_total{kind=\"call\"} 121",
            "dutyline_webhooks_by_kind_total{kind=\"status\"} 121",
            "dutyline_keys_unasked_total 20",
            "dutyline_flood{line=\"fcg-5\"} 1",
            "dutyline_calls_running{line=\"fcg-5\"} 0",
        ] {
            assert!(metrics.lines().any(|line| line == expected), "{expected}\n{metrics}");
        }

        // Counting opened no call; each call is opened when its page is requested.
        assert_eq!(openings(line).await, 0);
        let (sizes, ids) = pages(&lead).await;
        assert_eq!((sizes.as_slice(), ids.len() as u64), ([50, 50, 20].as_slice(), SILENT));
        assert_eq!(openings(line).await, SILENT as usize);

        let desk = line.desk().await;
        let first = desk.get("/console/abandoned").await.ok();
        assert_eq!(first.matches("<tr>").count(), 51, "a head and fifty");
        assert!(first.contains("共120通") && first.contains("18877009155：近两个小时有120通未留言来电"), "{first}");
        let next = first.split("href=\"").find(|rest| rest.starts_with("/console/abandoned?cursor=")).unwrap();
        let second = desk.get(&next[..next.find('"').unwrap()]).await.ok();
        assert_eq!(second.matches("<tr>").count(), 51);
        assert!(second != first);
        assert!(desk.get("/console/").await.ok().contains("2024-0001"), "the queue is what it was");
    }

    async fn a_recording_that_comes_to_light_later_is_a_message(line: TestLine) {
        line.silent_call(1, "").await;
        line.silent_call(2, "").await;
        line.idle().await;
        let two = json!({ "answered": 2, "without_message": 2, "usual": 0, "flood": false });
        assert_eq!(line.recent_calls().await, two);
        line.report_without_audio(&format!("CA{:032}", 1), NUMBER).await;
        let one = json!({ "answered": 2, "without_message": 1, "usual": 0, "flood": false });
        assert_eq!(line.recent_calls().await, one);
        let (sizes, _) = pages(&line.lead().await).await;
        assert_eq!(sizes, [1]);
    }

    /// Hundreds of keys where one is expected, ten thousand where a receipt is, some during a recording.
    async fn keys_without_end_lose_nothing(line: TestLine) {
        let long = "7".repeat(10_000);
        let call = format!("CA{:032}", 1);
        let hook = async |path: &str, more: &[(&str, &str)]| {
            let answer = line.hook(path, &call_form(&call, more)).await;
            assert_eq!(answer.status, 200);
            answer.text().to_owned()
        };
        let step = |document: &str| path_of(&address_in(document, "/step?")).to_owned();
        let menu = hook(CALL, &[]).await;
        let receipt = hook(&step(&menu), &[("Digits", &format!("4{long}"))]).await;
        assert!(receipt.contains("请输入您的12位回执号"), "{receipt}");
        let mut wrong = receipt;
        for _ in 0..3 {
            wrong = hook(&step(&wrong), &[("Digits", &long)]).await;
        }
        assert!(wrong.contains("未能查到您反映的问题"), "{wrong}");
        let beep = hook(&step(&wrong), &[("Digits", &format!("1{}", "7".repeat(300)))]).await;
        assert!(beep.contains("<Record"), "{beep}");
        let recording = format!("RE{:032}", 1);
        let ended = [("RecordingSid", recording.as_str()), ("RecordingDuration", "5"), ("Digits", long.as_str())];
        let review = hook(&step(&beep), &ended).await;
        assert!(review.contains("提交留言请按1"), "{review}");
        let sent = hook(&step(&review), &[("Digits", "1111")]).await;
        assert!(sent.contains("<Hangup"), "{sent}");
        assert_eq!(line.lead().await.reports().await.len(), 1);
        assert_eq!(line.counter("keys_unasked").await, 3);
        assert_eq!(line.counter("webhooks_fallback").await, 0);
        // The provider of this test has no such recording.
        line.forget_jobs().await;
    }
}

/// Returns the number of openings of calls without a message.
async fn openings(line: &TestLine) -> usize {
    let mut tx = line.db().begin_read().await.unwrap();
    let links = audit::links(&mut tx, LINES[0], 0).await.unwrap();
    assert!(links.len() < 1000, "all of them");
    links
        .iter()
        .filter(|link| link.action == Action::AbandonedOpened)
        .count()
}

/// A statement that reads a whole table or sorts its result takes longer the more calls there are. Those listed here
/// read tables of a few rows, or sort the rows of one report.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_reads_every_call() {
    let folder = tempfile::tempdir().unwrap();
    let toml = configuration(
        &Database::sqlite().address(folder.path()),
        "http://127.0.0.1:9",
    );
    let config = Config::parse(&toml, "test.toml", folder.path()).unwrap();
    let db = Db::open(&config.database).await.unwrap();
    let Db::Sqlite { reader, .. } = &db else {
        panic!("it is SQLite");
    };
    let mut slow = Vec::new();
    for statement in all_statements() {
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", statement.sqlite));
        let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(explain.into_sql_str())
            .fetch_all(reader)
            .await
            .unwrap();
        // The rows that the statement itself contains.
        let brought = statement.sqlite.strip_prefix("WITH ");
        let brought = brought.and_then(|rest| rest.split(' ').next());
        let brought = brought.map(|name| format!("SCAN {name}"));
        // SQLite reads one row for the number of a chain's last link.
        let head = "(SELECT MAX(seq) FROM audit WHERE audit.line = '*')";
        let of_head = "SEARCH audit USING COVERING INDEX sqlite_autoindex_audit_1 (line=?)";
        for (.., step) in plan {
            let is_head = step == of_head && statement.sqlite.contains(head);
            if brought.as_ref() == Some(&step) || is_head {
                continue;
            }
            let index_of_line = step.starts_with("SEARCH audit ")
                && !step.contains("line=? AND")
                && !step.contains("(report=?");
            // Reads no row: its condition is never true.
            let locks = statement.sqlite.ends_with("WHERE 1 = 0");
            let scan = step.starts_with("SCAN ") && step != "SCAN CONSTANT ROW" && !locks;
            if scan || step.starts_with("USE TEMP B-TREE") || index_of_line {
                slow.push(format!("{}: {step}", statement.name));
            }
        }
    }
    db.close().await;
    insta::assert_snapshot!(slow.join("\n"), @"
    FLOODED: USE TEMP B-TREE FOR DISTINCT
    SHARED: SCAN receipts USING INDEX receipts_shared
    WAIVED: SCAN waivers USING COVERING INDEX sqlite_autoindex_waivers_1
    CHANGED: SEARCH audit USING INDEX audit_of_members (at>?)
    CHANGED: USE TEMP B-TREE FOR DISTINCT
    HEADS: SCAN audit_heads USING INDEX sqlite_autoindex_audit_heads_1
    ALL_HEADS: SCAN audit_heads USING INDEX sqlite_autoindex_audit_heads_1
    TOTAL: SCAN audit_heads
    OBJECTS: SCAN blobs USING COVERING INDEX sqlite_autoindex_blobs_2
    FORGET_CALLERS: SCAN calls USING INDEX calls_with_caller
    OF_LINE: SCAN own
    CALLERS_OF_LINE: SCAN calls
    A_SEALED_RECORDING: SCAN recordings
    DUE: SCAN jobs USING INDEX jobs_by_time
    HASTEN_FAILED: SCAN jobs
    COUNT: SCAN jobs USING INDEX sqlite_autoindex_jobs_2
    COUNT: USE TEMP B-TREE FOR GROUP BY
    OLDEST_DUE: SCAN jobs USING INDEX sqlite_autoindex_jobs_2
    COUNT_FAILING: SCAN jobs USING INDEX jobs_failing
    COUNT_FAILING_OF: SCAN jobs USING INDEX jobs_failing
    FAILING: SCAN jobs USING INDEX jobs_failing
    LIST: SCAN jobs USING INDEX sqlite_autoindex_jobs_2
    LINE_KEYS: SCAN line_keys USING INDEX sqlite_autoindex_line_keys_2
    GRANTS: USE TEMP B-TREE FOR ORDER BY
    ALL_GRANTS: SCAN grants USING INDEX sqlite_autoindex_grants_1
    MEMBERS: SCAN members USING INDEX sqlite_autoindex_members_2
    LOCK_MEMBERS: SCAN members USING COVERING INDEX sqlite_autoindex_members_1
    HOLDERS: USE TEMP B-TREE FOR ORDER BY
    WAIVERS: SCAN waivers USING INDEX sqlite_autoindex_waivers_1
    FORGET: SCAN nodes
    OF_SAME_SOURCE: USE TEMP B-TREE FOR ORDER BY
    OF_REPORT: USE TEMP B-TREE FOR ORDER BY
    OF_REPORT: USE TEMP B-TREE FOR ORDER BY
    KEY: USE TEMP B-TREE FOR LAST 2 TERMS OF ORDER BY
    RECEIPTS: USE TEMP B-TREE FOR ORDER BY
    RECEIPTS_OF_LINE: SCAN reports
    SESSIONS: SCAN sessions
    DELETE_OLD_SESSIONS: SCAN sessions
    ALL: SCAN strays
    COUNT: SCAN strays
    INSERT: USE TEMP B-TREE FOR ORDER BY
    OF_CALLS: USE TEMP B-TREE FOR ORDER BY
    CALLS: USE TEMP B-TREE FOR ORDER BY
    ENTRIES: USE TEMP B-TREE FOR ORDER BY
    ");
}
