//! Sentences as data: a struct with a field for every key of a TOML file.
//!
//! The fields are taken out of a map one by one. Deserialising such a struct would say the same in one line, but
//! what it expands to grows with the square of the fields: two hundred of them took a minute to compile.

use std::collections::BTreeMap;

/// A sentence that knows its key, or just its words.
pub(crate) trait Sentence {
    /// The sentence of this key.
    fn new(id: &'static str, text: String) -> Self;
}

impl Sentence for String {
    fn new(_: &'static str, text: String) -> Self {
        text
    }
}

/// What a file says, by key, while its keys are being taken.
pub(crate) struct Sentences {
    left: BTreeMap<String, String>,
    missing: Vec<&'static str>,
}

impl Sentences {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in TOML's words.
    pub fn parse(text: &str) -> Result<Self, String> {
        Ok(Self {
            left: toml::from_str(text).map_err(|error| error.to_string())?,
            missing: Vec::new(),
        })
    }

    /// Takes one; an empty one is missing.
    pub fn take<S: Sentence>(&mut self, id: &'static str) -> S {
        let text = self.left.remove(id).unwrap_or_default();
        if text.trim().is_empty() {
            self.missing.push(id);
        }
        S::new(id, text)
    }

    /// Is it all taken, and was everything there?
    ///
    /// # Errors
    ///
    /// The keys that are missing or empty, and those nobody knows.
    pub fn finish(self) -> Result<(), String> {
        if self.missing.is_empty() && self.left.is_empty() {
            return Ok(());
        }
        let left: Vec<_> = self.left.into_keys().collect();
        Err(format!(
            "missing or empty: [{}]; unknown: [{}]",
            self.missing.join(", "),
            left.join(", ")
        ))
    }
}

/// A struct of sentences, `parse` to read it from a file, `all` to list it. They are strings, or another
/// [`Sentence`] named behind a colon.
macro_rules! wording {
    ($(#[$about:meta])* $visible:vis struct $name:ident { $($id:ident),* $(,)? }) => {
        $crate::base::wording::wording! { $(#[$about])* $visible struct $name: String { $($id),* } }
    };
    ($(#[$about:meta])* $visible:vis struct $name:ident: $sentence:ty { $($id:ident),* $(,)? }) => {
        $(#[$about])*
        #[derive(Clone, Debug)]
        $visible struct $name { $(pub $id: $sentence),* }

        impl $name {
            /// Reads a file, in which every key must be, and no other.
            fn parse(text: &str) -> Result<Self, String> {
                let mut sentences = $crate::base::wording::Sentences::parse(text)?;
                let all = Self { $($id: sentences.take(stringify!($id))),* };
                sentences.finish().map(|()| all)
            }

            /// Every sentence with its key, in the order of the struct.
            #[cfg_attr(not(test), allow(dead_code, reason = "not every wording is listed"))]
            $visible fn all(&self) -> Vec<(&'static str, &$sentence)> {
                vec![$((stringify!($id), &self.$id)),*]
            }

            /// The sentence of a key.
            #[allow(dead_code, reason = "not every wording is changed")]
            $visible fn get_mut(&mut self, id: &str) -> Option<&mut $sentence> {
                match id {
                    $(stringify!($id) => Some(&mut self.$id),)*
                    _ => None,
                }
            }
        }
    };
}
pub(crate) use wording;

#[cfg(test)]
mod tests {
    wording! {
        struct Two { here, there }
    }

    #[test]
    fn a_file_has_every_key_and_no_other() {
        let two = Two::parse("here = 'a'\nthere = 'b'").unwrap();
        assert_eq!(
            two.all(),
            [("here", &"a".to_owned()), ("there", &"b".to_owned())]
        );
        assert_eq!(
            Two::parse("here = ' '\nhair = 'b'").unwrap_err(),
            "missing or empty: [here, there]; unknown: [hair]"
        );
        assert!(Two::parse("here = 1").is_err());
        assert!(Two::parse("here").is_err());
    }
}
