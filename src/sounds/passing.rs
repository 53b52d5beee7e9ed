//! Sounds of texts written by inspectors: they are kept only while a call can play them, in a folder that should be
//! in memory.
//!
//! A file has a random name in a folder that other users cannot list, and is removed when the last call that may play
//! it is settled or is long over.

use super::shared::{self, UNLISTED};
use crate::base::clock;
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// The folder of the sounds of written texts, the files in it, and the calls that may play them.
pub struct Passing {
    folder: PathBuf,
    open: AtomicBool,
    kept: Mutex<HashMap<Of, Kept>>,
}

/// Key of a sound: a hash of language and text. The text itself is not kept.
type Of = [u8; 32];

struct Kept {
    file: PathBuf,
    calls: HashSet<Uuid>,
    latest: DateTime<Utc>,
}

impl Passing {
    /// Returns the value for a folder, which need not exist before [`Passing::open`].
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            open: AtomicBool::new(false),
            kept: Mutex::default(),
        }
    }

    /// Returns the path of the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Creates the folder and removes the sounds and unfinished files that an earlier run has left in it.
    pub fn open(&self) -> io::Result<()> {
        shared::make_folder(&self.folder, UNLISTED)?;
        self.kept().clear();
        for file in fs::read_dir(&self.folder)? {
            let path = file?.path();
            let ours = path
                .extension()
                .is_some_and(|ending| ending == "wav" || ending == shared::UNFINISHED);
            if ours {
                fs::remove_file(path)?;
            }
        }
        self.open.store(true, Ordering::Release);
        Ok(())
    }

    /// True if the folder is open, so that sounds can be kept in it.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Returns the file with the sound of this text, if there is one now.
    pub fn file(&self, language: &str, words: &str) -> Option<PathBuf> {
        let kept = self.kept();
        kept.get(&of(language, words)).map(|kept| kept.file.clone())
    }

    /// Registers a call as one that may play the existing sound of a text. Returns false if there is no such sound.
    pub fn share(&self, call: Uuid, language: &str, words: &str, now: DateTime<Utc>) -> bool {
        match self.kept().get_mut(&of(language, words)) {
            Some(kept) => {
                kept.calls.insert(call);
                kept.latest = now;
                true
            }
            None => false,
        }
    }

    /// Stores the sound of a text, with a call that may play it. If the text has a sound already, only registers the
    /// call.
    pub fn keep(
        &self,
        call: Uuid,
        language: &str,
        words: &str,
        sound: &[u8],
        now: DateTime<Utc>,
    ) -> io::Result<()> {
        // Another call may have stored the same text in the meantime.
        if self.share(call, language, words, now) {
            return Ok(());
        }
        let name = u128::from_be_bytes(clock::random());
        let file = self.folder.join(format!("{name:032x}.wav"));
        shared::put(&file, sound)?;
        let kept = Kept {
            file,
            calls: HashSet::from([call]),
            latest: now,
        };
        if let Some(faster) = self.kept().insert(of(language, words), kept) {
            remove(&faster.file);
        }
        Ok(())
    }

    /// Unregisters a call from all sounds, and removes those that no call needs any more.
    pub fn forget(&self, call: Uuid) {
        self.kept().retain(|_, kept| {
            kept.calls.remove(&call);
            let needed = !kept.calls.is_empty();
            if !needed {
                remove(&kept.file);
            }
            needed
        });
    }

    /// Removes the sounds last registered before `then`. Their calls may have been settled by another node, which
    /// does not call `forget` here.
    pub fn forget_before(&self, then: DateTime<Utc>) {
        self.kept().retain(|_, kept| {
            let needed = kept.latest >= then;
            if !needed {
                remove(&kept.file);
            }
            needed
        });
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<Of, Kept>> {
        // A poisoned lock is used all the same: every change to the map is a single operation.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of(language: &str, words: &str) -> Of {
    let mut hash = Sha256::new();
    hash.update(language);
    hash.update([0]);
    hash.update(words);
    hash.finalize().into()
}

fn remove(file: &Path) {
    if let Err(error) = fs::remove_file(file) {
        tracing::error!(%error, "cannot remove the sound of a reply; it is removed at the next start");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    const WORDS: &str = "已经转交有关部门。";

    fn passing(folder: &Path) -> Passing {
        let passing = Passing::new(folder.join("passing"));
        passing.open().unwrap();
        passing
    }

    fn call(n: u8) -> Uuid {
        Uuid::from_bytes([n; 16])
    }

    fn files(passing: &Passing) -> usize {
        fs::read_dir(passing.folder()).unwrap().count()
    }

    #[test]
    fn a_sound_is_there_while_a_call_needs_it() {
        let folder = tempfile::tempdir().unwrap();
        let passing = passing(folder.path());
        let now = DateTime::UNIX_EPOCH;
        assert!(!passing.share(call(1), "zh-CN", WORDS, now));
        passing
            .keep(call(1), "zh-CN", WORDS, b"sound", now)
            .unwrap();
        let file = passing.file("zh-CN", WORDS).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"sound");
        assert_eq!(passing.file("en", WORDS), None);

        passing
            .keep(call(2), "zh-CN", WORDS, b"sound", now)
            .unwrap();
        assert_eq!(files(&passing), 1);
        passing.forget(call(1));
        assert_eq!(passing.file("zh-CN", WORDS), Some(file));
        passing.forget(call(2));
        assert_eq!((passing.file("zh-CN", WORDS), files(&passing)), (None, 0));
    }

    #[test]
    fn nothing_outlives_its_time_or_a_start() {
        let folder = tempfile::tempdir().unwrap();
        let earlier = passing(folder.path());
        let now = DateTime::UNIX_EPOCH;
        earlier
            .keep(call(1), "zh-CN", "old", b"sound", now)
            .unwrap();
        let later = now + TimeDelta::hours(1);
        earlier
            .keep(call(2), "zh-CN", "new", b"sound", later)
            .unwrap();
        earlier.forget_before(later);
        assert_eq!(earlier.file("zh-CN", "old"), None);
        assert!(earlier.file("zh-CN", "new").is_some());
        assert_eq!(files(&earlier), 1);
        // A file left by a process killed while writing, and a file of another program.
        fs::write(earlier.folder().join("0.1.part"), b"half").unwrap();
        fs::write(earlier.folder().join("README"), b"").unwrap();
        assert_eq!(files(&passing(folder.path())), 1);
    }
}
