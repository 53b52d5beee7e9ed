//! Calling back with the receipt: where the report stands, adding to it. The provider sends every webhook twice.

use crate::support::console::Desk;
use crate::support::queue;
use crate::support::sql::change;
use crate::support::{Api, Database, LEAD, LINES, NUMBER, OPEN, OTHER_NUMBER, PATIENT, TestLine};
use crate::support::{on_both, two_lines, wav};
use bytes::Bytes;
use dutyline::login::Role;
use dutyline::report::receipt::Receipt;
use dutyline::service::Patience;
use dutyline::simulator::call::{Heard, WaitingFor};
use dutyline::simulator::exchange::{PhoneView, SpeechEnd};
use dutyline::simulator::faults::{Callbacks, Faults};
use dutyline::simulator::spoken;
use dutyline::store::reports::{self, EntryRow};
use dutyline::store::{audit, members};
use dutyline::trail;
use dutyline::vault::entry::{Address, Entry, EntryKind, seal_entry_to};
use dutyline::vault::receipts;
use dutyline::vault::seal::Recipient;
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

/// Who leaves a report, and who calls back about it.
const FIRST: &str = "+8613800138000";
const SECOND: &str = "+8613900139000";

/// Somebody on the telephone, for whom every webhook comes twice.
struct Caller<'a> {
    line: &'a TestLine,
    view: PhoneView,
}

impl<'a> Caller<'a> {
    async fn dial(line: &'a TestLine, from: &str) -> Self {
        Self::dial_with(line, from, NUMBER, Faults::default()).await
    }

    async fn dial_with(line: &'a TestLine, from: &str, to: &str, faults: Faults) -> Self {
        line.exchange.set_faults(Faults {
            twice: true,
            ..faults
        });
        let view = line.exchange.dial(from, to).await.unwrap();
        Self { line, view }
    }

    async fn press(&mut self, keys: &str) -> String {
        self.view = self.line.exchange.press(&self.view.id, keys).await.unwrap();
        self.words()
    }

    async fn say(&mut self, said: &Bytes) -> String {
        let (exchange, end) = (&self.line.exchange, Some(SpeechEnd::Key));
        self.view = exchange
            .speak(&self.view.id, said.clone(), end)
            .await
            .unwrap();
        self.words()
    }

    async fn keep_silent(&mut self) -> String {
        self.view = self.line.exchange.keep_silent(&self.view.id).await.unwrap();
        self.words()
    }

    async fn hang_up(&mut self) {
        self.view = self.line.exchange.hang_up(&self.view.id).await.unwrap();
    }

    fn words(&self) -> String {
        let said = self.view.heard.iter().filter_map(|heard| match heard {
            Heard::Say { say, .. } => Some(say.as_str()),
            _ => None,
        });
        said.collect()
    }

    fn is_over(&self) -> bool {
        self.view.waiting == WaitingFor::Nothing
    }

    fn may_speak(&self) -> bool {
        matches!(self.view.waiting, WaitingFor::Speech { .. })
    }
}

/// Somebody leaves a report on `to`. Gives the receipt, which works once the call is settled.
async fn leave_at(line: &TestLine, to: &str, said: &Bytes) -> String {
    let mut caller = Caller::dial_with(line, FIRST, to, Faults::default()).await;
    caller.press("1").await;
    caller.say(said).await;
    let words = caller.press("1").await;
    line.idle().await;
    spoken::receipt(&words).expect("a receipt")
}

async fn leave(line: &TestLine, said: &Bytes) -> String {
    leave_at(line, NUMBER, said).await
}

/// Somebody calls back with a receipt. Gives what they are told.
async fn call_back<'a>(line: &'a TestLine, from: &str, receipt: &str) -> (Caller<'a>, String) {
    let mut caller = Caller::dial(line, from).await;
    caller.press("4").await;
    let words = caller.press(receipt).await;
    (caller, words)
}

/// Calls back, hears what there is, and hangs up.
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

/// Is this what can be heard in a report, in order of speaking, all of it sealed and gone at the provider?
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

/// One report with these recordings, nothing abandoned, and the trail whole.
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
    let recordings = &line.service().recordings;
    for line_id in &line.service().config.lines {
        let proof = trail::verify(line.db(), recordings, &line_id.line.id, None).await;
        assert_eq!(proof.unwrap().wrong, [""; 0]);
    }
}

const QUEUED: &str = "您反映的问题已经登记，正在等待办理。";
const MENU: &str = "补充内容请按1，再听一遍请按2。";
const REPLY: &str = "您反映的情况已转有关部门，请补充具体时间。";
const MISTYPED: &str = "您输入的回执号有误。";
const UNKNOWN: &str = "没有查到这个回执号。";
/// A receipt nobody was given.
const NOBODYS: &str = "000000000000";

/// What there was no time for was not wrong, however often.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_nobody_had_time_for_is_asked_for_again() {
    let hurried = Patience {
        receipt: Duration::ZERO,
        ..PATIENT
    };
    let line = TestLine::with_patience(hurried, Database::sqlite(), OPEN, |toml| toml).await;
    let receipt = leave(&line, &wav(b"first")).await;
    let mut caller = Caller::dial(&line, SECOND).await;
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
        assert!(caller.may_speak());
        caller.say(&second).await;
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

        // The old receipt goes on working, for whoever has it, number or not.
        let (mut caller, words) = call_back(line, "anonymous", &receipt).await;
        assert!(words.starts_with(QUEUED), "{words}");
        caller.press("1").await;
        caller.say(&third).await;
        caller.press("1").await;
        let report = one_report(line, &[&first, &second, &third]).await;
        assert_eq!(of_kind(&report, "caller")[2], json!({ "number": null, "withheld": true }));
    }

    async fn hanging_up_in_an_addition_keeps_what_was_said(line: TestLine) {
        let [first, second, third] = [b"first", b"secnd", b"third"].map(|word| wav(word));
        let receipt = leave(line, &first).await;
        let (mut caller, _) = call_back(line, SECOND, &receipt).await;
        caller.press("1").await;
        caller.say(&second).await;
        caller.press("4").await;
        let exchange = &line.exchange;
        exchange.speak(&caller.view.id, third.clone(), None).await.unwrap();
        caller.hang_up().await;
        let report = one_report(line, &[&first, &second, &third]).await;
        assert_eq!(of_kind(&report, "caller").len(), 2, "who called, once a call");
        assert_eq!(of_kind(&report, "call")[1]["reached"], "recording");
    }

    /// Said again in an addition: only that is replaced, and it stands last.
    async fn saying_an_addition_again(line: TestLine) {
        let [first, second, third] = [b"first", b"secnd", b"third"].map(|word| wav(word));
        let receipt = leave(line, &first).await;
        let (mut caller, _) = call_back(line, FIRST, &receipt).await;
        caller.press("1").await;
        caller.say(&second).await;
        caller.press("3").await;
        caller.say(&third).await;
        caller.press("1").await;
        let report = one_report(line, &[&first, &third, &second]).await;
        let replaced: Vec<_> = report["recordings"].as_array().unwrap().iter().map(|own| own["replaced"].clone()).collect();
        assert_eq!(replaced, [false, false, true]);
    }

    async fn lost_callbacks_and_actions_lose_no_addition(line: TestLine) {
        let [first, second] = [b"first", b"secnd"].map(|word| wav(word));
        let receipt = leave(line, &first).await;
        let faults = Faults { drop_action: true, callbacks: Callbacks::Never, ..Faults::default() };
        let mut caller = Caller::dial_with(line, SECOND, NUMBER, faults).await;
        caller.press("4").await;
        caller.press(&receipt).await;
        caller.press("1").await;
        caller.say(&second).await;
        assert!(caller.is_over());
        let report = one_report(line, &[&first, &second]).await;
        assert_eq!(of_kind(&report, "caller")[1]["number"], SECOND);
    }

    /// The line drops, and the callback comes when the call is over and perhaps settled.
    async fn an_addition_told_of_late_is_kept(line: TestLine) {
        let [first, second] = [b"first", b"secnd"].map(|word| wav(word));
        let receipt = leave(line, &first).await;
        let faults = Faults { drop_action: true, callbacks: Callbacks::AfterCall, ..Faults::default() };
        let mut caller = Caller::dial_with(line, SECOND, NUMBER, faults).await;
        caller.press("4").await;
        caller.press(&receipt).await;
        caller.press("1").await;
        caller.say(&second).await;
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
        other.say(&third).await;
        one.say(&second).await;
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
        caller.say(&second).await;
        caller.press("1").await;
        line.idle().await;
        let report = lead.only_report().await;
        assert_eq!((&report["status"], &report["assignee"]), (&json!("queued"), &Value::Null));
        is_heard(&lead, &report, &[&first, &second]).await;
        is_whole(line).await;
        let mut tx = line.db().read().await.unwrap();
        let id = report["id"].as_str().unwrap().parse().unwrap();
        let links = audit::of_report(&mut tx, LINES[0], id).await.unwrap();
        let reopened: Vec<_> = links.iter().filter(|link| link.action == "reopen").collect();
        assert_eq!(reopened.len(), 1);
        assert_eq!(reopened[0].actor, None, "nobody did: the service does");
        drop(tx);
        // Who only asked is a call without a message; it says how far they got.
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
        caller.say(&second).await;
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
        assert!(caller.may_speak());
        caller.say(&second).await;
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
        assert!(caller.may_speak());
        caller.hang_up().await;
        line.idle().await;
        let calls = line.lead().await.get("/abandoned").await.ok()["calls"].clone();
        assert_eq!(calls.as_array().unwrap().len(), 1, "nothing was added");
        let report = line.lead().await.only_report().await;
        assert_eq!(of_kind(&report, "caller").len(), 1, "and nobody is named in the report for it");
    }

    /// The second caller's receipt is made the first one's before the second call is settled.
    async fn a_receipt_that_two_callers_were_told_opens_neither_report(line: TestLine) {
        let [first, second, third] = [b"first", b"secnd", b"third"].map(|word| wav(word));
        leave(line, &first).await;
        let faults = Faults { drop_status: true, ..Faults::default() };
        let mut caller = Caller::dial_with(line, SECOND, NUMBER, faults).await;
        caller.press("1").await;
        caller.say(&second).await;
        let receipt = spoken::receipt(&caller.press("1").await).unwrap();
        let service = line.service();
        let key = service.secret.derive(receipts::LABEL);
        let derived = service.receipts.derive(Receipt::parse(&receipt).unwrap(), LINES[0].into(), key).await.unwrap();
        change(line.db(), "UPDATE receipts SET lookup = $1", &[derived.lookup[..].into()]).await;
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
            let mut tx = line.db().read().await.unwrap();
            let links = audit::links(&mut tx, LINES[0], 0).await.unwrap();
            drop(tx);
            let shared = links.iter().filter(|link| link.action == "receipt_shared" && link.report == Some(id));
            assert_eq!(shared.count(), 1);
        }
        let page = Desk::sign_in(&line.url, LEAD.0, LEAD.1).await.get("/console/").await.ok();
        assert!(page.contains("有1个回执号重号，已停用"), "the lead is told");

        // Who types it leaves a report instead, with a receipt that works.
        let (mut caller, words) = call_back(line, FIRST, &receipt).await;
        assert!(words.starts_with("这个回执号已停用"), "{words}");
        assert!(caller.may_speak());
        caller.say(&third).await;
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
        let mut caller = Caller::dial_with(line, FIRST, OTHER_NUMBER, Faults::default()).await;
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
        // Whoever calls from elsewhere is not kept from it.
        let (mut caller, words) = call_back(line, FIRST, &receipt).await;
        assert!(words.starts_with(QUEUED), "{words}");
        caller.hang_up().await;
    }

    async fn a_reply_is_heard_once_another_has_approved_it(line: TestLine) {
        let receipt = leave(line, &wav(b"first")).await;
        let lead = line.lead().await;
        let li = line.member("li", Role::Inspector, &LINES[..1]).await;
        let report = lead.only_report().await;
        let at = |path: &str| format!("/reports/{}/{path}", report["id"].as_str().unwrap());
        let first = lead.post(&at("reply"), json!({ "text": REPLY })).await.ok();
        let approve = |entry: &Value| at(&format!("replies/{}/approve", entry["id"].as_str().unwrap()));
        let shown = || async { lead.only_report().await["replies"].clone() };
        assert_eq!(shown().await, json!([{ "entry": first["id"], "approved_by": null }]));
        let silent = format!("{QUEUED}{MENU}");
        assert_eq!(asks(line, "+8613700000001", &receipt).await, silent, "nobody else has seen it");

        let answer = lead.act(&approve(&first)).await;
        assert_eq!(answer.status, StatusCode::CONFLICT);
        assert!(answer.json()["detail"].as_str().unwrap().contains("You wrote this reply"));
        assert_eq!(li.act(&approve(&first)).await.status, StatusCode::NO_CONTENT);
        assert_eq!(li.act(&approve(&first)).await.status, StatusCode::NO_CONTENT, "once more");
        assert_eq!(shown().await, json!([{ "entry": first["id"], "approved_by": "li" }]));
        let heard = format!("{QUEUED}给您的答复如下。{REPLY}{MENU}");
        assert_eq!(asks(line, "+8613700000002", &receipt).await, heard);

        // In the line's first language, whatever is spoken.
        let mut caller = Caller::dial(line, "+8613700000003").await;
        caller.press("94").await;
        let words = caller.press(&receipt).await;
        assert!(words.starts_with("Your report is registered"), "{words}");
        let spoken_in = |text: &str| caller.view.heard.iter().find_map(|heard| match heard {
            Heard::Say { say, language } if say == text => Some(language.clone()),
            _ => None,
        });
        assert_eq!(spoken_in(REPLY).as_deref(), Some("cmn-CN"));
        caller.hang_up().await;

        // The next one is spoken in its place once it is approved, and not before.
        let second = li.post(&at("reply"), json!({ "text": "已经办结。" })).await.ok();
        assert_eq!(asks(line, "+8613700000004", &receipt).await, heard);
        assert_eq!(li.act(&approve(&second)).await.status, StatusCode::CONFLICT);
        assert_eq!(lead.act(&approve(&second)).await.status, StatusCode::NO_CONTENT);
        let heard = format!("{QUEUED}给您的答复如下。已经办结。{MENU}");
        assert_eq!(asks(line, "+8613700000005", &receipt).await, heard);
        is_whole(line).await;
        let mut tx = line.db().read().await.unwrap();
        let id = report["id"].as_str().unwrap().parse().unwrap();
        let links = audit::of_report(&mut tx, LINES[0], id).await.unwrap();
        let approved = links.iter().filter(|link| link.action == "reply_approved");
        assert_eq!(approved.map(|link| link.actor.as_deref()).collect::<Vec<_>>(), [Some("li"), Some("wang")]);
    }

    async fn who_has_no_receipt_is_not_replied_to(line: TestLine) {
        let mut caller = Caller::dial(line, FIRST).await;
        caller.press("1").await;
        caller.say(&wav(b"first")).await;
        caller.hang_up().await;
        line.idle().await;
        let lead = line.lead().await;
        let report = lead.only_report().await;
        let at = |path: &str| format!("/reports/{}/{path}", report["id"].as_str().unwrap());
        let answer = lead.post(&at("reply"), json!({ "text": REPLY })).await;
        assert_eq!(answer.status, StatusCode::CONFLICT);
        assert_eq!(answer.json()["detail"], "The caller has no receipt, so nobody could hear a reply.");
        for text in ["", " \n", &"字".repeat(501)] {
            let answer = lead.post(&at("reply"), json!({ "text": text })).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        }
        let entry = report["entries"][0]["id"].as_str().unwrap();
        let answer = lead.act(&at(&format!("replies/{entry}/approve"))).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "that is no reply");
        assert_eq!(lead.only_report().await["replies"], json!([]));
    }

    async fn a_reply_in_the_console(line: TestLine) {
        let receipt = leave(line, &wav(b"first")).await;
        line.make_member("li", Role::Inspector, "a long password", &LINES[..1]).await;
        let report = line.lead().await.only_report().await;
        let page = format!("/console/reports/{}", report["id"].as_str().unwrap());
        let lead = Desk::sign_in(&line.url, LEAD.0, LEAD.1).await;
        let long = "字".repeat(501);
        let answer = lead.post(&format!("{page}/reply"), &[("text", &long)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.text().contains("答复超过500字。") && answer.text().contains(&long));
        let answer = lead.post(&format!("{page}/reply"), &[("text", REPLY)]).await;
        assert_eq!(answer.location(), page);
        let shown = lead.get(&page).await.ok();
        assert!(shown.contains(REPLY) && shown.contains("尚未核对，不会播报。"), "{shown}");
        assert!(!shown.contains("已核对，可以播报"), "not for whoever wrote it");
        let entry = line.lead().await.only_report().await["replies"][0]["entry"].clone();
        let approve = format!("{page}/replies/{}/approve", entry.as_str().unwrap());
        assert_eq!(lead.post(&approve, &[]).await.status, StatusCode::CONFLICT);
        let li = Desk::sign_in(&line.url, "li", "a long password").await;
        let shown = li.get(&page).await.ok();
        assert!(shown.contains(&approve) && shown.contains("已核对，可以播报"), "{shown}");
        assert_eq!(li.post(&approve, &[]).await.location(), page);
        let shown = lead.get(&page).await.ok();
        assert!(shown.contains("li已核对，可以播报。") && !shown.contains(&approve), "{shown}");
        assert!(lead.get(&format!("{page}/trail")).await.ok().contains("核对答复"));
        assert!(asks(line, SECOND, &receipt).await.contains(REPLY));
    }

    /// A lead who makes a second account for themselves has not found a second person.
    async fn an_approval_between_a_member_and_who_added_them_waits_for_a_third(line: TestLine) {
        let receipt = leave(line, &wav(b"first")).await;
        line.make_member("zhao", Role::Inspector, "zhao's password", &LINES[..1]).await;
        let lead = line.desk().await.speaking("en");
        let form = [("name", "li"), ("password", "li's password"), ("role", "lead"), ("line", LINES[0]), ("own_password", LEAD.1)];
        assert_eq!(lead.post("/console/members", &form).await.status, StatusCode::SEE_OTHER);
        let li = Desk::sign_in(&line.url, "li", "li's password").await.speaking("en");
        let report = line.lead().await.only_report().await;
        let page = format!("/console/reports/{}", report["id"].as_str().unwrap());
        let silent = format!("{QUEUED}{MENU}");
        let heard = format!("{QUEUED}给您的答复如下。{REPLY}{MENU}");
        let number = |n: u32| format!("+861370000{n:04}");
        lead.post(&format!("{page}/reply"), &[("text", REPLY)]).await;
        let entry = line.lead().await.only_report().await["replies"][0]["entry"].clone();
        let approve = format!("{page}/replies/{}/approve", entry.as_str().unwrap());
        assert_eq!(li.post(&approve, &[]).await.location(), page);
        assert_eq!(asks(line, &number(1), &receipt).await, silent, "it does not count yet");
        let shown = lead.get(&page).await.ok();
        assert!(shown.contains("It is not spoken yet: a member of another origin has to confirm the account li"), "{shown}");
        let replies = line.lead().await.only_report().await["replies"].clone();
        assert_eq!(replies, json!([{ "entry": entry, "approved_by": "li", "unconfirmed": "li" }]));

        // Neither of the two confirms; with three members on the line nobody waives it either.
        let mut tx = line.db().read().await.unwrap();
        let id = members::by_name(&mut tx, "li").await.unwrap().unwrap().id;
        drop(tx);
        let confirm = format!("/console/members/{id}/confirm");
        for desk in [&lead, &li] {
            assert_eq!(desk.post(&confirm, &[]).await.status, StatusCode::CONFLICT);
        }
        let waive = [("line", LINES[0]), ("waive", "1"), ("own_password", LEAD.1)];
        assert_eq!(lead.post("/console/members/waiver", &waive).await.status, StatusCode::CONFLICT);
        assert_eq!(asks(line, &number(2), &receipt).await, silent);

        // A third does with one click, on a page that inspectors see too.
        let zhao = Desk::sign_in(&line.url, "zhao", "zhao's password").await.speaking("en");
        assert!(zhao.get("/console/members").await.ok().contains(&confirm));
        assert_eq!(zhao.post(&confirm, &[]).await.status, StatusCode::SEE_OTHER);
        assert_eq!(asks(line, &number(3), &receipt).await, heard);
        assert!(lead.get(&page).await.ok().contains("Checked by li; it is spoken."));
        let mut tx = line.db().read().await.unwrap();
        let links = audit::links(&mut tx, LINES[0], 0).await.unwrap();
        let by = |action: &str| links.iter().rfind(|link| link.action == action).map(|link| (link.actor.clone().unwrap(), link.object));
        assert_eq!(by("member_added"), Some((LEAD.0.into(), Some(id))));
        assert_eq!(by("member_confirmed"), Some(("zhao".into(), Some(id))));
        drop(tx);
        is_whole(line).await;
    }

    async fn on_a_line_of_two_the_lead_may_do_without_a_third(line: TestLine) {
        let receipt = leave(line, &wav(b"first")).await;
        let lead = line.desk().await.speaking("en");
        let form = [("name", "li"), ("password", "li's password"), ("role", "inspector"), ("line", LINES[0]), ("own_password", LEAD.1)];
        assert_eq!(lead.post("/console/members", &form).await.status, StatusCode::SEE_OTHER);
        let li = Desk::sign_in(&line.url, "li", "li's password").await.speaking("en");
        let report = line.lead().await.only_report().await;
        let page = format!("/console/reports/{}", report["id"].as_str().unwrap());
        li.post(&format!("{page}/reply"), &[("text", REPLY)]).await;
        let entry = line.lead().await.only_report().await["replies"][0]["entry"].clone();
        lead.post(&format!("{page}/replies/{}/approve", entry.as_str().unwrap()), &[]).await;
        let number = |n: u32| format!("+861370000{n:04}");
        let (silent, heard) = (format!("{QUEUED}{MENU}"), format!("{QUEUED}给您的答复如下。{REPLY}{MENU}"));
        assert_eq!(asks(line, &number(1), &receipt).await, silent);
        let waive = |value| [("line", LINES[0]), ("waive", value), ("own_password", LEAD.1)];
        assert_eq!(li.post("/console/members/waiver", &waive("1")).await.status, StatusCode::FORBIDDEN);
        assert_eq!(lead.post("/console/members/waiver", &waive("1")).await.status, StatusCode::SEE_OTHER);
        assert_eq!(asks(line, &number(2), &receipt).await, heard);
        for desk in [&lead, &li] {
            let told = "wang decided that approvals here count without a third member";
            assert!(desk.get("/console/").await.ok().contains(told));
        }
        assert_eq!(lead.post("/console/members/waiver", &waive("0")).await.status, StatusCode::SEE_OTHER);
        assert_eq!(asks(line, &number(3), &receipt).await, silent);
        // It ends by itself once there are three.
        assert_eq!(lead.post("/console/members/waiver", &waive("1")).await.status, StatusCode::SEE_OTHER);
        assert_eq!(asks(line, &number(4), &receipt).await, heard);
        line.make_member("zhao", Role::Inspector, "zhao's password", &LINES[..1]).await;
        assert_eq!(asks(line, &number(5), &receipt).await, silent);
        let mut tx = line.db().read().await.unwrap();
        let links = audit::links(&mut tx, LINES[0], 0).await.unwrap();
        let noted = links.iter().filter(|link| link.action.starts_with("confirmation_"));
        let noted: Vec<_> = noted.map(|link| link.action.as_str()).collect();
        assert_eq!(noted, ["confirmation_waived", "confirmation_required", "confirmation_waived", "confirmation_required"]);
    }

    /// Whoever can write to the database knows every public key: what they put in a reply's place is not spoken.
    async fn a_reply_that_was_swapped_is_not_spoken(line: TestLine) {
        let receipt = leave(line, &wav(b"first")).await;
        let lead = line.lead().await;
        let li = line.member("li", Role::Inspector, &LINES[..1]).await;
        let report = lead.only_report().await;
        let id: Uuid = report["id"].as_str().unwrap().parse().unwrap();
        let reply = async |text: &str, approved: bool| -> EntryRow {
            let body = json!({ "text": text });
            let entry = lead.post(&format!("/reports/{id}/reply"), body).await.ok();
            let entry: Uuid = entry["id"].as_str().unwrap().parse().unwrap();
            if approved {
                let answer = li.act(&format!("/reports/{id}/replies/{entry}/approve")).await;
                assert_eq!(answer.status, StatusCode::NO_CONTENT);
            }
            let mut tx = line.db().read().await.unwrap();
            let all = reports::entries(&mut tx, id).await.unwrap();
            all.into_iter().find(|row| row.id == entry).unwrap()
        };
        let older = reply("旧的答复。", true).await;
        let newer = reply(REPLY, true).await;
        let number = |n: u32| format!("+861370000{n:04}");
        let silent = format!("{QUEUED}{MENU}");
        let heard = format!("{QUEUED}给您的答复如下。{REPLY}{MENU}");
        assert_eq!(asks(line, &number(0), &receipt).await, heard);

        let mut tx = line.db().read().await.unwrap();
        let row = reports::get(&mut tx, id).await.unwrap().unwrap();
        let receipts = reports::receipts(&mut tx, id).await.unwrap();
        drop(tx);
        let to: Vec<Recipient> = [&row.recipient, &receipts[0]].iter().map(|own| own.parse().unwrap()).collect();
        let address = Address { line: LINES[0].into(), report: id, entry: newer.id, kind: EntryKind::Reply };
        let at = line.service().clock.line_now();
        let body = json!({ "text": "伪造的答复。" });
        let forged = Entry { address, at, by: Some("wang".into()), body };
        let forged = seal_entry_to(&forged, &to.iter().collect::<Vec<_>>()).bytes;
        const SET_SEALED: &str = "UPDATE entries SET sealed = $2 WHERE id = $1";
        for (n, sealed) in (1..).zip([&forged, &older.sealed]) {
            change(line.db(), SET_SEALED, &[newer.id.into(), sealed.into()]).await;
            assert_eq!(asks(line, &number(n), &receipt).await, silent);
            assert_ne!(lead.get(&format!("/reports/{id}")).await.status, StatusCode::OK);
            change(line.db(), SET_SEALED, &[newer.id.into(), (&newer.sealed).into()]).await;
        }
        assert_eq!(asks(line, &number(3), &receipt).await, heard);

        // One that nobody approved, marked as if somebody had.
        let third = reply("没有人核对过。", false).await;
        let marked = "UPDATE replies SET approved_by = (SELECT id FROM members WHERE name = 'li') WHERE entry = $1";
        change(line.db(), marked, &[third.id.into()]).await;
        assert_eq!(asks(line, &number(4), &receipt).await, silent);
        assert_ne!(lead.get(&format!("/reports/{id}")).await.status, StatusCode::OK);
        let recordings = &line.service().recordings;
        let wrong = trail::verify(line.db(), recordings, LINES[0], None).await.unwrap().wrong;
        assert_eq!(wrong, [format!("reply {} is marked as approved, and nobody approved it", third.id)]);
    }
}
