//! Signatures of webhooks, as pure functions: one file per scheme.
//!
//! | scheme | what is signed | how |
//! |---|---|---|
//! | `twilio` | the address and the fields of the form, or the hash of the body | HMAC-SHA1 in base64; with a shared key also HMAC-SHA256 |
//! | `signalwire` | the address and the body, or as Twilio does | HMAC-SHA1 in hexadecimal, or in base64 |
//! | `somleng` | the address and the fields of the form | HMAC-SHA1 in base64 |
//! | `telnyx` | a timestamp and the body | Ed25519 in base64 |
//! | `jambonz` | a timestamp and the body | HMAC-SHA256 in hexadecimal |
//!
//! Common to all: several secrets (of Telnyx: public keys) may be given while one is being replaced; an empty secret
//! and an empty list of secrets match nothing; no input causes a panic. An HMAC is tried under every secret whatever
//! the result, and compared in constant time; a public key is no secret. A scheme that signs only a timestamp and the
//! body requires the timestamp to be within [`WINDOW`] of system time. It does not cover the address, so for that time
//! such a request is valid at any address of this service.

mod jambonz;
mod signalwire;
mod somleng;
mod telnyx;
mod twilio;

pub use jambonz::{jambonz_fits, jambonz_is_fresh, jambonz_sign};
pub use signalwire::{signalwire_fits, signalwire_sign};
pub use somleng::{somleng_fits, somleng_sign};
pub use telnyx::{TelnyxKey, telnyx_fits, telnyx_is_fresh, telnyx_public_key};
pub use twilio::{
    SignedBody, twilio_settings_fits, twilio_settings_sign, twilio_sign, twilio_signature_fits,
};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// Maximum difference between a signed timestamp and system time, in seconds, in either direction.
pub const WINDOW: u64 = 300;

/// The hash functions of the HMACs.
#[derive(Clone, Copy)]
enum Hash {
    Sha1,
    Sha256,
}

fn hmac(hash: Hash, secret: &str, parts: &[&[u8]]) -> Vec<u8> {
    fn with<M: Mac + hmac::digest::KeyInit>(secret: &str, parts: &[&[u8]]) -> Vec<u8> {
        let mut mac =
            <M as Mac>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().to_vec()
    }
    match hash {
        Hash::Sha1 => with::<Hmac<Sha1>>(secret, parts),
        Hash::Sha256 => with::<Hmac<Sha256>>(secret, parts),
    }
}

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// True if `signature` equals what is expected under one of `secrets`. Every secret is tried.
fn fits_one(secrets: &[&str], signature: &str, expected: impl Fn(&str) -> String) -> Choice {
    let mut fits = Choice::from(0);
    for secret in secrets {
        let usable = Choice::from(u8::from(!secret.is_empty()));
        fits |= usable & expected(secret).as_bytes().ct_eq(signature.as_bytes());
    }
    fits
}

/// True if the only `bodySHA256` in the address's query is the hash of the body, in hexadecimal. `None` when the query
/// has none; false when it has several.
fn body_hash_fits(url: &str, body: &[u8]) -> Option<Choice> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    let mut named = query
        .split('&')
        .filter_map(|pair| pair.strip_prefix("bodySHA256="));
    let claimed = named.next()?;
    let only = Choice::from(u8::from(named.next().is_none()));
    let actual = hexadecimal(&Sha256::digest(body));
    let claimed = claimed.to_ascii_lowercase();
    Some(only & actual.as_bytes().ct_eq(claimed.as_bytes()))
}

/// Parses a timestamp in seconds since 1970; `None` unless it consists of 1 to 12 digits.
fn seconds(timestamp: &str) -> Option<i64> {
    let plain =
        (1..=12).contains(&timestamp.len()) && timestamp.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| timestamp.parse().ok()).flatten()
}

fn is_fresh(timestamp: &str, now_unix: i64) -> bool {
    seconds(timestamp).is_some_and(|at| at.abs_diff(now_unix) <= WINDOW)
}

/// An address, split around its port.
struct Address<'a> {
    scheme: &'a str,
    /// Includes the user that may precede an `@`.
    host: &'a str,
    /// The text after the colon, if there is one.
    port: Option<&'a str>,
    tail: &'a str,
}

impl<'a> Address<'a> {
    fn cut(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let host_start = authority.rfind('@').map_or(0, |at| at + 1);
        // An IPv6 address has colons within its brackets.
        let name_end = authority[host_start..]
            .rfind(']')
            .map_or(host_start, |bracket| host_start + bracket + 1);
        let (host, port) = match authority[name_end..].rfind(':') {
            Some(colon) => (
                &authority[..name_end + colon],
                Some(&authority[name_end + colon + 1..]),
            ),
            None => (authority, None),
        };
        Some(Self {
            scheme,
            host,
            port,
            tail,
        })
    }

    fn standard_port(&self) -> &'static str {
        if self.scheme.eq_ignore_ascii_case("https") {
            "443"
        } else {
            "80"
        }
    }

    fn without_port(&self) -> String {
        format!("{}://{}{}", self.scheme, self.host, self.tail)
    }

    fn with_port(&self, port: &str) -> String {
        format!("{}://{}:{port}{}", self.scheme, self.host, self.tail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_plain_digits_near_now_are_fresh() {
        for good in ["1760000000", "1759999700", "1760000300", "01760000000"] {
            assert!(is_fresh(good, 1_760_000_000), "{good}");
        }
        for bad in [
            "",
            "1759999699",
            "1760000301",
            "+1760000000",
            "-1760000000",
            " 1760000000",
            "1760000000 ",
            "1760000000.0",
            "1_760_000_000",
            "0x68e77900",
            "１７６００００００0",
            "0000001760000000",
            "99999999999999999999999999",
        ] {
            assert!(!is_fresh(bad, 1_760_000_000), "{bad}");
        }
        assert!(!is_fresh("1760000000", i64::MIN));
        assert!(!is_fresh("1760000000", i64::MAX));
    }

    proptest! {
        #[test]
        fn an_address_is_cut_at_its_port_and_put_together_again(url in "(https?://)?[a-z\\[\\]@:/?#&='é]*") {
            if let Some(address) = Address::cut(&url) {
                let again = match address.port {
                    Some(port) => address.with_port(port),
                    None => address.without_port(),
                };
                prop_assert_eq!(again, url);
            }
        }
    }
}
