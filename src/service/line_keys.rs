//! Public keys of the lines, in memory. Each batch compares them with the database by the key's id.

use crate::vault::seal::Recipient;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use uuid::Uuid;

/// Public keys of lines, with their ids.
#[derive(Default)]
pub struct LineKeys(RwLock<HashMap<String, (Uuid, Recipient)>>);

impl LineKeys {
    /// Returns the key of a line, if it is kept.
    pub fn get(&self, line: &str) -> Option<(Uuid, Recipient)> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        kept.get(line).cloned()
    }

    /// Keeps the key of a line.
    pub fn keep(&self, line: &str, id: Uuid, recipient: Recipient) {
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        kept.insert(line.to_owned(), (id, recipient));
    }

    /// Forgets the key of a line, because the line has another one.
    pub fn forget(&self, line: &str) {
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        kept.remove(line);
    }
}
