//! The page of operators: the state of the service. It shows no content.

use super::page::{Page, Stop, Visit, render};
use super::said;
use crate::desk::operations;
use crate::desk::rights::Operator;
use crate::service::Service;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use chrono::TimeDelta;
use std::sync::Arc;

type App = State<Arc<Service>>;

#[derive(Template)]
#[template(path = "operations.html", config = "src/web/askama.toml")]
struct OperationsPage {
    page: Page,
    /// Each problem in a sentence.
    problems: Vec<String>,
    facts: Vec<(String, String)>,
    jobs: Vec<JobRow>,
}

struct JobRow {
    /// The kind in words.
    kind: String,
    /// The kind's name in the metrics.
    name: &'static str,
    waiting: i64,
    failing: i64,
    late: String,
}

/// `GET /console/operations`, for operators. The state of the service.
pub(super) async fn show(State(service): App, visit: Visit<Operator>) -> Result<Response, Stop> {
    let state = operations::of(&service, &visit.who)
        .await
        .map_err(|error| visit.stop(error))?;
    let page = visit.page_apart(&service, "operations");
    let w = page.w;
    let mut problems = Vec::new();
    let failing: i64 = state.jobs.iter().map(|jobs| jobs.failing).sum();
    for (count, text) in [(failing, &w.jobs_failing), (state.strays, &w.strays)] {
        if count > 0 {
            problems.push(text.replace("{count}", &count.to_string()));
        }
    }
    if state.refusals > 0 {
        problems.push(
            w.rows_refused
                .replace("{count}", &state.refusals.to_string()),
        );
    }
    if state.put_back {
        problems.push(w.put_back.clone());
    }
    let mut facts = vec![
        (w.version.clone(), state.version.to_owned()),
        (w.providers.clone(), state.providers.join(" · ")),
        (w.unnamed_files.clone(), state.unnamed_files.to_string()),
    ];
    for (line, count) in state.running {
        facts.push((format!("{line} · {}", w.calls_running), count.to_string()));
    }
    let late = |late: Option<TimeDelta>| {
        let seconds = late.filter(|late| *late > TimeDelta::zero())?.num_seconds();
        Some(format!("{seconds} {}", w.seconds))
    };
    let jobs = state.jobs.into_iter().map(|jobs| JobRow {
        late: late(jobs.late).unwrap_or_default(),
        kind: said::job(page.w, jobs.kind).to_owned(),
        name: jobs.kind.as_str(),
        waiting: jobs.waiting,
        failing: jobs.failing,
    });
    Ok(render(&OperationsPage {
        problems,
        facts,
        jobs: jobs.collect(),
        page,
    }))
}
