//! Any frames on the socket of a recording: nothing panics, no more than the limit is kept, and the division into
//! frames does not matter. The first two bytes are the limit and the silence that ends it, the third one is the length
//! of frames.

use dutyline::telephony::streams::listening::{Listening, RATE, SLACK};

/// The property, for any bytes.
pub fn check(data: &[u8]) {
    let [limit, silence, length, audio @ ..] = data else {
        return;
    };
    let (limit, silence) = (u32::from(limit % 4), u32::from(silence % 4));
    // A byte is repeated, so that the audio is seconds long.
    let audio: Vec<u8> = audio.iter().flat_map(|byte| [*byte; 97]).collect();
    let mut whole = Listening::new(limit, silence);
    let (kept, enough) = whole.frame(&audio);
    assert!(kept <= audio.len());
    assert!(kept as u64 <= (u64::from(limit) + SLACK) * RATE * 2);
    assert_eq!(whole.bytes(), kept as u64);
    assert_eq!(whole.missing().len(), kept % 2);

    let mut cut = Listening::new(limit, silence);
    let mut so_far = 0;
    let mut ended = None;
    for frame in audio.chunks(usize::from(*length).max(1)) {
        let (taken, enough) = cut.frame(frame);
        so_far += taken;
        if enough.is_some() {
            ended = enough;
            break;
        }
    }
    assert_eq!((so_far, ended), (kept, enough));
    assert_eq!(cut.heard(), whole.heard());
    assert_eq!(cut.milliseconds(), whole.milliseconds());
}
