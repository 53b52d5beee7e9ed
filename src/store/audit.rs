//! The audit trail: a hash chain for each line. [`crate::vault::chain`] defines how links are hashed. This module reads
//! links, and `appending` writes them.

pub(super) mod appending;

pub use appending::{Act, append};
pub(super) use appending::{Acts, link_of, write};

use super::heads::{self, Head};
use super::rows::{self, Rows, over_rows};
use super::statements::{row, run, statements};
use super::{Proofs, ReadTx, Result, StoreError};
use crate::vault::action::Action;
use crate::vault::chain::{self, Link};
use crate::vault::signers::Signed;
use chrono::{DateTime, Utc};
use sqlx::FromRow;
use std::collections::BTreeMap;
use uuid::Uuid;

/// The chain of the service: changes of members, and what belongs to no line. No line can have this id.
pub const SERVICE: &str = "*";
/// Maximum number of links in one statement. A link has thirteen values, and SQLite allows 32,766 values in a statement.
const AT_ONCE: usize = 1000;

row! {
    /// A link as stored.
    #[derive(Clone)]
    pub struct LinkRow {
        /// The line.
        pub line: String,
        /// The link's number in its line's chain, from 1.
        pub seq: i64,
        /// Line time of the act; cut to the hour if a caller caused it.
        pub at: DateTime<Utc>,
        /// The name of the member who acted; `None` if the service did.
        pub actor: Option<String>,
        /// The action.
        pub action: Action,
        /// The report that the action is about.
        pub report: Option<Uuid>,
        /// The id of what else the action is about, such as an entry, a recording or a member.
        pub object: Option<Uuid>,
        /// Hash of the sealed data that the link commits to, for a recording of the digests of its file; `None` if it
        /// commits to none.
        pub digest: Option<Vec<u8>>,
        /// Further text; its meaning depends on the action.
        pub detail: Option<String>,
        /// The link's hash.
        pub hash: Vec<u8>,
    }
}

/// A link as it is read, with what its proof takes. Nothing of it is believed before `proven`, except by
/// `audit verify`, which says what is wrong with it.
pub struct StoredLink {
    /// The link's number.
    pub seq: i64,
    /// The chain.
    line: String,
    /// The link; `None` when one of its columns holds a value that this version cannot read.
    pub row: Option<LinkRow>,
    /// The hash of the link before it; `None` for the first link of a line, and when the link before is missing.
    before: Option<Vec<u8>>,
    /// The MAC of its hash; `None` when it has none.
    mac: Option<Vec<u8>>,
    /// The signature of its hash, by whom `signer` names.
    signature: Option<Vec<u8>>,
    signer: Option<Uuid>,
}

impl<'r, R: sqlx::Row> FromRow<'r, R> for StoredLink
where
    LinkRow: FromRow<'r, R>,
    i64: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    String: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    Option<Vec<u8>>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    Option<Uuid>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    &'static str: sqlx::ColumnIndex<R>,
{
    fn from_row(row: &'r R) -> std::result::Result<Self, sqlx::Error> {
        Ok(Self {
            seq: row.try_get("seq")?,
            line: row.try_get("line")?,
            row: LinkRow::from_row(row).ok(),
            before: row.try_get("before")?,
            mac: row.try_get("mac")?,
            signature: row.try_get("signature")?,
            signer: row.try_get("signer")?,
        })
    }
}

impl StoredLink {
    /// True if its MAC is that of `hash`.
    ///
    /// # Errors
    ///
    /// When the service secret was not set.
    pub fn has_mac_of(&self, hash: &[u8; 32], tx: &ReadTx) -> Result<bool> {
        let keys = tx.proofs.keys()?;
        Ok(self
            .mac
            .as_deref()
            .is_some_and(|mac| keys.has_link(hash, mac)))
    }

    /// True if the link before it has this hash.
    pub(super) fn follows(&self, before: &[u8; 32]) -> bool {
        match self.seq {
            1 => *before == chain::genesis(&self.line),
            _ => self.before.as_deref() == Some(&before[..]),
        }
    }

    /// Returns the signature of the link; `None` if it has none.
    pub fn signed(&self) -> Option<Signed<'_>> {
        let is_signed = self.signer.is_some() || self.signature.is_some();
        is_signed.then(|| Signed {
            // One without the other is a signature that does not hold.
            by: self.signer.unwrap_or_default(),
            signature: self.signature.as_deref().unwrap_or_default(),
        })
    }

    /// Returns the link and its hash if the hash follows from the link before it, and the MAC of the hash holds. Its
    /// signature is not checked.
    pub(super) fn chained(&self, proofs: &Proofs) -> Result<Option<(Link, [u8; 32])>> {
        let keys = proofs.keys()?;
        let link = self.row.as_ref().and_then(|row| Some((row, row.link()?)));
        Ok(link.and_then(|(row, link)| {
            let before = match (link.seq, self.before.as_deref()) {
                (1, _) => chain::genesis(&link.line),
                (_, Some(before)) => before.try_into().ok()?,
                (_, None) => return None,
            };
            let hash = chain::hash(&before, &link);
            let mac = self.mac.as_deref()?;
            (row.hash == hash && keys.has_link(&hash, mac)).then_some((link, hash))
        }))
    }

    /// Returns the error for a link that does not hold, and logs and counts it.
    pub(super) fn refuse(&self, proofs: &Proofs) -> StoreError {
        proofs.refuse("audit", &format!("{} {}", self.line, self.seq))
    }
}

/// Returns those links of lines whose hash, MAC and signature hold. The others are logged and counted.
async fn proven(tx: &mut ReadTx, found: Vec<StoredLink>) -> Result<Vec<LinkRow>> {
    let mut proven = Vec::new();
    for stored in found {
        let mut has_signed = false;
        if let Some((link, hash)) = stored.chained(&tx.proofs)? {
            let signers = tx.proofs.service().signers();
            has_signed = signers.has_signed(&link, &hash, stored.signed());
            if !has_signed {
                // Another node may have added the member, or changed their key.
                let signers = tx.signers().await?;
                has_signed = signers.has_signed(&link, &hash, stored.signed());
            }
        }
        if !has_signed {
            stored.refuse(&tx.proofs);
        }
        proven.extend(stored.row.filter(|_| has_signed));
    }
    Ok(proven)
}

statements! {
    HEAD_UNLOCKED = "SELECT seq, hash FROM audit_heads WHERE line = $1";
    LINKS = "SELECT audit.line, audit.seq, audit.at, audit.actor, audit.action, reports.id AS report, audit.object, audit.digest, audit.detail,
        audit.hash, audit.mac, audit.signature, audit.signer, previous.hash AS before FROM audit LEFT JOIN reports ON reports.n = audit.report
        LEFT JOIN audit AS previous ON previous.line = audit.line AND previous.seq = audit.seq - 1 WHERE audit.line = $1 AND audit.seq > $2 ORDER BY audit.seq LIMIT 1000";
    RANGE = "SELECT audit.line, audit.seq, audit.at, audit.actor, audit.action, reports.id AS report, audit.object, audit.digest, audit.detail,
        audit.hash, audit.mac, audit.signature, audit.signer, previous.hash AS before FROM audit LEFT JOIN reports ON reports.n = audit.report
        LEFT JOIN audit AS previous ON previous.line = audit.line AND previous.seq = audit.seq - 1
        WHERE audit.line = $1 AND audit.seq >= $2 AND audit.seq <= $3 ORDER BY audit.seq";
    OF_REPORT = "SELECT audit.line, audit.seq, audit.at, audit.actor, audit.action, reports.id AS report, audit.object, audit.digest, audit.detail,
        audit.hash, audit.mac, audit.signature, audit.signer, previous.hash AS before FROM audit LEFT JOIN reports ON reports.n = audit.report
        LEFT JOIN audit AS previous ON previous.line = audit.line AND previous.seq = audit.seq - 1
        WHERE audit.line = $1 AND audit.report = (SELECT n FROM reports WHERE id = $2) ORDER BY audit.seq";
    COMMITTED = "SELECT audit.line, audit.seq, audit.at, audit.actor, audit.action, reports.id AS report, audit.object, audit.digest, audit.detail,
        audit.hash, audit.mac, audit.signature, audit.signer, previous.hash AS before FROM audit LEFT JOIN reports ON reports.n = audit.report
        LEFT JOIN audit AS previous ON previous.line = audit.line AND previous.seq = audit.seq - 1
        WHERE audit.line = $1 AND audit.report = (SELECT n FROM reports WHERE id = $2) AND (audit.digest IS NOT NULL OR audit.action IN ($3, $4))
        ORDER BY audit.seq";
    OF_MEMBERS = "SELECT audit.line, audit.seq, audit.at, audit.actor, audit.action, reports.id AS report, audit.object, audit.digest, audit.detail,
        audit.hash, audit.mac, audit.signature, audit.signer, previous.hash AS before FROM audit LEFT JOIN reports ON reports.n = audit.report
        LEFT JOIN audit AS previous ON previous.line = audit.line AND previous.seq = audit.seq - 1
        WHERE audit.line = $1 AND audit.report IS NULL AND audit.seq > $2 AND audit.at >= $3
        AND audit.action IN ($4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ORDER BY audit.seq LIMIT 1000";
    ONE = "SELECT audit.line, audit.seq, audit.at, audit.actor, audit.action, reports.id AS report, audit.object, audit.digest, audit.detail,
        audit.hash, audit.mac, audit.signature, audit.signer, previous.hash AS before FROM audit LEFT JOIN reports ON reports.n = audit.report
        LEFT JOIN audit AS previous ON previous.line = audit.line AND previous.seq = audit.seq - 1 WHERE audit.line = $1 AND audit.seq = $2";
    HASH = "SELECT hash FROM audit WHERE line = $1 AND seq = $2";
    END = "SELECT seq FROM audit_heads WHERE line = $1";
    HEADS = "SELECT line, seq FROM audit_heads WHERE line <> '*' ORDER BY line";
    TO_NAME = "SELECT audit_heads.line, audit_heads.seq, audit_heads.hash FROM audit_heads
        JOIN audit ON audit.line = audit_heads.line AND audit.seq = audit_heads.seq
        WHERE audit_heads.line <> '*' AND audit_heads.line > $1 AND audit.action <> $2 ORDER BY audit_heads.line LIMIT 50";
    ALL_HEADS = "SELECT line, seq FROM audit_heads ORDER BY line";
    TOTAL = "SELECT CAST(COALESCE(SUM(seq), 0) AS BIGINT) FROM audit_heads WHERE line <> '*'";
}

over_rows! {
    HEADS_OF = "WITH wanted (line) AS (", ["text"],
        ") SELECT line, seq, hash FROM audit_heads WHERE line IN (SELECT line FROM wanted) ORDER BY line";
    HASHES = "WITH seen (line, seq) AS (", ["text", "bigint"],
        ") SELECT audit.line, hash FROM seen JOIN audit ON audit.line = seen.line AND audit.seq = seen.seq";
}

/// Returns the number and hash of a line's last link; `None` if the line has no trail.
pub async fn head(tx: &mut ReadTx, line: &str) -> Result<Option<(i64, [u8; 32])>> {
    let found: Option<(i64, Vec<u8>)> = run!(tx, HEAD_UNLOCKED, fetch_optional, line)?;
    found
        .map(|(seq, hash)| Ok((seq, read_hash(hash)?)))
        .transpose()
}

/// Returns the hashes of one link of each of these chains, by chain. A link that is missing has none.
pub(super) async fn hashes(
    tx: &mut ReadTx,
    links: &BTreeMap<String, Head>,
) -> Result<BTreeMap<String, [u8; 32]>> {
    let mut hashes = BTreeMap::new();
    let all: Vec<(&String, &Head)> = links.iter().collect();
    for links in all.chunks(AT_ONCE) {
        let asked = Rows::new(HASHES)
            .text(links.iter().map(|(line, _)| Some((*line).clone())))
            .integer(links.iter().map(|(_, (seq, _))| Some(*seq)));
        let rows: Vec<(String, Vec<u8>)> = rows::fetch(tx, asked, "").await?;
        for (line, hash) in rows {
            // A hash of another length is another hash.
            hashes.insert(line, read_hash(hash).unwrap_or_default());
        }
    }
    Ok(hashes)
}

/// Returns the number of the last link of each chain, by chain, also of the service's.
pub(super) async fn all_heads(tx: &mut ReadTx) -> Result<BTreeMap<String, i64>> {
    let heads: Vec<(String, i64)> = run!(tx, ALL_HEADS, fetch_all)?;
    Ok(heads.into_iter().collect())
}

/// Returns line, number and hash of the last links of lines, except those that name the head of the service: at most 50,
/// in order of line, after the line `after`.
pub(super) async fn heads_to_name(
    tx: &mut ReadTx,
    after: &str,
) -> Result<Vec<(String, i64, Vec<u8>)>> {
    run!(tx, TO_NAME, fetch_all, after, Action::HeadNamed)
}

/// Returns the hash of a link of the service's chain; `None` if it is missing.
pub async fn hash_of_service(tx: &mut ReadTx, seq: i64) -> Result<Option<[u8; 32]>> {
    let found: Option<(Vec<u8>,)> = run!(tx, HASH, fetch_optional, SERVICE, seq)?;
    found.map(|(hash,)| read_hash(hash)).transpose()
}

/// Returns the hash of a link; `None` if the link is missing, or its hash or MAC does not hold.
pub(super) async fn proven_hash(tx: &mut ReadTx, line: &str, seq: i64) -> Result<Option<[u8; 32]>> {
    let links = stored_links(tx, line, seq - 1).await?;
    let link = links.into_iter().next().filter(|link| link.seq == seq);
    let chained = link.map(|link| link.chained(&tx.proofs)).transpose()?;
    Ok(chained.flatten().map(|(_, hash)| hash))
}

/// Checks that a chain, which ends with `now`, still has the link `seen`.
pub(super) async fn is_seen(tx: &mut ReadTx, chain: &str, seen: Head, now: Head) -> Result<()> {
    if now.0 < seen.0 {
        return heads::compare(chain, seen, now);
    }
    let found: Option<(Vec<u8>,)> = run!(tx, HASH, fetch_optional, chain, seen.0)?;
    let hash = found.map(|(hash,)| read_hash(hash)).transpose()?;
    // If it is another one, another chain was made in place of this one.
    heads::compare(chain, seen, (seen.0, hash.unwrap_or_default()))
}

pub(super) fn read_hash(hash: Vec<u8>) -> Result<[u8; 32]> {
    hash.try_into()
        .map_err(|_| StoreError::Unreadable("audit hash"))
}

/// Returns a line's links after number `after`, in order, at most 1,000. They are not proven: they may only decide which
/// open pages are updated.
pub async fn links(tx: &mut ReadTx, line: &str, after: i64) -> Result<Vec<LinkRow>> {
    run!(tx, LINKS, fetch_all, line, after)
}

/// Like [`links`], for `audit verify`: a link that cannot be read does not hide the others.
pub async fn stored_links(tx: &mut ReadTx, line: &str, after: i64) -> Result<Vec<StoredLink>> {
    run!(tx, LINKS, fetch_all, line, after)
}

/// Returns a line's links from number `first` to number `last` whose hash, MAC and signature hold, in order.
pub async fn range(tx: &mut ReadTx, line: &str, first: i64, last: i64) -> Result<Vec<LinkRow>> {
    let found: Vec<StoredLink> = run!(tx, RANGE, fetch_all, line, first, last)?;
    proven(tx, found).await
}

/// Returns the links about one report whose hash and MAC hold, in order.
pub async fn of_report(tx: &mut ReadTx, line: &str, report: Uuid) -> Result<Vec<LinkRow>> {
    let found: Vec<StoredLink> = run!(tx, OF_REPORT, fetch_all, line, report)?;
    proven(tx, found).await
}

/// Returns the links about one report that commit to sealed data, or say that an entry was purged or that the report
/// was queued, and whose hash and MAC hold, in order.
pub async fn committed(tx: &mut ReadTx, line: &str, report: Uuid) -> Result<Vec<LinkRow>> {
    let [purged, queued] = [Action::EntryPurged, Action::ReportQueued];
    let found: Vec<StoredLink> = run!(tx, COMMITTED, fetch_all, line, report, purged, queued)?;
    proven(tx, found).await
}

/// Returns one link of a line's chain; `None` if it is missing, or its hash, MAC or signature does not hold.
pub async fn one(tx: &mut ReadTx, line: &str, seq: i64) -> Result<Option<LinkRow>> {
    let found: Option<StoredLink> = run!(tx, ONE, fetch_optional, line, seq)?;
    let proven = proven(tx, found.into_iter().collect()).await?;
    Ok(proven.into_iter().next())
}

/// Returns a line's links with an action of [`Action::ABOUT_MEMBERS`], in order, at most 1,000: those after number
/// `after` and not before the time `since`, whose hash and MAC hold.
pub async fn of_members(
    tx: &mut ReadTx,
    line: &str,
    after: i64,
    since: DateTime<Utc>,
) -> Result<Vec<LinkRow>> {
    let [a, b, c, d, e, f, g, h, i, j] = Action::ABOUT_MEMBERS;
    let found: Vec<StoredLink> = run!(
        tx, OF_MEMBERS, fetch_all, line, after, since, a, b, c, d, e, f, g, h, i, j
    )?;
    proven(tx, found).await
}

/// Returns the number of a line's last link; 0 when it has none.
pub async fn end(tx: &mut ReadTx, line: &str) -> Result<i64> {
    let found: Option<(i64,)> = run!(tx, END, fetch_optional, line)?;
    Ok(found.map_or(0, |(seq,)| seq))
}

/// Returns each line that has a trail, with the number of its last link, in order of line.
pub async fn heads(tx: &mut ReadTx) -> Result<Vec<(String, i64)>> {
    run!(tx, HEADS, fetch_all)
}

/// Like [`heads()`], for these lines only.
pub async fn heads_of(tx: &mut ReadTx, lines: &[&str]) -> Result<Vec<(String, i64)>> {
    let asked = Rows::new(HEADS_OF).text(lines.iter().map(|line| Some((*line).to_owned())));
    let rows: Vec<(String, i64, Vec<u8>)> = rows::fetch(tx, asked, "").await?;
    Ok(rows.into_iter().map(|(line, seq, _)| (line, seq)).collect())
}

/// Returns the number of links of all lines' trails.
pub async fn total(tx: &mut ReadTx) -> Result<i64> {
    let found: Option<(i64,)> = run!(tx, TOTAL, fetch_optional)?;
    Ok(found.map_or(0, |(total,)| total))
}

impl LinkRow {
    /// Returns the link in the form that the chain hashes; `None` when its digest does not have 32 bytes.
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
            action: self.action,
            report: self.report,
            object: self.object,
            digest,
            detail: self.detail.clone(),
        })
    }
}
