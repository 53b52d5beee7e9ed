//! The addresses of this service in a rendered script, which the provider requests while it executes the script.

use crate::base::hidden::Hidden;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

/// The addresses in a script. All are absolute; all but that of a take have call, line and step as query parameters.
#[derive(Clone, Debug)]
pub struct Links {
    /// The configured public URL, without a trailing slash.
    pub public_url: String,
    /// The provider's name in the configuration: the `{provider}` of `/hooks/{provider}/…`.
    pub provider: String,
    /// This service's id of the call.
    pub call: Uuid,
    /// The line's id.
    pub line: String,
    /// Number of the step that the answer to this script will be.
    pub step: u32,
    /// Key for the tokens in the addresses of takes ([`take_token`]): 32 bytes in base64url, derived from the call's
    /// key and `step`. Empty for a whisper, which plays no takes.
    pub take_key: Hidden<String>,
    /// Key for the addresses that recordings are streamed to, derived from the call's key; empty for a whisper.
    /// Separate from `take_key`, so that a party who sees the address of a take learns nothing about the addresses of
    /// streams.
    pub stream_key: Hidden<String>,
    /// Number shown to a called inspector: a number of the line in E.164, not the caller's. Empty for a whisper.
    pub line_number: String,
    /// The line's first language. An application at jambonz speaks it by default, so a text in it names no language
    /// there.
    pub language: String,
}

impl Links {
    fn at(&self, hook: &str, extra: &str) -> String {
        format!(
            "{}/hooks/{}/{hook}?call={}&line={}&step={}{extra}",
            self.public_url, self.provider, self.call, self.line, self.step
        )
    }

    /// Where the answer to the step is posted: keys, a recording that has ended, or the end of a talk.
    pub fn step(&self) -> String {
        self.at("step", "")
    }

    /// Where jambonz reports that one part of a step's script was spoken, and the key pressed, if any.
    pub fn said(&self) -> String {
        self.at("said", "")
    }

    /// Where the provider continues when nothing was recorded.
    pub fn nothing(&self) -> String {
        self.at("step", "&nothing=1")
    }

    /// Where the provider reports the outcome of a recording.
    pub fn recording(&self) -> String {
        self.at("recording", "")
    }

    /// Where the provider requests what the called inspector hears before being connected.
    pub fn whisper(&self) -> String {
        self.at("whisper", "")
    }

    /// Where the called inspector's key is posted.
    pub fn accepted(&self) -> String {
        self.at("accepted", "")
    }

    /// The unguessable address of the take that step `take` recorded. Valid while the call is at the step of these
    /// links.
    pub fn take(&self, take: u32) -> String {
        format!(
            "{}/hooks/{}/take/{}/{take}/{}",
            self.public_url,
            self.provider,
            self.call,
            take_token(&self.take_key, take)
        )
    }
}

/// Returns the token that makes the address of a take unguessable: an HMAC-SHA256 under `take_key` over the number of
/// the step that recorded the take, in base64url.
pub fn take_token(take_key: &Hidden<String>, take: u32) -> String {
    // An HMAC accepts a key of any length, so this does not fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(take_key.expose().as_bytes()) else {
        return String::new();
    };
    mac.update(format!("take {take}").as_bytes());
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

/// The line that a fallback answer is for, as the query of the addresses in the answer names it. The key is computed
/// with the service secret, so only this service can make such an address.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FallbackLine {
    /// The line's id.
    pub line: String,
    /// An HMAC over provider and line, which proves that this service made the address.
    pub key: String,
}

impl FallbackLine {
    /// Returns the query parameters: `line=…&key=…`.
    pub fn query(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .append_pair("line", &self.line)
            .append_pair("key", &self.key)
            .finish()
    }
}
