//! Times, statuses and other values in words.

use super::words::Words;
use crate::line::hours::{Phase, Window};
use crate::report::entries::EntryKind;
use crate::report::status::{Source, Status};
use crate::report::takes::Reached;
use crate::store::jobs::Kind;
use crate::vault::action::Action;
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Timelike, Utc, Weekday};
use chrono_tz::Tz;

/// Returns a status in words, and the symbol beside it; both empty if `status` is `None`.
pub(super) fn status(w: &'static Words, status: Option<Status>) -> (&'static str, &'static str) {
    match status {
        Some(Status::Queued) => (&w.queued, "○"),
        Some(Status::Claimed) => (&w.claimed, "◐"),
        Some(Status::Closed) => (&w.closed, "●"),
        None => ("", ""),
    }
}

/// Returns how a report arrived, in words.
pub(super) fn source(w: &'static Words, source: Source) -> &'static str {
    match source {
        Source::Call => &w.source_call,
        Source::Live => &w.source_live,
    }
}

/// Returns a phase in words.
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

/// Returns how far a caller got, in words.
pub(super) fn reached(w: &'static Words, reached: Reached) -> &'static str {
    match reached {
        Reached::Greeting => &w.reached_greeting,
        Reached::CalledBack => &w.reached_called_back,
        Reached::Guidance => &w.reached_guidance,
        Reached::Recording => &w.reached_recording,
        Reached::Connected => &w.reached_connected,
        Reached::Receipt => &w.reached_receipt,
        Reached::Added => &w.reached_added,
    }
}

/// Returns how long ago an hour began, in words: "just now" for less than an hour, then hours, from 48 hours on days.
/// Used for arrival times, of which only the hour is stored unsealed.
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

/// Formats the day and hour of a time, in the line's time zone.
pub(super) fn hour(w: &Words, at: DateTime<Utc>, zone: Tz) -> String {
    let at = at.with_timezone(&zone);
    if w.lang == "en" {
        at.format("%-d %b, %H:00–%H:59").to_string()
    } else {
        format!("{}月{}日 {}时", at.month(), at.day(), at.hour())
    }
}

/// Formats a time to the minute, in the line's time zone.
pub(super) fn moment(w: &Words, at: DateTime<Utc>, zone: Tz) -> String {
    let at = at.with_timezone(&zone);
    if w.lang == "en" {
        at.format("%-d %b, %H:%M").to_string()
    } else {
        format!("{}月{}日 {}", at.month(), at.day(), at.format("%H:%M"))
    }
}

/// Formats a time to the second, with the offset of `zone`, for tooltips.
pub(super) fn exactly(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone)
        .format("%Y-%m-%dT%H:%M:%S%:z")
        .to_string()
}

const CHINESE_DAYS: [&str; 7] = ["周一", "周二", "周三", "周四", "周五", "周六", "周日"];
const ENGLISH_DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Returns the short names of the days of the week, from Monday on.
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

/// Formats a date with its day of the week.
pub(super) fn date(w: &Words, date: NaiveDate) -> String {
    let day = weekday(w, date.weekday());
    if w.lang == "en" {
        format!("{day} {}", date.format("%-d %b %Y"))
    } else {
        format!("{}年{}月{}日{day}", date.year(), date.month(), date.day())
    }
}

/// Formats the month and year of a date.
pub(super) fn month(w: &Words, first: NaiveDate) -> String {
    if w.lang == "en" {
        first.format("%B %Y").to_string()
    } else {
        format!("{}年{}月", first.year(), first.month())
    }
}

/// Formats a time with its date, in its own time zone.
pub(super) fn clock(w: &Words, now: DateTime<Tz>) -> String {
    format!("{} {}", date(w, now.date_naive()), now.format("%H:%M"))
}

/// Returns why a day is a working day or not. Calendars give reasons in Chinese; only the two general ones, "working
/// day" and "weekend", are translated.
pub(super) fn reason(w: &Words, reason: &str, working: bool) -> String {
    match (reason, working) {
        ("工作日", true) => w.working_day.clone(),
        ("周末", false) => w.weekend.clone(),
        _ => reason.to_owned(),
    }
}

/// Formats a window of a day, `08:30-12:00`, with a note if it ends on the next day.
pub(super) fn window(w: &Words, window: Window) -> String {
    if !window.ends_next_day() {
        return window.to_string();
    }
    w.window_over_midnight
        .replace("{start}", &window.start().to_string())
        .replace("{end}", &window.end().to_string())
}

/// Returns words for the action of a link in a report's trail.
pub(super) fn act(w: &Words, action: Action, detail: Option<&str>) -> String {
    let words = match action {
        Action::CallAnswered => &w.act_call_answered,
        Action::ReportQueued => &w.act_report_queued,
        Action::TalkEnded => &w.act_talk_ended,
        Action::RecordingSealed => &w.act_recording_sealed,
        Action::RecordingLost => &w.act_recording_lost,
        Action::RecordingGivenUp => &w.act_recording_given_up,
        Action::ReceiptShared => &w.act_receipt_shared,
        Action::EntryAdded => return format!("{} · {}", w.act_entry_added, kind(w, detail)),
        // Links without a kind are of callers' numbers: when they were written, no other entries were deleted.
        Action::EntryPurged if detail.is_none_or(|kind| kind == EntryKind::Caller.as_str()) => {
            &w.act_entry_purged
        }
        Action::EntryPurged => return format!("{} · {}", w.act_entry_deleted, kind(w, detail)),
        Action::ReportOpened => &w.act_report_opened,
        Action::AbandonedOpened => &w.act_abandoned_opened,
        Action::RecordingOpened => &w.act_recording_opened,
        Action::TrailOpened => &w.act_trail_opened,
        Action::ReportRestored => &w.act_report_restored,
        Action::ReplyApproved => &w.act_reply_approved,
        Action::Claim => &w.claim,
        Action::Release => &w.release,
        Action::Close => &w.close,
        Action::Reopen => &w.reopen,
        // Links with these actions name no report, so they occur in no report's trail.
        Action::Login
        | Action::PasswordChanged
        | Action::GrantRenewed
        | Action::LineKeyMade
        | Action::ReportKeysResealed
        | Action::LineKeyRetired
        | Action::RecoveryRenewed
        | Action::MemberAdded
        | Action::Granted
        | Action::MemberDisabled
        | Action::MemberEnabled
        | Action::MemberConfirmed
        | Action::TakenOff
        | Action::ConfirmationWaived
        | Action::ConfirmationRequired
        | Action::ExportSealed
        | Action::ExportOpened
        | Action::HeadAccepted
        | Action::HeadNamed => return action.to_string(),
    };
    words.clone()
}

/// Returns words for what a kind of job does.
pub(super) fn job(w: &Words, kind: Kind) -> &str {
    match kind {
        Kind::Fetch => &w.job_fetch,
        Kind::Delete => &w.job_delete,
        Kind::Settle => &w.job_settle,
        Kind::Watch => &w.job_watch,
        Kind::Stray => &w.job_stray,
    }
}

/// Returns words for the action of a link in a line's trail: as [`act`], and for actions that name no report.
pub(super) fn act_of_line(w: &Words, action: Action, detail: Option<&str>) -> String {
    let words = match action {
        Action::Login => &w.act_login,
        Action::PasswordChanged => &w.act_password_changed,
        Action::LineKeyMade => &w.act_line_key_made,
        Action::ReportKeysResealed => &w.act_report_keys_resealed,
        Action::LineKeyRetired => &w.act_line_key_retired,
        Action::RecoveryRenewed => &w.act_recovery_renewed,
        Action::ConfirmationWaived => &w.act_confirmation_waived,
        Action::ConfirmationRequired => &w.act_confirmation_required,
        Action::ExportSealed => &w.act_export_sealed,
        Action::ExportOpened => &w.act_export_opened,
        Action::HeadAccepted => &w.act_head_accepted,
        Action::HeadNamed => &w.act_head_named,
        Action::MemberAdded => &w.act_member_added,
        Action::Granted | Action::GrantRenewed => &w.act_granted,
        Action::MemberDisabled => &w.act_member_disabled,
        Action::MemberEnabled => &w.act_member_enabled,
        Action::MemberConfirmed => &w.act_member_confirmed,
        Action::TakenOff => &w.act_taken_off,
        action => return act(w, action, detail),
    };
    match action.names_a_member() {
        true => format!("{words} · {}", detail.unwrap_or_default()),
        false => words.clone(),
    }
}

/// Returns the words for the entry kind that a link's detail names. A kind that this version does not know is returned
/// as it is written.
fn kind(w: &Words, detail: Option<&str>) -> String {
    let name = detail.unwrap_or_default();
    let Ok(kind) = name.parse() else {
        return name.to_owned();
    };
    let words = match kind {
        EntryKind::Caller => &w.caller,
        EntryKind::Call => &w.call_entry,
        EntryKind::Talk => &w.talk_entry,
        EntryKind::Recording => &w.recording,
        EntryKind::Take => &w.take_entry,
        EntryKind::Transcript => &w.transcript_entry,
        EntryKind::Note => &w.note,
        EntryKind::Classification => &w.classification,
        EntryKind::Outcome => &w.outcome,
        EntryKind::Reply => &w.reply_entry,
    };
    words.clone()
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
