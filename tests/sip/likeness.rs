//! The similarity of two sounds: the normalised cross-correlation over all shifts.
//!
//! 1 is the same sound, whatever its volume; unrelated speech stays far below 0.5. A-law and a telephone's packets cost
//! less than 0.01, and a missing piece costs its share of the energy.

use std::f64::consts::PI;
use std::ops::{Add, Mul, Sub};

/// The place of one sound in another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Match {
    /// Index of its first sample.
    pub at: usize,
    /// Similarity, −1 to 1.
    pub likeness: f64,
}

/// Returns the similarity of two whole sounds at the best shift. What only one of them contains lowers it.
pub fn likeness(one: &[i16], other: &[i16]) -> f64 {
    let energy = energy(one) * energy(other);
    if energy == 0.0 {
        return 0.0;
    }
    let best = correlation(one, other).into_iter().fold(0.0, f64::max);
    best / energy.sqrt()
}

/// Returns the place in `all` that is most similar to `sound`; what comes before and after does not count.
pub fn find(sound: &[i16], all: &[i16]) -> Option<Match> {
    matches(sound, all)
        .into_iter()
        .max_by(|one, other| one.likeness.total_cmp(&other.likeness))
}

/// Returns the names of the sounds spoken in `all`, in order. A sound is recognised where its similarity is at least
/// `floor`; where two would overlap, the one that fits better is.
pub fn recognise<N: Copy>(all: &[i16], vocabulary: &[(N, Vec<i16>)], floor: f64) -> Vec<N> {
    let mut heard: Vec<(Match, usize, N)> = Vec::new();
    for (name, sound) in vocabulary {
        let here = matches(sound, all);
        heard.extend(
            here.into_iter()
                .filter(|found| found.likeness >= floor)
                .map(|found| (found, sound.len(), *name)),
        );
    }
    heard.sort_by(|one, other| other.0.likeness.total_cmp(&one.0.likeness));
    let mut kept: Vec<(Match, usize, N)> = Vec::new();
    for (found, length, name) in heard {
        let apart = |(other, its, _): &(Match, usize, N)| {
            // The silence at the beginning and end of a sound may overlap.
            let (from, to) = (found.at + length / 4, found.at + length - length / 4);
            to <= other.at + its / 4 || from >= other.at + its - its / 4
        };
        if kept.iter().all(apart) {
            kept.push((found, length, name));
        }
    }
    kept.sort_by_key(|(found, ..)| found.at);
    kept.into_iter().map(|(.., name)| name).collect()
}

/// Returns the similarity at every place where all of `sound` fits.
fn matches(sound: &[i16], all: &[i16]) -> Vec<Match> {
    let own = energy(sound);
    if own == 0.0 || all.len() < sound.len() {
        return Vec::new();
    }
    let mut running = Vec::with_capacity(all.len() + 1);
    running.push(0.0);
    for &sample in all {
        running.push(running[running.len() - 1] + f64::from(sample).powi(2));
    }
    correlation(sound, all)
        .into_iter()
        .take(all.len() - sound.len() + 1)
        .enumerate()
        .map(|(at, product)| {
            let there = running[at + sound.len()] - running[at];
            // Near silence is similar to nothing.
            let silent = there < own / 1_000.0;
            let likeness = if silent {
                0.0
            } else {
                product / (own * there).sqrt()
            };
            Match { at, likeness }
        })
        .collect()
}

fn energy(sound: &[i16]) -> f64 {
    sound.iter().map(|&sample| f64::from(sample).powi(2)).sum()
}

/// Returns the sum of products for each shift of `one` in `other`; shifts to the left are at the end.
fn correlation(one: &[i16], other: &[i16]) -> Vec<f64> {
    let size = (one.len() + other.len()).next_power_of_two();
    let spectrum = |sound: &[i16]| {
        let mut values = vec![Complex(0.0, 0.0); size];
        for (value, &sample) in values.iter_mut().zip(sound) {
            value.0 = f64::from(sample);
        }
        transform(&mut values, -1.0);
        values
    };
    let mut product: Vec<Complex> = spectrum(one)
        .into_iter()
        .zip(spectrum(other))
        .map(|(one, other)| Complex(one.0, -one.1) * other)
        .collect();
    transform(&mut product, 1.0);
    let scale = 1.0 / size as f64;
    product.into_iter().map(|value| value.0 * scale).collect()
}

#[derive(Clone, Copy)]
struct Complex(f64, f64);

impl Add for Complex {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0, self.1 + other.1)
    }
}

impl Sub for Complex {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0, self.1 - other.1)
    }
}

impl Mul for Complex {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Self(
            self.0 * other.0 - self.1 * other.1,
            self.0 * other.1 + self.1 * other.0,
        )
    }
}

/// Computes the discrete Fourier transform in place, of a power of two of values: −1 forwards, 1 back, unscaled.
fn transform(values: &mut [Complex], direction: f64) {
    let size = values.len();
    let mut mirrored = 0;
    for place in 1..size {
        let mut bit = size >> 1;
        while mirrored & bit != 0 {
            mirrored ^= bit;
            bit >>= 1;
        }
        mirrored |= bit;
        if place < mirrored {
            values.swap(place, mirrored);
        }
    }
    let mut span = 2;
    while span <= size {
        let angle = direction * 2.0 * PI / span as f64;
        let roots: Vec<Complex> = (0..span / 2)
            .map(|i| Complex((angle * i as f64).cos(), (angle * i as f64).sin()))
            .collect();
        for block in values.chunks_exact_mut(span) {
            let (low, high) = block.split_at_mut(span / 2);
            for ((low, high), root) in low.iter_mut().zip(high).zip(&roots) {
                let turned = *high * *root;
                (*low, *high) = (*low + turned, *low - turned);
            }
        }
        span <<= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a sound like speech: a tone that changes with every syllable, loud and soft. Different seeds give
    /// different words.
    fn words(seed: u32, syllables: usize) -> Vec<i16> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 16) / 65_536.0
        };
        let mut said = Vec::new();
        for _ in 0..syllables {
            let (pitch, loud) = (100.0 + 900.0 * next(), 1_000.0 + 9_000.0 * next());
            for i in 0..1_600 {
                let time = f64::from(i) / 8_000.0;
                let swell = (PI * f64::from(i) / 1_600.0).sin();
                let noise = next() - 0.5;
                said.push((loud * swell * ((2.0 * PI * pitch * time).sin() + noise)) as i16);
            }
        }
        said
    }

    fn quieter(sound: &[i16]) -> Vec<i16> {
        sound.iter().map(|sample| sample / 3).collect()
    }

    /// Adds `before` samples of silence at the beginning and at the end.
    fn shifted(sound: &[i16], before: usize) -> Vec<i16> {
        let silence = vec![0; before];
        [silence.clone(), sound.to_vec(), silence].concat()
    }

    #[test]
    fn a_sound_is_like_itself_wherever_it_is_and_however_loud() {
        let said = words(1, 20);
        assert!(likeness(&said, &said) > 0.999_999);
        assert!(likeness(&said, &shifted(&quieter(&said), 3_217)) > 0.999);
        assert!(likeness(&shifted(&said, 3_217), &said) > 0.999);
    }

    #[test]
    fn the_telephone_costs_little() {
        let said = words(2, 20);
        let heard: Vec<i16> = said
            .iter()
            .map(|&sample| super::super::speech::from_alaw(super::super::speech::to_alaw(sample)))
            .collect();
        assert!(likeness(&said, &heard) > 0.995);
    }

    #[test]
    fn other_words_are_not_like_it() {
        let said = words(3, 20);
        assert!(likeness(&said, &words(4, 20)) < 0.3);
        let mut backwards = said.clone();
        backwards.reverse();
        assert!(likeness(&said, &backwards) < 0.5);
        assert!(likeness(&said, &vec![0; said.len()]) < 0.001);
    }

    #[test]
    fn what_is_missing_counts() {
        let said = words(5, 20);
        assert!(likeness(&said, &said[..said.len() / 2]) < 0.9);
        let mut cut = said.clone();
        // A gap of a hundred milliseconds in the middle shifts everything after it.
        cut.drain(said.len() / 2..said.len() / 2 + 800);
        assert!(likeness(&said, &cut) < 0.9);
        assert!(likeness(&said, &[said.clone(), words(6, 20)].concat()) < 0.95);
    }

    #[test]
    fn a_sound_is_found_where_it_is() {
        let said = words(7, 5);
        let all = [words(8, 9), said.clone(), words(9, 4)].concat();
        let found = find(&said, &all).unwrap();
        assert_eq!(found.at, 9 * 1_600);
        assert!(found.likeness > 0.999);
        assert!(find(&words(10, 5), &all).unwrap().likeness < 0.5);
        assert_eq!(find(&all, &said), None);
    }

    #[test]
    fn what_was_spoken_is_recognised() {
        let vocabulary: Vec<(char, Vec<i16>)> = ('0'..='9')
            .map(|digit| (digit, words(u32::from(digit), 2)))
            .collect();
        let of = |digit: char| {
            let (_, sound) = vocabulary.iter().find(|(name, _)| *name == digit).unwrap();
            shifted(&quieter(sound), 400)
        };
        let all: Vec<i16> = "4 0077 193"
            .chars()
            .filter(|c| *c != ' ')
            .flat_map(of)
            .collect();
        let heard: String = recognise(&all, &vocabulary, 0.9).into_iter().collect();
        assert_eq!(heard, "40077193");
        assert!(recognise(&words(11, 30), &vocabulary, 0.9).is_empty());
    }
}
