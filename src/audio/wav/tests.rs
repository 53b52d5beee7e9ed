use super::*;
use proptest::prelude::*;

/// A WAV file at 8 kHz, one channel; `tag` 7 is µ-law with 8 bits, 1 is PCM with 16.
fn wav(tag: u16, sound: &[u8]) -> Vec<u8> {
    with_sizes(tag, sound, sound.len() as u32 + 36, sound.len() as u32)
}

fn with_sizes(tag: u16, sound: &[u8], riff: u32, data: u32) -> Vec<u8> {
    let width: u16 = if tag == PCM { 2 } else { 1 };
    let mut out = b"RIFF".to_vec();
    out.extend(riff.to_le_bytes());
    out.extend(b"WAVEfmt ");
    out.extend(16u32.to_le_bytes());
    out.extend(tag.to_le_bytes());
    out.extend(1u16.to_le_bytes());
    out.extend(8000u32.to_le_bytes());
    out.extend((8000 * u32::from(width)).to_le_bytes());
    out.extend(width.to_le_bytes());
    out.extend((width * 8).to_le_bytes());
    out.extend(b"data");
    out.extend(data.to_le_bytes());
    out.extend(sound);
    out
}

fn check(bytes: &[u8], announced: Option<u64>) -> Result<Wav, WavError> {
    check_in(bytes, announced, 7)
}

fn check_in(bytes: &[u8], announced: Option<u64>, step: usize) -> Result<Wav, WavError> {
    let mut check = WavCheck::new(LARGEST, announced);
    for chunk in bytes.chunks(step) {
        check.feed(chunk)?;
    }
    check.finish()
}

#[test]
fn whole_ones_are_measured() {
    for (tag, ms) in [(PCM, 500), (MU_LAW, 1000), (A_LAW, 1000)] {
        let bytes = wav(tag, &[0; 8000]);
        let expected = Wav {
            bytes: 8044,
            duration_ms: Some(ms),
        };
        assert_eq!(check(&bytes, None), Ok(expected));
        assert_eq!(check(&bytes, Some(8044)), Ok(expected));
    }
    // GSM 6.10: complete, but of unknown duration.
    assert_eq!(check(&wav(0x31, &[0; 65]), None).unwrap().duration_ms, None);
    assert_eq!(check(&wav(PCM, &[]), None).unwrap().duration_ms, Some(0));
}

#[test]
fn other_chunks_and_an_extensible_format_are_passed_over() {
    let plain = wav(PCM, &[0; 1600]);
    let mut bytes = plain[..12].to_vec();
    bytes.extend(b"LIST\x03\0\0\0abc\0");
    bytes.extend(b"fmt \x28\0\0\0\xfe\xff");
    bytes.extend(&plain[22..36]);
    bytes.extend(b"\x16\0\x10\0\0\0\0\0\x01\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71");
    bytes.extend(b"fact\0\0\0\0");
    bytes.extend(&plain[36..]);
    let riff = bytes.len() as u32 - 8;
    bytes[4..8].copy_from_slice(&riff.to_le_bytes());
    assert_eq!(check(&bytes, None).unwrap().duration_ms, Some(100));
}

#[test]
fn what_is_no_wav_is_named_early() {
    for (body, error) in [
        (&b""[..], WavError::Empty),
        (b"<!DOCTYPE html><html>", WavError::Html),
        (b"\n <html><body>502", WavError::Html),
        (b"<h1>", WavError::Html),
        (b"<?xml version=\"1.0\"?><TwilioResponse/>", WavError::Xml),
        (b"<TwilioResponse><RestException>", WavError::Xml),
        (b"{\"code\":20404}", WavError::Json),
        (b"[]", WavError::Json),
        (b"ID3\x04\0\0\0\0\0\0\0\0\0", WavError::Mp3),
        (b"\xff\xfb\x90\x64\0\0\0\0\0\0\0\0", WavError::Mp3),
        (b"OggS\0\0\0\0\0\0\0\0\0\0", WavError::NotWav),
        (b"RIFF\x24\0\0\0AVI LIST", WavError::NotWav),
        (b"RIF", WavError::CutShort),
        (b"not found", WavError::NotWav),
    ] {
        assert_eq!(check(body, None), Err(error), "{body:?}");
        if body.len() >= 12 {
            assert_eq!(WavCheck::new(LARGEST, None).feed(&body[..12]), Err(error));
        }
    }
}

#[test]
fn a_format_that_makes_no_sense_is_refused() {
    let mut still = wav(PCM, &[0; 16]);
    still[24..28].fill(0);
    assert_eq!(check(&still, None), Err(WavError::NoFormat));
    let mut short = wav(PCM, &[0; 16]);
    short[16] = 14;
    assert_eq!(check(&short, None), Err(WavError::NoFormat));
    let mut none = wav(PCM, &[0; 16])[..12].to_vec();
    none.extend(b"data\x04\0\0\0abcd");
    assert_eq!(check(&none, None), Err(WavError::NoFormat));
}

#[test]
fn placeholders_for_sizes_need_an_announced_length() {
    for (riff, data) in [
        (0, 0),
        (u32::MAX, u32::MAX),
        (u32::MAX, 8000),
        (36, 0),
        (8036, u32::MAX),
    ] {
        let bytes = with_sizes(MU_LAW, &[0; 8000], riff, data);
        assert_eq!(
            check(&bytes, None),
            Err(WavError::EndUnknown),
            "{riff} {data}"
        );
        assert_eq!(
            check(&bytes, Some(8044)).unwrap().duration_ms,
            Some(1000),
            "{riff} {data}"
        );
        assert_eq!(check(&bytes[..8000], Some(8044)), Err(WavError::CutShort));
    }
}

#[test]
fn the_announced_length_and_the_largest_bind() {
    let bytes = wav(PCM, &[0; 16]);
    assert_eq!(check(&bytes, Some(59)), Err(WavError::TooLong));
    assert_eq!(check(&bytes, Some(61)), Err(WavError::CutShort));
    assert_eq!(
        WavCheck::new(59, None).feed(&bytes),
        Err(WavError::TooLarge)
    );
    assert_eq!(
        WavCheck::new(60, Some(61)).feed(&bytes[..1]),
        Err(WavError::TooLarge)
    );
    assert_eq!(WavCheck::new(60, None).feed(&bytes), Ok(()));
}

#[test]
fn what_follows_the_end_is_let_pass() {
    let mut bytes = wav(MU_LAW, &[0; 80]);
    bytes.extend(b"id3 trailing");
    assert_eq!(check(&bytes, None).unwrap().duration_ms, Some(10));
}

proptest! {
    #[test]
    fn cut_anywhere_it_is_not_whole(size in 1usize..300, cut in 0usize..344, step in 1usize..400) {
        let bytes = wav(MU_LAW, &vec![0x55; size]);
        let cut = cut.min(bytes.len() - 1);
        prop_assert!(check_in(&bytes[..cut], None, step).is_err());
        prop_assert!(check_in(&bytes[..cut], Some(bytes.len() as u64), step).is_err());
        prop_assert!(check_in(&bytes, None, step).is_ok());
    }

    #[test]
    fn no_bytes_make_it_panic(
        mut bytes in any::<Vec<u8>>(), spoilt in proptest::collection::vec((0usize..60, any::<u8>()), 0..6), step in 1usize..50,
    ) {
        let _ = check_in(&bytes, None, step);
        bytes.splice(0..0, wav(PCM, &[1; 20]));
        for (at, byte) in spoilt {
            bytes[at] = byte;
        }
        let whole = check_in(&bytes, None, step);
        prop_assert_eq!(whole, check_in(&bytes, None, bytes.len()));
        let _ = check_in(&bytes, Some(bytes.len() as u64), step);
    }
}

/// 16-bit audio at 8 kHz, a tenth of a second for each of the given amplitudes.
fn loud(tenths: &[i16]) -> Vec<u8> {
    tenths
        .iter()
        .flat_map(|level| {
            [level.to_le_bytes(), (-level).to_le_bytes()]
                .concat()
                .repeat(400)
        })
        .collect()
}

fn peaks(bytes: &[u8], most: usize, step: usize) -> Vec<u8> {
    let mut check = WavCheck::new(LARGEST, Some(bytes.len() as u64));
    for chunk in bytes.chunks(step) {
        check.feed(chunk).unwrap();
    }
    check.peaks(most)
}

#[test]
fn loudness_is_seen_tenth_by_tenth() {
    let sound = loud(&[0, 0x7fff, 0x4000, 0x0100]);
    let whole = wav(PCM, &sound);
    for step in [1, 7, 4096] {
        assert_eq!(peaks(&whole, 600, step), [0, 254, 128, 2], "{step}");
        assert_eq!(peaks(&whole, 2, step), [254, 128], "{step}");
    }
    // The magnitude of the lowest sample is one more than that of the highest.
    assert_eq!(peaks(&wav(PCM, &loud(&[i16::MIN + 1])), 600, 64), [254]);
    assert_eq!(peaks(&wav(PCM, &[0, 0x80].repeat(800)), 600, 64), [254]);
    // What follows the data is not audio.
    let mut followed = whole.clone();
    followed.extend(loud(&[0x7fff]));
    assert_eq!(peaks(&followed, 600, 64).len(), 4);
    // Sizes of 0, as an encoder leaves them that writes while it records.
    let open = with_sizes(PCM, &sound, 0, 0);
    assert_eq!(peaks(&open, 600, 64), [0, 254, 128, 2]);
    assert_eq!(peaks(&wav(MU_LAW, &sound), 600, 64), [] as [u8; 0]);
    assert_eq!(peaks(&wav(PCM, &[]), 600, 64), [] as [u8; 0]);
}
