//! Telnyx: TeXML, a dialect of TwiML.
//!
//! Webhooks are forms whose bytes are signed with Telnyx' own Ed25519 key; the account's portal shows the public key. A
//! signature is valid for 5 minutes of system time. The address of a recording's audio is valid for 10 minutes, so a
//! new address is requested each time and used at once.

use super::carrier::account::{Account, Credentials, JSON, Sound, Spelling};
use super::carrier::{
    BadSettings, Carrier, Media, Signed, api_url, fallback_links, missing_or_wrong, only,
};
use super::http_client::is_id;
use super::signature::{TelnyxKey, telnyx_fits, telnyx_is_fresh, telnyx_public_key};
use super::{Capabilities, RawRequest, Refused, twiml};
use crate::base::hidden::Hidden;

/// Configuration of an account at Telnyx.
pub struct TelnyxSettings {
    /// The provider's name in the configuration.
    pub name: String,
    /// The account's id (`AccountSid` of its webhooks), a UUID.
    pub account: String,
    /// The key of the REST API.
    pub api_key: Hidden<String>,
    /// The public keys that webhooks are signed with, in base64: one, or two while one is being replaced.
    pub public_keys: Vec<String>,
    /// The REST address, in production `https://api.telnyx.com`.
    pub api_url: String,
    /// The hosts that recordings may be fetched from.
    pub media: Media,
    /// Public URL of this service, as entered at the provider.
    pub public_url: String,
}

/// Creates the provider for an account at Telnyx. `client` sends the requests to its REST API:
/// [`rest_client`](super::http_client::rest_client) for https,
/// [`loopback_client`](super::http_client::loopback_client) for http on this machine.
///
/// # Errors
///
/// [`BadSettings::Account`], [`BadSettings::Secrets`], [`BadSettings::PublicKey`] or [`BadSettings::ApiUrl`] when that
/// setting is not usable.
pub fn provider(settings: TelnyxSettings, client: reqwest::Client) -> Result<Carrier, BadSettings> {
    if !is_id(&settings.account) {
        return Err(BadSettings::Account);
    }
    if settings.api_key.expose().is_empty() {
        return Err(BadSettings::Secrets);
    }
    let keys = settings
        .public_keys
        .iter()
        .map(|key| telnyx_public_key(key));
    let keys: Option<Vec<TelnyxKey>> = keys.collect();
    let keys = keys.ok_or(BadSettings::PublicKey)?;
    if !matches!(keys.len(), 1 | 2) {
        return Err(BadSettings::PublicKey);
    }
    Ok(Carrier {
        fallback: fallback_links(&settings.public_url, &settings.name),
        name: settings.name,
        signed: Box::new(PublicKeys(keys)),
        dialect: &twiml::TELNYX,
        capabilities: Capabilities {
            speaks_while_recording: false,
            has_voice: true,
            // Telnyx documents no URL on a dialled number that could ask the called party for a key.
            asks_who_picks_up: false,
            hears_silence: false,
            knows_silence: false,
            deletes: true,
            streams_recordings: false,
        },
        account: Account {
            origin: api_url(&settings.api_url)?,
            path: format!("/v2/texml/Accounts/{}", settings.account),
            id: settings.account,
            credentials: Credentials::Bearer(settings.api_key),
            spelling: Spelling {
                call: "",
                calls: "",
                recording: JSON,
                recordings: JSON,
                below_calls: true,
            },
            sound: Sound::HandedOut("/v2/recordings".to_owned(), settings.media),
            moves: false,
            client,
        },
    })
}

struct PublicKeys(Vec<TelnyxKey>);

impl Signed for PublicKeys {
    fn headers(&self) -> &'static [&'static str] {
        &["telnyx-signature-ed25519", "telnyx-timestamp"]
    }

    fn fits(&self, request: &RawRequest) -> bool {
        let timestamp = only(request, "telnyx-timestamp");
        let signature = only(request, "telnyx-signature-ed25519");
        let (Some(timestamp), Some(signature)) = (timestamp, signature) else {
            return false;
        };
        telnyx_fits(
            &self.0,
            timestamp,
            &request.body,
            signature,
            request.at.timestamp(),
        )
    }

    fn why(&self, request: &RawRequest) -> Refused {
        let now = request.at.timestamp();
        match only(request, "telnyx-timestamp") {
            Some(timestamp) if !telnyx_is_fresh(timestamp, now) => Refused::Stale,
            _ => missing_or_wrong(request, &["telnyx-timestamp", "telnyx-signature-ed25519"]),
        }
    }
}
