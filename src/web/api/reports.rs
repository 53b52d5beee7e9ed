//! Endpoints that return the queue, single reports, and calls without a message.

use super::answers::{Failed, LoggedOut, Missing, NotForThisRole, WrongFilter};
use super::shape::{Abandoned, Report, WholeReport};
use super::{Answer, App, Body, Caller, Path, Problem, report_id};
use crate::desk::{abandoned, opened, queue};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Only this line. Empty: all your lines.
    #[serde(default)]
    #[param(nullable = false)]
    line: Option<String>,
    /// Only with this status: `queued`, `claimed` or `closed`. Empty: any.
    #[serde(default)]
    #[param(nullable = false, pattern = "^(queued|claimed|closed)?$")]
    status: Option<String>,
    /// The `next` of the page before. Empty: the first page.
    #[serde(default)]
    #[param(nullable = false)]
    cursor: Option<String>,
}

/// A page of reports.
#[derive(Serialize, ToSchema)]
pub(super) struct Page {
    /// At most 50.
    #[schema(max_items = 50)]
    reports: Vec<Report>,
    /// The cursor of the next page; null on the last page.
    #[schema(required)]
    next: Option<String>,
}

/// Returns the reports of your lines, in order of arrival over all lines.
///
/// Nothing sealed is opened, and nothing is recorded in the audit trail.
#[utoipa::path(
    get,
    path = "/reports",
    operation_id = "report_list",
    tag = "reports",
    params(Filter),
    responses(
        (status = 200, description = "A page of them.", body = Page),
        WrongFilter, LoggedOut, NotForThisRole, Missing, Failed,
    ),
)]
pub(super) async fn list(
    State(service): App,
    Caller(inspector): Caller,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Answer<Body<Page>> {
    let Query(filter) =
        filter.map_err(|_| Problem::bad_request("Filters are line, status and cursor."))?;
    let status = match filter.status.as_deref() {
        None | Some("") => None,
        Some(text) => Some(
            text.parse()
                .map_err(|_| Problem::bad_request("status is queued, claimed or closed."))?,
        ),
    };
    let filter = queue::Filter {
        line: filter.line,
        status,
        mine: false,
        cursor: filter.cursor,
    };
    let page = queue::list(&service, &inspector, &filter).await?;
    Ok(axum::Json(Page {
        reports: page.reports.iter().map(Report::new).collect(),
        next: page.next,
    }))
}

/// Opens a report.
///
/// The opening is recorded in the audit trail before the report is returned.
#[utoipa::path(
    get,
    path = "/reports/{id}",
    operation_id = "report_show",
    tag = "reports",
    params(("id" = Uuid, Path, description = "The report's id.")),
    responses(
        (status = 200, description = "The report.", body = WholeReport),
        LoggedOut, NotForThisRole, Missing, Failed,
    ),
)]
pub(super) async fn show(
    State(service): App,
    Path(id): Path<String>,
    Caller(inspector): Caller,
) -> Answer<Body<WholeReport>> {
    let open = opened::open(&service, &inspector, report_id(&id)?).await?;
    Ok(axum::Json(WholeReport::new(&open)))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OfLine {
    /// Only this line. Empty: all your lines.
    #[serde(default)]
    #[param(nullable = false)]
    line: Option<String>,
    /// The `next` of the page before. Empty: the first page.
    #[serde(default)]
    #[param(nullable = false)]
    cursor: Option<String>,
}

/// A page of calls without a message.
#[derive(Serialize, ToSchema)]
pub(super) struct Calls {
    /// At most 50, line by line, the newest first.
    #[schema(max_items = 50)]
    calls: Vec<Abandoned>,
    /// The cursor of the next page; null on the last page.
    #[schema(required)]
    next: Option<String>,
}

/// Opens calls that ended before anything was recorded: the caller's number, and how far the caller got.
///
/// Each opening is recorded in the audit trail before the calls are returned. How many calls there were recently is
/// part of the state of a line, for which nothing is opened.
#[utoipa::path(
    get,
    path = "/abandoned",
    operation_id = "abandoned_list",
    tag = "reports",
    params(OfLine),
    responses(
        (status = 200, description = "A page of them.", body = Calls),
        WrongFilter, LoggedOut, NotForThisRole, Missing, Failed,
    ),
)]
pub(super) async fn abandoned_calls(
    State(service): App,
    Caller(inspector): Caller,
    filter: Result<Query<OfLine>, QueryRejection>,
) -> Answer<Body<Calls>> {
    let Query(filter) = filter.map_err(|_| Problem::bad_request("Filters are line and cursor."))?;
    let (line, cursor) = (filter.line.as_deref(), filter.cursor.as_deref());
    let page = abandoned::list(&service, &inspector, line, cursor).await?;
    Ok(axum::Json(Calls {
        calls: page.calls.iter().map(Abandoned::new).collect(),
        next: page.next,
    }))
}
