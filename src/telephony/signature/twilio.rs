//! Twilio's signature.
//!
//! `X-Twilio-Signature` is the base64 of an HMAC-SHA1, keyed with the account's auth token, over the address Twilio
//! called and, for a form, its fields, each as its name followed by its value: names in byte order, the values of a
//! name sorted and without duplicates. A body that is not a form is not in the HMAC itself: its SHA-256 is in the
//! address, as `bodySHA256`.
//!
//! The address that Twilio signed is not always the one received. Depending on product and age, Twilio adds or leaves
//! out the port, and signs the query as configured or as a browser would write it (`'` as `%27`). So four spellings are
//! tried. They differ only in the port and in the encoding of the query, so a signature for another host, path or query
//! is not accepted.
//!
//! Two features have no influence on the check:
//!
//! - *Connection overrides* (`#rc=2&rp=5xx&rt=5000`, at the end of an address given to Twilio) are a fragment. Twilio
//!   reads them, and neither sends nor signs them: it signs the address it requests. The address checked here is made
//!   from the configured public URL and the request's path and query, so it has no fragment either.
//! - *The edge* a request comes from (`#e=dublin`) changes its route, not the address it requests. The edge hosts of
//!   the REST API (`api.dublin.ie1.twilio.com`) are Twilio's own addresses, and are in no webhook. But a *region* other
//!   than US1 has auth tokens of its own: the token to configure is that of the region in which the calls are handled.

use super::{Address, Hash, base64, body_hash_fits, fits_one, hmac};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use std::collections::{BTreeMap, BTreeSet};
use subtle::Choice;

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
    /// The fields of a form, decoded, in any order. A request without a body is a form without fields.
    Form(&'a [(String, String)]),
    /// Any other body; its SHA-256 is in the address.
    Raw(&'a [u8]),
}

/// True if `signature` is valid for the request under one of `secrets`. `url` is the whole address Twilio called.
///
/// Every spelling of the address is tried under every secret whatever the result, and compared in constant time: the
/// duration depends on the size of the request and the number of secrets only. An empty secret matches nothing.
pub fn twilio_signature_fits(
    secrets: &[&str],
    url: &str,
    body: SignedBody<'_>,
    signature: &str,
) -> bool {
    fits(Hash::Sha1, secrets, url, body, signature)
}

/// True if `signature` is valid for the request under a *shared key* instead of the account's auth token.
///
/// An account can have its webhooks signed with keys of its own ("webhook rules", in public beta in 2026). Twilio
/// indicates this in an additional header, `X-Twilio-Webhooks-Signature-Settings`, whose value is
/// `key=webhooks_sharedkey_…,algorithm=HMAC_SHA256`; the signature is still in `X-Twilio-Signature`. The HMAC's key is
/// the secret that was shown when the shared key was created; the algorithm, `HMAC_SHA256` or `HMAC_SHA1`, is the
/// HMAC's hash. The hashed text, the base64 and `bodySHA256` are the same as for auth tokens. (`twilio` 9.13 of PyPI
/// and 6.3 of npm, and Twilio's page on shared keys.)
///
/// To authenticate a request: without the settings header, call [`twilio_signature_fits`] with the auth tokens. With
/// one settings header, call this function with the secrets of the shared keys and the header's value as `settings`,
/// and do not try the auth tokens, because the header says which kind of secret was used. With two settings headers,
/// refuse. If no shared key is configured the list is empty, and no signature is valid.
///
/// The header is not signed, and need not be: a party that changes it still lacks the key. `key=` names the shared key,
/// and is ignored because all given secrets are tried. Settings without an algorithm, with two, or with an unknown one
/// make every signature invalid.
pub fn twilio_settings_fits(
    secrets: &[&str],
    settings: &str,
    url: &str,
    body: SignedBody<'_>,
    signature: &str,
) -> bool {
    algorithm(settings).is_some_and(|hash| fits(hash, secrets, url, body, signature))
}

/// Returns the signature of a form posted to `url`, for a stand-in for Twilio. The address is signed as given.
pub fn twilio_sign(secret: &str, url: &str, fields: &[(String, String)]) -> String {
    sign(Hash::Sha1, secret, url, &canonical(fields))
}

/// Like [`twilio_sign`], but with the secret of a shared key and `algorithm=HMAC_SHA256`.
pub fn twilio_settings_sign(secret: &str, url: &str, fields: &[(String, String)]) -> String {
    sign(Hash::Sha256, secret, url, &canonical(fields))
}

fn fits(hash: Hash, secrets: &[&str], url: &str, body: SignedBody<'_>, signature: &str) -> bool {
    let (fields, body_fits) = match body {
        SignedBody::Form(fields) => (canonical(fields), Choice::from(1)),
        SignedBody::Raw(bytes) => {
            let named = body_hash_fits(url, bytes).unwrap_or(Choice::from(0));
            (String::new(), named)
        }
    };
    let mut fits = Choice::from(0);
    for spelling in spellings(url) {
        fits |= fits_one(secrets, signature, |secret| {
            sign(hash, secret, &spelling, &fields)
        });
    }
    (fits & body_fits).into()
}

fn sign(hash: Hash, secret: &str, url: &str, fields: &str) -> String {
    base64(&hmac(hash, secret, &[url.as_bytes(), fields.as_bytes()]))
}

/// Returns the algorithm in the value of a settings header; `None` when it has none, several, or an unknown one.
fn algorithm(settings: &str) -> Option<Hash> {
    let mut named = settings
        .split(',')
        .filter_map(|part| part.split_once('='))
        .filter(|(name, _)| name.trim() == "algorithm");
    let (Some((_, algorithm)), None) = (named.next(), named.next()) else {
        return None;
    };
    let algorithm = algorithm.trim();
    [("HMAC_SHA256", Hash::Sha256), ("HMAC_SHA1", Hash::Sha1)]
        .into_iter()
        .find(|known| algorithm.eq_ignore_ascii_case(known.0))
        .map(|known| known.1)
}

/// Concatenates the fields, each as its name followed by its value: names in byte order, the values of a name sorted
/// and without duplicates.
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

/// Returns the address as given and as [`other_port`] changes it, each with the query as given and normalised. Some of
/// the four may be equal.
fn spellings(url: &str) -> [String; 4] {
    let other = other_port(url);
    [
        normalised_query(url),
        normalised_query(&other),
        url.to_owned(),
        other,
    ]
}

/// Removes the port if there is one, else adds the scheme's standard port. The part before an `@` is kept.
fn other_port(url: &str) -> String {
    match Address::cut(url) {
        None => url.to_owned(),
        Some(address) if address.port.is_some() => address.without_port(),
        Some(address) => address.with_port(address.standard_port()),
    }
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
            serde_json::from_str(include_str!("../../../tests/vectors/twilio-signature.json"))
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
    fn connection_overrides_are_no_part_of_what_is_signed() {
        let called = "https://duty.example/hooks/twilio/call?step=3";
        let fits = |signed: &str| {
            twilio_signature_fits(
                &["secret"],
                called,
                SignedBody::Form(&[]),
                &twilio_sign("secret", signed, &[]),
            )
        };
        assert!(fits(called));
        assert!(fits("https://duty.example:443/hooks/twilio/call?step=3"));
        for overrides in ["#rc=2", "#rc=2&rp=5xx,rt&rt=5000", "#e=dublin", "#"] {
            assert!(!fits(&format!("{called}{overrides}")), "{overrides}");
        }
        assert!(!fits(
            "https://duty.example/hooks/twilio/call?step=3%23rc=2"
        ));
    }

    const SETTINGS: &str = "key=webhooks_sharedkey_01k9,algorithm=HMAC_SHA256";

    #[test]
    fn settings_name_the_hash_and_nothing_else_of_the_signature() {
        let url = "https://duty.example/hooks/twilio/call";
        let fields = [("To".to_owned(), "+861012345".to_owned())];
        let new = twilio_settings_sign("shared", url, &fields);
        let old = twilio_sign("shared", url, &fields);
        let fits = |secrets: &[&str], settings: &str, signature: &str| {
            twilio_settings_fits(secrets, settings, url, SignedBody::Form(&fields), signature)
        };
        // As computed by Twilio's libraries.
        assert_eq!(new, "FgdRUlQCz4yAx2EcswhCOTzWLbjJIA5ox1fKHSinRZA=");
        assert!(fits(&["shared"], SETTINGS, &new));
        assert!(fits(&["old", "shared"], SETTINGS, &new));
        assert!(fits(&["shared"], "algorithm=hmac_sha256", &new));
        assert!(fits(&["shared"], " algorithm = HMAC_SHA256 , key=x", &new));
        assert!(fits(&["shared"], "key=x,algorithm=HMAC_SHA1", &old));
        assert!(!fits(&["shared"], SETTINGS, &old));
        assert!(!fits(&["shared"], "key=x,algorithm=HMAC_SHA1", &new));
        assert!(!fits(&["auth token"], SETTINGS, &new));
        assert!(!fits(&[], SETTINGS, &new));
        let empty = twilio_settings_sign("", url, &fields);
        assert!(!fits(&[""], SETTINGS, &empty));
        for settings in [
            "",
            "key=x",
            "key=x,algorithm=",
            "key=x,algorithm=HMAC_SHA512",
            "key=x,algorithm=none",
            "algorithm=HMAC_SHA256,algorithm=HMAC_SHA256",
            "algorithm=HMAC_SHA1,algorithm=HMAC_SHA256",
            "key=x;algorithm=HMAC_SHA256",
            "ALGORITHM=HMAC_SHA256",
        ] {
            assert!(!fits(&["shared"], settings, &new), "{settings}");
            assert!(!fits(&["shared"], settings, &old), "{settings}");
        }
    }

    #[test]
    fn settings_cover_a_body_that_is_no_form() {
        let hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        let url = format!("https://duty.example/x?bodySHA256={hash}");
        let signature = twilio_settings_sign("s", &url, &[]);
        let fits =
            |body| twilio_settings_fits(&["s"], SETTINGS, &url, SignedBody::Raw(body), &signature);
        assert!(fits(b"{}"));
        assert!(!fits(b"{ }"));
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
                prop_assert!(!twilio_settings_fits(&[&secret], SETTINGS, url, SignedBody::Form(&fields), &signature));
                prop_assert!(!twilio_settings_fits(&[&secret], &signature, url, SignedBody::Raw(&raw), &signature));
                prop_assert!(!twilio_signature_fits(&[&secret], url, SignedBody::Form(&fields), &signature));
                prop_assert!(!twilio_signature_fits(&[&secret], url, SignedBody::Raw(&raw), &signature));
            }
        }

        #[test]
        fn what_was_signed_fits_in_any_order_and_no_other_way(
            url in "https://[a-z]{1,9}/[a-z]{0,9}", fields in proptest::collection::vec(("[A-Za-z]{1,4}", "\\PC{0,9}"), 0..8),
        ) {
            let signature = twilio_sign("secret", &url, &fields);
            let shared = twilio_settings_sign("secret", &url, &fields);
            prop_assert!(twilio_settings_fits(&["secret"], SETTINGS, &url, SignedBody::Form(&fields), &shared));
            prop_assert!(!twilio_settings_fits(&["secret"], SETTINGS, &url, SignedBody::Form(&fields), &signature));
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
