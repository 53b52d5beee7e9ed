//! A provider that posts forms, is answered in TwiML or a dialect of it, and has a REST API in Twilio's shape. This
//! module has what such providers have in common; what is particular to one provider is in a file of its own beside
//! this one.

pub(super) mod account;
pub(super) mod media;
mod webhook;

use self::account::Account;
use super::form::decode_lenient;
use super::twiml::{self, Dialect, FallbackLinks};
use super::{
    CallStanding, Capabilities, Download, Event, FallbackLine, Finding, Links, Listing, Origin,
    Provider, ProviderError, ProviderRecordingId, RawRequest, RecordingOutcome, Refused, Rendered,
};
use crate::base::hidden::Hidden;
use crate::call::script::Script;
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use reqwest::Url;

pub use self::media::Media;

/// Why settings are rejected: a sentence for the operator.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadSettings {
    /// The account's id is empty, too long, or has characters that cannot be in an address.
    #[error("the account is missing, or is not an account id")]
    Account,
    /// There is no secret, an empty one, more than two, or an API key that cannot be in a header.
    #[error("there must be one secret, or two while one is being replaced")]
    Secrets,
    /// A public key is not valid, or there are none or more than two.
    #[error("the public key is not valid: it must be 32 bytes in base64")]
    PublicKey,
    /// The REST address is not a URL, is neither https nor http on this machine, or has a user, a query or a fragment.
    #[error(
        "the REST address must be https://…, or http:// on this machine, without a user, a query or a fragment"
    )]
    ApiUrl,
    /// The simulated provider's address is not `http://` on this machine.
    #[error("the simulated provider must be at http:// on this machine")]
    NotLoopback,
}

/// How a provider signs its webhooks.
pub(super) trait Signed: Send + Sync {
    /// True if the request's signature is valid under one of the configured secrets or keys. Checked on the raw bytes;
    /// secrets are compared in constant time. False if a header of the signature is missing or given twice, or if no
    /// secret is configured.
    fn fits(&self, request: &RawRequest) -> bool;

    /// Names of the headers that belong to the signature, in lower case.
    fn headers(&self) -> &'static [&'static str];

    /// Returns why a request that [`Self::fits`] rejected is invalid. Called only after that check, and reads no
    /// secret, so that its duration reveals nothing about one.
    fn why(&self, request: &RawRequest) -> Refused;
}

/// A provider that posts forms and is answered in a dialect of TwiML.
pub struct Carrier {
    pub(super) name: String,
    pub(super) account: Account,
    pub(super) signed: Box<dyn Signed>,
    pub(super) dialect: &'static Dialect,
    pub(super) capabilities: Capabilities,
    pub(super) fallback: FallbackLinks,
}

/// Query parameter of the fallback address in the action of a `Record` of a fallback answer. The fallback address
/// entered at the provider does not have it.
const RECORDED: &str = "recorded=1";

fn is_after_recording(url: &str) -> bool {
    url.split_once('?').is_some_and(|(path, query)| {
        path.ends_with("/fallback") && query.split('&').any(|field| field == RECORDED)
    })
}

/// Builds the addresses that a fallback answer to the provider `name` refers to.
pub(super) fn fallback_links(public_url: &str, name: &str) -> FallbackLinks {
    let hooks = format!("{}/hooks/{name}", public_url.trim_end_matches('/'));
    FallbackLinks {
        recorded: format!("{hooks}/fallback?{RECORDED}"),
        recording: format!("{hooks}/recording"),
    }
}

/// Returns the given secrets if there is one, or two while one is being replaced, and none is empty.
pub(super) fn secrets(given: Vec<Hidden<String>>) -> Result<Vec<Hidden<String>>, BadSettings> {
    let usable = matches!(given.len(), 1 | 2) && given.iter().all(|one| !one.expose().is_empty());
    if usable {
        Ok(given)
    } else {
        Err(BadSettings::Secrets)
    }
}

/// Returns the secrets as the signature functions expect them.
pub(super) fn shown(secrets: &[Hidden<String>]) -> Vec<&str> {
    secrets.iter().map(|one| one.expose().as_str()).collect()
}

/// Returns a REST address without trailing slashes, if requests may be sent to it: https, or http on this machine,
/// without user, query and fragment.
pub(super) fn api_url(given: &str) -> Result<String, BadSettings> {
    let url = Url::parse(given).map_err(|_| BadSettings::ApiUrl)?;
    let safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
    let bare = url.query().is_none() && url.fragment().is_none();
    if !safe || !bare || !url.username().is_empty() || url.password().is_some() {
        return Err(BadSettings::ApiUrl);
    }
    Ok(given.trim_end_matches('/').to_owned())
}

/// True if an address's host is `localhost` or a loopback IP address. No name is resolved.
pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

/// Returns the only value of a header; `None` when it is missing, given twice, or not text.
pub(super) fn only<'a>(request: &'a RawRequest, header: &str) -> Option<&'a str> {
    let mut values = request.headers.get_all(header).iter();
    let (Some(only), None) = (values.next(), values.next()) else {
        return None;
    };
    only.to_str().ok()
}

/// [`Refused::Unsigned`] if one of the headers is missing, given twice or not text, else [`Refused::Forged`].
pub(super) fn missing_or_wrong(request: &RawRequest, headers: &[&str]) -> Refused {
    match headers.iter().all(|header| only(request, header).is_some()) {
        true => Refused::Forged,
        false => Refused::Unsigned,
    }
}

/// Returns the body's fields as a signature over a form covers them; `None` when the body is not a form. A request
/// without a body (a take fetched for playback) is signed like a form without fields.
pub(super) fn signed_fields(request: &RawRequest) -> Option<Vec<(String, String)>> {
    let form = webhook::is_form(&request.headers) || request.body.is_empty();
    form.then(|| decode_lenient(&request.body))
}

fn rendered(body: String) -> Rendered {
    Rendered {
        content_type: twiml::CONTENT_TYPE.into(),
        body,
    }
}

impl Provider for Carrier {
    fn name(&self) -> &str {
        &self.name
    }

    fn account(&self) -> String {
        self.account.to_string()
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn authenticate(&self, request: &RawRequest) -> Result<(), Refused> {
        match self.signed.fits(request) {
            true => Ok(()),
            false => Err(self.signed.why(request)),
        }
    }

    fn signature_headers(&self) -> &'static [&'static str] {
        self.signed.headers()
    }

    fn parse(&self, request: &RawRequest) -> Result<Event, Refused> {
        let mut event = webhook::event(request, &self.account.id)?;
        // Some providers request the action also when nothing was recorded. Without this outcome the caller would be
        // asked to record in a loop.
        if event.recording.is_none() && is_after_recording(&request.url) {
            event.unnamed.get_or_insert(RecordingOutcome::Absent);
        }
        Ok(event)
    }

    fn render(&self, script: &Script, links: &Links) -> Rendered {
        rendered(twiml::document(self.dialect, script, links))
    }

    fn render_whisper(&self, script: &Script, links: &Links) -> Rendered {
        rendered(twiml::whisper(self.dialect, script, links))
    }

    fn render_accepted(&self, accepted: bool) -> Rendered {
        rendered(twiml::accepted(self.dialect, accepted))
    }

    fn render_fallback(&self, script: &Script, line: Option<&FallbackLine>) -> Rendered {
        let links = self.fallback.of_line(line);
        rendered(twiml::fallback_document(self.dialect, script, &links))
    }

    fn fetch<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Download, ProviderError>> {
        Box::pin(self.account.fetch_recording(id))
    }

    fn delete<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(async move {
            match self.capabilities.deletes {
                true => self.account.delete_recording(id).await,
                // Nothing is requested: the provider would answer 404, as if the recording did not exist.
                false => Err(ProviderError::Unsupported),
            }
        })
    }

    fn is_gone<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, ProviderError>> {
        Box::pin(self.account.is_gone(id))
    }

    fn ask<'a>(&'a self, call: &'a str) -> BoxFuture<'a, Result<CallStanding, ProviderError>> {
        Box::pin(self.account.ask_call(call))
    }

    fn recordings_of<'a>(
        &'a self,
        call: &'a str,
    ) -> BoxFuture<'a, Result<Vec<ProviderRecordingId>, ProviderError>> {
        Box::pin(self.account.recordings_of(call))
    }

    fn origin<'a>(
        &'a self,
        recording: &'a str,
        call: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Origin, ProviderError>> {
        Box::pin(self.account.origin(recording, call))
    }

    fn list(&self, since: DateTime<Utc>) -> BoxFuture<'_, Result<Listing, ProviderError>> {
        Box::pin(self.account.list(since))
    }

    fn look<'a>(&'a self, public_url: &'a str) -> BoxFuture<'a, Vec<Finding>> {
        Box::pin(async move {
            let found = match self.account.look().await {
                Ok(()) => Finding::Good(format!(
                    "answers; it calls {public_url}/hooks/{}/call",
                    self.name
                )),
                Err(error) => Finding::Bad(error.to_string()),
            };
            vec![found]
        })
    }
}
