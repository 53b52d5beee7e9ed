//! Times, statuses and the like, as people say them.

use super::words::Words;
use crate::line::hours::{Phase, Window};
use crate::report::status::Status;
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Timelike, Utc, Weekday};
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

/// Where a report comes from.
pub(super) fn source(w: &'static Words, source: &str) -> &'static str {
    match source {
        "call" => &w.source_call,
        "live" => &w.source_live,
        _ => &w.source_unknown,
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

const CHINESE_DAYS: [&str; 7] = ["周一", "周二", "周三", "周四", "周五", "周六", "周日"];
const ENGLISH_DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// The days of the week from Monday on, short.
pub(super) fn weekdays(w: &Words) -> [String; 7] {
    let days = if w.lang == "en" {
        ENGLISH_DAYS
    } else {
        CHINESE_DAYS
    };
    days.map(str::to_owned)
}

fn weekday(w: &Words, day: Weekday) -> String {
    weekdays(w)[day.num_days_from_monday() as usize].clone()
}

/// A date with its day of the week.
pub(super) fn date(w: &Words, date: NaiveDate) -> String {
    let day = weekday(w, date.weekday());
    if w.lang == "en" {
        format!("{day} {}", date.format("%-d %b %Y"))
    } else {
        format!("{}年{}月{}日{day}", date.year(), date.month(), date.day())
    }
}

/// A month.
pub(super) fn month(w: &Words, first: NaiveDate) -> String {
    if w.lang == "en" {
        first.format("%B %Y").to_string()
    } else {
        format!("{}年{}月", first.year(), first.month())
    }
}

/// What a line's clock shows.
pub(super) fn clock(w: &Words, now: DateTime<Tz>) -> String {
    format!("{} {}", date(w, now.date_naive()), now.format("%H:%M"))
}

/// Why a day is worked or not. Calendars are written in Chinese; the two plain reasons are ours.
pub(super) fn reason(w: &Words, reason: &str, working: bool) -> String {
    match (reason, working) {
        ("工作日", true) => w.working_day.clone(),
        ("周末", false) => w.weekend.clone(),
        _ => reason.to_owned(),
    }
}

/// A window of a day, `08:30-12:00`. One that ends on the next day says so.
pub(super) fn window(w: &Words, window: Window) -> String {
    if !window.ends_next_day() {
        return window.to_string();
    }
    w.window_over_midnight
        .replace("{start}", &window.start().to_string())
        .replace("{end}", &window.end().to_string())
}

/// A link of the audit trail in words. One that has none stays as it is.
pub(super) fn act(w: &Words, action: &str, detail: Option<&str>) -> String {
    let known = match action {
        "call_answered" => &w.act_call_answered,
        "report_queued" => &w.act_report_queued,
        "talk_ended" => &w.act_talk_ended,
        "recording_sealed" => &w.act_recording_sealed,
        "recording_lost" => &w.act_recording_lost,
        "recording_given_up" => &w.act_recording_given_up,
        "receipt_shared" => &w.act_receipt_shared,
        "entry_added" => return format!("{} · {}", w.act_entry_added, kind(w, detail)),
        // Links without a kind are of the time when nothing but callers' numbers was deleted.
        "entry_purged" if detail.is_none_or(|kind| kind == "caller") => &w.act_entry_purged,
        "entry_purged" => return format!("{} · {}", w.act_entry_deleted, kind(w, detail)),
        "report_opened" => &w.act_report_opened,
        "abandoned_opened" => &w.act_abandoned_opened,
        "recording_opened" => &w.act_recording_opened,
        "trail_opened" => &w.act_trail_opened,
        "reply_approved" => &w.act_reply_approved,
        "claim" => &w.claim,
        "release" => &w.release,
        "close" => &w.close,
        "reopen" => &w.reopen,
        _ => return action.to_owned(),
    };
    known.clone()
}

fn kind(w: &Words, kind: Option<&str>) -> String {
    match kind.unwrap_or_default() {
        "caller" => w.caller.clone(),
        "call" => w.call_entry.clone(),
        "talk" => w.talk_entry.clone(),
        "recording" => w.recording.clone(),
        "take" => w.take_entry.clone(),
        "note" => w.note.clone(),
        "classification" => w.classification.clone(),
        "outcome" => w.outcome.clone(),
        "reply" => w.reply_entry.clone(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::words;
    use super::*;

    #[test]
    fn a_window_over_midnight_says_so() {
        let said = |language, text: &str| window(words(language), text.parse().unwrap());
        assert_eq!(said("en", "08:30-12:00"), "08:30-12:00");
        assert_eq!(said("en", "22:00-06:00"), "22:00-06:00 next day");
        assert_eq!(said("zh-CN", "22:00-06:00"), "22:00-次日06:00");
    }
}
