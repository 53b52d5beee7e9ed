//! Every sound that lines can need in a language, to be recorded by a reader or synthesized.
//!
//! Pure. Built by the same functions as the conversation: each prompt is filled with every value its blank can hold;
//! the receipt is represented by the ten digits. Texts written by members are not included.

use super::script::{Sound, Spoken};
use super::words::Speaker;
use crate::line::Line;
use crate::line::dates::{date_in_words, digits_in_words, time_in_words};
use crate::line::prompts::Prompt;
use std::collections::HashSet;

/// A sound, and a sentence that contains it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The sound.
    pub sound: Sound,
    /// The first sentence that contains the sound, which shows the reader the intonation; `None` if the sentence
    /// consists of this sound alone.
    pub sentence: Option<String>,
}

/// Returns the sounds of these lines in a language, each once, in the order of the prompts, which is about the order in
/// which they are spoken. Lines that do not speak the language are skipped.
pub fn catalogue<'a>(lines: impl IntoIterator<Item = &'a Line>, language: &str) -> Vec<Entry> {
    let speakers: Vec<Speaker<'_>> = lines
        .into_iter()
        .filter(|line| line.languages.iter().any(|spoken| spoken == language))
        .map(|line| Speaker::new(line, language))
        .collect();
    let Some(first) = speakers.first() else {
        return Vec::new();
    };
    let mut listed = HashSet::new();
    let mut entries = Vec::new();
    for (_, prompt) in first.prompts().all() {
        let sentences = speakers
            .iter()
            .flat_map(|speaker| sentences(speaker, prompt));
        for spoken in sentences {
            let alone = spoken.sounds().count() == 1;
            for sound in spoken.sounds() {
                if listed.insert(sound.id.clone()) {
                    entries.push(Entry {
                        sound: sound.clone(),
                        sentence: (!alone).then(|| spoken.to_string()),
                    });
                }
            }
        }
    }
    entries
}

/// Returns the languages of these lines, each once, in the order in which they first occur.
pub fn languages<'a>(lines: impl IntoIterator<Item = &'a Line>) -> Vec<&'a str> {
    let mut languages: Vec<&str> = Vec::new();
    for language in lines.into_iter().flat_map(|line| &line.languages) {
        if !languages.contains(&language.as_str()) {
            languages.push(language);
        }
    }
    languages
}

/// Returns texts of a prompt that together contain every sound with which the line can say it: one text for each value
/// that its blank can hold, and one with all ten digits for the receipt. Empty if the line has no words for the blank.
fn sentences(speaker: &Speaker<'_>, prompt: &Prompt) -> Vec<Spoken> {
    let (line, language, words) = (speaker.line, speaker.language, speaker.words);
    let schedule = &line.schedule;
    let one = |what: &str, words: &Option<String>| -> Vec<Spoken> {
        let words = words.iter();
        words.map(|words| speaker.own(what, words)).collect()
    };
    let values = match prompt.blank() {
        None => return vec![prompt.say()],
        Some("team") => vec![speaker.own("name", &words.name)],
        Some("date") => [schedule.intake.to, schedule.intake.from]
            .map(|date| date_in_words(language, date))
            .into(),
        Some("time") => schedule
            .openings(schedule.inspection.from)
            .map(|at| time_in_words(language, &at))
            .collect(),
        Some("receipt") => vec![digits_in_words(language, "0123456789")],
        Some("inspected") => one("inspected", &words.inspected),
        Some("scope") => one("scope", &words.scope),
        Some("post") => one("post", &words.post),
        Some("disciplines") => speaker
            .all("discipline", &words.disciplines)
            .into_iter()
            .collect(),
        Some("boxes") => speaker
            .all("box", &words.letter_boxes)
            .into_iter()
            .collect(),
        Some("elsewhere") => speaker
            .all("elsewhere", &words.elsewhere)
            .into_iter()
            .collect(),
        // There is no other blank: a reworded prompt must have the blank of the embedded one, and a test covers the
        // blanks of all embedded prompts.
        Some(_) => Vec::new(),
    };
    values.into_iter().map(|value| prompt.fill(value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, EMBEDDED, EMBEDDED_NAME};
    use std::path::Path;

    fn default_line() -> Line {
        let config = Config::parse(EMBEDDED, EMBEDDED_NAME, Path::new(".")).unwrap();
        config.lines[0].line.clone()
    }

    fn ids(lines: &[Line], language: &str) -> Vec<String> {
        let entries = catalogue(lines, language);
        entries.into_iter().map(|entry| entry.sound.id).collect()
    }

    #[test]
    fn the_greeting_comes_first_and_each_sound_once() {
        let line = default_line();
        for language in ["zh-CN", "en"] {
            let ids = ids(&[line.clone(), line.clone()], language);
            assert_eq!(ids[..2], ["greeting-1", "fcg-5-name"], "{language}");
            let unlike: HashSet<_> = ids.iter().collect();
            assert_eq!(unlike.len(), ids.len(), "{language}");
        }
    }

    #[test]
    fn only_hours_at_which_a_line_opens_are_recorded() {
        let ids = ids(&[default_line()], "zh-CN");
        let of = |start: &str| {
            let ids = ids.iter().filter(|id| id.starts_with(start));
            let mut ids: Vec<_> = ids.map(String::as_str).collect();
            ids.sort_unstable();
            ids
        };
        assert_eq!(of("hour-"), ["hour-3", "hour-8"]);
        assert_eq!(of("minute-"), ["minute-30"]);
        assert_eq!(of("part-"), ["part-afternoon", "part-morning"]);
        assert_eq!(of("month-"), ["month-3", "month-4", "month-5", "month-6"]);
        assert_eq!(of("weekday-").len(), 7, "7 April is a Sunday");
        assert_eq!(of("digit-").len(), 10);
        assert_eq!(of("fcg-5-box-").len(), 5);
    }

    #[test]
    fn whoever_reads_is_told_the_sentence() {
        let line = default_line();
        let entries = catalogue([&line], "zh-CN");
        let sentence = |id: &str| {
            let entry = entries.iter().find(|entry| entry.sound.id == id);
            entry.unwrap().sentence.as_deref()
        };
        let greeting = "您好，这里是防城港市委第五巡察组值班电话。";
        assert_eq!(sentence("greeting-2"), Some(greeting));
        assert_eq!(sentence("fcg-5-name"), Some(greeting));
        assert_eq!(sentence("confidential"), None);
        assert_eq!(
            sentence("month-6"),
            Some("反映问题的受理时间到6月14日星期五为止。")
        );
    }

    #[test]
    fn every_prompt_is_in_it_with_every_blank() {
        let line = default_line();
        for language in languages([&line]) {
            let ids = ids(std::slice::from_ref(&line), language);
            for (id, prompt) in Speaker::new(&line, language).prompts().all() {
                let sounds = prompt.say().sounds().next().is_some();
                let listed = ids
                    .iter()
                    .any(|listed| listed == id || listed.starts_with(&format!("{id}-")));
                assert_eq!(listed, sounds, "{language} {id}");
            }
        }
    }

    #[test]
    fn a_language_nobody_speaks_has_no_sounds() {
        let mut line = default_line();
        line.languages = vec!["en".into()];
        assert_eq!(catalogue([&line], "zh-CN"), []);
        assert_eq!(languages([&line, &default_line()]), ["en", "zh-CN"]);
    }
}
