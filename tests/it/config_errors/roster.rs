//! Errors shown to an operator whose roster is wrong.

use super::{Mistake, init, make, sound};
use dutyline::config::{Config, EMBEDDED};
use std::path::Path;

/// A valid roster, in which the tests make mistakes.
const ROSTER: &str = r#"[[line.roster]]
name = "one"
number = "+8613800000001"
days = ["tue-fri", "2024-04-28"]
hours = ["08:30-12:00", "15:00-18:00"]

[[line.roster]]
name = "other"
number = "+8613800000002"

[line.dial]
allowed_prefixes = ["+86138"]
ring_seconds = 15
max_minutes = 45
at_once = 3

[line.translations.en]"#;

fn with_roster(toml: &str, roster: &str) -> String {
    let changed = toml.replace("[line.translations.en]", roster);
    assert_ne!(changed, toml);
    changed
}

macro_rules! mistakes {
    ($($what:literal: $find:literal => $put:literal, $key:literal, $says:literal;)*) => {
        &[$(Mistake { what: $what, find: $find, put: $put, at: $put, key: $key, says: $says }),*]
    };
}

const MISTAKES: &[Mistake] = mistakes! {
    "a number that may not be dialled": "+8613800000001" => "+8610800000001", "number", "allowed_prefixes has +86138";
    "a number abroad": "+8613800000002" => "+15005550006", "number", "allowed_prefixes has +86138";
    "a number with spaces": "+8613800000002" => "+86 138 0000", "number", "without spaces";
    "a number that is a word": "+8613800000002" => "hunter2-expected-secret", "number", "not a number";
    "nobody": "name = \"one\"" => "name = \" \"", "name", "who is rung?";
    "a day that is none": "tue-fri" => "monday", "days", "like \"mon\", \"mon-fri\" or \"2024-04-07\"";
    "a range of dates": "tue-fri" => "2024-04-01-2024-04-07", "days", "not a day";
    "a date that is none": "2024-04-28" => "2024-04-31", "days", "not a day";
    "days that are no list": "days = [\"tue-fri\", \"2024-04-28\"]" => "days = 5", "days", "a list of texts in [ ] is needed";
    "hours that are none": "15:00-18:00" => "15-18", "hours", "08:30-12:00";
    "hours that overlap": "15:00-18:00" => "11:00-18:00", "hours", "overlap";
    "hours that end before they begin": "15:00-18:00" => "18:00-15:00", "hours", "ends on the next day";
    "an unknown key of somebody": "days = [" => "day = [", "day", "write days";
    "an unknown key of dialling": "ring_seconds = 15" => "ring_minutes = 15", "ring_minutes", "there are allowed_prefixes, ring_seconds";
    "a prefix that is none": "\"+86138\"" => "\"China\"", "allowed_prefixes", "like +86 or 8";
    "ringing for too short": "ring_seconds = 15" => "ring_seconds = 4", "ring_seconds", "between 5 and 60 seconds";
    "ringing for too long": "ring_seconds = 15" => "ring_seconds = 61", "ring_seconds", "between 5 and 60 seconds";
    "talks of no length": "max_minutes = 45" => "max_minutes = 0", "max_minutes", "between 1 and 90 minutes";
    "talks without end": "max_minutes = 45" => "max_minutes = 91", "max_minutes", "between 1 and 90 minutes";
    "nobody at once": "at_once = 3" => "at_once = -1", "at_once", "between 1 and 20 calls";
    "everybody at once": "at_once = 3" => "at_once = 21", "at_once", "between 1 and 20 calls";
};

#[test]
fn each_mistake_is_named_with_its_place() {
    let (folder, toml) = sound();
    let toml = with_roster(&toml, ROSTER);
    Config::parse(&toml, "line.toml", folder.path()).expect("a roster that works");
    let wrong: Vec<String> = MISTAKES
        .iter()
        .filter_map(|mistake| make(mistake, folder.path(), &toml).err())
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_word_where_recording_is_yes_or_no() {
    let mistake = Mistake {
        what: "a word for yes",
        find: "record_live = false",
        put: "record_live = \"yes\"",
        at: "record_live",
        key: "record_live",
        says: "write record_live = true, without quotes",
    };
    let (folder, toml) = sound();
    assert_eq!(make(&mistake, folder.path(), &toml), Ok(()));
}

#[test]
fn a_line_never_rings_a_line() {
    let mistake = Mistake {
        what: "the line's own number",
        find: "+8613800000002",
        put: "+8618877009155",
        at: "+8618877009155",
        key: "number",
        says: "a line of this configuration",
    };
    let (folder, toml) = sound();
    let toml = with_roster(&toml, &ROSTER.replace("+86138\"", "+86\""));
    assert_eq!(make(&mistake, folder.path(), &toml), Ok(()));
}

/// The roster in the default configuration's comments is valid once uncommented.
#[test]
fn the_roster_that_is_explained_works() {
    let from = EMBEDDED.find("# [[line.roster").expect("it is explained");
    let (before, roster) = EMBEDDED.split_at(from);
    let roster: String = roster
        .lines()
        .map(|line| {
            let uncommented = line.strip_prefix("# ").filter(|rest| {
                let word = rest.split([' ', ']']).next().unwrap_or_default();
                let keys = [
                    "[[line.roster",
                    "[line.dial",
                    "name",
                    "number",
                    "days",
                    "hours",
                    "allowed_prefixes",
                    "ring_seconds",
                    "max_minutes",
                    "at_once",
                ];
                keys.contains(&word)
            });
            format!("{}\n", uncommented.unwrap_or(line))
        })
        .collect();
    let toml = format!("{before}{roster}");
    let config = Config::parse(&toml, "default", Path::new("/nowhere")).unwrap();
    let explained = &config.lines[0].line.roster;
    assert_eq!(explained.people.len(), 1);
    let default = Config::parse(EMBEDDED, "default", Path::new("/nowhere")).unwrap();
    let default = &default.lines[0].line.roster;
    assert!(default.people.is_empty() && !default.record);
    let dial = |roster: &dutyline::line::roster::Roster| {
        (roster.ring_seconds, roster.max_minutes, roster.at_once)
    };
    assert_eq!(dial(explained), dial(default), "with its defaults");
}

#[test]
fn check_says_when_nobody_is_on_duty() {
    let (folder, toml) = sound();
    let folder = folder.path();
    let check = |toml: &str| {
        std::fs::write(folder.join("line.toml"), toml).unwrap();
        let output = super::dutyline(folder, &["check", "--config", "line.toml"]);
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(init(folder, &toml).status.success());
    let told = check(&toml);
    assert!(
        told.contains("✓ line fcg-5: no roster, callers are not offered"),
        "{told}"
    );
    let told = check(&with_roster(&toml, ROSTER));
    let right = "✓ line fcg-5: 2 on the roster, somebody is on whenever it is staffed\n";
    assert!(told.contains(right), "{told}");
    // Without the second person, the days and hours that the first one leaves out have no inspector on duty.
    let (alone, _) = ROSTER.split_once("\n\n[[line.roster]]").unwrap();
    let alone = format!("{alone}\n\n[line.translations.en]").replace("15:00-18:00", "15:00-17:00");
    let told = check(&with_roster(&toml, &alone));
    let gaps = "! line fcg-5: 1 on the roster, nobody is on while it is staffed \
        2024-03-06 17:00 to 18:00, 2024-03-07 17:00 to 18:00, 2024-03-08 17:00 to 18:00, ";
    assert!(
        told.contains(gaps) && told.contains(" more times"),
        "{told}"
    );
}
