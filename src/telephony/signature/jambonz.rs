//! jambonz's signature: `Jambonz-Signature: t=…,v1=…`, where `t` is the time in seconds and `v1` an HMAC-SHA256 in
//! lower-case hexadecimal, keyed with the account's webhook secret, over `t`, a dot and the raw body. The rule is taken
//! from `lib/utils/base-requestor.js` of jambonz-feature-server, which makes the signature, and from
//! `@jambonz/node-client` 0.4, which checks it.
//!
//! There may be several `v1`, for several secrets; one valid signature is enough. Other items in the header are
//! ignored. jambonz's own check accepts any time in the future; this one accepts at most [`WINDOW`](super::WINDOW)
//! seconds.
//!
//! A webhook by GET is signed over a body that is not sent, and is never valid: jambonz's hooks must be configured as
//! POST.

use super::{Hash, fits_one, hexadecimal, hmac, is_fresh};
use subtle::Choice;

/// Maximum number of `v1` in a header; one with more is not valid. jambonz sends one.
const MAX_SIGNATURES: usize = 8;

/// True if one of the header's signatures is valid for the body under one of `secrets`, and the header has exactly one
/// time, at most [`WINDOW`](super::WINDOW) seconds from `now_unix`. `header` is the value of `Jambonz-Signature`,
/// `now_unix` is system time in seconds.
pub fn jambonz_fits(secrets: &[&str], header: &str, body: &[u8], now_unix: i64) -> bool {
    let (mut times, mut signatures) = (Vec::new(), Vec::new());
    for (name, value) in header.split(',').filter_map(|item| item.split_once('=')) {
        match name {
            "t" => times.push(value),
            "v1" => signatures.push(value),
            _ => {}
        }
    }
    let [timestamp] = times[..] else {
        return false;
    };
    if signatures.len() > MAX_SIGNATURES || !is_fresh(timestamp, now_unix) {
        return false;
    }
    let mut fits = Choice::from(0);
    for signature in signatures {
        fits |= fits_one(secrets, signature, |secret| sign(secret, timestamp, body));
    }
    fits.into()
}

/// True if the header has exactly one time, at most [`WINDOW`](super::WINDOW) seconds from `now_unix`.
pub fn jambonz_is_fresh(header: &str, now_unix: i64) -> bool {
    let mut times = header.split(',').filter_map(|item| item.strip_prefix("t="));
    let only = times.next().filter(|_| times.next().is_none());
    only.is_some_and(|timestamp| is_fresh(timestamp, now_unix))
}

/// Returns the header's value for a body sent at `at_unix` (system time in seconds), for a stand-in for jambonz.
pub fn jambonz_sign(secret: &str, body: &[u8], at_unix: i64) -> String {
    let timestamp = at_unix.to_string();
    format!("t={timestamp},v1={}", sign(secret, &timestamp, body))
}

fn sign(secret: &str, timestamp: &str, body: &[u8]) -> String {
    let parts = [timestamp.as_bytes(), b".", body];
    hexadecimal(&hmac(Hash::Sha256, secret, &parts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    const NOW: i64 = 1_760_000_000;

    #[test]
    fn the_vector_fits_and_nothing_beside_it() {
        let vector: Value = serde_json::from_str(include_str!(
            "../../../tests/vectors/jambonz-signature-derived.json"
        ))
        .unwrap();
        let text = |name: &str| vector[name].as_str().unwrap();
        let (secret, body) = (text("secret"), text("raw_body").as_bytes());
        let header = text("header").strip_prefix("Jambonz-Signature: ").unwrap();
        let at = vector["timestamp"].as_i64().unwrap();
        assert_eq!(jambonz_sign(secret, body, at), header);
        for now in [at - 300, at, at + 300] {
            assert!(jambonz_fits(&[secret], header, body, now));
        }
        for now in [at - 301, at + 301, 0, i64::MIN, i64::MAX] {
            assert!(!jambonz_fits(&[secret], header, body, now));
        }
        assert!(jambonz_fits(&["next", secret], header, body, at));
        assert!(!jambonz_fits(&["next"], header, body, at));
        assert!(!jambonz_fits(&[], header, body, at));
        assert!(!jambonz_fits(&[secret], header, &body[1..], at));
        let later = header.replace("t=1760000000", "t=1760000001");
        assert!(!jambonz_fits(&[secret], &later, body, at));
    }

    #[test]
    fn one_time_and_a_few_signatures_are_read() {
        let signed = jambonz_sign("s", b"{}", NOW);
        let (time, signature) = signed.split_once(',').unwrap();
        let other = format!("v1={}", "0".repeat(64));
        let fits = |header: &str| jambonz_fits(&["s"], header, b"{}", NOW);
        for good in [
            format!("{signature},{time}"),
            format!("{time},{other},{signature}"),
            format!("{time},{signature},{other}"),
            format!("{time},v0=1,{signature},,x"),
            format!("{time},{},{signature}", [other.as_str(); 7].join(",")),
        ] {
            assert!(fits(&good), "{good}");
        }
        let upper = signature.to_uppercase().replace("V1", "v1");
        for bad in [
            String::new(),
            time.to_owned(),
            signature.to_owned(),
            format!("{time},{time},{signature}"),
            format!("t=1,{time},{signature}"),
            format!("{time},{},{signature}", [other.as_str(); 8].join(",")),
            format!("{time}, {signature}"),
            format!("{time};{signature}"),
            format!("{time},{upper}"),
            format!("{time},{signature}="),
            format!("{time},v2={}", &signature[3..]),
            format!("T{},{signature}", &time[1..]),
            format!("{time}.0,{signature}"),
        ] {
            assert!(!fits(&bad), "{bad}");
        }
    }

    #[test]
    fn an_empty_secret_fits_nothing() {
        let header = jambonz_sign("", b"{}", NOW);
        assert!(!jambonz_fits(&[""], &header, b"{}", NOW));
    }

    proptest! {
        #[test]
        fn nothing_unsigned_fits(
            header in "\\PC*", near in "(t=[0-9]{0,12}|v1=[0-9a-f]{0,64}|[,=tv1])*", secret in "\\PC*", body: Vec<u8>, now: i64,
        ) {
            prop_assert!(!jambonz_fits(&[&secret], &header, &body, now));
            prop_assert!(!jambonz_fits(&[&secret], &near, &body, now));
            let fresh = format!("t={NOW},{near}");
            prop_assert!(!jambonz_fits(&[&secret], &fresh, &body, NOW));
        }

        #[test]
        fn what_was_signed_fits_and_no_other_way(
            secret in "\\PC{1,20}", body: Vec<u8>, at in 0..100_000_000_000i64, off in -300..=300i64,
        ) {
            let header = jambonz_sign(&secret, &body, at);
            prop_assert!(jambonz_fits(&[&secret], &header, &body, at + off));
            let longer = format!("{secret}x");
            prop_assert!(!jambonz_fits(&[&longer], &header, &body, at));
            let mut changed = body.clone();
            changed.push(b'x');
            prop_assert!(!jambonz_fits(&[&secret], &header, &changed, at));
        }
    }
}
