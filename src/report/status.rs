//! A report's status, the moves between them, and what came out.

use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// Where a report is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It waits for somebody.
    Queued,
    /// Somebody works on it.
    Claimed,
    /// It is done with.
    Closed,
}

impl Status {
    /// Its name in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Claimed => "claimed",
            Self::Closed => "closed",
        }
    }

    /// The status with this name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Queued, Self::Claimed, Self::Closed]
            .into_iter()
            .find(|status| status.as_str() == text)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What somebody does with a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Take it on.
    Claim,
    /// Give it back to the queue.
    Release,
    /// Be done with it.
    Close,
    /// Put it back into the queue.
    Reopen,
}

impl Move {
    /// Its name in addresses and in the audit trail.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Release => "release",
            Self::Close => "close",
            Self::Reopen => "reopen",
        }
    }

    /// The status it starts from, and the one it leads to. Any other move is refused.
    pub fn between(self) -> (Status, Status) {
        match self {
            Self::Claim => (Status::Queued, Status::Claimed),
            Self::Release => (Status::Claimed, Status::Queued),
            Self::Close => (Status::Claimed, Status::Closed),
            Self::Reopen => (Status::Closed, Status::Queued),
        }
    }
}

/// What came out of a closed report. Sealed, as it says something about the people in it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "outcome", rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// The team dealt with it.
    Handled {},
    /// It was passed on.
    Referred {
        /// To whom. Not only white space.
        #[schema(min_length = 1, max_length = 500, pattern = r"\S")]
        destination: String,
    },
    /// There is nothing to be done.
    NoAction {},
    /// It is the same as another one.
    Duplicate {
        /// The other one's reference, when known.
        #[schema(max_length = 500)]
        of: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_can_be_left_and_reached() {
        let moves = [Move::Claim, Move::Release, Move::Close, Move::Reopen];
        for status in [Status::Queued, Status::Claimed, Status::Closed] {
            assert!(moves.iter().any(|step| step.between().0 == status));
            assert!(moves.iter().any(|step| step.between().1 == status));
            assert_eq!(Status::parse(status.as_str()), Some(status));
        }
    }
}
