//! The translating proxy between the exchange and the service: it speaks the other provider's dialect to the service.

use super::{Accent, THEIR_ACCOUNT, THEIR_TOKEN};
use crate::support::{ACCOUNT, TOKEN, silence};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use dutyline::app;
use quick_xml::Reader;
use quick_xml::events::Event;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Suffix of a callback's path that marks a recording in which nothing was heard.
const NOTHING: &str = "&nothing-recorded=1";

/// A translating proxy between the exchange and the service.
pub struct Interpreter {
    /// Base address, for both sides.
    pub url: String,
    stop: watch::Sender<bool>,
}

struct Inner {
    accent: Accent,
    url: String,
    /// Base address of the exchange's REST API.
    rest: String,
    /// Base address of the service, set once it runs.
    service: Mutex<String>,
    client: reqwest::Client,
    /// Ids of recordings of silence, which the exchange does not make and this proxy serves.
    silent: Mutex<Vec<String>>,
}

impl Interpreter {
    /// Starts the proxy in front of the exchange's REST API. Returns it with a function that sets the service's address
    /// later.
    pub async fn start(accent: Accent, rest: String) -> (Self, impl Fn(&str)) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        // Fails if a default provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        let inner = Arc::new(Inner {
            accent,
            url: url.clone(),
            rest,
            service: Mutex::default(),
            client: client.build().expect("a client"),
            silent: Mutex::default(),
        });
        let router = Router::new()
            .fallback(between)
            .with_state(Arc::clone(&inner));
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(app::serve(listener, router, stopped));
        let known = move |service: &str| service.clone_into(&mut inner.service.lock().unwrap());
        (Self { url, stop }, known)
    }
}

impl Drop for Interpreter {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

async fn between(State(inner): State<Arc<Inner>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    match (parts.method.clone(), path.starts_with("/hooks/")) {
        (Method::POST, true) => inner.webhook(path, &body).await,
        (_, true) => {
            inner
                .forward(Method::GET, path, HeaderMap::new(), Bytes::new())
                .await
        }
        _ => inner.rest(&parts.method, path, &parts.headers).await,
    }
}

fn answer(status: StatusCode, body: impl Into<Body>) -> Response<Body> {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    answer
}

impl Inner {
    /// Forwards a webhook of the exchange to the service in this provider's format, and translates the answer.
    async fn webhook(&self, path: &str, body: &[u8]) -> Response<Body> {
        let mut form: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
        let (path, nothing) = match path.strip_suffix(NOTHING) {
            Some(path) => (path, true),
            None => (path, false),
        };
        let value = |form: &[(String, String)], name: &str| {
            let found = form.iter().find(|(n, _)| n == name);
            found.map(|(_, value)| value.clone())
        };
        let call = value(&form, "CallSid").expect("a call");
        let of_action =
            value(&form, "RecordingSid").is_some() && value(&form, "RecordingStatus").is_none();
        if of_action && value(&form, "Digits").as_deref() == Some("hangup") {
            // The caller has hung up and could not hear the action's answer: the provider does not request it.
            return answer(StatusCode::OK, "<Response/>");
        }
        if nothing {
            // These providers do not drop silence, so a recording of silence exists too.
            let id = format!("RE{}", &call[2..].chars().rev().collect::<String>());
            self.silent.lock().unwrap().push(id.clone());
            form.push(("RecordingSid".into(), id));
            form.push(("RecordingDuration".into(), "8".into()));
        }
        for (name, value) in &mut form {
            match name.as_str() {
                "AccountSid" => THEIR_ACCOUNT.clone_into(value),
                "CallSid" | "ParentCallSid" | "DialCallSid" | "RecordingSid" => {
                    *value = self.accent.theirs(value);
                }
                _ => {}
            }
        }
        let recording = value(&form, "RecordingSid");
        form.retain(|(name, _)| name != "RecordingUrl");
        if let Some(recording) = &recording {
            form.push(("RecordingUrl".into(), self.recording_url(&call, recording)));
        }
        if self.accent == Accent::Telnyx {
            form.push(("CallSidLegacy".into(), self.accent.theirs(&call)));
            form.push(("ConnectionId".into(), "1234567890".into()));
        }
        let told = nothing.then(|| {
            let mut told = form.clone();
            told.push(("RecordingStatus".into(), "completed".into()));
            (path.replace("/step?", "/recording?"), told)
        });
        if of_action || nothing {
            // The action of a recording carries its address and length, but not its id.
            let leaves_out_digits = self.accent == Accent::Somleng;
            form.retain(|(name, _)| {
                name != "RecordingSid" && !(leaves_out_digits && name == "Digits")
            });
        }
        let answered = self.post(path, &form).await;
        if let Some((path, form)) = told {
            let noted = self.post(&path, &form).await;
            assert!(noted.status().is_success());
        }
        if !answered.status().is_success() || answered.status() == StatusCode::NO_CONTENT {
            return answered;
        }
        let body = axum::body::to_bytes(answered.into_body(), 1 << 20)
            .await
            .expect("a body");
        let document = String::from_utf8(body.to_vec()).expect("a text");
        let mut answer = answer(StatusCode::OK, self.carried_out(&document));
        let xml = "text/xml; charset=utf-8".parse().unwrap();
        answer.headers_mut().insert(header::CONTENT_TYPE, xml);
        answer
    }

    /// Posts a form to the service, signed as this provider signs.
    async fn post(&self, path: &str, form: &[(String, String)]) -> Response<Body> {
        let url = format!("https://duty.example.org{path}");
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let mut headers = self.accent.signed(&url, form, &body);
        let kind = "application/x-www-form-urlencoded";
        headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
        self.forward(Method::POST, path, headers, body.into()).await
    }

    fn recording_url(&self, call: &str, recording: &str) -> String {
        let (account, accent) = (self.accent.account_path(), self.accent);
        match accent {
            Accent::SignalWire => format!("{}{account}Recordings/{recording}", self.url),
            Accent::Somleng => {
                let call = accent.theirs(call);
                format!("{}{account}Calls/{call}/Recordings/{recording}", self.url)
            }
            Accent::Telnyx => format!(
                "{}/media/{recording}-1760000000.wav?X-Amz-Expires=600",
                self.url
            ),
        }
    }

    /// Checks the document's verbs and attributes, and rewrites it so that the exchange behaves as this provider would.
    fn carried_out(&self, document: &str) -> String {
        let mut reader = Reader::from_str(document);
        let mut record = None;
        loop {
            let event = reader.read_event().expect("XML");
            let (Event::Start(element) | Event::Empty(element)) = &event else {
                if matches!(event, Event::Eof) {
                    break;
                }
                continue;
            };
            let verb = element.name().as_ref().to_owned();
            let known = self.accent.knows(&verb);
            for attribute in element.attributes() {
                let attribute = attribute.expect("an attribute");
                let name = attribute.key.as_ref().to_owned();
                assert!(
                    known.contains(&name.as_str()),
                    "{:?} knows no {name} of {verb}",
                    self.accent
                );
                if verb == "Record" && name == "action" {
                    record = Some(attribute.value.to_string());
                }
            }
        }
        let Some(action) = record else {
            return document.to_owned();
        };
        let mut document = document.to_owned();
        match self.accent {
            Accent::Telnyx => {
                // Telnyx records two channels unless the document says `single`.
                assert!(document.contains(r#" channels="single""#), "{document}");
                document = document.replace(r#" channels="single""#, "");
                // With `timeout="0"` silence does not end the recording: it goes on to its maximum length.
                assert!(document.contains(r#" timeout="0""#), "{document}");
                document = document.replace(r#" timeout="0""#, r#" timeout="300""#);
            }
            Accent::SignalWire => assert!(document.contains(r#" trim="do-not-trim""#)),
            Accent::Somleng => {}
        }
        // The action is requested whatever follows `<Record>` in the document, because silence is recorded too.
        let end = document
            .find("<Redirect")
            .or_else(|| document.find("</Response>"));
        let amp = NOTHING.replace('&', "&amp;");
        // The fallback answer's action names no call, so a silent caller hears what follows the recording there.
        if action.contains("call=") {
            document.truncate(end.expect("an end"));
            document.push_str(&format!(
                r#"<Redirect method="POST">{action}{amp}</Redirect></Response>"#
            ));
        }
        document
    }

    /// Forwards a request to the service unchanged.
    async fn forward(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Response<Body> {
        let service = self.service.lock().unwrap().clone();
        self.pass(method, &format!("{service}{path}"), headers, body)
            .await
    }

    async fn pass(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Response<Body> {
        let request = self.client.request(method, url).headers(headers).body(body);
        let Ok(given) = request.send().await else {
            return answer(StatusCode::BAD_GATEWAY, "");
        };
        let (status, headers) = (given.status(), given.headers().clone());
        let mut passed = answer(status, given.bytes().await.unwrap_or_default());
        if let Some(kind) = headers.get(header::CONTENT_TYPE) {
            passed
                .headers_mut()
                .insert(header::CONTENT_TYPE, kind.clone());
        }
        passed
    }

    /// Answers a REST request of the service in this provider's format.
    async fn rest(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response<Body> {
        if let Some(file) = path.strip_prefix("/media/") {
            assert!(
                !headers.contains_key(header::AUTHORIZATION),
                "the address has its own credentials"
            );
            let id = file.split("-1760000000").next().unwrap_or_default();
            return self.sound(&Accent::ours("RE", id)).await;
        }
        let right = match self.accent {
            Accent::Telnyx => format!("Bearer {THEIR_TOKEN}"),
            _ => format!(
                "Basic {}",
                STANDARD.encode(format!("{THEIR_ACCOUNT}:{THEIR_TOKEN}"))
            ),
        };
        if headers
            .get(header::AUTHORIZATION)
            .map(|value| value.as_bytes())
            != Some(right.as_bytes())
        {
            return answer(StatusCode::UNAUTHORIZED, "{}");
        }
        if let (Accent::Telnyx, Some(id)) = (self.accent, path.strip_prefix("/v2/recordings/")) {
            if *method == Method::DELETE {
                let id = Accent::ours("RE", id);
                if self.forget_silence(&id) {
                    return answer(StatusCode::OK, "{}");
                }
                let gone = self
                    .exchange(Method::DELETE, &format!("Recordings/{id}.json"))
                    .await;
                return match gone.status() {
                    StatusCode::NO_CONTENT => answer(StatusCode::OK, "{}"),
                    other => answer(other, "{}"),
                };
            }
            let there = self.sound(&Accent::ours("RE", id)).await;
            if there.status() != StatusCode::OK {
                return there;
            }
            let wav = format!("{}/media/{id}-1760000000.wav?X-Amz-Expires=600", self.url);
            let body = serde_json::json!({ "data": { "id": id, "download_urls": { "wav": wav } } });
            return answer(StatusCode::OK, body.to_string());
        }
        let Some(rest) = path.strip_prefix(&self.accent.account_path()) else {
            return answer(StatusCode::NOT_FOUND, "{}");
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let parts: Vec<&str> = rest.split('/').collect();
        match (method, &parts[..], self.accent) {
            (&Method::GET, ["Recordings", file], Accent::Somleng) if file.ends_with(".wav") => {
                let id = file.trim_end_matches(".wav");
                let mut away = answer(StatusCode::FOUND, "");
                let to = format!("{}/media/{id}-1760000000.wav?X-Amz-Expires=600", self.url);
                away.headers_mut()
                    .insert(header::LOCATION, to.parse().unwrap());
                away
            }
            (&Method::GET, ["Recordings", file], Accent::SignalWire) if file.ends_with(".wav") => {
                self.sound(&Accent::ours("RE", file.trim_end_matches(".wav")))
                    .await
            }
            (&Method::DELETE, _, Accent::Somleng) => panic!("Somleng deletes nothing"),
            // SignalWire's OpenAPI description has paths without file extensions.
            (&Method::DELETE, ["Recordings", id], Accent::SignalWire) if !id.contains('.') => {
                let id = Accent::ours("RE", id);
                if self.forget_silence(&id) {
                    return answer(StatusCode::NO_CONTENT, "");
                }
                self.exchange(Method::DELETE, &format!("Recordings/{id}.json"))
                    .await
            }
            (&Method::GET, ["Calls", call], accent)
                if call.ends_with(".json") == (accent == Accent::Somleng) =>
            {
                let call = Accent::ours("CA", call.trim_end_matches(".json"));
                self.exchange(Method::GET, &format!("Calls/{call}.json"))
                    .await
            }
            (
                &Method::GET,
                ["Calls", call, "Recordings.json"],
                Accent::Somleng | Accent::Telnyx,
            ) => self.recordings_of(call).await,
            // The account's recordings, where no call is named.
            (&Method::GET, ["Recordings.json"], Accent::Telnyx) => {
                answer(StatusCode::OK, r#"{"recordings": []}"#)
            }
            // Lists the account's recordings, or those of one call when `CallSid` is given.
            (&Method::GET, ["Recordings"], Accent::SignalWire) => {
                let mut fields = form_urlencoded::parse(query.as_bytes());
                match fields.find(|field| field.0 == "CallSid") {
                    Some((_, call)) => self.recordings_of(&call).await,
                    None => answer(StatusCode::OK, r#"{"recordings": []}"#),
                }
            }
            _ => answer(StatusCode::NOT_FOUND, "{}"),
        }
    }

    async fn recordings_of(&self, call: &str) -> Response<Body> {
        let (accent, theirs) = (self.accent, call);
        let call = Accent::ours("CA", call);
        let list = self
            .exchange(Method::GET, &format!("Calls/{call}/Recordings.json"))
            .await;
        let body = axum::body::to_bytes(list.into_body(), 1 << 20)
            .await
            .expect("a body");
        let mut list: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        for recording in list["recordings"].as_array_mut().into_iter().flatten() {
            let id = recording["sid"].as_str().expect("an id").to_owned();
            recording["sid"] = accent.theirs(&id).into();
            recording["call_sid"] = theirs.into();
        }
        answer(StatusCode::OK, list.to_string())
    }

    fn forget_silence(&self, id: &str) -> bool {
        let mut silent = self.silent.lock().unwrap();
        let before = silent.len();
        silent.retain(|own| own != id);
        silent.len() < before
    }

    async fn sound(&self, id: &str) -> Response<Body> {
        if self.silent.lock().unwrap().iter().any(|own| own == id) {
            let mut sound = answer(StatusCode::OK, silence());
            sound
                .headers_mut()
                .insert(header::CONTENT_TYPE, "audio/x-wav".parse().unwrap());
            return sound;
        }
        self.exchange(Method::GET, &format!("Recordings/{id}.wav"))
            .await
    }

    async fn exchange(&self, method: Method, path: &str) -> Response<Body> {
        let url = format!("{}/2010-04-01/Accounts/{ACCOUNT}/{path}", self.rest);
        let basic = format!("Basic {}", STANDARD.encode(format!("{ACCOUNT}:{TOKEN}")));
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, basic.parse().unwrap());
        self.pass(method, &url, headers, Bytes::new()).await
    }
}
