//! Health and metrics, for operators.

use crate::desk::flood;
use crate::service::Service;
use crate::store::{StoreError, calls, jobs, reports, strays};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::fmt::Write;
use std::sync::Arc;
use tracing::warn;

type App = State<Arc<Service>>;

/// The process answers.
pub(super) async fn live() -> &'static str {
    "live\n"
}

/// The service can do its work: the database answers and the folder of recordings is there.
pub(super) async fn ready(State(service): App) -> Response {
    let database = async {
        let mut tx = service.db.read().await?;
        jobs::count(&mut tx).await
    };
    if let Err(error) = database.await {
        warn!(%error, "not ready");
        return (StatusCode::SERVICE_UNAVAILABLE, "the database fails\n").into_response();
    }
    let recordings = service.recordings.clone();
    let folder = tokio::task::spawn_blocking(move || recordings.exists(uuid::Uuid::nil())).await;
    if !matches!(folder, Ok(Ok(_))) {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            "the folder of recordings fails\n",
        )
            .into_response();
    }
    "ready\n".into_response()
}

/// Counters and queue lengths in Prometheus' text format.
pub(super) async fn metrics(State(service): App) -> Response {
    match text(&service).await {
        Ok(text) => (
            [(
                header::CONTENT_TYPE,
                "text/plain; version=0.0.4; charset=utf-8",
            )],
            text,
        )
            .into_response(),
        Err(error) => {
            warn!(%error, "no metrics");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

async fn text(service: &Service) -> Result<String, StoreError> {
    let mut text = String::new();
    for (name, value) in service.counters.all() {
        let _ = writeln!(text, "# TYPE dutyline_{name}_total counter");
        let _ = writeln!(text, "dutyline_{name}_total {value}");
    }
    for (name, label, counter) in service.counters.labelled() {
        let _ = writeln!(text, "# TYPE dutyline_{name}_total counter");
        for (value, count) in counter.get() {
            let _ = writeln!(text, "dutyline_{name}_total{{{label}=\"{value}\"}} {count}");
        }
    }
    let mut tx = service.db.read().await?;
    text.push_str("# TYPE dutyline_jobs gauge\n");
    for (kind, dead, count) in jobs::count(&mut tx).await? {
        let state = if dead { "given_up" } else { "waiting" };
        let _ = writeln!(
            text,
            "dutyline_jobs{{kind=\"{kind}\",state=\"{state}\"}} {count}"
        );
    }
    text.push_str("# TYPE dutyline_strays gauge\n");
    let strays = strays::count(&mut tx).await?;
    let _ = writeln!(text, "dutyline_strays {strays}");
    text.push_str("# TYPE dutyline_reports gauge\n");
    for entry in &service.config.lines {
        let line = &entry.line.id;
        for (status, count) in reports::count(&mut tx, line).await? {
            let _ = writeln!(
                text,
                "dutyline_reports{{line=\"{line}\",status=\"{status}\"}} {count}"
            );
        }
    }
    text.push_str("# TYPE dutyline_calls_running gauge\n");
    for entry in &service.config.lines {
        let line = &entry.line.id;
        let running = calls::running(&mut tx, line).await?;
        let _ = writeln!(text, "dutyline_calls_running{{line=\"{line}\"}} {running}");
    }
    text.push_str("# TYPE dutyline_flood gauge\n");
    let now = service.clock.line_now();
    for entry in &service.config.lines {
        let line = &entry.line.id;
        let recent = flood::recent(&mut tx, line, now).await?;
        let _ = writeln!(
            text,
            "dutyline_flood{{line=\"{line}\"}} {}",
            u8::from(recent.is_flood())
        );
    }
    Ok(text)
}
