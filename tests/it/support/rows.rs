//! What the service says of itself, and how many rows there are, past everything it says.

use super::TestLine;
use dutyline::store::On;
use reqwest::StatusCode;
use std::collections::BTreeMap;

const SCHEMA: &str = include_str!("../../../src/store/schema.sql");

impl TestLine {
    /// How many rows each table has.
    pub async fn rows(&self) -> BTreeMap<&'static str, i64> {
        let mut tx = self.db().begin_read().await.expect("the database");
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

    /// The text of the metrics.
    pub async fn metrics(&self) -> String {
        let url = format!("{}/metrics", self.ops_url);
        let asked = super::api::client().get(url).send();
        asked.await.expect("metrics").text().await.expect("text")
    }

    /// The status that readiness answers with.
    pub async fn ready(&self) -> StatusCode {
        let url = format!("{}/health/ready", self.ops_url);
        let asked = super::api::client().get(url).send();
        asked.await.expect("an answer").status()
    }

    /// A counter, as operators see it.
    pub async fn counter(&self, name: &str) -> u64 {
        let text = self.metrics().await;
        text.lines()
            .find_map(|line| line.strip_prefix(&format!("dutyline_{name}_total ")))
            .and_then(|value| value.parse().ok())
            .unwrap_or_else(|| panic!("no counter {name}"))
    }

    /// A counter with labels, all of its values together; 0 when it has not counted yet.
    pub async fn counted(&self, name: &str) -> u64 {
        self.counted_as(name, "{").await
    }

    /// A counter with labels, those together that begin with these, as in `{kind="call"}`.
    pub async fn counted_as(&self, name: &str, labels: &str) -> u64 {
        let text = self.metrics().await;
        let start = format!("dutyline_{name}_total{labels}");
        let lines = text.lines().filter(|line| line.starts_with(&start));
        let values = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
        values.sum()
    }
}
