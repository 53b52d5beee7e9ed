//! Keys, sealing, sealed recordings. The service can write what it cannot read.
//!
//! | module | what it holds |
//! |---|---|
//! | [`seal`] | the one sealing primitive: age with X25519 keys; [`seal::Recipient`], [`seal::Identity`] |
//! | [`entry`] | sealed entries of a report, which name where they belong |
//! | [`blobs`] | sealed recordings in a store of objects, written and read as streams |
//! | [`secret`] | the service secret and the symmetric keys that come out of it |
//! | [`passwords`] | a member's identity, wrapped under the password |
//! | [`session`] | session tokens, and the member's identity wrapped under one |
//! | [`receipts`] | what a caller's receipt opens |
//! | [`action`] | what a link of the audit trail says was done |
//! | [`chain`] | the hash chain of a line's audit entries |
//!
//! Nothing here knows the database or the clock: times are parameters, and random numbers come from
//! [`crate::base::clock`]. [`passwords`] and [`receipts`] take their work off the calling thread; everything else blocks, and
//! asynchronous callers use `spawn_blocking`.

pub mod action;
pub mod blobs;
pub mod chain;
pub mod entry;
pub mod passwords;
pub mod receipts;
pub mod seal;
pub mod secret;
pub mod session;

#[cfg(test)]
mod stock;
