//! Members and their lines, for the lead; and everybody's own password.

use super::form::Posted;
use super::page::{Page, Stop, Visit, in_words, render, status_of};
use crate::desk::{DeskError, team};
use crate::hidden::Hidden;
use crate::login::Role;
use crate::service::Service;
use crate::vault::passwords::Password;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use std::sync::Arc;
use uuid::Uuid;

type App = State<Arc<Service>>;

#[derive(Template)]
#[template(path = "members.html", config = "src/web/askama.toml")]
struct Members {
    page: Page,
    problem: Option<String>,
    draft: String,
    rows: Vec<Row>,
    lines: Vec<String>,
}

struct Row {
    id: Uuid,
    name: String,
    role: String,
    lines: String,
    disabled: bool,
    oneself: bool,
    /// The lead's lines they could be given.
    more: Vec<String>,
}

/// `GET /console/members`. Leads; whom they share a line with.
pub(super) async fn show(State(service): App, visit: Visit) -> Result<Response, Stop> {
    page_of(&service, &visit, None, "").await
}

async fn page_of(
    service: &Service,
    visit: &Visit,
    problem: Option<String>,
    draft: &str,
) -> Result<Response, Stop> {
    let colleagues = team::list(service, &visit.inspector)
        .await
        .map_err(|error| visit.stop(error))?;
    let page = visit.page(service, "members").await?;
    let w = page.w;
    let own: Vec<String> = visit
        .inspector
        .lines(service)
        .into_iter()
        .map(|line| line.id.clone())
        .collect();
    let rows = colleagues
        .into_iter()
        .map(|member| Row {
            oneself: member.id == visit.inspector.id(),
            role: match member.role {
                Some(Role::Lead) => w.lead.clone(),
                Some(Role::Inspector) => w.inspector.clone(),
                Some(Role::Auditor) => w.auditor.clone(),
                Some(Role::Operator) => w.operator.clone(),
                None => String::new(),
            },
            more: if member.disabled || !member.role.is_some_and(Role::works_on_reports) {
                Vec::new()
            } else {
                own.iter()
                    .filter(|line| !member.lines.contains(line))
                    .cloned()
                    .collect()
            },
            lines: member.lines.join("、"),
            id: member.id,
            name: member.name,
            disabled: member.disabled,
        })
        .collect();
    Ok(render(&Members {
        problem,
        draft: draft.to_owned(),
        rows,
        lines: own,
        page,
    }))
}

/// `POST /console/members`. Leads; makes a member with a first password; each line given is in its trail.
pub(super) async fn add(State(service): App, visit: Visit, form: Posted) -> Result<Response, Stop> {
    let role = match form.get("role") {
        "lead" => Role::Lead,
        _ => Role::Inspector,
    };
    let password = Hidden::new(form.get("password").to_owned());
    let (name, lines) = (form.get("name"), form.all("line"));
    let done = team::add(&service, &visit.inspector, name, role, password, &lines).await;
    after(&service, &visit, done, name).await
}

#[derive(Template)]
#[template(path = "password.html", config = "src/web/askama.toml")]
struct PasswordPage {
    page: Page,
    problem: Option<String>,
    notice: Option<String>,
}

/// `GET /console/password`. Members; their own.
pub(super) async fn show_password(State(service): App, visit: Visit) -> Result<Response, Stop> {
    password_page(&service, &visit, None, None).await
}

async fn password_page(
    service: &Service,
    visit: &Visit,
    problem: Option<String>,
    notice: Option<String>,
) -> Result<Response, Stop> {
    let page = visit.page(service, "password").await?;
    Ok(render(&PasswordPage {
        page,
        problem,
        notice,
    }))
}

/// `POST /console/password`. Members; changes their own and ends their other sessions; in the trail of their lines.
pub(super) async fn change_password(
    State(service): App,
    visit: Visit,
    form: Posted,
) -> Result<Response, Stop> {
    let [old, new] = ["old", "new"].map(|name| Hidden::new(form.get(name).to_owned()));
    if Password::typed(form.get("new")) != Password::typed(form.get("again")) {
        let problem = Some(visit.w.not_the_same.clone());
        let page = password_page(&service, &visit, problem, None).await?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    match team::change_password(&service, &visit.inspector, old, new).await {
        Ok(()) => {
            let notice = Some(visit.w.password_changed.clone());
            password_page(&service, &visit, None, notice).await
        }
        Err(error) => match in_words(visit.w, &error) {
            Some(text) => {
                let problem = Some(text.to_owned());
                let page = password_page(&service, &visit, problem, None).await?;
                Ok((status_of(&error), page).into_response())
            }
            None => Err(visit.stop(error)),
        },
    }
}

/// `POST /console/members/{id}/line`. Leads; passes a line they hold on; in its trail.
pub(super) async fn give_line(
    State(service): App,
    Path(id): Path<String>,
    visit: Visit,
    form: Posted,
) -> Result<Response, Stop> {
    let id = id.parse().map_err(|_| visit.stop(DeskError::Missing))?;
    let done = team::give_line(&service, &visit.inspector, id, form.get("line")).await;
    after(&service, &visit, done, "").await
}

/// `POST /console/members/{id}/disable`. Leads; locks a member out; in the trail of each of the member's lines.
pub(super) async fn disable(
    State(service): App,
    Path(id): Path<String>,
    visit: Visit,
) -> Result<Response, Stop> {
    let id = id.parse().map_err(|_| visit.stop(DeskError::Missing))?;
    let done = team::disable(&service, &visit.inspector, id).await;
    after(&service, &visit, done, "").await
}

async fn after(
    service: &Service,
    visit: &Visit,
    done: Result<(), DeskError>,
    draft: &str,
) -> Result<Response, Stop> {
    let error = match done {
        Ok(()) => return Ok(Redirect::to("/console/members").into_response()),
        Err(error) => error,
    };
    match in_words(visit.w, &error) {
        Some(text) => {
            let page = page_of(service, visit, Some(text.to_owned()), draft).await?;
            Ok((status_of(&error), page).into_response())
        }
        None => Err(visit.stop(error)),
    }
}
