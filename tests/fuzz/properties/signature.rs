//! The signature check compared with the simulated provider's signer, which shares no code with it. Three lines of
//! input: the end of the address, a body, another body.

use dutyline::base::hidden::Hidden;
use dutyline::simulator::signer::sign;
use dutyline::telephony::form::decode_lenient;
use dutyline::telephony::signature::{SignedBody, twilio_signature_fits};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

const TOKEN: &str = "the account's token";

/// The property, for any bytes.
pub fn check(data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let (tail, body, other) = (String::from_utf8_lossy(part()), part(), part());
    let token = Hidden::new(TOKEN.to_owned());
    let url = format!("https://duty.example.org/hooks/twilio/{tail}");

    let fields = decode_lenient(body);
    let signature = sign(&token, &url, &fields);
    let fits = |secrets: &[&str], url: &str, body| {
        twilio_signature_fits(secrets, url, SignedBody::Form(body), &signature)
    };
    assert!(fits(&[TOKEN], &url, &fields));
    assert!(fits(&["the next token", TOKEN], &url, &fields));
    assert!(!fits(&["another's token", ""], &url, &fields));
    assert!(!fits(&[TOKEN], &format!("{url}x"), &fields));

    // Twilio does not separate a name from its value: `ab=c` and `a=bc` have the same signature. Every other difference
    // counts.
    let others = decode_lenient(other);
    let same = joined(&others) == joined(&fields);
    assert_eq!(fits(&[TOKEN], &url, &others), same);

    // The address contains the hash of a body that is not a form.
    if !tail.contains(['#', '?']) {
        let hash: String = Sha256::digest(body)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        let url = format!("{url}?bodySHA256={hash}");
        let signature = sign(&token, &url, &[]);
        let fits = |body| twilio_signature_fits(&[TOKEN], &url, SignedBody::Raw(body), &signature);
        assert!(fits(body));
        assert_eq!(fits(other), other == body);
    }

    // Whatever is sent as a signature, and whatever the address.
    let fields = SignedBody::Form(&fields);
    assert!(!twilio_signature_fits(&[TOKEN], &tail, fields, &tail));
}

fn joined(fields: &[(String, String)]) -> String {
    let sorted: BTreeSet<_> = fields.iter().collect();
    sorted
        .iter()
        .map(|field| format!("{}{}", field.0, field.1))
        .collect()
}
