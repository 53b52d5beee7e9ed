//! SignalWire's signature. Three lines of input: the end of the address, a body, another body.

use dutyline::telephony::form::decode_lenient;
use dutyline::telephony::signature::{signalwire_fits, signalwire_sign};

const KEY: &str = "the signing key";

/// The property, for any bytes.
pub fn check(data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let (tail, body, other) = (String::from_utf8_lossy(part()), part(), part());
    // An address with a hash would need the body's hash; that case is tested beside the check.
    if tail.contains("bodySHA256") {
        return;
    }
    let url = format!("https://duty.example.org/hooks/signalwire/{tail}");
    let with_port = format!("https://duty.example.org:443/hooks/signalwire/{tail}");

    for is_form in [true, false] {
        let signature = signalwire_sign(KEY, &url, is_form, body);
        let fits = |keys: &[&str], url: &str, body: &[u8]| {
            signalwire_fits(keys, url, is_form, body, &signature)
        };
        assert!(fits(&[KEY], &url, body));
        assert!(fits(&["the next key", KEY], &url, body));
        assert!(!fits(&["another's key", ""], &url, body));
        assert!(!fits(&[KEY], &format!("{url}x"), body));
        assert_eq!(fits(&[KEY], &with_port, body), is_form);

        let same = if is_form {
            joined(body) == joined(other)
        } else {
            body == other
        };
        assert_eq!(fits(&[KEY], &url, other), same);
    }

    // Whatever is sent as a signature, and whatever the address.
    let text = String::from_utf8_lossy(other);
    for is_form in [true, false] {
        assert!(!signalwire_fits(&[KEY], &tail, is_form, body, &text));
        assert!(!signalwire_fits(&[KEY], &text, is_form, body, &tail));
    }
}

fn joined(body: &[u8]) -> String {
    let mut fields = decode_lenient(body);
    fields.sort_by(|one, other| one.0.cmp(&other.0));
    fields
        .iter()
        .map(|field| format!("{}{}", field.0, field.1))
        .collect()
}
