//! The only router: every address, limit and header is defined here, except the API's addresses, which are in `api`
//! with their descriptions.

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

/// Maximum size of the body of a request, in bytes. `console::NOTE_LIMIT` is the only exception.
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
        // A named fallback, so that the layers below cover it and merging another router does not replace it by a bare
        // one.
        .fallback(async || StatusCode::NOT_FOUND)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn(guard_headers))
        .with_state(service)
}

/// Addresses that providers post to and fetch from.
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

/// The one address below `/api/v1` that is not in the nested router.
fn beside_the_api() -> Routes {
    Routes::new().any("/api/v1/", Policy::Anybody, api::not_found)
}

/// Address to which a provider that records nothing streams the caller's audio.
const LISTEN: &str = "/hooks/{provider}/listen/{call}/{step}/{max_seconds}/{silence_seconds}/{key}";

/// Returns every address of both listeners, with its policy.
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
    use Policy::Operator;
    Routes::new()
        .get("/health/live", Operator, ops::live)
        .get("/health/ready", Operator, ops::ready)
        .get("/metrics", Operator, ops::metrics)
}

/// Adds security headers to every response: no caching, no framing, no guessing of content types, no microphone, camera
/// or location.
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
