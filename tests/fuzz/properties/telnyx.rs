//! Telnyx's signature. Four lines of input: a timestamp, a body, a signature or public key, and another body.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dutyline::telephony::signature::{telnyx_fits, telnyx_public_key};
use ed25519_dalek::{Signer, SigningKey};

/// The property, for any bytes.
pub fn check(data: &[u8]) {
    let mut parts = data.splitn(4, |byte| *byte == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let (timestamp, body, given, other) = (part(), part(), part(), part());
    let (timestamp, given) = (
        String::from_utf8_lossy(timestamp),
        String::from_utf8_lossy(given),
    );
    let key = SigningKey::from_bytes(&[9; 32]);
    let public = key.verifying_key();
    let another = SigningKey::from_bytes(&[8; 32]).verifying_key();

    // Unless the timestamp is plain digits, no signature over it is valid.
    let plain =
        (1..=12).contains(&timestamp.len()) && timestamp.bytes().all(|b| b.is_ascii_digit());
    let at: i64 = if plain { timestamp.parse().unwrap() } else { 0 };
    let sign = |body: &[u8]| {
        let signed = [timestamp.as_bytes(), b"|", body].concat();
        STANDARD.encode(key.sign(&signed).to_bytes())
    };
    let signature = sign(body);
    let fits = |body: &[u8], signature: &str, now| {
        telnyx_fits(&[another, public], &timestamp, body, signature, now)
    };
    assert_eq!(fits(body, &signature, at), plain);
    assert_eq!(fits(body, &signature, at + 300), plain);
    assert!(!fits(body, &signature, at - 301));
    assert_eq!(fits(other, &signature, at), plain && other == body);
    assert!(!telnyx_fits(&[another], &timestamp, body, &signature, at));
    assert!(!telnyx_fits(&[], &timestamp, body, &signature, at));

    // Whatever is sent as a signature, and whatever is configured as a key.
    let known = given == signature || given == sign(other);
    assert!(known || !fits(body, &given, at));
    if let Some(key) = telnyx_public_key(&given) {
        assert_eq!(STANDARD.encode(key.as_bytes()), given);
        assert!(key == public || !telnyx_fits(&[key], &timestamp, body, &signature, at));
    }
}
