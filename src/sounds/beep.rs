//! The beep before a recording. A softswitch may have no beep of its own installed, and would then record nothing.

use crate::audio::format::BYTES_PER_SECOND;
use crate::audio::wav::header;
use std::f64::consts::TAU;

/// Pitch, in hertz, as answering machines use.
const PITCH: f64 = 1000.0;
/// Duration of the beep, in milliseconds.
const LENGTH: usize = 250;
/// Duration of its fade-in, and of its fade-out, in milliseconds.
const EDGE: usize = 10;
/// Amplitude of the samples: a quarter of the maximum of 16 bits.
const LOUDNESS: f64 = 8192.0;

/// Returns the beep as a WAV file: 8 kHz, mono, 16 bit.
pub fn wav() -> Vec<u8> {
    let samples = BYTES_PER_SECOND / 2 * LENGTH / 1000;
    let rate = (BYTES_PER_SECOND / 2) as f64;
    let edge = rate * EDGE as f64 / 1000.0;
    let bytes = u32::try_from(2 * samples).unwrap_or_default();
    let mut wav = header(bytes).to_vec();
    for n in 0..samples {
        let nearest = n.min(samples - 1 - n) as f64;
        let loudness = LOUDNESS * (nearest / edge).min(1.0);
        let sample = loudness * (TAU * PITCH * n as f64 / rate).sin();
        wav.extend((sample as i16).to_le_bytes());
    }
    wav
}

#[cfg(test)]
mod tests {
    use crate::audio::wav::{LARGEST, WavCheck};

    #[test]
    fn it_is_heard() {
        let wav = super::wav();
        let mut check = WavCheck::new(LARGEST, Some(wav.len() as u64));
        check.feed(&wav).unwrap();
        let peaks = check.peaks(10);
        assert!(
            peaks.iter().all(|peak| (50..=70).contains(peak)),
            "{peaks:?}"
        );
        assert_eq!(check.finish().unwrap().duration_ms, Some(250));
    }
}
