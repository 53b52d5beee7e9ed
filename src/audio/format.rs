//! The audio format of sound files that are played to callers: WAV, 8 kHz, one channel, 16 bits, uncompressed.

use super::wav::header;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

/// Samples per second.
const RATE: u32 = 8000;
/// Bytes per second.
pub const BYTES_PER_SECOND: usize = RATE as usize * 2;
/// Maximum duration of one sound file.
pub const MAX_PIECE: Duration = Duration::from_secs(60);
/// Maximum number of bytes of a file that are not samples.
const HEADERS: usize = 64 * 1024;

/// Why a sound file cannot be played. A sentence for the person who recorded it: what it is, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// No bytes, or no samples.
    #[error("it is empty")]
    Empty,
    /// Not a WAV file, or an incomplete one.
    #[error("it is no whole WAV file")]
    NotWav,
    /// Not in plain PCM: compressed (A-law, MP3 or the like), or in the extensible format.
    #[error("it is compressed; uncompressed PCM is needed")]
    Compressed,
    /// The sample rate is not 8,000 Hz.
    #[error("it has {0} Hz; 8000 Hz are needed")]
    Rate(u32),
    /// There is not exactly one channel.
    #[error("it has {0} channels; one (mono) is needed")]
    Channels(u16),
    /// The samples do not have 16 bits.
    #[error("it has {0} bits; 16 bits are needed")]
    Bits(u16),
    /// Longer than this maximum duration.
    #[error("it is longer than {} s", .0.as_secs())]
    TooLong(Duration),
    /// It exists and cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
}

/// Checks a sound file and returns its duration; `None` when there is no such file.
///
/// # Errors
///
/// When the file is not a sound that can be played.
pub fn look_at(path: &Path) -> Result<Option<Duration>, Wrong> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Wrong::Unreadable(error.to_string())),
    };
    let most = MAX_PIECE.as_secs() as usize * BYTES_PER_SECOND;
    let mut bytes = Vec::new();
    file.take((most + HEADERS + 1) as u64)
        .read_to_end(&mut bytes)
        .map_err(|error| Wrong::Unreadable(error.to_string()))?;
    let whole = bytes.len() <= most + HEADERS;
    match samples(&bytes, Ends::WhereItSays) {
        // The file was not read to its end, because it is too large: that alone makes it incomplete here.
        Err(Wrong::NotWav) if !whole => Err(Wrong::TooLong(MAX_PIECE)),
        found => seconds(found?, MAX_PIECE).map(Some),
    }
}

/// Maximum size of what a synthesizer may write for a sound of at most `longest`, in bytes.
pub fn most_bytes(longest: Duration) -> usize {
    longest.as_secs() as usize * BYTES_PER_SECOND + HEADERS
}

/// Rewrites a synthesizer's output as a WAV file with the right length in its header. Programs that write into a pipe
/// do not know the length when they write the header.
///
/// # Errors
///
/// When the output is not a sound that can be played, or lasts more than `longest`.
pub fn tidy(written: &[u8], longest: Duration) -> Result<Vec<u8>, Wrong> {
    let samples = samples(written, Ends::WithTheBytes)?;
    seconds(samples, longest)?;
    Ok(wav(samples))
}

/// Builds a WAV file of these samples.
fn wav(samples: &[u8]) -> Vec<u8> {
    let mut file = header(samples.len() as u32).to_vec();
    file.extend(samples);
    file
}

fn seconds(samples: &[u8], longest: Duration) -> Result<Duration, Wrong> {
    if samples.is_empty() {
        return Err(Wrong::Empty);
    }
    let millis = samples.len() as u64 * 1000 / BYTES_PER_SECOND as u64;
    let lasts = Duration::from_millis(millis);
    if lasts > longest {
        return Err(Wrong::TooLong(longest));
    }
    Ok(lasts)
}

/// Where the audio data ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// Where the header says. If there are fewer bytes, the file is incomplete.
    WhereItSays,
    /// Where the header says. If there are fewer bytes, where the bytes end.
    WithTheBytes,
}

/// Returns the samples of a WAV file, if it has the right format. Half a sample at the end is left out.
fn samples(file: &[u8], ends: Ends) -> Result<&[u8], Wrong> {
    if file.is_empty() {
        return Err(Wrong::Empty);
    }
    let mut rest = match file.split_at_checked(12) {
        Some((head, rest)) if head.starts_with(b"RIFF") && head.ends_with(b"WAVE") => rest,
        _ => return Err(Wrong::NotWav),
    };
    let mut known = false;
    while let Some((head, body)) = rest.split_at_checked(8) {
        let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        if head.starts_with(b"data") {
            if !known {
                return Err(Wrong::NotWav);
            }
            return match body.get(..size) {
                Some(samples) => Ok(whole_samples(samples)),
                None if ends == Ends::WithTheBytes => Ok(whole_samples(body)),
                None => Err(Wrong::NotWav),
            };
        }
        let content = body.get(..size).ok_or(Wrong::NotWav)?;
        if head.starts_with(b"fmt ") {
            check_format(content)?;
            known = true;
        }
        // A chunk of odd size is followed by one byte of padding.
        rest = body.get(size + size % 2..).unwrap_or_default();
    }
    Err(Wrong::NotWav)
}

fn check_format(format: &[u8]) -> Result<(), Wrong> {
    let at = |at: usize| match format.get(at..at + 2) {
        Some(bytes) => Ok(u16::from_le_bytes([bytes[0], bytes[1]])),
        None => Err(Wrong::NotWav),
    };
    let (kind, channels, bits) = (at(0)?, at(2)?, at(14)?);
    let rate = u32::from(at(4)?) | u32::from(at(6)?) << 16;
    // The extensible format is rejected too, because not every softswitch reads it.
    match (kind, rate, channels, bits) {
        (1, RATE, 1, 16) => Ok(()),
        (1, RATE, 1, bits) => Err(Wrong::Bits(bits)),
        (1, RATE, channels, _) => Err(Wrong::Channels(channels)),
        (1, rate, ..) => Err(Wrong::Rate(rate)),
        _ => Err(Wrong::Compressed),
    }
}

fn whole_samples(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len() / 2 * 2]
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns a WAV file with a tone of this many seconds.
    pub fn tone(seconds: f64) -> Vec<u8> {
        let samples = (0..(seconds * f64::from(RATE)) as usize).flat_map(|n| {
            let sample: i16 = if n % 16 < 8 { 8000 } else { -8000 };
            sample.to_le_bytes()
        });
        wav(&samples.collect::<Vec<_>>())
    }

    fn looked_at(bytes: &[u8]) -> Result<Option<Duration>, Wrong> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sound.wav");
        std::fs::write(&path, bytes).unwrap();
        look_at(&path)
    }

    /// A tone with some bytes of its header changed.
    fn changed(at: usize, to: &[u8]) -> Vec<u8> {
        let mut bytes = tone(1.0);
        bytes[at..at + to.len()].copy_from_slice(to);
        bytes
    }

    #[test]
    fn what_a_telephone_plays_is_right() {
        assert_eq!(looked_at(&tone(1.5)), Ok(Some(Duration::from_millis(1500))));
        assert_eq!(look_at(Path::new("nowhere/no.wav")), Ok(None));
        // A chunk that some programs write before the data is skipped.
        let mut listed = tone(1.0);
        listed.splice(36..36, *b"LIST\x03\0\0\0abc\0");
        assert_eq!(looked_at(&listed), Ok(Some(Duration::from_secs(1))));
    }

    #[test]
    fn anything_else_is_told_apart() {
        for (bytes, wrong) in [
            (Vec::new(), Wrong::Empty),
            (tone(0.0), Wrong::Empty),
            (b"ID3\x03".to_vec(), Wrong::NotWav),
            (tone(1.0)[..1000].to_vec(), Wrong::NotWav),
            (changed(20, &[6, 0]), Wrong::Compressed),
            (changed(22, &[2, 0]), Wrong::Channels(2)),
            (changed(24, &44_100u32.to_le_bytes()), Wrong::Rate(44_100)),
            (changed(34, &[8, 0]), Wrong::Bits(8)),
            (tone(60.5), Wrong::TooLong(MAX_PIECE)),
            (tone(90.0), Wrong::TooLong(MAX_PIECE)),
        ] {
            assert_eq!(looked_at(&bytes), Err(wrong));
        }
        assert_eq!(looked_at(&tone(60.0)), Ok(Some(MAX_PIECE)));
    }

    #[test]
    fn what_came_through_a_pipe_gets_its_length() {
        let tidied = tone(1.0);
        for size in [u32::MAX, 0x7fff_f000] {
            let written = changed(40, &size.to_le_bytes());
            assert_eq!(tidy(&written, MAX_PIECE).unwrap(), tidied);
        }
        assert_eq!(
            tidy(&tone(2.0), Duration::from_secs(1)),
            Err(Wrong::TooLong(Duration::from_secs(1)))
        );
        assert_eq!(tidy(b"no such voice", MAX_PIECE), Err(Wrong::NotWav));
    }
}
