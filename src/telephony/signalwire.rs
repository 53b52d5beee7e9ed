//! SignalWire's Compatibility API: cXML, a dialect of TwiML.
//!
//! Webhooks are signed with the project's signing key, which is not the token of its REST API. It reads an answer for
//! 5 seconds, asks no action twice, and carries out nothing behind a `Record`.

use super::carrier::account::{Account, Credentials, Sound, Spelling};
use super::carrier::{
    BadSettings, Carrier, Signed, api_url, fallback_links, missing_or_wrong, only, secrets, shown,
};
use super::http_client::is_id;
use super::signature::signalwire_fits;
use super::{Capabilities, RawRequest, Refused, twiml};
use crate::base::hidden::Hidden;

/// What is configured of a project at SignalWire.
#[derive(Clone, Debug)]
pub struct SignalWireSettings {
    /// The provider's name in the configuration.
    pub name: String,
    /// The project's id, a UUID.
    pub account: String,
    /// The token of its REST API; two while it is being replaced.
    pub auth_tokens: Vec<Hidden<String>>,
    /// The key webhooks are signed with; two while it is being replaced.
    pub signing_keys: Vec<Hidden<String>>,
    /// The space's address, `https://{space}.signalwire.com`.
    pub api_url: String,
    /// Our own address as the provider knows it.
    pub public_url: String,
}

/// A project to be reached with `client`, which [`rest_client`](super::http_client::rest_client) makes.
///
/// # Errors
///
/// When the settings cannot work, or would be unsafe.
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
            // Whole recordings are asked for, and a whole one of silence is one.
            knows_silence: false,
            deletes: true,
            streams_recordings: false,
        },
        account: Account {
            origin: api_url(&settings.api_url)?,
            path: format!("/api/laml/2010-04-01/Accounts/{}", settings.account),
            id: settings.account,
            credentials: Credentials::Basic(secrets(settings.auth_tokens)?),
            // Its OpenAPI description has no endings, and no list below a call.
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

/// Where the signature stands: under its own name, or under Twilio's.
const SIGNATURES: [&str; 2] = ["x-signalwire-signature", "x-twilio-signature"];

struct SigningKeys(Vec<Hidden<String>>);

impl Signed for SigningKeys {
    fn headers(&self) -> &'static [&'static str] {
        &SIGNATURES
    }

    /// Under its own name, or under Twilio's; under both it has to be the same one.
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
