//! Which line a fallback answer is of: its addresses say so, authenticated by us.
//!
//! While nothing can be written down, all that is later known of a call is what its recording's webhook says, and that
//! does not always name the number that was dialled.

use crate::line::Line;
use crate::service::Service;
use crate::telephony::FallbackLine;
use axum::extract::Query;
use axum::http::Uri;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

/// The line of a fallback answer, for the addresses in it.
pub fn fallback_line(service: &Service, provider: &str, line: &Line) -> FallbackLine {
    FallbackLine {
        line: line.id.clone(),
        key: key(service, provider, &line.id),
    }
}

/// The line that an address names; none when it names none, or was not made by us for this provider.
pub fn line_of_fallback<'a>(service: &'a Service, provider: &str, uri: &Uri) -> Option<&'a Line> {
    let Query(named) = Query::<FallbackLine>::try_from_uri(uri).ok()?;
    let expected = key(service, provider, &named.line);
    let fits = bool::from(expected.as_bytes().ct_eq(named.key.as_bytes()));
    fits.then(|| service.config.line(&named.line)).flatten()
}

/// HMAC over provider and line, under a key derived from the service secret, in base64url.
fn key(service: &Service, provider: &str, line: &str) -> String {
    let mac = service.secret.lookup("fallback line", &[provider, line]);
    URL_SAFE_NO_PAD.encode(mac)
}
