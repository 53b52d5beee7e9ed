//! SignalWire's Compatibility API: cXML, a dialect of TwiML.
//!
//! Webhooks are signed with the project's signing key, which is not the token of its REST API. SignalWire waits 5
//! seconds for an answer, does not repeat a request for an action, and does not execute verbs after a `Record`.

use super::carrier::account::{Account, Credentials, Sound, Spelling};
use super::carrier::{
    BadSettings, Carrier, Signed, api_url, fallback_links, missing_or_wrong, only, secrets, shown,
};
use super::http_client::is_id;
use super::signature::signalwire_fits;
use super::{Capabilities, RawRequest, Refused, twiml};
use crate::base::hidden::Hidden;

/// Configuration of a project at SignalWire.
#[derive(Clone, Debug)]
pub struct SignalWireSettings {
    /// The provider's name in the configuration.
    pub name: String,
    /// The project's id, a UUID.
    pub account: String,
    /// The token of the REST API; two while it is being replaced.
    pub auth_tokens: Vec<Hidden<String>>,
    /// The key webhooks are signed with; two while it is being replaced.
    pub signing_keys: Vec<Hidden<String>>,
    /// The space's address, `https://{space}.signalwire.com`.
    pub api_url: String,
    /// Public URL of this service, as entered at the provider.
    pub public_url: String,
}

/// Creates the provider for a project at SignalWire. `client` sends the requests to its REST API:
/// [`rest_client`](super::http_client::rest_client) for https,
/// [`loopback_client`](super::http_client::loopback_client) for http on this machine.
///
/// # Errors
///
/// [`BadSettings::Account`], [`BadSettings::Secrets`] or [`BadSettings::ApiUrl`] when that setting is not usable.
pub fn provider(
    settings: SignalWireSettings,
    client: reqwest::Client,
) -> Result<Carrier, BadSettings> {
    if !is_id(&settings.account) {
        return Err(BadSettings::Account);
    }
    Ok(Carrier {
        fallback: fallback_links(&settings.public_url, &settings.name),
        name: settings.name,
        signed: Box::new(SigningKeys(secrets(settings.signing_keys)?)),
        dialect: &twiml::SIGNALWIRE,
        capabilities: Capabilities {
            speaks_while_recording: false,
            has_voice: true,
            asks_who_picks_up: true,
            hears_silence: true,
            // Recordings are requested untrimmed, and an untrimmed recording of silence exists like any other.
            knows_silence: false,
            deletes: true,
            streams_recordings: false,
        },
        account: Account {
            origin: api_url(&settings.api_url)?,
            path: format!("/api/laml/2010-04-01/Accounts/{}", settings.account),
            id: settings.account,
            credentials: Credentials::Basic(secrets(settings.auth_tokens)?),
            // Its OpenAPI description has no suffixes, and no list of recordings below a call.
            spelling: Spelling {
                call: "",
                calls: "",
                recording: "",
                recordings: "",
                below_calls: false,
            },
            sound: Sound::Here(None),
            moves: false,
            client,
        },
    })
}

/// Headers that can carry the signature: SignalWire's own, and Twilio's.
const SIGNATURES: [&str; 2] = ["x-signalwire-signature", "x-twilio-signature"];

struct SigningKeys(Vec<Hidden<String>>);

impl Signed for SigningKeys {
    fn headers(&self) -> &'static [&'static str] {
        &SIGNATURES
    }

    /// The signature may be in either header; if both are present, they must be equal.
    fn fits(&self, request: &RawRequest) -> bool {
        let mut given = SIGNATURES
            .iter()
            .filter(|name| request.headers.contains_key(**name))
            .map(|name| only(request, name));
        let Some(Some(signature)) = given.next() else {
            return false;
        };
        given.all(|other| other == Some(signature))
            && signalwire_fits(
                &shown(&self.0),
                &request.url,
                super::carrier::signed_fields(request).is_some(),
                &request.body,
                signature,
            )
    }

    fn why(&self, request: &RawRequest) -> Refused {
        let given = SIGNATURES.into_iter();
        let given: Vec<&str> = given
            .filter(|name| request.headers.contains_key(*name))
            .collect();
        match given.is_empty() {
            true => Refused::Unsigned,
            false => missing_or_wrong(request, &given),
        }
    }
}
