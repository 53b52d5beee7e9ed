//! When a line is staffed: its periods, its windows, and its phase at an instant.
//!
//! The configuration holds wall-clock times, and a call arrives at an instant. Everything is decided in instants here,
//! so that no other module has to handle changes of daylight saving time.

pub use super::window::{HoursError, WallTime, Window, Windows};

use super::calendar::{Calendars, TomlDate};
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A range of days, both ends included. Read from TOML as `{ from = 2024-03-06, to = 2024-06-21 }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenPeriod")]
pub struct Period {
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPeriod {
    from: TomlDate,
    to: TomlDate,
}

impl Period {
    /// Returns the period from `from` to `to`.
    ///
    /// # Errors
    ///
    /// [`HoursError::EndsBeforeStart`] when `to` is before `from`.
    pub fn new(from: NaiveDate, to: NaiveDate) -> Result<Self, HoursError> {
        if to < from {
            return Err(HoursError::EndsBeforeStart { from, to });
        }
        Ok(Self { from, to })
    }

    /// True if this day is in the period.
    pub fn contains(&self, date: NaiveDate) -> bool {
        self.standing(date) == Standing::During
    }

    /// Returns the position of this day relative to the period.
    pub fn standing(&self, date: NaiveDate) -> Standing {
        if date < self.from {
            Standing::Before
        } else if date > self.to {
            Standing::After
        } else {
            Standing::During
        }
    }
}

impl TryFrom<WrittenPeriod> for Period {
    type Error = HoursError;

    fn try_from(written: WrittenPeriod) -> Result<Self, HoursError> {
        Self::new(written.from.0, written.to.0)
    }
}

/// Position of a day relative to a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Before the period's first day.
    Before,
    /// From the period's first day to its last, both included.
    During,
    /// After the period's last day.
    After,
}

/// What a line is at an instant. The words are the same in JSON, in logs and on paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Before the inspection.
    NotStarted,
    /// Staffed, and the intake period is not over. It may not have begun yet.
    Open,
    /// Between two windows of a working day.
    Break,
    /// On a working day, before its first window or after its last, and in none that began the day before.
    AfterHours,
    /// Any day that is not worked.
    Holiday,
    /// Staffed, but the intake period is over.
    IntakeClosed,
    /// After the inspection.
    Ended,
}

impl Phase {
    /// Returns the phase's name: `not_started`, `open`, `break`, `after_hours`, `holiday`, `intake_closed` or `ended`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotStarted => "not_started",
            Self::Open => "open",
            Self::Break => "break",
            Self::AfterHours => "after_hours",
            Self::Holiday => "holiday",
            Self::IntakeClosed => "intake_closed",
            Self::Ended => "ended",
        }
    }

    /// True if inspectors are on duty: `open` or `intake_closed`.
    pub fn is_staffed(self) -> bool {
        matches!(self, Self::Open | Self::IntakeClosed)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// When a line is staffed and when it accepts reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Time zone of the line. Days and windows are local to it.
    pub timezone: Tz,
    /// Which days are worked.
    pub calendars: Calendars,
    /// The period of the inspection. No window begins on a day outside it.
    pub inspection: Period,
    /// The period in which new reports are accepted, as far as it is within the inspection.
    pub intake: Period,
    /// The hours of a working day.
    pub windows: Windows,
}

/// One day of a line, as printed by `hours --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DayRow {
    /// The day.
    pub date: NaiveDate,
    /// True if the calendars have the day as a working day, within the inspection or not.
    pub working: bool,
    /// Why the calendars have the day as worked or not: [`Day::reason`](super::calendar::Day::reason).
    pub reason: String,
    /// Windows that begin on this day; empty on days off and outside the inspection.
    pub windows: Vec<Window>,
}

impl Schedule {
    /// Returns the phase at `now`.
    ///
    /// The checks are, in this order: before or after the inspection, day off, inside a window, between two windows. In
    /// the part of a window after midnight, all checks are made for the day on which the window began.
    pub fn phase(&self, now: DateTime<Utc>) -> Phase {
        let today = self.service_day(now);
        match self.inspection.standing(today) {
            Standing::Before => return Phase::NotStarted,
            Standing::After => return Phase::Ended,
            Standing::During => {}
        }
        if !self.calendars.working(today) {
            return Phase::Holiday;
        }
        let (mut earlier, mut later) = (false, false);
        for (start, end) in self.staffed(today) {
            if start <= now && now < end {
                return match self.intake.standing(today) {
                    Standing::After => Phase::IntakeClosed,
                    Standing::Before | Standing::During => Phase::Open,
                };
            }
            earlier |= end <= now;
            later |= now < start;
        }
        if earlier && later {
            Phase::Break
        } else {
            Phase::AfterHours
        }
    }

    /// True if a new report is accepted at `now`: the phase is `open`, and the day is in the intake period.
    pub fn accepts_reports(&self, now: DateTime<Utc>) -> bool {
        self.phase(now) == Phase::Open && self.intake_open(now)
    }

    /// True if the [service day](Self::service_day) of `now` is in the intake period and in the inspection, at any hour
    /// and on days off too.
    pub fn intake_open(&self, now: DateTime<Utc>) -> bool {
        let today = self.service_day(now);
        self.intake.contains(today) && self.inspection.contains(today)
    }

    /// Returns the position of the [service day](Self::service_day) of `now` relative to the intake period.
    pub fn intake_standing(&self, now: DateTime<Utc>) -> Standing {
        self.intake.standing(self.service_day(now))
    }

    /// Returns the start of the next window after `now`, in the line's time zone. `None` while the line is staffed, and
    /// if no window follows. The intake period has no influence.
    pub fn reopens_at(&self, now: DateTime<Utc>) -> Option<DateTime<Tz>> {
        if self.phase(now).is_staffed() {
            return None;
        }
        // Days before the inspection are skipped at once: a line may be configured years ahead.
        let first = self.date(now).max(self.inspection.from);
        self.openings(first).find(|start| now < *start)
    }

    /// Returns the start of every window of the inspection from the day `first` on, in order, in the line's time zone.
    pub fn openings(&self, first: NaiveDate) -> impl Iterator<Item = DateTime<Tz>> {
        first
            .iter_days()
            .take_while(|date| *date <= self.inspection.to)
            .filter(|date| self.calendars.working(*date))
            .flat_map(|date| self.staffed(date))
            .map(|(start, _)| start.with_timezone(&self.timezone))
    }

    /// Returns a row for every day from `from` to `to`, both included; none if `to` is before `from`.
    pub fn days(&self, from: NaiveDate, to: NaiveDate) -> Vec<DayRow> {
        from.iter_days()
            .take_while(|date| *date <= to)
            .map(|date| {
                let day = self.calendars.day(date);
                let staffed = day.working && self.inspection.contains(date);
                DayRow {
                    date,
                    working: day.working,
                    reason: day.reason,
                    windows: if staffed {
                        self.windows.as_slice().to_vec()
                    } else {
                        Vec::new()
                    },
                }
            })
            .collect()
    }

    /// Returns the day to which `now` belongs: the date in the line's time zone, or the day before if a window that
    /// began on the day before has not ended.
    pub fn service_day(&self, now: DateTime<Utc>) -> NaiveDate {
        let today = self.date(now);
        if !self.windows.end_next_day() {
            return today;
        }
        let running = |day: &NaiveDate| {
            self.inspection.contains(*day)
                && self.calendars.working(*day)
                && self
                    .staffed(*day)
                    .any(|(start, end)| start <= now && now < end)
        };
        today.pred_opt().filter(running).unwrap_or(today)
    }

    fn date(&self, now: DateTime<Utc>) -> NaiveDate {
        now.with_timezone(&self.timezone).date_naive()
    }

    /// Returns the windows of a working day with the date `date`, as instants: start and excluded end, the earliest
    /// first. Does not check whether the day is worked.
    fn staffed(&self, date: NaiveDate) -> impl Iterator<Item = (DateTime<Utc>, DateTime<Utc>)> {
        let windows = self.windows.as_slice().iter();
        windows.filter_map(move |window| window.instants(date, self.timezone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::calendar::Calendar;
    use chrono::TimeDelta;

    fn windows(texts: &[&str]) -> Windows {
        Windows::new(texts.iter().map(|t| t.parse().unwrap()).collect()).unwrap()
    }

    fn period(from: &str, to: &str) -> Period {
        Period::new(from.parse().unwrap(), to.parse().unwrap()).unwrap()
    }

    /// The default line.
    fn fangchenggang() -> Schedule {
        let calendars = ["cn", "cn-guangxi"].map(|name| Calendar::embedded(name).unwrap());
        Schedule {
            timezone: chrono_tz::Asia::Shanghai,
            calendars: Calendars(calendars.into()),
            inspection: period("2024-03-06", "2024-06-21"),
            intake: period("2024-03-06", "2024-06-14"),
            windows: windows(&["08:30-12:00", "15:00-18:00"]),
        }
    }

    fn at(shanghai: &str) -> DateTime<Utc> {
        format!("{shanghai}+08:00").parse().unwrap()
    }

    #[test]
    fn configuration_reads_periods_and_hours() {
        #[derive(Debug, Deserialize)]
        struct Keys {
            inspection: Period,
            hours: Windows,
        }
        let read = |to: &str, hours: &str| {
            let text = format!("inspection = {{ from = 2024-03-06, {to} }}\nhours = [{hours}]");
            toml::from_str::<Keys>(&text).map_err(|e| e.to_string())
        };
        let keys = read("to = 2024-06-21", "\"15:00-18:00\", \"08:30-12:00\"").unwrap();
        assert_eq!(keys.inspection, fangchenggang().inspection);
        assert_eq!(keys.hours, fangchenggang().windows);
        for (to, hours, says) in [
            (
                "to = 2024-03-05",
                "\"08:30-12:00\"",
                "the period ends on 2024-03-05, before it starts on 2024-03-06",
            ),
            ("to = \"2024-06-21\"", "\"08:30-12:00\"", "line 1"),
            (
                "to = 2024-06-21, too = 1",
                "\"08:30-12:00\"",
                "unknown field `too`",
            ),
            ("to = 2024-06-21", "\"9-5\"", "is not a window of time"),
            ("to = 2024-06-21", "\"24:00-06:00\"", "line 2"),
        ] {
            let error = read(to, hours).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn phases_of_the_default_line_change_to_the_second() {
        use Phase::*;
        let line = fangchenggang();
        for (from, until, phase) in [
            ("2024-03-05T00:00:00", "2024-03-05T23:59:59", NotStarted),
            ("2024-03-06T00:00:00", "2024-03-06T08:29:59", AfterHours),
            ("2024-03-06T08:30:00", "2024-03-06T11:59:59", Open),
            ("2024-03-06T12:00:00", "2024-03-06T14:59:59", Break),
            ("2024-03-06T15:00:00", "2024-03-06T17:59:59", Open),
            ("2024-03-06T18:00:00", "2024-03-06T23:59:59", AfterHours),
            ("2024-03-09T00:00:00", "2024-03-10T23:59:59", Holiday),
            ("2024-04-04T00:00:00", "2024-04-06T23:59:59", Holiday),
            ("2024-04-07T08:30:00", "2024-04-07T11:59:59", Open),
            ("2024-04-11T00:00:00", "2024-04-14T23:59:59", Holiday),
            ("2024-06-14T15:00:00", "2024-06-14T17:59:59", Open),
            ("2024-06-15T00:00:00", "2024-06-16T23:59:59", Holiday),
            ("2024-06-17T08:30:00", "2024-06-17T11:59:59", IntakeClosed),
            ("2024-06-17T12:00:00", "2024-06-17T14:59:59", Break),
            ("2024-06-21T15:00:00", "2024-06-21T17:59:59", IntakeClosed),
            ("2024-06-21T18:00:00", "2024-06-21T23:59:59", AfterHours),
            ("2024-06-22T00:00:00", "2024-06-24T09:00:00", Ended),
        ] {
            assert_eq!(line.phase(at(from)), phase, "{from}");
            assert_eq!(line.phase(at(until)), phase, "{until}");
            let nanos = at(until) + TimeDelta::nanoseconds(999_999_999);
            assert_eq!(line.phase(nanos), phase, "the last nanosecond of {until}");
        }
    }

    #[test]
    fn line_reopens_at_the_next_start_of_a_window() {
        let line = fangchenggang();
        for (now, reopens) in [
            ("1999-01-01T00:00:00", Some("2024-03-06T08:30:00")),
            ("2024-03-05T23:59:59", Some("2024-03-06T08:30:00")),
            ("2024-03-06T08:29:59", Some("2024-03-06T08:30:00")),
            ("2024-03-06T08:30:00", None),
            ("2024-03-06T12:00:00", Some("2024-03-06T15:00:00")),
            ("2024-03-06T18:00:00", Some("2024-03-07T08:30:00")),
            ("2024-04-03T18:00:00", Some("2024-04-07T08:30:00")),
            ("2024-04-10T18:00:00", Some("2024-04-15T08:30:00")),
            ("2024-06-14T18:00:00", Some("2024-06-17T08:30:00")),
            ("2024-06-17T09:00:00", None),
            ("2024-06-21T14:59:59", Some("2024-06-21T15:00:00")),
            ("2024-06-21T18:00:00", None),
            ("2024-06-22T00:00:00", None),
        ] {
            let said = line.reopens_at(at(now)).map(|t| t.to_rfc3339());
            assert_eq!(said, reopens.map(|t| format!("{t}+08:00")), "{now}");
        }
    }

    #[test]
    fn new_reports_end_with_the_intake_and_never_outlive_the_inspection() {
        let mut line = fangchenggang();
        let asked = |line: &Schedule, now| {
            (
                line.accepts_reports(at(now)),
                line.intake_open(at(now)),
                line.intake_standing(at(now)),
            )
        };
        use Standing::*;
        assert_eq!(asked(&line, "2024-03-05T23:59:59"), (false, false, Before));
        assert_eq!(asked(&line, "2024-03-06T00:00:00"), (false, true, During));
        assert_eq!(asked(&line, "2024-06-14T17:59:59"), (true, true, During));
        assert_eq!(asked(&line, "2024-06-14T23:59:59"), (false, true, During));
        assert_eq!(asked(&line, "2024-06-15T00:00:00"), (false, false, After));
        assert_eq!(asked(&line, "2024-06-17T09:00:00"), (false, false, After));
        line.intake = period("2024-03-11", "2024-07-31");
        assert_eq!(asked(&line, "2024-03-08T09:00:00"), (false, false, Before));
        assert_eq!(asked(&line, "2024-06-21T09:00:00"), (true, true, During));
        assert_eq!(asked(&line, "2024-06-24T09:00:00"), (false, false, During));
    }

    #[test]
    fn rows_are_the_json_of_hours() {
        let line = fangchenggang();
        let json = |from: &str, to: &str| {
            let rows = line.days(from.parse().unwrap(), to.parse().unwrap());
            serde_json::to_string(&rows).unwrap()
        };
        assert_eq!(
            json("2024-04-06", "2024-04-07"),
            concat!(
                r#"[{"date":"2024-04-06","working":false,"reason":"清明节","windows":[]},"#,
                r#"{"date":"2024-04-07","working":true,"reason":"清明节调休上班","#,
                r#""windows":[["08:30","12:00"],["15:00","18:00"]]}]"#
            )
        );
        for (outside, working, reason) in [
            ("2024-03-05", true, "工作日"),
            ("2024-06-22", false, "周末"),
        ] {
            let row = format!(
                r#"[{{"date":"{outside}","working":{working},"reason":"{reason}","windows":[]}}]"#
            );
            assert_eq!(json(outside, outside), row);
        }
        assert!(
            json("2024-06-17", "2024-06-17").contains("15:00"),
            "staffed after the intake"
        );
        assert_eq!(json("2024-04-07", "2024-04-06"), "[]");
    }

    #[test]
    fn phases_have_one_word_everywhere() {
        use Phase::*;
        for phase in [
            NotStarted,
            Open,
            Break,
            AfterHours,
            Holiday,
            IntakeClosed,
            Ended,
        ] {
            let json = serde_json::to_string(&phase).unwrap();
            assert_eq!(json, format!("\"{phase}\""));
            assert_eq!(serde_json::from_str::<Phase>(&json).unwrap(), phase);
        }
        assert_eq!(Break.to_string(), "break");
        assert_eq!(IntakeClosed.to_string(), "intake_closed");
    }
}
