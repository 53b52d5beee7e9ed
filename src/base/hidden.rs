//! Values that must not be seen by chance: numbers, keys pressed, names, words, tokens, secrets.

use std::fmt;

/// Holds a value and never shows it: `Debug` prints `[hidden]`, there is no `Display` and no `Serialize`.
/// Getting at the value is a visible act, [`Hidden::expose`].
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Hidden<T>(T);

impl<T> Hidden<T> {
    /// Hides `value`.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Each use is a place to ask where it goes from there.
    pub fn expose(&self) -> &T {
        &self.0
    }

    /// The value itself, taken out.
    pub fn into_shown(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

impl<T> From<T> for Hidden<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}
