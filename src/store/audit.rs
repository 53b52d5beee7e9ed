//! The audit trail: a hash chain per line. How links are hashed is [`crate::vault::chain`]'s business.

use super::statements::{row, run, statements};
use super::{On, Result, StoreError, Tx};
use crate::vault::chain::{self, Link};
use chrono::{DateTime, Utc};
use sqlx::QueryBuilder;
use std::collections::BTreeMap;
use uuid::Uuid;

/// What a transaction adds to the trail, by line and in the order it was said. Their numbers and hashes come at the commit.
pub(super) type Acts = BTreeMap<String, Vec<Link>>;

/// Links in one statement at most: SQLite takes 32,766 values in one.
const AT_ONCE: usize = 1000;

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
    HEAD = "SELECT line, seq, hash FROM audit_heads WHERE line = $1", postgres: " FOR UPDATE";
    HEAD_UNLOCKED = "SELECT seq, hash FROM audit_heads WHERE line = $1";
    INSERT = "INSERT INTO audit (line, seq, at, actor, action, report, object, digest, detail, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    SET_HEAD = "UPDATE audit_heads SET seq = $2, hash = $3 WHERE line = $1";
    LINKS = "SELECT line, seq, at, actor, action, report, object, digest, detail, hash FROM audit WHERE line = $1 AND seq > $2 ORDER BY seq LIMIT 1000";
    OF_REPORT = "SELECT line, seq, at, actor, action, report, object, digest, detail, hash FROM audit WHERE line = $1 AND report = $2 ORDER BY seq";
    COMMITTED = "SELECT line, seq, at, actor, action, report, object, digest, detail, hash FROM audit
        WHERE line = $1 AND report = $2 AND (digest IS NOT NULL OR action = 'entry_purged') ORDER BY seq";
    OF_MEMBERS = "SELECT line, seq, at, actor, action, report, object, digest, detail, hash FROM audit
        WHERE line = $1 AND report IS NULL AND seq > $2 AND at >= $3 AND action IN ('member_added', 'granted', 'member_disabled',
        'member_enabled', 'member_confirmed', 'confirmation_waived', 'confirmation_required') ORDER BY seq LIMIT 1000";
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

/// Adds a link to a line's chain, at the commit: until then nothing waits for it, and nothing reads it.
pub fn append(tx: &mut Tx, line: &str, act: Act<'_>) {
    let link = Link {
        line: line.to_owned(),
        seq: 0,
        at: act.at,
        actor: act.actor.map(str::to_owned),
        action: act.action.to_owned(),
        report: act.report,
        object: act.object,
        digest: act.digest,
        detail: act.detail.map(str::to_owned),
    };
    tx.acts.entry(line.to_owned()).or_default().push(link);
}

/// Writes the links of a transaction. The heads are locked in order of line, so that there is one order of all links of
/// a line, and no two transactions wait for each other.
pub(super) async fn write(tx: &mut Tx) -> Result<()> {
    let acts = std::mem::take(&mut tx.acts);
    if acts.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = acts.keys().cloned().collect();
    let mut heads = lock_heads(tx, &lines).await?;
    if heads.len() < lines.len() {
        // The first links of a line. Another transaction may write its first ones now: both wait for one row.
        for line in &lines {
            run!(tx, START, execute, line, &chain::genesis(line)[..])?;
        }
        heads = lock_heads(tx, &lines).await?;
    }
    let mut written: Vec<(Link, [u8; 32])> = Vec::new();
    let mut ends: Vec<(String, i64, [u8; 32])> = Vec::new();
    for (line, links) in acts {
        let head = heads.get(&line).ok_or(StoreError::Unreadable("audit head"));
        let (mut seq, mut hash) = *head?;
        for mut link in links {
            seq += 1;
            link.seq = seq;
            hash = chain::hash(&hash, &link);
            written.push((link, hash));
        }
        ends.push((line, seq, hash));
    }
    for links in written.chunks(AT_ONCE) {
        insert(tx, links).await?;
    }
    set_heads(tx, &ends).await
}

/// The number and hash of the last link of each of these lines that has one, locked until the transaction ends.
async fn lock_heads(tx: &mut Tx, lines: &[String]) -> Result<BTreeMap<String, (i64, [u8; 32])>> {
    let rows: Vec<(String, i64, Vec<u8>)> = if let [line] = lines {
        run!(tx, HEAD, fetch_all, line)?
    } else {
        // As many `$1, $2 …` as there are lines.
        macro_rules! heads {
            ($tx:expr, $lock:expr) => {{
                let mut select =
                    QueryBuilder::new("SELECT line, seq, hash FROM audit_heads WHERE line IN (");
                let mut list = select.separated(", ");
                for line in lines {
                    list.push_bind(line);
                }
                select.push(") ORDER BY line").push($lock);
                select.build_query_as().fetch_all(&mut **$tx).await?
            }};
        }
        match &mut tx.on {
            On::Sqlite(tx) => heads!(tx, ""),
            On::Postgres(tx) => heads!(tx, " FOR UPDATE"),
        }
    };
    rows.into_iter()
        .map(|(line, seq, hash)| Ok((line, (seq, read_hash(hash)?))))
        .collect()
}

async fn insert(tx: &mut Tx, links: &[(Link, [u8; 32])]) -> Result<()> {
    if let [(link, hash)] = links {
        let digest = link.digest.as_ref().map(|digest| &digest[..]);
        return run!(
            tx,
            INSERT,
            execute,
            &link.line,
            link.seq,
            link.at,
            link.actor.as_deref(),
            &link.action,
            link.report,
            link.object,
            digest,
            link.detail.as_deref(),
            &hash[..]
        )
        .map(drop);
    }
    macro_rules! insert {
        ($tx:expr) => {{
            let mut insert = QueryBuilder::new(
                "INSERT INTO audit (line, seq, at, actor, action, report, object, digest, detail, hash) ",
            );
            insert.push_values(links, |mut row, (link, hash)| {
                row.push_bind(&link.line)
                    .push_bind(link.seq)
                    .push_bind(link.at)
                    .push_bind(link.actor.as_deref())
                    .push_bind(&link.action)
                    .push_bind(link.report)
                    .push_bind(link.object)
                    .push_bind(link.digest.as_ref().map(|digest| &digest[..]))
                    .push_bind(link.detail.as_deref())
                    .push_bind(&hash[..]);
            });
            insert.build().execute(&mut **$tx).await?;
        }};
    }
    match &mut tx.on {
        On::Sqlite(tx) => insert!(tx),
        On::Postgres(tx) => insert!(tx),
    }
    Ok(())
}

async fn set_heads(tx: &mut Tx, ends: &[(String, i64, [u8; 32])]) -> Result<()> {
    if let [(line, seq, hash)] = ends {
        return run!(tx, SET_HEAD, execute, line, *seq, &hash[..]).map(drop);
    }
    macro_rules! set {
        ($tx:expr) => {{
            let mut insert = QueryBuilder::new("INSERT INTO audit_heads (line, seq, hash) ");
            insert.push_values(ends, |mut row, (line, seq, hash)| {
                row.push_bind(line).push_bind(*seq).push_bind(&hash[..]);
            });
            // All of them are there, and locked.
            insert
                .push(" ON CONFLICT (line) DO UPDATE SET seq = excluded.seq, hash = excluded.hash");
            insert.build().execute(&mut **$tx).await?;
        }};
    }
    match &mut tx.on {
        On::Sqlite(tx) => set!(tx),
        On::Postgres(tx) => set!(tx),
    }
    Ok(())
}

/// The number and hash of a line's last link.
pub async fn head(tx: &mut Tx, line: &str) -> Result<Option<(i64, [u8; 32])>> {
    let found: Option<(i64, Vec<u8>)> = run!(tx, HEAD_UNLOCKED, fetch_optional, line)?;
    found
        .map(|(seq, hash)| Ok((seq, read_hash(hash)?)))
        .transpose()
}

fn read_hash(hash: Vec<u8>) -> Result<[u8; 32]> {
    hash.try_into()
        .map_err(|_| StoreError::Unreadable("audit hash"))
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

/// Links about who works on a line, the oldest first, a thousand at most: after number `after`, not before `since`.
pub async fn of_members(
    tx: &mut Tx,
    line: &str,
    after: i64,
    since: DateTime<Utc>,
) -> Result<Vec<LinkRow>> {
    run!(tx, OF_MEMBERS, fetch_all, line, after, since)
}

/// The number of a line's last link; 0 when it has none.
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
