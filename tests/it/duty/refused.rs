//! A key that must not accept a call: repeated, too late, or from a telephone that was not rung.

use super::*;
use crate::support::hooks::{address_in, call_form, path_of, signature};
use crate::support::{TOKEN, on_both};
use dutyline::simulator::exchange::SpeechEnd;
use reqwest::StatusCode;

const HANGS_UP: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Response><Hangup/></Response>"#;
const PUT_TOGETHER: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Response></Response>"#;

/// Returns the form that the inspector's leg posts.
fn leg(keys: &[(&str, &str)]) -> Vec<(String, String)> {
    let more = [&[("From", "+8618877009155"), ("To", FIRST)], keys].concat();
    call_form("CA0000000000000000000000000000000f", &more)
}

/// Returns the paths that an inspector's leg requests: for its announcement, and for its key.
fn addresses(line: &TestLine) -> [String; 2] {
    let documents = line.exchange.sent().into_iter().rev();
    let mut documents = documents.filter_map(|sent| sent.answers[0].clone().ok());
    let document = documents.find(|answer| answer.body.contains("<Dial "));
    let whisper = address_in(&document.expect("it rings").body, "/whisper?");
    let whisper = path_of(&whisper).to_owned();
    let taken = whisper.replace("/whisper?", "/accepted?");
    [whisper, taken]
}

/// Returns the configuration with a second provider that has its own secret.
fn two_providers(toml: String) -> String {
    let start = toml.find("[[provider]]").unwrap();
    let end = toml.find("[[line]]").unwrap();
    let other = toml[start..end]
        .replace("\"twilio\"\nkind", "\"other\"\nkind")
        .replace(TOKEN, "a token of somebody else");
    assert_ne!(other, toml[start..end]);
    roster(format!("{}{other}{}", &toml[..end], &toml[end..]))
}

on_both! {
    async fn taken_twice_is_taken_once(line: TestLine = roster) {
        answers(line, FIRST, "1");
        let mut caller = Caller::dial(line).await;
        caller.press("2").await;
        let taken = &sent_to(line, "/accepted?")[0];
        for _ in 0..2 {
            let again = line.exchange.deliver(taken).await.unwrap();
            assert_eq!(again.body, PUT_TOGETHER);
        }
        let report = line.lead().await.only_report().await;
        assert_eq!(entries(&report, "talk").len(), 1, "{report}");
        assert_eq!(line.counter("calls_accepted").await, 1);
        caller.hang_up().await;
        // There is no caller to be connected with any more.
        assert_eq!(line.exchange.deliver(taken).await.unwrap().body, HANGS_UP);
        line.idle().await;
        let report = line.lead().await.only_report().await;
        assert_eq!(entries(&report, "talk").len(), 1);
    }

    async fn eight_times_at_once_is_once(line: TestLine = roster) {
        let mut caller = Caller::dial(line).await;
        caller.press("2").await;
        let [_, taken] = addresses(line);
        let key = leg(&[("Digits", "1")]);
        let all = futures_util::future::join_all((0..8).map(|_| line.hook(&taken, &key))).await;
        assert!(all.iter().all(|answer| answer.text() == PUT_TOGETHER));
        let report = line.lead().await.only_report().await;
        assert_eq!(entries(&report, "talk").len(), 1, "{report}");
        assert_eq!(line.counter("calls_accepted").await, 1);
        caller.hang_up().await;
    }

    async fn a_caller_who_is_gone_cannot_be_taken(line: TestLine = roster) {
        let mut caller = Caller::dial(line).await;
        caller.press("2").await;
        let [whisper, taken] = addresses(line);
        caller.hang_up().await;
        for (path, form) in [(&whisper, leg(&[])), (&taken, leg(&[("Digits", "1")]))] {
            let answer = line.hook(path, &form).await;
            assert_eq!((answer.status, answer.text()), (StatusCode::OK, HANGS_UP));
        }
        line.idle().await;
        assert_eq!(line.hook(&taken, &leg(&[("Digits", "1")])).await.text(), HANGS_UP, "nor once it is settled");
        assert_eq!(line.lead().await.reports().await, Vec::<Value>::new());
    }

    /// The first inspector was given up, and presses the key when the second one is ringing.
    async fn a_step_that_is_over_takes_nothing(line: TestLine = roster) {
        let mut caller = Caller::dial(line).await;
        caller.press("2").await;
        let [_, first] = addresses(line);
        caller.keep_silent().await;
        assert_eq!(line.hook(&first, &leg(&[("Digits", "1")])).await.text(), HANGS_UP);
        assert_eq!(line.counter("calls_accepted").await, 0);
        caller.keep_silent().await;
        leaves_a_report(line, &mut caller).await;
    }

    async fn other_keys_and_addresses_nobody_made_take_nothing(line: TestLine = roster) {
        let mut caller = Caller::dial(line).await;
        caller.press("2").await;
        let [_, taken] = addresses(line);
        for keys in [&[][..], &[("Digits", "")], &[("Digits", "2")], &[("Digits", "11")]] {
            assert_eq!(line.hook(&taken, &leg(keys)).await.text(), HANGS_UP, "{keys:?}");
        }
        let over = leg(&[("Digits", "1"), ("CallStatus", "completed")]);
        assert_eq!(line.hook(&taken, &over).await.text(), HANGS_UP, "whoever pressed it is gone");
        for path in [
            "/hooks/twilio/accepted".to_owned(),
            "/hooks/twilio/whisper?call=nonsense".to_owned(),
            taken.replace("step=", "step=9"),
            taken.replace("call=", "call=x"),
        ] {
            assert_eq!(line.hook(&path, &leg(&[("Digits", "1")])).await.text(), HANGS_UP, "{path}");
        }
        assert_eq!(line.lead().await.reports().await, Vec::<Value>::new());
        caller.hang_up().await;
    }

    /// The answer to the end of the conversation was lost, and the provider requests its fallback address.
    async fn nobody_is_rung_twice_after_a_failure(line: TestLine = roster) {
        answers(line, FIRST, "1");
        let mut caller = Caller::dial(line).await;
        caller.press("2").await;
        let failed = call_form(&caller.view.id, &[("ErrorCode", "11200")]);
        for _ in 0..2 {
            let answer = line.hook("/hooks/twilio/fallback", &failed).await;
            assert!(answer.text().contains(RECEIPT) && !answer.text().contains("<Dial"), "{}", answer.text());
        }
        assert_eq!(line.lead().await.only_report().await["on_the_line"], false);
        caller.hang_up().await;
    }

    async fn nobody_but_the_provider_of_the_call_takes_it(line: TestLine = two_providers) {
        let mut caller = Caller::dial(line).await;
        caller.press("2").await;
        let key = leg(&[("Digits", "1")]);
        for path in addresses(line) {
            let forged = line.signed_hook(&path, &key, &signature("a guess", &path, &key)).await;
            assert_eq!((forged.status, forged.text()), (StatusCode::FORBIDDEN, ""));
            // Correctly signed, by a provider that does not carry this call.
            let foreign = path.replace("/twilio/", "/other/");
            let theirs = signature("a token of somebody else", &foreign, &key);
            let answer = line.signed_hook(&foreign, &key, &theirs).await;
            assert_eq!((answer.status, answer.text()), (StatusCode::OK, HANGS_UP));
        }
        assert_eq!(line.counter("calls_accepted").await, 0);
        assert!(matches!(caller.view.waiting, WaitingFor::Ringing { .. }));
        caller.keep_silent().await;
        caller.keep_silent().await;
        caller.say(1, SpeechEnd::Key).await;
        caller.hang_up().await;
    }
}
