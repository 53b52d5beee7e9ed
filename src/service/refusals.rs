//! Bounds and shortens log lines about refused webhooks: which check failed and at which address, at most one line a
//! minute for each provider and check. Addresses are logged without values, numbers and tokens, and bodies are not
//! logged.

use crate::service::log_pace::LogPace;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Names of the parameters in addresses that the service makes. Other names come from outside, and are not logged.
const PARAMETERS: [&str; 6] = ["call", "line", "step", "nothing", "recorded", "bodySHA256"];

/// Paces of log lines by provider and check. There are few of both, so the map stays small.
#[derive(Default)]
pub struct Refusals(Mutex<BTreeMap<(String, &'static str), LogPace>>);

impl Refusals {
    /// Returns the number of refusals by this check held back since the last one that was logged, if one may be logged
    /// now; otherwise `None`.
    pub fn due(&self, provider: &str, check: &'static str) -> Option<u64> {
        let mut paces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = (provider.to_owned(), check);
        paces.entry(kind).or_default().due()
    }
}

/// Parts of an address after which ids and a token follow.
const WITH_TOKENS: [&str; 2] = ["/take/", "/listen/"];

/// Returns an address of the service without the values of its query parameters. Parameters that the service does not
/// make lose their names too. An address that contains a token is cut before its ids.
pub fn without_values(url: &str) -> String {
    let (address, query) = match url.split_once('?') {
        Some((address, query)) => (address, Some(query)),
        None => (url, None),
    };
    for hook in WITH_TOKENS {
        if let Some(at) = address.find(hook) {
            return format!("{}…", &address[..at + hook.len()]);
        }
    }
    let Some(query) = query else {
        return address.to_owned();
    };
    let names = query.split('&').map(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        match PARAMETERS.contains(&name) {
            true => format!("{name}=…"),
            false => "…".to_owned(),
        }
    });
    // Bounds the log line when the query has very many parameters.
    let names: Vec<String> = names.take(2 * PARAMETERS.len()).collect();
    format!("{address}?{}", names.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_without_what_it_carries() {
        let url = "https://duty.example.org/hooks/twilio/";
        for (path, told) in [
            ("call", "call"),
            ("step?call=1&line=fcg-5&x=2", "step?call=…&line=…&…"),
            ("take/935e43f6/2/IlhiMQg8", "take/…"),
            ("take/935e43f6/2/IlhiMQg8?x=1", "take/…"),
            ("listen/935e43f6/2/60/0/key", "listen/…"),
        ] {
            assert_eq!(
                without_values(&format!("{url}{path}")),
                format!("{url}{told}")
            );
        }
    }

    #[test]
    fn the_first_refusal_of_a_kind_in_a_minute_is_due() {
        let refusals = Refusals::default();
        assert_eq!(refusals.due("twilio", "account"), Some(0));
        assert_eq!(refusals.due("twilio", "account"), None);
        // Another check and another provider each have a minute of their own.
        assert_eq!(refusals.due("twilio", "form"), Some(0));
        assert_eq!(refusals.due("telnyx", "account"), Some(0));
    }

    #[test]
    fn no_value_of_an_address_is_shown() {
        let shown = |query: &str| without_values(&format!("https://x.example/hooks/t/step{query}"));
        assert_eq!(shown(""), "https://x.example/hooks/t/step");
        assert_eq!(
            shown("?call=c1&line=fcg-5&step=2"),
            "https://x.example/hooks/t/step?call=…&line=…&step=…"
        );
        assert_eq!(
            shown("?From=%2B8613800138000&13800138000"),
            "https://x.example/hooks/t/step?…&…"
        );
        assert!(shown(&format!("?{}", "a&".repeat(10_000))).len() < 200);
    }
}
