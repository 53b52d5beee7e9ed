//! How many rows there are, past everything the service says.

use super::TestLine;
use dutyline::store::On;
use std::collections::BTreeMap;

const SCHEMA: &str = include_str!("../../../src/store/schema.sql");

impl TestLine {
    /// How many rows each table has.
    pub async fn rows(&self) -> BTreeMap<&'static str, i64> {
        let mut tx = self.service().db.read().await.expect("the database");
        let mut rows = BTreeMap::new();
        let tables = SCHEMA.split("CREATE TABLE ").skip(1);
        for table in tables.map(|rest| rest.split(' ').next().expect("a name")) {
            // Written whenever somebody asks whether the node is ready.
            if table == "nodes" {
                continue;
            }
            let count = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
            let (count,): (i64,) = match tx.on() {
                On::Sqlite(tx) => sqlx::query_as(count).fetch_one(&mut **tx).await,
                On::Postgres(tx) => sqlx::query_as(count).fetch_one(&mut **tx).await,
            }
            .expect("a count");
            rows.insert(table, count);
        }
        rows
    }

    /// A counter, as operators see it.
    pub async fn counter(&self, name: &str) -> u64 {
        let text = super::api::client()
            .get(format!("{}/metrics", self.ops_url))
            .send()
            .await
            .expect("metrics")
            .text()
            .await
            .expect("text");
        text.lines()
            .find_map(|line| line.strip_prefix(&format!("dutyline_{name}_total ")))
            .and_then(|value| value.parse().ok())
            .unwrap_or_else(|| panic!("no counter {name}"))
    }
}
