//! Authors and approvals of replies. The text of a reply is an entry.

use super::proofs::{Proven, WithMac};
use super::statements::{row, run, statements};
use super::{ReadTx, Result, WriteTx};
use crate::vault::proof::Content;
use uuid::Uuid;

row! {
    /// A reply to a caller.
    #[derive(Clone, Debug)]
    pub struct Reply {
        /// The id of its entry.
        pub entry: Uuid,
        /// The report.
        pub report: Uuid,
        /// The id of the member who wrote it.
        pub author: Uuid,
        /// The id of the other member who approved it; `None` if it is not approved.
        pub approver: Option<Uuid>,
        /// The name of the member who approved it; `None` if it is not approved. Such a reply is not read to a caller.
        pub approved_by: Option<String>,
    }
}

impl Proven for Reply {
    const TABLE: &'static str = "replies";

    /// The approver's name is not part of the row.
    fn content(&self) -> Content {
        Content::of(Self::TABLE)
            .id(self.entry)
            .id(self.report)
            .id(self.author)
            .id(self.approver)
    }

    fn id(&self) -> Uuid {
        self.entry
    }
}

statements! {
    INSERT = "INSERT INTO replies (entry, report, author, mac) VALUES ($1, (SELECT n FROM reports WHERE id = $2), $3, $4)";
    OF_REPORT = "SELECT entry, reports.id AS report, author, replies.approved_by AS approver, approver.name AS approved_by, replies.mac
        FROM replies JOIN entries ON entries.id = entry JOIN reports ON reports.n = replies.report
        LEFT JOIN members approver ON approver.id = replies.approved_by
        WHERE replies.report = (SELECT n FROM reports WHERE id = $1) ORDER BY entries.n";
    APPROVE = "UPDATE replies SET approved_by = $2, mac = $3 WHERE entry = $1 AND approved_by IS NULL";
}

/// Stores the author of the reply whose text is the entry `entry`.
pub async fn insert(tx: &mut WriteTx, entry: Uuid, report: Uuid, author: Uuid) -> Result<()> {
    let reply = Reply {
        entry,
        report,
        author,
        approver: None,
        approved_by: None,
    };
    let mac = tx.mac(&reply)?;
    run!(tx, INSERT, execute, entry, report, author, mac).map(drop)
}

/// Returns a report's replies in the order they were written.
pub async fn of_report(tx: &mut ReadTx, report: Uuid) -> Result<Vec<Reply>> {
    let found: Vec<WithMac<Reply>> = run!(tx, OF_REPORT, fetch_all, report)?;
    tx.proven_all(found).await
}

/// Stores the member who approved a reply. Returns false when it is approved already, or there is no such reply any
/// more.
pub async fn approve(tx: &mut WriteTx, reply: &Reply, member: Uuid) -> Result<bool> {
    let approved = Reply {
        approver: Some(member),
        ..reply.clone()
    };
    let mac = tx.mac(&approved)?;
    Ok(run!(tx, APPROVE, execute, reply.entry, member, mac)? == 1)
}
