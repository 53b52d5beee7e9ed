//! Providers limited to the addresses that their documentation lists: deletion works, and recordings without a callback
//! are found.

use crate::support::accents::Accent;
use crate::support::{Database, NUMBER, OPEN, TestLine};
use bytes::Bytes;
use dutyline::simulator::SAMPLE;
use dutyline::simulator::exchange::SpeechEnd;
use dutyline::simulator::faults::{Callbacks, Faults};

const CALLER: &str = "+8613800138000";

/// Makes a call whose caller begins a report and speaks.
async fn speak(line: &TestLine) -> String {
    let call = line.exchange.dial(CALLER, NUMBER).await.unwrap().id;
    line.exchange.press(&call, "1").await.unwrap();
    let speech = Bytes::from_static(SAMPLE);
    let end = Some(SpeechEnd::Key);
    line.exchange.speak(&call, speech, end).await.unwrap();
    call
}

async fn is_gone_where_it_was_fetched(accent: Accent) {
    let line = TestLine::over(accent, Database::sqlite(), OPEN, |toml| toml).await;
    let call = speak(&line).await;
    line.exchange.press(&call, "1").await.unwrap();
    line.exchange.hang_up(&call).await.unwrap();
    line.idle().await;
    let report = line.lead().await.only_report().await;
    assert_eq!(report["recordings"][0]["deleted_at_provider"], true);
    let left = line.exchange.recordings_of(&call);
    assert!(left.is_empty(), "{accent:?} still has it");
    line.finish().await;
}

async fn is_found_where_it_is_listed(accent: Accent) {
    let line = TestLine::over(accent, Database::sqlite(), OPEN, |toml| toml).await;
    // Another call's recordings must not be attributed to this one.
    let other = speak(&line).await;
    line.exchange.set_faults(Faults {
        callbacks: Callbacks::Never,
        drop_action: true,
        ..Faults::default()
    });
    speak(&line).await;
    line.exchange.set_faults(Faults::default());
    line.exchange.hang_up(&other).await.unwrap();
    line.idle().await;
    let lead = line.lead().await;
    let reports = lead.reports().await;
    assert_eq!(reports.len(), 2, "{accent:?}");
    for report in &reports {
        let report = lead.open(report).await;
        assert_eq!(report["recordings"].as_array().unwrap().len(), 1);
        assert_eq!(report["recordings"][0]["state"], "sealed");
    }
    line.finish().await;
}

macro_rules! over {
    ($($name:ident = $accent:expr;)*) => {
        $(mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn what_counts_as_deleted_cannot_be_fetched_any_more() {
                is_gone_where_it_was_fetched($accent).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn a_recording_of_which_no_word_came_is_found() {
                is_found_where_it_is_listed($accent).await;
            }
        })*
    };
}

over! {
    signalwire = Accent::SignalWire;
    telnyx = Accent::Telnyx;
}
