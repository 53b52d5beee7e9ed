//! Names the line of a fallback answer in the addresses that the answer contains, with a key that proves that the
//! service made them.
//!
//! No call can be stored while the database cannot be written. Later all that is known of such a call is what the
//! webhook of its recording says, and that does not always include the number that was dialled.

use crate::line::Line;
use crate::service::Service;
use crate::telephony::FallbackLine;
use axum::extract::Query;
use axum::http::Uri;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

/// Returns the query parameters that name `line` in the addresses of a fallback answer.
pub fn fallback_line(service: &Service, provider: &str, line: &Line) -> FallbackLine {
    FallbackLine {
        line: line.id.clone(),
        key: key(service, provider, &line.id),
    }
}

/// Returns the line that an address of a fallback answer names; `None` when it names none that is configured, or was
/// not made by the service for this provider.
pub fn line_of_fallback<'a>(service: &'a Service, provider: &str, uri: &Uri) -> Option<&'a Line> {
    let Query(named) = Query::<FallbackLine>::try_from_uri(uri).ok()?;
    let expected = key(service, provider, &named.line);
    let fits = bool::from(expected.as_bytes().ct_eq(named.key.as_bytes()));
    fits.then(|| service.config.line(&named.line)).flatten()
}

/// Returns an HMAC over provider and line, under a key derived from the service secret, in base64url.
fn key(service: &Service, provider: &str, line: &str) -> String {
    let mac = service.secret.lookup("fallback line", &[provider, line]);
    URL_SAFE_NO_PAD.encode(mac)
}
