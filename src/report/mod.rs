//! Pure: what inspectors work on.

pub mod classification;
pub mod receipt;
pub mod status;
