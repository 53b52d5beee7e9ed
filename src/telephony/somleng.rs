//! Somleng, an open-source exchange modelled on Twilio: a dialect of TwiML with fewer features.
//!
//! Somleng cannot ask the called party anything before connecting a dialled call, so no roster member is dialled. The
//! action of a `Record` is requested with the recording's address and duration. Somleng's API cannot delete a
//! recording.

use super::carrier::account::{Account, Credentials, JSON, Sound, Spelling};
use super::carrier::{
    BadSettings, Carrier, Media, Signed, api_url, fallback_links, missing_or_wrong, only, secrets,
    shown, signed_fields,
};
use super::http_client::is_id;
use super::signature::somleng_fits;
use super::{Capabilities, RawRequest, Refused, twiml};
use crate::base::hidden::Hidden;

/// Configuration of an account at Somleng.
pub struct SomlengSettings {
    /// The provider's name in the configuration.
    pub name: String,
    /// The account's id, a UUID.
    pub account: String,
    /// The account's auth token; two while it is being replaced.
    pub auth_tokens: Vec<Hidden<String>>,
    /// The REST address, in production `https://api.somleng.org`.
    pub api_url: String,
    /// Hosts to which the request for a recording may be redirected; `None` if the audio has to be at the API's own
    /// address.
    pub media: Option<Media>,
    /// Public URL of this service, as entered at the provider.
    pub public_url: String,
}

/// Creates the provider for an account at Somleng. `client` sends the requests to its REST API:
/// [`rest_client`](super::http_client::rest_client) for https,
/// [`loopback_client`](super::http_client::loopback_client) for http on this machine.
///
/// # Errors
///
/// [`BadSettings::Account`], [`BadSettings::Secrets`] or [`BadSettings::ApiUrl`] when that setting is not usable.
pub fn provider(
    settings: SomlengSettings,
    client: reqwest::Client,
) -> Result<Carrier, BadSettings> {
    if !is_id(&settings.account) {
        return Err(BadSettings::Account);
    }
    let tokens = secrets(settings.auth_tokens)?;
    Ok(Carrier {
        fallback: fallback_links(&settings.public_url, &settings.name),
        name: settings.name,
        signed: Box::new(Tokens(tokens.clone())),
        dialect: &twiml::SOMLENG,
        capabilities: Capabilities {
            speaks_while_recording: false,
            has_voice: true,
            asks_who_picks_up: false,
            hears_silence: true,
            knows_silence: false,
            deletes: false,
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
            sound: Sound::Here(settings.media),
            moves: false,
            client,
        },
    })
}

struct Tokens(Vec<Hidden<String>>);

impl Signed for Tokens {
    fn headers(&self) -> &'static [&'static str] {
        &["x-twilio-signature"]
    }

    fn fits(&self, request: &RawRequest) -> bool {
        let signature = only(request, "x-twilio-signature");
        let (Some(signature), Some(fields)) = (signature, signed_fields(request)) else {
            return false;
        };
        somleng_fits(&shown(&self.0), &request.url, &fields, signature)
    }

    fn why(&self, request: &RawRequest) -> Refused {
        missing_or_wrong(request, &["x-twilio-signature"])
    }
}
