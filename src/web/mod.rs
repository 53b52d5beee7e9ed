//! The only router: every address, limit and header is to be seen here. The API's addresses are in `api`, where they
//! are described too.

mod api;
mod audio;
mod console;
mod hooks;
mod ops;

use crate::service::Service;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{any, get, post};
use std::sync::Arc;

/// The largest body of any request, in bytes.
pub const BODY_LIMIT: usize = 64 * 1024;

/// Webhooks and the API.
pub fn router(service: Arc<Service>) -> Router {
    let (api, _) = api::router().split_for_parts();
    let api = api
        .fallback(api::not_found)
        .method_not_allowed_fallback(api::wrong_method);
    Router::new()
        .route("/hooks/{provider}/call", post(hooks::call))
        .route("/hooks/{provider}/step", post(hooks::step))
        .route("/hooks/{provider}/status", post(hooks::status))
        .route("/hooks/{provider}/recording", post(hooks::recording))
        .route("/hooks/{provider}/fallback", post(hooks::fallback))
        .route(
            "/hooks/{provider}/take/{call}/{step}/{key}",
            get(hooks::take).post(hooks::take),
        )
        .nest("/api/v1", api)
        .merge(console::router())
        // The one address below it that is not nested.
        .route("/api/v1/", any(api::not_found))
        // Named, so that the layers below cover it and merging another router does not put a bare one in its place.
        .fallback(async || StatusCode::NOT_FOUND)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn(guard_headers))
        .with_state(service)
}

/// Health and metrics, on a listener of their own.
pub fn ops_router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/health/live", get(ops::live))
        .route("/health/ready", get(ops::ready))
        .route("/metrics", get(ops::metrics))
        .with_state(service)
}

/// Nothing this service answers belongs into a cache, a frame or a guess at its type, or needs a microphone.
async fn guard_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'",
        ));
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    headers.insert(
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("microphone=(), camera=(), geolocation=()"),
    );
    response
}
