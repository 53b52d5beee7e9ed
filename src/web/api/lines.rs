//! The state of lines.

use super::answers::{Failed, LoggedOut, Missing, NotForThisRole};
use super::{Answer, App, Body, Caller, Path, Problem};
use crate::desk::standing;
use crate::line;
use crate::line::hours::Phase;
use crate::service::Service;
use axum::extract::State;
use chrono::{DateTime, SecondsFormat};
use chrono_tz::Tz;
use serde::Serialize;
use utoipa::ToSchema;

/// How a line stands.
#[derive(Serialize, ToSchema)]
pub(super) struct Line {
    id: String,
    /// The number people call.
    number: String,
    /// Its name, as spoken.
    name: String,
    /// Who is inspected.
    #[schema(required)]
    inspected: Option<String>,
    phase: Phase,
    /// When it is staffed next, with the line's offset; null while it is, and when it never is again.
    #[schema(required, format = DateTime)]
    reopens_at: Option<String>,
    /// New reports are accepted these days.
    takes_reports: bool,
    /// Line time, with the line's offset.
    #[schema(format = DateTime)]
    now: String,
    /// Line time is not the real one.
    clock_shifted: bool,
    reports: Counts,
    /// Calls that run.
    #[schema(minimum = 0)]
    calls_running: i64,
    /// Those of them that are with the roster: it is rung, or one of it speaks with the caller.
    #[schema(minimum = 0)]
    calls_with_roster: i64,
    recent_calls: RecentCalls,
    /// Jobs for the line's calls and recordings that keep failing; an operator should look. They are tried again, and end by
    /// themselves or when a lead gives one up.
    #[schema(minimum = 0)]
    jobs_given_up: i64,
    /// What a report can be classified as.
    disciplines: Vec<String>,
    /// See `disciplines`.
    focuses: Vec<String>,
}

/// The calls of this hour and the one before. Nothing is opened to count them.
#[derive(Serialize, ToSchema)]
pub(super) struct RecentCalls {
    /// All that were answered.
    #[schema(minimum = 0)]
    answered: i64,
    /// Those that are over, and left no message.
    #[schema(minimum = 0)]
    without_message: i64,
    /// How many without a message are usual in two hours: twice the median of the hours with any call, of the seven days
    /// before.
    #[schema(minimum = 0)]
    usual: i64,
    /// Twenty or more left no message, and more than five times as many as is usual.
    flood: bool,
}

/// How many reports have which status.
#[derive(Serialize, ToSchema)]
pub(super) struct Counts {
    #[schema(minimum = 0)]
    queued: i64,
    #[schema(minimum = 0)]
    claimed: i64,
    #[schema(minimum = 0)]
    closed: i64,
}

/// Some lines.
#[derive(Serialize, ToSchema)]
pub(super) struct Lines {
    lines: Vec<Line>,
}

/// How all your lines stand.
#[utoipa::path(
    get,
    path = "/lines",
    operation_id = "line_list",
    tag = "lines",
    responses(
        (status = 200, description = "Those you hold the key of.", body = Lines),
        LoggedOut, NotForThisRole, Failed,
    ),
)]
pub(super) async fn list(State(service): App, Caller(inspector): Caller) -> Answer<Body<Lines>> {
    let mut lines = Vec::new();
    for line in inspector.lines(&service) {
        lines.push(Line::new(&service, line).await?);
    }
    Ok(axum::Json(Lines { lines }))
}

/// How one line stands.
#[utoipa::path(
    get,
    path = "/lines/{id}",
    operation_id = "line_show",
    tag = "lines",
    params(("id" = String, Path, description = "The line's id.")),
    responses(
        (status = 200, description = "The line.", body = Line),
        LoggedOut, NotForThisRole, Missing, Failed,
    ),
)]
pub(super) async fn show(
    State(service): App,
    Path(id): Path<String>,
    Caller(inspector): Caller,
) -> Answer<Body<Line>> {
    let line = inspector
        .lines(&service)
        .into_iter()
        .find(|line| line.id == id)
        .ok_or_else(Problem::missing)?;
    Ok(axum::Json(Line::new(&service, line).await?))
}

impl Line {
    async fn new(service: &Service, line: &line::Line) -> Answer<Self> {
        let standing = standing::of(service, line).await?;
        let words = &line.words[&line.languages[0]];
        Ok(Self {
            id: line.id.clone(),
            number: line.dial.clone(),
            name: words.name.clone(),
            inspected: words.inspected.clone(),
            phase: standing.phase,
            reopens_at: standing.reopens_at.map(time),
            takes_reports: standing.intake_open,
            now: time(standing.now),
            clock_shifted: standing.clock_shifted,
            reports: Counts {
                queued: standing.queued,
                claimed: standing.claimed,
                closed: standing.closed,
            },
            calls_running: standing.calls_running,
            calls_with_roster: standing.calls_with_roster,
            recent_calls: RecentCalls {
                answered: standing.recent.answered,
                without_message: standing.recent.without_message,
                usual: standing.recent.usual,
                flood: standing.recent.is_flood(),
            },
            jobs_given_up: standing.jobs_failing_here,
            disciplines: line.disciplines.clone(),
            focuses: line.focuses.clone(),
        })
    }
}

/// Formats a time in RFC 3339 with the line's offset, to the second.
fn time(at: DateTime<Tz>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, false)
}
