//! The stand-in's HTTP API: recordings and channels.

use super::{Pbx, TOKEN};
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use serde_json::{Value, json};

#[expect(
    clippy::disallowed_methods,
    reason = "the far side has no inspectors, so its addresses have no policies"
)]
pub(super) fn router(pbx: Pbx) -> Router {
    Router::new()
        .route("/ari/channels/{id}", get(channel))
        .route("/ari/recordings/stored", get(list))
        .route("/ari/recordings/stored/{name}", get(stored).delete(delete))
        .route("/ari/recordings/stored/{name}/file", get(file))
        .route("/ari/recordings/live/{name}", get(live))
        .layer(middleware::from_fn(guard))
        .with_state(pbx)
}

async fn guard(request: Request, next: Next) -> Response {
    use base64::Engine;
    let right = base64::engine::general_purpose::STANDARD.encode(format!("duty:{TOKEN}"));
    let given = request.headers().get(header::AUTHORIZATION);
    if given.is_some_and(|given| *given == format!("Basic {right}")) {
        next.run(request).await
    } else {
        StatusCode::UNAUTHORIZED.into_response()
    }
}

async fn channel(State(pbx): State<Pbx>, Path(id): Path<String>) -> StatusCode {
    match pbx.state().channels.contains_key(&id) {
        true => StatusCode::OK,
        false => StatusCode::NOT_FOUND,
    }
}

/// Lists stored and running recordings, as Asterisk does.
async fn list(State(pbx): State<Pbx>) -> Json<Vec<Value>> {
    let state = pbx.state();
    let names = state.stored.keys().chain(state.live.keys());
    Json(
        names
            .map(|name| json!({"name": name, "format": "wav"}))
            .collect(),
    )
}

async fn stored(State(pbx): State<Pbx>, Path(name): Path<String>) -> StatusCode {
    match pbx.state().stored.contains_key(&name) {
        true => StatusCode::OK,
        false => StatusCode::NOT_FOUND,
    }
}

async fn live(State(pbx): State<Pbx>, Path(name): Path<String>) -> StatusCode {
    let mut state = pbx.state();
    if state.faults.live_unknown > 0 {
        state.faults.live_unknown -= 1;
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    match state.live.contains_key(&name) {
        true => StatusCode::OK,
        false => StatusCode::NOT_FOUND,
    }
}

async fn file(State(pbx): State<Pbx>, Path(name): Path<String>) -> Response {
    let mut state = pbx.state();
    if state.faults.not_yet > 0 {
        state.faults.not_yet -= 1;
        return StatusCode::NOT_FOUND.into_response();
    }
    match state.stored.get(&name) {
        Some(audio) => ([(header::CONTENT_TYPE, "audio/wav")], audio.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn delete(State(pbx): State<Pbx>, Path(name): Path<String>) -> StatusCode {
    match pbx.state().stored.remove(&name) {
        Some(_) => StatusCode::NO_CONTENT,
        None => StatusCode::NOT_FOUND,
    }
}

/// Returns a WAV header (8 kHz, mono, 16 bits) without samples.
pub(super) fn empty_wav() -> Bytes {
    let mut wav = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    wav.extend(8000u32.to_le_bytes());
    wav.extend(16000u32.to_le_bytes());
    wav.extend(b"\x02\0\x10\0data\0\0\0\0");
    wav.into()
}

/// Returns a folder with an operator's recorded sounds: the digits of a receipt in both languages.
pub(super) fn sounds() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for language in ["zh-CN", "en"] {
        let own = folder.path().join("recorded").join(language);
        std::fs::create_dir_all(&own).expect("a folder");
        for digit in 0..10 {
            let mut wav = empty_wav().to_vec();
            wav[4..8].copy_from_slice(&(36u32 + 320).to_le_bytes());
            wav[40..44].copy_from_slice(&320u32.to_le_bytes());
            wav.extend([0; 320]);
            std::fs::write(own.join(format!("digit-{digit}.wav")), wav).expect("a file");
        }
    }
    folder
}
