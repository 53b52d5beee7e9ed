//! Errors that an operator can act on: file, line, key, and how to correct them.

use std::fmt;
use std::ops::Range;

/// An error in the configuration, which ends the program with exit code 2. Of what is written in the file it shows
/// only values of keys that have no secrets, such as a number, and what looks like a date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, as the operator named it.
    pub file: String,
    /// The line, from 1; 0 if the error concerns the whole file.
    pub line: usize,
    /// The key, or the heading, that the error concerns; empty if none is known.
    pub key: String,
    /// What is wrong, and how to correct it.
    pub message: String,
}

impl ConfigError {
    pub(super) fn unreadable(file: &str, error: &std::io::Error) -> Self {
        Self {
            file: file.to_owned(),
            line: 0,
            key: String::new(),
            message: format!("cannot be read: {}", plainly(error)),
        }
    }
}

/// All errors found in the configuration, by file name and line. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// Returns `Ok` if there are no errors, otherwise `Err` with the errors, sorted by file name and line and without
    /// repetitions.
    pub fn check(mut errors: Vec<ConfigError>) -> Result<(), Self> {
        if errors.is_empty() {
            return Ok(());
        }
        errors.sort_by(|one, next| (&one.file, one.line).cmp(&(&next.file, next.line)));
        errors.dedup();
        Err(Self(errors))
    }

    /// Returns the errors in order.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

/// Writes one line per error.
impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for ConfigError {}

/// Describes an I/O error: the three most frequent kinds in plain words, others in those of the standard library.
pub(super) fn plainly(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        std::io::ErrorKind::InvalidData => "it is not text (UTF-8)".into(),
        _ => error.to_string(),
    }
}

/// The text of a configuration, and its name in errors.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub text: &'a str,
    pub name: &'a str,
}

/// A location in a configuration, kept for errors found later.
#[derive(Debug, Clone)]
pub(super) struct Here {
    file: String,
    line: usize,
    key: String,
}

impl Source<'_> {
    /// Returns the location at which a span begins: its line, and the key there.
    pub fn here(&self, span: Range<usize>) -> Here {
        let start = span.start.min(self.text.len());
        let before = &self.text.as_bytes()[..start];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Here {
            file: self.name.to_owned(),
            line,
            key: self.key_at(line),
        }
    }

    /// Returns the range of the line on which a span starts, without its line break.
    pub fn line_range(&self, span: &Range<usize>) -> Range<usize> {
        // A span at the very end of the text belongs to the last line.
        let start = span.start.min(self.text.len().saturating_sub(1));
        let bytes = self.text.as_bytes();
        let begin = bytes[..start].iter().rposition(|byte| *byte == b'\n');
        let begin = begin.map_or(0, |at| at + 1);
        let length = bytes[begin..].iter().position(|byte| *byte == b'\n');
        begin..length.map_or(bytes.len(), |length| begin + length)
    }

    /// Returns the key assigned on this line, or, inside a list, on the nearest line above that assigns one. A
    /// heading counts as a key. Empty if there is none.
    fn key_at(&self, line: usize) -> String {
        let lines: Vec<&str> = self.text.lines().take(line).collect();
        for text in lines.iter().rev() {
            let text = text.trim_start();
            if text.starts_with('#') {
                continue;
            }
            if text.starts_with('[') {
                return text
                    .trim_matches(|c: char| c == '[' || c == ']' || c.is_whitespace())
                    .split(']')
                    .next()
                    .unwrap_or_default()
                    .to_owned();
            }
            if let Some((key, _)) = text.split_once('=') {
                let key = key.trim();
                if !key.is_empty()
                    && key
                        .chars()
                        .all(|c| c.is_alphanumeric() || "_-.".contains(c))
                {
                    return key.to_owned();
                }
            }
        }
        String::new()
    }
}

impl Here {
    /// Returns the key at this location; empty if none was found.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns the location of a setting that is written in no file. Errors at it name the embedded configuration.
    pub fn nowhere() -> Self {
        Self {
            file: super::EMBEDDED_NAME.to_owned(),
            line: 0,
            key: String::new(),
        }
    }

    /// Returns an error at this location. `key`, if not empty, replaces the key found in the text.
    pub fn error(&self, key: &str, message: String) -> ConfigError {
        ConfigError {
            file: self.file.clone(),
            line: self.line,
            key: if key.is_empty() {
                self.key.clone()
            } else {
                key.to_owned()
            },
            message,
        }
    }
}
