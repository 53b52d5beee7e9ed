//! Reports and their parts: what inspectors work on. Pure.

pub mod classification;
pub mod entries;
pub mod receipt;
pub mod reference;
pub mod role;
pub mod status;
pub mod takes;
