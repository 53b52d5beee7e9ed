//! Refused webhooks, told to operators: which check failed and at which address, at most one line a minute for each
//! provider and check. Never a value, a number, a token or a body.

use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// One line a provider and check in this time.
const QUIET: TimeDelta = TimeDelta::seconds(60);

/// The names of parameters in addresses made here. Others come from outside, and are not shown.
const PARAMETERS: [&str; 6] = ["call", "line", "step", "nothing", "recorded", "bodySHA256"];

/// What has been told of refusals. As many entries as there are providers and checks, at most.
#[derive(Default)]
pub struct Refusals(Mutex<BTreeMap<(String, &'static str), Told>>);

struct Told {
    at: DateTime<Utc>,
    /// Refused since, and not told.
    silent: u64,
}

impl Refusals {
    /// Counts a refusal at `now`, in system time. `Some` when it is to be told: how many of its kind were not, since the
    /// last one that was.
    pub fn count(&self, provider: &str, check: &'static str, now: DateTime<Utc>) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = (provider.to_owned(), check);
        if let Some(last) = told.get_mut(&kind)
            && last.at <= now
            && now - last.at < QUIET
        {
            last.silent += 1;
            return None;
        }
        let last = told.insert(kind, Told { at: now, silent: 0 });
        Some(last.map_or(0, |last| last.silent))
    }
}

/// Hooks whose path holds ids and a token behind the hook's name.
const WITH_TOKENS: [&str; 2] = ["/take/", "/listen/"];

/// An address of ours without what it carries: of its query the names that are made here stay, with `…` as the value, and of
/// an address with a token only what stands before that.
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
    // A flood of names makes no flood of log.
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

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_760_000_000 + second, 0).unwrap()
    }

    #[test]
    fn the_first_refusal_of_a_kind_in_a_minute_is_told() {
        let refusals = Refusals::default();
        assert_eq!(refusals.count("twilio", "account", at(0)), Some(0));
        for second in 0..60 {
            assert_eq!(refusals.count("twilio", "account", at(second)), None);
        }
        // Another check and another provider have a minute of their own.
        assert_eq!(refusals.count("twilio", "form", at(1)), Some(0));
        assert_eq!(refusals.count("telnyx", "account", at(1)), Some(0));
        assert_eq!(refusals.count("twilio", "account", at(60)), Some(60));
        assert_eq!(refusals.count("twilio", "account", at(61)), None);
        // A clock that is put back silences nothing.
        assert_eq!(refusals.count("twilio", "account", at(-1_000)), Some(1));
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
