//! Calls as the switch's events describe them, without a switch.

use super::*;
use crate::telephony::StepRef;
use crate::telephony::asterisk::program::Sound;
use proptest::prelude::*;

const CALL: uuid::Uuid = uuid::Uuid::from_u128(7);

fn program(play: usize, then: Then) -> Program {
    Program {
        at: Some(StepRef {
            call: CALL,
            line: "fcg-5".into(),
            step: 3,
            nothing: None,
        }),
        play: (0..play).map(|n| Sound::File(format!("/s/{n}"))).collect(),
        then,
    }
}

fn keys(most: u32, hash_ends: bool) -> Then {
    Then::Keys {
        most,
        seconds: 6,
        hash_ends,
    }
}

const RECORD: Then = Then::Record {
    max_seconds: 240,
    silence_seconds: 10,
};

fn connect(record: bool) -> Then {
    Then::Connect {
        endpoint: "PJSIP/+8613800000000@trunk".to_owned().into(),
        caller_id: "+8618877009155".into(),
        ring_seconds: 20,
        max_seconds: 1800,
        record,
    }
}

/// A call that performs this program.
fn begun(program: Program) -> (Performance, Vec<Command>) {
    let mut call = Performance::new("17.0".into(), "18877009155".to_owned().into());
    let commands = call.begin(program);
    (call, commands)
}

fn words_are_over(call: &mut Performance) -> Vec<Command> {
    let id = call.words();
    call.happened(Happening::PlayedOut(id))
}

fn press(call: &mut Performance, key: char) -> Vec<Command> {
    call.happened(Happening::Key(key.into()))
}

fn question(commands: &[Command]) -> Option<&Question> {
    commands.iter().find_map(|command| match command {
        Command::Ask(question) => Some(question),
        _ => None,
    })
}

fn typed(commands: &[Command]) -> Option<&str> {
    match question(commands)? {
        Question::Keys(keys) => Some(keys.expose()),
        _ => None,
    }
}

/// The requests to the switch, abbreviated.
fn sent(commands: &[Command]) -> Vec<String> {
    let sent = commands.iter().filter_map(|command| match command {
        Command::Send(_, request) => Some(format!("{} {}", request.method, request.uri)),
        _ => None,
    });
    sent.collect()
}

fn timer(commands: &[Command]) -> u32 {
    let timer = commands.iter().rev().find_map(|command| match command {
        Command::Wait(number, _) => Some(*number),
        _ => None,
    });
    timer.expect("a timer is set")
}

fn recorded(call: &Performance, seconds: u32) -> Happening {
    Happening::Recorded(Recorded {
        name: call.recording_name().to_string(),
        seconds,
    })
}

#[test]
fn a_key_cuts_the_words_short() {
    let (mut call, commands) = begun(program(2, keys(1, false)));
    assert_eq!(sent(&commands), ["POST channels/17.0/play"]);
    let commands = press(&mut call, '1');
    assert_eq!(
        sent(&commands),
        [format!("DELETE playbacks/{CALL}-3-words")]
    );
    assert_eq!(typed(&commands), Some("1"));
    // The next program plays its sounds all the same.
    let commands = call.answered(program(1, RECORD));
    assert_eq!(sent(&commands), ["POST channels/17.0/play"]);
}

#[test]
fn nothing_pressed_is_an_answer() {
    let (mut call, _) = begun(program(1, keys(1, false)));
    let commands = words_are_over(&mut call);
    let number = timer(&commands);
    let commands = call.happened(Happening::Time(number));
    assert_eq!(typed(&commands), Some(""));
    assert_eq!(call.happened(Happening::Time(number)), [], "once");
}

#[test]
fn digits_have_time_each_and_end_with_a_hash() {
    let (mut call, _) = begun(program(1, keys(12, true)));
    let mut last = 0;
    for key in "04711".chars() {
        let commands = press(&mut call, key);
        assert_eq!(typed(&commands), None);
        assert!(timer(&commands) > last, "a timer of its own");
        last = timer(&commands);
    }
    assert_eq!(call.happened(Happening::Time(last - 1)), [], "an old timer");
    assert_eq!(typed(&press(&mut call, '#')), Some("04711"));
    let (mut call, _) = begun(program(0, keys(12, true)));
    let mut commands = Vec::new();
    for key in "123456789012".chars() {
        commands = press(&mut call, key);
    }
    assert_eq!(typed(&commands), Some("123456789012"));
    assert_eq!(press(&mut call, '#'), [], "while the conversation is asked");
}

#[test]
fn a_recording_says_how_it_ended() {
    let ends = |seconds, hash: bool| {
        let (mut call, _) = begun(program(1, RECORD));
        assert_eq!(
            press(&mut call, '1'),
            [],
            "the words before it are heard out"
        );
        let commands = words_are_over(&mut call);
        assert_eq!(sent(&commands), ["POST channels/17.0/record"]);
        assert_eq!(press(&mut call, '5'), []);
        if hash {
            press(&mut call, '#');
        }
        let done = recorded(&call, seconds);
        match question(&call.happened(done)) {
            Some(Question::Recording { end, .. }) => *end,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ends(3, true), RecordingEnd::Key);
    assert_eq!(ends(3, false), RecordingEnd::Silence);
    assert_eq!(ends(240, false), RecordingEnd::Limit);
}

#[test]
fn hanging_up_tells_of_the_recording_first() {
    let (mut call, _) = begun(program(0, RECORD));
    assert_eq!(call.happened(Happening::HangsUp), []);
    let done = recorded(&call, 5);
    let name = call.recording_name().to_string();
    let commands = call.happened(done);
    let ended = Question::Ended {
        recording: Some((name, 5)),
    };
    assert_eq!(commands, [Command::Ask(ended), Command::Over]);
    assert_eq!(call.happened(Happening::Gone), [], "once");
}

#[test]
fn a_recording_told_of_behind_its_caller_is_heard() {
    let (mut call, _) = begun(program(0, RECORD));
    let commands = call.happened(Happening::Gone);
    assert_eq!(question(&commands), None, "not over yet");
    let late = timer(&commands);
    let done = recorded(&call, 5);
    let ended = call.happened(done);
    assert!(matches!(
        question(&ended),
        Some(Question::Ended { recording: Some(_) })
    ));
    // And a recording that is never reported does not keep the call open.
    let (mut call, _) = begun(program(0, RECORD));
    call.happened(Happening::Gone);
    assert_eq!(call.happened(Happening::Gone), [], "twice");
    let ended = call.happened(Happening::Time(late));
    assert_eq!(question(&ended), Some(&Question::Ended { recording: None }));
}

#[test]
fn a_recording_that_is_there_already_was_made() {
    let (mut call, _) = begun(program(0, RECORD));
    let commands = call.happened(Happening::Refused(Purpose::Record, 409));
    assert!(matches!(
        question(&commands),
        Some(Question::Recording { .. })
    ));
    let (mut call, _) = begun(program(0, RECORD));
    let commands = call.happened(Happening::Refused(Purpose::Record, 500));
    assert_eq!(question(&commands), Some(&Question::Nothing));
}

#[test]
fn one_that_never_ends_is_stopped() {
    let (mut call, commands) = begun(program(0, RECORD));
    let commands = call.happened(Happening::Time(timer(&commands)));
    assert!(sent(&commands)[0].ends_with("/stop"), "{commands:?}");
    assert!(matches!(
        question(&commands),
        Some(Question::Recording { .. })
    ));
}

#[test]
fn a_channel_that_is_not_there_is_gone() {
    for then in [keys(1, false), RECORD] {
        let (mut call, _) = begun(program(1, then));
        let commands = call.happened(Happening::Refused(Purpose::Play, 404));
        let ended = Question::Ended { recording: None };
        assert_eq!(commands, [Command::Ask(ended), Command::Over]);
    }
}

/// Dials, is answered, and plays the whisper.
fn picked_up(record: bool) -> Performance {
    let (mut call, commands) = begun(program(0, connect(record)));
    assert_eq!(
        sent(&commands),
        ["POST channels/17.0/play", "POST channels"]
    );
    assert_eq!(press(&mut call, '1'), [], "the caller cannot take it");
    let commands = call.happened(Happening::LegUp);
    assert_eq!(commands, [Command::Ask(Question::Whisper)]);
    let commands = call.answered(program(2, keys(1, false)));
    assert_eq!(
        sent(&commands),
        [format!("POST channels/{CALL}-3-leg/play")]
    );
    call
}

#[test]
fn the_two_speak_once_the_key_is_pressed() {
    let mut call = picked_up(true);
    let commands = call.happened(Happening::LegKey('1'.into()));
    assert_eq!(question(&commands), Some(&Question::Accepted('1'.into())));
    let commands = call.answered(program(0, Then::Bridge));
    let bridge = format!("bridges/{CALL}-3-bridge");
    assert_eq!(
        sent(&commands),
        [
            format!("DELETE playbacks/{CALL}-3-ringing"),
            format!("POST {bridge}"),
            format!("POST {bridge}/addChannel"),
            format!("POST {bridge}/record"),
        ]
    );
    // The limit of the talk.
    let commands = call.happened(Happening::Time(timer(&commands)));
    assert_eq!(sent(&commands), [format!("DELETE channels/{CALL}-3-leg")]);
    let done = recorded(&call, 1800);
    let commands = call.happened(done);
    assert!(matches!(
        question(&commands),
        Some(Question::TalkRecorded { .. })
    ));
    let commands = call.happened(Happening::LegGone);
    assert_eq!(question(&commands), Some(&Question::TalkOver));
}

#[test]
fn a_voicemail_takes_no_call() {
    let mut call = picked_up(false);
    let commands = call.happened(Happening::PlayedOut(format!("{CALL}-3-whisper")));
    let commands = call.happened(Happening::Time(timer(&commands)));
    assert_eq!(sent(&commands), [format!("DELETE channels/{CALL}-3-leg")]);
    let commands = call.happened(Happening::LegGone);
    assert_eq!(question(&commands), Some(&Question::TalkOver));
}

#[test]
fn whoever_presses_another_key_is_let_go() {
    let mut call = picked_up(false);
    call.happened(Happening::LegKey('2'.into()));
    let commands = call.answered(program(0, Then::HangUp));
    assert_eq!(sent(&commands), [format!("DELETE channels/{CALL}-3-leg")]);
}

#[test]
fn nobody_is_left_ringing_when_the_caller_goes() {
    for taken in [false, true] {
        let mut call = picked_up(false);
        if taken {
            call.happened(Happening::LegKey('1'.into()));
            call.answered(program(0, Then::Bridge));
        }
        let commands = call.happened(Happening::Gone);
        let gone = format!("DELETE channels/{CALL}-3-leg");
        assert_eq!(sent(&commands)[0], gone);
        let ended = Question::Ended { recording: None };
        assert_eq!(question(&commands), Some(&ended));
    }
}

#[test]
fn a_call_that_was_running_is_taken_up() {
    let resume = |then, standing| {
        let mut call = Performance::new("17.0".into(), String::new().into());
        let commands = call.resume(program(1, then), standing, "beef");
        (call, commands)
    };
    let (mut call, commands) = resume(RECORD, Standing::Running);
    assert_eq!(sent(&commands), [""; 0]);
    let done = recorded(&call, 9);
    assert!(question(&call.happened(done)).is_some());
    let (_, commands) = resume(RECORD, Standing::Done);
    assert!(question(&commands).is_some());
    let (mut call, commands) = resume(connect(false), Standing::Talking);
    assert_eq!(sent(&commands), [""; 0], "they are not disturbed");
    let commands = call.happened(Happening::LegGone);
    assert_eq!(question(&commands), Some(&Question::TalkOver));
    let (_, commands) = resume(connect(false), Standing::None);
    assert_eq!(question(&commands), Some(&Question::TalkOver));
    // The end of the former playback is ignored.
    let (mut call, commands) = resume(keys(1, false), Standing::None);
    let former = format!("{CALL}-3-words");
    assert_eq!(sent(&commands)[0], format!("DELETE playbacks/{former}"));
    assert_eq!(call.happened(Happening::PlayedOut(former)), []);
    assert!(!words_are_over(&mut call).is_empty());
}

fn any_happening() -> impl Strategy<Value = Happening> {
    let key = proptest::sample::select("1234567890*#".chars().collect::<Vec<_>>());
    let name = format!("duty.fcg-5.{CALL}.3.17.0");
    let played = proptest::sample::select(vec!["words", "whisper", "ringing", "other"]);
    let purpose = proptest::sample::select(vec![
        Purpose::Play,
        Purpose::Record,
        Purpose::Ring,
        Purpose::Bridge,
    ]);
    prop_oneof![
        key.clone().prop_map(|key| Happening::Key(key.into())),
        key.prop_map(|key| Happening::LegKey(key.into())),
        played.prop_map(|what| Happening::PlayedOut(format!("{CALL}-3-{what}"))),
        (0u32..300).prop_map(move |seconds| Happening::Recorded(Recorded {
            name: name.clone(),
            seconds
        })),
        Just(Happening::HangsUp),
        Just(Happening::LegUp),
        Just(Happening::LegGone),
        (purpose, 400u16..600).prop_map(|(purpose, status)| Happening::Refused(purpose, status)),
        (0u32..30).prop_map(Happening::Time),
    ]
}

fn any_program() -> impl Strategy<Value = Program> {
    let then = prop_oneof![
        any::<bool>().prop_map(|hash_ends| keys(3, hash_ends)),
        Just(RECORD),
        any::<bool>().prop_map(connect),
        Just(Then::Bridge),
        Just(Then::HangUp),
    ];
    (0usize..3, then).prop_map(|(play, then)| program(play, then))
}

proptest! {
    /// Whatever the order of events: what is waited for can happen, one question is open at a time, and the end of a
    /// call is reported once.
    #[test]
    fn it_never_waits_for_what_cannot_come(
        first in any_program(),
        happenings in proptest::collection::vec((any_happening(), any_program()), 0..60),
    ) {
        let (mut call, mut commands) = begun(first);
        let mut over = 0;
        for (happening, answer) in happenings {
            let mut rounds = 0;
            while let Some(asked) = question(&commands) {
                rounds += 1;
                prop_assert!(rounds < 10, "asks for ever");
                over += usize::from(commands.contains(&Command::Over));
                if matches!(asked, Question::Ended { .. } | Question::TalkRecorded { .. }) {
                    break;
                }
                commands = call.answered(answer.clone());
            }
            let waits = matches!(call.stage, Stage::Playing | Stage::Over | Stage::Talk(_))
                || call.timer > 0;
            prop_assert!(waits, "{:?}", call.stage);
            commands = call.happened(happening);
        }
        over += usize::from(commands.contains(&Command::Over));
        let mut last = call.happened(Happening::Gone);
        last.extend(call.happened(Happening::Time(call.timer)));
        over += usize::from(last.contains(&Command::Over));
        prop_assert_eq!(over, 1);
        prop_assert_eq!(call.happened(Happening::Gone), []);
    }
}
