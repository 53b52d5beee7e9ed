use super::*;
use crate::call::script::Spoken;
use insta::assert_snapshot;
use proptest::prelude::*;
use uuid::Uuid;

pub(super) fn links() -> Links {
    Links {
        public_url: "https://h.example".to_owned(),
        provider: "jb".to_owned(),
        call: Uuid::nil(),
        line: "fcg-5".to_owned(),
        step: 2,
        take_key: "KEY".to_owned().into(),
        stream_key: "KEY".to_owned().into(),
        line_number: "+8618877009155".into(),
        language: "zh-CN".into(),
    }
}

fn say(text: &str, language: &str) -> Verb {
    Verb::Say {
        text: Spoken::written(text),
        language: language.to_owned(),
    }
}

const RECORD: Verb = Verb::Record {
    max_seconds: 240,
    silence_seconds: 10,
};

fn gather_() -> Verb {
    Verb::Gather {
        keys: "129".to_owned(),
        seconds: 6,
    }
}

fn connect(record: bool) -> Verb {
    Verb::Connect {
        name: "甲".to_owned(),
        number: "+8613800000001".to_owned().into(),
        ring_seconds: 20,
        max_seconds: 3600,
        record,
    }
}

fn written(verbs: Vec<Verb>) -> String {
    lines(&document(&Script(verbs), &links()))
}

/// One verb per line.
fn lines(document: &Value) -> String {
    let verbs = document.as_array().expect("an array");
    let verbs: Vec<String> = verbs.iter().map(Value::to_string).collect();
    verbs.join("\n")
}

#[test]
fn a_menu_is_interrupted_by_a_key_in_either_language() {
    assert_snapshot!(written(vec![
        say("您好。", "zh-CN"),
        say("举报请按1。", "zh-CN"),
        say("For English, press 9.", "en"),
        say("邮箱：5号。", "zh-CN"),
        gather_(),
        say("never", "en"),
    ]), @r##"
    {"actionHook":"https://h.example/hooks/jb/said?call=00000000-0000-0000-0000-000000000000&line=fcg-5&step=2","dtmfBargein":true,"input":["digits"],"numDigits":1,"say":{"text":"您好。举报请按1。"},"timeout":0.1,"verb":"gather"}
    {"actionHook":"https://h.example/hooks/jb/said?call=00000000-0000-0000-0000-000000000000&line=fcg-5&step=2","dtmfBargein":true,"input":["digits"],"numDigits":1,"say":{"synthesizer":{"language":"en","vendor":"default"},"text":"For English, press 9."},"timeout":0.1,"verb":"gather"}
    {"actionHook":"https://h.example/hooks/jb/step?call=00000000-0000-0000-0000-000000000000&line=fcg-5&step=2","dtmfBargein":true,"input":["digits"],"numDigits":1,"say":{"text":"邮箱：5号。"},"timeout":6,"verb":"gather"}
    {"actionHook":"https://h.example/hooks/jb/step?call=00000000-0000-0000-0000-000000000000&line=fcg-5&step=2","verb":"redirect"}
    "##);
}

#[test]
fn a_recording_is_streamed_to_us() {
    assert_snapshot!(written(vec![say("请讲。", "zh-CN"), RECORD]), @r##"
    {"text":"请讲。","verb":"say"}
    {"actionHook":"https://h.example/hooks/jb/step?call=00000000-0000-0000-0000-000000000000&line=fcg-5&step=2","disableBidirectionalAudio":true,"finishOnKey":"#","maxLength":240,"mixType":"mono","playBeep":true,"sampleRate":8000,"timeout":10,"url":"wss://h.example/hooks/jb/listen/00000000-0000-0000-0000-000000000000/2/240/10/1SoIFAaHzaEUsdPXjUzvfO1P66uQGAlUbQy1FbxEqK8","verb":"listen","wsAuth":{"password":"c3rtVTgFu0u_PJa37Gu6QdE4q_qMmA5ZNAEByiLUdYE","username":"jambonz"}}
    {"actionHook":"https://h.example/hooks/jb/step?call=00000000-0000-0000-0000-000000000000&line=fcg-5&step=2","verb":"redirect"}
    "##);
}

#[test]
fn digits_are_typed_with_time_for_each() {
    let digits = Verb::Digits {
        most: 12,
        seconds: 10,
    };
    assert_snapshot!(written(vec![say("请输入回执。", "zh-CN"), digits]), @r##"
    {"actionHook":"https://h.example/hooks/jb/step?call=00000000-0000-0000-0000-000000000000&line=fcg-5&step=2","dtmfBargein":true,"finishOnKey":"#","input":["digits"],"interDigitTimeout":10,"minDigits":1,"numDigits":12,"say":{"text":"请输入回执。"},"timeout":34,"verb":"gather"}
    {"actionHook":"https://h.example/hooks/jb/step?call=00000000-0000-0000-0000-000000000000&line=fcg-5&step=2","verb":"redirect"}
    "##);
}

#[test]
fn a_take_is_played_and_interrupted_too() {
    assert_snapshot!(written(vec![Verb::Play { take: 1 }, say("请选择。", "zh-CN"), gather_()]), @r##"
    {"actionHook":"https://h.example/hooks/jb/said?call=00000000-0000-0000-0000-000000000000&line=fcg-5&step=2","dtmfBargein":true,"input":["digits"],"numDigits":1,"play":{"url":"https://h.example/hooks/jb/take/00000000-0000-0000-0000-000000000000/1/yUz-WEvGmr60usdp7CEK8QrdY7idF0CyY8ULEcoTLho"},"timeout":0.1,"verb":"gather"}
    {"actionHook":"https://h.example/hooks/jb/step?call=00000000-0000-0000-0000-000000000000&line=fcg-5&step=2","dtmfBargein":true,"input":["digits"],"numDigits":1,"say":{"text":"请选择。"},"timeout":6,"verb":"gather"}
    {"actionHook":"https://h.example/hooks/jb/step?call=00000000-0000-0000-0000-000000000000&line=fcg-5&step=2","verb":"redirect"}
    "##);
}

#[test]
fn the_roster_is_asked_before_it_is_let_through() {
    assert_snapshot!(written(vec![say("正在转接。", "zh-CN"), connect(false)]), @r##"
    {"text":"正在转接。","verb":"say"}
    {"actionHook":"https://h.example/hooks/jb/step?call=00000000-0000-0000-0000-000000000000&line=fcg-5&step=2","callerId":"+8618877009155","confirmHook":"https://h.example/hooks/jb/whisper?call=00000000-0000-0000-0000-000000000000&line=fcg-5&step=2","target":[{"number":"+8613800000001","type":"phone"}],"timeLimit":3600,"timeout":20,"verb":"dial"}
    {"actionHook":"https://h.example/hooks/jb/step?call=00000000-0000-0000-0000-000000000000&line=fcg-5&step=2","verb":"redirect"}
    "##);
    let recorded = document(&Script(vec![connect(true)]), &links());
    assert_snapshot!(recorded[0]["listen"], @r##"{"disableBidirectionalAudio":true,"maxLength":3600,"mixType":"mixed","sampleRate":8000,"url":"wss://h.example/hooks/jb/listen/00000000-0000-0000-0000-000000000000/2/3600/0/K_STFxzNRjtcseDX2oQRWqPYDcsGiOQZDtEYrQN1tqQ","wsAuth":{"password":"f3qeJhM7ruBzEkH7uBBByeCxxlYUTX6sKeg4wu0WFG0","username":"jambonz"}}"##);
    let script = Script(vec![
        say("值班电话。", "zh-CN"),
        say("接听请按1。", "zh-CN"),
        gather_(),
    ]);
    assert_snapshot!(lines(&whisper(&script, &links())), @r##"
    {"actionHook":"https://h.example/hooks/jb/accepted?call=00000000-0000-0000-0000-000000000000&line=fcg-5&step=2","dtmfBargein":true,"input":["digits"],"numDigits":1,"say":{"text":"值班电话。接听请按1。"},"timeout":6,"verb":"gather"}
    {"verb":"hangup"}
    "##);
    assert_snapshot!(accepted(true), @r##"[{"data":{"accepted":true},"verb":"tag"}]"##);
    assert_snapshot!(accepted(false), @r##"[{"verb":"hangup"}]"##);
}

#[test]
fn the_end_is_to_hang_up() {
    assert_snapshot!(written(vec![say("Goodbye.", "en"), Verb::HangUp, say("never", "en")]), @r##"
    {"synthesizer":{"language":"en","vendor":"default"},"text":"Goodbye.","verb":"say"}
    {"verb":"hangup"}
    "##);
    assert_snapshot!(lines(&fallback_document(&Script(vec![
        say("您好。", "zh-CN"),
        say("This number is not in service.", "en"),
        gather_(),
        Verb::Play { take: 1 },
        RECORD,
        connect(false),
        say("再见。", "zh-CN"),
    ]))), @r##"
    {"text":"您好。","verb":"say"}
    {"synthesizer":{"language":"en","vendor":"default"},"text":"This number is not in service.","verb":"say"}
    {"text":"再见。","verb":"say"}
    {"verb":"hangup"}
    "##);
}

#[test]
fn words_are_neither_addresses_nor_instructions() {
    let text =
        |text: &str| document(&Script(vec![say(text, "zh-CN")]), &links())[0]["text"].clone();
    assert_eq!(text("Note: it is handled."), "Note,  it is handled.");
    assert_eq!(text("https://x.example/a.wav"), "https, //x.example/a.wav");
    assert_eq!(text("<speak>你好</speak>"), "speak>你好</speak>");
    assert_eq!(text("处理结果: 已办结"), "处理结果: 已办结");
    assert_eq!(text("At 9:30 we open."), "At 9:30 we open.");
    assert_eq!(
        document(&Script(vec![say("<<< ", "zh-CN")]), &links()),
        json!([])
    );
}

#[test]
fn the_same_script_gives_the_same_bytes() {
    let script = Script(vec![say("您好。", "zh-CN"), say("Hello.", "en"), gather_()]);
    let first = document(&script, &links()).to_string();
    assert_eq!(document(&script, &links()).to_string(), first);
}

pub(super) fn any_script() -> impl Strategy<Value = Script> {
    let words = prop_oneof![
        any::<String>(),
        Just("您好。".to_owned()),
        "[a-z]{1,9}:.{0,9}"
    ];
    let language = prop::sample::select(vec!["zh-CN", "en", "ug-CN", ""]);
    let verb = prop_oneof![
        4 => (words, language).prop_map(|(text, language)| say(&text, language)),
        1 => any::<u32>().prop_map(|take| Verb::Play { take }),
        1 => any::<u32>().prop_map(|seconds| Verb::Gather { keys: "1".into(), seconds }),
        1 => any::<(u32, u32)>().prop_map(|(most, seconds)| Verb::Digits { most, seconds }),
        1 => any::<(u32, u32)>().prop_map(|(max_seconds, silence_seconds)| Verb::Record { max_seconds, silence_seconds }),
        1 => any::<bool>().prop_map(connect),
        1 => Just(Verb::HangUp),
    ];
    prop::collection::vec(verb, 0..9).prop_map(Script)
}

proptest! {
    /// Any script gives an array of known verbs, in which each hook is absolute and on this service, and no text is one
    /// that jambonz would play or read as markup.
    #[test]
    fn any_script_gives_verbs(script in any_script()) {
        let links = links();
        for document in [document(&script, &links), whisper(&script, &links), fallback_document(&script)] {
            for verb in document.as_array().unwrap() {
                let name = verb["verb"].as_str().unwrap();
                prop_assert!(["say", "play", "gather", "listen", "dial", "redirect", "hangup"].contains(&name));
                if let Some(hook) = verb["actionHook"].as_str() {
                    prop_assert!(hook.starts_with("https://h.example/hooks/jb/"));
                }
                if name == "listen" {
                    prop_assert!(verb["url"].as_str().unwrap().starts_with("wss://h.example/hooks/jb/listen/"));
                }
                let say = if name == "say" { verb } else { &verb["say"] };
                if let Some(text) = say["text"].as_str() {
                    prop_assert!(!text.starts_with('<') && reqwest::Url::parse(text).is_err(), "{}", text);
                }
            }
        }
    }
}
