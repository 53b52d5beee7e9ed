//! Pure: the conversation.
//!
//! [`flow`] decides what happens, `words` puts together what is said, [`prompts`] holds the sentences,
//! [`state`] is what is remembered in between, [`script`] is what it all comes to.

pub mod flow;
pub mod prompts;
pub mod script;
pub mod state;
#[cfg(test)]
mod tests;
mod words;
