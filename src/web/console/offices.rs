//! The pages of members who look after the service or its accounts, or read its trail. None of them shows content.

use super::account::{Row as SessionRow, zone_of};
use super::form::Posted;
use super::page::{ACCOUNTS, Page, Stop, Visit, render};
use super::said;
use super::team;
use crate::desk::rights::{Auditor, Operator, SecurityAdmin};
use crate::desk::{DeskError, audits, operations, sessions};
use crate::service::Service;
use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::TimeDelta;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

type App = State<Arc<Service>>;

#[derive(Template)]
#[template(path = "operations.html", config = "src/web/askama.toml")]
struct OperationsPage {
    page: Page,
    /// Each problem in a sentence.
    problems: Vec<String>,
    facts: Vec<(String, String)>,
    jobs: Vec<JobRow>,
}

struct JobRow {
    /// The kind in words.
    kind: String,
    /// The kind's name in the metrics.
    name: &'static str,
    waiting: i64,
    failing: i64,
    late: String,
}

/// `GET /console/operations`, for operators. The state of the service.
pub(super) async fn show_operations(
    State(service): App,
    visit: Visit<Operator>,
) -> Result<Response, Stop> {
    let state = operations::of(&service, &visit.who)
        .await
        .map_err(|error| visit.stop(error))?;
    let page = visit.page_apart(&service, "operations");
    let w = page.w;
    let mut problems = Vec::new();
    let failing: i64 = state.jobs.iter().map(|jobs| jobs.failing).sum();
    for (count, text) in [(failing, &w.jobs_failing), (state.strays, &w.strays)] {
        if count > 0 {
            problems.push(text.replace("{count}", &count.to_string()));
        }
    }
    if state.refusals > 0 {
        problems.push(
            w.rows_refused
                .replace("{count}", &state.refusals.to_string()),
        );
    }
    if state.put_back {
        problems.push(w.put_back.clone());
    }
    let mut facts = vec![
        (w.version.clone(), state.version.to_owned()),
        (w.providers.clone(), state.providers.join(" · ")),
        (w.unnamed_files.clone(), state.unnamed_files.to_string()),
    ];
    for (line, count) in state.running {
        facts.push((format!("{line} · {}", w.calls_running), count.to_string()));
    }
    let late = |late: Option<TimeDelta>| {
        let seconds = late.filter(|late| *late > TimeDelta::zero())?.num_seconds();
        Some(format!("{seconds} {}", w.seconds))
    };
    let jobs = state.jobs.into_iter().map(|jobs| JobRow {
        late: late(jobs.late).unwrap_or_default(),
        kind: said::job(page.w, jobs.kind).to_owned(),
        name: jobs.kind.as_str(),
        waiting: jobs.waiting,
        failing: jobs.failing,
    });
    Ok(render(&OperationsPage {
        problems,
        facts,
        jobs: jobs.collect(),
        page,
    }))
}

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
pub(super) async fn show_accounts(
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

#[derive(Template)]
#[template(path = "audits.html", config = "src/web/askama.toml")]
struct AuditsPage {
    page: Page,
    lines: Vec<String>,
    chosen: String,
    total: String,
    refused: Option<String>,
    rows: Vec<LinkRow>,
    /// How often each member has opened content on this page, in words.
    counts: Vec<String>,
    earlier: Option<i64>,
}

struct LinkRow {
    seq: i64,
    at: String,
    exact: String,
    who: String,
    what: String,
    reference: String,
    is_out_of_hours: bool,
}

#[derive(Deserialize, Default)]
pub(super) struct Asked {
    /// The line; the first one if it is missing.
    #[serde(default)]
    line: String,
    /// The number of the link before which the page ends.
    before: Option<i64>,
}

/// `GET /console/audits`, for auditors. The trail of a line, the last link first. Recorded in the same trail.
pub(super) async fn show_audits(
    State(service): App,
    visit: Visit<Auditor>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Stop> {
    let Query(asked) = asked.unwrap_or_default();
    let lines: Vec<String> = service
        .config
        .lines
        .iter()
        .map(|entry| entry.line.id.clone())
        .collect();
    let chosen = match asked.line.is_empty() {
        true => lines.first().cloned().unwrap_or_default(),
        false => asked.line,
    };
    let part = audits::of_line(&service, &visit.who, &chosen, asked.before)
        .await
        .map_err(|error| visit.stop(error))?;
    let page = visit.page_apart(&service, "audits");
    let w = page.w;
    let zone = service
        .config
        .line(&chosen)
        .map_or(chrono_tz::Tz::UTC, |line| line.schedule.timezone);
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for seen in part.links.iter().filter(|seen| seen.is_opening) {
        let actor = seen.link.actor.as_deref().unwrap_or_default();
        let (openings, outside) = counts.entry(actor).or_default();
        *openings += 1;
        *outside += usize::from(seen.is_out_of_hours);
    }
    let counts = counts.into_iter().map(|(name, (openings, outside))| {
        let text = w.openings_of.replace("{count}", &openings.to_string());
        let text = text.replace("{outside}", &outside.to_string());
        // The name is inserted last: it may contain any visible text.
        text.replace("{name}", name)
    });
    let counts = counts.collect();
    let rows = part.links.into_iter().map(|seen| {
        let link = seen.link;
        LinkRow {
            seq: link.seq,
            at: said::moment(w, link.at, zone),
            exact: said::exactly(link.at, zone),
            who: link.actor.unwrap_or_else(|| w.by_service.clone()),
            what: said::act_of_line(w, link.action, link.detail.as_deref()),
            reference: seen.reference.unwrap_or_default(),
            is_out_of_hours: seen.is_out_of_hours,
        }
    });
    Ok(render(&AuditsPage {
        rows: rows.collect(),
        total: w.links_total.replace("{count}", &part.total.to_string()),
        refused: (part.refused > 0).then(|| {
            w.links_refused
                .replace("{count}", &part.refused.to_string())
        }),
        earlier: part.earlier,
        counts,
        lines,
        chosen,
        page,
    }))
}
