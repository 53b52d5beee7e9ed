//! `dutyline` answers the duty line of an inspection team. This is the map of the house.
//!
//! Dependencies point downward: what stands lower knows nothing of what stands higher.
//!
//! | module | what it is |
//! |---|---|
//! | [`cli`] | the command line, one file a command |
//! | [`installation`] | which database, service secret and folder of recordings belong together |
//! | [`app`], [`setup`] | builds the service from the configuration, binds, stops gracefully; makes what it needs first |
//! | [`web`] | the only router: webhooks, API, health |
//! | [`desk`] | what inspectors do, whoever asks: the API or the console |
//! | [`work`] | what is done after a webhook was answered, one file a job kind |
//! | [`conduct`], [`filing`], [`login`] | from a webhook to a committed answer; adding to a report; who is logged in |
//! | [`service`], [`metrics`], [`health`], [`refusals`] | what all of these have at hand |
//! | [`log_pace`], [`security_log`] | log lines at most once a minute; attempts and changes of rights |
//! | [`sounds`] | what a provider without a voice plays: recorded, or synthesized |
//! | [`rehearsal`] | what a caller would hear |
//! | [`members`], [`trail`] | who holds which key; is the audit trail whole |
//! | [`store`] | where SQL lives: SQLite and Postgres behind one [`store::Db`] |
//! | [`vault`] | keys, sealing, sealed recordings |
//! | [`simulator`] | the far side: an exchange and a telephone, for the demo and the tests |
//! | [`telephony`] | who carries the call: one trait, one file a provider |
//! | [`config`] | the configuration: types, embedded defaults, checks with clear errors |
//! | [`report`] | pure: a report's status, outcome, classification, receipt |
//! | [`call`] | pure: the conversation |
//! | [`mod@line`] | pure: calendar, hours, phases |
//! | [`clock`], [`hidden`], `names`, `wording`, `exposure` | time and randomness; values that must not be seen; enums with names; sentences as data; what others could get at |

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod app;
pub mod call;
pub mod cli;
pub mod clock;
pub mod conduct;
pub mod config;
pub mod desk;
mod exposure;
pub mod filing;
pub mod health;
pub mod hidden;
pub mod installation;
pub mod line;
pub mod log_pace;
pub mod login;
pub mod members;
pub mod metrics;
mod names;
mod private;
pub mod refusals;
pub mod rehearsal;
pub mod report;
pub mod security_log;
pub mod service;
pub mod setup;
pub mod simulator;
pub mod sounds;
pub mod store;
pub mod telephony;
pub mod trail;
pub mod vault;
pub mod web;
mod wording;
pub mod work;
