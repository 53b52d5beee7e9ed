//! The page of the queue.

use super::form::Posted;
use super::page::{Page, Stop, Visit, render};
use super::said;
use crate::desk::{DeskError, attention, moves, queue, standing};
use crate::report::status::{Move, Status};
use crate::service::Service;
use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use chrono_tz::Tz;
use serde::Deserialize;
use std::sync::Arc;

type App = State<Arc<Service>>;

#[derive(Template)]
#[template(path = "queue.html", config = "src/web/askama.toml")]
struct Queue {
    page: Page,
    filters: Vec<FilterLink>,
    filtered: bool,
    line: String,
    several_lines: bool,
    /// True if the member has more than [`attention::AT_ONCE`] lines: instead of a link per line there is a field for a
    /// line's id.
    many_lines: bool,
    status: String,
    mine: String,
    reset: String,
    rows: Vec<Row>,
    next: Option<String>,
    notice: Option<String>,
}

struct FilterLink {
    name: String,
    address: String,
    chosen: bool,
    count: Option<i64>,
}

struct Row {
    id: String,
    reference: String,
    status: &'static str,
    status_name: &'static str,
    mark: &'static str,
    source: &'static str,
    /// True while the report's caller is connected to the duty inspector.
    live: bool,
    age: String,
    assignee: String,
    arrived: String,
    arrived_exact: String,
    line: String,
}

#[derive(Deserialize, Default)]
pub(super) struct Asked {
    #[serde(default)]
    line: String,
    #[serde(default)]
    status: String,
    /// If `1`, only reports that the member has claimed are shown.
    #[serde(default)]
    mine: String,
    #[serde(default)]
    cursor: String,
    /// Present after [`claim_next`] found no report to claim.
    nothing: Option<String>,
}

fn address(line: &str, status: &str, mine: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in [("line", line), ("status", status), ("mine", mine)] {
        if !value.is_empty() {
            query.append_pair(name, value);
        }
    }
    format!("/console/?{}", query.finish())
}

/// `GET /console/`, for members. Shows the reports of their lines, in order of arrival, without sealed data; without a
/// filter, reports of every status.
pub(super) async fn show(
    State(service): App,
    visit: Visit,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Stop> {
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let status = asked.status.parse().ok();
    let filter = queue::Filter {
        line: Some(asked.line.clone()),
        status,
        mine: asked.mine == "1",
        cursor: Some(asked.cursor.clone()),
    };
    // The page, with its position in the trails, is read before the list, so that changes made between the two are sent
    // as events.
    let page = visit.page_of(&service, "queue", Some(&asked.line)).await?;
    let listed = queue::list(&service, &visit.who, &filter)
        .await
        .map_err(|error| visit.stop(error))?;
    let mut page = page;
    page.renews = true;
    let w = page.w;
    let lines = visit.who.lines(&service);
    let now = service.clock.line_now();
    let rows = listed
        .reports
        .iter()
        .map(|report| {
            let zone = service
                .config
                .line(&report.line)
                .map_or(Tz::UTC, |line| line.schedule.timezone);
            let (status_name, mark) = said::status(w, report.status);
            Row {
                id: report.id.to_string(),
                reference: report.reference.clone().unwrap_or_default(),
                status: report.status.map_or("", Status::as_str),
                status_name,
                mark,
                source: said::source(w, report.source),
                live: report.live,
                age: said::age(w, report.received_hour, now),
                assignee: report
                    .assignee_name
                    .clone()
                    .unwrap_or_else(|| w.nobody.clone()),
                arrived: said::hour(w, report.received_hour, zone),
                arrived_exact: said::exactly(report.received_hour, zone),
                line: report.line.clone(),
            }
        })
        .collect();
    let many = lines.len() > attention::AT_ONCE;
    let counted: Vec<_> = lines
        .iter()
        .filter(|line| asked.line.is_empty() || line.id == asked.line)
        .copied()
        .collect();
    // With many lines, reports are counted only for a chosen line.
    let counts = if counted.len() > attention::AT_ONCE {
        None
    } else {
        let counts = standing::counts(&service, &counted).await;
        Some(counts.map_err(|error| visit.stop(error))?)
    };
    let mut filters = vec![FilterLink {
        name: w.all.clone(),
        address: address(&asked.line, "", ""),
        chosen: status.is_none() && asked.mine != "1",
        count: counts.map(|counts| counts.iter().sum()),
    }];
    let statuses = [
        (Status::Queued, &w.queued),
        (Status::Claimed, &w.claimed),
        (Status::Closed, &w.closed),
    ];
    for (n, (own, name)) in statuses.into_iter().enumerate() {
        filters.push(FilterLink {
            name: name.clone(),
            address: address(&asked.line, own.as_str(), ""),
            chosen: status == Some(own) && asked.mine != "1",
            count: counts.and_then(|counts| counts.get(n).copied()),
        });
    }
    filters.push(FilterLink {
        name: w.mine.clone(),
        address: address(&asked.line, Status::Claimed.as_str(), "1"),
        chosen: asked.mine == "1",
        count: None,
    });
    if lines.len() > 1 {
        filters.push(FilterLink {
            name: w.all_lines.clone(),
            address: address("", &asked.status, &asked.mine),
            chosen: asked.line.is_empty(),
            count: None,
        });
        // With many lines, the line is typed into a field instead.
        for line in lines.iter().filter(|_| !many) {
            filters.push(FilterLink {
                name: line.id.clone(),
                address: address(&line.id, &asked.status, &asked.mine),
                chosen: asked.line == line.id,
                count: None,
            });
        }
    }
    let next = listed.next.map(|cursor| {
        let address = address(&asked.line, &asked.status, &asked.mine);
        format!("{address}&cursor={cursor}")
    });
    let notice = asked.nothing.map(|_| w.nothing_to_claim.clone());
    Ok(render(&Queue {
        filtered: status.is_some() || !asked.cursor.is_empty(),
        reset: address(&asked.line, "", ""),
        several_lines: lines.len() > 1,
        many_lines: many,
        status: asked.status,
        mine: asked.mine,
        line: asked.line,
        page,
        filters,
        rows,
        next,
        notice,
    }))
}

/// `POST /console/claim-next`, for members. Claims the report that has waited longest, on the posted line or, if none
/// is posted, on all of the member's lines, and redirects to it. Recorded in the trail. If no report is queued,
/// redirects to the queue, which says so.
pub(super) async fn claim_next(
    State(service): App,
    visit: Visit,
    form: Posted,
) -> Result<Response, Stop> {
    let line = form.get("line");
    loop {
        let longest = queue::longest_waiting(&service, &visit.who, Some(line))
            .await
            .map_err(|error| visit.stop(error))?;
        let Some(first) = longest else {
            let back = format!("{}&nothing=1", address(line, "", ""));
            return Ok(Redirect::to(&back).into_response());
        };
        match moves::make(&service, &visit.who, first.id, Move::Claim).await {
            Ok(report) => {
                return Ok(Redirect::to(&format!("/console/reports/{}", report.id)).into_response());
            }
            // Another member has claimed it first: try the next one. Each further round means that another report was
            // claimed meanwhile.
            Err(DeskError::WrongStatus(..)) => {}
            Err(error) => return Err(visit.stop(error)),
        }
    }
}
