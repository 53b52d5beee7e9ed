//! `dutyline` answers the duty line of an inspection team. This is the list of its modules, the *rooms*.
//!
//! A room may use those below it and none above it; `tests/it/rooms.rs` checks that.
//!
//! | room | what it is |
//! |---|---|
//! | [`cli`] | the command line, one file a command (that of `call` is in [`simulator`]) |
//! | [`app`] | builds the service from the configuration, runs and stops it; `dutyline init` |
//! | [`web`] | the routers of both listeners: webhooks, API, console; health and metrics |
//! | [`work`] | what is done after a webhook was answered, one file a job kind |
//! | [`desk`] | actions of inspectors, for the API and the console |
//! | [`conduct`] | from a webhook to a committed answer: prepare, decide, write |
//! | [`members`] | who holds which key; login and sessions |
//! | [`register`] | makes a call a report, adds entries to it, proves the trail |
//! | [`service`] | state of the running process that rooms share: counters, limits, presence, waiting webhooks |
//! | [`store`] | where SQL lives: SQLite and Postgres behind one [`store::Db`] |
//! | [`sounds`] | what a provider without a voice plays: recorded, or synthesized |
//! | [`config`] | the configuration: types, embedded defaults, checks with clear errors |
//! | [`telephony`] | telephony providers: one trait, one folder or file per provider |
//! | [`simulator`] | a simulated provider: an exchange and a telephone, for the demo and the tests |
//! | [`vault`] | keys, sealing, sealed recordings |
//! | [`audio`] | WAV files: headers, checks while they come in, sounds to be played |
//! | [`call`] | pure: the conversation, and its rehearsal |
//! | [`report`] | pure: a report's status, outcome, classification, entries, receipt; roles |
//! | [`mod@line`] | pure: calendar, hours, phases, prompts |
//! | [`base`] | time and randomness; values that do not print; enums with names; sentences as data |

#![forbid(unsafe_code)]

pub mod app;
pub mod audio;
pub mod base;
pub mod call;
pub mod cli;
pub mod conduct;
pub mod config;
pub mod desk;
pub mod line;
pub mod members;
pub mod register;
pub mod report;
pub mod service;
pub mod simulator;
pub mod sounds;
pub mod store;
pub mod telephony;
pub mod vault;
pub mod web;
pub mod work;
