//! Pure: the conversation.
//!
//! [`flow`] decides what happens, `words` puts together what is said from [`prompts`], the sentences, and [`dates`];
//! [`state`] is what is remembered in between, [`script`] is what it all comes to; [`catalogue`] is all it can say.

pub mod catalogue;
pub mod dates;
pub mod flow;
pub mod prompts;
pub mod script;
mod spoken;
pub mod state;
#[cfg(test)]
mod tests;
mod words;
