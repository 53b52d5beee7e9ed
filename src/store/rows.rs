//! Statements over many rows of values. Statements with a fixed text are in [`super::statements`].
//!
//! SQLite gets the rows as `VALUES (?, ?), (?, ?)`, and several statements as one query, which is one round trip to its
//! thread. Postgres gets each column as an array, so that a statement has the same text for any number of rows and is
//! prepared once; statements that do not depend on each other are one statement with data-modifying `WITH`.

use super::{On, ReadTx, Result, WriteTx};
use chrono::{DateTime, Utc};
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, AssertSqlSafe, FromRow};
use uuid::Uuid;

/// A statement over rows of values. Its text consists of `before`, the rows, and `after`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Over {
    /// The name of the constant.
    pub(super) name: &'static str,
    before: &'static str,
    /// The types of the columns, as Postgres names them.
    types: &'static [&'static str],
    after: &'static str,
}

/// Declares `Over` statements as constants, and `OVER_ROWS`, the list of all of them.
macro_rules! over_rows {
    ($($(#[$doc:meta])* $name:ident = $before:literal, [$($type:literal),*], $after:literal;)*) => {
        $($(#[$doc])* const $name: $crate::store::rows::Over =
            $crate::store::rows::Over::new(stringify!($name), $before, &[$($type),*], $after);)*
        pub(in crate::store) const OVER_ROWS: &[$crate::store::rows::Over] = &[$($name),*];
    };
}
pub(super) use over_rows;

impl Over {
    /// Makes a statement. In its text the rows follow `before` where SQL allows a query: `INSERT INTO t (a, b)`, or
    /// `WITH w (a, b) AS (`.
    pub(super) const fn new(
        name: &'static str,
        before: &'static str,
        types: &'static [&'static str],
        after: &'static str,
    ) -> Self {
        Self {
            name,
            before,
            types,
            after,
        }
    }

    /// Returns SQLite's text for this number of rows.
    pub(super) fn sqlite(&self, rows: usize) -> String {
        let row = vec!["?"; self.types.len()].join(", ");
        let rows = vec![format!("({row})"); rows].join(", ");
        format!("{} VALUES {rows} {}", self.before, self.after)
    }

    /// Returns Postgres' text, which is the same for any number of rows.
    pub(super) fn postgres(&self) -> String {
        self.postgres_from(1)
    }

    /// Like [`Over::postgres`], with parameters numbered from `first`.
    fn postgres_from(&self, first: usize) -> String {
        let array = |(n, name): (usize, &&str)| format!("${n}::{name}[]");
        let arrays: Vec<String> = (first..).zip(self.types).map(array).collect();
        let arrays = arrays.join(", ");
        format!(
            "{} SELECT * FROM UNNEST({arrays}) {}",
            self.before, self.after
        )
    }
}

/// The values of one column, one for each row.
#[derive(Debug)]
enum Column {
    Uuid(Vec<Option<Uuid>>),
    Bytes(Vec<Option<Vec<u8>>>),
    Text(Vec<Option<String>>),
    /// Names of variants of the enums in [`super::columns`].
    Name(Vec<&'static str>),
    Integer(Vec<Option<i64>>),
    Boolean(Vec<bool>),
    Time(Vec<Option<DateTime<Utc>>>),
}

impl Column {
    fn len(&self) -> usize {
        match self {
            Self::Uuid(values) => values.len(),
            Self::Bytes(values) => values.len(),
            Self::Text(values) => values.len(),
            Self::Name(values) => values.len(),
            Self::Integer(values) => values.len(),
            Self::Boolean(values) => values.len(),
            Self::Time(values) => values.len(),
        }
    }
}

/// A statement with its rows.
#[derive(Debug)]
pub(super) struct Rows {
    over: Over,
    columns: Vec<Column>,
}

macro_rules! column {
    ($($name:ident: $type:ty => $variant:ident;)*) => {
        $(
            /// Adds a column with one value for each row.
            pub(super) fn $name(mut self, values: impl IntoIterator<Item = $type>) -> Self {
                self.columns.push(Column::$variant(values.into_iter().collect()));
                self
            }
        )*
    };
}

impl Rows {
    /// Makes a statement without rows. Its columns are added in the order in which the statement names them.
    pub(super) fn new(over: Over) -> Self {
        Self {
            over,
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

    /// Adds a column with the names of one of the enums in [`super::columns`].
    pub(super) fn name<T: Into<&'static str>>(
        mut self,
        values: impl IntoIterator<Item = T>,
    ) -> Self {
        let names = values.into_iter().map(Into::into).collect();
        self.columns.push(Column::Name(names));
        self
    }

    fn len(&self) -> usize {
        self.columns.first().map_or(0, Column::len)
    }

    fn bind_sqlite(self, arguments: &mut SqliteArguments) -> Result<()> {
        let rows = self.len();
        let mut columns = self.columns;
        for row in 0..rows {
            for column in &mut columns {
                match column {
                    Column::Uuid(values) => arguments.add(values[row]),
                    Column::Bytes(values) => arguments.add(values[row].take()),
                    Column::Text(values) => arguments.add(values[row].take()),
                    Column::Name(values) => arguments.add(values[row]),
                    Column::Integer(values) => arguments.add(values[row]),
                    Column::Boolean(values) => arguments.add(values[row]),
                    Column::Time(values) => arguments.add(values[row]),
                }
                .map_err(sqlx::Error::Encode)?;
            }
        }
        Ok(())
    }

    fn bind_postgres(self, arguments: &mut PgArguments) -> Result<()> {
        for column in self.columns {
            match column {
                Column::Uuid(values) => arguments.add(values),
                Column::Bytes(values) => arguments.add(values),
                Column::Text(values) => arguments.add(values),
                Column::Name(values) => arguments.add(values),
                Column::Integer(values) => arguments.add(values),
                Column::Boolean(values) => arguments.add(values),
                Column::Time(values) => arguments.add(values),
            }
            .map_err(sqlx::Error::Encode)?;
        }
        Ok(())
    }
}

/// Statements that run one after the other, in groups. No statement of a group reads or changes a row that another
/// statement of the group writes: Postgres runs a group as one statement, in which none sees what the others write and
/// their order is undefined (<https://www.postgresql.org/docs/15/queries-with.html#QUERIES-WITH-MODIFYING>).
pub(super) type Groups = Vec<Vec<Rows>>;

/// Runs statements that no later statement of this transaction depends on. SQLite runs them at the commit, together
/// with all others that come last, in one round trip to its thread; Postgres runs them now.
pub(super) async fn execute_last(tx: &mut WriteTx, groups: Groups) -> Result<()> {
    match &tx.on {
        On::Sqlite(_) => {
            tx.last.extend(groups);
            Ok(())
        }
        // Rows have to be locked in the order of the groups, so the statements are not delayed.
        On::Postgres(_) => execute(tx, groups).await,
    }
}

/// Runs these statements, without those that have no rows. SQLite runs all of them as one query, Postgres each group.
pub(super) async fn execute(tx: &mut WriteTx, groups: Groups) -> Result<()> {
    let groups = groups.into_iter().map(|group| {
        let with_rows = group.into_iter().filter(|rows| rows.len() > 0);
        with_rows.collect::<Vec<Rows>>()
    });
    match &mut tx.on {
        On::Sqlite(tx) => {
            let mut arguments = SqliteArguments::default();
            let mut texts = Vec::new();
            for rows in groups.flatten() {
                texts.push(rows.over.sqlite(rows.len()));
                rows.bind_sqlite(&mut arguments)?;
            }
            if texts.is_empty() {
                return Ok(());
            }
            let sql = AssertSqlSafe(texts.join("; "));
            // The text depends on the numbers of rows, so a prepared statement would not be used again.
            let query = sqlx::query_with(sql, arguments).persistent(false);
            query.execute(&mut **tx).await?;
        }
        On::Postgres(tx) => {
            for group in groups.filter(|group| !group.is_empty()) {
                let sql = AssertSqlSafe(as_one(&group));
                let mut arguments = PgArguments::default();
                for rows in group {
                    rows.bind_postgres(&mut arguments)?;
                }
                let query = sqlx::query_with(sql, arguments);
                query.execute(&mut **tx).await?;
            }
        }
    }
    Ok(())
}

/// Returns the text of a group for Postgres: one statement.
fn as_one(group: &[Rows]) -> String {
    if let [alone] = group {
        return alone.over.postgres();
    }
    let mut parts = Vec::new();
    let mut first = 1;
    for (n, rows) in group.iter().enumerate() {
        parts.push(format!("w{n} AS ({})", rows.over.postgres_from(first)));
        first += rows.over.types.len();
    }
    format!("WITH {} SELECT 1", parts.join(", "))
}

/// Runs a statement that returns rows, and returns them; `postgres` is appended to its text on Postgres. Returns no
/// rows, without a query, when `asked` has no rows.
pub(super) async fn fetch<R>(tx: &mut ReadTx, asked: Rows, postgres: &str) -> Result<Vec<R>>
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
            let sql = AssertSqlSafe(asked.over.sqlite(asked.len()));
            let mut arguments = SqliteArguments::default();
            asked.bind_sqlite(&mut arguments)?;
            sqlx::query_as_with(sql, arguments)
                .fetch_all(&mut **tx)
                .await?
        }
        On::Postgres(tx) => {
            let sql = AssertSqlSafe(asked.over.postgres() + postgres);
            let mut arguments = PgArguments::default();
            asked.bind_postgres(&mut arguments)?;
            sqlx::query_as_with(sql, arguments)
                .fetch_all(&mut **tx)
                .await?
        }
    })
}
