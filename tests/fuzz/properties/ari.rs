//! Any frames on Asterisk's socket, a line each: nothing panics, a caller's words are never sent back, and every
//! request is one JSON text with an address of harmless characters. The first byte selects what the call was about to
//! perform.

use dutyline::telephony::StepRef;
use dutyline::telephony::asterisk::message::{Event, Message, read};
use dutyline::telephony::asterisk::performance::{
    Command, Happening, Performance, Purpose, Question,
};
use dutyline::telephony::asterisk::program::{Program, RecordingName, Sound, Then};

/// A text that no request may contain: in the seeds it is where callers can write.
const CALLERS: &str = "hunter2";

/// The property, for any bytes.
pub fn check(data: &[u8]) {
    let (first, frames) = data.split_first().unwrap_or((&0, &[]));
    let frames = String::from_utf8_lossy(frames);
    let mut call = Performance::new("17.0".into(), "18877009155".to_owned().into());
    let mut commands = call.begin(program(*first));
    for frame in frames.lines() {
        carry_out(&mut call, &mut commands, *first);
        let happening = match read(frame) {
            Some(Message::Event(event)) => happening(event),
            Some(Message::Answer(answer)) => {
                let purpose = match answer.status % 3 {
                    0 => Purpose::Play,
                    1 => Purpose::Record,
                    _ => Purpose::Ring,
                };
                (answer.status >= 400).then_some(Happening::Refused(purpose, answer.status))
            }
            None => None,
        };
        if let Some(happening) = happening {
            commands.extend(call.happened(happening));
        }
    }
    carry_out(&mut call, &mut commands, *first);
}

fn carry_out(call: &mut Performance, commands: &mut Vec<Command>, first: u8) {
    let mut answers = 0;
    while let Some(command) = (!commands.is_empty()).then(|| commands.remove(0)) {
        match command {
            Command::Send(_, request) => {
                let frame = request.frame("1");
                assert!(!frame.contains(CALLERS), "{frame}");
                assert!(!frame.contains('\n'), "one text");
                let harmless = |c: char| c.is_ascii_alphanumeric() || "/.-_:".contains(c);
                assert!(request.uri.chars().all(harmless), "{}", request.uri);
            }
            Command::Ask(Question::Ended { .. } | Question::TalkRecorded { .. }) => {}
            Command::Ask(_) => {
                answers += 1;
                assert!(answers < 100, "asks for ever");
                commands.extend(call.answered(program(first.wrapping_add(answers))));
            }
            Command::Wait(..) | Command::Over => {}
        }
    }
}

fn happening(event: Event) -> Option<Happening> {
    Some(match event {
        Event::Ready => return None,
        Event::Started { arguments, .. } if arguments.is_empty() => return None,
        Event::Started { .. } => Happening::LegUp,
        Event::Ended(id) if id.ends_with("leg") => Happening::LegGone,
        Event::Ended(_) => Happening::Gone,
        Event::HangsUp(_) => Happening::HangsUp,
        Event::Key { channel, key } if channel.ends_with("leg") => Happening::LegKey(key),
        Event::Key { key, .. } => Happening::Key(key),
        Event::PlayedOut { playback, .. } => Happening::PlayedOut(playback),
        Event::Recorded(recorded) => {
            if let Some(name) = RecordingName::parse(&recorded.name) {
                assert_eq!(
                    RecordingName::parse(&name.to_string()),
                    Some(name),
                    "a name comes back"
                );
            }
            Happening::Recorded(recorded)
        }
        Event::NotRecorded(name) => Happening::NotRecorded(name),
    })
}

fn program(pick: u8) -> Program {
    let then = match pick % 6 {
        0 => Then::Keys {
            most: 1,
            seconds: 6,
            hash_ends: false,
        },
        1 => Then::Keys {
            most: 12,
            seconds: 10,
            hash_ends: true,
        },
        2 => Then::Record {
            max_seconds: 240,
            silence_seconds: 10,
        },
        3 => Then::Connect {
            endpoint: "PJSIP/+8613800000000@trunk".to_owned().into(),
            caller_id: "+8618877009155".into(),
            ring_seconds: 20,
            max_seconds: 1800,
            record: pick > 127,
        },
        4 => Then::Bridge,
        _ => Then::HangUp,
    };
    Program {
        at: Some(StepRef {
            call: "00000000-0000-0000-0000-000000000007"
                .parse()
                .expect("an id"),
            line: "fcg-5".into(),
            step: 3,
            nothing: None,
        }),
        play: vec![Sound::File("/sounds/a".into()); usize::from(pick / 64)],
        then,
    }
}
