//! The form of a webhook: `application/x-www-form-urlencoded`.
//!
//! Percent escapes are decoded as in the URL standard: an invalid one stays as it is. [`decode_lenient`] returns all
//! fields, for the signature; [`Form`] returns single fields, for use. Neither rejects a body, because a request with a
//! valid signature is answered whatever is in the fields that are not needed.

use bytes::Bytes;
use percent_encoding::percent_decode;
use std::borrow::Cow;
use std::fmt;

/// Decodes all fields of a body, whatever bytes it has; for the signature only. An invalid percent escape stays as it
/// is; bytes that are not UTF-8 are replaced by U+FFFD.
pub fn decode_lenient(body: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(body).into_owned().collect()
}

/// A form whose fields are decoded one by one, when requested. Its `Debug` output has its length, and none of its
/// content.
pub struct Form {
    body: Bytes,
}

impl Form {
    /// Creates a form from a request's body.
    pub fn new(body: Bytes) -> Self {
        Self { body }
    }

    /// Returns the value of a field. `None` when there is no such field, when its value is not UTF-8 or has a control
    /// character in it, or when the field is given several times with different values.
    pub fn get(&self, name: &str) -> Option<String> {
        let value = String::from_utf8(self.value(name)?).ok()?;
        (!value.contains(char::is_control)).then_some(value)
    }

    /// Returns the value of a field of which a readable part is still useful: bytes that are not UTF-8 are replaced by
    /// U+FFFD, control characters stay. `None` when there is no such field, or when it is given several times with
    /// different values.
    pub fn get_lossy(&self, name: &str) -> Option<String> {
        let value = self.value(name)?;
        Some(String::from_utf8_lossy(&value).into_owned())
    }

    fn value(&self, name: &str) -> Option<Vec<u8>> {
        let pairs = self.body.split(|byte| *byte == b'&');
        let mut values = pairs.filter(|pair| !pair.is_empty()).filter_map(|pair| {
            let mut parts = pair.splitn(2, |byte| *byte == b'=');
            let is_it = decoded(parts.next().unwrap_or_default()) == name.as_bytes();
            is_it.then(|| decoded(parts.next().unwrap_or_default()))
        });
        let first = values.next()?;
        values.all(|value| value == first).then_some(first)
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Form([{} bytes hidden])", self.body.len())
    }
}

fn decoded(bytes: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = bytes
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    Cow::from(percent_decode(&spaced)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn form(body: &'static [u8]) -> Form {
        Form::new(Bytes::from_static(body))
    }

    #[test]
    fn a_form_is_read_and_looked_up() {
        let form = form(
            b"CallSid=CA1&From=%2B8613800138000&Name=a+b%20c&Empty=&Bare&&Twice=x&Twice=x&Equals=a=b",
        );
        let get = |name| form.get(name);
        assert_eq!(get("CallSid").as_deref(), Some("CA1"));
        assert_eq!(get("From").as_deref(), Some("+8613800138000"));
        assert_eq!(get("Name").as_deref(), Some("a b c"));
        assert_eq!(get("Empty").as_deref(), Some(""));
        assert_eq!(get("Bare").as_deref(), Some(""));
        assert_eq!(get("Twice").as_deref(), Some("x"));
        assert_eq!(get("Equals").as_deref(), Some("a=b"));
        assert_eq!(get("callsid"), None);
        assert_eq!(format!("{form:?}"), "Form([86 bytes hidden])");
    }

    #[test]
    fn a_field_that_cannot_be_read_is_none_and_leaves_the_others_alone() {
        let form =
            form(b"\xff=1&%D5=2&A=%ff&B=\xd5\xc5&C=1&C=2&D=%00&E=%0A&F=100%&G=%zz&CallSid=CA1");
        for unreadable in ["A", "B", "C", "D", "E"] {
            assert_eq!(form.get(unreadable), None, "{unreadable}");
        }
        assert_eq!(form.get("F").as_deref(), Some("100%"));
        assert_eq!(form.get("G").as_deref(), Some("%zz"));
        assert_eq!(form.get("CallSid").as_deref(), Some("CA1"));
        assert_eq!(form.get_lossy("A").as_deref(), Some("\u{fffd}"));
        assert_eq!(form.get_lossy("C"), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_both_ways(fields in proptest::collection::vec(("\\PC+", "\\PC*"), 0..9)) {
            let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
            prop_assert_eq!(&decode_lenient(body.as_bytes()), &fields);
            let form = Form::new(body.into());
            for (name, value) in &fields {
                let only = fields.iter().all(|other| other.0 != *name || other.1 == *value);
                prop_assert_eq!(form.get(name), only.then(|| value.clone()));
            }
        }

        #[test]
        fn no_bytes_make_it_panic_and_both_readings_agree(body in any::<Vec<u8>>()) {
            let lenient = decode_lenient(&body);
            let form = Form::new(body.into());
            for (name, _) in &lenient {
                if let Some(read) = form.get(name) {
                    prop_assert!(lenient.contains(&(name.clone(), read)));
                }
            }
        }
    }
}
