//! `[prompts]`: the operator's own words and recordings, and what speaks where neither is.

use super::check::Checker;
use super::error::{ConfigError, Source};
use super::file::{self, OneOrTwo};
use crate::call::prompts::{self, Prompts};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::Spanned;

/// Where prompts and their sounds are.
#[derive(Debug, Clone)]
pub struct PromptsConfig {
    /// The operator's folder: words in `<language>.toml`, recordings in `<language>/<id>.wav`.
    pub folder: PathBuf,
    /// Where synthesized sounds are kept.
    pub cache: PathBuf,
    /// Where the sound of a reply is while a call can hear it.
    pub passing: PathBuf,
    /// Command lines that speak, by language: words on standard input, a WAV on standard output.
    pub synthesize: BTreeMap<String, String>,
    /// The prompts, by language, in the operator's words.
    words: BTreeMap<String, Arc<Prompts>>,
    /// Recordings with a name of their own, by language and sound.
    audio: BTreeMap<(String, String), PathBuf>,
}

impl PromptsConfig {
    /// The prompts of a language.
    pub fn words(&self, language: &str) -> &Arc<Prompts> {
        let own = self.words.get(language);
        own.unwrap_or_else(|| prompts::prompts(language))
    }

    /// Where the operator's recording of a sound is, if there is one.
    pub fn recording(&self, language: &str, id: &str) -> PathBuf {
        let named = self.audio.get(&(language.to_owned(), id.to_owned()));
        let usual = || self.folder.join(language).join(format!("{id}.wav"));
        named.cloned().unwrap_or_else(usual)
    }
}

/// A prompt in the operator's file.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "words, or { words = \"…\", audio = \"greeting.wav\" }"
)]
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
    pub(super) fn prompts(&self, written: &file::Prompts) -> Result<PromptsConfig, ConfigError> {
        let path = |given: &Option<Spanned<String>>, default: &str| match given {
            Some(path) if path.get_ref().trim().is_empty() => self.wrong(
                path,
                "a folder is needed; leave the key out for the usual one",
            ),
            Some(path) => Ok(self.folder.join(path.get_ref())),
            None => Ok(self.folder.join(default)),
        };
        let mut synthesize = BTreeMap::new();
        for (language, command) in &written.synthesize {
            if !prompts::languages().any(|known| known == language.get_ref()) {
                let known: Vec<_> = prompts::languages().collect();
                return self.wrong(
                    language,
                    format!("there are prompts in {} only", known.join(", ")),
                );
            }
            if command.get_ref().trim().is_empty() {
                return self.wrong(command, "a command line is needed");
            }
            synthesize.insert(language.get_ref().clone(), command.get_ref().clone());
        }
        let mut config = PromptsConfig {
            folder: path(&written.folder, "prompts")?,
            cache: path(&written.cache, "data/sounds")?,
            passing: path(&written.passing, "/run/dutyline/passing")?,
            synthesize,
            words: BTreeMap::new(),
            audio: BTreeMap::new(),
        };
        for language in prompts::languages() {
            config.read_own(language)?;
        }
        Ok(config)
    }
}

impl PromptsConfig {
    /// Reads the operator's words of a language, if there are any.
    fn read_own(&mut self, language: &str) -> Result<(), ConfigError> {
        let path = self.folder.join(format!("{language}.toml"));
        let name = path.display().to_string();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(ConfigError::unreadable(&name, &error)),
        };
        let source = Source {
            text: &text,
            name: &name,
        };
        let own: BTreeMap<Spanned<String>, Spanned<Own>> =
            toml::from_str(&text).map_err(|error| ConfigError::syntax(&source, &error))?;
        let mut prompts = Prompts::clone(prompts::prompts(language));
        for (id, own) in own {
            let wrong = |message: String| source.here(own.span()).error(id.get_ref(), message);
            let Some(prompt) = prompts.get_mut(id.get_ref()) else {
                return Err(wrong("there is no such prompt".into()));
            };
            let (words, audio) = match own.get_ref() {
                Own::Words(words) => (Some(words), None),
                Own::Recorded(recorded) => (recorded.words.as_ref(), recorded.audio.as_ref()),
            };
            if let Some(words) = words {
                prompt.reword(words.clone()).map_err(wrong)?;
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
                return Err(wrong(format!("audio: {needed} would be right")));
            }
            let folder = self.folder.join(language);
            for (sound, file) in sounds.into_iter().zip(audio.values()) {
                let key = (language.to_owned(), sound);
                self.audio.insert(key, folder.join(Path::new(file)));
            }
        }
        self.words.insert(language.to_owned(), Arc::new(prompts));
        Ok(())
    }
}
