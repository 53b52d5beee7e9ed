use super::*;
use crate::simulator::SAMPLE;
use crate::simulator::exchange::Exchange;
use crate::simulator::testing::Service;

const CALL: &str = "/hooks/sim/call";

fn speech() -> Bytes {
    Bytes::from_static(SAMPLE)
}

async fn answered_with(verbs: &str) -> (Service, Exchange) {
    let service = Service::start().await;
    service.at(CALL, verbs);
    let exchange = service.exchange();
    (service, exchange)
}

#[tokio::test]
async fn a_whole_call() {
    let (service, exchange) = answered_with(
        r#"<Say language="cmn-CN">您好。</Say><Gather numDigits="1" timeout="8" action="https://duty.example.org/step?n=1"><Say>Press 1.</Say></Gather>"#,
    )
    .await;
    service.at(
        "/step?n=1",
        r##"<Record action="/step?n=2" finishOnKey="#" maxLength="300" recordingStatusCallback="/recording?n=2"/>"##,
    );
    service.at(
        "/step?n=2",
        r#"<Play>/take.wav</Play><Gather numDigits="1" action="/step?n=3"/>"#,
    );
    service.raw("/take.wav", "here");
    service.at("/step?n=3", "<Say>Goodbye.</Say><Hangup/>");

    let view = exchange
        .dial("+8613800138000", "18877009155")
        .await
        .unwrap();
    let call = view.id.clone();
    assert_eq!((call.len(), &call[..2]), (34, "CA"));
    let words = |say: &str, language: &str| Heard::Say {
        say: say.into(),
        language: language.into(),
    };
    assert_eq!(
        view.heard,
        [words("您好。", "cmn-CN"), words("Press 1.", "en-US")]
    );
    assert_eq!(view.waiting, WaitingFor::Keys { seconds: 8 });

    let view = exchange.press(&call, "1").await.unwrap();
    assert_eq!(view.heard, [Heard::Beep { beep: true }]);
    let waits = |spoken| WaitingFor::Speech {
        max_seconds: 300,
        spoken,
    };
    assert_eq!(view.waiting, waits(false));
    let view = exchange.speak(&call, speech(), None).await.unwrap();
    assert_eq!((view.heard.len(), view.waiting), (0, waits(true)));

    // The key `5` ends nothing and is lost; `#` ends the recording; `1` answers the next document's prompt.
    let view = exchange.press(&call, "5#1").await.unwrap();
    assert!(
        matches!(view.heard[0], Heard::Played { played, bytes, n: 1 } if played > 4.0 && bytes == SAMPLE.len())
    );
    assert_eq!(view.heard[1], words("Goodbye.", "en-US"));
    assert_eq!(view.waiting, WaitingFor::Nothing);

    let told = service.told();
    let paths: Vec<_> = told.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        paths,
        [
            CALL,
            "/step?n=1",
            "/step?n=2",
            "/recording?n=2",
            "/step?n=3",
            "/hooks/sim/status"
        ]
    );
    assert_eq!(told[0].1["CallStatus"], "ringing");
    assert_eq!(told[1].1["CallStatus"], "in-progress");
    assert_eq!(told[1].1["Digits"], "1");
    for (name, value) in [
        ("From", "+8613800138000"),
        ("Caller", "+8613800138000"),
        ("To", "18877009155"),
        ("Called", "18877009155"),
        ("Direction", "inbound"),
        ("ApiVersion", "2010-04-01"),
        ("CallSid", &call),
    ] {
        assert_eq!(told[0].1[name], value);
    }
    assert_eq!(told[2].1["RecordingDuration"], "4");
    assert_eq!(told[2].1["Digits"], "#");
    assert_eq!(told[5].1["CallStatus"], "completed");
    assert!(told[5].1["CallDuration"].parse::<u32>().unwrap() > 4);
    assert_eq!(exchange.troubles(), []);
    assert_eq!(exchange.sent().len(), 6);

    // A call that is over ignores keys.
    let view = exchange.press(&call, "1").await.unwrap();
    assert_eq!((view.heard.len(), view.waiting), (0, WaitingFor::Nothing));
    exchange.hang_up(&call).await.unwrap();
    assert!(service.told().is_empty());
}

#[tokio::test]
async fn silence_at_a_gather() {
    let (service, exchange) = answered_with(
        r#"<Gather numDigits="2" action="/a"/><Gather actionOnEmptyResult="true" action="/b"/>"#,
    )
    .await;
    service.at("/b", "<Hangup/>");
    let view = exchange.dial("anonymous", "1").await.unwrap();
    let view = exchange.keep_silent(&view.id).await.unwrap();
    assert_eq!(view.waiting, WaitingFor::Keys { seconds: 5 });
    // Speech during a menu counts as silence.
    exchange.speak(&view.id, speech(), None).await.unwrap();
    let told = service.told();
    assert_eq!(told[1].0, "/b");
    assert_eq!(told[1].1["Digits"], "");
}

#[tokio::test]
async fn what_ends_a_gather() {
    let (service, exchange) =
        answered_with(r#"<Gather numDigits="3" action="/keys" timeout="2"/>"#).await;
    service.at("/keys", r#"<Redirect>/hooks/sim/call</Redirect>"#);
    let id = exchange.dial("1", "2").await.unwrap().id;
    exchange.press(&id, "1234").await.unwrap();
    exchange.keep_silent(&id).await.unwrap();
    exchange.press(&id, "5#").await.unwrap();
    let told = service.told();
    let digits: Vec<_> = told
        .iter()
        .filter_map(|(_, form)| form.get("Digits"))
        .collect();
    // One gather was ended by the number of digits, the next one by the timeout after a first key, the last one
    // by the finishing key.
    assert_eq!(digits, ["123", "4", "5"]);
    // The finishing key alone counts as no input: the document continues and reaches its end.
    let view = exchange.press(&id, "#").await.unwrap();
    assert_eq!(view.waiting, WaitingFor::Nothing);
    assert_eq!(service.paths(), ["/hooks/sim/status"]);
}

#[tokio::test]
async fn hanging_up_at_a_menu_tells_only_the_end() {
    let (service, exchange) = answered_with(r#"<Gather action="/a"/>"#).await;
    let id = exchange.dial("1", "2").await.unwrap().id;
    exchange.press(&id, "1").await.unwrap();
    let view = exchange.hang_up(&id).await.unwrap();
    assert_eq!(view.waiting, WaitingFor::Nothing);
    assert_eq!(service.paths(), [CALL, "/hooks/sim/status"]);
}

#[tokio::test]
async fn a_refused_call_is_never_in_progress() {
    let (service, exchange) = answered_with(r#"<Reject reason="busy"/>"#).await;
    exchange.dial("1", "2").await.unwrap();
    let told = service.told();
    assert_eq!(told[1].1["CallStatus"], "busy");
    assert_eq!(told[1].1["CallDuration"], "0");
}

#[tokio::test]
async fn audio_that_is_not_there_is_reported() {
    let (_service, exchange) = answered_with("<Play>/gone.mp3</Play><Say>On.</Say>").await;
    let view = exchange.dial("1", "2").await.unwrap();
    assert!(matches!(&view.heard[0], Heard::PlayFailed { .. }));
    assert_eq!(view.heard.len(), 2);
}

#[tokio::test]
async fn what_a_caller_cannot_do() {
    let (_service, exchange) = answered_with("<Record/>").await;
    let id = exchange.dial("1", "2").await.unwrap().id;
    assert_eq!(exchange.press("CA0", "1").await, Err(CallError::Unknown));
    assert_eq!(exchange.press(&id, "x").await, Err(CallError::NotAKey));
    let html = Bytes::from_static(b"<html>");
    assert_eq!(
        exchange.speak(&id, html, None).await,
        Err(CallError::NotWav)
    );
    exchange.speak(&id, speech(), None).await.unwrap();
    assert_eq!(
        exchange.speak(&id, speech(), None).await,
        Err(CallError::AlreadySpoken)
    );
}
