//! The queue, one report, and calls that came to nothing.

use super::shape::{abandoned, summary, whole};
use super::{Answer, App, Body, Caller, Path, Problem, report_id};
use crate::desk::{opened, queue};
use crate::report::status::Status;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Filter {
    #[serde(default)]
    line: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    cursor: Option<String>,
}

/// `GET /reports`.
pub(in crate::web) async fn list(
    State(service): App,
    Caller(inspector): Caller,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Answer<Body> {
    let Query(filter) =
        filter.map_err(|_| Problem::bad_request("Filters are line, status and cursor."))?;
    let status = match filter.status.as_deref() {
        None | Some("") => None,
        Some(text) => Some(
            Status::parse(text)
                .ok_or_else(|| Problem::bad_request("status is queued, claimed or closed."))?,
        ),
    };
    let filter = queue::Filter {
        line: filter.line,
        status,
        mine: false,
        cursor: filter.cursor,
    };
    let page = queue::list(&service, &inspector, &filter).await?;
    let rows: Vec<_> = page.reports.iter().map(summary).collect();
    Ok(axum::Json(json!({ "reports": rows, "next": page.next })))
}

/// `GET /reports/{id}`.
pub(in crate::web) async fn show(
    State(service): App,
    Path(id): Path<String>,
    Caller(inspector): Caller,
) -> Answer<Body> {
    let open = opened::open(&service, &inspector, report_id(&id)?).await?;
    Ok(axum::Json(whole(&open)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct OfLine {
    #[serde(default)]
    line: Option<String>,
}

/// `GET /abandoned`.
pub(in crate::web) async fn abandoned_calls(
    State(service): App,
    Caller(inspector): Caller,
    filter: Result<Query<OfLine>, QueryRejection>,
) -> Answer<Body> {
    let Query(filter) = filter.map_err(|_| Problem::bad_request("The only filter is line."))?;
    let calls = queue::abandoned(&service, &inspector, filter.line.as_deref()).await?;
    let calls: Vec<_> = calls.iter().map(abandoned).collect();
    Ok(axum::Json(json!({ "calls": calls })))
}
