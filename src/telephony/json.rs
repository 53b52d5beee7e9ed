//! Reads JSON from a provider, so that an error in one string does not make the whole text unreadable.
//!
//! Bytes that are not UTF-8, and `\u` escapes of half a surrogate pair (JavaScript writes them where a text was cut
//! within a character), become U+FFFD before the JSON is parsed. A string with U+FFFD in it may not be what was sent:
//! [`Fields::get`] does not return it, because two ids that differ only in the replaced part would be considered equal.

use serde::Deserialize;
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::fmt;

/// Replacement for bytes and escapes that are not text: U+FFFD.
const REPLACED: char = char::REPLACEMENT_CHARACTER;

/// Parses a whole JSON text.
///
/// # Errors
///
/// When the text is not JSON after the replacements.
pub fn read(text: &[u8]) -> serde_json::Result<Value> {
    serde_json::from_str(&mended(text))
}

/// The fields of a JSON object, each parsed when requested.
pub struct Fields {
    fields: HashMap<String, Box<RawValue>>,
    is_broken: bool,
}

impl Fields {
    /// Reads the fields of a JSON object. Of invalid JSON, the fields before the error are read; a value that is not an
    /// object has none.
    pub fn new(text: &[u8]) -> Self {
        let text = mended(text);
        let mut fields = HashMap::new();
        let mut reader = serde_json::Deserializer::from_str(&text);
        // The errors are ignored: `is_broken` below tells of invalid JSON, and a value that is not an object has no
        // fields.
        let _ = reader.deserialize_map(FieldsInto(&mut fields));
        let is_broken = serde_json::from_str::<&RawValue>(&text).is_err();
        Self { fields, is_broken }
    }

    /// True if the text is not valid JSON. Fields that were sent may then be missing.
    pub fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// True if there is a field of this name, whatever its value.
    pub fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// Returns a string or number field as text of at most `longest` characters. `None` when there is no such field, or
    /// when it is `null` or of another type, is longer, or has U+FFFD in it.
    pub fn get(&self, name: &str, longest: usize) -> Option<String> {
        let text = self.get_lossy(name)?;
        (text.chars().count() <= longest && !text.contains(REPLACED)).then_some(text)
    }

    /// Returns a string or number field as text, with U+FFFD for what could not be read. `None` when there is no such
    /// field, or when it is `null` or of another type.
    pub fn get_lossy(&self, name: &str) -> Option<String> {
        match Value::deserialize(&**self.fields.get(name)?).ok()? {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }
}

/// Reads the fields of an object into a map, which keeps the fields read before an error.
struct FieldsInto<'a>(&'a mut HashMap<String, Box<RawValue>>);

impl<'de> Visitor<'de> for FieldsInto<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((name, value)) = map.next_entry()? {
            self.0.insert(name, value);
        }
        Ok(())
    }
}

/// Replaces bytes that are not UTF-8 and escapes of half a surrogate pair by U+FFFD, and removes byte order marks at
/// the start.
fn mended(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut rest = text.trim_start_matches('\u{feff}');
    let mut mended = String::with_capacity(rest.len());
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        mended.push_str(before);
        let taken = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(0xD800..=0xDFFF), _) => {
                mended.push(REPLACED);
                rest = &escape[6..];
                continue;
            }
            // A backslash and the character it escapes, which may be another backslash.
            _ => 1 + escape[1..].chars().next().map_or(0, char::len_utf8),
        };
        mended.push_str(&escape[..taken]);
        rest = &escape[taken..];
    }
    mended.push_str(rest);
    mended
}

/// Returns the UTF-16 code unit of the escape `\uXXXX` at the start of a text; `None` when it starts with none.
fn unit(escape: &str) -> Option<u32> {
    let digits = escape.strip_prefix("\\u")?.get(..4)?;
    let all = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    all.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn half_a_pair_is_replaced_and_a_whole_one_is_not() {
        for (text, read_as) in [
            (r#""\ud83d\ude00""#, "\u{1f600}"),
            (r#""\ud83d""#, "\u{fffd}"),
            (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\\ud83d""#, "\\ud83d"),
            (r#""\\\ud83d""#, "\\\u{fffd}"),
            (r#""\n\t\"\u5f20""#, "\n\t\"张"),
        ] {
            assert_eq!(read(text.as_bytes()).unwrap(), json!(read_as), "{text}");
        }
        assert_eq!(read(b"\xef\xbb\xbf\"\xd5\"").unwrap(), json!("\u{fffd}"));
        assert!(read(b"{").is_err() && read(b"\"\\").is_err());
    }

    #[test]
    fn fields_are_read_one_by_one() {
        let fields =
            Fields::new(br#"{"a": "x", "b": 17, "c": 1e999, "d": null, "e": "\ud83d1", "f": [1]}"#);
        assert_eq!(fields.get("a", 1).as_deref(), Some("x"));
        assert_eq!(fields.get("a", 0), None);
        assert_eq!(fields.get("b", 9).as_deref(), Some("17"));
        for unreadable in ["c", "d", "e", "f", "g"] {
            assert_eq!(fields.get(unreadable, 9), None, "{unreadable}");
            assert_eq!(fields.has(unreadable), unreadable != "g");
        }
        assert_eq!(fields.get_lossy("e").as_deref(), Some("\u{fffd}1"));
        assert_eq!(Fields::new(b"[1]").get("a", 9), None);
    }

    proptest! {
        #[test]
        fn what_is_whole_stays_as_it_is(text in "\\PC*", bytes in any::<Vec<u8>>()) {
            let written = json!({ "text": text }).to_string();
            prop_assert_eq!(&read(written.as_bytes()).unwrap()["text"], &json!(text));
            prop_assert_eq!(mended(written.as_bytes()), written);
            let _ = mended(&bytes);
        }
    }
}
