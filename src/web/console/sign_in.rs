//! Signing in and out, and the language.

use super::cookies;
use super::form::Posted;
use super::page::{Page, Visit, home, render};
use super::words::words;
use crate::base::hidden::Hidden;
use crate::desk::rights::SignedIn;
use crate::members::canonical;
use crate::members::login::{self, LoggedIn, LoginError, Origin};
use crate::service::Service;
use crate::web::ClientAddress;
use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use serde::Deserialize;
use std::sync::Arc;
use tracing::error;

type App = State<Arc<Service>>;

#[derive(Template)]
#[template(path = "sign-in.html", config = "src/web/askama.toml")]
struct SignIn {
    page: Page,
    problem: Option<String>,
    notice: Option<String>,
}

#[derive(Deserialize, Default)]
pub(super) struct Why {
    /// Present if the session has ended, and the member has to sign in again.
    again: Option<String>,
    /// Present after signing out.
    out: Option<String>,
}

/// `GET /console/sign-in`, for every client.
pub(super) async fn show(headers: HeaderMap, why: Result<Query<Why>, QueryRejection>) -> Response {
    let why = why.map(|Query(why)| why).unwrap_or_default();
    let page = Page::bare(&headers, "/console/sign-in");
    let problem = why.again.map(|_| page.w.login_again.clone());
    let notice = why.out.map(|_| page.w.signed_out.clone());
    render(&SignIn {
        page,
        problem,
        notice,
    })
}

/// `POST /console/sign-in`, for every client. With a right name and password, creates a session, sets the session and
/// device cookies and redirects to the first page of the member's role; the login is recorded in the trail of each of the member's lines.
pub(super) async fn sign_in(
    State(service): App,
    address: ClientAddress,
    headers: HeaderMap,
    form: Posted,
) -> Response {
    let page = Page::bare(&headers, "/console/sign-in");
    let password = Hidden::new(form.get("password").to_owned());
    let from = Origin {
        address: address.limit_key(),
        device: cookies::device(&service, &headers),
    };
    let (status, problem) =
        match login::log_in(&service, &canonical(form.get("name")), password, from).await {
            Ok(LoggedIn {
                token,
                device,
                member,
            }) => {
                let cookies = AppendHeaders([
                    (
                        header::SET_COOKIE,
                        cookies::set_token(&service, token.text().expose()),
                    ),
                    (header::SET_COOKIE, cookies::set_device(&service, &device)),
                ]);
                return (cookies, Redirect::to(home(member.role))).into_response();
            }
            Err(LoginError::Wrong) => (StatusCode::UNAUTHORIZED, &page.w.wrong_login),
            Err(LoginError::TooMany | LoginError::SessionOver) => {
                (StatusCode::TOO_MANY_REQUESTS, &page.w.too_many_logins)
            }
            Err(LoginError::Store(error)) => {
                error!(%error, "sign-in failed: database error");
                (StatusCode::INTERNAL_SERVER_ERROR, &page.w.failed_text)
            }
        };
    let problem = Some(problem.clone());
    let html = render(&SignIn {
        page,
        problem,
        notice: None,
    });
    (status, html).into_response()
}

/// `POST /console/sign-out`, for every client. Ends the session of the cookie, if there is one, and with it in all tabs
/// of the browser.
pub(super) async fn sign_out(State(service): App, headers: HeaderMap) -> Response {
    if let Some(token) = cookies::token(&service, &headers)
        && let Err(error) = login::log_out(&service, &token).await
    {
        error!(%error, "sign-out failed: database error");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let cookie = cookies::set_token(&service, "");
    (
        [(header::SET_COOKIE, cookie)],
        Redirect::to("/console/sign-in?out=1"),
    )
        .into_response()
}

#[derive(Deserialize, Default)]
pub(super) struct Whose {
    #[serde(default)]
    member: String,
}

/// `GET /console/session`, for members of every role. Tells an open page about the browser's session: 204 if it belongs to the member
/// who opened the page, 409 if to another one.
pub(super) async fn session(
    visit: Visit<SignedIn>,
    whose: Result<Query<Whose>, QueryRejection>,
) -> StatusCode {
    let Query(whose) = whose.unwrap_or_default();
    if whose.member == visit.who.id().to_string() {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::CONFLICT
    }
}

/// `POST /console/language`, for every client. Sets the language cookie to the other one of the two languages, and
/// redirects to `back`.
pub(super) async fn language(headers: HeaderMap, form: Posted) -> Response {
    let other = match words(cookies::language(&headers)).lang.as_str() {
        "en" => "zh-CN",
        _ => "en",
    };
    let back = form.get("back");
    // Only to addresses of the console, so that a form cannot make this redirect to another site.
    let back = if back.starts_with("/console/") {
        back
    } else {
        "/console/"
    };
    (
        [(header::SET_COOKIE, cookies::set_language(other))],
        Redirect::to(back),
    )
        .into_response()
}
