//! jambonz, an open-source telephony platform that can be self-hosted.
//!
//! Webhooks are JSON signed with the account's webhook secret; scripts are JSON verbs. Recordings are not made at
//! jambonz: what a caller says is streamed to a WebSocket of this service as it is spoken, and sealed as it arrives. So
//! no recording is stored at jambonz, and none can be made while the database cannot be written.
//!
//! | module | contents |
//! |---|---|
//! | [`verbs`] | scripts as jambonz verbs |
//! | [`webhook`] | parsing of webhooks |
//! | `calls_api` | the REST API for calls: status and lists |
//!
//! The audio is received by [`listening`](super::streams::listening); copies for callers who listen to their recording
//! during the call are kept by `streams::copies`.

mod calls_api;
pub mod verbs;
pub mod webhook;

use super::carrier::{BadSettings, api_url, only, secrets, shown};
use super::http_client::is_id;
use super::signature::{jambonz_fits, jambonz_is_fresh};
use super::streams::copies::{Copies, Copy};
use super::streams::{Stream, Streams};
use super::{
    CallStanding, Capabilities, Download, Event, FallbackLine, Finding, Links, Listing, Provider,
    ProviderError, ProviderRecordingId, RawRequest, Refused, Rendered,
};
use crate::base::hidden::Hidden;
use crate::call::script::Script;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// The header of a webhook's signature.
pub const SIGNATURE: &str = "jambonz-signature";
/// Content type of an answer. jambonz does not read an answer of any other type.
const CONTENT_TYPE: &str = "application/json";

/// Configuration of an account at jambonz.
#[derive(Clone, Debug)]
pub struct JambonzSettings {
    /// The provider's name in the configuration: the `{provider}` of `/hooks/{provider}/…`.
    pub name: String,
    /// The account's id.
    pub account: String,
    /// The key of the REST API.
    pub api_key: Hidden<String>,
    /// The secrets that webhooks are signed with; two while one is being replaced.
    pub webhook_secrets: Vec<Hidden<String>>,
    /// The REST address, with or without `/v1` at the end.
    pub api_url: String,
}

/// The WebSocket subprotocols that jambonz uses: one under its own name, one under its streaming module's former name.
const PROTOCOLS: [&str; 2] = ["audio.jambonz.org", "audio.drachtio.org"];

/// An account at jambonz.
pub struct Jambonz {
    name: String,
    account: String,
    api_key: Hidden<String>,
    secrets: Vec<Hidden<String>>,
    api_url: String,
    client: reqwest::Client,
    copies: Copies,
}

impl Jambonz {
    /// Creates the provider for an account at jambonz. `client` sends the requests to its REST API:
    /// [`rest_client`](super::http_client::rest_client) for https,
    /// [`loopback_client`](super::http_client::loopback_client) for http on this machine.
    ///
    /// # Errors
    ///
    /// [`BadSettings::Account`], [`BadSettings::Secrets`] or [`BadSettings::ApiUrl`] when that setting is not usable.
    pub fn new(settings: JambonzSettings, client: reqwest::Client) -> Result<Self, BadSettings> {
        if !is_id(&settings.account) {
            return Err(BadSettings::Account);
        }
        let key = settings.api_key.expose();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BadSettings::Secrets);
        }
        let api_url = api_url(&settings.api_url)?;
        Ok(Self {
            name: settings.name,
            account: settings.account,
            secrets: secrets(settings.webhook_secrets)?,
            api_url: api_url.strip_suffix("/v1").unwrap_or(&api_url).to_owned(),
            api_key: settings.api_key,
            client,
            copies: Copies::default(),
        })
    }
}

fn rendered(document: &Value) -> Rendered {
    Rendered {
        content_type: Cow::Borrowed(CONTENT_TYPE),
        body: document.to_string(),
    }
}

impl Provider for Jambonz {
    fn name(&self) -> &str {
        &self.name
    }

    fn account(&self) -> String {
        format!("account {} at {}", self.account, self.api_url)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            speaks_while_recording: false,
            has_voice: true,
            asks_who_picks_up: true,
            // Silence is detected here, in the audio received, and not by jambonz.
            hears_silence: true,
            knows_silence: true,
            deletes: true,
            streams_recordings: true,
        }
    }

    fn authenticate(&self, request: &RawRequest) -> Result<(), Refused> {
        let signature = only(request, SIGNATURE).ok_or(Refused::Unsigned)?;
        let now = request.at.timestamp();
        match jambonz_fits(&shown(&self.secrets), signature, &request.body, now) {
            true => Ok(()),
            false if !jambonz_is_fresh(signature, now) => Err(Refused::Stale),
            false => Err(Refused::Forged),
        }
    }

    fn signature_headers(&self) -> &'static [&'static str] {
        &[SIGNATURE]
    }

    fn parse(&self, request: &RawRequest) -> Result<Event, Refused> {
        webhook::read(&request.body, &self.account)
    }

    fn render(&self, script: &Script, links: &Links) -> Rendered {
        rendered(&verbs::document(script, links))
    }

    fn render_whisper(&self, script: &Script, links: &Links) -> Rendered {
        rendered(&verbs::whisper(script, links))
    }

    fn render_accepted(&self, accepted: bool) -> Rendered {
        rendered(&verbs::accepted(accepted))
    }

    fn render_fallback(&self, script: &Script, _: Option<&FallbackLine>) -> Rendered {
        rendered(&verbs::fallback_document(script))
    }

    /// Returns the copy in memory. There is one only from the end of the recording until [`Provider::delete`] or
    /// [`Streams::forget`] removes it, and only in the process that received the audio, if there was room for it.
    fn fetch<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Download, ProviderError>> {
        let found = self.copies.get(id).ok_or(ProviderError::NotFound);
        Box::pin(async move {
            let audio = found?;
            Ok(Download {
                length: Some(audio.len() as u64),
                body: stream::iter([Ok(Bytes::from_owner(audio))]).boxed(),
            })
        })
    }

    /// Removes the copy in memory, and sends no request: nothing is stored at jambonz.
    fn delete<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), ProviderError>> {
        let gone = match self.copies.remove(id) {
            true => Ok(()),
            false => Err(ProviderError::NotFound),
        };
        Box::pin(async move { gone })
    }

    fn is_gone<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, ProviderError>> {
        let gone = self.copies.get(id).is_none();
        Box::pin(async move { Ok(gone) })
    }

    fn ask<'a>(&'a self, call: &'a str) -> BoxFuture<'a, Result<CallStanding, ProviderError>> {
        Box::pin(self.ask_call(call))
    }

    fn recordings_of<'a>(
        &'a self,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Vec<ProviderRecordingId>, ProviderError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Lists calls only, because no recordings are stored at jambonz.
    fn list(&self, since: DateTime<Utc>) -> BoxFuture<'_, Result<Listing, ProviderError>> {
        Box::pin(self.list_calls(since))
    }

    fn look<'a>(&'a self, public_url: &'a str) -> BoxFuture<'a, Vec<Finding>> {
        Box::pin(self.look_at_it(public_url))
    }

    fn streams(self: Arc<Self>) -> Option<Arc<dyn Streams>> {
        Some(self)
    }
}

#[cfg(test)]
mod tests;

impl Streams for Jambonz {
    fn protocols(&self) -> &'static [&'static str] {
        &PROTOCOLS
    }

    fn lets_in(
        &self,
        stream: &Stream,
        key_of_call: &str,
        token: &str,
        headers: &HeaderMap,
    ) -> bool {
        let token_fits = stream.token(key_of_call).as_bytes().ct_eq(token.as_bytes());
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let header_fits = match (given.next(), given.next()) {
            (None, _) => true,
            (Some(given), None) => {
                let pair = format!("{}:{}", verbs::USER, stream.password(key_of_call));
                let expected = format!("Basic {}", STANDARD.encode(pair));
                expected.as_bytes().ct_eq(given.as_bytes()).into()
            }
            (Some(_), Some(_)) => false,
        };
        bool::from(token_fits) && header_fits
    }

    fn forget(&self, recording: &str) {
        self.copies.remove(recording);
    }

    fn copy(&self, recording: &str) -> Copy {
        self.copies.start(recording)
    }
}
