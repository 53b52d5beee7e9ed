//! The device cookie. It marks a browser from which a member has logged in before, so that its logins do not wait
//! behind those of unknown clients. It gives no access: the password is still needed.

use crate::base::clock;
use crate::service::Service;
use crate::store::members::Member;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;

/// Length of a device's id, in bytes.
const ID: usize = 16;
/// Length of the MAC, in bytes.
const MAC: usize = 32;

/// The content of a device cookie: a random id, and a MAC under the service secret over the member's id, this id and
/// the member's wrapped key. A change of the password changes the wrapped key and so invalidates all of the member's
/// device cookies.
pub struct Device {
    id: [u8; ID],
    mac: [u8; MAC],
}

impl Device {
    /// Creates a device for a member who has just logged in from an unknown browser.
    pub(super) fn new(service: &Service, member: &Member) -> Self {
        let id = clock::random();
        let mac = mac(service, member, &id);
        Self { id, mac }
    }

    /// Reads the device from a cookie's text, without verifying it; `None` if the text does not have the form of the
    /// cookie.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (id, mac) = bytes.split_first_chunk()?;
        Some(Self {
            id: *id,
            mac: mac.try_into().ok()?,
        })
    }

    /// Returns the cookie's text: 48 bytes, as 64 characters of base64url.
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode([self.id.as_slice(), &self.mac].concat())
    }

    /// True if this service made the device cookie for this member, and the member's password has not changed since.
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
