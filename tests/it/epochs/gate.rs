//! Holds the program back in the transaction of a chosen step of the change of a line's key, so that it can be killed
//! there: a trigger in the database that waits for as long as the gate is there.
//!
//! On Postgres the trigger waits for an advisory lock, which the test holds. SQLite has none; there the trigger counts
//! the rows of an endless view. That uses a processor, and the program holds SQLite's only write lock, so callers wait
//! too, until the program is killed.

use crate::support::{DEADLINE, pause};
use dutyline::config::{Config, DatabaseAddress};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection};
use std::str::FromStr;

/// The step that the program begins and cannot end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// The line's next key is stored, with its grants, and the member's grants are removed.
    NextKey,
    /// A piece of report keys is sealed again, after this many.
    Sealing(i64),
    /// A piece of the former report keys is removed, after this many.
    Dropping(i64),
    /// The grants of the former key are removed.
    Retiring,
}

/// Number of report keys that are sealed again.
pub const RESEALED: &str = "SELECT COUNT(*) FROM report_keys WHERE path IS NOT NULL";
/// Postgres: the processes of the server that wait at the gate.
const HELD: &str = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
const STILL_THERE: &str = "SELECT COUNT(*) FROM pg_stat_activity WHERE pid = ANY($1)";
/// How often in a row SQLite's write lock must be taken for the program to be held: no other transaction takes so long.
const REFUSED: u32 = 20;

impl Before {
    /// Returns the table, the event, and the condition on the row for the gate to hold.
    fn trigger(self) -> (&'static str, &'static str, String) {
        match self {
            Self::NextKey => ("line_keys", "INSERT", "NEW.epoch > 1".to_owned()),
            Self::Sealing(after) => {
                let condition = format!("NEW.path IS NOT NULL AND ({RESEALED}) >= {after}");
                ("report_keys", "INSERT", condition)
            }
            Self::Dropping(after) => {
                let former = "SELECT COUNT(*) FROM report_keys AS former WHERE former.sealed_to = OLD.sealed_to";
                let condition = format!("({RESEALED}) - ({former}) >= {after}");
                ("report_keys", "DELETE", condition)
            }
            // Those of the member who is taken off are removed before the line has another key.
            Self::Retiring => {
                let condition = "(SELECT MAX(epoch) FROM line_keys) > 1".to_owned();
                ("grants", "DELETE", condition)
            }
        }
    }
}

/// A gate, with a connection to the database of its own.
pub enum Gate {
    Sqlite(SqliteConnection),
    Postgres(PgConnection, &'static str),
}

impl Gate {
    /// Puts a gate before a step.
    pub async fn put(config: &Config, before: Before) -> Self {
        let (table, event, condition) = before.trigger();
        match &config.database {
            DatabaseAddress::Sqlite(path) => {
                let options = SqliteConnectOptions::new()
                    .filename(path)
                    .busy_timeout(DEADLINE);
                let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
                let trigger = format!(
                    "CREATE VIEW endless AS WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers)
                        SELECT n FROM numbers;
                    CREATE TRIGGER gate BEFORE {event} ON {table} WHEN {condition}
                        BEGIN SELECT COUNT(*) FROM endless; END"
                );
                let trigger = sqlx::raw_sql(AssertSqlSafe(trigger));
                trigger.execute(&mut connection).await.unwrap();
                let mut gate = Self::Sqlite(connection);
                gate.run("PRAGMA busy_timeout = 0").await;
                gate
            }
            DatabaseAddress::Postgres(address) => {
                let options = PgConnectOptions::from_str(address.expose()).unwrap();
                let mut connection = PgConnection::connect_with(&options).await.unwrap();
                let trigger = format!(
                    "SELECT pg_advisory_lock(1);
                    CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                        IF {condition} THEN PERFORM pg_advisory_xact_lock(1); END IF;
                        IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
                        RETURN NEW;
                    END $$;
                    CREATE TRIGGER gate BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION gate()"
                );
                let trigger = sqlx::raw_sql(AssertSqlSafe(trigger));
                trigger.execute(&mut connection).await.unwrap();
                Self::Postgres(connection, table)
            }
        }
    }

    async fn run(&mut self, sql: &'static str) {
        match self {
            Self::Sqlite(connection) => sqlx::raw_sql(sql).execute(connection).await.map(drop),
            Self::Postgres(connection, _) => sqlx::raw_sql(sql).execute(connection).await.map(drop),
        }
        .unwrap();
    }

    /// Waits until the gate holds the program.
    pub async fn holds(&mut self) {
        let holding = async {
            let mut refused = 0;
            loop {
                match self {
                    Self::Sqlite(connection) => {
                        let begun = sqlx::raw_sql("BEGIN IMMEDIATE; ROLLBACK");
                        let begun = begun.execute(connection).await;
                        refused = begun.map_or(refused + 1, |_| 0);
                        if refused == REFUSED {
                            return;
                        }
                    }
                    Self::Postgres(connection, _) => {
                        if !held(connection).await.is_empty() {
                            return;
                        }
                    }
                }
                pause().await;
            }
        };
        let came = tokio::time::timeout(DEADLINE, holding).await;
        came.expect("the program comes to the step");
    }

    /// Removes the gate after the program was killed. What the program had not committed is rolled back then.
    pub async fn remove(mut self) {
        match &mut self {
            Self::Sqlite(connection) => {
                let busy = sqlx::raw_sql("PRAGMA busy_timeout = 60000");
                busy.execute(&mut *connection).await.unwrap();
                self.run("DROP TRIGGER gate; DROP VIEW endless").await;
            }
            Self::Postgres(connection, table) => {
                // The server notices that a client has gone when it reads the next statement.
                let held = held(connection).await;
                let unlock = sqlx::raw_sql("SELECT pg_advisory_unlock(1)");
                unlock.execute(&mut *connection).await.unwrap();
                let leaving = async {
                    loop {
                        let left = sqlx::query_scalar(STILL_THERE).bind(&held);
                        let left: i64 = left.fetch_one(&mut *connection).await.unwrap();
                        if left == 0 {
                            return;
                        }
                        pause().await;
                    }
                };
                let left = tokio::time::timeout(DEADLINE, leaving).await;
                left.expect("the server lets go of a killed client");
                let drop = format!("DROP TRIGGER gate ON {table}; DROP FUNCTION gate()");
                let drop = sqlx::raw_sql(AssertSqlSafe(drop));
                drop.execute(&mut *connection).await.unwrap();
            }
        }
    }
}

async fn held(connection: &mut PgConnection) -> Vec<i32> {
    let held = sqlx::query_scalar(HELD).fetch_all(connection).await;
    held.unwrap()
}
