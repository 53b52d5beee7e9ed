//! The REST API of a provider whose ids the test chooses.

use crate::support::ACCOUNT;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use dutyline::app;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

type Recordings = Arc<Mutex<HashMap<String, Bytes>>>;

/// Serves recordings until they are deleted.
pub struct Provider {
    /// The configuration's `api_url`.
    pub api_url: String,
    recordings: Recordings,
    _stop: watch::Sender<bool>,
}

impl Provider {
    #[expect(clippy::disallowed_methods, reason = "a provider has no inspectors")]
    pub async fn open() -> Self {
        let recordings = Recordings::default();
        let account = format!("/2010-04-01/Accounts/{ACCOUNT}");
        let router = Router::new()
            .route(
                &format!("{account}/Recordings/{{file}}"),
                get(fetch).delete(delete),
            )
            .route(&format!("{account}/Recordings.json"), get(list))
            .with_state(Arc::clone(&recordings));
        let listener = app::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let api_url = format!("http://{}", app::address(&listener));
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(app::serve(listener, router, stopped));
        Self {
            api_url,
            recordings,
            _stop: stop,
        }
    }

    /// Adds a recording.
    pub fn record(&self, id: &str, audio: Bytes) {
        self.recordings.lock().unwrap().insert(id.to_owned(), audio);
    }

    /// Returns the number of recordings that are not deleted.
    pub fn left(&self) -> usize {
        self.recordings.lock().unwrap().len()
    }
}

async fn list(State(recordings): State<Recordings>) -> Json<Value> {
    let recordings = recordings.lock().unwrap();
    let listed: Vec<Value> = recordings.keys().map(|id| json!({ "sid": id })).collect();
    Json(json!({ "recordings": listed, "page": 0, "next_page_uri": null }))
}

async fn fetch(State(recordings): State<Recordings>, Path(file): Path<String>) -> Response {
    let id = file.trim_end_matches(".wav");
    match recordings.lock().unwrap().get(id) {
        Some(audio) => ([(header::CONTENT_TYPE, "audio/x-wav")], audio.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn delete(State(recordings): State<Recordings>, Path(file): Path<String>) -> StatusCode {
    let id = file.trim_end_matches(".json");
    match recordings.lock().unwrap().remove(id) {
        Some(_) => StatusCode::NO_CONTENT,
        None => StatusCode::NOT_FOUND,
    }
}
