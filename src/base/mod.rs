//! Modules that all others may use and that use none of them: time and randomness, values that are not printed, file
//! permissions, enums with names, sentences read from TOML, work at the lowest priority.

pub(crate) mod aside;
pub mod clock;
pub mod hidden;
pub(crate) mod names;
pub(crate) mod private;
pub(crate) mod wording;
