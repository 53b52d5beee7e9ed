//! Posted forms. A field may occur several times.

use axum::RequestExt;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use futures_util::StreamExt;

/// Maximum number of pieces of a body that are read and dropped after its limit was exceeded: about 32 MiB from a
/// client that sends fast.
const MAX_REFUSED: usize = 512;

/// The fields of a posted form.
pub(super) struct Posted(Vec<(String, String)>);

impl Posted {
    /// Returns the first value of a field; empty if the field is missing.
    pub fn get(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(own, _)| own == name)
            .map_or("", |(_, value)| value)
    }

    /// Returns all values of a field, in the order of the form.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.0
            .iter()
            .filter(|(own, _)| own == name)
            .map(|(_, value)| value.clone())
            .collect()
    }
}

impl<S: Send + Sync> FromRequest<S> for Posted {
    type Rejection = StatusCode;

    async fn from_request(request: Request, _: &S) -> Result<Self, StatusCode> {
        let mut pieces = request.with_limited_body().into_body().into_data_stream();
        let mut body = Vec::new();
        let mut refused = 0;
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(piece) => body.extend_from_slice(&piece),
                Err(_) => refused += 1,
            }
            // What exceeds the limit is read and dropped: a browser that is still sending when the connection is closed
            // shows an error of its own instead of the page.
            if refused == MAX_REFUSED {
                break;
            }
        }
        if refused > 0 {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        Ok(Self(form_urlencoded::parse(&body).into_owned().collect()))
    }
}
