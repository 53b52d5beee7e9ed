//! Calls back with a receipt: status of the report, and additions to it. The provider sends every webhook twice.

mod replies;

use crate::support::console::Desk;
use crate::support::queue;
use crate::support::sql::{change, run};
use crate::support::{
    Api, Caller, Database, LEAD, LINES, NUMBER, OPEN, OTHER_NUMBER, PATIENT, TestLine,
};
use crate::support::{on_both, two_lines, wav};
use bytes::Bytes;
use dutyline::register::verify;
use dutyline::report::receipt::Receipt;
use dutyline::service::Patience;
use dutyline::simulator::call::Heard;
use dutyline::simulator::faults::{Callbacks, Faults};
use dutyline::simulator::spoken;
use dutyline::store::{audit, reports};
use dutyline::vault::action::Action;
use dutyline::vault::receipts;
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

/// Numbers of the caller who leaves a report and of one who calls back about it.
const FIRST: &str = "+8613800138000";
const SECOND: &str = "+8613900139000";

/// Leaves a report on `to`. Returns the receipt, which is valid once the call is settled.
async fn leave_at(line: &TestLine, to: &str, said: &Bytes) -> String {
    let mut caller = Caller::dial_from(line, FIRST, to, Faults::default()).await;
    caller.press("1").await;
    caller.says(said).await;
    let words = caller.press("1").await;
    line.idle().await;
    spoken::receipt(&words).expect("a receipt")
}

async fn leave(line: &TestLine, said: &Bytes) -> String {
    leave_at(line, NUMBER, said).await
}

/// Calls back with a receipt. Returns the words heard.
async fn call_back<'a>(line: &'a TestLine, from: &str, receipt: &str) -> (Caller<'a>, String) {
    let mut caller = Caller::dial_from(line, from, NUMBER, Faults::default()).await;
    caller.press("4").await;
    let words = caller.press(receipt).await;
    (caller, words)
}

/// Calls back, returns the words heard, and hangs up.
async fn asks(line: &TestLine, from: &str, receipt: &str) -> String {
    let (mut caller, words) = call_back(line, from, receipt).await;
    caller.hang_up().await;
    words
}

fn of_kind(report: &Value, kind: &str) -> Vec<Value> {
    let entries = report["entries"].as_array().unwrap();
    let found = entries.iter().filter(|entry| entry["kind"] == kind);
    found.map(|entry| entry["body"].clone()).collect()
}

/// Checks that a report's recordings are these, in order of speaking, all sealed and deleted at the provider.
async fn is_heard(lead: &Api, report: &Value, said: &[&Bytes]) {
    let recordings = report["recordings"].as_array().unwrap();
    assert_eq!(recordings.len(), said.len(), "{recordings:?}");
    for (recording, said) in recordings.iter().zip(said) {
        assert_eq!(recording["state"], "sealed");
        assert_eq!(recording["deleted_at_provider"], true);
        let n = recording["n"].as_u64().unwrap();
        assert!(lead.recording(report, n).await == **said, "recording {n}");
    }
}

/// Checks that there is one report with these recordings, no abandoned call, and an intact trail.
async fn one_report(line: &TestLine, said: &[&Bytes]) -> Value {
    line.idle().await;
    let lead = line.lead().await;
    let report = lead.only_report().await;
    is_heard(&lead, &report, said).await;
    assert_eq!(lead.get("/abandoned").await.ok()["calls"], json!([]));
    is_whole(line).await;
    report
}

async fn is_whole(line: &TestLine) {
    let recordings = &line.service().blobs;
    for line_id in &line.service().config.lines {
        let proof = verify::line(line.db(), recordings, &line_id.line.id, None).await;
        assert_eq!(proof.unwrap().wrong, [""; 0]);
    }
}

const QUEUED: &str = "您反映的问题已经登记，正在等待办理。";
const MISTYPED: &str = "您输入的回执号有误。";
const UNKNOWN: &str = "没有查到这个回执号。";
/// A receipt that was never given out.
const NOBODYS: &str = "000000000000";

/// A receipt that could not be derived in time does not count as a wrong try, however often it is typed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_nobody_had_time_for_is_asked_for_again() {
    let hurried = Patience {
        receipt: Duration::ZERO,
        ..PATIENT
    };
    let line = TestLine::with_patience(hurried, Database::sqlite(), OPEN, |toml| toml).await;
    let receipt = leave(&line, &wav(b"first")).await;
    let mut caller = Caller::dial_from(&line, SECOND, NUMBER, Faults::default()).await;
    caller.press("4").await;
    for _ in 0..4 {
        let words = caller.press(&receipt).await;
        assert!(words.starts_with("系统繁忙，刚才未能查询。"), "{words}");
    }
    assert_eq!(line.counter("receipts_late").await, 4);
    caller.hang_up().await;
    line.finish().await;
}

on_both! {
    async fn what_is_added_stands_in_the_same_report(line: TestLine) {
        let [first, second, third] = [b"first", b"secnd", b"third"].map(|word| wav(word));
        let receipt = leave(line, &first).await;
        let (mut caller, words) = call_back(line, SECOND, &receipt).await;
        assert_eq!(words, format!("{QUEUED}补充内容请按1，再听一遍请按2。"));
        assert_eq!(caller.press("2").await, words);
        caller.press("1").await;
        assert!(caller.may_speak().is_some());
        caller.says(&second).await;
        caller.press("2").await;
        let played = caller.view.heard.iter().any(|heard| matches!(heard, Heard::Played { bytes, .. } if *bytes == second.len()));
        assert!(played, "{:?}", caller.view.heard);
        let words = caller.press("1").await;
        assert_eq!(words, "您补充的内容，我们已经收到。您原来的回执号继续有效。感谢您的来电，再见。");
        assert!(caller.is_over() && spoken::receipt(&words).is_none());
        let report = one_report(line, &[&first, &second]).await;
        assert_eq!((&report["status"], &report["reference"]), (&json!("queued"), &json!("2024-0001")));
        let callers = of_kind(&report, "caller");
        assert_eq!(callers[0]["number"], FIRST);
        assert_eq!(callers[1]["number"], SECOND);
        let calls = of_kind(&report, "call");
        assert_eq!(calls.len(), 2);
        assert_eq!(calls[0].get("added"), None);
        assert_eq!((&calls[1]["added"], &calls[1]["reached"]), (&json!(true), &json!("added")));
        assert_eq!(calls[1]["receipt_spoken"], false);

        // The old receipt stays valid for every caller who has it, with or without a number.
        let (mut caller, words) = call_back(line, "anonymous", &receipt).await;
        assert!(words.starts_with(QUEUED), "{words}");
        caller.press("1").await;
        caller.says(&third).await;
        caller.press("1").await;
        let report = one_report(line, &[&first, &second, &third]).await;
        assert_eq!(of_kind(&report, "caller")[2], json!({ "number": null, "withheld": true }));
    }

    async fn hanging_up_in_an_addition_keeps_what_was_said(line: TestLine) {
        let [first, second, third] = [b"first", b"secnd", b"third"].map(|word| wav(word));
        let receipt = leave(line, &first).await;
        let (mut caller, _) = call_back(line, SECOND, &receipt).await;
        caller.press("1").await;
        caller.says(&second).await;
        caller.press("4").await;
        let exchange = &line.exchange;
        exchange.speak(&caller.view.id, third.clone(), None).await.unwrap();
        caller.hang_up().await;
        let report = one_report(line, &[&first, &second, &third]).await;
        assert_eq!(of_kind(&report, "caller").len(), 2, "who called, once a call");
        assert_eq!(of_kind(&report, "call")[1]["reached"], "recording");
    }

    /// Repeating an addition replaces only that addition, which comes last in the report.
    async fn saying_an_addition_again(line: TestLine) {
        let [first, second, third] = [b"first", b"secnd", b"third"].map(|word| wav(word));
        let receipt = leave(line, &first).await;
        let (mut caller, _) = call_back(line, FIRST, &receipt).await;
        caller.press("1").await;
        caller.says(&second).await;
        caller.press("3").await;
        caller.says(&third).await;
        caller.press("1").await;
        let report = one_report(line, &[&first, &third, &second]).await;
        let replaced: Vec<_> = report["recordings"].as_array().unwrap().iter().map(|own| own["replaced"].clone()).collect();
        assert_eq!(replaced, [false, false, true]);
    }

    async fn lost_callbacks_and_actions_lose_no_addition(line: TestLine) {
        let [first, second] = [b"first", b"secnd"].map(|word| wav(word));
        let receipt = leave(line, &first).await;
        let faults = Faults { drop_action: true, callbacks: Callbacks::Never, ..Faults::default() };
        let mut caller = Caller::dial_from(line, SECOND, NUMBER, faults).await;
        caller.press("4").await;
        caller.press(&receipt).await;
        caller.press("1").await;
        caller.says(&second).await;
        assert!(caller.is_over());
        let report = one_report(line, &[&first, &second]).await;
        assert_eq!(of_kind(&report, "caller")[1]["number"], SECOND);
    }

    /// The connection drops, and the callback arrives when the call is over and perhaps settled.
    async fn an_addition_told_of_late_is_kept(line: TestLine) {
        let [first, second] = [b"first", b"secnd"].map(|word| wav(word));
        let receipt = leave(line, &first).await;
        let faults = Faults { drop_action: true, callbacks: Callbacks::AfterCall, ..Faults::default() };
        let mut caller = Caller::dial_from(line, SECOND, NUMBER, faults).await;
        caller.press("4").await;
        caller.press(&receipt).await;
        caller.press("1").await;
        caller.says(&second).await;
        assert!(caller.is_over());
        let report = one_report(line, &[&first, &second]).await;
        assert_eq!(of_kind(&report, "caller")[1]["number"], SECOND);
    }

    async fn two_who_add_at_once_are_told_apart(line: TestLine) {
        let [first, second, third] = [b"first", b"secnd", b"third"].map(|word| wav(word));
        let receipt = leave(line, &first).await;
        let (mut one, _) = call_back(line, FIRST, &receipt).await;
        let (mut other, _) = call_back(line, SECOND, &receipt).await;
        other.press("1").await;
        one.press("1").await;
        other.says(&third).await;
        one.says(&second).await;
        one.press("1").await;
        other.press("1").await;
        one_report(line, &[&first, &second, &third]).await;
    }

    async fn an_addition_reopens_a_closed_report(line: TestLine) {
        let [first, second] = [b"first", b"secnd"].map(|word| wav(word));
        let receipt = leave(line, &first).await;
        let lead = line.lead().await;
        let report = lead.only_report().await;
        let path = |step: &str| format!("/reports/{}/{step}", report["id"].as_str().unwrap());
        lead.act(&path("claim")).await.ok();
        let (mut caller, words) = call_back(line, FIRST, &receipt).await;
        assert!(words.starts_with("您反映的问题正在办理。"), "{words}");
        caller.hang_up().await;
        lead.post(&path("close"), json!({ "outcome": "handled" })).await.ok();
        let (mut caller, words) = call_back(line, FIRST, &receipt).await;
        assert!(words.starts_with("您反映的问题已经办结。"), "{words}");
        assert_eq!(lead.only_report().await["status"], "closed", "asking changes nothing");
        caller.press("1").await;
        caller.says(&second).await;
        caller.press("1").await;
        line.idle().await;
        let report = lead.only_report().await;
        assert_eq!((&report["status"], &report["assignee"]), (&json!("queued"), &Value::Null));
        is_heard(&lead, &report, &[&first, &second]).await;
        is_whole(line).await;
        let mut tx = line.db().begin_read().await.unwrap();
        let id = report["id"].as_str().unwrap().parse().unwrap();
        let links = audit::of_report(&mut tx, LINES[0], id).await.unwrap();
        let reopened: Vec<_> = links.iter().filter(|link| link.action == Action::Reopen).collect();
        assert_eq!(reopened.len(), 1);
        assert_eq!(reopened[0].actor, None, "nobody did: the service does");
        drop(tx);
        // A caller who only asked leaves a call without a message, which says how far the caller got.
        let calls = lead.get("/abandoned").await.ok()["calls"].clone();
        assert_eq!(calls.as_array().unwrap().len(), 1, "{calls}");
        assert_eq!(of_kind(&calls[0], "call")[0]["reached"], "called_back");
    }

    async fn a_claimed_report_stays_whose_it_is(line: TestLine) {
        let [first, second] = [b"first", b"secnd"].map(|word| wav(word));
        let receipt = leave(line, &first).await;
        let lead = line.lead().await;
        let report = lead.only_report().await;
        lead.act(&format!("/reports/{}/claim", report["id"].as_str().unwrap())).await.ok();
        let (mut caller, _) = call_back(line, FIRST, &receipt).await;
        caller.press("1").await;
        caller.says(&second).await;
        caller.press("1").await;
        let report = one_report(line, &[&first, &second]).await;
        assert_eq!((&report["status"], &report["assignee"]), (&json!("claimed"), &json!("wang")));
    }

    async fn three_wrong_receipts_end_it_and_a_report_can_be_left(line: TestLine) {
        let [first, second] = [b"first", b"secnd"].map(|word| wav(word));
        let receipt = leave(line, &first).await;
        let mut mistyped = receipt.clone().into_bytes();
        mistyped[4] = if mistyped[4] == b'9' { b'0' } else { mistyped[4] + 1 };
        let mistyped = String::from_utf8(mistyped).unwrap();
        let (mut caller, words) = call_back(line, SECOND, &mistyped).await;
        assert!(words.starts_with(MISTYPED), "{words}");
        let words = caller.press("12345#").await;
        assert!(words.starts_with(MISTYPED), "{words}");
        let words = caller.press(NOBODYS).await;
        assert!(words.starts_with("未能查到您反映的问题") && words.contains("1 2 3 8 8"), "{words}");
        let words = caller.press("4").await;
        assert!(words.starts_with("按键无效"), "{words}");
        caller.keep_silent().await;
        assert!(caller.may_speak().is_some());
        caller.says(&second).await;
        let words = caller.press("1").await;
        assert!(spoken::receipt(&words).is_some(), "{words}");
        line.idle().await;
        assert_eq!(line.lead().await.reports().await.len(), 2, "a report of its own");
        is_whole(line).await;
    }

    async fn a_hash_behind_the_last_digit_does_no_harm(line: TestLine) {
        let first = wav(b"first");
        let receipt = leave(line, &first).await;
        let (mut caller, words) = call_back(line, FIRST, &format!("{receipt}#")).await;
        assert!(words.ends_with(&format!("{QUEUED}补充内容请按1，再听一遍请按2。")), "{words}");
        caller.press("1").await;
        assert!(caller.may_speak().is_some());
        caller.hang_up().await;
        line.idle().await;
        let calls = line.lead().await.get("/abandoned").await.ok()["calls"].clone();
        assert_eq!(calls.as_array().unwrap().len(), 1, "nothing was added");
        let report = line.lead().await.only_report().await;
        assert_eq!(of_kind(&report, "caller").len(), 1, "and nobody is named in the report for it");
    }

    /// The second call's receipt is set on the first report too, before the second call is settled.
    async fn a_receipt_that_two_callers_were_told_opens_neither_report(line: TestLine) {
        let [first, second, third] = [b"first", b"secnd", b"third"].map(|word| wav(word));
        leave(line, &first).await;
        let faults = Faults { drop_status: true, ..Faults::default() };
        let mut caller = Caller::dial_from(line, SECOND, NUMBER, faults).await;
        caller.press("1").await;
        caller.says(&second).await;
        let receipt = spoken::receipt(&caller.press("1").await).unwrap();
        let service = line.service();
        let key = service.secret.derive(receipts::LABEL);
        let derived = service.receipts.derive(Receipt::parse(&receipt).unwrap(), LINES[0].into(), key).await.unwrap();
        // As if the first caller had been told the same.
        let first_report = line.lead().await.reports().await[0]["id"].as_str().unwrap().parse().unwrap();
        let mut tx = line.db().begin_read().await.unwrap();
        let recipient = reports::receipts(&mut tx, first_report).await.unwrap().remove(0);
        drop(tx);
        run(line.db(), "DELETE FROM receipts", &[]).await;
        let mut tx = line.db().begin().await.unwrap();
        let other = reports::insert_receipt(&mut tx, &derived.lookup, LINES[0], first_report, &recipient).await.unwrap();
        assert_eq!(other, None);
        tx.commit().await.unwrap();
        queue::make_due(line.db(), "watch").await;
        service.wake.notify_one();
        line.until_settled().await;
        assert_eq!(line.counter("receipts_shared").await, 1);

        let lead = line.lead().await;
        let reports = lead.reports().await;
        assert_eq!(reports.len(), 2);
        for report in &reports {
            let id: Uuid = report["id"].as_str().unwrap().parse().unwrap();
            let refused = lead.post(&format!("/reports/{id}/reply"), json!({ "text": "已经办结。" })).await;
            assert_eq!(refused.status, StatusCode::CONFLICT, "a reply would be sealed to two callers");
            let mut tx = line.db().begin_read().await.unwrap();
            let links = audit::links(&mut tx, LINES[0], 0).await.unwrap();
            drop(tx);
            let shared = links.iter().filter(|link| link.action == Action::ReceiptShared && link.report == Some(id));
            assert_eq!(shared.count(), 1);
        }
        let page = Desk::sign_in(&line.url, LEAD.0, LEAD.1).await.get("/console/").await.ok();
        assert!(page.contains("有1个回执号重号，已停用"), "the lead is told");

        // A caller who types it leaves a report instead, with a valid receipt.
        let (mut caller, words) = call_back(line, FIRST, &receipt).await;
        assert!(words.starts_with("这个回执号已停用"), "{words}");
        assert!(caller.may_speak().is_some());
        caller.says(&third).await;
        let new = spoken::receipt(&caller.press("1").await).unwrap();
        line.idle().await;
        assert!(asks(line, FIRST, &new).await.starts_with(QUEUED));
        assert_eq!(lead.reports().await.len(), 3);
        is_whole(line).await;
    }

    async fn another_lines_receipt_is_unknown(line: TestLine = two_lines) {
        let first = wav(b"first");
        let receipt = leave_at(line, OTHER_NUMBER, &first).await;
        let (mut caller, words) = call_back(line, FIRST, &receipt).await;
        assert!(words.starts_with(UNKNOWN), "{words}");
        caller.hang_up().await;
        let mut caller = Caller::dial_from(line, FIRST, OTHER_NUMBER, Faults::default()).await;
        caller.press("4").await;
        let words = caller.press(&receipt).await;
        assert!(words.starts_with(QUEUED), "{words}");
        caller.hang_up().await;
    }

    async fn whoever_tries_too_often_is_told_to_wait_and_nothing_else(line: TestLine) {
        let first = wav(b"first");
        let receipt = leave(line, &first).await;
        for _ in 0..3 {
            let (mut caller, words) = call_back(line, SECOND, NOBODYS).await;
            assert!(words.starts_with(UNKNOWN), "{words}");
            caller.press(NOBODYS).await;
            caller.hang_up().await;
        }
        for tried in [&receipt, NOBODYS] {
            let (mut caller, words) = call_back(line, SECOND, tried).await;
            assert!(words.starts_with("查询次数过多，请1分钟后再试。"), "{words}");
            caller.hang_up().await;
        }
        // A caller from another number is not blocked.
        let (mut caller, words) = call_back(line, FIRST, &receipt).await;
        assert!(words.starts_with(QUEUED), "{words}");
        caller.hang_up().await;
    }
}
