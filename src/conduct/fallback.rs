//! The line of a fallback answer. The addresses in the answer name it, authenticated by the service.
//!
//! While the database cannot be written, all that is known of a call later is what its recording's webhook says, and
//! that does not always name the number that was dialled.

use crate::line::Line;
use crate::service::Service;
use crate::telephony::FallbackLine;
use axum::extract::Query;
use axum::http::Uri;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

/// Returns the line of a fallback answer, for the addresses in it.
pub fn fallback_line(service: &Service, provider: &str, line: &Line) -> FallbackLine {
    FallbackLine {
        line: line.id.clone(),
        key: key(service, provider, &line.id),
    }
}

/// Returns the line that an address names; none when it names none, or was not made by the service for this provider.
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
