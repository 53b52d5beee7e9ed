//! Any words in a script: the simulated provider understands the document, which has the same words, except characters
//! that XML forbids and voices do not speak. The first byte selects what follows the words.

use dutyline::call::script::{Script, Spoken, Verb};
use dutyline::simulator::twiml_reader::{self, Verb as Read};
use dutyline::telephony::Links;
use dutyline::telephony::twiml::{FallbackLinks, TWILIO, document, fallback_document, whisper};

/// Maximum number of characters of the words in one `Say`; longer ones are cut.
const MAX_SAY: usize = 2000;

/// The property, for any bytes.
pub fn check(data: &[u8]) {
    let (first, words) = data.split_first().unwrap_or((&0, &[]));
    let text = String::from_utf8_lossy(words).into_owned();
    let language = ["zh-CN", "en", "de-DE", &text][usize::from(*first) % 4].to_owned();
    let mut script = vec![Verb::Say {
        text: Spoken::written(text.clone()),
        language,
    }];
    match first / 4 % 4 {
        0 => script.push(Verb::Gather {
            keys: "12".into(),
            seconds: 0,
        }),
        1 => script.push(Verb::Record {
            max_seconds: 0,
            silence_seconds: 0,
        }),
        2 if *first < 64 => script.push(Verb::HangUp),
        2 if *first < 128 => script.push(Verb::Connect {
            name: text.clone(),
            number: "+8613800138000".to_owned().into(),
            ring_seconds: u32::from(*first),
            max_seconds: u32::MAX,
            record: *first < 96,
        }),
        2 => script.push(Verb::Digits {
            most: 0,
            seconds: 0,
        }),
        _ => script.insert(0, Verb::Play { take: 3 }),
    }
    let script = Script(script);
    let links = Links {
        public_url: "https://duty.example.org".into(),
        provider: "twilio".into(),
        call: "9a1a3a56-6a70-4ae0-8f35-0d8d6a4c3b21"
            .parse()
            .expect("an id"),
        line: "fcg-5&\"<'>".into(),
        step: 7,
        take_key: "key".to_owned().into(),
        stream_key: "key".to_owned().into(),
        line_number: "+8618877009155".into(),
        language: "zh-CN".into(),
    };
    let fallback = FallbackLinks {
        recorded: "https://duty.example.org/hooks/twilio/fallback".into(),
        recording: "https://duty.example.org/hooks/twilio/recording".into(),
    };
    let key = Verb::Gather {
        keys: "1".into(),
        seconds: 8,
    };
    // Requested as they are, followed by the provider's overrides.
    let ask = |url: String| format!("{url}{}", TWILIO.overrides);
    let written = [
        document(&TWILIO, &script, &links),
        fallback_document(&TWILIO, &script, &fallback),
        // The inspector hears the same words, and the key goes to another address.
        whisper(&TWILIO, &Script([&script.0[..], &[key]].concat()), &links),
    ];
    for (written, action) in written
        .into_iter()
        .zip([links.step(), links.step(), links.accepted()].map(ask))
    {
        let mut said = Vec::new();
        for verb in twiml_reader::read(&written).expect("the provider understands it") {
            match verb {
                Read::Dial(dial) => {
                    assert_eq!(dial.action.as_ref(), Some(&action));
                    assert_eq!(dial.url, Some(ask(links.whisper())));
                    assert_eq!(dial.number, "+8613800138000");
                    assert_eq!(dial.caller_id.as_ref(), Some(&links.line_number));
                }
                Read::Gather(gather) => {
                    assert_eq!(gather.action.as_ref(), Some(&action));
                    gather
                        .prompts
                        .into_iter()
                        .for_each(|verb| hear(verb, &mut said));
                }
                other => hear(other, &mut said),
            }
        }
        let expected = speakable(&text);
        if expected.chars().count() <= MAX_SAY {
            let expected: Vec<_> = Some(expected)
                .filter(|text| !text.is_empty())
                .into_iter()
                .collect();
            assert_eq!(said, expected);
        } else {
            assert!(said.iter().all(|piece| piece.chars().count() <= MAX_SAY));
            assert_eq!(without_spaces(&said.concat()), without_spaces(&expected));
        }
    }
}

fn hear(verb: Read, said: &mut Vec<String>) {
    if let Read::Say { text, .. } = verb {
        said.push(text);
    }
}

/// Returns the words as they should be spoken.
fn speakable(text: &str) -> String {
    let silent = |c: &char| {
        // Control characters, noncharacters, and characters that change the direction of writing.
        let code = u32::from(*c);
        (code < 0x20 || (0x7f..0xa0).contains(&code))
            || [0x61c, 0x200e, 0x200f, 0xfeff, 0xfffe, 0xffff].contains(&code)
            || (0x202a..=0x202e).contains(&code)
            || (0x2066..=0x2069).contains(&code)
    };
    let spaced = text.replace(['\t', '\n', '\r'], " ");
    let kept: String = spaced.chars().filter(|c| !silent(c)).collect();
    kept.trim().to_owned()
}

fn without_spaces(text: &str) -> String {
    text.split_whitespace().collect()
}
