//! Working days: Monday to Friday, changed by what governments announce.
//!
//! A calendar is a TOML file (`config/calendar`). A line names several, the widest first; the last one that lists a
//! date decides ([`Calendars`]).

use chrono::{Datelike, NaiveDate, Weekday};
use serde::{Deserialize, Deserializer, de};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use toml::Spanned;

/// Names of the calendars embedded in the binary.
pub const EMBEDDED: &[&str] = &["cn", "cn-guangxi"];

/// The days announced by one authority for some years. Clones share the tables, because thousands of lines may use one
/// calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    name: String,
    years: Arc<BTreeSet<i32>>,
    days: Arc<BTreeMap<NaiveDate, Announced>>,
}

/// What a calendar says about one day; the text is the name of the holiday.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Announced {
    Off(String),
    /// A Saturday or Sunday that is worked.
    MadeUp(String),
    /// A day from Monday to Friday that is worked, even if a wider calendar has it off.
    Worked(String),
}

impl Announced {
    fn is_worked(&self) -> bool {
        matches!(self, Self::MadeUp(_) | Self::Worked(_))
    }
}

/// Why a calendar is rejected. Every message names the calendar and, where there is one, the date.
#[derive(Debug, thiserror::Error)]
pub enum CalendarError {
    /// Not TOML, an unknown key, a wrong type, or a date that does not exist. The message has line and column.
    #[error("calendar {calendar}: {source}")]
    Malformed {
        /// The calendar's name.
        calendar: String,
        /// Error of the TOML parser.
        source: Box<toml::de::Error>,
    },
    /// A year has two tables.
    #[error("calendar {calendar}: the year {year} has two tables; put its holidays into one")]
    YearTwice {
        /// The calendar's name.
        calendar: String,
        /// The year.
        year: i32,
    },
    /// A date is in the table of another year. A holiday over New Year's Eve must be written in two parts, because
    /// [`Calendar::knows`] answers for a whole year.
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
    /// A day is listed twice, for one holiday or for two.
    #[error("calendar {calendar}: {date} is listed twice, as {first} and as {second}")]
    DayTwice {
        /// The calendar's name.
        calendar: String,
        /// The date.
        date: NaiveDate,
        /// The reason under which it was listed first.
        first: String,
        /// The reason under which it was listed the second time.
        second: String,
    },
    /// A holiday has a first day without a last one, a last day without a first one, or no day at all.
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
    /// A holiday has no name, which is needed as the reason for its days.
    #[error("calendar {calendar}: the holiday of {date} has no name")]
    Nameless {
        /// The calendar's name.
        calendar: String,
        /// The holiday's first day as written, or else the first day in `off`, or else the first day in `worked`.
        date: NaiveDate,
    },
}

/// A calendar file; `config/calendar/cn.toml` documents the format.
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

/// A TOML local date, without quotes: `2024-03-06`. Can only be deserialized from TOML.
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
    /// Parses a calendar named `name`.
    ///
    /// # Errors
    ///
    /// If the text does not have the format of a calendar, that error alone; otherwise an error for each year that is
    /// repeated, and the first error of each wrong holiday. Each comes with a byte offset: of the wrong syntax, of the
    /// year, or of the holiday's name.
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

    /// Returns the embedded calendar of that name; `None` if the name is not in [`EMBEDDED`].
    ///
    /// # Panics
    ///
    /// Never: a test parses all embedded files.
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

    /// Returns the calendar's name, as used in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// True if the calendar has a table for this year. If not, it is not known which days of the year are holidays.
    pub fn knows(&self, year: i32) -> bool {
        self.years.contains(&year)
    }

    fn add(&mut self, year: i32, holiday: &Holiday) -> Result<(), CalendarError> {
        let range = match (holiday.from, holiday.to) {
            (Some(TomlDate(from)), Some(TomlDate(to))) => Some((from, to)),
            // Single days alone, such as a Saturday in December that is worked for the following New Year: the New Year
            // itself is in the next table.
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
        // Checked before iterating over the range: a mistyped year must not give centuries of holidays.
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

/// Whether a day is worked, and the reason in Chinese office language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// True if it is a working day.
    pub working: bool,
    /// The reason: `工作日`, `周末`, a holiday's name such as `清明节`, `清明节调休上班` for a make-up day at a weekend, or `清明节照常上班`
    /// for another day that is listed as worked.
    pub reason: String,
}

/// The calendars of a line, the widest first: the nation's, then the region's.
///
/// The last calendar that lists a date decides; if none does, Monday to Friday are worked. So a region can add a
/// festival, and can also work on a day the nation has off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendars(pub Vec<Calendar>);

impl Calendars {
    /// Returns whether this day is worked, and why.
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

    /// True if this day is worked. The same as [`Self::day`] without the reason.
    pub fn working(&self, date: NaiveDate) -> bool {
        match self.announced(date) {
            Some(announced) => announced.is_worked(),
            None => !is_weekend(date),
        }
    }

    /// Returns the years from `from` to `to`, both included, for which a calendar has no table: calendar name and year,
    /// in the order of the calendars, then of the years. In these years that calendar lists no days; the operator
    /// should know that.
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
