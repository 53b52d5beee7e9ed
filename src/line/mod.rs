//! Pure: a duty line, its calendar and its hours.

pub mod calendar;
pub mod hours;
mod window;

#[cfg(test)]
mod oracle;
