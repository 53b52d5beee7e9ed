//! Pure: a duty line, its calendar and its hours.

pub mod calendar;
pub mod hours;

#[cfg(test)]
mod oracle;
