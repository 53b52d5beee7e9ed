//! The simulated provider: speaks Twilio's dialect, on this machine only.

use super::carrier::{BadSettings, Carrier, is_loopback};
use super::twilio::{self, TwilioSettings};
use reqwest::Url;

/// The provider of a simulated line. Everything about it is Twilio's, but where it is; `client` may be
/// [`loopback_client`](super::rest::loopback_client), which needs no certificates.
///
/// # Errors
///
/// [`BadSettings::NotLoopback`] when its REST address is not `http://` on this machine, and what [`twilio::provider`] refuses.
pub fn provider(settings: TwilioSettings, client: reqwest::Client) -> Result<Carrier, BadSettings> {
    let api = Url::parse(&settings.api_url).map_err(|_| BadSettings::ApiUrl)?;
    if api.scheme() != "http" || !is_loopback(&api) {
        return Err(BadSettings::NotLoopback);
    }
    twilio::provider(settings, client)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hidden::Hidden;
    use crate::telephony::rest::loopback_client;

    #[test]
    fn it_is_on_this_machine_only() {
        let client = loopback_client().unwrap();
        let at = |api_url: &str| {
            let settings = TwilioSettings {
                name: "simulator".to_owned(),
                account: "AC1".to_owned(),
                auth_tokens: vec![Hidden::new("token".to_owned())],
                signing_keys: Vec::new(),
                api_url: api_url.to_owned(),
                public_url: "http://127.0.0.1:8080".to_owned(),
            };
            provider(settings, client.clone()).map(|_| ())
        };
        for here in [
            "http://127.0.0.1:9",
            "http://localhost:9/",
            "http://[::1]:9",
            "http://127.8.8.8",
        ] {
            assert_eq!(at(here), Ok(()), "{here}");
        }
        for elsewhere in [
            "https://127.0.0.1",
            "http://example.org",
            "http://127.0.0.1.example.org",
            "http://0.0.0.0:9",
        ] {
            assert_eq!(at(elsewhere), Err(BadSettings::NotLoopback), "{elsewhere}");
        }
        assert_eq!(at("nowhere"), Err(BadSettings::ApiUrl));
    }
}
