//! Twilio's signature of a webhook, as a pure function.
//!
//! `X-Twilio-Signature` is the base64 of an HMAC-SHA1, keyed with the account's auth token, over the address Twilio
//! called and, for a form, each field's name followed by its values: names in byte order, the values of a name
//! sorted and each once. A body that is no form is not in the HMAC itself: its SHA-256 stands in the address, as
//! `bodySHA256`.
//!
//! What address Twilio signed is not always what we see. Depending on product and age it adds or leaves out the
//! port, and signs the query as configured or as a browser would write it (`'` as `%27`). So four spellings are
//! tried. All of them are the same address: none lets a signature for one thing pass for another.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use subtle::{Choice, ConstantTimeEq};

/// The query set of the WHATWG URL standard for `http` and `https`: what a browser percent-encodes in a query.
const SPECIAL_QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'\'');

/// The body of a webhook as its signature covers it.
#[derive(Clone, Copy)]
pub enum SignedBody<'a> {
    /// The fields of a form, decoded, in any order. Also a request without a body: no fields.
    Form(&'a [(String, String)]),
    /// Any other body: the address names its SHA-256.
    Raw(&'a [u8]),
}

/// Does `signature` fit the request, under one of `secrets`? `url` is the whole address Twilio called.
///
/// Every spelling of the address is tried under every secret whatever the outcome, and compared in constant time:
/// how long it takes depends on the request's size only. An empty secret fits nothing.
pub fn twilio_signature_fits(
    secrets: &[&str],
    url: &str,
    body: SignedBody<'_>,
    signature: &str,
) -> bool {
    let (fields, body_fits) = match body {
        SignedBody::Form(fields) => (canonical(fields), Choice::from(1)),
        SignedBody::Raw(bytes) => (String::new(), body_hash_fits(url, bytes)),
    };
    let spellings = spellings(url);
    let mut fits = Choice::from(0);
    for secret in secrets {
        let usable = Choice::from(u8::from(!secret.is_empty()));
        for spelling in &spellings {
            let expected = sign(secret, spelling, &fields);
            fits |= usable & expected.as_bytes().ct_eq(signature.as_bytes());
        }
    }
    (fits & body_fits).into()
}

/// The signature of a form posted to `url`, spelled as it stands: what a stand-in for Twilio sends.
pub fn twilio_sign(secret: &str, url: &str, fields: &[(String, String)]) -> String {
    sign(secret, url, &canonical(fields))
}

fn sign(secret: &str, url: &str, fields: &str) -> String {
    let mut mac =
        Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(url.as_bytes());
    mac.update(fields.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Names in byte order, each followed by its values, sorted, each once.
fn canonical(fields: &[(String, String)]) -> String {
    let mut sorted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in fields {
        sorted.entry(name).or_default().insert(value);
    }
    let mut text = String::new();
    for (name, values) in sorted {
        for value in values {
            text.push_str(name);
            text.push_str(value);
        }
    }
    text
}

/// The address as it stands and with its port the other way round, each with the query as it stands and normalised.
/// Always four, though some may be equal.
fn spellings(url: &str) -> [String; 4] {
    let other = other_port(url);
    [
        normalised_query(url),
        normalised_query(&other),
        url.to_owned(),
        other,
    ]
}

/// Without its port where it has one, with the scheme's standard port where it has none. What stands before an `@`
/// is kept.
fn other_port(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let host_start = authority.rfind('@').map_or(0, |at| at + 1);
    // An IPv6 address has colons of its own, inside brackets.
    let name_end = authority[host_start..]
        .rfind(']')
        .map_or(host_start, |bracket| host_start + bracket + 1);
    if let Some(colon) = authority[name_end..].rfind(':') {
        let host = &authority[..name_end + colon];
        return format!("{scheme}://{host}{tail}");
    }
    let standard = if scheme.eq_ignore_ascii_case("https") {
        443
    } else {
        80
    };
    format!("{scheme}://{authority}:{standard}{tail}")
}

fn normalised_query(url: &str) -> String {
    let Some((before, rest)) = url.split_once('?') else {
        return url.to_owned();
    };
    let (query, fragment) = match rest.find('#') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let query = utf8_percent_encode(query, SPECIAL_QUERY);
    format!("{before}?{query}{fragment}")
}

/// Is the one `bodySHA256` of the query the body's hash, in hexadecimal? None or several fit nothing.
fn body_hash_fits(url: &str, body: &[u8]) -> Choice {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    let mut named = query
        .split('&')
        .filter_map(|pair| pair.strip_prefix("bodySHA256="));
    let (Some(claimed), None) = (named.next(), named.next()) else {
        return Choice::from(0);
    };
    let actual: String = Sha256::digest(body)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    actual
        .as_bytes()
        .ct_eq(claimed.to_ascii_lowercase().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn fields_of(params: &Value) -> Vec<(String, String)> {
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        match params {
            Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), text(v))).collect(),
            Value::Array(pairs) => pairs.iter().map(|p| (text(&p[0]), text(&p[1]))).collect(),
            other => panic!("neither a map nor a list of pairs: {other}"),
        }
    }

    #[test]
    fn every_runnable_vector_is_judged_as_it_says() {
        let file: Value =
            serde_json::from_str(include_str!("../../tests/vectors/twilio-signature.json"))
                .unwrap();
        let mut run = 0;
        for vector in file["vectors"].as_array().unwrap() {
            let Some(token) = vector["token"].as_str() else {
                continue;
            };
            let fields;
            let body = match vector["raw_body"].as_str() {
                Some(raw) => SignedBody::Raw(raw.as_bytes()),
                None => {
                    fields = fields_of(&vector["params"]);
                    SignedBody::Form(&fields)
                }
            };
            let url = vector["url"].as_str().unwrap();
            let signature = vector["signature"].as_str().unwrap();
            let expected = vector["expect_valid"].as_bool().unwrap();
            let id = &vector["id"];
            assert_eq!(
                twilio_signature_fits(&[token], url, body, signature),
                expected,
                "{id}"
            );
            assert_eq!(
                twilio_signature_fits(&["other", token], url, body, signature),
                expected,
                "{id}, second secret"
            );
            assert!(
                !twilio_signature_fits(&["other"], url, body, signature),
                "{id}, wrong secret"
            );
            run += 1;
        }
        assert_eq!(run, 41);
    }

    #[test]
    fn no_secret_and_an_empty_one_fit_nothing() {
        let url = "https://duty.example/hooks/twilio/call";
        let signature = twilio_sign("", url, &[]);
        assert!(!twilio_signature_fits(
            &[],
            url,
            SignedBody::Form(&[]),
            &signature
        ));
        assert!(!twilio_signature_fits(
            &[""],
            url,
            SignedBody::Form(&[]),
            &signature
        ));
    }

    #[test]
    fn a_doubled_body_hash_fits_nothing() {
        let hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        let url = format!("https://duty.example/x?bodySHA256={hash}&bodySHA256={hash}");
        let signature = twilio_sign("s", &url, &[]);
        assert!(!twilio_signature_fits(
            &["s"],
            &url,
            SignedBody::Raw(b"{}"),
            &signature
        ));
    }

    #[test]
    fn ports_are_found_behind_names_and_addresses() {
        for (url, other) in [
            ("https://a.example/p?q=:1", "https://a.example:443/p?q=:1"),
            ("https://u:p@a.example", "https://u:p@a.example:443"),
            ("http://u:p@a.example:81?q", "http://u:p@a.example?q"),
            ("http://[::1]/x", "http://[::1]:80/x"),
            ("https://[::1]:8443/x", "https://[::1]/x"),
            ("nothing like it", "nothing like it"),
        ] {
            assert_eq!(other_port(url), other);
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic_and_nothing_unsigned_fits(
            url in "\\PC*", other in "(https?://)?[a-z\\[\\]@:/?#&='é]*", secret in "\\PC*",
            fields in proptest::collection::vec(("\\PC*", "\\PC*"), 0..5), raw in any::<Vec<u8>>(), signature in "\\PC*",
        ) {
            for url in [&url, &other] {
                prop_assert!(!twilio_signature_fits(&[&secret], url, SignedBody::Form(&fields), &signature));
                prop_assert!(!twilio_signature_fits(&[&secret], url, SignedBody::Raw(&raw), &signature));
            }
        }

        #[test]
        fn what_was_signed_fits_in_any_order_and_no_other_way(
            url in "https://[a-z]{1,9}/[a-z]{0,9}", fields in proptest::collection::vec(("[A-Za-z]{1,4}", "\\PC{0,9}"), 0..8),
        ) {
            let signature = twilio_sign("secret", &url, &fields);
            let mut turned = fields.clone();
            turned.reverse();
            prop_assert!(twilio_signature_fits(&["secret"], &url, SignedBody::Form(&turned), &signature));
            turned.push(("Zz".to_owned(), "!".to_owned()));
            turned.push(("Zz".to_owned(), "?".to_owned()));
            prop_assert!(!twilio_signature_fits(&["secret"], &url, SignedBody::Form(&turned), &signature));
            let longer = format!("{url}x");
            prop_assert!(!twilio_signature_fits(&["secret"], &longer, SignedBody::Form(&fields), &signature));
        }
    }
}
