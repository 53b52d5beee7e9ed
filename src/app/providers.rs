//! Construction of providers from their configuration.

use super::StartError;
use crate::config::{ProviderConfig, ProviderSettings};
use crate::telephony::asterisk::{Asterisk, AsteriskSettings};
use crate::telephony::carrier::Media;
use crate::telephony::http_client::{loopback_client, rest_client};
use crate::telephony::jambonz::{Jambonz, JambonzSettings};
use crate::telephony::signalwire::{self, SignalWireSettings};
use crate::telephony::somleng::{self, SomlengSettings};
use crate::telephony::telnyx::{self, TelnyxSettings};
use crate::telephony::twilio::{self, TwilioSettings};
use crate::telephony::{Provider, Voice, simulator};
use std::sync::Arc;

/// Creates a provider from its configuration. `voice` has the sounds for a provider without text-to-speech.
///
/// # Errors
///
/// Returns [`StartError`] when a secret cannot be read, the settings are not usable, or no HTTP client can be
/// created.
pub fn make_provider(
    config: &ProviderConfig,
    public_url: &str,
    voice: Arc<dyn Voice>,
) -> Result<Arc<dyn Provider>, StartError> {
    let failed = |error: &dyn std::fmt::Display| {
        StartError::Failed(format!("provider {}: {error}", config.name))
    };
    // The configuration accepts plain http for loopback addresses only; it needs no certificates.
    let client = if config.api_url.starts_with("http://") {
        loopback_client()
    } else {
        rest_client()
    };
    let client = client.map_err(|error| failed(&error))?;
    let name = config.name.clone();
    let api_url = config.api_url.clone();
    let public_url = public_url.to_owned();
    // If the provider's API is on this machine (plain http), its recordings are fetched from this machine only.
    let media = |hosts: &[String]| Media::new(hosts.to_vec(), api_url.starts_with("http://"));
    let carrier = match &config.settings {
        ProviderSettings::Simulator {
            account,
            auth_token,
        } => simulator::provider(
            TwilioSettings {
                name,
                account: account.clone(),
                auth_tokens: auth_token.read()?,
                signing_keys: Vec::new(),
                api_url,
                public_url,
            },
            client,
        ),
        ProviderSettings::Twilio {
            account,
            auth_token,
            signing_key,
        } => twilio::provider(
            TwilioSettings {
                name,
                account: account.clone(),
                auth_tokens: auth_token.read()?,
                signing_keys: match signing_key {
                    Some(keys) => keys.read()?,
                    None => Vec::new(),
                },
                api_url,
                public_url,
            },
            client,
        ),
        ProviderSettings::SignalWire {
            account,
            auth_token,
            signing_key,
        } => signalwire::provider(
            SignalWireSettings {
                name,
                account: account.clone(),
                auth_tokens: auth_token.read()?,
                signing_keys: signing_key.read()?,
                api_url,
                public_url,
            },
            client,
        ),
        ProviderSettings::Telnyx {
            account,
            api_key,
            public_keys,
            media_hosts,
        } => telnyx::provider(
            TelnyxSettings {
                name,
                account: account.clone(),
                api_key: api_key.read()?.into_iter().next().unwrap_or_default(),
                public_keys: public_keys.clone(),
                media: media(media_hosts).map_err(|error| failed(&error))?,
                api_url,
                public_url,
            },
            client,
        ),
        ProviderSettings::Somleng {
            account,
            auth_token,
            media_hosts,
        } => somleng::provider(
            SomlengSettings {
                name,
                account: account.clone(),
                auth_tokens: auth_token.read()?,
                media: match media_hosts.is_empty() {
                    true => None,
                    false => Some(media(media_hosts).map_err(|error| failed(&error))?),
                },
                api_url,
                public_url,
            },
            client,
        ),
        ProviderSettings::Jambonz {
            account,
            api_key,
            webhook_secret,
        } => {
            let settings = JambonzSettings {
                name,
                account: account.clone(),
                api_key: api_key.read()?.into_iter().next().unwrap_or_default(),
                webhook_secrets: webhook_secret.read()?,
                api_url,
            };
            let made = Jambonz::new(settings, client);
            return Ok(Arc::new(made.map_err(|error| failed(&error))?));
        }
        ProviderSettings::Asterisk {
            username,
            password,
            api_username,
            api_password,
            dial,
        } => {
            let settings = AsteriskSettings {
                name,
                username: username.clone(),
                passwords: password.read()?,
                api_url,
                api_username: api_username.clone(),
                api_password: api_password.read()?.into_iter().next().unwrap_or_default(),
                dial: dial.clone(),
            };
            return Ok(Arc::new(Asterisk::new(settings, client, voice)));
        }
    };
    Ok(Arc::new(carrier.map_err(|error| failed(&error))?))
}
