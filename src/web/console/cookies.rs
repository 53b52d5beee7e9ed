//! The cookies: the session's token, the device and the language.

use crate::members::login::Device;
use crate::service::Service;
use crate::vault::session::Token;
use axum::http::{HeaderMap, HeaderValue, header};

/// Name of the language cookie, which is not secret.
const LANGUAGE: &str = "dutyline-language";

/// Time for which a browser keeps the device cookie, which each login sets again, in seconds: 180 days.
const DEVICE_SECONDS: u32 = 180 * 24 * 3600;

/// Returns the names of the session cookie and the device cookie. `__Host-` binds them to this host over TLS. Browsers
/// refuse that prefix over plain http, so it is left out if `public_url` is http.
fn names(service: &Service) -> [&'static str; 2] {
    if service.config.public_url.starts_with("https://") {
        ["__Host-dutyline", "__Host-dutyline-device"]
    } else {
        ["dutyline", "dutyline-device"]
    }
}

fn get<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(own, _)| *own == name)
        .map(|(_, value)| value)
}

/// Returns the token in the session cookie, not verified; `None` if there is no cookie, or no well-formed token in it.
pub(super) fn token(service: &Service, headers: &HeaderMap) -> Option<Token> {
    let [session, _] = names(service);
    get(headers, session)?.parse().ok()
}

/// Returns the content of the device cookie, not verified; `None` if there is no cookie, or it cannot be parsed.
pub(super) fn device(service: &Service, headers: &HeaderMap) -> Option<Device> {
    let [_, device] = names(service);
    Device::parse(get(headers, device)?)
}

/// Returns the device cookie, which marks the browser as one from which a member has logged in. Browsers send it only
/// with requests from pages of this service.
pub(super) fn set_device(service: &Service, device: &Device) -> HeaderValue {
    let [_, name] = names(service);
    let secure = secure(name);
    let text = device.text();
    value(format!(
        "{name}={text}; Path=/; Max-Age={DEVICE_SECONDS}; HttpOnly; SameSite=Strict{secure}"
    ))
}

fn secure(name: &str) -> &'static str {
    if name.starts_with("__Host-") {
        "; Secure"
    } else {
        ""
    }
}

/// Returns the session cookie with a token; an empty token deletes the cookie.
pub(super) fn set_token(service: &Service, token: &str) -> HeaderValue {
    let [name, _] = names(service);
    let secure = secure(name);
    let gone = if token.is_empty() { "; Max-Age=0" } else { "" };
    value(format!(
        "{name}={token}; Path=/; HttpOnly; SameSite=Lax{secure}{gone}"
    ))
}

/// Returns the language of pages: English if the language cookie or, without that cookie, `Accept-Language` begins with
/// `en`; else Chinese.
pub(super) fn language(headers: &HeaderMap) -> &'static str {
    let preferred = headers
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok());
    match get(headers, LANGUAGE).or(preferred) {
        Some(tag) if tag.trim_start().starts_with("en") => "en",
        _ => "zh-CN",
    }
}

/// Returns the language cookie, which the browser keeps for a year.
pub(super) fn set_language(language: &str) -> HeaderValue {
    value(format!(
        "{LANGUAGE}={language}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax"
    ))
}

fn value(text: String) -> HeaderValue {
    // Names, tokens in base64url and our own language tags are all plain ASCII.
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
