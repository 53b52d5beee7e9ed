//! Which passwords are guessed first.

use std::collections::HashSet;
use std::sync::LazyLock;

/// See the head of `common.txt` for where it comes from.
static LISTED: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    include_str!("common.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
});

/// Fewer different characters than this are a pattern on a keyboard, not a password.
const FEWEST_CHARACTERS: usize = 5;
/// Longest unit, in characters, that is recognised when it is repeated.
const LONGEST_UNIT: usize = 24;

/// True if `password` is on the list, a variant of an entry of it, or made of fewer than 5 different characters.
pub(super) fn is_common(password: &str) -> bool {
    let lower = password.to_lowercase();
    if lower.chars().collect::<HashSet<_>>().len() < FEWEST_CHARACTERS {
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

/// The letter a digit or sign is commonly written for.
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

/// The shortest text that gives `text` when it is repeated at least twice; the last time it may be cut short.
fn unit(text: &str) -> &str {
    let chars: Vec<(usize, char)> = text.char_indices().collect();
    let longest = LONGEST_UNIT.min(chars.len() / 2);
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
