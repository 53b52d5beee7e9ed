//! A member's own account: their password, and their sessions.

use super::form::Posted;
use super::page::{Page, Stop, Visit, in_words, render, status_of};
use super::said;
use crate::base::hidden::Hidden;
use crate::desk::rights::SignedIn;
use crate::desk::sessions::Lasting;
use crate::desk::{access, sessions};
use crate::service::Service;
use crate::vault::passwords::Password;
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use chrono_tz::Tz;
use std::sync::Arc;

type App = State<Arc<Service>>;

#[derive(Template)]
#[template(path = "account.html", config = "src/web/askama.toml")]
struct AccountPage {
    page: Page,
    problem: Option<String>,
    notice: Option<String>,
    sessions: Vec<Row>,
    others: bool,
}

/// A session, in words.
pub(super) struct Row {
    pub id: String,
    pub began: String,
    pub seen: String,
    pub is_own: bool,
}

impl Row {
    pub fn of(page: &Page, zone: Tz, session: Lasting) -> Self {
        Self {
            began: said::moment(page.w, session.began_at, zone),
            seen: said::moment(page.w, session.seen_at, zone),
            id: session.id,
            is_own: session.is_own,
        }
    }
}

/// Returns the time zone in which times of the whole service are shown: that of the first line.
pub(super) fn zone_of(service: &Service) -> Tz {
    let first = service.config.lines.first();
    first.map_or(Tz::UTC, |entry| entry.line.schedule.timezone)
}

/// `GET /console/password`, for members of every role. The form with which they change their own password, and their
/// sessions.
pub(super) async fn show(State(service): App, visit: Visit<SignedIn>) -> Result<Response, Stop> {
    let page = visit.page_of_any(&service, "account").await?;
    page_of(&service, &visit, page, None, None).await
}

async fn page_of(
    service: &Service,
    visit: &Visit<SignedIn>,
    page: Page,
    problem: Option<String>,
    notice: Option<String>,
) -> Result<Response, Stop> {
    let own = sessions::own(service, &visit.who)
        .await
        .map_err(|error| visit.stop(error))?;
    let zone = zone_of(service);
    Ok(render(&AccountPage {
        problem,
        notice,
        others: own.len() > 1,
        sessions: own
            .into_iter()
            .map(|session| Row::of(&page, zone, session))
            .collect(),
        page,
    }))
}

/// `POST /console/password`, for members of every role. Changes their own password and ends their other sessions.
/// Recorded in the trail of each of their lines.
pub(super) async fn change_password(
    State(service): App,
    visit: Visit<SignedIn>,
    form: Posted,
) -> Result<Response, Stop> {
    // Before the change, after which the key that this request has opens nothing any more.
    let page = visit.page_of_any(&service, "account").await?;
    let [old, new] = ["old", "new"].map(|name| Hidden::new(form.get(name).to_owned()));
    if Password::typed(form.get("new")) != Password::typed(form.get("again")) {
        let problem = Some(visit.w.not_the_same.clone());
        let page = page_of(&service, &visit, page, problem, None).await?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    match access::change_password(&service, &visit.who, old, new).await {
        Ok(()) => {
            let notice = Some(visit.w.password_changed.clone());
            page_of(&service, &visit, page, None, notice).await
        }
        Err(error) => match in_words(visit.w, &error) {
            Some(text) => {
                let problem = Some(text.to_owned());
                let page = page_of(&service, &visit, page, problem, None).await?;
                Ok((status_of(&error), page).into_response())
            }
            None => Err(visit.stop(error)),
        },
    }
}

/// `POST /console/sessions/end`, for members of every role. Ends one of their own other sessions, or all of them.
pub(super) async fn end_session(
    State(service): App,
    visit: Visit<SignedIn>,
    form: Posted,
) -> Result<Response, Stop> {
    let ended = match form.get("session") {
        "others" => sessions::end_others(&service, &visit.who).await,
        id => sessions::end_one(&service, &visit.who, id).await,
    };
    ended.map_err(|error| visit.stop(error))?;
    Ok(Redirect::to("/console/password").into_response())
}
