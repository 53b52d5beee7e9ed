//! Analysis of the streamed audio of a recording: samples in, decisions out. No I/O, no clock.
//!
//! jambonz sends linear PCM, 16 bits, little-endian, one channel, 8,000 samples per second, in frames of any length. It
//! does not detect silence, so that is done here, in windows of a fiftieth of a second.

/// Samples per second.
pub const RATE: u64 = 8_000;
/// Maximum size of a frame, in bytes. jambonz buffers two seconds of audio, at most five (80,000 bytes).
pub const MAX_FRAME: usize = 128 * 1024;
/// Time accepted beyond a recording's maximum duration, in seconds: jambonz starts counting before it sends the first
/// sample.
pub const SLACK: u64 = 3;

/// Number of samples in a window.
const WINDOW: u64 = RATE / 50;
/// Minimum mean amplitude of a window with speech; full scale is 32,768, so about 46 dB below it.
const SPOKEN: u64 = 160;
/// Minimum mean amplitude of a window with some sound, such as a whisper or the noise of a room.
const FAINT: u64 = 12;
/// Number of windows with speech from which on a recording counts as having speech, and of windows with sound likewise:
/// a tenth of a second in total, not necessarily in succession.
const A_WORD: u64 = 5;

/// Why a recording ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enough {
    /// Silence has lasted as long as the recording allows.
    Silence,
    /// The maximum duration and [`SLACK`] have passed.
    Limit,
}

/// What a recording contains so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// There is speech.
    Speech,
    /// There is sound, but no speech as far as can be told.
    Faint,
    /// There is less than a tenth of a second of sound.
    Nothing,
}

/// The audio of one recording.
#[derive(Clone, Debug)]
pub struct Listening {
    max_samples: u64,
    silence_samples: Option<u64>,
    bytes: u64,
    /// The first byte of a sample whose second byte has not been received yet.
    half: Option<u8>,
    /// Sum of the amplitudes in the current window, and its number of samples so far.
    sum: u64,
    in_window: u64,
    /// Number of windows so far with speech, and with any sound.
    spoken: u64,
    faint: u64,
    /// Number of samples since the end of the last window with speech.
    quiet: u64,
}

impl Listening {
    /// Creates the analysis of a recording of at most `max_seconds` and [`SLACK`]. Silence of `silence_seconds` ends
    /// it, unless that is 0.
    pub fn new(max_seconds: u32, silence_seconds: u32) -> Self {
        Self {
            max_samples: (u64::from(max_seconds) + SLACK) * RATE,
            silence_samples: (silence_seconds > 0).then(|| u64::from(silence_seconds) * RATE),
            bytes: 0,
            half: None,
            sum: 0,
            in_window: 0,
            spoken: 0,
            faint: 0,
            quiet: 0,
        }
    }

    /// Analyses the next frame. Returns how many bytes at its start to keep, and why the recording ends with them;
    /// `None` while it goes on.
    pub fn frame(&mut self, frame: &[u8]) -> (usize, Option<Enough>) {
        for (taken, byte) in frame.iter().enumerate() {
            if self.bytes >= 2 * self.max_samples {
                return (taken, Some(Enough::Limit));
            }
            self.bytes += 1;
            let Some(low) = self.half.take() else {
                self.half = Some(*byte);
                continue;
            };
            self.sample(i16::from_le_bytes([low, *byte]));
            if self.silence_samples.is_some_and(|most| self.quiet >= most) {
                return (taken + 1, Some(Enough::Silence));
            }
        }
        (frame.len(), None)
    }

    fn sample(&mut self, sample: i16) {
        self.sum += u64::from(sample.unsigned_abs());
        self.in_window += 1;
        self.quiet += 1;
        if self.in_window < WINDOW {
            return;
        }
        let mean = self.sum / WINDOW;
        (self.sum, self.in_window) = (0, 0);
        if mean >= SPOKEN {
            self.spoken += 1;
            self.quiet = 0;
        }
        if mean >= FAINT {
            self.faint += 1;
        }
    }

    /// Returns what the recording contains so far.
    pub fn heard(&self) -> Heard {
        if self.spoken >= A_WORD {
            Heard::Speech
        } else if self.faint >= A_WORD {
            Heard::Faint
        } else {
            Heard::Nothing
        }
    }

    /// Duration so far, in milliseconds.
    pub fn milliseconds(&self) -> u64 {
        self.bytes / 2 * 1000 / RATE
    }

    /// Number of bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The bytes to append if the recording ends now, because a WAV file has whole samples: one if half a sample was
    /// received, else none.
    pub fn missing(&self) -> &'static [u8] {
        match self.half {
            Some(_) => &[0],
            None => &[],
        }
    }
}

#[cfg(test)]
mod tests;
