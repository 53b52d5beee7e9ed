//! Detection of passwords that attackers guess first.

use super::SHORTEST;
use std::collections::HashSet;
use std::sync::LazyLock;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};
use unicode_security::GeneralSecurityProfile;
use unicode_security::general_security_profile::IdentifierType;

/// Common passwords in lower case, from `common.txt`, whose header names the source.
static LISTED: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    include_str!("common.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
});

/// Minimum number of different characters in a password, regardless of case. A password with fewer is easily guessed.
const FEWEST_CHARACTERS: usize = 5;
/// Maximum length, in characters, of a text whose repetition is recognised; see [`unit()`].
const MAX_UNIT: usize = 24;

/// Minimum number of characters of a password outside rows of keys, and minimum number of its letters outside known
/// words.
const FEWEST_BESIDES: usize = 6;
/// Minimum length of a row, in characters; see [`beside_rows`].
const ROW: usize = 3;

/// The rows of a keyboard, without and with the shift key. Each row begins half a key to the right of the one above.
const KEYS: [[&str; 2]; 4] = [
    ["1234567890-=", "!@#$%^&*()_+"],
    ["qwertyuiop[]", "QWERTYUIOP{}"],
    ["asdfghjkl;'", "ASDFGHJKL:\""],
    ["zxcvbnm,./", "ZXCVBNM<>?"],
];

/// Returns the password without the characters that cannot be seen: control and format characters, default ignorable
/// ones, unassigned ones, and the braille blank. Spaces are kept.
pub(super) fn visible(password: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || c == '\u{2800}'
            || c.general_category_group() == GeneralCategoryGroup::Other
            || c.identifier_type() == Some(IdentifierType::Default_Ignorable)
    };
    password.chars().filter(|c| !hidden(*c)).collect()
}

/// True if `password` is on the list or a variant of an entry of it (other case, digits and signs at its ends,
/// separators, digits or signs for letters, repeated), if it repeats a text of fewer than 12 characters, if it has
/// fewer than 5 different characters, or if it has fewer than 6 characters outside rows of keys.
pub(super) fn is_common(password: &str) -> bool {
    let lower = password.to_lowercase();
    if lower.chars().collect::<HashSet<_>>().len() < FEWEST_CHARACTERS {
        return true;
    }
    if unit(&lower).chars().count() < SHORTEST || beside_rows(password) < FEWEST_BESIDES {
        return true;
    }
    let filler = |c: char| !c.is_alphabetic();
    let variants = [
        lower.as_str(),
        lower.trim_end_matches(filler),
        lower.trim_matches(filler),
    ];
    variants.into_iter().any(|variant| {
        let joined: String = variant
            .chars()
            .filter(|c| !matches!(c, ' ' | '-' | '_' | '.'))
            .collect();
        let letters: String = joined.chars().map(letter_for).collect();
        [variant, &joined, &letters]
            .iter()
            .any(|text| LISTED.contains(text) || LISTED.contains(unit(text)))
    })
}

/// True if `password` contains one of the `known` words, and fewer than 6 of its letters remain without all of these.
/// Of a word, the letters are compared, and the last 7 digits if it has at least 7.
pub(super) fn is_known(password: &str, known: &[String]) -> bool {
    let of = |text: &str, kind: fn(char) -> bool| -> String {
        text.to_lowercase().chars().filter(|c| kind(*c)).collect()
    };
    let digits = of(password, |c| c.is_ascii_digit());
    let mut letters = of(password, char::is_alphabetic);
    let mut found = false;
    for word in known {
        let number = of(word, |c| c.is_ascii_digit());
        let end = number.len().checked_sub(7).map(|at| &number[at..]);
        found |= end.is_some_and(|end| digits.contains(end));
        let word = of(word, char::is_alphabetic);
        // Length in bytes, so that one or two Latin letters, which occur in every sentence, are excluded, but no
        // Chinese character.
        if word.len() > 2 && letters.contains(&word) {
            found = true;
            letters = letters.replace(&word, "");
        }
    }
    found && letters.chars().count() < FEWEST_BESIDES
}

/// Counts the characters that are in no row. A row is at least 3 characters in sequence that are neighbours on the
/// keyboard in one direction, neighbours in the alphabet, digits at a constant distance, or one repeated character.
fn beside_rows(password: &str) -> usize {
    let chars: Vec<char> = password.chars().collect();
    let mut besides = 0;
    let mut at = 0;
    while at < chars.len() {
        let row = row_at(&chars[at..]);
        if row < ROW {
            besides += 1;
            at += 1;
        } else {
            at += row;
        }
    }
    besides
}

/// Returns the length of the row with which `chars` begins, in characters; 1 if it begins with none.
fn row_at(chars: &[char]) -> usize {
    let along = |step: &dyn Fn(char, char) -> Option<(i32, i32)>| {
        let mut steps = chars.windows(2).map(|pair| step(pair[0], pair[1]));
        match steps.next().flatten() {
            Some(first) => 2 + steps.take_while(|step| *step == Some(first)).count(),
            None => 1,
        }
    };
    let keys = |one, other| {
        let ((row, column), (to, end)) = (key(one)?, key(other)?);
        let step = (to - row, end - column);
        (step.0.abs() <= 1 && step.1.abs() <= 1).then_some(step)
    };
    let order = |one: char, other: char| {
        let step = i32::try_from(u32::from(other)).ok()? - i32::try_from(u32::from(one)).ok()?;
        let both = |kind: fn(&char) -> bool| kind(&one) && kind(&other);
        let near =
            both(char::is_ascii_digit) || (both(char::is_ascii_alphabetic) && step.abs() <= 1);
        (near || step == 0).then_some((step, 0))
    };
    along(&keys).max(along(&order))
}

/// Returns row and column of a key; `None` for a character that is not in [`KEYS`].
fn key(c: char) -> Option<(i32, i32)> {
    (0..).zip(KEYS).find_map(|(row, keys)| {
        let column = keys
            .iter()
            .find_map(|keys| keys.chars().position(|key| key == c))?;
        Some((row, i32::try_from(column).ok()?))
    })
}

/// Returns the letter for which a digit or sign is commonly written; any other character unchanged.
fn letter_for(c: char) -> char {
    match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        c => c,
    }
}

/// Returns the shortest text of at most [`MAX_UNIT`] characters that gives `text` when repeated at least twice; the
/// last repetition may be incomplete. If there is none, returns `text`.
fn unit(text: &str) -> &str {
    let chars: Vec<(usize, char)> = text.char_indices().collect();
    let longest = MAX_UNIT.min(chars.len() / 2);
    (1..=longest)
        .find(|len| (*len..chars.len()).all(|at| chars[at].1 == chars[at - len].1))
        .map_or(text, |len| &text[..chars[len].0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_of_what_is_listed_are_common_and_others_are_not() {
        for password in [
            "1qaz2wsx3edc",
            "PASSWORDPASSWORD",
            "P@ssw0rd2024!!",
            "@dm1n1str@t0r",
            "2024 Welcome 2024",
            "duty-line-2024-03-06",
            "qwertyqwertyqw",
            "aaaabbbbcccc",
            "我爱中国我爱中国我爱中国",
            "Xuncha_20240306",
            "correct horse battery staple",
            // Walks over a keyboard, rows of the alphabet and of digits.
            "qwertyuiop[]",
            "QwErTyUiOp123",
            "1qaz2wsx3edc4rfv",
            "1QAZ@WSX3edc$RFV",
            "asdfghjkl;'#",
            "zaq12wsxcde3",
            "qweasdzxc123",
            "poiuytrewq99",
            "abcdefghijklm",
            "741852963741",
            "135792468024",
            // One character or a short text, repeated.
            "x7Kx7Kx7Kx7Kx7K",
            "herons herons herons",
            "aaaaaaaaaaaa!Q9z",
        ] {
            assert!(is_common(password), "{password}");
        }
        for password in [
            "a long password",
            "seven herons over grey water",
            "passwords are for doors",
            "Lärche 4711 über",
            "abcd-efgh-2345-jkmn",
            "第五组的窗外有一棵老榕树",
            "we were property trees",
            "tR8!vq-pL2zw",
        ] {
            assert!(!is_common(password), "{password}");
        }
    }

    #[test]
    fn every_listed_one_is_found_as_it_is_written() {
        assert!(LISTED.len() > 100);
        for listed in LISTED.iter() {
            assert_eq!(&listed.to_lowercase(), listed);
            assert!(is_common(listed), "{listed}");
        }
    }
}
