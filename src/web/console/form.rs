//! What a form posts: fields by name, some of them several times.

use axum::RequestExt;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use futures_util::StreamExt;

/// The most pieces of a body beyond its limit that are read: about 32 MiB from a client that sends fast.
const MAX_REFUSED: usize = 512;

/// The fields of a posted form.
pub(super) struct Posted(Vec<(String, String)>);

impl Posted {
    /// A field's value; empty when it is not there.
    pub fn get(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(own, _)| own == name)
            .map_or("", |(_, value)| value)
    }

    /// All values of a field.
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
            // What is beyond the limit is read and dropped: a browser that is still sending when the connection is closed
            // shows an error of its own in place of the page.
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
