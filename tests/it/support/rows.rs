//! The service's metrics and readiness, and the numbers of rows read directly from the database.

use super::TestLine;
use dutyline::store::On;
use reqwest::StatusCode;
use std::collections::BTreeMap;

const SCHEMA: &str = include_str!("../../../src/store/schema.sql");

impl TestLine {
    /// Returns the number of rows of each table.
    pub async fn rows(&self) -> BTreeMap<&'static str, i64> {
        let mut tx = self.db().begin_read().await.expect("the database");
        let mut rows = BTreeMap::new();
        let tables = SCHEMA.split("CREATE TABLE ").skip(1);
        for table in tables.map(|rest| rest.split(' ').next().expect("a name")) {
            // Readiness probes write to this table.
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

    /// Returns the text of the metrics.
    pub async fn metrics(&self) -> String {
        let url = format!("{}/metrics", self.ops_url);
        let asked = super::api::client().get(url).send();
        asked.await.expect("metrics").text().await.expect("text")
    }

    /// Returns the status of the readiness endpoint.
    pub async fn ready(&self) -> StatusCode {
        let url = format!("{}/health/ready", self.ops_url);
        let asked = super::api::client().get(url).send();
        asked.await.expect("an answer").status()
    }

    /// Returns a counter from the metrics.
    pub async fn counter(&self, name: &str) -> u64 {
        let text = self.metrics().await;
        text.lines()
            .find_map(|line| line.strip_prefix(&format!("dutyline_{name}_total ")))
            .and_then(|value| value.parse().ok())
            .unwrap_or_else(|| panic!("no counter {name}"))
    }

    /// Returns the sum of a counter over all its labels; 0 if it has not counted yet.
    pub async fn counted(&self, name: &str) -> u64 {
        self.counted_as(name, "{").await
    }

    /// Returns the sum of a counter over the series whose labels begin with `labels`, as in `{kind="call"}`.
    pub async fn counted_as(&self, name: &str, labels: &str) -> u64 {
        let text = self.metrics().await;
        let start = format!("dutyline_{name}_total{labels}");
        let lines = text.lines().filter(|line| line.starts_with(&start));
        let values = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
        values.sum()
    }
}
