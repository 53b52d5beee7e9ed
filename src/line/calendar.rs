//! Which days are worked: what governments announce, on top of Monday to Friday.
//!
//! A calendar is a TOML file (`config/calendar`). A line names several, the widest first; see [`Calendars`] for who
//! has the last word.

use chrono::{Datelike, NaiveDate, Weekday};
use serde::{Deserialize, Deserializer, de};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use toml::Spanned;

/// The names of the calendars inside the binary.
pub const EMBEDDED: &[&str] = &["cn", "cn-guangxi"];

/// What one authority says about the days of some years. Its clones share the tables: thousands of lines may name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    name: String,
    years: Arc<BTreeSet<i32>>,
    days: Arc<BTreeMap<NaiveDate, Announced>>,
}

/// What a calendar says about one day, with the name of the holiday it is said for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Announced {
    Off(String),
    /// A Saturday or Sunday that is worked.
    MadeUp(String),
    /// Another day that is worked, whatever a wider calendar says of it.
    Worked(String),
}

impl Announced {
    fn is_worked(&self) -> bool {
        matches!(self, Self::MadeUp(_) | Self::Worked(_))
    }
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
    /// A holiday with a first day and no last one, or the other way round, or with no day at all.
    #[error(
        "calendar {calendar}: {holiday} of {year} needs both `from` and `to`, or days in `off` or `worked`"
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
    year: Spanned<i32>,
    #[serde(default)]
    holiday: Vec<Holiday>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Holiday {
    name: Spanned<String>,
    from: Option<TomlDate>,
    to: Option<TomlDate>,
    #[serde(default)]
    off: Vec<TomlDate>,
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
    /// Everything that is wrong, with the byte of the text at which it stands; nothing is guessed or skipped.
    pub fn parse(name: &str, toml_text: &str) -> Result<Self, Vec<(usize, CalendarError)>> {
        let file: File = toml::from_str(toml_text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let source = Box::new(error);
            let calendar = name.to_owned();
            vec![(at, CalendarError::Malformed { calendar, source })]
        })?;
        let mut calendar = Self {
            name: name.to_owned(),
            years: Arc::default(),
            days: Arc::default(),
        };
        let mut errors = Vec::new();
        for table in &file.year {
            let year = *table.year.get_ref();
            if !Arc::make_mut(&mut calendar.years).insert(year) {
                let calendar = calendar.name.clone();
                let error = CalendarError::YearTwice { calendar, year };
                errors.push((table.year.span().start, error));
            }
            for holiday in &table.holiday {
                if let Err(error) = calendar.add(year, holiday) {
                    errors.push((holiday.name.span().start, error));
                }
            }
        }
        match errors.is_empty() {
            true => Ok(calendar),
            false => Err(errors),
        }
    }

    /// The calendar of that name inside the binary, if there is one (see [`EMBEDDED`]).
    ///
    /// # Panics
    ///
    /// Never: the embedded files are part of the program, and a test reads them all.
    pub fn embedded(name: &str) -> Option<Self> {
        static ALL: LazyLock<[Calendar; 2]> = LazyLock::new(|| {
            [
                ("cn", include_str!("../../config/calendar/cn.toml")),
                (
                    "cn-guangxi",
                    include_str!("../../config/calendar/cn-guangxi.toml"),
                ),
            ]
            .map(|(name, text)| {
                Calendar::parse(name, text).expect("the embedded calendars are right")
            })
        });
        ALL.iter().find(|calendar| calendar.name == name).cloned()
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
        let range = match (holiday.from, holiday.to) {
            (Some(TomlDate(from)), Some(TomlDate(to))) => Some((from, to)),
            // A Saturday in December worked for the New Year that follows has its holiday in the next table.
            (None, None) if !(holiday.worked.is_empty() && holiday.off.is_empty()) => None,
            _ => {
                return Err(CalendarError::Incomplete {
                    calendar: self.name.clone(),
                    holiday: holiday.name.get_ref().clone(),
                    year,
                });
            }
        };
        let ends = range.into_iter().flat_map(|(from, to)| [from, to]);
        let single = holiday.off.iter().chain(&holiday.worked).map(|day| day.0);
        // Before the range is walked: a slip in the year must not become centuries of holidays.
        for date in ends.chain(single) {
            if date.year() != year {
                return Err(CalendarError::OtherYear {
                    calendar: self.name.clone(),
                    date,
                    holiday: holiday.name.get_ref().clone(),
                    year,
                });
            }
            if holiday.name.get_ref().trim().is_empty() {
                return Err(CalendarError::Nameless {
                    calendar: self.name.clone(),
                    date,
                });
            }
        }
        if let Some((from, to)) = range {
            if to < from {
                return Err(CalendarError::Backwards {
                    calendar: self.name.clone(),
                    holiday: holiday.name.get_ref().clone(),
                    from,
                    to,
                });
            }
            for date in from.iter_days().take_while(|date| *date <= to) {
                self.announce(date, Announced::Off(holiday.name.get_ref().clone()))?;
            }
        }
        for &TomlDate(date) in &holiday.off {
            self.announce(date, Announced::Off(holiday.name.get_ref().clone()))?;
        }
        for &TomlDate(date) in &holiday.worked {
            let name = holiday.name.get_ref().clone();
            self.announce(
                date,
                match is_weekend(date) {
                    true => Announced::MadeUp(name),
                    false => Announced::Worked(name),
                },
            )?;
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
        Arc::make_mut(&mut self.days).insert(date, announced);
        Ok(())
    }
}

impl Announced {
    fn reason(&self) -> String {
        match self {
            Self::Off(holiday) => holiday.clone(),
            Self::MadeUp(holiday) => format!("{holiday}调休上班"),
            Self::Worked(holiday) => format!("{holiday}照常上班"),
        }
    }
}

/// Whether a day is worked, and the word an office has for why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// It is a working day.
    pub working: bool,
    /// Why: `工作日`, `周末`, a holiday's name such as `清明节`, `清明节调休上班` for a make-up day at a weekend, or
    /// `清明节照常上班` for another day that is named as worked.
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
                working: announced.is_worked(),
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
            Some(announced) => announced.is_worked(),
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
mod tests;
