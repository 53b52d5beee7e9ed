//! Who answers the telephone: the roster of a line, in the order it is written.

use super::hours::Windows;
use crate::hidden::Hidden;
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc, Weekday};
use chrono_tz::Tz;
use std::str::FromStr;

/// Callers listen to the ringing for so long at most, whoever is rung in that time.
pub const RING_IN_ALL: TimeDelta = TimeDelta::seconds(60);

/// Somebody who can be rung.
#[derive(Clone, Debug)]
pub struct OnDuty {
    /// Who it is, for the report; never spoken.
    pub name: String,
    /// Their telephone, in E.164: `+8613800000000`.
    pub number: Hidden<String>,
    /// The days they are on; every day when empty.
    pub days: Vec<Day>,
    /// The hours they are on; all hours the line is staffed when none.
    pub hours: Option<Windows>,
}

/// A day somebody is on duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Day {
    /// Every week.
    Weekday(Weekday),
    /// Once, e.g. a Sunday that is worked.
    Date(NaiveDate),
}

/// Not a day.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a day; write it like \"mon\" or \"2024-04-07\"")]
pub struct NoDay(String);

impl FromStr for Day {
    type Err = NoDay;

    fn from_str(text: &str) -> Result<Self, NoDay> {
        let weekday = match text {
            "mon" => Weekday::Mon,
            "tue" => Weekday::Tue,
            "wed" => Weekday::Wed,
            "thu" => Weekday::Thu,
            "fri" => Weekday::Fri,
            "sat" => Weekday::Sat,
            "sun" => Weekday::Sun,
            _ => {
                let date = NaiveDate::parse_from_str(text, "%Y-%m-%d");
                return date.map(Day::Date).map_err(|_| NoDay(text.to_owned()));
            }
        };
        Ok(Self::Weekday(weekday))
    }
}

/// The roster and how it is rung.
#[derive(Clone, Debug)]
pub struct Roster {
    /// In the order they are rung.
    pub people: Vec<OnDuty>,
    /// How long each telephone rings, in seconds.
    pub ring_seconds: u32,
    /// How long a talk may last, in minutes.
    pub max_minutes: u32,
    /// So many calls of the line may be with the roster at once, ringing or talking.
    pub at_once: u32,
    /// The talk is recorded, and the caller told so before.
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
    /// The first of those on duty at `now` from place `from` on: their place in the roster, counted from 0.
    pub fn next(&self, timezone: Tz, now: DateTime<Utc>, from: usize) -> Option<usize> {
        let on = |person: &OnDuty| person.is_on(timezone, now);
        let found = self.people.iter().skip(from).position(on);
        found.map(|place| place + from)
    }

    /// How long the next telephone may ring when the first one began at `since`, in seconds. Nothing when hardly
    /// anybody could reach theirs in what is left.
    pub fn ring_for(&self, since: DateTime<Utc>, now: DateTime<Utc>) -> Option<u32> {
        const TOO_SHORT: u32 = 5;
        let left = (since + RING_IN_ALL - now).num_seconds();
        let left = u32::try_from(left).ok()?.min(self.ring_seconds);
        (left >= TOO_SHORT.min(self.ring_seconds)).then_some(left)
    }
}

impl OnDuty {
    fn is_on(&self, timezone: Tz, now: DateTime<Utc>) -> bool {
        let date = now.with_timezone(&timezone).date_naive();
        let day = |day: &Day| match day {
            Day::Weekday(weekday) => *weekday == date.weekday(),
            Day::Date(on) => *on == date,
        };
        let hour = |windows: &Windows| {
            let mut instants = windows
                .as_slice()
                .iter()
                .filter_map(|window| window.instants(date, timezone));
            instants.any(|(start, end)| start <= now && now < end)
        };
        (self.days.is_empty() || self.days.iter().any(day)) && self.hours.as_ref().is_none_or(hour)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;
    use chrono_tz::Asia::Shanghai;

    fn person(days: &[&str], hours: &[&str]) -> OnDuty {
        let hours: Vec<String> = hours.iter().map(|text| (*text).to_owned()).collect();
        OnDuty {
            name: "甲".into(),
            number: String::from("+8613800000000").into(),
            days: days.iter().map(|day| day.parse().unwrap()).collect(),
            hours: (!hours.is_empty()).then(|| Windows::try_from(hours).unwrap()),
        }
    }

    fn at(day: u32, hour: u32, minute: u32) -> DateTime<Utc> {
        Shanghai
            .with_ymd_and_hms(2024, 4, day, hour, minute, 0)
            .unwrap()
            .to_utc()
    }

    #[test]
    fn they_are_rung_in_order_when_they_are_on() {
        let roster = Roster {
            people: vec![
                person(&["mon", "wed"], &["08:30-12:00"]),
                person(&["2024-04-07"], &[]),
                person(&[], &["15:00-18:00"]),
            ],
            ..Roster::default()
        };
        let next = |now, from| roster.next(Shanghai, now, from);
        // Monday the 8th; the hour's first second is in, its end is not.
        assert_eq!(next(at(8, 8, 30), 0), Some(0));
        assert_eq!(next(at(8, 8, 30), 1), None);
        assert_eq!(next(at(8, 12, 0), 0), None);
        assert_eq!(next(at(8, 15, 0), 0), Some(2));
        // A Sunday that is worked.
        assert_eq!(next(at(7, 9, 0), 0), Some(1));
        assert_eq!(next(at(7, 16, 0), 2), Some(2));
        assert_eq!(next(at(7, 16, 0), 9), None);
        assert_eq!(next(at(6, 9, 0), 0), None);
    }

    #[test]
    fn nobody_listens_to_ringing_for_more_than_a_minute() {
        let roster = Roster::default();
        let since = at(8, 9, 0);
        let ring = |seconds| roster.ring_for(since, since + TimeDelta::seconds(seconds));
        assert_eq!(ring(0), Some(20));
        assert_eq!(ring(40), Some(20));
        assert_eq!(ring(45), Some(15));
        assert_eq!(ring(55), Some(5));
        assert_eq!(ring(56), None);
        assert_eq!(ring(600), None);
        let short = Roster {
            ring_seconds: 3,
            ..Roster::default()
        };
        assert_eq!(short.ring_for(since, since), Some(3));
    }

    #[test]
    fn days_are_weekdays_or_dates() {
        assert_eq!("sun".parse(), Ok(Day::Weekday(Weekday::Sun)));
        for wrong in ["", "Sunday", "Mon", "2024-02-30", "04-07", "星期一"] {
            let error = wrong.parse::<Day>().unwrap_err();
            assert!(error.to_string().contains("\"mon\""), "{wrong}");
        }
    }
}
