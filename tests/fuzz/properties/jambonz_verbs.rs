//! Any words and numbers in a script lead to jambonz's verbs with addresses of the service, the same ones each time,
//! and no spoken text that is read as an address or an instruction. Each line is a verb; its first byte selects which.

use dutyline::call::script::{Script, Spoken, Verb};
use dutyline::telephony::Links;
use dutyline::telephony::jambonz::verbs::{document, fallback_document, whisper};

/// The property, for any bytes.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let script = Script(text.lines().map(verb).collect());
    let links = Links {
        public_url: "https://duty.example.org".to_owned(),
        provider: "jambonz".to_owned(),
        call: Default::default(),
        line: "fcg-5".to_owned(),
        step: 3,
        take_key: "KEY".to_owned().into(),
        stream_key: "KEY".to_owned().into(),
        line_number: "+8618877009155".to_owned(),
        language: "zh-CN".to_owned(),
    };
    let all = [
        document(&script, &links),
        whisper(&script, &links),
        fallback_document(&script),
    ];
    assert_eq!(all[0], document(&script, &links), "the same each time");
    for document in &all {
        for verb in document.as_array().expect("an array") {
            let name = verb["verb"].as_str().expect("a verb");
            let known = [
                "say", "play", "gather", "listen", "dial", "redirect", "hangup",
            ];
            assert!(known.contains(&name), "{name}");
            if let Some(hook) = verb.get("actionHook") {
                let hook = hook.as_str().expect("an address");
                assert!(
                    hook.starts_with("https://duty.example.org/hooks/jambonz/"),
                    "{hook}"
                );
            }
            let say = if name == "say" { verb } else { &verb["say"] };
            if let Some(words) = say["text"].as_str() {
                let scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
                let before = words.split_once(':').map(|(before, _)| before);
                assert!(!words.starts_with('<'), "{words}");
                assert!(
                    !before.is_some_and(|b| !b.is_empty() && b.chars().all(scheme)),
                    "{words}"
                );
            }
        }
    }
}

fn verb(line: &str) -> Verb {
    let number = line.bytes().fold(7, |sum: u32, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    });
    let rest: String = line.chars().skip(1).collect();
    match line.bytes().next().unwrap_or_default() % 8 {
        0 => Verb::Play { take: number },
        1 => Verb::Gather {
            keys: rest,
            seconds: number,
        },
        2 => Verb::Digits {
            most: number,
            seconds: number,
        },
        3 => Verb::Record {
            max_seconds: number,
            silence_seconds: number,
        },
        4 => Verb::Connect {
            name: rest.clone(),
            number: rest.into(),
            ring_seconds: number,
            max_seconds: number,
            record: number.is_multiple_of(2),
        },
        5 => Verb::HangUp,
        n => Verb::Say {
            text: Spoken::written(rest),
            language: if n == 6 { "zh-CN" } else { "en" }.to_owned(),
        },
    }
}
