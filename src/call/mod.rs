//! Pure: the conversation.
//!
//! [`flow`] decides what happens, `words` puts together what is said from [`prompts`], the sentences, and [`dates`];
//! [`state`] is what is remembered in between, [`script`] is what it all comes to; [`catalogue`] is all it can say.

pub mod acts;
pub mod catalogue;
pub mod flow;
pub mod rehearsal;
pub mod script;
pub mod state;
#[cfg(test)]
mod tests;
mod words;
