//! The page of a report's audit trail.

use super::page::{Page, Stop, Visit, render};
use super::report::{App, report_id};
use super::said;
use crate::desk::queue;
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use chrono_tz::Tz;
use uuid::Uuid;

#[derive(Template)]
#[template(path = "trail.html", config = "src/web/askama.toml")]
struct TrailPage {
    page: Page,
    id: Uuid,
    reference: String,
    rows: Vec<TrailRow>,
}

struct TrailRow {
    at: String,
    exact: String,
    who: String,
    what: String,
}

/// `GET /console/reports/{id}/trail`, for members of the report's line. Shows the actions on the report. Recorded in
/// the same trail.
pub(super) async fn show(
    State(service): App,
    Path(id): Path<String>,
    visit: Visit,
) -> Result<Response, Stop> {
    let id = report_id(&visit, &id)?;
    let (report, links) = queue::trail(&service, &visit.who, id)
        .await
        .map_err(|error| visit.stop(error))?;
    let page = visit.page(&service, "report").await?;
    let zone = service
        .config
        .line(&report.line)
        .map_or(Tz::UTC, |line| line.schedule.timezone);
    let rows = links
        .into_iter()
        .map(|link| TrailRow {
            at: said::moment(page.w, link.at, zone),
            who: link.actor.unwrap_or_else(|| page.w.by_service.clone()),
            what: said::act(page.w, link.action, link.detail.as_deref()),
            exact: said::exactly(link.at, zone),
        })
        .collect();
    Ok(render(&TrailPage {
        id,
        reference: report.reference.unwrap_or_default(),
        rows,
        page,
    }))
}
