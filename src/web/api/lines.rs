//! Endpoints that return the state of lines.

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

/// State of a line.
#[derive(Serialize, ToSchema)]
pub(super) struct Line {
    id: String,
    /// The number that callers dial.
    number: String,
    /// Name of the inspection team, as spoken in the line's first language.
    name: String,
    /// The inspected institution, in the line's first language; null if none is configured.
    #[schema(required)]
    inspected: Option<String>,
    phase: Phase,
    /// When the line is staffed next, with the offset of its time zone; null while it is staffed, and after its last
    /// hours.
    #[schema(required, format = DateTime)]
    reopens_at: Option<String>,
    /// True if today is in the period in which the line accepts new reports.
    takes_reports: bool,
    /// Line time, with the offset of the line's time zone.
    #[schema(format = DateTime)]
    now: String,
    /// True if line time is shifted against system time.
    clock_shifted: bool,
    reports: Counts,
    /// Number of calls that have not ended.
    #[schema(minimum = 0)]
    calls_running: i64,
    /// Number of these calls for which a telephone of the roster is ringing, or is connected to the caller.
    #[schema(minimum = 0)]
    calls_with_roster: i64,
    recent_calls: RecentCalls,
    /// Number of jobs for the line's calls and recordings that fail repeatedly, so that an operator should look. They
    /// are tried again until they succeed or a lead gives them up.
    #[schema(minimum = 0)]
    jobs_given_up: i64,
    /// The disciplines that a report can be classified with.
    disciplines: Vec<String>,
    /// The focuses that a report can be classified with.
    focuses: Vec<String>,
}

/// Calls of the current hour and the one before. Nothing is opened to count them.
#[derive(Serialize, ToSchema)]
pub(super) struct RecentCalls {
    /// Number of calls that were answered.
    #[schema(minimum = 0)]
    answered: i64,
    /// Number of calls that have ended and left no message.
    #[schema(minimum = 0)]
    without_message: i64,
    /// Usual number of calls without a message in two hours: twice the median of the hours with at least one call in
    /// the seven days before.
    #[schema(minimum = 0)]
    usual: i64,
    /// True if at least 20 calls left no message, and more than five times the usual number.
    flood: bool,
}

/// Number of reports by status.
#[derive(Serialize, ToSchema)]
pub(super) struct Counts {
    #[schema(minimum = 0)]
    queued: i64,
    #[schema(minimum = 0)]
    claimed: i64,
    #[schema(minimum = 0)]
    closed: i64,
}

/// The lines whose keys a member holds.
#[derive(Serialize, ToSchema)]
pub(super) struct Lines {
    lines: Vec<Line>,
}

/// Returns the state of all your lines.
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

/// Returns the state of a line.
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
