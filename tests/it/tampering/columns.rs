//! Changes every column of every table, one at a time, as a program with access to the database could, swaps it between
//! two rows, and deletes and copies a row of each: `audit verify` finds it, or the change is in the list below with its reason. The list is the
//! one of `docs/security.md`. Each case is rolled back.

use super::LINE;
use super::matrix::{
    Table, UNIQUE, another, begin, findings, fresh, one, other, run, set_scene, tables,
};
use crate::support::{TestLine, on_both};
use dutyline::store::WriteTx;
use std::collections::{BTreeMap, BTreeSet};

/// Tables without a column that says or chooses a key or a right, and none of what was said.
const WITHOUT_RIGHTS: [&str; 8] = [
    // Work to be done: a job reads and proves what it is about. A deleted job is made again by the call's `watch`, or
    // its recording stays at the provider.
    "jobs",
    // Counts for pages and operators.
    "call_hours",
    "report_counts",
    // A number that was given before is refused by the index of references.
    "report_numbers",
    // Which changes of members a lead has put away.
    "changes_seen",
    // Answers of running calls, sealed under the call key.
    "steps",
    "nodes",
    // The secret is compared with it at each start.
    "installation",
];

/// Columns that `audit verify` does not prove.
pub const NOT_PROVEN: [(&str, &[&str]); 8] = [
    ("members", &["totp", "created_at", "granted"]),
    ("line_keys", &["created_at"]),
    // Extends a session whose token the attacker has, up to twelve hours after the login.
    ("sessions", &["seen_at"]),
    // What the queue shows, and how it is ordered. Moves are in the trail.
    (
        "reports",
        &[
            "source",
            "status",
            "year",
            "number",
            "assignee",
            "received_hour",
            "retain_until",
        ],
    ),
    ("blobs", &["kind", "state", "padded"]),
    // The provider's id and the outcome are sealed for this row. Once `deleted` is set, the provider is not asked any
    // more.
    ("recordings", &["n", "sid", "outcome", "deleted"]),
    // State and the provider's id are sealed; the rest says where the conversation is.
    (
        "calls",
        &[
            "sid",
            "state",
            "ended",
            "settled",
            "added",
            "at_duty",
            "accepted_step",
        ],
    ),
    ("strays", &["lookup", "hour"]),
];

/// Rows that may be deleted without a finding: the chain does not name them.
const MAY_BE_MISSING: [&str; 3] = ["sessions", "receipts", "strays"];

/// Rows that may be inserted without a finding.
pub const MAY_BE_ADDED: [&str; 2] = [
    // A file without a recording, a reply without an entry: nothing refers to them.
    "blobs", "replies",
];

async fn is_found(line: &TestLine, tx: &mut WriteTx) -> bool {
    !findings(line, tx, &[LINE]).await.is_empty()
}

on_both! {
    async fn every_column_is_proven_or_named(line: TestLine) {
        let line = &line;
        let callers = set_scene(line).await;
        let db = line.db();
        assert!(!is_found(line, &mut begin(db).await).await, "it is whole before");
        let (mut found, mut refused) = (0, 0);
        let mut not_proven: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let (mut may_be_missing, mut may_be_added) = (BTreeSet::new(), BTreeSet::new());
        for Table { name, columns } in tables(db).await {
            if WITHOUT_RIGHTS.contains(&name.as_str()) {
                continue;
            }
            let one = one(db, &name);
            for (column, kind) in &columns {
                let another = another(db, &name, column, kind);
                let mut tx = begin(db).await;
                match run(&mut tx, format!("UPDATE {name} SET {column} = {another} WHERE {one}")).await {
                    None => refused += 1,
                    Some(1) if is_found(line, &mut tx).await => found += 1,
                    Some(1) => {
                        not_proven.entry(name.clone()).or_default().insert(column.clone());
                    }
                    Some(rows) => panic!("{name}: {rows} rows; the scene has none"),
                }
            }
            for (column, _) in &columns {
                let other = other(db, &name);
                let of = |row: &str| format!("(SELECT {column} FROM {name} WHERE {row})");
                let sql = format!(
                    "UPDATE {name} SET {column} = CASE WHEN {one} THEN {} ELSE {} END
                    WHERE ({one} OR {other}) AND {} IS DISTINCT FROM {}",
                    of(&other), of(&one), of(&other), of(&one),
                );
                let mut tx = begin(db).await;
                match run(&mut tx, sql).await {
                    None => refused += 1,
                    Some(2) if is_found(line, &mut tx).await => found += 1,
                    // Both have the same value, or it is not proven.
                    Some(0) => {}
                    Some(_) => {
                        let named = NOT_PROVEN.iter().find(|(table, _)| *table == name);
                        let is_named = named.is_some_and(|(_, columns)| columns.contains(&column.as_str()));
                        assert!(is_named, "{name}.{column} of two rows swapped");
                    }
                }
            }
            if let Some((_, unique)) = UNIQUE.iter().find(|(table, _)| *table == name) {
                let value = |(column, kind): &(String, String)| match unique.contains(&column.as_str()) {
                    true => fresh(db, column, kind),
                    false => column.clone(),
                };
                let values: Vec<String> = columns.iter().map(value).collect();
                let names: Vec<&str> = columns.iter().map(|(column, _)| column.as_str()).collect();
                let mut tx = begin(db).await;
                let sql = format!("INSERT INTO {name} ({}) SELECT {} FROM {name} WHERE {one}", names.join(", "), values.join(", "));
                assert_eq!(run(&mut tx, sql).await, Some(1), "{name}");
                match is_found(line, &mut tx).await {
                    true => found += 1,
                    false => drop(may_be_added.insert(name.clone())),
                }
            }
            let mut tx = begin(db).await;
            assert_eq!(run(&mut tx, format!("DELETE FROM {name} WHERE {one}")).await, Some(1));
            match is_found(line, &mut tx).await {
                true => found += 1,
                false => drop(may_be_missing.insert(name.clone())),
            }
        }
        let expected = NOT_PROVEN.iter();
        let expected: BTreeMap<String, BTreeSet<String>> = expected
            .map(|(table, columns)| ((*table).to_owned(), columns.iter().map(|&column| column.to_owned()).collect()))
            .collect();
        assert_eq!(not_proven, expected);
        assert_eq!(may_be_missing, MAY_BE_MISSING.map(str::to_owned).into());
        assert_eq!(may_be_added, MAY_BE_ADDED.map(str::to_owned).into());
        assert!(found > 60, "{found} found, {refused} refused by the database");
        drop(callers);
    }
}
