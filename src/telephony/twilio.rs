//! Twilio, and whoever speaks its dialect to the letter.
//!
//! Webhooks are forms signed with the account's auth token; scripts are TwiML; recordings are fetched and deleted over
//! the REST API of 2010-04-01, at addresses made from the configuration and an id, never at one a webhook names.

mod rest;
mod webhook;

use super::form::decode_lenient;
use super::rest::is_id;
use super::signature::{SignedBody, twilio_signature_fits};
use super::twiml::{self, BluntLinks};
use super::{
    CallStanding, Capabilities, Download, Event, Links, Provider, ProviderError,
    ProviderRecordingId, RawRequest, Refused, Rendered,
};
use crate::call::script::Script;
use crate::hidden::Hidden;
use futures_util::future::BoxFuture;
use reqwest::Url;

/// What is configured of an account at Twilio.
#[derive(Clone, Debug)]
pub struct TwilioSettings {
    /// The provider's name in the configuration: the `{provider}` of `/hooks/{provider}/…`.
    pub name: String,
    /// The account's id (`AC…`).
    pub account: String,
    /// The account's auth token; two while it is being rotated, the one in use first.
    pub auth_tokens: Vec<Hidden<String>>,
    /// The REST address, `https://api.twilio.com` in life.
    pub api_url: String,
    /// Our own address as the provider knows it, without a trailing slash.
    pub public_url: String,
}

/// Why settings are not taken. A sentence for the operator.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadSettings {
    /// No account, or one with characters no id has.
    #[error("the account is missing, or is not an account id")]
    Account,
    /// No token, an empty one, or more than two.
    #[error("there must be one auth token, or two while one is being replaced")]
    Tokens,
    /// Not an address requests can go to.
    #[error(
        "the REST address must be https://…, or http:// on this machine, without a user, a query or a fragment"
    )]
    ApiUrl,
    /// The simulated provider is only ever reached on the machine itself.
    #[error("the simulated provider must be at http:// on this machine")]
    NotLoopback,
}

/// An account at Twilio.
pub struct Twilio {
    name: String,
    account: String,
    tokens: Vec<Hidden<String>>,
    api_url: String,
    blunt: BluntLinks,
    client: reqwest::Client,
}

impl Twilio {
    /// An account to be reached with `client`, which [`rest_client`](super::rest::rest_client) makes.
    ///
    /// # Errors
    ///
    /// When the settings cannot work, or would be unsafe.
    pub fn new(settings: TwilioSettings, client: reqwest::Client) -> Result<Self, BadSettings> {
        if !is_id(&settings.account) {
            return Err(BadSettings::Account);
        }
        let tokens = settings.auth_tokens;
        if !matches!(tokens.len(), 1 | 2) || tokens.iter().any(|t| t.show().is_empty()) {
            return Err(BadSettings::Tokens);
        }
        let api = Url::parse(&settings.api_url).map_err(|_| BadSettings::ApiUrl)?;
        let safe = api.scheme() == "https" || (api.scheme() == "http" && is_loopback(&api));
        let bare = api.query().is_none() && api.fragment().is_none();
        if !safe || !bare || !api.username().is_empty() || api.password().is_some() {
            return Err(BadSettings::ApiUrl);
        }
        let hooks = format!(
            "{}/hooks/{}",
            settings.public_url.trim_end_matches('/'),
            settings.name
        );
        Ok(Self {
            name: settings.name,
            account: settings.account,
            tokens,
            api_url: settings.api_url.trim_end_matches('/').to_owned(),
            blunt: BluntLinks {
                recorded: format!("{hooks}/fallback"),
                recording: format!("{hooks}/recording"),
            },
            client,
        })
    }
}

/// Does an address lead to this very machine, without asking a name server?
pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

fn rendered(body: String) -> Rendered {
    Rendered {
        content_type: twiml::CONTENT_TYPE.into(),
        body,
    }
}

impl Provider for Twilio {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            speaks_while_recording: false,
            has_voice: true,
            streams_recordings: false,
        }
    }

    fn authenticate(&self, request: &RawRequest) -> Result<(), Refused> {
        let mut signatures = request.headers.get_all("x-twilio-signature").iter();
        let (Some(signature), None) = (signatures.next(), signatures.next()) else {
            return Err(Refused::Forged);
        };
        let signature = signature.to_str().map_err(|_| Refused::Forged)?;
        let secrets: Vec<&str> = self.tokens.iter().map(|t| t.show().as_str()).collect();
        let fields;
        // A request without a body (Twilio fetching a take to play) is signed like a form without fields.
        let body = if webhook::is_form(&request.headers) || request.body.is_empty() {
            fields = decode_lenient(&request.body);
            SignedBody::Form(&fields)
        } else {
            SignedBody::Raw(&request.body)
        };
        if twilio_signature_fits(&secrets, &request.url, body, signature) {
            Ok(())
        } else {
            Err(Refused::Forged)
        }
    }

    fn parse(&self, request: &RawRequest) -> Result<Event, Refused> {
        webhook::event(request, &self.account)
    }

    fn render(&self, script: &Script, links: &Links) -> Rendered {
        rendered(twiml::document(script, links))
    }

    fn render_whisper(&self, script: &Script, links: &Links) -> Rendered {
        rendered(twiml::whisper(script, links))
    }

    fn render_taken(&self, taken: bool) -> Rendered {
        rendered(twiml::taken(taken))
    }

    fn render_blunt(&self, script: &Script) -> Rendered {
        rendered(twiml::blunt_document(script, &self.blunt))
    }

    fn fetch<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Download, ProviderError>> {
        Box::pin(self.fetch_recording(id))
    }

    fn delete<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(self.delete_recording(id))
    }

    fn ask<'a>(&'a self, call: &'a str) -> BoxFuture<'a, Result<CallStanding, ProviderError>> {
        Box::pin(self.ask_call(call))
    }

    fn recordings_of<'a>(
        &'a self,
        call: &'a str,
    ) -> BoxFuture<'a, Result<Vec<ProviderRecordingId>, ProviderError>> {
        Box::pin(self.list_recordings(call))
    }
}

#[cfg(test)]
mod tests;
