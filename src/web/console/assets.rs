//! Style sheet, scripts and icon, embedded in the program. htmx and its extension for server-sent events are unchanged
//! copies of the published files (npm `htmx.org` 4.0.1, Zero-Clause BSD, see `LICENSE-htmx` beside them).

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// `GET /console/assets/{name}`, for every client. Contains no data of callers or members.
pub(super) async fn serve(Path(name): Path<String>) -> Response {
    let (kind, content) = match name.as_str() {
        "console.css" => (
            "text/css; charset=utf-8",
            include_str!("../assets/console.css"),
        ),
        "console.js" => (SCRIPT, include_str!("../assets/console.js")),
        "player.js" => (SCRIPT, include_str!("../assets/player.js")),
        // One file, because htmx starts as soon as it is loaded and must know its extension then.
        "htmx.js" => (
            SCRIPT,
            concat!(
                include_str!("../assets/vendor/htmx-4.0.1.min.js"),
                "\n",
                include_str!("../assets/vendor/hx-sse-4.0.1.min.js"),
            ),
        ),
        "icon.svg" => ("image/svg+xml", include_str!("../assets/icon.svg")),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    (
        [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, "public, max-age=300"),
        ],
        content,
    )
        .into_response()
}
