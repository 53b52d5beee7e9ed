//! The API as a script uses it.

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// A client of the API.
#[derive(Clone)]
pub struct Api {
    client: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// What the API answered.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no JSON with status {}", self.status))
    }

    /// The body of an answer that must be a success.
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
    /// A client without a login.
    pub fn anybody(url: &str) -> Self {
        Self {
            client: client(),
            base: format!("{url}/api/v1"),
            token: None,
        }
    }

    /// Logs somebody in.
    pub async fn log_in(url: &str, name: &str, password: &str) -> Self {
        let mut api = Self::anybody(url);
        let answer = api
            .post("/session", json!({ "name": name, "password": password }))
            .await
            .ok();
        api.token = Some(answer["token"].as_str().expect("a token").to_owned());
        api
    }

    /// The same login at another address: the service was started again.
    pub fn moved(&self, url: &str) -> Self {
        Self {
            base: format!("{url}/api/v1"),
            ..self.clone()
        }
    }

    /// The token.
    pub fn token(&self) -> &str {
        self.token.as_deref().expect("logged in")
    }

    /// Any request.
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

    /// The same, for a client that is used once.
    pub async fn post_owned(self, path: &str, body: Value) -> Answer {
        self.post(path, body).await
    }

    /// The status of a `POST`, for a task of its own.
    pub async fn post_to(self, path: String, body: Value) -> StatusCode {
        self.post(&path, body).await.status
    }

    /// A `POST` without a body.
    pub async fn act(&self, path: &str) -> Answer {
        self.request(Method::POST, path, &[], None).await
    }

    /// All reports, of all pages.
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

    /// A report of the list, open.
    pub async fn open(&self, listed: &Value) -> Value {
        let id = listed["id"].as_str().expect("an id");
        self.get(&format!("/reports/{id}")).await.ok()
    }

    /// The only report there is, opened.
    pub async fn only_report(&self) -> Value {
        let all = self.reports().await;
        assert_eq!(all.len(), 1, "one report: {all:?}");
        self.open(&all[0]).await
    }

    /// The bytes of a recording.
    pub async fn recording(&self, report: &Value, n: u64) -> Bytes {
        let id = report["id"].as_str().expect("an id");
        let answer = self.get(&format!("/reports/{id}/recordings/{n}")).await;
        assert_eq!(answer.status, StatusCode::OK);
        answer.body
    }
}

/// A client for this machine.
pub fn client() -> reqwest::Client {
    dutyline::telephony::http_client::loopback_client().expect("a client")
}
