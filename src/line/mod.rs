//! A duty line: its configuration, calendar, hours and words. Pure.

pub mod calendar;
pub mod dates;
pub mod hours;
pub mod number;
#[cfg(test)]
mod oracle;
pub mod prompts;
pub mod roster;
pub mod spoken;
mod window;

use crate::line::number::LineNumber;
use crate::line::prompts::{Prompts, prompts};
use hours::Schedule;
use roster::Roster;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A duty line: its numbers, when it is staffed, and what it tells callers.
#[derive(Clone, Debug)]
pub struct Line {
    /// Id in the configuration, in URLs and in the database, e.g. `fcg-5`.
    pub id: String,
    /// The number callers dial, as written in the configuration.
    pub dial: String,
    /// The number callers dial, in every spelling a provider may send.
    pub number: LineNumber,
    /// Numbers at a provider to which calls to this line are forwarded.
    pub answers: Vec<LineNumber>,
    /// Hours, periods, calendars, time zone.
    pub schedule: Schedule,
    /// What the phases break, after hours and holiday offer a caller during the intake period.
    pub after_hours: AfterHours,
    /// Languages spoken, the default one first. Never empty.
    pub languages: Vec<String>,
    /// The people who can be rung, and how they are rung.
    pub roster: Roster,
    /// Maximum length of a take, in seconds.
    pub recording_seconds: u32,
    /// Words by language, one entry for each of `languages`.
    pub words: BTreeMap<String, LineWords>,
    /// Disciplines that a report can be classified under.
    pub disciplines: Vec<String>,
    /// Focuses that a report can be classified under.
    pub focuses: Vec<String>,
}

impl Line {
    /// Returns every number that leads to this line.
    pub fn numbers(&self) -> impl Iterator<Item = &LineNumber> {
        std::iter::once(&self.number).chain(&self.answers)
    }

    /// Returns the number of this line that `dialled` is a spelling of, in E.164: the provider's number if the call was
    /// forwarded. If `dialled` is none of the line's numbers, returns the number that callers dial.
    pub fn number_called(&self, dialled: &str) -> String {
        let number = self.numbers().find(|number| number.matches(dialled));
        number.unwrap_or(&self.number).to_string()
    }
}

/// What a line offers a caller outside its hours, during the intake period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterHours {
    /// Information only: when the line opens, and where else to report.
    Message,
    /// The information of [`Self::Message`], and the caller can leave a report.
    Report,
}

/// The words of a line in one language.
#[derive(Clone, Debug)]
pub struct LineWords {
    /// Sentences common to all lines: the embedded prompts, with those replaced that the operator configured.
    pub prompts: Arc<Prompts>,
    /// Name of the team, as spoken.
    pub name: String,
    /// The institution inspected, as spoken and as shown in the console; `None` if not configured.
    pub inspected: Option<String>,
    /// What can be reported here, as spoken; `None` if not configured.
    pub scope: Option<String>,
    /// The disciplines, as spoken to callers.
    pub disciplines: Vec<String>,
    /// Postal address, as spoken; `None` if not configured.
    pub post: Option<String>,
    /// Locations of the letter boxes, as spoken.
    pub letter_boxes: Vec<String>,
    /// Other places to report to, as spoken. They remain after the inspection.
    pub elsewhere: Vec<String>,
}

/// No words of the line's own, and the prompts of the first embedded language.
impl Default for LineWords {
    fn default() -> Self {
        Self {
            prompts: Arc::clone(prompts("")),
            name: String::new(),
            inspected: None,
            scope: None,
            disciplines: Vec::new(),
            post: None,
            letter_boxes: Vec::new(),
            elsewhere: Vec::new(),
        }
    }
}
