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
    /// Phase at the time the call was answered. It stays the same during the call.
    pub phase: Phase,
    /// Whether the day on which the call was answered is before, in or after the intake period.
    pub intake: Standing,
    /// Line time at which the call was answered.
    pub answered_at: DateTime<Utc>,
    /// Start of the next staffed hours after `answered_at`. `None` if the line was staffed at that time, or if no more
    /// staffed hours follow.
    pub reopens_at: Option<DateTime<Utc>>,
    /// Index of the language spoken, in the line's list of languages.
    pub language: usize,
    /// Number of the step whose input is awaited. Step 0 is the answer to the call, so this is at least 1.
    pub step: u32,
    /// Current place in the conversation.
    pub place: Place,
    /// Number of silences and wrong keys in a row at this place.
    pub silences: u8,
    /// The takes recorded in this call, in order, replaced ones included.
    pub takes: Vec<Take>,
    /// The furthest point of the conversation reached.
    pub reached: Reached,
    /// Receipt drawn for this call, twelve digits.
    pub receipt: String,
    /// True if the receipt was spoken.
    pub receipt_spoken: bool,
    /// Number of wrong receipts typed in this call, mistyped or unknown.
    #[serde(default)]
    pub wrong_receipts: u8,
    /// True if the roster may be rung: the provider can ask the person rung for a key before it connects the caller.
    #[serde(default = "rings")]
    pub rings: bool,
    /// The earlier report that the caller has called back about, and to which later recordings are added. `None` if the
    /// caller has typed no receipt that was found.
    #[serde(default)]
    pub earlier: Option<Earlier>,
}

/// Default for stored states without the field `rings`: every provider supported when they were written could ask for a
/// key.
fn rings() -> bool {
    true
}

/// What the caller is told about an earlier report whose receipt they have typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// Status of the report.
    pub status: Status,
    /// The latest approved reply of the inspectors, in the line's first language; `None` if there is none.
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
    /// The message and the menu of a closed line.
    Closed,
    /// A recording is being made.
    Recording {
        /// What the recording is for.
        purpose: Purpose,
        /// True if this is the recording after the warning: the last minute of a take.
        last_minute: bool,
    },
    /// The menu after a recording: send, listen, record again, add.
    Review,
    /// The caller is asked for the receipt of an earlier report.
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
    /// The last input was not a receipt: it did not have twelve digits, or its check digit was wrong.
    Mistyped,
    /// The last receipt belongs to no report of this line.
    Unknown,
    /// The last receipt was not looked up, because too many were tried from the caller's number or on this line.
    Later,
    /// The lookup of the last receipt failed, or did not finish in time.
    Again,
}

/// What a recording is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A new take: the first one, or one in addition to the others.
    Add,
    /// A take that replaces all previous ones.
    Again,
}
