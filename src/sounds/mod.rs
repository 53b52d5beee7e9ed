//! Sounds for providers without text-to-speech.
//!
//! Each sound of the [catalogue](crate::call::catalogue) is either a recording of the operator or a file that was
//! synthesized at the start of the service and is kept in the cache. A text written by an inspector is synthesized
//! shortly before it is played, and its sound is removed after the calls that may play it.

mod beep;
mod passing;
mod shared;
mod survey;
mod synthesizer;

pub use survey::{Place, places};
pub use synthesizer::{SynthesisError, Synthesizer};

use crate::call::script::{Piece, Spoken};
use crate::config::{Config, PromptsConfig};
use crate::telephony::Voice;
use chrono::{DateTime, Utc};
use passing::Passing;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::Duration;
use tokio::task::JoinSet;
use tracing::{error, info, warn};
use uuid::Uuid;

/// Maximum time to synthesize one sound.
const PATIENCE: Duration = Duration::from_secs(30);
/// Maximum number of sounds of the catalogue synthesized concurrently.
const AT_ONCE: usize = 4;
/// Maximum duration of the sound of a reply. A reply has at most 500 characters, which may be read slowly.
const MAX_REPLY: Duration = Duration::from_secs(300);

/// The sounds that can be played.
pub struct Sounds {
    synthesizers: BTreeMap<String, Synthesizer>,
    found: RwLock<Found>,
    passing: Passing,
    beep: OnceLock<PathBuf>,
}

/// Absolute paths of sound files, by language and by id of the sound.
type Found = HashMap<String, HashMap<String, PathBuf>>;

/// Result of [`Sounds::fill`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// Number of sounds of the catalogue that are available.
    pub there: usize,
    /// Number of available sounds that this run of `fill` has synthesized.
    pub made: usize,
    /// Number of sounds of the catalogue that are neither recorded nor could be synthesized.
    pub missing: usize,
}

impl Sounds {
    /// Returns the sounds of a configuration; none of them is available until [`Sounds::fill`] has run.
    pub fn new(settings: &PromptsConfig) -> Self {
        let commands = settings.synthesize.iter();
        Self {
            synthesizers: commands
                .map(|(language, command)| (language.clone(), Synthesizer::new(command)))
                .collect(),
            found: RwLock::default(),
            passing: Passing::new(settings.passing.clone()),
            beep: OnceLock::new(),
        }
    }

    /// Looks up every sound of a configuration, synthesizes those that are missing, writes the beep, and opens the
    /// folder for replies. What fails is logged. A sound that is not available is left out when its sentence is
    /// spoken, because a line with a gap is better than none.
    pub async fn fill(&self, config: &Config) -> Filled {
        if let Err(error) = self.passing.open() {
            let folder = self.passing.folder().display();
            warn!(%folder, %error, "replies cannot be spoken: their folder cannot be made");
        }
        let beep = config.prompts.cache.join("beep.wav");
        match keep(&beep, &beep::wav()) {
            Ok(()) => drop(self.beep.set(beep)),
            Err(error) => {
                error!(file = %beep.display(), %error, "the beep before a recording cannot be made");
            }
        }
        let mut found = Found::new();
        let mut gaps = Vec::new();
        for place in places(config, None) {
            match place.sound() {
                Some(file) => add(&mut found, &place, file),
                None => gaps.push(place),
            }
        }
        let mut filled = Filled::default();
        let mut complaint = None;
        for (place, made) in make_all(gaps).await {
            match made {
                Ok(file) => {
                    filled.made += 1;
                    add(&mut found, &place, &file);
                }
                Err(why) => {
                    filled.missing += 1;
                    complaint = complaint.or(why);
                }
            }
        }
        filled.there = found.values().map(HashMap::len).sum();
        // A poisoned lock is used all the same: readers cannot leave the map inconsistent.
        *self.found.write().unwrap_or_else(PoisonError::into_inner) = found;
        let Filled {
            there,
            made,
            missing,
        } = filled;
        if missing == 0 {
            info!(there, made, "all sounds of the lines are available");
        } else {
            let why = complaint.unwrap_or_else(|| "not recorded".into());
            error!(there, made, missing, %why, "sounds of the lines are missing; see `dutyline prompts check`");
        }
        filled
    }

    /// Makes the sound of a text written by an inspector available to a call, and synthesizes it unless a sound of the
    /// same text is still kept. That may take up to 30 seconds; drop the future to give up earlier. Returns false if
    /// the text has no sound: the language has no synthesizer, the folder for replies could not be opened, the
    /// command failed, or the sound could not be stored.
    pub async fn let_pass(
        &self,
        call: Uuid,
        language: &str,
        words: &str,
        now: DateTime<Utc>,
    ) -> bool {
        if self.passing.share(call, language, words, now) {
            return true;
        }
        let Some(synthesizer) = self.synthesizers.get(language) else {
            return false;
        };
        if !self.passing.is_open() {
            return false;
        }
        // The command's error output may contain the text, so it is not logged.
        let Ok(sound) = synthesizer.speak(words, MAX_REPLY, PATIENCE).await else {
            warn!(%call, "a reply could not be synthesized");
            return false;
        };
        match self.passing.keep(call, language, words, &sound, now) {
            Ok(()) => true,
            Err(error) => {
                warn!(%call, %error, "the sound of a reply could not be stored");
                false
            }
        }
    }

    /// True if the sound of this text, written by an inspector, is available now.
    pub fn has(&self, language: &str, words: &str) -> bool {
        self.passing.file(language, words).is_some()
    }

    /// Removes the sounds of written texts that only this call needed. Called when the call is settled.
    pub fn forget(&self, call: Uuid) {
        self.passing.forget(call);
    }

    /// Removes the sounds of written texts that no call has requested since `then`. The calls that requested them are
    /// long over.
    pub fn forget_before(&self, then: DateTime<Utc>) {
        self.passing.forget_before(then);
    }
}

impl Voice for Sounds {
    fn files(&self, language: &str, text: &Spoken) -> Vec<PathBuf> {
        let found = self.found.read().unwrap_or_else(PoisonError::into_inner);
        let pieces = text.pieces().iter();
        let files = pieces.filter_map(|piece| match piece {
            Piece::Sound(sound) => found.get(language)?.get(&sound.id).cloned(),
            Piece::Mark(_) => None,
            Piece::Written(words) => self.passing.file(language, words.expose()),
        });
        files.map(|file| file.with_extension("")).collect()
    }

    fn beep(&self) -> Option<PathBuf> {
        let beep = self.beep.get()?;
        let beep = std::path::absolute(beep).unwrap_or_else(|_| beep.clone());
        Some(beep.with_extension(""))
    }
}

fn add(found: &mut Found, place: &Place, file: &Path) {
    // The softswitch runs in another folder, so the path is made absolute. That fails only if the working folder is
    // gone.
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let language = found.entry(place.language.clone()).or_default();
    language.insert(place.entry.sound.id.clone(), file);
}

/// A missing sound, and the file it was synthesized into; the error is `None` if no synthesizer is configured for its
/// language.
type Made = (Place, Result<PathBuf, Option<String>>);

/// Synthesizes missing sounds, at most `AT_ONCE` concurrently, and returns them in the order of completion. One whose
/// task panicked is left out.
async fn make_all(gaps: Vec<Place>) -> Vec<Made> {
    let mut gaps = gaps.into_iter();
    let mut making = JoinSet::new();
    let mut all = Vec::new();
    loop {
        while making.len() < AT_ONCE
            && let Some(place) = gaps.next()
        {
            making.spawn(make(place));
        }
        match making.join_next().await {
            Some(made) => all.extend(made),
            None => return all,
        }
    }
}

async fn make(place: Place) -> Made {
    let Some((file, synthesizer)) = place.cached.clone() else {
        return (place, Err(None));
    };
    let words = place.entry.sound.read_out();
    let made = match synthesizer
        .speak(words, crate::audio::format::MAX_PIECE, PATIENCE)
        .await
    {
        Ok(sound) => keep(&file, &sound).map_err(|error| format!("{}: {error}", file.display())),
        Err(error) => Err(format!(
            "{} {}: {error}",
            place.language, place.entry.sound.id
        )),
    };
    (place, made.map(|()| file).map_err(Some))
}

/// Writes a sound into a file of the cache, after creating its folder if needed.
fn keep(file: &Path, sound: &[u8]) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        shared::make_folder(folder, shared::LISTED)?;
    }
    shared::put(file, sound)
}

/// Returns what an operator should know, one sentence each: folders of sounds that a softswitch cannot enter, that no
/// synthesizer is configured, or that the folder of replies is not in memory.
pub fn concerns(config: &Config) -> Vec<String> {
    let settings = &config.prompts;
    let mut concerns = Vec::new();
    let playable = [
        settings.folder.join("en/greeting-1.wav"),
        settings.cache.join("en/greeting-1.wav"),
        settings.passing.join("reply.wav"),
    ];
    let mut barred: Vec<PathBuf> = Vec::new();
    for folder in playable.iter().flat_map(|file| shared::barred(file)) {
        if !barred.contains(&folder) {
            barred.push(folder);
        }
    }
    for folder in barred {
        concerns.push(format!(
            "sounds: a softswitch that runs as another user gets nothing out of {} (chmod o+x, or another folder)",
            folder.display()
        ));
    }
    if settings.synthesize.is_empty() {
        concerns.push(
            "sounds: without [prompts] synthesize a caller is told that there is a reply, but not which".into(),
        );
    } else if !shared::in_memory(&settings.passing) {
        concerns.push(format!(
            "sounds: {} is not in memory (tmpfs): replies that were heard could be found on the disk",
            settings.passing.display()
        ));
    }
    concerns
}

#[cfg(test)]
mod tests;
