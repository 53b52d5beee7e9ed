//! Pure: the conversation.
//!
//! [`flow`] decides what happens, `words` puts together what is said, [`prompts`] holds the sentences,
//! [`script`] is what it all comes to.

pub mod flow;
pub mod prompts;
pub mod script;
#[cfg(test)]
mod tests;
mod words;
