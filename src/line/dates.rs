//! Dates, times and digits in words, composed of few enough sounds that all can be recorded.
//!
//! Prompts are data, but dates are code: languages differ in how they compose a date.

use super::spoken::Spoken;
use chrono::{DateTime, Datelike, NaiveDate, TimeZone, Timelike};

/// Returns a day in words, e.g. `4月7日星期日`, or `Sunday, 7 April` in languages other than Chinese.
pub fn date_in_words(language: &str, date: NaiveDate) -> Spoken {
    let (month, day) = (date.month(), date.day());
    let weekday = date.weekday().number_from_monday();
    let month_id = format!("month-{month}");
    let day_id = format!("day-{day}");
    let weekday_id = format!("weekday-{weekday}");
    if chinese(language) {
        const DAYS: [&str; 7] = ["一", "二", "三", "四", "五", "六", "日"];
        let weekday = DAYS[date.weekday().num_days_from_monday() as usize];
        [
            Spoken::words(month_id, &format!("{month}月")),
            Spoken::words(day_id, &format!("{day}日")),
            Spoken::words(weekday_id, &format!("星期{weekday}")),
        ]
        .into_iter()
        .collect()
    } else {
        const DAYS: [&str; 7] = [
            "Monday",
            "Tuesday",
            "Wednesday",
            "Thursday",
            "Friday",
            "Saturday",
            "Sunday",
        ];
        const MONTHS: [&str; 12] = [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ];
        let weekday = DAYS[date.weekday().num_days_from_monday() as usize];
        [
            Spoken::words(weekday_id, weekday),
            Spoken::mark(", "),
            Spoken::aloud(day_id, &day.to_string(), &format!("the {} of", nth(day))),
            Spoken::mark(" "),
            Spoken::words(month_id, MONTHS[date.month0() as usize]),
        ]
        .into_iter()
        .collect()
    }
}

/// Returns a day and time, in the time zone of `at`, in words: `4月7日星期日上午8点30分`, or `Sunday, 7 April, at 8:30 in the
/// morning` in languages other than Chinese.
pub fn time_in_words<Tz: TimeZone>(language: &str, at: &DateTime<Tz>) -> Spoken {
    let (hour, minute) = (at.hour(), at.minute());
    let mut spoken = date_in_words(language, at.date_naive());
    let minute_id = format!("minute-{minute}");
    if chinese(language) {
        let (part_id, part) = match hour {
            0..=5 => ("part-early", "凌晨"),
            6..=11 => ("part-morning", "上午"),
            12 => ("part-noon", "中午"),
            13..=17 => ("part-afternoon", "下午"),
            _ => ("part-evening", "晚上"),
        };
        let twelve = if hour > 12 { hour - 12 } else { hour };
        let hour_id = format!("hour-{twelve}");
        spoken.extend(Spoken::words(part_id, part));
        spoken.extend(match twelve {
            2 => Spoken::aloud(hour_id, "2点", "两点"),
            _ => Spoken::words(hour_id, &format!("{twelve}点")),
        });
        let words = format!("{minute}分");
        spoken.extend(match minute {
            0 => Spoken::default(),
            1..=9 => Spoken::aloud(minute_id, &words, &format!("零{words}")),
            _ => Spoken::words(minute_id, &words),
        });
    } else {
        let (part_id, part) = match hour {
            0..=11 => ("part-morning", "in the morning"),
            12..=17 => ("part-afternoon", "in the afternoon"),
            _ => ("part-evening", "in the evening"),
        };
        let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
        let words = format!("{minute:02}");
        spoken.extend(Spoken::mark(", "));
        spoken.extend(Spoken::words(
            format!("hour-{twelve}"),
            &format!("at {twelve}"),
        ));
        spoken.extend(Spoken::mark(":"));
        spoken.extend(match minute {
            0 => Spoken::aloud(minute_id, &words, "o'clock"),
            1..=9 => Spoken::aloud(minute_id, &words, &format!("oh {minute}")),
            _ => Spoken::words(minute_id, &words),
        });
        spoken.extend(Spoken::mark(" "));
        spoken.extend(Spoken::words(part_id, part));
    }
    spoken
}

/// Returns the digits one by one, with spaces between them, e.g. `0 1 7`.
pub fn digits_in_words(language: &str, digits: &str) -> Spoken {
    let digit = |digit: char| {
        let id = format!("digit-{digit}");
        match digit {
            // The usual form in Chinese telephony, because 一 is easily misheard as 七.
            '1' if chinese(language) => Spoken::aloud(id, "1", "幺"),
            _ => Spoken::words(id, &digit.to_string()),
        }
    };
    Spoken::join(digits.chars().map(digit), &Spoken::mark(" "))
}

/// True if `language` is a variety of Chinese.
pub(super) fn chinese(language: &str) -> bool {
    language.starts_with("zh")
}

fn nth(day: u32) -> String {
    let ending = match day {
        1 | 21 | 31 => "st",
        2 | 22 => "nd",
        3 | 23 => "rd",
        _ => "th",
    };
    format!("{day}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: u32, minute: u32) -> DateTime<chrono_tz::Tz> {
        chrono_tz::Asia::Shanghai
            .with_ymd_and_hms(2024, 4, 7, hour, minute, 0)
            .unwrap()
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        for (language, at, words) in [
            ("zh-CN", at(8, 30), "4月7日星期日上午8点30分"),
            ("zh-CN", at(15, 0), "4月7日星期日下午3点"),
            ("zh-CN", at(12, 5), "4月7日星期日中午12点5分"),
            ("zh-CN", at(0, 15), "4月7日星期日凌晨0点15分"),
            ("en", at(15, 0), "Sunday, 7 April, at 3:00 in the afternoon"),
            ("en", at(0, 15), "Sunday, 7 April, at 12:15 in the morning"),
        ] {
            assert_eq!(time_in_words(language, &at).to_string(), words);
        }
    }

    #[test]
    fn a_sound_is_read_out_as_it_is_spoken() {
        let aloud = |spoken: &Spoken| {
            let read: Vec<_> = spoken.sounds().map(|sound| sound.read_out()).collect();
            read.join("|")
        };
        for (language, at, read) in [
            ("zh-CN", at(8, 30), "4月|7日|星期日|上午|8点|30分"),
            ("zh-CN", at(14, 5), "4月|7日|星期日|下午|两点|零5分"),
            (
                "en",
                at(15, 0),
                "Sunday|the 7th of|April|at 3|o'clock|in the afternoon",
            ),
            (
                "en",
                at(8, 5),
                "Sunday|the 7th of|April|at 8|oh 5|in the morning",
            ),
        ] {
            assert_eq!(aloud(&time_in_words(language, &at)), read);
        }
        assert_eq!(aloud(&digits_in_words("zh-CN", "0171")), "0|幺|7|幺");
        assert_eq!(digits_in_words("zh-CN", "0171").to_string(), "0 1 7 1");
    }

    /// A sound id stands for one text only; otherwise one recording would be played for two.
    #[test]
    fn a_sound_has_one_name() {
        let mut names = std::collections::BTreeMap::new();
        for language in ["zh-CN", "en"] {
            names.clear();
            for minute in 0..365 * 24 * 60 / 7 {
                let at = at(0, 0) + chrono::TimeDelta::minutes(minute * 7);
                for sound in time_in_words(language, &at).sounds() {
                    let words = names.entry(sound.id.clone()).or_insert(sound.words.clone());
                    assert_eq!(*words, sound.words);
                }
            }
            // Months, days, weekdays, hours, minutes, parts of the day.
            let (hours, minutes, parts) = if language == "en" {
                (12, 60, 3)
            } else {
                (13, 59, 5)
            };
            assert_eq!(names.len(), 12 + 31 + 7 + hours + minutes + parts);
        }
    }
}
