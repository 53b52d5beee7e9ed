//! Bad, repeated and missing input, as a provider or an attacker who imitates one can send it.

use crate::support::hooks::{
    FORM, SIGNATURE, address_in, call_form, encode, form, path_of, signature,
};
use crate::support::{Answer, Database, NUMBER, OPEN, PATIENT, TOKEN, TestLine, logs, on_both};
use dutyline::service::Patience;
use dutyline::simulator::SAMPLE;
use dutyline::simulator::call::{Heard, WaitingFor};
use dutyline::simulator::exchange::{PhoneView, SpeechEnd};
use dutyline::simulator::faults::Faults;
use reqwest::{Method, StatusCode};
use std::time::Duration;

const CALL: &str = "/hooks/twilio/call";
/// Text in every refused request, which may appear nowhere else.
const MARK: &str = "x7zmarkq9";

const NOT_IN_SERVICE: &str = "您拨打的号码未开通";
const GREETING: &str = "您好，这里是防城港市委第五巡察组值班电话";
const GOODBYE: &str = "感谢您的来电，再见";
const REVIEW: &str = "提交留言请按1";

fn said(view: &PhoneView) -> String {
    serde_json::to_string(&view.heard).unwrap()
}

/// Checks that a request is refused without an explanation.
fn assert_refused(answer: &Answer, status: StatusCode, what: &str) {
    assert_eq!(answer.status, status, "{what}");
    assert!(answer.body.is_empty(), "{what}: nothing is explained");
    assert_eq!(answer.headers["cache-control"], "no-store", "{what}");
}

impl TestLine {
    async fn speak(&self, call: &str) -> PhoneView {
        let speech = bytes::Bytes::from_static(SAMPLE);
        let end = Some(SpeechEnd::Key);
        self.exchange.speak(call, speech, end).await.unwrap()
    }

    /// Makes a call up to the review of its recording, and returns its id.
    async fn call_at_review(&self) -> String {
        let call = self.exchange.dial("+8613800138000", NUMBER).await.unwrap();
        self.exchange.press(&call.id, "1").await.unwrap();
        assert!(said(&self.speak(&call.id).await).contains(REVIEW));
        call.id
    }
}

on_both! {
    async fn what_is_not_the_providers_is_refused_and_leaves_nothing(line: TestLine) {
        logs::keep();
        let before = line.rows().await;
        let fields = call_form(&format!("CA{MARK}"), &[("From", "+8613800138000"), ("Note", MARK)]);
        let right = signature(TOKEN, CALL, &fields);
        let body = encode(&fields);
        let forged = signature("another-token", CALL, &fields);
        let elsewhere = signature(TOKEN, "/hooks/another/call", &fields);
        let other_body = signature(TOKEN, CALL, &call_form("CA1", &[]));
        let half = &right[..right.len() / 2];
        let signatures: &[(&str, &[&str])] = &[
            ("missing", &[]),
            ("empty", &[""]),
            ("forged", &[&forged]),
            ("of another address", &[&elsewhere]),
            ("of another form", &[&other_body]),
            ("cut short", &[half]),
            ("doubled", &[&right, &right]),
            ("right and wrong", &[&right, &forged]),
            ("wrong and right", &[&forged, &right]),
            ("two in one", &[&format!("{right}, {right}")]),
        ];
        for (what, given) in signatures {
            let mut headers = vec![FORM];
            headers.extend(given.iter().map(|value| (SIGNATURE, *value)));
            for path in ["call", "step", "status", "recording", "fallback"] {
                // The signature fits `/call`: at the other addresses all are wrong, and refused alike.
                let path = format!("/hooks/twilio/{path}");
                let answer = line.request(Method::POST, &path, &headers, body.clone()).await;
                assert_refused(&answer, StatusCode::FORBIDDEN, &format!("{what} at {path}"));
            }
        }

        // Signed with the right token, but of another account.
        let other = call_form(MARK, &[("AccountSid", "AC22222222222222222222222222222222")]);
        assert_refused(&line.hook(CALL, &other).await, StatusCode::FORBIDDEN, "another account");
        let none = form(&[("CallSid", MARK), ("To", NUMBER)]);
        assert_refused(&line.hook(CALL, &none).await, StatusCode::FORBIDDEN, "no account");

        let answer = line.request(Method::POST, "/hooks/nobody/call", &[FORM, (SIGNATURE, &right)], body).await;
        assert_refused(&answer, StatusCode::NOT_FOUND, "an unknown provider");

        assert_eq!(line.rows().await, before, "nothing is stored");
        assert_eq!(line.counter("webhooks").await, 0);
        assert_eq!(line.counter("webhooks_refused").await, 52);
        let logged = logs::all();
        assert!(logged.contains("webhook refused"), "the fact is logged");
        assert!(!logged.contains(MARK), "and nothing of what was sent");
        assert!(!logged.contains(&right) && !logged.contains(&forged), "not even a signature");
    }

    async fn what_is_too_large_or_names_no_account_is_refused_and_leaves_nothing(line: TestLine) {
        logs::keep();
        let before = line.rows().await;
        let padding = |total: usize| {
            let empty = encode(&call_form(MARK, &[("Pad", "")])).len();
            call_form(MARK, &[("Pad", &"x".repeat(total - empty))])
        };
        let large = padding(64 * 1024 + 1);
        assert_eq!(encode(&large).len(), 64 * 1024 + 1);
        assert_refused(&line.hook(CALL, &large).await, StatusCode::PAYLOAD_TOO_LARGE, "a byte too much");

        // Signed as a body that is not a form, in which no account can be named.
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let path = format!("{CALL}?bodySHA256={empty}&note={MARK}");
        let signature = signature(TOKEN, &path, &form(&[]));
        let headers = [("Content-Type", "application/json"), (SIGNATURE, signature.as_str())];
        let answer = line.request(Method::POST, &path, &headers, Vec::new()).await;
        assert_refused(&answer, StatusCode::FORBIDDEN, "no form");

        let answer = line.request(Method::GET, CALL, &[], Vec::new()).await;
        assert_refused(&answer, StatusCode::METHOD_NOT_ALLOWED, "another method");
        let answer = line.request(Method::POST, "/hooks/twilio/nothing", &[FORM], Vec::new()).await;
        assert_refused(&answer, StatusCode::NOT_FOUND, "an address that is none");

        assert_eq!(line.rows().await, before, "nothing is stored");
        assert!(!logs::all().contains(MARK), "nothing is logged");

        // The largest form that is accepted, with unknown fields.
        assert_eq!(line.hook(CALL, &padding(64 * 1024)).await.status, StatusCode::OK);
    }

    async fn a_call_that_cannot_be_named_is_answered_and_not_written_down(line: TestLine) {
        logs::keep();
        let before = line.rows().await;
        for (what, call) in [
            ("an empty call", String::new()),
            ("an endless id", MARK.repeat(50)),
            ("a control character", format!("{MARK}\u{1}")),
        ] {
            let answer = line.hook(CALL, &call_form(&call, &[])).await;
            assert_eq!(answer.status, StatusCode::OK, "{what}");
            assert!(answer.text().contains("<Record"), "{what}: {}", answer.text());
            let other = line.hook(CALL, &call_form(&call, &[("To", "1")])).await;
            assert!(other.text().contains(NOT_IN_SERVICE), "{what}");
        }
        assert_eq!(line.rows().await, before, "nothing is stored");
        assert!(!logs::all().contains(MARK), "nothing of it is logged");
        assert!(logs::all().contains("webhook without a readable call id"));
    }

    async fn an_unknown_call_or_step_begins_the_conversation_anew(line: TestLine) {
        let step = |call: &str, step: u32| format!("/hooks/twilio/step?call={call}&line=fcg-5&step={step}");
        let nobody = "00000000-0000-4000-8000-000000000000";
        // An unknown call, at an address of an unknown call.
        let answer = line.hook(&step(nobody, 7), &call_form("CAnew", &[("Digits", "1")])).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.text().contains(GREETING), "it is answered as if it had just come in");
        assert_eq!(line.rows().await["calls"], 1);
        let next = address_in(answer.text(), "/step?");

        // A known call, at steps and addresses it was never given.
        for path in [
            step(nobody, 1),
            "/hooks/twilio/step".to_owned(),
            "/hooks/twilio/step?call=x&line=y&step=z".to_owned(),
            path_of(&next).replace("step=1", "step=999"),
            path_of(&next).replace("step=1", "step=4294967295"),
        ] {
            let answer = line.hook(&path, &call_form("CAnew", &[("Digits", "1")])).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}");
            assert!(answer.text().contains(GREETING), "{path}");
        }
        assert_eq!(line.rows().await["calls"], 1, "it stays one call");
        assert_eq!(line.rows().await["reports"], 1);

        // The recording is kept throughout.
        let call = line.call_at_review().await;
        let answer = line.hook(&step(nobody, 1), &call_form(&call, &[])).await;
        assert!(answer.text().contains(REVIEW), "back to where it can be sent");
        line.exchange.hang_up(&call).await.unwrap();
        line.idle().await;
        assert_eq!(line.lead().await.only_report().await["recordings"][0]["state"], "sealed");
    }

    async fn a_step_sent_again_gives_the_same_bytes(line: TestLine) {
        let call = line.call_at_review().await;
        line.exchange.press(&call, "1").await.unwrap();
        line.exchange.hang_up(&call).await.unwrap();
        let sent = line.exchange.sent();
        let steps: Vec<_> = sent
            .iter()
            .filter(|sent| sent.webhook.url.contains("/step?") || sent.webhook.url.ends_with("/call"))
            .collect();
        assert_eq!(steps.len(), 4, "the call, a key, a recording, a key");
        line.idle().await;
        // The call is settled: a repeated webhook is answered with goodbye and makes no second report.
        let rows = line.rows().await;
        for sent in &steps {
            let again = line.exchange.deliver(&sent.webhook).await.unwrap();
            assert_eq!(again.status, 200);
            assert!(again.body.contains(GOODBYE) && again.body.contains("<Hangup/>"));
            assert!(!again.body.contains("<Record"), "nobody is asked to speak again");
        }
        for sent in sent.iter().filter(|sent| !steps.iter().any(|step| step.webhook == sent.webhook)) {
            assert_eq!(line.exchange.deliver(&sent.webhook).await.unwrap().status, 204, "a callback");
        }
        let form = call_form(&call, &[]);
        let fallback = line.hook("/hooks/twilio/fallback", &form).await;
        assert!(fallback.text().contains(GOODBYE));
        line.idle().await;
        assert_eq!(line.rows().await, rows, "nothing comes of any of it");

        // While a call runs, every step repeats its answer, however often it is requested and wherever the call is.
        let running = line.call_at_review().await;
        let sent = line.exchange.sent();
        for _ in 0..2 {
            for sent in sent.iter().filter(|sent| sent.webhook.field("CallSid") == Some(&running)) {
                let again = line.exchange.deliver(&sent.webhook).await.unwrap();
                assert_eq!(&again, sent.answers[0].as_ref().unwrap(), "{}", sent.webhook.url);
            }
        }
        // Also with another key: the step is already decided.
        let key = sent.iter().find(|sent| {
            sent.webhook.field("CallSid") == Some(&running) && sent.webhook.field("Digits") == Some("1")
        });
        let key = key.expect("the key that began the report");
        let mut other = key.webhook.form.clone();
        other.retain(|(name, _)| name != "Digits");
        other.push(("Digits".into(), "9".into()));
        let other = line.exchange.webhook(&key.webhook.url, other);
        assert_eq!(&line.exchange.deliver(&other).await.unwrap(), key.answers[0].as_ref().unwrap());
        line.exchange.press(&running, "1").await.unwrap();
    }

    async fn a_first_webhook_sent_twice_at_once_is_one_call(line: TestLine) {
        for round in 0..5 {
            let fields = call_form(&format!("CAtwice{round}"), &[]);
            let (one, other) = tokio::join!(line.hook(CALL, &fields), line.hook(CALL, &fields));
            assert_eq!((one.status, other.status), (StatusCode::OK, StatusCode::OK));
            assert_eq!(one.body, other.body);
        }
        assert_eq!(line.rows().await["calls"], 5);
        assert_eq!(line.rows().await["reports"], 5);
    }

    async fn a_number_nobody_has_is_refused_in_words_and_never_recorded(line: TestLine) {
        let before = line.rows().await;
        let heard = line.exchange.dial("+8613800138000", "+8613900000000").await.unwrap();
        let text = said(&heard);
        assert!(text.contains(NOT_IN_SERVICE), "{text}");
        assert!(text.contains("not in service"), "in every language spoken here: {text}");
        assert_eq!(heard.waiting, WaitingFor::Nothing);
        // A withheld number or none, at an address of a line: the dialled number decides.
        for to in ["anonymous", "1", "+1 887 700 9155"] {
            let answer = line.hook(CALL, &call_form("CAother", &[("To", to)])).await;
            assert_eq!(answer.status, StatusCode::OK, "{to}");
            assert!(answer.text().contains(NOT_IN_SERVICE) && !answer.text().contains("<Record"), "{to}");
        }
        assert_eq!(line.counter("calls_not_in_service").await, 4);
        assert_eq!(line.counter("calls").await, 0);
        // The end of the call was told too: a job asks the provider whether it has a recording.
        line.idle().await;
        assert_eq!(line.rows().await, before, "nothing is stored");
    }

    async fn withheld_numbers_are_withheld(line: TestLine) {
        let withheld = [
            "", "anonymous", "Anonymous", "restricted", "+266696687", "+7378742833", "+2562533",
            "+8656696", "+86282452253",
        ];
        for (i, from) in withheld.iter().enumerate() {
            let call = format!("CA{i:032}");
            let fields = call_form(&call, &[("From", from)]);
            assert_eq!(line.hook(CALL, &fields).await.status, StatusCode::OK, "{from}");
            let ended = call_form(&call, &[("From", from), ("CallStatus", "completed")]);
            assert_eq!(line.hook("/hooks/twilio/status", &ended).await.status, StatusCode::NO_CONTENT);
        }
        line.idle().await;
        let calls = line.lead().await.get("/abandoned").await.ok()["calls"].clone();
        let calls = calls.as_array().unwrap();
        assert_eq!(calls.len(), withheld.len());
        for call in calls {
            assert_eq!(call["entries"][0]["body"], serde_json::json!({ "number": null, "withheld": true }));
        }
    }

    async fn the_fallback_goes_on_where_the_call_was(line: TestLine) {
        let fallback = "/hooks/twilio/fallback";
        let failed = [("ErrorCode", "11200"), ("ErrorUrl", "https://duty.example.org/hooks/twilio/call")];
        // An unknown call.
        let answer = line.hook(fallback, &call_form("CAfallback", &failed)).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.text().contains(GREETING) && answer.text().contains("<Gather"));
        // A known call is answered with its last answer again.
        assert_eq!(line.hook(fallback, &call_form("CAfallback", &failed)).await.body, answer.body);
        let step = address_in(answer.text(), "/step?");
        let next = line.hook(path_of(&step), &call_form("CAfallback", &[("Digits", "1")])).await;
        assert!(next.text().contains("<Record"));
        assert_eq!(line.hook(fallback, &call_form("CAfallback", &failed)).await.body, next.body);
        // A call that ended before any other webhook is not stored.
        let ended = call_form("CAended", &[("CallStatus", "completed")]);
        assert!(line.hook(fallback, &ended).await.text().contains(GOODBYE));
        assert_eq!(line.rows().await["calls"], 1);
        // To a number of no line.
        let nobody = line.hook(fallback, &call_form("CAnobody", &[("To", "1")])).await;
        assert!(nobody.text().contains(NOT_IN_SERVICE));
        assert_eq!(line.rows().await["calls"], 1);
    }

    async fn a_take_is_played_from_the_providers_copy(line: TestLine) {
        let call = line.call_at_review().await;
        let heard = line.exchange.press(&call, "2").await.unwrap();
        assert!(
            heard.heard.iter().any(|heard| matches!(heard, Heard::Played { bytes, .. } if *bytes == SAMPLE.len())),
            "{heard:?}"
        );
        let sent = line.exchange.sent();
        let document = &sent.last().unwrap().answers[0].as_ref().unwrap().body;
        let take = path_of(&address_in(document, "/take/")).to_owned();
        let fetch = async |path: &str| line.request(Method::GET, path, &[], Vec::new()).await;

        let answer = fetch(&take).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.body, SAMPLE, "the very bytes");
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(answer.headers["content-type"], "audio/wav");

        let parts: Vec<&str> = take.split('/').collect();
        let (our_call, step, key) = (parts[4], parts[5], parts[6]);
        let other_call = line.call_at_review().await;
        line.exchange.press(&other_call, "2").await.unwrap();
        let sent = line.exchange.sent();
        let other = address_in(&sent.last().unwrap().answers[0].as_ref().unwrap().body, "/take/");
        let other: Vec<&str> = path_of(&other).split('/').collect();
        let at = |call: &str, step: &str, key: &str| format!("/hooks/twilio/take/{call}/{step}/{key}");
        for (what, path) in [
            ("a wrong key", at(our_call, step, &"A".repeat(43))),
            ("a key cut short", at(our_call, step, &key[..42])),
            ("another call's key", at(our_call, step, other[6])),
            ("another call with this key", at(other[4], step, key)),
            ("a step that recorded nothing", at(our_call, "0", key)),
            ("a call nobody knows", at("00000000-0000-4000-8000-000000000000", step, key)),
            ("another provider", take.replace("/twilio/", "/nobody/")),
        ] {
            let answer = fetch(&path).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{what}");
            assert!(answer.body.is_empty(), "{what}");
        }
        for (what, path) in [
            ("no call", at("x", step, key)),
            ("no step", at(our_call, "x", key)),
        ] {
            let answer = fetch(&path).await;
            assert!(answer.status.is_client_error(), "{what}");
            assert!(!answer.text().contains(key), "{what}: nothing is repeated");
        }

        line.exchange.press(&call, "1").await.unwrap();
        line.exchange.hang_up(&other_call).await.unwrap();
        line.idle().await;
        assert_eq!(fetch(&take).await.status, StatusCode::NOT_FOUND, "settled");
    }
}

/// The wait is real time, so this is done once, where the copy is missing for good and where it comes late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_take_that_is_missing_or_late_holds_nobody_up() {
    let real = Patience {
        take: Patience::default().take,
        ..PATIENT
    };
    let line = TestLine::with_patience(real, Database::sqlite(), OPEN, |toml| toml).await;
    let call = line.call_at_review().await;
    line.idle().await;
    // The provider has lost the copy.
    line.exchange.set_faults(Faults {
        not_yet: u32::MAX,
        ..Faults::default()
    });
    let asked = dutyline::base::clock::instant();
    let heard = line.exchange.press(&call, "2").await.unwrap();
    let took = asked.elapsed();
    assert!(took >= Duration::from_secs(3), "it is waited for: {took:?}");
    assert!(took < Duration::from_secs(5), "but not for long: {took:?}");
    let [Heard::Played { played, .. }, rest @ ..] = heard.heard.as_slice() else {
        panic!("silence comes first: {heard:?}");
    };
    assert!(*played <= 0.1, "a short silence, {played} s");
    let rest = serde_json::to_string(rest).unwrap();
    assert!(
        rest.contains("您的留言已经录好") && rest.contains(REVIEW),
        "and the line goes on: {rest}"
    );
    // A copy that arrives within a moment is played.
    line.exchange.set_faults(Faults::default());
    let late = line.call_at_review().await;
    line.idle().await;
    line.exchange.set_faults(Faults {
        not_yet: 3,
        ..Faults::default()
    });
    let heard = line.exchange.press(&late, "2").await.unwrap();
    assert!(
        matches!(heard.heard[0], Heard::Played { bytes, .. } if bytes == SAMPLE.len()),
        "{heard:?}"
    );
    line.exchange.set_faults(Faults::default());
    line.exchange.hang_up(&call).await.unwrap();
    line.exchange.hang_up(&late).await.unwrap();
    line.finish().await;
}

/// Both tokens are accepted while one replaces the other, and no third.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_tokens_count_while_rotating() {
    let line = TestLine::with(Database::sqlite(), OPEN, |toml| {
        let one = format!("auth_token = \"{TOKEN}\"");
        assert!(toml.contains(&one));
        toml.replace(
            &one,
            &format!("auth_token = [\"{TOKEN}\", \"the-new-token\"]"),
        )
    })
    .await;
    for (token, status) in [
        (TOKEN, StatusCode::OK),
        ("the-new-token", StatusCode::OK),
        ("the-old-token", StatusCode::FORBIDDEN),
        ("", StatusCode::FORBIDDEN),
    ] {
        let fields = call_form(&format!("CA{token}"), &[]);
        let signature = signature(token, CALL, &fields);
        let answer = line.signed_hook(CALL, &fields, &signature).await;
        assert_eq!(answer.status, status, "{token}");
    }
    assert_eq!(line.rows().await["calls"], 2);
    line.finish().await;
}

/// A client that disconnects early, or sends invalid requests, leaves the service as it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_request_is_no_request() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let line = TestLine::open(Database::sqlite()).await;
    let before = line.rows().await;
    let address = line.url.strip_prefix("http://").unwrap();
    for request in [
        "POST /hooks/twilio/call HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nCallSid=",
        "POST /hooks/twilio/call HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "nonsense\r\n\r\n",
    ] {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.contains("200 OK"), "{answer}");
    }
    assert_eq!(line.rows().await, before);
    assert_eq!(line.ready().await, StatusCode::OK);
    line.finish().await;
}

/// A webhook without the dialled number is answered for the only line; with two lines, for none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_to_an_unreadable_number_is_answered_by_the_only_line() {
    let line = TestLine::open(Database::sqlite()).await;
    let mut form = call_form("CAonly", &[("To", "")]);
    let answer = line.hook(CALL, &form).await;
    assert!(!answer.text().contains(NOT_IN_SERVICE), "{}", answer.text());
    assert!(answer.text().contains("<Gather"), "{}", answer.text());
    form = call_form("CAonly", &[("To", ""), ("CallStatus", "completed")]);
    line.hook("/hooks/twilio/status", &form).await;
    line.finish().await;

    let two = TestLine::with(Database::sqlite(), OPEN, crate::support::two_lines).await;
    let answer = two.hook(CALL, &call_form("CAonly", &[("To", "")])).await;
    assert!(answer.text().contains(NOT_IN_SERVICE), "{}", answer.text());
    two.finish().await;
}
