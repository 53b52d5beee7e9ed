//! Which days are worked: what governments announce, on top of Monday to Friday.
//!
//! A calendar is a TOML file (`config/calendar`). A line names several, the widest first; see [`Calendars`] for who
//! has the last word.

use chrono::{Datelike, NaiveDate, Weekday};
use serde::{Deserialize, Deserializer, de};
use std::collections::{BTreeMap, BTreeSet};

/// The names of the calendars inside the binary.
pub const EMBEDDED: &[&str] = &["cn", "cn-guangxi"];

/// What one authority says about the days of some years.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    name: String,
    years: BTreeSet<i32>,
    days: BTreeMap<NaiveDate, Announced>,
}

/// What a calendar says about one day, with the name of the holiday it is said for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Announced {
    Off(String),
    Worked(String),
}

/// Why a calendar is refused. Every text names the calendar and, where there is one, the date.
#[derive(Debug, thiserror::Error)]
pub enum CalendarError {
    /// Not TOML, an unknown key, a wrong type, or a date that does not exist. The text has line and column.
    #[error("calendar {calendar}: {source}")]
    Malformed {
        /// The calendar's name.
        calendar: String,
        /// What the TOML reader says.
        source: Box<toml::de::Error>,
    },
    /// Two tables for one year.
    #[error("calendar {calendar}: the year {year} has two tables; put its holidays into one")]
    YearTwice {
        /// The calendar's name.
        calendar: String,
        /// The year.
        year: i32,
    },
    /// A date stands in the table of another year. Holidays over New Year's Eve are written in two parts, so that
    /// "this calendar knows the year" stays true or false.
    #[error(
        "calendar {calendar}: {date} ({holiday}) stands in the table of {year}; move it to the table of its own year"
    )]
    OtherYear {
        /// The calendar's name.
        calendar: String,
        /// The date.
        date: NaiveDate,
        /// The holiday it is listed for.
        holiday: String,
        /// The year of the table.
        year: i32,
    },
    /// A holiday ends before it starts.
    #[error("calendar {calendar}: {holiday} ends on {to}, before it starts on {from}")]
    Backwards {
        /// The calendar's name.
        calendar: String,
        /// The holiday.
        holiday: String,
        /// Its first day as written.
        from: NaiveDate,
        /// Its last day as written.
        to: NaiveDate,
    },
    /// One day is listed twice: off and worked, or for two holidays.
    #[error("calendar {calendar}: {date} is listed twice, as {first} and as {second}")]
    DayTwice {
        /// The calendar's name.
        calendar: String,
        /// The date.
        date: NaiveDate,
        /// What it was listed as first.
        first: String,
        /// What it was listed as then.
        second: String,
    },
    /// A make-up day is a Saturday or a Sunday; another day is worked anyway, so the date is a slip.
    #[error(
        "calendar {calendar}: {date}, worked for {holiday}, is neither a Saturday nor a Sunday; correct or remove it"
    )]
    NotAWeekend {
        /// The calendar's name.
        calendar: String,
        /// The date.
        date: NaiveDate,
        /// The holiday it makes up for.
        holiday: String,
    },
    /// A holiday with a first day and no last one, or the other way round, or with no day at all.
    #[error(
        "calendar {calendar}: {holiday} of {year} needs both `from` and `to`, or only `worked`"
    )]
    Incomplete {
        /// The calendar's name.
        calendar: String,
        /// The holiday.
        holiday: String,
        /// The year of the table.
        year: i32,
    },
    /// A holiday without a name: its days could not be explained.
    #[error("calendar {calendar}: the holiday of {date} has no name")]
    Nameless {
        /// The calendar's name.
        calendar: String,
        /// The first of its days that is listed.
        date: NaiveDate,
    },
}

/// A calendar file as it is written; `config/calendar/cn.toml` explains it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    year: Vec<YearTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct YearTable {
    year: i32,
    #[serde(default)]
    holiday: Vec<Holiday>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Holiday {
    name: String,
    from: Option<TomlDate>,
    to: Option<TomlDate>,
    #[serde(default)]
    worked: Vec<TomlDate>,
}

/// A date as TOML writes it, without quotes: `2024-03-06`. Only for reading TOML.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TomlDate(pub(crate) NaiveDate);

impl<'de> Deserialize<'de> for TomlDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = toml::value::Datetime::deserialize(deserializer)?;
        match (written.date, written.time, written.offset) {
            (Some(d), None, None) => {
                NaiveDate::from_ymd_opt(i32::from(d.year), u32::from(d.month), u32::from(d.day))
                    .map(Self)
                    .ok_or_else(|| de::Error::custom(format!("there is no day {written}")))
            }
            _ => Err(de::Error::custom(format!(
                "{written} should be a date alone, like 2024-03-06"
            ))),
        }
    }
}

impl Calendar {
    /// Reads a calendar called `name`.
    ///
    /// # Errors
    ///
    /// [`CalendarError`] says which; nothing is guessed or skipped.
    pub fn parse(name: &str, toml_text: &str) -> Result<Self, CalendarError> {
        let file: File = toml::from_str(toml_text).map_err(|e| CalendarError::Malformed {
            calendar: name.to_owned(),
            source: Box::new(e),
        })?;
        let mut calendar = Self {
            name: name.to_owned(),
            years: BTreeSet::new(),
            days: BTreeMap::new(),
        };
        for table in file.year {
            if !calendar.years.insert(table.year) {
                return Err(CalendarError::YearTwice {
                    calendar: calendar.name,
                    year: table.year,
                });
            }
            for holiday in &table.holiday {
                calendar.add(table.year, holiday)?;
            }
        }
        Ok(calendar)
    }

    /// The calendar of that name inside the binary, if there is one (see [`EMBEDDED`]).
    ///
    /// # Panics
    ///
    /// Never: the embedded files are part of the program, and a test reads them all.
    pub fn embedded(name: &str) -> Option<Self> {
        let text = match name {
            "cn" => include_str!("../../config/calendar/cn.toml"),
            "cn-guangxi" => include_str!("../../config/calendar/cn-guangxi.toml"),
            _ => return None,
        };
        Some(Self::parse(name, text).expect("the embedded calendars are right"))
    }

    /// What the calendar is called in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Does the calendar have a table for this year? Without one its silence means nothing.
    pub fn knows(&self, year: i32) -> bool {
        self.years.contains(&year)
    }

    fn add(&mut self, year: i32, holiday: &Holiday) -> Result<(), CalendarError> {
        let off = match (holiday.from, holiday.to) {
            (Some(TomlDate(from)), Some(TomlDate(to))) => Some((from, to)),
            // A Saturday in December worked for the New Year that follows has its holiday in the next table.
            (None, None) if !holiday.worked.is_empty() => None,
            _ => {
                return Err(CalendarError::Incomplete {
                    calendar: self.name.clone(),
                    holiday: holiday.name.clone(),
                    year,
                });
            }
        };
        let ends = off.into_iter().flat_map(|(from, to)| [from, to]);
        // Before the range is walked: a slip in the year must not become centuries of holidays.
        for date in ends.chain(holiday.worked.iter().map(|d| d.0)) {
            if date.year() != year {
                return Err(CalendarError::OtherYear {
                    calendar: self.name.clone(),
                    date,
                    holiday: holiday.name.clone(),
                    year,
                });
            }
            if holiday.name.trim().is_empty() {
                return Err(CalendarError::Nameless {
                    calendar: self.name.clone(),
                    date,
                });
            }
        }
        if let Some((from, to)) = off {
            if to < from {
                return Err(CalendarError::Backwards {
                    calendar: self.name.clone(),
                    holiday: holiday.name.clone(),
                    from,
                    to,
                });
            }
            for date in from.iter_days().take_while(|date| *date <= to) {
                self.announce(date, Announced::Off(holiday.name.clone()))?;
            }
        }
        for &TomlDate(date) in &holiday.worked {
            if !is_weekend(date) {
                return Err(CalendarError::NotAWeekend {
                    calendar: self.name.clone(),
                    date,
                    holiday: holiday.name.clone(),
                });
            }
            self.announce(date, Announced::Worked(holiday.name.clone()))?;
        }
        Ok(())
    }

    fn announce(&mut self, date: NaiveDate, announced: Announced) -> Result<(), CalendarError> {
        if let Some(first) = self.days.get(&date) {
            return Err(CalendarError::DayTwice {
                calendar: self.name.clone(),
                date,
                first: first.reason(),
                second: announced.reason(),
            });
        }
        self.days.insert(date, announced);
        Ok(())
    }
}

impl Announced {
    fn reason(&self) -> String {
        match self {
            Self::Off(holiday) => holiday.clone(),
            Self::Worked(holiday) => format!("{holiday}调休上班"),
        }
    }
}

/// Whether a day is worked, and the word an office has for why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// It is a working day.
    pub working: bool,
    /// Why: `工作日`, `周末`, a holiday's name such as `清明节`, or `清明节调休上班` for a make-up day.
    pub reason: String,
}

/// The calendars of a line, the widest first: the nation's, then the region's.
///
/// The last one that says anything about a date decides; where none does, Monday to Friday are worked. So a region can
/// add a festival, and can also work on a day the nation has off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendars(pub Vec<Calendar>);

impl Calendars {
    /// Is this day worked, and why?
    pub fn day(&self, date: NaiveDate) -> Day {
        match self.announced(date) {
            Some(announced) => Day {
                working: matches!(announced, Announced::Worked(_)),
                reason: announced.reason(),
            },
            None if is_weekend(date) => Day {
                working: false,
                reason: "周末".to_owned(),
            },
            None => Day {
                working: true,
                reason: "工作日".to_owned(),
            },
        }
    }

    /// Is this day worked? The same as [`Self::day`] without the words.
    pub fn working(&self, date: NaiveDate) -> bool {
        match self.announced(date) {
            Some(announced) => matches!(announced, Announced::Worked(_)),
            None => !is_weekend(date),
        }
    }

    /// Which calendars lack which years between two days, both included: calendar name and year, in the order of the
    /// calendars, then of the years. There the plain rule stands in, and somebody should be told.
    pub fn missing_years(&self, from: NaiveDate, to: NaiveDate) -> Vec<(String, i32)> {
        let missing = |calendar: &Calendar| {
            (from.year()..=to.year())
                .filter(|year| from <= to && !calendar.knows(*year))
                .map(|year| (calendar.name.clone(), year))
                .collect::<Vec<_>>()
        };
        self.0.iter().flat_map(missing).collect()
    }

    fn announced(&self, date: NaiveDate) -> Option<&Announced> {
        self.0.iter().rev().find_map(|c| c.days.get(&date))
    }
}

fn is_weekend(date: NaiveDate) -> bool {
    matches!(date.weekday(), Weekday::Sat | Weekday::Sun)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn guangxi() -> Calendars {
        Calendars(
            EMBEDDED
                .iter()
                .map(|n| Calendar::embedded(n).unwrap())
                .collect(),
        )
    }

    /// The message `text` is refused with; the calendar is called `x`.
    fn refusal(text: &str) -> String {
        Calendar::parse("x", text).unwrap_err().to_string()
    }

    fn year_2024(holiday: &str) -> String {
        format!("[[year]]\nyear = 2024\n[[year.holiday]]\n{holiday}")
    }

    #[test]
    fn embedded_calendars_are_those_named_and_no_other() {
        for name in EMBEDDED {
            assert_eq!(Calendar::embedded(name).unwrap().name(), *name);
        }
        assert_eq!(Calendar::embedded("de"), None);
        assert_eq!(Calendar::embedded("CN"), None);
    }

    #[test]
    fn national_calendar_has_as_many_days_as_the_notices() {
        let cn = Calendar::embedded("cn").unwrap();
        let off = |a: &&Announced| matches!(a, Announced::Off(_));
        assert_eq!(cn.days.values().filter(off).count(), 89);
        assert_eq!(cn.days.len(), 89 + 19);
    }

    #[test]
    fn days_have_the_words_of_an_office() {
        for (on, working, reason) in [
            ("2024-03-06", true, "工作日"),
            ("2024-03-09", false, "周末"),
            ("2024-04-03", true, "工作日"),
            ("2024-04-04", false, "清明节"),
            ("2024-04-06", false, "清明节"),
            ("2024-04-07", true, "清明节调休上班"),
            ("2024-04-10", true, "工作日"),
            ("2024-04-11", false, "壮族三月三"),
            ("2024-04-12", false, "壮族三月三"),
            ("2024-04-13", false, "周末"),
            ("2024-04-28", true, "劳动节调休上班"),
            ("2024-06-10", false, "端午节"),
            ("2025-10-08", false, "国庆节、中秋节"),
            ("2026-01-04", true, "元旦调休上班"),
            // Nobody has a notice for 2027: New Year is a plain Friday, and `missing_years` says so.
            ("2027-01-01", true, "工作日"),
            ("2027-01-02", false, "周末"),
        ] {
            let day = guangxi().day(date(on));
            assert_eq!(
                (day.working, day.reason.as_str()),
                (working, reason),
                "{on}"
            );
            assert_eq!(guangxi().working(date(on)), working, "{on}");
        }
    }

    #[test]
    fn festival_is_the_region_s_alone() {
        let nation = Calendars(vec![Calendar::embedded("cn").unwrap()]);
        assert!(nation.day(date("2024-04-11")).working);
    }

    #[test]
    fn last_calendar_that_says_anything_decides() {
        let off = year_2024("name = \"A\"\nfrom = 2024-04-13\nto = 2024-04-15\n");
        let on =
            year_2024("name = \"B\"\nfrom = 2024-04-16\nto = 2024-04-16\nworked = [2024-04-13]");
        let off = Calendar::parse("off", &off).unwrap();
        let on = Calendar::parse("on", &on).unwrap();
        let day = |calendars: &[&Calendar], on| {
            Calendars(calendars.iter().map(|c| (*c).clone()).collect())
                .day(date(on))
                .reason
        };
        assert_eq!(day(&[&off, &on], "2024-04-13"), "B调休上班");
        assert_eq!(day(&[&on, &off], "2024-04-13"), "A");
        assert_eq!(day(&[&off, &on], "2024-04-15"), "A");
        assert_eq!(day(&[], "2024-04-15"), "工作日");
    }

    #[test]
    fn a_december_day_can_make_up_for_the_new_year_that_follows() {
        let text = year_2024("name = \"元旦\"\nworked = [2024-12-28]");
        let calendars = Calendars(vec![Calendar::parse("x", &text).unwrap()]);
        assert_eq!(calendars.day(date("2024-12-28")).reason, "元旦调休上班");
    }

    #[test]
    fn missing_years_are_named_by_calendar() {
        let missing = |from, to| guangxi().missing_years(date(from), date(to));
        assert_eq!(missing("2024-01-01", "2024-12-31"), []);
        assert_eq!(
            missing("2024-12-31", "2027-01-01"),
            [
                ("cn".to_owned(), 2027),
                ("cn-guangxi".to_owned(), 2025),
                ("cn-guangxi".to_owned(), 2026),
                ("cn-guangxi".to_owned(), 2027)
            ]
        );
        assert_eq!(missing("2027-02-01", "2027-01-01"), []);
    }

    #[test]
    fn a_wrong_calendar_is_refused_with_its_date() {
        let year = |holiday: &str| refusal(&year_2024(holiday));
        assert_eq!(
            year("name = \"A\"\nfrom = 2025-04-04\nto = 2025-04-06"),
            "calendar x: 2025-04-04 (A) stands in the table of 2024; move it to the table of its own year"
        );
        assert!(year("name = \"A\"\nfrom = 2024-12-30\nto = 2025-01-02").contains("2025-01-02"));
        assert!(
            year("name = \"A\"\nfrom = 2024-12-30\nto = 2024-12-31\nworked = [2025-01-04]")
                .contains("2025-01-04")
        );
        assert_eq!(
            year("name = \"A\"\nfrom = 2024-04-06\nto = 2024-04-06\nworked = [2024-04-06]"),
            "calendar x: 2024-04-06 is listed twice, as A and as A调休上班"
        );
        assert_eq!(
            year(
                "name = \"A\"\nfrom = 2024-04-06\nto = 2024-04-06\n[[year.holiday]]\nname = \"B\"\nfrom = 2024-04-05\nto = 2024-04-07"
            ),
            "calendar x: 2024-04-06 is listed twice, as A and as B"
        );
        assert_eq!(
            year("name = \"A\"\nfrom = 2024-04-04\nto = 2024-04-06\nworked = [2024-04-08]"),
            "calendar x: 2024-04-08, worked for A, is neither a Saturday nor a Sunday; correct or remove it"
        );
        assert_eq!(
            year("name = \"A\"\nfrom = 2024-04-06\nto = 2024-04-04"),
            "calendar x: A ends on 2024-04-04, before it starts on 2024-04-06"
        );
        assert!(year("name = \" \"\nfrom = 2024-04-06\nto = 2024-04-06").contains("2024-04-06"));
        for half in ["from = 2024-04-06", "to = 2024-04-06", "worked = []"] {
            assert_eq!(
                year(&format!("name = \"A\"\n{half}")),
                "calendar x: A of 2024 needs both `from` and `to`, or only `worked`"
            );
        }
        assert!(
            refusal("[[year]]\nyear = 2024\n[[year]]\nyear = 2024").contains("2024 has two tables")
        );
    }

    #[test]
    fn unknown_keys_and_wrong_types_are_refused_with_their_line() {
        for (text, says) in [
            ("[[years]]\nyear = 2024", "unknown field `years`"),
            (
                "[[year]]\nyear = 2024\nsource = 1",
                "unknown field `source`",
            ),
            (
                "[[year]]\nyear = 2024\n[[year.holiday]]\nnam = 1",
                "unknown field `nam`",
            ),
            ("[[year]]\nyear = \"2024\"", "expected i32"),
            ("[[year]", "line 1"),
        ] {
            assert!(refusal(text).contains(says), "{}", refusal(text));
        }
        for from in [
            "2024-02-30",
            "\"2024-02-01\"",
            "2024-02-01T00:00:00",
            "00:00:00",
            "20240201",
        ] {
            let text = year_2024(&format!("name = \"A\"\nfrom = {from}\nto = 2024-03-01"));
            assert!(refusal(&text).contains("line 5"), "{}", refusal(&text));
        }
    }
}
