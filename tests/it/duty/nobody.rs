//! Calls that no inspector accepts.

use super::*;
use crate::support::on_both;

on_both! {
    async fn nobody_picks_up(line: TestLine = roster) {
        let mut caller = Caller::dial(line).await;
        assert!(caller.words().contains("人工接听，请按2。"), "{}", caller.words());
        let words = caller.press("2").await;
        assert_eq!(words, CONNECTING);
        assert_eq!(caller.view.waiting, WaitingFor::Ringing { seconds: 20 });
        assert_eq!(with_roster_now(line).await, json!(1));
        let words = caller.keep_silent().await;
        assert_eq!(words, "", "the second telephone rings at once");
        assert_eq!(caller.view.waiting, WaitingFor::Ringing { seconds: 20 });
        let words = caller.keep_silent().await;
        assert!(words.starts_with(ABSENT), "{words}");
        assert_eq!(rung(line), [FIRST, SECOND]);
        leaves_a_report(line, &mut caller).await;
    }

    /// A voicemail answers and presses nothing: the provider's `completed` does not prove an acceptance.
    async fn a_voicemail_at_each_telephone(line: TestLine = roster) {
        for number in [FIRST, SECOND] {
            answers(line, number, "");
        }
        let mut caller = Caller::dial(line).await;
        let words = caller.press("2").await;
        assert!(words.starts_with(CONNECTING) && words.contains(ABSENT), "{words}");
        assert_eq!(rung(line), [FIRST, SECOND]);
        let ends = sent_to(line, "/step?");
        let ends: Vec<_> = ends.iter().filter_map(|end| end.field("DialCallStatus")).collect();
        assert_eq!(ends, ["completed", "completed"]);
        leaves_a_report(line, &mut caller).await;
    }

    async fn engaged_and_out_of_reach(line: TestLine = roster) {
        line.exchange.set_answering(FIRST, Answering::Busy);
        line.exchange.set_answering(SECOND, Answering::Unreachable);
        let mut caller = Caller::dial(line).await;
        let words = caller.press("2").await;
        assert!(words.contains(ABSENT), "{words}");
        assert_eq!(rung(line), [FIRST, SECOND]);
        leaves_a_report(line, &mut caller).await;
    }

    async fn another_key_takes_nothing(line: TestLine = roster) {
        answers(line, FIRST, "2");
        answers(line, SECOND, "#");
        let mut caller = Caller::dial(line).await;
        let words = caller.press("2").await;
        assert!(words.contains(ABSENT), "{words}");
        leaves_a_report(line, &mut caller).await;
    }

    async fn nobody_is_on_duty(line: TestLine = off_duty) {
        let mut caller = Caller::dial(line).await;
        assert!(!caller.words().contains("请按2"), "{}", caller.words());
        let words = caller.press("2").await;
        assert!(words.starts_with("按键无效"), "{words}");
        caller.press("1").await;
        leaves_a_report(line, &mut caller).await;
        assert_eq!(rung(line), Vec::<String>::new());
    }

    async fn hanging_up_while_it_rings(line: TestLine = roster) {
        let mut caller = Caller::dial(line).await;
        caller.press("2").await;
        caller.hang_up().await;
        line.idle().await;
        let lead = line.lead().await;
        assert_eq!(lead.reports().await, Vec::<Value>::new());
        let listed = lead.get("/abandoned").await.ok();
        assert_eq!(listed["calls"].as_array().unwrap().len(), 1);
        assert_eq!(only(&listed["calls"][0], "call")["reached"], "greeting");
        assert_eq!(with_roster_now(line).await, json!(0));
        assert_discreet(line);
    }

    async fn in_english_too(line: TestLine = roster) {
        let mut caller = Caller::dial(line).await;
        let words = caller.press("9").await;
        assert!(words.contains("To speak to us, press 2."), "{words}");
        let words = caller.press("2").await;
        assert_eq!(words, "Please wait, we are connecting you to the duty inspector.");
        caller.keep_silent().await;
        let words = caller.keep_silent().await;
        assert!(words.starts_with("The duty inspector cannot take your call right now."), "{words}");
        caller.hang_up().await;
    }
}
