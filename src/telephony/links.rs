//! The addresses in a script that a provider requests.

use crate::base::hidden::Hidden;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

/// The addresses for the answers to a script. All are absolute and have call, line and step as parameters.
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
    /// Key for the tokens in the addresses of takes ([`take_token`]); derived from the call and this step, 32 bytes in
    /// base64url.
    pub take_key: Hidden<String>,
    /// Key for the addresses that speech is streamed to. Separate from `take_key`, so that a party who sees the address
    /// of a take learns nothing about those addresses.
    pub stream_key: Hidden<String>,
    /// Number shown to a called inspector: the line's own number in E.164, never the caller's.
    pub line_number: String,
    /// The line's first language, which the provider's application speaks unless told otherwise.
    pub language: String,
}

impl Links {
    fn at(&self, hook: &str, extra: &str) -> String {
        format!(
            "{}/hooks/{}/{hook}?call={}&line={}&step={}{extra}",
            self.public_url, self.provider, self.call, self.line, self.step
        )
    }

    /// Where a key, or a recording that ended, is posted.
    pub fn step(&self) -> String {
        self.at("step", "")
    }

    /// Where the provider reports that one part of the text was spoken, and the key pressed, if any.
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

    /// The unguessable address of the take recorded by step `take`. Valid while the call is at `step`.
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

/// The token that makes the address of a take unguessable: an HMAC-SHA256 over the step that recorded it, in base64url.
pub fn take_token(take_key: &Hidden<String>, take: u32) -> String {
    // An HMAC accepts a key of any length, so this does not fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(take_key.expose().as_bytes()) else {
        return String::new();
    };
    mac.update(format!("take {take}").as_bytes());
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

/// The line that a fallback answer is for, as the query of its addresses names it. The key is derived from the service
/// secret, so only this service can name a line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FallbackLine {
    /// The line's id.
    pub line: String,
    /// Proof that this service made the address.
    pub key: String,
}

impl FallbackLine {
    /// The query parameters: `line=…&key=…`.
    pub fn query(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .append_pair("line", &self.line)
            .append_pair("key", &self.key)
            .finish()
    }
}
