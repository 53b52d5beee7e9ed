//! The simulated provider: uses Twilio's dialect, on this machine only.

use super::carrier::{BadSettings, Carrier, is_loopback};
use super::twilio::{self, TwilioSettings};
use reqwest::Url;

/// Creates the provider of a simulated line. It differs from Twilio in its address, which must be on this machine, and
/// in that its ids stay valid when the address changes. `client` may be
/// [`loopback_client`](super::http_client::loopback_client), which needs no certificates.
///
/// # Errors
///
/// [`BadSettings::ApiUrl`] when the REST address is not an address, [`BadSettings::NotLoopback`] when it is not
/// `http://` on this machine, and the errors of [`twilio::provider`].
pub fn provider(settings: TwilioSettings, client: reqwest::Client) -> Result<Carrier, BadSettings> {
    let api = Url::parse(&settings.api_url).map_err(|_| BadSettings::ApiUrl)?;
    if api.scheme() != "http" || !is_loopback(&api) {
        return Err(BadSettings::NotLoopback);
    }
    let mut carrier = twilio::provider(settings, client)?;
    carrier.account.moves = true;
    Ok(carrier)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::hidden::Hidden;
    use crate::telephony::http_client::loopback_client;

    #[test]
    fn its_ids_outlive_a_change_of_port_and_those_of_others_do_not() {
        use crate::telephony::Provider;
        let client = loopback_client().unwrap();
        let settings = |account: &str, port: u16| TwilioSettings {
            name: "one".to_owned(),
            account: account.to_owned(),
            auth_tokens: vec![Hidden::new("token".to_owned())],
            signing_keys: Vec::new(),
            api_url: format!("http://127.0.0.1:{port}"),
            public_url: "http://127.0.0.1:8080".to_owned(),
        };
        let simulated = |account, port| {
            let carrier = provider(settings(account, port), client.clone());
            carrier.map(|carrier| carrier.account()).unwrap()
        };
        let carrier = |account, port| {
            let carrier = twilio::provider(settings(account, port), client.clone());
            carrier.map(|carrier| carrier.account()).unwrap()
        };
        assert_eq!(simulated("AC1", 1), simulated("AC1", 2));
        assert_ne!(simulated("AC1", 1), simulated("AC2", 1));
        assert_eq!(carrier("AC1", 1), carrier("AC1", 1));
        assert_ne!(carrier("AC1", 1), carrier("AC1", 2));
        assert_ne!(carrier("AC1", 1), carrier("AC2", 1));
    }

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
