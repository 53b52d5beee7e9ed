//! A stand-in for Asterisk: it connects to the service's WebSocket and executes its requests as Asterisk 22.10 was
//! observed to. It shares no code with the service. Sounds end as soon as they begin, and the test decides when silence
//! ends a recording.

mod commands;
mod files;

use super::timers::ByHand;
use super::{DEADLINE, Database, TOKEN, TestLine};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};

/// Name of the provider in the configuration.
pub const NAME: &str = "pbx";
/// Times the service waits for a key, in seconds: at a menu, for a digit, for the inspector's key.
pub const KEYS: &[u64] = &[6, 8, 10];

/// Time until the service lists the recordings on the disk again, in seconds.
const LOOK: u64 = 600;

/// The input a call waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// A key, until a timeout.
    Keys,
    /// Speech, with the maximum length in seconds.
    Speech(u64),
    /// This endpoint is ringing.
    Ringing(String),
    /// Caller and inspector are connected.
    Talking,
    /// None: the call is over.
    Over,
}

/// How a caller ends a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpeechEnds {
    /// The caller presses `#`.
    Key,
    /// The caller falls silent.
    Silence,
    /// The caller speaks until the limit.
    Limit,
}

/// Faults to inject.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Events are sent twice, except keys, because a repeated key is another key.
    pub twice: bool,
    /// The end of a recording is sent before the key that ended it.
    pub recording_first: bool,
    /// The end of a recording is sent only after the end of its call.
    pub recording_after_end: bool,
    /// Number of requests for a stored recording that are answered as if it did not exist yet.
    pub not_yet: u32,
    /// Number of requests for a live recording that fail.
    pub live_unknown: u32,
}

#[derive(Default)]
struct Channel {
    from: String,
    dialled: String,
    /// The caller's channel, if this is the leg of an inspector whom the service asked to ring.
    leg_of: Option<String>,
    up: bool,
    hung_up: bool,
    recording: Option<String>,
}

#[derive(Default)]
struct State {
    channels: BTreeMap<String, Channel>,
    played: HashMap<String, Vec<String>>,
    waiting: HashMap<String, Waiting>,
    /// Ids of playbacks that do not end by themselves, such as ringing.
    ringing: Vec<String>,
    bridges: HashMap<String, Vec<String>>,
    live: HashMap<String, String>,
    stored: BTreeMap<String, Bytes>,
    frames: Vec<String>,
    faults: Faults,
    made: u32,
}

/// The stand-in. Clones share its state.
#[derive(Clone)]
pub struct Pbx {
    /// Base address of its HTTP API.
    pub api_url: String,
    hooks: Arc<Mutex<String>>,
    state: Arc<Mutex<State>>,
    timers: ByHand,
    changed: watch::Sender<u64>,
    out: Arc<Mutex<Option<mpsc::UnboundedSender<Message>>>>,
    /// Folder of the operator's recorded sounds: the ten digits.
    sounds: Arc<tempfile::TempDir>,
    connection: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Pbx {
    /// Starts a stand-in that serves its files and is not connected to a service yet.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let pbx = Self {
            api_url: format!("http://{}", listener.local_addr().unwrap()),
            hooks: Arc::default(),
            state: Arc::default(),
            timers: ByHand::default(),
            changed: watch::Sender::new(0),
            out: Arc::default(),
            sounds: Arc::new(files::sounds()),
            connection: Arc::default(),
        };
        let files = files::router(pbx.clone());
        tokio::spawn(async move { axum::serve(listener, files).await });
        pbx
    }

    /// Starts a line with this stand-in as a second provider, and connects to it.
    pub async fn line(&self, database: Database, at: &str) -> TestLine {
        let change = |toml: String| self.configure(&toml);
        let line = TestLine::with_timers(self.timers.clone(), database, at, change).await;
        self.dial_service(&line.url, TOKEN).await.expect("accepted");
        line
    }

    /// Returns the configuration with this stand-in and two people on the roster.
    pub fn configure(&self, toml: &str) -> String {
        let provider = format!(
            r#"
[[provider]]
name    = "{NAME}"
kind    = "asterisk"
username = "asterisk"
password = "{TOKEN}"
api_url = "{}"
api_username = "duty"
api_password = "{TOKEN}"
dial = "PJSIP/{{number}}@trunk"

[[line]]"#,
            self.api_url
        );
        let roster = r#"
[[line.roster]]
name = "甲"
number = "+8613800000001"
[[line.roster]]
name = "乙"
number = "+8613800000002"
"#;
        let folder = self.sounds.path().display();
        let prompts = format!(
            "[prompts]\nfolder = \"{folder}/recorded\"\ncache = \"{folder}/cache\"\npassing = \"{folder}/passing\"\n"
        );
        let toml = toml.replacen("[[provider]]", &format!("{prompts}\n[[provider]]"), 1);
        format!("{}{roster}", toml.replacen("[[line]]", &provider, 1))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn change(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// Sets the faults of the following events and requests.
    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// Connects to the service at this address. Returns the status when it refuses.
    pub async fn dial_service(&self, url: &str, password: &str) -> Result<(), u16> {
        *self.hooks.lock().unwrap() = url.to_owned();
        let host = url.strip_prefix("http://").unwrap();
        let mut request = format!("ws://{host}/hooks/{NAME}/ari")
            .into_client_request()
            .unwrap();
        let pair = format!("asterisk:{password}");
        let credentials = {
            use base64::Engine;
            base64::engine::general_purpose::STANDARD.encode(pair)
        };
        let headers = request.headers_mut();
        let basic = HeaderValue::from_str(&format!("Basic {credentials}")).unwrap();
        headers.insert(header::AUTHORIZATION, basic);
        headers.insert(
            header::SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static("ari"),
        );
        let stream = TcpStream::connect(host).await.expect("the service listens");
        let (socket, response) = match client_async(request, stream).await {
            Ok(opened) => opened,
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => {
                return Err(response.status().as_u16());
            }
            Err(error) => panic!("{error}"),
        };
        assert_eq!(response.headers()[header::SEC_WEBSOCKET_PROTOCOL], "ari");
        let (mut sink, mut incoming) = socket.split();
        let (out, mut frames) = mpsc::unbounded_channel();
        *self.out.lock().unwrap() = Some(out);
        let pbx = self.clone();
        let connection = tokio::spawn(async move {
            let writing = async {
                while let Some(frame) = frames.recv().await {
                    if sink.send(frame).await.is_err() {
                        break;
                    }
                }
            };
            let reading = async {
                while let Some(Ok(frame)) = incoming.next().await {
                    if let Message::Text(text) = frame {
                        pbx.state().frames.push(text.as_str().to_owned());
                        pbx.asked(&serde_json::from_str(&text).expect("JSON"));
                    }
                }
            };
            tokio::select! {
                () = writing => {}
                () = reading => {}
            }
        });
        *self.connection.lock().unwrap() = Some(connection);
        self.tell(json!({"type": "ApplicationRegistered", "application": "dutyline"}));
        Ok(())
    }

    /// Breaks the connection. Calls and recordings continue in the stand-in.
    pub fn disconnect(&self) {
        self.out.lock().unwrap().take();
        if let Some(connection) = self.connection.lock().unwrap().take() {
            connection.abort();
        }
    }

    fn tell(&self, event: Value) {
        let times = match self.state().faults.twice && event["type"] != "ChannelDtmfReceived" {
            true => 2,
            false => 1,
        };
        for _ in 0..times {
            if let Some(out) = self.out.lock().unwrap().as_ref() {
                let _ = out.send(Message::text(event.to_string()));
            }
        }
    }

    // --- callers' actions ------------------------------------------------------------------------------

    /// Dials. Returns the channel once the call waits for input.
    pub async fn call(&self, from: &str, dialled: &str) -> String {
        let id = {
            let mut state = self.state();
            state.made += 1;
            let id = format!("1795781482.{}", state.made);
            let channel = Channel {
                from: from.to_owned(),
                dialled: dialled.to_owned(),
                ..Channel::default()
            };
            state.channels.insert(id.clone(), channel);
            id
        };
        self.tell(json!({
            "type": "StasisStart", "args": [dialled], "channel": self.channel(&id), "application": "dutyline",
        }));
        self.waits(&id).await;
        id
    }

    /// Presses one key, and waits for what follows.
    pub async fn press(&self, id: &str, key: char) {
        let recording = match key {
            '#' => self.state().channels[id].recording.clone(),
            _ => None,
        };
        self.acts(id);
        self.key(id, key);
        if let Some(name) = recording {
            self.recorded(&name, Bytes::from_static(&[]));
        }
        self.waits(id).await;
    }

    /// Presses a key without waiting for what follows.
    pub fn key(&self, id: &str, key: char) {
        self.tell(json!({
            "type": "ChannelDtmfReceived", "digit": key.to_string(), "duration_ms": 100, "channel": {"id": id},
        }));
    }

    /// Lets the timeout pass without a key, or lets the recording end without speech.
    pub async fn keep_silent(&self, id: &str) {
        let recording = self.state().channels[id].recording.clone();
        let timer = self.timers.take(KEYS);
        self.acts(id);
        match recording {
            Some(name) => self.recorded(&name, Bytes::from_static(&[])),
            None => drop(timer.expect("something waits for a key")),
        }
        self.waits(id).await;
    }

    /// Records audio, and ends the recording with `#` or by silence.
    pub async fn speak(&self, id: &str, audio: Bytes, hash: bool) {
        let end = match hash {
            true => SpeechEnds::Key,
            false => SpeechEnds::Silence,
        };
        self.speak_until(id, audio, end).await;
    }

    /// Records audio, and ends the recording in this way.
    pub async fn speak_until(&self, id: &str, audio: Bytes, end: SpeechEnds) {
        let Waiting::Speech(limit) = self.waits(id).await else {
            panic!("no recording runs");
        };
        let name = self.state().channels[id].recording.clone();
        let name = name.expect("a recording runs");
        self.acts(id);
        let seconds = (end == SpeechEnds::Limit).then_some(limit);
        let first = self.state().faults.recording_first;
        if end == SpeechEnds::Key && !first {
            self.key(id, '#');
        }
        self.recorded_for(&name, audio, seconds);
        if end == SpeechEnds::Key && first {
            self.key(id, '#');
        }
        self.waits(id).await;
    }

    /// Hangs up; a running recording contains `saying`.
    pub fn hang_up(&self, id: &str, saying: Option<Bytes>) {
        self.tell(json!({"type": "ChannelHangupRequest", "channel": {"id": id}}));
        self.gone(id, saying);
    }

    /// The inspector rung for a caller answers. Waits until a key is asked for, and returns the leg.
    pub async fn pick_up(&self, caller: &str) -> String {
        let leg = self.leg(caller).expect("somebody is rung");
        self.timers.pass_over();
        self.state().channels.get_mut(&leg).unwrap().up = true;
        self.tell(json!({
            "type": "StasisStart", "args": ["rung", caller], "channel": {"id": leg}, "application": "dutyline",
        }));
        self.until(|| self.timers.has(&[8])).await;
        leg
    }

    /// The inspector rung for a caller does not answer.
    pub async fn nobody_picks_up(&self, caller: &str) {
        let leg = self.leg(caller).expect("somebody is rung");
        self.acts(caller);
        self.tell(json!({"type": "Dial", "dialstatus": "NOANSWER", "peer": {"id": leg}}));
        self.state().channels.remove(&leg);
        self.waits(caller).await;
    }

    /// The inspector who answered presses a key. Waits for what follows.
    pub async fn press_there(&self, caller: &str, leg: &str, key: char) {
        self.acts(caller);
        self.key(leg, key);
        self.waits(caller).await;
    }

    /// The inspector who answered presses no key until the timeout.
    pub async fn press_nothing_there(&self, caller: &str) {
        let timer = self.timers.take(&[8]).expect("their key is waited for");
        self.acts(caller);
        drop(timer);
        self.waits(caller).await;
    }

    /// The inspector who answered hangs up.
    pub async fn hang_up_there(&self, caller: &str, leg: &str) {
        self.acts(caller);
        self.gone(leg, None);
        self.waits(caller).await;
    }

    /// Returns the channel that is rung for a caller.
    pub fn leg(&self, caller: &str) -> Option<String> {
        let state = self.state();
        let mut legs = state.channels.iter();
        let found = legs.find(|(_, channel)| channel.leg_of.as_deref() == Some(caller));
        found.map(|(id, _)| id.clone())
    }

    // --- observations ----------------------------------------------------------------------------------

    /// Waits until a call waits for input, and returns which.
    pub async fn waits(&self, id: &str) -> Waiting {
        self.until(|| self.waiting(id).is_some()).await;
        self.waiting(id).unwrap()
    }

    fn waiting(&self, id: &str) -> Option<Waiting> {
        let told = self.state().waiting.get(id).cloned();
        told.or_else(|| self.timers.has(KEYS).then_some(Waiting::Keys))
    }

    /// Returns the sounds played to a channel since the last call of this function.
    pub fn played(&self, id: &str) -> Vec<String> {
        self.state().played.remove(id).unwrap_or_default()
    }

    /// Returns the receipt that was played last, digit by digit.
    pub fn receipt(&self, id: &str) -> String {
        let state = self.state();
        let played = state.played.get(id).expect("something was played");
        let digits = played
            .iter()
            .filter_map(|media| media.split_once("/digit-"));
        let digits: Vec<&str> = digits.map(|(_, digit)| digit).collect();
        assert!(digits.len() >= 12, "a receipt");
        digits[digits.len() - 12..].concat()
    }

    /// Returns every frame the service sent.
    pub fn frames(&self) -> Vec<String> {
        self.state().frames.clone()
    }

    /// Returns the names of the recordings on the disk.
    pub fn stored(&self) -> Vec<String> {
        self.state().stored.keys().cloned().collect()
    }

    /// Waits until the service has listed the recordings on the disk.
    pub async fn until_looked(&self) {
        self.until(|| self.has_looked()).await;
    }

    /// True if the service has listed the recordings on the disk since a caller's last action.
    pub fn has_looked(&self) -> bool {
        self.timers.has(&[LOOK])
    }

    /// Puts a recording on the disk without sending an event.
    pub fn leave_behind(&self, name: &str, audio: Bytes) {
        self.state().stored.insert(name.to_owned(), audio);
    }

    /// Returns the name of the running recording of a channel.
    pub fn recording(&self, id: &str) -> Option<String> {
        self.state().channels.get(id)?.recording.clone()
    }

    /// Returns the input a call waits for after a new request of the service, as after a lost connection.
    pub async fn waits_now(&self, id: &str) -> Waiting {
        self.acts(id);
        self.waits(id).await
    }

    /// Ends a recording without a caller's action.
    pub fn finish_recording(&self, name: &str, audio: Bytes) {
        self.recorded(name, audio);
    }

    async fn until(&self, there: impl Fn() -> bool) {
        let mut changed = self.changed.subscribe();
        let mut set = self.timers.changes();
        let wait = async {
            while !there() {
                tokio::select! {
                    _ = changed.changed() => {}
                    _ = set.changed() => {}
                }
            }
        };
        let waited = tokio::time::timeout(DEADLINE, wait).await;
        assert!(waited.is_ok(), "the call does not go on");
    }

    /// Marks an action of a caller or inspector: forgets the timers and the input waited for until now.
    fn acts(&self, id: &str) {
        self.timers.pass_over();
        self.state().waiting.remove(id);
    }
}
