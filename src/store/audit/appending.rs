//! Adds links to chains: they are collected during a transaction, and numbered, hashed, signed and written at its
//! commit.

use super::{AT_ONCE, HEADS_OF, SERVICE, read_hash};
use crate::store::rows::{self, Groups, Rows, over_rows};
use crate::store::service_chain::SetRow;
use crate::store::statements::{run, statements};
use crate::store::{Result, StoreError, WriteTx, members, report_keys};
use crate::vault::action::Action;
use crate::vault::chain::{self, Link};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Links that a transaction adds to trails, by line, and for each line in the order in which they were added. They get
/// their numbers and hashes at the commit.
pub(in crate::store) type Acts = BTreeMap<String, Vec<Link>>;

statements! {
    START = "INSERT INTO audit_heads (line, seq, hash) VALUES ($1, 0, $2) ON CONFLICT (line) DO NOTHING";
}

over_rows! {
    /// If no row has the report id, 0 is inserted, which no report has as its number: the foreign key refuses the link.
    INSERT = "WITH links (line, seq, at, actor, action, report, object, digest, detail, hash, mac, signature, signer) AS (",
        ["text", "bigint", "timestamptz", "text", "text", "uuid", "uuid", "bytea", "text", "bytea", "bytea", "bytea", "uuid"],
        ") INSERT INTO audit (line, seq, at, actor, action, report, object, digest, detail, hash, mac, signature, signer)
        SELECT links.line, links.seq, links.at, links.actor, links.action,
        CASE WHEN links.report IS NOT NULL THEN COALESCE((SELECT n FROM reports WHERE id = links.report), 0) END,
        links.object, links.digest, links.detail, links.hash, links.mac, links.signature, links.signer FROM links ORDER BY links.seq";
    /// The rows of the heads exist already and are locked by this transaction.
    SET_HEADS = "INSERT INTO audit_heads (line, seq, hash)", ["text", "bigint", "bytea"],
        "ON CONFLICT (line) DO UPDATE SET seq = excluded.seq, hash = excluded.hash";
}

/// An act to be written into the trail.
#[derive(Clone)]
pub struct Act<'a> {
    /// Line time of the act; the start of the hour if a caller caused it.
    pub at: DateTime<Utc>,
    /// The name of the member who acted; `None` if the service did.
    pub actor: Option<&'a str>,
    /// The action.
    pub action: Action,
    /// The report that the action is about.
    pub report: Option<Uuid>,
    /// The id of what else the action is about, such as an entry, a recording or a member.
    pub object: Option<Uuid>,
    /// Hash of the sealed data that the link commits to, for a recording of the digests of its file; `None` if it
    /// commits to none.
    pub digest: Option<[u8; 32]>,
    /// Further text; its meaning depends on the action.
    pub detail: Option<&'a str>,
}

impl Act<'_> {
    /// Returns an act without actor, report, object, digest and detail. The function's caller sets those that apply.
    pub fn new(at: DateTime<Utc>, action: Action) -> Self {
        Self {
            at,
            actor: None,
            action,
            report: None,
            object: None,
            digest: None,
            detail: None,
        }
    }
}

/// Adds a link to a line's chain. It is written at the commit, so statements of this transaction do not see it. Returns
/// its place among the links that the transaction adds to this chain, from 0.
pub fn append(tx: &mut WriteTx, line: &str, act: Act<'_>) -> usize {
    let link = link_of(line, act);
    let links = tx.acts.entry(line.to_owned()).or_default();
    links.push(link);
    links.len() - 1
}

/// Returns the link of an act, with the number 0. It gets its number and hash at the commit.
pub(in crate::store) fn link_of(line: &str, act: Act<'_>) -> Link {
    Link {
        line: line.to_owned(),
        seq: 0,
        at: act.at,
        actor: act.actor.map(str::to_owned),
        action: act.action,
        report: act.report,
        object: act.object,
        digest: act.digest,
        detail: act.detail.map(str::to_owned),
    }
}

/// Writes the links of a transaction. Heads are locked in order of line, so that the links of a line have one order and
/// no two transactions deadlock.
pub(in crate::store) async fn write(tx: &mut WriteTx) -> Result<()> {
    let acts = std::mem::take(&mut tx.acts);
    if acts.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = acts.keys().cloned().collect();
    let mut heads = lock_heads(tx, &lines).await?;
    if heads.len() < lines.len() {
        // At least one line has no link yet. Another transaction may write the first links of the same line too: both
        // insert the same row, and one waits for the other.
        for line in &lines {
            run!(tx, START, execute, line, &chain::genesis(line)[..])?;
        }
        heads = lock_heads(tx, &lines).await?;
    }
    check_signer(tx, acts.values().flatten()).await?;
    let keys = tx.proofs.keys()?.clone();
    let mut written: Vec<Written> = Vec::new();
    let mut ends: Vec<(String, i64, [u8; 32])> = Vec::new();
    let mut settings = std::mem::take(&mut tx.settings);
    let mut set = Vec::new();
    let mut resealed = std::mem::take(&mut tx.resealed);
    let mut of_keys = Vec::new();
    for (line, links) in acts {
        let head = heads.get(&line).ok_or(StoreError::Unreadable("audit head"));
        let (mut seq, mut hash) = *head?;
        tx.proofs.heads().check(&line, (seq, hash))?;
        for (place, mut link) in links.into_iter().enumerate() {
            seq += 1;
            link.seq = seq;
            let setting = settings.remove(&place).filter(|_| line == SERVICE);
            set.extend(setting.map(|setting| (setting, seq)));
            if let Some(rows) = resealed.remove(&(line.clone(), place)) {
                of_keys.push(report_keys::rows_of(tx, rows, seq)?);
            }
            hash = chain::hash(&hash, &link);
            let mac = keys.of_link(&hash);
            let signature = match (&link.actor, &tx.signer) {
                (None, _) => None,
                (Some(_), Some(signer)) => Some((signer.id(), signer.sign(&hash))),
                (Some(_), None) => {
                    return Err(StoreError::Broken(
                        "a link that a member caused is not signed",
                    ));
                }
            };
            written.push(Written {
                link,
                hash,
                mac,
                signature,
            });
        }
        ends.push((line, seq, hash));
    }
    for (setting, link) in set {
        setting.store(tx, link).await?;
    }
    let mut groups: Groups = written
        .chunks(AT_ONCE)
        .map(|links| vec![rows_of_links(links)])
        .collect();
    if let Some(last) = groups.last_mut() {
        last.push(rows_of_heads(&ends));
        last.extend(of_keys);
    }
    let ends = ends
        .into_iter()
        .map(|(line, seq, hash)| (line, (seq, hash)));
    tx.ends.extend(ends);
    rows::execute_last(tx, groups).await
}

/// Checks that the member who signs links of the transaction is not disabled and has no other key by now. Called with
/// the heads locked: so no link that the member signs comes after the one that disables them.
///
/// # Errors
///
/// Returns [`StoreError::SignerGone`] when the member is disabled or has another key. Also when the database fails.
async fn check_signer(tx: &mut WriteTx, mut links: impl Iterator<Item = &Link>) -> Result<()> {
    let is_signed = links.any(|link| link.actor.is_some());
    let Some(signer) = tx.signer.clone().filter(|_| is_signed) else {
        return Ok(());
    };
    if tx.pending.contains(&SetRow::Member(signer.id())) {
        // The change of the key itself, or the first lead.
        return Ok(());
    }
    // A recovery key belongs to no member.
    match members::by_id(tx, signer.id()).await? {
        Some(member) if member.disabled => Err(StoreError::SignerGone),
        Some(member) if member.verifying != signer.verifying().to_string() => {
            Err(StoreError::SignerGone)
        }
        _ => Ok(()),
    }
}

/// A link with its number, hash and MAC, and who signed it with the signature.
struct Written {
    link: Link,
    hash: [u8; 32],
    mac: [u8; 32],
    signature: Option<(Uuid, [u8; 64])>,
}

/// Returns the number and hash of the last link of each of these lines that has one, locked until the transaction ends.
async fn lock_heads(
    tx: &mut WriteTx,
    lines: &[String],
) -> Result<BTreeMap<String, (i64, [u8; 32])>> {
    let asked = Rows::new(HEADS_OF).text(lines.iter().cloned().map(Some));
    let rows: Vec<(String, i64, Vec<u8>)> = rows::fetch(tx, asked, " FOR UPDATE").await?;
    rows.into_iter()
        .map(|(line, seq, hash)| Ok((line, (seq, read_hash(hash)?))))
        .collect()
}

fn rows_of_links(links: &[Written]) -> Rows {
    let all = || links.iter().map(|written| &written.link);
    let signatures = || links.iter().map(|written| written.signature);
    let digest = |link: &Link| link.digest.map(|digest| digest.to_vec());
    Rows::new(INSERT)
        .text(all().map(|link| Some(link.line.clone())))
        .integer(all().map(|link| Some(link.seq)))
        .time(all().map(|link| Some(link.at)))
        .text(all().map(|link| link.actor.clone()))
        .name(all().map(|link| link.action))
        .uuid(all().map(|link| link.report))
        .uuid(all().map(|link| link.object))
        .bytes(all().map(digest))
        .text(all().map(|link| link.detail.clone()))
        .bytes(links.iter().map(|written| Some(written.hash.to_vec())))
        .bytes(links.iter().map(|written| Some(written.mac.to_vec())))
        .bytes(signatures().map(|signed| signed.map(|(_, signature)| signature.to_vec())))
        .uuid(signatures().map(|signed| signed.map(|(by, _)| by)))
}

fn rows_of_heads(ends: &[(String, i64, [u8; 32])]) -> Rows {
    Rows::new(SET_HEADS)
        .text(ends.iter().map(|(line, ..)| Some(line.clone())))
        .integer(ends.iter().map(|(_, seq, _)| Some(*seq)))
        .bytes(ends.iter().map(|(.., hash)| Some(hash.to_vec())))
}
