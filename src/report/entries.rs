//! What the entries of a report say, by their kind: the shapes in which they are sealed and opened.
//!
//! An entry is sealed as JSON that holds its kind and the version of its body's shape beside the body. A kind whose shape
//! changes gets another version; what a version of this program cannot read it keeps as it is, see [`Content::Unknown`].

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
    /// What an entry says about its report.
    #[derive(Serialize, Deserialize, ToSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum EntryKind {
        /// Who called: the number, or that it was withheld.
        Caller = "caller",
        /// The call's exact times and how it went.
        Call = "call",
        /// Who of the roster took the call.
        Talk = "talk",
        /// The facts of a recording: true length, hashes, duration.
        Recording = "recording",
        /// What a recording is among the takes: sent, replaced, added.
        Take = "take",
        /// What was said, written down.
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
    /// The version of the shape that this program writes bodies of this kind in.
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

/// What an entry says. No `Debug`: it holds what callers and inspectors say.
#[derive(Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Body {
    /// Of the kind `caller`.
    Caller(CallerBody),
    /// Of the kind `call`.
    Call(CallBody),
    /// Of the kind `talk`.
    Talk(TalkBody),
    /// Of the kind `recording`.
    Recording(RecordingBody),
    /// Of the kind `take`.
    Take(TakeBody),
    /// Of the kind `transcript`.
    Transcript(TextBody),
    /// Of the kind `note`.
    Note(TextBody),
    /// Of the kind `classification`.
    Classification(Classification),
    /// Of the kind `outcome`.
    Outcome(Outcome),
    /// Of the kind `reply`.
    Reply(TextBody),
}

impl Body {
    /// The kind of entry that says this.
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

    /// Reads a body of this kind, in the shape of [`EntryKind::version`].
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

/// The body of an entry, as it was opened. In JSON it is the body alone.
#[derive(Clone)]
pub enum Content {
    /// A body that this version reads.
    Known(Body),
    /// A body that this version cannot read: a later one wrote it, or it is not in the shape that its version says.
    /// Nothing of it is lost: exports and the API give it as it is.
    Unknown {
        /// The version of its shape.
        version: u32,
        /// The body.
        json: Box<RawValue>,
    },
}

impl Content {
    /// Reads the body of an opened entry.
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

    /// The version of its shape.
    pub fn version(&self) -> u32 {
        match self {
            Self::Known(body) => body.kind().version(),
            Self::Unknown { version, .. } => *version,
        }
    }

    /// The body; none when this version cannot read it.
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
    /// The number was withheld.
    pub withheld: bool,
}

/// How a call went.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CallBody {
    /// When it was answered, line time in UTC.
    #[schema(value_type = String, format = DateTime)]
    pub answered_at: DateTime<Utc>,
    /// What the line was then.
    pub phase: Phase,
    /// What was spoken, e.g. `zh-CN`.
    #[schema(required)]
    pub language: Option<String>,
    /// How far the caller got.
    pub reached: Reached,
    /// The caller was told a receipt.
    pub receipt_spoken: bool,
    /// The caller had the receipt already, and added to the report. Only said when it is so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub added: bool,
    /// What was said, attempt by attempt.
    pub takes: Vec<Take>,
}

/// Who of the roster took the call; the entry's time is when.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TalkBody {
    /// As the roster calls them.
    pub on_duty: String,
    /// The step of the conversation that rang them. A recording of the talk has the same.
    pub step: u32,
    /// The talk is recorded; the caller was told so.
    pub recorded: bool,
}

/// The facts of a recording.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RecordingBody {
    /// Its id.
    pub recording: Uuid,
    /// The step of the conversation that recorded it; what was added in later calls has higher numbers, 10,000 apart.
    pub step: i32,
    /// Its true length.
    pub bytes: u64,
    /// SHA-256 of the audio, in hexadecimal.
    pub sha256: String,
    /// How long it lasts, when its header tells.
    #[schema(required)]
    pub milliseconds: Option<u64>,
    /// What it is: `audio/wav`.
    pub r#type: String,
    /// How loud it is, in base64: a byte for the loudest sample of each of up to 600 equal pieces, 0 to 254. Empty when
    /// the format does not tell.
    pub peaks: String,
}

/// Something that was said again.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TakeBody {
    /// The steps that recorded what is replaced.
    pub replaced_steps: Vec<i32>,
    /// The step that replaces it.
    pub by_step: i32,
}

/// Words.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TextBody {
    /// The words.
    pub text: String,
}

impl From<&str> for TextBody {
    fn from(text: &str) -> Self {
        Self { text: text.into() }
    }
}
