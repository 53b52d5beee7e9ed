//! Members' names: their form, and which names can be mistaken for another one.
//!
//! | rule | why |
//! |---|---|
//! | 1 to 40 characters in Unicode's normal form KC, words separated by one space | each name has one spelling |
//! | letters and digits of scripts in use (Unicode Technical Standard 39), and `-` `_` `.` `'` `’` `·` `・`; after a Tibetan letter also `་` | symbols and other spaces may be invisible |
//! | a mark only after a letter of its own script, not twice in a row, at most 4 | an additional accent is easily overlooked |
//! | at least one letter | `-` is no name |
//! | no word for an actor that is not a member, compared by letters | `system.` in the trail would be read as the service |

use std::fmt;
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup as Group, UnicodeGeneralCategory};
use unicode_script::{Script, UnicodeScript};
use unicode_security::GeneralSecurityProfile;
use unicode_security::confusable_detection::skeleton;
use unicode_security::general_security_profile::IdentifierType as Type;

/// Maximum length of a name, in characters.
const MAX_NAME_CHARS: usize = 40;

/// Maximum number of marks after one letter.
const MARKS: usize = 4;

/// Punctuation allowed in names. The last character separates syllables in Tibetan, and is allowed only after a Tibetan
/// letter or its marks.
const PUNCTUATION: [char; 8] = ['-', '_', '.', '\'', '’', '·', '・', '་'];

/// Words that stand, in the trail and on pages, for actors that are not members. A name is refused if its letters are,
/// or look like, one of these words.
const RESERVED: [&str; 8] = [
    "recovery",
    "caller",
    "service",
    "服务",
    "服務",
    "来电人",
    "來電人",
    "反映人",
];

/// Words that do not occur in names of persons. A name is refused if its letters contain one of these words, or what
/// looks like one.
const RESERVED_ANYWHERE: [&str; 8] = [
    "system",
    "dutyline",
    "recoverykey",
    "系统",
    "系統",
    "密钥",
    "密鑰",
    "金鑰",
];

/// A member's name. Its text follows these rules:
///
/// - 1 to 40 characters in Unicode's normal form KC, words separated by one space;
/// - letters, digits, the marks of a letter's own script, and `-` `_` `.` `'` `’` `·` `・`; after a Tibetan letter also
///   `་`;
/// - at least one letter;
/// - its letters do not read as an actor that is not a member, such as `system`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberName(String);

/// Why a text is not accepted as a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty or too long, has no letter, or contains a character or a mark that is not allowed in that
    /// place.
    #[error(
        "a name has 1 to {MAX_NAME_CHARS} characters: letters and digits, also spaces and - _ . ' · , and at least one letter"
    )]
    Form,
    /// The text reads as an actor that is not a member, such as `system`.
    #[error("this name stands for something else in the audit trail; choose another")]
    Reserved,
}

impl MemberName {
    /// Returns the name for a text as it was typed: its [`canonical`] form, if that follows the rules.
    ///
    /// # Errors
    ///
    /// See [`NameError`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let name = canonical(text);
        let length = name.chars().count();
        if length == 0 || length > MAX_NAME_CHARS || !is_plain(&name) {
            return Err(NameError::Form);
        }
        if is_reserved(&name) {
            return Err(NameError::Reserved);
        }
        Ok(Self(name))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MemberName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns the canonical form of a name, in which it is stored: normal form KC (full-width letters become plain ones),
/// without spaces at the ends, with single spaces inside.
pub fn canonical(text: &str) -> String {
    let folded: String = text.nfkc().collect();
    let words: Vec<&str> = folded.split(' ').filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// True if the text, which is in normal form KC, has a letter and only characters that are allowed in names.
fn is_plain(name: &str) -> bool {
    let mut has_letter = false;
    // The script of the letter that a mark may follow, and the last mark and the number of marks after that letter.
    let mut after: Option<Script> = None;
    let (mut last, mut marks) = (None, 0);
    for c in name.chars() {
        match c.general_category_group() {
            _ if !is_in_use(c) => return false,
            Group::Letter => {
                has_letter |= c.general_category() != GeneralCategory::ModifierLetter;
                after = Some(c.script());
                (last, marks) = (None, 0);
            }
            Group::Mark => {
                marks += 1;
                if after != Some(c.script()) || last == Some(c) || marks > MARKS {
                    return false;
                }
                last = Some(c);
            }
            _ if c == '་' && after == Some(Script::Tibetan) => after = None,
            Group::Number if is_digit(c) => after = None,
            _ if c == ' ' || (c != '་' && PUNCTUATION.contains(&c)) => after = None,
            _ => return false,
        }
    }
    has_letter
}

/// True for decimal digits and for the Chinese zero, which Unicode does not classify as a decimal digit.
fn is_digit(c: char) -> bool {
    c.general_category() == GeneralCategory::DecimalNumber || c == '〇'
}

/// True if the character is used in texts of today. Excludes invisible characters, and those of historic scripts and of
/// notations. Mongolian is allowed here, although the standard lists it with the historic scripts.
fn is_in_use(c: char) -> bool {
    match c.identifier_type() {
        Some(
            Type::Default_Ignorable
            | Type::Deprecated
            | Type::Not_Character
            | Type::Technical
            | Type::Obsolete,
        ) => false,
        Some(Type::Exclusion) => c.script() == Script::Mongolian,
        _ => true,
    }
}

fn is_reserved(name: &str) -> bool {
    let is_letter = |c: &char| c.general_category_group() == Group::Letter;
    let letters: String = name.chars().filter(is_letter).collect();
    // Compared once without digits, which finds `system 2`, and once with digits that look like letters, which finds
    // `5ystem`.
    [letters.as_str(), name].into_iter().any(|text| {
        let seen = folded(text);
        RESERVED.iter().any(|word| look_alike(word, text))
            || RESERVED_ANYWHERE
                .iter()
                .any(|word| seen.iter().any(|seen| seen.contains(&looks(word))))
    })
}

/// True if one name can be mistaken for the other. Compares how they look without spaces and punctuation, once with the
/// case as written and once in lower case: `I` looks like `l`, and `Li` is easily read as `li`.
pub fn look_alike(one: &str, other: &str) -> bool {
    let [one, other] = [folded(one), folded(other)];
    one.iter().zip(&other).any(|(one, other)| one == other)
}

/// Returns how a name looks as written, and how it looks in lower case; see [`looks`].
fn folded(name: &str) -> [String; 2] {
    [looks(name), looks(&name.to_lowercase())]
}

/// Returns the skeleton of a name (Unicode Technical Standard 39), without spaces and punctuation and in lower case.
/// Names that look alike have the same one. Also unifies pairs that the standard does not: `vv` and `w`, `cl` and `d`,
/// `5` and `s`.
fn looks(name: &str) -> String {
    let kept = |c: &char| *c != ' ' && !PUNCTUATION.contains(c);
    let kept: String = name.chars().filter(kept).collect();
    let skeleton: String = skeleton(&kept).collect();
    skeleton
        .to_lowercase()
        .replace('5', "s")
        .replace("vv", "w")
        .replace("cl", "d")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_people_are_names() {
        for (typed, kept) in [
            ("li", "li"),
            (" 李  明 ", "李 明"),
            ("ｌｉ", "li"),
            ("买买提·艾力", "买买提·艾力"),
            ("ꆈꌠ", "ꆈꌠ"),
            ("Zoe\u{308}", "Zoë"),
            ("lead", "lead"),
            ("O'Brien 2", "O'Brien 2"),
            ("J.-P. d’Arc_3", "J.-P. d’Arc_3"),
            ("二〇一", "二〇一"),
            ("佐々木・モー", "佐々木・モー"),
            // Vietnamese as keyboards and files of macOS write it: composed by the normal form.
            ("Nguye\u{302}\u{303}n Thi\u{323}", "Nguyễn Thị"),
            // Scripts whose vowels and tones are marks.
            ("สมศักดิ์", "สมศักดิ์"),
            ("अमित कुमार", "अमित कुमार"),
            ("བསོད", "བསོད"),
            ("ئەركىن", "ئەركىن"),
            ("ᠪᠠᠲᠤ", "ᠪᠠᠲᠤ"),
            ("김철수", "김철수"),
        ] {
            assert_eq!(MemberName::parse(typed).unwrap().as_str(), kept);
        }
        assert!(MemberName::parse(&"字".repeat(MAX_NAME_CHARS)).is_ok());
    }

    #[test]
    fn what_cannot_be_seen_is_in_no_name() {
        for text in [
            "",
            "  ",
            "a\nb",
            "a\tb",
            "a\u{0}",
            "a\u{200b}",
            "a\u{200d}b",
            "\u{202e}ab",
            "a\u{2028}b",
            "a\u{ad}b",
            "a\u{34f}b",
            "a\u{fe0f}",
            "a\u{3164}",
            "a\u{feff}",
            "a\u{e0041}",
            "a\u{e000}",
        ] {
            assert_eq!(MemberName::parse(text), Err(NameError::Form), "{text:?}");
        }
        assert_eq!(
            MemberName::parse(&"字".repeat(MAX_NAME_CHARS + 1)),
            Err(NameError::Form)
        );
    }

    #[test]
    fn only_letters_digits_their_marks_and_the_punctuation_of_names_are_in_a_name() {
        for text in [
            // Invisible characters that Unicode does not classify as spaces.
            "a\u{2800}",
            "a\u{fffc}",
            "a\u{16fe4}",
            "\u{18b00}\u{16fe4}",
            "a\u{1d159}",
            // Marks that do not belong to the letter before them, that repeat, or that have none.
            "q\u{301}",
            "a\u{307}\u{307}",
            "wang\u{332}",
            "wang\u{e3a}",
            "李\u{301}",
            "李\u{e3a}",
            "ส\u{301}",
            "ส\u{e48}\u{e48}",
            "\u{e48}ส",
            "2\u{e48}",
            "ส \u{e48}",
            "a\u{20dd}",
            // No letter.
            "-",
            "—",
            "·",
            "...",
            "12",
            "1 2",
            "ー",
            // Other punctuation and symbols.
            "a—b",
            "wang\u{2010}",
            "(li)",
            "li/wang",
            "li, wang",
            "<b>li</b>",
            "a$",
            "li\u{1f600}",
            "wang\u{1c3}",
        ] {
            assert_eq!(MemberName::parse(text), Err(NameError::Form), "{text:?}");
        }
    }

    #[test]
    fn what_stands_for_something_else_is_no_name() {
        for text in [
            "system",
            "System",
            "ѕystem",
            "dutyIine",
            "Recovery  key",
            "来电人",
            "sys tem",
            "system.",
            "system 2",
            "5ystem",
            "the system",
            "System message",
            "recovery-key",
            "recoverykey",
            "The holder of the recovery key",
            "ca11er",
            "系統",
            "系统消息",
            "系统2",
            "系 统",
            "恢复密钥持有人",
            "恢復密鑰",
            "來電人",
            "服務",
        ] {
            assert_eq!(MemberName::parse(text), Err(NameError::Reserved), "{text}");
        }
    }

    #[test]
    fn names_that_look_alike_are_found() {
        for (one, other) in [
            ("li", "lі"),
            ("li", "1i"),
            ("Il", "ll"),
            ("WANG", "wang"),
            ("vvang", "wang"),
            ("VVang", "wang"),
            ("clong", "dong"),
            ("rna", "ma"),
            ("zha0", "zhao"),
            ("wang.", "wang"),
            ("O’Brien", "OBrien"),
            ("李 明", "李明"),
            ("买买提·艾力", "买买提・艾力"),
        ] {
            assert!(look_alike(one, other), "{one} {other}");
        }
        for (one, other) in [("li", "lu"), ("李明", "李民"), ("wang", "wang 2")] {
            assert!(!look_alike(one, other), "{one} {other}");
        }
    }
}
