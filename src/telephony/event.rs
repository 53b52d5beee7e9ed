//! The content of a webhook, independent of the provider, and the address of this service that it came to.

use crate::base::hidden::Hidden;
use crate::call::script::RecordingEnd;
use crate::line::number::Caller;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A call's id at its provider: an opaque string. The database has it only as a keyed hash and encrypted.
pub type ProviderCallId = Hidden<String>;
/// A recording's id at its provider: an opaque string.
pub type ProviderRecordingId = Hidden<String>;

/// The content of a webhook, independent of the provider.
#[derive(Clone, Debug)]
pub struct Event {
    /// The call; empty when the webhook names none, or none that can be read.
    pub call: ProviderCallId,
    /// The number dialled, as the provider writes it; empty when the webhook does not say.
    pub to: Hidden<String>,
    /// The caller's number; [`Caller::Withheld`] also when the webhook has none.
    pub from: Caller,
    /// Keys pressed: `None` when the webhook has no such field or it cannot be read, empty when no key was pressed in
    /// time. The key that ended a recording is not included.
    pub keys: Option<Hidden<String>>,
    /// True if the webhook says that the call is over: by its status (`completed`, `busy`, `failed`, `no-answer`,
    /// `canceled`), or because the caller hung up while being recorded.
    pub ended: bool,
    /// The recording that the webhook names by its id, whatever kind of webhook it is. `None` also while the recording
    /// is being made, and for an unknown status.
    pub recording: Option<RecordingFact>,
    /// Outcome of a recording that the webhook reports without its id. [`RecordingOutcome::Absent`] also when the
    /// webhook follows a recording of a fallback answer and reports none.
    pub unnamed: Option<RecordingOutcome>,
}

impl Event {
    /// An event without content, not even a call.
    pub fn nothing() -> Self {
        Self {
            call: Hidden::default(),
            to: Hidden::default(),
            from: Caller::Withheld,
            keys: None,
            ended: false,
            recording: None,
            unnamed: None,
        }
    }

    /// True if the event names its call.
    pub fn names_a_call(&self) -> bool {
        !self.call.expose().is_empty()
    }

    /// True if the event names a recording, whatever its outcome, or reports one without its id that exists.
    pub fn tells_of_recording(&self) -> bool {
        let unnamed = |outcome: &RecordingOutcome| *outcome != RecordingOutcome::Absent;
        self.recording.is_some() || self.unnamed.as_ref().is_some_and(unnamed)
    }
}

/// What a provider reports about one recording.
#[derive(Clone, Debug)]
pub struct RecordingFact {
    /// The recording's id at the provider.
    pub id: ProviderRecordingId,
    /// The recording's outcome.
    pub outcome: RecordingOutcome,
}

/// Outcome of a recording at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingOutcome {
    /// The recording exists and is complete.
    Completed {
        /// Duration in whole seconds as the provider counts them; `None` if the webhook does not say.
        seconds: Option<u32>,
        /// How the recording ended; `None` if the webhook does not say, e.g. a callback, or the action of a `Record`
        /// that ended on silence or at the limit.
        end: Option<RecordingEnd>,
    },
    /// The recording exists, and as far as can be told it has no speech. It is kept, but does not make the call a
    /// report: so a caller who can only whisper loses nothing, and silent calls do not fill the queue.
    Silent,
    /// The provider made no recording (nothing was said, or recording failed).
    Absent,
}

/// The address of this service that a webhook came to, or the equivalent for a provider that holds a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hook {
    /// A new call.
    Call,
    /// The answer to a step: keys, a recording, the end of a talk, or none of them.
    Step(StepRef),
    /// One part of a step's script was spoken; if a key was pressed, this is already the answer to the step.
    Said(StepRef),
    /// The status of the call changed.
    Status,
    /// The outcome of a recording; with the step that recorded it, if the address names one.
    Recording(Option<StepRef>),
    /// The called inspector answered, and the provider asks what to play to them. The step is the one whose answer will
    /// be the end of the talk.
    Whisper(StepRef),
    /// The called inspector pressed a key, or none in time. The step is that of the whisper.
    Accepted(StepRef),
    /// A request to this service failed and the provider uses its fallback address, or a recording that a fallback
    /// answer asked for has ended.
    Fallback,
}

impl Hook {
    /// All values of [`Hook::kind`].
    pub const KINDS: [&str; 7] = [
        "call",
        "step",
        "status",
        "recording",
        "whisper",
        "accepted",
        "fallback",
    ];

    /// The kind of webhook, as its address names it; `said` counts as `step`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Step(_) | Self::Said(_) => "step",
            Self::Status => "status",
            Self::Recording(_) => "recording",
            Self::Whisper(_) => "whisper",
            Self::Accepted(_) => "accepted",
            Self::Fallback => "fallback",
        }
    }

    /// Returns this service's id of the call in the address; `None` when the address names no call, or the nil id.
    pub fn call(&self) -> Option<Uuid> {
        match self {
            Self::Step(at)
            | Self::Said(at)
            | Self::Whisper(at)
            | Self::Accepted(at)
            | Self::Recording(Some(at)) => Some(at.call).filter(|call| !call.is_nil()),
            Self::Call | Self::Status | Self::Recording(None) | Self::Fallback => None,
        }
    }
}

/// The query parameters of the addresses in a step's script; [`Links`](super::Links) builds the addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRef {
    /// This service's id of the call.
    pub call: Uuid,
    /// The line's id.
    pub line: String,
    /// Number of the step that the request answers.
    pub step: u32,
    /// `1` if the provider continues because nothing was recorded, else `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nothing: Option<String>,
}
