//! The limit on calls that may be with the roster at once.

use super::*;
use crate::support::on_both;
use futures_util::future::join_all;

on_both! {
    async fn whoever_comes_while_the_roster_is_busy_leaves_a_report(line: TestLine = one_at_once) {
        answers(line, FIRST, "1");
        let mut first = Caller::dial(line).await;
        first.press("2").await;
        assert!(is_talking(&first));
        let mut second = Caller::dial(line).await;
        let words = second.press("2").await;
        assert!(words.starts_with(BUSY), "{words}");
        assert!(second.may_speak().is_some());
        second.hang_up().await;
        first.hang_up().await;
        // The place is free again.
        let mut third = Caller::dial(line).await;
        third.press("2").await;
        assert!(is_talking(&third), "{:?}", third.view);
        third.hang_up().await;
        assert_discreet(line);
    }

    async fn ringing_counts_as_well_until_nobody_was_there(line: TestLine = one_at_once) {
        let mut first = Caller::dial(line).await;
        first.press("2").await;
        assert!(matches!(first.view.waiting, WaitingFor::Ringing { .. }));
        let mut second = Caller::dial(line).await;
        assert!(second.press("2").await.starts_with(BUSY));
        first.keep_silent().await;
        first.keep_silent().await;
        assert!(first.may_speak().is_some(), "the first one leaves a report");
        let mut third = Caller::dial(line).await;
        third.press("2").await;
        assert!(matches!(third.view.waiting, WaitingFor::Ringing { .. }));
        for mut caller in [first, second, third] {
            caller.hang_up().await;
        }
    }

    /// Eight callers press 2 at the same moment, each twice: two are with the roster, which is the default limit.
    async fn exactly_so_many_of_those_who_ask_at_once(line: TestLine = roster) {
        let mut calls = Vec::new();
        for _ in 0..8 {
            calls.push(Caller::dial(line).await.view.id);
        }
        let views = join_all(calls.iter().map(|call| line.exchange.press(call, "2"))).await;
        let ringing = views.into_iter().filter(|view| {
            let view = view.as_ref().unwrap();
            let words = serde_json::to_string(&view.heard).unwrap();
            let ringing = matches!(view.waiting, WaitingFor::Ringing { .. });
            assert_eq!(words.contains(CONNECTING), ringing, "{words}");
            assert_eq!(words.contains(BUSY), !ringing, "{words}");
            ringing
        });
        assert_eq!(ringing.count(), 2);
        assert_eq!(with_roster_now(line).await, json!(2));
        for call in calls {
            line.exchange.hang_up(&call).await.unwrap();
        }
        assert_eq!(with_roster_now(line).await, json!(0));
    }
}
