//! A minimal service to call: it answers each webhook with the TwiML that a test has set, checks every webhook's
//! signature with its own implementation, and stores the forms posted to it.

use super::exchange::{Exchange, ExchangeSettings, lock};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use bytes::Bytes;
use hmac::Mac;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

pub const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub const TOKEN: &str = "a token for tests";
pub const PUBLIC: &str = "https://duty.example.org";

/// A request posted to the service: its path and query, and the values of its form by name.
pub type Told = (String, HashMap<String, String>);

#[derive(Clone, Default)]
pub struct Service {
    /// TwiML by path and query; `!500` stands for an answer with status 500. A path in this map that ends in `.wav`
    /// is answered with the sample, a path that is not in it with 204.
    answers: Arc<Mutex<HashMap<String, String>>>,
    told: Arc<Mutex<Vec<Told>>>,
    pub origin: String,
}

impl Service {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = Self {
            origin: format!("http://{}", listener.local_addr().unwrap()),
            ..Self::default()
        };
        let app = Router::new().fallback(answer).with_state(service.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        service
    }

    /// Sets the document at a path (and query); `verbs` is the content of its `<Response>`.
    pub fn at(&self, path: &str, verbs: &str) {
        let text = format!("<Response>{verbs}</Response>");
        self.raw(path, &text);
    }

    pub fn raw(&self, path: &str, text: &str) {
        lock(&self.answers).insert(path.to_owned(), text.to_owned());
    }

    pub fn exchange(&self) -> Exchange {
        Exchange::new(ExchangeSettings {
            account: ACCOUNT.to_owned(),
            auth_token: TOKEN.to_owned().into(),
            hooks_url: format!("{}/hooks/sim", self.origin),
            api_url: "https://api.example".to_owned(),
            public_url: PUBLIC.to_owned(),
        })
        .unwrap()
    }

    /// Returns the requests received since the last call of this function.
    pub fn told(&self) -> Vec<Told> {
        std::mem::take(&mut lock(&self.told))
    }

    /// Returns the paths of the requests received since the last call of this function or of `told`.
    pub fn paths(&self) -> Vec<String> {
        self.told().into_iter().map(|(path, _)| path).collect()
    }
}

/// Serves the exchange's telephone at `/phone`, as in the demo, and returns its URL.
pub async fn phone_of(exchange: &Exchange) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let app = super::telephone(exchange.clone());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    origin
}

async fn answer(State(service): State<Service>, request: Request) -> Response {
    let path = request.uri().to_string();
    let (parts, body) = request.into_parts();
    if path.ends_with(".wav") && lock(&service.answers).contains_key(&path) {
        return ([("Content-Type", "audio/wav")], super::SAMPLE).into_response();
    }
    let body: Bytes = axum::body::to_bytes(body, 65536).await.unwrap();
    let pairs: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
    assert_eq!(
        parts.headers["x-twilio-signature"],
        expected(&format!("{PUBLIC}{path}"), &pairs).as_str(),
        "the signature of {path}"
    );
    lock(&service.told).push((path.clone(), pairs.into_iter().collect()));
    match lock(&service.answers).get(&path).map(String::as_str) {
        None => StatusCode::NO_CONTENT.into_response(),
        Some("!500") => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Some(text) => ([("Content-Type", "text/xml")], text.to_owned()).into_response(),
    }
}

/// Computes the signature independently of [`super::signer`]: joins all parts, then hashes them in one call. Every
/// name must occur once.
fn expected(url: &str, pairs: &[(String, String)]) -> String {
    let mut names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let mut text = url.to_owned();
    for name in names {
        let (_, value) = pairs.iter().find(|(n, _)| n == name).unwrap();
        text = text + name + value;
    }
    let mut mac = hmac::Hmac::<sha1::Sha1>::new_from_slice(TOKEN.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes())
}
