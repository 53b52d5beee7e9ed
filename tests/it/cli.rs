//! The command line: the compiled program in an empty folder.

use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// Returns a command that runs the program in a folder, with an empty environment.
pub fn dutyline(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dutyline"));
    command.current_dir(folder).env_clear();
    command
}

/// Runs the program in an empty folder, and checks that the folder stays empty.
fn run(arguments: &[&str]) -> Output {
    let folder = TempDir::new().unwrap();
    let output = dutyline(folder.path()).args(arguments).output().unwrap();
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{arguments:?} left {left:?}");
    output
}

fn printed(arguments: &[&str]) -> String {
    let output = run(arguments);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {errors}");
    assert_eq!(errors, "", "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn json_of(arguments: &[&str]) -> Value {
    serde_json::from_str(&printed(arguments)).unwrap()
}

/// Returns the error of a command that must be refused with exit code 2.
fn refused(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
    String::from_utf8(output.stderr).unwrap()
}

// --- hear --------------------------------------------------------------------------------------------

#[test]
fn hear_says_what_a_caller_hears() {
    let text = printed(&["hear", "--at", "2024-03-06T09:00"]);
    insta::assert_snapshot!(text, @"
    2024-03-06T09:00:00+08:00  line fcg-5  open
    zh-CN 您好，这里是防城港市委第五巡察组值班电话。
    zh-CN 您的来电和反映内容严格保密。
    zh-CN 反映问题，请按1。
    zh-CN 受理范围和其他渠道，请按3。
    zh-CN 回执查询，请按4。
    en    For English, press 9.
          (waits 6 s for 1 3 4 9)
    about 9.9 s of speech before the first choice
    ");
    let text = printed(&["hear", "--at", "2024-04-04T09:00"]);
    assert!(text.starts_with(
        "2024-04-04T09:00:00+08:00  line fcg-5  holiday\nstaffed again 2024-04-07T08:30:00+08:00\n"
    ));
    assert!(text.contains("4月7日星期日上午8点30分"));
}

#[test]
fn hear_goes_on_as_the_caller_does() {
    let text = printed(&[
        "hear",
        "--at",
        "2024-03-06T09:00",
        "--keys",
        "1,speak,#,silence,silence",
    ]);
    let (_, after) = text.split_once("> 1\n").unwrap();
    insta::assert_snapshot!(after, @"
    zh-CN 请在提示音后留言，说明什么人、什么事、何时何地、有什么证据。姓名和联系方式可以不留。说完请按井号键。
          (beep; records up to 240 s, # ends)
    > speak
    > #
    zh-CN 提交留言请按1，收听请按2，重新留言请按3，补充内容请按4。
          (waits 6 s for 1 2 3 4)
    > silence
    zh-CN 提交留言请按1，收听请按2，重新留言请按3，补充内容请按4。
          (waits 6 s for 1 2 3 4)
    > silence
    zh-CN 您反映的情况，我们已经收到。
    zh-CN 您的回执号是：0 0 0 0 0 0 0 0 0 0 0 0。
    zh-CN 请记下回执号，不要告诉他人。
    zh-CN 再播报一遍。
    zh-CN 您的回执号是：0 0 0 0 0 0 0 0 0 0 0 0。
    zh-CN 感谢您的来电，再见。
          (hangs up)
    ");
    // Keys after the end of the call are ignored, without an error.
    let text = printed(&["hear", "--at", "2024-04-04T09:00", "--keys", "hangup,3"]);
    assert!(text.ends_with("> hangup\n"), "{text}");
}

#[test]
fn hear_in_json_has_exactly_its_keys() {
    let open = json_of(&["hear", "--at", "2024-03-06T09:00", "--json"]);
    let mut keys: Vec<_> = open.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, ["at", "line", "phase", "reopens_at", "script"]);
    assert_eq!(open["at"], "2024-03-06T09:00:00+08:00");
    assert_eq!(open["line"], "fcg-5");
    assert_eq!(open["phase"], "open");
    assert_eq!(open["reopens_at"], Value::Null);
    let script = open["script"].as_array().unwrap();
    assert_eq!(
        script[0],
        json!({"verb": "say", "text": "您好，这里是防城港市委第五巡察组值班电话。", "language": "zh-CN"})
    );
    assert_eq!(
        *script.last().unwrap(),
        json!({"verb": "gather", "keys": "1349", "seconds": 6})
    );

    let report = json_of(&[
        "hear",
        "--at",
        "2024-03-06T09:00",
        "--keys",
        "1,speak,#,2,1",
        "--json",
    ]);
    let mut verbs: Vec<_> = report["script"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v["verb"].as_str().unwrap())
        .collect();
    verbs.retain(|verb| *verb != "say");
    assert_eq!(
        verbs,
        ["gather", "record", "gather", "play", "gather", "hang_up"]
    );
}

#[test]
fn hear_knows_every_phase_and_the_next_opening() {
    for (at, phase, reopens) in [
        (
            "2024-03-05T09:00",
            "not_started",
            Some("2024-03-06T08:30:00+08:00"),
        ),
        (
            "2024-03-06T08:29:59",
            "after_hours",
            Some("2024-03-06T08:30:00+08:00"),
        ),
        ("2024-03-06T08:30", "open", None),
        (
            "2024-03-06T12:00",
            "break",
            Some("2024-03-06T15:00:00+08:00"),
        ),
        (
            "2024-03-06T18:00",
            "after_hours",
            Some("2024-03-07T08:30:00+08:00"),
        ),
        (
            "2024-04-04T09:00",
            "holiday",
            Some("2024-04-07T08:30:00+08:00"),
        ),
        (
            "2024-04-11T09:00",
            "holiday",
            Some("2024-04-15T08:30:00+08:00"),
        ),
        ("2024-06-17T09:00", "intake_closed", None),
        ("2024-06-21T18:00", "after_hours", None),
        ("2024-06-22T09:00", "ended", None),
    ] {
        let heard = json_of(&["hear", "--at", at, "--json"]);
        assert_eq!(heard["phase"], phase, "{at}");
        assert_eq!(heard["reopens_at"], json!(reopens), "{at}");
    }
}

#[test]
fn hear_reads_times_with_and_without_an_offset() {
    for at in [
        "2024-04-07T09:00",
        "2024-04-07T09:00:00",
        "2024-04-07T09:00+08:00",
        "2024-04-07T09:00:00+08:00",
        "2024-04-07T01:00:00Z",
        "2024-04-06T21:00:00-04:00",
    ] {
        let heard = json_of(&["hear", "--at", at, "--json"]);
        assert_eq!(heard["at"], "2024-04-07T09:00:00+08:00", "{at}");
        assert_eq!(heard["phase"], "open", "{at}");
    }
    for at in ["2024-04-07", "09:00", "2024-04-31T09:00", "tomorrow"] {
        let error = refused(&["hear", "--at", at]);
        assert!(
            error.contains(at) && error.contains("write it like 2024-04-07T09:00"),
            "{error}"
        );
    }
    // Without a time: now.
    assert!(json_of(&["hear", "--json"])["phase"].is_string());
    let error = refused(&["hear", "--keys", "1,shout"]);
    assert!(error.contains("shout"), "{error}");
}

/// Writes the embedded configuration with a second line appended.
fn two_lines(folder: &Path) -> String {
    let text = dutyline::config::EMBEDDED;
    let line = &text[text.find("[[line]]").unwrap()..text.find("[line.translations").unwrap()];
    let second = line
        .replace("\"fcg-5\"", "\"fcg-6\"")
        .replace("18877009155", "18877009156")
        .replace("\"message\"", "\"report\"")
        .replace("第五巡察组", "第六巡察组");
    let file = folder.join("two.toml");
    std::fs::write(&file, format!("{text}\n{second}")).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn with_several_lines_one_has_to_be_named() {
    let folder = TempDir::new().unwrap();
    let config = two_lines(folder.path());
    for command in [&["hear", "--at", "2024-03-06T12:30"][..], &["hours"][..]] {
        let error = refused(&[command, &["--config", &config]].concat());
        assert!(
            error.contains("--line") && error.contains("fcg-5, fcg-6"),
            "{error}"
        );
        let error = refused(&[&["--config", &config], command, &["--line", "fcg-7"]].concat());
        assert!(
            error.contains("no line fcg-7") && error.contains("fcg-5, fcg-6"),
            "{error}"
        );
    }
    let heard = |line: &str| {
        printed(&[
            "hear",
            "--at",
            "2024-03-06T12:30",
            "--config",
            &config,
            "--line",
            line,
        ])
    };
    assert!(heard("fcg-5").contains("第五巡察组") && !heard("fcg-5").contains("请按1"));
    assert!(heard("fcg-6").contains("第六巡察组") && heard("fcg-6").contains("请按1"));
}

// --- hours -------------------------------------------------------------------------------------------

#[test]
fn hours_in_json_day_by_day() {
    let day = json!([["08:30", "12:00"], ["15:00", "18:00"]]);
    let rows = json_of(&[
        "hours",
        "--from",
        "2024-04-03",
        "--to",
        "2024-04-15",
        "--json",
    ]);
    let off = |date: &str, reason: &str| json!({"date": date, "working": false, "reason": reason, "windows": []});
    let on = |date: &str, reason: &str| json!({"date": date, "working": true, "reason": reason, "windows": day});
    let reasons: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["reason"].as_str().unwrap())
        .collect();
    insta::assert_snapshot!(reasons.join("\n"), @"
    工作日
    清明节
    清明节
    清明节
    清明节调休上班
    工作日
    工作日
    工作日
    壮族三月三
    壮族三月三
    周末
    周末
    工作日
    ");
    let r = |i: usize| reasons[i];
    assert_eq!(
        rows,
        json!([
            on("2024-04-03", r(0)),
            off("2024-04-04", r(1)),
            off("2024-04-05", r(2)),
            off("2024-04-06", r(3)),
            on("2024-04-07", r(4)),
            on("2024-04-08", r(5)),
            on("2024-04-09", r(6)),
            on("2024-04-10", r(7)),
            off("2024-04-11", r(8)),
            off("2024-04-12", r(9)),
            off("2024-04-13", r(10)),
            off("2024-04-14", r(11)),
            on("2024-04-15", r(12)),
        ])
    );
}

#[test]
fn hours_end_with_the_inspection_and_not_with_the_intake() {
    let rows = json_of(&[
        "hours",
        "--from",
        "2024-06-14",
        "--to",
        "2024-06-24",
        "--json",
    ]);
    let open: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let date = row["date"].as_str().unwrap();
            (
                &date[8..],
                row["working"].as_bool().unwrap(),
                row["windows"].as_array().unwrap().len(),
            )
        })
        .collect();
    assert_eq!(
        open,
        [
            ("14", true, 2),
            ("15", false, 0),
            ("16", false, 0),
            ("17", true, 2),
            ("18", true, 2),
            ("19", true, 2),
            ("20", true, 2),
            ("21", true, 2),
            ("22", false, 0),
            ("23", false, 0),
            ("24", true, 0),
        ]
    );
    let before = json_of(&[
        "hours",
        "--from",
        "2024-03-05",
        "--to",
        "2024-03-06",
        "--json",
    ]);
    assert_eq!(before[0]["working"], true);
    assert_eq!(before[0]["windows"], json!([]));
    assert_eq!(before[1]["windows"].as_array().unwrap().len(), 2);
}

#[test]
fn hours_as_text_and_for_the_whole_inspection() {
    let text = printed(&["hours", "--from", "2024-04-03", "--to", "2024-04-08"]);
    insta::assert_snapshot!(text, @"
    2024-04-03 Wed  08:30-12:00 15:00-18:00  工作日
    2024-04-04 Thu  closed                   清明节
    2024-04-05 Fri  closed                   清明节
    2024-04-06 Sat  closed                   清明节
    2024-04-07 Sun  08:30-12:00 15:00-18:00  清明节调休上班
    2024-04-08 Mon  08:30-12:00 15:00-18:00  工作日
    ");
    let rows = json_of(&["hours", "--json"]);
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 108);
    assert_eq!(rows[0]["date"], "2024-03-06");
    assert_eq!(rows[107]["date"], "2024-06-21");
}

#[test]
fn hours_refuse_wrong_dates_in_words() {
    for (arguments, says) in [
        (
            &["--from", "2024-02-30"][..],
            "--from 2024-02-30: not a date; write it like 2024-04-07",
        ),
        (
            &["--to", "7 April"],
            "--to 7 April: not a date; write it like 2024-04-07",
        ),
        (
            &["--from", "2024-04-08", "--to", "2024-04-07"],
            "--to 2024-04-07 is before --from 2024-04-08",
        ),
        (&["--from", "1990-01-01"], "at most ten years at once"),
    ] {
        let error = refused(&[&["hours"], arguments].concat());
        assert_eq!(error, format!("dutyline: {says}\n"));
    }
}

#[test]
fn a_year_no_calendar_has_is_told() {
    let folder = TempDir::new().unwrap();
    let output = dutyline(folder.path())
        .args(["hours", "--from", "2031-01-01", "--to", "2031-01-02"])
        .output()
        .unwrap();
    assert!(output.status.success());
    let warning = String::from_utf8(output.stderr).unwrap();
    assert!(
        warning.contains("the calendar cn has no data for 2031"),
        "{warning}"
    );
    let json = dutyline(folder.path())
        .args([
            "hours",
            "--from",
            "2031-01-01",
            "--to",
            "2031-01-02",
            "--json",
        ])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(json.stderr).unwrap(),
        warning,
        "whoever reads JSON has to know it too"
    );
    let rows: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 2);
}

// --- all of them -------------------------------------------------------------------------------------

#[test]
fn every_command_has_a_help_with_an_example() {
    let help = printed(&["--help"]);
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect();
    for expected in [
        "demo", "call", "init", "serve", "check", "hear", "hours", "member", "audit", "export",
    ] {
        assert!(commands.contains(&expected), "{commands:?}");
    }
    for command in commands {
        let help = printed(&[command, "--help"]);
        if help.contains("\nCommands:") {
            let inner = help.lines().skip_while(|line| *line != "Commands:").skip(1);
            for inner in inner
                .take_while(|line| !line.is_empty())
                .filter_map(|line| line.split_whitespace().next())
            {
                if inner != "help" {
                    let help = printed(&[command, inner, "--help"]);
                    assert!(
                        help.contains(&format!("Example:\n  dutyline {command} {inner}")),
                        "{help}"
                    );
                }
            }
        } else {
            assert!(
                help.contains(&format!("Example:\n  dutyline {command}")),
                "{help}"
            );
        }
    }
    for wrong in [&["nothing"][..], &["hear", "--loud"]] {
        assert!(refused(wrong).contains("--help"));
    }
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    let error = refused(&["hear", "--config", "none.toml"]);
    assert!(error.contains("none.toml"), "{error}");
}
