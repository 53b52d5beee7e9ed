//! The REST API of the exchange: reads recordings and calls, deletes recordings. Paths, fields and errors are those
//! of Twilio's API version 2010-04-01.

use super::exchange::{Exchange, Inner, lock};
use super::faults::Serving;
use super::recordings::Recording;
use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};
use std::sync::Arc;
use subtle::ConstantTimeEq;

const ACCOUNT: &str = "/2010-04-01/Accounts/{account}";

impl Exchange {
    /// Returns the routes of the REST API. A request without basic authentication by account and token is answered
    /// 401, one for another account 404.
    ///
    /// | request | answer |
    /// |---|---|
    /// | `GET /2010-04-01/Accounts/{account}/Recordings/{sid}.wav`, or without an extension | the audio; 404 if nothing was said |
    /// | `GET …/Recordings/{sid}.json` | the recording's metadata |
    /// | `DELETE …/Recordings/{sid}.json`, or without an extension | 204, once; then 404 |
    /// | `GET …/Recordings.json` | the account's recordings, on one page |
    /// | `GET …/Calls/{sid}.json` | the call's metadata and status |
    /// | `GET …/Calls/{sid}/Recordings.json` | the call's recordings, on one page |
    #[expect(
        clippy::disallowed_methods,
        reason = "the far side has no inspectors, so its addresses have no policies"
    )]
    pub fn rest_router(&self) -> Router {
        let inner = Arc::clone(&self.inner);
        Router::new()
            .route(
                &format!("{ACCOUNT}/Recordings/{{file}}"),
                get(recording).delete(recording_delete),
            )
            .route(
                &format!("{ACCOUNT}/Recordings.json"),
                get(recordings_of_account),
            )
            .route(&format!("{ACCOUNT}/Calls/{{file}}"), get(call))
            .route(
                &format!("{ACCOUNT}/Calls/{{sid}}/Recordings.json"),
                get(recordings_of_call),
            )
            .route_layer(from_fn_with_state(Arc::clone(&inner), only_the_account))
            .with_state(inner)
    }
}

async fn only_the_account(
    State(inner): State<Arc<Inner>>,
    Path(path): Path<std::collections::HashMap<String, String>>,
    request: Request,
    next: Next,
) -> Response {
    if !authorised(&inner, request.headers()) {
        let mut response = error(StatusCode::UNAUTHORIZED, 20003, "Authenticate");
        response.headers_mut().insert(
            WWW_AUTHENTICATE,
            axum::http::HeaderValue::from_static("Basic realm=\"Twilio API\""),
        );
        return response;
    }
    if path.get("account") != Some(&inner.settings.account) {
        return not_found();
    }
    next.run(request).await
}

fn authorised(inner: &Inner, headers: &HeaderMap) -> bool {
    let given = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Basic "))
        .and_then(|value| STANDARD.decode(value).ok());
    let settings = &inner.settings;
    let right = format!("{}:{}", settings.account, settings.auth_token.expose());
    given.is_some_and(|given| given.ct_eq(right.as_bytes()).into())
}

async fn recording(
    State(inner): State<Arc<Inner>>,
    Path((_, file)): Path<(String, String)>,
) -> Response {
    let faults = *lock(&inner.faults);
    let mut recordings = lock(&inner.recordings);
    if let Some(sid) = file.strip_suffix(".json") {
        return match recordings.get(sid) {
            Some(recording) => Json(recording_json(&inner, recording)).into_response(),
            None => not_found(),
        };
    }
    let sid = file.strip_suffix(".wav").unwrap_or(&file);
    let Some(recording) = recordings.get_mut(sid) else {
        return not_found();
    };
    let Some(audio) = recording.audio.clone() else {
        return not_found();
    };
    if recording.asked_too_early < faults.not_yet {
        recording.asked_too_early += 1;
        return not_found();
    }
    let wav = [(CONTENT_TYPE, "audio/x-wav")];
    match faults.serving {
        Serving::Whole => (wav, audio).into_response(),
        Serving::CutShort => (
            wav,
            [(CONTENT_LENGTH, audio.len())],
            Body::from_stream(half(audio)),
        )
            .into_response(),
        Serving::Html => (
            [(CONTENT_TYPE, "text/html; charset=utf-8")],
            "<!DOCTYPE html><title>Maintenance</title><p>We'll be back soon.</p>",
        )
            .into_response(),
    }
}

/// Returns a stream of the first half of the bytes, followed by an error, which makes the server break the
/// connection.
fn half(audio: Bytes) -> impl stream::Stream<Item = Result<Bytes, std::io::Error>> {
    let start = audio.slice(..audio.len() / 2);
    let break_off = async {
        // Lets the server write the first half before the connection breaks.
        tokio::task::yield_now().await;
        Err(std::io::Error::other("cut short on purpose"))
    };
    stream::iter([Ok(start)]).chain(stream::once(break_off))
}

async fn recording_delete(
    State(inner): State<Arc<Inner>>,
    Path((_, file)): Path<(String, String)>,
) -> Response {
    let sid = file.strip_suffix(".json").unwrap_or(&file);
    match lock(&inner.recordings).remove(sid) {
        Some(_) => StatusCode::NO_CONTENT.into_response(),
        None => not_found(),
    }
}

async fn call(
    State(inner): State<Arc<Inner>>,
    Path((_, file)): Path<(String, String)>,
) -> Response {
    let facts = lock(&inner.facts);
    let Some((sid, facts)) = file
        .strip_suffix(".json")
        .and_then(|sid| Some((sid, facts.get(sid)?)))
    else {
        return not_found();
    };
    let account = &inner.settings.account;
    Json(json!({
        "sid": sid,
        "account_sid": account,
        "api_version": "2010-04-01",
        "direction": facts.direction,
        "from": facts.from.expose(),
        "to": facts.to.expose(),
        "status": facts.status,
        "start_time": facts.started,
        "duration": facts.duration.map(|seconds| seconds.to_string()),
        "uri": format!("/2010-04-01/Accounts/{account}/Calls/{sid}.json"),
    }))
    .into_response()
}

async fn recordings_of_account(
    State(inner): State<Arc<Inner>>,
    Path(account): Path<String>,
) -> Response {
    let recordings = lock(&inner.recordings);
    let recordings = recordings
        .values()
        .map(|recording| recording_json(&inner, recording))
        .collect();
    let uri = format!("/2010-04-01/Accounts/{account}/Recordings.json");
    one_page(&uri, recordings)
}

async fn recordings_of_call(
    State(inner): State<Arc<Inner>>,
    Path((account, sid)): Path<(String, String)>,
) -> Response {
    if !lock(&inner.facts).contains_key(&sid) {
        return not_found();
    }
    let recordings: Vec<Value> = inner
        .recordings_of(&sid)
        .iter()
        .map(|recording| recording_json(&inner, recording))
        .collect();
    let uri = format!("/2010-04-01/Accounts/{account}/Calls/{sid}/Recordings.json");
    one_page(&uri, recordings)
}

/// Returns a list of recordings as a single page.
fn one_page(uri: &str, recordings: Vec<Value>) -> Response {
    Json(json!({
        "recordings": recordings,
        "page": 0,
        "page_size": 50,
        "start": 0,
        "end": recordings.len().saturating_sub(1),
        "uri": uri,
        "first_page_uri": uri,
        "next_page_uri": null,
        "previous_page_uri": null,
    }))
    .into_response()
}

fn recording_json(inner: &Inner, recording: &Recording) -> Value {
    let Recording { sid, call, .. } = recording;
    let account = &inner.settings.account;
    let path = format!("/2010-04-01/Accounts/{account}/Recordings/{sid}");
    let there = recording.audio.is_some();
    json!({
        "sid": sid,
        "account_sid": account,
        "call_sid": call,
        "conference_sid": null,
        "api_version": "2010-04-01",
        "date_created": recording.started,
        "date_updated": recording.started,
        "start_time": recording.started,
        "duration": recording.seconds.to_string(),
        "channels": 1,
        "source": recording.source,
        "status": if there { "completed" } else { "absent" },
        "error_code": if there { None } else { Some(16101) },
        "price": null,
        "price_unit": "USD",
        "encryption_details": null,
        "uri": format!("{path}.json"),
        "media_url": format!("{}{path}", inner.settings.api_url.trim_end_matches('/')),
    })
}

fn not_found() -> Response {
    error(
        StatusCode::NOT_FOUND,
        20404,
        "The requested resource was not found",
    )
}

fn error(status: StatusCode, code: u32, message: &str) -> Response {
    let more_info = format!("https://www.twilio.com/docs/errors/{code}");
    let body = json!({
        "code": code, "message": message, "more_info": more_info, "status": status.as_u16(),
    });
    (status, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::SAMPLE;
    use crate::simulator::exchange::SpeechEnd;
    use crate::simulator::faults::Faults;
    use crate::simulator::testing::{ACCOUNT, Service, TOKEN};
    use reqwest::{Method, RequestBuilder};

    struct Api {
        exchange: Exchange,
        client: reqwest::Client,
        base: String,
        call: String,
        recording: String,
    }

    impl Api {
        /// Starts an exchange with one call, in which nothing was said in a first recording and the sample in a
        /// second one.
        async fn start() -> Self {
            let service = Service::start().await;
            service.at(
                "/hooks/sim/call",
                r#"<Record action="/more"/><Record action="/more"/>"#,
            );
            service.at("/more", "<Hangup/>");
            let exchange = service.exchange();
            let call = exchange.dial("+861", "2").await.unwrap().id;
            exchange.keep_silent(&call).await.unwrap();
            let speech = Bytes::from_static(SAMPLE);
            let end = Some(SpeechEnd::Silence);
            exchange.speak(&call, speech, end).await.unwrap();

            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let origin = format!("http://{}", listener.local_addr().unwrap());
            let router = exchange.rest_router();
            tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
            Self {
                recording: exchange.recordings_of(&call)[1].sid.clone(),
                exchange,
                client: reqwest::Client::builder().no_proxy().build().unwrap(),
                base: format!("{origin}/2010-04-01/Accounts/{ACCOUNT}"),
                call,
            }
        }

        fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
            self.client.request(method, format!("{}{path}", self.base))
        }

        fn request(&self, method: Method, path: &str) -> RequestBuilder {
            self.anonymous(method, path)
                .basic_auth(ACCOUNT, Some(TOKEN))
        }

        async fn status(&self, method: Method, path: &str) -> u16 {
            let response = self.request(method, path).send().await.unwrap();
            response.status().as_u16()
        }

        async fn json(&self, path: &str) -> Value {
            let response = self.request(Method::GET, path).send().await.unwrap();
            assert_eq!(response.status(), 200);
            response.json().await.unwrap()
        }
    }

    #[tokio::test]
    async fn only_with_the_right_account_and_token() {
        let api = Api::start().await;
        let path = format!("/Recordings/{}.wav", api.recording);
        let response = api.anonymous(Method::GET, &path).send().await.unwrap();
        assert_eq!(response.status(), 401);
        assert!(response.headers().contains_key("www-authenticate"));
        for (name, token) in [(ACCOUNT, "wrong"), ("ACother", TOKEN)] {
            let request = api.anonymous(Method::DELETE, &path);
            let response = request.basic_auth(name, Some(token)).send().await.unwrap();
            assert_eq!(response.status(), 401);
        }
        let elsewhere = api.base.replace(ACCOUNT, "ACother") + &path;
        let request = api.client.get(elsewhere).basic_auth(ACCOUNT, Some(TOKEN));
        assert_eq!(request.send().await.unwrap().status(), 404);
        assert_eq!(api.status(Method::GET, &path).await, 200);
    }

    #[tokio::test]
    async fn a_recording_is_served_and_deleted_once() {
        let api = Api::start().await;
        let path = format!("/Recordings/{}", api.recording);
        for suffix in ["", ".wav"] {
            let request = api.request(Method::GET, &(path.clone() + suffix));
            let response = request.send().await.unwrap();
            assert_eq!(response.headers()["content-type"], "audio/x-wav");
            assert_eq!(response.bytes().await.unwrap(), SAMPLE);
        }
        let facts = api.json(&(path.clone() + ".json")).await;
        assert_eq!(facts["status"], "completed");
        assert_eq!(facts["duration"], "4");
        assert_eq!(facts["call_sid"], api.call);
        let json = path.clone() + ".json";
        assert_eq!(api.status(Method::DELETE, &json).await, 204);
        assert_eq!(api.status(Method::DELETE, &json).await, 404);
        assert_eq!(api.status(Method::DELETE, &path).await, 404);
        assert_eq!(api.status(Method::GET, &json).await, 404);
        assert_eq!(api.status(Method::GET, &(path + ".wav")).await, 404);
    }

    #[tokio::test]
    async fn a_call_and_its_recordings() {
        let api = Api::start().await;
        let call = api.json(&format!("/Calls/{}.json", api.call)).await;
        assert_eq!(call["status"], "completed");
        assert_eq!(call["from"], "+861");
        let list = api
            .json(&format!("/Calls/{}/Recordings.json", api.call))
            .await;
        let states: Vec<_> = list["recordings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|recording| recording["status"].as_str().unwrap())
            .collect();
        assert_eq!(states, ["absent", "completed"]);
        let absent = list["recordings"][0]["sid"].as_str().unwrap();
        let audio = format!("/Recordings/{absent}.wav");
        assert_eq!(api.status(Method::GET, &audio).await, 404);
        for path in [
            "/Calls/CA0.json",
            "/Calls/CA0/Recordings.json",
            "/Calls/CA0",
        ] {
            assert_eq!(api.status(Method::GET, path).await, 404);
        }
    }

    #[tokio::test]
    async fn faults_spoil_the_audio() {
        let api = Api::start().await;
        let path = format!("/Recordings/{}.wav", api.recording);
        api.exchange.set_faults(Faults {
            not_yet: 2,
            ..Faults::default()
        });
        for status in [404, 404, 200] {
            assert_eq!(api.status(Method::GET, &path).await, status);
        }
        api.exchange.set_faults(Faults {
            serving: Serving::CutShort,
            ..Faults::default()
        });
        let response = api.request(Method::GET, &path).send().await.unwrap();
        assert_eq!(response.content_length(), Some(SAMPLE.len() as u64));
        assert!(response.bytes().await.is_err());
        api.exchange.set_faults(Faults {
            serving: Serving::Html,
            ..Faults::default()
        });
        let response = api.request(Method::GET, &path).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.text().await.unwrap().contains("<title>"));
    }
}
