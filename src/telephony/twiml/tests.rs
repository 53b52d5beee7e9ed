use super::tongue::{ITS_NAMES, OUR_NAMES};
use super::*;
use crate::call::script::Spoken;
use insta::assert_snapshot;
use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::Value;
use uuid::Uuid;

fn links() -> Links {
    Links {
        public_url: "https://h.example".to_owned(),
        provider: "tw".to_owned(),
        call: Uuid::nil(),
        line: "fcg-5".to_owned(),
        step: 2,
        take_key: "KEY".to_owned().into(),
        stream_key: "KEY".to_owned().into(),
        line_number: "+8618877009155".into(),
        language: "zh-CN".into(),
    }
}

fn fallback() -> FallbackLinks {
    FallbackLinks {
        recorded: "https://h.example/hooks/tw/fallback".to_owned(),
        recording: "https://h.example/hooks/tw/recording".to_owned(),
    }
}

fn say(text: &str, language: &str) -> Verb {
    Verb::Say {
        text: Spoken::written(text),
        language: language.to_owned(),
    }
}

const GATHER: fn() -> Verb = || Verb::Gather {
    keys: "129".to_owned(),
    seconds: 8,
};
const RECORD: Verb = Verb::Record {
    max_seconds: 240,
    silence_seconds: 10,
};

/// Path of an element (slashes for its depth, then its name), its attributes, its text.
type Element = (String, Vec<(String, String)>, String);

/// The elements with their attributes, sorted, and their text: a document as XML defines it. Fails if the text is not
/// well-formed XML.
fn canonical(xml: &str) -> Vec<Element> {
    let mut reader = Reader::from_str(xml);
    reader.config_mut().expand_empty_elements = true;
    let mut out: Vec<Element> = Vec::new();
    let mut open = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => {
                let mut attributes: Vec<_> = start
                    .attributes()
                    .map(|a| {
                        let a = a.unwrap();
                        let value = quick_xml::escape::unescape(&a.value).unwrap();
                        (a.key.as_ref().to_owned(), value.into_owned())
                    })
                    .collect();
                attributes.sort();
                open.push(out.len());
                let name = start.name().as_ref().to_owned();
                out.push((
                    format!("{}{name}", "/".repeat(open.len())),
                    attributes,
                    String::new(),
                ));
            }
            Event::End(_) => _ = open.pop(),
            Event::Text(text) => {
                let here = *open.last().unwrap();
                out[here].2.push_str(&text);
            }
            Event::GeneralRef(reference) => {
                let here = *open.last().unwrap();
                let whole = format!("&{};", &*reference);
                out[here]
                    .2
                    .push_str(&quick_xml::escape::unescape(&whole).unwrap());
            }
            Event::Eof => break,
            _ => {}
        }
    }
    assert!(open.is_empty());
    out
}

/// One element per line, for reading. No text has an unescaped `<` in it.
fn by_lines(xml: &str) -> String {
    xml.replace("><", ">\n<")
}

/// Asserts that every verb, attribute and value in a document is allowed by Twilio's list.
fn conforms(xml: &str) {
    let list: Value = serde_json::from_str(include_str!(
        "../../../tests/vectors/twiml-voice-attributes.json"
    ))
    .unwrap();
    for (path, attributes, _) in canonical(xml) {
        let verb = path.trim_start_matches('/');
        if matches!(verb, "Response" | "Hangup") {
            assert!(attributes.is_empty());
            continue;
        }
        let known = list["attributes"][verb].as_object().expect(verb);
        for (name, value) in attributes {
            let rule = known.get(&name).unwrap_or_else(|| panic!("{verb} {name}"));
            if let Some(allowed) = rule["enum"].as_array() {
                let words: Vec<_> = match rule["list"].as_bool() {
                    Some(true) => value.split(' ').collect(),
                    _ => vec![value.as_str()],
                };
                for word in words {
                    assert!(allowed.iter().any(|a| a == word), "{verb} {name}={word}");
                }
            }
            match rule["type"].as_str().unwrap() {
                "number" => assert!(value.parse::<u32>().is_ok(), "{verb} {name}={value}"),
                "boolean" => assert!(matches!(&*value, "true" | "false"), "{verb} {name}={value}"),
                _ => {}
            }
        }
    }
}

#[test]
fn a_menu_is_spoken_inside_its_gather() {
    let script = Script(vec![
        say("您好,这里是热线 & <值班>。", "zh-CN"),
        Verb::Play { take: 4 },
        say("Press 9 for \"English\".", "en"),
        GATHER(),
    ]);
    let xml = document(&TWILIO, &script, &links());
    conforms(&xml);
    assert_snapshot!(by_lines(&xml), @r##"
<?xml version="1.0" encoding="UTF-8"?>
<Response>
<Gather input="dtmf" numDigits="1" timeout="8" finishOnKey="" actionOnEmptyResult="true" action="https://h.example/hooks/tw/step?call=00000000-0000-0000-0000-000000000000&amp;line=fcg-5&amp;step=2#rc=2&amp;rp=5xx,ct,rt&amp;rt=5000" method="POST">
<Say language="cmn-CN" voice="Polly.Zhiyu-Neural">您好,这里是热线 &amp; &lt;值班&gt;。</Say>
<Play>https://h.example/hooks/tw/take/00000000-0000-0000-0000-000000000000/4/nt8wjStXubbPt8zixFe23SE4V8wJ1-hCWO1SihZuLAg</Play>
<Say language="en-GB" voice="Polly.Amy-Neural">Press 9 for "English".</Say>
</Gather>
</Response>
"##);
}

#[test]
fn several_digits_end_with_the_last_or_with_the_hash_key() {
    let digits = Verb::Digits {
        most: 12,
        seconds: 10,
    };
    let xml = document(
        &TWILIO,
        &Script(vec![say("请输入。", "zh-CN"), digits]),
        &links(),
    );
    conforms(&xml);
    assert_snapshot!(by_lines(&xml), @r##"
    <?xml version="1.0" encoding="UTF-8"?>
    <Response>
    <Gather input="dtmf" numDigits="12" timeout="10" finishOnKey="#" actionOnEmptyResult="true" action="https://h.example/hooks/tw/step?call=00000000-0000-0000-0000-000000000000&amp;line=fcg-5&amp;step=2#rc=2&amp;rp=5xx,ct,rt&amp;rt=5000" method="POST">
    <Say language="cmn-CN" voice="Polly.Zhiyu-Neural">请输入。</Say>
    </Gather>
    </Response>
    "##);
}

#[test]
fn a_record_has_all_its_ways_out() {
    let xml = document(
        &TWILIO,
        &Script(vec![say("请讲。", "zh-CN"), RECORD]),
        &links(),
    );
    conforms(&xml);
    assert_snapshot!(by_lines(&xml), @r##"
<?xml version="1.0" encoding="UTF-8"?>
<Response>
<Say language="cmn-CN" voice="Polly.Zhiyu-Neural">请讲。</Say>
<Record action="https://h.example/hooks/tw/step?call=00000000-0000-0000-0000-000000000000&amp;line=fcg-5&amp;step=2#rc=2&amp;rp=5xx,ct,rt&amp;rt=5000" method="POST" maxLength="240" timeout="10" finishOnKey="#" playBeep="true" trim="do-not-trim" recordingStatusCallback="https://h.example/hooks/tw/recording?call=00000000-0000-0000-0000-000000000000&amp;line=fcg-5&amp;step=2#rc=2&amp;rp=5xx,ct,rt&amp;rt=5000" recordingStatusCallbackMethod="POST" recordingStatusCallbackEvent="completed absent"/>
<Redirect method="POST">https://h.example/hooks/tw/step?call=00000000-0000-0000-0000-000000000000&amp;line=fcg-5&amp;step=2&amp;nothing=1#rc=2&amp;rp=5xx,ct,rt&amp;rt=5000</Redirect>
</Response>
"##);
}

fn connect(record: bool) -> Verb {
    Verb::Connect {
        name: "<李组员>".to_owned(),
        number: "+8613800000001".to_owned().into(),
        ring_seconds: 20,
        max_seconds: 1800,
        record,
    }
}

#[test]
fn whoever_is_rung_sees_the_line_and_hears_the_whisper_first() {
    let script = Script(vec![say("请稍候。", "zh-CN"), connect(false)]);
    let xml = document(&TWILIO, &script, &links());
    conforms(&xml);
    assert_snapshot!(by_lines(&xml), @r##"
    <?xml version="1.0" encoding="UTF-8"?>
    <Response>
    <Say language="cmn-CN" voice="Polly.Zhiyu-Neural">请稍候。</Say>
    <Dial action="https://h.example/hooks/tw/step?call=00000000-0000-0000-0000-000000000000&amp;line=fcg-5&amp;step=2#rc=2&amp;rp=5xx,ct,rt&amp;rt=5000" method="POST" timeout="20" timeLimit="1800" callerId="+8618877009155">
    <Number url="https://h.example/hooks/tw/whisper?call=00000000-0000-0000-0000-000000000000&amp;line=fcg-5&amp;step=2#rc=2&amp;rp=5xx,ct,rt&amp;rt=5000" method="POST">+8613800000001</Number>
    </Dial>
    </Response>
    "##);
    let script = Script(vec![connect(true)]);
    let xml = document(&TWILIO, &script, &links());
    conforms(&xml);
    assert_snapshot!(by_lines(&xml), @r##"
    <?xml version="1.0" encoding="UTF-8"?>
    <Response>
    <Dial action="https://h.example/hooks/tw/step?call=00000000-0000-0000-0000-000000000000&amp;line=fcg-5&amp;step=2#rc=2&amp;rp=5xx,ct,rt&amp;rt=5000" method="POST" timeout="20" timeLimit="1800" callerId="+8618877009155" record="record-from-answer" trim="do-not-trim" recordingStatusCallback="https://h.example/hooks/tw/recording?call=00000000-0000-0000-0000-000000000000&amp;line=fcg-5&amp;step=2#rc=2&amp;rp=5xx,ct,rt&amp;rt=5000" recordingStatusCallbackMethod="POST" recordingStatusCallbackEvent="completed absent">
    <Number url="https://h.example/hooks/tw/whisper?call=00000000-0000-0000-0000-000000000000&amp;line=fcg-5&amp;step=2#rc=2&amp;rp=5xx,ct,rt&amp;rt=5000" method="POST">+8613800000001</Number>
    </Dial>
    </Response>
    "##);
}

#[test]
fn a_whisper_waits_for_the_key_and_hangs_up_without_one() {
    let script = Script(vec![
        say("接听请按1。", "zh-CN"),
        say("接听请按1。", "zh-CN"),
        GATHER(),
    ]);
    let xml = whisper(&TWILIO, &script, &links());
    conforms(&xml);
    assert_snapshot!(by_lines(&xml), @r##"
    <?xml version="1.0" encoding="UTF-8"?>
    <Response>
    <Gather input="dtmf" numDigits="1" timeout="8" finishOnKey="" actionOnEmptyResult="true" action="https://h.example/hooks/tw/accepted?call=00000000-0000-0000-0000-000000000000&amp;line=fcg-5&amp;step=2#rc=2&amp;rp=5xx,ct,rt&amp;rt=5000" method="POST">
    <Say language="cmn-CN" voice="Polly.Zhiyu-Neural">接听请按1。</Say>
    <Say language="cmn-CN" voice="Polly.Zhiyu-Neural">接听请按1。</Say>
    </Gather>
    <Hangup/>
    </Response>
    "##);
    // Without a key to wait for, the call cannot be accepted: the document only hangs up.
    let xml = whisper(&TWILIO, &Script::default(), &links());
    assert!(xml.ends_with("<Response><Hangup/></Response>"), "{xml}");
}

#[test]
fn a_call_that_is_taken_is_put_together_by_saying_nothing() {
    for answer in [accepted(&TWILIO, true), accepted(&TWILIO, false)] {
        conforms(&answer);
    }
    assert_snapshot!(accepted(&TWILIO, true), @r##"<?xml version="1.0" encoding="UTF-8"?><Response></Response>"##);
    assert_snapshot!(accepted(&TWILIO, false), @r##"<?xml version="1.0" encoding="UTF-8"?><Response><Hangup/></Response>"##);
}

#[test]
fn a_goodbye_hangs_up() {
    let script = Script(vec![say("再见。", "zh-CN"), Verb::HangUp]);
    let xml = document(&TWILIO, &script, &links());
    conforms(&xml);
    assert_snapshot!(by_lines(&xml), @r##"
<?xml version="1.0" encoding="UTF-8"?>
<Response>
<Say language="cmn-CN" voice="Polly.Zhiyu-Neural">再见。</Say>
<Hangup/>
</Response>
"##);
}

#[test]
fn a_fallback_answer_leads_nowhere_twice() {
    let script = Script(vec![
        say("请留言。", "zh-CN"),
        Verb::Play { take: 1 },
        RECORD,
        say("再见。", "zh-CN"),
    ]);
    let xml = fallback_document(&TWILIO, &script, &fallback());
    conforms(&xml);
    assert_snapshot!(by_lines(&xml), @r##"
<?xml version="1.0" encoding="UTF-8"?>
<Response>
<Say language="cmn-CN" voice="Polly.Zhiyu-Neural">请留言。</Say>
<Record action="https://h.example/hooks/tw/fallback#rc=2&amp;rp=5xx,ct,rt&amp;rt=5000" method="POST" maxLength="240" timeout="10" finishOnKey="#" playBeep="true" trim="do-not-trim" recordingStatusCallback="https://h.example/hooks/tw/recording#rc=2&amp;rp=5xx,ct,rt&amp;rt=5000" recordingStatusCallbackMethod="POST" recordingStatusCallbackEvent="completed absent"/>
<Say language="cmn-CN" voice="Polly.Zhiyu-Neural">再见。</Say>
<Hangup/>
</Response>
"##);
    let xml = fallback_document(
        &TWILIO,
        &Script(vec![say("Closed.", "en"), GATHER()]),
        &fallback(),
    );
    conforms(&xml);
    assert_snapshot!(by_lines(&xml), @r##"
<?xml version="1.0" encoding="UTF-8"?>
<Response>
<Say language="en-GB" voice="Polly.Amy-Neural">Closed.</Say>
<Hangup/>
</Response>
"##);
}

#[test]
fn it_prints_what_twilios_own_library_prints() {
    // The addresses were made by another program; only the elements around them are compared.
    let without_addresses = |document: &str| {
        let mut elements = canonical(document);
        for (_, attributes, text) in &mut elements {
            attributes.retain(|(name, _)| !matches!(&**name, "action" | "recordingStatusCallback"));
            if text.starts_with("https://") {
                text.clear();
            }
        }
        elements
    };
    let lines: Vec<_> = include_str!("../../../tests/vectors/twiml-reference-output.xml")
        .lines()
        .collect();

    // The first document says its text before the Gather and continues after it; ours says it inside, and needs nothing
    // after it. Each element by itself is the same.
    let script = Script(vec![
        say("您好,这里是热线 & <值班>。", "zh-CN"),
        Verb::Play { take: 1 },
        GATHER(),
    ]);
    let ours = without_addresses(&document(&TWILIO, &script, &links()));
    let theirs = without_addresses(lines[0]);
    for (path, attributes, text) in &ours {
        let verb = path.trim_start_matches('/');
        assert!(
            theirs
                .iter()
                .any(|t| t.0.trim_start_matches('/') == verb && &t.1 == attributes && &t.2 == text),
            "{verb}"
        );
    }

    // The second is a Record without `recordingStatusCallbackMethod`, and with one more event.
    let record = Verb::Record {
        max_seconds: 180,
        silence_seconds: 10,
    };
    let mut ours = without_addresses(&fallback_document(
        &TWILIO,
        &Script(vec![record]),
        &fallback(),
    ));
    let mut theirs = without_addresses(lines[1]);
    ours[1]
        .1
        .retain(|(name, _)| name != "recordingStatusCallbackMethod");
    for element in [&mut ours[1], &mut theirs[1]] {
        element
            .1
            .retain(|(name, _)| name != "recordingStatusCallbackEvent");
    }
    assert_eq!(ours, theirs);

    // The third dials a telephone; its attributes for more events and for a ringing tone are not compared.
    let script = Script(vec![Verb::Connect {
        name: String::new(),
        number: "+8613800138000".to_owned().into(),
        ring_seconds: 25,
        max_seconds: 3600,
        record: false,
    }]);
    let mut ours = without_addresses(&document(&TWILIO, &script, &links()));
    let mut theirs = without_addresses(lines[2]);
    let differs = [
        "method",
        "url",
        "callerId",
        "record",
        "answerOnBridge",
        "statusCallback",
        "statusCallbackEvent",
    ];
    for (_, attributes, _) in ours.iter_mut().chain(&mut theirs) {
        attributes.retain(|(name, _)| !differs.contains(&&**name));
    }
    assert_eq!(ours, theirs);
}

#[test]
fn nothing_stands_behind_what_ends_a_script() {
    for end in [GATHER(), RECORD, connect(true), Verb::HangUp] {
        let once = document(&TWILIO, &Script(vec![end.clone()]), &links());
        let more = document(
            &TWILIO,
            &Script(vec![end, say("more", "en"), GATHER()]),
            &links(),
        );
        assert_eq!(once, more);
    }
    assert_eq!(
        canonical(&document(&TWILIO, &Script::default(), &links())).len(),
        1
    );
}

#[test]
fn limits_stay_within_twilios() {
    let record = Verb::Record {
        max_seconds: 0,
        silence_seconds: 0,
    };
    let xml = document(&TWILIO, &Script(vec![record]), &links());
    assert!(xml.contains(r#"maxLength="2" timeout="1""#));
    let gather = Verb::Gather {
        keys: String::new(),
        seconds: 0,
    };
    assert!(document(&TWILIO, &Script(vec![gather]), &links()).contains(r#"timeout="1""#));
    for (seconds, expected) in [
        (0, r#"timeout="1" timeLimit="1""#),
        (u32::MAX, r#"timeout="600" timeLimit="14400""#),
    ] {
        let connect = Verb::Connect {
            name: String::new(),
            number: String::new().into(),
            ring_seconds: seconds,
            max_seconds: seconds,
            record: false,
        };
        let xml = document(&TWILIO, &Script(vec![connect]), &links());
        assert!(xml.contains(expected), "{xml}");
    }
}

#[test]
fn languages_are_called_by_their_name_at_twilio() {
    let list: Value = serde_json::from_str(include_str!(
        "../../../tests/vectors/twiml-voice-attributes.json"
    ))
    .unwrap();
    let known = |attribute: &str, name: &str| {
        let names = list["attributes"]["Say"][attribute]["enum"]
            .as_array()
            .unwrap();
        assert!(names.iter().any(|n| n == name), "{name}");
    };
    for name in ITS_NAMES
        .iter()
        .copied()
        .chain(OUR_NAMES.iter().map(|row| row.0))
    {
        let (language, voice) = tongue(name).unwrap();
        known("language", language);
        if let Some(voice) = voice {
            known("voice", voice);
        }
    }
    assert_eq!(
        tongue("zh-cn"),
        Some(("cmn-CN", Some("Polly.Zhiyu-Neural")))
    );
    assert_eq!(tongue("de-DE"), Some(("de-DE", None)));
    assert_eq!(tongue("bo-CN"), None);
    let xml = document(&TWILIO, &Script(vec![say("x", "bo-CN")]), &links());
    assert!(xml.contains("<Response><Say>x</Say></Response>"));
}

#[test]
fn long_words_are_said_in_pieces() {
    let sentence = "一二三四五六七八九。".repeat(450);
    let parts = pieces(&sentence);
    assert_eq!(parts.len(), 3);
    assert!(
        parts
            .iter()
            .all(|p| p.ends_with('。') && p.chars().count() <= MAX_SAY)
    );
    assert_eq!(parts.concat(), sentence);
    assert_eq!(pieces(&"x".repeat(MAX_SAY + 1)).len(), 2);
    assert!(pieces("  ").is_empty());
}

#[test]
fn what_cannot_be_said_is_dropped() {
    assert_eq!(
        sayable("a\0b\u{8}c\u{202e}d\u{2066}e\u{ffff}f\u{85}g\r\nh\ti"),
        "abcdefg  h i"
    );
}

fn any_verb() -> impl Strategy<Value = Verb> {
    prop_oneof![
        (any::<String>(), any::<String>()).prop_map(|(text, language)| say(&text, &language)),
        any::<String>().prop_map(|text| say(&text, "zh-CN")),
        any::<u32>().prop_map(|take| Verb::Play { take }),
        (any::<String>(), any::<u32>()).prop_map(|(keys, seconds)| Verb::Gather { keys, seconds }),
        (any::<u32>(), any::<u32>()).prop_map(|(most, seconds)| Verb::Digits { most, seconds }),
        (any::<u32>(), any::<u32>()).prop_map(|(max_seconds, silence_seconds)| Verb::Record {
            max_seconds,
            silence_seconds
        }),
        (any::<String>(), any::<u32>(), any::<bool>()).prop_map(|(number, seconds, record)| {
            Verb::Connect {
                name: number.clone(),
                number: number.into(),
                ring_seconds: seconds,
                max_seconds: seconds,
                record,
            }
        }),
        Just(Verb::HangUp),
    ]
}

proptest! {
    #[test]
    fn any_script_is_well_formed_twiml_that_says_its_words(verbs in proptest::collection::vec(any_verb(), 0..6)) {
        let script = Script(verbs);
        let xml = document(&TWILIO, &script, &links());
        conforms(&xml);
        conforms(&fallback_document(&TWILIO, &script, &fallback()));
        conforms(&whisper(&TWILIO, &script, &links()));
        prop_assert!(xml.chars().all(|c| !c.is_control()));
        if let Some(Verb::Say { text, .. }) = script.0.first() {
            let spoken: String = canonical(&xml).into_iter().filter(|e| e.0.ends_with("/Say")).map(|e| e.2).collect();
            prop_assert!(spoken.starts_with(sayable(&text.to_string()).trim()));
        }
    }
}

/// Compares what each dialect writes for a menu and for a recording, one element per line.
#[test]
fn the_dialects_differ_where_their_providers_do() {
    let menu = Script(vec![say("请按1。", "zh-CN"), GATHER()]);
    let record = Script(vec![say("请说。", "zh-CN"), RECORD]);
    let mut all = String::new();
    for (name, dialect) in [
        ("twilio", &TWILIO),
        ("signalwire", &SIGNALWIRE),
        ("somleng", &SOMLENG),
        ("telnyx", &TELNYX),
    ] {
        all.push_str(&format!("--- {name}\n"));
        for script in [&menu, &record] {
            let written = document(dialect, script, &links());
            canonical(&written);
            all.push_str(&written.replace("><", ">\n<"));
            all.push('\n');
        }
    }
    assert_snapshot!(all);
}
