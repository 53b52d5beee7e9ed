//! Members, line keys, grants, sessions.

use super::statements::{row, run, statements};
use super::{ReadTx, Result, StoreError, WriteTx};
use crate::report::role::Role;
use chrono::{DateTime, Utc};
use std::collections::HashMap;
use uuid::Uuid;

row! {
    /// Somebody with a login.
    #[derive(Clone)]
    pub struct Member {
        /// Their id.
        pub id: Uuid,
        /// The name they log in with.
        pub name: String,
        /// What they may do.
        pub role: Role,
        /// The public half of their key.
        pub recipient: String,
        /// The private half, under their password.
        pub wrapped: Vec<u8>,
        /// They cannot log in any more.
        pub disabled: bool,
        /// The member who added them: themselves for the first lead, whom `init` makes; none where the holder of a
        /// recovery key did.
        pub made_by: Option<Uuid>,
        /// The member who confirmed that the account belongs to another person than the one who added it.
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
        /// 1, and one more each time somebody is taken off the line.
        pub epoch: i32,
        /// The public half.
        pub recipient: String,
        /// The private half, sealed to the recovery key.
        pub recovery: Vec<u8>,
    }
}

row! {
    /// A line key somebody holds.
    #[derive(Clone)]
    pub struct Grant {
        /// The line key.
        pub line_key: Uuid,
        /// The line.
        pub line: String,
        /// The line key's private half, sealed to the member.
        pub sealed: Vec<u8>,
    }
}

row! {
    /// Tells whether the grants of a member have changed.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct GrantsVersion {
        /// How often the program has changed them.
        granted: i64,
        /// How many there are.
        held: i64,
    }
}

row! {
    /// A login.
    #[derive(Clone)]
    pub struct Session {
        /// Whose it is.
        pub member: Uuid,
        /// Their private half, under the token.
        pub wrapped: Vec<u8>,
        /// System time of the login.
        pub created_at: DateTime<Utc>,
        /// System time of the last request.
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

/// Writes down a new member.
///
/// # Errors
///
/// [`super::StoreError::Duplicate`] when the name is taken.
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

/// The member with this name.
pub async fn by_name(tx: &mut ReadTx, name: &str) -> Result<Option<Member>> {
    // Postgres takes no such text, not even to compare it; so nobody has such a name.
    if name.contains('\0') {
        return Ok(None);
    }
    run!(tx, MEMBER_BY_NAME, fetch_optional, name)
}

/// The member with this id.
pub async fn by_id(tx: &mut ReadTx, id: Uuid) -> Result<Option<Member>> {
    run!(tx, MEMBER_BY_ID, fetch_optional, id)
}

/// All members, by name.
pub async fn list(tx: &mut ReadTx) -> Result<Vec<Member>> {
    run!(tx, MEMBERS, fetch_all)
}

/// A member's key is under another password from now on; all their sessions but the one with this hash end.
pub async fn set_wrapped(tx: &mut WriteTx, id: Uuid, wrapped: &[u8], but: &[u8; 32]) -> Result<()> {
    run!(tx, SET_WRAPPED, execute, id, wrapped)?;
    run!(tx, DELETE_OTHER_SESSIONS, execute, id, &but[..]).map(drop)
}

/// Lets no other transaction change or add a member until this one ends. Needs at least one member.
pub async fn lock(tx: &mut WriteTx) -> Result<()> {
    let locked: Vec<(Uuid,)> = run!(tx, LOCK_MEMBERS, fetch_all)?;
    drop(locked);
    Ok(())
}

/// Locks a member out and ends their sessions; false when they were locked out already.
pub async fn disable(tx: &mut WriteTx, id: Uuid) -> Result<bool> {
    let changed = run!(tx, DISABLE, execute, id)? == 1;
    run!(tx, DELETE_SESSIONS_OF, execute, id)?;
    Ok(changed)
}

/// Lets a member log in again; false when they were not locked out.
pub async fn enable(tx: &mut WriteTx, id: Uuid) -> Result<bool> {
    Ok(run!(tx, ENABLE, execute, id)? == 1)
}

/// Notes who confirmed a member's account; false when another member has already.
pub async fn confirm(tx: &mut WriteTx, id: Uuid, by: Uuid) -> Result<bool> {
    Ok(run!(tx, CONFIRM, execute, id, by)? == 1)
}

/// The members who can open what comes in on a line now: they hold its latest key, work on reports and are not locked
/// out. By name.
pub async fn holders(tx: &mut ReadTx, line: &str) -> Result<Vec<Member>> {
    let [lead, inspector] = Role::ON_REPORTS;
    run!(tx, HOLDERS, fetch_all, line, lead, inspector)
}

/// Notes that a line's approvals count without a third member; false when they do already.
pub async fn insert_waiver(tx: &mut WriteTx, line: &str, member: Uuid) -> Result<bool> {
    Ok(run!(tx, INSERT_WAIVER, execute, line, member)? == 1)
}

/// Ends that; false when it was not so.
pub async fn delete_waiver(tx: &mut WriteTx, line: &str) -> Result<bool> {
    Ok(run!(tx, DELETE_WAIVER, execute, line)? == 1)
}

/// The name of the member who decided it; none when nobody has.
pub async fn waiver(tx: &mut ReadTx, line: &str) -> Result<Option<String>> {
    let found: Option<(String,)> = run!(tx, WAIVER, fetch_optional, line)?;
    Ok(found.map(|(name,)| name))
}

/// The number of the last link of a line's trail that this member put away; 0 when there is none.
pub async fn seen_up_to(tx: &mut ReadTx, member: Uuid, line: &str) -> Result<i64> {
    let found: Option<(i64,)> = run!(tx, SEEN_UP_TO, fetch_optional, member, line)?;
    Ok(found.map_or(0, |(seq,)| seq))
}

/// Notes that a member put away a line's links up to this number. What was put away stays so.
pub async fn set_seen(tx: &mut WriteTx, member: Uuid, line: &str, seq: i64) -> Result<()> {
    run!(tx, SET_SEEN, execute, member, line, seq).map(drop)
}

/// Writes down a line key.
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

/// The key new reports of a line are sealed to.
pub async fn current_key(tx: &mut ReadTx, line: &str) -> Result<Option<LineKey>> {
    run!(tx, CURRENT_KEY, fetch_optional, line)
}

/// The public half of each line's current key, by line.
pub async fn current_keys(tx: &mut ReadTx) -> Result<HashMap<String, String>> {
    let keys: Vec<(String, String)> = run!(tx, CURRENT_KEYS, fetch_all)?;
    // Of a line with several, the last one stays: that of the latest epoch.
    Ok(keys.into_iter().collect())
}

/// All line keys, by line and epoch.
pub async fn line_keys(tx: &mut ReadTx) -> Result<Vec<LineKey>> {
    run!(tx, LINE_KEYS, fetch_all)
}

/// Gives a member a line key.
pub async fn insert_grant(
    tx: &mut WriteTx,
    line_key: Uuid,
    member: Uuid,
    sealed: &[u8],
) -> Result<()> {
    run!(tx, INSERT_GRANT, execute, line_key, member, sealed)?;
    run!(tx, COUNT_GRANT, execute, member).map(drop)
}

/// A member's line key, sealed to the member.
pub async fn grant(tx: &mut ReadTx, line_key: Uuid, member: Uuid) -> Result<Option<Vec<u8>>> {
    let found: Option<(Vec<u8>,)> = run!(tx, GRANT, fetch_optional, line_key, member)?;
    Ok(found.map(|(sealed,)| sealed))
}

/// How often the grants of a member were changed, and how many there are. While both stay, the grants stay.
pub async fn grants_version(tx: &mut ReadTx, member: Uuid) -> Result<GrantsVersion> {
    let found: Option<GrantsVersion> = run!(tx, GRANTS_VERSION, fetch_optional, member)?;
    found.ok_or(StoreError::Unreadable("member"))
}

/// The line keys a member holds.
pub async fn grants(tx: &mut ReadTx, member: Uuid) -> Result<Vec<Grant>> {
    run!(tx, GRANTS, fetch_all, member)
}

/// Writes down a login.
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

/// The login of a token, by its hash, however old.
pub async fn session(tx: &mut ReadTx, hash: &[u8; 32]) -> Result<Option<Session>> {
    run!(tx, SESSION, fetch_optional, &hash[..])
}

/// Notes that a login was used.
pub async fn touch_session(tx: &mut WriteTx, hash: &[u8; 32], now: DateTime<Utc>) -> Result<()> {
    run!(tx, TOUCH_SESSION, execute, &hash[..], now).map(drop)
}

/// Ends a login.
pub async fn delete_session(tx: &mut WriteTx, hash: &[u8; 32]) -> Result<()> {
    run!(tx, DELETE_SESSION, execute, &hash[..]).map(drop)
}

/// Forgets logins made before `created`, or not used since `seen`.
pub async fn delete_old_sessions(
    tx: &mut WriteTx,
    created: DateTime<Utc>,
    seen: DateTime<Utc>,
) -> Result<u64> {
    run!(tx, DELETE_OLD_SESSIONS, execute, created, seen)
}
