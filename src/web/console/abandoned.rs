//! The page of calls without a message.

use super::page::{Page, Stop, Visit, render};
use super::said;
use crate::desk::abandoned::{self, AbandonedCall};
use crate::service::Service;
use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use chrono_tz::Tz;
use serde::Deserialize;
use std::sync::Arc;

type App = State<Arc<Service>>;

#[derive(Template)]
#[template(path = "abandoned.html", config = "src/web/askama.toml")]
struct Abandoned {
    page: Page,
    count: Option<String>,
    rows: Vec<AbandonedRow>,
    next: Option<String>,
}

struct AbandonedRow {
    arrived: String,
    caller: String,
    reached: String,
    phase: String,
    line: String,
}

#[derive(Deserialize, Default)]
pub(super) struct Asked {
    #[serde(default)]
    cursor: String,
}

/// `GET /console/abandoned`, for members. Opens the calls without a message of their lines, up to 50 per page, and
/// shows the callers' numbers and how far they got. Each opening is recorded in the trail.
pub(super) async fn show(
    State(service): App,
    visit: Visit,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Stop> {
    let Query(asked) = asked.unwrap_or_default();
    let listed = abandoned::list(&service, &visit.who, None, Some(&asked.cursor))
        .await
        .map_err(|error| visit.stop(error))?;
    let count = abandoned::count(&service, &visit.who)
        .await
        .map_err(|error| visit.stop(error))?;
    let count = (count > 0).then(|| {
        let text = &visit.w.abandoned_count;
        text.replace("{count}", &count.to_string())
    });
    let page = visit.page(&service, "abandoned").await?;
    let w = page.w;
    let rows = listed
        .calls
        .iter()
        .map(|call| {
            let (report, entries, damaged) = match call {
                AbandonedCall::Open(open) => (&open.report, open.entries.as_slice(), false),
                AbandonedCall::Damaged(report) => (report, [].as_slice(), true),
            };
            let zone = service
                .config
                .line(&report.line)
                .map_or(Tz::UTC, |line| line.schedule.timezone);
            let [phase, reached] = super::report::course(w, entries).unwrap_or_default();
            AbandonedRow {
                arrived: said::hour(w, report.received_hour, zone),
                caller: super::report::caller(w, entries).unwrap_or_default(),
                reached: if damaged { w.damaged.clone() } else { reached },
                phase,
                line: report.line.clone(),
            }
        })
        .collect();
    let address = |cursor| format!("/console/abandoned?cursor={cursor}");
    Ok(render(&Abandoned {
        page,
        count,
        rows,
        next: listed.next.map(address),
    }))
}
