//! Pure: a duty line, its calendar and its hours.

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

/// A duty line: what it is called, when it is staffed, and what it tells callers.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its id in the configuration, in addresses and in the database, e.g. `fcg-5`.
    pub id: String,
    /// The number people dial, as they write it.
    pub dial: String,
    /// The same, whatever a provider makes of it.
    pub number: LineNumber,
    /// Provider numbers this line is forwarded to.
    pub answers: Vec<LineNumber>,
    /// Hours, periods, calendar, time zone.
    pub schedule: Schedule,
    /// What the closed phases do for a caller while reports are taken at all.
    pub after_hours: AfterHours,
    /// The languages spoken, the first one first. Never empty.
    pub languages: Vec<String>,
    /// Who answers the telephone.
    pub roster: Roster,
    /// The longest take, in seconds.
    pub recording_seconds: u32,
    /// What differs from language to language. One for each of `languages`.
    pub words: BTreeMap<String, LineWords>,
    /// The disciplines a report can be classified by.
    pub disciplines: Vec<String>,
    /// The focuses a report can be classified by.
    pub focuses: Vec<String>,
}

impl Line {
    /// Every number that leads to this line.
    pub fn numbers(&self) -> impl Iterator<Item = &LineNumber> {
        std::iter::once(&self.number).chain(&self.answers)
    }

    /// The number that was dialled to reach this line, in E.164: the provider's own where calls are forwarded to it.
    pub fn number_called(&self, dialled: &str) -> String {
        let number = self.numbers().find(|number| number.matches(dialled));
        number.unwrap_or(&self.number).to_string()
    }
}

/// What a closed phase does for a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterHours {
    /// Says when the line opens and where else to turn, then ends.
    Message,
    /// Says so too, and takes a report.
    Report,
}

/// A line in the words of one language.
#[derive(Clone, Debug)]
pub struct LineWords {
    /// What every line says: the embedded prompts, or the operator's in their place.
    pub prompts: Arc<Prompts>,
    /// The team, as spoken.
    pub name: String,
    /// The institution inspected, as spoken and as written in the console.
    pub inspected: Option<String>,
    /// What can be reported here.
    pub scope: Option<String>,
    /// The disciplines, as spoken.
    pub disciplines: Vec<String>,
    /// The post address.
    pub post: Option<String>,
    /// Where the letter boxes hang.
    pub letter_boxes: Vec<String>,
    /// Where else to turn, also when the inspection is over.
    pub elsewhere: Vec<String>,
}

/// No words of its own, and the prompts of the first language.
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
