//! What the entries of a report say, by their kind. Entries are kept as JSON: these are its shapes.

use super::classification::Classification;
use super::status::Outcome;
use crate::call::state::{Reached, Take};
use crate::line::hours::Phase;
use crate::names::names;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
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

/// What an entry says; which of these it is, its kind says.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = EntryBody)]
pub enum Body<'a> {
    /// Of the kind `caller`.
    Caller(CallerBody<'a>),
    /// Of the kind `call`.
    Call(CallBody<'a>),
    /// Of the kind `talk`.
    Talk(TalkBody<'a>),
    /// Of the kind `recording`.
    Recording(RecordingBody<'a>),
    /// Of the kind `take`.
    Take(TakeBody<'a>),
    /// Of the kinds `note`, `transcript` and `reply`.
    Text(TextBody<'a>),
    /// Of the kind `classification`.
    Classification(Classification),
    /// Of the kind `outcome`.
    Outcome(Outcome),
}

/// Who called.
#[derive(Serialize, ToSchema)]
pub struct CallerBody<'a> {
    /// Their number; null when it was withheld.
    #[schema(required)]
    pub number: Option<&'a str>,
    /// The number was withheld.
    pub withheld: bool,
}

/// How a call went.
#[derive(Serialize, ToSchema)]
pub struct CallBody<'a> {
    /// When it was answered, line time in UTC.
    #[schema(value_type = String, format = DateTime)]
    pub answered_at: DateTime<Utc>,
    /// What the line was then.
    pub phase: Phase,
    /// What was spoken, e.g. `zh-CN`.
    #[schema(required)]
    pub language: Option<&'a str>,
    /// How far the caller got.
    pub reached: Reached,
    /// The caller was told a receipt.
    pub receipt_spoken: bool,
    /// The caller had the receipt already, and added to the report. Only said when it is so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub added: bool,
    /// What was said, attempt by attempt.
    pub takes: &'a [Take],
}

/// Who of the roster took the call; the entry's time is when.
#[derive(Serialize, ToSchema)]
pub struct TalkBody<'a> {
    /// As the roster calls them.
    pub on_duty: &'a str,
    /// The step of the conversation that rang them. A recording of the talk has the same.
    pub step: u32,
    /// The talk is recorded; the caller was told so.
    pub recorded: bool,
}

/// The facts of a recording.
#[derive(Serialize, ToSchema)]
pub struct RecordingBody<'a> {
    /// Its id.
    pub recording: Uuid,
    /// The step of the conversation that recorded it; what was added in later calls has higher numbers, 10,000 apart.
    pub step: i32,
    /// Its true length.
    pub bytes: u64,
    /// SHA-256 of the audio, in hexadecimal.
    pub sha256: &'a str,
    /// How long it lasts, when its header tells.
    #[schema(required)]
    pub milliseconds: Option<u64>,
    /// What it is: `audio/wav`.
    pub r#type: &'a str,
    /// How loud it is, in base64: a byte for the loudest sample of each of up to 600 equal pieces, 0 to 254. Empty when
    /// the format does not tell.
    pub peaks: &'a str,
}

/// Something that was said again.
#[derive(Serialize, ToSchema)]
pub struct TakeBody<'a> {
    /// The steps that recorded what is replaced.
    pub replaced_steps: &'a [i32],
    /// The step that replaces it.
    pub by_step: i32,
}

/// Words.
#[derive(Serialize, ToSchema)]
pub struct TextBody<'a> {
    /// The words.
    pub text: &'a str,
}
