//! Answers of a provider to requests about calls and recordings.

use super::{ProviderCallId, ProviderRecordingId};
use crate::base::hidden::Hidden;
use crate::line::number::Caller;
use chrono::{DateTime, Utc};

/// The calls and recordings a provider lists.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Calls, including those still running; only those running, if the provider keeps no list of the others.
    pub calls: Vec<ListedCall>,
    /// Recordings that exist or are being made; empty if no recordings are stored at the provider.
    pub recordings: Vec<ListedRecording>,
}

/// A call in a provider's list.
#[derive(Clone, Debug)]
pub struct ListedCall {
    /// The call's id.
    pub id: ProviderCallId,
    /// The number dialled, as the provider writes it; empty when the list does not say.
    pub to: Hidden<String>,
    /// True if the call is over.
    pub ended: bool,
    /// When the call began; `None` when the list does not say.
    pub began: Option<DateTime<Utc>>,
}

/// A recording in a provider's list.
#[derive(Clone, Debug)]
pub struct ListedRecording {
    /// The recording's id.
    pub id: ProviderRecordingId,
    /// The call it was made in; `None` when the list does not say.
    pub call: Option<ProviderCallId>,
    /// When it was made; `None` when the list does not say.
    pub made: Option<DateTime<Utc>>,
}

/// The status of a call, as its provider reports it.
#[derive(Clone, Debug)]
pub struct CallStanding {
    /// True if the call is over.
    pub ended: bool,
}

/// The origin of a recording, as its provider reports it.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The call it was made in.
    pub call: ProviderCallId,
    /// The number that was dialled, as the provider writes it; empty when the provider does not say.
    pub to: Hidden<String>,
    /// The caller's number; [`Caller::Withheld`] also when the provider does not say.
    pub from: Caller,
}
