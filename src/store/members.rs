//! Members, line keys, grants, waivers, and which changes a lead has dismissed.

use super::audit::{self, Act, SERVICE};
use super::proofs::{Proven, SetRow};
use super::statements::{row, run, statements};
use super::{ReadTx, Result, StoreError, WriteTx, sessions};
use crate::report::role::Role;
use crate::vault::action::Action;
use crate::vault::proof::Content;
use chrono::{DateTime, Utc};
use uuid::Uuid;

row! {
    /// A member: a person with a login.
    #[derive(Clone)]
    pub struct Member {
        /// The member's id.
        pub id: Uuid,
        /// The name for logging in.
        pub name: String,
        /// The role, which decides what the member may do.
        pub role: Role,
        /// The public half of the member's key.
        pub recipient: String,
        /// The private half of the member's key, encrypted under the password.
        pub wrapped: Vec<u8>,
        /// True if the account is disabled: the member cannot log in.
        pub disabled: bool,
        /// The id of the member who added this one. The first lead, whom `init` adds, has their own id here; `None` if
        /// the account was added with a recovery key.
        pub made_by: Option<Uuid>,
        /// The id of the member who confirmed that the account belongs to another person than the one who added it;
        /// `None` if it is not confirmed.
        pub confirmed_by: Option<Uuid>,
    }
}

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

row! {
    /// The decision that a line's approvals count without a third member.
    struct Waiver {
        line: String,
        /// The id of the member who decided it.
        member: Uuid,
        /// The name of that member.
        name: String,
    }
}

impl Proven for Member {
    const TABLE: &'static str = "members";
    const LINKED: bool = true;

    fn content(&self) -> Content {
        Content::of(Self::TABLE)
            .id(self.id)
            .text(&*self.name)
            .text(self.role.as_str())
            .text(&*self.recipient)
            .bytes(&*self.wrapped)
            .boolean(self.disabled)
            .id(self.made_by)
            .id(self.confirmed_by)
    }

    fn id(&self) -> Uuid {
        self.id
    }
}

impl Proven for LineKey {
    const TABLE: &'static str = "line_keys";
    const LINKED: bool = true;

    fn content(&self) -> Content {
        Content::of(Self::TABLE)
            .id(self.id)
            .text(&*self.line)
            .integer(i64::from(self.epoch))
            .text(&*self.recipient)
            .bytes(&*self.recovery)
    }

    fn id(&self) -> Uuid {
        self.id
    }
}

impl Proven for Grant {
    const TABLE: &'static str = "grants";
    const LINKED: bool = true;

    /// Covers the line too, which is in the row of the line key.
    fn content(&self) -> Content {
        Content::of(Self::TABLE)
            .id(self.line_key)
            .id(self.member)
            .text(&*self.line)
            .bytes(&*self.sealed)
    }

    fn id(&self) -> Uuid {
        self.line_key
    }
}

impl Proven for Waiver {
    const TABLE: &'static str = "waivers";
    const LINKED: bool = true;

    fn content(&self) -> Content {
        Content::of(Self::TABLE).text(&*self.line).id(self.member)
    }

    fn id(&self) -> Uuid {
        self.member
    }
}

impl Member {
    /// Returns the digest of the columns that say or choose a key or a right, to which the link that sets the row
    /// commits.
    pub fn digest(&self) -> [u8; 32] {
        self.content().digest()
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
    INSERT_MEMBER = "INSERT INTO members (id, name, role, recipient, wrapped, disabled, made_by, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    MEMBER_BY_NAME = "SELECT id, name, role, recipient, wrapped, disabled, made_by, confirmed_by, mac, link,
        (SELECT MAX(seq) FROM audit WHERE audit.line = '*' AND audit.object = members.id) AS latest
        FROM members WHERE name = $1";
    MEMBER_BY_ID = "SELECT id, name, role, recipient, wrapped, disabled, made_by, confirmed_by, mac, link,
        (SELECT MAX(seq) FROM audit WHERE audit.line = '*' AND audit.object = members.id) AS latest
        FROM members WHERE id = $1";
    MEMBERS = "SELECT id, name, role, recipient, wrapped, disabled, made_by, confirmed_by, mac, link,
        (SELECT MAX(seq) FROM audit WHERE audit.line = '*' AND audit.object = members.id) AS latest
        FROM members ORDER BY name";
    UPDATE_MEMBER = "UPDATE members SET recipient = $2, wrapped = $3, disabled = $4, confirmed_by = $5 WHERE id = $1";
    LOCK_MEMBER = "SELECT id FROM members WHERE id = $1", postgres: " FOR NO KEY UPDATE";
    LOCK_MEMBERS = "SELECT id FROM members ORDER BY id", postgres: " FOR NO KEY UPDATE";
    HOLDERS = "SELECT members.id, name, role, members.recipient, wrapped, disabled, made_by, confirmed_by, members.mac, members.link,
        (SELECT MAX(seq) FROM audit WHERE audit.line = '*' AND audit.object = members.id) AS latest FROM members
        JOIN grants ON grants.member = members.id JOIN line_keys ON line_keys.id = grants.line_key
        WHERE line = $1 AND NOT disabled AND role IN ($2, $3)
        AND epoch = (SELECT MAX(epoch) FROM line_keys WHERE line = $1) ORDER BY name";
    INSERT_WAIVER = "INSERT INTO waivers (line, member) VALUES ($1, $2) ON CONFLICT (line) DO NOTHING";
    DELETE_WAIVER = "DELETE FROM waivers WHERE line = $1";
    WAIVER = "SELECT line, member, name, waivers.mac, waivers.link, (SELECT MAX(seq) FROM audit WHERE audit.line = waivers.line
        AND audit.report IS NULL AND action IN ($2, $3)) AS latest
        FROM waivers JOIN members ON members.id = member WHERE line = $1";
    SEEN_UP_TO = "SELECT seq FROM changes_seen WHERE member = $1 AND line = $2";
    SET_SEEN = "INSERT INTO changes_seen (member, line, seq) VALUES ($1, $2, $3) ON CONFLICT (member, line) DO UPDATE SET seq = $3 WHERE changes_seen.seq < $3";
    INSERT_LINE_KEY = "INSERT INTO line_keys (id, line, epoch, recipient, recovery, created_at) VALUES ($1, $2, $3, $4, $5, $6)";
    CURRENT_KEY = "SELECT id, line, epoch, recipient, recovery, mac, link,
        (SELECT MAX(seq) FROM audit WHERE audit.line = line_keys.line AND action = 'line_key_made') AS latest
        FROM line_keys WHERE line = $1 ORDER BY epoch DESC LIMIT 1";
    LINE_KEYS = "SELECT id, line, epoch, recipient, recovery, mac, link,
        (SELECT MAX(seq) FROM audit WHERE audit.line = line_keys.line AND action = 'line_key_made' AND object = line_keys.id) AS latest
        FROM line_keys ORDER BY line, epoch";
    INSERT_GRANT = "INSERT INTO grants (line_key, member, sealed) VALUES ($1, $2, $3) ON CONFLICT (line_key, member) DO NOTHING";
    GRANTS = "SELECT line_key, member, line_keys.line, sealed, grants.mac, grants.link, grants.link AS latest
        FROM grants JOIN line_keys ON line_keys.id = grants.line_key WHERE member = $1 ORDER BY line, epoch";
    GRANT = "SELECT line_key, member, line_keys.line, sealed, grants.mac, grants.link, grants.link AS latest
        FROM grants JOIN line_keys ON line_keys.id = grants.line_key WHERE line_key = $1 AND member = $2";
    GRANTS_OF_LINE = "SELECT line_key, member, line_keys.line, sealed, grants.mac, grants.link, grants.link AS latest
        FROM grants JOIN line_keys ON line_keys.id = grants.line_key WHERE line = $1 ORDER BY line_key, member";
    RESEAL_GRANT = "UPDATE grants SET sealed = $3 WHERE line_key = $1 AND member = $2";
    COUNT_GRANT = "UPDATE members SET granted = granted + 1 WHERE id = $1";
    GRANTS_VERSION = "SELECT granted, (SELECT CAST(COALESCE(SUM(COALESCE(grants.link, -1)), 0) AS BIGINT)
        FROM grants WHERE member = members.id) AS links FROM members WHERE id = $1";
}

/// Adds a member, and `act` to the chain of the service. `now` is system time.
///
/// # Errors
///
/// Returns [`super::StoreError::Duplicate`] when the name is in use. Also when the database fails.
pub async fn insert(
    tx: &mut WriteTx,
    member: &Member,
    now: DateTime<Utc>,
    act: Act<'_>,
) -> Result<()> {
    run!(
        tx,
        INSERT_MEMBER,
        execute,
        member.id,
        &member.name,
        member.role,
        &member.recipient,
        &member.wrapped[..],
        member.disabled,
        member.made_by,
        now
    )?;
    tx.set(SERVICE, act, SetRow::Member(member.id), member);
    Ok(())
}

/// Returns the member with this name.
pub async fn by_name(tx: &mut ReadTx, name: &str) -> Result<Option<Member>> {
    // Postgres refuses text with a NUL, even as a parameter of a comparison. No member has such a name.
    if name.contains('\0') {
        return Ok(None);
    }
    let found = run!(tx, MEMBER_BY_NAME, fetch_optional, name)?;
    tx.proven_one(found)
}

/// Returns the member with this id.
pub async fn by_id(tx: &mut ReadTx, id: Uuid) -> Result<Option<Member>> {
    let found = run!(tx, MEMBER_BY_ID, fetch_optional, id)?;
    tx.proven_one(found)
}

/// Returns all members, by name.
pub async fn list(tx: &mut ReadTx) -> Result<Vec<Member>> {
    let found = run!(tx, MEMBERS, fetch_all)?;
    tx.proven_all(found)
}

/// Changes a member's row, which is locked until the transaction ends, and adds `act` to the chain of the service.
/// `change` returns false if there is nothing to change. Returns false when it did, or there is no such member.
async fn update(
    tx: &mut WriteTx,
    id: Uuid,
    act: Act<'_>,
    change: impl FnOnce(&mut Member) -> bool,
) -> Result<bool> {
    // A statement of its own: one that also read the links would, after waiting for the lock, see the row as the other
    // transaction left it, and the links as they were before.
    let _: Option<(Uuid,)> = run!(tx, LOCK_MEMBER, fetch_optional, id)?;
    let Some(mut member) = by_id(tx, id).await? else {
        return Ok(false);
    };
    if !change(&mut member) {
        return Ok(false);
    }
    run!(
        tx,
        UPDATE_MEMBER,
        execute,
        id,
        &member.recipient,
        &member.wrapped[..],
        member.disabled,
        member.confirmed_by
    )?;
    tx.set(SERVICE, act, SetRow::Member(id), &member);
    Ok(true)
}

/// Stores a member's next key: the public half, and the private half encrypted under their new password. Adds `act` to
/// the chain of the service.
pub async fn set_key(
    tx: &mut WriteTx,
    id: Uuid,
    recipient: &str,
    wrapped: &[u8],
    act: Act<'_>,
) -> Result<()> {
    let change = |member: &mut Member| {
        recipient.clone_into(&mut member.recipient);
        member.wrapped = wrapped.to_vec();
        true
    };
    update(tx, id, act, change).await.map(drop)
}

/// Locks the rows of all members until the transaction ends: no other transaction can change them. All code that adds a
/// member calls this first, so none is added either. While there is no member, nothing is locked.
pub async fn lock(tx: &mut WriteTx) -> Result<()> {
    let locked: Vec<(Uuid,)> = run!(tx, LOCK_MEMBERS, fetch_all)?;
    drop(locked);
    Ok(())
}

/// Disables a member and ends their sessions, and adds `act` to the chain of the service. Returns false when they were
/// disabled already or do not exist.
pub async fn disable(tx: &mut WriteTx, id: Uuid, act: Act<'_>) -> Result<bool> {
    let change = |member: &mut Member| !std::mem::replace(&mut member.disabled, true);
    let changed = update(tx, id, act, change).await?;
    sessions::end_all(tx, id).await?;
    Ok(changed)
}

/// Enables a disabled member again, and adds `act` to the chain of the service. Returns false when they were not
/// disabled or do not exist.
pub async fn enable(tx: &mut WriteTx, id: Uuid, act: Act<'_>) -> Result<bool> {
    let change = |member: &mut Member| std::mem::replace(&mut member.disabled, false);
    update(tx, id, act, change).await
}

/// Stores that the member `by` confirmed the account `id`, and adds `act` to the chain of the service. Returns false when
/// it is confirmed already or does not exist.
pub async fn confirm(tx: &mut WriteTx, id: Uuid, by: Uuid, act: Act<'_>) -> Result<bool> {
    let change = |member: &mut Member| {
        let is_new = member.confirmed_by.is_none();
        member.confirmed_by = member.confirmed_by.or(Some(by));
        is_new
    };
    update(tx, id, act, change).await
}

/// Returns the members who can open what arrives on a line now, in order of name: they hold the line's latest key, are
/// leads or inspectors, and are not disabled.
pub async fn holders(tx: &mut ReadTx, line: &str) -> Result<Vec<Member>> {
    let [lead, inspector] = Role::ON_REPORTS;
    let found = run!(tx, HOLDERS, fetch_all, line, lead, inspector)?;
    tx.proven_all(found)
}

/// Stores a waiver: a line's approvals count without a third member, as this member decided. Adds `act` to the line's
/// trail. Returns false when the line has a waiver already.
pub async fn insert_waiver(
    tx: &mut WriteTx,
    line: &str,
    member: Uuid,
    act: Act<'_>,
) -> Result<bool> {
    if run!(tx, INSERT_WAIVER, execute, line, member)? == 0 {
        return Ok(false);
    }
    let waiver = Waiver {
        line: line.to_owned(),
        member,
        name: String::new(),
    };
    tx.set(line, act, SetRow::Waiver(line.to_owned()), &waiver);
    Ok(true)
}

/// Removes a line's waiver. Returns false when the line has none.
pub async fn delete_waiver(tx: &mut WriteTx, line: &str) -> Result<bool> {
    Ok(run!(tx, DELETE_WAIVER, execute, line)? == 1)
}

/// Returns the name of the member who decided a line's waiver; `None` when the line has none.
pub async fn waiver(tx: &mut ReadTx, line: &str) -> Result<Option<String>> {
    let [waived, required] = [Action::ConfirmationWaived, Action::ConfirmationRequired];
    let found = run!(tx, WAIVER, fetch_optional, line, waived, required)?;
    let waiver: Option<Waiver> = tx.proven_one(found)?;
    Ok(waiver.map(|waiver| waiver.name))
}

/// Returns the number of the link up to which this member has dismissed the changes in a line's trail; 0 if they have
/// dismissed none.
pub async fn seen_up_to(tx: &mut ReadTx, member: Uuid, line: &str) -> Result<i64> {
    let found: Option<(i64,)> = run!(tx, SEEN_UP_TO, fetch_optional, member, line)?;
    Ok(found.map_or(0, |(seq,)| seq))
}

/// Stores that a member has dismissed the changes in a line's trail up to the link with this number. A lower number
/// than the stored one has no effect.
pub async fn set_seen(tx: &mut WriteTx, member: Uuid, line: &str, seq: i64) -> Result<()> {
    run!(tx, SET_SEEN, execute, member, line, seq).map(drop)
}

/// Adds a line key, and `act` to the line's trail. `now` is system time.
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
        now
    )?;
    tx.set(&key.line, act, SetRow::LineKey(key.id), key);
    Ok(())
}

/// Returns the line key that the keys of new reports are sealed to: the one with the highest epoch. `None` if the line
/// has no key.
pub async fn current_key(tx: &mut ReadTx, line: &str) -> Result<Option<LineKey>> {
    let found = run!(tx, CURRENT_KEY, fetch_optional, line)?;
    tx.proven_one(found)
}

/// Returns all keys of all lines, in order of line and epoch.
pub async fn line_keys(tx: &mut ReadTx) -> Result<Vec<LineKey>> {
    let found = run!(tx, LINE_KEYS, fetch_all)?;
    tx.proven_all(found)
}

/// Like [`line_keys`], for `audit verify`: returns the keys, and those whose rows are refused.
pub async fn line_keys_but_refused(tx: &mut ReadTx) -> Result<(Vec<LineKey>, Vec<LineKey>)> {
    let found = run!(tx, LINE_KEYS, fetch_all)?;
    tx.proven_rest(found)
}

/// Like [`list`]: returns the members, and those whose rows are refused.
pub async fn list_but_refused(tx: &mut ReadTx) -> Result<(Vec<Member>, Vec<Member>)> {
    let found = run!(tx, MEMBERS, fetch_all)?;
    tx.proven_rest(found)
}

/// Returns the grants of a line's keys, and those whose rows are refused, for `audit verify`.
pub async fn grants_of_line(tx: &mut ReadTx, line: &str) -> Result<(Vec<Grant>, Vec<Grant>)> {
    let found = run!(tx, GRANTS_OF_LINE, fetch_all, line)?;
    tx.proven_rest(found)
}

/// Stores a line key's private half, sealed to a member, and adds `act` to the line's trail. Keeps the stored one if the
/// member holds the key already; then the link says so nevertheless.
pub async fn insert_grant(
    tx: &mut WriteTx,
    key: &LineKey,
    member: Uuid,
    sealed: &[u8],
    act: Act<'_>,
) -> Result<()> {
    run!(tx, COUNT_GRANT, execute, member)?;
    if run!(tx, INSERT_GRANT, execute, key.id, member, sealed)? == 0 {
        audit::append(tx, &key.line, act);
        return Ok(());
    }
    let grant = Grant {
        line_key: key.id,
        member,
        line: key.line.clone(),
        sealed: sealed.to_vec(),
    };
    tx.set(&key.line, act, SetRow::Grant(key.id, member), &grant);
    Ok(())
}

/// Stores a line key's private half, sealed to a member's next key, in place of the stored one, and adds `act` to the
/// line's trail.
pub async fn reseal_grant(tx: &mut WriteTx, grant: &Grant, act: Act<'_>) -> Result<()> {
    let (key, member) = (grant.line_key, grant.member);
    run!(tx, RESEAL_GRANT, execute, key, member, &grant.sealed[..])?;
    tx.set(&grant.line, act, SetRow::Grant(key, member), grant);
    Ok(())
}

/// Returns a line key's private half, sealed to this member; `None` if the member does not hold the key.
pub async fn grant(tx: &mut ReadTx, line_key: Uuid, member: Uuid) -> Result<Option<Vec<u8>>> {
    let found = run!(tx, GRANT, fetch_optional, line_key, member)?;
    let grant: Option<Grant> = tx.proven_one(found)?;
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
    tx.proven_all(found)
}
