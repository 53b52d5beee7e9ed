//! Callers' speech, synthesised by espeak-ng when a test needs it, and A-law as used on the telephone.

use std::process::{Command, Stdio};

/// Samples per second on the telephone.
pub const RATE: usize = 8_000;
/// Samples in a packet: 20 milliseconds.
pub const PACKET: usize = RATE / 50;

/// Returns `text` spoken in Mandarin, as it sounds at the other end of a telephone.
pub fn speak(text: &str) -> Vec<i16> {
    let mut espeak = Command::new("espeak-ng")
        .args(["-v", "cmn-latn-pinyin", "--stdout", text])
        .stdout(Stdio::piped())
        .spawn()
        .expect("espeak-ng is installed");
    // Below full scale, because clipping changes the sound.
    let sox = Command::new("sox")
        .args(["-t", "wav", "--ignore-length", "-", "-t", "raw"])
        .args(["-e", "signed", "-b", "16", "-r", "8000", "-c", "1", "-"])
        .args(["gain", "-n", "-6"])
        .stdin(espeak.stdout.take().expect("its output is a pipe"))
        .output()
        .expect("sox is installed");
    assert!(espeak.wait().unwrap().success() && sox.status.success());
    let (pairs, _) = sox.stdout.as_chunks::<2>();
    let spoken = pairs.iter().map(|pair| i16::from_le_bytes(*pair));
    let mut heard: Vec<i16> = spoken.map(to_alaw).map(from_alaw).collect();
    assert!(heard.len() > RATE / 10, "something is said");
    heard.resize(heard.len().next_multiple_of(PACKET), from_alaw(to_alaw(0)));
    heard
}

/// Returns a WAV file of these samples.
pub fn to_wav(samples: &[i16]) -> Vec<u8> {
    let sound: Vec<u8> = samples
        .iter()
        .flat_map(|sample| sample.to_le_bytes())
        .collect();
    let length = u32::try_from(sound.len()).expect("a short sound");
    let mut wav = crate::support::wav(b"..")[..44].to_vec();
    wav[4..8].copy_from_slice(&(36 + length).to_le_bytes());
    wav[40..44].copy_from_slice(&length.to_le_bytes());
    wav.extend(sound);
    wav
}

/// Returns the samples of a WAV file: 8 kHz, one channel, 16 bits, whatever length its header states.
pub fn of_wav(bytes: &[u8]) -> Vec<i16> {
    assert_eq!(bytes.get(..4), Some(&b"RIFF"[..]), "a WAV file");
    let format = bytes.windows(4).position(|word| word == b"fmt ");
    let format = &bytes[format.expect("its format") + 8..];
    assert_eq!(format[..8], [1, 0, 1, 0, 0x40, 0x1F, 0, 0], "PCM at 8 kHz");
    let data = bytes.windows(4).position(|word| word == b"data");
    let (pairs, _) = bytes[data.expect("its sound") + 8..].as_chunks::<2>();
    pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
}

/// Encodes a sample in A-law (ITU-T G.711).
pub fn to_alaw(sample: i16) -> u8 {
    let (sign, magnitude) = if sample >= 0 {
        (0xD5, sample >> 3)
    } else {
        (0x55, (-1 - sample) >> 3)
    };
    let segment = (0..7)
        .find(|segment| magnitude < 0x20 << segment)
        .unwrap_or(7);
    let step = (magnitude >> segment.clamp(1, 7)) & 0x0F;
    let code = ((segment << 4) as u8) | step as u8;
    code ^ sign
}

/// Returns the middle of the samples that an A-law code stands for.
pub fn from_alaw(code: u8) -> i16 {
    let code = code ^ 0x55;
    let step = i16::from(code & 0x0F) << 4;
    let magnitude = match (code >> 4) & 7 {
        0 => step + 8,
        segment => (step + 0x108) << (segment - 1),
    };
    if code & 0x80 != 0 {
        magnitude
    } else {
        -magnitude
    }
}

#[test]
fn alaw_is_as_in_the_recommendation() {
    // Silence, the extremes, and that every code is that of the sample it stands for.
    assert_eq!((to_alaw(0), to_alaw(-1)), (0xD5, 0x55));
    assert_eq!((to_alaw(i16::MAX), to_alaw(i16::MIN)), (0xAA, 0x2A));
    for code in 0..=u8::MAX {
        assert_eq!(to_alaw(from_alaw(code)), code, "{code:#x}");
    }
    for sample in (i16::MIN..i16::MAX).step_by(7) {
        let off = i32::from(from_alaw(to_alaw(sample))) - i32::from(sample);
        assert!(off.abs() <= i32::from(sample).abs() / 16 + 16, "{sample}");
    }
}
