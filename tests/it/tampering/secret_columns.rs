//! Changes every column of every row that has a MAC, and of entries, as an attacker can who has the service secret: the
//! MAC of the changed row holds, and so do the hash and the MAC of a link that is added to commit to it. The attacker has
//! no member's password, or is an inspector with their own. `audit verify` finds it, and a row that a link sets is not
//! read; or the change is in the list below with its reason, which `docs/security.md` gives too. Each case is rolled back.

use super::attack::{Attack, By, COPY, is_documented};
use super::columns::{MAY_BE_ADDED, NOT_PROVEN};
use super::contents::{Cell, ENTRIES, MACS, Mac, write_one};
use super::matrix::{Table, findings, tables};
use crate::support::{LINES, TestLine, on_both, two_lines};
use dutyline::store::{WriteTx, keys, members};
use std::collections::{BTreeMap, BTreeSet};

/// How a change is made to look true: the action of the link that commits to the row, and who has signed it.
type Way = (&'static str, &'static str);

/// The MAC alone is made again.
const MAC_ALONE: Way = ("mac", "alone");

const SESSIONS: &str = "sessions";
const CALLS: &str = "calls: their line, how they are found, the report that they add to";
const RECEIPTS: &str = "receipts";
const FETCHED: &str = "strays; how a recording is found, its step";
const AUTHOR: &str = "the author of a reply";
const SAID: &str = "entries and recordings of the kinds that the service itself writes";
const NOTHING: &str = "`id` and `report` of a file";
const CHANGED: &str = "`password_changed`: their own key";
const RENEWED: &str = "`grant_renewed`: what is sealed in a grant of theirs";
const ADDED: &str =
    "`entry_added`, `recording_sealed`: what the service or another member wrote last in a report";
const RESEALED: &str = "`report_keys_resealed`: the key of a report";
const NO_ACTOR: &str = By::Service.name();
const INSPECTOR: &str = By::Inspector.name();

/// What is changed without a finding: the table, how, the columns, and the row of a table in `docs/security.md` that
/// says what that does. What is not found without the secret either is in the list of `columns.rs`.
const NOT_FOUND: [(&str, Way, &[&str], &str); 16] = [
    (
        "sessions",
        MAC_ALONE,
        &[
            "a copy",
            "created_at",
            "hash",
            "member",
            "proved_at",
            "wrapped",
        ],
        SESSIONS,
    ),
    (
        "calls",
        MAC_ALONE,
        &[
            "a copy",
            "addition_caller",
            "addition_entry",
            "addition_from",
            "addition_offset",
            "addition_to",
            "id",
            "line",
            "lookup",
        ],
        CALLS,
    ),
    (
        "receipts",
        MAC_ALONE,
        &["a copy", "line", "lookup", "recipient", "report", "shared"],
        RECEIPTS,
    ),
    (
        "recordings",
        MAC_ALONE,
        &["lookup", "source", "step"],
        FETCHED,
    ),
    (
        "strays",
        MAC_ALONE,
        &["a copy", "call", "id", "sid", "whole_call"],
        FETCHED,
    ),
    ("replies", MAC_ALONE, &["author"], AUTHOR),
    ("blobs", MAC_ALONE, &["id", "report"], NOTHING),
    (
        "entries",
        ("entry_added", NO_ACTOR),
        &["a copy", "sealed"],
        SAID,
    ),
    (
        "recordings",
        ("recording_sealed", NO_ACTOR),
        &["a copy", "report"],
        SAID,
    ),
    ("blobs", ("recording_sealed", NO_ACTOR), &["the file"], SAID),
    (
        "entries",
        ("entry_added", INSPECTOR),
        &["a copy", "kind", "sealed"],
        ADDED,
    ),
    (
        "recordings",
        ("recording_sealed", INSPECTOR),
        &["a copy", "report"],
        ADDED,
    ),
    (
        "blobs",
        ("recording_sealed", INSPECTOR),
        &["the file"],
        ADDED,
    ),
    (
        "members",
        ("password_changed", INSPECTOR),
        &["recipient", "verifying", "wrapped"],
        CHANGED,
    ),
    ("grants", ("grant_renewed", INSPECTOR), &["sealed"], RENEWED),
    (
        "report_keys",
        ("report_keys_resealed", INSPECTOR),
        &["path", "sealed", "sealed_to"],
        RESEALED,
    ),
];

/// What `audit verify` finds, because it misses the row as it was, or finds another row that named it, although the
/// program reads the changed row of a table whose rows links set: the table, how, the column, and the row in
/// `docs/security.md`.
const READ: [(&str, Way, &str, &str); 0] = [];

/// True if the program reads the changed row of a table whose rows links set.
async fn is_read(tx: &mut WriteTx, table: &str, cells: &[Cell]) -> bool {
    let id = |n: usize| cells[n].id().unwrap();
    match table {
        "members" => members::by_id(tx, id(0))
            .await
            .is_ok_and(|row| row.is_some()),
        "line_keys" => keys::line_keys(tx).await.is_ok(),
        "grants" => keys::grant(tx, id(0), id(1))
            .await
            .is_ok_and(|row| row.is_some()),
        "waivers" => members::waiver(tx, cells[0].text())
            .await
            .is_ok_and(|row| row.is_some()),
        _ => false,
    }
}

/// The cases of a table that went wrong, by how they were made, and the columns.
type Cases = BTreeMap<(&'static str, Way), BTreeSet<String>>;

fn add(to: &mut Cases, table: &'static str, way: Way, column: &str) {
    to.entry((table, way))
        .or_default()
        .insert(column.to_owned());
}

on_both! {
    async fn every_column_is_proven_or_named(line: TestLine = two_lines) {
        let line = &*line;
        let (attack, callers) = Attack::after_a_change(line).await;
        let all = tables(line.db()).await;
        the_macs_are_those_of_the_program(&attack, &all).await;
        let mut tx = attack.begin().await;
        assert_eq!(findings(line, &mut tx, &LINES).await, [""; 0], "it is whole before");
        drop(tx);
        let (mut not_found, mut read, mut count, mut refused) = (Cases::new(), Cases::new(), 0, 0);
        for table in &all {
            let name = table.name.as_str();
            let Some(mac) = MACS.iter().chain([&ENTRIES]).find(|mac| mac.table == name) else {
                continue;
            };
            let cases = attack.rows(name).into_iter().flat_map(|row| {
                let cases = attack.cases(table, &row).into_iter();
                cases.map(move |(column, sql)| (row.clone(), column, sql))
            });
            for (row, column, sql) in cases {
                let mut tx = attack.begin().await;
                let before = mac.read(&mut tx, &row).await.remove(0).cells;
                let Some(place) = write_one(line.db(), &mut tx, &sql).await else {
                    refused += 1;
                    continue;
                };
                let cells = mac.read(&mut tx, &place).await.remove(0).cells;
                let links = attack.links(&mut tx, mac, &place, &cells).await;
                if !column.ends_with("mac") {
                    attack.renew(&mut tx, name, &place).await;
                }
                count += 1;
                if findings(line, &mut tx, &LINES).await.is_empty() {
                    add(&mut not_found, mac.table, MAC_ALONE, &column);
                    continue;
                }
                drop(tx);
                if cells == before {
                    // No link commits to this column.
                    continue;
                }
                for (link, by) in links.iter().flat_map(|link| By::ALL.map(|by| (link, by))) {
                    let way = (link.action.as_str(), by.name());
                    let mut tx = attack.begin().await;
                    let place = write_one(line.db(), &mut tx, &sql).await.unwrap();
                    attack.commit(&mut tx, mac, &place, link.clone(), by).await;
                    count += 1;
                    match findings(line, &mut tx, &LINES).await.is_empty() {
                        true => add(&mut not_found, mac.table, way, &column),
                        false if is_read(&mut tx, name, &cells).await => add(&mut read, mac.table, way, &column),
                        false => {}
                    }
                }
            }
        }
        assert!(count > 1000, "{count} cases, {refused} refused by the database");
        let mut expected = Cases::new();
        for (table, way, columns, why) in NOT_FOUND {
            is_documented(why);
            for column in columns {
                add(&mut expected, table, way, column);
            }
        }
        for (table, columns) in NOT_PROVEN {
            for column in columns {
                add(&mut expected, table, MAC_ALONE, column);
            }
        }
        for table in MAY_BE_ADDED {
            add(&mut expected, table, MAC_ALONE, COPY);
        }
        assert_eq!(not_found, expected);
        let mut expected = Cases::new();
        for (table, way, column, why) in READ {
            is_documented(why);
            add(&mut expected, table, way, column);
        }
        assert_eq!(read, expected);
        drop(callers);
    }
}

/// Checks that the test makes MACs as the program does, and knows all tables that have one.
async fn the_macs_are_those_of_the_program(attack: &Attack<'_>, all: &[Table]) {
    let has_mac = |table: &&Table| table.columns.iter().any(|(column, _)| column == "mac");
    let with_mac: BTreeSet<&str> = all
        .iter()
        .filter(has_mac)
        .map(|table| table.name.as_str())
        .collect();
    let known = MACS.iter().map(|mac: &Mac| mac.table).chain(["audit"]);
    assert_eq!(with_mac, known.collect());
    let mut tx = attack.begin().await;
    for mac in &MACS {
        let rows = mac.read(&mut tx, "TRUE").await;
        assert!(
            rows.iter().any(|row| mac.is_there(&row.cells)),
            "{}",
            mac.table
        );
        for row in rows.iter().filter(|row| mac.is_there(&row.cells)) {
            let own = attack.forger.keys.of_row(mac.content(&row.cells), row.link);
            assert_eq!(
                row.mac.as_deref(),
                Some(&own[..]),
                "{}.{}",
                mac.table,
                mac.column
            );
        }
    }
}
