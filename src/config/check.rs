//! From what is written to what can't be wrong.

mod provider;
mod proxies;

use super::error::{ConfigError, Source, plainly};
use super::file::{self, File};
use super::{Config, DatabaseAddress, LineConfig, PromptsConfig, ProviderSettings};
use crate::call::prompts;
use crate::hidden::Hidden;
use crate::line::calendar::{Calendar, Calendars};
use crate::line::hours::{Period, Schedule, Window, Windows};
use crate::line::number::{LineNumber, calling_code};
use crate::line::roster::{Day, OnDuty, Roster};
use crate::line::{Line, LineWords};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::Spanned;

/// The six disciplines, for a line that lists none (Regulations on Disciplinary Action of the CPC, part two).
const DISCIPLINES: [&str; 6] = [
    "政治纪律",
    "组织纪律",
    "廉洁纪律",
    "群众纪律",
    "工作纪律",
    "生活纪律",
];

pub(super) fn check(text: &str, name: &str, folder: &Path) -> Result<Config, ConfigError> {
    let source = Source { text, name };
    let file: File = toml::from_str(text).map_err(|error| ConfigError::syntax(&source, &error))?;
    let whole = source.here(0..0);
    if file.provider.is_empty() {
        return Err(whole.error("provider", "at least one [[provider]] is needed".into()));
    }
    if file.line.is_empty() {
        return Err(whole.error("line", "at least one [[line]] is needed".into()));
    }
    let checker = Checker { source, folder };
    let ops_default = Spanned::new(0..0, "127.0.0.1:9090".to_owned());
    let prompts = checker.prompts(&file.prompts)?;
    let config = Config {
        listen: checker.address(&file.server.listen)?,
        ops_listen: checker.address(file.server.ops_listen.as_ref().unwrap_or(&ops_default))?,
        public_url: checker.public_url(&file.server.public_url)?,
        trusted_proxies: checker.trusted_proxies(&file.server.trusted_proxies)?,
        database: checker.database(&file.storage.database)?,
        recordings: checker.recordings(&file.storage.recordings)?,
        secret_file: folder.join(file.storage.secret_file.get_ref()),
        providers: file
            .provider
            .iter()
            .map(|provider| checker.provider(provider))
            .collect::<Result<_, _>>()?,
        lines: file
            .line
            .iter()
            .map(|line| checker.line(line.get_ref(), &prompts))
            .collect::<Result<_, _>>()?,
        prompts,
    };
    checker.apart(&file, &config)?;
    Ok(config)
}

pub(super) struct Checker<'a> {
    source: Source<'a>,
    pub folder: &'a Path,
}

impl Checker<'_> {
    pub fn wrong<T, R>(
        &self,
        at: &Spanned<T>,
        message: impl Into<String>,
    ) -> Result<R, ConfigError> {
        Err(self.source.here(at.span()).error("", message.into()))
    }

    /// Names, ids, numbers and answers may not be shared: lines are apart in everything.
    fn apart(&self, file: &File, config: &Config) -> Result<(), ConfigError> {
        let rosters = config
            .lines
            .iter()
            .any(|entry| !entry.line.roster.people.is_empty());
        for (written, provider) in file.provider.iter().zip(&config.providers) {
            if rosters
                && matches!(
                    provider.settings,
                    ProviderSettings::Asterisk { dial: None, .. }
                )
            {
                let here = self.source.here(written.get_ref().kind.span());
                let message = "a line has a roster: how is a number dialled? write it like PJSIP/{number}@trunk";
                return Err(here.error("dial", message.into()));
            }
        }
        for (i, provider) in file.provider.iter().enumerate() {
            let name = &provider.get_ref().name;
            if config.providers[..i]
                .iter()
                .any(|p| &p.name == name.get_ref())
            {
                return self.wrong(name, "another provider has this name");
            }
        }
        for (i, written) in file.line.iter().enumerate() {
            let written = written.get_ref();
            let others = || {
                config
                    .lines
                    .iter()
                    .enumerate()
                    .filter(move |(j, _)| *j != i)
                    .map(|(_, other)| &other.line)
            };
            if others().any(|other| &other.id == written.id.get_ref()) {
                return self.wrong(&written.id, "another line has this id");
            }
            let own = &config.lines[i].line;
            let texts = std::iter::once(&written.number).chain(&written.answers);
            let numbers = std::iter::once(&own.number).chain(&own.answers);
            for (text, number) in texts.zip(numbers) {
                if others().any(|other| other.numbers().any(|their| their.clashes_with(number))) {
                    return self.wrong(text, "another line has this number");
                }
            }
            for (written, person) in written.roster.iter().zip(&own.roster.people) {
                let mut lines = config.lines.iter();
                if lines.any(|entry| entry.line.is_dialled(person.number.show())) {
                    return self.wrong(
                        &written.get_ref().number,
                        "a line of this configuration has this number, and would ring itself",
                    );
                }
            }
        }
        Ok(())
    }

    fn address(&self, text: &Spanned<String>) -> Result<SocketAddr, ConfigError> {
        match text.get_ref().parse() {
            Ok(address) => Ok(address),
            Err(_) => self.wrong(
                text,
                "not an address and port; write it like 127.0.0.1:8080",
            ),
        }
    }

    fn public_url(&self, text: &Spanned<String>) -> Result<String, ConfigError> {
        match http_url(text.get_ref()) {
            Some(_) => Ok(text.get_ref().trim_end_matches('/').to_owned()),
            None => self.wrong(
                text,
                "not a web address; write it like https://duty.example.org, without a query",
            ),
        }
    }

    fn database(&self, text: &Spanned<String>) -> Result<DatabaseAddress, ConfigError> {
        let address = text.get_ref();
        if let Some(path) = address.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.starts_with(":memory:") {
                return self.wrong(
                    text,
                    "a file is needed; write it like sqlite:data/dutyline.db",
                );
            }
            Ok(DatabaseAddress::Sqlite(self.folder.join(path)))
        } else if address.starts_with("postgres://") || address.starts_with("postgresql://") {
            Ok(DatabaseAddress::Postgres(Hidden::new(address.clone())))
        } else {
            self.wrong(
                text,
                "not a database; write sqlite:data/dutyline.db or postgres://user@host/name",
            )
        }
    }

    fn recordings(&self, text: &Spanned<String>) -> Result<PathBuf, ConfigError> {
        match text.get_ref().strip_prefix("file:") {
            Some(path) if !path.is_empty() => Ok(self.folder.join(path)),
            _ => self.wrong(text, "not a folder; write it like file:data/recordings"),
        }
    }

    fn line(
        &self,
        written: &file::Line,
        prompts: &PromptsConfig,
    ) -> Result<LineConfig, ConfigError> {
        if !is_id(written.id.get_ref()) {
            return self.wrong(&written.id, ID_RULE);
        }
        let country = written.country.get_ref();
        let number = LineNumber::parse(written.number.get_ref(), country)
            .or_else(|error| self.wrong(&written.number, error.to_string()))?;
        let answers = written
            .answers
            .iter()
            .map(|answer| {
                LineNumber::e164(answer.get_ref())
                    .or_else(|error| self.wrong(answer, error.to_string()))
            })
            .collect::<Result<_, _>>()?;
        if written.name.get_ref().trim().is_empty() {
            return self.wrong(&written.name, "callers hear this name; it cannot be empty");
        }
        let languages = self.languages(written)?;
        let words = self.words(written, &languages, prompts)?;
        let pinned_key = match &written.key {
            Some(key) => Some(
                key.get_ref()
                    .parse()
                    .or_else(|_| self.wrong(key, "not a public key; it starts with age1"))?,
            ),
            None => None,
        };
        Ok(LineConfig {
            line: Line {
                id: written.id.get_ref().clone(),
                dial: written.number.get_ref().clone(),
                roster: self.roster(written)?,
                number,
                answers,
                schedule: self.schedule(written)?,
                after_hours: written.after_hours,
                languages,
                recording_seconds: self.number_in(
                    written.recording_seconds.as_ref(),
                    300,
                    30..=3600,
                    " seconds",
                )?,
                words,
                disciplines: written
                    .disciplines
                    .clone()
                    .unwrap_or_else(|| DISCIPLINES.map(str::to_owned).to_vec()),
                focuses: written.focuses.clone().unwrap_or_default(),
            },
            pinned_key,
        })
    }

    fn schedule(&self, written: &file::Line) -> Result<Schedule, ConfigError> {
        let Ok(timezone) = written.timezone.get_ref().parse() else {
            return self.wrong(
                &written.timezone,
                "there is no such time zone; write it like Asia/Shanghai",
            );
        };
        let mut calendars = Vec::new();
        for name in &written.calendar {
            calendars.push(self.calendar(name)?);
        }
        let windows = Windows::new(self.windows(&written.hours)?)
            .or_else(|error| self.wrong(&written.id, format!("hours: {error}")))?;
        Ok(Schedule {
            timezone,
            calendars: Calendars(calendars),
            inspection: self.period(&written.inspection)?,
            intake: self.period(&written.intake)?,
            windows,
        })
    }

    /// Windows of one day; the first that is none, or overlaps one before it, is what is wrong.
    fn windows(&self, written: &[Spanned<String>]) -> Result<Vec<Window>, ConfigError> {
        let mut windows: Vec<Window> = Vec::new();
        for text in written {
            let window = text
                .get_ref()
                .parse()
                .or_else(|error| self.wrong(text, format!("{error}")))?;
            windows.push(window);
            Windows::new(windows.clone()).or_else(|error| self.wrong(text, format!("{error}")))?;
        }
        Ok(windows)
    }

    /// A calendar by name (embedded), or by the path of a file, so that an operator can add a year.
    fn calendar(&self, name: &Spanned<String>) -> Result<Calendar, ConfigError> {
        let text = name.get_ref();
        if let Some(calendar) = Calendar::embedded(text) {
            return Ok(calendar);
        }
        if !text.ends_with(".toml") {
            let known = crate::line::calendar::EMBEDDED.join(", ");
            return self.wrong(
                name,
                format!(
                    "there is no such calendar; there are {known}, or the path of a .toml file"
                ),
            );
        }
        let path = self.folder.join(text);
        let content = std::fs::read_to_string(&path).or_else(|error| {
            self.wrong(
                name,
                format!("cannot read {}: {}", path.display(), plainly(&error)),
            )
        })?;
        Calendar::parse(text, &content)
            .or_else(|error| self.wrong(name, format!("{}: {error}", path.display())))
    }

    fn period(&self, written: &Spanned<file::Period>) -> Result<Period, ConfigError> {
        let period = written.get_ref();
        Period::new(period.from.0, period.to.0)
            .or_else(|error| self.wrong(written, format!("{error}")))
    }

    /// A whole number within bounds, or what is taken when none is given.
    fn number_in(
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

    fn roster(&self, written: &file::Line) -> Result<Roster, ConfigError> {
        let dial = &written.dial;
        let prefixes: Vec<String> = match &dial.allowed_prefixes {
            Some(prefixes) => {
                for prefix in prefixes {
                    if !is_dialable(prefix.get_ref(), 1) {
                        return self.wrong(
                            prefix,
                            "not the beginning of a number; write it like +86 or 8",
                        );
                    }
                }
                prefixes.iter().map(|p| p.get_ref().clone()).collect()
            }
            None => calling_code(written.country.get_ref())
                .into_iter()
                .collect(),
        };
        let person = |at: &Spanned<file::OnDuty>| self.on_duty(at.get_ref(), &prefixes);
        Ok(Roster {
            people: written
                .roster
                .iter()
                .map(person)
                .collect::<Result<_, _>>()?,
            ring_seconds: self.number_in(dial.ring_seconds.as_ref(), 20, 5..=60, " seconds")?,
            max_minutes: self.number_in(dial.max_minutes.as_ref(), 30, 1..=90, " minutes")?,
            at_once: self.number_in(dial.at_once.as_ref(), 2, 1..=20, " calls")?,
            record: written.record_live,
        })
    }

    fn on_duty(&self, written: &file::OnDuty, prefixes: &[String]) -> Result<OnDuty, ConfigError> {
        if written.name.get_ref().trim().is_empty() {
            return self.wrong(&written.name, "who is rung? the name stands in the report");
        }
        let number = written.number.get_ref();
        if !is_dialable(number, 3) {
            return self.wrong(
                &written.number,
                "not a number; write it like +8613800000000, without spaces",
            );
        }
        if !prefixes.iter().any(|prefix| number.starts_with(prefix)) {
            let allowed = prefixes.join(", ");
            return self.wrong(
                &written.number,
                format!(
                    "no number that may be dialled; [line.dial] allowed_prefixes has {allowed}"
                ),
            );
        }
        let mut days = Vec::new();
        for day in &written.days {
            let day: Day = day
                .get_ref()
                .parse()
                .or_else(|error| self.wrong(day, format!("{error}")))?;
            days.push(day);
        }
        Ok(OnDuty {
            name: written.name.get_ref().clone(),
            number: Hidden::new(number.clone()),
            days,
            hours: match written.hours.as_slice() {
                [] => None,
                [first, ..] => Some(
                    Windows::new(self.windows(&written.hours)?)
                        .or_else(|error| self.wrong(first, format!("{error}")))?,
                ),
            },
        })
    }

    fn languages(&self, written: &file::Line) -> Result<Vec<String>, ConfigError> {
        let Some(languages) = &written.languages else {
            return Ok(prompts::languages().map(str::to_owned).collect());
        };
        let mut found: Vec<String> = Vec::new();
        for language in languages {
            let tag = language.get_ref();
            if !prompts::languages().any(|known| known == tag) {
                let known: Vec<_> = prompts::languages().collect();
                return self.wrong(
                    language,
                    format!(
                        "the line has no prompts in it; it speaks {}",
                        known.join(", ")
                    ),
                );
            }
            if found.contains(tag) {
                return self.wrong(language, "listed twice");
            }
            found.push(tag.clone());
        }
        if found.is_empty() {
            return self.wrong(&written.id, "languages: at least one is needed");
        }
        Ok(found)
    }

    fn words(
        &self,
        written: &file::Line,
        languages: &[String],
        prompts: &PromptsConfig,
    ) -> Result<BTreeMap<String, LineWords>, ConfigError> {
        let own = LineWords {
            name: written.name.get_ref().clone(),
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
        for (language, translation) in &written.translations {
            let Some(own) = words.get_mut(language.get_ref()) else {
                return self.wrong(language, "the line does not speak this language");
            };
            let translation = translation.clone_over(own);
            *own = translation;
        }
        Ok(words)
    }
}

impl file::Translation {
    /// The line's own words, with what is translated in their place.
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

const ID_RULE: &str = "1 to 32 of the characters a-z, 0-9 and -";

fn is_id(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// A number as it is dialled: digits, at least so many, with a plus before them or none.
fn is_dialable(text: &str, least: usize) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (least..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// An http or https address without user, query or fragment.
fn http_url(text: &str) -> Option<reqwest::Url> {
    let url = reqwest::Url::parse(text).ok()?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.host_str().is_some()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    plain.then_some(url)
}

fn is_loopback(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}
