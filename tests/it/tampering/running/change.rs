//! A change of a row that is committed, and undone without touching what the program has written since.

use super::Target;
use crate::support::{pause, queue};
use crate::tampering::attack::{Attack, COPY, FILE};
use crate::tampering::contents::write_one;
use crate::tampering::matrix::{Table, begin, run};
use dutyline::store::{Db, WriteTx};
use sqlx::AssertSqlSafe;

/// The columns of the primary keys.
const KEYS: [(&str, &[&str]); 15] = [
    ("audit", &["line", "seq"]),
    ("audit_heads", &["line"]),
    ("blobs", &["n"]),
    ("calls", &["report"]),
    ("entries", &["n"]),
    ("grants", &["line_key", "member"]),
    ("line_keys", &["id"]),
    ("members", &["id"]),
    ("receipts", &["lookup"]),
    ("recordings", &["n"]),
    ("replies", &["entry"]),
    ("report_keys", &["report", "epoch", "sealed_to"]),
    ("reports", &["n"]),
    ("sessions", &["hash"]),
    ("waivers", &["line"]),
];

/// What is done to a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Case {
    /// The column, or the columns of a file, get other values.
    Change(String),
    /// The column is swapped with that of another row.
    Swap(String),
    Copy,
    Delete,
    /// A sealed reply is replaced by one that its keys open too.
    Forge,
}

impl Case {
    /// True if one of these columns gets another value.
    pub fn is_of(&self, columns: &[&str]) -> bool {
        matches!(self, Self::Change(column) if columns.contains(&column.as_str()))
    }
}

/// Makes empty copies of tables, for the rows as they were and as they are changed.
pub async fn prepare(db: &Db, tables: &[Table]) {
    let mut tx = begin(db).await;
    for Table { name, .. } in tables {
        for copy in ["former", "changed"] {
            let sql = format!("CREATE TABLE {copy}_{name} AS SELECT * FROM {name} WHERE FALSE");
            run(&mut tx, sql).await.unwrap();
        }
    }
    tx.commit().await.unwrap();
}

/// Returns what is done to a row.
pub fn cases(attack: &Attack<'_>, table: &Table, target: &Target) -> Vec<Case> {
    let columns = table.columns.iter().map(|(column, _)| column.clone());
    let swaps = columns.filter(|_| target.other.is_some()).map(Case::Swap);
    let changes = attack.cases(table, &target.row).into_iter();
    let changes = changes.map(|(column, _)| match column.as_str() {
        COPY => Case::Copy,
        _ => Case::Change(column),
    });
    let forges = target.forged.iter().map(|_| Case::Forge);
    changes
        .chain(swaps)
        .chain(forges)
        .chain([Case::Delete])
        .collect()
}

/// A change that was committed.
pub struct Changed {
    table: &'static str,
    case: Case,
    /// The statement that swaps a column of the key back.
    back: Option<String>,
}

impl Changed {
    /// Makes the change. Returns `None` when the database refuses it, or both rows have the same value.
    pub async fn make(
        attack: &Attack<'_>,
        table: &Table,
        target: &Target,
        case: &Case,
    ) -> Option<Self> {
        let (db, name, row) = (attack.db(), target.table, &target.row);
        foreign_keys(db, false).await;
        let mut tx = begin(db).await;
        lock(db, &mut tx, &[name], "").await.unwrap();
        let other = target.other.as_deref().unwrap_or("FALSE");
        let rows = match case {
            Case::Swap(_) => format!("({row}) OR ({other})"),
            _ => row.clone(),
        };
        let former = format!("INSERT INTO former_{name} SELECT * FROM {name} WHERE {rows}");
        run(&mut tx, former).await.unwrap();
        let cases = attack.cases(table, row);
        let sql = |named: &str| {
            let found = cases.iter().find(|(column, _)| column == named);
            found.unwrap().1.clone()
        };
        let mut back = None;
        let now = match case {
            Case::Change(column) => write_one(db, &mut tx, &sql(column)).await,
            Case::Copy => write_one(db, &mut tx, &sql(COPY)).await,
            Case::Forge => {
                let forged = target.forged.as_ref().unwrap();
                let sql = format!("UPDATE {name} SET sealed = {forged} WHERE {row}");
                write_one(db, &mut tx, &sql).await
            }
            Case::Delete => {
                let deleted = run(&mut tx, format!("DELETE FROM {name} WHERE {row}")).await;
                assert_eq!(deleted, Some(1), "{name} {row}");
                Some("FALSE".to_owned())
            }
            Case::Swap(column) => {
                let of = |row: &str| format!("(SELECT {column} FROM former_{name} WHERE {row})");
                let (own, others) = (of(row), of(other));
                let swap = |first: &str, second: &str| {
                    format!(
                        "UPDATE {name} SET {column} = CASE WHEN {row} THEN {first} ELSE {second} END
                        WHERE (({row}) OR ({other})) AND {own} IS DISTINCT FROM {others}"
                    )
                };
                let swapped = run(&mut tx, swap(&others, &own)).await;
                let keys = keys(name);
                if keys.contains(&column.as_str()) {
                    // If the rows are named by the column, the first one is now the second.
                    let is_named = row.contains(&format!("{column} = "));
                    back = Some(if is_named {
                        swap(&others, &own)
                    } else {
                        swap(&own, &others)
                    });
                }
                let keys = keys.join(", ");
                let now = format!("({keys}) IN (SELECT {keys} FROM former_{name})");
                swapped.filter(|rows| *rows == 2).map(|_| now)
            }
        };
        let is_made = now.is_some();
        if let Some(now) = now {
            let changed = format!("INSERT INTO changed_{name} SELECT * FROM {name} WHERE {now}");
            run(&mut tx, changed).await.unwrap();
            tx.commit().await.unwrap();
        } else {
            drop(tx);
        }
        foreign_keys(db, true).await;
        is_made.then(|| Self {
            table: target.table,
            case: case.clone(),
            back,
        })
    }

    /// Undoes the change: a column gets its former value, unless the program has written another one since. Returns
    /// false when the database refuses that, because the program has added a row in place of the one that it missed.
    pub async fn undo(self, attack: &Attack<'_>) -> bool {
        let (db, name, keys) = (attack.db(), self.table, keys(self.table).join(", "));
        foreign_keys(db, false).await;
        let mut tx = begin(db).await;
        lock(db, &mut tx, &[name], "").await.unwrap();
        let statements = match &self.case {
            Case::Swap(_) if self.back.is_some() => self.back.into_iter().collect(),
            Case::Copy => vec![format!(
                "DELETE FROM {name} WHERE ({keys}) IN (SELECT {keys} FROM changed_{name})"
            )],
            Case::Delete => vec![format!("INSERT INTO {name} SELECT * FROM former_{name}")],
            Case::Change(_) | Case::Forge => {
                let columns: &[&str] = match &self.case {
                    Case::Change(column) if column == FILE => {
                        &["object", "sha256", "header_sha256"]
                    }
                    Case::Change(column) => &[column],
                    _ => &["sealed"],
                };
                let set = |column: &&str| {
                    format!(
                    "UPDATE {name} SET {column} = (SELECT {column} FROM former_{name}) WHERE ({keys}) IN (SELECT {keys} FROM changed_{name})
                    AND {column} IS NOT DISTINCT FROM (SELECT {column} FROM changed_{name})"
                )
                };
                columns.iter().map(set).collect()
            }
            Case::Swap(column) => {
                let is_own = |of: &str| {
                    let columns = keys
                        .split(", ")
                        .map(|key| format!("{of}.{key} = {name}.{key}"));
                    columns.collect::<Vec<_>>().join(" AND ")
                };
                vec![format!(
                    "UPDATE {name} SET {column} = (SELECT {column} FROM former_{name} WHERE {}) WHERE ({keys}) IN (SELECT {keys} FROM former_{name})
                    AND {column} IS NOT DISTINCT FROM (SELECT {column} FROM changed_{name} WHERE {})",
                    is_own(&format!("former_{name}")), is_own(&format!("changed_{name}")),
                )]
            }
        };
        let mut is_undone = true;
        for sql in statements {
            is_undone = is_undone && run(&mut tx, sql).await.is_some();
        }
        match is_undone {
            true => tx.commit().await.unwrap(),
            false => drop(tx),
        }
        let mut tx = begin(db).await;
        for copy in ["former", "changed"] {
            run(&mut tx, format!("DELETE FROM {copy}_{name}"))
                .await
                .unwrap();
        }
        tx.commit().await.unwrap();
        foreign_keys(db, true).await;
        is_undone
    }
}

fn keys(table: &str) -> &'static [&'static str] {
    KEYS.iter().find(|(of, _)| *of == table).unwrap().1
}

/// Keeps the service, whose jobs go on, from writing to tables until the transaction ends. Returns `None` when `wait` is
/// `NOWAIT` and a job is in the way. SQLite has one writer.
async fn lock(db: &Db, tx: &mut WriteTx, tables: &[&str], wait: &str) -> Option<()> {
    let sql = format!("LOCK TABLE {} IN EXCLUSIVE MODE {wait}", tables.join(", "));
    match db {
        Db::Sqlite { .. } => Some(()),
        Db::Postgres { .. } => run(tx, sql).await.map(drop),
    }
}

/// Switches the references between tables off and on again, on SQLite for the connection that writes.
async fn foreign_keys(db: &Db, on: bool) {
    if let Db::Sqlite { writer, .. } = db {
        let sql = format!("PRAGMA foreign_keys = {}", if on { "ON" } else { "OFF" });
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(writer)
            .await
            .unwrap();
    }
}

/// A copy of all tables.
pub struct Saved {
    tables: Vec<String>,
}

impl Saved {
    pub async fn save(db: &Db, tables: &[Table]) -> Self {
        let mut tx = begin(db).await;
        let tables: Vec<String> = tables.iter().map(|table| table.name.clone()).collect();
        for table in &tables {
            let sql = format!("CREATE TABLE saved_{table} AS SELECT * FROM {table}");
            assert!(run(&mut tx, sql).await.is_some(), "{table}");
        }
        tx.commit().await.unwrap();
        Self { tables }
    }

    pub async fn put_back(self, db: &Db) {
        foreign_keys(db, false).await;
        let names: Vec<&str> = self.tables.iter().map(String::as_str).collect();
        // No other job begins then.
        queue::forget(db).await;
        let mut tx = loop {
            let mut tx = begin(db).await;
            if lock(db, &mut tx, &names, "NOWAIT").await.is_some() {
                break tx;
            }
            drop(tx);
            pause().await;
        };
        for table in &self.tables {
            for sql in [
                format!("DELETE FROM {table}"),
                format!("INSERT INTO {table} SELECT * FROM saved_{table}"),
                format!("DROP TABLE saved_{table}"),
            ] {
                assert!(run(&mut tx, sql.clone()).await.is_some(), "{sql}");
            }
        }
        tx.commit().await.unwrap();
        foreign_keys(db, true).await;
    }
}
