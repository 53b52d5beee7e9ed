//! The words the line speaks: typed, embedded from `config/prompts/<language>.toml`, filled in here.
//!
//! A prompt is data, a date in words is code: languages differ in how they put a date together.

use crate::wording::wording;
use chrono::{DateTime, Datelike, NaiveDate, TimeZone, Timelike};
use std::sync::LazyLock;

wording! {
    /// Everything the line can say in one language. One field a key of the file; a file that lacks one,
    /// or has one too many, is an error.
    #[expect(missing_docs, reason = "the files in config/prompts say what each prompt is for")]
    pub struct Prompts {
    greeting, confidential, menu_report, menu_duty, menu_inform, menu_call_back, menu_language, wrong_key,
    guidance, guidance_again, guidance_add, nothing_heard, one_minute, time_is_up, review, recorded,
    no_more_takes, sent, receipt, write_down, once_more, goodbye, call_again,
    type_receipt, mistyped, unknown_receipt, try_later, not_looked_up, no_more_tries,
    is_queued, is_claimed, is_closed, reply, menu_earlier, added, receipt_stays,
    closed_break, closed_after_hours, closed_holiday, intake_ends, intake_over, intake_not_yet, not_started, ended,
    connecting, talk_recorded, duty_absent, duty_busy, whisper,
    reopens, reopens_today, leave_now, menu_elsewhere,
    inspected, scope, disciplines, out_of_scope, post, letter_boxes, elsewhere, list_comma,
    not_in_service,
    }
}

static EMBEDDED: LazyLock<Vec<(&'static str, Prompts)>> = LazyLock::new(|| {
    [
        ("zh-CN", include_str!("../../config/prompts/zh-CN.toml")),
        ("en", include_str!("../../config/prompts/en.toml")),
    ]
    .into_iter()
    .map(|(language, text)| {
        let prompts = Prompts::parse(text)
            .unwrap_or_else(|error| panic!("config/prompts/{language}.toml: {error}"));
        (language, prompts)
    })
    .collect()
});

/// The languages the program can speak.
pub fn languages() -> impl Iterator<Item = &'static str> {
    EMBEDDED.iter().map(|(language, _)| *language)
}

/// The prompts of a language; the first language's when there are none, so that a caller always hears something.
pub fn prompts(language: &str) -> &'static Prompts {
    EMBEDDED
        .iter()
        .find(|(known, _)| *known == language)
        .map_or(&EMBEDDED[0].1, |(_, prompts)| prompts)
}

/// Fills `{name}` in a prompt.
pub fn fill(prompt: &str, name: &str, value: &str) -> String {
    prompt.replace(&format!("{{{name}}}"), value)
}

/// A day in words people use: `4月7日星期日`, `Sunday, 7 April`.
pub fn date_in_words(language: &str, date: NaiveDate) -> String {
    let weekday = date.weekday().num_days_from_monday() as usize;
    if chinese(language) {
        const DAYS: [&str; 7] = ["一", "二", "三", "四", "五", "六", "日"];
        format!("{}月{}日星期{}", date.month(), date.day(), DAYS[weekday])
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
        format!(
            "{}, {} {}",
            DAYS[weekday],
            date.day(),
            MONTHS[date.month0() as usize]
        )
    }
}

/// A time of day on its day, in words people use: `4月7日星期日上午8点30分`, `Sunday, 7 April, at 8:30 in the morning`.
pub fn time_in_words<Tz: TimeZone>(language: &str, at: &DateTime<Tz>) -> String {
    let (hour, minute) = (at.hour(), at.minute());
    let date = date_in_words(language, at.date_naive());
    if chinese(language) {
        let part = match hour {
            0..=5 => "凌晨",
            6..=11 => "上午",
            12 => "中午",
            13..=17 => "下午",
            _ => "晚上",
        };
        let twelve = if hour > 12 { hour - 12 } else { hour };
        match minute {
            0 => format!("{date}{part}{twelve}点"),
            _ => format!("{date}{part}{twelve}点{minute}分"),
        }
    } else {
        let part = match hour {
            0..=11 => "in the morning",
            12..=17 => "in the afternoon",
            _ => "in the evening",
        };
        let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
        format!("{date}, at {twelve}:{minute:02} {part}")
    }
}

fn chinese(language: &str) -> bool {
    language.starts_with("zh")
}

/// About how long `text` takes to speak, in seconds.
///
/// Counted, not measured: Chinese at 4.5 syllables a second (what announcers and telephone voices keep to lie
/// between 4 and 5), other languages at 2.6 words a second, each digit as one of those; 0.4 s for a full stop,
/// 0.2 s for a comma.
pub fn speech_seconds(language: &str, text: &str) -> f64 {
    let mut seconds = 0.0;
    let mut in_word = false;
    for c in text.chars() {
        let ends_word = match c {
            '。' | '！' | '？' | '.' | '!' | '?' | '：' | ':' | '；' | ';' => {
                seconds += 0.4;
                true
            }
            '，' | '、' | ',' => {
                seconds += 0.2;
                true
            }
            '\u{3400}'..='\u{9fff}' => {
                seconds += 1.0 / 4.5;
                true
            }
            c if c.is_ascii_digit() => {
                seconds += if chinese(language) {
                    1.0 / 4.5
                } else {
                    1.0 / 2.6
                };
                true
            }
            c if c.is_alphabetic() => {
                if !in_word {
                    seconds += 1.0 / 2.6;
                }
                in_word = true;
                false
            }
            _ => true,
        };
        if ends_word {
            in_word = false;
        }
    }
    seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_is_whole_and_fills_the_same_blanks() {
        let blanks = |prompts: &Prompts| {
            prompts
                .all()
                .into_iter()
                .map(|(id, text)| {
                    let mut found: Vec<_> = text
                        .split('{')
                        .skip(1)
                        .filter_map(|rest| rest.split('}').next())
                        .map(str::to_owned)
                        .collect();
                    found.sort();
                    (id, found)
                })
                .collect::<Vec<_>>()
        };
        for language in languages() {
            assert!(
                prompts(language)
                    .all()
                    .iter()
                    .all(|(_, text)| !text.is_empty())
            );
            assert_eq!(
                blanks(prompts(language)),
                blanks(prompts("zh-CN")),
                "{language}"
            );
        }
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        let at = |h, m| {
            chrono_tz::Asia::Shanghai
                .with_ymd_and_hms(2024, 4, 7, h, m, 0)
                .unwrap()
        };
        assert_eq!(
            time_in_words("zh-CN", &at(8, 30)),
            "4月7日星期日上午8点30分"
        );
        assert_eq!(time_in_words("zh-CN", &at(15, 0)), "4月7日星期日下午3点");
        assert_eq!(
            time_in_words("zh-CN", &at(12, 5)),
            "4月7日星期日中午12点5分"
        );
        assert_eq!(
            time_in_words("en", &at(15, 0)),
            "Sunday, 7 April, at 3:00 in the afternoon"
        );
        assert_eq!(
            time_in_words("en", &at(0, 15)),
            "Sunday, 7 April, at 12:15 in the morning"
        );
    }

    #[test]
    fn the_guidance_takes_at_most_twelve_seconds() {
        for language in languages() {
            let seconds = speech_seconds(language, &prompts(language).guidance);
            assert!(seconds <= 12.0, "{language}: {seconds:.1} s");
        }
    }
}
