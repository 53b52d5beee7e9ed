//! Receipts: the twelve digits a caller is given to call back with.
//!
//! The last digit is a check digit (H. Michael Damm, 2004), which detects every single wrong digit and every swap of
//! two neighbours: the common mistakes of typing digits that were heard. It is no protection against guessing, because
//! its computation is public.

use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

/// Number of digits in a receipt, the check digit included.
pub const DIGITS: usize = 12;

/// A receipt with a correct check digit. `Debug` does not print it; zeroized on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct Receipt(Zeroizing<[u8; DIGITS]>);

/// The text is not twelve digits, or the check digit is wrong. Does not contain the digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a receipt: twelve digits, and the last one must fit the others")]
pub struct WrongReceipt;

impl Receipt {
    /// Returns the receipt for 16 random bytes.
    ///
    /// The bytes are read as a number and reduced modulo 10^11. 2^128 is not a multiple of that, so the lower
    /// remainders are more likely, by less than one part in 2^91, which is negligible.
    pub fn from_random(random: [u8; 16]) -> Self {
        let mut rest = u128::from_be_bytes(random) % 10u128.pow(DIGITS as u32 - 1);
        let mut digits = Zeroizing::new([b'0'; DIGITS]);
        for digit in digits[..DIGITS - 1].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        digits[DIGITS - 1] = b'0' + damm(&digits[..DIGITS - 1]);
        Self(digits)
    }

    /// Parses a receipt as typed on a keypad or written down. White space and dashes are ignored.
    pub fn parse(text: &str) -> Result<Self, WrongReceipt> {
        let mut digits = Zeroizing::new([0; DIGITS]);
        let mut count = 0;
        for char in text.chars().filter(|c| !c.is_whitespace() && *c != '-') {
            if !char.is_ascii_digit() || count == DIGITS {
                return Err(WrongReceipt);
            }
            digits[count] = char as u8;
            count += 1;
        }
        // The checksum of all twelve digits is zero.
        if count < DIGITS || damm(digits.as_slice()) != 0 {
            return Err(WrongReceipt);
        }
        Ok(Self(digits))
    }

    /// Returns the twelve digits.
    pub fn digits(&self) -> &str {
        std::str::from_utf8(self.0.as_slice()).expect("digits are ASCII")
    }

    /// Returns the digits separated by spaces, so that a voice says them one by one.
    pub fn spoken(&self) -> String {
        let mut spoken = String::with_capacity(2 * DIGITS);
        for digit in self.digits().chars() {
            if !spoken.is_empty() {
                spoken.push(' ');
            }
            spoken.push(digit);
        }
        spoken
    }
}

impl FromStr for Receipt {
    type Err = WrongReceipt;

    fn from_str(text: &str) -> Result<Self, WrongReceipt> {
        Self::parse(text)
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receipt([hidden])")
    }
}

/// Returns the check digit of ASCII digits. If they already end in their check digit, this is 0.
fn damm(digits: &[u8]) -> u8 {
    digits.iter().fold(0, |interim, digit| {
        QUASIGROUP[usize::from(interim)][usize::from(digit - b'0')]
    })
}

/// The totally anti-symmetric quasigroup of order 10 from Damm's dissertation (Marburg, 2004).
const QUASIGROUP: [[u8; 10]; 10] = [
    [0, 3, 1, 7, 5, 9, 8, 6, 4, 2],
    [7, 0, 9, 2, 1, 5, 4, 8, 6, 3],
    [4, 2, 0, 6, 8, 7, 1, 3, 5, 9],
    [1, 7, 5, 0, 9, 8, 3, 4, 2, 6],
    [6, 1, 2, 3, 0, 4, 5, 9, 7, 8],
    [3, 6, 7, 4, 2, 0, 9, 5, 8, 1],
    [5, 8, 6, 9, 7, 2, 0, 1, 3, 4],
    [8, 9, 4, 5, 3, 6, 2, 0, 1, 7],
    [9, 4, 3, 8, 6, 1, 7, 2, 0, 5],
    [2, 5, 8, 1, 4, 3, 6, 7, 9, 0],
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_check_digit_is_damms() {
        // The usual example: 572 has check digit 4.
        assert_eq!(damm(b"572"), 4);
        assert_eq!(damm(b"5724"), 0);
    }

    #[test]
    fn it_is_read_and_spoken_as_people_do() {
        let receipt = Receipt::from_random([0; 16]);
        assert_eq!(receipt.digits(), "000000000000");
        let mut one = [0; 16];
        one[15] = 1;
        let receipt = Receipt::from_random(one);
        assert_eq!(receipt.digits(), "000000000013");
        assert_eq!(receipt.spoken(), "0 0 0 0 0 0 0 0 0 0 1 3");
        for text in [
            "0000-0000-0013",
            " 0000 0000 0013 ",
            "0 0 0 0 0 0 0 0 0 0 1 3",
            "-000000000013",
        ] {
            assert_eq!(Receipt::parse(text), Ok(receipt.clone()));
        }
        assert_eq!(format!("{receipt:?}"), "Receipt([hidden])");
    }

    #[test]
    fn what_is_no_receipt_is_refused() {
        for text in [
            "",
            "0",
            "00000000000",
            "0000000000000",
            "000000000014",
            "00000000001x",
            "0000000000１3",
            "000000000013#",
        ] {
            assert_eq!(Receipt::parse(text), Err(WrongReceipt));
        }
    }

    #[test]
    fn every_digit_occurs_everywhere_about_equally() {
        let mut seen = [[0u32; 10]; DIGITS];
        for _ in 0..10_000 {
            let receipt = Receipt::from_random(crate::base::clock::random());
            for (at, digit) in receipt.digits().bytes().enumerate() {
                seen[at][usize::from(digit - b'0')] += 1;
            }
        }
        // 1,000 expected, standard deviation 30: a deviation of ten times that does not occur.
        assert!(
            seen.iter()
                .flatten()
                .all(|count| (700..1300).contains(count))
        );
    }

    proptest! {
        #[test]
        fn what_is_drawn_is_read(random: [u8; 16]) {
            let receipt = Receipt::from_random(random);
            prop_assert_eq!(Receipt::parse(receipt.digits()), Ok(receipt.clone()));
            prop_assert_eq!(Receipt::parse(&receipt.spoken()), Ok(receipt));
        }

        #[test]
        fn one_wrong_digit_is_always_caught(random: [u8; 16]) {
            let right = Receipt::from_random(random);
            for at in 0..DIGITS {
                for wrong in b'0'..=b'9' {
                    let mut text = right.digits().as_bytes().to_vec();
                    if std::mem::replace(&mut text[at], wrong) != wrong {
                        prop_assert!(Receipt::parse(std::str::from_utf8(&text).unwrap()).is_err());
                    }
                }
            }
        }

        #[test]
        fn two_neighbours_swapped_are_always_caught(random: [u8; 16]) {
            let right = Receipt::from_random(random);
            for at in 1..DIGITS {
                let mut text = right.digits().as_bytes().to_vec();
                text.swap(at - 1, at);
                if text != right.digits().as_bytes() {
                    prop_assert!(Receipt::parse(std::str::from_utf8(&text).unwrap()).is_err());
                }
            }
        }
    }
}
