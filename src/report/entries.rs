//! The bodies of a report's entries, by kind: the shapes in which they are sealed and opened.
//!
//! An entry is sealed as JSON that holds its kind, its body, and the version of the body's shape. A kind whose shape
//! changes gets a new version. A body that this version of the program cannot read is kept unchanged, as
//! [`Content::Unknown`].

use super::classification::Classification;
use super::status::Outcome;
use crate::base::names::names;
use crate::line::hours::Phase;
use crate::report::takes::{Reached, Take};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

names! {
    "entries.kind";
    /// Kind of an entry.
    #[derive(Serialize, Deserialize, ToSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum EntryKind {
        /// Who called: the number, or that it was withheld.
        Caller = "caller",
        /// The call's exact times and its course.
        Call = "call",
        /// Who of the roster accepted the call.
        Talk = "talk",
        /// The facts of a recording: exact length, hashes, duration.
        Recording = "recording",
        /// Which recordings were replaced by a later take.
        Take = "take",
        /// A transcript of what was said.
        Transcript = "transcript",
        /// An inspector's note.
        Note = "note",
        /// An inspector's classification.
        Classification = "classification",
        /// How the report was closed.
        Outcome = "outcome",
        /// The reply a caller hears when calling back.
        Reply = "reply",
    }
}

impl EntryKind {
    /// Returns the version of the shape in which this program writes bodies of this kind.
    pub const fn version(self) -> u32 {
        match self {
            Self::Caller
            | Self::Call
            | Self::Talk
            | Self::Recording
            | Self::Take
            | Self::Transcript
            | Self::Note
            | Self::Classification
            | Self::Outcome
            | Self::Reply => 1,
        }
    }
}

/// The body of an entry. Does not implement `Debug`, because it holds what callers and inspectors say.
#[derive(Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Body {
    /// Body of an entry of the kind `caller`.
    Caller(CallerBody),
    /// Body of an entry of the kind `call`.
    Call(CallBody),
    /// Body of an entry of the kind `talk`.
    Talk(TalkBody),
    /// Body of an entry of the kind `recording`.
    Recording(RecordingBody),
    /// Body of an entry of the kind `take`.
    Take(TakeBody),
    /// Body of an entry of the kind `transcript`.
    Transcript(TextBody),
    /// Body of an entry of the kind `note`.
    Note(TextBody),
    /// Body of an entry of the kind `classification`.
    Classification(Classification),
    /// Body of an entry of the kind `outcome`.
    Outcome(Outcome),
    /// Body of an entry of the kind `reply`.
    Reply(TextBody),
}

impl Body {
    /// Returns the kind of an entry that has this body.
    pub fn kind(&self) -> EntryKind {
        match self {
            Self::Caller(_) => EntryKind::Caller,
            Self::Call(_) => EntryKind::Call,
            Self::Talk(_) => EntryKind::Talk,
            Self::Recording(_) => EntryKind::Recording,
            Self::Take(_) => EntryKind::Take,
            Self::Transcript(_) => EntryKind::Transcript,
            Self::Note(_) => EntryKind::Note,
            Self::Classification(_) => EntryKind::Classification,
            Self::Outcome(_) => EntryKind::Outcome,
            Self::Reply(_) => EntryKind::Reply,
        }
    }

    /// Parses a body of this kind, in the shape of [`EntryKind::version`].
    fn read(kind: EntryKind, json: &str) -> serde_json::Result<Self> {
        Ok(match kind {
            EntryKind::Caller => Self::Caller(serde_json::from_str(json)?),
            EntryKind::Call => Self::Call(serde_json::from_str(json)?),
            EntryKind::Talk => Self::Talk(serde_json::from_str(json)?),
            EntryKind::Recording => Self::Recording(serde_json::from_str(json)?),
            EntryKind::Take => Self::Take(serde_json::from_str(json)?),
            EntryKind::Transcript => Self::Transcript(serde_json::from_str(json)?),
            EntryKind::Note => Self::Note(serde_json::from_str(json)?),
            EntryKind::Classification => Self::Classification(serde_json::from_str(json)?),
            EntryKind::Outcome => Self::Outcome(serde_json::from_str(json)?),
            EntryKind::Reply => Self::Reply(serde_json::from_str(json)?),
        })
    }
}

/// The body of an opened entry. Serialized as the body alone.
#[derive(Clone)]
pub enum Content {
    /// A body that this version of the program reads.
    Known(Body),
    /// A body that this version of the program cannot read: another version wrote it, or it does not have the shape of
    /// its version. It is kept in full: exports and the API return it unchanged.
    Unknown {
        /// Version of the body's shape.
        version: u32,
        /// The body.
        json: Box<RawValue>,
    },
}

impl Content {
    /// Parses the body of an opened entry. A body that cannot be parsed gives [`Content::Unknown`].
    pub fn read(kind: EntryKind, version: u32, json: &RawValue) -> Self {
        let unknown = || Self::Unknown {
            version,
            json: json.to_owned(),
        };
        if version != kind.version() {
            return unknown();
        }
        Body::read(kind, json.get()).map_or_else(|_| unknown(), Self::Known)
    }

    /// Returns the version of the body's shape.
    pub fn version(&self) -> u32 {
        match self {
            Self::Known(body) => body.kind().version(),
            Self::Unknown { version, .. } => *version,
        }
    }

    /// Returns the body; `None` if this version of the program cannot read it.
    pub fn known(&self) -> Option<&Body> {
        match self {
            Self::Known(body) => Some(body),
            Self::Unknown { .. } => None,
        }
    }
}

impl From<Body> for Content {
    fn from(body: Body) -> Self {
        Self::Known(body)
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Known(one), Self::Known(other)) => one == other,
            (
                Self::Unknown { version, json },
                Self::Unknown {
                    version: other,
                    json: theirs,
                },
            ) => version == other && json.get() == theirs.get(),
            _ => false,
        }
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(body) => body.serialize(to),
            Self::Unknown { json, .. } => json.serialize(to),
        }
    }
}

/// Who called.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CallerBody {
    /// Their number; null when it was withheld.
    #[schema(required)]
    pub number: Option<String>,
    /// True if the number was withheld.
    pub withheld: bool,
}

/// The course of a call.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CallBody {
    /// When it was answered, line time in UTC.
    #[schema(value_type = String, format = DateTime)]
    pub answered_at: DateTime<Utc>,
    /// Phase of the line at that time.
    pub phase: Phase,
    /// Language of the conversation, e.g. `zh-CN`; null if the configuration no longer has the line or the language
    /// when the call is settled.
    #[schema(required)]
    pub language: Option<String>,
    /// How far the caller got.
    pub reached: Reached,
    /// True if the caller was told a receipt.
    pub receipt_spoken: bool,
    /// True if the caller already had a receipt and added to the report. Only present if true.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub added: bool,
    /// The takes that belong to this report, in order.
    pub takes: Vec<Take>,
}

/// Who of the roster accepted the call, at the time of the entry.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TalkBody {
    /// Name, as written in the roster.
    pub on_duty: String,
    /// The step of the conversation that rang them. A recording of the talk has the same number.
    pub step: u32,
    /// True if the talk is recorded, which the caller was told.
    pub recorded: bool,
}

/// The facts of a recording.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RecordingBody {
    /// Id of the recording.
    pub recording: Uuid,
    /// The step of the conversation that recorded it; steps of later calls that added to the report are offset by
    /// 10,000 each.
    pub step: i32,
    /// Exact length in bytes, without padding.
    pub bytes: u64,
    /// SHA-256 of the audio, in hexadecimal.
    pub sha256: String,
    /// Duration, if the header of the audio tells; otherwise null.
    #[schema(required)]
    pub milliseconds: Option<u64>,
    /// Media type: `audio/wav`.
    pub r#type: String,
    /// Loudness, in base64: one byte for the loudest sample of each of up to 600 equal pieces, 0 to 254. Empty if the
    /// audio is not 16-bit PCM, or shorter than a tenth of a second.
    pub peaks: String,
}

/// Recordings that were replaced by a later take.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TakeBody {
    /// The steps of the recordings that were replaced.
    pub replaced_steps: Vec<i32>,
    /// The step of the recording that replaces them.
    pub by_step: i32,
}

/// Text.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TextBody {
    /// The text.
    pub text: String,
}

impl From<&str> for TextBody {
    fn from(text: &str) -> Self {
        Self { text: text.into() }
    }
}
