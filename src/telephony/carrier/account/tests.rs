//! The REST API against a stand-in for it, written from Twilio's documentation and its OpenAPI description.

use crate::audio::wav::{LARGEST, Wav, WavCheck};
use crate::line::number::Caller;
use crate::telephony::carrier::Carrier;
use crate::telephony::twilio::tests::{impatient, twilio};
use crate::telephony::{Provider, ProviderError};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, Response, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// One second of µ-law silence.
fn wav() -> Vec<u8> {
    let mut out = b"RIFF\x64\x1f\0\0WAVEfmt \x10\0\0\0\x07\0\x01\0".to_vec();
    out.extend(8000u32.to_le_bytes());
    out.extend(8000u32.to_le_bytes());
    out.extend(b"\x01\0\x08\0data\x40\x1f\0\0");
    out.extend([0xff; 8000]);
    out
}

/// A stand-in that gives prepared answers, one per request, and keeps the requests.
struct StandIn {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl StandIn {
    async fn with(answers: Vec<Response<Body>>) -> Self {
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (keep, answers) = (asked.clone(), Arc::new(Mutex::new(VecDeque::from(answers))));
        let app = Router::new().fallback(move |request: Request<Body>| {
            let token = token_of(request.headers());
            let line = format!("{} {} {token}", request.method(), request.uri());
            keep.lock().unwrap().push(line);
            let answer = answers.lock().unwrap().pop_front();
            async move { answer.unwrap_or_else(|| status(500)) }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, app).await });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn token_of(headers: &HeaderMap) -> String {
    let value = headers[header::AUTHORIZATION].to_str().unwrap();
    let decoded = STANDARD
        .decode(value.strip_prefix("Basic ").unwrap())
        .unwrap();
    String::from_utf8(decoded).unwrap()
}

fn status(code: u16) -> Response<Body> {
    let body = r#"{"code":20404,"message":"The requested resource was not found","status":404}"#;
    Response::builder().status(code).body(body.into()).unwrap()
}

fn ok(body: impl Into<Body>) -> Response<Body> {
    Response::new(body.into())
}

/// A server that writes `answer` to each client, and then closes the connection, or keeps it open without sending more.
async fn raw_server(answer: Vec<u8>, closes: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 2048];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(&answer).await;
            let _ = stream.flush().await;
            if !closes {
                open.push(stream);
            }
        }
    });
    url
}

/// Fetches a recording and checks the stream, as the job does.
async fn fetch(twilio: &Carrier) -> Result<Wav, String> {
    let download = twilio.fetch("RE1").await.map_err(|e| e.to_string())?;
    let mut check = WavCheck::new(LARGEST, download.length);
    let mut body = download.body;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|e| e.to_string())?;
        check.feed(&chunk).map_err(|e| e.to_string())?;
    }
    check.finish().map_err(|e| e.to_string())
}

fn badly(why: &str) -> Result<Wav, String> {
    Err(format!("the provider answered badly: {why}"))
}

#[tokio::test]
async fn a_recording_is_not_there_at_first_and_then_it_is() {
    let stand_in = StandIn::with(vec![status(404), ok(wav())]).await;
    let twilio = twilio(&format!("{}/", stand_in.url));
    assert!(matches!(
        twilio.fetch("RE1").await,
        Err(ProviderError::NotFound)
    ));
    let whole = Wav {
        bytes: 8044,
        duration_ms: Some(1000),
    };
    assert_eq!(fetch(&twilio).await, Ok(whole));
    let expected = "GET /2010-04-01/Accounts/AC1/Recordings/RE1.wav AC1:first";
    assert_eq!(stand_in.asked(), [expected, expected]);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: audio/x-wav\r\n";
    let cut = &wav()[..4000];
    let by_length = [
        format!("{head}Content-Length: 8044\r\n\r\n").as_bytes(),
        cut,
    ]
    .concat();
    let url = raw_server(by_length, true).await;
    assert_eq!(
        fetch(&twilio(&url)).await,
        badly("the answer was cut short")
    );
    // 0xfa0 is 4000; the last chunk, of length 0, never comes.
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\nfa0\r\n");
    for tail in ["", "\r\n", "\r\n10\r\n12345"] {
        let answer = [chunked.as_bytes(), cut, tail.as_bytes()].concat();
        let url = raw_server(answer, true).await;
        assert_eq!(
            fetch(&twilio(&url)).await,
            badly("the answer was cut short"),
            "{tail:?}"
        );
    }
    // Chunks that end correctly, but too early: the header of the WAV shows it.
    let answer = [chunked.as_bytes(), cut, b"\r\n0\r\n\r\n"].concat();
    let url = raw_server(answer, true).await;
    assert_eq!(
        fetch(&twilio(&url)).await,
        Err("it is cut short".to_owned())
    );
    // Neither a length nor chunks: the end of the connection is the end of the body.
    let answer = [format!("{head}Connection: close\r\n\r\n").as_bytes(), cut].concat();
    let url = raw_server(answer, true).await;
    assert_eq!(
        fetch(&twilio(&url)).await,
        Err("it is cut short".to_owned())
    );
}

#[tokio::test]
async fn what_is_no_recording_is_not_taken_for_one() {
    let encoded = Response::builder()
        .header("Content-Encoding", "gzip")
        .body(wav().into())
        .unwrap();
    let stand_in = StandIn::with(vec![
        ok("<!DOCTYPE html><html><title>Bad gateway</title>"),
        ok("<?xml version='1.0'?><TwilioResponse/>"),
        ok(r#"{"status":404}"#),
        ok(""),
        ok(&b"ID3\x04\0\0\0\0\0\0\0\0\0\0"[..]),
        encoded,
        Response::builder().status(206).body(wav().into()).unwrap(),
        status(503),
    ])
    .await;
    let twilio = twilio(&stand_in.url);
    for error in [
        "it is an HTML page",
        "it is an XML document",
        "it is a JSON document",
        "the body is empty",
        "it is an MP3",
        "the provider answered badly: the recording came compressed",
        "the provider answered badly: it answered with status 206",
        "the provider answered badly: it answered with status 503",
    ] {
        assert_eq!(fetch(&twilio).await, Err(error.to_owned()));
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = StandIn::with(vec![ok(wav())]).await;
    let moved = Response::builder()
        .status(302)
        .header("Location", format!("{}/x.wav", elsewhere.url));
    let stand_in = StandIn::with(vec![moved.body(Body::empty()).unwrap()]).await;
    assert_eq!(
        fetch(&twilio(&stand_in.url)).await,
        badly("it answered with status 302")
    );
    assert!(elsewhere.asked().is_empty());
}

#[tokio::test]
async fn the_second_token_is_tried_where_the_first_is_refused() {
    let stand_in = StandIn::with(vec![
        status(401),
        ok(wav()),
        status(401),
        status(401),
        status(403),
    ])
    .await;
    let twilio = twilio(&stand_in.url);
    assert!(fetch(&twilio).await.is_ok());
    assert!(matches!(
        twilio.fetch("RE1").await,
        Err(ProviderError::Denied)
    ));
    assert!(matches!(
        twilio.fetch("RE1").await,
        Err(ProviderError::Denied)
    ));
    let tokens: Vec<_> = stand_in
        .asked()
        .iter()
        .map(|line| line.rsplit(':').next().unwrap().to_owned())
        .collect();
    assert_eq!(tokens, ["first", "second", "first", "second", "first"]);
}

#[tokio::test]
async fn a_deletion_is_proven_where_the_recording_is_fetched() {
    let gone = Response::builder().status(204).body(Body::empty()).unwrap();
    let answers = vec![
        gone,
        ok(wav()),
        status(404),
        ok(r#"{"recordings":[]}"#),
        status(500),
        status(302),
    ];
    let stand_in = StandIn::with(answers).await;
    let twilio = twilio(&stand_in.url);
    assert!(twilio.delete("RE1").await.is_ok());
    assert!(!twilio.is_gone("RE1").await.unwrap(), "it is still served");
    assert!(twilio.is_gone("RE1").await.unwrap());
    // An error proves nothing, and after a redirect the recording is not gone.
    let error = twilio.is_gone("RE1").await.unwrap_err();
    assert!(matches!(error, ProviderError::Failed(_)));
    assert!(!twilio.is_gone("RE1").await.unwrap());
    let asked = stand_in.asked();
    assert_eq!(
        asked[..2],
        [
            "DELETE /2010-04-01/Accounts/AC1/Recordings/RE1.json AC1:first",
            "GET /2010-04-01/Accounts/AC1/Recordings/RE1.wav AC1:first"
        ]
    );
}

#[tokio::test]
async fn a_404_proves_nothing_while_the_account_does_not_answer() {
    let list = || ok(r#"{"recordings":[]}"#);
    // The account is not found either, an error, another kind of document, and then the list.
    let stand_in = StandIn::with(vec![
        status(404),
        status(404),
        status(404),
        status(404),
        status(503),
        status(404),
        ok("<!DOCTYPE html><title>Welcome</title>"),
        status(404),
        list(),
    ])
    .await;
    let twilio = twilio(&stand_in.url);
    for _ in 0..3 {
        let gone = twilio.is_gone("RE1").await;
        assert!(gone.is_err(), "{gone:?}");
    }
    assert!(twilio.is_gone("RE1").await.unwrap());
    let asked = stand_in.asked();
    let account = "GET /2010-04-01/Accounts/AC1/Recordings.json?PageSize=1 AC1:first";
    assert_eq!(asked.last().map(String::as_str), Some(account));
}

#[tokio::test]
async fn what_is_not_found_is_asked_for_under_the_other_spelling() {
    let gone = Response::builder().status(204).body(Body::empty()).unwrap();
    let stand_in = StandIn::with(vec![
        status(404),
        gone,
        status(404),
        status(404),
        status(404),
        ok(r#"{"sid":"CA1","status":"completed"}"#),
    ])
    .await;
    let twilio = twilio(&stand_in.url);
    assert!(twilio.delete("RE1").await.is_ok());
    let error = twilio.delete("RE1").await.unwrap_err();
    assert!(matches!(error, ProviderError::NotFound));
    assert!(twilio.ask("CA1").await.unwrap().ended);
    let asked = stand_in.asked();
    let paths: Vec<&str> = asked
        .iter()
        .map(|line| line.split(['/', ' ']).nth_back(1).unwrap())
        .collect();
    assert_eq!(
        paths,
        ["RE1.json", "RE1", "RE1.json", "RE1", "CA1.json", "CA1"]
    );
}

#[tokio::test]
async fn a_call_is_asked_about() {
    let stand_in = StandIn::with(vec![
        ok(r#"{"sid":"CA1","status":"in-progress"}"#),
        ok(r#"{"sid":"CA1","status":"completed"}"#),
        ok("<html>"),
        ok("{}"),
        ok("x".repeat(2 * 1024 * 1024)),
        status(404),
        status(404),
    ])
    .await;
    let twilio = twilio(&stand_in.url);
    assert!(!twilio.ask("CA1").await.unwrap().ended);
    assert!(twilio.ask("CA1").await.unwrap().ended);
    for why in [
        "the answer is not JSON",
        "the call has no status",
        "the answer is too long",
    ] {
        let error = twilio.ask("CA1").await.unwrap_err().to_string();
        assert_eq!(error, format!("the provider answered badly: {why}"));
    }
    assert!(matches!(
        twilio.ask("CA1").await,
        Err(ProviderError::NotFound)
    ));
    assert_eq!(
        stand_in.asked()[0],
        "GET /2010-04-01/Accounts/AC1/Calls/CA1.json AC1:first"
    );
}

#[tokio::test]
async fn the_recordings_of_a_call_are_listed() {
    let list = r#"{"end":2,"page":0,"next_page_uri":null,"recordings":[{"sid":"RE1","status":"completed"},
        {"sid":"RE2","status":"processing"},{"sid":"RE3","status":"absent"}]}"#;
    let next = r#"{"recordings":[{"sid":"RE1"}],"next_page_uri":"/2010-04-01/Accounts/AC1/Calls/CA1/Recordings.json?Page=1"}"#;
    let stand_in = StandIn::with(vec![
        ok(list),
        ok("{}"),
        ok(r#"{"recordings":[{}]}"#),
        ok(next),
        ok(r#"{"recordings":[{"sid":"RE2"}],"next_page_uri":null}"#),
    ])
    .await;
    let twilio = twilio(&stand_in.url);
    let ids = async || {
        let ids = twilio.recordings_of("CA1").await?;
        let shown = ids.into_iter().map(|id| id.into_shown());
        Ok::<Vec<String>, ProviderError>(shown.collect())
    };
    assert_eq!(ids().await.unwrap(), ["RE1", "RE2"]);
    assert!(ids().await.is_err());
    assert!(ids().await.is_err());
    assert_eq!(ids().await.unwrap(), ["RE1", "RE2"], "on two pages");
    let expected = "GET /2010-04-01/Accounts/AC1/Calls/CA1/Recordings.json?PageSize=1000 AC1:first";
    assert_eq!(stand_in.asked()[0], expected);
}

#[tokio::test]
async fn a_list_that_is_not_there_is_not_an_empty_one() {
    let all = r#"{"recordings":[{"sid":"RE1","call_sid":"CA1"},{"sid":"RE2","call_sid":"CA2"}]}"#;
    let unnamed = r#"{"recordings":[{"sid":"RE1"}]}"#;
    let not_found = || (0..2).map(|_| status(404));
    let mut answers: Vec<_> = not_found().chain([ok(all)]).collect();
    answers.extend(not_found().chain([ok(unnamed)]));
    answers.extend(not_found().chain(not_found()));
    let stand_in = StandIn::with(answers).await;
    let twilio = twilio(&stand_in.url);
    // Of all the account's recordings, those that name this call.
    let ids = twilio.recordings_of("CA1").await.unwrap();
    assert_eq!(ids, ["RE1".to_owned().into()]);
    let error = twilio.recordings_of("CA1").await.unwrap_err();
    assert!(matches!(error, ProviderError::Failed(_)), "{error}");
    let error = twilio.recordings_of("CA1").await.unwrap_err();
    assert!(matches!(error, ProviderError::NotFound), "{error}");
    let expected =
        "GET /2010-04-01/Accounts/AC1/Recordings.json?PageSize=200&CallSid=CA1 AC1:first";
    assert_eq!(stand_in.asked()[2], expected);
}

#[tokio::test]
async fn silence_is_not_waited_out() {
    let url = raw_server(Vec::new(), false).await;
    assert_eq!(fetch(&impatient(&url)).await, badly("it took too long"));
    let begun = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 8044\r\n\r\n",
        &wav()[..100],
    ]
    .concat();
    let url = raw_server(begun, false).await;
    assert_eq!(fetch(&impatient(&url)).await, badly("it took too long"));
}

#[tokio::test]
async fn errors_name_no_address_and_no_id() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = twilio(&url).delete("REsecret").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the provider answered badly: it could not be reached"
    );
    assert!(!format!("{error:?}").contains("secret"));
}

#[tokio::test]
async fn an_id_cannot_lead_elsewhere() {
    let stand_in = StandIn::with(Vec::new()).await;
    let twilio = twilio(&stand_in.url);
    let long = "x".repeat(129);
    for id in [
        "",
        ".",
        "..",
        "../Calls/CA1",
        "a/b",
        "a%2fb",
        "a?b",
        "a#b",
        "a b",
        "é",
        "RE1..",
        &long,
    ] {
        // Not `ProviderError::NotFound`, which would prove a deletion.
        assert!(
            matches!(twilio.delete(id).await, Err(ProviderError::Failed(_))),
            "{id}"
        );
        assert!(
            matches!(twilio.fetch(id).await, Err(ProviderError::Failed(_))),
            "{id}"
        );
        assert!(
            twilio.ask(id).await.is_err()
                && twilio.recordings_of(id).await.is_err()
                && twilio.is_gone(id).await.is_err(),
            "{id}"
        );
    }
    assert!(stand_in.asked().is_empty());
}

#[tokio::test]
async fn calls_and_recordings_are_listed_page_by_page() {
    let since: chrono::DateTime<chrono::Utc> = "2024-03-06T09:00:00Z".parse().unwrap();
    let calls = r#"{"calls":[{"sid":"CA1","to":"+8618877009155","status":"completed","start_time":"Wed, 06 Mar 2024 09:00:00 +0000"},
        {"sid":"CA0","to":"+8618877009155","status":"completed","start_time":"Wed, 06 Mar 2024 08:59:59 +0000"}],
        "next_page_uri":"/2010-04-01/Accounts/AC1/Calls.json?PageSize=1000&Page=1"}"#;
    let more = r#"{"calls":[{"sid":"CA2","to":"x","status":"in-progress","start_time":null,"date_created":"2024-03-06T10:00:00Z"}],"next_page_uri":null}"#;
    let recordings = r#"{"recordings":[{"sid":"RE1","call_sid":"CA1","status":"completed","date_created":"Wed, 06 Mar 2024 09:01:00 +0000"},
        {"sid":"RE2","call_sid":"CA1","status":"absent","date_created":"Wed, 06 Mar 2024 09:01:00 +0000"},
        {"sid":"RE3","status":"completed"}]}"#;
    let stand_in = StandIn::with(vec![ok(calls), ok(more), ok(recordings)]).await;
    let listing = twilio(&stand_in.url).list(since).await.unwrap();
    let calls = listing
        .calls
        .iter()
        .map(|call| (call.id.expose().as_str(), call.ended));
    assert_eq!(calls.collect::<Vec<_>>(), [("CA1", true), ("CA2", false)]);
    let recordings = listing.recordings.iter().map(|recording| {
        let call = recording.call.as_ref().map(|call| call.expose().as_str());
        (recording.id.expose().as_str(), call)
    });
    assert_eq!(
        recordings.collect::<Vec<_>>(),
        [("RE1", Some("CA1")), ("RE3", None)]
    );
    let asked = stand_in.asked();
    assert_eq!(
        asked[0],
        "GET /2010-04-01/Accounts/AC1/Calls.json?PageSize=200&StartTime%3E=2024-03-06 AC1:first"
    );
    assert_eq!(
        asked[1],
        "GET /2010-04-01/Accounts/AC1/Calls.json?PageSize=1000&Page=1 AC1:first"
    );
    assert_eq!(
        asked[2],
        "GET /2010-04-01/Accounts/AC1/Recordings.json?PageSize=200&DateCreated%3E=2024-03-06T09:00:00Z AC1:first"
    );
}

#[tokio::test]
async fn a_next_page_elsewhere_is_not_asked_for() {
    let since = chrono::DateTime::UNIX_EPOCH;
    for next in [
        "https://evil.example/",
        "//evil.example/2010-04-01/Accounts/AC1/Calls.json",
        "/2010-04-01/Accounts/AC2/Calls.json",
        "@evil.example/",
    ] {
        let page = format!(r#"{{"calls":[],"next_page_uri":"{next}"}}"#);
        let stand_in = StandIn::with(vec![ok(page)]).await;
        assert!(twilio(&stand_in.url).list(since).await.is_err(), "{next}");
        assert_eq!(stand_in.asked().len(), 1);
    }
    // Reading stops at the maximum number of pages.
    let again = r#"{"calls":[],"next_page_uri":"/2010-04-01/Accounts/AC1/Calls.json?Page=1"}"#;
    let stand_in = StandIn::with((0..600).map(|_| ok(again)).collect()).await;
    assert!(twilio(&stand_in.url).list(since).await.is_err());
    assert_eq!(stand_in.asked().len(), 500);
}

#[tokio::test]
async fn the_origin_of_a_recording_is_asked_for() {
    let recording = r#"{"sid":"RE1","call_sid":"CA2"}"#;
    let leg =
        r#"{"sid":"CA2","to":"+8613800000001","from":"+8618877009155","parent_call_sid":"CA1"}"#;
    let call =
        r#"{"sid":"CA1","to":"+8618877009155","from":"+8613800138000","parent_call_sid":null}"#;
    let stand_in = StandIn::with(vec![
        ok(recording),
        ok(leg),
        ok(call),
        ok(call),
        ok("{}"),
        status(404),
        status(404),
    ])
    .await;
    let twilio = twilio(&stand_in.url);
    let origin = twilio.origin("RE1", None).await.unwrap();
    assert_eq!(
        origin.call.expose(),
        "CA1",
        "the caller's, not the other telephone's"
    );
    assert_eq!(origin.to.expose(), "+8618877009155");
    assert_eq!(
        origin.from,
        Caller::Number("+8613800138000".to_owned().into())
    );
    // If the call is known, only the call is requested.
    let origin = twilio.origin("RE1", Some("CA1")).await.unwrap();
    assert_eq!(origin.call.expose(), "CA1");
    assert!(
        twilio.origin("RE1", None).await.is_err(),
        "it names no call"
    );
    let error = twilio.origin("RE1", None).await.unwrap_err();
    assert!(matches!(error, ProviderError::NotFound));
    let asked = stand_in.asked();
    assert_eq!(
        asked[0],
        "GET /2010-04-01/Accounts/AC1/Recordings/RE1.json AC1:first"
    );
    assert_eq!(
        asked[3],
        "GET /2010-04-01/Accounts/AC1/Calls/CA1.json AC1:first"
    );
}
