//! The sentences the line speaks, embedded from `config/prompts/<language>.toml`.

use super::dates::chinese;
use super::spoken::Spoken;
use crate::base::wording::{Sentence, wording};
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

/// A sentence or a part of one that the line speaks, with its key in the file and at most one blank, such as `{team}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    id: &'static str,
    text: String,
}

impl Sentence for Prompt {
    fn new(id: &'static str, text: String) -> Self {
        Self { id, text }
    }
}

/// Dereferences to the text as written in the file, with the blank.
impl Deref for Prompt {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl Prompt {
    /// Returns the prompt as spoken. Only for a prompt without a blank.
    pub fn say(&self) -> Spoken {
        Spoken::words(self.id, &self.text)
    }

    /// Returns the prompt with its blank filled: the part before it, `value`, and the part after it. Without a blank,
    /// `value` is not used.
    pub fn fill(&self, value: Spoken) -> Spoken {
        let Some((before, after)) = self.around_blank() else {
            return self.say();
        };
        let part = |n, text| Spoken::words(format!("{}-{n}", self.id), text);
        [part(1, before), value, part(2, after)]
            .into_iter()
            .collect()
    }

    /// Returns the name of the blank; `None` if the prompt has none.
    pub fn blank(&self) -> Option<&str> {
        let (before, after) = self.around_blank()?;
        self.text
            .get(before.len() + 1..self.text.len() - after.len() - 1)
    }

    /// Replaces the text by `words`, which must have the same blank.
    ///
    /// # Errors
    ///
    /// A message that says what would be right, if `words` are empty or white space, do not have the prompt's blank
    /// exactly once, or have any other brace.
    pub fn reword(&mut self, words: String) -> Result<(), String> {
        if words.trim().is_empty() {
            return Err("callers hear these words; they cannot be empty".into());
        }
        let reworded = Self {
            id: self.id,
            text: words,
        };
        let around = reworded.around_blank();
        let stray = match around {
            Some((before, after)) => before.contains('}') || after.contains(['{', '}']),
            None => reworded.text.contains(['{', '}']),
        };
        if stray || reworded.blank() != self.blank() {
            return Err(match self.blank() {
                Some(blank) => format!("{{{blank}}} has to stand in it once, and no other blank"),
                None => "there is no blank to fill in it".into(),
            });
        }
        *self = reworded;
        Ok(())
    }

    /// Returns the ids of the prompt's own sounds, without those of a value in its blank, in the order in which they
    /// are spoken.
    pub fn sounds(&self) -> Vec<String> {
        let whole = self.fill(Spoken::default());
        whole.sounds().map(|sound| sound.id.clone()).collect()
    }

    fn around_blank(&self) -> Option<(&str, &str)> {
        let (before, rest) = self.text.split_once('{')?;
        let (_, after) = rest.split_once('}')?;
        Some((before, after))
    }
}

wording! {
    /// Every sentence the line can say in one language, one field for each key of the file. A file with a missing, an
    /// empty or an unknown key is an error.
    #[expect(missing_docs, reason = "the files in config/prompts say what each prompt is for")]
    pub struct Prompts: Prompt {
    greeting, confidential, menu_report, menu_duty, menu_inform, menu_call_back, menu_language, wrong_key,
    guidance, guidance_again, guidance_add, nothing_heard, one_minute, time_is_up, review, recorded,
    no_more_takes, sent, receipt, write_down, once_more, goodbye, call_again, not_now,
    type_receipt, mistyped, unknown_receipt, shared_receipt, try_later, not_looked_up, no_more_tries,
    is_queued, is_claimed, is_closed, reply, reply_by_people, menu_earlier, added, receipt_stays,
    closed_break, closed_after_hours, closed_holiday, intake_ends, intake_over, intake_not_yet, not_started, ended,
    connecting, talk_recorded, duty_absent, duty_busy, whisper,
    reopens, reopens_today, leave_now, menu_elsewhere,
    inspected, scope, disciplines, out_of_scope, post, letter_boxes, elsewhere, list_comma,
    not_in_service,
    }
}

static EMBEDDED: LazyLock<Vec<(&'static str, Arc<Prompts>)>> = LazyLock::new(|| {
    [
        ("zh-CN", include_str!("../../config/prompts/zh-CN.toml")),
        ("en", include_str!("../../config/prompts/en.toml")),
    ]
    .into_iter()
    .map(|(language, text)| {
        let prompts = Prompts::parse(text)
            .unwrap_or_else(|error| panic!("config/prompts/{language}.toml: {error}"));
        (language, Arc::new(prompts))
    })
    .collect()
});

/// Returns the languages with embedded prompts.
pub fn languages() -> impl Iterator<Item = &'static str> {
    EMBEDDED.iter().map(|(language, _)| *language)
}

/// Returns the embedded prompts of a language. If it has none, returns those of the first embedded language, so that
/// there is always something to say.
pub fn prompts(language: &str) -> &'static Arc<Prompts> {
    EMBEDDED
        .iter()
        .find(|(known, _)| *known == language)
        .map_or(&EMBEDDED[0].1, |(_, prompts)| prompts)
}

/// Estimates how long `text` takes to speak, in seconds.
///
/// Counted, not measured: each Chinese character as a syllable, at 4.5 syllables a second (announcers and telephone
/// voices speak 4 to 5), and each other word at 2.6 words a second. A digit counts as a syllable in Chinese, and as a
/// word otherwise. 0.4 s for the end of a sentence, a colon or a semicolon; 0.2 s for a comma.
pub fn speech_seconds(language: &str, text: &str) -> f64 {
    let mut seconds = 0.0;
    let mut in_word = false;
    for c in text.chars() {
        let ends_word = match c {
            '。' | '！' | '？' | '.' | '!' | '?' | '：' | ':' | '；' | ';' => {
                seconds += 0.4;
                true
            }
            '，' | '、' | ',' => {
                seconds += 0.2;
                true
            }
            '\u{3400}'..='\u{9fff}' => {
                seconds += 1.0 / 4.5;
                true
            }
            c if c.is_ascii_digit() => {
                seconds += if chinese(language) {
                    1.0 / 4.5
                } else {
                    1.0 / 2.6
                };
                true
            }
            c if c.is_alphabetic() => {
                if !in_word {
                    seconds += 1.0 / 2.6;
                }
                in_word = true;
                false
            }
            _ => true,
        };
        if ends_word {
            in_word = false;
        }
    }
    seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_is_whole_and_fills_the_same_blanks() {
        let blanks = |prompts: &Prompts| {
            prompts
                .all()
                .into_iter()
                .map(|(id, text)| {
                    let mut found: Vec<_> = text
                        .split('{')
                        .skip(1)
                        .filter_map(|rest| rest.split('}').next())
                        .map(str::to_owned)
                        .collect();
                    found.sort();
                    (id, found)
                })
                .collect::<Vec<_>>()
        };
        for language in languages() {
            assert!(
                prompts(language)
                    .all()
                    .iter()
                    .all(|(_, text)| !text.is_empty())
            );
            assert_eq!(
                blanks(prompts(language)),
                blanks(prompts("zh-CN")),
                "{language}"
            );
        }
    }

    #[test]
    fn the_guidance_takes_at_most_twelve_seconds() {
        for language in languages() {
            let seconds = speech_seconds(language, &prompts(language).guidance);
            assert!(seconds <= 12.0, "{language}: {seconds:.1} s");
        }
    }
}
