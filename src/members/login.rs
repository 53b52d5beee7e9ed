//! Logging in, and who a token belongs to.
//!
//! A password is right when it opens the member's key. A login leaves a session: the token's hash, and the key
//! wrapped under the token. So nobody's key is at rest, and any node serves any request.

mod device;

pub use device::Device;

use crate::members::rights;
use crate::service::Service;
use crate::service::attempts::{Refused, Try};
use crate::service::security_log;
use crate::store::audit::{self, Act};
use crate::store::members::{self, Member, Session};
use crate::store::{Db, HoldsStoreError, StoreError};
use crate::vault::action::Action;
use crate::vault::passwords::{self, Password};
use crate::vault::seal::Identity;
use crate::vault::session::Token;
use chrono::{DateTime, TimeDelta, Utc};
use scoped_futures::ScopedFutureExt;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// How long a session lasts without a request.
pub const IDLE: TimeDelta = TimeDelta::minutes(30);
/// How long a session lasts at most.
pub const MAX_AGE: TimeDelta = TimeDelta::hours(12);
/// A session's last use is written down no finer than this.
const TOUCH: TimeDelta = TimeDelta::minutes(1);

/// Somebody who is logged in, with their key.
pub struct Authenticated {
    /// Who it is.
    pub member: Member,
    /// Their key.
    pub identity: Identity,
    /// The session.
    pub hash: [u8; 32],
}

/// Where a login comes from.
pub struct Origin {
    /// The client's address, as limits per source take it.
    pub address: IpAddr,
    /// The device cookie the browser sent, if any. It is not verified yet.
    pub device: Option<Device>,
}

/// A login that succeeded.
pub struct LoggedIn {
    /// The token of the new session.
    pub token: Token,
    /// The member.
    pub member: Member,
    /// For the browser to keep: it marks the next login from it as one of a known browser.
    pub device: Device,
}

/// Why a login failed.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Name or password wrong, or the member is disabled; the answer does not say which.
    #[error("the name or the password is wrong")]
    Wrong,
    /// Too many logins with this name, from this address, or in all. The password was not looked at.
    #[error("too many logins at once")]
    TooMany,
    /// Too many wrong passwords in a row were given in a session, which has ended. The password was not looked at, or was
    /// the last wrong one.
    #[error("too many wrong passwords in this session; it has ended")]
    SessionOver,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Refused> for LoginError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::TooMany => Self::TooMany,
            Refused::SessionOver => Self::SessionOver,
        }
    }
}

impl HoldsStoreError for LoginError {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::Wrong | Self::TooMany | Self::SessionOver => None,
        }
    }
}

/// Logs a member in. Takes as long whether the name exists or not. After five wrong passwords in a row each next try at
/// a name waits, up to five seconds, right or wrong; a browser that this member has logged in from before is counted by
/// itself. A password that was looked at has waited at most 15 seconds for it.
///
/// # Errors
///
/// See [`LoginError`].
pub async fn log_in(
    service: &Service,
    name: &str,
    password: impl Into<Password>,
    from: Origin,
) -> Result<LoggedIn, LoginError> {
    let mut tx = service.db.console.begin_read().await?;
    let found = members::by_name(&mut tx, name).await?;
    drop(tx);
    let known = found
        .as_ref()
        .and_then(|member| from.device.filter(|device| device.is_of(service, member)));
    let attempt = match &known {
        Some(device) => Try::Device(device.id()),
        None => Try::Name(name, from.address),
    };
    let (member, identity) = prove(service, attempt, found, password.into()).await?;
    let token = Token::generate();
    let now = service.clock.system_now();
    let session = Session {
        member: member.id,
        wrapped: token.wrap(&identity),
        created_at: now,
        seen_at: now,
    };
    let (console, hash) = (&service.db.console, token.hash());
    let (member_now, session) = (&member, &session);
    let begin_session = console.write(|tx| {
        async move {
            // The password may have been changed, or the member disabled, while this login waited for its turn.
            if rights::unchanged(tx, member_now).await?.is_none() {
                return Err(LoginError::Wrong);
            }
            members::insert_session(tx, &hash, session).await?;
            let grants = members::grants(tx, member_now.id).await?;
            let lines: BTreeSet<String> = grants.into_iter().map(|grant| grant.line).collect();
            for line in lines {
                let act = Act {
                    actor: Some(&member_now.name),
                    ..Act::new(service.clock.line_now(), Action::Login)
                };
                audit::append(tx, &line, act);
            }
            Ok(())
        }
        .scope_boxed()
    });
    begin_session.await?;
    let device = known.unwrap_or_else(|| Device::new(service, &member));
    Ok(LoggedIn {
        token,
        member,
        device,
    })
}

/// The key of a member who is logged in already, opened with their password. Wrong ones are slowed as those of a login
/// are, and counted for the session alone: what fails elsewhere does not slow a member here. Seven wrong ones in a row end
/// the session, so one that was stolen is of no use for guessing, and does not keep the member from their own forms.
///
/// # Errors
///
/// [`LoginError::Wrong`] only when the password was looked at.
pub async fn is_right(
    service: &Service,
    member: &Member,
    session: [u8; 32],
    password: impl Into<Password>,
) -> Result<Identity, LoginError> {
    let found = Some(member.clone());
    let proved = prove(service, Try::Session(session), found, password.into()).await;
    if matches!(proved, Err(LoginError::SessionOver)) {
        // Again where the first time failed, and for the pages that are open.
        end_session(&service.db.console, &session).await?;
        service.live.session_ended();
    }
    Ok(proved?.1)
}

async fn end_session(db: &Db, hash: &[u8; 32]) -> Result<(), StoreError> {
    db.write(|tx| async move { members::delete_session(tx, hash).await }.scope_boxed())
        .await
}

/// Opens the key of the member found under a name, once it is this try's turn.
async fn prove(
    service: &Service,
    attempt: Try<'_>,
    found: Option<Member>,
    password: Password,
) -> Result<(Member, Identity), LoginError> {
    let lane = attempt.lane();
    let session = match attempt {
        Try::Session(hash) => Some(hash),
        Try::Name(..) | Try::Device(_) => None,
    };
    let turn = service.logins.turn(attempt).await?;
    let (wrapped, disabled) = match &found {
        Some(member) => (member.wrapped.clone(), member.disabled),
        None => (passwords::dummy().to_vec(), true),
    };
    // A task of its own: a client that hangs up does not give its turn to its next try while this one still works, and what
    // is wrong is counted all the same.
    let (db, wrong) = (
        service.db.console.clone(),
        service.metrics.logins_wrong.clone(),
    );
    let who = found.as_ref().map(|member| member.id);
    let opening = tokio::spawn(async move {
        let opened = passwords::unwrap(lane, wrapped, password).await;
        let opened = opened.ok().filter(|_| !disabled);
        let over = turn.ends(opened.is_some());
        if opened.is_none() {
            wrong.inc();
        }
        if let (true, Some(session), Some(who)) = (over, session, who) {
            end_session(&db, &session).await?;
            security_log::session_over(who);
        }
        Ok::<_, StoreError>((opened, over))
    });
    let (opened, over) = opening.await.unwrap_or(Ok((None, false)))?;
    match (found, opened) {
        (Some(member), Some(identity)) => Ok((member, identity)),
        (Some(_), None) if over => Err(LoginError::SessionOver),
        _ => {
            security_log::password_refused(&service.logins.refused);
            Err(LoginError::Wrong)
        }
    }
}

/// Ends a session, if there is one, for all who use its token.
///
/// # Errors
///
/// When the database fails.
pub async fn log_out(service: &Service, token: &Token) -> Result<(), StoreError> {
    let (console, hash) = (&service.db.console, token.hash());
    let end = console.write(|tx| {
        async move {
            let ended = members::session(tx, &hash).await?;
            members::delete_session(tx, &hash).await?;
            Ok::<_, StoreError>(ended)
        }
        .scope_boxed()
    });
    let ended = end.await?;
    service.live.session_ended();
    if let Some(ended) = ended {
        security_log::signed_out(ended.member);
    }
    Ok(())
}

/// Who uses a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Somebody who does something: the session lasts longer for it.
    Member,
    /// A page that keeps itself fresh. Left open, it must not keep its session alive.
    Page,
}

/// Who a token belongs to; nobody when it is unknown, too old, or its member disabled.
///
/// # Errors
///
/// When the database fails.
pub async fn authenticate(
    service: &Service,
    token: &Token,
    by: Use,
) -> Result<Option<Authenticated>, StoreError> {
    let hash = token.hash();
    let now = service.clock.system_now();
    let mut tx = service.db.console.begin_read().await?;
    let Some(session) = members::session(&mut tx, &hash).await? else {
        return Ok(None);
    };
    let member = members::by_id(&mut tx, session.member).await?;
    drop(tx);
    let (Some(member), false) = (member, is_over(&session, now)) else {
        return Ok(None);
    };
    let (Ok(identity), false) = (token.unwrap(&session.wrapped), member.disabled) else {
        return Ok(None);
    };
    if by == Use::Member && now - session.seen_at > TOUCH {
        let console = &service.db.console;
        let touch = console
            .write(|tx| async move { members::touch_session(tx, &hash, now).await }.scope_boxed());
        touch.await?;
    }
    Ok(Some(Authenticated {
        member,
        identity,
        hash,
    }))
}

/// Does a session still last? Asking is not using it.
///
/// # Errors
///
/// When the database fails.
pub async fn lasts(service: &Service, hash: &[u8; 32]) -> Result<bool, StoreError> {
    let now = service.clock.system_now();
    let mut tx = service.db.console.begin_read().await?;
    let session = members::session(&mut tx, hash).await?;
    Ok(session.is_some_and(|session| !is_over(&session, now)))
}

/// A session from the future is over too: it was begun or used while a clock was wrong, and would last until then.
fn is_over(session: &Session, now: DateTime<Utc>) -> bool {
    /// What the clocks of two nodes may differ.
    const AHEAD: TimeDelta = TimeDelta::minutes(5);
    now - session.seen_at > IDLE
        || now - session.created_at > MAX_AGE
        || session.seen_at - now > AHEAD
        || session.created_at - now > AHEAD
}
