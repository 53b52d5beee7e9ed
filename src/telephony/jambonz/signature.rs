//! jambonz's signature of a webhook, as a pure function: `Jambonz-Signature: t=…,v1=…`, an HMAC-SHA256 in hex over
//! the time, a dot and the body.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt::Write;
use subtle::{Choice, ConstantTimeEq};

/// How far the time in a signature may be from ours, in seconds, either way.
const WINDOW: i64 = 300;

/// Does the header fit the body under one of `secrets`, and is it of this time?
pub fn jambonz_fits(secrets: &[&str], header: &str, body: &[u8], now_unix: i64) -> bool {
    let mut time = None;
    let mut given = Vec::new();
    for part in header.split(',') {
        match part.trim().split_once('=') {
            Some(("t", value)) if time.is_none() => time = Some(value),
            Some(("t", _)) | None => return false,
            Some(("v1", value)) => given.push(value),
            Some(_) => {}
        }
    }
    let Some(time) = time.filter(|time| time.bytes().all(|byte| byte.is_ascii_digit())) else {
        return false;
    };
    let Ok(at) = time.parse::<i64>() else {
        return false;
    };
    let mut fits = Choice::from(0);
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        let expected = hex(secret, time, body);
        for given in &given {
            fits |= expected.as_bytes().ct_eq(given.as_bytes());
        }
    }
    bool::from(fits) && now_unix.abs_diff(at) <= WINDOW.unsigned_abs()
}

/// The header for a body, as jambonz makes it.
pub fn jambonz_sign(secret: &str, body: &[u8], now_unix: i64) -> String {
    format!("t={now_unix},v1={}", hex(secret, &now_unix.to_string(), body))
}

fn hex(secret: &str, time: &str, body: &[u8]) -> String {
    // An HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.finalize()
        .into_bytes()
        .iter()
        .fold(String::new(), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}
