//! Calls that ended before anything was recorded.

use super::opened::{self, entry_json, time};
use super::{Answer, App, Inspector, Problem};
use crate::store::reports;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

/// Abandoned calls shown of each line.
const MOST: i64 = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Filter {
    #[serde(default)]
    line: Option<String>,
}

/// `GET /abandoned`. Members of a line; opens who called and how far they got; each opening is in the trail.
pub(in crate::web) async fn list(
    State(service): App,
    inspector: Inspector,
    filter: Result<Query<Filter>, axum::extract::rejection::QueryRejection>,
) -> Answer<axum::Json<Value>> {
    let Query(filter) = filter.map_err(|_| Problem::bad_request("The only filter is line."))?;
    let mut lines = inspector.lines(&service);
    if let Some(wanted) = filter.line.filter(|line| !line.is_empty()) {
        lines.retain(|line| line.id == wanted);
        if lines.is_empty() {
            return Err(Problem::missing());
        }
    }
    let mut tx = service.db.read().await?;
    let mut calls = Vec::new();
    let mut opened_reports = Vec::new();
    for line in lines {
        for report in reports::abandoned(&mut tx, &line.id, MOST).await? {
            let open = opened::open(&mut tx, &inspector, report).await?;
            let entries = open.entries(&mut tx).await?;
            calls.push(json!({
                "id": open.report.id,
                "line": open.report.line,
                "received_hour": time(open.report.received_hour),
                "entries": entries.iter().map(entry_json).collect::<Vec<_>>(),
            }));
            opened_reports.push(open.report);
        }
    }
    drop(tx);
    let mut tx = service.db.begin().await?;
    for report in &opened_reports {
        opened::note_opening(
            &service,
            &mut tx,
            &inspector,
            report,
            "abandoned_opened",
            None,
        )
        .await?;
    }
    tx.commit().await?;
    Ok(axum::Json(json!({ "calls": calls })))
}
