//! Sounds for providers without a voice of their own.
//!
//! Each sound of the [catalogue](crate::call::catalogue) is a recording of the operator's, or else a synthesized file,
//! made once at the start. What an inspector wrote is synthesized when it is about to be heard, and rests nowhere.

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

/// How long one sound of the catalogue may take to be made.
const PATIENCE: Duration = Duration::from_secs(30);
/// So many are made at once.
const AT_ONCE: usize = 4;
/// The longest sound of a reply: 500 characters, read slowly.
const MAX_REPLY: Duration = Duration::from_secs(300);

/// What there is to play.
pub struct Sounds {
    synthesizers: BTreeMap<String, Synthesizer>,
    found: RwLock<Found>,
    passing: Passing,
    beep: OnceLock<PathBuf>,
}

/// Files by language and name of the sound.
type Found = HashMap<String, HashMap<String, PathBuf>>;

/// What came of filling the gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// Sounds there are.
    pub there: usize,
    /// Those among them that were synthesized just now.
    pub made: usize,
    /// Sounds there are not.
    pub missing: usize,
}

impl Sounds {
    /// The sounds of a configuration. There are none until [`Sounds::fill`].
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

    /// Looks for every sound of a configuration, synthesizes those that are missing, and opens the folder of what
    /// passes. A sound that cannot be had is left out when it is spoken: a line with a gap is better than none.
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
        // Whoever panicked with it had only read it.
        *self.found.write().unwrap_or_else(PoisonError::into_inner) = found;
        let Filled {
            there,
            made,
            missing,
        } = filled;
        if missing == 0 {
            info!(there, made, "the sounds of the lines are there");
        } else {
            let why = complaint.unwrap_or_else(|| "not recorded".into());
            error!(there, made, missing, %why, "callers will not hear everything: see `dutyline prompts check`");
        }
        filled
    }

    /// Makes the sound of what somebody wrote, for this call to play. It may take its time: drop it when that is up.
    /// False when there is no sound.
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
        // What the command complains of may hold the words: it is not logged.
        let Ok(sound) = synthesizer.speak(words, MAX_REPLY, PATIENCE).await else {
            warn!(%call, "a reply could not be synthesized");
            return false;
        };
        match self.passing.keep(call, language, words, &sound, now) {
            Ok(()) => true,
            Err(error) => {
                warn!(%call, %error, "the sound of a reply could not be kept");
                false
            }
        }
    }

    /// Has what somebody wrote a sound now?
    pub fn has(&self, language: &str, words: &str) -> bool {
        self.passing.file(language, words).is_some()
    }

    /// The call is settled: what passed for it is removed.
    pub fn forget(&self, call: Uuid) {
        self.passing.forget(call);
    }

    /// What was made to pass before `then` is removed: its calls are long over.
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
    // The softswitch stands in another folder. Without a working folder of our own there is no better answer.
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let language = found.entry(place.language.clone()).or_default();
    language.insert(place.entry.sound.id.clone(), file);
}

/// A gap, and the file it was filled with; the error is none when there is nothing to fill it.
type Made = (Place, Result<PathBuf, Option<String>>);

/// Fills gaps, a few at a time. One whose making panicked is not among them.
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

/// Puts a sound into the cache, or a folder of it.
fn keep(file: &Path, sound: &[u8]) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        shared::make_folder(folder, shared::LISTED)?;
    }
    shared::put(file, sound)
}

/// What an operator should know of the folders, a sentence each.
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
