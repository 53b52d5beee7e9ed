//! A stand-in for jambonz: it executes verbs, presses keys, streams audio and posts signed webhooks, according to
//! jambonz' published schemas and the source of its feature server. It shares no code with the service.

mod dialled;
mod hooks;
mod spoken;

use super::{Database, NUMBER, PATIENT, TestLine};
use bytes::Bytes;
use dutyline::service::Patience;
use serde_json::{Value, json};
use spoken::Socket;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// Name of the provider in the configuration.
pub const NAME: &str = "jambonz";
/// Account id.
pub const ACCOUNT: &str = "9351f46a-678c-43f5-b8a6-d4eb58d131af";
/// Secret that signs the webhooks.
pub const SECRET: &str = "wh_secret_of_the_tests";
/// Key of the REST API.
pub const API_KEY: &str = "api-key-of-the-tests";
/// Base address of the service, as jambonz knows it.
const PUBLIC: &str = "https://duty.example.org";

/// The input a call waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// DTMF keys.
    Keys,
    /// Speech, with the maximum length in seconds.
    Speech(u64),
    /// This number is ringing.
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
    /// Every webhook is posted twice.
    pub twice: bool,
    /// The end of a `listen` is posted before its socket closes.
    pub hook_first: bool,
    /// The end of the call is posted before its socket closes.
    pub status_first: bool,
    /// Neither webhooks of steps nor their answers arrive.
    pub hooks_lost: bool,
}

/// A call.
#[derive(Default)]
struct Call {
    from: String,
    to: String,
    /// Verbs that are still to be executed.
    verbs: Vec<Value>,
    /// The verb that waits for input.
    current: Option<Value>,
    digits: String,
    heard: Vec<String>,
    /// The other leg of a `dial`, once answered: its id, and the verbs still to be executed on it.
    leg: Option<(String, Vec<Value>)>,
    talking: bool,
    over: bool,
}

#[derive(Default)]
struct State {
    calls: HashMap<String, Call>,
    faults: Faults,
    made: u32,
    documents: Vec<Value>,
}

/// The stand-in. Clones share its state.
#[derive(Clone)]
pub struct FeatureServer {
    /// Base address of its REST API.
    pub api_url: String,
    service: Arc<Mutex<String>>,
    state: Arc<Mutex<State>>,
    sockets: Arc<tokio::sync::Mutex<HashMap<String, Socket>>>,
    client: reqwest::Client,
}

impl FeatureServer {
    /// Starts a stand-in that serves its REST API and knows no service yet.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            api_url: format!("http://{}", listener.local_addr().unwrap()),
            service: Arc::default(),
            state: Arc::default(),
            sockets: Arc::default(),
            client: super::client(),
        };
        let api = hooks::api(server.clone());
        tokio::spawn(async move { axum::serve(listener, api).await });
        server
    }

    /// Starts a line with this stand-in as a second provider, and two people on the roster.
    pub async fn line(&self, database: Database, at: &str) -> TestLine {
        self.line_with_patience(PATIENT, database, at).await
    }

    /// Like `line`, with these limits on how long callers and connections are kept waiting.
    pub async fn line_with_patience(
        &self,
        patience: Patience,
        database: Database,
        at: &str,
    ) -> TestLine {
        let line =
            TestLine::with_patience(patience, database, at, |toml| self.configure(&toml)).await;
        self.calls(&line);
        line
    }

    /// Returns the configuration with this stand-in and two people on the roster.
    pub fn configure(&self, toml: &str) -> String {
        let provider = format!(
            r#"
[[provider]]
name    = "{NAME}"
kind    = "jambonz"
account = "{ACCOUNT}"
api_key = "{API_KEY}"
webhook_secret = "{SECRET}"
api_url = "{}"

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
        format!("{}{roster}", toml.replacen("[[line]]", &provider, 1))
    }

    /// Sets the service that the stand-in posts to.
    pub fn calls(&self, line: &TestLine) {
        self.calls_at(&line.url);
    }

    /// Sets the base address of the service that the stand-in posts to.
    pub fn calls_at(&self, url: &str) {
        *self.service.lock().unwrap() = url.to_owned();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn with<T>(&self, call: &str, act: impl FnOnce(&mut Call) -> T) -> T {
        act(self.state().calls.get_mut(call).expect("a call"))
    }

    /// Sets the faults of the following requests.
    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    fn faults(&self) -> Faults {
        self.state().faults
    }

    /// Replaces the public base address by the one the service listens on.
    fn here(&self, url: &str) -> String {
        let service = self.service.lock().unwrap().clone();
        let here = url.replacen(PUBLIC, &service, 1);
        assert_ne!(here, url, "an absolute address of ours");
        here
    }

    /// Returns every document the service has answered with.
    pub fn documents(&self) -> Vec<Value> {
        self.state().documents.clone()
    }

    // --- callers' actions ------------------------------------------------------------------------------

    /// Dials the default line. Returns the call's id once the call waits for input.
    pub async fn dial(&self, from: &str) -> String {
        self.call(from, NUMBER).await
    }

    /// Dials a number.
    pub async fn call(&self, from: &str, to: &str) -> String {
        let id = {
            let mut state = self.state();
            state.made += 1;
            let id = format!("1b3e4b2c-0000-4000-8000-{:012}", state.made);
            let call = Call {
                from: from.to_owned(),
                to: to.to_owned(),
                ..Call::default()
            };
            state.calls.insert(id.clone(), call);
            id
        };
        self.status(&id, "trying").await;
        let hook = format!("{PUBLIC}/hooks/{NAME}/call");
        let answer = self.hook(&hook, &self.of_call(&id, "trying")).await;
        self.status(&id, "in-progress").await;
        self.replace(&id, answer);
        self.carry_on(&id).await;
        id
    }

    /// Presses keys in order; after each key that was waited for, waits for what follows.
    pub async fn press(&self, id: &str, keys: &str) {
        for key in keys.chars() {
            self.press_one(id, key).await;
        }
    }

    async fn press_one(&self, id: &str, key: char) {
        let Some(gather) = self.with(id, |call| call.current.clone()) else {
            return;
        };
        assert_eq!(gather["verb"], "gather", "keys are waited for");
        let digits = self.with(id, |call| {
            let ends = gather["finishOnKey"].as_str() == Some(&key.to_string());
            if !ends {
                call.digits.push(key);
            }
            let full = gather["numDigits"].as_u64() == Some(call.digits.len() as u64);
            (ends || full).then(|| std::mem::take(&mut call.digits))
        });
        if let Some(digits) = digits {
            let more = json!({"reason": "dtmfDetected", "digits": digits});
            self.act(id, &gather, more).await;
        }
    }

    /// Lets the timeout pass without a key, or lets the recording end without speech.
    pub async fn keep_silent(&self, id: &str) {
        let current = self
            .with(id, |call| call.current.clone())
            .expect("it waits");
        match current["verb"].as_str() {
            Some("gather") => self.act(id, &current, json!({"reason": "timeout"})).await,
            _ => {
                self.until_it_is_closed(id, 12).await;
                self.act(id, &current, json!({"dial_call_duration": 10}))
                    .await;
            }
        }
    }

    /// Streams audio, and ends the recording in this way.
    pub async fn speak(&self, id: &str, audio: &Bytes, end: SpeechEnds) {
        let listen = self
            .with(id, |call| call.current.clone())
            .expect("it waits");
        assert_eq!(listen["verb"], "listen", "speech is waited for");
        self.say(id, audio).await;
        let more = match end {
            SpeechEnds::Key => json!({"digits": "#", "dial_call_duration": 4}),
            SpeechEnds::Silence => {
                self.until_it_is_closed(id, 12).await;
                json!({"dial_call_duration": 14})
            }
            SpeechEnds::Limit => json!({"dial_call_duration": listen["maxLength"]}),
        };
        if self.faults().hook_first && end == SpeechEnds::Key {
            let act = self.act(id, &listen, more);
            let close = async {
                super::pause().await;
                self.close(id).await;
            };
            tokio::join!(act, close);
        } else {
            self.close(id).await;
            self.act(id, &listen, more).await;
        }
    }

    /// Hangs up; streams `saying` first if a recording is running.
    pub async fn hang_up(&self, id: &str, saying: Option<&Bytes>) {
        if let Some(audio) = saying {
            self.say(id, audio).await;
        }
        self.with(id, |call| {
            call.over = true;
            call.current = None;
            call.verbs.clear();
        });
        if self.faults().status_first {
            self.status(id, "completed").await;
            super::pause().await;
            self.close(id).await;
        } else {
            self.close(id).await;
            self.status(id, "completed").await;
        }
    }

    // --- observations ----------------------------------------------------------------------------------

    /// Returns the input a call waits for.
    pub fn waits(&self, id: &str) -> Waiting {
        self.with(id, |call| {
            let Some(current) = &call.current else {
                return Waiting::Over;
            };
            match current["verb"].as_str() {
                Some("gather") => Waiting::Keys,
                Some("listen") => Waiting::Speech(current["maxLength"].as_u64().unwrap()),
                Some("dial") if call.talking => Waiting::Talking,
                Some("dial") => {
                    Waiting::Ringing(current["target"][0]["number"].as_str().unwrap().into())
                }
                other => panic!("{other:?} waits for nothing"),
            }
        })
    }

    /// Returns the words spoken to a caller since the last call of this function.
    pub fn heard(&self, id: &str) -> String {
        self.with(id, |call| std::mem::take(&mut call.heard))
            .concat()
    }

    /// Returns the words spoken to a caller so far, and keeps them.
    pub fn all_heard(&self, id: &str) -> String {
        self.with(id, |call| call.heard.concat())
    }

    /// Returns the verb a call waits in.
    pub fn verb(&self, id: &str) -> Value {
        self.with(id, |call| call.current.clone())
            .expect("it waits")
    }

    /// Ends a verb of a call with these fields in its webhook.
    pub async fn end(&self, id: &str, verb: &Value, more: Value) {
        self.act(id, verb, more).await;
    }

    /// Ends the verb a call waits in with these fields in its webhook.
    pub async fn end_listen(&self, id: &str, more: Value) {
        let current = self.verb(id);
        self.act(id, &current, more).await;
    }

    // --- execution of verbs ----------------------------------------------------------------------------

    /// Posts the end of a verb and executes the verbs of the answer; without an answer, the verbs that follow.
    async fn act(&self, id: &str, verb: &Value, more: Value) {
        let hook = verb["actionHook"].as_str().expect("a hook").to_owned();
        let mut body = self.of_call(id, "in-progress");
        merge(&mut body, more);
        let answer = self.hook(&hook, &body).await;
        self.with(id, |call| call.current = None);
        self.replace(id, answer);
        self.carry_on(id).await;
    }

    fn replace(&self, id: &str, answer: Option<Vec<Value>>) {
        if let Some(verbs) = answer {
            self.with(id, |call| call.verbs = verbs);
        }
    }

    /// Executes verbs until one waits for input.
    async fn carry_on(&self, id: &str) {
        loop {
            let verb = self.with(id, |call| {
                (!call.over && !call.verbs.is_empty()).then(|| call.verbs.remove(0))
            });
            let Some(verb) = verb else {
                // No verb is left: jambonz hangs up.
                if !self.with(id, |call| call.over) {
                    self.hang_up(id, None).await;
                }
                return;
            };
            match verb["verb"].as_str().expect("a verb") {
                "say" | "play" => self.hear(id, &verb).await,
                "gather" => {
                    for nested in ["say", "play"] {
                        if verb.get(nested).is_some() {
                            let mut nested_verb = verb[nested].clone();
                            nested_verb["verb"] = json!(nested);
                            self.hear(id, &nested_verb).await;
                        }
                    }
                    self.with(id, |call| {
                        call.digits.clear();
                        call.current = Some(verb.clone());
                    });
                    // A timeout under a second is too short for a caller's key: it runs out here. A key within it has
                    // its own test.
                    if verb["timeout"].as_f64().unwrap() >= 1.0 {
                        return;
                    }
                    let hook = verb["actionHook"].as_str().unwrap();
                    let mut body = self.of_call(id, "in-progress");
                    merge(&mut body, json!({"reason": "timeout"}));
                    let answer = self.hook(hook, &body).await;
                    assert!(answer.is_none(), "nothing is decided yet");
                    self.with(id, |call| call.current = None);
                }
                "listen" => {
                    let opened = self.open(id, &verb).await;
                    self.with(id, |call| call.current = Some(verb.clone()));
                    if opened.is_ok() {
                        return;
                    }
                    // The webhook of a `listen` that could not connect does not mention the failure.
                    Box::pin(self.act(id, &verb, json!({}))).await;
                    return;
                }
                "dial" => {
                    self.with(id, |call| call.current = Some(verb));
                    return;
                }
                "redirect" => {
                    let hook = verb["actionHook"].as_str().unwrap();
                    let answer = self.hook(hook, &self.of_call(id, "in-progress")).await;
                    self.replace(id, answer);
                }
                "hangup" => {
                    self.hang_up(id, None).await;
                    return;
                }
                other => panic!("{other} is not expected from the service"),
            }
        }
    }

    async fn hear(&self, id: &str, verb: &Value) {
        match verb["verb"].as_str() {
            Some("say") => {
                let text = verb["text"].as_str().expect("words").to_owned();
                self.with(id, |call| call.heard.push(text));
            }
            _ => {
                let url = self.here(verb["url"].as_str().expect("an address"));
                let answer = self.client.get(url).send().await.expect("an answer");
                assert_eq!(answer.status(), 200, "a take can be played");
                assert_eq!(answer.headers()["content-type"], "audio/wav");
                let audio = answer.bytes().await.unwrap();
                self.with(id, |call| call.heard.push(format!("[{}]", audio.len())));
            }
        }
    }
}

/// Copies the fields of one object into another.
fn merge(into: &mut Value, more: Value) {
    let (Value::Object(into), Value::Object(more)) = (into, more) else {
        panic!("objects");
    };
    into.extend(more);
}
