//! The console as a browser without scripts uses it.

use super::{TestLine, client};
use bytes::Bytes;
use dutyline::base::clock::instant;
use dutyline::vault::session::Token;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use std::collections::VecDeque;

/// Somebody at the console.
#[derive(Clone)]
pub struct Desk {
    client: reqwest::Client,
    url: String,
    cookies: Vec<(String, String)>,
}

/// A page as it came.
pub struct PageAnswer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl PageAnswer {
    /// The page's text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).expect("pages are UTF-8")
    }

    /// Where it leads.
    pub fn location(&self) -> &str {
        self.headers["location"].to_str().expect("an address")
    }

    /// The text of a page that must be there.
    pub fn ok(&self) -> String {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text());
        self.text()
    }
}

impl Desk {
    /// Nobody yet.
    pub fn anybody(url: &str) -> Self {
        Self {
            client: client(),
            url: url.to_owned(),
            cookies: Vec::new(),
        }
    }

    /// Signs somebody in.
    pub async fn sign_in(url: &str, name: &str, password: &str) -> Self {
        let mut desk = Self::anybody(url);
        let form = [("name", name), ("password", password)];
        let answer = desk.post("/console/sign-in", &form).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
        desk.keep(&answer);
        desk
    }

    /// Speaks this language from now on.
    pub fn speaking(mut self, language: &str) -> Self {
        self.cookies
            .push(("dutyline-language".into(), language.into()));
        self
    }

    /// Takes the cookies of an answer.
    pub fn keep(&mut self, answer: &PageAnswer) {
        for cookie in answer.headers.get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.retain(|(own, _)| own != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Its cookies, as a browser sends them.
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

    /// A request with any headers, and a form if it is a `POST`.
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

    /// How a `GET` is answered, without waiting for its body to end.
    pub async fn status_of(&self, path: &str) -> StatusCode {
        let answer = self.request(Method::GET, path).send().await;
        answer.expect("the console answers").status()
    }

    /// What the database keeps of the session's token.
    pub fn token_hash(&self) -> [u8; 32] {
        let named = self
            .cookies
            .iter()
            .find(|(name, _)| name == "__Host-dutyline");
        let (_, text) = named.expect("signed in");
        text.parse::<Token>().expect("a token").hash()
    }

    /// Follows what a page is told. The page must say where.
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

/// What a page is told.
pub struct Events {
    answer: reqwest::Response,
    held: String,
    ready: VecDeque<(String, String)>,
}

impl Events {
    /// The next event and its data; none when there will be no more.
    pub async fn next(&mut self) -> Option<(String, String)> {
        let asked = instant();
        loop {
            while let Some(event) = self.ready.pop_front() {
                // Comes whenever a minute is over: no test waits for it, none may stumble over it.
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
    /// The first lead at the console.
    pub async fn desk(&self) -> Desk {
        Desk::sign_in(&self.url, super::LEAD.0, super::LEAD.1).await
    }
}
