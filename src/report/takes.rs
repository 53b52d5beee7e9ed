//! What a caller said, as a report keeps it: takes, and how far the call got.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One attempt at saying it: one recording, or several when a long one was interrupted by the warning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Take {
    /// The steps that recorded it, in order of speaking.
    pub steps: Vec<u32>,
    /// It was said again later.
    pub replaced: bool,
}

/// How far a caller got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reached {
    /// The line answered.
    Greeting,
    /// It told where an earlier report stands.
    CalledBack,
    /// The line asked the caller to speak.
    Guidance,
    /// Something was recorded.
    Recording,
    /// The duty inspector took the call.
    Connected,
    /// It was sent, and the receipt spoken.
    Receipt,
    /// It was added to an earlier report.
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

    /// As it is written down.
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
