//! What goes over the socket: events and answers come in, requests go out. JSON, one message a frame.
//!
//! Seen on Asterisk 22.10 and described in its `rest-api/*.json`. Unknown events, fields and values are ignored; what
//! is not JSON at all is nothing. A text that is broken in one place is read all the same, see [`json`](mod@json).

use super::{APPLICATION, RUNG};
use crate::base::hidden::Hidden;
use crate::telephony::json;
use serde::Deserialize;
use serde_json::{Value, json};

/// A request to Asterisk, as it is sent over the socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, `DELETE`.
    pub method: &'static str,
    /// The address below `/ari/`, of ids made or checked here.
    pub uri: String,
    /// The parameters, as a JSON object; null when there are none. Hidden: a number of the roster may be among them.
    pub body: Hidden<Value>,
}

impl Request {
    /// A request without parameters.
    pub fn new(method: &'static str, uri: impl Into<String>) -> Self {
        Self::with(method, uri, Value::Null)
    }

    /// A request with these parameters.
    pub fn with(method: &'static str, uri: impl Into<String>, body: Value) -> Self {
        Self {
            method,
            uri: uri.into(),
            body: body.into(),
        }
    }

    /// The frame. The answer to it will carry `id`.
    pub fn frame(&self, id: &str) -> String {
        let mut frame = json!({
            "type": "RESTRequest",
            "transaction_id": id,
            "request_id": id,
            "method": self.method,
            "uri": self.uri,
        });
        if !self.body.expose().is_null() {
            frame["content_type"] = json!("application/json");
            frame["message_body"] = json!(self.body.expose().to_string());
        }
        frame.to_string()
    }
}

/// What came in.
#[derive(Clone, Debug)]
pub enum Message {
    /// Something happened.
    Event(Event),
    /// The answer to a request.
    Answer(Answer),
}

/// The answer to a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The request's id.
    pub id: String,
    /// Its status, as HTTP has them.
    pub status: u16,
    /// What it says, if anything. It may hold numbers.
    pub body: Hidden<Value>,
}

/// Something happened on the switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The connection is ready: what is asked before is sometimes not answered.
    Ready,
    /// A channel is ours now.
    Started {
        /// The channel.
        channel: Channel,
        /// What the dialplan, or we, gave with it.
        arguments: Vec<String>,
    },
    /// A channel is ours no longer, or is gone.
    Ended(String),
    /// Somebody hangs up, or is to be hung up; the channel is still there.
    HangsUp(String),
    /// A key was let go.
    Key {
        /// On which channel.
        channel: String,
        /// `0` to `9`, `*`, `#`, `A` to `D`.
        key: Hidden<char>,
    },
    /// A playback is through, was stopped, or could not be played.
    PlayedOut {
        /// Its id.
        playback: String,
        /// A file of it was not there.
        failed: bool,
    },
    /// A recording is done.
    Recorded(Recorded),
    /// A recording came to nothing.
    NotRecorded(String),
}

/// A recording that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its name.
    pub name: String,
    /// Its length in whole seconds, rounded down.
    pub seconds: u32,
}

/// A channel, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Its id, opaque.
    pub id: String,
    /// Who calls, as the carrier says.
    pub from: Hidden<String>,
    /// What the dialplan was given: the number dialled.
    pub dialled: Hidden<String>,
    /// It is in this application.
    pub application: Option<String>,
    /// What the dialplan gave with it there.
    pub arguments: Vec<String>,
}

/// The longest id, name or argument taken, in bytes.
const MAX_TEXT_BYTES: usize = 200;

/// Reads a frame. None when it is nothing that matters here.
pub fn read(frame: &str) -> Option<Message> {
    let message = json::read(frame.as_bytes()).ok()?;
    if message["type"] == "RESTResponse" {
        // The body is JSON in a text.
        let body = message["message_body"]
            .as_str()
            .and_then(|text| json::read(text.as_bytes()).ok());
        return Some(Message::Answer(Answer {
            id: text(&message["request_id"])?,
            status: u16::try_from(message["status_code"].as_u64()?).ok()?,
            body: body.unwrap_or(Value::Null).into(),
        }));
    }
    event(&message).map(Message::Event)
}

fn event(message: &Value) -> Option<Event> {
    let id = |thing: &Value| text(&thing["id"]);
    Some(match message["type"].as_str()? {
        "ApplicationRegistered" => Event::Ready,
        "StasisStart" => Event::Started {
            channel: channel(&message["channel"])?,
            arguments: texts(&message["args"]),
        },
        "StasisEnd" | "ChannelDestroyed" => Event::Ended(id(&message["channel"])?),
        // Somebody rung from here did not pick up. Their channel never was ours.
        "Dial" if !is_ringing(&message["dialstatus"]) => Event::Ended(id(&message["peer"])?),
        "ChannelHangupRequest" => Event::HangsUp(id(&message["channel"])?),
        "ChannelDtmfReceived" => Event::Key {
            channel: id(&message["channel"])?,
            key: key(&message["digit"])?.into(),
        },
        "PlaybackFinished" => Event::PlayedOut {
            playback: id(&message["playback"])?,
            failed: message["playback"]["state"] == "failed",
        },
        "RecordingFinished" => Event::Recorded(Recorded {
            name: text(&message["recording"]["name"])?,
            seconds: message["recording"]["duration"]
                .as_u64()
                .and_then(|seconds| u32::try_from(seconds).ok())
                .unwrap_or(0),
        }),
        "RecordingFailed" => Event::NotRecorded(text(&message["recording"]["name"])?),
        _ => return None,
    })
}

/// A channel as events and lists of channels have it.
pub fn channel(value: &Value) -> Option<Channel> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Dialplan {
        exten: String,
        app_name: String,
        app_data: String,
    }
    let dialplan = Dialplan::deserialize(&value["dialplan"]).unwrap_or_default();
    let mut data = dialplan.app_data.split(',').map(str::to_owned);
    let application = (dialplan.app_name == "Stasis")
        .then(|| data.next())
        .flatten();
    let arguments: Vec<String> = data.collect();
    let from = value["caller"]["number"].as_str().unwrap_or_default();
    Some(Channel {
        id: text(&value["id"])?,
        from: from.to_owned().into(),
        dialled: arguments
            .first()
            .filter(|_| application.is_some())
            .cloned()
            .unwrap_or(dialplan.exten)
            .into(),
        application,
        arguments,
    })
}

/// A channel of somebody who calls.
pub(super) fn is_caller(channel: &Channel) -> bool {
    channel.application.as_deref() == Some(APPLICATION) && !is_leg(channel)
}

/// A channel we rang. One that nobody picked up yet has no application: then its id, which is one of ours, tells.
pub(super) fn is_leg(channel: &Channel) -> bool {
    let rung = channel.arguments.first().is_some_and(|word| word == RUNG);
    let id = channel
        .id
        .strip_suffix("-leg")
        .and_then(|rest| rest.get(..36));
    rung || id.is_some_and(|id| id.parse::<uuid::Uuid>().is_ok())
}

/// Is a telephone that is rung still ringing, or picked up?
fn is_ringing(status: &Value) -> bool {
    matches!(
        status.as_str().unwrap_or_default(),
        "" | "RINGING" | "PROGRESS" | "PROCEEDING" | "ANSWER"
    )
}

fn key(value: &Value) -> Option<char> {
    let mut characters = value.as_str()?.chars();
    let key = characters.next()?;
    (characters.next().is_none() && (key.is_ascii_digit() || "*#ABCD".contains(key))).then_some(key)
}

fn texts(value: &Value) -> Vec<String> {
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(text).collect()
}

fn text(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    (!text.is_empty() && text.len() <= MAX_TEXT_BYTES).then(|| text.to_owned())
}
