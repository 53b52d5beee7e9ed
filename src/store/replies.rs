//! Authors and approvals of replies. The text of a reply is an entry.

use super::statements::{row, run, statements};
use super::{ReadTx, Result, WriteTx};
use uuid::Uuid;

row! {
    /// A reply to a caller.
    #[derive(Clone, Debug)]
    pub struct Reply {
        /// The id of its entry.
        pub entry: Uuid,
        /// The id of the member who wrote it.
        pub author: Uuid,
        /// The name of the other member who approved it; `None` if it is not approved. Such a reply is not read to a
        /// caller.
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

/// Stores the author of the reply whose text is the entry `entry`.
pub async fn insert(tx: &mut WriteTx, entry: Uuid, report: Uuid, author: Uuid) -> Result<()> {
    run!(tx, INSERT, execute, entry, report, author).map(drop)
}

/// Returns a report's replies in the order they were written.
pub async fn of_report(tx: &mut ReadTx, report: Uuid) -> Result<Vec<Reply>> {
    run!(tx, OF_REPORT, fetch_all, report)
}

/// Stores the member who approved a reply. Returns false when it is approved already, or there is no such reply.
pub async fn approve(tx: &mut WriteTx, entry: Uuid, member: Uuid) -> Result<bool> {
    Ok(run!(tx, APPROVE, execute, entry, member)? == 1)
}
