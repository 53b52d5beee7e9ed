use super::*;
use crate::simulator::SAMPLE;
use crate::simulator::call::{Heard, WaitingFor};
use crate::simulator::faults::{Callbacks, Faults};
use crate::simulator::testing::{Service, Told};

const CALL: &str = "/hooks/sim/call";
const STATUS: &str = "/hooks/sim/status";
const NUMBER: &str = "+8613800000001";
const DIAL: &str = r#"<Dial action="/after" timeout="20" timeLimit="1800" callerId="+8618877009155" record="record-from-answer" recordingStatusCallback="/kept" recordingStatusCallbackEvent="completed absent"><Number url="/whisper">+8613800000001</Number></Dial>"#;

/// Starts a call that dials a second telephone, which behaves as `answering` says.
async fn rung(answering: Answering) -> (Service, Exchange, PhoneView) {
    rung_with(DIAL, answering).await
}

async fn rung_with(dial: &str, answering: Answering) -> (Service, Exchange, PhoneView) {
    let service = Service::start().await;
    service.at(CALL, dial);
    service.at(
        "/whisper",
        r#"<Gather numDigits="1" timeout="8" action="/accepted" actionOnEmptyResult="true"><Say>Press 1.</Say></Gather><Hangup/>"#,
    );
    service.at("/accepted", "");
    service.at("/after", "<Say>It is over.</Say><Hangup/>");
    let exchange = service.exchange();
    exchange.set_answering(NUMBER, answering);
    let view = exchange
        .dial("+8613800138000", "18877009155")
        .await
        .unwrap();
    (service, exchange, view)
}

fn picks_up(keys: &str) -> Answering {
    let keys = keys.to_owned();
    Answering::PicksUp { keys }
}

/// Returns the requests received after the first one, which announced the call.
fn told(service: &Service) -> Vec<Told> {
    let mut told = service.told();
    assert_eq!(told.remove(0).0, CALL);
    told
}

fn paths(told: &[Told]) -> Vec<&str> {
    told.iter().map(|(path, _)| path.as_str()).collect()
}

fn over(view: &PhoneView) -> bool {
    view.waiting == WaitingFor::Nothing
        && matches!(&view.heard[..], [Heard::Say { say, .. }] if say == "It is over.")
}

#[tokio::test]
async fn whoever_takes_it_speaks_until_they_hang_up() {
    let (service, exchange, view) = rung(picks_up("1")).await;
    assert_eq!(view.waiting, WaitingFor::Talking { max_seconds: 1800 });
    assert!(view.heard.is_empty(), "the whisper is not for the caller");
    let before = told(&service);
    assert_eq!(paths(&before), ["/whisper", "/accepted"]);
    let leg = &before[0].1["CallSid"];
    assert!(leg.starts_with("CA") && *leg != view.id);
    for (_, form) in &before {
        for (name, value) in [
            ("CallSid", leg.as_str()),
            ("ParentCallSid", &view.id),
            ("Direction", "outbound-dial"),
            ("From", "+8618877009155"),
            ("To", NUMBER),
            ("CallStatus", "in-progress"),
        ] {
            assert_eq!(form[name], value, "{name}");
        }
    }
    assert_eq!(before[1].1["Digits"], "1");

    // During a conversation keys have no effect, and speech is recorded.
    exchange.press(&view.id, "1").await.unwrap();
    let speech = Bytes::from_static(SAMPLE);
    let view = exchange.speak(&view.id, speech.clone(), None).await;
    let view = view.unwrap();
    assert_eq!(view.waiting, WaitingFor::Talking { max_seconds: 1800 });
    let again = exchange.speak(&view.id, speech, None).await;
    assert_eq!(again, Err(CallError::AlreadySpoken));
    let view = exchange.other_hangs_up(&view.id).await.unwrap();
    assert!(over(&view), "{view:?}");
    let after = service.told();
    assert_eq!(paths(&after), ["/after", "/kept", STATUS]);
    let action = &after[0].1;
    for (name, value) in [
        ("CallSid", view.id.as_str()),
        ("Direction", "inbound"),
        ("CallStatus", "in-progress"),
        ("DialCallStatus", "completed"),
        ("DialCallSid", leg),
        ("DialBridged", "true"),
    ] {
        assert_eq!(action[name], value, "{name}");
    }
    assert!(!action.contains_key("RecordingSid"), "as documented");
    let callback = &after[1].1;
    let recording = &exchange.recordings_of(&view.id)[0];
    assert!(action["RecordingUrl"].ends_with(&recording.sid));
    for (name, value) in [
        ("CallSid", view.id.as_str()),
        ("RecordingSid", &recording.sid),
        ("RecordingStatus", "completed"),
        ("RecordingSource", "DialVerb"),
        ("RecordingTrack", "both"),
    ] {
        assert_eq!(callback[name], value, "{name}");
    }
    assert_eq!(recording.audio.as_deref(), Some(SAMPLE));
}

#[tokio::test]
async fn what_comes_of_a_telephone_nobody_takes() {
    let cases = [
        (Answering::Busy, "busy", &[][..]),
        (Answering::Unreachable, "failed", &[]),
        // A voicemail: the call is answered, which does not prove that a person accepted it.
        (picks_up(""), "completed", &["/whisper", "/accepted"]),
        (picks_up("2"), "completed", &["/whisper", "/accepted"]),
    ];
    for (answering, status, before) in cases {
        let service = Service::start().await;
        service.at(CALL, DIAL);
        service.at(
            "/whisper",
            r#"<Gather numDigits="1" action="/accepted" actionOnEmptyResult="true"/>"#,
        );
        service.at("/accepted", "<Hangup/>");
        service.at("/after", "<Say>It is over.</Say><Hangup/>");
        let exchange = service.exchange();
        exchange.set_answering(NUMBER, answering.clone());
        let view = exchange.dial("+861", "2").await.unwrap();
        assert!(over(&view), "{answering:?}: {view:?}");
        let told = told(&service);
        assert_eq!(paths(&told), [before, &["/after", STATUS]].concat());
        let action = &told[before.len()].1;
        assert_eq!(action["DialCallStatus"], status);
        assert_eq!(action["DialBridged"], "false");
        assert_eq!(
            action.contains_key("DialCallDuration"),
            status == "completed"
        );
        assert!(exchange.recordings_of(&view.id).is_empty());
    }
}

#[tokio::test]
async fn it_rings_until_the_caller_has_waited_or_hangs_up() {
    let (service, exchange, view) = rung(Answering::Nobody).await;
    assert_eq!(view.waiting, WaitingFor::Ringing { seconds: 20 });
    exchange.press(&view.id, "1").await.unwrap();
    assert_eq!(
        exchange.other_hangs_up(&view.id).await,
        Err(CallError::NotTalking)
    );
    let view = exchange.keep_silent(&view.id).await.unwrap();
    assert!(over(&view));
    let told = told(&service);
    assert_eq!(paths(&told), ["/after", STATUS]);
    assert_eq!(told[0].1["DialCallStatus"], "no-answer");
    assert!(told[1].1["CallDuration"].parse::<u32>().unwrap() >= 20);
}

#[tokio::test]
async fn the_caller_hangs_up() {
    for (answering, status) in [
        (Answering::Nobody, "canceled"),
        (picks_up("1"), "completed"),
    ] {
        let (service, exchange, view) = rung(answering).await;
        told(&service);
        exchange.hang_up(&view.id).await.unwrap();
        let told = service.told();
        let expected: &[_] = match status {
            "canceled" => &["/after", STATUS],
            _ => &["/after", "/kept", STATUS],
        };
        assert_eq!(paths(&told), expected);
        assert_eq!(told[0].1["DialCallStatus"], status);
        assert_eq!(told[0].1["CallStatus"], "completed", "the caller's call");
        // Without speech the recording's state is `absent`.
        if let [_, (_, kept), _] = &told[..] {
            assert_eq!(kept["RecordingStatus"], "absent");
        }
    }
}

#[tokio::test]
async fn a_talk_lasts_as_long_as_it_may() {
    let (service, exchange, view) = rung(picks_up("1")).await;
    told(&service);
    let view = exchange.keep_silent(&view.id).await.unwrap();
    assert!(over(&view));
    let told = service.told();
    assert_eq!(told[0].1["DialCallDuration"], "1800");
}

#[tokio::test]
async fn without_a_whisper_picking_up_is_enough_and_without_an_action_the_document_goes_on() {
    let dial = "<Dial><Number>+8613800000001</Number></Dial><Say>On.</Say>";
    let (service, exchange, view) = rung_with(dial, picks_up("")).await;
    assert_eq!(
        view.waiting,
        WaitingFor::Talking {
            max_seconds: 14_400
        }
    );
    let view = exchange.other_hangs_up(&view.id).await.unwrap();
    assert!(matches!(&view.heard[..], [Heard::Say { say, .. }] if say == "On."));
    assert_eq!(paths(&told(&service)), [STATUS]);
}

#[tokio::test]
async fn whoever_is_rung_is_let_go_when_their_document_fails() {
    let nested = "<Response><Dial><Number>+8613800000002</Number></Dial></Response>";
    for (whisper, code) in [("!500", 11200), ("hello", 12100), (nested, 13201)] {
        let service = Service::start().await;
        service.at(CALL, DIAL);
        service.raw("/whisper", whisper);
        service.at("/after", "<Say>It is over.</Say><Hangup/>");
        let exchange = service.exchange();
        exchange.set_answering(NUMBER, picks_up("1"));
        let view = exchange.dial("+861", "2").await.unwrap();
        assert!(over(&view), "{view:?}");
        assert_eq!(paths(&told(&service)), ["/whisper", "/after", STATUS]);
        let codes: Vec<_> = exchange.troubles().iter().map(|t| t.code).collect();
        assert_eq!(codes, [code]);
    }
}

#[tokio::test]
async fn numbers_twilio_cannot_ring_are_trouble() {
    for (written, code) in [
        (DIAL.replace(">+8613800000001<", ">13800000001<"), 13224),
        (DIAL.replace("\"+8618877009155\"", "\"18877009155\""), 13214),
    ] {
        let (service, exchange, view) = rung_with(&written, picks_up("1")).await;
        assert!(over(&view), "{view:?}");
        let told = told(&service);
        assert_eq!(paths(&told), ["/after", STATUS]);
        assert_eq!(told[0].1["DialCallStatus"], "failed");
        let codes: Vec<_> = exchange.troubles().iter().map(|t| t.code).collect();
        assert_eq!(codes, [code]);
    }
}

#[tokio::test]
async fn an_action_that_is_lost_ends_the_call() {
    let (service, exchange, view) = rung(picks_up("1")).await;
    exchange.set_faults(Faults {
        drop_action: true,
        ..Faults::default()
    });
    told(&service);
    let view = exchange.other_hangs_up(&view.id).await.unwrap();
    assert_eq!(view.waiting, WaitingFor::Nothing);
    assert!(view.heard.is_empty());
    assert_eq!(paths(&service.told()), [STATUS, "/kept"]);
}

#[tokio::test]
async fn callbacks_come_as_the_faults_say() {
    for (callbacks, expected) in [
        (Callbacks::BeforeAction, &["/kept", "/after", STATUS][..]),
        (Callbacks::AfterCall, &["/after", STATUS, "/kept"]),
        (Callbacks::Never, &["/after", STATUS]),
    ] {
        let (service, exchange, view) = rung(picks_up("1")).await;
        exchange.set_faults(Faults {
            callbacks,
            ..Faults::default()
        });
        told(&service);
        let speech = Bytes::from_static(SAMPLE);
        exchange.speak(&view.id, speech, None).await.unwrap();
        exchange.other_hangs_up(&view.id).await.unwrap();
        assert_eq!(paths(&service.told()), expected);
        assert_eq!(exchange.recordings_of(&view.id).len(), 1);
    }
}
