//! Callers' stories.

use super::phone::{Answers, Phone};
use dutyline::simulator::exchange::SpeechEnd;
use dutyline::simulator::faults::Callbacks;
use futures_util::future::LocalBoxFuture;

/// A sequence of a caller's actions.
pub struct Story {
    pub name: &'static str,
    /// True if it ends with a report.
    pub report: bool,
    /// The source text of `play`.
    done: &'static str,
    pub play: for<'a> fn(Phone<'a>) -> LocalBoxFuture<'a, ()>,
}

impl Story {
    /// True if the caller asks for the duty inspector.
    pub fn rings(&self) -> bool {
        self.done.contains("ask_for_duty")
    }

    /// True if the caller may speak, and says nothing.
    pub fn is_silent(&self) -> bool {
        self.done.contains("keep_silent") && !self.done.contains("say")
    }
}

macro_rules! stories {
    ($($name:literal, $report:literal: |$phone:ident| $body:block)*) => {
        pub const STORIES: &[Story] = &[$(Story {
            name: $name,
            report: $report,
            done: stringify!($body),
            play: |mut $phone| Box::pin(async move {
                $phone.dial().await;
                $body
            }),
        }),*];
    };
}

stories! {
    "says it, and sends it", true: |phone| {
        phone.press("1").await;
        phone.say(1, SpeechEnd::Key).await;
        phone.press("1").await;
        assert!(phone.is_over().await);
    }
    "hangs up at the greeting", false: |phone| {
        phone.hang_up().await;
    }
    "hangs up while speaking", true: |phone| {
        phone.press("1").await;
        phone.say_and_hang_up(2).await;
    }
    "hangs up at the review", true: |phone| {
        phone.press("1").await;
        phone.say(3, SpeechEnd::Silence).await;
        phone.hang_up().await;
    }
    "is silent all through", false: |phone| {
        for _ in 0..2 {
            phone.keep_silent().await;
        }
        for _ in 0..2 {
            assert!(phone.may_speak().await);
            phone.keep_silent().await;
        }
        assert!(phone.is_over().await);
    }
    "presses wrong keys, and is heard", true: |phone| {
        phone.press("7").await;
        phone.press("*").await;
        assert!(phone.may_speak().await);
        phone.say(4, SpeechEnd::Silence).await;
        phone.press("0").await;
        phone.press("8").await;
        assert!(phone.is_over().await);
    }
    "listens, and sends it", true: |phone| {
        phone.press("1").await;
        phone.say(5, SpeechEnd::Key).await;
        phone.press("2").await;
        phone.press("1").await;
        assert!(phone.is_over().await);
    }
    "says it again", true: |phone| {
        phone.press("1").await;
        phone.say(6, SpeechEnd::Key).await;
        phone.press("3").await;
        phone.say(7, SpeechEnd::Key).await;
        phone.press("1").await;
    }
    "adds to it, and hangs up in it", true: |phone| {
        phone.press("1").await;
        phone.say(8, SpeechEnd::Key).await;
        phone.press("4").await;
        phone.say_and_hang_up(9).await;
    }
    "speaks for longer than there is time", true: |phone| {
        phone.press("1").await;
        phone.say(10, SpeechEnd::Limit).await;
        assert!(phone.may_speak().await);
        phone.say(11, SpeechEnd::Limit).await;
        phone.press("1").await;
        assert!(phone.is_over().await);
    }
    "speaks English", true: |phone| {
        phone.press("9").await;
        phone.press("1").await;
        phone.say(12, SpeechEnd::Key).await;
        phone.press("1").await;
        assert!(phone.is_over().await);
    }
    "calls back with the receipt, and adds", true: |phone| {
        phone.press("1").await;
        phone.say(13, SpeechEnd::Key).await;
        phone.press("1").await;
        let receipt = phone.receipt();
        phone.until_settled().await;
        phone.dial().await;
        phone.press("4").await;
        phone.press(&receipt).await;
        phone.press("1").await;
        assert!(phone.may_speak().await);
        phone.say(14, SpeechEnd::Key).await;
        phone.press("1").await;
        assert!(phone.is_over().await);
    }
    "types three wrong receipts, and leaves a report", true: |phone| {
        phone.press("4").await;
        for _ in 0..3 {
            phone.press("12#").await;
        }
        phone.press("1").await;
        assert!(phone.may_speak().await);
        phone.say(15, SpeechEnd::Key).await;
        phone.press("1").await;
    }
    "hangs up while typing a receipt", false: |phone| {
        phone.press("4").await;
        phone.hang_up().await;
    }
    "is recorded, and told of out of order", true: |phone| {
        phone.recordings_first();
        phone.press("1").await;
        phone.say(19, SpeechEnd::Key).await;
        phone.hang_up().await;
    }
    "speaks with the duty inspector", true: |phone| {
        phone.ask_for_duty(&[Answers::Takes]).await;
        assert!(phone.is_talking().await);
        phone.duty_hangs_up().await;
        assert!(phone.is_over().await);
    }
    "speaks with the second one of the roster, and hangs up", true: |phone| {
        phone.ask_for_duty(&[Answers::Nothing, Answers::Takes]).await;
        assert!(phone.is_talking().await);
        phone.hang_up().await;
    }
    "reaches a voicemail and nobody, and leaves a report", true: |phone| {
        phone.ask_for_duty(&[Answers::Voicemail, Answers::Nothing]).await;
        assert!(phone.may_speak().await);
        phone.say(16, SpeechEnd::Key).await;
        phone.press("1").await;
    }
    "hangs up while it rings", false: |phone| {
        phone.ask_for_duty(&[]).await;
        phone.hang_up().await;
    }
    "is recorded, and told of late", true: |phone| {
        phone.recordings_late();
        phone.press("1").await;
        phone.say_and_hang_up(17).await;
    }
    "is recorded, and told of by nobody", true: |phone| {
        phone.press("1").await;
        phone.say_unheard(18).await;
    }
    "is told a receipt before the recording is named, and calls back", true: |phone| {
        phone.callbacks(Callbacks::AfterCall);
        phone.press("1").await;
        phone.say(20, SpeechEnd::Key).await;
        phone.press("4").await;
        phone.say(21, SpeechEnd::Key).await;
        phone.press("1").await;
        let receipt = phone.receipt();
        phone.until_settled().await;
        phone.dial().await;
        phone.press("4").await;
        phone.press(&receipt).await;
        phone.press("1").await;
        assert!(phone.may_speak().await);
        phone.say(22, SpeechEnd::Key).await;
        phone.press("1").await;
    }
    "says it again, and nobody says which recording is which", true: |phone| {
        phone.callbacks(Callbacks::Never);
        phone.press("1").await;
        phone.say(23, SpeechEnd::Key).await;
        phone.press("3").await;
        phone.say(24, SpeechEnd::Key).await;
        phone.press("1").await;
        let receipt = phone.receipt();
        phone.until_settled().await;
        phone.dial().await;
        phone.press("4").await;
        phone.press(&receipt).await;
        phone.hang_up().await;
    }
}
