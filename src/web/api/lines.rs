//! How the lines stand.

use super::{Answer, App, Inspector, Path, Problem};
use crate::line::Line;
use crate::service::Service;
use crate::store::{calls, jobs, reports};
use axum::extract::State;
use chrono::SecondsFormat;
use serde_json::{Value, json};

/// `GET /lines`. The member's lines.
pub(in crate::web) async fn list(
    State(service): App,
    inspector: Inspector,
) -> Answer<axum::Json<Value>> {
    let mut lines = Vec::new();
    for line in inspector.lines(&service) {
        lines.push(standing(&service, line).await?);
    }
    Ok(axum::Json(json!({ "lines": lines })))
}

/// `GET /lines/{id}`. One of them.
pub(in crate::web) async fn show(
    State(service): App,
    Path(id): Path<String>,
    inspector: Inspector,
) -> Answer<axum::Json<Value>> {
    let line = inspector
        .lines(&service)
        .into_iter()
        .find(|line| line.id == id)
        .ok_or_else(Problem::missing)?;
    Ok(axum::Json(standing(&service, line).await?))
}

async fn standing(service: &Service, line: &Line) -> Answer<Value> {
    let now = service.clock.line_now();
    let schedule = &line.schedule;
    let mut tx = service.db.read().await?;
    let mut counts = json!({ "queued": 0, "claimed": 0, "closed": 0 });
    for (status, count) in reports::count(&mut tx, &line.id).await? {
        counts[status] = count.into();
    }
    let given_up: i64 = jobs::count(&mut tx)
        .await?
        .into_iter()
        .filter(|(_, dead, _)| *dead)
        .map(|(_, _, count)| count)
        .sum();
    Ok(json!({
        "id": line.id,
        "number": line.dial,
        "name": line.words[&line.languages[0]].name,
        "inspected": line.words[&line.languages[0]].inspected,
        "phase": schedule.phase(now),
        "reopens_at": schedule
            .reopens_at(now)
            .map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, false)),
        "takes_reports": schedule.intake_open(now),
        "now": now.with_timezone(&schedule.timezone).to_rfc3339_opts(SecondsFormat::Secs, false),
        "clock_shifted": service.clock.shift().is_some(),
        "reports": counts,
        "calls_running": calls::running(&mut tx, &line.id).await?,
        "jobs_given_up": given_up,
        "disciplines": line.disciplines,
        "focuses": line.focuses,
    }))
}
