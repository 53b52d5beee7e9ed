use super::*;
use proptest::prelude::*;

/// A tone of this duration in milliseconds and this amplitude.
fn tone(milliseconds: u64, loudness: i16) -> Vec<u8> {
    (0..milliseconds * RATE / 1000)
        .flat_map(|n| {
            let sample = if n % 8 < 4 { loudness } else { -loudness };
            sample.to_le_bytes()
        })
        .collect()
}

fn listening() -> Listening {
    Listening::new(240, 10)
}

#[test]
fn a_word_is_a_tenth_of_a_second_of_speech() {
    let mut one = listening();
    one.frame(&tone(80, 2000));
    assert_eq!(one.heard(), Heard::Nothing);
    one.frame(&tone(20, 2000));
    assert_eq!(one.heard(), Heard::Speech);
    assert_eq!(one.milliseconds(), 100);

    let mut whisper = listening();
    whisper.frame(&tone(3000, 60));
    assert_eq!(whisper.heard(), Heard::Faint);

    let mut nobody = listening();
    nobody.frame(&tone(3000, 0));
    assert_eq!(nobody.heard(), Heard::Nothing);
}

#[test]
fn silence_ends_it_and_speech_puts_that_off() {
    let mut one = listening();
    assert_eq!(one.frame(&tone(9_900, 0)), (158_400, None));
    assert_eq!(one.frame(&tone(100, 2000)), (1600, None));
    assert_eq!(one.frame(&tone(9_900, 0)).1, None);
    assert_eq!(one.frame(&tone(500, 0)), (1600, Some(Enough::Silence)));
    assert_eq!(one.milliseconds(), 20_000);

    let mut talk = Listening::new(240, 0);
    assert_eq!(talk.frame(&tone(200_000, 0)).1, None);
}

#[test]
fn the_limit_and_its_slack_end_it() {
    let mut one = Listening::new(2, 10);
    let (kept, enough) = one.frame(&tone(6_000, 2000));
    assert_eq!(enough, Some(Enough::Limit));
    assert_eq!(kept as u64, (2 + SLACK) * RATE * 2);
    assert_eq!(one.frame(&[0; 320]), (0, Some(Enough::Limit)));
}

#[test]
fn a_sample_may_come_in_two_frames_and_half_of_one_at_the_end() {
    let audio = tone(400, 2000);
    let mut whole = listening();
    whole.frame(&audio);
    let mut bytes = listening();
    for byte in &audio {
        assert_eq!(bytes.frame(&[*byte]), (1, None));
    }
    assert_eq!(bytes.heard(), whole.heard());
    assert_eq!(bytes.bytes(), whole.bytes());
    assert!(bytes.missing().is_empty());
    bytes.frame(&[1]);
    assert_eq!(bytes.missing(), [0]);
}

proptest! {
    /// However the audio is cut into frames, the same bytes are kept, and the recording ends at the same sample for the
    /// same reason.
    #[test]
    fn frames_do_not_matter(
        pieces in prop::collection::vec((0u64..1500, prop::sample::select(vec![0i16, 20, 300, 32_000])), 0..20),
        cuts in prop::collection::vec(1usize..40_000, 1..40),
    ) {
        let audio: Vec<u8> = pieces.iter().flat_map(|(ms, loudness)| tone(*ms, *loudness)).collect();
        let mut whole = Listening::new(8, 2);
        let expected = whole.frame(&audio);
        let mut cut = Listening::new(8, 2);
        let (mut kept, mut enough, mut rest) = (0, None, &audio[..]);
        for length in cuts.iter().cycle() {
            if rest.is_empty() || enough.is_some() {
                break;
            }
            let (frame, behind) = rest.split_at((*length).min(rest.len()));
            let (taken, ended) = cut.frame(frame);
            kept += taken;
            enough = ended;
            rest = behind;
        }
        prop_assert_eq!((kept, enough), expected);
        prop_assert_eq!(cut.heard(), whole.heard());
        prop_assert_eq!(cut.milliseconds(), whole.milliseconds());
        prop_assert!(kept as u64 <= (8 + SLACK) * RATE * 2);
    }
}
