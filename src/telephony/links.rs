//! The addresses that a script hands out to a provider.

use crate::base::hidden::Hidden;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

/// Where a script's answers go: all addresses are absolute and carry call, line and step.
#[derive(Clone, Debug)]
pub struct Links {
    /// The configured public URL, without a trailing slash.
    pub public_url: String,
    /// The provider's name in the configuration: the `{provider}` of `/hooks/{provider}/…`.
    pub provider: String,
    /// Our id of the call.
    pub call: Uuid,
    /// The line's id.
    pub line: String,
    /// The number of the step the answer to this script will be.
    pub step: u32,
    /// What the tokens of takes' addresses are made with ([`take_token`]): of the call and this step, 32 bytes in base64url.
    pub take_key: Hidden<String>,
    /// The same for the addresses what is said is streamed to: whoever gets to see where a take is played from learns
    /// nothing of those.
    pub stream_key: Hidden<String>,
    /// What whoever is rung sees: the line's own number in E.164, never the caller's.
    pub line_number: String,
    /// The line's first language: what an account speaks unless told otherwise.
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

    /// Where it is posted that a part of what is said is over, and with which key.
    pub fn said(&self) -> String {
        self.at("said", "")
    }

    /// Where the provider goes on when a recording came to nothing.
    pub fn nothing(&self) -> String {
        self.at("step", "&nothing=1")
    }

    /// Where the provider tells what became of a recording.
    pub fn recording(&self) -> String {
        self.at("recording", "")
    }

    /// Where the provider asks what whoever was rung is to hear before the caller does.
    pub fn whisper(&self) -> String {
        self.at("whisper", "")
    }

    /// Where the key of whoever was rung is posted.
    pub fn accepted(&self) -> String {
        self.at("accepted", "")
    }

    /// The unguessable address of a take, by the step that recorded it. It holds while the call is at `step`.
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

/// What makes the address of a take unguessable: an HMAC-SHA256 over the step that recorded it, in base64url.
pub fn take_token(take_key: &Hidden<String>, take: u32) -> String {
    // An HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(take_key.expose().as_bytes()) else {
        return String::new();
    };
    mac.update(format!("take {take}").as_bytes());
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

/// The line a fallback answer is of, as the query of its addresses names it. The key is made of the service secret: who
/// does not have it cannot name a line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FallbackLine {
    /// The line's id.
    pub line: String,
    /// What proves that we named it.
    pub key: String,
}

impl FallbackLine {
    /// As the end of a query: `line=…&key=…`.
    pub fn query(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .append_pair("line", &self.line)
            .append_pair("key", &self.key)
            .finish()
    }
}
