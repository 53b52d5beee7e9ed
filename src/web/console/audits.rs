//! The page of auditors: the trails of lines. It shows no content.

use super::page::{Page, Stop, Visit, render};
use super::said;
use crate::desk::audits;
use crate::desk::rights::Auditor;
use crate::service::Service;
use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

type App = State<Arc<Service>>;

#[derive(Template)]
#[template(path = "audits.html", config = "src/web/askama.toml")]
struct AuditsPage {
    page: Page,
    lines: Vec<String>,
    chosen: String,
    total: String,
    refused: Option<String>,
    rows: Vec<LinkRow>,
    /// How often each member has opened content on this page, in words.
    counts: Vec<String>,
    earlier: Option<i64>,
}

struct LinkRow {
    seq: i64,
    at: String,
    exact: String,
    who: String,
    what: String,
    reference: String,
    is_out_of_hours: bool,
}

#[derive(Deserialize, Default)]
pub(super) struct Asked {
    /// The line; the first one if it is missing.
    #[serde(default)]
    line: String,
    /// The number of the link before which the page ends.
    before: Option<i64>,
}

/// `GET /console/audits`, for auditors. The trail of a line, the last link first. Recorded in the same trail.
pub(super) async fn show(
    State(service): App,
    visit: Visit<Auditor>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Stop> {
    let Query(asked) = asked.unwrap_or_default();
    let lines: Vec<String> = service
        .config
        .lines
        .iter()
        .map(|entry| entry.line.id.clone())
        .collect();
    let chosen = match asked.line.is_empty() {
        true => lines.first().cloned().unwrap_or_default(),
        false => asked.line,
    };
    let part = audits::of_line(&service, &visit.who, &chosen, asked.before)
        .await
        .map_err(|error| visit.stop(error))?;
    let page = visit.page_apart(&service, "audits");
    let w = page.w;
    let zone = service
        .config
        .line(&chosen)
        .map_or(chrono_tz::Tz::UTC, |line| line.schedule.timezone);
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for seen in part.links.iter().filter(|seen| seen.is_opening) {
        let actor = seen.link.actor.as_deref().unwrap_or_default();
        let (openings, outside) = counts.entry(actor).or_default();
        *openings += 1;
        *outside += usize::from(seen.is_out_of_hours);
    }
    let counts = counts.into_iter().map(|(name, (openings, outside))| {
        let text = w.openings_of.replace("{count}", &openings.to_string());
        let text = text.replace("{outside}", &outside.to_string());
        // The name is inserted last: it may contain any visible text.
        text.replace("{name}", name)
    });
    let counts = counts.collect();
    let rows = part.links.into_iter().map(|seen| {
        let link = seen.link;
        LinkRow {
            seq: link.seq,
            at: said::moment(w, link.at, zone),
            exact: said::exactly(link.at, zone),
            who: link.actor.unwrap_or_else(|| w.by_service.clone()),
            what: said::act_of_line(w, link.action, link.detail.as_deref()),
            reference: seen.reference.unwrap_or_default(),
            is_out_of_hours: seen.is_out_of_hours,
        }
    });
    Ok(render(&AuditsPage {
        rows: rows.collect(),
        total: w.links_total.replace("{count}", &part.total.to_string()),
        refused: (part.refused > 0).then(|| {
            w.links_refused
                .replace("{count}", &part.refused.to_string())
        }),
        earlier: part.earlier,
        counts,
        lines,
        chosen,
        page,
    }))
}
