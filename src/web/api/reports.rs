//! The queue, and one report.

use super::opened::{self, entry_json, recording_json, summary};
use super::{Answer, App, Inspector, Path, Problem};
use crate::report::status::Status;
use crate::store::reports;
use axum::extract::{Query, State};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// Reports a page has at most.
const PAGE: usize = 50;

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

/// `GET /reports`. Members of a line; what is in the clear; nothing is opened, so nothing is in the trail.
pub(in crate::web) async fn list(
    State(service): App,
    inspector: Inspector,
    filter: Result<Query<Filter>, axum::extract::rejection::QueryRejection>,
) -> Answer<axum::Json<Value>> {
    let Query(filter) =
        filter.map_err(|_| Problem::bad_request("Filters are line, status and cursor."))?;
    let status = filter.status.as_deref().unwrap_or_default();
    if !status.is_empty() && Status::parse(status).is_none() {
        return Err(Problem::bad_request("status is queued, claimed or closed."));
    }
    let mut lines: Vec<&str> = inspector
        .lines(&service)
        .into_iter()
        .map(|line| line.id.as_str())
        .collect();
    if let Some(wanted) = filter.line.as_deref().filter(|line| !line.is_empty()) {
        lines.retain(|line| *line == wanted);
        if lines.is_empty() {
            return Err(Problem::missing());
        }
    }
    let (from_line, mut after) = match filter.cursor.as_deref().filter(|text| !text.is_empty()) {
        Some(cursor) => read_cursor(cursor)?,
        None => (String::new(), String::new()),
    };
    if !from_line.is_empty() {
        let Some(at) = lines.iter().position(|line| *line == from_line) else {
            return Err(Problem::bad_request("This cursor is not one of ours."));
        };
        lines.drain(..at);
    }
    let mut tx = service.db.read().await?;
    let mut found = Vec::new();
    for line in lines {
        let wanted = i64::try_from(PAGE + 1 - found.len()).unwrap_or(1);
        found.extend(reports::list(&mut tx, line, status, &after, wanted).await?);
        after.clear();
        if found.len() > PAGE {
            break;
        }
    }
    let next = (found.len() > PAGE).then(|| {
        found.truncate(PAGE);
        found.last().map(|last| {
            let reference = last.reference.as_deref().unwrap_or_default();
            URL_SAFE_NO_PAD.encode(format!("{}/{reference}", last.line))
        })
    });
    let rows: Vec<_> = found.iter().map(summary).collect();
    Ok(axum::Json(
        json!({ "reports": rows, "next": next.flatten() }),
    ))
}

fn read_cursor(cursor: &str) -> Answer<(String, String)> {
    URL_SAFE_NO_PAD
        .decode(cursor)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| {
            text.split_once('/')
                .map(|(line, reference)| (line.to_owned(), reference.to_owned()))
        })
        .filter(|(_, reference)| {
            let of_ours = |c: char| c.is_ascii_digit() || c == '-';
            !reference.is_empty() && reference.chars().all(of_ours)
        })
        .ok_or_else(|| Problem::bad_request("This cursor is not one of ours."))
}

/// `GET /reports/{id}`. Members of its line; opens every entry; the opening is in the trail before the answer is out.
pub(in crate::web) async fn show(
    State(service): App,
    Path(id): Path<String>,
    inspector: Inspector,
) -> Answer<axum::Json<Value>> {
    let id = report_id(&id)?;
    let mut tx = service.db.read().await?;
    let report = opened::find(&mut tx, &inspector, id).await?;
    let open = opened::open(&mut tx, &inspector, report).await?;
    let entries = open.entries(&mut tx).await?;
    let recordings = open.recordings(&mut tx, &entries).await?;
    drop(tx);
    // Opening takes time, and a caller may be waiting for the database: only the note is written.
    let mut tx = service.db.begin().await?;
    opened::note_opening(
        &service,
        &mut tx,
        &inspector,
        &open.report,
        "report_opened",
        None,
    )
    .await?;
    tx.commit().await?;
    let mut answer = summary(&open.report);
    answer["entries"] = entries.iter().map(entry_json).collect();
    answer["recordings"] = recordings.iter().map(recording_json).collect();
    Ok(axum::Json(answer))
}

/// What is no id is no report.
pub(super) fn report_id(text: &str) -> Answer<Uuid> {
    text.parse().map_err(|_| Problem::missing())
}
