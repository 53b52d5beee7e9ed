//! Asterisk, on the operator's own premises.
//!
//! Asterisk connects to the service's WebSocket and sends an event for everything that happens on its channels;
//! commands go back over the same socket. Recordings are fetched and deleted over HTTP, at addresses built from the
//! configuration and from a name chosen by this service. Asterisk has no text-to-speech: spoken text is a sequence of
//! sound files.
//!
//! | module | contents |
//! |---|---|
//! | [`program`] | a script as the switch performs it |
//! | [`performance`] | the state of one running call, without I/O |
//! | [`message`] | the messages on the socket |
//! | [`socket`] | one connection: dispatches events to calls, and their questions to the conversation |
//! | `ari` | recordings and channels over HTTP |
//! | `look` | checks for an operator before the first call |

mod ari;
mod look;
pub mod message;
pub mod performance;
pub mod program;
pub mod socket;

use super::http_client::is_id;
use super::{
    CallStanding, Capabilities, Download, Event, FallbackLine, Finding, Links, Listing, Provider,
    ProviderError, ProviderRecordingId, RawRequest, Refused, Rendered, Voice,
};
use super::{Conductor, Switch};
use crate::base::hidden::Hidden;
use crate::call::script::Script;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use program::{Program, Then, Writer};
use std::borrow::Cow;
use std::sync::Arc;
use subtle::{Choice, ConstantTimeEq};
use tokio::sync::mpsc;
use tokio::sync::watch;

/// The name of this application at Asterisk: `Stasis(dutyline,…)` in its dialplan.
pub const APPLICATION: &str = "dutyline";
/// The WebSocket subprotocol that Asterisk uses.
const PROTOCOL: &str = "ari";
/// First application argument of a channel that this service originated.
const RUNG: &str = "rung";
/// Content type of a program, which is stored as the answer to a step.
const CONTENT_TYPE: &str = "application/json";

/// Configuration of an Asterisk.
#[derive(Clone, Debug)]
pub struct AsteriskSettings {
    /// The provider's name in the configuration: the `{name}` of `/hooks/{name}/ari`.
    pub name: String,
    /// User name that Asterisk presents when it connects to this service's socket.
    pub username: String,
    /// Password for that user name; two while it is being replaced.
    pub passwords: Vec<Hidden<String>>,
    /// HTTP address of Asterisk, with or without `/ari` at the end.
    pub api_url: String,
    /// User name for Asterisk's HTTP address.
    pub api_username: String,
    /// Password for that user name.
    pub api_password: Hidden<String>,
    /// Endpoint that dials a roster member, with `{number}` in place of the number; with `None` no member can be
    /// dialled.
    pub dial: Option<String>,
}

/// An Asterisk.
pub struct Asterisk {
    settings: AsteriskSettings,
    /// Credentials that Asterisk may present at this service's socket, in base64, one for each password.
    credentials: Vec<Hidden<String>>,
    api_url: String,
    client: reqwest::Client,
    voice: Arc<dyn Voice>,
    /// Number of connections so far. Only the newest connection is in use.
    connection: watch::Sender<u64>,
}

impl Asterisk {
    /// Creates an Asterisk that is reached over HTTP with `client`, and that plays the sound files of `voice`.
    pub fn new(settings: AsteriskSettings, client: reqwest::Client, voice: Arc<dyn Voice>) -> Self {
        let credentials = settings
            .passwords
            .iter()
            .map(|password| {
                let pair = format!("{}:{}", settings.username, password.expose());
                Hidden::new(STANDARD.encode(pair))
            })
            .collect();
        let api_url = settings.api_url.trim_end_matches('/');
        let api_url = api_url.strip_suffix("/ari").unwrap_or(api_url);
        Self {
            credentials,
            api_url: format!("{api_url}/ari"),
            client,
            voice,
            connection: watch::Sender::new(0),
            settings,
        }
    }

    fn writer(&self) -> Writer<'_> {
        Writer {
            voice: self.voice.as_ref(),
            dial: self.settings.dial.as_deref(),
        }
    }
}

/// True if `id` is a channel id that may be used in an address and in a recording's name.
fn is_channel(id: &str) -> bool {
    is_id(id) && !id.starts_with('.')
}

fn rendered(program: &Program) -> Rendered {
    Rendered {
        content_type: Cow::Borrowed(CONTENT_TYPE),
        body: serde_json::to_string(program).unwrap_or_default(),
    }
}

impl Provider for Asterisk {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn account(&self) -> String {
        format!("Asterisk at {}", self.api_url)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            speaks_while_recording: false,
            has_voice: false,
            asks_who_picks_up: true,
            hears_silence: true,
            knows_silence: true,
            deletes: true,
            streams_recordings: false,
        }
    }

    /// HTTP Basic authentication (RFC 7617) of the request that opens the socket.
    fn authenticate(&self, request: &RawRequest) -> Result<(), Refused> {
        let mut headers = request.headers.get_all(AUTHORIZATION).iter();
        let (Some(header), None) = (headers.next(), headers.next()) else {
            return Err(Refused::Unsigned);
        };
        let given = header.to_str().map_err(|_| Refused::Unsigned)?;
        let Some((scheme, given)) = given.split_once(' ') else {
            return Err(Refused::Unsigned);
        };
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(Refused::Unsigned);
        }
        let given = given.trim().as_bytes();
        let fits = self.credentials.iter().fold(Choice::from(0), |fits, own| {
            fits | own.expose().as_bytes().ct_eq(given)
        });
        if fits.into() {
            Ok(())
        } else {
            Err(Refused::Forged)
        }
    }

    /// None: Asterisk sends no webhooks, and its request for the socket has a password instead of a signature.
    fn signature_headers(&self) -> &'static [&'static str] {
        &[]
    }

    /// Asterisk sends no webhooks; a request that arrives as one is an event without content.
    fn parse(&self, _: &RawRequest) -> Result<Event, Refused> {
        Ok(Event::nothing())
    }

    fn render(&self, script: &Script, links: &Links) -> Rendered {
        rendered(&self.writer().program(script, links))
    }

    fn render_whisper(&self, script: &Script, links: &Links) -> Rendered {
        rendered(&self.writer().program(script, links))
    }

    fn render_accepted(&self, accepted: bool) -> Rendered {
        rendered(&Program {
            at: None,
            play: Vec::new(),
            then: if accepted { Then::Bridge } else { Then::HangUp },
        })
    }

    /// Does not need the line: the recording's name contains the number dialled.
    fn render_fallback(&self, script: &Script, _: Option<&FallbackLine>) -> Rendered {
        rendered(&self.writer().fallback(script))
    }

    fn fetch<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Download, ProviderError>> {
        Box::pin(self.fetch_recording(id))
    }

    fn delete<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(self.delete_recording(id))
    }

    fn is_gone<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, ProviderError>> {
        Box::pin(self.recording_is_gone(id))
    }

    fn ask<'a>(&'a self, call: &'a str) -> BoxFuture<'a, Result<CallStanding, ProviderError>> {
        Box::pin(self.ask_channel(call))
    }

    fn recordings_of<'a>(
        &'a self,
        call: &'a str,
    ) -> BoxFuture<'a, Result<Vec<ProviderRecordingId>, ProviderError>> {
        Box::pin(async move {
            let own = |name: &program::RecordingName| name.channel == call;
            let names = self.stored_recordings().await?;
            let names = names.iter().filter(|name| own(name));
            Ok(names.map(|name| name.to_string().into()).collect())
        })
    }

    fn list(&self, since: DateTime<Utc>) -> BoxFuture<'_, Result<Listing, ProviderError>> {
        Box::pin(self.list_all(since))
    }

    fn look<'a>(&'a self, public_url: &'a str) -> BoxFuture<'a, Vec<Finding>> {
        Box::pin(self.look_at_it(public_url))
    }

    fn switch(self: Arc<Self>) -> Option<Arc<dyn Switch>> {
        Some(self)
    }
}

#[cfg(test)]
mod tests;

impl Switch for Asterisk {
    fn protocol(&self) -> &'static str {
        PROTOCOL
    }

    fn max_message(&self) -> usize {
        socket::MAX_FRAME
    }

    fn carry(
        self: Arc<Self>,
        conductor: Arc<dyn Conductor>,
        frames: BoxStream<'static, String>,
        out: mpsc::UnboundedSender<String>,
    ) -> BoxFuture<'static, ()> {
        Box::pin(socket::carry(self, conductor, frames, out))
    }
}
