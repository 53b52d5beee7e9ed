//! The form of a webhook: `application/x-www-form-urlencoded`, read in two ways.
//!
//! The signature is made over decoded fields, so they are decoded before anything is believed: [`decode_lenient`]
//! never fails. What is then acted upon is read a second time by [`Form::parse`], which takes no broken form.

use crate::hidden::Hidden;
use std::fmt;

/// Fields a form may have. Twilio's largest webhooks have about forty.
const MOST_FIELDS: usize = 200;

/// The form is broken, or says two things at once. Says nothing of its content.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the form is broken")]
pub struct BrokenForm;

/// The fields of any bytes, for the signature only: a bad percent escape stays as it is, what is not UTF-8 is replaced.
pub fn decode_lenient(body: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(body).into_owned().collect()
}

/// A form that can be acted upon. Its `Debug` shows how many fields there are, and nothing of them.
pub struct Form {
    fields: Vec<(String, Hidden<String>)>,
}

impl Form {
    /// Reads a form strictly.
    ///
    /// # Errors
    ///
    /// [`BrokenForm`] on a percent escape that is none, on bytes that are not UTF-8, and on more than 200 fields.
    pub fn parse(body: &[u8]) -> Result<Self, BrokenForm> {
        let mut fields = Vec::new();
        for pair in body.split(|byte| *byte == b'&').filter(|p| !p.is_empty()) {
            if fields.len() == MOST_FIELDS {
                return Err(BrokenForm);
            }
            let at = pair.iter().position(|byte| *byte == b'=');
            let (name, value) = match at {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &[][..]),
            };
            fields.push((decode(name)?, Hidden::new(decode(value)?)));
        }
        Ok(Self { fields })
    }

    /// The one value of a field; `None` when the form has no such field.
    ///
    /// # Errors
    ///
    /// [`BrokenForm`] when the field is given twice with different values, or holds a control character. Fields that
    /// nobody asks for are not looked at: a provider may add what it likes.
    pub fn get(&self, name: &str) -> Result<Option<&str>, BrokenForm> {
        let mut values = self
            .fields
            .iter()
            .filter(|field| field.0 == name)
            .map(|field| field.1.show().as_str());
        let Some(first) = values.next() else {
            return Ok(None);
        };
        if values.any(|value| value != first) || first.chars().any(char::is_control) {
            return Err(BrokenForm);
        }
        Ok(Some(first))
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Form([{} hidden])", self.fields.len())
    }
}

fn decode(bytes: &[u8]) -> Result<String, BrokenForm> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => match (rest.next().and_then(hex), rest.next().and_then(hex)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err(BrokenForm),
            },
            other => *other,
        });
    }
    String::from_utf8(decoded).map_err(|_| BrokenForm)
}

fn hex(digit: &u8) -> Option<u8> {
    // A hexadecimal digit is below 16.
    char::from(*digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_form_is_read_and_looked_up() {
        let form = Form::parse(
            b"CallSid=CA1&From=%2B8613800138000&Name=a+b%20c&Empty=&Bare&&Twice=x&Twice=x",
        )
        .unwrap();
        assert_eq!(form.get("CallSid"), Ok(Some("CA1")));
        assert_eq!(form.get("From"), Ok(Some("+8613800138000")));
        assert_eq!(form.get("Name"), Ok(Some("a b c")));
        assert_eq!(form.get("Empty"), Ok(Some("")));
        assert_eq!(form.get("Bare"), Ok(Some("")));
        assert_eq!(form.get("Twice"), Ok(Some("x")));
        assert_eq!(form.get("callsid"), Ok(None));
        assert_eq!(format!("{form:?}"), "Form([7 hidden])");
    }

    #[test]
    fn broken_forms_are_refused_but_decoded_for_the_signature() {
        for broken in [
            &b"a=%"[..],
            b"a=%4",
            b"a=%zz",
            b"a=%+1",
            b"%=1",
            b"a=%ff",
            b"\xff=1",
        ] {
            assert_eq!(Form::parse(broken).unwrap_err(), BrokenForm);
        }
        assert_eq!(
            decode_lenient(b"a=%zz&b=%ff"),
            [
                ("a".into(), "%zz".into()),
                ("b".into(), "\u{fffd}".to_owned())
            ]
        );
    }

    #[test]
    fn a_field_that_is_asked_for_says_one_clean_thing() {
        let form = Form::parse(b"CallSid=CA1&CallSid=CA2&To=%00&Unknown=%07&From=x").unwrap();
        assert_eq!(form.get("CallSid"), Err(BrokenForm));
        assert_eq!(form.get("To"), Err(BrokenForm));
        assert_eq!(form.get("From"), Ok(Some("x")));
    }

    #[test]
    fn a_form_has_a_bounded_number_of_fields() {
        assert!(Form::parse("a=1&".repeat(200).as_bytes()).is_ok());
        assert!(Form::parse("a=1&".repeat(201).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_both_ways(fields in proptest::collection::vec(("\\PC+", "\\PC*"), 0..9)) {
            let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
            prop_assert_eq!(&decode_lenient(body.as_bytes()), &fields);
            let form = Form::parse(body.as_bytes()).unwrap();
            let read: Vec<_> = form.fields.into_iter().map(|(n, v)| (n, v.into_shown())).collect();
            prop_assert_eq!(read, fields);
        }

        #[test]
        fn no_bytes_make_it_panic_and_both_readings_agree(body in any::<Vec<u8>>()) {
            let lenient = decode_lenient(&body);
            if let Ok(form) = Form::parse(&body) {
                let strict: Vec<_> = form.fields.into_iter().map(|(n, v)| (n, v.into_shown())).collect();
                prop_assert_eq!(strict, lenient);
            }
        }
    }
}
