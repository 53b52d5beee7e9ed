//! `[prompts]`: the operator's own words and recordings, and the synthesizers for what is not recorded.

use super::check::Checker;
use super::error::{ConfigError, Source};
use super::file::{self, OneOrTwo};
use super::{keys, shape};
use crate::line::prompts::{self, Prompts};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::Spanned;
use toml::de::Deserializer;

/// The prompts in all languages, where their sounds are stored, and how missing ones are synthesized.
#[derive(Debug, Clone)]
pub struct PromptsConfig {
    /// The operator's folder: words in `<language>.toml`, recordings in `<language>/<id>.wav`.
    pub folder: PathBuf,
    /// Folder of the synthesized sounds.
    pub cache: PathBuf,
    /// Folder of the sounds of replies, which are kept only while a call can play them.
    pub passing: PathBuf,
    /// Command lines that synthesize speech, by language: text on standard input, a WAV file on standard output.
    pub synthesize: BTreeMap<String, String>,
    /// The prompts by language, those in the operator's file reworded; only languages that have such a file.
    words: BTreeMap<String, Arc<Prompts>>,
    /// Paths of recordings that the operator's file names explicitly, by language and id of the sound.
    audio: BTreeMap<(String, String), PathBuf>,
}

impl PromptsConfig {
    /// Returns the prompts of a language, with the operator's words where there are any.
    pub fn words(&self, language: &str) -> &Arc<Prompts> {
        let own = self.words.get(language);
        own.unwrap_or_else(|| prompts::prompts(language))
    }

    /// Returns the path of the operator's recording of a sound, given by its id; the file need not exist.
    pub fn recording(&self, language: &str, id: &str) -> PathBuf {
        let named = self.audio.get(&(language.to_owned(), id.to_owned()));
        let usual = || self.folder.join(language).join(format!("{id}.wav"));
        named.cloned().unwrap_or_else(usual)
    }
}

/// A prompt in the operator's file: words alone, or a table of words, recordings or both.
#[derive(Deserialize)]
#[serde(untagged)]
enum Own {
    Words(String),
    Recorded(Recorded),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    words: Option<String>,
    audio: Option<OneOrTwo>,
}

impl Checker<'_> {
    /// Checks `[prompts]` and the operator's files of words; `None` if there is an error in them, which is recorded.
    pub(super) fn prompts(&self, written: &file::Prompts) -> Option<PromptsConfig> {
        let path = |given: &Option<Spanned<String>>, default: &str| {
            self.keep(match given {
                Some(path) if path.get_ref().trim().is_empty() => self.wrong(
                    path,
                    "a folder is needed; leave the key out for the usual one",
                ),
                Some(path) => Ok(self.folder.join(path.get_ref())),
                None => Ok(self.folder.join(default)),
            })
        };
        let mut right = true;
        let mut synthesize = BTreeMap::new();
        for (language, command) in &written.synthesize {
            if !prompts::languages().any(|known| known == language.get_ref()) {
                let known: Vec<_> = prompts::languages().collect();
                let message = format!("there are prompts in {} only", known.join(", "));
                right &= self.keep(self.wrong::<_, ()>(language, message)).is_some();
            }
            if command.get_ref().trim().is_empty() {
                let message = "a command line is needed";
                right &= self.keep(self.wrong::<_, ()>(command, message)).is_some();
            }
            synthesize.insert(language.get_ref().clone(), command.get_ref().clone());
        }
        let folder = path(&written.folder, "prompts");
        let cache = path(&written.cache, "data/sounds");
        let passing = path(&written.passing, "/run/dutyline/passing");
        let mut config = PromptsConfig {
            folder: folder?,
            cache: cache?,
            passing: passing?,
            synthesize,
            words: BTreeMap::new(),
            audio: BTreeMap::new(),
        };
        for language in prompts::languages() {
            for error in config.read_own(language) {
                right = false;
                self.note(error);
            }
        }
        right.then_some(config)
    }
}

impl PromptsConfig {
    /// Reads the operator's file of words of a language, if there is one, and returns the errors in it.
    fn read_own(&mut self, language: &str) -> Vec<ConfigError> {
        let path = self.folder.join(format!("{language}.toml"));
        let name = path.display().to_string();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => return vec![ConfigError::unreadable(&name, &error)],
        };
        let source = Source {
            text: &text,
            name: &name,
        };
        let readable = shape::readable(&source);
        let (table, mut errors) = readable.read_named(&source, keys::WORDS);
        let own = BTreeMap::<Spanned<String>, Spanned<Own>>::deserialize(Deserializer::from(table));
        let own = match own {
            Ok(own) => own,
            Err(error) => {
                let here = source.here(error.span().unwrap_or(0..0));
                errors.push(here.error("", "cannot be read as it is written".into()));
                return errors;
            }
        };
        let mut prompts = Prompts::clone(prompts::prompts(language));
        for (id, own) in own {
            let wrong = |message: String| source.here(own.span()).error(id.get_ref(), message);
            let Some(prompt) = prompts.get_mut(id.get_ref()) else {
                errors.push(wrong("there is no such prompt".into()));
                continue;
            };
            let (words, audio) = match own.get_ref() {
                Own::Words(words) => (Some(words), None),
                Own::Recorded(recorded) => (recorded.words.as_ref(), recorded.audio.as_ref()),
            };
            if let Some(words) = words
                && let Err(message) = prompt.reword(words.clone())
            {
                errors.push(wrong(message));
            }
            let Some(audio) = audio else {
                continue;
            };
            let sounds = prompt.sounds();
            if sounds.len() != audio.values().len() {
                let needed = match sounds.len() {
                    1 => "one recording".to_owned(),
                    n => format!("{n} recordings, before and after the blank"),
                };
                errors.push(wrong(format!("audio: {needed} would be right")));
                continue;
            }
            let folder = self.folder.join(language);
            for (sound, file) in sounds.into_iter().zip(audio.values()) {
                let key = (language.to_owned(), sound);
                self.audio.insert(key, folder.join(Path::new(file)));
            }
        }
        self.words.insert(language.to_owned(), Arc::new(prompts));
        errors
    }
}
