//! Twilio's signature with a shared key. Three lines of input: the settings header, the end of the address, a form.

use dutyline::telephony::form::decode_lenient;
use dutyline::telephony::signature::{
    SignedBody, twilio_settings_fits, twilio_settings_sign, twilio_sign, twilio_signature_fits,
};

const SECRET: &str = "the shared key";

/// The property, for any bytes.
pub fn check(data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let settings = String::from_utf8_lossy(part());
    let tail = String::from_utf8_lossy(part());
    let fields = decode_lenient(part());
    let url = format!("https://duty.example.org/hooks/twilio/{tail}");
    let body = SignedBody::Form(&fields);

    let new = twilio_settings_sign(SECRET, &url, &fields);
    let old = twilio_sign(SECRET, &url, &fields);
    let fits = |secrets: &[&str], settings: &str, signature: &str| {
        twilio_settings_fits(secrets, settings, &url, body, signature)
    };
    let sha256 = "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256";
    assert!(fits(&["the next key", SECRET], sha256, &new));
    assert!(!fits(&[SECRET], sha256, &old));
    assert!(!fits(&["another key", ""], sha256, &new));
    assert!(!twilio_signature_fits(&[SECRET], &url, body, &new));

    // Any settings name one of the two hashes, or none; never both.
    let takes = [
        fits(&[SECRET], &settings, &new),
        fits(&[SECRET], &settings, &old),
    ];
    let named = settings.to_ascii_uppercase();
    assert!(!takes[0] || named.contains("HMAC_SHA256"));
    assert!(!takes[1] || named.contains("HMAC_SHA1"));
    assert!(takes != [true, true]);
    // Settings with a second algorithm are invalid.
    let doubled = format!("{sha256},{settings}");
    let second = settings
        .split(',')
        .filter_map(|part| part.split_once('='))
        .any(|part| part.0.trim() == "algorithm");
    assert_eq!(fits(&[SECRET], &doubled, &new), !second);

    // Whatever is sent as a signature.
    assert!(!fits(&[SECRET], sha256, &tail));
    assert!(!fits(&[SECRET], &settings, &settings));
}
