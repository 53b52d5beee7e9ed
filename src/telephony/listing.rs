//! What a provider answers when it is asked about calls and recordings.

use super::{ProviderCallId, ProviderRecordingId};
use crate::base::hidden::Hidden;
use crate::line::number::Caller;
use chrono::{DateTime, Utc};

/// What a provider has, as it lists it.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Calls, those that are running included.
    pub calls: Vec<ListedCall>,
    /// Recordings that are there, or will be.
    pub recordings: Vec<ListedRecording>,
}

/// A call, as its provider lists it.
#[derive(Clone, Debug)]
pub struct ListedCall {
    /// Its id.
    pub id: ProviderCallId,
    /// The number that was dialled, as the provider writes it; empty when the list doesn't say.
    pub to: Hidden<String>,
    /// It is over.
    pub ended: bool,
    /// When it began, when the list says.
    pub began: Option<DateTime<Utc>>,
}

/// A recording, as its provider lists it.
#[derive(Clone, Debug)]
pub struct ListedRecording {
    /// Its id.
    pub id: ProviderRecordingId,
    /// The call it was made in, when the list says.
    pub call: Option<ProviderCallId>,
    /// When it was made, when the list says.
    pub made: Option<DateTime<Utc>>,
}

/// What a provider answers when asked about a call.
#[derive(Clone, Debug)]
pub struct CallStanding {
    /// The call is over.
    pub ended: bool,
}

/// Where a recording comes from, as its provider says when asked.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The call it was made in.
    pub call: ProviderCallId,
    /// The number that was dialled, as the provider writes it.
    pub to: Hidden<String>,
    /// Who called.
    pub from: Caller,
}
