use super::*;
use crate::line::calendar::{Calendar, Calendars};
use crate::line::hours::Period;
use chrono::TimeZone;
use chrono_tz::Asia::Shanghai;

/// The hours of the default line.
fn schedule() -> Schedule {
    let period = |from: &str, to: &str| Period::new(from.parse().unwrap(), to.parse().unwrap());
    let calendars = ["cn", "cn-guangxi"].map(|name| Calendar::embedded(name).unwrap());
    let hours = ["08:30-12:00", "15:00-18:00"].map(str::to_owned).to_vec();
    Schedule {
        timezone: Shanghai,
        calendars: Calendars(calendars.into()),
        inspection: period("2024-03-06", "2024-06-21").unwrap(),
        intake: period("2024-03-06", "2024-06-14").unwrap(),
        windows: hours.try_into().unwrap(),
    }
}

fn person(days: &[&str], hours: &[&str]) -> OnDuty {
    let hours: Vec<String> = hours.iter().map(|text| (*text).to_owned()).collect();
    OnDuty {
        name: "甲".into(),
        number: String::from("+8613800000000").into(),
        days: days.iter().map(|day| day.parse().unwrap()).collect(),
        hours: (!hours.is_empty()).then(|| Windows::try_from(hours).unwrap()),
    }
}

fn at(day: u32, hour: u32, minute: u32) -> DateTime<Utc> {
    Shanghai
        .with_ymd_and_hms(2024, 4, day, hour, minute, 0)
        .unwrap()
        .to_utc()
}

#[test]
fn they_are_rung_in_order_when_they_are_on() {
    let roster = Roster {
        people: vec![
            person(&["mon", "wed"], &["08:30-12:00"]),
            person(&["2024-04-07"], &[]),
            person(&[], &["15:00-18:00"]),
        ],
        ..Roster::default()
    };
    let schedule = schedule();
    let next = |now, from| roster.next(&schedule, now, from);
    // Monday the 8th; the first second of the hours is included, their end is not.
    assert_eq!(next(at(8, 8, 30), 0), Some(0));
    assert_eq!(next(at(8, 8, 30), 1), None);
    assert_eq!(next(at(8, 12, 0), 0), None);
    assert_eq!(next(at(8, 15, 0), 0), Some(2));
    // A Sunday that is worked.
    assert_eq!(next(at(7, 9, 0), 0), Some(1));
    assert_eq!(next(at(7, 16, 0), 2), Some(2));
    assert_eq!(next(at(7, 16, 0), 9), None);
    assert_eq!(next(at(6, 9, 0), 0), None);
}

#[test]
fn a_night_on_duty_belongs_to_the_day_it_begins() {
    let night = ["22:00-06:00".to_owned()].to_vec();
    let schedule = Schedule {
        windows: night.try_into().unwrap(),
        ..schedule()
    };
    let roster = |people| Roster {
        people,
        ..Roster::default()
    };
    // Monday the 8th; its window ends on Tuesday. The next window is Tuesday's.
    for person in [person(&["mon"], &[]), person(&["mon"], &["22:00-06:00"])] {
        let roster = roster(vec![person]);
        let on = |now| roster.next(&schedule, now, 0).is_some();
        assert!(!on(at(8, 5, 59)));
        assert!(on(at(8, 22, 0)));
        assert!(on(at(9, 5, 59)));
        assert!(!on(at(9, 22, 0)));
    }
    let from = NaiveDate::from_ymd_opt(2024, 4, 8).unwrap();
    let gaps = roster(vec![
        person(&[], &["20:00-01:00"]),
        person(&["tue-fri"], &["03:00-06:00"]),
        person(&["sat-mon"], &[]),
    ])
    .gaps(&schedule, from);
    let shown = |(from, to): &(DateTime<Tz>, DateTime<Tz>)| {
        format!("{} {}", from.format("%a %H:%M"), to.format("%H:%M"))
    };
    // The window of the night of Monday the 8th is covered; those of Tuesday the 9th and Wednesday the 10th lack two
    // hours. The 11th and 12th are off, and so is the weekend; Monday the 15th is covered again.
    assert_eq!(
        gaps.iter().take(3).map(shown).collect::<Vec<_>>(),
        ["Wed 01:00 03:00", "Thu 01:00 03:00", "Wed 01:00 03:00"]
    );
}

#[test]
fn nobody_listens_to_ringing_for_more_than_a_minute() {
    let roster = Roster::default();
    let since = at(8, 9, 0);
    let ring = |seconds| roster.ring_for(since, since + TimeDelta::seconds(seconds));
    assert_eq!(ring(0), Some(20));
    assert_eq!(ring(40), Some(20));
    assert_eq!(ring(45), Some(15));
    assert_eq!(ring(55), Some(5));
    assert_eq!(ring(56), None);
    assert_eq!(ring(600), None);
    let short = Roster {
        ring_seconds: 3,
        ..Roster::default()
    };
    assert_eq!(short.ring_for(since, since), Some(3));
}

#[test]
fn days_are_weekdays_or_dates() {
    let days = |text: &str| {
        let day: Day = text.parse().unwrap();
        // 1 April 2024 is a Monday.
        let week = NaiveDate::from_ymd_opt(2024, 4, 1).unwrap().iter_days();
        week.take(7)
            .map(|date| day.contains(date))
            .collect::<Vec<_>>()
    };
    let week = |text: &str| text.chars().map(|day| day == 'x').collect::<Vec<_>>();
    assert_eq!(days("sun"), week("------x"));
    assert_eq!(days("mon-fri"), week("xxxxx--"));
    assert_eq!(days("fri-mon"), week("x---xxx"));
    assert_eq!(days("wed-wed"), week("--x----"));
    assert_eq!(days("tue-mon"), week("xxxxxxx"));
    assert_eq!(days("2024-04-07"), week("------x"));
    assert_eq!(days("2024-04-14"), week("-------"));
    for wrong in [
        "",
        "Sunday",
        "Mon",
        "2024-02-30",
        "04-07",
        "星期一",
        "mon-",
        "mon-fri-sun",
        "mon–fri",
    ] {
        let error = wrong.parse::<Day>().unwrap_err();
        assert!(error.to_string().contains("\"mon-fri\""), "{wrong}");
    }
}

#[test]
fn the_hours_nobody_is_on_are_found() {
    let schedule = schedule();
    let from = NaiveDate::from_ymd_opt(2024, 4, 3).unwrap();
    let gaps = |people| {
        let roster = Roster {
            people,
            ..Roster::default()
        };
        let gaps = roster.gaps(&schedule, from).into_iter();
        gaps.map(|(from, to)| format!("{}-{}", from.format("%m-%d %H:%M"), to.format("%H:%M")))
            .collect::<Vec<_>>()
    };
    let every_day = person(&[], &[]);
    assert_eq!(gaps(vec![every_day.clone()]), [""; 0]);
    // 4 to 6 April 2024 are a holiday, Sunday the 7th is worked.
    let found = gaps(vec![
        person(&["mon-fri"], &["08:30-10:00"]),
        person(&["mon-fri"], &["11:00-16:00"]),
    ]);
    assert_eq!(
        found[..5],
        [
            "04-03 10:00-11:00",
            "04-03 16:00-18:00",
            "04-07 08:30-12:00",
            "04-07 15:00-18:00",
            "04-08 10:00-11:00",
        ]
    );
    assert_eq!(found.last().unwrap(), "06-21 16:00-18:00");
    // Consecutive times with no person on duty are one gap, even if the hours of a person who is not on duty on that
    // day begin or end in it.
    let found = gaps(vec![
        person(&["2024-04-03"], &["15:00-15:30"]),
        person(&["2024-04-05"], &["16:00-16:30"]),
    ]);
    assert_eq!(found[..2], ["04-03 08:30-12:00", "04-03 15:30-18:00"]);
}
