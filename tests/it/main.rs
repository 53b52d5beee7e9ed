//! The integration tests: the real service on port 0, real databases, a provider that follows Twilio's documentation.
//!
//! Tests made with `on_both!` run on SQLite and on Postgres; those on Postgres have `postgres` in their name and need
//! `DUTYLINE_TEST_POSTGRES`, the address of a server where databases can be made (`tests/run` starts one).

mod support;

mod main_job;
mod seeds;
