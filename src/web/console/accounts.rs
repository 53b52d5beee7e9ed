//! The page of security administrators: accounts and their sessions. It shows no content.

use super::account::{Row as SessionRow, zone_of};
use super::form::Posted;
use super::page::{ACCOUNTS, Page, Stop, Visit, render};
use super::team;
use crate::desk::rights::SecurityAdmin;
use crate::desk::{DeskError, sessions};
use crate::service::Service;
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use std::sync::Arc;
use uuid::Uuid;

type App = State<Arc<Service>>;

#[derive(Template)]
#[template(path = "accounts.html", config = "src/web/askama.toml")]
struct AccountsPage {
    page: Page,
    rows: Vec<AccountRow>,
}

struct AccountRow {
    id: Uuid,
    name: String,
    role: String,
    disabled: bool,
    sessions: Vec<SessionRow>,
    /// True if the member has a session other than the one that asks.
    to_end: bool,
}

/// `GET /console/accounts`, for security administrators. All accounts with their sessions.
pub(super) async fn show(
    State(service): App,
    visit: Visit<SecurityAdmin>,
) -> Result<Response, Stop> {
    let accounts = sessions::accounts(&service, &visit.who)
        .await
        .map_err(|error| visit.stop(error))?;
    let page = visit.page_apart(&service, "accounts");
    let zone = zone_of(&service);
    let rows = accounts.into_iter().map(|account| AccountRow {
        id: account.member.id,
        role: team::role_in_words(page.w, account.member.role).to_owned(),
        name: account.member.name,
        disabled: account.member.disabled,
        to_end: account.sessions.iter().any(|session| !session.is_own),
        sessions: account
            .sessions
            .into_iter()
            .map(|session| SessionRow::of(&page, zone, session))
            .collect(),
    });
    Ok(render(&AccountsPage {
        rows: rows.collect(),
        page,
    }))
}

/// `POST /console/accounts/end`, for security administrators. Ends all sessions of a member.
pub(super) async fn end_sessions(
    State(service): App,
    visit: Visit<SecurityAdmin>,
    form: Posted,
) -> Result<Response, Stop> {
    let member = form.get("member").parse();
    let member = member.map_err(|_| visit.stop(DeskError::Missing))?;
    sessions::end_of(&service, &visit.who, member)
        .await
        .map_err(|error| visit.stop(error))?;
    Ok(Redirect::to(ACCOUNTS).into_response())
}
