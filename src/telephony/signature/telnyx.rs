//! Telnyx's signature: Ed25519, in base64 in `telnyx-signature-ed25519`, over the timestamp in `telnyx-timestamp`, a
//! `|` and the raw body. The rule is taken from Telnyx's libraries (`telnyx` 4.189 of PyPI,
//! `lib/webhook_verification.py`).
//!
//! Verification is strict: keys and commitments of small order and alternative encodings of a signature are rejected.
//! So a signature cannot be changed in transit into another valid one for the same request.

use super::is_fresh;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signature;

/// A public key of an account at Telnyx.
pub use ed25519_dalek::VerifyingKey as TelnyxKey;

/// True if the signature is valid for timestamp and body under one of the keys, and the timestamp is at most
/// [`WINDOW`](super::WINDOW) seconds from `now_unix`, the system time in seconds. `timestamp` and `signature_base64`
/// are the headers' values.
pub fn telnyx_fits(
    public_keys: &[TelnyxKey],
    timestamp: &str,
    body: &[u8],
    signature_base64: &str,
    now_unix: i64,
) -> bool {
    if !is_fresh(timestamp, now_unix) {
        return false;
    }
    let Ok(signature) = STANDARD.decode(signature_base64) else {
        return false;
    };
    let Ok(signature) = Signature::from_slice(&signature) else {
        return false;
    };
    let signed = [timestamp.as_bytes(), b"|", body].concat();
    // No constant time is needed, because no value here is secret.
    public_keys
        .iter()
        .any(|key| key.verify_strict(&signed, &signature).is_ok())
}

/// True if `timestamp`, the value of `telnyx-timestamp`, is at most [`WINDOW`](super::WINDOW) seconds from `now_unix`.
pub fn telnyx_is_fresh(timestamp: &str, now_unix: i64) -> bool {
    is_fresh(timestamp, now_unix)
}

/// Parses a public key as Telnyx's portal shows it, the base64 of 32 bytes. `None` when it is not that, is not a point
/// of the curve, or is one of the weak keys under which a signature proves nothing.
pub fn telnyx_public_key(base64: &str) -> Option<TelnyxKey> {
    let bytes: [u8; 32] = STANDARD.decode(base64).ok()?.try_into().ok()?;
    let key = TelnyxKey::from_bytes(&bytes).ok()?;
    (!key.is_weak()).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer, SigningKey};
    use proptest::prelude::*;
    use serde_json::Value;

    fn sign(key: &SigningKey, timestamp: &str, body: &[u8]) -> String {
        let signed = [timestamp.as_bytes(), b"|", body].concat();
        STANDARD.encode(key.sign(&signed).to_bytes())
    }

    #[test]
    fn the_vector_fits_and_nothing_beside_it() {
        let vector: Value = serde_json::from_str(include_str!(
            "../../../tests/vectors/telnyx-signature-derived.json"
        ))
        .unwrap();
        let text = |name: &str| vector[name].as_str().unwrap();
        let key = telnyx_public_key(text("public_key_b64")).unwrap();
        let other = SigningKey::from_bytes(&[7; 32]).verifying_key();
        let at = vector["timestamp"].as_i64().unwrap();
        let (timestamp, body) = (at.to_string(), text("raw_body").as_bytes());
        let signature = text("signature_b64");
        let fits = |keys: &[TelnyxKey], timestamp: &str, body: &[u8], signature: &str, now| {
            telnyx_fits(keys, timestamp, body, signature, now)
        };
        for now in [at - 300, at, at + 300] {
            assert!(fits(&[key], &timestamp, body, signature, now));
        }
        for now in [at - 301, at + 301, 0, i64::MIN, i64::MAX] {
            assert!(!fits(&[key], &timestamp, body, signature, now));
        }
        assert!(fits(&[other, key], &timestamp, body, signature, at));
        assert!(!fits(&[other], &timestamp, body, signature, at));
        assert!(!fits(&[], &timestamp, body, signature, at));
        assert!(!fits(&[key], &timestamp, &body[1..], signature, at));
        for timestamp in ["1760000001", "01760000000", "+1760000000", " 1760000000"] {
            assert!(!fits(&[key], timestamp, body, signature, at));
        }
        let unpadded = signature.trim_end_matches('=');
        let again = format!("{signature}{signature}");
        for signature in ["", "AAAA", &signature[4..], unpadded, &again] {
            assert!(!fits(&[key], &timestamp, body, signature, at));
        }
        // The same 64 bytes, if the unused bits at the end were ignored.
        let loose = signature.replace("w==", "x==");
        assert_ne!(loose, signature);
        assert!(!fits(&[key], &timestamp, body, &loose, at));
    }

    #[test]
    fn a_signature_has_one_encoding() {
        // S + L instead of S: equivalent in a check that is not strict.
        const ORDER: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9,
            0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let key = SigningKey::from_bytes(&[1; 32]);
        let signature = sign(&key, "1760000000", b"x");
        let mut bytes = STANDARD.decode(&signature).unwrap();
        let mut carry = 0;
        for (byte, more) in bytes[32..].iter_mut().zip(ORDER) {
            let sum = u16::from(*byte) + u16::from(more) + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        let fits = |signature: &str| {
            telnyx_fits(
                &[key.verifying_key()],
                "1760000000",
                b"x",
                signature,
                1_760_000_000,
            )
        };
        assert!(fits(&signature));
        assert!(!fits(&STANDARD.encode(bytes)));
    }

    #[test]
    fn a_weak_key_signs_nothing_even_where_it_got_in() {
        // With the neutral element as public key the equation holds for any body, without knowledge of any secret.
        let neutral: [u8; 32] = std::array::from_fn(|at| u8::from(at == 0));
        let key = TelnyxKey::from_bytes(&neutral).unwrap();
        let signature = [neutral, [0; 32]].concat();
        let loose = Signature::from_slice(&signature).unwrap();
        assert!(ed25519_dalek::Verifier::verify(&key, b"1760000000|x", &loose).is_ok());
        assert!(!telnyx_fits(
            &[key],
            "1760000000",
            b"x",
            &STANDARD.encode(signature),
            1_760_000_000
        ));
    }

    #[test]
    fn only_a_sound_point_is_a_public_key() {
        assert!(telnyx_public_key("11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=").is_some());
        let neutral: [u8; 32] = std::array::from_fn(|at| u8::from(at == 0));
        let no_point: [u8; 32] = std::array::from_fn(|at| if at == 0 { 2 } else { 0 });
        for bad in [
            String::new(),
            "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo".to_owned(),
            " 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=".to_owned(),
            STANDARD.encode([1; 31]),
            STANDARD.encode([1; 33]),
            STANDARD.encode([0; 32]),
            STANDARD.encode(neutral),
            STANDARD.encode(no_point),
            "KEY0123456789".to_owned(),
        ] {
            assert!(telnyx_public_key(&bad).is_none(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn nothing_unsigned_fits(
            timestamp in "\\PC*", body: Vec<u8>, signature in "\\PC*", raw: [u8; 32], now: i64, text in "\\PC*",
        ) {
            let key = SigningKey::from_bytes(&raw).verifying_key();
            prop_assert!(!telnyx_fits(&[key], &timestamp, &body, &signature, now));
            let signature = STANDARD.encode([raw, raw].concat());
            prop_assert!(!telnyx_fits(&[key], "1760000000", &body, &signature, 1_760_000_000));
            telnyx_public_key(&text);
            telnyx_public_key(&STANDARD.encode(raw));
        }

        #[test]
        fn what_was_signed_fits_and_no_other_way(
            seed: [u8; 32], body: Vec<u8>, at in 0..100_000_000_000i64, off in -300..=300i64, byte: usize, bit in 0..8,
        ) {
            let key = SigningKey::from_bytes(&seed);
            let public = telnyx_public_key(&STANDARD.encode(key.verifying_key().as_bytes())).unwrap();
            let timestamp = at.to_string();
            let signature = sign(&key, &timestamp, &body);
            prop_assert!(telnyx_fits(&[public], &timestamp, &body, &signature, at + off));
            let mut changed = body.clone();
            changed.push(b'x');
            prop_assert!(!telnyx_fits(&[public], &timestamp, &changed, &signature, at));
            let mut flipped = STANDARD.decode(&signature).unwrap();
            flipped[byte % 64] ^= 1u8 << bit;
            prop_assert!(!telnyx_fits(&[public], &timestamp, &body, &STANDARD.encode(flipped), at));
            let later = (at + 1).to_string();
            prop_assert!(!telnyx_fits(&[public], &later, &body, &signature, at));
        }
    }
}
