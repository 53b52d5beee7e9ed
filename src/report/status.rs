//! A report's status, the moves between them, what came out, and how the report came in.

use crate::base::names::names;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

names! {
    "reports.status";
    /// Where a report is.
    #[derive(Serialize, Deserialize, ToSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum Status {
        /// It waits for somebody.
        Queued = "queued",
        /// Somebody works on it.
        Claimed = "claimed",
        /// It is done with.
        Closed = "closed",
    }
}

names! {
    "reports.source";
    /// How a report came in.
    #[derive(Serialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Source {
        /// By a call.
        Call = "call",
        /// By a call in which the caller spoke with the duty inspector.
        Live = "live",
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
    /// Its name in addresses.
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
        for &status in Status::ALL {
            assert!(moves.iter().any(|step| step.between().0 == status));
            assert!(moves.iter().any(|step| step.between().1 == status));
        }
    }
}
