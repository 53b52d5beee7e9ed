//! SignalWire's signature, in two schemes with one header, `X-SignalWire-Signature` (and `X-Twilio-Signature` where it
//! uses Twilio's dialect). Both are HMAC-SHA1, keyed with the signing key:
//!
//! - over the address and the raw body, in lower-case hexadecimal;
//! - over the address and the fields of the form, in base64: each field as its name followed by its value, names in
//!   byte order, but the values of a name in the order they were sent, with duplicates. The hash of a body that is not
//!   a form is in the address, as `bodySHA256`.
//!
//! The rules are those of the validator in `signalwire-sdk` 3.7 of PyPI. In the second scheme the validator also tries
//! the address without the standard port of its scheme if it has that port, and with the standard port if it has none;
//! so does this check. In two respects this check is stricter. The validator accepts a signature over the address alone
//! for a request with any body, so a party that saw one request without a body could send another with a body of its
//! own. And the validator accepts the last of several `bodySHA256`.
//!
//! (SignalWire also sends `X-SignalWire-Sha256-Signature`, the first scheme with SHA-256. It is never sent alone, and
//! not for forms.)

use super::{Address, Hash, base64, body_hash_fits, fits_one, hexadecimal, hmac};
use crate::telephony::form::decode_lenient;
use subtle::Choice;

/// True if `signature` is valid for the request under one of `keys`. `url` is the whole address SignalWire called;
/// `is_form` is true if the request says that its body is a form.
pub fn signalwire_fits(
    keys: &[&str],
    url: &str,
    is_form: bool,
    body: &[u8],
    signature: &str,
) -> bool {
    let mut fits = fits_one(keys, signature, |key| raw(key, url, body));
    let named = body_hash_fits(url, body);
    // A request without a body is signed like a form without fields.
    let (fields, body_fits) = if is_form || body.is_empty() {
        (canonical(body), named.unwrap_or(Choice::from(1)))
    } else {
        (String::new(), named.unwrap_or(Choice::from(0)))
    };
    for spelling in [url, &other_port(url)] {
        fits |= body_fits & fits_one(keys, signature, |key| compatible(key, spelling, &fields));
    }
    fits.into()
}

/// Returns the signature of a request to `url`, for a stand-in for SignalWire. The address is signed as given; a form
/// is signed in the second scheme, any other body in the first.
pub fn signalwire_sign(key: &str, url: &str, is_form: bool, body: &[u8]) -> String {
    if is_form {
        compatible(key, url, &canonical(body))
    } else {
        raw(key, url, body)
    }
}

fn raw(key: &str, url: &str, body: &[u8]) -> String {
    hexadecimal(&hmac(Hash::Sha1, key, &[url.as_bytes(), body]))
}

fn compatible(key: &str, url: &str, fields: &str) -> String {
    base64(&hmac(Hash::Sha1, key, &[url.as_bytes(), fields.as_bytes()]))
}

/// Concatenates the fields, each as its name followed by its value: names in byte order, the values of a name in their
/// original order.
fn canonical(body: &[u8]) -> String {
    let mut fields = decode_lenient(body);
    fields.sort_by(|one, other| one.0.cmp(&other.0));
    fields
        .into_iter()
        .flat_map(|(name, value)| [name, value])
        .collect()
}

/// Removes the scheme's standard port if the address has it, adds it if the address has no port. Any other port stays.
fn other_port(url: &str) -> String {
    match Address::cut(url) {
        Some(address) if address.port.is_none() => address.with_port(address.standard_port()),
        Some(address) if address.port == Some(address.standard_port()) => address.without_port(),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    const URL: &str = "https://duty.example/hooks/signalwire/call";

    #[test]
    fn every_vector_fits_and_nothing_beside_it() {
        let file: Value = serde_json::from_str(include_str!(
            "../../../tests/vectors/signalwire-signature.json"
        ))
        .unwrap();
        let mut run = 0;
        for vector in file["vectors"].as_array().unwrap() {
            let text = |name: &str| vector[name].as_str();
            let body = match (text("raw_body"), vector["params"].as_object()) {
                (Some(raw), None) => raw.to_owned(),
                (None, Some(params)) => params
                    .iter()
                    .fold(
                        form_urlencoded::Serializer::new(String::new()),
                        |mut form, (name, value)| {
                            form.append_pair(name, value.as_str().unwrap());
                            form
                        },
                    )
                    .finish(),
                _ => panic!("one body"),
            };
            let is_form = !body.starts_with('{');
            let (key, url) = (text("signing_key").unwrap(), text("url").unwrap());
            let signature = text("signature").unwrap();
            let id = &vector["id"];
            let fits = |keys: &[&str], url: &str, body: &str, signature: &str| {
                signalwire_fits(keys, url, is_form, body.as_bytes(), signature)
            };
            assert!(fits(&[key], url, &body, signature), "{id}");
            assert!(fits(&["next", key], url, &body, signature), "{id}");
            assert!(!fits(&["next"], url, &body, signature), "{id}");
            assert!(!fits(&[], url, &body, signature), "{id}");
            assert!(
                !fits(&[key], url, &body.replacen('a', "b", 1), signature),
                "{id}"
            );
            assert!(!fits(&[key], &format!("{url}x"), &body, signature), "{id}");
            assert!(!fits(&[key], url, &body, &signature[1..]), "{id}");
            run += 1;
        }
        assert_eq!(run, 4);
    }

    #[test]
    fn values_of_one_name_keep_their_order_and_number() {
        let signature = signalwire_sign("k", URL, true, b"To=a&From=c&To=b&To=a");
        let fits = |body: &[u8]| signalwire_fits(&["k"], URL, true, body, &signature);
        assert!(fits(b"From=c&To=a&To=b&To=a"));
        assert!(!fits(b"From=c&To=a&To=a&To=b"));
        assert!(!fits(b"From=c&To=a&To=b"));
    }

    #[test]
    fn a_signature_over_the_address_alone_fits_no_body() {
        let signature = signalwire_sign("k", URL, true, b"");
        for is_form in [true, false] {
            assert!(signalwire_fits(&["k"], URL, is_form, b"", &signature));
            for body in [b"CallSid=1".as_slice(), b"{}"] {
                assert!(!signalwire_fits(&["k"], URL, is_form, body, &signature));
            }
        }
    }

    #[test]
    fn the_body_s_hash_is_checked_where_it_stands() {
        let hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        let url = format!("{URL}?bodySHA256={hash}");
        let signature = signalwire_sign("k", &url, true, b"");
        assert!(signalwire_fits(&["k"], &url, false, b"{}", &signature));
        assert!(!signalwire_fits(&["k"], &url, false, b"{ }", &signature));
        assert!(!signalwire_fits(&["k"], &url, true, b"{}", &signature));
        let form = signalwire_sign("k", &url, true, b"a=b");
        assert!(!signalwire_fits(&["k"], &url, true, b"a=b", &form));
        let twice = format!("{url}&bodySHA256={hash}");
        let signature = signalwire_sign("k", &twice, true, b"");
        assert!(!signalwire_fits(&["k"], &twice, false, b"{}", &signature));
    }

    #[test]
    fn the_standard_port_may_stand_or_not_for_forms() {
        for (url, other) in [
            ("https://a.example/p?q=:1", "https://a.example:443/p?q=:1"),
            ("http://a.example:80", "http://a.example"),
            ("https://[::1]:443/x", "https://[::1]/x"),
            ("https://a.example:8443/x", "https://a.example:8443/x"),
            ("https://a.example:80/x", "https://a.example:80/x"),
            ("nothing like it", "nothing like it"),
        ] {
            assert_eq!(other_port(url), other);
            let signature = signalwire_sign("k", other, true, b"a=b");
            assert!(signalwire_fits(&["k"], url, true, b"a=b", &signature));
            let signature = signalwire_sign("k", other, false, b"{}");
            let fits = signalwire_fits(&["k"], url, false, b"{}", &signature);
            assert_eq!(fits, url == other);
        }
        let signature = signalwire_sign("k", "https://a.example/x", true, b"");
        let odd = "https://a.example:8443/x";
        assert!(!signalwire_fits(&["k"], odd, true, b"", &signature));
    }

    #[test]
    fn an_empty_key_fits_nothing() {
        for is_form in [true, false] {
            let signature = signalwire_sign("", URL, is_form, b"a=b");
            assert!(!signalwire_fits(&[""], URL, is_form, b"a=b", &signature));
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic_and_nothing_unsigned_fits(
            url in "(https?://)?[a-z\\[\\]@:/?#&='é]*", key in "\\PC*", is_form: bool, body: Vec<u8>, signature in "\\PC*",
        ) {
            prop_assert!(!signalwire_fits(&[&key], &url, is_form, &body, &signature));
        }

        #[test]
        fn what_was_signed_fits_and_no_other_way(
            url in "https://[a-z]{1,9}/[a-z]{0,9}", is_form: bool,
            fields in proptest::collection::vec(("[A-Za-z]{1,4}", "\\PC{0,9}"), 0..8),
        ) {
            let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
            let signature = signalwire_sign("key", &url, is_form, body.as_bytes());
            prop_assert!(signalwire_fits(&["key"], &url, is_form, body.as_bytes(), &signature));
            let more = format!("{body}&Zz=!");
            prop_assert!(!signalwire_fits(&["key"], &url, is_form, more.as_bytes(), &signature));
            let longer = format!("{url}x");
            prop_assert!(!signalwire_fits(&["key"], &longer, is_form, body.as_bytes(), &signature));
            prop_assert!(!signalwire_fits(&["yek"], &url, is_form, body.as_bytes(), &signature));
        }
    }
}
