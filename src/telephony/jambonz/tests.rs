use super::*;
use crate::telephony::http_client::{RestTimeouts, loopback_client_with};
use crate::telephony::signature::jambonz_sign;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;

pub(super) fn settings(api_url: &str) -> JambonzSettings {
    JambonzSettings {
        name: "jb".to_owned(),
        account: "9351f46a-678c-43f5-b8a6-d4eb58d131af".to_owned(),
        api_key: "the-key".to_owned().into(),
        webhook_secrets: vec!["first".to_owned().into(), "second".to_owned().into()],
        api_url: api_url.to_owned(),
    }
}

pub(super) fn jambonz(api_url: &str) -> Jambonz {
    let client = loopback_client_with(RestTimeouts::default()).unwrap();
    Jambonz::new(settings(api_url), client).unwrap()
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_760_000_000, 0).unwrap()
}

/// A webhook as jambonz sends it, signed with `secret`.
pub(super) fn signed(secret: &str, body: &Value) -> RawRequest {
    let body = body.to_string();
    let mut headers = HeaderMap::new();
    let signature = jambonz_sign(secret, body.as_bytes(), now().timestamp());
    headers.insert("Jambonz-Signature", signature.parse().unwrap());
    headers.insert("Content-Type", "application/json".parse().unwrap());
    RawRequest {
        url: "https://duty.example/hooks/jb/call".to_owned(),
        headers,
        body: body.into(),
        at: now(),
    }
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let judge = |change: fn(&mut JambonzSettings)| {
        let mut settings = settings("https://jambonz.example");
        change(&mut settings);
        let client = loopback_client_with(RestTimeouts::default()).unwrap();
        Jambonz::new(settings, client).map(drop)
    };
    assert_eq!(judge(|_| ()), Ok(()));
    assert_eq!(
        judge(|s| s.api_url = "http://127.0.0.1:1/v1/".into()),
        Ok(())
    );
    assert_eq!(judge(|s| s.account.clear()), Err(BadSettings::Account));
    assert_eq!(
        judge(|s| s.account = "a/b".into()),
        Err(BadSettings::Account)
    );
    assert_eq!(
        judge(|s| s.api_key = String::new().into()),
        Err(BadSettings::Secrets)
    );
    assert_eq!(
        judge(|s| s.api_key = "a\nb".to_owned().into()),
        Err(BadSettings::Secrets)
    );
    assert_eq!(
        judge(|s| s.webhook_secrets.clear()),
        Err(BadSettings::Secrets)
    );
    assert_eq!(
        judge(|s| s.webhook_secrets.push("third".to_owned().into())),
        Err(BadSettings::Secrets)
    );
    assert_eq!(
        judge(|s| s.webhook_secrets = vec![Hidden::default()]),
        Err(BadSettings::Secrets)
    );
    for url in ["http://jambonz.example", "ftp://x", "https://x?y", "x"] {
        let mut settings = settings(url);
        settings.api_url = url.to_owned();
        let client = loopback_client_with(RestTimeouts::default()).unwrap();
        assert_eq!(
            Jambonz::new(settings, client).map(drop),
            Err(BadSettings::ApiUrl),
            "{url}"
        );
    }
}

#[test]
fn a_signature_is_one_right_and_of_this_time() {
    let jambonz = jambonz("https://jambonz.example");
    let body = json!({"call_sid": "c"});
    for secret in ["first", "second"] {
        assert_eq!(jambonz.authenticate(&signed(secret, &body)), Ok(()));
    }
    let forged = Err(Refused::Forged);
    assert_eq!(jambonz.authenticate(&signed("third", &body)), forged);
    assert_eq!(jambonz.authenticate(&signed("", &body)), forged);
    let request = signed("first", &body);
    let changed = |change: &dyn Fn(&mut RawRequest)| {
        let mut request = request.clone();
        change(&mut request);
        jambonz.authenticate(&request)
    };
    assert_eq!(
        changed(&|r| _ = r.headers.remove("Jambonz-Signature")),
        Err(Refused::Unsigned)
    );
    let twice = |r: &mut RawRequest| {
        let own = r.headers[SIGNATURE].clone();
        r.headers.append(SIGNATURE, own);
    };
    assert_eq!(changed(&twice), Err(Refused::Unsigned));
    assert_eq!(changed(&|r| r.body = "{}".into()), forged);
    for (seconds, fits) in [(300, true), (-300, true), (301, false), (-301, false)] {
        let at = |r: &mut RawRequest| r.at += TimeDelta::seconds(seconds);
        let expected = match fits {
            true => Ok(()),
            false => Err(Refused::Stale),
        };
        assert_eq!(changed(&at), expected, "{seconds}");
    }
}

#[test]
fn a_stream_is_let_in_by_its_token_and_credentials() {
    let jambonz = jambonz("https://jambonz.example");
    let stream = Stream {
        call: Uuid::from_u128(7),
        step: 3,
        max_seconds: 240,
        silence_seconds: 10,
    };
    let token = stream.token("KEY");
    let basic = |user: &str, password: &str| {
        let mut headers = HeaderMap::new();
        let pair = STANDARD.encode(format!("{user}:{password}"));
        headers.insert(AUTHORIZATION, format!("Basic {pair}").parse().unwrap());
        headers
    };
    let none = HeaderMap::new();
    let right = basic(verbs::USER, &stream.password("KEY"));
    assert!(jambonz.lets_in(&stream, "KEY", &token, &none));
    assert!(jambonz.lets_in(&stream, "KEY", &token, &right));
    assert!(!jambonz.lets_in(&stream, "KEY", &token, &basic(verbs::USER, &token)));
    assert!(!jambonz.lets_in(&stream, "KEY", &token, &basic("", "")));
    assert!(!jambonz.lets_in(&stream, "OTHER", &token, &none));
    assert!(!jambonz.lets_in(&stream, "KEY", "", &right));
    let mut twice = right.clone();
    twice.append(AUTHORIZATION, right[AUTHORIZATION].clone());
    assert!(!jambonz.lets_in(&stream, "KEY", &token, &twice));
    for other in [
        Stream {
            step: 4,
            ..stream.clone()
        },
        Stream {
            max_seconds: 2400,
            ..stream.clone()
        },
        Stream {
            silence_seconds: 0,
            ..stream.clone()
        },
    ] {
        assert!(!jambonz.lets_in(&other, "KEY", &token, &none), "{other:?}");
    }
}

#[tokio::test]
async fn nothing_rests_there() {
    let jambonz = jambonz("https://jambonz.example");
    assert!(jambonz.recordings_of("c").await.unwrap().is_empty());
    let gone = |result| matches!(result, Err(ProviderError::NotFound));
    assert!(gone(jambonz.delete("c/3").await));
    let mut copy = jambonz.copy("c/3");
    copy.write(&[1, 0]);
    copy.finish();
    let mut download = jambonz.fetch("c/3").await.unwrap();
    assert_eq!(download.length, Some(46));
    assert_eq!(download.body.next().await.unwrap().unwrap().len(), 46);
    jambonz.delete("c/3").await.unwrap();
    assert!(gone(jambonz.delete("c/3").await));
    assert!(gone(jambonz.fetch("c/3").await.map(drop)));
}
