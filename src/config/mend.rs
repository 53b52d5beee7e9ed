//! Advice on how to correct an error in a configuration file, in an operator's terms. No message contains a given
//! text, because it may be a secret in the wrong place; what looks like a date is shown.

use super::keys::Shape;
use toml::de::DeValue;
use toml::value::Datetime;

/// Quotation marks that word processors and Chinese keyboards produce instead of `"`.
const OTHER_QUOTES: &[char] = &[
    '“', '”', '„', '‟', '‘', '’', '‚', '«', '»', '‹', '›', '「', '」', '『', '』', '＂', '＇', '`',
    '´',
];

/// Full-width signs that Chinese keyboards produce, and the sign that the file needs instead of each.
const WIDE_SIGNS: &[(char, char)] = &[
    ('＝', '='),
    ('，', ','),
    ('、', ','),
    ('［', '['),
    ('］', ']'),
    ('【', '['),
    ('】', ']'),
    ('｛', '{'),
    ('｝', '}'),
    ('＃', '#'),
    ('－', '-'),
    ('０', '0'),
    ('１', '1'),
    ('２', '2'),
    ('３', '3'),
    ('４', '4'),
    ('５', '5'),
    ('６', '6'),
    ('７', '7'),
    ('８', '8'),
    ('９', '9'),
];

/// Returns what is wrong with a line that is not TOML, and how to correct it. `reason` is the parser's message, which
/// is used only to recognise a duplicate key; `key` is the key on the line, or empty.
pub(super) fn unreadable(line: &str, reason: &str, key: &str) -> String {
    if reason.contains("duplicate key") {
        return "the key is given twice; keep one of the two".into();
    }
    let (before, value) = line.split_once('=').unwrap_or(("", line));
    let value = value.split('#').next().unwrap_or_default().trim();
    // Inside a quoted text the signs looked for here are allowed.
    let bare = outside_quotes(line);
    let key = if key.is_empty() { "key" } else { key };
    if bare.contains(OTHER_QUOTES) {
        return format!("use straight quotes, as in {key} = \"…\"");
    }
    if let Some((sign, right)) = WIDE_SIGNS.iter().find(|(sign, _)| bare.contains(*sign)) {
        return format!("write {right} in the place of {sign}");
    }
    let dates = dates_in(&bare);
    let other_form = |(word, date): &&(String, Option<String>)| date.as_ref() != Some(word);
    let wrong: Vec<_> = dates.iter().filter(other_form).collect();
    if let Some((word, _)) = wrong.iter().find(|(_, date)| date.is_none()) {
        return format!("there is no day {word}; correct it");
    }
    if !wrong.is_empty() {
        let right: Vec<_> = wrong.iter().filter_map(|(_, date)| date.clone()).collect();
        return format!("write {}", right.join(" and "));
    }
    if line.matches('"').count() % 2 == 1 {
        return "a quote is missing; a text begins and ends with \" on the same line".into();
    }
    if line.trim_start().starts_with('[') {
        return "not a heading; write it like [server] or [[line]], alone on its line".into();
    }
    if before.is_empty() && !line.contains('=') {
        return "not a key with a value; write it like key = \"text\", or begin a remark with #"
            .into();
    }
    match value.to_lowercase().as_str() {
        "" => return format!("a value is missing; write it like {key} = \"text\""),
        "yes" | "on" | "true" | "是" => return format!("write {key} = true"),
        "no" | "off" | "false" | "否" => return format!("write {key} = false"),
        _ => {}
    }
    match value.chars().next() {
        Some(c) if c.is_ascii_digit() || c == '+' || c == '-' => format!(
            "a number has digits only, and everything else stands in quotes, as in {key} = \"…\""
        ),
        Some('[' | '{') => "the list is not complete; write it like [\"one\", \"two\"]".into(),
        Some('"' | '\'') => {
            "not a text in quotes and nothing else; write \\\\ in it for \\, and \\\" for \"".into()
        }
        _ => format!("put the text in straight quotes, as in {key} = \"…\""),
    }
}

/// Returns the message for a value `found` whose kind is not `shape`. `example` is a valid value of the key.
pub(super) fn wrong_kind(shape: &Shape, found: &DeValue<'_>, key: &str, example: &str) -> String {
    let dates = matches!(shape, Shape::Date | Shape::Dates);
    if let (true, DeValue::String(text)) = (dates, found) {
        return match dates_in(text).as_slice() {
            [(_, Some(date))] => format!("write {date}, without quotes"),
            [(word, None)] => format!("there is no day {word}; write a date without quotes"),
            _ => "a date is needed; write it like 2024-03-06, without quotes".into(),
        };
    }
    if let (Shape::YesNo, DeValue::String(text)) = (shape, found) {
        match text.to_lowercase().as_str() {
            "yes" | "on" | "true" | "是" => return format!("write {key} = true, without quotes"),
            "no" | "off" | "false" | "否" => {
                return format!("write {key} = false, without quotes");
            }
            _ => {}
        }
    }
    let expected = match shape {
        Shape::Text => "a text in quotes is needed",
        Shape::Number => "a whole number without quotes is needed",
        Shape::YesNo => "true or false is needed, without quotes",
        Shape::Date => "a date without quotes is needed",
        Shape::Dates => "a list of dates in [ ] is needed",
        Shape::Texts => "a list of texts in [ ] is needed",
        Shape::TextOrTexts => "a text in quotes is needed, or a list of two while it is replaced",
        Shape::TextOrTable(_) => "a text in quotes is needed, or { words = \"…\", audio = \"…\" }",
        Shape::OneOf(known) => return format!("write one of {}", listed(known)),
        Shape::Tables(_) => {
            return format!("keys under a heading of their own are needed; write [[{key}]]");
        }
        Shape::Table(_) | Shape::Named(_) if example.is_empty() => {
            return format!("keys under a heading are needed; write [{key}]");
        }
        Shape::Table(_) | Shape::Named(_) => "keys and values in { } are needed",
    };
    format!(
        "{} is no use here: {expected}; write it like {key} = {example}",
        kind(found)
    )
}

fn kind(found: &DeValue<'_>) -> &'static str {
    match found {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number without quotes",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time without quotes",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a group of keys",
    }
}

/// Checks that this is a date without a time, and that the day exists; otherwise returns how to correct it.
pub(super) fn check_date(date: &Datetime) -> Result<(), String> {
    let (Some(day), None, None) = (date.date, date.time, date.offset) else {
        return Err("a date alone is needed; write it like 2024-03-06".into());
    };
    let (year, month, day) = (
        i32::from(day.year),
        u32::from(day.month),
        u32::from(day.day),
    );
    match chrono::NaiveDate::from_ymd_opt(year, month, day) {
        Some(_) => Ok(()),
        None => Err(format!("there is no day {date}; correct it")),
    }
}

/// Returns the message for an unknown key; it names the known key most similar to it, or all known keys if none is
/// similar.
pub(super) fn unknown_key(name: &str, known: impl Iterator<Item = &'static str>) -> String {
    let known: Vec<_> = known.collect();
    let near = known
        .iter()
        .map(|key| (strsim::damerau_levenshtein(name, key), *key))
        .filter(|(distance, key)| *distance <= 1 + key.len() / 4)
        .min();
    match near {
        Some((_, key)) => format!("there is no such key here; write {key}"),
        None => format!("there is no such key here; there are {}", known.join(", ")),
    }
}

pub(super) fn listed(known: &[&str]) -> String {
    let quoted: Vec<_> = known.iter().map(|text| format!("\"{text}\"")).collect();
    quoted.join(", ")
}

/// Returns the first item of `example`, which is a list as it is written in a file.
pub(super) fn first_of(example: &'static str) -> &'static str {
    let inside = example.trim_matches(['[', ']']);
    inside.split(", ").next().unwrap_or(inside)
}

/// Returns a line without its quoted texts and without its comment.
pub(super) fn outside_quotes(line: &str) -> String {
    let mut outside = String::new();
    let mut quoted = None;
    for c in line.chars() {
        match quoted {
            Some(quote) if c == quote => quoted = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quoted = Some(c),
            None if c == '#' => break,
            None => outside.push(c),
        }
    }
    outside
}

/// Returns the dates in a text: a year of four digits, a month and a day with any of `SIGNS` between them, or eight
/// digits. Each is returned as written, and as the file needs it or, for a day that does not exist, with `None`. Day
/// and month before the year are recognised only if exactly one of the two numbers is above 12, and is therefore the
/// day.
fn dates_in(text: &str) -> Vec<(String, Option<String>)> {
    const SIGNS: &[char] = &['-', '/', '.', '年', '月', '日', '–', '—', '－', '／', '．'];
    let mut dates = Vec::new();
    for word in text.split(|c: char| !(c.is_ascii_digit() || SIGNS.contains(&c))) {
        let parts: Vec<&str> = word.split(SIGNS).filter(|part| !part.is_empty()).collect();
        let (year, month, day) = match parts.as_slice() {
            [year, month, day] if year.len() == 4 => (*year, *month, *day),
            [first, second, year] if year.len() == 4 => {
                let over_twelve = |part: &str| part.parse::<u32>().is_ok_and(|part| part > 12);
                match (over_twelve(first), over_twelve(second)) {
                    (true, false) => (*year, *second, *first),
                    (false, true) => (*year, *first, *second),
                    _ => continue,
                }
            }
            [all] if all.len() == 8 => (&all[..4], &all[4..6], &all[6..]),
            _ => continue,
        };
        let numbers = (year.parse(), month.parse(), day.parse());
        if let (Ok(year), Ok(month), Ok(day)) = numbers {
            let date = chrono::NaiveDate::from_ymd_opt(year, month, day);
            dates.push((word.to_owned(), date.map(|date| date.to_string())));
        }
    }
    dates
}
