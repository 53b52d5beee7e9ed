//! The service's answers, checked by jambonz' own packages, which are in the folder that `DUTYLINE_TEST_JAMBONZ` names.
//! Each of the two detects faults that the other does not.

use super::{CALLER, speaking};
use crate::support::feature_server::{FeatureServer, SpeechEnds};
use crate::support::{Database, OPEN, speech};
use dutyline::call::script::{Script, Spoken, Verb};
use dutyline::telephony::Links;
use dutyline::telephony::jambonz::verbs::{accepted, document, fallback_document, whisper};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Returns what the two packages find wrong with each document: `specs` and `schema`.
fn checked(documents: &[Value]) -> Vec<[Option<String>; 2]> {
    let folder = std::env::var("DUTYLINE_TEST_JAMBONZ").expect("the folder of jambonz's packages");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/jambonz/check.js");
    let mut node = Command::new("node")
        .arg(script)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node");
    let mut input = node.stdin.take().unwrap();
    let lines: String = documents.iter().map(|one| format!("{one}\n")).collect();
    let writing = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = node.wait_with_output().expect("it ends");
    writing.join().unwrap().expect("it reads all");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let found: Vec<_> = text
        .lines()
        .map(|line| {
            let found: Value = serde_json::from_str(line).unwrap();
            ["specs", "schema"].map(|by| found[by].as_str().map(str::to_owned))
        })
        .collect();
    assert_eq!(found.len(), documents.len());
    found
}

fn assert_right(documents: &[Value]) {
    for (document, found) in documents.iter().zip(checked(documents)) {
        assert_eq!(found, [None, None], "{document:#}");
    }
}

/// The packages do detect faults, in the documents with which jambonz tests its own check.
#[test]
fn jambonz_packages_tell_good_from_bad() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors/jambonz/feature-server-test-data");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|item| item.unwrap().path())
        .collect();
    files.sort();
    assert_eq!(files.len(), 10);
    let read = |file: &PathBuf| -> Value {
        let text = std::fs::read_to_string(file).unwrap();
        json!([serde_json::from_str::<Value>(&text).unwrap()])
    };
    let documents: Vec<Value> = files.iter().map(read).collect();
    for (file, [specs, schema]) in files.iter().zip(checked(&documents)) {
        let name = file.file_name().unwrap().to_str().unwrap();
        assert_eq!(
            specs.is_some(),
            name.starts_with("bad-"),
            "{name}: {specs:?}"
        );
        if name.starts_with("good-") {
            assert_eq!(schema, None, "{name}");
        }
    }
    let misses = json!([{"verb": "gather", "input": ["thoughts"]}]);
    let [[specs, schema]] = &checked(&[misses])[..] else {
        panic!("one answer");
    };
    assert!(
        specs.is_none() && schema.is_some(),
        "each misses what the other finds"
    );
}

/// Any script leads to documents that both packages accept.
#[test]
fn jambonz_packages_find_any_script_right() {
    let links = Links {
        public_url: "https://duty.example.org".into(),
        provider: "jambonz".into(),
        call: uuid::Uuid::from_u128(7),
        line: "fcg-5".into(),
        step: 3,
        take_key: "KEY".to_owned().into(),
        stream_key: "KEY".to_owned().into(),
        line_number: "+8618877009155".into(),
        language: "zh-CN".into(),
    };
    let words = prop_oneof![any::<String>(), "[a-z]{1,9}:.{0,9}"];
    let say =
        (words, prop::sample::select(vec!["zh-CN", "en"])).prop_map(|(text, language)| Verb::Say {
            text: Spoken::written(text),
            language: language.to_owned(),
        });
    let ends = prop_oneof![
        any::<u32>().prop_map(|seconds| Verb::Gather {
            keys: "1".into(),
            seconds
        }),
        any::<(u32, u32)>().prop_map(|(most, seconds)| Verb::Digits { most, seconds }),
        any::<(u32, u32)>().prop_map(|(max_seconds, silence_seconds)| Verb::Record {
            max_seconds,
            silence_seconds
        }),
        any::<(u32, u32, bool)>().prop_map(|(ring_seconds, max_seconds, record)| Verb::Connect {
            name: "甲".into(),
            number: "+8613800000001".to_owned().into(),
            ring_seconds,
            max_seconds,
            record,
        }),
        Just(Verb::HangUp),
    ];
    let play = any::<u32>().prop_map(|take| Verb::Play { take });
    let said = prop::collection::vec(prop_oneof![3 => say, 1 => play], 0..6);
    let scripts = (said, ends).prop_map(|(mut said, end)| {
        said.push(end);
        Script(said)
    });
    let mut runner = TestRunner::deterministic();
    let mut documents = vec![accepted(true), accepted(false)];
    for _ in 0..300 {
        let script = scripts.new_tree(&mut runner).unwrap().current();
        documents.push(document(&script, &links));
        documents.push(whisper(&script, &links));
        documents.push(fallback_document(&script));
    }
    assert_right(&documents);
}

/// The answers of a real call and conversation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jambonz_packages_find_a_call_right() {
    let server = FeatureServer::start().await;
    let line = server.line(Database::sqlite(), OPEN).await;
    let call = speaking(&server).await;
    server.speak(&call, &speech(1), SpeechEnds::Key).await;
    server.press(&call, "2").await;
    server.press(&call, "1").await;
    let call = server.dial(CALLER).await;
    for key in ["9", "3", "7", "4"] {
        server.press(&call, key).await;
    }
    server.press(&call, "12#").await;
    server.hang_up(&call, None).await;
    let call = server.dial(CALLER).await;
    server.press(&call, "2").await;
    server.pick_up(&call).await;
    server.press_there(&call, Some('1')).await;
    server.hang_up_there(&call).await;
    let other = server.call(CALLER, "18877009199").await;
    assert!(server.all_heard(&other).contains("号码"), "not in service");
    line.until_reports(2).await;
    line.until_settled().await;
    let documents = server.documents();
    assert!(documents.len() > 12);
    assert_right(&documents);
    line.finish().await;
}
