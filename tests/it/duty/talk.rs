//! Calls that an inspector accepts.

use super::*;
use crate::support::{on_both, speech};
use dutyline::simulator::exchange::SpeechEnd;
use dutyline::simulator::faults::{Callbacks, Faults};
use dutyline::simulator::spoken;

impl Caller<'_> {
    /// Presses 2, and checks that an inspector accepts the call.
    async fn is_connected(&mut self) -> String {
        let words = self.press("2").await;
        assert!(is_talking(self), "{:?}", self.view);
        words
    }
}

/// Writes a note into the only report, whose caller is on the line. Returns the report at that time.
async fn note_while_talking(line: &TestLine) -> Value {
    let lead = line.lead().await;
    let report = lead.only_report().await;
    assert_eq!(report["on_the_line"], true);
    let id = report["id"].as_str().unwrap();
    let note = json!({ "text": "来电人说食堂采购没有招标。" });
    lead.post(&format!("/reports/{id}/notes"), note).await.ok();
    report
}

/// Returns the report of a finished conversation, after checking that it has the note, is queued, and no caller is on
/// the line.
async fn talk_report(line: &TestLine, reached: &str) -> Value {
    line.idle().await;
    let lead = line.lead().await;
    let report = lead.only_report().await;
    assert_eq!(report["source"], "live");
    assert_eq!(
        (&report["status"], &report["reference"]),
        (&json!("queued"), &json!("2024-0001"))
    );
    assert_eq!(report["on_the_line"], false);
    assert_eq!(only(&report, "note")["text"], "来电人说食堂采购没有招标。");
    assert_eq!(only(&report, "call")["reached"], reached, "{report}");
    assert_eq!(only(&report, "caller")["number"], "+8613800138000");
    assert_eq!(lead.get("/abandoned").await.ok()["calls"], json!([]));
    assert_eq!(with_roster_now(line).await, json!(0));
    assert_discreet(line);
    report
}

on_both! {
    async fn taken_and_ended_by_the_inspector(line: TestLine = roster) {
        answers(line, FIRST, "1");
        let mut caller = Caller::dial(line).await;
        let words = caller.is_connected().await;
        assert_eq!(words, CONNECTING, "nothing is said of a recording, as there is none");
        assert_eq!(rung(line), [FIRST]);
        assert_eq!(with_roster_now(line).await, json!(1));
        let running = note_while_talking(line).await;
        assert_eq!((&running["source"], &running["status"]), (&json!("live"), &json!("queued")));
        let talk = only(&running, "talk");
        assert_eq!((&talk["on_duty"], &talk["recorded"]), (&json!("甲"), &json!(false)));

        // An unrecorded conversation leaves no audio.
        caller.say(1, SpeechEnd::Key).await;
        assert!(is_talking(&caller));
        caller.view = line.exchange.other_hangs_up(&caller.view.id).await.unwrap();
        let words = caller.words();
        assert_eq!(words.matches(RECEIPT).count(), 2, "{words}");
        assert!(caller.is_over());
        let report = talk_report(line, "receipt").await;
        assert_eq!(report["recordings"], json!([]));
        assert!(line.exchange.recordings_of(&caller.view.id).is_empty());

        // The receipt is valid like any other.
        let receipt = spoken::receipt(&words).expect("a receipt");
        let mut caller = Caller::dial(line).await;
        caller.press("4").await;
        let words = caller.press(&format!("{receipt}#")).await;
        assert!(words.contains("正在等待办理"), "{words}");
        caller.hang_up().await;
    }

    async fn taken_and_left_by_the_caller(line: TestLine = roster) {
        answers(line, FIRST, "1");
        let mut caller = Caller::dial(line).await;
        caller.is_connected().await;
        note_while_talking(line).await;
        caller.hang_up().await;
        let report = talk_report(line, "connected").await;
        assert_eq!(only(&report, "talk")["on_duty"], "甲");
        assert_eq!(only(&report, "call")["receipt_spoken"], false);
    }

    async fn a_talk_that_lasts_as_long_as_it_may_ends_with_the_receipt(line: TestLine = roster) {
        answers(line, FIRST, "1");
        let mut caller = Caller::dial(line).await;
        caller.is_connected().await;
        assert_eq!(caller.view.waiting, WaitingFor::Talking { max_seconds: 1800 });
        note_while_talking(line).await;
        let words = caller.keep_silent().await;
        assert_eq!(words.matches(RECEIPT).count(), 2, "{words}");
        talk_report(line, "receipt").await;
    }

    async fn the_second_one_takes_it(line: TestLine = roster) {
        answers(line, SECOND, "1");
        let mut caller = Caller::dial(line).await;
        caller.press("2").await;
        caller.keep_silent().await;
        assert!(is_talking(&caller), "{:?}", caller.view);
        assert_eq!(rung(line), [FIRST, SECOND]);
        let running = note_while_talking(line).await;
        assert_eq!(only(&running, "talk")["on_duty"], "乙");
        caller.hang_up().await;
        talk_report(line, "connected").await;
    }

    async fn after_a_wrong_key_or_a_voicemail_the_next_one_takes_it(line: TestLine = roster) {
        answers(line, SECOND, "1");
        for keys in ["3", ""] {
            answers(line, FIRST, keys);
            let mut caller = Caller::dial(line).await;
            caller.is_connected().await;
            caller.hang_up().await;
        }
        assert_eq!(rung(line), [FIRST, SECOND, FIRST, SECOND]);
        let lead = line.lead().await;
        let reports = lead.reports().await;
        assert_eq!(reports.len(), 2);
        for report in reports {
            let id = report["id"].as_str().unwrap();
            let report = lead.get(&format!("/reports/{id}")).await.ok();
            assert_eq!(only(&report, "talk")["on_duty"], "乙");
        }
        assert_discreet(line);
    }

    async fn a_recorded_talk_is_told_of_and_kept(line: TestLine = recorded) {
        answers(line, FIRST, "1");
        let mut caller = Caller::dial(line).await;
        let words = caller.is_connected().await;
        assert_eq!(words, format!("{CONNECTING}{RECORDED}"));
        let running = note_while_talking(line).await;
        assert_eq!(only(&running, "talk")["recorded"], true);
        caller.say(7, SpeechEnd::Key).await;
        caller.view = line.exchange.other_hangs_up(&caller.view.id).await.unwrap();
        assert_eq!(caller.words().matches(RECEIPT).count(), 2);
        has_the_recording(line, "receipt").await;
    }

    async fn a_recorded_talk_that_the_caller_leaves(line: TestLine = recorded) {
        answers(line, FIRST, "1");
        let mut caller = Caller::dial(line).await;
        caller.is_connected().await;
        note_while_talking(line).await;
        caller.say_and_hang_up(7).await;
        has_the_recording(line, "connected").await;
    }

    /// No webhook announces the recording: it is found at the provider, whichever side ends the conversation.
    async fn a_recording_nobody_tells_of(line: TestLine = recorded) {
        answers(line, FIRST, "1");
        let faults = Faults { callbacks: Callbacks::Never, ..Faults::default() };
        let mut caller = Caller::dial_with(line, faults).await;
        caller.is_connected().await;
        note_while_talking(line).await;
        caller.say(7, SpeechEnd::Key).await;
        caller.view = line.exchange.other_hangs_up(&caller.view.id).await.unwrap();
        has_the_recording(line, "receipt").await;
    }

    async fn a_recording_nobody_tells_of_when_the_caller_leaves(line: TestLine = recorded) {
        answers(line, FIRST, "1");
        let faults = Faults { callbacks: Callbacks::Never, ..Faults::default() };
        let mut caller = Caller::dial_with(line, faults).await;
        caller.is_connected().await;
        note_while_talking(line).await;
        caller.say_and_hang_up(7).await;
        has_the_recording(line, "connected").await;
    }
}

/// Checks that the report has the recording: the same bytes, sealed, and deleted at the provider.
async fn has_the_recording(line: &TestLine, reached: &str) {
    let report = talk_report(line, reached).await;
    let recordings = report["recordings"].as_array().unwrap();
    assert_eq!(recordings.len(), 1, "{report}");
    assert_eq!(recordings[0]["state"], "sealed");
    assert_eq!(recordings[0]["deleted_at_provider"], true);
    let facts = only(&report, "recording");
    assert_eq!(facts["step"], only(&report, "talk")["step"]);
    let lead = line.lead().await;
    assert_eq!(lead.recording(&report, 1).await, speech(7));
}
