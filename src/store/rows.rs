//! Many rows in one statement. Statements of a fixed text are [`super::statements`]' business.
//!
//! SQLite takes the rows as `VALUES (?, ?), (?, ?)`, and several statements as one query, which is one trip to its
//! thread. Postgres takes a column as an array, so that the text of a statement is the same for any number of rows and
//! is prepared once.

use super::{On, Result, Tx};
use chrono::{DateTime, Utc};
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, FromRow};
use std::fmt::Write;
use uuid::Uuid;

/// The values of one column, one a row.
enum Column {
    Uuid(Vec<Option<Uuid>>),
    Bytes(Vec<Option<Vec<u8>>>),
    Text(Vec<Option<String>>),
    Integer(Vec<Option<i64>>),
    Boolean(Vec<bool>),
    Time(Vec<Option<DateTime<Utc>>>),
}

impl Column {
    /// Its type on Postgres.
    fn array(&self) -> &'static str {
        match self {
            Self::Uuid(_) => "uuid[]",
            Self::Bytes(_) => "bytea[]",
            Self::Text(_) => "text[]",
            Self::Integer(_) => "bigint[]",
            Self::Boolean(_) => "boolean[]",
            Self::Time(_) => "timestamptz[]",
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Uuid(values) => values.len(),
            Self::Bytes(values) => values.len(),
            Self::Text(values) => values.len(),
            Self::Integer(values) => values.len(),
            Self::Boolean(values) => values.len(),
            Self::Time(values) => values.len(),
        }
    }
}

/// A statement over rows of values. Its text is `before`, the rows, `after`.
pub(super) struct Rows {
    before: &'static str,
    after: &'static str,
    columns: Vec<Column>,
}

macro_rules! column {
    ($($name:ident: $type:ty => $variant:ident;)*) => {
        $(
            /// Adds a column.
            pub(super) fn $name(mut self, values: impl IntoIterator<Item = $type>) -> Self {
                self.columns.push(Column::$variant(values.into_iter().collect()));
                self
            }
        )*
    };
}

impl Rows {
    /// A statement in which the rows stand where a query may: `INSERT INTO t (a, b)` and the rows, or
    /// `WITH w (a, b) AS (` and the rows.
    pub(super) fn new(before: &'static str, after: &'static str) -> Self {
        Self {
            before,
            after,
            columns: Vec::new(),
        }
    }

    column! {
        uuid: Option<Uuid> => Uuid;
        bytes: Option<Vec<u8>> => Bytes;
        text: Option<String> => Text;
        integer: Option<i64> => Integer;
        boolean: bool => Boolean;
        time: Option<DateTime<Utc>> => Time;
    }

    fn len(&self) -> usize {
        self.columns.first().map_or(0, Column::len)
    }

    fn sqlite(&self, sql: &mut String) {
        sql.push_str(self.before);
        let row = vec!["?"; self.columns.len()].join(", ");
        for n in 0..self.len() {
            let before = if n == 0 { " VALUES (" } else { "), (" };
            sql.push_str(before);
            sql.push_str(&row);
        }
        sql.push_str(") ");
        sql.push_str(self.after);
    }

    fn bind_sqlite(self, arguments: &mut SqliteArguments) {
        let rows = self.len();
        let mut columns = self.columns;
        for row in 0..rows {
            for column in &mut columns {
                // A value of SQLite never fails to be encoded.
                let _ = match column {
                    Column::Uuid(values) => add(arguments, values[row]),
                    Column::Bytes(values) => add(arguments, values[row].take()),
                    Column::Text(values) => add(arguments, values[row].take()),
                    Column::Integer(values) => add(arguments, values[row]),
                    Column::Boolean(values) => add(arguments, values[row]),
                    Column::Time(values) => add(arguments, values[row]),
                };
            }
        }
    }

    fn postgres(&self) -> String {
        let mut sql = format!("{} SELECT * FROM UNNEST(", self.before);
        for (n, column) in (1..).zip(&self.columns) {
            let comma = if n == 1 { "" } else { ", " };
            // Writing to a string does not fail.
            let _ = write!(sql, "{comma}${n}::{}", column.array());
        }
        sql.push_str(") ");
        sql.push_str(self.after);
        sql
    }

    fn postgres_arguments(self) -> PgArguments {
        use sqlx::Arguments;
        let mut arguments = PgArguments::default();
        for column in self.columns {
            // Arrays of these types never fail to be encoded.
            let _ = match column {
                Column::Uuid(values) => arguments.add(values),
                Column::Bytes(values) => arguments.add(values),
                Column::Text(values) => arguments.add(values),
                Column::Integer(values) => arguments.add(values),
                Column::Boolean(values) => arguments.add(values),
                Column::Time(values) => arguments.add(values),
            };
        }
        arguments
    }
}

fn add<'q, T>(
    arguments: &mut SqliteArguments,
    value: T,
) -> std::result::Result<(), sqlx::error::BoxDynError>
where
    T: 'q + sqlx::Encode<'q, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    use sqlx::Arguments;
    arguments.add(value)
}

/// Runs these statements, in order; those without rows are left out.
pub(super) async fn execute(tx: &mut Tx, statements: Vec<Rows>) -> Result<()> {
    let statements: Vec<Rows> = statements
        .into_iter()
        .filter(|rows| rows.len() > 0)
        .collect();
    match &mut tx.on {
        On::Sqlite(tx) => {
            let (mut sql, mut arguments) = (String::new(), SqliteArguments::default());
            for rows in statements {
                if !sql.is_empty() {
                    sql.push_str("; ");
                }
                rows.sqlite(&mut sql);
                rows.bind_sqlite(&mut arguments);
            }
            if sql.is_empty() {
                return Ok(());
            }
            let query = sqlx::query_with(AssertSqlSafe(sql), arguments).persistent(false);
            query.execute(&mut **tx).await?;
        }
        On::Postgres(tx) => {
            for rows in statements {
                let sql = AssertSqlSafe(rows.postgres());
                let query = sqlx::query_with(sql, rows.postgres_arguments());
                query.execute(&mut **tx).await?;
            }
        }
    }
    Ok(())
}

/// Runs a statement that gives rows; `postgres` is added to its text there. Without rows to ask for there are none.
pub(super) async fn fetch<R>(tx: &mut Tx, asked: Rows, postgres: &str) -> Result<Vec<R>>
where
    R: Send
        + Unpin
        + for<'r> FromRow<'r, sqlx::sqlite::SqliteRow>
        + for<'r> FromRow<'r, sqlx::postgres::PgRow>,
{
    if asked.len() == 0 {
        return Ok(Vec::new());
    }
    Ok(match &mut tx.on {
        On::Sqlite(tx) => {
            let (mut sql, mut arguments) = (String::new(), SqliteArguments::default());
            asked.sqlite(&mut sql);
            asked.bind_sqlite(&mut arguments);
            sqlx::query_as_with(AssertSqlSafe(sql), arguments)
                .fetch_all(&mut **tx)
                .await?
        }
        On::Postgres(tx) => {
            let sql = AssertSqlSafe(asked.postgres() + postgres);
            sqlx::query_as_with(sql, asked.postgres_arguments())
                .fetch_all(&mut **tx)
                .await?
        }
    })
}
