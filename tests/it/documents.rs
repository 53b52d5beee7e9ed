//! The documents: every link and path in them exists, and every command and flag in them is valid.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns path and text of the documents at the repository's root and of everything under `docs`.
fn documents() -> Vec<(PathBuf, String)> {
    let mut paths: Vec<PathBuf> = [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
    ]
    .map(Into::into)
    .to_vec();
    let mut folders = vec![PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for file in fs::read_dir(top().join(&folder)).unwrap() {
            let path = folder.join(file.unwrap().file_name());
            if top().join(&path).is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "md") {
                paths.push(path);
            }
        }
    }
    let text = |path: &PathBuf| fs::read_to_string(top().join(path)).unwrap();
    let texts: Vec<String> = paths.iter().map(text).collect();
    paths.into_iter().zip(texts).collect()
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Splits a document into its prose and the lines of its shell examples.
fn parts(text: &str) -> (String, Vec<String>) {
    let (mut prose, mut shell) = (String::new(), String::new());
    let mut fence: Option<bool> = None;
    for line in text.lines() {
        let trimmed = line.trim_start();
        match fence {
            Some(_) if trimmed.starts_with("```") => fence = None,
            Some(true) => shell.extend([trimmed, "\n"]),
            Some(false) => {}
            None if trimmed.starts_with("```") => fence = Some(trimmed == "```sh"),
            None => prose.extend([line, "\n"]),
        }
    }
    let shell = shell.replace("\\\n", " ");
    (prose, shell.lines().map(str::to_owned).collect())
}

/// Returns the texts between backquotes, on one line or across a line break.
fn code(prose: &str) -> Vec<String> {
    let spans = prose.split('`').skip(1).step_by(2);
    spans
        .map(|span| span.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

/// Returns the anchor of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter_map(|char| match char {
        ' ' => Some('-'),
        char => (char.is_alphanumeric() || matches!(char, '-' | '_')).then_some(char),
    });
    kept.collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    let (prose, _) = parts(text);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| anchor(line.trim_start_matches('#')))
        .collect()
}

/// Returns what is wrong in the documents. `check` returns the items of one document, each with whether it is right.
fn wrong(at_least: usize, check: impl Fn(&Path, &str) -> Vec<(String, bool)>) -> Vec<String> {
    let documents = documents();
    let looked_at: Vec<(&Path, String, bool)> = documents
        .iter()
        .flat_map(|(path, text)| {
            let found = check(path, text).into_iter();
            found.map(|(what, right)| (path.as_path(), what, right))
        })
        .collect();
    assert!(looked_at.len() > at_least, "only {}", looked_at.len());
    let wrong = looked_at.iter().filter(|(.., right)| !right);
    wrong
        .map(|(path, what, _)| format!("{}: {what}", path.display()))
        .collect()
}

#[test]
fn every_link_in_the_documents_leads_somewhere() {
    let wrong = wrong(20, |path, text| {
        let (prose, _) = parts(text);
        let targets = prose.split("](").skip(1);
        let targets = targets.map(|target| target.split(')').next().unwrap());
        let ours = targets.filter(|target| !target.starts_with("https://"));
        ours.map(|target| (target.to_owned(), leads_somewhere(path, target)))
            .collect()
    });
    assert_eq!(wrong, Vec::<String>::new());
}

fn leads_somewhere(from: &Path, target: &str) -> bool {
    let (file, place) = target.split_once('#').unwrap_or((target, ""));
    let file = match file {
        "" => top().join(from),
        file => top().join(from.parent().unwrap()).join(file),
    };
    if place.is_empty() {
        file.exists()
    } else {
        fs::read_to_string(&file).is_ok_and(|text| anchors(&text).contains(place))
    }
}

#[test]
fn every_path_in_the_documents_is_there() {
    let ours = ["src/", "config/", "tests/", "docs/"];
    let is_path = |span: &String| {
        let mut chars = span.chars();
        ours.iter().any(|start| span.starts_with(start))
            && chars.all(|char| char.is_alphanumeric() || "/._-".contains(char))
    };
    let wrong = wrong(30, |_, text| {
        let paths = code(&parts(text).0).into_iter().filter(is_path);
        paths
            .map(|path| (path.clone(), top().join(&path).exists()))
            .collect()
    });
    assert_eq!(wrong, Vec::<String>::new());
}

/// Returns the arguments that a command line passes to the program; `None` when it runs another one.
fn arguments(line: &str) -> Option<Vec<&str>> {
    let line = line.split(" #").next().unwrap().trim();
    let rest = ["dutyline ", "cargo run --release -- "]
        .iter()
        .find_map(|start| line.strip_prefix(start))?;
    Some(rest.split_whitespace().collect())
}

/// Returns the help of a command or subcommand; `None` when there is no such command.
fn help(command: &[&str]) -> Option<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_dutyline"))
        .arg("help")
        .args(command)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    output.status.success().then_some(text)
}

/// Returns what is wrong with the arguments of a command line, if anything.
fn fault(arguments: &[&str]) -> Option<String> {
    let words = arguments
        .iter()
        .take_while(|word| {
            word.chars()
                .all(|char| char.is_ascii_lowercase() || char == '-')
        })
        .take_while(|word| !word.starts_with('-'))
        .count();
    // Without a command only the program's own help exists.
    let counts = words.min(1)..=words.min(2);
    let found = counts.rev().find_map(|count| help(&arguments[..count]));
    let Some(help) = found else {
        return Some("no such command".to_owned());
    };
    if words > 0 && help.contains("<COMMAND>") {
        return Some("it needs a command".to_owned());
    }
    let flags = arguments.iter().filter(|word| word.starts_with("--"));
    let known = |flag: &str| {
        let mut words = help.split(|char: char| !(char.is_alphanumeric() || char == '-'));
        words.any(|word| word == flag)
    };
    let unknown = flags.copied().find(|flag| !known(flag));
    unknown.map(|flag| format!("no flag {flag}"))
}

#[test]
fn every_command_in_the_documents_is_one() {
    let wrong = wrong(20, |_, text| {
        let (prose, shell) = parts(text);
        let lines = code(&prose).into_iter().chain(shell);
        lines
            .filter_map(|line| {
                let fault = fault(&arguments(&line)?);
                let shown = format!("{line}: {}", fault.as_deref().unwrap_or_default());
                Some((shown, fault.is_none()))
            })
            .collect()
    });
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn a_command_that_is_none_is_found() {
    for (line, expected) in [
        ("dutyline check --webhook /hooks/twilio/call", None),
        ("dutyline member add li --role inspector", None),
        ("dutyline --version", None),
        ("dutyline --versions", Some("no flag --versions")),
        ("dutyline chek", Some("no such command")),
        ("dutyline member", Some("it needs a command")),
        (
            "dutyline jobs retry --everything",
            Some("no flag --everything"),
        ),
    ] {
        let arguments = arguments(line).unwrap();
        assert_eq!(fault(&arguments).as_deref(), expected, "{line}");
    }
    assert_eq!(
        anchor(" What is sealed, what is not"),
        "what-is-sealed-what-is-not"
    );
}

#[test]
fn the_readme_stays_short() {
    let readme = fs::read_to_string(top().join("README.md")).unwrap();
    assert!(readme.lines().count() <= 250);
}
