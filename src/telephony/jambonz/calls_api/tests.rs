//! The REST API against a stand-in for it, written from jambonz's OpenAPI description.

use super::super::tests::jambonz;
use crate::telephony::{Finding, Provider, ProviderError};
use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// Gives the same answer to every request, and keeps the requests.
async fn stand_in(status: u16, body: Value) -> (String, Arc<Mutex<Vec<String>>>) {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let keep = Arc::clone(&asked);
    let app = Router::new().fallback(move |request: Request| {
        let bearer = request.headers()[header::AUTHORIZATION].to_str().unwrap();
        let line = format!("{} {} {bearer}", request.method(), request.uri());
        keep.lock().unwrap().push(line);
        let answer = (
            StatusCode::from_u16(status).unwrap(),
            axum::Json(body.clone()),
        );
        async move { answer }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await });
    (url, asked)
}

#[tokio::test]
async fn how_a_call_stands() {
    for (status, body, ended) in [
        (200, json!({"call_status": "in-progress"}), Some(false)),
        (200, json!({"call_status": "completed"}), Some(true)),
        (200, json!({"callStatus": "no-answer"}), Some(true)),
        (404, json!({}), Some(true)),
        (200, json!({}), None),
        (500, json!({}), None),
    ] {
        let (url, asked) = stand_in(status, body.clone()).await;
        let standing = jambonz(&url).ask("c-1").await;
        assert_eq!(standing.ok().map(|s| s.ended), ended, "{status} {body}");
        assert_eq!(
            *asked.lock().unwrap(),
            ["GET /v1/Accounts/9351f46a-678c-43f5-b8a6-d4eb58d131af/Calls/c-1 Bearer the-key"]
        );
    }
    let refused = jambonz("http://127.0.0.1:1").ask("../c").await;
    assert!(matches!(refused, Err(ProviderError::Failed(_))));
}

#[tokio::test]
async fn what_an_operator_is_told() {
    let look = async |status| {
        let (url, _) = stand_in(status, json!({})).await;
        jambonz(&format!("{url}/v1"))
            .look("https://duty.example")
            .await
    };
    let [Finding::Good(good)] = &look(404).await[..] else {
        panic!("it answers");
    };
    assert!(
        good.contains("https://duty.example/hooks/jb/call"),
        "{good}"
    );
    for status in [401, 403, 500] {
        assert!(
            matches!(look(status).await[..], [Finding::Bad(_)]),
            "{status}"
        );
    }
}

#[tokio::test]
async fn calls_that_are_over_and_calls_that_run_are_listed() {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let keep = Arc::clone(&asked);
    let app = Router::new().fallback(move |request: Request| {
        let asked_for = request.uri().to_string();
        keep.lock().unwrap().push(asked_for.clone());
        let over = |n: usize, at: &str| json!({ "call_sid": format!("c-{n}"), "to": "18877009155", "attempted_at": at });
        let first: Vec<Value> = (0..500).map(|n| over(n, "2024-03-06T09:00:01.000Z")).collect();
        let answer = match () {
            () if asked_for.contains("page=1&") => json!({ "total": 502, "data": first }),
            () if asked_for.contains("page=2&") => {
                json!({ "data": [over(500, "2024-03-06T08:59:59.000Z"), over(501, "2024-03-06T09:00:00.000Z")] })
            }
            () => json!([
                { "call_sid": "r-1", "direction": "inbound", "call_status": "in-progress", "to": "18877009155" },
                { "call_sid": "r-2", "direction": "outbound", "call_status": "ringing" },
            ]),
        };
        async move { axum::Json(answer) }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await });
    let since = "2024-03-06T09:00:00Z".parse().unwrap();
    let listing = jambonz(&url).list(since).await.unwrap();
    assert!(listing.recordings.is_empty(), "none rests there");
    let calls: Vec<(&str, bool)> = listing
        .calls
        .iter()
        .map(|call| (call.id.expose().as_str(), call.ended))
        .collect();
    assert_eq!(calls.len(), 502);
    assert_eq!(
        calls[499..],
        [("c-499", true), ("c-501", true), ("r-1", false)]
    );
    let account = "/v1/Accounts/9351f46a-678c-43f5-b8a6-d4eb58d131af";
    let page = |n| {
        format!(
            "{account}/RecentCalls?page={n}&count=500&direction=inbound&start=2024-03-06T09:00:00Z"
        )
    };
    assert_eq!(
        *asked.lock().unwrap(),
        [page(1), page(2), format!("{account}/Calls")]
    );
    let (url, _) = stand_in(200, json!({})).await;
    assert!(jambonz(&url).list(since).await.is_err());
}
