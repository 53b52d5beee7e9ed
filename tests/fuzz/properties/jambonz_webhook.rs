//! Any body of a jambonz webhook: nothing panics, and an accepted event matches the body, belongs to the account, and
//! is short.

use dutyline::telephony::jambonz::webhook::read;

/// The account of every accepted webhook.
const ACCOUNT: &str = "9351f46a";

/// The property, for any bytes.
pub fn check(data: &[u8]) {
    let Ok(event) = read(data, ACCOUNT) else {
        return;
    };
    let body = String::from_utf8_lossy(data);
    assert!(
        body.contains("account_sid") || body.contains('\\'),
        "whose it is"
    );
    for text in [event.call.expose(), event.to.expose()] {
        assert!(text.chars().count() <= 256);
    }
    assert_eq!(event.names_a_call(), !event.call.expose().is_empty());
    assert!(
        event.keys.is_none() || event.unnamed.is_none(),
        "a key ends a recording, or is pressed"
    );
    assert!(
        event.recording.is_none(),
        "what was recorded is known here alone"
    );
}
