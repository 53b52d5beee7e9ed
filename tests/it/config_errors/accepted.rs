//! Valid configurations, and what `check`, `hours` and `hear` print for them.

use super::{dutyline, init, sound, stderr};
use std::path::Path;

fn write(folder: &Path, toml: &str) {
    std::fs::write(folder.join("line.toml"), toml).unwrap();
}

fn stdout(folder: &Path, arguments: &[&str]) -> String {
    let output = dutyline(folder, &[arguments, &["--config", "line.toml"]].concat());
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        stderr(&output)
    );
    String::from_utf8(output.stdout).expect("text")
}

fn changed(toml: &str, find: &str, put: &str) -> String {
    let changed = toml.replacen(find, put, 1);
    assert_ne!(changed, toml, "{find}");
    changed
}

/// Returns the phase that `hear` prints, and when the line opens next.
fn heard(folder: &Path, at: &str) -> (String, Option<String>) {
    let heard = stdout(folder, &["hear", "--at", at, "--json"]);
    let heard: serde_json::Value = serde_json::from_str(&heard).unwrap();
    let text = |key: &str| heard[key].as_str().map(str::to_owned);
    (text("phase").expect("a phase"), text("reopens_at"))
}

#[test]
fn a_night_belongs_to_the_day_it_begins() {
    let (folder, toml) = sound();
    let folder = folder.path();
    let toml = changed(
        &toml,
        "\"08:30-12:00\", \"15:00-18:00\"",
        "\"09:00-11:00\", \"22:00-06:00\"",
    );
    write(folder, &toml);
    let rows = stdout(
        folder,
        &[
            "hours",
            "--from",
            "2024-03-08",
            "--to",
            "2024-03-09",
            "--json",
        ],
    );
    let rows: serde_json::Value = serde_json::from_str(&rows).unwrap();
    let night = serde_json::json!([["09:00", "11:00"], ["22:00", "06:00"]]);
    assert_eq!(rows[0]["windows"], night, "a Friday");
    assert_eq!(rows[1]["windows"], serde_json::json!([]), "a Saturday");
    let monday = Some("2024-03-11T09:00:00+08:00".to_owned());
    for (at, phase, reopens) in [
        // No window of the previous day reaches into the first day of the inspection.
        (
            "2024-03-06T03:00",
            "after_hours",
            Some("2024-03-06T09:00:00+08:00".to_owned()),
        ),
        ("2024-03-06T22:00", "open", None),
        ("2024-03-07T05:59", "open", None),
        (
            "2024-03-07T06:00",
            "after_hours",
            Some("2024-03-07T09:00:00+08:00".to_owned()),
        ),
        (
            "2024-03-07T12:00",
            "break",
            Some("2024-03-07T22:00:00+08:00".to_owned()),
        ),
        // Friday's night window continues into a Saturday that is not a working day; Sunday has none.
        ("2024-03-09T05:59", "open", None),
        ("2024-03-09T06:00", "holiday", monday.clone()),
        ("2024-03-09T22:00", "holiday", monday.clone()),
        ("2024-03-11T05:00", "after_hours", monday),
        // The intake's last day is the 14th of June, a Friday; the following night belongs to it.
        ("2024-06-15T05:59", "open", None),
        (
            "2024-06-15T06:00",
            "holiday",
            Some("2024-06-17T09:00:00+08:00".to_owned()),
        ),
        ("2024-06-18T03:00", "intake_closed", None),
        // The last night of the inspection, the 21st, also belongs to its day.
        ("2024-06-22T05:59", "intake_closed", None),
        ("2024-06-22T06:00", "ended", None),
    ] {
        assert_eq!(heard(folder, at), (phase.to_owned(), reopens), "{at}");
    }
    let said = stdout(folder, &["hear", "--at", "2024-03-07T12:00"]);
    assert!(said.contains("晚上10点"), "{said}");
}

#[test]
fn check_sends_each_number_through_what_a_webhook_takes() {
    let (folder, toml) = sound();
    let folder = folder.path();
    let toml = changed(
        &toml,
        "answers    = []",
        "answers    = [\"+8677012345678\"]",
    );
    let toml = crate::support::two_lines(toml);
    let toml = toml.replacen("\"+8677012345678\"", "\"+8677012345679\"", 1);
    write(folder, &toml);
    assert!(init(folder, &toml).status.success());
    let output = dutyline(folder, &["check", "--config", "line.toml"]);
    let told = String::from_utf8(output.stdout).unwrap();
    for expected in [
        "✓ a call to 18877009155 (+8618877009155) is answered by line fcg-5",
        "✓ a call to +8677012345679 is answered by line fcg-5",
        "✓ a call to 18877009156 (+8618877009156) is answered by line fcg-6",
        "✓ a call to +8677012345678 is answered by line fcg-6",
    ] {
        assert!(
            told.lines().any(|line| line == expected),
            "{expected}: {told}"
        );
    }
}

#[test]
fn a_line_is_in_any_country() {
    let (folder, toml) = sound();
    let folder = folder.path();
    for (number, country) in [
        ("+84 912 345 678", "VN"),
        ("+39 06 1234567", "IT"),
        ("+1 876 555 0123", "JM"),
        ("+999 1", ""),
    ] {
        let toml = changed(&toml, "\"18877009155\"", &format!("\"{number}\""));
        let toml = changed(&toml, "\"CN\"", &format!("\"{country}\""));
        write(folder, &toml);
        let output = dutyline(
            folder,
            &["hear", "--at", "2024-03-07T12:00", "--config", "line.toml"],
        );
        let told = stderr(&output);
        assert_eq!(output.status.success(), !country.is_empty(), "{told}");
    }
}

#[test]
fn a_calendar_may_name_any_day_as_off_or_worked() {
    let (folder, toml) = sound();
    let folder = folder.path();
    let toml = changed(&toml, "\"cn-guangxi\"]", "\"cn-guangxi\", \"own.toml\"]");
    write(folder, &toml);
    let own = r#"
[[year]]
year = 2024
[[year.holiday]]
name = "清明节值班"
worked = [2024-04-04]
[[year.holiday]]
name = "搬迁"
off = [2024-03-07, 2024-03-09]
"#;
    std::fs::write(folder.join("own.toml"), own).unwrap();
    let day = |date: &str| {
        let row = stdout(folder, &["hours", "--from", date, "--to", date, "--json"]);
        let row: serde_json::Value = serde_json::from_str(&row).unwrap();
        (
            row[0]["working"].as_bool().unwrap(),
            row[0]["reason"].as_str().unwrap().to_owned(),
        )
    };
    // A Thursday that is a public holiday and worked by this line; a Thursday worked elsewhere only, and a Saturday.
    assert_eq!(day("2024-04-04"), (true, "清明节值班照常上班".to_owned()));
    assert_eq!(day("2024-03-07"), (false, "搬迁".to_owned()));
    assert_eq!(day("2024-03-09"), (false, "搬迁".to_owned()));
    assert_eq!(day("2024-03-08"), (true, "工作日".to_owned()));
}
