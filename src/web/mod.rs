//! The routers of both listeners. Addresses are defined here, in `console` and, with their descriptions, in `api`.
//! Limits and headers are set here; `console` adds its own.

mod api;
mod ari;
mod audio;
mod console;
mod hooks;
mod listen;
mod ops;
mod policy;
mod source;

pub use policy::{Policy, Route};
pub use source::ClientAddress;

use crate::service::Service;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use policy::Routes;
use std::sync::Arc;

/// Maximum size of the body of a request to the main listener, in bytes. Exceptions are the form that posts a note
/// (`console::NOTE_LIMIT`) and the simulator's telephone, whose routes have limits of their own.
pub const BODY_LIMIT: usize = 64 * 1024;

/// Returns the router of the main listener: webhooks, the API and the console.
pub fn router(service: Arc<Service>) -> Router {
    let (api, _) = api::router().split_for_parts();
    let api = api
        .fallback(api::not_found)
        .method_not_allowed_fallback(api::wrong_method);
    webhooks()
        .router()
        .nest("/api/v1", api)
        .merge(console::router(&service))
        .merge(beside_the_api().router())
        // An explicit fallback, so that the layers below cover it and merging another router does not replace it by the
        // default one.
        .fallback(async || StatusCode::NOT_FOUND)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn(guard_headers))
        .with_state(service)
}

/// Returns the routes that providers use: for webhooks, to fetch takes, and to open WebSockets.
fn webhooks() -> Routes {
    use Policy::{Key, Provider, Switch};
    Routes::new()
        .post("/hooks/{provider}/call", Provider, hooks::call)
        .post("/hooks/{provider}/step", Provider, hooks::step)
        .post("/hooks/{provider}/said", Provider, hooks::said)
        .post("/hooks/{provider}/status", Provider, hooks::status)
        .post("/hooks/{provider}/recording", Provider, hooks::recording)
        .post("/hooks/{provider}/whisper", Provider, hooks::whisper)
        .post("/hooks/{provider}/accepted", Provider, hooks::accepted)
        .post("/hooks/{provider}/fallback", Provider, hooks::fallback)
        .get("/hooks/{provider}/ari", Switch, ari::ari)
        .get(LISTEN, Key, listen::listen)
        .get(TAKE, Key, hooks::take)
        .post(TAKE, Key, hooks::take)
}

/// Address from which a provider fetches a take, to play it back to the caller.
const TAKE: &str = "/hooks/{provider}/take/{call}/{step}/{key}";

/// Returns the route of `/api/v1/`, the only address below `/api/v1` that the nested router does not answer.
fn beside_the_api() -> Routes {
    Routes::new().any("/api/v1/", Policy::Anybody, api::not_found)
}

/// Address to which a provider that makes no recordings itself streams the caller's audio.
const LISTEN: &str = "/hooks/{provider}/listen/{call}/{step}/{max_seconds}/{silence_seconds}/{key}";

/// Returns the routes of both listeners, with their policies.
pub fn table() -> Vec<Route> {
    let mut table = webhooks().table();
    table.extend(api::table());
    table.extend(beside_the_api().table());
    table.extend(console::routes().table());
    table.extend(operators().table());
    table
}

/// Returns the router of the operators' listener: health and metrics.
pub fn ops_router(service: Arc<Service>) -> Router {
    operators().router().with_state(service)
}

fn operators() -> Routes {
    use Policy::Listener;
    Routes::new()
        .get("/health/live", Listener, ops::live)
        .get("/health/ready", Listener, ops::ready)
        .get("/metrics", Listener, ops::metrics)
}

/// Adds security headers to every response of the main listener: no framing, no guessing of content types, no referrer,
/// no microphone, camera or location. Also forbids caching, and sets a content security policy that allows nothing,
/// unless the handler has set `Cache-Control` or `Content-Security-Policy` itself.
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
