//! The conversation with a caller, as pure functions.
//!
//! [`flow`] decides each step; `words` builds the sentences said from [`prompts`](crate::line::prompts), the line's
//! words, and [`dates`](crate::line::dates); [`state`] is kept between steps; [`script`] is the result of a step;
//! [`catalogue`] lists every sound a line can need.

pub mod acts;
pub mod catalogue;
pub mod flow;
pub mod rehearsal;
pub mod script;
pub mod state;
#[cfg(test)]
mod tests;
mod words;
