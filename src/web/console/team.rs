//! The page of members and their lines.

use super::form::Posted;
use super::page::{Page, Stop, Visit, in_words, render, status_of};
use super::words::Words;
use crate::base::hidden::Hidden;
use crate::desk::access::{self, NewMember};
use crate::desk::fresh::{self, Fresh};
use crate::desk::rights::OnReports;
use crate::desk::team::{self, Colleague, MadeBy};
use crate::desk::{DeskError, Invalid, Lead};
use crate::members::short_id;
use crate::report::role::Role;
use crate::service::Service;
use askama::Template;
use axum::extract::{FromRequest, FromRequestParts, Path, Request, State};
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
    /// True if the forms ask for the lead's own password.
    asks: bool,
    rows: Vec<Row>,
    lines: Vec<String>,
    /// The lead's lines with fewer than three members; empty if the viewing member is not a lead.
    small: Vec<Small>,
}

struct Row {
    id: Uuid,
    name: String,
    /// The beginning of the id, if another name looks like this one.
    short_id: Option<String>,
    role: String,
    lines: String,
    /// The lines that the member can be taken off.
    removable: Vec<String>,
    disabled: bool,
    oneself: bool,
    /// Who added the member, and who confirmed the account, in words; `None` for the first lead.
    origin: Option<String>,
    to_confirm: bool,
    /// The viewing member's lines that this member does not have: those that a lead could give them.
    more: Vec<String>,
}

struct Small {
    line: String,
    waived: bool,
    /// Whether the confirmation is waived, in words.
    text: String,
}

/// `GET /console/members`, for members. Shows the members with whom they share a line, and to leads also members
/// without a line. The form that confirms an account is shown to every member who may confirm it; the other forms only
/// to leads.
pub(super) async fn show(State(service): App, visit: Visit) -> Result<Response, Stop> {
    page_of(&service, &visit, None, "").await
}

async fn page_of<R: OnReports>(
    service: &Service,
    visit: &Visit<R>,
    problem: Option<String>,
    draft: &str,
) -> Result<Response, Stop> {
    let colleagues = team::list(service, visit.who.inspector())
        .await
        .map_err(|error| visit.stop(error))?;
    let page = visit.page(service, "members").await?;
    let w = page.w;
    let own: Vec<String> = visit
        .who
        .inspector()
        .lines(service)
        .into_iter()
        .map(|line| line.id.clone())
        .collect();
    let mut small = Vec::new();
    if let Some(lead) = visit.who.inspector().as_lead() {
        let lines = team::small_lines(service, &lead)
            .await
            .map_err(|error| visit.stop(error))?;
        small.extend(lines.into_iter().map(|small| {
            Small {
                text: match &small.waived_by {
                    Some(name) => w.waived.replace("{name}", name),
                    None => w.waive_hint.clone(),
                }
                .replace("{line}", &small.line),
                waived: small.waived_by.is_some(),
                line: small.line,
            }
        }));
    }
    let rows = colleagues
        .into_iter()
        .map(|member| Row {
            oneself: member.id == visit.who.inspector().id(),
            role: role_in_words(w, member.role).to_owned(),
            more: if member.disabled || !member.role.works_on_reports() {
                Vec::new()
            } else {
                own.iter()
                    .filter(|line| !member.lines.contains(line))
                    .cloned()
                    .collect()
            },
            origin: origin(w, &member),
            to_confirm: member.to_confirm && !member.disabled,
            lines: member.lines.join("、"),
            removable: member.removable,
            short_id: member.ambiguous.then(|| short_id(member.id)),
            id: member.id,
            name: member.name,
            disabled: member.disabled,
        })
        .collect();
    Ok(render(&Members {
        problem,
        draft: draft.to_owned(),
        // A little earlier than it is needed, so that the form can still be filled in.
        asks: !fresh::is_fresh(
            visit.who.signed_in(),
            service.clock.system_now() + fresh::LASTS / 2,
        ),
        rows,
        lines: own,
        small,
        page,
    }))
}

pub(super) fn role_in_words(w: &Words, role: Role) -> &str {
    match role {
        Role::Lead => &w.lead,
        Role::Inspector => &w.inspector,
        Role::Auditor => &w.auditor,
        Role::Operator => &w.operator,
        Role::SecurityAdmin => &w.security_admin,
    }
}

/// Returns in words who added a member, and who has confirmed that the account belongs to another person than the one
/// who added it. `None` for the first lead.
fn origin(w: &Words, member: &Colleague) -> Option<String> {
    let maker = match member.made_by.as_ref()? {
        // Each name is inserted last: it may contain any visible text and must not be searched for placeholders.
        MadeBy::Member(name) => w.added_by.replace("{name}", name),
        MadeBy::Recovery => w.added_with_recovery_key.clone(),
    };
    Some(match member.confirmed_by.as_deref() {
        Some(name) => {
            let name = w.confirmed_by.replace("{name}", name);
            format!("{maker} · {name}")
        }
        None => format!("{maker} · {}", w.not_confirmed),
    })
}

/// A form of a lead that changes access: posted with their own password, unless they gave it a short time ago.
pub(super) struct Change {
    visit: Visit<Lead>,
    form: Posted,
    /// The right, or why the form is shown again.
    lead: Result<Fresh<Lead>, DeskError>,
}

impl FromRequest<Arc<Service>> for Change {
    type Rejection = Response;

    async fn from_request(request: Request, service: &Arc<Service>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visit = Visit::<Lead>::from_request_parts(&mut parts, service)
            .await
            .map_err(IntoResponse::into_response)?;
        let form = Posted::from_request(Request::from_parts(parts, body), service)
            .await
            .map_err(IntoResponse::into_response)?;
        let own = Hidden::new(form.get("own_password").to_owned());
        let lead = Fresh::of(service, visit.who.clone(), own).await;
        Ok(Self { visit, form, lead })
    }
}

/// `POST /console/members`, for leads. Creates a member with a first password. Recorded in the trail of each line that
/// the member is given.
pub(super) async fn add(State(service): App, change: Change) -> Result<Response, Stop> {
    let Change { visit, form, lead } = change;
    let (name, lines) = (form.get("name"), form.all("line"));
    let done = match (lead, form.get("role").parse()) {
        (Err(error), _) => Err(error),
        (Ok(lead), Ok(role)) => {
            // With only one line, its box is checked, whatever the role.
            let lines: &[String] = match Role::works_on_reports(role) {
                true => &lines,
                false => &[],
            };
            let new = NewMember {
                name,
                role,
                password: Hidden::new(form.get("password").to_owned()),
                lines,
            };
            access::add(&service, &lead, new).await
        }
        (Ok(_), Err(_)) => Err(DeskError::Invalid(Invalid::Role)),
    };
    after(&service, &visit, done, name).await
}

/// `POST /console/members/{id}/line`, for leads. Gives the member a line whose key the lead holds. Recorded in the
/// line's trail.
pub(super) async fn give_line(
    State(service): App,
    Path(id): Path<String>,
    change: Change,
) -> Result<Response, Stop> {
    let Change { visit, form, lead } = change;
    let id = id.parse().map_err(|_| visit.stop(DeskError::Missing))?;
    let done = match lead {
        Ok(lead) => access::give_line(&service, &lead, id, form.get("line")).await,
        Err(error) => Err(error),
    };
    after(&service, &visit, done, "").await
}

/// `POST /console/members/{id}/take-off`, for leads. Takes the member off a line whose key the lead holds, and ends
/// their sessions. Recorded in the line's trail.
pub(super) async fn take_off(
    State(service): App,
    Path(id): Path<String>,
    change: Change,
) -> Result<Response, Stop> {
    let Change { visit, form, lead } = change;
    let id = id.parse().map_err(|_| visit.stop(DeskError::Missing))?;
    let done = match lead {
        Ok(lead) => access::take_off(&service, &lead, id, form.get("line")).await,
        Err(error) => Err(error),
    };
    after(&service, &visit, done, "").await
}

/// `POST /console/members/{id}/disable`, for leads. Locks a member out and ends their sessions. Recorded in the trail
/// of each of the member's lines.
pub(super) async fn disable(
    State(service): App,
    Path(id): Path<String>,
    change: Change,
) -> Result<Response, Stop> {
    let Change { visit, lead, .. } = change;
    let id = id.parse().map_err(|_| visit.stop(DeskError::Missing))?;
    let done = match lead {
        Ok(lead) => access::disable(&service, &lead, id).await,
        Err(error) => Err(error),
    };
    after(&service, &visit, done, "").await
}

/// `POST /console/members/{id}/enable`, for leads. Lets a member who was locked out log in again. Recorded in the trail
/// of each of the member's lines.
pub(super) async fn enable(
    State(service): App,
    Path(id): Path<String>,
    change: Change,
) -> Result<Response, Stop> {
    let Change { visit, lead, .. } = change;
    let id = id.parse().map_err(|_| visit.stop(DeskError::Missing))?;
    let done = match lead {
        Ok(lead) => access::enable(&service, &lead, id).await,
        Err(error) => Err(error),
    };
    after(&service, &visit, done, "").await
}

/// `POST /console/members/{id}/confirm`, for members who see the account and have another origin: see
/// [`crate::members::confirming`]. Confirms the account. Recorded in the trail of each of the account's lines.
pub(super) async fn confirm(
    State(service): App,
    Path(id): Path<String>,
    visit: Visit,
) -> Result<Response, Stop> {
    let id = id.parse().map_err(|_| visit.stop(DeskError::Missing))?;
    let done = access::confirm(&service, &visit.who, id).await;
    after(&service, &visit, done, "").await
}

/// `POST /console/members/waiver`, for leads. For approvals on a line with fewer than three members, waives the
/// confirmation by a third member, or ends the waiver. Recorded in the line's trail.
pub(super) async fn waive(State(service): App, change: Change) -> Result<Response, Stop> {
    let Change { visit, form, lead } = change;
    let (line, waive) = (form.get("line"), form.get("waive") == "1");
    let done = match lead {
        Ok(lead) => access::waive(&service, &lead, line, waive).await,
        Err(error) => Err(error),
    };
    after(&service, &visit, done, "").await
}

async fn after<R: OnReports>(
    service: &Service,
    visit: &Visit<R>,
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
