//! Listening.

use super::opened::{self, Spoken};
use super::reports::report_id;
use super::{Answer, App, Inspector, Path, Problem};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use std::io;
use tokio::sync::mpsc;

/// How much is opened at a time.
const PIECE: u64 = 256 * 1024;

/// `GET /reports/{id}/recordings/{n}`. Members of the line; the very bytes the provider served, ranges without
/// opening the whole; each listening is in the trail before the first byte is out.
pub(in crate::web) async fn play(
    State(service): App,
    Path((id, n)): Path<(String, String)>,
    inspector: Inspector,
    headers: HeaderMap,
) -> Answer<Response> {
    let id = report_id(&id)?;
    let n: usize = n.parse().map_err(|_| Problem::missing())?;
    let mut tx = service.db.read().await?;
    let report = opened::find(&mut tx, &inspector, id).await?;
    let open = opened::open(&mut tx, &inspector, report).await?;
    let entries = open.entries(&mut tx).await?;
    let recordings = open.recordings(&mut tx, &entries).await?;
    let Some((recording, length)) = recordings
        .into_iter()
        .find(|recording| recording.n == n)
        .and_then(|recording| sealed_length(&recording).map(|length| (recording, length)))
    else {
        return Err(Problem::missing());
    };
    let range = match wanted(&headers, length) {
        Ok(range) => range,
        Err(()) => return Ok(not_satisfiable(length)),
    };
    let damaged = |error: &dyn std::fmt::Display| {
        Problem::internal(&format!("a sealed recording is damaged: {error}"))
    };
    let (store, file, identity) = (
        service.recordings.clone(),
        recording.row.id,
        open.identity.clone(),
    );
    // Anybody can seal another recording to the report's key: what is played must be what the trail committed to.
    let (sha256, reader) = tokio::task::spawn_blocking(move || {
        let reader = store.reader(file, &identity, length);
        (store.sealed_sha256(file), reader)
    })
    .await
    .map_err(|_| Problem::internal("a worker stopped"))?;
    let mut reader = reader.map_err(|error| damaged(&error))?;
    if !open.has_recording(file, &sha256.map_err(|error| damaged(&error.kind()))?) {
        return Err(damaged(&"it is not the one the trail committed to"));
    }
    drop(tx);
    let mut tx = service.db.begin().await?;
    opened::note_opening(
        &service,
        &mut tx,
        &inspector,
        &open.report,
        "recording_opened",
        Some(file),
    )
    .await?;
    tx.commit().await?;

    let (start, end) = range.unwrap_or((0, length));
    let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(2);
    tokio::task::spawn_blocking(move || {
        let mut at = start;
        while at < end {
            let until = (at + PIECE).min(end);
            let piece = reader.read_range(at, until).map(Bytes::from);
            let broken = piece.is_err();
            if sender.blocking_send(piece).is_err() || broken {
                return;
            }
            at = until;
        }
    });
    let body = stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|piece| (piece, receiver))
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

fn sealed_length(recording: &Spoken) -> Option<u64> {
    (recording.row.state == "sealed")
        .then_some(recording.bytes)
        .flatten()
}

/// The one range asked for, as start and end (exclusive). No range, several, or another unit: the whole
/// (RFC 9110, 14.2 allows to ignore it). A range that begins behind the end is an error.
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

fn not_satisfiable(length: u64) -> Response {
    (
        StatusCode::RANGE_NOT_SATISFIABLE,
        [(header::CONTENT_RANGE, format!("bytes */{length}"))],
    )
        .into_response()
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
