//! Checks that a recording is a complete WAV file while it is streamed, without keeping it.
//!
//! What a provider serves at a recording's address is not always the recording: it may be a body cut short, an error
//! page with status 200, or an MP3. [`WavCheck`] knows after the first twelve bytes whether it is a WAV file at all,
//! and at the end whether it was complete: the sizes in its header must not exceed the bytes received. Encoders that
//! write while they record leave those sizes at 0 or at their maximum; then the announced length is the only evidence,
//! and is required.

use std::mem;

/// Maximum size of a recording that is fetched, in bytes: over three hours at 8 kHz and 8 bits.
pub const LARGEST: u64 = 96 * 1024 * 1024;

const PCM: u16 = 1;
const A_LAW: u16 = 6;
const MU_LAW: u16 = 7;
const EXTENSIBLE: u16 = 0xfffe;

/// Data size for the header of a WAV file whose length is not known when the header is written: the data ends with the
/// file.
pub const UNTIL_THE_END: u32 = u32::MAX;

/// Returns the header of a WAV file with this many bytes of linear PCM: 16 bits, one channel, 8,000 samples per second.
pub fn header(bytes_of_sound: u32) -> [u8; 44] {
    let mut header = *b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\0\0\0\0";
    header[4..8].copy_from_slice(&bytes_of_sound.saturating_add(36).to_le_bytes());
    header[40..].copy_from_slice(&bytes_of_sound.to_le_bytes());
    header
}

/// Why the bytes are not a complete WAV file.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum WavError {
    /// There are no bytes.
    #[error("the body is empty")]
    Empty,
    /// An HTML page, most likely an error page.
    #[error("it is an HTML page")]
    Html,
    /// An XML document, most likely an error.
    #[error("it is an XML document")]
    Xml,
    /// A JSON document, most likely an error.
    #[error("it is a JSON document")]
    Json,
    /// An MP3 file.
    #[error("it is an MP3")]
    Mp3,
    /// Any other type.
    #[error("it is not a WAV file")]
    NotWav,
    /// It begins as a WAV file, but has no format before its data, or an invalid one.
    #[error("the WAV has no usable format")]
    NoFormat,
    /// Fewer bytes were received than the header or the announced length says, or the bytes end before the audio data.
    #[error("it is cut short")]
    CutShort,
    /// The header does not have the length, and none was announced.
    #[error("its length is unknown: the header has none and none was announced")]
    EndUnknown,
    /// More bytes were received than announced.
    #[error("it is longer than announced")]
    TooLong,
    /// The bytes received, or the announced length, exceed the maximum size given to [`WavCheck::new`].
    #[error("it is too large")]
    TooLarge,
}

/// Facts about a complete WAV file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wav {
    /// Its length in bytes, including the header.
    pub bytes: u64,
    /// Its duration in milliseconds; `None` in a format other than PCM, A-law and µ-law.
    pub duration_ms: Option<u64>,
}

/// The part of the file that the next bytes belong to.
enum Part {
    /// `RIFF`, a size, `WAVE`.
    Head,
    /// A chunk's name and size.
    ChunkHead,
    /// The format, of `size` bytes with padding; only its first 16 (or 40) are examined.
    Format { size: u64 },
    /// The rest of a chunk, or a whole chunk, that is not needed: `left` bytes of it are still to come.
    Skip { left: u64 },
    /// The audio data, which starts at `start`; its bytes are only counted.
    Sound { start: u64, size: u32 },
}

/// Checks a stream of bytes, chunk by chunk.
pub struct WavCheck {
    largest: u64,
    announced: Option<u64>,
    seen: u64,
    part: Part,
    /// Bytes of the current part received so far: at most 40.
    held: Vec<u8>,
    riff_size: u32,
    /// Bytes per second, for the formats whose duration is known: `None` before the format, `Some(None)` for other
    /// formats.
    rate: Option<Option<u64>>,
    loudness: Loudness,
}

/// Peak levels per tenth of a second, for a player to draw. Only for 16-bit PCM.
#[derive(Default)]
struct Loudness {
    /// Bytes per tenth of a second; 0 in another format.
    piece: u64,
    /// Bytes of audio still to come, if known.
    left: Option<u64>,
    /// Bytes of the current tenth so far.
    came: u64,
    /// The first byte of a sample whose second byte has not been received yet.
    half: Option<u8>,
    /// The peak of the current tenth.
    loudest: u16,
    peaks: Vec<u8>,
}

impl Loudness {
    fn feed(&mut self, bytes: &[u8]) {
        if self.piece == 0 {
            return;
        }
        for byte in bytes {
            match &mut self.left {
                Some(0) => return,
                Some(left) => *left -= 1,
                None => {}
            }
            self.came += 1;
            match self.half.take() {
                None => self.half = Some(*byte),
                Some(low) => {
                    let sample = i16::from_le_bytes([low, *byte]);
                    self.loudest = self.loudest.max(sample.unsigned_abs());
                }
            }
            if self.came >= self.piece && self.half.is_none() {
                self.end_piece();
            }
        }
    }

    fn end_piece(&mut self) {
        let [high, _] = self.loudest.min(0x7fff).to_be_bytes();
        self.peaks.push(high << 1);
        (self.came, self.loudest) = (0, 0);
    }
}

impl WavCheck {
    /// Creates a check of a body of at most `largest` bytes, for which the provider may have `announced` a length
    /// (`Content-Length`).
    pub fn new(largest: u64, announced: Option<u64>) -> Self {
        Self {
            largest,
            announced,
            seen: 0,
            part: Part::Head,
            held: Vec::new(),
            riff_size: 0,
            rate: None,
            loudness: Loudness::default(),
        }
    }

    /// Checks the next bytes.
    ///
    /// # Errors
    ///
    /// As soon as it is known that the body is not a WAV file, or is too large.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<(), WavError> {
        let end = self.seen + bytes.len() as u64;
        if end.max(self.announced.unwrap_or(0)) > self.largest {
            return Err(WavError::TooLarge);
        }
        while !bytes.is_empty() {
            let taken = self.take(bytes)?;
            self.seen += taken as u64;
            bytes = &bytes[taken..];
            self.turn()?;
        }
        Ok(())
    }

    /// Consumes the bytes at the start that belong to the current part; returns how many.
    fn take(&mut self, bytes: &[u8]) -> Result<usize, WavError> {
        match &mut self.part {
            Part::Sound { .. } => {
                self.loudness.feed(bytes);
                Ok(bytes.len())
            }
            Part::Skip { left } => {
                let taken = bytes
                    .len()
                    .min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= taken as u64;
                Ok(taken)
            }
            Part::Head | Part::ChunkHead | Part::Format { .. } => {
                let taken = bytes.len().min(self.wanted() - self.held.len());
                self.held.extend_from_slice(&bytes[..taken]);
                Ok(taken)
            }
        }
    }

    /// Number of bytes of the current part that are held before it is parsed.
    fn wanted(&self) -> usize {
        match self.part {
            Part::Head => 12,
            Part::ChunkHead => 8,
            Part::Format { size } if size < 40 => 16,
            Part::Format { .. } => 40,
            Part::Skip { .. } | Part::Sound { .. } => 0,
        }
    }

    /// Parses the current part if it is complete, and goes on to the next.
    fn turn(&mut self) -> Result<(), WavError> {
        if matches!(self.part, Part::Skip { left: 0 }) {
            self.part = Part::ChunkHead;
            return Ok(());
        }
        if self.wanted() == 0 || self.held.len() < self.wanted() {
            return Ok(());
        }
        let held = mem::take(&mut self.held);
        match self.part {
            Part::Head => {
                if &held[..4] != b"RIFF" || &held[8..] != b"WAVE" {
                    return Err(kind_of(&held));
                }
                self.riff_size = u32_at(&held, 4);
                self.part = Part::ChunkHead;
            }
            Part::ChunkHead => {
                let size = u32_at(&held, 4);
                // A chunk of odd size is followed by one byte of padding.
                let padded = u64::from(size) + u64::from(size % 2);
                self.part = match &held[..4] {
                    b"data" if self.rate.is_none() => return Err(WavError::NoFormat),
                    b"data" => {
                        // A size of 0 or the maximum is a placeholder of an encoder that writes while it records: then
                        // everything that follows is audio.
                        self.loudness.left =
                            (size != 0 && size != u32::MAX).then_some(u64::from(size));
                        Part::Sound {
                            start: self.seen,
                            size,
                        }
                    }
                    b"fmt " if size < 16 => return Err(WavError::NoFormat),
                    b"fmt " => Part::Format { size: padded },
                    _ if padded == 0 => Part::ChunkHead,
                    _ => Part::Skip { left: padded },
                };
            }
            Part::Format { size } => {
                self.rate = Some(rate_of(&held)?);
                if let (Some(Some(rate)), PCM, 16) =
                    (self.rate, u16_at(&held, 0), u16_at(&held, 14))
                {
                    self.loudness.piece = (rate / 10).max(2);
                }
                let left = size - held.len() as u64;
                self.part = if left == 0 {
                    Part::ChunkHead
                } else {
                    Part::Skip { left }
                };
            }
            Part::Skip { .. } | Part::Sound { .. } => {}
        }
        Ok(())
    }

    /// Returns the levels so far, from 0 to 254: the peak of each of at most `most` intervals of whole tenths of a
    /// second, all equal but for the last, which may be shorter. Empty in a format other than 16-bit PCM, and for audio
    /// shorter than a tenth of a second.
    pub fn peaks(&self, most: usize) -> Vec<u8> {
        let peaks = &self.loudness.peaks;
        let together = peaks.len().div_ceil(most.max(1)).max(1);
        peaks
            .chunks(together)
            .map(|piece| piece.iter().copied().max().unwrap_or(0))
            .collect()
    }

    /// Checks, after the last byte, that the WAV file was complete.
    ///
    /// Bytes after the end that the header gives are accepted, because no audio is missing.
    ///
    /// # Errors
    ///
    /// When the body was not a WAV file, or not complete.
    pub fn finish(self) -> Result<Wav, WavError> {
        match self.announced {
            _ if self.seen == 0 => return Err(WavError::Empty),
            Some(length) if self.seen < length => return Err(WavError::CutShort),
            Some(length) if self.seen > length => return Err(WavError::TooLong),
            _ => {}
        }
        let (start, size) = match self.part {
            Part::Sound { start, size } => (start, size),
            Part::Head => {
                return Err(match kind_of(&self.held) {
                    WavError::NotWav
                        if b"RIFF".starts_with(&self.held[..self.held.len().min(4)]) =>
                    {
                        WavError::CutShort
                    }
                    other => other,
                });
            }
            _ => return Err(WavError::CutShort),
        };
        let came = self.seen - start;
        let open_riff = matches!(self.riff_size, 0 | u32::MAX);
        // A size of 0 is correct if nothing follows, and an encoder's placeholder if something does.
        let open_sound = size == u32::MAX || (size == 0 && came > 0);
        if (open_riff || open_sound) && self.announced.is_none() {
            return Err(WavError::EndUnknown);
        }
        if !open_riff && self.seen < u64::from(self.riff_size) + 8 {
            return Err(WavError::CutShort);
        }
        if !open_sound && came < u64::from(size) {
            return Err(WavError::CutShort);
        }
        let sound = if open_sound { came } else { u64::from(size) };
        Ok(Wav {
            bytes: self.seen,
            duration_ms: self.rate.flatten().map(|rate| sound * 1000 / rate),
        })
    }
}

/// Returns the bytes per second of a format chunk; `None` in a format other than PCM, A-law and µ-law, where they do
/// not give the duration. The error is [`WavError::NoFormat`] if in one of these three formats the sample rate, the
/// bytes per sample block or the number of channels are 0.
fn rate_of(format: &[u8]) -> Result<Option<u64>, WavError> {
    let mut tag = u16_at(format, 0);
    if tag == EXTENSIBLE && format.len() >= 26 {
        tag = u16_at(format, 24);
    }
    if !matches!(tag, PCM | A_LAW | MU_LAW) {
        return Ok(None);
    }
    let rate = u64::from(u32_at(format, 4)) * u64::from(u16_at(format, 12));
    if rate == 0 || u16_at(format, 2) == 0 {
        return Err(WavError::NoFormat);
    }
    Ok(Some(rate))
}

/// Determines the type of data that is not a WAV file from its first bytes.
fn kind_of(bytes: &[u8]) -> WavError {
    let text = bytes
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(bytes)
        .trim_ascii_start();
    match text {
        [] => WavError::NotWav,
        [b'<', b'?', ..] => WavError::Xml,
        // XML errors of REST services, such as `<TwilioResponse>` and `<Error>`, often have no XML declaration.
        [b'<', b'T' | b'R' | b'E', ..] => WavError::Xml,
        [b'<', ..] => WavError::Html,
        [b'{' | b'[', ..] => WavError::Json,
        [b'I', b'D', b'3', ..] => WavError::Mp3,
        [0xff, second, ..] if second & 0xe0 == 0xe0 => WavError::Mp3,
        _ => WavError::NotWav,
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests;
