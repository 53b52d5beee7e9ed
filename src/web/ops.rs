//! Health and metrics, for operators.

use crate::desk::flood;
use crate::service::Service;
use crate::store::{StoreError, calls, jobs, reports, strays};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tracing::warn;

/// How long the folder of recordings may take to be looked at.
const FOLDER_LIMIT: Duration = Duration::from_secs(2);

type App = State<Arc<Service>>;

/// The process answers.
pub(super) async fn live() -> &'static str {
    "live\n"
}

/// The node can do its work: it can commit to the database, and the folder of recordings is the installation's.
pub(super) async fn ready(State(service): App) -> Response {
    if let Err(error) = service.health.check(&service.db, &service.clock).await {
        warn!(%error, "not ready: the database cannot be written");
        return (StatusCode::SERVICE_UNAVAILABLE, "the database fails\n").into_response();
    }
    let recordings = service.recordings.clone();
    let folder = tokio::task::spawn_blocking(move || recordings.check_marker());
    match tokio::time::timeout(FOLDER_LIMIT, folder).await {
        Ok(Ok(Ok(()))) => {}
        answer => {
            // A network file system whose server is gone does not answer at all.
            if let Ok(Ok(Err(error))) = answer {
                service.health.folder_is_missing(&error);
            }
            return (
                StatusCode::SERVICE_UNAVAILABLE,
                "the folder of recordings is missing\n",
            )
                .into_response();
        }
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
    for (kind, failing, count) in jobs::count(&mut tx).await? {
        let state = if failing { "failing" } else { "waiting" };
        let _ = writeln!(
            text,
            "dutyline_jobs{{kind=\"{kind}\",state=\"{state}\"}} {count}"
        );
    }
    text.push_str("# TYPE dutyline_recordings_unnamed gauge\n");
    let unnamed = service.unnamed_files.load(Ordering::Relaxed);
    let _ = writeln!(text, "dutyline_recordings_unnamed {unnamed}");
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
