//! Passwords as text: their normalisation, and the rules for new ones.

use super::common::{is_common, is_known, visible};
use crate::base::hidden::Hidden;
use std::fmt;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// Minimum number of characters of a new password, counted after normalisation and without characters that cannot be
/// seen.
pub const SHORTEST: usize = 12;

/// A password as compared: in NFKC (as NIST SP 800-63B recommends), without a byte order mark at its start and line
/// ends at its end. So composed and decomposed letters, full-width and ASCII ones, and a text file and a form field
/// give the same password. Blanks at its start and end are part of it. Zeroized on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Normalises a password that was typed, or the content of a password file.
    pub fn typed(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let text = text.trim_end_matches(['\r', '\n']);
        Self(Zeroizing::new(text.nfkc().collect()))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl From<&str> for Password {
    fn from(text: &str) -> Self {
        Self::typed(text)
    }
}

impl From<Hidden<String>> for Password {
    fn from(text: Hidden<String>) -> Self {
        Self::typed(text.expose())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password([hidden])")
    }
}

/// A password that may be set: it has passed [`NewPassword::choose`] or [`NewPassword::choose_for`].
#[derive(Clone, Debug)]
pub struct NewPassword(Password);

/// Why a password may not be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The password has fewer than [`SHORTEST`] characters that can be seen.
    #[error("a password has 12 characters or more")]
    Short,
    /// The password is one that attackers try first, or is composed of what is known about the line and the member.
    #[error(
        "this password, or one like it, is often used and would be guessed; choose another one"
    )]
    Common,
}

impl NewPassword {
    /// Checks a new password for length and against common ones. `text` is normalised by [`Password::typed`].
    ///
    /// # Errors
    ///
    /// [`Unfit`] when it may not be set.
    pub fn choose(text: &str) -> Result<Self, Unfit> {
        let password = Password::typed(text);
        // Characters that cannot be seen remain part of the password, but are not counted.
        let seen = Zeroizing::new(visible(&password.0));
        if seen.chars().count() < SHORTEST {
            return Err(Unfit::Short);
        }
        if is_common(&seen) {
            return Err(Unfit::Common);
        }
        Ok(Self(password))
    }

    /// Checks a new password like [`NewPassword::choose`], and against `known`, the words known about the member: their
    /// name, and names, ids and numbers of lines.
    ///
    /// # Errors
    ///
    /// As [`NewPassword::choose`]; [`Unfit::Common`] also when the password contains one of these words and fewer than
    /// 6 of its letters remain without them.
    pub fn choose_for(text: &str, known: &[String]) -> Result<Self, Unfit> {
        let password = Self::choose(text)?;
        if is_known(&visible(&password.0.0), known) {
            return Err(Unfit::Common);
        }
        Ok(password)
    }

    pub(super) fn password(&self) -> &Password {
        &self.0
    }
}

impl From<NewPassword> for Password {
    fn from(new: NewPassword) -> Self {
        new.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn line_ends_and_a_byte_order_mark_go_and_blanks_stay() {
        for (typed, password) in [
            ("p", "p"),
            ("p\n", "p"),
            ("p\r\n", "p"),
            ("p\n\n", "p"),
            ("p\r\n\r\n", "p"),
            ("\u{feff}p\n", "p"),
            ("p\nq\n", "p\nq"),
            (" p ", " p "),
            ("a\u{308}", "ä"),
            ("Ａ１\u{3000}", "A1 "),
            ("\n", ""),
            ("", ""),
        ] {
            assert_eq!(Password::typed(typed).0.as_str(), password, "{typed:?}");
        }
    }

    #[test]
    fn characters_are_counted_after_normalisation() {
        let decomposed = "a\u{308}".repeat(6);
        assert_eq!(NewPassword::choose(&decomposed).unwrap_err(), Unfit::Short);
        for (text, expected) in [
            ("elf letters", Some(Unfit::Short)),
            ("elf letters\n\n", Some(Unfit::Short)),
            ("twelve chars", None),
            ("在窗外的老榕树下等您来电", None),
            ("password1234", Some(Unfit::Common)),
            // Characters that cannot be seen neither make a password longer nor hide a common one.
            (
                "heron\u{200b}\u{200b}\u{200b}\u{200b}\u{2060}\u{ad}\u{34f}",
                Some(Unfit::Short),
            ),
            (
                "h\u{2800}e\u{2800}r\u{2800}o\u{2800}n\u{2800}\u{1}\u{7f}",
                Some(Unfit::Short),
            ),
            ("pass\u{200b}word\u{200d}1234", Some(Unfit::Common)),
            ("qwerty\u{feff}uiop\u{3164}[]", Some(Unfit::Common)),
        ] {
            assert_eq!(NewPassword::choose(text).err(), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_known_about_the_line_and_the_member_makes_no_password() {
        let known = ["fcg-5", "防城港市巡察组", "+861088886666", "Zhao Li"].map(str::to_owned);
        for (text, expected) in [
            ("fcg-5-20240306", Some(Unfit::Common)),
            ("FCG5 fcg5 fcg5", Some(Unfit::Common)),
            ("zhaoli19840512", Some(Unfit::Common)),
            ("Zhao.Li@2024!!", Some(Unfit::Common)),
            ("010-88886666-ab", Some(Unfit::Common)),
            ("pw+861088886666", Some(Unfit::Common)),
            ("防城港市巡察组20240306", Some(Unfit::Common)),
            ("Zhao Li has grey herons", None),
            ("seven herons over grey water", None),
        ] {
            assert_eq!(
                NewPassword::choose_for(text, &known).err(),
                expected,
                "{text:?}"
            );
        }
    }

    #[test]
    fn debug_shows_nothing() {
        let new = NewPassword::choose("a long password").unwrap();
        assert_eq!(format!("{new:?}"), "NewPassword(Password([hidden]))");
    }

    proptest! {
        #[test]
        fn reading_a_password_twice_changes_nothing(text in "\\PC{0,40}") {
            let once = Password::typed(&text);
            prop_assume!(!once.0.starts_with('\u{feff}'));
            prop_assert!(once == Password::typed(&once.0));
        }
    }
}
