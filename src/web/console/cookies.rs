//! The two cookies: the session's token, and the language.

use crate::service::Service;
use crate::vault::session::Token;
use axum::http::{HeaderMap, HeaderValue, header};

/// The language cookie; no secret.
const LANGUAGE: &str = "dutyline-language";

/// The session cookie's name. `__Host-` ties it to this host over TLS; over plain http, on one's own machine,
/// browsers refuse that prefix.
fn session(service: &Service) -> &'static str {
    if service.config.public_url.starts_with("https://") {
        "__Host-dutyline"
    } else {
        "dutyline"
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

/// The session's token, if the browser sent one.
pub(super) fn token(service: &Service, headers: &HeaderMap) -> Option<Token> {
    get(headers, session(service))?.parse().ok()
}

/// Sets the session's token; an empty one takes it away.
pub(super) fn set_token(service: &Service, token: &str) -> HeaderValue {
    let name = session(service);
    let secure = if name.starts_with("__Host-") {
        "; Secure"
    } else {
        ""
    };
    let gone = if token.is_empty() { "; Max-Age=0" } else { "" };
    value(format!(
        "{name}={token}; Path=/; HttpOnly; SameSite=Lax{secure}{gone}"
    ))
}

/// The language the browser is to be spoken to in: what was chosen, else what it prefers, else Chinese.
pub(super) fn language(headers: &HeaderMap) -> &'static str {
    let preferred = headers
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok());
    match get(headers, LANGUAGE).or(preferred) {
        Some(tag) if tag.trim_start().starts_with("en") => "en",
        _ => "zh-CN",
    }
}

/// Remembers the language for a year.
pub(super) fn set_language(language: &str) -> HeaderValue {
    value(format!(
        "{LANGUAGE}={language}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax"
    ))
}

fn value(text: String) -> HeaderValue {
    // Names, tokens in base64url and our own language tags are all plain ASCII.
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
