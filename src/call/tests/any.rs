//! Strategies for the property tests of the conversation: lines, times and inputs.

use super::*;
use crate::call::flow::MAX_STEPS;
use crate::call::state::Earlier;
use crate::line::AfterHours;
use crate::line::roster::OnDuty;
use crate::report::status::Status;
use chrono::TimeDelta;
use proptest::prelude::*;
use std::sync::LazyLock;

/// Number of steps after which every call is over.
pub const END: u32 = MAX_STEPS + 5;

pub static DEFAULT: LazyLock<Line> = LazyLock::new(default_line);

pub fn any_line() -> impl Strategy<Value = Line> {
    let languages = prop_oneof![
        Just(vec!["zh-CN"]),
        Just(vec!["en"]),
        Just(vec!["zh-CN", "en"]),
        Just(vec!["en", "zh-CN"]),
    ];
    let seconds = prop_oneof![Just(30), Just(119), Just(120), Just(121), 30u32..=3600];
    let roster = (0usize..4, any::<bool>(), 5u32..=60);
    let flags = any::<[bool; 6]>();
    (languages, seconds, flags, roster).prop_map(|(languages, seconds, without, roster)| {
        let mut line = DEFAULT.clone();
        line.roster.people = (0..roster.0).map(on_duty).collect();
        line.roster.record = roster.1;
        line.roster.ring_seconds = roster.2;
        line.languages = languages.into_iter().map(str::to_owned).collect();
        line.recording_seconds = seconds;
        if without[0] {
            line.after_hours = AfterHours::Report;
        }
        for words in line.words.values_mut() {
            if without[1] {
                (words.scope, words.inspected) = (None, None);
            }
            if without[2] {
                words.disciplines.clear();
            }
            if without[3] {
                words.post = None;
            }
            if without[4] {
                words.letter_boxes.clear();
            }
            if without[5] {
                words.elsewhere.clear();
            }
        }
        line
    })
}

pub fn on_duty(n: usize) -> OnDuty {
    OnDuty {
        name: format!("值班{n}"),
        number: format!("+861380000000{n}").into(),
        days: Vec::new(),
        hours: None,
    }
}

/// Any minute from before the inspection to after it. Half of them are one of six fixed times in different phases and
/// at the end of intake.
pub fn any_instant() -> impl Strategy<Value = DateTime<Utc>> {
    let minutes = |from: &'static str, days: i64| {
        (0..days * 24 * 60).prop_map(move |minute| at(from) + TimeDelta::minutes(minute))
    };
    let hours = prop_oneof![
        Just("2024-03-06T09:00"),
        Just("2024-03-06T13:00"),
        Just("2024-03-06T20:00"),
        Just("2024-04-04T09:00"),
        Just("2024-06-14T20:00"),
        Just("2024-06-17T09:00"),
    ];
    prop_oneof![
        2 => minutes("2024-03-04T00:00", 112),
        1 => minutes("2024-06-13T00:00", 11),
        3 => hours.prop_map(at),
    ]
}

pub const REPLY: &str = "已经转交有关部门。";

pub fn any_input() -> impl Strategy<Value = Input> {
    let end = prop_oneof![
        4 => Just(Some(RecordingEnd::Key)),
        2 => Just(Some(RecordingEnd::Silence)),
        3 => Just(Some(RecordingEnd::Limit)),
        1 => Just(Some(RecordingEnd::HangUp)),
        2 => Just(None),
    ];
    let seconds = proptest::option::of(0u32..4000);
    // A valid receipt, one with a wrong check digit, and incomplete ones.
    let keys = prop_oneof![
        4 => Just("000000000013"),
        1 => Just("000000000014"),
        1 => Just("0000"),
        1 => Just("00*"),
    ];
    let status = proptest::sample::select(vec![Status::Queued, Status::Claimed, Status::Closed]);
    let reply = proptest::option::of(Just(REPLY.to_owned().into()));
    let found = prop_oneof![
        3 => (status, reply).prop_map(|(status, reply)| Found::Report(Earlier { status, reply })),
        1 => Just(Found::Nothing),
        1 => Just(Found::Shared),
        1 => Just(Found::TooMany),
        1 => Just(Found::NoTime),
    ];
    let typed = (keys, found).prop_map(|(keys, found)| Input::Typed {
        keys: keys.to_owned().into(),
        found,
    });
    prop_oneof![
        4 => Just(Input::Key('4')),
        6 => typed,
        12 => proptest::sample::select("1234567890*#AD".chars().collect::<Vec<_>>()).prop_map(Input::Key),
        6 => Just(Input::Nothing),
        6 => (end, seconds).prop_map(|(end, seconds)| Input::Recorded { end, seconds }),
        4 => Just(Input::Key('2')),
        2 => Just(Input::Connected),
        1 => Just(Input::Restart),
        1 => Just(Input::HungUp),
    ]
}

pub fn inputs() -> impl Strategy<Value = Vec<Input>> {
    proptest::collection::vec(any_input(), 0..(END as usize + 10))
}

/// Returns `input`, or another one in place of an input by which the caller hangs up.
pub fn stubborn(input: Input) -> Input {
    match input {
        Input::HungUp => Input::Nothing,
        Input::Recorded {
            end: Some(RecordingEnd::HangUp),
            seconds,
        } => Input::Recorded { end: None, seconds },
        other => other,
    }
}
