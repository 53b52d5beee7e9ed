//! What a webhook says, whichever provider sent it, and which of our addresses it came to.

use crate::base::hidden::Hidden;
use crate::call::script::RecordingEnd;
use crate::line::number::Caller;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A call's id at its provider: an opaque string. In our database only its keyed hash is kept.
pub type ProviderCallId = Hidden<String>;
/// A recording's id at its provider: an opaque string.
pub type ProviderRecordingId = Hidden<String>;

/// What a webhook says, whoever sent it.
#[derive(Clone, Debug)]
pub struct Event {
    /// The call it is about; empty when the webhook does not name one that can be read.
    pub call: ProviderCallId,
    /// The number that was dialled, as the provider writes it; empty when the webhook doesn't say.
    pub to: Hidden<String>,
    /// Who calls.
    pub from: Caller,
    /// Keys pressed: `None` when the webhook has no such field, empty when nothing was pressed in time. Keys that ended a
    /// recording are not among them.
    pub keys: Option<Hidden<String>>,
    /// The call is over (the provider says `completed`, `busy`, `failed`, `no-answer`, `canceled` or the like).
    pub ended: bool,
    /// A recording the webhook speaks of, whatever kind of webhook it is.
    pub recording: Option<RecordingFact>,
    /// What became of a recording whose id the webhook does not say: another one will.
    pub unnamed: Option<RecordingOutcome>,
}

impl Event {
    /// An event that says nothing, not even which call it is about.
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

    /// Does it say which call it is about?
    pub fn names_a_call(&self) -> bool {
        !self.call.expose().is_empty()
    }

    /// It tells that something was recorded, whether it says which recording that is or not.
    pub fn tells_of_recording(&self) -> bool {
        let unnamed = |outcome: &RecordingOutcome| *outcome != RecordingOutcome::Absent;
        self.recording.is_some() || self.unnamed.as_ref().is_some_and(unnamed)
    }
}

/// What a provider says of one recording.
#[derive(Clone, Debug)]
pub struct RecordingFact {
    /// Its id at the provider.
    pub id: ProviderRecordingId,
    /// What became of it.
    pub outcome: RecordingOutcome,
}

/// What became of a recording at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingOutcome {
    /// It is there, complete. Seconds as the provider counts them, when it says; how it ended as far as the webhook tells.
    Completed {
        /// Whole seconds, when the webhook says.
        seconds: Option<u32>,
        /// How it ended: the action webhook knows, a callback may not.
        end: Option<RecordingEnd>,
    },
    /// There is one, and as far as the provider can tell nobody spoke in it. It is kept, and makes no report: whoever
    /// can only whisper loses nothing, and silence does not fill the queue.
    Silent,
    /// The provider made none (nothing was said, or it failed).
    Absent,
}

/// Which address of ours a webhook came to, or what a provider that holds a connection would have sent there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hook {
    /// A call comes in.
    Call,
    /// The answer to a step.
    Step(StepRef),
    /// A part of what is said before a step is over; with a key it is the answer to the step already.
    Said(StepRef),
    /// The call's standing changed.
    Status,
    /// What became of a recording; with the step that recorded it when we handed out the address.
    Recording(Option<StepRef>),
    /// Whoever was rung has picked up: what do they hear? The step is the one that awaits the end of the talk.
    Whisper(StepRef),
    /// Whoever was rung has pressed a key, or none.
    Accepted(StepRef),
    /// Something of ours failed, and the provider asks again elsewhere.
    Fallback,
}

impl Hook {
    /// What [`Hook::kind`] gives.
    pub const KINDS: [&str; 7] = [
        "call",
        "step",
        "status",
        "recording",
        "whisper",
        "accepted",
        "fallback",
    ];

    /// What it is about, as its address names it.
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

    /// Our id of the call that its address names; none when it names no call.
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

/// What every address we hand out carries: [`Links`] make it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRef {
    /// Our id of the call.
    pub call: Uuid,
    /// The line.
    pub line: String,
    /// The step this is the answer to.
    pub step: u32,
    /// `1` where the provider goes on because a recording came to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nothing: Option<String>,
}
