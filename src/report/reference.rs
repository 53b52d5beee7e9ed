//! The public number of a report.

use std::fmt;
use std::str::FromStr;

/// The public number of a report on its line, such as `2024-0017`. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// Year in which the call became a report, in the line's time zone.
    pub year: i32,
    /// Number of the report among those of the line in that year, from 1.
    pub number: i32,
}

/// The text is not a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a reference is a year, a hyphen and four digits or more")]
pub struct NoReference;

impl fmt::Display for Reference {
    /// Writes the number with at least four digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:04}", self.year, self.number)
    }
}

impl FromStr for Reference {
    type Err = NoReference;

    /// Parses exactly what [`fmt::Display`] writes; anything else gives [`NoReference`].
    fn from_str(text: &str) -> Result<Self, NoReference> {
        let (year, number) = text.split_once('-').ok_or(NoReference)?;
        let read = Self {
            year: year.parse().map_err(|_| NoReference)?,
            number: number.parse().map_err(|_| NoReference)?,
        };
        if read.to_string() == text {
            Ok(read)
        } else {
            Err(NoReference)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_is_written() {
        for (year, number, text) in [(2024, 17, "2024-0017"), (2024, 10_000, "2024-10000")] {
            let reference = Reference { year, number };
            assert_eq!(reference.to_string(), text);
            assert_eq!(text.parse(), Ok(reference));
        }
        for wrong in [
            "",
            "2024",
            "2024-17",
            "2024-00017",
            "2024-0017 ",
            "+2024-0017",
            "2024-+017",
            "2024-\0",
        ] {
            assert_eq!(wrong.parse::<Reference>(), Err(NoReference), "{wrong:?}");
        }
    }

    #[test]
    fn ten_thousand_comes_after_nine() {
        let of = |number| Reference { year: 2024, number };
        assert!(of(10_000) > of(1001));
    }
}
