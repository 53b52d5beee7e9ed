//! Sessions of members.

use super::proofs::{Proven, WithMac};
use super::statements::{row, run, statements};
use super::{ReadTx, Result, WriteTx};
use crate::vault::proof::Content;
use chrono::{DateTime, Utc};
use uuid::Uuid;

row! {
    /// A session: one login of a member.
    #[derive(Clone)]
    pub struct Session {
        /// SHA-256 of the token.
        pub hash: Vec<u8>,
        /// The id of the member.
        pub member: Uuid,
        /// The private half of the member's key, encrypted under the session's token.
        pub wrapped: Vec<u8>,
        /// System time of the login.
        pub created_at: DateTime<Utc>,
        /// System time of the last request, as last stored: it is updated at most once a minute.
        pub seen_at: DateTime<Utc>,
        /// System time at which the member gave their password last, in this session.
        pub proved_at: DateTime<Utc>,
    }
}

impl Proven for Session {
    const TABLE: &'static str = "sessions";

    fn content(&self) -> Content {
        Content::of(Self::TABLE)
            .bytes(&*self.hash)
            .id(self.member)
            .bytes(&*self.wrapped)
            .time(self.created_at)
            .time(self.proved_at)
    }

    fn id(&self) -> Uuid {
        self.member
    }
}

statements! {
    DELETE_OTHER_SESSIONS = "DELETE FROM sessions WHERE member = $1 AND hash <> $2";
    INSERT_SESSION = "INSERT INTO sessions (hash, member, wrapped, created_at, seen_at, proved_at, mac) VALUES ($1, $2, $3, $4, $4, $5, $6)";
    SESSION = "SELECT hash, member, wrapped, created_at, seen_at, proved_at, mac FROM sessions WHERE hash = $1";
    LOCKED_SESSION = "SELECT hash, member, wrapped, created_at, seen_at, proved_at, mac FROM sessions WHERE hash = $1", postgres: " FOR UPDATE";
    REWRAP_SESSION = "UPDATE sessions SET wrapped = $2, mac = $3 WHERE hash = $1";
    SESSIONS = "SELECT hash, member, wrapped, created_at, seen_at, proved_at, mac FROM sessions";
    SESSIONS_OF = "SELECT hash, member, wrapped, created_at, seen_at, proved_at, mac FROM sessions WHERE member = $1";
    PROVE_SESSION = "UPDATE sessions SET proved_at = $2, mac = $3 WHERE hash = $1";
    TOUCH_SESSION = "UPDATE sessions SET seen_at = $2 WHERE hash = $1";
    DELETE_SESSION = "DELETE FROM sessions WHERE hash = $1";
    DELETE_SESSIONS_OF = "DELETE FROM sessions WHERE member = $1";
    DELETE_OLD_SESSIONS = "DELETE FROM sessions WHERE created_at < $1 OR seen_at < $2";
}

/// Adds a session.
pub async fn insert(tx: &mut WriteTx, session: &Session) -> Result<()> {
    let mac = tx.mac(session)?;
    run!(
        tx,
        INSERT_SESSION,
        execute,
        &session.hash[..],
        session.member,
        &session.wrapped[..],
        session.created_at,
        session.proved_at,
        mac
    )
    .map(drop)
}

/// Returns the session whose token has this hash, even if it has expired.
pub async fn get(tx: &mut ReadTx, hash: &[u8; 32]) -> Result<Option<Session>> {
    let found = run!(tx, SESSION, fetch_optional, &hash[..])?;
    tx.proven_one(found).await
}

/// Like [`get`], with the row locked until the transaction ends: its MAC covers columns that two transactions may change
/// at the same time.
async fn get_locked(tx: &mut WriteTx, hash: &[u8; 32]) -> Result<Option<Session>> {
    let found = run!(tx, LOCKED_SESSION, fetch_optional, &hash[..])?;
    tx.proven_one(found).await
}

/// Returns the sessions of a member, or of all members if `member` is `None`, even those that have expired. A session
/// whose row is refused is left out: no token opens it.
pub async fn all(tx: &mut ReadTx, member: Option<Uuid>) -> Result<Vec<Session>> {
    let found: Vec<WithMac<Session>> = match member {
        Some(member) => run!(tx, SESSIONS_OF, fetch_all, member)?,
        None => run!(tx, SESSIONS, fetch_all)?,
    };
    let (sessions, _) = tx.proven_rest(found).await?;
    Ok(sessions)
}

/// Returns the ids of the members with a session whose row is refused, for `audit verify`.
pub async fn with_refused(tx: &mut ReadTx) -> Result<Vec<Uuid>> {
    let found: Vec<WithMac<Session>> = run!(tx, SESSIONS, fetch_all)?;
    let (_, refused) = tx.proven_rest(found).await?;
    Ok(refused.into_iter().map(|session| session.member).collect())
}

/// Stores the system time at which a session was used.
pub async fn touch(tx: &mut WriteTx, hash: &[u8; 32], now: DateTime<Utc>) -> Result<()> {
    run!(tx, TOUCH_SESSION, execute, &hash[..], now).map(drop)
}

/// Stores the system time at which the member of a session gave their password again. Does nothing when the session has
/// ended.
pub async fn prove(tx: &mut WriteTx, hash: &[u8; 32], now: DateTime<Utc>) -> Result<()> {
    let Some(mut session) = get_locked(tx, hash).await? else {
        return Ok(());
    };
    session.proved_at = now;
    let mac = tx.mac(&session)?;
    run!(tx, PROVE_SESSION, execute, &hash[..], now, mac).map(drop)
}

/// Ends a session.
pub async fn end(tx: &mut WriteTx, hash: &[u8; 32]) -> Result<()> {
    run!(tx, DELETE_SESSION, execute, &hash[..]).map(drop)
}

/// Removes the sessions made before `created`, and those not used since `seen`. Returns their number.
pub async fn delete_old(
    tx: &mut WriteTx,
    created: DateTime<Utc>,
    seen: DateTime<Utc>,
) -> Result<u64> {
    run!(tx, DELETE_OLD_SESSIONS, execute, created, seen)
}

/// Ends all sessions of a member except the one whose token has the hash `but`, which gets the member's next key,
/// wrapped under its token.
pub async fn end_others(tx: &mut WriteTx, id: Uuid, but: &[u8; 32], wrapped: &[u8]) -> Result<()> {
    run!(tx, DELETE_OTHER_SESSIONS, execute, id, &but[..])?;
    let Some(mut session) = get_locked(tx, but).await? else {
        return Ok(());
    };
    session.wrapped = wrapped.to_vec();
    let mac = tx.mac(&session)?;
    run!(tx, REWRAP_SESSION, execute, &but[..], wrapped, mac).map(drop)
}

/// Ends all sessions of a member.
pub async fn end_all(tx: &mut WriteTx, member: Uuid) -> Result<()> {
    run!(tx, DELETE_SESSIONS_OF, execute, member).map(drop)
}
