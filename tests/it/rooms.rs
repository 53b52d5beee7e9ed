//! The rooms: a room uses those below it and none above it, no file lies beside them, and every file is short.

use std::fs;
use std::path::{Path, PathBuf};

/// From the top down, in the order of `src/lib.rs`.
const ROOMS: [&str; 20] = [
    "cli",
    "app",
    "web",
    "work",
    "desk",
    "conduct",
    "members",
    "register",
    "service",
    "store",
    "sounds",
    "config",
    "telephony",
    "simulator",
    "vault",
    "audio",
    "call",
    "report",
    "line",
    "base",
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Returns path and text of every Rust file under a folder.
fn files_under(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_under(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            files.push((path, text));
        }
    }
    files
}

/// True for unit tests, which may build a whole service in any room.
fn is_test(path: &Path) -> bool {
    let names = path.iter().filter_map(|name| name.to_str());
    names
        .into_iter()
        .any(|name| name == "tests" || name.ends_with("tests.rs") || name == "testing.rs")
}

/// Returns the rooms that a text names: what follows `crate::`, also in braces. Comments and a test module at the end
/// are left out.
fn rooms_named(text: &str) -> Vec<String> {
    let code = text.split("mod tests {").next().unwrap();
    let without_comments = code.lines().map(|line| line.split("//").next().unwrap());
    let code = without_comments.collect::<Vec<_>>().join("\n");
    let is_name = |char: char| char.is_alphanumeric() || char == '_';
    let first_name = |text: &str| text.split(|char| !is_name(char)).next().unwrap().to_owned();
    let mut names = Vec::new();
    for used in code.split("crate::").skip(1) {
        let Some(group) = used.strip_prefix('{') else {
            names.push(first_name(used));
            continue;
        };
        let mut depth = 0;
        let mut begins = true;
        for (at, char) in group.char_indices() {
            match char {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => begins = true,
                char if begins && is_name(char) => {
                    names.push(first_name(&group[at..]));
                    begins = false;
                }
                _ => {}
            }
        }
    }
    names
}

/// The words after as many `super::` as lead from a module of this depth to the root: they are rooms, too.
fn rooms_named_from_the_root(text: &str, depth: usize) -> Vec<String> {
    let code = text.split("mod tests {").next().unwrap();
    let lines = code.lines().map(|line| line.split("//").next().unwrap());
    let runs = lines
        .flat_map(|line| line.split(|char: char| !(char.is_alphanumeric() || "_:".contains(char))));
    let paths = runs.map(|run| run.split("::").collect::<Vec<_>>());
    paths
        .filter_map(|path| {
            let up = path.iter().take_while(|word| **word == "super").count();
            let room = path.get(up).filter(|room| !room.is_empty())?;
            (up > 0 && up >= depth).then(|| (*room).to_owned())
        })
        .collect()
}

fn place(room: &str) -> Option<usize> {
    ROOMS.iter().position(|name| *name == room)
}

#[test]
fn the_names_in_braces_are_rooms_too() {
    let text =
        "use crate::line::{self, crate_of};\nuse crate::{web, work::{self, call}}; // crate::app\n";
    assert_eq!(rooms_named(text), ["line", "web", "work"]);
}

#[test]
fn as_many_supers_as_lead_to_the_root_name_a_room() {
    let text = "use super::held;\nuse super::super::web::page;\npub(super) fn x() {} // super::super::app\n";
    assert_eq!(rooms_named_from_the_root(text, 2), ["web"]);
    assert_eq!(rooms_named_from_the_root(text, 1), ["held", "web"]);
}

#[test]
fn no_room_uses_one_above_it() {
    let source = source();
    let mut upward = Vec::new();
    for (path, text) in files_under(&source) {
        let path = path.strip_prefix(&source).unwrap();
        if is_test(path) || path.components().count() == 1 {
            continue;
        }
        let room = path.iter().next().unwrap().to_str().unwrap();
        let here = place(room).unwrap_or_else(|| panic!("src/{room} is not in the list of rooms"));
        let depth = path.components().count() - usize::from(path.ends_with("mod.rs"));
        let from_the_root = rooms_named_from_the_root(&text, depth);
        for named in rooms_named(&text).into_iter().chain(from_the_root) {
            match place(&named) {
                Some(there) if there < here => {
                    upward.push(format!("{} uses {named}", path.display()));
                }
                Some(_) => {}
                None => upward.push(format!("{} uses {named}, which is no room", path.display())),
            }
        }
    }
    assert!(upward.is_empty(), "{upward:#?}");
}

#[test]
fn the_map_lists_the_rooms_in_their_order() {
    let map = fs::read_to_string(source().join("lib.rs")).unwrap();
    let rows = map.lines().filter_map(|line| line.strip_prefix("//! | [`"));
    let named = rows.map(|row| row.split('`').next().unwrap());
    let named: Vec<&str> = named.map(|name| name.trim_start_matches("mod@")).collect();
    assert_eq!(named, ROOMS);
}

#[test]
fn no_file_lies_beside_the_rooms() {
    let entries = fs::read_dir(source()).unwrap();
    let mut files: Vec<String> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    files.sort();
    assert_eq!(files, ["lib.rs", "main.rs"]);
}

#[test]
fn every_file_can_be_read_in_one_sitting() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = ["src", "tests"].map(|folder| files_under(&top.join(folder)));
    let mut lines: Vec<(usize, PathBuf)> = files
        .into_iter()
        .flatten()
        .map(|(path, text)| (text.lines().count(), path))
        .collect();
    lines.sort();
    let (longest, path) = lines.last().unwrap();
    assert!(*longest <= 600, "{} has {longest} lines", path.display());
    let (median, _) = lines[lines.len() / 2];
    assert!(median <= 170, "the median file has {median} lines");
}

#[test]
fn comments_name_what_they_mean() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = ["src", "tests"].map(|folder| files_under(&top.join(folder)));
    let vague = ["whoever", "nobody", "somebody"];
    let mut found: Vec<String> = Vec::new();
    for (path, text) in files.into_iter().flatten() {
        let comments = text.lines().filter_map(|line| line.split_once("//"));
        for (_, comment) in comments {
            let comment = comment.to_lowercase();
            if vague.iter().any(|word| comment.contains(word)) {
                found.push(format!("{}: {comment}", path.display()));
            }
        }
    }
    assert!(found.len() <= 3, "{} comments: {found:#?}", found.len());
}
