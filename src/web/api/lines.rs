//! How the lines stand.

use super::{Answer, App, Body, Caller, Path, Problem};
use crate::desk::standing;
use crate::line::Line;
use crate::service::Service;
use axum::extract::State;
use chrono::SecondsFormat;
use serde_json::{Value, json};

/// `GET /lines`. The member's lines.
pub(in crate::web) async fn list(State(service): App, Caller(inspector): Caller) -> Answer<Body> {
    let mut lines = Vec::new();
    for line in inspector.lines(&service) {
        lines.push(shape(&service, line).await?);
    }
    Ok(axum::Json(json!({ "lines": lines })))
}

/// `GET /lines/{id}`. One of them.
pub(in crate::web) async fn show(
    State(service): App,
    Path(id): Path<String>,
    Caller(inspector): Caller,
) -> Answer<Body> {
    let line = inspector
        .lines(&service)
        .into_iter()
        .find(|line| line.id == id)
        .ok_or_else(Problem::missing)?;
    Ok(axum::Json(shape(&service, line).await?))
}

async fn shape(service: &Service, line: &Line) -> Answer<Value> {
    let standing = standing::of(service, line).await?;
    let words = &line.words[&line.languages[0]];
    Ok(json!({
        "id": line.id,
        "number": line.dial,
        "name": words.name,
        "inspected": words.inspected,
        "phase": standing.phase,
        "reopens_at": standing
            .reopens_at
            .map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, false)),
        "takes_reports": standing.intake_open,
        "now": standing.now.to_rfc3339_opts(SecondsFormat::Secs, false),
        "clock_shifted": standing.clock_shifted,
        "reports": {
            "queued": standing.queued,
            "claimed": standing.claimed,
            "closed": standing.closed,
        },
        "calls_running": standing.calls_running,
        "jobs_given_up": standing.jobs_given_up,
        "disciplines": line.disciplines,
        "focuses": line.focuses,
    }))
}
