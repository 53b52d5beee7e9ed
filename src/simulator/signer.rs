//! The provider's side of `X-Twilio-Signature`, after Twilio's "Webhooks security" page: the full URL, then the names
//! and values of the form, sorted by name and concatenated without separators, signed with HMAC-SHA1 under the
//! account's auth token, in base64. The same name and value given twice count once.

use crate::base::hidden::Hidden;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use std::collections::BTreeSet;

/// Returns the signature of a POST of `form` to `url`, as the value of the `X-Twilio-Signature` header.
pub fn sign(auth_token: &Hidden<String>, url: &str, form: &[(String, String)]) -> String {
    let sorted: BTreeSet<(&str, &str)> = form
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let mut mac = Hmac::<Sha1>::new_from_slice(auth_token.expose().as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(url.as_bytes());
    for (name, value) in sorted {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect()
    }

    /// Vectors from Twilio's documentation and the tests of its helper libraries (MIT).
    #[test]
    fn signs_as_the_helper_libraries_expect() {
        let cases = [
            (
                "basic",
                "12345",
                "https://mycompany.com/myapp.php?foo=1&bar=2",
                form(&[
                    ("CallSid", "CA1234567890ABCDE"),
                    ("Caller", "+14158675309"),
                    ("Digits", "1234"),
                    ("From", "+14158675309"),
                    ("To", "+18005551212"),
                ]),
                "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
            ),
            (
                "dup-values-sorted-deduped",
                "12345",
                "https://mycompany.com/myapp.php?foo=1&bar=2",
                form(&[
                    ("Sid", "CA123"),
                    ("SidAccount", "AC123"),
                    ("Digits", "5678"),
                    ("Digits", "1234"),
                    ("Digits", "1234"),
                ]),
                "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
            ),
            (
                "array-param",
                "12345",
                "https://mycompany.com/myapp.php?foo=1&bar=2",
                form(&[
                    ("MessagingBinding.Address", "+1325xxxxxxx"),
                    ("MessagingBinding.Address", "+1415xxxxxxx"),
                ]),
                "83O6e2vORAoJHUNzJjDWN1jz+BA=",
            ),
            (
                "http-keep-port-1234",
                "12345",
                "http://mycompany.com:1234/myapp.php?foo=1&bar=2",
                form(&[
                    ("CallSid", "CA1234567890ABCDE"),
                    ("Caller", "+14158675309"),
                    ("Digits", "1234"),
                    ("From", "+14158675309"),
                    ("To", "+18005551212"),
                ]),
                "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=",
            ),
            (
                "prefix-keys-sort",
                "12345",
                "https://mycompany.com/myapp.php?foo=1&bar=2",
                form(&[
                    ("CallSid", "CA1234567890ABCDE"),
                    ("Caller", "+14158675309"),
                    ("Digits", "1234"),
                    ("From", "+14158675309"),
                    ("To", "+18005551212"),
                    ("ReasonConferenceEnded", "test"),
                    ("Reason", "Participant"),
                ]),
                "vOEb5UThFn24KEfnOFLQY2AE5FY=",
            ),
            (
                "empty-params",
                "12345",
                "https://mycompany.com/myapp.php?foo=1&bar=2",
                form(&[]),
                "zYQTYrRWXE7LtzbG4PfP7/bkkGo=",
            ),
            (
                "percent-encoded-query-verbatim",
                "12345",
                "https://mycompany.com/myapp.php?foo=hello%20world&bar=test%2Bvalue",
                form(&[
                    ("CallSid", "CA1234567890ABCDE"),
                    ("Caller", "+14158675309"),
                    ("Digits", "1234"),
                    ("From", "+14158675309"),
                    ("To", "+18005551212"),
                ]),
                "er2tvAP1Wx+iuTTE2BPgvEaN1cs=",
            ),
            (
                "special-chars-unicode",
                "12345",
                "https://mycompany.com/myapp.php?foo=1&bar=2",
                form(&[
                    ("Message", "Hello & goodbye! @#$%^*()"),
                    ("From", "+1 (415) 867-5309"),
                    ("Special", "unicode: ñáéíóú"),
                ]),
                "dCPiR4WtQ6QFN6pJh81CtlCcWLQ=",
            ),
            (
                "empty-values",
                "12345",
                "https://mycompany.com/myapp.php?foo=1&bar=2",
                form(&[
                    ("Digits", ""),
                    ("CallSid", "CA1234567890ABCDE"),
                    ("EmptyParam", ""),
                ]),
                "9HHp/OqQMEwdrVebHDdA/+tqjX8=",
            ),
            (
                "case-sensitive-keys",
                "12345",
                "https://mycompany.com/myapp.php?foo=1&bar=2",
                form(&[
                    ("callSid", "lowercase"),
                    ("CallSid", "uppercase"),
                    ("CALLSID", "allcaps"),
                ]),
                "jDK7WKT8wiNrwggd4ceTv4e1MJ4=",
            ),
            (
                "docs-walkthrough",
                "12345",
                "https://example.com/myapp.php?foo=1&bar=2",
                form(&[
                    ("CallSid", "CA1234567890ABCDE"),
                    ("Caller", "+14158675310"),
                    ("Digits", "1234"),
                    ("From", "+14158675310"),
                    ("To", "+18005551212"),
                ]),
                "L/OH5YylLD5NRKLltdqwSvS0BnU=",
            ),
        ];
        for (id, token, url, form, signature) in cases {
            assert_eq!(
                sign(&token.to_owned().into(), url, &form),
                signature,
                "{id}"
            );
        }
    }

    #[test]
    fn every_part_counts() {
        let token = Hidden::new("12345".to_owned());
        let reference = sign(&token, "https://x.example/a", &form(&[("A", "1")]));
        let others = [
            sign(&token, "https://x.example/b", &form(&[("A", "1")])),
            sign(&token, "https://x.example/a", &form(&[("A", "2")])),
            sign(&token, "https://x.example/a", &form(&[])),
            sign(
                &"54321".to_owned().into(),
                "https://x.example/a",
                &form(&[("A", "1")]),
            ),
        ];
        assert!(others.iter().all(|other| *other != reference));
    }
}
