use super::*;
use proptest::prelude::*;

const FORM: &str = "application/x-www-form-urlencoded";

fn raw(content_type: &str, body: &[u8]) -> RawRequest {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
    RawRequest {
        url: "https://duty.example/hooks/twilio/call".to_owned(),
        headers,
        body: body.to_vec().into(),
        at: chrono::DateTime::UNIX_EPOCH,
    }
}

/// A form of account `AC1`, about call `CA1`, with `more` fields.
fn says(more: &str) -> Result<Event, Refused> {
    let body = format!("AccountSid=AC1&CallSid=CA1&ApiVersion=2010-04-01&{more}");
    event(&raw(FORM, body.as_bytes()), "AC1")
}

fn keys(event: &Event) -> Option<&str> {
    event.keys.as_ref().map(|keys| keys.expose().as_str())
}

fn outcome_of(event: &Event) -> Option<(&str, RecordingOutcome)> {
    let fact = event.recording.as_ref()?;
    Some((fact.id.expose(), fact.outcome))
}

const fn completed(seconds: Option<u32>, end: Option<RecordingEnd>) -> RecordingOutcome {
    RecordingOutcome::Completed { seconds, end }
}

#[test]
fn a_call_comes_in() {
    let event = says(
        "From=%2B8613800138000&To=%2B8618877009155&CallStatus=ringing&Direction=inbound&Whatever=1",
    )
    .unwrap();
    assert_eq!(event.call.expose(), "CA1");
    assert_eq!(event.to.expose(), "+8618877009155");
    assert_eq!(
        event.from,
        Caller::Number("+8613800138000".to_owned().into())
    );
    assert_eq!(keys(&event), None);
    assert!(!event.ended);
    assert!(event.recording.is_none());
    assert!(!format!("{event:?}").contains("138"));
}

#[test]
fn old_names_stand_in_for_new_ones() {
    let event = says("Caller=%2B1&Called=%2B2&From=&To=").unwrap();
    assert_eq!(event.from, Caller::Number("+1".to_owned().into()));
    assert_eq!(event.to.expose(), "+2");
}

#[test]
fn withheld_numbers_are_known_in_every_spelling() {
    for withheld in [
        "",
        "anonymous",
        "Anonymous",
        "RESTRICTED",
        "%2B266696687",
        "%2B7378742833",
        "%2B2562533",
        "%2B8656696",
        "%2B86282452253",
        "sip:anonymous@anonymous.invalid",
        "%20",
    ] {
        assert_eq!(
            says(&format!("From={withheld}")).unwrap().from,
            Caller::Withheld,
            "{withheld}"
        );
    }
    assert_eq!(says("").unwrap().from, Caller::Withheld);
    for number in ["%2B862824522530", "sip:alice@example.org", "x266696687"] {
        assert_ne!(
            says(&format!("From={number}")).unwrap().from,
            Caller::Withheld,
            "{number}"
        );
    }
}

#[test]
fn keys_are_answers_to_a_gather_only() {
    assert_eq!(
        keys(&says("Digits=1&CallStatus=in-progress").unwrap()),
        Some("1")
    );
    assert_eq!(keys(&says("Digits=%23").unwrap()), Some("#"));
    assert_eq!(keys(&says("Digits=&msg=Gather+End").unwrap()), Some(""));
    assert_eq!(keys(&says("CallStatus=in-progress").unwrap()), None);
    assert_eq!(keys(&says("Digits=%23&RecordingSid=RE1").unwrap()), None);
}

#[test]
fn a_recording_ends_in_several_ways() {
    let case = |more: &str| {
        let event = says(more).unwrap();
        let outcome = outcome_of(&event).map(|(id, outcome)| {
            assert_eq!(id, "RE1");
            outcome
        });
        (outcome, event.ended)
    };
    let key = Some(RecordingEnd::Key);
    let hung_up = Some(RecordingEnd::HangUp);
    // The action of a Record.
    assert_eq!(
        case("RecordingSid=RE1&RecordingDuration=12&Digits=%23&RecordingUrl=http%3A%2F%2Fevil"),
        (Some(completed(Some(12), key)), false)
    );
    assert_eq!(
        case("RecordingSid=RE1&RecordingDuration=12&Digits=hangup&CallStatus=completed"),
        (Some(completed(Some(12), hung_up)), true)
    );
    assert_eq!(
        case("RecordingSid=RE1&RecordingDuration=12&Digits=hangup&CallStatus=in-progress"),
        (Some(completed(Some(12), hung_up)), true)
    );
    assert_eq!(
        case("RecordingSid=RE1&RecordingDuration=240&Digits="),
        (Some(completed(Some(240), None)), false)
    );
    assert_eq!(
        case("RecordingSid=RE1&RecordingDuration=-1"),
        (Some(completed(None, None)), false)
    );
    assert_eq!(
        case("RecordingSid=RE1&RecordingDuration=soon"),
        (Some(completed(None, None)), false)
    );
    // The recording's own callback.
    assert_eq!(
        case(
            "RecordingSid=RE1&RecordingStatus=completed&RecordingDuration=12&RecordingChannels=1&RecordingSource=RecordVerb"
        ),
        (Some(completed(Some(12), None)), false)
    );
    for absent in ["absent", "failed"] {
        assert_eq!(
            case(&format!("RecordingSid=RE1&RecordingStatus={absent}")),
            (Some(RecordingOutcome::Absent), false)
        );
    }
    for running in [
        "in-progress",
        "processing",
        "paused",
        "stopped",
        "deleted",
        "novel",
    ] {
        assert_eq!(
            case(&format!("RecordingSid=RE1&RecordingStatus={running}")),
            (None, false)
        );
    }
    // The call's status callback.
    assert_eq!(
        case("RecordingSid=RE1&RecordingDuration=12&CallStatus=completed&CallDuration=60"),
        (Some(completed(Some(12), None)), true)
    );
    assert_eq!(case("RecordingSid="), (None, false));
}

#[test]
fn a_call_ends_by_its_status() {
    for over in ["completed", "busy", "failed", "no-answer", "canceled"] {
        assert!(says(&format!("CallStatus={over}")).unwrap().ended, "{over}");
    }
    for on in ["queued", "ringing", "in-progress", "", "novel"] {
        assert!(!says(&format!("CallStatus={on}")).unwrap().ended, "{on}");
    }
    let event = says("Digits=hangup").unwrap();
    assert!(event.ended && event.keys.is_none());
}

#[test]
fn what_does_not_name_the_account_is_another_account_s() {
    for body in [
        "AccountSid=AC2&CallSid=CA1",
        "CallSid=CA1",
        "AccountSid=AC1&AccountSid=AC2&CallSid=CA1",
        "AccountSid=AC1%00&CallSid=CA1",
        "AccountSid=%FF&CallSid=CA1",
        r#"{"AccountSid": "AC1"}"#,
        "",
    ] {
        let refused = event(&raw(FORM, body.as_bytes()), "AC1").unwrap_err();
        assert_eq!(refused, Refused::OtherAccount, "{body}");
    }
}

#[test]
fn a_field_that_cannot_be_read_is_as_good_as_missing() {
    let long = "x".repeat(129);
    for call in [
        "",
        "CallSid=",
        "CallSid=%0A",
        "CallSid=%FF",
        "CallSid=CA1&CallSid=CA2",
        &format!("CallSid={long}"),
    ] {
        let body = format!("AccountSid=AC1&{call}&To=%2B1&Note=100%&Other=%FF");
        let event = event(&raw(FORM, body.as_bytes()), "AC1").unwrap();
        assert!(!event.names_a_call(), "{call}");
        assert_eq!(event.to.expose(), "+1");
    }
    assert_eq!(keys(&says("Digits=1&Digits=2").unwrap()), None);
    assert_eq!(keys(&says("Digits=%FF").unwrap()), None);
    assert!(!says("CallStatus=completed%0A").unwrap().ended);
    let recorded = says("RecordingSid=%FF&RecordingUrl=x&RecordingDuration=%FF").unwrap();
    assert_eq!(recorded.unnamed, Some(completed(None, None)));
    // The readable part of a number is kept.
    let from = says("From=%22%D5%C5%22+%3Csip%3A%2B8613800138000%40x%3E")
        .unwrap()
        .from;
    let kept = "\"\u{fffd}\u{fffd}\" <sip:+8613800138000@x>".to_owned();
    assert_eq!(from, Caller::Number(kept.into()));
    // The content type of the body does not matter, because the signature covers the body.
    let event = event(&raw("text/plain", b"AccountSid=AC1&CallSid=CA1"), "AC1").unwrap();
    assert_eq!(event.call.expose(), "CA1");
}

#[test]
fn a_content_type_is_one_and_may_have_parameters() {
    assert!(is_form(
        &raw("Application/X-WWW-Form-URLEncoded ; charset=UTF-8", b"").headers
    ));
    let mut doubled = raw(FORM, b"").headers;
    doubled.append(CONTENT_TYPE, FORM.parse().unwrap());
    assert!(!is_form(&doubled));
    assert!(!is_form(&HeaderMap::new()));
}

proptest! {
    #[test]
    fn no_form_makes_it_panic(fields in proptest::collection::vec((
        "AccountSid|CallSid|Digits|RecordingSid|RecordingStatus|RecordingDuration|From|To|CallStatus|\\PC*", "AC1|hangup|#|-1|\\PC*"
    ), 0..12), junk in any::<Vec<u8>>()) {
        let body = form_urlencoded::Serializer::new("AccountSid=AC1&CallSid=C".to_owned()).extend_pairs(fields).finish();
        if let Ok(event) = event(&raw(FORM, body.as_bytes()), "AC1") {
            prop_assert!(event.recording.is_none() || event.keys.is_none());
        }
        let _ = event(&raw(FORM, &junk), "AC1");
    }
}

#[test]
fn a_recording_named_by_its_address_alone() {
    const ID: &str = "35094891-3290-4142-b2c2-b2eda57534cf";
    for address in [
        "https%3A%2F%2Fexample.signalwire.com%2Fapi%2Flaml%2F2010-04-01%2FAccounts%2FAC1%2FRecordings%2F",
        "https%3A%2F%2Fapi.somleng.org%2F2010-04-01%2FAccounts%2FAC1%2FCalls%2FCA1%2FRecordings%2F",
    ] {
        for ending in ["", ".wav"] {
            let event = says(&format!(
                "RecordingUrl={address}{ID}{ending}&RecordingDuration=7&Digits=%23"
            ));
            let event = event.unwrap();
            let ended = RecordingOutcome::Completed {
                seconds: Some(7),
                end: Some(RecordingEnd::Key),
            };
            assert_eq!(outcome_of(&event), Some((ID, ended)));
            assert_eq!((keys(&event), event.unnamed), (None, None));
        }
    }
    // If the address has no id, the recording exists all the same: a later webhook names it.
    let event =
        says("RecordingUrl=https%3A%2F%2Fs3.example%2F35094891-1760000000.wav&RecordingDuration=7");
    let event = event.unwrap();
    let ended = RecordingOutcome::Completed {
        seconds: Some(7),
        end: None,
    };
    assert_eq!((outcome_of(&event), event.unnamed), (None, Some(ended)));
    // Without any address there is no recording, and the digits were a key.
    let event = says("RecordingUrl=&Digits=1").unwrap();
    assert_eq!((keys(&event), event.unnamed), (Some("1"), None));
}
