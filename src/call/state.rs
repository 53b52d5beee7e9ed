//! The state of a call, stored sealed between one webhook and the next.

use crate::base::hidden::Hidden;
use crate::line::hours::{Phase, Standing};
use crate::report::status::Status;
use crate::report::takes::{Reached, Take};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The state of a call. Does not implement `Debug`, because it holds the receipt.
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct State {
    /// Phase at the time the call was answered. Does not change during the call.
    pub phase: Phase,
    /// Position of that time relative to the intake period.
    pub intake: Standing,
    /// Line time at which the call was answered.
    pub answered_at: DateTime<Utc>,
    /// Start of the next staffed hours after `answered_at`; `None` if there are none.
    pub reopens_at: Option<DateTime<Utc>>,
    /// Index of the language spoken, in the line's list of languages.
    pub language: usize,
    /// Number of the step whose input is awaited. Step 0 is the answer to the call itself.
    pub step: u32,
    /// Current place in the conversation.
    pub place: Place,
    /// Number of consecutive silences and wrong keys at this place.
    pub silences: u8,
    /// The takes recorded in this call.
    pub takes: Vec<Take>,
    /// The furthest point of the conversation reached.
    pub reached: Reached,
    /// Receipt drawn for this call, twelve digits.
    pub receipt: String,
    /// True if the receipt was spoken.
    pub receipt_spoken: bool,
    /// Number of wrong receipts typed in this call.
    #[serde(default)]
    pub wrong_receipts: u8,
    /// True if the provider can ask a member of the roster for a key before connecting the caller, so that it may be
    /// rung.
    #[serde(default = "rings")]
    pub rings: bool,
    /// The earlier report the caller called back about. Later recordings are added to it.
    #[serde(default)]
    pub earlier: Option<Earlier>,
}

/// Default for stored states without the field: every provider supported at that time could ask for a key.
fn rings() -> bool {
    true
}

/// What a caller who typed the receipt is told about their report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// Status of the report.
    pub status: Status,
    /// The inspectors' reply, in the line's first language.
    #[serde(with = "shown")]
    pub reply: Option<Hidden<String>>,
}

/// Serializes the reply in clear text: a state is only stored sealed under the call key.
mod shown {
    use crate::base::hidden::Hidden;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(
        reply: &Option<Hidden<String>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        reply.as_ref().map(Hidden::expose).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Hidden<String>>, D::Error> {
        Ok(Option::<String>::deserialize(from)?.map(Hidden::new))
    }
}

/// Place in the conversation at which a call waits for input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The menu of an open line.
    Menu,
    /// The message of a closed line.
    Closed,
    /// A recording is being made.
    Recording {
        /// What the recording is for.
        purpose: Purpose,
        /// True for the last minute of a take, after the warning.
        last_minute: bool,
    },
    /// The menu after a recording: send, listen, record again, add.
    Review,
    /// The digits of an earlier report's receipt.
    Receipt(Asked),
    /// The menu after the status of an earlier report: add to it, hear the status again.
    Earlier,
    /// A telephone of the roster is ringing, or a talk is in progress.
    Ringing {
        /// Index of the person rung, in the roster.
        person: usize,
        /// Line time at which the first telephone began to ring.
        since: DateTime<Utc>,
    },
    /// The conversation has ended: the script hangs up, or the caller has hung up.
    Over,
}

/// Why the caller is asked for the receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// The caller chose to call back.
    First,
    /// The check digit of the last input is wrong.
    Mistyped,
    /// The last receipt belongs to no report of this line.
    Unknown,
    /// There were too many attempts; the last receipt was not looked up.
    Later,
    /// The lookup of the last receipt did not finish in time.
    Again,
}

/// What a recording is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A new take: the first one, or one in addition.
    Add,
    /// A take that replaces the previous ones.
    Again,
}
