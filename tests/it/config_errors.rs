//! Errors shown to an operator whose configuration or command is wrong: the compiled program's exit code and output.

mod accepted;
mod all_at_once;
mod mistakes;
mod refused;
mod roster;

use crate::support::{LEAD, configuration};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

/// Put where a secret may be written by mistake; it may not be shown.
const SECRET: &str = "hunter2-expected-secret";

fn dutyline(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dutyline"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("DUTYLINE_TWILIO_AUTH_TOKEN")
        .env_remove("DUTYLINE_LOG")
        .output()
        .expect("the program runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

/// Returns a valid configuration and its folder.
fn sound() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let toml = configuration("sqlite:data/dutyline.db", "http://127.0.0.1:9");
    (folder, toml)
}

/// Writes a configuration that only its owner can read, because it contains a token.
fn write_private(folder: &Path, toml: &str) {
    let file = folder.join("line.toml");
    std::fs::write(&file, toml).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Writes a configuration and runs `serve` with it.
fn serve(folder: &Path, toml: &str) -> Output {
    write_private(folder, toml);
    dutyline(folder, &["serve", "--config", "line.toml"])
}

/// One mistake: `find` is replaced by `put`, and the error names the line that contains `at`, and `key`.
struct Mistake {
    what: &'static str,
    find: &'static str,
    put: &'static str,
    at: &'static str,
    key: &'static str,
    says: &'static str,
}

const SECOND_LINE: &str = r#"[[line]]
id = "second"
number = "+86 188 7700 9155"
country = "CN"
name = "second"
timezone = "Asia/Shanghai"
calendar = ["cn"]
inspection = { from = 2024-03-06, to = 2024-06-21 }
intake = { from = 2024-03-06, to = 2024-06-14 }
hours = ["08:30-12:00"]

[[line]]
id       = "fcg-5""#;

/// Mistakes that cause more than one error.
const SEVERAL: &[&str] = &[
    "a key of another kind of provider",
    "an unknown table",
    "a calendar file that does not exist",
];

/// Makes a mistake. Returns what is wrong with the errors shown for it.
fn make(mistake: &Mistake, folder: &Path, sound: &str) -> Result<(), String> {
    let what = mistake.what;
    let (before, after) = sound
        .split_once(mistake.find)
        .unwrap_or_else(|| panic!("{what}: {} is in the configuration", mistake.find));
    let toml = format!("{before}{}{after}", mistake.put);
    // The first place from the mistake on; a missing entry is reported at the start of its table.
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let at = match toml[start..].find(mistake.at) {
        Some(at) if !mistake.put.is_empty() => start + at,
        _ => before.rfind(mistake.at).expect("the place is there"),
    };
    let line = 1 + toml[..at].matches('\n').count();
    let expected = format!("dutyline: line.toml:{line}: {}: ", mistake.key);
    let output = serve(folder, &toml);
    let told = stderr(&output);
    // A mistake may cause further errors; their order is not compared.
    let lines = told.lines().count();
    let right = output.status.code() == Some(2)
        && output.stdout.is_empty()
        && told
            .lines()
            .any(|line| line.starts_with(&expected) && line.contains(mistake.says))
        && told
            .lines()
            .all(|line| line.starts_with("dutyline: line.toml:"))
        && (lines == 1 || SEVERAL.contains(&what))
        && ["hunter2", "expected-secret", "9911991199"]
            .iter()
            .all(|value| !told.contains(value));
    right
        .then_some(())
        .ok_or_else(|| format!("{what}: {told}  should be {expected}… {}", mistake.says))
}

#[test]
fn a_simulator_has_to_be_allowed() {
    let (folder, toml) = sound();
    let toml = toml.replace("kind    = \"twilio\"", "kind    = \"simulator\"");
    let output = serve(folder.path(), &toml);
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    let line = 1 + toml[..toml.find("kind ").unwrap()].matches('\n').count();
    assert!(
        told.starts_with(&format!("dutyline: line.toml:{line}: kind: ")),
        "{told}"
    );
    assert!(told.contains("--allow-simulator"), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let (folder, _) = sound();
    std::fs::write(folder.path().join("bytes.toml"), [0xff, 0xfe]).unwrap();
    for file in ["nowhere.toml", ".", "bytes.toml"] {
        let output = dutyline(folder.path(), &["serve", "--config", file]);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{file}: {told}");
        assert!(
            told.starts_with(&format!("dutyline: {file}: cannot be read: ")),
            "{told}"
        );
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

/// Checks for exit code 1, one sentence, and an empty standard output.
fn assert_failed(output: &Output, says: &str) {
    let told = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.starts_with("dutyline: ") && told.contains(says),
        "{told}"
    );
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(output.stdout.is_empty());
}

fn init(folder: &Path, toml: &str) -> Output {
    write_private(folder, toml);
    std::fs::write(folder.join("password.txt"), LEAD.1).unwrap();
    let init = [
        "init",
        "--lead",
        LEAD.0,
        "--password-file",
        "password.txt",
        "--config",
        "line.toml",
    ];
    dutyline(folder, &init)
}

#[test]
fn what_is_missing_outside_the_configuration_is_one_sentence() {
    let (folder, toml) = sound();
    let folder = folder.path();
    // `init` has not been run yet.
    assert_failed(&serve(folder, &toml), "`dutyline init`");

    // A data folder below a file: not even root can write there.
    std::fs::write(folder.join("file"), "").unwrap();
    assert_failed(
        &init(folder, &toml.replace("data/", "file/data/")),
        "file/data",
    );

    assert!(init(folder, &toml).status.success());
    for (key, says) in [
        (
            "database    = \"sqlite:data/",
            "there is no database ./file/data/dutyline.db",
        ),
        ("secret_file = \"data/", "file/data/service.key"),
    ] {
        assert!(toml.contains(key));
        let toml = toml.replace(key, &key.replace("data/", "file/data/"));
        assert_failed(&serve(folder, &toml), says);
    }

    // A port that is in use.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for key in ["\nlisten     = \"", "\nops_listen = \""] {
        assert!(toml.contains(key));
        let toml = toml.replace(&format!("{key}127.0.0.1:0"), &format!("{key}{address}"));
        assert_failed(&serve(folder, &toml), &format!("{address} is taken"));
    }

    // A line without a key.
    let second = SECOND_LINE.replace("+86 188 7700 9155", "13977100002");
    let toml = toml.replace("[[line]]\nid       = \"fcg-5\"", &second);
    assert_failed(&serve(folder, &toml), "line second has no key yet");
}

#[test]
fn the_configuration_is_named_before_or_after_the_command() {
    let (folder, toml) = sound();
    let folder = folder.path();
    std::fs::write(folder.join("other.toml"), toml.replace("fcg-5", "another")).unwrap();
    let at = ["--at", "2024-03-06T09:00", "--json"];
    for arguments in [
        [&["--config", "other.toml", "hear"][..], &at[..]].concat(),
        [&["hear", "--config", "other.toml"][..], &at[..]].concat(),
        [&["hear"][..], &at[..], &["--config", "other.toml"][..]].concat(),
        [&["hear", "--config=other.toml"][..], &at[..]].concat(),
    ] {
        let output = dutyline(folder, &arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            stderr(&output)
        );
        let heard: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(heard["line"], "another", "{arguments:?}");
    }
    // Without `--config`: dutyline.toml of the working folder, or else the embedded configuration.
    let output = dutyline(folder, &[&["hear"][..], &at[..]].concat());
    let heard: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(heard["line"], "fcg-5");
    std::fs::rename(folder.join("other.toml"), folder.join("dutyline.toml")).unwrap();
    let output = dutyline(folder, &[&["hear"][..], &at[..]].concat());
    let heard: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(heard["line"], "another");
}

/// A year missing from the calendar is a warning of `check` and in the log of `serve`, not an error.
#[test]
fn a_year_without_a_calendar_is_warned_about() {
    let (folder, toml) = sound();
    let toml = toml.replace("to = 2024-06-21", "to = 2031-06-21");
    let folder = folder.path();
    assert!(init(folder, &toml).status.success());
    let warning = "line fcg-5: the calendar cn has no data for 2031";
    let output = dutyline(folder, &["check", "--config", "line.toml"]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains(&format!("! {warning}")), "{told}");

    // The port is in use, so that the service ends by itself; its warnings before that are in the log.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let toml = toml.replace(
        "\nlisten     = \"127.0.0.1:0",
        &format!("\nlisten     = \"{address}"),
    );
    let output = serve(folder, &toml);
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.lines()
            .any(|line| line.contains("WARN") && line.contains(warning)),
        "{told}"
    );
}
