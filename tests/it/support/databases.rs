//! A database for one test, removed afterwards.

use dutyline::store::Db;
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

/// Environment variable with the address of the Postgres server on which tests create their databases.
const SERVER: &str = "DUTYLINE_TEST_POSTGRES";

/// Maximum time for any wait in a test; only a hang exceeds it.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Waits 10 ms between two polls of a state that sends no notification.
pub async fn pause() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}

/// The database of one test.
pub enum Database {
    /// A file in the test's folder.
    Sqlite,
    /// A database on the test server.
    Postgres {
        /// Name of the database.
        name: String,
    },
}

fn server() -> String {
    std::env::var(SERVER).unwrap_or_else(|_| {
        panic!("{SERVER} is not set: `tests/run` starts a Postgres and sets it; to leave these tests out, skip `postgres`")
    })
}

async fn admin() -> PgConnection {
    let options = PgConnectOptions::from_str(&server()).expect("an address");
    PgConnection::connect_with(&options)
        .await
        .expect("the test server answers")
}

impl Database {
    /// Returns an SQLite database.
    pub fn sqlite() -> Self {
        Self::Sqlite
    }

    /// Creates a database on the test server with a Chinese collation, because no query may depend on the byte order of
    /// texts.
    pub async fn postgres() -> Self {
        let collation = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'zh' LOCALE 'C'";
        Self::postgres_with(collation).await
    }

    /// Creates a database on the test server; `settings` are options of `CREATE DATABASE`, or empty.
    pub async fn postgres_with(settings: &str) -> Self {
        let name = format!("dutyline_{}", dutyline::base::clock::random_id().simple());
        let mut admin = admin().await;
        let create = format!("CREATE DATABASE {name} {settings}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(create))
            .execute(&mut admin)
            .await
            .expect("a database");
        Self::Postgres { name }
    }

    /// Returns the address as the configuration has it.
    pub fn address(&self, folder: &Path) -> String {
        match self {
            Self::Sqlite => format!("sqlite:{}", folder.join("data/dutyline.db").display()),
            Self::Postgres { name } => {
                let server = server();
                let (base, query) = match server.split_once('?') {
                    Some((base, query)) => (base, format!("?{query}")),
                    None => (server.as_str(), String::new()),
                };
                let host = base.rsplit_once('/').map_or(base, |(host, _)| host);
                format!("{host}/{name}{query}")
            }
        }
    }

    /// Waits until no client is connected: the server may still execute the last statement of a client that was killed.
    pub async fn deserted(&self) {
        let Self::Postgres { name } = self else {
            return;
        };
        let mut admin = admin().await;
        let connected = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = $1";
        let waiting = async {
            loop {
                let query = sqlx::query_scalar(connected).bind(name);
                let count: i64 = query.fetch_one(&mut admin).await.expect("a count");
                if count == 0 {
                    return;
                }
                pause().await;
            }
        };
        let waited = tokio::time::timeout(DEADLINE, waiting).await;
        waited.expect("the server lets go of a killed client");
    }

    /// Drops the database. A test that panics leaves its database until the test server is removed.
    pub async fn remove(self) {
        if let Self::Postgres { name } = self {
            let mut admin = admin().await;
            let drop = format!("DROP DATABASE {name} WITH (FORCE)");
            sqlx::raw_sql(sqlx::AssertSqlSafe(drop))
                .execute(&mut admin)
                .await
                .expect("the database goes");
        }
    }
}

/// Waits until a connection waits for a row lock held by another. Returns at once on SQLite, where writers wait before
/// they read anything.
pub async fn until_one_waits(db: &Db) {
    until_wait(db, 1).await;
}

/// Waits until `many` connections wait for a lock.
pub async fn until_wait(db: &Db, many: u32) {
    let Db::Postgres { pool, .. } = db else {
        return;
    };
    let waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    loop {
        let count: i64 = sqlx::query_scalar(waiting).fetch_one(pool).await.unwrap();
        if count >= i64::from(many) {
            return;
        }
        pause().await;
    }
}
