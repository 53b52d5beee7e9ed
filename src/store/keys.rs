//! Line keys, and the grants by which members hold them.

use super::audit::{self, Act};
use super::proofs::{Proven, WithMac};
use super::service_chain::SetRow;
use super::statements::{row, run, statements};
use super::{ReadTx, Result, StoreError, WriteTx, report_keys};
use crate::vault::proof::Content;
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;
use uuid::Uuid;

row! {
    /// A line's key.
    #[derive(Clone)]
    pub struct LineKey {
        /// Its id.
        pub id: Uuid,
        /// The line.
        pub line: String,
        /// 1 for a line's first key. The key with the highest epoch is the line's current one.
        pub epoch: i32,
        /// The public half.
        pub recipient: String,
        /// The private half, sealed to the recovery key of the line.
        pub recovery: Vec<u8>,
        /// The public half of the recovery key's signing key.
        pub recovery_verifying: String,
        /// The public half of the recovery key, to which the line's next key is sealed too.
        pub recovery_recipient: String,
    }
}

row! {
    /// A line key that a member holds.
    #[derive(Clone)]
    pub struct Grant {
        /// The id of the line key.
        pub line_key: Uuid,
        /// The id of the member.
        pub member: Uuid,
        /// The line.
        pub line: String,
        /// The line key's private half, sealed to the member.
        pub sealed: Vec<u8>,
    }
}

row! {
    /// Version of a member's grants. It is another one when the grants have changed.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct GrantsVersion {
        /// Number of times that the program has given the member a line key.
        granted: i64,
        /// Sum of the numbers of the links that set the rows, -1 for a row without: another one if rows were added or
        /// removed by hand.
        links: i64,
    }
}

impl Proven for LineKey {
    const TABLE: &'static str = "line_keys";

    fn content(&self) -> Content {
        Content::of(Self::TABLE)
            .id(self.id)
            .text(&*self.line)
            .integer(i64::from(self.epoch))
            .text(&*self.recipient)
            .bytes(&*self.recovery)
            .text(&*self.recovery_recipient)
            .text(&*self.recovery_verifying)
    }

    fn set_row(&self) -> Option<SetRow> {
        Some(SetRow::LineKey(self.id))
    }

    fn id(&self) -> Uuid {
        self.id
    }
}

impl Proven for Grant {
    const TABLE: &'static str = "grants";

    /// Covers the line too, which is in the row of the line key.
    fn content(&self) -> Content {
        Content::of(Self::TABLE)
            .id(self.line_key)
            .id(self.member)
            .text(&*self.line)
            .bytes(&*self.sealed)
    }

    fn set_row(&self) -> Option<SetRow> {
        Some(SetRow::Grant(self.line_key, self.member))
    }

    fn id(&self) -> Uuid {
        self.line_key
    }
}

impl LineKey {
    /// Returns the digest of the row, to which the link that sets it commits.
    pub fn digest(&self) -> [u8; 32] {
        self.content().digest()
    }
}

impl Grant {
    /// Returns the digest of the row, to which the link that sets it commits.
    pub fn digest(&self) -> [u8; 32] {
        self.content().digest()
    }
}

statements! {
    INSERT_LINE_KEY = "INSERT INTO line_keys (id, line, epoch, recipient, recovery, recovery_recipient, recovery_verifying, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    CURRENT_KEY = "SELECT id, line, epoch, recipient, recovery, recovery_recipient, recovery_verifying, mac, link,
        (SELECT MAX(seq) FROM audit WHERE audit.line = '*') AS head
        FROM line_keys WHERE line = $1 ORDER BY epoch DESC LIMIT 1";
    FIRST_KEY = "SELECT id, line, epoch, recipient, recovery, recovery_recipient, recovery_verifying, mac, link,
        (SELECT MAX(seq) FROM audit WHERE audit.line = '*') AS head
        FROM line_keys WHERE line = $1 AND epoch = 1";
    LOCK_LINE_KEYS = "SELECT id FROM line_keys WHERE line = $1 ORDER BY epoch", postgres: " FOR UPDATE";
    LOCK_LINE_KEYS_FOR_PIECE = "SELECT id FROM line_keys WHERE line = $1 ORDER BY epoch", postgres: " FOR NO KEY UPDATE";
    SEALED_TO = "SELECT id FROM line_keys WHERE line = $1 AND EXISTS (SELECT 1 FROM report_keys WHERE sealed_to = line_keys.id)
        AND EXISTS (SELECT 1 FROM grants WHERE line_key = line_keys.id)";
    LINE_KEYS = "SELECT id, line, epoch, recipient, recovery, recovery_recipient, recovery_verifying, mac, link,
        (SELECT MAX(seq) FROM audit WHERE audit.line = '*') AS head
        FROM line_keys ORDER BY line, epoch";
    INSERT_GRANT = "INSERT INTO grants (line_key, member, sealed) VALUES ($1, $2, $3) ON CONFLICT (line_key, member) DO NOTHING";
    GRANTS = "SELECT line_key, member, line_keys.line, sealed, grants.mac, grants.link, (SELECT MAX(seq) FROM audit WHERE audit.line = '*') AS head
        FROM grants JOIN line_keys ON line_keys.id = grants.line_key WHERE member = $1 ORDER BY line, epoch";
    GRANT = "SELECT line_key, member, line_keys.line, sealed, grants.mac, grants.link, (SELECT MAX(seq) FROM audit WHERE audit.line = '*') AS head
        FROM grants JOIN line_keys ON line_keys.id = grants.line_key WHERE line_key = $1 AND member = $2";
    ALL_GRANTS = "SELECT line_key, member, line_keys.line, sealed, grants.mac, grants.link, (SELECT MAX(seq) FROM audit WHERE audit.line = '*') AS head
        FROM grants JOIN line_keys ON line_keys.id = grants.line_key ORDER BY line_key, member";
    GRANTS_OF_LINE = "SELECT line_key, member, line_keys.line, sealed, grants.mac, grants.link, (SELECT MAX(seq) FROM audit WHERE audit.line = '*') AS head
        FROM grants JOIN line_keys ON line_keys.id = grants.line_key WHERE line_keys.line = $1 ORDER BY epoch, member";
    DELETE_GRANT = "DELETE FROM grants WHERE line_key = $1 AND member = $2";
    RESEAL_GRANT = "UPDATE grants SET sealed = $3 WHERE line_key = $1 AND member = $2";
    COUNT_GRANT = "UPDATE members SET granted = granted + 1 WHERE id = $1";
    GRANTS_VERSION = "SELECT granted, (SELECT CAST(COALESCE(SUM(COALESCE(grants.link, -1)), 0) AS BIGINT)
        FROM grants WHERE member = members.id) AS links FROM members WHERE id = $1";
}

/// Adds a line key, and `act` to the line's trail and to the chain of the service. `now` is system time.
pub async fn insert_line_key(
    tx: &mut WriteTx,
    key: &LineKey,
    now: DateTime<Utc>,
    act: Act<'_>,
) -> Result<()> {
    run!(
        tx,
        INSERT_LINE_KEY,
        execute,
        key.id,
        &key.line,
        key.epoch,
        &key.recipient,
        &key.recovery[..],
        &key.recovery_recipient,
        &key.recovery_verifying,
        now
    )?;
    audit::append(tx, &key.line, act.clone());
    let detail = format!("{} {}", key.line, key.recovery_verifying);
    let of_service = Act {
        detail: Some(&detail),
        ..act
    };
    tx.set(of_service, SetRow::LineKey(key.id), key);
    Ok(())
}

/// Returns the line key that the keys of new reports are sealed to: the one with the highest epoch. `None` if the line
/// has no key.
pub async fn current_key(tx: &mut ReadTx, line: &str) -> Result<Option<LineKey>> {
    let found: Option<WithMac<LineKey>> = run!(tx, CURRENT_KEY, fetch_optional, line)?;
    let head = found.as_ref().and_then(WithMac::head);
    let key: Option<LineKey> = tx.proven_one(found).await?;
    tx.is_current_key(line, key.as_ref().map(|key| key.id), head)
        .await?;
    Ok(key)
}

/// True if `pinned` is the public half of the line's key `current`, or of the line's first key. Later keys descend from
/// the first one: each of their rows is set by a link that a holder of the key before caused.
pub async fn is_pinned(tx: &mut ReadTx, current: &LineKey, pinned: &str) -> Result<bool> {
    if current.epoch == 1 {
        return Ok(current.recipient == pinned);
    }
    Ok(first_key(tx, &current.line)
        .await?
        .is_some_and(|first| first.recipient == pinned))
}

/// Returns the first key of a line, which the configuration may pin; `None` if the line has no key.
pub async fn first_key(tx: &mut ReadTx, line: &str) -> Result<Option<LineKey>> {
    let found = run!(tx, FIRST_KEY, fetch_optional, line)?;
    tx.proven_one(found).await
}

/// Locks the keys of a line until the transaction ends: no batch of webhooks seals to one of them meanwhile, and all
/// that did have been committed.
pub async fn lock(tx: &mut WriteTx, line: &str) -> Result<()> {
    let _: Vec<(Uuid,)> = run!(tx, LOCK_LINE_KEYS, fetch_all, line)?;
    Ok(())
}

/// Locks the keys of a line against [`lock`] and against itself until the transaction ends. Webhooks do not wait for
/// it.
pub async fn lock_for_piece(tx: &mut WriteTx, line: &str) -> Result<()> {
    let _: Vec<(Uuid,)> = run!(tx, LOCK_LINE_KEYS_FOR_PIECE, fetch_all, line)?;
    Ok(())
}

/// Returns the ids of those keys of a line that at least one member holds and that the key of at least one report is
/// sealed to. A key that no member holds any more was retired: another program may have put back a report key that was
/// sealed to it.
pub async fn sealed_to(tx: &mut ReadTx, line: &str) -> Result<BTreeSet<Uuid>> {
    let found: Vec<(Uuid,)> = run!(tx, SEALED_TO, fetch_all, line)?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

/// Returns the keys of a line that its members need: the current one and those that reports are still sealed to, in
/// order of epoch. Empty if the line has no key. A report key whose row is refused does not count.
pub async fn needed(tx: &mut ReadTx, line: &str) -> Result<Vec<LineKey>> {
    let Some(current) = current_key(tx, line).await? else {
        return Ok(Vec::new());
    };
    let used = sealed_to(tx, line).await?;
    let mut needed = Vec::new();
    for key in line_keys(tx).await? {
        let is_former = key.line == line && key.id != current.id && used.contains(&key.id);
        if is_former && report_keys::is_any_sealed_to(tx, key.id).await? {
            needed.push(key);
        }
    }
    needed.push(current);
    Ok(needed)
}

/// Returns all keys of all lines, in order of line and epoch.
pub async fn line_keys(tx: &mut ReadTx) -> Result<Vec<LineKey>> {
    let found = run!(tx, LINE_KEYS, fetch_all)?;
    tx.proven_all(found).await
}

/// Like [`line_keys`], for `audit verify`: returns the keys, and those whose rows are refused.
pub async fn line_keys_but_refused(tx: &mut ReadTx) -> Result<(Vec<LineKey>, Vec<LineKey>)> {
    let found = run!(tx, LINE_KEYS, fetch_all)?;
    tx.proven_rest(found).await
}

/// Returns all grants, and those whose rows are refused, for `audit verify`.
pub async fn grants_but_refused(tx: &mut ReadTx) -> Result<(Vec<Grant>, Vec<Grant>)> {
    let found = run!(tx, ALL_GRANTS, fetch_all)?;
    tx.proven_rest(found).await
}

/// Stores a line key's private half, sealed to a member, and adds `act` to the line's trail and to the chain of the
/// service. Keeps the stored one if the member holds the key already; then the line's link says so nevertheless.
pub async fn insert_grant(
    tx: &mut WriteTx,
    key: &LineKey,
    member: Uuid,
    sealed: &[u8],
    act: Act<'_>,
) -> Result<()> {
    run!(tx, COUNT_GRANT, execute, member)?;
    audit::append(tx, &key.line, act.clone());
    if run!(tx, INSERT_GRANT, execute, key.id, member, sealed)? == 0 {
        return Ok(());
    }
    let grant = Grant {
        line_key: key.id,
        member,
        line: key.line.clone(),
        sealed: sealed.to_vec(),
    };
    set_grant(tx, &grant, act);
    Ok(())
}

/// Adds the link that sets a grant to the chain of the service.
fn set_grant(tx: &mut WriteTx, grant: &Grant, act: Act<'_>) {
    let key = grant.line_key.to_string();
    let of_service = Act {
        detail: Some(&key),
        ..act
    };
    let row = SetRow::Grant(grant.line_key, grant.member);
    tx.set(of_service, row, grant);
}

/// Stores a line key's private half, sealed to a member's next key, in place of the stored one, and adds `act` to the
/// line's trail and to the chain of the service.
pub async fn reseal_grant(tx: &mut WriteTx, grant: &Grant, act: Act<'_>) -> Result<()> {
    let (key, member) = (grant.line_key, grant.member);
    run!(tx, RESEAL_GRANT, execute, key, member, &grant.sealed[..])?;
    audit::append(tx, &grant.line, act.clone());
    set_grant(tx, grant, act);
    Ok(())
}

/// Returns all grants of a line, in order of epoch and member.
pub async fn grants_of_line(tx: &mut ReadTx, line: &str) -> Result<Vec<Grant>> {
    let found = run!(tx, GRANTS_OF_LINE, fetch_all, line)?;
    let grants: Vec<Grant> = tx.proven_all(found).await?;
    let of_line = line_keys(tx).await?;
    let of_line = of_line.into_iter().filter(|key| key.line == line);
    let of_line: BTreeSet<Uuid> = of_line.map(|key| key.id).collect();
    let found = grants.iter().map(|grant| (grant.line_key, grant.member));
    let found: BTreeSet<(Uuid, Uuid)> = found.collect();
    let is_own = |row: &SetRow| matches!(row, SetRow::Grant(key, _) if of_line.contains(key));
    let is_found = |row: &SetRow| matches!(row, SetRow::Grant(key, member) if found.contains(&(*key, *member)));
    tx.none_missing(is_own, is_found).await?;
    Ok(grants)
}

/// Removes grants, and adds `act`, about the member of each, to the chain of the service. The function's caller adds
/// the link of the line's trail.
pub async fn delete_grants(tx: &mut WriteTx, grants: &[Grant], act: &Act<'_>) -> Result<()> {
    for Grant {
        line_key, member, ..
    } in grants
    {
        run!(tx, COUNT_GRANT, execute, member)?;
        run!(tx, DELETE_GRANT, execute, line_key, member)?;
        let key = line_key.to_string();
        let of_service = Act {
            object: Some(*member),
            detail: Some(&key),
            ..act.clone()
        };
        tx.unset(of_service, SetRow::Grant(*line_key, *member));
    }
    Ok(())
}

/// Returns a line key's private half, sealed to this member; `None` if the member does not hold the key.
pub async fn grant(tx: &mut ReadTx, line_key: Uuid, member: Uuid) -> Result<Option<Vec<u8>>> {
    let found = run!(tx, GRANT, fetch_optional, line_key, member)?;
    let grant: Option<Grant> = tx.proven_one(found).await?;
    Ok(grant.map(|grant| grant.sealed))
}

/// Returns the version of a member's grants. While it stays the same, the grants need not be read again.
///
/// # Errors
///
/// Returns [`StoreError::Unreadable`] when there is no such member. Also when the database fails.
pub async fn grants_version(tx: &mut ReadTx, member: Uuid) -> Result<GrantsVersion> {
    let found: Option<GrantsVersion> = run!(tx, GRANTS_VERSION, fetch_optional, member)?;
    found.ok_or(StoreError::Unreadable("member"))
}

/// Returns the line keys that a member holds, in order of line and epoch.
pub async fn grants(tx: &mut ReadTx, member: Uuid) -> Result<Vec<Grant>> {
    let found = run!(tx, GRANTS, fetch_all, member)?;
    let grants: Vec<Grant> = tx.proven_all(found).await?;
    let is_own = |row: &SetRow| matches!(row, SetRow::Grant(_, holder) if *holder == member);
    let keys: BTreeSet<Uuid> = grants.iter().map(|grant| grant.line_key).collect();
    let is_found = |row: &SetRow| matches!(row, SetRow::Grant(key, _) if keys.contains(key));
    tx.none_missing(is_own, is_found).await?;
    Ok(grants)
}
