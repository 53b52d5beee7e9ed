//! The shape of a configuration: its keys, and the kind of value of each.
//!
//! The TOML reader stops at the first value of a wrong type, and reports it in its own terms. So the document is
//! walked here before it is deserialized: each wrong key and value is removed and becomes an error in an operator's
//! terms, and the rest can be deserialized and checked further.

use super::error::{ConfigError, Source};
use super::keys::{Key, Shape};
use super::mend;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// Maximum number of errors in TOML syntax that are reported for a file; further ones are reported once these are
/// corrected.
const MAX_UNREADABLE: usize = 20;

/// A document in which lines that are not TOML are replaced by blanks, so that all other text keeps its position.
pub(super) struct Readable<'s> {
    text: String,
    /// The parsed document, if nothing had to be removed; taken out when it is read.
    whole: Cell<Option<Spanned<DeTable<'s>>>>,
    errors: Vec<ConfigError>,
    /// The keys on the lines that were removed: they do not count as missing.
    keys: BTreeSet<String>,
    /// True if the rest cannot be read: a heading was removed, so that it is not known to which table the keys
    /// below it belong, the faulty line could not be located, or there were more errors than `MAX_UNREADABLE`.
    beyond_repair: bool,
}

/// Parses a document, and replaces by blanks, line by line, what is not TOML. Each such line becomes an error.
pub(super) fn readable<'s>(source: &Source<'s>) -> Readable<'s> {
    let whole = DeTable::parse(source.text).ok();
    let found = whole.is_some();
    let mut readable = Readable {
        text: source.text.to_owned(),
        whole: Cell::new(whole),
        errors: Vec::new(),
        keys: BTreeSet::new(),
        beyond_repair: false,
    };
    if found {
        return readable;
    }
    while let Err(error) = DeTable::parse(&readable.text) {
        let span = error.span().unwrap_or(0..0);
        let range = source.line_range(&span);
        if readable.errors.len() >= MAX_UNREADABLE {
            readable.beyond_repair = true;
            break;
        }
        if let Some(list) = list_without_end(&readable.text, &range) {
            let here = source.here(list.clone());
            let key = here.key().to_owned();
            let message = "the list has no end; add the ] or } that is missing";
            readable.errors.push(here.error("", message.into()));
            readable.keys.insert(key);
            blank_out(&mut readable.text, list);
            continue;
        }
        let blank = readable.text[range.clone()].trim().is_empty();
        if blank {
            // The fault on a blank line is really on a line before it, and cannot be located.
            if readable.errors.is_empty() {
                let message = "the file ends too early; look for a [ or { without an end";
                readable
                    .errors
                    .push(source.here(span).error("", message.into()));
            }
            readable.beyond_repair = true;
            break;
        }
        let line = &source.text[range.clone()];
        let here = source.here(span);
        let key = key_on(line).unwrap_or(here.key()).to_owned();
        let message = mend::unreadable(line, error.message(), &key);
        readable.errors.push(here.error(&key, message));
        readable.beyond_repair |= line.trim_start().starts_with('[');
        readable.keys.insert(key);
        blank_out(&mut readable.text, range);
    }
    readable
}

/// Replaces all bytes in a range of a text by blanks, except line breaks.
fn blank_out(text: &mut String, range: Range<usize>) {
    let blanks = text[range.clone()].bytes();
    let blanks: String = blanks
        .map(|byte| if byte == b'\n' { '\n' } else { ' ' })
        .collect();
    text.replace_range(range, &blanks);
}

/// Returns the range of a list or a table in braces that is never closed: from the line of its key up to `unread`,
/// the line at which the parser failed. `None` unless that line begins with the next key, is a heading, or is the
/// blank end of the file, and such a list is open there.
fn list_without_end(text: &str, unread: &Range<usize>) -> Option<Range<usize>> {
    let line = text[unread.clone()].trim();
    let next = line.is_empty() || line.starts_with('[') || key_on(line).is_some();
    let end = match line.is_empty() {
        true => unread.end,
        false => unread.start,
    };
    if !next {
        return None;
    }
    let mut open = 0_i32;
    let mut start = end;
    for line in text[..end].split_inclusive('\n').rev() {
        start -= line.len();
        for c in mend::outside_quotes(line).chars() {
            open += match c {
                '[' | '{' => 1,
                ']' | '}' => -1,
                _ => 0,
            };
        }
        if key_on(line).is_some() {
            return (open > 0).then_some(start..end);
        }
    }
    None
}

/// Returns the key that a line begins with, if it begins with one.
fn key_on(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'));
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let assigned = rest.trim_start();
    let right = assigned.is_empty() || assigned.starts_with(['=', '＝', ':', '：', '#']);
    (right && !key.is_empty()).then_some(key)
}

impl<'s> Readable<'s> {
    /// Reads the document. Returns what is left after every unknown key and wrong value was removed (nothing if the
    /// document is beyond repair), and the errors, in no particular order.
    pub fn read(
        &self,
        source: &Source<'_>,
        keys: &'static [Key],
    ) -> (Spanned<DeTable<'_>>, Vec<ConfigError>) {
        self.walk(source, |walk, table, span| {
            walk.table(table, keys, span, "")
        })
    }

    /// Like [`Self::read`], for a document with any keys, whose values all have this shape.
    pub fn read_named(
        &self,
        source: &Source<'_>,
        shape: &'static Shape,
    ) -> (Spanned<DeTable<'_>>, Vec<ConfigError>) {
        self.walk(source, |walk, table, _| walk.named(table, shape))
    }

    fn walk<'a>(
        &'a self,
        source: &Source<'_>,
        read: impl FnOnce(&mut Walk<'_>, &mut DeTable<'a>, Range<usize>),
    ) -> (Spanned<DeTable<'a>>, Vec<ConfigError>) {
        let mut walk = Walk {
            source,
            errors: self.errors.clone(),
            unread_keys: self.keys.clone(),
        };
        // The parsed document is reused, because parsing takes most of the time of reading a long configuration.
        let whole: Option<Spanned<DeTable<'a>>> = self.whole.take();
        let parsed = whole.or_else(|| DeTable::parse(&self.text).ok());
        let parsed = parsed.filter(|_| !self.beyond_repair);
        let Some(table) = parsed else {
            return (Spanned::new(0..0, DeTable::new()), walk.errors);
        };
        let span = table.span();
        let mut table = table.into_inner();
        read(&mut walk, &mut table, span.clone());
        (Spanned::new(span, table), walk.errors)
    }
}

struct Walk<'s> {
    source: &'s Source<'s>,
    errors: Vec<ConfigError>,
    /// Keys that are absent but do not count as missing, because an error about them was reported.
    unread_keys: BTreeSet<String>,
}

impl Walk<'_> {
    fn wrong(&mut self, span: Range<usize>, key: &str, message: String) {
        self.errors.push(self.source.here(span).error(key, message));
    }

    /// Removes unknown keys and wrong values from a table, and reports them and the needed keys that are missing.
    /// `heading` is the table's name, empty for the whole file.
    fn table<'a>(
        &mut self,
        table: &mut DeTable<'a>,
        keys: &'static [Key],
        span: Range<usize>,
        heading: &str,
    ) {
        let written = std::mem::take(table);
        for (name, value) in written {
            let Some(key) = keys.iter().find(|key| key.name == name.get_ref()) else {
                let message = mend::unknown_key(name.get_ref(), keys.iter().map(|key| key.name));
                self.wrong(name.span(), name.get_ref(), message);
                continue;
            };
            if let Some(value) = self.value(key.name, value, &key.shape, key.example) {
                table.insert(name, value);
            } else if key.needed {
                // The key is given with a wrong value, which was reported, so it does not count as missing.
                self.unread_keys
                    .insert(format!("{heading}{}.{}", span.start, key.name));
            }
        }
        for key in keys.iter().filter(|key| key.needed) {
            let told = self
                .unread_keys
                .contains(&format!("{heading}{}.{}", span.start, key.name));
            if told || table.contains_key(key.name) || self.unread_keys.contains(key.name) {
                continue;
            }
            let message = match key.shape {
                Shape::Tables(_) => format!("at least one [[{}]] is needed", key.name),
                Shape::Table(_) if key.example.is_empty() => {
                    format!("the heading [{}] and its keys are missing", key.name)
                }
                _ => format!("missing; write {} = {}", key.name, key.example),
            };
            self.wrong(span.clone(), key.name, message);
        }
    }

    /// Removes the values that do not have this shape from a table with any keys, and reports them.
    fn named<'a>(&mut self, table: &mut DeTable<'a>, shape: &'static Shape) {
        for (name, value) in std::mem::take(table) {
            let key = name.get_ref().to_string();
            if let Some(value) = self.value(&key, value, shape, "\"…\"") {
                table.insert(name, value);
            }
        }
    }

    /// Returns a value without what is wrong inside it; `None` if the value as a whole is wrong. Reports what is
    /// wrong.
    fn value<'a>(
        &mut self,
        key: &str,
        value: Spanned<DeValue<'a>>,
        shape: &'static Shape,
        example: &'static str,
    ) -> Option<Spanned<DeValue<'a>>> {
        let span = value.span();
        let value = match (shape, value.into_inner()) {
            (
                Shape::Text | Shape::TextOrTexts | Shape::TextOrTable(_),
                text @ DeValue::String(_),
            )
            | (Shape::YesNo, text @ DeValue::Boolean(_)) => text,
            (Shape::Number, DeValue::Integer(number)) => {
                let known = i64::from_str_radix(number.as_str(), number.radix()).is_ok();
                if !known {
                    self.wrong(span, "", "the number is too large".into());
                    return None;
                }
                DeValue::Integer(number)
            }
            (Shape::OneOf(known), DeValue::String(text)) => {
                if !known.contains(&text.as_ref()) {
                    let message = format!("write one of {}", mend::listed(known));
                    self.wrong(span, "", message);
                    return None;
                }
                DeValue::String(text)
            }
            (Shape::Date, DeValue::Datetime(date)) => {
                if let Err(message) = mend::check_date(&date) {
                    self.wrong(span, "", message);
                    return None;
                }
                DeValue::Datetime(date)
            }
            (Shape::Texts | Shape::TextOrTexts, DeValue::Array(items)) => {
                self.list(key, items, &Shape::Text, example)?
            }
            (Shape::Dates, DeValue::Array(items)) => {
                self.list(key, items, &Shape::Date, example)?
            }
            (Shape::Table(keys) | Shape::TextOrTable(keys), DeValue::Table(mut table)) => {
                self.table(&mut table, keys, span.clone(), key);
                DeValue::Table(table)
            }
            (Shape::Named(shape), DeValue::Table(mut table)) => {
                self.named(&mut table, shape);
                DeValue::Table(table)
            }
            (Shape::Tables(keys), DeValue::Array(items))
                if items
                    .iter()
                    .all(|item| matches!(item.get_ref(), DeValue::Table(_))) =>
            {
                let mut tables = DeArray::new();
                for item in items {
                    let span = item.span();
                    if let DeValue::Table(mut table) = item.into_inner() {
                        self.table(&mut table, keys, span.clone(), key);
                        tables.push(Spanned::new(span, DeValue::Table(table)));
                    }
                }
                DeValue::Array(tables)
            }
            (shape, found) => {
                self.wrong(span, "", mend::wrong_kind(shape, &found, key, example));
                return None;
            }
        };
        Some(Spanned::new(span, value))
    }

    /// Returns a list without its wrong items, which are reported; `None` if it had items and all of them are wrong.
    fn list<'a>(
        &mut self,
        key: &str,
        items: DeArray<'a>,
        shape: &'static Shape,
        example: &'static str,
    ) -> Option<DeValue<'a>> {
        let empty = items.is_empty();
        let one = mend::first_of(example);
        let mut right = DeArray::new();
        for item in items {
            if let Some(item) = self.value(key, item, shape, one) {
                right.push(item);
            }
        }
        (empty || !right.is_empty()).then_some(DeValue::Array(right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::File;
    use crate::config::keys::{CALENDAR, FILE};
    use crate::line::calendar::Calendar;
    use serde::Deserialize;

    /// Returns a value of this shape, as it is written in a file, with all keys that its tables can have.
    fn whole(shape: &Shape, example: &str) -> String {
        let table = |keys: &[Key]| {
            let pairs = keys.iter();
            let pairs =
                pairs.map(|key| format!("{} = {}", key.name, whole(&key.shape, key.example)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        };
        match shape {
            Shape::Table(keys) => table(keys),
            Shape::Tables(keys) => format!("[{}]", table(keys)),
            Shape::Named(shape) => format!("{{ en = {} }}", whole(shape, "\"…\"")),
            _ => example.to_owned(),
        }
    }

    fn document(keys: &[Key]) -> String {
        let lines = keys.iter();
        lines
            .map(|key| format!("{} = {}\n", key.name, whole(&key.shape, key.example)))
            .collect()
    }

    #[test]
    fn the_number_of_errors_is_bounded() {
        let mut text = "x = =\n".repeat(MAX_UNREADABLE);
        for n in 0..30 {
            text.push_str(&format!("list{n} = [\nkey{n} = 1\n"));
        }
        let source = Source {
            text: &text,
            name: "whole.toml",
        };
        let readable = readable(&source);
        assert_eq!(readable.errors.len(), MAX_UNREADABLE);
        assert!(readable.beyond_repair);
    }

    #[test]
    fn every_key_that_has_a_shape_can_be_read_and_its_example_is_right() {
        let text = document(FILE);
        let source = Source {
            text: &text,
            name: "whole.toml",
        };
        let readable = readable(&source);
        let (table, errors) = readable.read(&source, FILE);
        assert_eq!(errors, [], "{text}");
        let file = File::deserialize(toml::de::Deserializer::from(table));
        let file = file.map_err(|error| error.to_string());
        assert_eq!(file.map(|file| file.line.len()), Ok(1));

        let calendar = document(CALENDAR);
        let source = Source {
            text: &calendar,
            name: "calendar.toml",
        };
        let (_, errors) = super::readable(&source).read(&source, CALENDAR);
        assert_eq!(errors, []);
        let twice = calendar.replace(", off = [2024-04-05]", "");
        assert!(Calendar::parse("whole", &twice).is_ok(), "{calendar}");
    }

    #[test]
    fn any_text_is_survived() {
        for text in [
            "",
            "\n",
            "=",
            "[",
            "[[",
            "[a",
            "a",
            "a=",
            "a=[",
            "a={",
            "a=\"\"\"",
            "\u{feff}",
            "a = 1\r\nb = ",
            "[server]\nlisten = [\n\"a\",\n",
            "[server]\n[server]\n",
            "line = 5\nprovider = [1]\n",
            "é",
            "a=1 é",
            "\"\" = 1",
            "x.y = \n.z = 3",
        ] {
            let source = Source { text, name: "x" };
            let (_, errors) = readable(&source).read(&source, FILE);
            assert!(!errors.is_empty(), "{text:?}");
        }
    }
}
