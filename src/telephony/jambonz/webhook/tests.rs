use super::*;
use serde_json::{Value, json};

const ACCOUNT: &str = "9351f46a-678c-43f5-b8a6-d4eb58d131af";

fn told(body: &Value) -> Result<Event, Refused> {
    read(body.to_string().as_bytes(), ACCOUNT)
}

/// The fields that every webhook has.
fn base(more: Value) -> Value {
    let mut body = json!({
        "call_sid": "1b3e4b2c-0000-4000-8000-000000000001", "account_sid": ACCOUNT, "application_sid": "a",
        "direction": "inbound", "from": "+8613800138000", "to": "18877009155", "call_id": "x@y",
        "sip_status": 200, "sip_reason": "OK", "call_status": "in-progress", "trace_id": "t", "caller_name": "张三",
    });
    let (Value::Object(body_fields), Value::Object(more)) = (&mut body, more) else {
        panic!("objects");
    };
    body_fields.extend(more);
    body
}

#[test]
fn a_call_that_comes_in() {
    let event = told(&base(
        json!({"call_status": "trying", "sip": {"headers": {}}}),
    ))
    .unwrap();
    assert_eq!(event.call.expose(), "1b3e4b2c-0000-4000-8000-000000000001");
    assert_eq!(event.to.expose(), "18877009155");
    assert_eq!(event.from, Caller::parse("+8613800138000"));
    assert!(event.keys.is_none() && event.recording.is_none() && !event.ended);
}

#[test]
fn numbers_come_as_addresses_too_and_may_be_withheld() {
    let from = |from: Value| told(&base(json!({"from": from}))).unwrap().from;
    let address = "sip:+8613800138000@carrier.example";
    assert_eq!(
        from(json!(address)),
        Caller::Number(address.to_owned().into())
    );
    for withheld in [
        json!("anonymous"),
        json!(""),
        json!(null),
        json!("sip:anonymous@anonymous.invalid"),
    ] {
        assert_eq!(from(withheld.clone()), Caller::Withheld, "{withheld}");
    }
    let event = told(&base(json!({"to": 18877009155_u64}))).unwrap();
    assert_eq!(event.to.expose(), "18877009155");
}

#[test]
fn keys_are_those_of_a_gather() {
    let keys = |more: Value| told(&base(more)).unwrap().keys.map(Hidden::into_shown);
    let pressed = json!({"reason": "dtmfDetected", "digits": "1"});
    assert_eq!(keys(pressed).as_deref(), Some("1"));
    let hash = json!({"reason": "dtmfDetected", "digits": "#"});
    assert_eq!(keys(hash).as_deref(), Some("#"));
    let typed = json!({"reason": "dtmfDetected", "digits": "123456789012"});
    assert_eq!(keys(typed).as_deref(), Some("123456789012"));
    assert_eq!(keys(json!({"reason": "timeout"})), None);
}

#[test]
fn the_end_of_a_listen_tells_how_it_ended() {
    let of_listen = |more: Value| {
        let event = told(&base(more)).unwrap();
        assert!(event.keys.is_none() && event.recording.is_none());
        event.unnamed
    };
    let completed = |seconds, end| Some(RecordingOutcome::Completed { seconds, end });
    assert_eq!(
        of_listen(json!({"digits": "#", "dial_call_duration": 17})),
        completed(Some(17), Some(RecordingEnd::Key))
    );
    assert_eq!(
        of_listen(json!({"digits": "#"})),
        completed(None, Some(RecordingEnd::Key))
    );
    assert_eq!(
        of_listen(json!({"dial_call_duration": 240})),
        completed(Some(240), None)
    );
    assert_eq!(of_listen(json!({})), None);
    let dial = json!({"dial_call_status": "completed", "dial_call_duration": 3});
    assert_eq!(of_listen(dial), None);
}

#[test]
fn a_status_ends_a_call_or_not() {
    for (status, ended) in [
        ("trying", false),
        ("ringing", false),
        ("early-media", false),
        ("in-progress", false),
        ("queued", false),
        ("something new", false),
        ("completed", true),
        ("failed", true),
        ("busy", true),
        ("no-answer", true),
    ] {
        let event = told(&base(json!({"call_status": status}))).unwrap();
        assert_eq!(event.ended, ended, "{status}");
    }
}

#[test]
fn what_does_not_name_the_account_is_another_account_s() {
    for body in [
        base(json!({"account_sid": "another"})),
        base(json!({"account_sid": ["9351f46a"]})),
        json!({"call_sid": "c"}),
        json!([1, 2]),
        json!("text"),
    ] {
        assert_eq!(told(&body).map(drop), Err(Refused::OtherAccount), "{body}");
    }
    let another = r#"{"account_sid": "another", "call_sid": "c", }"#;
    let told = read(another.as_bytes(), ACCOUNT);
    assert_eq!(told.map(drop), Err(Refused::OtherAccount), "{another}");
}

#[test]
fn what_is_signed_and_no_strict_json_is_read_as_far_as_it_can_be() {
    let whole = base(json!({})).to_string();
    let until = whole.strip_suffix('}').unwrap();
    for tail in [
        ",}",
        "",
        ", \"x\": NaN}",
        ", 'x': 1}",
        ",\"x\"",
        "} and more",
    ] {
        let event = read(format!("{until}{tail}").as_bytes(), ACCOUNT).unwrap();
        assert_eq!(
            event.call.expose(),
            "1b3e4b2c-0000-4000-8000-000000000001",
            "{tail}"
        );
        assert_eq!(event.to.expose(), "18877009155", "{tail}");
    }
    // A body of which no field can be read gives an event without content.
    for body in ["{", "", "NaN", "{'call_sid': 'c'}", "call_sid=c"] {
        let event = read(body.as_bytes(), ACCOUNT).unwrap();
        assert!(!event.names_a_call() && event.recording.is_none(), "{body}");
    }
}

#[test]
fn a_field_that_cannot_be_read_is_as_good_as_missing() {
    for call in [
        json!(null),
        json!(""),
        json!(["c"]),
        json!("c".repeat(257)),
        json!("\u{fffd}"),
    ] {
        let event = told(&base(json!({"call_sid": call}))).unwrap();
        assert!(!event.names_a_call(), "{call}");
        assert_eq!(event.to.expose(), "18877009155");
    }
    let event = told(&base(
        json!({"digits": {"a": 1}, "from": true, "call_status": 1}),
    ))
    .unwrap();
    assert!(event.keys.is_none() && event.unnamed.is_none() && !event.ended);
    assert_eq!(event.from, Caller::Withheld);
    let broken = base(json!({"caller_name": "NAME"}))
        .to_string()
        .replace("NAME", "\\ud83d");
    assert!(read(broken.as_bytes(), ACCOUNT).unwrap().names_a_call());
}
