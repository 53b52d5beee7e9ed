//! Pure: what inspectors work on.

pub mod classification;
pub mod entries;
pub mod receipt;
pub mod reference;
pub mod role;
pub mod status;
pub mod takes;
