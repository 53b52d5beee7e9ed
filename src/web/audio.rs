//! Recordings as HTTP responses, whole or a range of bytes.

use crate::desk::{DeskError, Inspector, opened};
use crate::service::Service;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use std::io;
use uuid::Uuid;

/// Maximum number of bytes of a recording that are opened at a time: the size of the pieces in which recordings are
/// sealed.
const PIECE: u64 = 64 * 1024;

/// Responds with recording number `n` of a report as WAV: the whole, or the requested range, of which only the pieces
/// that cover it are opened; 416 if no byte is in the range. For members of the line. The opening is recorded in the
/// trail before the first byte is sent.
pub(super) async fn respond(
    service: &Service,
    inspector: &Inspector,
    report: Uuid,
    n: usize,
    headers: &HeaderMap,
) -> Result<Response, DeskError> {
    let found = opened::recording(service, inspector, report, n).await?;
    let length = found.length();
    let range = match wanted(headers, length) {
        Ok(range) => range,
        Err(()) => return Ok(StatusCode::RANGE_NOT_SATISFIABLE.into_response()),
    };
    let reader = found.listen(service, inspector).await?;
    let recording = service.per_session.recording(inspector.session(), reader);
    let (start, end) = range.unwrap_or((0, length));
    // Each piece is read after the one before it has been sent, so that a paused player holds no thread.
    let body = stream::try_unfold((recording, start), move |(recording, at)| async move {
        if at == end {
            return Ok(None);
        }
        let until = (at + PIECE).min(end);
        let piece = recording.read(at, until).await?;
        Ok::<_, io::Error>(Some((Bytes::from(piece), (recording, until))))
    });
    let mut response = (
        [
            (header::CONTENT_TYPE, "audio/wav".to_owned()),
            (header::ACCEPT_RANGES, "bytes".to_owned()),
            (header::CONTENT_LENGTH, (end - start).to_string()),
        ],
        Body::from_stream(body),
    )
        .into_response();
    if range.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let text = format!("bytes {start}-{}/{length}", end - 1);
        if let Ok(value) = text.parse() {
            response.headers_mut().insert(header::CONTENT_RANGE, value);
        }
    }
    Ok(response)
}

/// Returns the requested range, in bytes, as start and end (exclusive). `None`, which means the whole recording, if the
/// header is missing or is not one valid range of bytes (RFC 9110, 14.2 allows ignoring it). `Err` if no byte of the
/// recording is in the range. The response then does not tell the recording's length, although RFC 9110, 15.5.17
/// recommends it, because the recording is not opened and nothing is recorded in the trail.
fn wanted(headers: &HeaderMap, length: u64) -> Result<Option<(u64, u64)>, ()> {
    let Some(ranges) = headers
        .get(header::RANGE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("bytes="))
    else {
        return Ok(None);
    };
    let Some((first, last)) = ranges.split_once('-') else {
        return Ok(None);
    };
    let (first, last) = (first.trim(), last.trim());
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => (first, last.saturating_add(1).min(length)),
        (Ok(first), Err(_)) if last.is_empty() => (first, length),
        (Err(_), Ok(suffix)) if first.is_empty() => (length.saturating_sub(suffix), length),
        _ => return Ok(None),
    };
    if range.0 < range.1 {
        Ok(Some(range))
    } else {
        Err(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let asked = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, text.parse().unwrap());
            wanted(&headers, 100)
        };
        assert_eq!(asked("bytes=0-9"), Ok(Some((0, 10))));
        assert_eq!(asked("bytes=90-"), Ok(Some((90, 100))));
        assert_eq!(asked("bytes=90-500"), Ok(Some((90, 100))));
        assert_eq!(asked("bytes=-10"), Ok(Some((90, 100))));
        assert_eq!(asked("bytes=-500"), Ok(Some((0, 100))));
        assert_eq!(asked("bytes=100-"), Err(()));
        assert_eq!(asked("bytes=-0"), Err(()));
        for ignored in ["bytes=5-3", "bytes=0-1,4-5", "seconds=0-1", "bytes=x-y"] {
            assert_eq!(asked(ignored), Ok(None), "{ignored}");
        }
        assert_eq!(wanted(&HeaderMap::new(), 100), Ok(None));
    }
}
