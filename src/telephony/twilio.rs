//! Twilio, and providers that implement its dialect exactly.
//!
//! Webhooks are forms signed with the account's auth token or a shared key; scripts are TwiML; recordings are fetched
//! and deleted over version 2010-04-01 of the REST API.

use super::carrier::account::{Account, Credentials, JSON, Sound, Spelling};
use super::carrier::{
    BadSettings, Carrier, Signed, api_url, fallback_links, missing_or_wrong, only, secrets, shown,
    signed_fields,
};
use super::http_client::is_id;
use super::signature::{SignedBody, twilio_settings_fits, twilio_signature_fits};
use super::{Capabilities, RawRequest, Refused, twiml};
use crate::base::hidden::Hidden;

/// Configuration of an account at Twilio.
#[derive(Clone, Debug)]
pub struct TwilioSettings {
    /// The provider's name in the configuration: the `{provider}` of `/hooks/{provider}/…`.
    pub name: String,
    /// The account's id (`AC…`).
    pub account: String,
    /// The account's auth token; two while it is being rotated, the one in use first.
    pub auth_tokens: Vec<Hidden<String>>,
    /// The secrets of shared keys (`webhooks_sharedkey_…`), if the account has its webhooks signed with one: two while
    /// one is being replaced, none otherwise.
    pub signing_keys: Vec<Hidden<String>>,
    /// The REST address, in production `https://api.twilio.com`.
    pub api_url: String,
    /// Public URL of this service, as entered at the provider.
    pub public_url: String,
}

/// Creates the provider for an account at Twilio. `client` sends the requests to its REST API:
/// [`rest_client`](super::http_client::rest_client) for https,
/// [`loopback_client`](super::http_client::loopback_client) for http on this machine.
///
/// # Errors
///
/// [`BadSettings::Account`], [`BadSettings::Secrets`] or [`BadSettings::ApiUrl`] when that setting is not usable.
pub fn provider(settings: TwilioSettings, client: reqwest::Client) -> Result<Carrier, BadSettings> {
    if !is_id(&settings.account) {
        return Err(BadSettings::Account);
    }
    let tokens = secrets(settings.auth_tokens)?;
    let shared = match settings.signing_keys.is_empty() {
        true => Vec::new(),
        false => secrets(settings.signing_keys)?,
    };
    Ok(Carrier {
        fallback: fallback_links(&settings.public_url, &settings.name),
        name: settings.name,
        signed: Box::new(Keys {
            tokens: tokens.clone(),
            shared,
        }),
        dialect: &twiml::TWILIO,
        capabilities: Capabilities {
            speaks_while_recording: false,
            has_voice: true,
            asks_who_picks_up: true,
            hears_silence: true,
            knows_silence: true,
            deletes: true,
            streams_recordings: false,
        },
        account: Account {
            origin: api_url(&settings.api_url)?,
            path: format!("/2010-04-01/Accounts/{}", settings.account),
            id: settings.account,
            credentials: Credentials::Basic(tokens),
            spelling: Spelling {
                call: JSON,
                calls: JSON,
                recording: JSON,
                recordings: JSON,
                below_calls: true,
            },
            sound: Sound::Here(None),
            moves: false,
            client,
        },
    })
}

struct Keys {
    tokens: Vec<Hidden<String>>,
    shared: Vec<Hidden<String>>,
}

/// Header that is present when a shared key signed the request; it names the key and the algorithm.
const SETTINGS: &str = "x-twilio-webhooks-signature-settings";

impl Signed for Keys {
    fn headers(&self) -> &'static [&'static str] {
        &["x-twilio-signature", SETTINGS]
    }

    fn fits(&self, request: &RawRequest) -> bool {
        let Some(signature) = only(request, "x-twilio-signature") else {
            return false;
        };
        let fields = signed_fields(request);
        let body = match &fields {
            Some(fields) => SignedBody::Form(fields),
            None => SignedBody::Raw(&request.body),
        };
        let url = &request.url;
        if !request.headers.contains_key(SETTINGS) {
            return twilio_signature_fits(&shown(&self.tokens), url, body, signature);
        }
        only(request, SETTINGS).is_some_and(|settings| {
            twilio_settings_fits(&shown(&self.shared), settings, url, body, signature)
        })
    }

    fn why(&self, request: &RawRequest) -> Refused {
        missing_or_wrong(request, &["x-twilio-signature"])
    }
}

#[cfg(test)]
pub(super) mod tests;
