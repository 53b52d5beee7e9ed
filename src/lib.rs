//! `dutyline` answers the duty line of an inspection team. This is the map of the house.
//!
//! Dependencies point downward: what stands lower knows nothing of what stands higher.
//!
//! | module | what it is |
//! |---|---|
//! | [`app`] | builds the service from the configuration, binds, stops gracefully |
//! | [`web`] | the only router: webhooks, API, health |
//! | [`work`] | what is done after a webhook was answered, one file a job kind |
//! | [`store`] | where SQL lives: SQLite and Postgres behind one [`store::Db`] |
//! | [`vault`] | keys, sealing, sealed recordings |
//! | [`telephony`] | who carries the call: one trait, one file a provider |
//! | [`config`] | the configuration: types, embedded defaults, checks with clear errors |
//! | [`report`] | pure: a report's status, outcome, classification, receipt |
//! | [`call`] | pure: the conversation |
//! | [`line`] | pure: calendar, hours, phases |
//! | [`clock`], [`hidden`] | time and randomness; values that must not be seen |

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod call;
pub mod clock;
pub mod hidden;
pub mod line;
pub mod report;
pub mod simulator;
pub mod telephony;
pub mod vault;
