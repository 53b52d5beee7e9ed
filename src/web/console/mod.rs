//! The console: pages rendered on the server, forms that post, and no state in the browser except cookies.
//!
//! The comment of a handler names the address and the clients it is for. *Members* are logged-in members whose role
//! works on reports, unless the comment says otherwise.
//!
//! | file | pages |
//! |---|---|
//! | [`sign_in`] | signing in and out, the language |
//! | [`queue`], [`abandoned`] | the queue, calls without a message |
//! | [`report`], [`acts`], [`trail`] | a report, the actions on it, and its audit trail |
//! | [`calendar`], [`hear`] | when a line is staffed, and what a caller hears |
//! | [`team`] | members and their lines |
//! | [`account`] | a member's own password and sessions |
//! | [`operations`], [`accounts`], [`audits`] | the pages of operators, security administrators and auditors |
//! | [`changes`] | changes of members, shown to leads above every page |
//! | [`help`] | instructions for each task |
//! | [`events`] | live updates of open pages |
//! | [`page`] | the common parts of all pages, and error pages |
//! | [`unanswered`] | error pages for requests that were refused before a handler |
//! | [`address`] | redirects from http to https |
//! | [`cookies`], [`form`] | cookies and form fields that browsers send |
//! | [`words`], [`said`] | the console's texts; times, statuses and other values in words |
//! | [`assets`] | style sheet, scripts and icon |

mod abandoned;
mod account;
mod accounts;
mod acts;
mod address;
mod assets;
mod audits;
mod calendar;
mod changes;
mod cookies;
mod events;
mod form;
mod hear;
mod help;
mod operations;
mod page;
mod queue;
mod report;
mod said;
mod sign_in;
mod team;
mod trail;
mod unanswered;
mod words;

use super::policy::{Policy, Routes};
use crate::service::Service;
use axum::Router;
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{Redirect, Response};
use std::sync::Arc;
use tower_http::csrf::CsrfLayer;

/// Maximum size of the body of a form that posts a note, in bytes: each of the 10,000 characters may take 12 bytes,
/// percent-encoded.
const NOTE_LIMIT: usize = 160 * 1024;

/// Returns the router of `/console` and everything below it.
pub(super) fn router(service: &Arc<Service>) -> Router<Arc<Service>> {
    routes()
        .router()
        .layer(CsrfLayer::new())
        .layer(middleware::from_fn_with_state(
            Arc::clone(service),
            page::framed,
        ))
        .layer(middleware::from_fn_with_state(
            Arc::clone(service),
            address::right_address,
        ))
        .layer(middleware::from_fn(content_policy))
}

/// Returns the routes of pages, forms and assets, with their policies.
pub(super) fn routes() -> Routes {
    use Policy::{
        Anybody, Auditor, Colleague, Inspector, Lead, Member, Operator, OwnLine, OwnMember,
        SecurityAdmin,
    };
    Routes::new()
        .get("/console", Anybody, || async { Redirect::to("/console/") })
        .get("/console/assets/{name}", Anybody, assets::serve)
        .get("/console/sign-in", Anybody, sign_in::show)
        .post("/console/sign-in", Anybody, sign_in::sign_in)
        .post("/console/sign-out", Anybody, sign_in::sign_out)
        .post("/console/language", Anybody, sign_in::language)
        .get("/console/", Inspector, queue::show)
        .post("/console/claim-next", Inspector, queue::claim_next)
        .get("/console/abandoned", Inspector, abandoned::show)
        .get("/console/banners", Inspector, page::banners)
        .get("/console/events", Inspector, events::queue)
        .get("/console/session", Member, sign_in::session)
        .get("/console/calendar", Inspector, calendar::show)
        .get("/console/hear", Inspector, hear::show)
        .get("/console/help", Inspector, help::show)
        .get("/console/password", Member, account::show)
        .post("/console/password", Member, account::change_password)
        .post("/console/sessions/end", Member, account::end_session)
        .get("/console/audits", Auditor, audits::show)
        .get("/console/operations", Operator, operations::show)
        .get("/console/accounts", SecurityAdmin, accounts::show)
        .post(
            "/console/accounts/end",
            SecurityAdmin,
            accounts::end_sessions,
        )
        .get("/console/reports/{id}", OwnLine, report::show)
        .get("/console/reports/{id}/events", OwnLine, events::report)
        .get(
            "/console/reports/{id}/recordings/{n}",
            OwnLine,
            acts::listen,
        )
        .get("/console/reports/{id}/trail", OwnLine, trail::show)
        .post("/console/reports/{id}/claim", OwnLine, acts::claim)
        .post("/console/reports/{id}/release", OwnLine, acts::release)
        .post("/console/reports/{id}/reopen", OwnLine, acts::reopen)
        .post("/console/reports/{id}/close", OwnLine, acts::close)
        .post_up_to(
            NOTE_LIMIT,
            "/console/reports/{id}/note",
            OwnLine,
            acts::note,
        )
        .post(
            "/console/reports/{id}/classification",
            OwnLine,
            acts::classify,
        )
        .post("/console/reports/{id}/reply", OwnLine, acts::reply)
        .post(
            "/console/reports/{id}/replies/{entry}/approve",
            OwnLine,
            acts::approve,
        )
        .get("/console/members", Inspector, team::show)
        .post("/console/members", Lead, team::add)
        .post("/console/members/seen", Inspector, changes::put_away)
        .post("/console/members/waiver", Lead, team::waive)
        .post("/console/members/{id}/confirm", Colleague, team::confirm)
        .post("/console/members/{id}/line", OwnMember, team::give_line)
        .post("/console/members/{id}/take-off", OwnMember, team::take_off)
        .post("/console/members/{id}/disable", OwnMember, team::disable)
        .post("/console/members/{id}/enable", OwnMember, team::enable)
        .any("/console/{*none}", Anybody, page::not_found)
}

/// Sets the content security policy of every response of the console: only the console's own files, nothing inline, no
/// frames.
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
