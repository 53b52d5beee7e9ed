//! Status of a report, the moves between statuses, its outcome, and its source.

use crate::base::names::names;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

names! {
    "reports.status";
    /// Status of a report.
    #[derive(Serialize, Deserialize, ToSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum Status {
        /// Waits for an inspector.
        Queued = "queued",
        /// An inspector works on it.
        Claimed = "claimed",
        /// Closed with an outcome.
        Closed = "closed",
    }
}

names! {
    "reports.source";
    /// How a report was received.
    #[derive(Serialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Source {
        /// From a call.
        Call = "call",
        /// From a call in which the caller spoke with the duty inspector.
        Live = "live",
    }
}

/// A change of a report's status by a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Assigns a queued report to the member.
    Claim,
    /// Returns a claimed report to the queue.
    Release,
    /// Closes a claimed report.
    Close,
    /// Returns a closed report to the queue.
    Reopen,
}

impl Move {
    /// Returns the name of the move in URLs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Release => "release",
            Self::Close => "close",
            Self::Reopen => "reopen",
        }
    }

    /// Returns the status that a report must have for this move, and the status that it gets.
    pub fn between(self) -> (Status, Status) {
        match self {
            Self::Claim => (Status::Queued, Status::Claimed),
            Self::Release => (Status::Claimed, Status::Queued),
            Self::Close => (Status::Claimed, Status::Closed),
            Self::Reopen => (Status::Closed, Status::Queued),
        }
    }
}

/// Outcome of a closed report. Stored sealed, because it says something about the people in it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "outcome", rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// The team dealt with it.
    Handled {},
    /// It was referred to another authority.
    Referred {
        /// Where it was referred to. Not only white space.
        #[schema(min_length = 1, max_length = 500, pattern = r"\S")]
        destination: String,
    },
    /// No action is necessary.
    NoAction {},
    /// It is a duplicate of another report.
    Duplicate {
        /// Reference of the other report, if known.
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
        for &status in Status::ALL {
            assert!(moves.iter().any(|step| step.between().0 == status));
            assert!(moves.iter().any(|step| step.between().1 == status));
        }
    }
}
