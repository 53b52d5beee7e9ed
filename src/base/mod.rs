//! What every room uses, and what uses none of them: time and randomness, values that do not print, permissions of files,
//! enums with names, sentences as data.

pub mod clock;
pub mod hidden;
pub(crate) mod names;
pub(crate) mod private;
pub(crate) mod wording;
