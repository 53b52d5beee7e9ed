//! The device cookie: it marks a browser that a member has logged in from before, so that its logins do not wait behind
//! those of strangers. It opens nothing: the password is still needed.

use crate::base::clock;
use crate::service::Service;
use crate::store::members::Member;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;

const ID: usize = 16;
const MAC: usize = 32;

/// A random id, and its MAC under the service secret over member, id and the member's wrapped key. A change of the
/// password changes the wrapped key, so it makes all of the member's device cookies void.
pub struct Device {
    id: [u8; ID],
    mac: [u8; MAC],
}

impl Device {
    /// A new one for a member who has just logged in.
    pub(super) fn new(service: &Service, member: &Member) -> Self {
        let id = clock::random();
        let mac = mac(service, member, &id);
        Self { id, mac }
    }

    /// The device in a cookie's text, not verified; none when the text is no such cookie.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (id, mac) = bytes.split_first_chunk()?;
        Some(Self {
            id: *id,
            mac: mac.try_into().ok()?,
        })
    }

    /// The cookie's text: 48 bytes, 64 characters of base64url.
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode([self.id.as_slice(), &self.mac].concat())
    }

    /// True if this service made it for this member, and the password has not changed since.
    pub(super) fn is_of(&self, service: &Service, member: &Member) -> bool {
        bool::from(mac(service, member, &self.id).ct_eq(&self.mac))
    }

    pub(super) fn id(&self) -> [u8; ID] {
        self.id
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Device([hidden])")
    }
}

fn mac(service: &Service, member: &Member, id: &[u8; ID]) -> [u8; MAC] {
    let version = URL_SAFE_NO_PAD.encode(Sha256::digest(&member.wrapped));
    let parts = [
        &member.id.to_string(),
        &URL_SAFE_NO_PAD.encode(id),
        &version,
    ];
    service
        .secret
        .lookup("device cookie", &parts.map(String::as_str))
}
