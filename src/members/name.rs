//! Members' names: what may be one, and which could be taken for another.

use std::fmt;
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};
use unicode_security::GeneralSecurityProfile;
use unicode_security::confusable_detection::skeleton;
use unicode_security::general_security_profile::IdentifierType;

/// The longest name, in characters.
const LONGEST: usize = 40;

/// What stands in the trail and on pages for something that is not a member.
const RESERVED: [&str; 12] = [
    "system",
    "dutyline",
    "recovery",
    "recovery key",
    "caller",
    "service",
    "系统",
    "服务",
    "本系统",
    "恢复密钥",
    "来电人",
    "反映人",
];

/// A name a member may have: 1 to 40 characters in Unicode's normal form KC, words apart by one blank, without
/// invisible, control and formatting characters, and none that stands for something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberName(String);

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Empty, too long, or with a character that cannot be seen.
    #[error("a name has 1 to {LONGEST} characters, and no invisible or control characters")]
    Form,
    /// It would read as something that is not a member.
    #[error("this name stands for something else in the audit trail; choose another")]
    Reserved,
}

impl MemberName {
    /// Reads a name as it was typed.
    ///
    /// # Errors
    ///
    /// See [`NameError`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let name = canonical(text);
        let length = name.chars().count();
        if length == 0 || length > LONGEST || !name.chars().all(is_plain) {
            return Err(NameError::Form);
        }
        if RESERVED.iter().any(|word| look_alike(word, &name)) {
            return Err(NameError::Reserved);
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MemberName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name as it is stored: normal form KC (full-width letters become plain ones), no blanks at the ends, single
/// blanks inside.
pub fn canonical(text: &str) -> String {
    let folded: String = text.nfkc().collect();
    let words: Vec<&str> = folded.split(' ').filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// Can this character be seen, and does it leave the order of the others alone?
fn is_plain(c: char) -> bool {
    let hidden = matches!(
        c.identifier_type(),
        Some(IdentifierType::Default_Ignorable | IdentifierType::Deprecated)
    );
    let group = c.general_category_group();
    let apart = c != ' ' && group == GeneralCategoryGroup::Separator;
    !hidden && !apart && group != GeneralCategoryGroup::Other
}

/// Could one name be taken for the other? Compared are the skeletons of Unicode Technical Standard 39, with the case of
/// letters and without: `I` looks like `l`, and `Li` is easily read as `li`.
pub fn look_alike(one: &str, other: &str) -> bool {
    let same = |one: &str, other: &str| skeleton(one).eq(skeleton(other));
    same(one, other) || same(&one.to_lowercase(), &other.to_lowercase())
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
        ] {
            assert_eq!(MemberName::parse(typed).unwrap().as_str(), kept);
        }
        assert!(MemberName::parse(&"字".repeat(LONGEST)).is_ok());
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
            MemberName::parse(&"字".repeat(LONGEST + 1)),
            Err(NameError::Form)
        );
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
        ] {
            assert_eq!(MemberName::parse(text), Err(NameError::Reserved), "{text}");
        }
    }

    #[test]
    fn names_that_look_alike_are_found() {
        for (one, other) in [("li", "lі"), ("li", "1i"), ("Il", "ll"), ("WANG", "wang")] {
            assert!(look_alike(one, other), "{one} {other}");
        }
        for (one, other) in [("li", "lu"), ("李明", "李民"), ("wang", "wang 2")] {
            assert!(!look_alike(one, other), "{one} {other}");
        }
    }
}
