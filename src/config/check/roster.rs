//! Checks the roster of a line, and how the persons on it are rung.

use super::Checker;
use crate::base::hidden::Hidden;
use crate::config::file;
use crate::line::hours::Windows;
use crate::line::number::calling_code;
use crate::line::roster::{Day, OnDuty, Roster};

impl Checker<'_> {
    pub(super) fn roster(&self, written: &file::Line) -> Option<Roster> {
        let dial = &written.dial;
        let prefixes: Option<Vec<String>> = match &dial.allowed_prefixes {
            Some(prefixes) => {
                self.each(prefixes, |prefix| match is_dialable(prefix.get_ref(), 1) {
                    true => Ok(prefix.get_ref().clone()),
                    false => self.wrong(
                        prefix,
                        "not the beginning of a number; write it like +86 or 8",
                    ),
                })
            }
            // The default is the country's calling code. Without a known country, whose error is recorded elsewhere,
            // there is none.
            None => written.country.as_ref().and_then(|country| {
                let code = calling_code(country.get_ref())?;
                Some(vec![code])
            }),
        };
        let people = written.roster.iter();
        let people: Vec<_> = people
            .map(|person| self.on_duty(person.get_ref(), prefixes.as_deref()))
            .collect();
        let seconds = self.number_in(dial.ring_seconds.as_ref(), 20, 5..=60, " seconds");
        let minutes = self.number_in(dial.max_minutes.as_ref(), 30, 1..=90, " minutes");
        let calls = self.number_in(dial.at_once.as_ref(), 2, 1..=20, " calls");
        let [ring_seconds, max_minutes, at_once] =
            [seconds, minutes, calls].map(|number| self.keep(number));
        prefixes?;
        Some(Roster {
            people: people.into_iter().collect::<Option<_>>()?,
            ring_seconds: ring_seconds?,
            max_minutes: max_minutes?,
            at_once: at_once?,
            record: written.record_live,
        })
    }

    /// Checks a person on the roster; `None` if there is an error, which is recorded. The number must begin with one
    /// of `prefixes`; without `prefixes` this is not checked.
    fn on_duty(&self, written: &file::OnDuty, prefixes: Option<&[String]>) -> Option<OnDuty> {
        let name = self.given(&written.name, |name| match name.get_ref().trim() {
            "" => self.wrong(name, "who is rung? the name stands in the report"),
            _ => Ok(name.get_ref().clone()),
        });
        let number = self.given(&written.number, |at| {
            let number = at.get_ref();
            if !is_dialable(number, 3) {
                return self.wrong(
                    at,
                    "not a number; write it like +8613800000000, without spaces",
                );
            }
            if let Some(prefixes) = prefixes
                && !prefixes.iter().any(|prefix| number.starts_with(prefix))
            {
                let allowed = prefixes.join(", ");
                return self.wrong(
                    at,
                    format!(
                        "no number that may be dialled; [line.dial] allowed_prefixes has {allowed}"
                    ),
                );
            }
            Ok(Hidden::new(number.clone()))
        });
        let days = self.each(&written.days, |day| {
            let read: Result<Day, _> = day.get_ref().parse();
            read.or_else(|error| self.wrong(day, format!("{error}")))
        });
        let hours = match written.hours.as_slice() {
            [] => Some(None),
            [first, ..] => self.keep(self.windows(&written.hours).and_then(|windows| {
                let windows = Windows::new(windows);
                let windows = windows.or_else(|error| self.wrong(first, format!("{error}")))?;
                Ok(Some(windows))
            })),
        };
        Some(OnDuty {
            name: name?,
            number: number?,
            days: days?,
            hours: hours?,
        })
    }
}

/// True if `text` is a number as it is dialled, or the beginning of one: `least` to 15 digits, with or without a plus
/// sign before them.
fn is_dialable(text: &str, least: usize) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (least..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}
