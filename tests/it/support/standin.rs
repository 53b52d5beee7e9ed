//! A stand-in for Twilio's REST API. The webhooks it posts are in [`super::webhooks`]. Both are written from Twilio's
//! documentation alone and share no code with the service or its simulator, so that a misunderstanding common to those
//! two shows here.
//!
//! It runs in the test's process, and so outlives any service under test.

use super::webhooks::Story;
use super::{ACCOUNT, TOKEN};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// The answer to requests for a recording's audio, in place of the audio.
#[derive(Clone)]
pub enum Serving {
    /// 404: not available yet.
    NotYet,
    /// The full length is announced, half of it sent, then the connection breaks.
    CutShort,
    /// Another content type and body, with status 200.
    Other(&'static str, Bytes),
    /// The full length is announced, then one byte sent every 50 ms until [`StandIn::let_go`].
    Trickle,
    /// This status, with this value of `Retry-After`.
    Busy(u16, String),
}

/// The point at which the stand-in stops processing a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Half of a recording's audio is sent.
    Audio,
    /// A deletion was requested and not executed.
    BeforeDeleting,
    /// A deletion was executed and not answered.
    AfterDeleting,
    /// The recordings of a call were requested and not answered.
    Listing,
    /// The recordings of a call were requested; answers with status 500.
    ListingFails,
}

/// A request that was answered or is being held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub method: Method,
    /// The path after `/2010-04-01/Accounts/{account}/`.
    pub path: String,
    /// Status of the answer; 0 while the request is held.
    pub status: u16,
}

struct Kept {
    call: String,
    audio: Bytes,
    listed: bool,
    gone: bool,
    serving: Option<Serving>,
}

#[derive(Default)]
struct Things {
    recordings: BTreeMap<String, Kept>,
    ended: HashSet<String>,
    /// The number a call was made to, if not the default line's.
    dialled: BTreeMap<String, String>,
    hold: Option<Hold>,
    log: Vec<Asked>,
}

/// The stand-in. Clones share its state.
#[derive(Clone)]
pub struct StandIn {
    /// Its base address, for `api_url`.
    pub url: String,
    things: Arc<Mutex<Things>>,
    held: watch::Sender<usize>,
    let_go: watch::Sender<bool>,
}

impl StandIn {
    /// Starts it on a free port.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stand_in = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            things: Arc::default(),
            held: watch::Sender::new(0),
            let_go: watch::Sender::new(false),
        };
        let router = Router::new().fallback(answer).with_state(stand_in.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        stand_in
    }

    /// Stores a caller's recording. `listed`: true if it is among the recordings of its call.
    pub fn record(&self, story: &Story, audio: &Bytes, listed: bool) {
        let kept = Kept {
            call: story.call.clone(),
            audio: audio.clone(),
            listed,
            gone: false,
            serving: None,
        };
        let mut things = self.things.lock().unwrap();
        things.recordings.insert(story.recording.clone(), kept);
    }

    /// Sets the answer to further requests for the recording's audio; `None` serves the audio.
    pub fn serve(&self, story: &Story, serving: Option<Serving>) {
        let mut things = self.things.lock().unwrap();
        let kept = things.recordings.get_mut(&story.recording).unwrap();
        kept.serving = serving;
    }

    /// Marks the call as over in answers about its status.
    pub fn end(&self, story: &Story) {
        self.things.lock().unwrap().ended.insert(story.call.clone());
    }

    /// Sets the number the call was made to.
    pub fn dialled(&self, story: &Story, number: &str) {
        let mut things = self.things.lock().unwrap();
        things.dialled.insert(story.call.clone(), number.to_owned());
    }

    /// Sets the point at which requests are held; `None` holds none.
    pub fn hold(&self, hold: Option<Hold>) {
        self.things.lock().unwrap().hold = hold;
    }

    /// Continues held requests, and breaks off trickling audio.
    pub fn let_go(&self) {
        self.let_go.send_replace(true);
    }

    /// Waits until at least `count` requests have been held.
    pub async fn holds(&self, count: usize) {
        let mut held = self.held.subscribe();
        let waiting = held.wait_for(|held| *held >= count);
        let waited = tokio::time::timeout(super::DEADLINE, waiting).await;
        waited.expect("requests come that are held").unwrap();
    }

    /// Waits until a request is held.
    pub async fn holds_one(&self) {
        let mut held = self.held.subscribe();
        let waiting = held.wait_for(|held| *held > 0);
        let waited = tokio::time::timeout(super::DEADLINE, waiting).await;
        waited.expect("a request comes that is held").unwrap();
    }

    /// True if the recording is deleted.
    pub fn is_gone(&self, story: &Story) -> bool {
        self.things.lock().unwrap().recordings[&story.recording].gone
    }

    /// True if the recording's audio was requested once more after its deletion.
    pub fn is_proven_gone(&self, story: &Story) -> bool {
        let audio = format!("Recordings/{}.wav", story.recording);
        let log = self.log();
        let deleted = log.iter().position(|asked| {
            asked.method == Method::DELETE && asked.path.contains(&story.recording)
        });
        deleted.is_some_and(|at| {
            let fetched = |asked: &Asked| asked.method == Method::GET && asked.path == audio;
            log[at..]
                .iter()
                .any(|asked| fetched(asked) && asked.status == 404)
        })
    }

    /// Returns the requests received, in order.
    pub fn log(&self) -> Vec<Asked> {
        self.things.lock().unwrap().log.clone()
    }

    /// Returns the statuses of the answers to requests to delete the recording, in order.
    pub fn deletions(&self, story: &Story) -> Vec<u16> {
        let path = format!("Recordings/{}.json", story.recording);
        let of_it = |asked: &Asked| asked.method == Method::DELETE && asked.path == path;
        let log = self.log();
        log.iter()
            .filter(|asked| of_it(asked))
            .map(|asked| asked.status)
            .collect()
    }

    fn note(&self, method: &Method, path: &str, status: u16) {
        let asked = Asked {
            method: method.clone(),
            path: path.to_owned(),
            status,
        };
        self.things.lock().unwrap().log.push(asked);
    }

    async fn until_let_go(&self) {
        self.held.send_modify(|held| *held += 1);
        let mut let_go = self.let_go.subscribe();
        let _ = let_go.wait_for(|gone| *gone).await;
    }

    async fn never(&self) -> ! {
        self.held.send_modify(|held| *held += 1);
        std::future::pending().await
    }

    async fn answer(&self, method: Method, path: &str) -> Response {
        let (kind, rest) = path.split_once('/').unwrap_or((path, ""));
        match (&method, kind) {
            (&Method::GET, "Recordings.json") => {
                axum::Json(json!({ "recordings": [] })).into_response()
            }
            (&Method::GET, "Recordings") => match rest.strip_suffix(".json") {
                Some(sid) => self.recording(sid),
                None => self.audio(rest.strip_suffix(".wav")),
            },
            (&Method::DELETE, "Recordings") => match rest.strip_suffix(".json") {
                Some(sid) => self.delete(sid, path).await,
                None => missing(),
            },
            (&Method::GET, "Calls") => match rest.strip_suffix("/Recordings.json") {
                Some(call) => {
                    let hold = self.things.lock().unwrap().hold;
                    if hold == Some(Hold::Listing) {
                        self.until_let_go().await;
                    }
                    if hold == Some(Hold::ListingFails) {
                        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
                    }
                    self.recordings_of(call)
                }
                None => match rest.strip_suffix(".json") {
                    Some(call) => self.call(call),
                    None => missing(),
                },
            },
            _ => missing(),
        }
    }

    fn audio(&self, sid: Option<&str>) -> Response {
        let mut things = self.things.lock().unwrap();
        let hold = things.hold;
        let kept = sid.and_then(|sid| things.recordings.get_mut(sid));
        let Some(kept) = kept.filter(|kept| !kept.gone) else {
            return missing();
        };
        let audio = kept.audio.clone();
        let half = audio.slice(..audio.len() / 2);
        let wav = [
            (header::CONTENT_TYPE, "audio/x-wav".to_owned()),
            (header::CONTENT_LENGTH, audio.len().to_string()),
        ];
        if hold == Some(Hold::Audio) {
            let stand_in = self.clone();
            let rest = audio.slice(audio.len() / 2..);
            let later = stream::once(async move {
                stand_in.until_let_go().await;
                Ok(rest)
            });
            let body = stream::iter([Ok::<_, std::io::Error>(half)]).chain(later);
            return (wav, Body::from_stream(body)).into_response();
        }
        match kept.serving.clone() {
            None => (wav, audio).into_response(),
            Some(Serving::NotYet) => missing(),
            Some(Serving::Other(kind, body)) => {
                ([(header::CONTENT_TYPE, kind)], body).into_response()
            }
            Some(Serving::Busy(status, after)) => {
                let status = StatusCode::from_u16(status).unwrap();
                (status, [(header::RETRY_AFTER, after)]).into_response()
            }
            Some(Serving::Trickle) => {
                self.held.send_modify(|held| *held += 1);
                let let_go = self.let_go.subscribe();
                let bytes = stream::unfold(0, move |at| {
                    let (byte, mut let_go) = (audio.slice(at..at + 1), let_go.clone());
                    async move {
                        tokio::select! {
                            _ = let_go.wait_for(|gone| *gone) => None,
                            () = tokio::time::sleep(Duration::from_millis(50)) => {
                                Some((Ok::<_, std::io::Error>(byte), at + 1))
                            }
                        }
                    }
                });
                (wav, Body::from_stream(bytes)).into_response()
            }
            Some(Serving::CutShort) => {
                let broken = stream::once(async { Err(std::io::Error::other("cut on purpose")) });
                let body = stream::iter([Ok(half)]).chain(broken);
                (wav, Body::from_stream(body)).into_response()
            }
        }
    }

    async fn delete(&self, sid: &str, path: &str) -> Response {
        let hold = self.things.lock().unwrap().hold;
        if hold == Some(Hold::BeforeDeleting) {
            self.note(&Method::DELETE, path, 0);
            self.never().await;
        }
        let was_there = {
            let mut things = self.things.lock().unwrap();
            let kept = things.recordings.get_mut(sid);
            kept.is_some_and(|kept| !std::mem::replace(&mut kept.gone, true))
        };
        if hold == Some(Hold::AfterDeleting) {
            self.note(&Method::DELETE, path, 0);
            self.never().await;
        }
        if was_there {
            StatusCode::NO_CONTENT.into_response()
        } else {
            missing()
        }
    }

    fn call(&self, sid: &str) -> Response {
        let things = self.things.lock().unwrap();
        let ended = things.ended.contains(sid);
        let status = if ended { "completed" } else { "in-progress" };
        let to = things
            .dialled
            .get(sid)
            .map_or("+8618877009155", String::as_str);
        let call = json!({ "sid": sid, "status": status, "from": "+8613800138000", "to": to, "parent_call_sid": null });
        axum::Json(call).into_response()
    }

    fn recording(&self, sid: &str) -> Response {
        let things = self.things.lock().unwrap();
        match things.recordings.get(sid).filter(|kept| !kept.gone) {
            Some(kept) => {
                axum::Json(json!({ "sid": sid, "call_sid": kept.call, "status": "completed" }))
                    .into_response()
            }
            None => missing(),
        }
    }

    fn recordings_of(&self, call: &str) -> Response {
        let things = self.things.lock().unwrap();
        let listed: Vec<Value> = things
            .recordings
            .iter()
            .filter(|(_, kept)| kept.call == call && kept.listed && !kept.gone)
            .map(|(sid, _)| json!({ "sid": sid, "call_sid": call, "status": "completed" }))
            .collect();
        axum::Json(json!({ "recordings": listed, "page": 0, "next_page_uri": null }))
            .into_response()
    }
}

async fn answer(State(stand_in): State<StandIn>, request: Request) -> Response {
    let given = request.headers().get(header::AUTHORIZATION);
    let right = format!("Basic {}", STANDARD.encode(format!("{ACCOUNT}:{TOKEN}")));
    if given.is_none_or(|given| given != &right) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let account = format!("/2010-04-01/Accounts/{ACCOUNT}/");
    let Some(path) = request.uri().path().strip_prefix(&account) else {
        return missing();
    };
    let method = request.method().clone();
    let response = stand_in.answer(method.clone(), path).await;
    stand_in.note(&method, path, response.status().as_u16());
    response
}

fn missing() -> Response {
    let error = json!({ "code": 20404, "status": 404, "message": "not found" });
    (StatusCode::NOT_FOUND, axum::Json(error)).into_response()
}
