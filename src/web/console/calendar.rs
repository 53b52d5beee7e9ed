//! The page of a line's calendar: for each day of a month, when the line is staffed, and why it is or is not.

use super::page::{Page, Stop, Visit, render};
use super::said;
use crate::desk::DeskError;
use crate::line::Line;
use crate::line::hours::{DayRow, Standing};
use crate::service::Service;
use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use chrono::{Datelike, Months, NaiveDate};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "calendar.html", config = "src/web/askama.toml")]
struct Calendar {
    page: Page,
    lines: Vec<LineLink>,
    title: String,
    earlier: Option<String>,
    later: Option<String>,
    periods: [String; 2],
    weekdays: [String; 7],
    weeks: Vec<Vec<Option<Day>>>,
}

/// A link to the same page of one of the member's lines; `chosen` is true for the line that is shown.
pub(super) struct LineLink {
    pub name: String,
    pub address: String,
    pub chosen: bool,
}

struct Day {
    number: u32,
    date: String,
    kind: &'static str,
    mark: &'static str,
    today: bool,
    windows: Vec<String>,
    reason: String,
    hear: String,
}

#[derive(Deserialize, Default)]
pub(super) struct Asked {
    #[serde(default)]
    line: String,
    #[serde(default)]
    month: String,
}

/// Returns the named line, or the member's first one if `named` is empty. [`DeskError::Missing`] if the named line is
/// not the member's, or the member has none.
pub(super) fn chosen<'a>(
    service: &'a Service,
    visit: &Visit,
    named: &str,
) -> Result<&'a Line, Stop> {
    let lines = visit
        .who
        .lines_named(service, Some(named))
        .map_err(|error| visit.stop(error))?;
    lines
        .first()
        .copied()
        .ok_or_else(|| visit.stop(DeskError::Missing))
}

/// `GET /console/calendar`, for members. The calendar is made from the configuration alone.
pub(super) async fn show(
    State(service): State<Arc<Service>>,
    visit: Visit,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Stop> {
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let line = chosen(&service, &visit, &asked.line)?;
    let page = visit.page(&service, "calendar").await?;
    let w = page.w;
    let schedule = &line.schedule;
    let today = service
        .clock
        .line_now()
        .with_timezone(&schedule.timezone)
        .date_naive();
    let first = NaiveDate::parse_from_str(&format!("{}-01", asked.month), "%Y-%m-%d")
        .ok()
        // The calendar has no dates so far away that the next month cannot be reckoned.
        .filter(|first| first.checked_add_months(Months::new(1)).is_some())
        .or(today.with_day(1))
        .unwrap_or(today);
    let address = |line: &str, first: NaiveDate| {
        format!(
            "/console/calendar?line={line}&month={}",
            first.format("%Y-%m")
        )
    };
    // Links go no further than a year before and after the inspection; other months can be requested.
    let (from, to) = (schedule.inspection.from, schedule.inspection.to);
    let months = |by: Option<NaiveDate>| {
        by.filter(|first| *first >= from - Months::new(12) && *first <= to + Months::new(12))
            .map(|first| address(&line.id, first))
    };
    let last = first + Months::new(1) - chrono::Days::new(1);
    let mut weeks: Vec<Vec<Option<Day>>> = Vec::new();
    let mut week: Vec<Option<Day>> = Vec::new();
    week.resize_with(first.weekday().num_days_from_monday() as usize, || None);
    for row in schedule.days(first, last) {
        week.push(Some(day(w, line, row, today)));
        if week.len() == 7 {
            weeks.push(std::mem::take(&mut week));
        }
    }
    if !week.is_empty() {
        week.resize_with(7, || None);
        weeks.push(week);
    }
    let period = |name: &str, period: &crate::line::hours::Period| {
        format!(
            "{name} {} – {}",
            said::date(w, period.from),
            said::date(w, period.to)
        )
    };
    Ok(render(&Calendar {
        lines: visit
            .who
            .lines(&service)
            .into_iter()
            .map(|own| LineLink {
                name: own.id.clone(),
                address: address(&own.id, first),
                chosen: own.id == line.id,
            })
            .collect(),
        title: said::month(w, first),
        earlier: months(first.checked_sub_months(Months::new(1))),
        later: months(first.checked_add_months(Months::new(1))),
        periods: [
            period(&w.inspection_period, &schedule.inspection),
            period(&w.intake_period, &schedule.intake),
        ],
        weekdays: said::weekdays(w),
        weeks,
        page,
    }))
}

fn day(w: &'static super::words::Words, line: &Line, row: DayRow, today: NaiveDate) -> Day {
    let schedule = &line.schedule;
    let outside = schedule.inspection.standing(row.date);
    let intake_over = schedule.intake.standing(row.date) == Standing::After;
    let staffed = !row.windows.is_empty();
    let reason = match outside {
        Standing::Before => w.not_started.clone(),
        Standing::After => w.ended.clone(),
        Standing::During if staffed && intake_over => w.intake_closed.clone(),
        Standing::During => said::reason(w, &row.reason, row.working),
    };
    let (kind, mark) = match (staffed, intake_over) {
        (true, false) => ("staffed", "●"),
        (true, true) => ("listening", "◐"),
        (false, _) => ("off", "◌"),
    };
    Day {
        number: row.date.day(),
        date: said::date(w, row.date),
        kind,
        mark,
        today: row.date == today,
        windows: row
            .windows
            .iter()
            .map(|own| said::window(w, *own))
            .collect(),
        reason,
        hear: format!("/console/hear?line={}&at={}T09:00", line.id, row.date),
    }
}
