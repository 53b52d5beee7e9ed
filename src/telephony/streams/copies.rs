//! Copies in memory of what callers have said in running calls, for callers who listen to their recording. The total
//! size is bounded. Beyond the bound, and in another process, there is no copy; silence is then played instead of the
//! recording, and the call continues.

use crate::audio::wav::header;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zeroize::{Zeroize, Zeroizing};

/// Maximum size of all copies of one provider together, in bytes: over half an hour of audio.
const MAX_BYTES: usize = 32 * 1024 * 1024;

type Audio = Zeroizing<Vec<u8>>;

#[derive(Default)]
struct Kept {
    /// Complete copies by recording id.
    whole: HashMap<String, Arc<Audio>>,
    /// Total number of bytes of all copies, complete or not.
    bytes: usize,
}

/// The copies of one provider.
#[derive(Clone, Default)]
pub(in crate::telephony) struct Copies(Arc<Mutex<Kept>>);

impl Copies {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        // No code that holds the lock panics halfway through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn start(&self, recording: &str) -> Copy {
        Copy {
            copies: self.clone(),
            recording: recording.to_owned(),
            audio: Audio::default(),
            counted: 0,
            given_up: false,
        }
    }

    /// Returns a complete copy as a WAV file; `None` when there is none.
    pub fn get(&self, recording: &str) -> Option<Vec<u8>> {
        let audio = self.kept().whole.get(recording).cloned()?;
        let length = u32::try_from(audio.len()).ok()?;
        let mut wav = header(length).to_vec();
        wav.extend_from_slice(&audio);
        Some(wav)
    }

    /// Removes a complete copy; false when there was none.
    pub fn remove(&self, recording: &str) -> bool {
        let mut kept = self.kept();
        let removed = kept.whole.remove(recording);
        kept.bytes -= removed.as_ref().map_or(0, |audio| audio.len());
        removed.is_some()
    }
}

/// A copy being made. If it is dropped before [`Copy::finish`], nothing is kept.
pub struct Copy {
    copies: Copies,
    recording: String,
    audio: Audio,
    /// Number of this copy's bytes that are counted in [`Kept::bytes`] and must be subtracted if it is dropped.
    counted: usize,
    given_up: bool,
}

impl Copy {
    /// Appends audio. If there is no room for it, the copy is erased, and further audio is ignored.
    pub fn write(&mut self, audio: &[u8]) {
        if self.given_up {
            return;
        }
        {
            let mut kept = self.copies.kept();
            if kept.bytes + audio.len() > MAX_BYTES {
                drop(kept);
                self.give_up();
                return;
            }
            kept.bytes += audio.len();
            self.counted += audio.len();
        }
        self.grow(audio.len());
        self.audio.extend_from_slice(audio);
    }

    /// Makes room for more audio. A reallocation by `Vec` would free the old buffer without erasing it.
    fn grow(&mut self, more: usize) {
        if self.audio.capacity() - self.audio.len() >= more {
            return;
        }
        let wanted = (self.audio.len() + more).max(2 * self.audio.capacity());
        let mut larger = Audio::new(Vec::with_capacity(wanted.max(64 * 1024)));
        larger.extend_from_slice(&self.audio);
        self.audio = larger;
    }

    /// Makes the copy available as a complete one, unless it was erased for lack of room.
    pub fn finish(mut self) {
        if self.given_up {
            return;
        }
        let audio = Arc::new(std::mem::take(&mut self.audio));
        self.counted = 0;
        let mut kept = self.copies.kept();
        let before = kept.whole.insert(self.recording.clone(), audio);
        kept.bytes -= before.map_or(0, |audio| audio.len());
    }

    fn give_up(&mut self) {
        self.audio.zeroize();
        self.copies.kept().bytes -= std::mem::take(&mut self.counted);
        self.given_up = true;
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        self.give_up();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_there_once_it_is_complete_and_until_it_is_removed() {
        let copies = Copies::default();
        let mut copy = copies.start("a/3");
        copy.write(&[1, 2]);
        copy.write(&[3, 4]);
        assert!(copies.get("a/3").is_none());
        copy.finish();
        let wav = copies.get("a/3").unwrap();
        assert_eq!(wav[..44], header(4));
        assert_eq!(wav[44..], [1, 2, 3, 4]);
        assert!(copies.remove("a/3"));
        assert!(!copies.remove("a/3"));
        assert_eq!(copies.kept().bytes, 0);
    }

    #[test]
    fn no_more_is_kept_than_the_bound() {
        let copies = Copies::default();
        let piece = vec![7; MAX_BYTES / 4];
        let mut one = copies.start("a/3");
        for _ in 0..3 {
            one.write(&piece);
        }
        let mut other = copies.start("b/3");
        other.write(&piece);
        other.write(&piece);
        other.finish();
        assert!(copies.get("b/3").is_none(), "there was no room for it");
        one.finish();
        assert!(copies.get("a/3").is_some());
        drop(copies.start("c/3"));
        copies.remove("a/3");
        assert_eq!(copies.kept().bytes, 0);
    }
}
