//! Public keys of the lines, in memory. A batch of webhooks that opens a call compares the key's id with the line's
//! current key in the database.

use crate::vault::seal::Recipient;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use uuid::Uuid;

/// Public key of each line, with the key's id.
#[derive(Default)]
pub struct LineKeys(RwLock<HashMap<String, (Uuid, Recipient)>>);

impl LineKeys {
    /// Returns the id and the public key of a line; `None` if they are not kept.
    pub fn get(&self, line: &str) -> Option<(Uuid, Recipient)> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        kept.get(line).cloned()
    }

    /// Keeps the key of a line.
    pub fn keep(&self, line: &str, id: Uuid, recipient: Recipient) {
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        kept.insert(line.to_owned(), (id, recipient));
    }

    /// Forgets the key of a line, because the line's current key, or the pinned one, is another one.
    pub fn forget(&self, line: &str) {
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        kept.remove(line);
    }
}
