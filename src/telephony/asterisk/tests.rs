//! Credentials, programs, and messages on the socket.

use super::message::{Event, Message, Recorded, Request, read};
use super::program::{RecordingName, Sound};
use super::*;
use crate::call::script::{Spoken, Verb};
use crate::telephony::http_client::loopback_client;
use crate::telephony::{Mute, StepRef};
use axum::Router;
use axum::http::HeaderMap;
use bytes::Bytes;
use serde_json::json;
use std::path::PathBuf;

/// A voice whose sound for each piece is named after the piece's number of characters.
struct Voiced;

impl Voice for Voiced {
    fn files(&self, language: &str, text: &Spoken) -> Vec<PathBuf> {
        vec![PathBuf::from(format!(
            "/sounds/{language}/{}",
            text.to_string().chars().count()
        ))]
    }

    fn beep(&self) -> Option<PathBuf> {
        Some("/sounds/beep".into())
    }
}

fn settings() -> AsteriskSettings {
    AsteriskSettings {
        name: "pbx".into(),
        username: "asterisk".into(),
        passwords: vec!["right".to_owned().into(), "older".to_owned().into()],
        api_url: "http://127.0.0.1:9/ari/".into(),
        api_username: "duty".into(),
        api_password: "secret".to_owned().into(),
        dial: Some("PJSIP/{number}@trunk".into()),
    }
}

fn asterisk(voice: impl Voice + 'static) -> Asterisk {
    Asterisk::new(settings(), loopback_client().unwrap(), Arc::new(voice))
}

/// An Asterisk whose REST interface is `app`, served on a free port.
async fn asterisk_at(app: Router) -> Asterisk {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = AsteriskSettings {
        api_url: format!("http://{}", listener.local_addr().unwrap()),
        ..settings()
    };
    tokio::spawn(async { axum::serve(listener, app).await });
    Asterisk::new(settings, loopback_client().unwrap(), Arc::new(Mute))
}

fn links() -> Links {
    Links {
        public_url: "https://duty.example.org".into(),
        provider: "pbx".into(),
        call: uuid::Uuid::from_u128(7),
        line: "fcg-5".into(),
        step: 3,
        take_key: "KEY".to_owned().into(),
        stream_key: "KEY".to_owned().into(),
        line_number: "+8618877009155".into(),
        language: "zh-CN".into(),
    }
}

fn say(text: &str) -> Verb {
    Verb::Say {
        text: Spoken::words("test", text),
        language: "zh-CN".into(),
    }
}

fn program(asterisk: &Asterisk, verbs: Vec<Verb>) -> Program {
    let rendered = asterisk.render(&Script(verbs), &links());
    serde_json::from_str(&rendered.body).unwrap()
}

#[test]
fn only_the_configured_credentials_open_the_socket() {
    let asterisk = asterisk(Mute);
    let given = |values: &[&str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        asterisk.authenticate(&RawRequest {
            url: String::new(),
            headers,
            body: Bytes::new(),
            at: chrono::DateTime::UNIX_EPOCH,
        })
    };
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    let right = basic("asterisk:right");
    assert_eq!(given(&[&right]), Ok(()));
    assert_eq!(given(&[&basic("asterisk:older")]), Ok(()));
    assert_eq!(given(&[&right.replace("Basic", "basic")]), Ok(()));
    let digest = right.replace("Basic", "Digest");
    for (wrong, why) in [
        (vec![], Refused::Unsigned),
        (vec![basic("asterisk:wrong")], Refused::Forged),
        (vec![basic("duty:right")], Refused::Forged),
        (vec![basic("asterisk:")], Refused::Forged),
        (vec![basic("asterisk:right2")], Refused::Forged),
        (vec!["Basic".into()], Refused::Unsigned),
        (vec!["Basic ".into()], Refused::Forged),
        (vec![digest], Refused::Unsigned),
        (vec![right.clone(), right.clone()], Refused::Unsigned),
    ] {
        let wrong: Vec<&str> = wrong.iter().map(String::as_str).collect();
        assert_eq!(given(&wrong), Err(why), "{wrong:?}");
    }
}

#[test]
fn a_script_becomes_sounds_and_one_thing_to_wait_for() {
    let asterisk = asterisk(Voiced);
    let file = |name: &str| Sound::File(format!("/sounds/{name}"));
    let menu = program(
        &asterisk,
        vec![
            say("您好"),
            Verb::Play { take: 2 },
            say("请按1"),
            Verb::Gather {
                keys: "12".into(),
                seconds: 6,
            },
        ],
    );
    assert_eq!(
        menu.play,
        [file("zh-CN/2"), Sound::Take(2), file("zh-CN/3")]
    );
    let keys = Then::Keys {
        most: 1,
        seconds: 6,
        hash_ends: false,
    };
    assert_eq!(menu.then, keys);
    assert_eq!(menu.at.unwrap().step, 3);
    let record = Verb::Record {
        max_seconds: 240,
        silence_seconds: 10,
    };
    let recording = program(&asterisk, vec![say("请讲"), record.clone()]);
    assert_eq!(recording.play, [file("zh-CN/2"), file("beep")]);
    let connect = program(
        &asterisk,
        vec![Verb::Connect {
            name: "甲".into(),
            number: "+8613800000000".to_owned().into(),
            ring_seconds: 20,
            max_seconds: 1800,
            record: false,
        }],
    );
    let Then::Connect {
        endpoint,
        caller_id,
        ..
    } = connect.then
    else {
        panic!("{connect:?}");
    };
    assert_eq!(endpoint.expose(), "PJSIP/+8613800000000@trunk");
    assert_eq!(caller_id, "+8618877009155", "never the caller's own");
    // Without a call in the database, keys are not waited for.
    let gather = Verb::Gather {
        keys: "1".into(),
        seconds: 6,
    };
    let fallback = asterisk.render_fallback(&Script(vec![say("您好"), gather, Verb::HangUp]), None);
    let fallback: Program = serde_json::from_str(&fallback.body).unwrap();
    assert_eq!((fallback.at, fallback.then), (None, Then::HangUp));
    let fallback = asterisk.render_fallback(&Script(vec![say("您好"), record]), None);
    let fallback: Program = serde_json::from_str(&fallback.body).unwrap();
    assert!(matches!(fallback.then, Then::Record { .. }) && fallback.at.is_none());
}

#[test]
fn a_recording_is_found_by_its_name() {
    let at = StepRef {
        call: uuid::Uuid::from_u128(9),
        line: "fcg-5".into(),
        step: 4,
        nothing: None,
    };
    let name = RecordingName::new(Some(&at), "pbx-1795781482.0", "18877009155");
    assert_eq!(RecordingName::parse(&name.to_string()), Some(name.clone()));
    assert_eq!(name.of_step(2).at.step, 2);
    let fallback = RecordingName::new(None, "1795781482.0", "+188/77..00 9155");
    assert_eq!(fallback.at.line, "18877009155");
    assert_eq!(RecordingName::parse(&fallback.to_string()), Some(fallback));
    for other in [
        "",
        "greeting",
        "duty.fcg-5.x.1.2",
        "duty.fcg-5.00000000-0000-0000-0000-000000000009.4",
        "duty.fcg-5.00000000-0000-0000-0000-000000000009.4.../../etc",
        "other.fcg-5.00000000-0000-0000-0000-000000000009.4.17",
    ] {
        assert_eq!(RecordingName::parse(other), None, "{other}");
    }
}

#[test]
fn what_comes_over_the_socket() {
    let event = |text: &str| match read(text) {
        Some(Message::Event(event)) => Some(event),
        _ => None,
    };
    // As Asterisk 22.10 wrote it.
    let start = r#"{"type":"StasisStart","timestamp":"2026-11-27T12:11:22.035+0000","args":["18877009155"],"channel":{"id":"1795781482.0","name":"PJSIP/anonymous-00000000","state":"Ring","protocol_id":"1-23064@127.0.0.1","caller":{"name":"O\"Neil &amp; <b>","number":"13800000000"},"connected":{"name":"","number":""},"accountcode":"","dialplan":{"context":"inbound","exten":"18877009155","priority":1,"app_name":"Stasis","app_data":"dutyline,18877009155"},"creationtime":"2026-11-27T12:11:22.030+0000","language":"en"},"asterisk_id":"02:fc:00:00:00:01","application":"dutyline"}"#;
    let Some(Event::Started { channel, arguments }) = event(start) else {
        panic!("no start");
    };
    assert_eq!(arguments, ["18877009155"]);
    assert_eq!(channel.id, "1795781482.0");
    assert_eq!(channel.from.expose(), "13800000000");
    assert_eq!(channel.dialled.expose(), "18877009155");
    assert_eq!(channel.application.as_deref(), Some(APPLICATION));
    assert!(!format!("{channel:?}").contains("138"), "nobody's number");
    let key =
        r##"{"type":"ChannelDtmfReceived","digit":"#","duration_ms":280,"channel":{"id":"1.0"}}"##;
    let expected = Event::Key {
        channel: "1.0".into(),
        key: '#'.into(),
    };
    assert_eq!(event(key), Some(expected));
    let finished = r#"{"type":"RecordingFinished","recording":{"name":"k","format":"wav","state":"done","target_uri":"channel:1.0","duration":3}}"#;
    let recorded = Recorded {
        name: "k".into(),
        seconds: 3,
    };
    assert_eq!(event(finished), Some(Event::Recorded(recorded)));
    let dial = |status: &str| {
        json!({"type": "Dial", "dialstatus": status, "peer": {"id": "leg"}}).to_string()
    };
    assert_eq!(event(&dial("RINGING")), None);
    assert_eq!(event(&dial("NOANSWER")), Some(Event::Ended("leg".into())));
    for nothing in [
        "",
        "[]",
        "{",
        "null",
        r#"{"type":"ChannelVarset","channel":{"id":"1.0"}}"#,
        r#"{"type":"ChannelDtmfReceived","digit":"12","channel":{"id":"1.0"}}"#,
        r#"{"type":"ChannelDtmfReceived","digit":"E","channel":{"id":"1.0"}}"#,
        r#"{"type":"StasisEnd","channel":{"id":""}}"#,
        r#"{"type":"RESTResponse","request_id":"1"}"#,
    ] {
        assert!(read(nothing).is_none(), "{nothing}");
    }
    let answer = r#"{"type":"RESTResponse","transaction_id":"t1","request_id":"r1","status_code":201,"reason_phrase":"Created","uri":"x","content_type":"application/json","message_body":"{\"id\":\"p-1\"}"}"#;
    let Some(Message::Answer(answer)) = read(answer) else {
        panic!("no answer");
    };
    assert_eq!((answer.id.as_str(), answer.status), ("r1", 201));
    assert_eq!(answer.body.expose()["id"], "p-1");
    let request = Request::with("POST", "channels/1.0/play", json!({"media": ["sound:/a"]}));
    let frame: serde_json::Value = serde_json::from_str(&request.frame("7")).unwrap();
    assert_eq!(
        frame,
        json!({
            "type": "RESTRequest", "transaction_id": "7", "request_id": "7", "method": "POST",
            "uri": "channels/1.0/play", "content_type": "application/json",
            "message_body": "{\"media\":[\"sound:/a\"]}",
        })
    );
    assert!(
        !format!("{request:?}").contains("sound"),
        "parameters are hidden"
    );
}

#[tokio::test]
async fn callers_on_the_switch_and_our_recordings_are_listed() {
    let leg = format!("{}-3-leg", uuid::Uuid::from_u128(7));
    let channel = |id: &str, data: &str, at: &str| {
        serde_json::json!({ "id": id, "caller": { "number": "" }, "creationtime": at,
            "dialplan": { "exten": "18877009155", "app_name": "Stasis", "app_data": data } })
    };
    let channels = serde_json::json!([
        channel(
            "1795781482.0",
            "dutyline,18877009155",
            "2026-11-27T12:11:22.030+0000"
        ),
        channel(
            "1795781400.0",
            "dutyline,18877009155",
            "2026-11-27T12:10:59.999+0000"
        ),
        channel("1795781483.0", "other,1", "2026-11-27T12:11:23.000+0000"),
        channel(
            &leg,
            "dutyline,rung,1795781482.0",
            "2026-11-27T12:11:24.000+0000"
        ),
    ]);
    let own = program::RecordingName::new(None, "1795781482.0", "18877009155").to_string();
    let stored = serde_json::json!([{ "name": own, "format": "wav" }, { "name": "somebody-elses", "format": "wav" }]);
    let app = Router::new().fallback(move |request: axum::extract::Request| {
        let path = request.uri().path().to_owned();
        let answer = if path.ends_with("/stored") {
            stored.clone()
        } else {
            channels.clone()
        };
        async move { axum::Json(answer) }
    });
    let asterisk = asterisk_at(app).await;
    let since = "2026-11-27T12:11:00Z".parse().unwrap();
    let listing = asterisk.list(since).await.unwrap();
    let calls: Vec<_> = listing
        .calls
        .iter()
        .map(|call| call.id.expose().as_str())
        .collect();
    assert_eq!(calls, ["1795781482.0"]);
    assert_eq!(listing.calls[0].to.expose(), "18877009155");
    let recordings: Vec<_> = listing
        .recordings
        .iter()
        .map(|recording| recording.id.expose())
        .collect();
    assert_eq!(recordings, [&own]);
    let call = listing.recordings[0].call.as_ref().unwrap();
    assert_eq!(call.expose(), "1795781482.0");
}

#[tokio::test]
async fn a_404_proves_nothing_while_asterisk_does_not_list_its_recordings() {
    use axum::http::StatusCode;
    use std::sync::Mutex;
    let own = program::RecordingName::new(None, "1795781482.0", "18877009155").to_string();
    // The answers to requests for the list of recordings; `pop` gives the last one first. Any other request is answered
    // 404.
    let with_own = serde_json::json!([{ "name": own, "format": "wav" }]);
    let lists = Arc::new(Mutex::new(vec![
        (StatusCode::OK, serde_json::json!([])),
        (StatusCode::OK, with_own),
        (StatusCode::NOT_FOUND, serde_json::json!({})),
    ]));
    let app = Router::new().fallback(move |request: axum::extract::Request| {
        let answer = match request.uri().path().ends_with("/stored") {
            true => lists.lock().unwrap().pop(),
            false => None,
        };
        let (status, body) = answer.unwrap_or((StatusCode::NOT_FOUND, serde_json::json!({})));
        async move { (status, axum::Json(body)) }
    });
    let asterisk = asterisk_at(app).await;
    assert!(asterisk.is_gone(&own).await.is_err(), "no list");
    assert!(!asterisk.is_gone(&own).await.unwrap(), "it is listed");
    assert!(asterisk.is_gone(&own).await.unwrap());
}
