//! Spoken text in pieces, each of which can be recorded once and played wherever it occurs.
//!
//! A provider with a voice receives the joined words. One without a voice receives a sound for each piece except
//! punctuation.

use crate::base::hidden::Hidden;
use serde::{Serialize, Serializer};
use std::fmt::{self, Display};

/// A text to say. [`Display`] and the JSON form are the joined words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spoken(Vec<Piece>);

/// A piece of a spoken text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Words that can be recorded beforehand.
    Sound(Sound),
    /// Punctuation and spaces between sounds, which are silent.
    Mark(String),
    /// Text written by a member at run time. It cannot be recorded beforehand, and must not appear in logs.
    Written(Hidden<String>),
}

/// Words that can be recorded beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sound {
    /// Id within its language: `greeting-1`, `month-4`, `fcg-5-box-1`.
    pub id: String,
    /// The words, as written.
    pub words: String,
    /// The words as pronounced, if that differs from how they are written: `2点` is pronounced `两点`. Otherwise `None`.
    pub aloud: Option<String>,
}

impl Sound {
    /// Returns the words as they are to be read out.
    pub fn read_out(&self) -> &str {
        self.aloud.as_deref().unwrap_or(&self.words)
    }
}

impl Spoken {
    /// Returns `text` as a sound with this id. White space around the words and punctuation before them become marks;
    /// so does the whole text if nothing in it can be pronounced.
    pub fn words(id: impl Into<String>, text: &str) -> Self {
        let Some(start) = text.find(char::is_alphanumeric) else {
            return Self::mark(text);
        };
        let (before, rest) = text.split_at(start);
        let words = rest.trim_end();
        let mut spoken = Self::mark(before);
        spoken.0.push(Piece::Sound(Sound {
            id: id.into(),
            words: words.to_owned(),
            aloud: None,
        }));
        spoken.extend(Self::mark(&rest[words.len()..]));
        spoken
    }

    /// Returns a sound with this id that is written as `words` and pronounced as `aloud`.
    pub fn aloud(id: impl Into<String>, words: &str, aloud: &str) -> Self {
        Self(vec![Piece::Sound(Sound {
            id: id.into(),
            words: words.to_owned(),
            aloud: Some(aloud.to_owned()),
        })])
    }

    /// Returns punctuation and spaces, which are silent.
    pub fn mark(text: &str) -> Self {
        Self(match text {
            "" => Vec::new(),
            text => vec![Piece::Mark(text.to_owned())],
        })
    }

    /// Returns text written by a member at run time.
    pub fn written(text: impl Into<String>) -> Self {
        Self(vec![Piece::Written(Hidden::new(text.into()))])
    }

    /// Returns the pieces, in the order they are spoken.
    pub fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// Returns the pieces that can be recorded beforehand.
    pub fn sounds(&self) -> impl Iterator<Item = &Sound> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Sound(sound) => Some(sound),
            Piece::Mark(_) | Piece::Written(_) => None,
        })
    }

    /// True if the text has no pieces.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends `more`.
    pub fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    /// Joins the texts, with `between` between each two.
    pub fn join(all: impl IntoIterator<Item = Self>, between: &Self) -> Self {
        let mut joined = Self::default();
        for (n, spoken) in all.into_iter().enumerate() {
            if n > 0 {
                joined.extend(between.clone());
            }
            joined.extend(spoken);
        }
        joined
    }
}

impl FromIterator<Self> for Spoken {
    fn from_iter<I: IntoIterator<Item = Self>>(all: I) -> Self {
        Self(all.into_iter().flat_map(|spoken| spoken.0).collect())
    }
}

impl Display for Spoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.0 {
            f.write_str(match piece {
                Piece::Sound(sound) => &sound.words,
                Piece::Mark(text) => text,
                Piece::Written(text) => text.expose(),
            })?;
        }
        Ok(())
    }
}

impl Serialize for Spoken {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_pronounced_is_a_sound() {
        for (text, sounds) in [
            ("您好，这里是", vec!["您好，这里是"]),
            ("值班电话。", vec!["值班电话。"]),
            (
                ". No new reports are taken now. ",
                vec!["No new reports are taken now."],
            ),
            (" is closed", vec!["is closed"]),
            ("；", vec![]),
            ("。 ", vec![]),
            ("", vec![]),
            ("1", vec!["1"]),
        ] {
            let spoken = Spoken::words("id", text);
            assert_eq!(spoken.to_string(), text);
            let words: Vec<_> = spoken.sounds().map(|sound| sound.words.as_str()).collect();
            assert_eq!(words, sounds, "{text:?}");
        }
    }

    #[test]
    fn what_somebody_wrote_does_not_show_in_a_log() {
        let spoken = Spoken::written("已经转交有关部门。");
        assert_eq!(format!("{spoken:?}"), "Spoken([Written([hidden])])");
        assert_eq!(serde_json::to_value(&spoken).unwrap(), "已经转交有关部门。");
    }

    #[test]
    fn a_list_has_a_comma_between_each_two() {
        let item = |text| Spoken::words("item", text);
        let joined = Spoken::join(["a", "b", "c"].map(item), &Spoken::mark("; "));
        assert_eq!(joined.to_string(), "a; b; c");
        assert_eq!(joined.sounds().count(), 3);
    }
}
