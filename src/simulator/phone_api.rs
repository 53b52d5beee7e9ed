//! The telephone over HTTP, used by [`super::phone_page`] and [`super::phone`]. Nested at `/phone` by `dutyline demo`
//! and `dutyline serve --allow-simulator` only, because any client that reaches it can place calls. `POST` requests
//! from pages of another origin are refused with 403; a request without `Sec-Fetch-Site` and `Origin`, as programs
//! send it, is admitted.
//!
//! | request | body |
//! |---|---|
//! | `POST /calls` | `{"from": "+86…", "to": "18877009155"}`; without `from` the number is withheld |
//! | `POST /calls/{id}/keys` | `{"keys": "1"}`: pressed one after the other |
//! | `POST /calls/{id}/speech`, `?end=key`, `?end=silence`, `?end=limit` | a WAV file of up to 16 MiB; without `end` the recording continues |
//! | `POST /calls/{id}/silence` | none |
//! | `POST /calls/{id}/hangup` | none |
//! | `GET /calls/{id}/played/{n}` | none; returns the audio heard as `{"played": seconds, "bytes", "n"}`: the last one of a call, 404 for others |
//!
//! Every other successful response is a [`PhoneView`]: `{"id", "heard": […], "waiting": {"for": …, …}}`, where `for`
//! is `"keys"`, `"speech"`, `"ringing"`, `"talking"` or `"nothing"`. A refused action is answered by
//! `application/problem+json` with a `title`: 400 for an invalid key, 404 for an unknown call, 409 for a second piece
//! of speech in one recording or conversation, 415 for speech that is not a WAV file, 500 if the exchange has a bug.
//! The answers to requests that cannot be parsed have other bodies.

use super::exchange::{CallError, Exchange, PhoneView, SpeechEnd};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use tower_http::csrf::CsrfLayer;

/// Maximum size of one piece of speech, in bytes.
pub const SPEECH_LIMIT: usize = 16 * 1024 * 1024;
const JSON_LIMIT: usize = 4 * 1024;

/// Returns the telephone's routes.
#[expect(
    clippy::disallowed_methods,
    reason = "the far side has no inspectors, so its addresses have no policies"
)]
pub fn router(exchange: Exchange) -> Router {
    Router::new()
        .route("/calls", post(dial))
        .route("/calls/{id}/keys", post(keys))
        .route("/calls/{id}/silence", post(silence))
        .route("/calls/{id}/hangup", post(hang_up))
        .route_layer(DefaultBodyLimit::max(JSON_LIMIT))
        .route(
            "/calls/{id}/speech",
            post(speech).layer(DefaultBodyLimit::max(SPEECH_LIMIT)),
        )
        .route("/calls/{id}/played/{n}", get(played))
        .layer(CsrfLayer::new())
        .with_state(exchange)
}

/// A refused action, as an HTTP response.
struct Problem(CallError);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = match self.0 {
            CallError::Unknown => StatusCode::NOT_FOUND,
            CallError::NotAKey => StatusCode::BAD_REQUEST,
            CallError::NotWav => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            CallError::AlreadySpoken | CallError::NotTalking => StatusCode::CONFLICT,
            CallError::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let body = json!({"title": self.0.to_string(), "status": status.as_u16()});
        let problem = [(CONTENT_TYPE, "application/problem+json")];
        (status, problem, body.to_string()).into_response()
    }
}

type View = Result<Json<PhoneView>, Problem>;

fn view(result: Result<PhoneView, CallError>) -> View {
    result.map(Json).map_err(Problem)
}

#[derive(Deserialize)]
struct NewCall {
    from: Option<String>,
    to: String,
}

async fn dial(State(exchange): State<Exchange>, Json(call): Json<NewCall>) -> View {
    let from = call.from.unwrap_or_else(|| "anonymous".to_owned());
    view(exchange.dial(&from, &call.to).await)
}

#[derive(Deserialize)]
struct Keys {
    keys: String,
}

async fn keys(
    State(exchange): State<Exchange>,
    Path(id): Path<String>,
    Json(Keys { keys }): Json<Keys>,
) -> View {
    view(exchange.press(&id, &keys).await)
}

#[derive(Deserialize)]
struct SpeechQuery {
    end: Option<SpeechEnd>,
}

async fn speech(
    State(exchange): State<Exchange>,
    Path(id): Path<String>,
    Query(SpeechQuery { end }): Query<SpeechQuery>,
    audio: Bytes,
) -> View {
    view(exchange.speak(&id, audio, end).await)
}

async fn silence(State(exchange): State<Exchange>, Path(id): Path<String>) -> View {
    view(exchange.keep_silent(&id).await)
}

async fn hang_up(State(exchange): State<Exchange>, Path(id): Path<String>) -> View {
    view(exchange.hang_up(&id).await)
}

async fn played(State(exchange): State<Exchange>, Path((id, n)): Path<(String, u32)>) -> Response {
    match exchange.played(&id, n).await {
        Some(audio) => ([(CONTENT_TYPE, "audio/wav")], audio).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use crate::simulator::SAMPLE;
    use crate::simulator::testing::{Service, phone_of};
    use serde_json::{Value, json};

    struct Phone {
        service: Service,
        client: reqwest::Client,
        base: String,
    }

    impl Phone {
        async fn start() -> Self {
            let service = Service::start().await;
            service.at(
                "/hooks/sim/call",
                r#"<Gather numDigits="1" action="/one"><Say>Press.</Say></Gather>"#,
            );
            service.at("/one", r##"<Record action="/two" finishOnKey="#"/>"##);
            service.at("/two", "<Play>/take.wav</Play><Hangup/>");
            service.raw("/take.wav", "here");
            let origin = phone_of(&service.exchange()).await;
            Self {
                service,
                client: reqwest::Client::builder().no_proxy().build().unwrap(),
                base: format!("{origin}/phone/calls"),
            }
        }

        async fn post(&self, path: &str, body: Vec<u8>) -> (u16, Value) {
            let request = self.client.post(format!("{}{path}", self.base));
            let request = request.header("content-type", "application/json");
            let response = request.body(body).send().await.unwrap();
            let status = response.status().as_u16();
            (status, response.json().await.unwrap_or_default())
        }

        async fn json(&self, path: &str, body: Value) -> (u16, Value) {
            self.post(path, body.to_string().into()).await
        }
    }

    #[tokio::test]
    async fn the_shapes_a_page_relies_on() {
        let phone = Phone::start().await;
        let (status, view) = phone.json("", json!({"to": "18877009155"})).await;
        assert_eq!(status, 200);
        let id = view["id"].as_str().unwrap();
        assert_eq!(
            view["heard"],
            json!([{"say": "Press.", "language": "en-US"}])
        );
        assert_eq!(view["waiting"], json!({"for": "keys", "seconds": 5}));
        assert_eq!(phone.service.told()[0].1["From"], "anonymous");

        let (_, view) = phone
            .json(&format!("/{id}/keys"), json!({"keys": "1"}))
            .await;
        assert_eq!(view["heard"], json!([{"beep": true}]));
        assert_eq!(
            view["waiting"],
            json!({"for": "speech", "max_seconds": 3600, "spoken": false})
        );
        let speech = format!("/{id}/speech?end=key");
        let (_, view) = phone.post(&speech, SAMPLE.to_vec()).await;
        assert_eq!(view["waiting"], json!({"for": "nothing"}));
        assert_eq!(phone.service.told()[1].1["Digits"], "#");
        let length = view["heard"][0]["played"].as_f64().unwrap();
        assert!((4.0..5.0).contains(&length), "{view}");
        assert_eq!(
            (&view["heard"][0]["bytes"], &view["heard"][0]["n"]),
            (&json!(SAMPLE.len()), &json!(1))
        );
        for (path, expected) in [("1", 200), ("2", 404), ("one", 400)] {
            let url = format!("{}/{id}/played/{path}", phone.base);
            let answer = phone.client.get(url).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), expected);
            if expected == 200 {
                assert_eq!(answer.headers()["content-type"], "audio/wav");
                assert_eq!(answer.bytes().await.unwrap(), SAMPLE);
            }
        }
        for deed in ["silence", "hangup"] {
            let (status, view) = phone.post(&format!("/{id}/{deed}"), vec![]).await;
            assert_eq!((status, &view["heard"]), (200, &json!([])));
        }
    }

    #[tokio::test]
    async fn what_it_refuses() {
        let phone = Phone::start().await;
        let (_, view) = phone.json("", json!({"from": "+861", "to": "1"})).await;
        let id = view["id"].as_str().unwrap();
        let speech = format!("/{id}/speech");
        assert_eq!(phone.post("/CA0/silence", vec![]).await.0, 404);
        let (status, problem) = phone
            .json(&format!("/{id}/keys"), json!({"keys": "x"}))
            .await;
        assert_eq!((status, &problem["status"]), (400, &json!(400)));
        assert!(problem["title"].as_str().unwrap().contains("keys"));
        assert_eq!(phone.post(&speech, b"no wav".to_vec()).await.0, 415);
        assert_eq!(
            phone
                .post(&speech, vec![0; super::SPEECH_LIMIT + 1])
                .await
                .0,
            413
        );
        assert_eq!(
            phone.post("", vec![b' '; super::JSON_LIMIT + 1]).await.0,
            413
        );
        let (status, _) = phone.post(&format!("/{id}/speech?end=never"), vec![]).await;
        assert_eq!(status, 400);
        phone
            .json(&format!("/{id}/keys"), json!({"keys": "1"}))
            .await;
        assert_eq!(phone.post(&speech, SAMPLE.to_vec()).await.0, 200);
        assert_eq!(phone.post(&speech, SAMPLE.to_vec()).await.0, 409);
    }

    #[tokio::test]
    async fn other_pages_cannot_use_it() {
        let phone = Phone::start().await;
        let status = async |name: &str, value: &str| {
            let request = phone.client.post(&phone.base).header(name, value);
            let request = request.json(&json!({"to": "18877009155"}));
            request.send().await.unwrap().status().as_u16()
        };
        assert_eq!(status("Origin", "https://elsewhere.example").await, 403);
        assert_eq!(status("Origin", "null").await, 403);
        assert_eq!(status("Sec-Fetch-Site", "cross-site").await, 403);
        assert_eq!(status("Sec-Fetch-Site", "same-site").await, 403);
        assert!(phone.service.told().is_empty());
        let own = phone.base.trim_end_matches("/phone/calls");
        assert_eq!(status("Origin", own).await, 200);
        assert_eq!(status("Sec-Fetch-Site", "same-origin").await, 200);
    }
}
