//! The windows of a day, and their conversion from wall-clock times to instants.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// Why hours or a period are rejected.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HoursError {
    /// A window is not written like `08:30-12:00`.
    #[error("{0:?} is not a window of time; {right}", right = right_for(_0))]
    Malformed(String),
    /// A window that starts at 24:00, or ends when it starts.
    #[error(
        "the window {0} has no length; a whole day is \"00:00-24:00\", and \"22:00-06:00\" ends on the next day"
    )]
    NoLength(String),
    /// Two windows overlap.
    #[error("the windows {0} and {1} overlap{night}", night = over_midnight(&[*_0, *_1]))]
    Overlap(Window, Window),
    /// There is no window.
    #[error("there is no window; write at least one, like \"08:30-12:00\"")]
    Empty,
    /// A period ends before it starts.
    #[error("the period ends on {to}, before it starts on {from}")]
    EndsBeforeStart {
        /// Its first day as written.
        from: NaiveDate,
        /// Its last day as written.
        to: NaiveDate,
    },
}

const DAY_MINUTES: u16 = 24 * 60;

/// Returns an addition to an error text if one of the windows ends on the next day, which may be a mistake; otherwise
/// an empty text.
fn over_midnight(windows: &[Window]) -> String {
    let night = windows.iter().find(|window| window.ends_next_day());
    night.map_or_else(String::new, |night| {
        format!("; {night} ends on the next day, because its end is before its start")
    })
}

/// Characters that a Chinese keyboard or a word processor produces instead of a colon.
const COLONS: &[char] = &['：', '∶', '︰', '﹕'];
/// Characters that a Chinese keyboard or a word processor produces instead of a hyphen.
const HYPHENS: &[char] = &['－', '–', '—', '―', '−', '‐', '‑', '～', '~', '〜', '至'];

/// Returns a hint for a malformed window: the corrected window if only other forms of digits, colon and hyphen or
/// blanks are the error, otherwise an example.
fn right_for(text: &str) -> String {
    let (mut digits, mut colon, mut hyphen, mut blank) = (None, None, None, None);
    let mut right = String::new();
    for c in text.chars() {
        match c {
            '０'..='９' => {
                digits = Some("plain digits");
                right.extend(char::from_digit(u32::from(c) - u32::from('０'), 10));
            }
            c if COLONS.contains(&c) => {
                colon = Some("a plain colon");
                right.push(':');
            }
            c if HYPHENS.contains(&c) => {
                hyphen = Some("a plain hyphen");
                right.push('-');
            }
            c if c.is_whitespace() => blank = Some("no blanks"),
            c => right.push(c),
        }
    }
    let used: Vec<&str> = [digits, colon, hyphen, blank]
        .into_iter()
        .flatten()
        .collect();
    match used.split_last() {
        Some((last, [])) if right.parse::<Window>().is_ok() => {
            format!("use {last}, as in \"{right}\"")
        }
        Some((last, others)) if right.parse::<Window>().is_ok() => {
            format!("use {} and {last}, as in \"{right}\"", others.join(", "))
        }
        _ => "write it like \"08:30-12:00\"".to_owned(),
    }
}

/// A wall-clock time, to the minute: 00:00 to 24:00, which is the end of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(u16);

impl WallTime {
    /// Returns the hour, 0 to 24.
    pub fn hour(self) -> u16 {
        self.0 / 60
    }

    /// Returns the minute, 0 to 59.
    pub fn minute(self) -> u16 {
        self.0 % 60
    }

    /// Parses two digits, a colon, two digits, from `00:00` to `24:00`; `None` for anything else.
    fn parse(text: &str) -> Option<Self> {
        let &[h1, h2, b':', m1, m2] = text.as_bytes() else {
            return None;
        };
        let digit = |byte: u8| byte.is_ascii_digit().then(|| u16::from(byte - b'0'));
        let (hour, minute) = (digit(h1)? * 10 + digit(h2)?, digit(m1)? * 10 + digit(m2)?);
        (minute < 60 && hour * 60 + minute <= 24 * 60).then_some(Self(hour * 60 + minute))
    }
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour(), self.minute())
    }
}

impl Serialize for WallTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A time span in which the line is staffed, or a person of the roster on duty. Its start is included, its end
/// excluded.
///
/// Written `08:30-12:00`; in JSON `["08:30","12:00"]`. A window whose end is before its start, `22:00-06:00`, ends on
/// the next day; all of it belongs to the day on which it starts. An end of `00:00` is read as `24:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    start: WallTime,
    end: WallTime,
}

impl Window {
    /// Returns the window's start, 00:00 to 23:59.
    pub fn start(self) -> WallTime {
        self.start
    }

    /// Returns the window's end, 00:01 to 24:00. It is on the next day if it is before the start.
    pub fn end(self) -> WallTime {
        self.end
    }

    /// True if the window ends on the day after the one on which it starts.
    pub fn ends_next_day(self) -> bool {
        self.end < self.start
    }

    /// Returns the window's end in minutes after the midnight at which its day begins; at most 2,878.
    fn end_minutes(self) -> u16 {
        self.end.0 + if self.ends_next_day() { DAY_MINUTES } else { 0 }
    }

    /// Returns the start and the end, which is excluded, of the window that starts on `date` in `timezone`, as
    /// instants. `None` if a change of the clocks skips all of the window.
    ///
    /// The window extends from the earliest instant of `date` at which clocks show its start or a later time, to the
    /// last instant of the day on which it ends at which clocks show a time before its end. So a window whose start is
    /// skipped starts after the gap, and an hour that is repeated is included twice.
    pub(super) fn instants(
        self,
        date: NaiveDate,
        timezone: Tz,
    ) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let first = at_second(date, u32::from(self.start.0) * 60)?;
        let last_date = match self.ends_next_day() {
            true => date.succ_opt()?,
            false => date,
        };
        let last = at_second(last_date, u32::from(self.end.0) * 60 - 1)?;
        let start = timezone.from_local_datetime(&first).earliest();
        let start = start.or_else(|| after_gap(first, timezone))?;
        let end = match timezone.from_local_datetime(&last).latest() {
            Some(last) => last + TimeDelta::seconds(1),
            None => after_gap(last, timezone)?,
        };
        (start < end).then(|| (start.to_utc(), end.to_utc()))
    }
}

/// Returns the wall-clock time `second` seconds after midnight; `None` from 86,400 seconds on.
fn at_second(date: NaiveDate, second: u32) -> Option<NaiveDateTime> {
    NaiveTime::from_num_seconds_from_midnight_opt(second, 0).map(|time| date.and_time(time))
}

/// Returns the first instant after the gap that contains the wall-clock time `skipped`; `None` if there is no such gap.
fn after_gap(skipped: NaiveDateTime, timezone: Tz) -> Option<DateTime<Tz>> {
    GapInfo::new(&skipped, &timezone)?.end
}

impl FromStr for Window {
    type Err = HoursError;

    fn from_str(text: &str) -> Result<Self, HoursError> {
        let times = text.split_once('-');
        let times = times.and_then(|(a, b)| Some((WallTime::parse(a)?, WallTime::parse(b)?)));
        match times {
            Some((start, end)) if start == end || start == WallTime(DAY_MINUTES) => {
                Err(HoursError::NoLength(text.to_owned()))
            }
            Some((start, WallTime(0))) => Ok(Self {
                start,
                end: WallTime(DAY_MINUTES),
            }),
            Some((start, end)) => Ok(Self { start, end }),
            None => Err(HoursError::Malformed(text.to_owned())),
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.start, self.end)
    }
}

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.start, self.end).serialize(serializer)
    }
}

/// The windows of a line's working day, or of a person's day on duty: at least one, in order. No window overlaps
/// another one or one of the day before or after. A window may start when another one ends. Only the last one can end
/// on the next day.
///
/// Deserialized from a list of strings, `["08:30-12:00", "15:00-18:00"]`, in any order.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Windows(Vec<Window>);

impl Windows {
    /// Sorts the windows and checks them.
    ///
    /// # Errors
    ///
    /// [`HoursError::Overlap`] with two windows that overlap, on one day or on two consecutive days;
    /// [`HoursError::Empty`] if there is no window.
    pub fn new(mut windows: Vec<Window>) -> Result<Self, HoursError> {
        windows.sort_unstable();
        if windows.is_empty() {
            return Err(HoursError::Empty);
        }
        if let Some(w) = windows
            .windows(2)
            .find(|w| w[1].start.0 < w[0].end_minutes())
        {
            return Err(HoursError::Overlap(w[0], w[1]));
        }
        // Two working days may be consecutive, so the last window must end before the first one of the next day starts,
        // or when it does.
        let (first, last) = (windows[0], windows[windows.len() - 1]);
        if last.end_minutes() > first.start.0 + DAY_MINUTES {
            return Err(HoursError::Overlap(last, first));
        }
        Ok(Self(windows))
    }

    /// Returns the windows, earliest first.
    pub fn as_slice(&self) -> &[Window] {
        &self.0
    }

    /// True if one of the windows ends on the next day.
    pub fn end_next_day(&self) -> bool {
        self.0.last().is_some_and(|window| window.ends_next_day())
    }
}

impl TryFrom<Vec<String>> for Windows {
    type Error = HoursError;

    fn try_from(texts: Vec<String>) -> Result<Self, HoursError> {
        let windows: Result<_, _> = texts.iter().map(|text| text.parse()).collect();
        Self::new(windows?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(texts: &[&str]) -> Result<Windows, HoursError> {
        Windows::try_from(texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn windows_are_read_and_written_alike() {
        for text in ["08:30-12:00", "22:00-24:00", "00:00-24:00", "23:59-24:00"] {
            assert_eq!(text.parse::<Window>().unwrap().to_string(), text);
        }
        let window: Window = "08:30-24:00".parse().unwrap();
        assert_eq!((window.start().hour(), window.start().minute()), (8, 30));
        assert_eq!((window.end().hour(), window.end().minute()), (24, 0));
    }

    #[test]
    fn wrong_windows_are_refused_in_words() {
        for text in [
            "",
            "-",
            "08:30",
            "8:30-12:00",
            "08:30–12:00",
            "08:30-12:60",
            "08:30-24:01",
            "08:30-99:00",
            "08.30-12.00",
            "08:30-12:00-13:00",
            " 08:30-12:00",
            "０８:30-12:00",
            "+8:30-12:00",
        ] {
            let error = text.parse::<Window>().unwrap_err();
            assert_eq!(error, HoursError::Malformed(text.to_owned()));
            assert!(error.to_string().contains("\"08:30-12:00\""));
        }
        for text in ["12:00-12:00", "00:00-00:00", "24:00-24:00", "24:00-06:00"] {
            let error = text.parse::<Window>().unwrap_err();
            assert_eq!(error, HoursError::NoLength(text.to_owned()));
        }
    }

    #[test]
    fn a_window_may_end_on_the_next_day() {
        let night: Window = "22:00-06:00".parse().unwrap();
        assert!(night.ends_next_day());
        assert_eq!(night.to_string(), "22:00-06:00");
        let json = serde_json::to_string(&night).unwrap();
        assert_eq!(json, r#"["22:00","06:00"]"#);
        let evening: Window = "22:00-00:00".parse().unwrap();
        assert_eq!(evening, "22:00-24:00".parse().unwrap());
        assert!(!evening.ends_next_day());

        let sorted = windows(&["22:00-06:00", "06:00-07:00"]).unwrap();
        assert!(sorted.end_next_day());
        assert_eq!(sorted.as_slice()[1], night);
        assert!(windows(&["22:00-21:59"]).is_ok());
        for overlapping in [
            ["22:00-06:00", "05:59-07:00"],
            ["22:00-06:00", "21:00-22:01"],
            ["22:00-06:00", "23:00-24:00"],
            ["22:00-06:00", "23:00-01:00"],
            ["08:00-02:00", "01:00-03:00"],
        ] {
            let error = windows(&overlapping).unwrap_err();
            assert!(matches!(error, HoursError::Overlap(..)), "{overlapping:?}");
        }
    }

    #[test]
    fn windows_are_sorted_may_touch_and_must_not_overlap() {
        let sorted = windows(&["15:00-18:00", "12:00-15:00", "08:30-12:00"]).unwrap();
        let starts: Vec<_> = sorted.as_slice().iter().map(|w| w.start().hour()).collect();
        assert_eq!(starts, [8, 12, 15]);
        for overlapping in [
            ["15:00-18:00", "08:30-15:01"],
            ["08:30-12:00", "08:30-12:00"],
            ["08:00-18:00", "09:00-10:00"],
        ] {
            let error = windows(&overlapping).unwrap_err();
            assert!(matches!(error, HoursError::Overlap(..)), "{overlapping:?}");
        }
        let error = windows(&["15:00-18:00", "08:30-15:01"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the windows 08:30-15:01 and 15:00-18:00 overlap"
        );
        assert_eq!(windows(&[]), Err(HoursError::Empty));
    }

    /// Formats the instants of a window, in UTC, on a day when clocks change.
    fn instants(timezone: Tz, date: &str, window: &str) -> Option<String> {
        let window: Window = window.parse().unwrap();
        let (start, end) = window.instants(date.parse().unwrap(), timezone)?;
        Some(format!(
            "{} {}",
            start.format("%d %H:%M:%S"),
            end.format("%d %H:%M:%S")
        ))
    }

    #[test]
    fn windows_follow_the_clocks_through_jumps() {
        use chrono_tz::{America, Europe::Berlin, Pacific::Apia};
        // 02:00 becomes 03:00 at 01:00 UTC.
        for (window, utc) in [
            ("01:00-02:30", Some("31 00:00:00 31 01:00:00")),
            ("02:30-04:00", Some("31 01:00:00 31 02:00:00")),
            ("02:00-03:00", None),
            ("02:15-02:45", None),
            ("03:00-03:01", Some("31 01:00:00 31 01:01:00")),
            ("00:00-24:00", Some("30 23:00:00 31 22:00:00")),
        ] {
            assert_eq!(
                instants(Berlin, "2024-03-31", window).as_deref(),
                utc,
                "{window}"
            );
        }
        // 03:00 becomes 02:00 at 01:00 UTC.
        for (window, utc) in [
            ("01:00-02:00", "26 23:00:00 27 00:00:00"),
            ("02:30-04:00", "27 00:30:00 27 03:00:00"),
            ("01:00-02:30", "26 23:00:00 27 01:30:00"),
            ("03:00-04:00", "27 02:00:00 27 03:00:00"),
            ("00:00-24:00", "26 22:00:00 27 23:00:00"),
            ("22:00-02:30", "27 21:00:00 28 01:30:00"),
        ] {
            assert_eq!(
                instants(Berlin, "2024-10-27", window).as_deref(),
                Some(utc),
                "{window}"
            );
        }
        // A night that starts on the day before 03:00 becomes 02:00, and one that starts on the day before 02:00
        // becomes 03:00.
        for (date, window, utc) in [
            ("2024-10-26", "22:00-06:00", "26 20:00:00 27 05:00:00"),
            ("2024-10-26", "22:00-02:30", "26 20:00:00 27 01:30:00"),
            ("2024-03-30", "22:00-06:00", "30 21:00:00 31 04:00:00"),
            ("2024-03-30", "22:00-02:30", "30 21:00:00 31 01:00:00"),
        ] {
            assert_eq!(
                instants(Berlin, date, window).as_deref(),
                Some(utc),
                "{window}"
            );
        }
        // Midnight is skipped on one day, and repeated on another (24:00 becomes 23:00).
        assert_eq!(
            instants(America::Santiago, "2024-09-08", "00:00-02:00").unwrap(),
            "08 04:00:00 08 05:00:00"
        );
        assert_eq!(
            instants(America::Santiago, "2024-04-06", "23:00-24:00").unwrap(),
            "07 02:00:00 07 04:00:00"
        );
        // Samoa had no 30 December 2011.
        assert_eq!(instants(Apia, "2011-12-30", "08:30-12:00"), None);
    }
}
