//! A second implementation of the hours, simple and slow, to test the real one against.
//!
//! It shares only the result types with the real implementation: the days are copied from the notices again, weekdays
//! are counted from a known Monday, and a time zone is only asked for the local time at an instant, minute by minute,
//! never for the reverse.

use super::calendar::{Calendar, Calendars};
use super::hours::{Period, Phase, Schedule, Windows};
use chrono::{DateTime, Datelike, Days, NaiveDate, Timelike, Utc};
use chrono_tz::{Africa, America, Antarctica, Asia, Australia, Europe, Tz};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// Days off in the nation, month and day (`MMDD`) by year, from the notices of the State Council.
const OFF: [(i32, &str); 3] = [
    (
        2024,
        "0101 0210 0211 0212 0213 0214 0215 0216 0217 0404 0405 0406 0501 0502 0503 0504 0505 0610 \
         0915 0916 0917 1001 1002 1003 1004 1005 1006 1007",
    ),
    (
        2025,
        "0101 0128 0129 0130 0131 0201 0202 0203 0204 0404 0405 0406 0501 0502 0503 0504 0505 0531 0601 0602 \
         1001 1002 1003 1004 1005 1006 1007 1008",
    ),
    (
        2026,
        "0101 0102 0103 0215 0216 0217 0218 0219 0220 0221 0222 0223 0404 0405 0406 0501 0502 0503 0504 0505 \
         0619 0620 0621 0925 0926 0927 1001 1002 1003 1004 1005 1006 1007",
    ),
];

/// Weekend days that are worked in exchange for days off, in the same form.
const WORKED: [(i32, &str); 3] = [
    (2024, "0204 0218 0407 0428 0511 0914 0929 1012"),
    (2025, "0126 0208 0427 0928 1011"),
    (2026, "0104 0214 0228 0509 0920 1010"),
];

/// Additional days off in Guangxi in 2024, in the same form.
const FESTIVAL: &str = "0411 0412";

/// Time zones whose clocks change in 2024 to 2026: at night, at midnight, by half an hour, or by two hours.
const JUMPING: [Tz; 8] = [
    Europe::Berlin,
    America::St_Johns,
    America::New_York,
    America::Santiago,
    America::Havana,
    Africa::Cairo,
    Australia::Lord_Howe,
    Antarctica::Troll,
];

fn listed(table: &[(i32, &str)], date: NaiveDate) -> bool {
    let day = format!("{:02}{:02}", date.month(), date.day());
    let mut years = table.iter().filter(|(year, _)| *year == date.year());
    years.any(|(_, days)| days.split_whitespace().any(|d| d == day))
}

fn weekend(date: NaiveDate) -> bool {
    let monday = NaiveDate::from_ymd_opt(2024, 1, 1).unwrap();
    (date - monday).num_days().rem_euclid(7) >= 5
}

fn worked_in_guangxi(date: NaiveDate) -> bool {
    if listed(&[(2024, FESTIVAL)], date) || listed(&OFF, date) {
        return false;
    }
    listed(&WORKED, date) || !weekend(date)
}

/// The configuration of a line, in plain numbers.
#[derive(Clone, Debug)]
struct Plain {
    timezone: Tz,
    worked: fn(NaiveDate) -> bool,
    inspection: (NaiveDate, NaiveDate),
    intake: (NaiveDate, NaiveDate),
    /// Start and end, in minutes after midnight.
    windows: Vec<(u32, u32)>,
}

/// What the oracle says of the minute that starts at `at`. Instants are in seconds since 1970 UTC.
#[derive(Debug)]
struct Said {
    at: i64,
    /// The service day.
    day: NaiveDate,
    phase: Phase,
    reopens: Option<i64>,
}

/// The minutes of a day, in order: the instant, in seconds since 1970 UTC, and the local minute of the day.
type Minutes = Vec<(i64, u32)>;

impl Plain {
    /// Returns the local date and minute of the day at the instant `at`.
    fn shown(&self, at: i64) -> (NaiveDate, u32) {
        let shown = instant(at).with_timezone(&self.timezone).naive_local();
        (shown.date(), shown.hour() * 60 + shown.minute())
    }

    /// Returns what holds in every minute of the days `from` to `to`, both included. A reopening after `to` is not
    /// found.
    fn walk(&self, from: NaiveDate, to: NaiveDate) -> Vec<Said> {
        // Local days begin up to 14 hours before those of UTC, or 12 hours after.
        let mut at = seconds(from) - 86_400;
        let mut said = Vec::new();
        let (mut date, mut shown) = self.shown(at);
        let mut before: Option<(NaiveDate, bool)> = None;
        while date <= to {
            let (today, mut minutes) = (date, Vec::new());
            while date == today {
                minutes.push((at, shown));
                at += 60;
                (date, shown) = self.shown(at);
            }
            if today >= from {
                self.day(today, &minutes, before, &mut said);
            }
            before = Some((today, self.begins(&minutes)));
        }
        let mut next = None;
        for minute in said.iter_mut().rev() {
            if minute.phase == Phase::Open || minute.phase == Phase::IntakeClosed {
                next = Some(minute.at);
            } else {
                minute.reopens = next;
            }
        }
        said
    }

    /// True if a window ends on the next day and has begun in one of these minutes.
    fn begins(&self, minutes: &Minutes) -> bool {
        let mut nights = self.windows.iter().filter(|(start, end)| start > end);
        nights.any(|(start, _)| minutes.iter().any(|(_, shown)| shown >= start))
    }

    fn in_inspection(&self, date: NaiveDate) -> bool {
        date >= self.inspection.0 && date <= self.inspection.1
    }

    /// Appends the minutes of a day to `said`. `before` is the day before, and whether a window over midnight began on
    /// it; `None` on the first day.
    fn day(
        &self,
        date: NaiveDate,
        minutes: &Minutes,
        before: Option<(NaiveDate, bool)>,
        said: &mut Vec<Said>,
    ) {
        let mut staffed = vec![false; minutes.len()];
        // Number of minutes at the start of the day that belong to a window that began the day before.
        let mut night = 0;
        for (start, end) in &self.windows {
            // From the first minute that shows the start or later, to the last that shows less than the end.
            let first = minutes.iter().position(|(_, shown)| shown >= start);
            let last = minutes.iter().rposition(|(_, shown)| shown < end);
            if start > end {
                let began = before.is_some_and(|(day, begins)| {
                    begins && self.in_inspection(day) && (self.worked)(day)
                });
                if began {
                    night = last.map_or(0, |last| last + 1);
                }
                if let Some(first) = first {
                    (first..minutes.len()).for_each(|i| staffed[i] = true);
                }
            } else if let (Some(first), Some(last)) = (first, last) {
                (first..=last).for_each(|i| staffed[i] = true);
            }
        }
        let worked = (self.worked)(date);
        let first = staffed.iter().position(|s| *s).unwrap_or(usize::MAX);
        let last = staffed.iter().rposition(|s| *s).unwrap_or(0);
        for (i, (at, _)) in minutes.iter().enumerate() {
            let day = match before {
                Some((yesterday, _)) if i < night => yesterday,
                _ => date,
            };
            let phase = if i < night && day > self.intake.1 {
                Phase::IntakeClosed
            } else if i < night {
                Phase::Open
            } else if date < self.inspection.0 {
                Phase::NotStarted
            } else if date > self.inspection.1 {
                Phase::Ended
            } else if !worked {
                Phase::Holiday
            } else if staffed[i] && date > self.intake.1 {
                Phase::IntakeClosed
            } else if staffed[i] {
                Phase::Open
            } else if first < i && i < last {
                Phase::Break
            } else {
                Phase::AfterHours
            };
            said.push(Said {
                at: *at,
                day,
                phase,
                reopens: None,
            });
        }
    }

    /// Returns the real schedule with the same configuration.
    fn schedule(&self, calendars: Calendars) -> Schedule {
        let clock = |minute: &u32| format!("{:02}:{:02}", minute / 60, minute % 60);
        let windows = self.windows.iter();
        let windows = windows.map(|(a, b)| format!("{}-{}", clock(a), clock(b)));
        Schedule {
            timezone: self.timezone,
            calendars,
            inspection: Period::new(self.inspection.0, self.inspection.1).unwrap(),
            intake: Period::new(self.intake.0, self.intake.1).unwrap(),
            windows: Windows::new(windows.map(|w| w.parse().unwrap()).collect()).unwrap(),
        }
    }
}

/// Checks that `line` agrees with the oracle in the first and the last second of a minute.
fn compare(line: &Schedule, said: &Said) {
    let reopens = said
        .reopens
        .map(|at| instant(at).with_timezone(&line.timezone));
    for second in [0, 59] {
        let now = instant(said.at + second);
        assert_eq!(line.phase(now), said.phase, "{now} {}", line.timezone);
        assert_eq!(line.reopens_at(now), reopens, "{now} {}", line.timezone);
    }
}

fn instant(at: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(at, 0).unwrap()
}

fn seconds(date: NaiveDate) -> i64 {
    date.and_hms_opt(0, 0, 0).unwrap().and_utc().timestamp()
}

fn date(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap()
}

fn three_years() -> impl Iterator<Item = NaiveDate> {
    let days = date(2024, 1, 1).iter_days();
    days.take_while(|day| day.year() <= 2026)
}

fn guangxi() -> Calendars {
    let calendars = ["cn", "cn-guangxi"].map(|name| Calendar::embedded(name).unwrap());
    Calendars(calendars.into())
}

/// A calendar in which every day is worked: clocks change on Sundays in most zones.
fn every_day() -> Calendars {
    let mut text = String::new();
    for year in 2023..=2027 {
        let days = date(year, 1, 1).iter_days();
        let weekends = days
            .take_while(|day| day.year() == year)
            .filter(|day| weekend(*day));
        let worked: Vec<_> = weekends.map(|day| day.to_string()).collect();
        let worked = worked.join(", ");
        text += &format!(
            "[[year]]\nyear = {year}\n[[year.holiday]]\nname = \"-\"\nworked = [{worked}]\n"
        );
    }
    Calendars(vec![Calendar::parse("every-day", &text).unwrap()])
}

#[test]
fn working_days_of_three_years_are_those_of_the_notices() {
    let calendars = guangxi();
    for day in three_years() {
        let said = calendars.day(day);
        assert_eq!(said.working, worked_in_guangxi(day), "{day}");
        let ordinary = said.reason == "工作日" || said.reason == "周末";
        let special = listed(&OFF, day) || listed(&WORKED, day) || listed(&[(2024, FESTIVAL)], day);
        assert_eq!(ordinary, !special, "{day} {}", said.reason);
    }
}

#[test]
fn phases_of_three_years_in_shanghai() {
    let plain = Plain {
        timezone: Asia::Shanghai,
        worked: worked_in_guangxi,
        inspection: (date(2024, 1, 8), date(2026, 12, 18)),
        intake: (date(2024, 1, 8), date(2026, 6, 30)),
        windows: vec![(510, 720), (900, 1080)],
    };
    let line = plain.schedule(guangxi());
    let said = plain.walk(date(2024, 1, 1), date(2026, 12, 31));
    assert_eq!(said.len(), 1_096 * 1_440);
    let mut before = None;
    for (i, minute) in said.iter().enumerate() {
        // Compares the last minute before each change of phase, the first minute after it, and one minute of every
        // hour.
        let changes = said
            .get(i + 1)
            .is_some_and(|next| next.phase != minute.phase);
        if changes || before != Some(minute.phase) || i % 60 == 7 {
            compare(&line, minute);
        }
        before = Some(minute.phase);
    }
}

#[test]
fn every_minute_of_the_nights_clocks_jump() {
    let calendars = every_day();
    for timezone in JUMPING {
        let mut plain = Plain {
            timezone,
            worked: |_| true,
            inspection: (date(2024, 1, 1), date(2026, 12, 31)),
            intake: (date(2024, 1, 1), date(2026, 12, 31)),
            windows: vec![(200, 1_380), (1_410, 150)],
        };
        let shown = |day: NaiveDate| plain.shown(seconds(day) + 43_200).1;
        let jumps: Vec<_> = three_years()
            .filter(|day| shown(*day) != shown(*day + Days::new(1)))
            .collect();
        assert_eq!(jumps.len(), 6, "{timezone}");
        for day in jumps {
            plain.inspection = (day - Days::new(1), day + Days::new(1));
            plain.intake = (day - Days::new(1), day);
            let line = plain.schedule(calendars.clone());
            let said = plain.walk(day - Days::new(1), day + Days::new(2));
            said.iter().for_each(|minute| compare(&line, minute));
        }
    }
}

#[test]
fn every_minute_of_the_days_clocks_jump() {
    let calendars = every_day();
    for timezone in JUMPING {
        let mut plain = Plain {
            timezone,
            worked: |_| true,
            inspection: (date(2024, 1, 1), date(2026, 12, 31)),
            intake: (date(2024, 1, 1), date(2026, 12, 31)),
            windows: vec![
                (0, 75),
                (90, 120),
                (130, 150),
                (150, 180),
                (200, 1395),
                (1410, 1440),
            ],
        };
        let shown = |day: NaiveDate| plain.shown(seconds(day) + 43_200).1;
        let jumps: Vec<_> = three_years()
            .filter(|day| shown(*day) != shown(*day + Days::new(1)))
            .collect();
        assert_eq!(jumps.len(), 6, "{timezone}");
        for day in jumps {
            // By local dates, clocks change on this day or the next.
            plain.inspection = (day, day + Days::new(1));
            let line = plain.schedule(calendars.clone());
            let said = plain.walk(day, day + Days::new(1));
            assert_ne!(said.len(), 2 * 1_440, "{timezone} {day}");
            said.iter().for_each(|minute| compare(&line, minute));
        }
    }
}

prop_compose! {
    /// Any line whose inspection lasts a few days, in any of the time zones.
    fn any_line()(
        zone in 0..=JUMPING.len(),
        first in 0_u64..1_080,
        length in 0_u64..4,
        intake in (0_u64..4, 0_u64..4),
        cuts in prop::collection::btree_set(0_u32..=96, 2..=6),
        nudge in 0_u32..15,
        night in any::<bool>(),
    ) -> Plain {
        let first = date(2024, 1, 3) + Days::new(first);
        let (opens, closes) = (intake.0.min(intake.1), intake.0.max(intake.1));
        let cuts: Vec<_> = cuts.into_iter().map(|quarter| (quarter * 15 + nudge).min(1_440)).collect();
        let mut windows: Vec<_> = cuts.windows(2).map(|w| (w[0], w[1])).collect();
        windows.retain(|(start, end)| start < end);
        // If the nudge is odd, every other interval; otherwise all of them, which touch.
        if nudge % 2 == 1 {
            windows = windows.into_iter().step_by(2).collect();
        }
        // A window over midnight, from the last cut to the first.
        let (first_cut, last_cut) = (cuts[0], cuts[cuts.len() - 1]);
        if night && 0 < first_cut && first_cut < last_cut && last_cut < 1_440 {
            windows.push((last_cut, first_cut));
        }
        Plain {
            timezone: JUMPING.get(zone).copied().unwrap_or(Asia::Shanghai),
            worked: worked_in_guangxi,
            inspection: (first, first + Days::new(length)),
            intake: (first + Days::new(opens), first + Days::new(closes)),
            windows,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150,
        rng_seed: RngSeed::Fixed(18_877_009_155),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_line_is_what_the_oracle_says(plain in any_line()) {
        let line = plain.schedule(guangxi());
        let said = plain.walk(plain.inspection.0 - Days::new(1), plain.inspection.1 + Days::new(1));
        let mut before = None;
        for (i, minute) in said.iter().enumerate() {
            if before != Some(minute.phase) || i % 97 == 0 {
                compare(&line, minute);
            }
            before = Some(minute.phase);
        }
        let open = said.iter().filter(|m| line.accepts_reports(instant(m.at))).count();
        let within = |m: &&Said| m.phase == Phase::Open && m.day >= plain.intake.0;
        prop_assert_eq!(open, said.iter().filter(within).count());
    }
}
