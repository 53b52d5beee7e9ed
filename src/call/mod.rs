//! Pure: the conversation.

pub mod script;
