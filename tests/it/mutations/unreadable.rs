//! Webhooks with a valid signature and unreadable fields: each one is answered.

use super::requests::{ACCOUNT, Scheme};
use super::service::{PUBLIC, all_providers, provider, sendable};
use crate::support::{Database, OPEN, TestLine, client};
use dutyline::base::clock::Clock;

/// The schemes whose bodies are forms.
const FORMS: [Scheme; 5] = [
    Scheme::Twilio,
    Scheme::TwilioSettings,
    Scheme::SignalWireForm,
    Scheme::Somleng,
    Scheme::Telnyx,
];

/// Posts a signed body to `/hooks/{provider}/{hook}`, and returns status and text of the answer.
async fn post(line: &TestLine, scheme: Scheme, hook: &str, body: Vec<u8>) -> (u16, String) {
    let now = Clock::system().system_now().timestamp();
    let url = format!("{PUBLIC}/hooks/{}/{hook}", provider(scheme));
    let signed = scheme.signed_body(url, now, body);
    let (_, url, headers) = sendable(&signed, &line.url).expect("it can be sent");
    let request = client().post(url).headers(headers).body(signed.body);
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.text().await.expect("text"))
}

/// Returns the bytes of a form about this call to the default line, followed by `more`.
fn form(call: &str, more: &[u8]) -> Vec<u8> {
    let start = format!(
        "AccountSid={ACCOUNT}&CallSid={call}&From=%2B8613800138000&To=18877009155&CallStatus=ringing&"
    );
    [start.as_bytes(), more].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_signature_is_answered_whatever_the_fields_hold() {
    let line = TestLine::with(Database::sqlite(), OPEN, all_providers).await;
    let many = "x=1&".repeat(3000);
    let unneeded: [(&str, &[u8]); 7] = [
        ("a name in GBK", b"CallerName=%D5%C5%C8%FD"),
        ("a name in GBK, not escaped", b"CallerName=\xd5\xc5\xc8\xfd"),
        ("a name of a field in GBK", b"%D5%C5=1&\xd5=1"),
        ("a percent sign", b"Note=100%"),
        ("a tab and a newline", b"CallerName=a%09b%0Ac%0D%00"),
        ("a field twice", b"CallerName=a&CallerName=b"),
        ("many fields", many.as_bytes()),
    ];
    let mut calls = 0;
    for scheme in FORMS {
        for (what, more) in &unneeded {
            calls += 1;
            let call = format!("CA{calls:032}");
            let (status, text) = post(&line, scheme, "call", form(&call, more)).await;
            assert_eq!(status, 200, "{scheme:?}: {what}");
            assert!(text.contains("/step?call="), "{scheme:?}: {what}: {text}");
            let (status, _) = post(&line, scheme, "status", form(&call, more)).await;
            assert_eq!(status, 204, "{scheme:?}: {what}");
        }
    }
    assert_eq!(line.rows().await["calls"], calls);
    line.forget_jobs().await;
    line.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_needed_field_that_cannot_be_read_is_done_without() {
    let line = TestLine::with(Database::sqlite(), OPEN, all_providers).await;
    let mut calls = 0;
    for scheme in FORMS {
        // The call goes on without the field.
        for more in [
            &b"Digits=%FF"[..],
            b"Digits=1&Digits=2",
            b"From=%FF",
            b"CallStatus=%00",
            b"RecordingDuration=%FF",
            b"RecordingSid=%FF",
        ] {
            calls += 1;
            let body = form(&format!("CA{calls:032}"), more);
            let (status, text) = post(&line, scheme, "call", body).await;
            let what = String::from_utf8_lossy(more);
            assert_eq!(status, 200, "{scheme:?}: {what}");
            assert!(text.contains("/step?call="), "{scheme:?}: {what}: {text}");
        }
        // Without a call nothing can be stored: the answer has the line's words, and a recording that the provider
        // keeps.
        for call in ["", "%FF", "a%0Ab", "CA1&CallSid=CA2", &"x".repeat(129)] {
            let (status, text) = post(&line, scheme, "call", form(call, b"")).await;
            assert_eq!(status, 200, "{scheme:?}: {call}");
            assert!(text.contains("<Record"), "{scheme:?}: {call}: {text}");
            assert!(!text.contains("/step?call="), "{scheme:?}: {call}: {text}");
            for hook in ["status", "recording"] {
                let (status, _) = post(&line, scheme, hook, form(call, b"")).await;
                assert_eq!(status, 204, "{scheme:?}: {call}");
            }
        }
        // A recording without a call is stored by its id.
        let more = format!("RecordingSid=RE{:032}&RecordingStatus=completed", calls);
        let body = form("%FF", more.as_bytes());
        assert_eq!(post(&line, scheme, "recording", body).await.0, 204);
        // A recording requested by a fallback answer has ended: the caller is thanked, and not asked to speak again.
        let body = form("%FF", b"RecordingSid=%FF&RecordingUrl=x&Digits=%23");
        let (status, text) = post(&line, scheme, "fallback?recorded=1", body).await;
        assert_eq!(status, 200, "{scheme:?}");
        assert!(!text.contains("<Record"), "{scheme:?}: {text}");
    }
    let rows = line.rows().await;
    assert_eq!(rows["calls"], calls);
    assert_eq!(rows["strays"], 5);
    line.forget_jobs().await;
    line.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signed_json_is_answered_whatever_its_fields_hold() {
    let line = TestLine::with(Database::sqlite(), OPEN, all_providers).await;
    let body = |call: &str, more: &[u8]| {
        let start = format!(
            r#"{{"account_sid": "{ACCOUNT}", "call_sid": "{call}", "from": "+8613800138000", "to": "18877009155",
            "direction": "inbound", "call_status": "trying""#
        );
        [start.as_bytes(), more, b"}"].concat()
    };
    let deep = format!(r#", "sip": {}{}"#, "[".repeat(500), "]".repeat(500));
    let mut calls = 0;
    for (what, more) in [
        (
            "half a surrogate pair",
            &br#", "caller_name": "\ud83d""#[..],
        ),
        ("the other half", br#", "caller_name": "x\udc00\\""#),
        ("a name of a field", br#", "\ud83d": 1"#),
        ("a name in GBK", b", \"caller_name\": \"\xd5\xc5\xc8\xfd\""),
        ("a number without end", br#", "n": 1e999"#),
        ("what is deep", deep.as_bytes()),
        ("escapes", br#", "caller_name": "100%\t\n\u0000""#),
        ("keys that are an object", br#", "digits": {"a": 1}"#),
        ("a caller that is a truth", br#", "from": true"#),
        ("a caller with half a pair", br#", "from": "\ud83d""#),
        ("a status that is a list", br#", "call_status": []"#),
    ] {
        calls += 1;
        let body = body(&format!("call-{calls}"), more);
        let (status, text) = post(&line, Scheme::Jambonz, "call", body.clone()).await;
        assert_eq!(status, 200, "{what}: {text}");
        assert!(text.contains("/step?call="), "{what}: {text}");
        let (status, _) = post(&line, Scheme::Jambonz, "status", body).await;
        assert_eq!(status, 204, "{what}");
    }
    for more in [
        &br#", "call_sid": null"#[..],
        br#", "call_sid": ["c"]"#,
        br#", "call_sid": "\ud83d""#,
        br#", "call_sid": """#,
    ] {
        let what = String::from_utf8_lossy(more);
        let (status, text) = post(&line, Scheme::Jambonz, "call", body("c", more)).await;
        assert_eq!(status, 200, "{what}");
        assert!(!text.contains("/step?call="), "{what}: {text}");
        let (status, _) = post(&line, Scheme::Jambonz, "status", body("c", more)).await;
        assert_eq!(status, 204, "{what}");
    }
    assert_eq!(line.rows().await["calls"], calls);
    line.forget_jobs().await;
    line.finish().await;
}
