//! The console: pages made on the server, forms that post, no state in the browser but a cookie.
//!
//! | file | pages |
//! |---|---|
//! | [`sign_in`] | signing in and out, the language |
//! | [`queue`] | the queue, calls without a message |
//! | [`report`] | a report, and what is done with it |
//! | [`calendar`], [`hear`] | when a line is staffed, and what a caller hears |
//! | [`team`] | members and their lines |
//! | [`help`] | how to do each job |
//! | [`events`] | what changes, told to open pages |
//! | [`page`] | what all pages share, and pages for what went wrong |
//! | [`cookies`], [`form`] | what browsers send |
//! | [`words`], [`said`] | the console's words, and times as people say them |

mod assets;
mod calendar;
mod cookies;
mod events;
mod form;
mod hear;
mod help;
mod page;
mod queue;
mod report;
mod said;
mod sign_in;
mod team;
mod words;

use crate::service::Service;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{Redirect, Response};
use axum::routing::{any, get, post};
use std::sync::Arc;
use tower_http::csrf::CsrfLayer;

/// The largest posted note, in bytes: of the longest one each character may be twelve, percent-encoded.
const NOTE_LIMIT: usize = 160 * 1024;

/// Everything below `/console`.
pub(super) fn router() -> Router<Arc<Service>> {
    Router::new()
        .route("/console/", get(queue::show))
        .route(
            "/console/sign-in",
            get(sign_in::show).post(sign_in::sign_in),
        )
        .route("/console/sign-out", post(sign_in::sign_out))
        .route("/console/language", post(sign_in::language))
        .route("/console/claim-next", post(queue::claim_next))
        .route("/console/abandoned", get(queue::abandoned))
        .route("/console/reports/{id}", get(report::show))
        .route("/console/reports/{id}/recordings/{n}", get(report::listen))
        .route("/console/reports/{id}/trail", get(report::trail))
        .route("/console/reports/{id}/claim", post(report::claim))
        .route("/console/reports/{id}/release", post(report::release))
        .route("/console/reports/{id}/reopen", post(report::reopen))
        .route("/console/reports/{id}/close", post(report::close))
        .route(
            "/console/reports/{id}/note",
            post(report::note).layer(DefaultBodyLimit::max(NOTE_LIMIT)),
        )
        .route(
            "/console/reports/{id}/classification",
            post(report::classify),
        )
        .route("/console/reports/{id}/events", get(events::report))
        .route("/console/events", get(events::queue))
        .route("/console/session", get(sign_in::session))
        .route("/console/calendar", get(calendar::show))
        .route("/console/hear", get(hear::show))
        .route("/console/members", get(team::show).post(team::add))
        .route("/console/members/{id}/line", post(team::give_line))
        .route("/console/members/{id}/disable", post(team::disable))
        .route("/console/help", get(help::show))
        .route("/console/assets/{name}", get(assets::serve))
        .route("/console", get(|| async { Redirect::to("/console/") }))
        .route("/console/{*none}", any(page::not_found))
        .layer(CsrfLayer::new())
        .layer(middleware::from_fn(content_policy))
}

/// Nothing but our own files, nothing inline, no frames.
async fn content_policy(request: axum::extract::Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; media-src 'self'; \
             connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
    );
    response
}
