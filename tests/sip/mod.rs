//! Real telephone calls: Asterisk 22 with the operator's configuration, SIPp as callers and as the inspector on duty.
//!
//! | file | contents |
//! |---|---|
//! | [`line`] | the whole system: the program, Asterisk, an inspector |
//! | [`switch`] | Asterisk |
//! | [`telephone`] | a telephone that dials the line, or is rung by it |
//! | [`scenario`] | SIPp's scenarios |
//! | [`handset`] | sound and keys |
//! | [`speech`] | synthesised speech |
//! | [`likeness`] | the similarity of two sounds |
//! | `configuration` | the operator's configuration, without the service |
//! | `stories` | whole calls |
//! | `certificates` | the services that Asterisk connects to |
//!
//! Everything is on loopback, at an address of the test process.

mod certificates;
mod configuration;
mod handset;
mod likeness;
mod line;
mod scenario;
mod speech;
mod stories;
mod switch;
mod telephone;
