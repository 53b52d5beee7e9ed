//! The list of a line's texts for recording them, and the synthesised speech for texts without a recording: the
//! compiled program, and espeak-ng where it is installed.

use crate::cli::dutyline;
use dutyline::audio::wav::WavCheck;
use dutyline::call::script::Verb;
use dutyline::call::{catalogue, flow};
use dutyline::config::{Config, EMBEDDED};
use dutyline::sounds::{Sounds, places};
use dutyline::telephony::Voice;
use serde_json::Value;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// Runs the program in a folder. Returns the exit code, standard output and standard error.
fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = dutyline(folder).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    (code, text(output.stdout), text(output.stderr))
}

/// Makes a folder with the default line and these lines under `[prompts]`.
fn configured(prompts: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let toml = format!("{EMBEDDED}\n[prompts]\n{prompts}\n");
    fs::write(folder.path().join("dutyline.toml"), toml).unwrap();
    folder
}

fn write(folder: &TempDir, name: &str, content: &[u8]) {
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Returns a second of silence in a format.
fn wav(rate: u32, channels: u16, bits: u16) -> Vec<u8> {
    let frame = channels * bits / 8;
    let bytes = rate * u32::from(frame);
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + bytes).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0");
    wav.extend(channels.to_le_bytes());
    wav.extend(rate.to_le_bytes());
    wav.extend(bytes.to_le_bytes());
    wav.extend(frame.to_le_bytes());
    wav.extend(bits.to_le_bytes());
    wav.extend(b"data");
    wav.extend(bytes.to_le_bytes());
    wav.resize(wav.len() + bytes as usize, 0);
    wav
}

#[test]
fn the_reading_script_is_in_the_order_of_speaking() {
    let folder = TempDir::new().unwrap();
    let (code, script, errors) = run(folder.path(), &["prompts", "list", "--language", "zh-CN"]);
    assert_eq!((code, errors.as_str()), (0, ""));
    let lines: Vec<&str> = script.lines().map(str::trim_end).collect();
    insta::assert_snapshot!(lines[..7].join("\n"), @"
    zh-CN/greeting-1.wav          您好，这里是  [您好，这里是防城港市委第五巡察组值班电话。]
    zh-CN/fcg-5-name.wav          防城港市委第五巡察组  [您好，这里是防城港市委第五巡察组值班电话。]
    zh-CN/greeting-2.wav          值班电话。  [您好，这里是防城港市委第五巡察组值班电话。]
    zh-CN/confidential.wav        您的来电和反映内容严格保密。
    zh-CN/menu_report.wav         反映问题，请按1。
    zh-CN/menu_duty.wav           人工接听，请按2。
    zh-CN/menu_inform.wav         受理范围和其他渠道，请按3。
    ");
    for line in [
        "zh-CN/weekday-5.wav           星期五  [反映问题的受理时间到6月14日星期五为止。]",
        "zh-CN/digit-1.wav             幺  [您的回执号是：0 1 2 3 4 5 6 7 8 9。]",
    ] {
        assert!(lines.contains(&line), "{line}\n{script}");
    }
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_reading_script_in_json() {
    let folder = TempDir::new().unwrap();
    let (code, script, _) = run(folder.path(), &["prompts", "list", "--json"]);
    assert_eq!(code, 0);
    let rows: Vec<Value> = serde_json::from_str(&script).unwrap();
    assert_eq!(
        rows[1],
        serde_json::json!({
            "language": "zh-CN",
            "id": "fcg-5-name",
            "file": "zh-CN/fcg-5-name.wav",
            "words": "防城港市委第五巡察组",
            "sentence": "您好，这里是防城港市委第五巡察组值班电话。",
        })
    );
    assert!(rows.iter().any(|row| row["language"] == "en"));
    let (code, _, errors) = run(folder.path(), &["prompts", "list", "--language", "fr"]);
    assert_eq!(
        (code, errors.as_str()),
        (2, "dutyline: no line speaks fr\n")
    );
}

#[test]
fn what_is_missing_or_wrong_is_told_with_its_path() {
    let folder = configured("folder = \"own\"");
    write(&folder, "own/en/greeting-1.wav", &wav(8000, 1, 16));
    write(&folder, "own/en/fcg-5-name.wav", &wav(44_100, 1, 16));
    write(&folder, "own/en/confidential.wav", &wav(8000, 2, 16));
    write(&folder, "own/en/menu_report.wav", &wav(8000, 1, 8));
    write(&folder, "own/en/menu_duty.wav", b"ID3");
    write(&folder, "own/en/menu_inform.wav", b"");
    let (code, told, errors) = run(folder.path(), &["prompts", "check", "--language", "en"]);
    assert_eq!(code, 1);
    let lines: Vec<&str> = told.lines().collect();
    insta::assert_snapshot!(lines[..6].join("\n"), @"
    ✗ ./own/en/fcg-5-name.wav: it has 44100 Hz; 8000 Hz are needed
    ✗ ./own/en/confidential.wav: it has 2 channels; one (mono) is needed
    ✗ ./own/en/menu_report.wav: it has 8 bits; 16 bits are needed
    ✗ ./own/en/menu_duty.wav: it is no whole WAV file
    ✗ ./own/en/menu_inform.wav: it is empty
    ✗ ./own/en/menu_call_back.wav: missing: For earlier reports, press 4.
    ");
    let sounds = catalogue_of(&folder, "en");
    let missing = sounds - 6;
    assert_eq!(
        *lines.last().unwrap(),
        format!(
            "{sounds} sounds: 1 recorded, 0 synthesized, 0 to be synthesized at the next start, {missing} missing, 5 in the wrong format"
        )
    );
    assert_eq!(
        errors,
        format!("dutyline: {} sounds are to be recorded\n", sounds - 1)
    );
}

fn config(folder: &TempDir) -> Config {
    Config::load(Some(&folder.path().join("dutyline.toml"))).unwrap()
}

fn catalogue_of(folder: &TempDir, language: &str) -> usize {
    let config = config(folder);
    let lines = config.lines.iter().map(|entry| &entry.line);
    catalogue::catalogue(lines, language).len()
}

#[test]
fn nothing_is_missing_where_a_command_speaks() {
    let folder = configured("synthesize.zh-CN = \"false\"\nsynthesize.en = \"false\"");
    let (code, told, errors) = run(folder.path(), &["prompts", "check"]);
    let sounds = catalogue_of(&folder, "zh-CN") + catalogue_of(&folder, "en");
    assert_eq!((code, errors.as_str()), (0, ""));
    assert_eq!(
        told,
        format!(
            "{sounds} sounds: 0 recorded, 0 synthesized, {sounds} to be synthesized at the next start, 0 missing, 0 in the wrong format\n"
        )
    );
    let (code, told, _) = run(folder.path(), &["prompts", "check", "--json"]);
    let rows: Vec<Value> = serde_json::from_str(&told).unwrap();
    assert_eq!((code, rows.len()), (0, sounds));
    assert!(rows.iter().all(|row| row["standing"] == "to_synthesize"));
}

#[test]
fn words_and_recordings_are_replaced_without_compiling() {
    let folder = configured("folder = \"own\"");
    write(
        &folder,
        "own/zh-CN.toml",
        "greeting = '这里是{team}。'\nconfidential = { words = '来电保密。', audio = 'secret.wav' }\n".as_bytes(),
    );
    let (code, heard, _) = run(folder.path(), &["hear", "--at", "2024-03-06T09:00"]);
    assert_eq!(code, 0);
    let said: Vec<&str> = heard.lines().skip(1).take(3).collect();
    assert_eq!(
        said,
        [
            "zh-CN 这里是防城港市委第五巡察组。",
            "zh-CN 来电保密。",
            "zh-CN 反映问题，请按1。"
        ]
    );
    let (_, script, _) = run(folder.path(), &["prompts", "list", "--language", "zh-CN"]);
    assert!(
        script.lines().any(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            words == ["zh-CN/secret.wav", "来电保密。"]
        }),
        "{script}"
    );
}

#[test]
fn a_mistake_is_told_by_file_line_and_key() {
    for (own, told) in [
        (
            "greeting = '这里是值班电话。'",
            "./own/zh-CN.toml:1: greeting: {team} has to stand in it once, and no other blank",
        ),
        (
            "\ngoodbye = '再见{team}。'",
            "./own/zh-CN.toml:2: goodbye: there is no blank to fill in it",
        ),
        (
            "goodbye = ' '",
            "./own/zh-CN.toml:1: goodbye: callers hear these words; they cannot be empty",
        ),
        (
            "godbye = '再见。'",
            "./own/zh-CN.toml:1: godbye: there is no such prompt",
        ),
        (
            "greeting = { audio = 'one.wav' }",
            "./own/zh-CN.toml:1: greeting: audio: 2 recordings, before and after the blank would be right",
        ),
    ] {
        let folder = configured("folder = \"own\"");
        write(&folder, "own/zh-CN.toml", own.as_bytes());
        let (code, _, errors) = run(folder.path(), &["prompts", "list"]);
        assert_eq!((code, errors), (2, format!("dutyline: {told}\n")), "{own}");
    }
    let line = EMBEDDED.lines().count() + 3;
    for (prompts, told) in [
        (
            "voice = 'x'",
            format!(
                "dutyline.toml:{line}: voice: there is no such key here; there are folder, cache, passing, synthesize"
            ),
        ),
        (
            "cache = ''",
            format!(
                "dutyline.toml:{line}: cache: a folder is needed; leave the key out for the usual one"
            ),
        ),
        (
            "synthesize.en = ' '",
            format!("dutyline.toml:{line}: synthesize.en: a command line is needed"),
        ),
        (
            "synthesize.fr = 'x'",
            format!("dutyline.toml:{line}: synthesize.fr: there are prompts in zh-CN, en only"),
        ),
    ] {
        let folder = configured(prompts);
        let (code, _, errors) = run(folder.path(), &["prompts", "list"]);
        assert_eq!(
            (code, errors),
            (2, format!("dutyline: {told}\n")),
            "{prompts}"
        );
    }
}

/// Returns the setting that the default configuration recommends for a language.
fn recommended(language: &str) -> String {
    let start = format!("# synthesize.{language} ");
    let line = EMBEDDED.lines().find(|line| line.starts_with(&start));
    line.expect("it is there, as a comment")
        .trim_start_matches("# ")
        .to_owned()
}

/// Returns the length of a file, in seconds, and its peak.
fn sounds_for(file: &Path) -> (f64, u8) {
    let bytes = fs::read(format!("{}.wav", file.display())).unwrap();
    let mut check = WavCheck::new(bytes.len() as u64, Some(bytes.len() as u64));
    check.feed(&bytes).unwrap();
    let loudest = check.peaks(1)[0];
    let milliseconds = check.finish().unwrap().duration_ms.unwrap();
    (milliseconds as f64 / 1000.0, loudest)
}

/// Speech as the default configuration recommends it. A voice that spelled the characters out, or was silent, would
/// take too long or too little: Chinese has about four syllables a second, one per character.
#[tokio::test]
async fn espeak_speaks_all_of_the_line() {
    let folder = configured(&format!(
        "passing = \"passing\"\n{}\n{}",
        recommended("zh-CN"),
        recommended("en")
    ));
    let config = config(&folder);
    let sounds = Sounds::new(&config.prompts);
    let filled = sounds.fill(&config).await;
    let all = places(&config, None);
    assert_eq!((filled.made, filled.missing), (all.len(), 0));

    let mut seconds = std::collections::HashMap::new();
    for place in &all {
        let file = place.sound().expect("it was made").with_extension("");
        let (lasts, loudest) = sounds_for(&file);
        let words = place.entry.sound.read_out();
        assert!(loudest > 20, "{words} is silent");
        if place.language == "zh-CN" && !words.contains(|c: char| c.is_ascii_digit()) {
            let syllables = words.chars().filter(|c| c.is_alphabetic()).count() as f64;
            let plausible = 0.12 * syllables..0.35 * syllables + 0.6;
            assert!(plausible.contains(&lasts), "{words} takes {lasts} s");
        }
        seconds.insert((place.language.as_str(), words), lasts);
    }

    // A greeting is as long as its pieces.
    let line = &config.lines[0].line;
    let at = line
        .schedule
        .openings(line.schedule.inspection.from)
        .next()
        .unwrap();
    let script = flow::answer(line, at.to_utc(), String::new(), true).script;
    let Verb::Say { text, language } = &script.0[0] else {
        panic!("{script:?}");
    };
    let files = sounds.files(language, text);
    let lasts: f64 = files.iter().map(|file| sounds_for(file).0).sum();
    let pieces = ["您好，这里是", "防城港市委第五巡察组", "值班电话。"];
    let expected: f64 = pieces.iter().map(|words| seconds[&("zh-CN", *words)]).sum();
    assert_eq!(files.len(), 3);
    assert!((lasts - expected).abs() < 0.001, "{lasts} and {expected}");
}
