//! Replies: who wrote them, and who has seen them besides. What they say is an entry.

use super::statements::{row, run, statements};
use super::{ReadTx, Result, WriteTx};
use uuid::Uuid;

row! {
    /// A reply to a caller.
    #[derive(Clone, Debug)]
    pub struct Reply {
        /// Its entry.
        pub entry: Uuid,
        /// Who wrote it.
        pub author: Uuid,
        /// The name of whoever else found it right; none until then, and then nobody hears it.
        pub approved_by: Option<String>,
    }
}

statements! {
    INSERT = "INSERT INTO replies (entry, report, author) VALUES ($1, (SELECT n FROM reports WHERE id = $2), $3)";
    OF_REPORT = "SELECT entry, author, approver.name AS approved_by
        FROM replies JOIN entries ON entries.id = entry
        LEFT JOIN members approver ON approver.id = replies.approved_by 
        WHERE replies.report = (SELECT n FROM reports WHERE id = $1) ORDER BY entries.n";
    APPROVE = "UPDATE replies SET approved_by = $2 WHERE entry = $1 AND approved_by IS NULL";
}

/// Writes down whose a reply is.
pub async fn insert(tx: &mut WriteTx, entry: Uuid, report: Uuid, author: Uuid) -> Result<()> {
    run!(tx, INSERT, execute, entry, report, author).map(drop)
}

/// A report's replies in the order they were written.
pub async fn of_report(tx: &mut ReadTx, report: Uuid) -> Result<Vec<Reply>> {
    run!(tx, OF_REPORT, fetch_all, report)
}

/// Notes who found a reply right; false when somebody has already.
pub async fn approve(tx: &mut WriteTx, entry: Uuid, member: Uuid) -> Result<bool> {
    Ok(run!(tx, APPROVE, execute, entry, member)? == 1)
}
