//! Checks a line: its number, its hours, its words.

use super::{Checker, ID_RULE, is_id};
use crate::config::error::{ConfigError, Source, plainly};
use crate::config::{LineConfig, PromptsConfig, file, keys, shape};
use crate::line::calendar::{Calendar, Calendars};
use crate::line::hours::{Period, Schedule, Window, Windows};
use crate::line::number::{LineNumber, NumberError};
use crate::line::prompts;
use crate::line::{Line, LineWords};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use toml::Spanned;

/// The six disciplines, used for a line without the key `disciplines` (Regulations on Disciplinary Action of the CPC,
/// part two).
const DISCIPLINES: [&str; 6] = [
    "政治纪律",
    "组织纪律",
    "廉洁纪律",
    "群众纪律",
    "工作纪律",
    "生活纪律",
];

impl Checker<'_> {
    pub(super) fn line(
        &self,
        written: &file::Line,
        prompts: Option<&PromptsConfig>,
    ) -> Option<LineConfig> {
        let id = self.given(&written.id, |id| match is_id(id.get_ref()) {
            true => Ok(id.get_ref().clone()),
            false => self.wrong(id, ID_RULE),
        });
        let number = written.number.as_ref().zip(written.country.as_ref());
        let number = number.and_then(|(number, country)| self.keep(self.number(number, country)));
        let answers = self.each(&written.answers, |answer| {
            LineNumber::e164(answer.get_ref())
                .or_else(|error| self.wrong(answer, error.to_string()))
        });
        let name = self.given(&written.name, |name| match name.get_ref().trim() {
            "" => self.wrong(name, "callers hear this name; it cannot be empty"),
            _ => Ok(name.get_ref().clone()),
        });
        let languages = self.languages(written);
        let words = match (&name, &languages, prompts) {
            (Some(name), Some(languages), Some(prompts)) => {
                self.words(written, name, languages, prompts)
            }
            _ => None,
        };
        let pinned_key = self.given(&Some(&written.key), |key| match key {
            Some(key) => match key.get_ref().parse() {
                Ok(recipient) => Ok(Some(recipient)),
                Err(_) => self.wrong(key, "not a public key; it starts with age1"),
            },
            None => Ok(None),
        });
        let roster = self.roster(written);
        let schedule = self.schedule(written);
        let recording_seconds = self.keep(self.number_in(
            written.recording_seconds.as_ref(),
            300,
            30..=3600,
            " seconds",
        ));
        Some(LineConfig {
            line: Line {
                id: id?,
                dial: written.number.as_ref()?.get_ref().clone(),
                roster: roster?,
                number: number?,
                answers: answers?,
                schedule: schedule?,
                after_hours: written.after_hours,
                languages: languages?,
                recording_seconds: recording_seconds?,
                words: words?,
                disciplines: written
                    .disciplines
                    .clone()
                    .unwrap_or_else(|| DISCIPLINES.map(str::to_owned).to_vec()),
                focuses: written.focuses.clone().unwrap_or_default(),
            },
            pinned_key: pinned_key?,
        })
    }

    fn number(
        &self,
        number: &Spanned<String>,
        country: &Spanned<String>,
    ) -> Result<LineNumber, ConfigError> {
        LineNumber::parse(number.get_ref(), country.get_ref()).or_else(|error| match error {
            NumberError::UnknownCountry(_) => self.wrong(country, error.to_string()),
            _ => self.wrong(number, error.to_string()),
        })
    }

    fn schedule(&self, written: &file::Line) -> Option<Schedule> {
        let timezone = self.given(&written.timezone, |name| {
            name.get_ref().parse().or_else(|_| {
                self.wrong(
                    name,
                    "there is no such time zone; write it like Asia/Shanghai",
                )
            })
        });
        let calendars = written.calendar.as_ref();
        let calendars = calendars.and_then(|names| {
            let read: Vec<_> = names.iter().map(|name| self.calendar(name)).collect();
            read.into_iter().collect::<Option<Vec<_>>>()
        });
        let windows = self.given(&written.hours, |hours| {
            let windows = self.windows(hours.get_ref())?;
            Windows::new(windows).or_else(|error| self.wrong(hours, error.to_string()))
        });
        let inspection = written.inspection.as_ref();
        let inspection = inspection.and_then(|written| self.period(written));
        let intake = written.intake.as_ref();
        let intake = intake.and_then(|written| Some((written, self.period(written)?)));
        if let (Some(inspection), Some((written, intake))) = (&inspection, &intake)
            && !(inspection.contains(intake.from) && inspection.contains(intake.to))
        {
            let (from, to) = (inspection.from, inspection.to);
            let message = format!(
                "reports are taken during the inspection only; choose days between {from} and {to}"
            );
            self.note(self.source.here(written.span()).error("", message));
        }
        Some(Schedule {
            timezone: timezone?,
            calendars: Calendars(calendars?),
            inspection: inspection?,
            intake: intake?.1,
            windows: windows?,
        })
    }

    /// Checks the windows of one day: each must be valid and must not overlap an earlier one. If several are wrong,
    /// the error of the last one is returned and the others are recorded.
    pub(super) fn windows(&self, written: &[Spanned<String>]) -> Result<Vec<Window>, ConfigError> {
        let mut windows: Vec<Window> = Vec::new();
        let mut first = Ok(());
        for text in written {
            let window = text.get_ref().parse();
            let window = window.or_else(|error| self.wrong(text, format!("{error}")));
            let together = window.and_then(|window| {
                windows.push(window);
                Windows::new(windows.clone()).or_else(|error| {
                    // If it were left in the list, every later window would be wrong, too.
                    windows.pop();
                    self.wrong(text, format!("{error}"))
                })
            });
            if let Err(error) = together
                && let Err(earlier) = std::mem::replace(&mut first, Err(error))
            {
                self.note(earlier);
            }
        }
        first.map(|()| windows)
    }

    /// Returns the embedded calendar of this name or, if `name` is the path of a `.toml` file, with which an operator
    /// can add a year, reads that file; `None` if there is an error, which is recorded.
    fn calendar(&self, name: &Spanned<String>) -> Option<Calendar> {
        let text = name.get_ref();
        if let Some(calendar) = Calendar::embedded(text) {
            return Some(calendar);
        }
        if !text.ends_with(".toml") {
            let known = crate::line::calendar::EMBEDDED.join(", ");
            return self.keep(self.wrong(
                name,
                format!(
                    "there is no such calendar; there are {known}, or the path of a .toml file"
                ),
            ));
        }
        let path = self.folder.join(text);
        // Several lines may name the same file.
        if let Some(calendar) = self.calendars.borrow().get(text) {
            return calendar.clone();
        }
        let calendar = self.calendar_file(name, &path);
        let mut known = self.calendars.borrow_mut();
        known.insert(text.clone(), calendar.clone());
        calendar
    }

    fn calendar_file(&self, name: &Spanned<String>, path: &Path) -> Option<Calendar> {
        let text = name.get_ref();
        let content = self.keep(std::fs::read_to_string(path).or_else(|error| {
            self.wrong(
                name,
                format!("cannot read {}: {}", path.display(), plainly(&error)),
            )
        }))?;
        let file = path.display().to_string();
        let source = Source {
            text: &content,
            name: &file,
        };
        let readable = shape::readable(&source);
        let (_, errors) = readable.read(&source, keys::CALENDAR);
        if !errors.is_empty() {
            self.errors.borrow_mut().extend(errors);
            return None;
        }
        let read = Calendar::parse(text, &content);
        read.map_err(|errors| {
            for (at, error) in errors {
                self.note(source.here(at..at).error("", error.to_string()));
            }
        })
        .ok()
    }

    fn period(&self, written: &Spanned<file::Period>) -> Option<Period> {
        let (from, to) = (written.get_ref().from?, written.get_ref().to?);
        let period = Period::new(from.0, to.0);
        self.keep(period.or_else(|error| self.wrong(written, format!("{error}"))))
    }

    /// Returns a whole number after checking that it is within `bounds`; `default` if none is given. `unit` follows
    /// the bounds in the error.
    pub(super) fn number_in(
        &self,
        written: Option<&Spanned<i64>>,
        default: u32,
        bounds: RangeInclusive<u32>,
        unit: &str,
    ) -> Result<u32, ConfigError> {
        let Some(number) = written else {
            return Ok(default);
        };
        match u32::try_from(*number.get_ref()) {
            Ok(value) if bounds.contains(&value) => Ok(value),
            _ => {
                let (least, most) = (bounds.start(), bounds.end());
                self.wrong(number, format!("between {least} and {most}{unit}"))
            }
        }
    }

    fn languages(&self, written: &file::Line) -> Option<Vec<String>> {
        let Some(languages) = &written.languages else {
            return Some(prompts::languages().map(str::to_owned).collect());
        };
        let mut found: Vec<String> = Vec::new();
        let mut right = true;
        for language in languages {
            let tag = language.get_ref();
            let message = if !prompts::languages().any(|known| known == tag) {
                let known: Vec<_> = prompts::languages().collect();
                format!(
                    "the line has no prompts in it; it speaks {}",
                    known.join(", ")
                )
            } else if found.contains(tag) {
                "listed twice".to_owned()
            } else {
                found.push(tag.clone());
                continue;
            };
            right = false;
            self.note(self.source.here(language.span()).error("", message));
        }
        if languages.is_empty() {
            let at = written.id.as_ref().map_or(0..0, Spanned::span);
            let message = "languages: at least one is needed";
            self.note(self.source.here(at).error("", message.into()));
        }
        (right && !found.is_empty()).then_some(found)
    }

    fn words(
        &self,
        written: &file::Line,
        name: &str,
        languages: &[String],
        prompts: &PromptsConfig,
    ) -> Option<BTreeMap<String, LineWords>> {
        let own = LineWords {
            name: name.to_owned(),
            inspected: written.inspected.clone(),
            scope: written.scope.clone(),
            disciplines: written.disciplines.clone().unwrap_or_default(),
            post: written.post.clone(),
            letter_boxes: written.letter_boxes.clone(),
            elsewhere: written.elsewhere.clone(),
            ..LineWords::default()
        };
        let mut words: BTreeMap<String, LineWords> = languages
            .iter()
            .map(|language| {
                let prompts = Arc::clone(prompts.words(language));
                let words = LineWords {
                    prompts,
                    ..own.clone()
                };
                (language.clone(), words)
            })
            .collect();
        let mut right = true;
        for (language, translation) in &written.translations {
            let Some(own) = words.get_mut(language.get_ref()) else {
                right = false;
                let message = "the line does not speak this language";
                self.note(self.source.here(language.span()).error("", message.into()));
                continue;
            };
            let translation = translation.clone_over(own);
            *own = translation;
        }
        right.then_some(words)
    }
}

impl file::Translation {
    /// Returns `own`, the line's words, with those that are translated replaced by their translation.
    fn clone_over(&self, own: &LineWords) -> LineWords {
        LineWords {
            prompts: Arc::clone(&own.prompts),
            name: self.name.clone().unwrap_or_else(|| own.name.clone()),
            inspected: self.inspected.clone().or_else(|| own.inspected.clone()),
            scope: self.scope.clone().or_else(|| own.scope.clone()),
            disciplines: self
                .disciplines
                .clone()
                .unwrap_or_else(|| own.disciplines.clone()),
            post: self.post.clone().or_else(|| own.post.clone()),
            letter_boxes: self
                .letter_boxes
                .clone()
                .unwrap_or_else(|| own.letter_boxes.clone()),
            elsewhere: self
                .elsewhere
                .clone()
                .unwrap_or_else(|| own.elsewhere.clone()),
        }
    }
}
