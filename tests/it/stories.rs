//! Callers' actions, and the resulting reports. The provider sends every webhook twice.

use crate::support::{Api, Caller, TestLine, on_both, speech};
use dutyline::simulator::SAMPLE;
use dutyline::simulator::call::Heard;
use dutyline::simulator::exchange::SpeechEnd;
use dutyline::simulator::faults::{Callbacks, Faults};
use serde_json::{Value, json};

/// Like `on_both!`, for a line at another time or with another configuration.
macro_rules! on_both_with {
    ($at:expr, $change:expr; async fn $name:ident($line:ident: TestLine) $body:block) => {
        mod $name {
            use super::*;

            async fn body($line: &TestLine) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                let database = crate::support::Database::sqlite();
                let line = TestLine::with(database, $at, $change).await;
                body(&line).await;
                line.finish().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                let database = crate::support::Database::postgres().await;
                let line = TestLine::with(database, $at, $change).await;
                body(&line).await;
                line.finish().await;
            }
        }
    };
}

/// Checks that the call ended with a receipt.
fn assert_receipt(caller: &Caller<'_>, words: &str, sentence: &str) {
    assert_eq!(words.matches(sentence).count(), 2, "{words}");
    assert!(caller.is_over());
}

/// Returns the body of the call's entry.
fn call_entry(report: &Value) -> &Value {
    let entries = report["entries"].as_array().unwrap();
    let mut found = entries.iter().filter(|entry| entry["kind"] == "call");
    let entry = found.next().expect("an entry about the call");
    assert!(found.next().is_none(), "one");
    &entry["body"]
}

/// Returns the only report, after checking how far the caller got, and for each recording its audio and whether it was
/// replaced by another take. All must be sealed and deleted at the provider.
async fn report(line: &TestLine, reached: &str, said: &[(u8, bool)]) -> (Api, Value) {
    line.idle().await;
    let lead = line.lead().await;
    let report = lead.only_report().await;
    assert_eq!(report["status"], "queued");
    assert_eq!(report["reference"], "2024-0001");
    assert_eq!(call_entry(&report)["reached"], reached, "{report}");
    let recordings = report["recordings"].as_array().unwrap();
    assert_eq!(recordings.len(), said.len(), "{recordings:?}");
    for (recording, (n, replaced)) in recordings.iter().zip(said) {
        assert_eq!(recording["state"], "sealed");
        assert_eq!(recording["deleted_at_provider"], true);
        assert_eq!(recording["replaced"], *replaced, "{recordings:?}");
        let number = recording["n"].as_u64().unwrap();
        assert_eq!(
            lead.recording(&report, number).await,
            speech(*n),
            "recording {number}"
        );
    }
    let listed = lead.get("/abandoned").await.ok();
    assert_eq!(
        listed["calls"],
        json!([]),
        "a report is not an abandoned call"
    );
    (lead, report)
}

/// Returns the only abandoned call, after checking that there is no report and how far the caller got.
async fn abandoned(line: &TestLine, reached: &str) -> Value {
    line.idle().await;
    let lead = line.lead().await;
    assert_eq!(lead.reports().await, Vec::<Value>::new());
    let listed = lead.get("/abandoned").await.ok();
    let calls = listed["calls"].as_array().unwrap();
    assert_eq!(calls.len(), 1, "{calls:?}");
    let call = call_entry(&calls[0]).clone();
    assert_eq!(call["reached"], reached);
    assert_eq!(call["takes"], json!([]));
    assert_eq!(calls[0]["entries"][0]["body"]["number"], "+8613800138000");
    call
}

const RECEIPT: &str = "您的回执号是：";

on_both! {
    async fn a_note(line: TestLine) {
        let mut caller = Caller::dial(line).await;
        caller.press("1").await;
        assert_eq!(caller.may_speak(), Some(240));
        caller.say(1, SpeechEnd::Key).await;
        let words = caller.press("1").await;
        assert_receipt(&caller, &words, RECEIPT);
        let (_, report) = report(line, "receipt", &[(1, false)]).await;
        let call = call_entry(&report);
        assert_eq!((&call["phase"], &call["language"]), (&json!("open"), &json!("zh-CN")));
        assert_eq!(call["receipt_spoken"], true);
    }

    async fn hanging_up_while_recording(line: TestLine) {
        let mut caller = Caller::dial(line).await;
        caller.press("1").await;
        caller.say_and_hang_up(2).await;
        report(line, "recording", &[(2, false)]).await;
    }

    async fn hanging_up_at_the_review(line: TestLine) {
        let mut caller = Caller::dial(line).await;
        caller.press("1").await;
        caller.say(3, SpeechEnd::Silence).await;
        caller.hang_up().await;
        let (_, report) = report(line, "recording", &[(3, false)]).await;
        assert_eq!(call_entry(&report)["receipt_spoken"], false);
    }

    async fn hanging_up_at_the_menu(line: TestLine) {
        Caller::dial(line).await.hang_up().await;
        abandoned(line, "greeting").await;
    }

    async fn silence_all_through(line: TestLine) {
        let mut caller = Caller::dial(line).await;
        caller.keep_silent().await;
        assert_eq!(caller.may_speak(), None);
        caller.keep_silent().await;
        assert_eq!(caller.may_speak(), Some(240), "whoever presses nothing may still speak");
        let words = caller.keep_silent().await;
        assert!(words.starts_with("没有听到您的声音。"), "{words}");
        assert_eq!(caller.may_speak(), Some(240));
        let words = caller.keep_silent().await;
        assert!(caller.is_over() && words.ends_with("再见。"), "{words}");
        abandoned(line, "guidance").await;
    }

    async fn somebody_who_presses_no_right_key_is_heard(line: TestLine) {
        let mut caller = Caller::dial(line).await;
        let words = caller.press("7").await;
        assert!(words.starts_with("按键无效"), "{words}");
        caller.press("*").await;
        assert_eq!(caller.may_speak(), Some(240));
        caller.say(4, SpeechEnd::Silence).await;
        caller.press("0").await;
        assert!(!caller.is_over());
        let words = caller.press("8").await;
        assert_receipt(&caller, &words, RECEIPT);
        report(line, "receipt", &[(4, false)]).await;
    }

    async fn listening_to_it_first(line: TestLine) {
        let mut caller = Caller::dial(line).await;
        caller.press("1").await;
        caller.say(5, SpeechEnd::Key).await;
        let words = caller.press("2").await;
        let played: Vec<_> = caller.view.heard.iter().filter(|heard| !matches!(heard, Heard::Say { .. })).collect();
        assert!(matches!(played[..], [Heard::Played { bytes, .. }] if *bytes == SAMPLE.len()), "{played:?}");
        assert!(words.starts_with("您的留言已经录好。"), "{words}");
        let words = caller.press("1").await;
        assert_receipt(&caller, &words, RECEIPT);
        report(line, "receipt", &[(5, false)]).await;
    }

    async fn saying_it_again(line: TestLine) {
        let mut caller = Caller::dial(line).await;
        caller.press("1").await;
        caller.say(6, SpeechEnd::Key).await;
        caller.press("3").await;
        caller.say(7, SpeechEnd::Key).await;
        let words = caller.press("1").await;
        assert_receipt(&caller, &words, RECEIPT);
        let (_, report) = report(line, "receipt", &[(7, false), (6, true)]).await;
        let numbers: Vec<_> = report["recordings"].as_array().unwrap().iter().map(|r| r["n"].as_u64().unwrap()).collect();
        assert_eq!(numbers, [2, 1], "numbered as they were spoken, the replaced one last");
    }

    async fn hanging_up_instead_of_saying_it_again(line: TestLine) {
        let mut caller = Caller::dial(line).await;
        caller.press("1").await;
        caller.say(8, SpeechEnd::Key).await;
        caller.press("3").await;
        caller.hang_up().await;
        report(line, "recording", &[(8, false)]).await;
    }

    async fn adding_to_it(line: TestLine) {
        let mut caller = Caller::dial(line).await;
        caller.press("1").await;
        caller.say(9, SpeechEnd::Key).await;
        caller.press("4").await;
        caller.say(10, SpeechEnd::Key).await;
        caller.press("4").await;
        caller.say_and_hang_up(11).await;
        report(line, "recording", &[(9, false), (10, false), (11, false)]).await;
    }

    async fn a_long_one_in_two_parts(line: TestLine) {
        let mut caller = Caller::dial(line).await;
        caller.press("1").await;
        let words = caller.say(12, SpeechEnd::Limit).await;
        assert!(words.contains("还可以说1分钟"), "{words}");
        assert_eq!(caller.may_speak(), Some(60));
        let words = caller.say(13, SpeechEnd::Limit).await;
        assert!(words.starts_with("录音时间已到。"), "{words}");
        let words = caller.press("1").await;
        assert_receipt(&caller, &words, RECEIPT);
        let (_, report) = report(line, "receipt", &[(12, false), (13, false)]).await;
        let takes = call_entry(&report)["takes"].as_array().unwrap();
        assert_eq!(takes.len(), 1, "one take of two recordings");
    }

    async fn in_english(line: TestLine) {
        let mut caller = Caller::dial(line).await;
        let words = caller.press("9").await;
        assert!(words.starts_with("This is the duty line of the Fifth Inspection Team"), "{words}");
        caller.press("1").await;
        caller.say(14, SpeechEnd::Key).await;
        let words = caller.press("1").await;
        assert_receipt(&caller, &words, "Your receipt is: ");
        let (_, report) = report(line, "receipt", &[(14, false)]).await;
        assert_eq!(call_entry(&report)["language"], "en");
    }

    async fn callbacks_before_the_action(line: TestLine) {
        note_with(line, Callbacks::BeforeAction).await;
    }

    async fn callbacks_after_the_call(line: TestLine) {
        note_with(line, Callbacks::AfterCall).await;
    }

    async fn callbacks_lost(line: TestLine) {
        note_with(line, Callbacks::Never).await;
    }

    /// The connection drops in the middle of a recording, which only its callback announces.
    async fn the_action_is_lost(line: TestLine) {
        let faults = Faults { drop_action: true, ..Faults::default() };
        let mut caller = Caller::dial_with(line, faults).await;
        caller.press("1").await;
        caller.say(17, SpeechEnd::Key).await;
        assert!(caller.is_over());
        assert_only_report(line, &[17]).await;
    }

    /// No webhook announces the recording: it is found at the provider.
    async fn the_action_and_the_callback_are_lost(line: TestLine) {
        let faults = Faults { drop_action: true, callbacks: Callbacks::Never, ..Faults::default() };
        let mut caller = Caller::dial_with(line, faults).await;
        caller.press("1").await;
        caller.say(18, SpeechEnd::Key).await;
        assert!(caller.is_over());
        assert_only_report(line, &[18]).await;
    }
}

/// Two takes, the second in place of the first, with callbacks at any time.
async fn note_with(line: &TestLine, callbacks: Callbacks) {
    let faults = Faults {
        callbacks,
        ..Faults::default()
    };
    let mut caller = Caller::dial_with(line, faults).await;
    caller.press("1").await;
    caller.say(15, SpeechEnd::Key).await;
    caller.press("3").await;
    caller.say(16, SpeechEnd::Key).await;
    let words = caller.press("1").await;
    assert_receipt(&caller, &words, RECEIPT);
    report(line, "receipt", &[(16, false), (15, true)]).await;
}

/// Checks that there is one report with these recordings, however far the caller got.
async fn assert_only_report(line: &TestLine, said: &[u8]) {
    line.idle().await;
    let lead = line.lead().await;
    let report = lead.only_report().await;
    assert_eq!(report["recordings"].as_array().unwrap().len(), said.len());
    for (i, n) in (1..).zip(said) {
        assert_eq!(lead.recording(&report, i).await, speech(*n));
    }
}

fn takes_reports_when_closed(toml: String) -> String {
    let changed = toml.replace(r#"after_hours = "message""#, r#"after_hours = "report""#);
    assert_ne!(changed, toml);
    changed
}

on_both_with! { "2024-03-06T12:30:00+08:00", takes_reports_when_closed;
    async fn a_note_at_noon_where_the_line_takes_them(line: TestLine) {
        let mut caller = Caller::dial(line).await;
        let words = caller.words();
        assert!(words.contains("现在是休息时间。") && words.contains("请按1"), "{words}");
        caller.keep_silent().await;
        caller.keep_silent().await;
        assert_eq!(caller.may_speak(), Some(240), "silence leads there too");
        caller.say(19, SpeechEnd::Key).await;
        let words = caller.press("1").await;
        assert_receipt(&caller, &words, RECEIPT);
        let (_, report) = report(line, "receipt", &[(19, false)]).await;
        assert_eq!(call_entry(&report)["phase"], "break");
    }
}

/// A closed line that accepts no report: `1` does nothing, `3` gives more information, silence ends the call. Nothing
/// is recorded.
async fn nobody_can_take_a_report(line: &TestLine, phase: &str, says: &str) {
    let mut caller = Caller::dial(line).await;
    let words = caller.words();
    assert!(words.contains(says) && !words.contains("请按1"), "{words}");
    let words = caller.press("1").await;
    assert!(
        words.starts_with("按键无效") && words.contains(says),
        "{words}"
    );
    let words = caller.press("3").await;
    assert!(words.contains("1 2 3 8 8"), "{words}");
    let words = caller.keep_silent().await;
    assert!(words.contains(says), "the message once more: {words}");
    let words = caller.keep_silent().await;
    assert!(caller.is_over() && words.ends_with("再见。"), "{words}");
    assert!(line.exchange.recordings_of(&caller.view.id).is_empty());
    assert_eq!(abandoned(line, "greeting").await["phase"], phase);
}

on_both_with! { "2024-04-04T09:00:00+08:00", |toml| toml;
    async fn on_a_holiday(line: TestLine) {
        nobody_can_take_a_report(line, "holiday", "4月7日星期日上午8点30分").await;
    }
}

on_both_with! { "2024-06-17T09:00:00+08:00", takes_reports_when_closed;
    async fn once_intake_is_over(line: TestLine) {
        nobody_can_take_a_report(line, "intake_closed", "已于6月14日星期五截止").await;
    }
}

on_both_with! { "2024-06-22T09:00:00+08:00", takes_reports_when_closed;
    async fn after_the_inspection(line: TestLine) {
        nobody_can_take_a_report(line, "ended", "本次巡察已经结束").await;
    }
}
