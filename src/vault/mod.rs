//! Keys, sealing, sealed recordings. The service can seal data that it cannot open.
//!
//! | module | contents |
//! |---|---|
//! | [`seal`] | sealing to public keys: age with X25519 keys; [`seal::Recipient`], [`seal::Identity`] |
//! | [`entry`] | sealed entries of a report, which name the place they belong to |
//! | [`blobs`] | sealed recordings in an object store, written and read as streams |
//! | [`secret`] | the service secret and the symmetric keys derived from it |
//! | [`passwords`] | a member's identity, wrapped under the password |
//! | [`session`] | session tokens, and the member's identity wrapped under one |
//! | [`receipts`] | the keys derived from a caller's receipt |
//! | [`proof`] | MACs of rows and links, which prove that the service wrote them |
//! | [`signing`] | signatures of links, by keys that are derived from members' identities |
//! | [`signers`] | who may sign which link |
//! | [`merkle`] | Merkle trees, by which one link commits to many sealed keys |
//! | [`action`] | the actions recorded in the audit trail |
//! | [`chain`] | the hash chain of a line's audit entries |
//!
//! These modules use neither the database nor the system clock: times are parameters, and random numbers come from
//! [`crate::base::clock`]. [`passwords`] and [`receipts`] run their work on other threads; everything else blocks, and
//! asynchronous callers use `spawn_blocking`.

pub mod action;
pub mod blobs;
pub mod chain;
pub mod entry;
pub mod merkle;
pub mod passwords;
pub mod proof;
pub mod receipts;
pub mod seal;
pub mod secret;
pub mod session;
pub mod signers;
pub mod signing;

#[cfg(test)]
mod stock;
