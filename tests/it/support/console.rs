//! A client of the console: a browser without scripts.

use super::{TestLine, client};
use bytes::Bytes;
use dutyline::base::clock::instant;
use dutyline::vault::session::Token;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use std::collections::VecDeque;

/// A console session: an HTTP client with cookies.
#[derive(Clone)]
pub struct Desk {
    client: reqwest::Client,
    url: String,
    cookies: Vec<(String, String)>,
}

/// An answer of the console, as received.
pub struct PageAnswer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl PageAnswer {
    /// Returns the page's text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).expect("pages are UTF-8")
    }

    /// Returns the `Location` header.
    pub fn location(&self) -> &str {
        self.headers["location"].to_str().expect("an address")
    }

    /// Returns the page's text; panics unless the status is 200.
    pub fn ok(&self) -> String {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text());
        self.text()
    }
}

impl Desk {
    /// Returns a client that is not signed in.
    pub fn anybody(url: &str) -> Self {
        Self {
            client: client(),
            url: url.to_owned(),
            cookies: Vec::new(),
        }
    }

    /// Signs a member in.
    pub async fn sign_in(url: &str, name: &str, password: &str) -> Self {
        let mut desk = Self::anybody(url);
        let form = [("name", name), ("password", password)];
        let answer = desk.post("/console/sign-in", &form).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
        desk.keep(&answer);
        desk
    }

    /// Sets the language cookie.
    pub fn speaking(mut self, language: &str) -> Self {
        self.cookies
            .push(("dutyline-language".into(), language.into()));
        self
    }

    /// Stores the cookies of an answer.
    pub fn keep(&mut self, answer: &PageAnswer) {
        for cookie in answer.headers.get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.retain(|(own, _)| own != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Returns the cookies as the value of a `Cookie` header.
    pub fn cookie_header(&self) -> String {
        let pairs = self.cookies.iter();
        let pairs: Vec<_> = pairs
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("; ")
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let cookies = self.cookie_header();
        let request = self.client.request(method, format!("{}{path}", self.url));
        if cookies.is_empty() {
            request
        } else {
            request.header("cookie", cookies)
        }
    }

    async fn send(request: reqwest::RequestBuilder) -> PageAnswer {
        let answer = request.send().await.expect("the console answers");
        PageAnswer {
            status: answer.status(),
            headers: answer.headers().clone(),
            body: answer.bytes().await.expect("a whole page"),
        }
    }

    /// Sends a request with these headers, and with a form if it is a `POST`.
    pub async fn any(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        form: &[(&str, &str)],
    ) -> PageAnswer {
        let mut request = self.request(method.clone(), path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if method == Method::POST {
            let mut body = form_urlencoded::Serializer::new(String::new());
            body.extend_pairs(form);
            request = request
                .header("content-type", "application/x-www-form-urlencoded")
                .body(body.finish());
        }
        Self::send(request).await
    }

    pub async fn get(&self, path: &str) -> PageAnswer {
        self.any(Method::GET, path, &[], &[]).await
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> PageAnswer {
        self.any(Method::POST, path, &[], form).await
    }

    /// Returns the status of a `GET` without waiting for the end of its body.
    pub async fn status_of(&self, path: &str) -> StatusCode {
        let answer = self.request(Method::GET, path).send().await;
        answer.expect("the console answers").status()
    }

    /// Returns the hash of the session's token, as the database stores it.
    pub fn token_hash(&self) -> [u8; 32] {
        let named = self
            .cookies
            .iter()
            .find(|(name, _)| name == "__Host-dutyline");
        let (_, text) = named.expect("signed in");
        text.parse::<Token>().expect("a token").hash()
    }

    /// Opens the event stream that the page names; panics if it names none.
    pub async fn follow(&self, page: &str) -> Events {
        let (_, rest) = page
            .split_once("hx-sse:connect=\"")
            .expect("a page that follows");
        let path = rest.split('"').next().unwrap().replace("&#38;", "&");
        let request = self
            .request(Method::GET, &path)
            .header("hx-request", "true");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Events {
            answer,
            held: String::new(),
            ready: VecDeque::new(),
        }
    }
}

/// A page's event stream.
pub struct Events {
    answer: reqwest::Response,
    held: String,
    ready: VecDeque<(String, String)>,
}

impl Events {
    /// Returns the next event and its data; `None` when the stream has ended.
    pub async fn next(&mut self) -> Option<(String, String)> {
        let asked = instant();
        loop {
            while let Some(event) = self.ready.pop_front() {
                // Sent at the end of every minute: no test waits for it, so it is skipped.
                if event.0 != "minute" {
                    return Some(event);
                }
            }
            let wait = super::DEADLINE.saturating_sub(asked.elapsed());
            let chunk = tokio::time::timeout(wait, self.answer.chunk())
                .await
                .expect("news within the deadline")
                .ok()??;
            self.held.push_str(std::str::from_utf8(&chunk).unwrap());
            while let Some((event, rest)) = self.held.split_once("\n\n") {
                let field = |name: &str| {
                    let lines = event.lines().filter_map(|line| line.strip_prefix(name));
                    lines.map(str::trim).next().unwrap_or_default().to_owned()
                };
                if event.lines().any(|line| line.starts_with("event:")) {
                    self.ready.push_back((field("event:"), field("data:")));
                }
                self.held = rest.to_owned();
            }
        }
    }
}

impl TestLine {
    /// Signs the first lead in to the console.
    pub async fn desk(&self) -> Desk {
        Desk::sign_in(&self.url, super::LEAD.0, super::LEAD.1).await
    }
}
