//! The integration tests: the real service on port 0, real databases, a provider that follows Twilio's documentation.
//!
//! Tests made with `on_both!` run on SQLite and on Postgres. Some tests have requirements:
//!
//! - Those on Postgres have `postgres` in their name and need `DUTYLINE_TEST_POSTGRES`, the address of a server where
//!   databases can be created (`tests/run` starts one).
//! - Those with `schemathesis` in their name need that program, on the path or named by `DUTYLINE_TEST_SCHEMATHESIS`.
//! - Those with `axe` need the file that `DUTYLINE_TEST_AXE` names.
//! - Those with `jambonz_packages` need node and the packages in the folder `DUTYLINE_TEST_JAMBONZ`.
//! - Those in `libraries` need the providers' libraries in the folder that `DUTYLINE_TEST_SIGNATURES` names.
//! - Those with `small_disk` need root, to mount a file system.
//! - Those with `own_postgres` need the programs of a Postgres server.
//! - Those in `sip` need the Asterisk in the folder `DUTYLINE_TEST_ASTERISK` names.

mod support;

#[path = "../browser/mod.rs"]
mod browser;

#[path = "../sip/mod.rs"]
mod sip;

mod api;
mod asterisk;
mod batches;
mod call_logs;
mod calling_back;
mod canary;
mod carriers;
mod cli;
mod config_errors;
mod confirming;
mod console;
mod database_down;
mod demo;
mod desk;
mod documented;
mod documents;
mod durability;
mod duty;
mod empty_pages;
mod epochs;
mod escaping;
mod fetching;
mod floods;
mod full_disk;
mod grants;
mod installation;
mod jambonz;
mod kill;
mod libraries;
mod listening;
mod load;
mod login_floods;
mod logins;
mod main_job;
mod many_lines;
mod members;
mod memory;
mod metrics;
mod mutations;
mod offices;
mod openapi;
mod passwords;
mod policies;
mod pools;
mod prompts;
mod provider_accounts;
mod put_back;
mod readiness;
mod recovery;
mod refusals;
mod renewal;
mod rooms;
mod security_log;
mod seeds;
mod signals;
mod slow_clients;
mod sources;
mod speechless;
mod store;
mod stories;
mod strays;
mod takes;
mod tampering;
mod trail_writes;
mod two_calls;
mod webhooks;
