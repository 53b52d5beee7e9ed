//! Times, statuses and the like, as people say them.

use super::words::Words;
use crate::line::hours::Phase;
use crate::report::status::Status;
use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;

/// A status in words, and the shape that stands beside it.
pub(super) fn status(w: &'static Words, status: Option<&str>) -> (&'static str, &'static str) {
    match status.and_then(Status::parse) {
        Some(Status::Queued) => (&w.queued, "○"),
        Some(Status::Claimed) => (&w.claimed, "◐"),
        Some(Status::Closed) => (&w.closed, "●"),
        None => ("", ""),
    }
}

/// A phase in words.
pub(super) fn phase(w: &'static Words, phase: Phase) -> &'static str {
    match phase {
        Phase::NotStarted => &w.not_started,
        Phase::Open => &w.open,
        Phase::Break => &w.pause,
        Phase::AfterHours => &w.after_hours,
        Phase::Holiday => &w.holiday,
        Phase::IntakeClosed => &w.intake_closed,
        Phase::Ended => &w.ended,
    }
}

/// How long ago an hour was. Only the hour of arrival is known outside the sealed entries.
pub(super) fn age(w: &Words, hour: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let passed = now - hour;
    if passed < TimeDelta::hours(1) {
        w.just_now.clone()
    } else if passed < TimeDelta::hours(48) {
        format!("{} {}", passed.num_hours(), w.hours)
    } else {
        format!("{} {}", passed.num_days(), w.days)
    }
}

/// An hour in the line's zone.
pub(super) fn hour(w: &Words, at: DateTime<Utc>, zone: Tz) -> String {
    let at = at.with_timezone(&zone);
    if w.lang == "en" {
        at.format("%-d %b, %H:00–%H:59").to_string()
    } else {
        format!("{}月{}日 {}时", at.month(), at.day(), at.hour())
    }
}

/// A moment in the line's zone, to the minute.
pub(super) fn moment(w: &Words, at: DateTime<Utc>, zone: Tz) -> String {
    let at = at.with_timezone(&zone);
    if w.lang == "en" {
        at.format("%-d %b, %H:%M").to_string()
    } else {
        format!("{}月{}日 {}", at.month(), at.day(), at.format("%H:%M"))
    }
}

/// A moment to the second with its offset, for hovering.
pub(super) fn exactly(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone)
        .format("%Y-%m-%dT%H:%M:%S%:z")
        .to_string()
}
