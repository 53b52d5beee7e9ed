//! The audit trail: a hash chain per line. How links are hashed is [`crate::vault::chain`]'s business.

use super::statements::{row, run, statements};
use super::{Result, StoreError, Tx};
use crate::vault::chain::{self, Link};
use chrono::{DateTime, Utc};
use uuid::Uuid;

row! {
    /// A link as stored.
    #[derive(Clone)]
    pub struct LinkRow {
        /// The line.
        pub line: String,
        /// Its number, from 1.
        pub seq: i64,
        /// When; cut to the hour where a caller caused it.
        pub at: DateTime<Utc>,
        /// Which member.
        pub actor: Option<String>,
        /// What was done.
        pub action: String,
        /// To which report.
        pub report: Option<Uuid>,
        /// To what else.
        pub object: Option<Uuid>,
        /// Hash of the sealed thing it commits to.
        pub digest: Option<Vec<u8>>,
        /// What else there is to say.
        pub detail: Option<String>,
        /// The link's hash.
        pub hash: Vec<u8>,
    }
}

statements! {
    START = "INSERT INTO audit_heads (line, seq, hash) VALUES ($1, 0, $2) ON CONFLICT (line) DO NOTHING";
    HEAD = "SELECT seq, hash FROM audit_heads WHERE line = $1", postgres: " FOR UPDATE";
    HEAD_UNLOCKED = "SELECT seq, hash FROM audit_heads WHERE line = $1";
    INSERT = "INSERT INTO audit (line, seq, at, actor, action, report, object, digest, detail, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    SET_HEAD = "UPDATE audit_heads SET seq = $2, hash = $3 WHERE line = $1";
    LINKS = "SELECT line, seq, at, actor, action, report, object, digest, detail, hash FROM audit WHERE line = $1 AND seq > $2 ORDER BY seq LIMIT 1000";
    OF_REPORT = "SELECT line, seq, at, actor, action, report, object, digest, detail, hash FROM audit WHERE line = $1 AND report = $2 ORDER BY seq";
    COMMITTED = "SELECT line, seq, at, actor, action, report, object, digest, detail, hash FROM audit
        WHERE line = $1 AND report = $2 AND (digest IS NOT NULL OR action = 'entry_purged') ORDER BY seq";
    OF_MEMBERS = "SELECT line, seq, at, actor, action, report, object, digest, detail, hash FROM audit
        WHERE line = $1 AND report IS NULL AND seq > $2 AND at >= $3 AND action IN ('member_added', 'granted', 'member_disabled',
        'member_enabled', 'member_confirmed', 'confirmation_waived', 'confirmation_required') ORDER BY seq DESC LIMIT 20";
    END = "SELECT seq FROM audit_heads WHERE line = $1";
    HEADS = "SELECT line, seq FROM audit_heads ORDER BY line";
    LINES = "SELECT line FROM audit_heads ORDER BY line";
}

/// What to write into the trail.
#[derive(Clone, Default)]
pub struct Act<'a> {
    /// When; for what a caller caused, the hour.
    pub at: DateTime<Utc>,
    /// Which member; nobody when the service did it.
    pub actor: Option<&'a str>,
    /// What was done.
    pub action: &'a str,
    /// To which report.
    pub report: Option<Uuid>,
    /// To what else.
    pub object: Option<Uuid>,
    /// Hash of the sealed thing it commits to.
    pub digest: Option<[u8; 32]>,
    /// What else there is to say.
    pub detail: Option<&'a str>,
}

/// Adds a link to a line's chain. Holds the head until the transaction ends, so there is one order.
pub async fn append(tx: &mut Tx, line: &str, act: Act<'_>) -> Result<()> {
    let (seq, previous) = match head(tx, line).await? {
        Some(head) => head,
        None => {
            run!(tx, START, execute, line, &chain::genesis(line)[..])?;
            head(tx, line)
                .await?
                .ok_or(StoreError::Unreadable("audit head"))?
        }
    };
    let link = Link {
        line: line.to_owned(),
        seq: seq + 1,
        at: act.at,
        actor: act.actor.map(str::to_owned),
        action: act.action.to_owned(),
        report: act.report,
        object: act.object,
        digest: act.digest,
        detail: act.detail.map(str::to_owned),
    };
    let hash = chain::hash(&previous, &link);
    run!(
        tx,
        INSERT,
        execute,
        line,
        link.seq,
        link.at,
        act.actor,
        act.action,
        link.report,
        link.object,
        link.digest.as_ref().map(|digest| &digest[..]),
        act.detail,
        &hash[..]
    )?;
    run!(tx, SET_HEAD, execute, line, link.seq, &hash[..]).map(drop)
}

/// The number and hash of a line's last link, which nobody else adds to until the transaction ends.
pub async fn head(tx: &mut Tx, line: &str) -> Result<Option<(i64, [u8; 32])>> {
    read_head(run!(tx, HEAD, fetch_optional, line)?)
}

/// The same, for whoever only reads.
pub async fn head_unlocked(tx: &mut Tx, line: &str) -> Result<Option<(i64, [u8; 32])>> {
    read_head(run!(tx, HEAD_UNLOCKED, fetch_optional, line)?)
}

fn read_head(found: Option<(i64, Vec<u8>)>) -> Result<Option<(i64, [u8; 32])>> {
    found
        .map(|(seq, hash)| {
            let hash = hash
                .try_into()
                .map_err(|_| StoreError::Unreadable("audit hash"))?;
            Ok((seq, hash))
        })
        .transpose()
}

/// A line's links after number `after`, in order, a thousand at most.
pub async fn links(tx: &mut Tx, line: &str, after: i64) -> Result<Vec<LinkRow>> {
    run!(tx, LINKS, fetch_all, line, after)
}

/// The links about one report, in order.
pub async fn of_report(tx: &mut Tx, line: &str, report: Uuid) -> Result<Vec<LinkRow>> {
    run!(tx, OF_REPORT, fetch_all, line, report)
}

/// The links that commit to something sealed of one report, or say that it was purged, in order.
pub async fn committed(tx: &mut Tx, line: &str, report: Uuid) -> Result<Vec<LinkRow>> {
    run!(tx, COMMITTED, fetch_all, line, report)
}

/// The latest links about who works on a line, the newest first, twenty at most: after number `after`, not before `since`.
pub async fn of_members(
    tx: &mut Tx,
    line: &str,
    after: i64,
    since: DateTime<Utc>,
) -> Result<Vec<LinkRow>> {
    run!(tx, OF_MEMBERS, fetch_all, line, after, since)
}

/// The number of a line's last link; 0 when it has none. Unlike [`head`] it holds nothing.
pub async fn end(tx: &mut Tx, line: &str) -> Result<i64> {
    let found: Option<(i64,)> = run!(tx, END, fetch_optional, line)?;
    Ok(found.map_or(0, |(seq,)| seq))
}

/// The number of the last link of every line that has a trail.
pub async fn heads(tx: &mut Tx) -> Result<Vec<(String, i64)>> {
    run!(tx, HEADS, fetch_all)
}

/// Every line that has a trail.
pub async fn lines(tx: &mut Tx) -> Result<Vec<String>> {
    let found: Vec<(String,)> = run!(tx, LINES, fetch_all)?;
    Ok(found.into_iter().map(|(line,)| line).collect())
}

impl LinkRow {
    /// The link as the chain hashes it; none when the row holds no hash where one belongs.
    pub fn link(&self) -> Option<Link> {
        let digest = match &self.digest {
            Some(digest) => Some(digest.as_slice().try_into().ok()?),
            None => None,
        };
        Some(Link {
            line: self.line.clone(),
            seq: self.seq,
            at: self.at,
            actor: self.actor.clone(),
            action: self.action.clone(),
            report: self.report,
            object: self.object,
            digest,
            detail: self.detail.clone(),
        })
    }
}
