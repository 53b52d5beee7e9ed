//! Changes of any column of any table, as a program with access to the database can make them, and a scene that has
//! a row of each. Shared by the tests that go through all columns.

use super::LINE;
use crate::support::{Api, Caller, LEAD, NUMBER, TestLine, wav};
use dutyline::base::clock::{hour, random_id};
use dutyline::members::confirming::set_waiver;
use dutyline::register::verify;
use dutyline::report::role::Role;
use dutyline::simulator::faults::Faults;
use dutyline::simulator::spoken;
use dutyline::store::strays::{self, Stray};
use dutyline::store::{Db, On, StoreError, WriteTx, members};
use serde_json::json;
use sqlx::{AssertSqlSafe, Row};
use std::collections::BTreeMap;

/// The password of the second member.
pub const PASSWORD: &str = "nine geese above still reeds";

/// Columns by which the database tells rows apart: an inserted copy of a row gets other values there.
pub const UNIQUE: [(&str, &[&str]); 14] = [
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

/// A table, with its columns and their types.
pub struct Table {
    pub name: String,
    pub columns: Vec<(String, String)>,
}

pub async fn tables(db: &Db) -> Vec<Table> {
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
pub async fn begin(db: &Db) -> WriteTx {
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
pub async fn run(tx: &mut WriteTx, sql: String) -> Option<u64> {
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
pub fn another(db: &Db, table: &str, column: &str, kind: &str) -> String {
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
pub fn fresh(db: &Db, column: &str, kind: &str) -> String {
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
pub fn one(db: &Db, table: &str) -> String {
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
pub fn other(db: &Db, table: &str) -> String {
    match db {
        Db::Sqlite { .. } => format!("rowid = (SELECT MIN(rowid) FROM {table})"),
        Db::Postgres { .. } => format!("ctid = (SELECT MIN(ctid) FROM {table})"),
    }
}

/// Returns what `audit verify` finds in the chain of the service, or else in that of the first of these lines in which
/// it finds anything. An error is a finding too: what cannot be read is not shown either, and the command fails.
pub async fn findings(line: &TestLine, tx: &mut WriteTx, lines: &[&str]) -> Vec<String> {
    let wrong = |proof: Result<verify::Proof, StoreError>| match proof {
        Ok(proof) => proof.wrong,
        Err(error) => vec![error.to_string()],
    };
    let mut found = wrong(verify::service_in(tx, &[]).await);
    for id in lines {
        if found.is_empty() {
            let blobs = &line.service().blobs;
            found = wrong(verify::line_in(tx, blobs, id, &[]).await);
        }
    }
    found
}

/// One report with an approved reply, a call that runs, one that calls back about the report, a stray, two members with
/// sessions, and a waiver. Returns the callers, whose calls go on.
pub async fn set_scene(line: &TestLine) -> [Caller<'_>; 2] {
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
    let reports = lead.reports().await;
    let report = reports.last().unwrap()["id"].as_str().unwrap();
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
