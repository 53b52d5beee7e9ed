//! Pure: what inspectors work on.

pub mod receipt;
