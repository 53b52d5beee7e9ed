//! A client of the JSON API.

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// A client of the API, with or without a session.
#[derive(Clone)]
pub struct Api {
    client: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// An answer of the API.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// Returns the body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no JSON with status {}", self.status))
    }

    /// Returns the body as JSON; panics unless the status is a success.
    pub fn ok(self) -> Value {
        assert!(
            self.status.is_success(),
            "{}: {}",
            self.status,
            String::from_utf8_lossy(&self.body)
        );
        if self.body.is_empty() {
            Value::Null
        } else {
            self.json()
        }
    }
}

impl Api {
    /// Returns a client without a session.
    pub fn anybody(url: &str) -> Self {
        Self {
            client: client(),
            base: format!("{url}/api/v1"),
            token: None,
        }
    }

    /// Logs a member in.
    pub async fn log_in(url: &str, name: &str, password: &str) -> Self {
        let mut api = Self::anybody(url);
        let answer = api
            .post("/session", json!({ "name": name, "password": password }))
            .await
            .ok();
        api.token = Some(answer["token"].as_str().expect("a token").to_owned());
        api
    }

    /// Returns the same session for another base address, as after a restart of the service.
    pub fn moved(&self, url: &str) -> Self {
        Self {
            base: format!("{url}/api/v1"),
            ..self.clone()
        }
    }

    /// Returns the session's token.
    pub fn token(&self) -> &str {
        self.token.as_deref().expect("logged in")
    }

    /// Sends a request.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("the API answers");
        Answer {
            status: answer.status(),
            headers: answer.headers().clone(),
            body: answer.bytes().await.expect("a whole answer"),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path, &[], None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.request(Method::POST, path, &[], Some(body)).await
    }

    /// Like `post`, but owns the client, for one request in a spawned task.
    pub async fn post_owned(self, path: &str, body: Value) -> Answer {
        self.post(path, body).await
    }

    /// Sends a `POST` and returns its status; owns the client, for a spawned task.
    pub async fn post_to(self, path: String, body: Value) -> StatusCode {
        self.post(&path, body).await.status
    }

    /// Sends a `POST` without a body.
    pub async fn act(&self, path: &str) -> Answer {
        self.request(Method::POST, path, &[], None).await
    }

    /// Returns all reports, from all pages of the list.
    pub async fn reports(&self) -> Vec<Value> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("/reports?cursor={cursor}")).await.ok();
            all.extend(page["reports"].as_array().expect("a list").clone());
            match page["next"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => return all,
            }
        }
    }

    /// Opens a report of the list.
    pub async fn open(&self, listed: &Value) -> Value {
        let id = listed["id"].as_str().expect("an id");
        self.get(&format!("/reports/{id}")).await.ok()
    }

    /// Opens the only report; panics if there is not exactly one.
    pub async fn only_report(&self) -> Value {
        let all = self.reports().await;
        assert_eq!(all.len(), 1, "one report: {all:?}");
        self.open(&all[0]).await
    }

    /// Returns the bytes of a recording.
    pub async fn recording(&self, report: &Value, n: u64) -> Bytes {
        let id = report["id"].as_str().expect("an id");
        let answer = self.get(&format!("/reports/{id}/recordings/{n}")).await;
        assert_eq!(answer.status, StatusCode::OK);
        answer.body
    }
}

/// Returns an HTTP client for loopback addresses.
pub fn client() -> reqwest::Client {
    dutyline::telephony::http_client::loopback_client().expect("a client")
}
