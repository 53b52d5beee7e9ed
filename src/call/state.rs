//! Where a call is: what is remembered, sealed, between one webhook and the next.

use crate::base::hidden::Hidden;
use crate::line::hours::{Phase, Standing};
use crate::report::status::Status;
use crate::report::takes::{Reached, Take};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Where a call is. No `Debug`: it holds the receipt.
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct State {
    /// The phase the call was answered in; it keeps it.
    pub phase: Phase,
    /// How intake stood when the call was answered.
    pub intake: Standing,
    /// When the call was answered, line time.
    pub answered_at: DateTime<Utc>,
    /// When the line is staffed next, seen from `answered_at`.
    pub reopens_at: Option<DateTime<Utc>>,
    /// Which of the line's languages is spoken.
    pub language: usize,
    /// The number of the step whose answer is awaited. Step 0 is the answer to the call itself.
    pub step: u32,
    /// Where in the conversation.
    pub place: Place,
    /// Silences and wrong keys in a row at this place.
    pub silences: u8,
    /// What was said.
    pub takes: Vec<Take>,
    /// How far the caller got.
    pub reached: Reached,
    /// The receipt drawn for this call, twelve digits.
    pub receipt: String,
    /// The receipt was spoken.
    pub receipt_spoken: bool,
    /// Wrong receipts typed in this call.
    #[serde(default)]
    pub wrong_receipts: u8,
    /// Somebody of the roster can be rung: the provider lets them be asked before they hear the caller.
    #[serde(default = "rings")]
    pub rings: bool,
    /// The earlier report the caller has called back about; what is recorded from then on is added to it.
    #[serde(default)]
    pub earlier: Option<Earlier>,
}

/// As before it was said: every provider there was lets whoever is rung be asked.
fn rings() -> bool {
    true
}

/// What a caller who has the receipt may know of their report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// Where it stands.
    pub status: Status,
    /// What the inspectors answer, in the line's first language.
    #[serde(with = "shown")]
    pub reply: Option<Hidden<String>>,
}

/// A reply is written where a state is: under the call key alone.
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

/// Where in the conversation a call waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The menu of an open line.
    Menu,
    /// The message of a closed one.
    Closed,
    /// A recording runs.
    Recording {
        /// What the recording is for.
        purpose: Purpose,
        /// It is the last minute of a take, after the warning.
        last_minute: bool,
    },
    /// Send, listen, again, add.
    Review,
    /// The receipt of an earlier report is to be typed.
    Receipt(Asked),
    /// The caller was told where the earlier report stands: add, hear it again.
    Earlier,
    /// The roster is rung.
    Ringing {
        /// Whose telephone it is, by their place in the roster.
        person: usize,
        /// When the first telephone began to ring, line time.
        since: DateTime<Utc>,
    },
    /// All is said; the line has hung up, or is about to.
    Over,
}

/// Why the receipt is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// Calling back was chosen.
    First,
    /// The last one does not fit its check digit.
    Mistyped,
    /// There is no report with the last one.
    Unknown,
    /// There were too many tries; nobody looked at the last one.
    Later,
    /// There was no time to look at the last one.
    Again,
}

/// What a recording is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A new take, the first or one to add.
    Add,
    /// A take in place of what was said before.
    Again,
}
