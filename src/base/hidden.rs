//! A wrapper for values that must not be printed: numbers, keys pressed, names, words, tokens, secrets.

use std::fmt;

/// Holds a value that is not printed: `Debug` prints `[hidden]`, and `Display` and `Serialize` are not implemented. The
/// value is only read with [`Hidden::expose`] and [`Hidden::into_shown`], so each use can be found in the source.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Hidden<T>(T);

impl<T> Hidden<T> {
    /// Wraps `value`.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// Returns the value. Each use must be reviewed for where the value goes.
    pub fn expose(&self) -> &T {
        &self.0
    }

    /// Returns the value itself. Each use must be reviewed like one of [`Hidden::expose`].
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
