//! Structs of sentences, with one field for each key of a TOML file.
//!
//! The fields are removed from a map one by one. Deriving `Deserialize` would be shorter, but the code it expands to
//! grows with the square of the number of fields: a struct of two hundred took a minute to compile.

use std::collections::BTreeMap;

/// A sentence, stored with its key or as text alone.
pub(crate) trait Sentence {
    /// Creates the sentence of this key.
    fn new(id: &'static str, text: String) -> Self;
}

impl Sentence for String {
    fn new(_: &'static str, text: String) -> Self {
        text
    }
}

/// The sentences of a file, by key, while they are moved into a struct.
pub(crate) struct Sentences {
    left: BTreeMap<String, String>,
    missing: Vec<&'static str>,
}

impl Sentences {
    /// Parses a file.
    ///
    /// # Errors
    ///
    /// The message of the TOML parser.
    pub fn parse(text: &str) -> Result<Self, String> {
        Ok(Self {
            left: toml::from_str(text).map_err(|error| error.to_string())?,
            missing: Vec::new(),
        })
    }

    /// Removes the sentence of this key and returns it. If it is absent or blank, records the key as missing, and
    /// returns the blank text.
    pub fn take<S: Sentence>(&mut self, id: &'static str) -> S {
        let text = self.left.remove(id).unwrap_or_default();
        if text.trim().is_empty() {
            self.missing.push(id);
        }
        S::new(id, text)
    }

    /// Checks that no sentence was missing and that no other keys are left.
    ///
    /// # Errors
    ///
    /// A message that lists the missing or empty keys and the unknown keys.
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

/// Declares a struct of sentences, with `parse` to read it from a file and `all` to list it. The fields are `String`s,
/// or of the [`Sentence`] type named after a colon.
macro_rules! wording {
    ($(#[$about:meta])* $visible:vis struct $name:ident { $($id:ident),* $(,)? }) => {
        $crate::base::wording::wording! { $(#[$about])* $visible struct $name: String { $($id),* } }
    };
    ($(#[$about:meta])* $visible:vis struct $name:ident: $sentence:ty { $($id:ident),* $(,)? }) => {
        $(#[$about])*
        #[derive(Clone, Debug)]
        $visible struct $name { $(pub $id: $sentence),* }

        impl $name {
            /// Parses a file that must contain exactly the keys of this struct.
            fn parse(text: &str) -> Result<Self, String> {
                let mut sentences = $crate::base::wording::Sentences::parse(text)?;
                let all = Self { $($id: sentences.take(stringify!($id))),* };
                sentences.finish().map(|()| all)
            }

            /// Returns every sentence with its key, in the order of the fields.
            #[cfg_attr(not(test), allow(dead_code, reason = "not every wording is listed"))]
            $visible fn all(&self) -> Vec<(&'static str, &$sentence)> {
                vec![$((stringify!($id), &self.$id)),*]
            }

            /// Returns the sentence of a key; `None` if there is no such key.
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
