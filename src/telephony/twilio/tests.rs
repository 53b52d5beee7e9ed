//! Settings, signatures, and the helpers of the REST API's tests.

use super::*;
use crate::call::script::Script;
use crate::telephony::http_client::{RestTimeouts, loopback_client_with};
use crate::telephony::signature::{twilio_settings_sign, twilio_sign};
use crate::telephony::{Provider, Refused};
use axum::http::HeaderMap;
use std::time::Duration;

fn settings(api_url: &str) -> TwilioSettings {
    TwilioSettings {
        name: "twilio".to_owned(),
        account: "AC1".to_owned(),
        auth_tokens: vec![
            Hidden::new("first".to_owned()),
            Hidden::new("second".to_owned()),
        ],
        signing_keys: vec![Hidden::new("shared".to_owned())],
        api_url: api_url.to_owned(),
        public_url: "https://duty.example/".to_owned(),
    }
}

/// A client that needs no certificates, so that the tests run on a machine without any.
fn client(silence: Duration) -> reqwest::Client {
    let times = RestTimeouts {
        silence,
        ..RestTimeouts::default()
    };
    loopback_client_with(times).unwrap()
}

pub(in crate::telephony) fn twilio(api_url: &str) -> Carrier {
    provider(settings(api_url), client(Duration::from_secs(15))).unwrap()
}

/// A client with very short timeouts.
pub(in crate::telephony) fn impatient(api_url: &str) -> Carrier {
    provider(settings(api_url), client(Duration::from_millis(100))).unwrap()
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let judge = |change: fn(&mut TwilioSettings)| {
        let mut settings = settings("https://api.twilio.com");
        change(&mut settings);
        provider(settings, client(Duration::from_secs(1))).map(|_| ())
    };
    assert_eq!(judge(|_| {}), Ok(()));
    assert_eq!(
        judge(|s| s.api_url = "http://127.0.0.1:1".to_owned()),
        Ok(())
    );
    assert_eq!(judge(|s| s.account.clear()), Err(BadSettings::Account));
    assert_eq!(
        judge(|s| s.account = "AC1/..".to_owned()),
        Err(BadSettings::Account)
    );
    assert_eq!(judge(|s| s.auth_tokens.clear()), Err(BadSettings::Secrets));
    assert_eq!(
        judge(|s| s.auth_tokens[1] = Hidden::default()),
        Err(BadSettings::Secrets)
    );
    assert_eq!(
        judge(|s| s.auth_tokens.extend(s.auth_tokens.clone())),
        Err(BadSettings::Secrets)
    );
    for url in [
        "http://api.twilio.com",
        "ftp://x",
        "x",
        "https://u:p@x",
        "https://x?y",
        "https://x#y",
    ] {
        let mut settings = settings("");
        settings.api_url = url.to_owned();
        assert_eq!(
            provider(settings, client(Duration::from_secs(1))).map(|_| ()),
            Err(BadSettings::ApiUrl),
            "{url}"
        );
    }
}

/// A form as Twilio sends it, signed with `secret`.
fn signed(secret: &str, url: &str, fields: &[(&str, &str)]) -> RawRequest {
    let fields: Vec<_> = fields
        .iter()
        .map(|(n, v)| (n.to_string(), v.to_string()))
        .collect();
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&fields)
        .finish();
    let mut headers = HeaderMap::new();
    headers.insert(
        "X-Twilio-Signature",
        twilio_sign(secret, url, &fields).parse().unwrap(),
    );
    headers.insert(
        "Content-Type",
        "application/x-www-form-urlencoded; charset=UTF-8"
            .parse()
            .unwrap(),
    );
    RawRequest {
        url: url.to_owned(),
        headers,
        body: body.into(),
        at: chrono::DateTime::UNIX_EPOCH,
    }
}

#[test]
fn a_signature_is_one_and_right() {
    let twilio = twilio("https://api.twilio.com");
    let url = "https://duty.example/hooks/twilio/call?x=1";
    let fields = [
        ("AccountSid", "AC1"),
        ("CallSid", "CA1"),
        ("From", "+86 138"),
    ];
    for secret in ["first", "second"] {
        let request = signed(secret, url, &fields);
        assert_eq!(twilio.authenticate(&request), Ok(()));
        assert_eq!(twilio.parse(&request).unwrap().call.expose(), "CA1");
    }
    assert_eq!(
        twilio.authenticate(&signed("third", url, &fields)),
        Err(Refused::Forged)
    );

    let request = signed("first", url, &fields);
    let spoilt = |change: fn(&mut RawRequest)| {
        let mut request = request.clone();
        change(&mut request);
        twilio.authenticate(&request)
    };
    assert_eq!(
        spoilt(|r| _ = r.headers.remove("X-Twilio-Signature")),
        Err(Refused::Unsigned)
    );
    let doubled = |r: &mut RawRequest| {
        let same = r.headers["X-Twilio-Signature"].clone();
        r.headers.append("X-Twilio-Signature", same);
    };
    assert_eq!(spoilt(doubled), Err(Refused::Unsigned));
    assert_eq!(
        spoilt(|r| r.body = [&r.body[..], b"&Digits=1"].concat().into()),
        Err(Refused::Forged)
    );
    assert_eq!(spoilt(|r| r.url.push('1')), Err(Refused::Forged));
    assert_eq!(
        spoilt(|r| _ = r
            .headers
            .insert("Content-Type", "text/plain".parse().unwrap())),
        Err(Refused::Forged)
    );
    assert_eq!(
        spoilt(|r| _ = r.headers.remove("Content-Type")),
        Err(Refused::Forged)
    );
}

#[test]
fn a_shared_key_signs_where_the_header_says_so_and_only_there() {
    let twilio = twilio("https://api.twilio.com");
    let url = "https://duty.example/hooks/twilio/call";
    let fields = vec![("CallSid".to_owned(), "CA1".to_owned())];
    let with = |signature: String, settings: &[&str]| {
        let mut request = signed("first", url, &[("CallSid", "CA1")]);
        request
            .headers
            .insert("X-Twilio-Signature", signature.parse().unwrap());
        for value in settings {
            request.headers.append(SETTINGS, value.parse().unwrap());
        }
        twilio.authenticate(&request)
    };
    let shared = twilio_settings_sign("shared", url, &fields);
    let token = twilio_sign("first", url, &fields);
    let settings = "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256";
    assert_eq!(with(shared.clone(), &[settings]), Ok(()));
    assert_eq!(with(token.clone(), &[]), Ok(()));
    for (signature, settings) in [
        (&shared, vec![]),
        (&shared, vec![settings, settings]),
        (&shared, vec!["key=webhooks_sharedkey_1"]),
        (&token, vec![settings]),
        (&twilio_settings_sign("first", url, &fields), vec![settings]),
        (&twilio_settings_sign("other", url, &fields), vec![settings]),
    ] {
        let answer = with(signature.clone(), &settings);
        assert_eq!(answer, Err(Refused::Forged), "{settings:?}");
    }
}

#[test]
fn a_take_being_fetched_is_signed_without_a_body() {
    let twilio = twilio("https://api.twilio.com");
    let mut request = signed("first", "https://duty.example/hooks/twilio/take/1/2/3", &[]);
    request.headers.remove("Content-Type");
    assert_eq!(twilio.authenticate(&request), Ok(()));
    assert_eq!(twilio.parse(&request).unwrap_err(), Refused::OtherAccount);
}

#[test]
fn a_fallback_answer_comes_back_to_the_hooks_the_operator_knows() {
    let twilio = twilio("https://api.twilio.com");
    let record = crate::call::script::Verb::Record {
        max_seconds: 300,
        silence_seconds: 10,
    };
    let rendered = twilio.render_fallback(&Script(vec![record]), None);
    assert_eq!(rendered.content_type, "text/xml; charset=utf-8");
    assert!(
        rendered.body.contains(
            r#" action="https://duty.example/hooks/twilio/fallback?recorded=1#rc=2&amp;"#
        )
    );
    assert!(rendered.body.contains(
        r#" recordingStatusCallback="https://duty.example/hooks/twilio/recording#rc=2&amp;"#
    ));
}
