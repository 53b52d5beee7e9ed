//! Somleng's signature. Three lines of input: the end of the address, a form, another form.

use dutyline::telephony::form::decode_lenient;
use dutyline::telephony::signature::{somleng_fits, somleng_sign};

const TOKEN: &str = "the account's token";

/// The property, for any bytes.
pub fn check(data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let tail = String::from_utf8_lossy(part());
    let (fields, others) = (decode_lenient(part()), decode_lenient(part()));
    let url = format!("https://duty.example.org/hooks/somleng/{tail}");
    let with_port = format!("https://duty.example.org:443/hooks/somleng/{tail}");

    let signature = somleng_sign(TOKEN, &url, &fields);
    let fits = |tokens: &[&str], url: &str, fields: &[(String, String)]| {
        somleng_fits(tokens, url, fields, &signature)
    };
    let turned: Vec<_> = fields.iter().rev().cloned().collect();
    assert!(fits(&[TOKEN], &url, &turned));
    assert!(fits(&["the next token", TOKEN], &url, &fields));
    assert!(!fits(&["another's token", ""], &url, &fields));
    assert!(!fits(&[TOKEN], &with_port, &fields));
    // The address is compared as it is, including a fragment.
    assert!(!fits(&[TOKEN], &format!("{url}#"), &fields));

    let same = joined(&fields) == joined(&others);
    assert_eq!(fits(&[TOKEN], &url, &others), same);
    assert!(!somleng_fits(&[TOKEN], &tail, &fields, &tail));
}

fn joined(fields: &[(String, String)]) -> String {
    let mut sorted: Vec<_> = fields.iter().collect();
    sorted.sort();
    sorted
        .iter()
        .map(|field| format!("{}{}", field.0, field.1))
        .collect()
}
