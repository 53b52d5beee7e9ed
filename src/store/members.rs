//! Members, line keys, grants, sessions, waivers, and which changes a lead has dismissed.

use super::statements::{row, run, statements};
use super::{ReadTx, Result, StoreError, WriteTx};
use crate::report::role::Role;
use chrono::{DateTime, Utc};
use std::collections::HashMap;
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
        /// Number of rows: another one if rows were added or removed by hand.
        held: i64,
    }
}

row! {
    /// A session: one login of a member.
    #[derive(Clone)]
    pub struct Session {
        /// The id of the member.
        pub member: Uuid,
        /// The private half of the member's key, encrypted under the session's token.
        pub wrapped: Vec<u8>,
        /// System time of the login.
        pub created_at: DateTime<Utc>,
        /// System time of the last request, as last stored: it is updated at most once a minute.
        pub seen_at: DateTime<Utc>,
    }
}

statements! {
    INSERT_MEMBER = "INSERT INTO members (id, name, role, recipient, wrapped, disabled, made_by, created_at) VALUES ($1, $2, $3, $4, $5, FALSE, $6, $7)";
    MEMBER_BY_NAME = "SELECT id, name, role, recipient, wrapped, disabled, made_by, confirmed_by FROM members WHERE name = $1";
    MEMBER_BY_ID = "SELECT id, name, role, recipient, wrapped, disabled, made_by, confirmed_by FROM members WHERE id = $1";
    MEMBERS = "SELECT id, name, role, recipient, wrapped, disabled, made_by, confirmed_by FROM members ORDER BY name";
    SET_WRAPPED = "UPDATE members SET wrapped = $2 WHERE id = $1";
    DELETE_OTHER_SESSIONS = "DELETE FROM sessions WHERE member = $1 AND hash <> $2";
    LOCK_MEMBERS = "SELECT id FROM members ORDER BY id", postgres: " FOR NO KEY UPDATE";
    DISABLE = "UPDATE members SET disabled = TRUE WHERE id = $1 AND NOT disabled";
    ENABLE = "UPDATE members SET disabled = FALSE WHERE id = $1 AND disabled";
    CONFIRM = "UPDATE members SET confirmed_by = $2 WHERE id = $1 AND confirmed_by IS NULL";
    HOLDERS = "SELECT members.id, name, role, members.recipient, wrapped, disabled, made_by, confirmed_by FROM members
        JOIN grants ON grants.member = members.id JOIN line_keys ON line_keys.id = grants.line_key
        WHERE line = $1 AND NOT disabled AND role IN ($2, $3)
        AND epoch = (SELECT MAX(epoch) FROM line_keys WHERE line = $1) ORDER BY name";
    INSERT_WAIVER = "INSERT INTO waivers (line, member) VALUES ($1, $2) ON CONFLICT (line) DO NOTHING";
    DELETE_WAIVER = "DELETE FROM waivers WHERE line = $1";
    WAIVER = "SELECT name FROM waivers JOIN members ON members.id = member WHERE line = $1";
    SEEN_UP_TO = "SELECT seq FROM changes_seen WHERE member = $1 AND line = $2";
    SET_SEEN = "INSERT INTO changes_seen (member, line, seq) VALUES ($1, $2, $3) ON CONFLICT (member, line) DO UPDATE SET seq = $3 WHERE changes_seen.seq < $3";
    INSERT_LINE_KEY = "INSERT INTO line_keys (id, line, epoch, recipient, recovery, created_at) VALUES ($1, $2, $3, $4, $5, $6)";
    CURRENT_KEY = "SELECT id, line, epoch, recipient, recovery FROM line_keys WHERE line = $1 ORDER BY epoch DESC LIMIT 1";
    CURRENT_KEYS = "SELECT line, recipient FROM line_keys ORDER BY line, epoch";
    LINE_KEYS = "SELECT id, line, epoch, recipient, recovery FROM line_keys ORDER BY line, epoch";
    INSERT_GRANT = "INSERT INTO grants (line_key, member, sealed) VALUES ($1, $2, $3) ON CONFLICT (line_key, member) DO NOTHING";
    GRANTS = "SELECT line_key, line, sealed FROM grants JOIN line_keys ON line_keys.id = grants.line_key WHERE member = $1 ORDER BY line, epoch";
    GRANT = "SELECT sealed FROM grants WHERE line_key = $1 AND member = $2";
    COUNT_GRANT = "UPDATE members SET granted = granted + 1 WHERE id = $1";
    GRANTS_VERSION = "SELECT granted, (SELECT COUNT(*) FROM grants WHERE member = members.id) AS held FROM members WHERE id = $1";
    INSERT_SESSION = "INSERT INTO sessions (hash, member, wrapped, created_at, seen_at) VALUES ($1, $2, $3, $4, $4)";
    SESSION = "SELECT member, wrapped, created_at, seen_at FROM sessions WHERE hash = $1";
    TOUCH_SESSION = "UPDATE sessions SET seen_at = $2 WHERE hash = $1";
    DELETE_SESSION = "DELETE FROM sessions WHERE hash = $1";
    DELETE_SESSIONS_OF = "DELETE FROM sessions WHERE member = $1";
    DELETE_OLD_SESSIONS = "DELETE FROM sessions WHERE created_at < $1 OR seen_at < $2";
}

/// Adds a member.
///
/// # Errors
///
/// Returns [`super::StoreError::Duplicate`] when the name is in use. Also when the database fails.
pub async fn insert(tx: &mut WriteTx, member: &Member, now: DateTime<Utc>) -> Result<()> {
    run!(
        tx,
        INSERT_MEMBER,
        execute,
        member.id,
        &member.name,
        member.role,
        &member.recipient,
        &member.wrapped[..],
        member.made_by,
        now
    )
    .map(drop)
}

/// Returns the member with this name.
pub async fn by_name(tx: &mut ReadTx, name: &str) -> Result<Option<Member>> {
    // Postgres refuses text with a NUL, even as a parameter of a comparison. No member has such a name.
    if name.contains('\0') {
        return Ok(None);
    }
    run!(tx, MEMBER_BY_NAME, fetch_optional, name)
}

/// Returns the member with this id.
pub async fn by_id(tx: &mut ReadTx, id: Uuid) -> Result<Option<Member>> {
    run!(tx, MEMBER_BY_ID, fetch_optional, id)
}

/// Returns all members, by name.
pub async fn list(tx: &mut ReadTx) -> Result<Vec<Member>> {
    run!(tx, MEMBERS, fetch_all)
}

/// Stores a member's private key, encrypted under a new password, and ends all their sessions except the one whose
/// token has the hash `but`.
pub async fn set_wrapped(tx: &mut WriteTx, id: Uuid, wrapped: &[u8], but: &[u8; 32]) -> Result<()> {
    run!(tx, SET_WRAPPED, execute, id, wrapped)?;
    run!(tx, DELETE_OTHER_SESSIONS, execute, id, &but[..]).map(drop)
}

/// Locks the rows of all members until the transaction ends: no other transaction can change them. All code that adds a
/// member calls this first, so none is added either. While there is no member, nothing is locked.
pub async fn lock(tx: &mut WriteTx) -> Result<()> {
    let locked: Vec<(Uuid,)> = run!(tx, LOCK_MEMBERS, fetch_all)?;
    drop(locked);
    Ok(())
}

/// Disables a member and ends their sessions. Returns false when they were disabled already or do not exist.
pub async fn disable(tx: &mut WriteTx, id: Uuid) -> Result<bool> {
    let changed = run!(tx, DISABLE, execute, id)? == 1;
    run!(tx, DELETE_SESSIONS_OF, execute, id)?;
    Ok(changed)
}

/// Enables a disabled member again. Returns false when they were not disabled or do not exist.
pub async fn enable(tx: &mut WriteTx, id: Uuid) -> Result<bool> {
    Ok(run!(tx, ENABLE, execute, id)? == 1)
}

/// Stores that the member `by` confirmed the account `id`. Returns false when it is confirmed already or does not
/// exist.
pub async fn confirm(tx: &mut WriteTx, id: Uuid, by: Uuid) -> Result<bool> {
    Ok(run!(tx, CONFIRM, execute, id, by)? == 1)
}

/// Returns the members who can open what arrives on a line now, in order of name: they hold the line's latest key, are
/// leads or inspectors, and are not disabled.
pub async fn holders(tx: &mut ReadTx, line: &str) -> Result<Vec<Member>> {
    let [lead, inspector] = Role::ON_REPORTS;
    run!(tx, HOLDERS, fetch_all, line, lead, inspector)
}

/// Stores a waiver: a line's approvals count without a third member, as this member decided. Returns false when the
/// line has one already.
pub async fn insert_waiver(tx: &mut WriteTx, line: &str, member: Uuid) -> Result<bool> {
    Ok(run!(tx, INSERT_WAIVER, execute, line, member)? == 1)
}

/// Removes a line's waiver. Returns false when the line has none.
pub async fn delete_waiver(tx: &mut WriteTx, line: &str) -> Result<bool> {
    Ok(run!(tx, DELETE_WAIVER, execute, line)? == 1)
}

/// Returns the name of the member who decided a line's waiver; `None` when the line has none.
pub async fn waiver(tx: &mut ReadTx, line: &str) -> Result<Option<String>> {
    let found: Option<(String,)> = run!(tx, WAIVER, fetch_optional, line)?;
    Ok(found.map(|(name,)| name))
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

/// Adds a line key. `now` is system time.
pub async fn insert_line_key(tx: &mut WriteTx, key: &LineKey, now: DateTime<Utc>) -> Result<()> {
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
    )
    .map(drop)
}

/// Returns the line key that the keys of new reports are sealed to: the one with the highest epoch. `None` if the line
/// has no key.
pub async fn current_key(tx: &mut ReadTx, line: &str) -> Result<Option<LineKey>> {
    run!(tx, CURRENT_KEY, fetch_optional, line)
}

/// Returns the public half of the current key of each line, by the line's id.
pub async fn current_keys(tx: &mut ReadTx) -> Result<HashMap<String, String>> {
    let keys: Vec<(String, String)> = run!(tx, CURRENT_KEYS, fetch_all)?;
    // Of several keys of a line the map keeps the last one, which has the latest epoch.
    Ok(keys.into_iter().collect())
}

/// Returns all keys of all lines, in order of line and epoch.
pub async fn line_keys(tx: &mut ReadTx) -> Result<Vec<LineKey>> {
    run!(tx, LINE_KEYS, fetch_all)
}

/// Stores a line key's private half, sealed to a member. Keeps the stored one if the member holds the key already.
pub async fn insert_grant(
    tx: &mut WriteTx,
    line_key: Uuid,
    member: Uuid,
    sealed: &[u8],
) -> Result<()> {
    run!(tx, INSERT_GRANT, execute, line_key, member, sealed)?;
    run!(tx, COUNT_GRANT, execute, member).map(drop)
}

/// Returns a line key's private half, sealed to this member; `None` if the member does not hold the key.
pub async fn grant(tx: &mut ReadTx, line_key: Uuid, member: Uuid) -> Result<Option<Vec<u8>>> {
    let found: Option<(Vec<u8>,)> = run!(tx, GRANT, fetch_optional, line_key, member)?;
    Ok(found.map(|(sealed,)| sealed))
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
    run!(tx, GRANTS, fetch_all, member)
}

/// Adds a session. `hash` is that of its token.
pub async fn insert_session(tx: &mut WriteTx, hash: &[u8; 32], session: &Session) -> Result<()> {
    run!(
        tx,
        INSERT_SESSION,
        execute,
        &hash[..],
        session.member,
        &session.wrapped[..],
        session.created_at
    )
    .map(drop)
}

/// Returns the session whose token has this hash, even if it has expired.
pub async fn session(tx: &mut ReadTx, hash: &[u8; 32]) -> Result<Option<Session>> {
    run!(tx, SESSION, fetch_optional, &hash[..])
}

/// Stores the system time at which a session was used.
pub async fn touch_session(tx: &mut WriteTx, hash: &[u8; 32], now: DateTime<Utc>) -> Result<()> {
    run!(tx, TOUCH_SESSION, execute, &hash[..], now).map(drop)
}

/// Ends a session.
pub async fn delete_session(tx: &mut WriteTx, hash: &[u8; 32]) -> Result<()> {
    run!(tx, DELETE_SESSION, execute, &hash[..]).map(drop)
}

/// Removes the sessions made before `created`, and those not used since `seen`. Returns their number.
pub async fn delete_old_sessions(
    tx: &mut WriteTx,
    created: DateTime<Utc>,
    seen: DateTime<Utc>,
) -> Result<u64> {
    run!(tx, DELETE_OLD_SESSIONS, execute, created, seen)
}
