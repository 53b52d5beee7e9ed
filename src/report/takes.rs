//! The takes of a call, and how far the call got, as stored in a report.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One attempt at saying something: one recording, or two if the caller was warned in between that one minute is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Take {
    /// The steps that recorded it, in order of speaking.
    pub steps: Vec<u32>,
    /// True if a later take replaced it.
    pub replaced: bool,
}

/// How far a call got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reached {
    /// The line answered.
    Greeting,
    /// The caller was told the status of an earlier report.
    CalledBack,
    /// The caller was asked to speak.
    Guidance,
    /// Something was recorded.
    Recording,
    /// The duty inspector accepted the call.
    Connected,
    /// The report was sent, and the receipt spoken.
    Receipt,
    /// Recordings were added to an earlier report.
    Added,
}

impl Reached {
    /// Every variant, in order of declaration.
    pub const ALL: [Self; 7] = [
        Self::Greeting,
        Self::CalledBack,
        Self::Guidance,
        Self::Recording,
        Self::Connected,
        Self::Receipt,
        Self::Added,
    ];

    /// Returns the variant's name, which is the same in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Greeting => "greeting",
            Self::CalledBack => "called_back",
            Self::Guidance => "guidance",
            Self::Recording => "recording",
            Self::Connected => "connected",
            Self::Receipt => "receipt",
            Self::Added => "added",
        }
    }
}
