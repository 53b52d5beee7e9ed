//! The macros that the store is built with: `statements!` declares SQL, `run!` runs it on either database, `row!`
//! declares a row.

/// A statement with a fixed text for each database. The two texts differ only by a part, such as `FOR UPDATE`, that
/// SQLite neither has nor needs.
#[derive(Clone, Copy, Debug)]
pub struct Sql {
    /// The name of the constant.
    pub name: &'static str,
    /// Text for SQLite.
    pub sqlite: &'static str,
    /// Text for Postgres.
    pub postgres: &'static str,
}

/// A statement's name and its texts, for tests.
pub struct Text {
    /// The name of the constant.
    pub name: &'static str,
    /// Text for SQLite; a statement over rows has the text for one row.
    pub sqlite: String,
    /// Text for Postgres.
    pub postgres: String,
}

/// Returns every statement that is declared with `statements!` or `over_rows!`, for the tests that prepare them and
/// check their plans.
pub fn all() -> Vec<Text> {
    let fixed = [
        super::attention::STATEMENTS,
        super::audit::STATEMENTS,
        super::audit::appending::STATEMENTS,
        super::blobs::STATEMENTS,
        super::calls::STATEMENTS,
        super::hours::STATEMENTS,
        super::installation::STATEMENTS,
        super::jobs::STATEMENTS,
        super::keys::STATEMENTS,
        super::members::STATEMENTS,
        super::nodes::STATEMENTS,
        super::proofs::STATEMENTS,
        super::recordings::STATEMENTS,
        super::replies::STATEMENTS,
        super::report_keys::STATEMENTS,
        super::reports::STATEMENTS,
        super::sessions::STATEMENTS,
        super::strays::STATEMENTS,
    ];
    let over_rows = [
        super::audit::OVER_ROWS,
        super::audit::appending::OVER_ROWS,
        super::hours::OVER_ROWS,
        super::cases::LOADING,
        super::cases::WRITING,
        super::report_keys::OVER_ROWS,
        super::reports::OVER_ROWS,
    ];
    let fixed = fixed.concat().into_iter().map(|sql| Text {
        name: sql.name,
        sqlite: sql.sqlite.to_owned(),
        postgres: sql.postgres.to_owned(),
    });
    let over_rows = over_rows.concat().into_iter().map(|over| Text {
        name: over.name,
        sqlite: over.sqlite(1),
        postgres: over.postgres(),
    });
    fixed.chain(over_rows).collect()
}

/// Declares `Sql` statements as constants, and `STATEMENTS`, the list of all of them. A text marked `postgres:` is
/// part of the statement only on Postgres; the SQL may continue after it.
macro_rules! statements {
    ($($name:ident = $sql:literal $(, postgres: $only:literal $(, $rest:literal)?)?;)*) => {
        $(const $name: $crate::store::Sql = $crate::store::Sql {
            name: stringify!($name),
            sqlite: concat!($sql $($(, $rest)?)?),
            postgres: concat!($sql $(, $only $(, $rest)?)?),
        };)*
        pub(in crate::store) const STATEMENTS: &[$crate::store::Sql] = &[$($name),*];
    };
}

/// Runs a statement in a transaction: `run!(tx, STATEMENT, execute, a, b)`, or with `fetch_all` or `fetch_optional` in
/// place of `execute`. `execute` returns the number of rows that were changed, the others return rows of the type they
/// are assigned to.
macro_rules! run {
    ($tx:expr, $sql:expr, execute $(, $arg:expr)* $(,)?) => {
        match &mut $tx.on {
            $crate::store::On::Sqlite(tx) => sqlx::query($sql.sqlite)$(.bind($arg))*
                .execute(&mut **tx).await.map(|done| done.rows_affected()),
            $crate::store::On::Postgres(tx) => sqlx::query($sql.postgres)$(.bind($arg))*
                .execute(&mut **tx).await.map(|done| done.rows_affected()),
        }
        .map_err($crate::store::StoreError::from)
    };
    ($tx:expr, $sql:expr, $fetch:ident $(, $arg:expr)* $(,)?) => {
        match &mut $tx.on {
            $crate::store::On::Sqlite(tx) => sqlx::query_as($sql.sqlite)$(.bind($arg))*
                .$fetch(&mut **tx).await,
            $crate::store::On::Postgres(tx) => sqlx::query_as($sql.postgres)$(.bind($arg))*
                .$fetch(&mut **tx).await,
        }
        .map_err($crate::store::StoreError::from)
    };
}

/// Declares a struct that is read from a row of either database. Each field is read from the column of its name.
macro_rules! row {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($(#[$field_meta:meta])* $field_vis:vis $field:ident: $type:ty),* $(,)? }) => {
        $(#[$meta])*
        $vis struct $name { $($(#[$field_meta])* $field_vis $field: $type),* }
        $crate::store::statements::row!(@ $name, sqlx::sqlite::SqliteRow, $($field),*);
        $crate::store::statements::row!(@ $name, sqlx::postgres::PgRow, $($field),*);
    };
    (@ $name:ident, $row:ty, $($field:ident),*) => {
        impl sqlx::FromRow<'_, $row> for $name {
            fn from_row(row: &$row) -> std::result::Result<Self, sqlx::Error> {
                use sqlx::Row;
                Ok(Self { $($field: row.try_get(stringify!($field))?),* })
            }
        }
    };
}

pub(super) use {row, run, statements};
