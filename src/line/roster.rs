//! The roster of a line: who can be rung, in the order written in the configuration.

use super::hours::{Schedule, Windows};
use crate::base::hidden::Hidden;
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc, Weekday};
use chrono_tz::Tz;
use std::str::FromStr;

/// Maximum time that a caller hears ringing, for all telephones that are rung one after the other.
pub const RING_IN_ALL: TimeDelta = TimeDelta::seconds(60);

/// A person on the roster, who can be rung.
#[derive(Clone, Debug)]
pub struct OnDuty {
    /// Name, for the report. Not spoken.
    pub name: String,
    /// Telephone number, in E.164: `+8613800000000`.
    pub number: Hidden<String>,
    /// Days on duty; every day if empty.
    pub days: Vec<Day>,
    /// Hours on duty; `None` if the person is on duty whenever the line is staffed on these days.
    pub hours: Option<Windows>,
}

/// Days on which a person is on duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Day {
    /// Every week, from the first weekday to the last, both included. If the last comes before the first, the days go
    /// over Sunday: Friday to Monday are four days.
    Weekdays {
        /// The first weekday.
        first: Weekday,
        /// The last weekday; the same as the first for a single day.
        last: Weekday,
    },
    /// One date, e.g. that of a Sunday that is worked.
    Date(NaiveDate),
}

/// The text is not a day.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a day; write it like \"mon\", \"mon-fri\" or \"2024-04-07\"")]
pub struct NoDay;

impl FromStr for Day {
    type Err = NoDay;

    fn from_str(text: &str) -> Result<Self, NoDay> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        if let (Some(first), Some(last)) = (weekday(first), weekday(last)) {
            return Ok(Self::Weekdays { first, last });
        }
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d");
        date.map(Self::Date).map_err(|_| NoDay)
    }
}

impl Day {
    fn contains(self, date: NaiveDate) -> bool {
        match self {
            Self::Weekdays { first, last } => {
                date.weekday().days_since(first) <= last.days_since(first)
            }
            Self::Date(on) => on == date,
        }
    }
}

fn weekday(text: &str) -> Option<Weekday> {
    match text {
        "mon" => Some(Weekday::Mon),
        "tue" => Some(Weekday::Tue),
        "wed" => Some(Weekday::Wed),
        "thu" => Some(Weekday::Thu),
        "fri" => Some(Weekday::Fri),
        "sat" => Some(Weekday::Sat),
        "sun" => Some(Weekday::Sun),
        _ => None,
    }
}

/// The roster, and how its telephones are rung.
#[derive(Clone, Debug)]
pub struct Roster {
    /// The people, in the order in which they are rung.
    pub people: Vec<OnDuty>,
    /// Maximum time that each telephone rings, in seconds.
    pub ring_seconds: u32,
    /// Maximum length of a talk, in minutes.
    pub max_minutes: u32,
    /// Maximum number of calls of the line with the roster at once, ringing or talking.
    pub at_once: u32,
    /// True if talks are recorded. The caller is told so before the first telephone is rung.
    pub record: bool,
}

impl Default for Roster {
    fn default() -> Self {
        Self {
            people: Vec::new(),
            ring_seconds: 20,
            max_minutes: 30,
            at_once: 2,
            record: false,
        }
    }
}

impl Roster {
    /// Returns the index of the first person on duty at `now`, from index `from` on; `None` if there is none.
    pub fn next(&self, schedule: &Schedule, now: DateTime<Utc>, from: usize) -> Option<usize> {
        let on = |person: &OnDuty| person.is_on(schedule, now);
        let found = self.people.iter().skip(from).position(on);
        found.map(|place| place + from)
    }

    /// Returns how long the next telephone may ring, in seconds, if the first one began to ring at `since`. `None` if
    /// less than 5 seconds are left for it, or less than [`Roster::ring_seconds`] if that is shorter: too short to
    /// answer a telephone.
    pub fn ring_for(&self, since: DateTime<Utc>, now: DateTime<Utc>) -> Option<u32> {
        const TOO_SHORT: u32 = 5;
        let left = (since + RING_IN_ALL - now).num_seconds();
        let left = u32::try_from(left).ok()?.min(self.ring_seconds);
        (left >= TOO_SHORT.min(self.ring_seconds)).then_some(left)
    }

    /// Returns the times when the line is staffed and no person of the roster is on duty, from `from` to the end of the
    /// inspection: start and end of each, in order.
    pub fn gaps(&self, schedule: &Schedule, from: NaiveDate) -> Vec<(DateTime<Tz>, DateTime<Tz>)> {
        let timezone = schedule.timezone;
        let mut gaps: Vec<(DateTime<Tz>, DateTime<Tz>)> = Vec::new();
        let first = from.max(schedule.inspection.from);
        for day in schedule.days(first, schedule.inspection.to) {
            let staffed = day.windows.iter();
            for (start, end) in staffed.filter_map(|window| window.instants(day.date, timezone)) {
                // The people on duty change at these instants only. A window may extend into the next day, and a
                // person's hours of the day before may extend into this one.
                let dates = [day.date.pred_opt(), Some(day.date), day.date.succ_opt()];
                let mut changes: Vec<DateTime<Utc>> = dates
                    .into_iter()
                    .flatten()
                    .flat_map(|date| {
                        let people = self.people.iter();
                        people.flat_map(move |person| person.instants(date, timezone))
                    })
                    .flat_map(|(from, to)| [from, to])
                    .filter(|change| start < *change && *change < end)
                    .chain([start, end])
                    .collect();
                changes.sort();
                changes.dedup();
                for pair in changes.windows(2) {
                    if self.next(schedule, pair[0], 0).is_some() {
                        continue;
                    }
                    let [from, to] = [pair[0], pair[1]].map(|at| at.with_timezone(&timezone));
                    match gaps.last_mut() {
                        Some((_, end)) if *end == from => *end = to,
                        _ => gaps.push((from, to)),
                    }
                }
            }
        }
        gaps
    }
}

impl OnDuty {
    /// True if the person is on duty at `now`. A person with hours of their own is on duty in those that begin on one
    /// of their days. A person without is on duty on their days at any hour, because only calls that were answered in
    /// staffed hours ring the roster. Hours after midnight belong to the day on which they began.
    fn is_on(&self, schedule: &Schedule, now: DateTime<Utc>) -> bool {
        let on_day = |date: NaiveDate| {
            self.days.is_empty() || self.days.iter().any(|day| day.contains(date))
        };
        if self.hours.is_none() {
            return on_day(schedule.service_day(now));
        }
        let today = now.with_timezone(&schedule.timezone).date_naive();
        let days = [Some(today), today.pred_opt()].into_iter().flatten();
        days.filter(|date| on_day(*date)).any(|date| {
            self.instants(date, schedule.timezone)
                .any(|(start, end)| start <= now && now < end)
        })
    }

    /// Returns the person's own hours that begin on `date`, as instants: start and excluded end. Empty if the person
    /// has no hours of their own.
    fn instants(
        &self,
        date: NaiveDate,
        timezone: Tz,
    ) -> impl Iterator<Item = (DateTime<Utc>, DateTime<Utc>)> {
        let windows = self.hours.iter().flat_map(Windows::as_slice);
        windows.filter_map(move |window| window.instants(date, timezone))
    }
}

#[cfg(test)]
mod tests;
