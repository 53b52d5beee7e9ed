//! The provider's REST API: it has every recording until that is deleted.

use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

type Deleted = Arc<Mutex<HashSet<String>>>;

/// Serves it on this machine, and returns its address.
pub async fn start() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    let router = Router::new()
        .fallback(answer)
        .with_state(Deleted::default());
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

async fn answer(State(deleted): State<Deleted>, method: Method, uri: Uri) -> Response {
    let path = uri.path();
    let recording = path.contains("/Recordings/");
    let is_deleted = |id: &str| deleted.lock().expect("nobody panics").contains(id);
    match (method, path.rsplit_once('.')) {
        (Method::GET, Some((id, "wav"))) if recording && !is_deleted(id) => {
            ([("Content-Type", "audio/wav")], dutyline::simulator::SAMPLE).into_response()
        }
        // The account exists, whatever has become of its recordings.
        (Method::GET, Some((list, "json"))) if list.ends_with("/Recordings") => (
            [("Content-Type", "application/json")],
            r#"{"recordings": []}"#,
        )
            .into_response(),
        (Method::DELETE, Some((id, _))) if recording => {
            let first = deleted.lock().expect("nobody panics").insert(id.to_owned());
            let status = if first {
                StatusCode::NO_CONTENT
            } else {
                StatusCode::NOT_FOUND
            };
            status.into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
