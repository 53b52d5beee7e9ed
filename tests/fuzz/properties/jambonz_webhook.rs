//! Any body of a webhook of jambonz: nothing breaks, and what is taken in is what it says, of the one account, and short.

use dutyline::telephony::jambonz::webhook::read;

/// The account every webhook has to be of.
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
