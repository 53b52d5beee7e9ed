//! Health and metrics, for operators. They are served on the operators' listener.

use crate::desk::flood;
use crate::service::Service;
use crate::service::metrics::{CONTENT_TYPE, PREFIX, text_of};
use crate::store::{StoreError, calls, jobs, reports, strays};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tracing::warn;

/// Maximum time that a readiness request waits for the check of the folder of recordings.
const FOLDER_LIMIT: Duration = Duration::from_secs(2);

type App = State<Arc<Service>>;

/// `GET /health/live`, for operators. Checks nothing: any response shows that the process runs.
pub(super) async fn live() -> &'static str {
    "live\n"
}

/// `GET /health/ready`, for operators. 200 if the node can commit to the database and the folder of recordings is that
/// of this installation, else 503.
pub(super) async fn ready(State(service): App) -> Response {
    if let Err(error) = service
        .health
        .check(&service.db.webhooks, &service.clock)
        .await
    {
        warn!(%error, "not ready: the database cannot be written");
        return (StatusCode::SERVICE_UNAVAILABLE, "the database fails\n").into_response();
    }
    let blobs = service.blobs.clone();
    let folder = tokio::task::spawn_blocking(move || blobs.check_marker());
    match tokio::time::timeout(FOLDER_LIMIT, folder).await {
        Ok(Ok(Ok(()))) => {}
        answer => {
            // A timeout has no error to log: a network file system whose server is gone does not answer at all.
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

/// `GET /metrics`, for operators. The counters and timings of this process and the current numbers from the database,
/// in Prometheus' text format; 503 if the database fails.
pub(super) async fn metrics(State(service): App) -> Response {
    match held(&service).await {
        Ok(held) => {
            let text = service.metrics.text() + &text_of(&held);
            ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response()
        }
        Err(error) => {
            warn!(%error, "metrics cannot be read from the database");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

/// Collects the current numbers (of unnamed files the latest count, all others from the database) in a registry of this
/// request only, so that no value of an earlier request remains.
async fn held(service: &Service) -> Result<Registry, StoreError> {
    let mut held = Registry::with_prefix(PREFIX);
    let mut tx = service.db.jobs.begin_read().await?;

    let jobs = gauges(&mut held, "jobs", "Jobs to be done");
    for (kind, failing, count) in jobs::count(&mut tx).await? {
        let state = if failing { "failing" } else { "waiting" };
        set(&jobs, [("kind", kind.as_str()), ("state", state)], count);
    }
    let late = gauges(
        &mut held,
        "jobs_oldest_due_seconds",
        "How long the oldest due job that is not being worked on has been due",
    );
    for kind in jobs::Kind::ALL {
        set(&late, [("kind", kind.as_str())], 0);
    }
    let now = service.clock.system_now();
    for (kind, since) in jobs::oldest_due(&mut tx, now).await? {
        set(
            &late,
            [("kind", kind.as_str())],
            (now - since).num_seconds(),
        );
    }

    let unnamed = service.unnamed_files.load(Ordering::Relaxed);
    let unnamed = i64::try_from(unnamed).unwrap_or(i64::MAX);
    let help = "Files in the folder of recordings that no recording refers to";
    set(&gauges(&mut held, "recordings_unnamed", help), [], unnamed);
    let refusals = service.db.jobs.proofs().refusals();
    let refusals = i64::try_from(refusals).unwrap_or(i64::MAX);
    let help = "Times that a row or link was refused since the start, because this service did not write it";
    set(&gauges(&mut held, "rows_refused", help), [], refusals);
    let put_back = service.put_back.load(Ordering::Relaxed);
    let help =
        "1 when the database was put back to an earlier state than this node has seen, else 0";
    set(
        &gauges(&mut held, "database_put_back", help),
        [],
        put_back.into(),
    );
    let strays = strays::count(&mut tx).await?;
    let help = "Recordings of which it is not known which line they are for";
    set(&gauges(&mut held, "strays", help), [], strays);

    let reports = gauges(&mut held, "reports", "Reports by line and status");
    let running = gauges(&mut held, "calls_running", "Calls that have not ended");
    let floods = gauges(
        &mut held,
        "flood",
        "1 when a line has far more calls without a message than usual, else 0",
    );
    for entry in &service.config.lines {
        let line = entry.line.id.as_str();
        for (status, count) in reports::count(&mut tx, line).await? {
            set(
                &reports,
                [("line", line), ("status", status.as_str())],
                count,
            );
        }
        let count = calls::running(&mut tx, line).await?;
        set(&running, [("line", line)], count);
        let recent = flood::recent(&mut tx, line, service.clock.line_now()).await?;
        set(&floods, [("line", line)], recent.is_flood().into());
    }
    Ok(held)
}

/// A family of gauges. Values of labels are ids of lines, and names of kinds, states and statuses; never data of a
/// call.
type Gauges = Family<Vec<(&'static str, String)>, Gauge>;

fn gauges(registry: &mut Registry, name: &str, help: &str) -> Gauges {
    let gauges = Gauges::default();
    registry.register(name, help, gauges.clone());
    gauges
}

fn set<const N: usize>(gauges: &Gauges, labels: [(&'static str, &str); N], value: i64) {
    let labels = labels.map(|(name, value)| (name, value.to_owned()));
    gauges.get_or_create(&labels.to_vec()).set(value);
}
