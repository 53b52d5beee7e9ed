//! What a caller says, as it comes in: samples in, decisions out. No I/O, no clock.
//!
//! jambonz sends linear PCM, 16 bits, little-endian, one channel, 8,000 samples a second, in frames of any length. It
//! counts no silence; so that is done here, in windows of a fiftieth of a second.

/// Samples a second.
pub const RATE: u64 = 8_000;
/// The longest frame taken, in bytes. jambonz buffers two seconds, at most five.
pub const MAX_FRAME: usize = 128 * 1024;
/// What may come beyond the limit, in seconds: jambonz begins to count it before the first sample is sent.
pub const SLACK: u64 = 3;

/// Samples of a window.
const WINDOW: u64 = RATE / 50;
/// From this mean of its samples on a window is speech: some 45 dB below the loudest there is.
const SPOKEN: u64 = 160;
/// From this one on there is something in it, if only a whisper or a room.
const FAINT: u64 = 12;
/// So many windows of speech, a tenth of a second, are a word.
const A_WORD: u64 = 5;

/// Why no more is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enough {
    /// Nothing was said for as long as ends a recording.
    Silence,
    /// The limit and its slack are over.
    Limit,
}

/// What there is, all in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Somebody spoke.
    Speech,
    /// There is sound, and as far as can be told nobody spoke.
    Faint,
    /// There is nothing.
    Nothing,
}

/// The audio of one recording.
#[derive(Clone, Debug)]
pub struct Listening {
    max_samples: u64,
    silence_samples: Option<u64>,
    bytes: u64,
    /// The first byte of a sample whose second one has not come yet.
    half: Option<u8>,
    /// The sum of what came of the current window, and how many samples that is.
    sum: u64,
    in_window: u64,
    /// Windows so far: spoken, and with anything in them.
    spoken: u64,
    faint: u64,
    /// Samples since the last window with speech in it.
    quiet: u64,
}

impl Listening {
    /// Of so many seconds at most; silence of so many ends it, unless that is 0.
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

    /// Takes the next frame: how much of it is to be kept, in bytes, and whether that was enough.
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

    /// What there is so far.
    pub fn heard(&self) -> Heard {
        if self.spoken >= A_WORD {
            Heard::Speech
        } else if self.faint >= A_WORD {
            Heard::Faint
        } else {
            Heard::Nothing
        }
    }

    /// How long it is, in milliseconds.
    pub fn milliseconds(&self) -> u64 {
        self.bytes / 2 * 1000 / RATE
    }

    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What is missing of the last sample: a WAV file has whole ones.
    pub fn missing(&self) -> &'static [u8] {
        match self.half {
            Some(_) => &[0],
            None => &[],
        }
    }
}

#[cfg(test)]
mod tests;
