//! How numbers look: who calls, and which line was dialled.

use crate::hidden::Hidden;

/// Who calls, as far as the provider says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The number is withheld.
    Withheld,
    /// The number as the provider wrote it, bounded in length and without control characters.
    Number(Hidden<String>),
}
