//! Somleng, an open-source exchange in Twilio's likeness: its dialect of TwiML, with less in it.
//!
//! Nobody can be asked anything before a dialled call is put through, so nobody of the roster is rung. A recording's
//! action carries its address and how long it is. Its API has no way to delete a recording.

use super::carrier::account::{Account, Credentials, JSON, Sound, Spelling};
use super::carrier::{
    BadSettings, Carrier, Media, Signed, api_url, fallback_links, missing_or_wrong, only, secrets,
    shown, signed_fields,
};
use super::http_client::is_id;
use super::signature::somleng_fits;
use super::{Capabilities, RawRequest, Refused, twiml};
use crate::base::hidden::Hidden;

/// What is configured of an account at Somleng.
pub struct SomlengSettings {
    /// The provider's name in the configuration.
    pub name: String,
    /// The account's id, a UUID.
    pub account: String,
    /// The account's auth token; two while it is being replaced.
    pub auth_tokens: Vec<Hidden<String>>,
    /// The REST address, `https://api.somleng.org` in life.
    pub api_url: String,
    /// Where a recording may be when the API says that it is elsewhere; `None` where it has to be at the API.
    pub media: Option<Media>,
    /// Our own address as the provider knows it.
    pub public_url: String,
}

/// An account to be reached with `client`, which [`rest_client`](super::http_client::rest_client) makes.
///
/// # Errors
///
/// When the settings cannot work, or would be unsafe.
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
