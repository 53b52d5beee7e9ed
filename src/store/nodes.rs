//! Nodes at work: one row for each running process.

use super::statements::{run, statements};
use super::{Result, Tx};
use chrono::{DateTime, Utc};
use uuid::Uuid;

statements! {
    SEEN = "INSERT INTO nodes (id, seen_at, filler) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, filler = excluded.filler";
    FORGET = "DELETE FROM nodes WHERE seen_at < $1";
}

/// Writes that a node was at work at `at` (system time), and bytes that need room.
pub async fn seen(tx: &mut Tx, node: Uuid, at: DateTime<Utc>, filler: Option<&[u8]>) -> Result<()> {
    run!(tx, SEEN, execute, node, at, filler).map(drop)
}

/// Removes the rows of nodes that have not been seen since `before`.
pub async fn forget(tx: &mut Tx, before: DateTime<Utc>) -> Result<()> {
    run!(tx, FORGET, execute, before).map(drop)
}
