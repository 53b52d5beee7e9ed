//! The state of each sound: recorded by the operator, synthesized, or missing.

use super::synthesizer::Synthesizer;
use crate::audio::format::{self, Wrong};
use crate::call::catalogue::{self, Entry};
use crate::config::Config;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A sound of the catalogue, and the paths of the files it may be in; neither needs to exist.
#[derive(Clone, Debug)]
pub struct Place {
    /// The language.
    pub language: String,
    /// The sound, and a sentence that contains it.
    pub entry: Entry,
    /// Path of the operator's recording of it.
    pub recording: PathBuf,
    /// Path of its synthesized file, and the synthesizer that makes it; `None` if no synthesizer is configured for
    /// the language.
    pub cached: Option<(PathBuf, Synthesizer)>,
}

/// Returns every sound of the configured lines, or with `only` those of one language, by language and in the order of
/// the catalogue.
pub fn places(config: &Config, only: Option<&str>) -> Vec<Place> {
    let lines = || config.lines.iter().map(|entry| &entry.line);
    let settings = &config.prompts;
    let mut places = Vec::new();
    for language in catalogue::languages(lines()) {
        if only.is_some_and(|only| only != language) {
            continue;
        }
        let synthesizer = settings.synthesize.get(language).map(Synthesizer::new);
        for entry in catalogue::catalogue(lines(), language) {
            let id = &entry.sound.id;
            let cached = synthesizer.as_ref().map(|synthesizer| {
                let name = cache_name(language, synthesizer, entry.sound.read_out());
                let file = settings.cache.join(language).join(name);
                (file, synthesizer.clone())
            });
            places.push(Place {
                language: language.to_owned(),
                recording: settings.recording(language, id),
                cached,
                entry,
            });
        }
    }
    places
}

impl Place {
    /// Returns the file to play: the recording, or else the synthesized file; `None` if neither exists in the right
    /// format.
    pub fn sound(&self) -> Option<&Path> {
        match (self.recorded(), &self.cached) {
            (Ok(Some(_)), _) => Some(&self.recording),
            (_, Some((cached, _))) if matches!(format::look_at(cached), Ok(Some(_))) => {
                Some(cached)
            }
            _ => None,
        }
    }

    /// Returns the duration of the recording; `None` if there is no such file.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the recording.
    pub fn recorded(&self) -> Result<Option<Duration>, Wrong> {
        format::look_at(&self.recording)
    }
}

/// Returns a file name that is unique to this language, command line and text.
fn cache_name(language: &str, synthesizer: &Synthesizer, words: &str) -> String {
    let mut hash = Sha256::new();
    for part in [language, synthesizer.command(), words] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut name = String::new();
    for byte in &hash.finalize()[..16] {
        // Writing to a string cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name + ".wav"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_words_or_another_command_are_another_file() {
        let name = |language, command: &str, words| {
            cache_name(language, &Synthesizer::new(command), words)
        };
        let one = name("en", "say", "Goodbye.");
        assert_eq!(one, name("en", "say", "Goodbye."));
        for other in [
            name("zh-CN", "say", "Goodbye."),
            name("en", "say -v", "Goodbye."),
            name("en", "say", "Good day."),
            name("en", "sayGood", "bye."),
        ] {
            assert_ne!(one, other);
        }
    }
}
