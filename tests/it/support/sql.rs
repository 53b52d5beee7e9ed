//! Direct access to the database, as an attacker or operator without the program has it.

use chrono::{DateTime, Utc};
use dutyline::store::{Db, On, WriteTx};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

/// A value bound to a statement.
pub enum Value<'a> {
    Id(Uuid),
    Bytes(&'a [u8]),
    Text(&'a str),
    Number(i64),
    Time(DateTime<Utc>),
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Bytes(value)
    }
}

impl<'a> From<&'a Vec<u8>> for Value<'a> {
    fn from(value: &'a Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

impl From<Uuid> for Value<'_> {
    fn from(value: Uuid) -> Self {
        Self::Id(value)
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Number(value)
    }
}

impl From<DateTime<Utc>> for Value<'_> {
    fn from(value: DateTime<Utc>) -> Self {
        Self::Time(value)
    }
}

macro_rules! execute {
    ($pool:expr, $sql:expr, $values:expr) => {{
        let mut query = sqlx::query($sql);
        for value in $values {
            query = match value {
                Value::Id(id) => query.bind(*id),
                Value::Bytes(bytes) => query.bind(*bytes),
                Value::Text(text) => query.bind(*text),
                Value::Number(number) => query.bind(*number),
                Value::Time(time) => query.bind(*time),
            };
        }
        let done = query.execute($pool).await;
        done.expect("the statement runs").rows_affected()
    }};
}

/// Runs a statement without the program's knowledge; returns the number of rows it changed.
pub async fn run(db: &Db, sql: &'static str, values: &[Value<'_>]) -> u64 {
    match db {
        Db::Sqlite { writer, .. } => execute!(writer, sql, values),
        Db::Postgres { pool, .. } => execute!(pool, sql, values),
    }
}

/// Like [`run`], in a transaction.
pub async fn run_in(tx: &mut WriteTx, sql: &str, values: &[Value<'_>]) -> u64 {
    let sql = AssertSqlSafe(sql.to_owned());
    match tx.on() {
        On::Sqlite(tx) => execute!(&mut **tx, sql, values),
        On::Postgres(tx) => execute!(&mut **tx, sql, values),
    }
}

/// Runs a statement; panics unless it changes exactly one row.
pub async fn change(db: &Db, sql: &'static str, values: &[Value<'_>]) {
    assert_eq!(run(db, sql, values).await, 1, "{sql}");
}

/// Returns the number that a query selects.
pub async fn number(db: &Db, sql: &'static str) -> i64 {
    match db {
        Db::Sqlite { reader, .. } => sqlx::query_scalar(sql).fetch_one(reader).await,
        Db::Postgres { pool, .. } => sqlx::query_scalar(sql).fetch_one(pool).await,
    }
    .expect("a number")
}
