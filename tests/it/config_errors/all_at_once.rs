//! All mistakes of a file are reported in one run, in terms that operators know.

use super::{dutyline, sound, stderr};
use std::path::Path;

/// Words of the parser and of the program's types, which operators do not know.
const JARGON: &[&str] = &[
    "i64", "u32", "sequence", "map", "string", "boolean", "variant", "field", "integer", "array",
    "struct", "literal", "expected", "invalid", "parse", "TOML", "datetime",
];

/// Writes a configuration with these replacements, runs a command, and returns the lines of its errors without the
/// program's name, in order.
fn told(folder: &Path, toml: &str, changes: &[(&str, &str)], command: &[&str]) -> Vec<String> {
    let mut toml = toml.to_owned();
    for (find, put) in changes {
        assert!(toml.contains(find), "{find}");
        toml = toml.replacen(find, put, 1);
    }
    std::fs::write(folder.join("line.toml"), toml).unwrap();
    let output = dutyline(folder, &[command, &["--config", "line.toml"]].concat());
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{command:?}: {told}");
    assert!(output.stdout.is_empty(), "{command:?}");
    let lines: Vec<String> = told
        .lines()
        .map(|line| {
            let line = line.strip_prefix("dutyline: ");
            line.unwrap_or_else(|| panic!("{told}")).to_owned()
        })
        .collect();
    for line in &lines {
        let message = line.splitn(4, ':').last().unwrap_or_default();
        let words = || message.split(|c: char| !c.is_alphanumeric());
        let jargon = JARGON
            .iter()
            .find(|word| words().any(|said| said == **word));
        assert_eq!(jargon, None, "{line}");
        assert!(!line.contains("hunter2"), "{line}");
    }
    lines
}

#[test]
fn a_window_that_overlaps_does_not_make_later_ones_wrong() {
    let (folder, toml) = sound();
    let windows = "\n\"11:00-13:00\",\n\"13:30-14:00\",\n\"15:00-18:00\"";
    let lines = told(
        folder.path(),
        &toml,
        &[("\"15:00-18:00\"", windows)],
        &["check"],
    );
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains("overlap"), "{lines:#?}");
}

#[test]
fn all_mistakes_of_a_file_are_told_by_every_command() {
    let (folder, toml) = sound();
    let changes = [
        (
            "\"https://duty.example.org\"",
            "\"https://duty.example.org/?x=hunter2\"",
        ),
        ("database ", "databese "),
        ("\"test-token-of-the-provider\"", "5"),
        ("\"18877009155\"", "18877009155"),
        ("country  = \"CN\"", ""),
        ("\"Asia/Shanghai\"", "\"Asia/Fangchenggang\""),
        ("from = 2024-03-06", "from = \"2024/3/6\""),
        ("to = 2024-06-14", "to = 2024-06-31"),
        ("\"15:00-18:00\"", "\"15-18\""),
        ("after_hours = \"message\"", "after_hours = \"hunter2\""),
        ("recording_seconds = 300", "recording_seconds = 5"),
    ];
    let expected = [
        "line.toml:5: public_url: the address has a query or a fragment; write it like https://duty.example.org",
        "line.toml:7: database: missing; write database = \"sqlite:data/dutyline.db\"",
        "line.toml:8: databese: there is no such key here; write database",
        "line.toml:16: auth_token: a number without quotes is no use here: a text in quotes is needed, or a list of two while it is replaced; write it like auth_token = \"…\"",
        "line.toml:19: country: missing; write country = \"CN\"",
        "line.toml:21: number: a number without quotes is no use here: a text in quotes is needed; write it like number = \"18877009155\"",
        "line.toml:25: timezone: there is no such time zone; write it like Asia/Shanghai",
        "line.toml:27: inspection: write 2024-03-06, without quotes",
        "line.toml:28: intake: there is no day 2024-06-31; correct it",
        "line.toml:29: hours: \"15-18\" is not a window of time; write it like \"08:30-12:00\"",
        "line.toml:31: after_hours: write one of \"message\", \"report\"",
        "line.toml:34: recording_seconds: between 30 and 3600 seconds",
    ];
    for command in [
        &["check"][..],
        &["serve"],
        &["hours"],
        &["hear", "--at", "2024-03-07T12:00"],
        &["prompts", "check"],
        &["member", "list"],
    ] {
        let told = told(folder.path(), &toml, &changes, command);
        assert_eq!(told, expected, "{command:?}");
    }
}

#[test]
fn what_is_not_toml_is_explained_and_the_rest_is_checked_too() {
    let (folder, toml) = sound();
    for (find, put, says) in [
        (
            "\"CN\"",
            "“CN”",
            "use straight quotes, as in country = \"…\"",
        ),
        (
            "\"CN\"",
            "「CN」",
            "use straight quotes, as in country = \"…\"",
        ),
        (
            "\"CN\"",
            "＂CN＂",
            "use straight quotes, as in country = \"…\"",
        ),
        (
            "\"CN\"",
            "CN",
            "put the text in straight quotes, as in country = \"…\"",
        ),
        (
            "\"CN\"",
            "\"CN",
            "a quote is missing; a text begins and ends with \" on the same line",
        ),
        ("country  =", "country  ＝", "write = in the place of ＝"),
        (
            "\"08:30-12:00\", ",
            "\"08:30-12:00\"， ",
            "write , in the place of ，",
        ),
        ("from = 2024-03-06", "from = 2024/03/06", "write 2024-03-06"),
        ("from = 2024-03-06", "from = 2024-3-6", "write 2024-03-06"),
        (
            "from = 2024-03-06",
            "from = 2024年3月6日",
            "write 2024-03-06",
        ),
        ("from = 2024-03-06", "from = 31.03.2024", "write 2024-03-31"),
        (
            "record_live = false",
            "record_live = no",
            "write record_live = false",
        ),
        (
            "record_live = false",
            "record_live = 是",
            "write record_live = true",
        ),
        (
            "recording_seconds = 300 ",
            "recording_seconds = 5m ",
            "a number has digits only",
        ),
        (
            "recording_seconds = 300 ",
            "recording_seconds = ３00 ",
            "write 3 in the place of ３",
        ),
        (
            "from = 2024-03-06",
            "from = 2024－03－06",
            "write - in the place of －",
        ),
        ("country  = \"CN\"", "country", "not a key with a value"),
        ("country  = \"CN\"", "country  =", "a value is missing"),
        ("\"15:00-18:00\"]", "\"15:00-18:00\"", "hours: the list "),
        (
            "to = 2024-06-21 }",
            "to = 2024-06-21",
            "inspection: the list ",
        ),
        (
            "record_live = false",
            "record_live = false\nrecord_live = true",
            "the key is given twice",
        ),
    ] {
        let changes = [
            (find, put),
            // A second mistake, of another kind, in another table.
            ("public_url = ", "publik_url = \"x\"\npublic_url = "),
        ];
        let told = told(folder.path(), &toml, &changes, &["check"]);
        assert_eq!(told.len(), 2, "{put}: {told:#?}");
        assert!(
            told[0].starts_with("line.toml:5: publik_url: "),
            "{told:#?}"
        );
        assert!(told[1].contains(says), "{put}: {told:#?}");
    }
}

#[test]
fn dates_in_quotes_are_told_how_to_be_written() {
    let (folder, toml) = sound();
    for (put, says) in [
        ("\"2024-03-06\"", "write 2024-03-06, without quotes"),
        ("\"2024.3.6\"", "write 2024-03-06, without quotes"),
        ("\"2024年3月6日\"", "write 2024-03-06, without quotes"),
        ("\"20240306\"", "write 2024-03-06, without quotes"),
        ("\"31/3/2024\"", "write 2024-03-31, without quotes"),
        // Ambiguous: the sixth of March or the third of June.
        ("\"03/06/2024\"", "write it like 2024-03-06, without quotes"),
        ("\"2024-02-30\"", "there is no day 2024-02-30"),
        ("\"hunter2\"", "write it like 2024-03-06, without quotes"),
        (
            "20240306",
            "a date without quotes is needed; write it like from = 2024-03-06",
        ),
        ("2024-03-06T08:00:00", "a date alone is needed"),
        ("2024-02-30", "there is no day 2024-02-30"),
    ] {
        let put = format!("from = {put}");
        let changes = [("from = 2024-03-06", put.as_str())];
        let told = told(folder.path(), &toml, &changes, &["check"]);
        assert_eq!(told.len(), 1, "{put}: {told:#?}");
        assert!(told[0].starts_with("line.toml:27: "), "{put}: {told:#?}");
        assert!(told[0].contains(says), "{put}: {told:#?}");
    }
}

#[test]
fn mistakes_in_calendars_and_prompts_are_told_by_their_own_lines() {
    let (folder, toml) = sound();
    let own = "[[year]]\nyear = 2024\n[[year.holiday]]\nname = \"搬迁\"\nfrom = \"2024/3/7\"\nto = 2024-03-08\nwork = []\n";
    let twice = "[[year]]\nyear = 2024\n[[year.holiday]]\nname = \"甲\"\nfrom = 2024-03-08\nto = 2024-03-07\n[[year.holiday]]\nname = \"乙\"\nfrom = 2025-03-08\nto = 2025-03-08\n";
    std::fs::write(folder.path().join("own.toml"), own).unwrap();
    std::fs::write(folder.path().join("twice.toml"), twice).unwrap();
    std::fs::create_dir(folder.path().join("prompts")).unwrap();
    let words = "nothing = \"x\"\nmenu_report = 5\n";
    std::fs::write(folder.path().join("prompts/en.toml"), words).unwrap();
    let changes = [("\"cn-guangxi\"]", "\"own.toml\", \"twice.toml\"]")];
    let told = told(folder.path(), &toml, &changes, &["check"]);
    let expected = [
        ("./own.toml:5: from: ", "write 2024-03-07, without quotes"),
        ("./own.toml:7: work: ", "write worked"),
        ("./prompts/en.toml:1: nothing: ", "there is no such prompt"),
        (
            "./prompts/en.toml:2: menu_report: ",
            "a text in quotes is needed",
        ),
        ("./twice.toml:4: name: ", "ends on 2024-03-07"),
        ("./twice.toml:8: name: ", "table of 2024"),
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, (place, says)) in told.iter().zip(expected) {
        assert!(told.starts_with(place) && told.contains(says), "{told}");
    }
}

#[test]
fn all_secrets_that_cannot_be_read_are_told() {
    let (folder, toml) = sound();
    let token = "auth_token = \"test-token-of-the-provider\"";
    let changes = [(
        token,
        "auth_token_file = \"nowhere\"\nsigning_key_file = \"neither\"",
    )];
    let told = told(folder.path(), &toml, &changes, &["serve"]);
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(
        told[0].starts_with("line.toml:16: auth_token_file: "),
        "{told:#?}"
    );
    assert!(
        told[1].starts_with("line.toml:17: signing_key_file: "),
        "{told:#?}"
    );
}
