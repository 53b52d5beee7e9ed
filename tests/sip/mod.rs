//! Real telephone calls: Asterisk 22 from the operator's configuration, SIPp as callers and as the inspector on duty.
//!
//! | file | what it is |
//! |---|---|
//! | [`line`] | all of it: the program, Asterisk, an inspector |
//! | [`switch`] | Asterisk |
//! | [`telephone`] | a telephone that dials the line, or is rung by it |
//! | [`scenario`] | what SIPp is told |
//! | [`handset`] | what is heard, said and pressed |
//! | [`speech`] | what is said |
//! | [`likeness`] | how alike two sounds are |
//! | `configuration` | the operator's configuration, without the service |
//! | `stories` | whole calls |
//! | `certificates` | whom Asterisk opens its socket to |
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
