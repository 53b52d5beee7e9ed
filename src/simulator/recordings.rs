//! Recorded audio, kept in memory, and the duration of WAV files.

use bytes::Bytes;

/// One recording made by the exchange.
#[derive(Clone, Debug)]
pub struct Recording {
    /// `RE` and 32 hexadecimal digits.
    pub sid: String,
    /// The id of the call it was made in.
    pub call: String,
    /// The verb that made it, in Twilio's terms: `RecordVerb` or `DialVerb`.
    pub source: &'static str,
    /// Its number among the recordings of the call, from 1.
    pub number: u32,
    /// The audio exactly as the caller sent it; `None` if nothing was said (Twilio's status `absent`).
    pub audio: Option<Bytes>,
    /// Its duration as the exchange reports it, in whole seconds; 0 if nothing was said.
    pub seconds: u32,
    /// When it began or, for a conversation, when it ended, in Twilio's date format (RFC 2822, UTC).
    pub started: String,
    /// Number of requests for its audio that were answered 404 because of [`super::faults::Faults::not_yet`].
    pub asked_too_early: u32,
}

/// Returns the duration of a WAV file, in milliseconds; `None` if `bytes` is not a WAV file with a format chunk
/// followed by a data chunk, or if its byte rate is 0.
///
/// If the file ends within the `data` chunk, the bytes that are there count.
pub fn wav_millis(bytes: &[u8]) -> Option<u64> {
    let chunk_length = |at: usize| -> Option<usize> {
        let four = bytes.get(at.checked_add(4)?..at.checked_add(8)?)?;
        usize::try_from(u32::from_le_bytes(four.try_into().ok()?)).ok()
    };
    if bytes.get(..4)? != b"RIFF" || bytes.get(8..12)? != b"WAVE" {
        return None;
    }
    let mut at = 12usize;
    let mut bytes_a_second = None;
    loop {
        let name = bytes.get(at..at.checked_add(4)?)?;
        let length = chunk_length(at)?;
        let body = at.checked_add(8)?;
        match name {
            b"fmt " => {
                let rate = bytes.get(body.checked_add(8)?..body.checked_add(12)?)?;
                bytes_a_second = Some(u32::from_le_bytes(rate.try_into().ok()?));
            }
            b"data" => {
                let there = length.min(bytes.len().checked_sub(body)?);
                let rate = u64::from(bytes_a_second?);
                return u64::try_from(there)
                    .ok()?
                    .checked_mul(1000)?
                    .checked_div(rate);
            }
            _ => {}
        }
        // Chunks are padded to an even length.
        at = body.checked_add(length)?.checked_add(length % 2)?;
    }
}

/// Converts milliseconds to whole seconds as a provider counts them: rounded down, at least 1.
pub fn whole_seconds(millis: u64) -> u32 {
    u32::try_from(millis / 1000).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::SAMPLE;
    use proptest::prelude::*;

    #[test]
    fn the_sample_is_short_and_telephone_like() {
        let millis = wav_millis(SAMPLE).unwrap();
        assert!((3_000..6_000).contains(&millis), "{millis}");
        assert!(SAMPLE.len() < 80_000);
        // PCM, one channel, 8000 Hz, 16 bits.
        assert_eq!(SAMPLE[20..24], [1, 0, 1, 0]);
        assert_eq!(SAMPLE[24..28], 8000u32.to_le_bytes());
        assert_eq!(SAMPLE[34..36], [16, 0]);
    }

    #[test]
    fn what_is_not_wav_has_no_length() {
        assert_eq!(wav_millis(b""), None);
        assert_eq!(wav_millis(b"<html>no such recording</html>"), None);
        assert_eq!(wav_millis(&SAMPLE[..30]), None);
        let mut no_rate = SAMPLE.to_vec();
        no_rate[28..32].fill(0);
        assert_eq!(wav_millis(&no_rate), None);
    }

    #[test]
    fn a_second_is_the_least() {
        assert_eq!(whole_seconds(200), 1);
        assert_eq!(whole_seconds(4_999), 4);
    }

    proptest! {
        #[test]
        fn never_panics(cut in 0usize..100, noise in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut bytes = SAMPLE[..cut].to_vec();
            bytes.extend(noise);
            let _ = wav_millis(&bytes);
        }
    }
}
