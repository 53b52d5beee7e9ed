//! The conversation with a caller, as pure functions.
//!
//! [`flow`] decides each step; `words` builds the sentences from [`prompts`](crate::line::prompts), the line's words,
//! and [`dates`](crate::line::dates); [`state`] is kept between steps; [`script`] is what a step says and waits for;
//! [`catalogue`] lists every sound a line can need; [`rehearsal`] plays a conversation without a call, with actions
//! from [`acts`].

pub mod acts;
pub mod catalogue;
pub mod flow;
pub mod rehearsal;
pub mod script;
pub mod state;
#[cfg(test)]
mod tests;
mod words;
