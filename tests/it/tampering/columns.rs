//! Changes every column of every table, one at a time, as a program with access to the database could, swaps it between
//! two rows, and deletes and copies a row of each: `audit verify` finds it, or the change is in the list below with its reason. The list is the
//! one of `docs/security.md`. Each case is rolled back.

use super::LINE;
use crate::support::{Api, Caller, LEAD, NUMBER, TestLine, on_both, wav};
use dutyline::base::clock::{hour, random_id};
use dutyline::members::confirming::set_waiver;
use dutyline::register::verify;
use dutyline::report::role::Role;
use dutyline::simulator::faults::Faults;
use dutyline::simulator::spoken;
use dutyline::store::strays::{self, Stray};
use dutyline::store::{Db, On, WriteTx, members};
use serde_json::json;
use sqlx::{AssertSqlSafe, Row};
use std::collections::{BTreeMap, BTreeSet};

/// The password of the second member.
const PASSWORD: &str = "nine geese above still reeds";
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
const NOT_PROVEN: [(&str, &[&str]); 8] = [
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

/// Columns by which the database tells rows apart: an inserted copy of a row gets other values there.
const UNIQUE: [(&str, &[&str]); 14] = [
    ("audit", &["seq"]),
    ("blobs", &["n", "id", "object"]),
    ("calls", &["report", "id", "lookup"]),
    ("entries", &["n", "id"]),
    ("grants", &["member"]),
    ("line_keys", &["id", "epoch"]),
    ("members", &["id", "name"]),
    ("receipts", &["lookup"]),
    ("recordings", &["n", "id", "lookup"]),
    ("replies", &["entry"]),
    ("report_keys", &["epoch"]),
    ("reports", &["n", "id", "number"]),
    ("sessions", &["hash"]),
    ("strays", &["id", "lookup"]),
];

/// Rows that may be inserted without a finding.
const MAY_BE_ADDED: [&str; 2] = [
    // A file without a recording, a reply without an entry: nothing refers to them.
    "blobs", "replies",
];

/// A table, with its columns and their types.
struct Table {
    name: String,
    columns: Vec<(String, String)>,
}

async fn tables(db: &Db) -> Vec<Table> {
    let mut found: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    match db {
        Db::Sqlite { reader, .. } => {
            let sql = "SELECT tables.name AS t, columns.name AS c, columns.type AS y FROM sqlite_schema AS tables
                JOIN pragma_table_info(tables.name) AS columns WHERE tables.type = 'table' ORDER BY t, cid";
            for row in sqlx::query(sql).fetch_all(reader).await.unwrap() {
                found
                    .entry(row.get("t"))
                    .or_default()
                    .push((row.get("c"), row.get("y")));
            }
        }
        Db::Postgres { pool, .. } => {
            let sql = "SELECT table_name::TEXT AS t, column_name::TEXT AS c, data_type::TEXT AS y FROM information_schema.columns
                WHERE table_schema = 'public' ORDER BY t, ordinal_position";
            for row in sqlx::query(sql).fetch_all(pool).await.unwrap() {
                found
                    .entry(row.get("t"))
                    .or_default()
                    .push((row.get("c"), row.get("y")));
            }
        }
    }
    let own = found
        .into_iter()
        .filter(|(name, _)| !name.starts_with('_') && !name.starts_with("sqlite"));
    own.map(|(name, columns)| Table { name, columns }).collect()
}

/// Begins a transaction in which references between tables are not checked, as an administrator can switch them off.
async fn begin(db: &Db) -> WriteTx {
    let mut tx = db.begin().await.unwrap();
    match tx.on() {
        On::Sqlite(tx) => sqlx::raw_sql("PRAGMA defer_foreign_keys = ON")
            .execute(&mut **tx)
            .await
            .map(drop),
        On::Postgres(tx) => sqlx::raw_sql("SET LOCAL session_replication_role = replica")
            .execute(&mut **tx)
            .await
            .map(drop),
    }
    .unwrap();
    tx
}

/// Runs a statement, and returns the number of rows that it changed; `None` when the database refuses it.
async fn run(tx: &mut WriteTx, sql: String) -> Option<u64> {
    let sql = AssertSqlSafe(sql);
    match tx.on() {
        On::Sqlite(tx) => sqlx::query(sql)
            .execute(&mut **tx)
            .await
            .ok()
            .map(|done| done.rows_affected()),
        On::Postgres(tx) => sqlx::query(sql)
            .execute(&mut **tx)
            .await
            .ok()
            .map(|done| done.rows_affected()),
    }
}

/// Expressions for another value that the program could have written: another existing row, another variant.
const OTHERS: [(&str, &str, &str); 17] = [
    ("audit", "action", "'login'"),
    (
        "audit",
        "report",
        "(SELECT MAX(n) FROM reports WHERE reports.n <> COALESCE(audit.report, 0))",
    ),
    ("blobs", "report", "(SELECT MAX(n) FROM reports)"),
    ("calls", "report", "(SELECT MIN(n) FROM reports)"),
    ("calls", "addition_to", "(SELECT MAX(n) FROM reports)"),
    ("entries", "n", "-1"),
    (
        "entries",
        "kind",
        "CASE kind WHEN 'note' THEN 'caller' ELSE 'note' END",
    ),
    ("entries", "report", "(SELECT MAX(n) FROM reports)"),
    (
        "members",
        "role",
        "CASE role WHEN 'lead' THEN 'inspector' ELSE 'lead' END",
    ),
    ("receipts", "report", "(SELECT MAX(n) FROM reports)"),
    ("recordings", "report", "(SELECT MAX(n) FROM reports)"),
    ("recordings", "state", "'lost'"),
    (
        "replies",
        "entry",
        "(SELECT id FROM entries WHERE kind <> 'reply' ORDER BY n LIMIT 1)",
    ),
    ("replies", "report", "(SELECT MAX(n) FROM reports)"),
    ("report_keys", "holder", "'member'"),
    (
        "reports",
        "source",
        "CASE source WHEN 'call' THEN 'live' ELSE 'call' END",
    ),
    ("reports", "status", "'closed'"),
];

/// Returns an expression for another value of a column.
fn another(db: &Db, table: &str, column: &str, kind: &str) -> String {
    if (table, column) == ("waivers", "member") {
        return "(SELECT id FROM members WHERE name = 'li')".into();
    }
    let own = OTHERS.iter().find(|(t, c, _)| (*t, *c) == (table, column));
    if let Some((.., sql)) = own {
        return (*sql).to_owned();
    }
    fresh(db, column, kind)
}

/// Returns an expression for a value of a column that no row has.
fn fresh(db: &Db, column: &str, kind: &str) -> String {
    let kind = kind.to_lowercase();
    let is = |names: &[&str]| names.iter().any(|name| kind.contains(name));
    let is_postgres = matches!(db, Db::Postgres { .. });
    if is(&["uuid"]) {
        return if is_postgres {
            "gen_random_uuid()".into()
        } else {
            "randomblob(16)".into()
        };
    }
    if is(&["bytea"]) {
        return if is_postgres {
            format!("COALESCE({column}, ''::bytea) || '\\x00'::bytea")
        } else {
            "randomblob(32)".into()
        };
    }
    if is(&["bool"]) {
        return format!("NOT {column}");
    }
    if is(&["timestamp"]) {
        return if is_postgres {
            format!("COALESCE({column}, now()) + interval '1 hour'")
        } else {
            "'2031-01-01T00:00:00.000000+00:00'".into()
        };
    }
    if is(&["int"]) {
        return format!("COALESCE({column}, 0) + 1000");
    }
    format!("COALESCE({column}, '') || 'x'")
}

/// The condition for one row of a table.
fn one(db: &Db, table: &str) -> String {
    if table == "entries" {
        // One of several of its report.
        return "kind = 'reply'".into();
    }
    match db {
        Db::Sqlite { .. } => format!("rowid = (SELECT MAX(rowid) FROM {table})"),
        Db::Postgres { .. } => format!("ctid = (SELECT MAX(ctid) FROM {table})"),
    }
}

/// The condition for another row of a table, if it has one.
fn other(db: &Db, table: &str) -> String {
    match db {
        Db::Sqlite { .. } => format!("rowid = (SELECT MIN(rowid) FROM {table})"),
        Db::Postgres { .. } => format!("ctid = (SELECT MIN(ctid) FROM {table})"),
    }
}

async fn is_found(line: &TestLine, tx: &mut WriteTx) -> bool {
    let blobs = &line.service().blobs;
    let mut wrong = Vec::new();
    let service = verify::service_in(tx, &[]).await;
    let own = match service {
        Ok(proof) => {
            wrong.extend(proof.wrong);
            verify::line_in(tx, blobs, LINE, &[]).await
        }
        Err(error) => Err(error),
    };
    match own {
        Ok(proof) => {
            wrong.extend(proof.wrong);
            !wrong.is_empty()
        }
        // What cannot be read is not shown either, and the command fails.
        Err(_) => true,
    }
}

/// One report with an approved reply, a call that runs, one that calls back about the report, a stray, two members with
/// sessions, and a waiver. Returns the callers, whose calls go on.
async fn set_scene(line: &TestLine) -> [Caller<'_>; 2] {
    line.make_member("li", Role::Inspector, PASSWORD, &[LINE])
        .await;
    let li = Api::log_in(&line.url, "li", PASSWORD).await;
    let lead = line.lead().await;
    let mut caller = Caller::dial_from(line, "+8613800138001", NUMBER, Faults::default()).await;
    caller.press("1").await;
    caller.says(&wav(b"first")).await;
    let receipt = spoken::receipt(&caller.press("1").await).unwrap();
    caller.hang_up().await;
    line.idle().await;
    let report = lead.only_report().await["id"].as_str().unwrap().to_owned();
    let reply = lead
        .post(
            &format!("/reports/{report}/reply"),
            json!({ "text": "已经收到。" }),
        )
        .await
        .ok();
    let approve = format!(
        "/reports/{report}/replies/{}/approve",
        reply["id"].as_str().unwrap()
    );
    assert_eq!(li.act(&approve).await.status, 204);
    let service = line.service();
    let mut tx = line.db().begin().await.unwrap();
    line.sign(&mut tx).await;
    let wang = members::by_name(&mut tx, LEAD.0).await.unwrap().unwrap();
    assert!(
        set_waiver(&mut tx, &service.clock, &wang, LINE, true)
            .await
            .unwrap()
    );
    let id = random_id();
    let stray = Stray {
        id,
        sid: service.seal_sid(id, "twilio", "RE1"),
        call: None,
        whole_call: false,
    };
    let hour = hour(service.clock.line_now());
    assert!(
        strays::insert(&mut tx, &stray, &[1; 32], hour)
            .await
            .unwrap()
    );
    tx.commit().await.unwrap();
    let running = Caller::dial(line).await;
    let mut back = Caller::dial_from(line, "+8613800138001", NUMBER, Faults::default()).await;
    back.press("4").await;
    back.press(&receipt).await;
    back.press("1").await;
    [running, back]
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
