//! Messages on the socket: events and answers are received, requests are sent. JSON, one message per frame.
//!
//! As observed on Asterisk 22.10 and described in its `rest-api/*.json`. Unknown events, fields and values are ignored,
//! and so is a frame that is not JSON. Invalid parts of a string are read as U+FFFD, as in [`json`](mod@json).

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
    /// The address below `/ari/`, with ids generated or checked by this service.
    pub uri: String,
    /// The parameters, as a JSON object; null when there are none. Hidden, because a roster member's number may be in
    /// them.
    pub body: Hidden<Value>,
}

impl Request {
    /// Creates a request without parameters.
    pub fn new(method: &'static str, uri: impl Into<String>) -> Self {
        Self::with(method, uri, Value::Null)
    }

    /// Creates a request with these parameters.
    pub fn with(method: &'static str, uri: impl Into<String>, body: Value) -> Self {
        Self {
            method,
            uri: uri.into(),
            body: body.into(),
        }
    }

    /// Returns the frame to send. The answer will have the same `id`.
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

/// A message received.
#[derive(Clone, Debug)]
pub enum Message {
    /// An event on the switch.
    Event(Event),
    /// The answer to a request.
    Answer(Answer),
}

/// The answer to a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The request's id.
    pub id: String,
    /// The answer's HTTP status code.
    pub status: u16,
    /// The answer's body; null if it has none or it is not JSON. Hidden, because telephone numbers may be in it.
    pub body: Hidden<Value>,
}

/// An event on the switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The connection is ready. Requests sent before this event are sometimes not answered.
    Ready,
    /// A channel entered this application.
    Started {
        /// The channel.
        channel: Channel,
        /// The arguments given by the dialplan, or by this service when it originated the channel.
        arguments: Vec<String>,
    },
    /// The channel with this id left this application, no longer exists, or belongs to a telephone that was dialled and
    /// did not answer.
    Ended(String),
    /// A hang-up of the channel with this id was requested, by the far end or by this service; the channel still
    /// exists.
    HangsUp(String),
    /// A key was released.
    Key {
        /// The channel's id.
        channel: String,
        /// `0` to `9`, `*`, `#`, `A` to `D`.
        key: Hidden<char>,
    },
    /// A playback ended, was stopped, or failed.
    PlayedOut {
        /// The playback's id.
        playback: String,
        /// True if a file could not be played.
        failed: bool,
    },
    /// A recording has ended.
    Recorded(Recorded),
    /// The recording of this name failed.
    NotRecorded(String),
}

/// A recording that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its name.
    pub name: String,
    /// Its duration in whole seconds, rounded down; 0 also if it is not known.
    pub seconds: u32,
}

/// A channel, with the fields used here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Its id, an opaque string.
    pub id: String,
    /// The caller's number, as the carrier gives it.
    pub from: Hidden<String>,
    /// The number dialled: the first application argument in the dialplan, or else the extension.
    pub dialled: Hidden<String>,
    /// The name of the Stasis application the channel is in, if it is in one.
    pub application: Option<String>,
    /// The arguments of the application in the dialplan, after its name.
    pub arguments: Vec<String>,
}

/// Maximum length of an id, a recording's name or an argument of an event, in bytes; a longer one is treated as
/// missing.
const MAX_TEXT_BYTES: usize = 200;

/// Parses a frame; `None` when it has no message that is used here.
pub fn read(frame: &str) -> Option<Message> {
    let message = json::read(frame.as_bytes()).ok()?;
    if message["type"] == "RESTResponse" {
        // The body is JSON within a JSON string.
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
        // A status such as `NOANSWER` or `BUSY`: the dialled telephone was not answered, so its channel never enters
        // the application and cannot leave it.
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

/// Parses a channel as events and channel lists have it; `None` when it has no usable id.
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

/// True if the channel is a caller's.
pub(super) fn is_caller(channel: &Channel) -> bool {
    channel.application.as_deref() == Some(APPLICATION) && !is_leg(channel)
}

/// True if this service originated the channel. A channel that is not answered yet is in no application, so it is
/// recognised by its id.
pub(super) fn is_leg(channel: &Channel) -> bool {
    let rung = channel.arguments.first().is_some_and(|word| word == RUNG);
    let id = channel
        .id
        .strip_suffix("-leg")
        .and_then(|rest| rest.get(..36));
    rung || id.is_some_and(|id| id.parse::<uuid::Uuid>().is_ok())
}

/// True if a dialled telephone is still ringing, or was answered.
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
