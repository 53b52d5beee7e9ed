//! Sessions that last: a member's own, and for the security administrator those of all members.

use super::Result;
use super::rights::{SecurityAdmin, SignedIn};
use crate::members::login;
use crate::service::Service;
use crate::service::security_log;
use crate::store::StoreError;
use crate::store::members::{self, Member};
use crate::store::sessions::{self, Session};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use scoped_futures::ScopedFutureExt;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A session that lasts.
pub struct Lasting {
    /// Names the session in a form: a hash of what the database knows it by.
    pub id: String,
    /// The member.
    pub member: Uuid,
    /// System time of the login.
    pub began_at: DateTime<Utc>,
    /// System time of the last request, to the minute.
    pub seen_at: DateTime<Utc>,
    /// True for the session that asks.
    pub is_own: bool,
}

fn name_of(session: &Session) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(&session.hash)[..12])
}

/// Returns the sessions of a member, or of all if `member` is `None`, that have not ended; the last one used first.
async fn lasting(
    service: &Service,
    who: &SignedIn,
    member: Option<Uuid>,
) -> Result<Vec<(Session, Lasting)>> {
    let mut tx = service.db.console.begin_read().await?;
    let mut found = sessions::all(&mut tx, member).await?;
    drop(tx);
    let now = service.clock.system_now();
    found.retain(|session| !login::is_over(session, now));
    found.sort_by_key(|session| std::cmp::Reverse(session.seen_at));
    let lasting = found.into_iter().map(|session| {
        let shown = Lasting {
            id: name_of(&session),
            member: session.member,
            began_at: session.created_at,
            seen_at: session.seen_at,
            is_own: session.hash == who.session(),
        };
        (session, shown)
    });
    Ok(lasting.collect())
}

/// Returns the member's own sessions.
///
/// # Errors
///
/// When the database fails.
pub async fn own(service: &Service, who: &SignedIn) -> Result<Vec<Lasting>> {
    let found = lasting(service, who, Some(who.id())).await?;
    Ok(found.into_iter().map(|(_, shown)| shown).collect())
}

/// Ends those of the member's own sessions for which `is` is true, but not the one that asks. Returns their number.
async fn end(
    service: &Service,
    who: &SignedIn,
    member: Uuid,
    is: impl Fn(&Lasting) -> bool,
) -> Result<usize> {
    let found = lasting(service, who, Some(member)).await?;
    let mut hashes: Vec<[u8; 32]> = Vec::new();
    for (session, shown) in &found {
        if is(shown)
            && !shown.is_own
            && let Ok(hash) = session.hash.as_slice().try_into()
        {
            hashes.push(hash);
        }
    }
    let (console, ended) = (&service.db.console, &hashes);
    let end = console.write(|tx| {
        async move {
            for hash in ended {
                sessions::end(tx, hash).await?;
            }
            Ok::<_, StoreError>(())
        }
        .scope_boxed()
    });
    end.await?;
    if !hashes.is_empty() {
        service.live.session_ended();
        security_log::sessions_ended(who.id(), member, hashes.len());
    }
    Ok(hashes.len())
}

/// Ends one of the member's own other sessions, wherever it is open. Does nothing if it has ended already.
///
/// # Errors
///
/// When the database fails.
pub async fn end_one(service: &Service, who: &SignedIn, id: &str) -> Result<()> {
    end(service, who, who.id(), |session| session.id == id).await?;
    Ok(())
}

/// Ends all of the member's own other sessions.
///
/// # Errors
///
/// When the database fails.
pub async fn end_others(service: &Service, who: &SignedIn) -> Result<()> {
    end(service, who, who.id(), |_| true).await?;
    Ok(())
}

/// An account, with its sessions that last.
pub struct Account {
    /// The member.
    pub member: Member,
    /// The last one used first.
    pub sessions: Vec<Lasting>,
}

/// Returns all accounts, in order of name. An account whose row is refused is left out.
///
/// # Errors
///
/// When the database fails.
pub async fn accounts(service: &Service, admin: &SecurityAdmin) -> Result<Vec<Account>> {
    let mut tx = service.db.console.begin_read().await?;
    let (all, _) = members::list_but_refused(&mut tx).await?;
    drop(tx);
    let accounts = all.into_iter().map(|member| Account {
        member,
        sessions: Vec::new(),
    });
    let mut accounts: Vec<Account> = accounts.collect();
    for (_, shown) in lasting(service, admin, None).await? {
        let of = accounts.iter_mut().find(|of| of.member.id == shown.member);
        if let Some(of) = of {
            of.sessions.push(shown);
        }
    }
    Ok(accounts)
}

/// Ends all sessions of a member, except the one that asks.
///
/// # Errors
///
/// When the database fails.
pub async fn end_of(service: &Service, admin: &SecurityAdmin, member: Uuid) -> Result<()> {
    end(service, admin, member, |_| true).await?;
    Ok(())
}
