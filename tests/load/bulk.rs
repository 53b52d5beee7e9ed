//! Rows written directly into a database, many at a time: `COPY` on Postgres, one statement for many rows on SQLite.

use chrono::{DateTime, SecondsFormat, Utc};
use dutyline::config::DatabaseAddress;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection};
use std::fmt::Write;
use std::str::FromStr;
use std::time::Duration;
use uuid::Uuid;

/// Maximum number of values that SQLite accepts in one statement.
const MAX_VALUES: usize = 32_000;

/// The value of a column.
pub enum Value {
    Nothing,
    Int(i64),
    Yes(bool),
    Text(String),
    Bytes(Vec<u8>),
    Id(Uuid),
    Time(DateTime<Utc>),
}

/// Rows of one table that wait to be written.
pub struct Rows {
    table: &'static str,
    columns: &'static [&'static str],
    values: Vec<Value>,
}

impl Rows {
    /// Returns an empty set of rows.
    pub fn new(table: &'static str, columns: &'static [&'static str]) -> Self {
        Self {
            table,
            columns,
            values: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn push<const N: usize>(&mut self, row: [Value; N]) {
        assert_eq!(
            N,
            self.columns.len(),
            "a value for each column of {}",
            self.table
        );
        self.values.extend(row);
    }
}

/// A separate connection.
pub enum Bulk {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Bulk {
    /// Connects. `alone`: no other process has the SQLite file open, so that it needs neither a log nor a sync.
    pub async fn connect(address: &DatabaseAddress, alone: bool) -> Self {
        match address {
            DatabaseAddress::Sqlite(path) => {
                let mut options = SqliteConnectOptions::new()
                    .filename(path)
                    .foreign_keys(false)
                    .busy_timeout(Duration::from_secs(60))
                    .pragma("cache_size", "-400000");
                if alone {
                    options = options
                        .journal_mode(SqliteJournalMode::Off)
                        .synchronous(SqliteSynchronous::Off);
                }
                let connection = SqliteConnection::connect_with(&options).await;
                Self::Sqlite(connection.expect("the database"))
            }
            DatabaseAddress::Postgres(address) => {
                let options = PgConnectOptions::from_str(address.expose()).expect("an address");
                let connection = PgConnection::connect_with(&options).await;
                Self::Postgres(connection.expect("the database"))
            }
        }
    }

    /// Runs statements without values.
    pub async fn run(&mut self, sql: &str) {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Sqlite(connection) => sql.execute(connection).await.map(drop),
            Self::Postgres(connection) => sql.execute(connection).await.map(drop),
        }
        .expect("the statement is right");
    }

    /// Writes rows, and empties `rows`.
    pub async fn write(&mut self, rows: &mut Rows) {
        let values = std::mem::take(&mut rows.values);
        let columns = rows.columns.join(", ");
        match self {
            Self::Sqlite(connection) => {
                let width = rows.columns.len();
                for piece in values.chunks(MAX_VALUES / width * width) {
                    let row = format!("({})", vec!["?"; width].join(", "));
                    let all = vec![row; piece.len() / width].join(", ");
                    let sql = format!("INSERT INTO {} ({columns}) VALUES {all}", rows.table);
                    let mut query = sqlx::query(AssertSqlSafe(sql));
                    for value in piece {
                        query = match value {
                            Value::Nothing => query.bind(None::<i64>),
                            Value::Int(number) => query.bind(number),
                            Value::Yes(yes) => query.bind(yes),
                            Value::Text(text) => query.bind(text),
                            Value::Bytes(bytes) => query.bind(bytes),
                            Value::Id(id) => query.bind(id),
                            Value::Time(time) => query.bind(time),
                        };
                    }
                    query.execute(&mut *connection).await.expect("the rows fit");
                }
            }
            Self::Postgres(connection) => {
                let copy = format!("COPY {} ({columns}) FROM STDIN", rows.table);
                let mut copy = connection.copy_in_raw(&copy).await.expect("a copy");
                for piece in values.chunks(1000 * rows.columns.len()) {
                    let text = copy_text(piece, rows.columns.len());
                    copy.send(text.into_bytes()).await.expect("the rows fit");
                }
                copy.finish().await.expect("the rows fit");
            }
        }
    }

    /// Disconnects.
    pub async fn close(self) {
        match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(connection) => connection.close().await,
        }
        .expect("the connection closes");
    }
}

/// Returns rows in the text format of `COPY`. No text written here contains a tab, a line end or a backslash.
fn copy_text(values: &[Value], width: usize) -> String {
    let mut text = String::new();
    for (n, value) in values.iter().enumerate() {
        match value {
            Value::Nothing => text.push_str("\\N"),
            Value::Int(number) => write!(text, "{number}").expect("memory"),
            Value::Yes(yes) => text.push(if *yes { 't' } else { 'f' }),
            Value::Text(own) => text.push_str(own),
            Value::Bytes(bytes) => {
                const DIGITS: [char; 16] = [
                    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
                ];
                text.push_str("\\\\x");
                for byte in bytes {
                    text.push(DIGITS[usize::from(byte >> 4)]);
                    text.push(DIGITS[usize::from(byte & 15)]);
                }
            }
            Value::Id(id) => write!(text, "{id}").expect("memory"),
            Value::Time(time) => {
                text.push_str(&time.to_rfc3339_opts(SecondsFormat::Micros, true));
            }
        }
        text.push(if (n + 1) % width == 0 { '\n' } else { '\t' });
    }
    text
}
