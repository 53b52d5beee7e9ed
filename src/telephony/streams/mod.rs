//! The port of a provider that records nothing: what a caller says is streamed to this service as it is spoken.

pub mod copies;
pub mod listening;

use super::Provider;
use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use copies::Copy;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use uuid::Uuid;

/// A provider that streams recordings to this service.
pub trait Streams: Provider {
    /// The WebSocket subprotocols that it speaks.
    fn protocols(&self) -> &'static [&'static str];

    /// True if a connection to a stream's address is accepted: the token in the address must be the stream's, and so
    /// must the credentials, if the request has any. `key_of_call` is the key that the stream's address was made with.
    fn lets_in(&self, stream: &Stream, key_of_call: &str, token: &str, headers: &HeaderMap)
    -> bool;

    /// Starts a copy in memory of the recording with this id, for callers who listen to it before the call is over.
    fn copy(&self, recording: &str) -> Copy;

    /// Removes the complete copy of this recording, if there is one.
    fn forget(&self, recording: &str);
}

/// A stream of audio to this service: the step of a call it belongs to, and what ends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// This service's id of the call.
    pub call: Uuid,
    /// Number of the step whose answer is the recording or, if the talk is recorded, the end of the talk.
    pub step: u32,
    /// Maximum duration, in seconds.
    pub max_seconds: u32,
    /// Duration of silence that ends the stream, in seconds; 0 if silence does not end it.
    pub silence_seconds: u32,
}

impl Stream {
    /// The part of the stream's address after `/hooks/{provider}/listen/`, without the token.
    pub fn path(&self) -> String {
        format!(
            "{}/{}/{}/{}",
            self.call, self.step, self.max_seconds, self.silence_seconds
        )
    }

    /// The token that makes the stream's address unguessable. `key` is the call's stream key.
    pub fn token(&self, key: &str) -> String {
        self.derived(key, "address")
    }

    /// The password that the provider presents at the stream's address.
    pub fn password(&self, key: &str) -> String {
        self.derived(key, "password")
    }

    fn derived(&self, key: &str, what: &str) -> String {
        // An HMAC accepts a key of any length, so this does not fail.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else {
            return String::new();
        };
        mac.update(format!("listen {what} {}", self.path()).as_bytes());
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }
}

/// Returns the id of the recording of a step, made of the call's id at the provider and the step, because jambonz has
/// no recording ids.
pub fn recording_id(call: &str, step: u32) -> String {
    format!("{call}/{step}")
}
