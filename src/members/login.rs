//! Login, and authentication of session tokens.
//!
//! A password is right if it opens the member's key. A login creates a session, which consists of the token's hash and
//! the member's key wrapped under the token. So no member's key is stored in the clear, and every node can serve every
//! request.

mod device;

pub use device::Device;

use crate::members::{resealing, rights};
use crate::service::Service;
use crate::service::attempts::{Refused, Try};
use crate::service::security_log;
use crate::store::audit::{self, Act};
use crate::store::keys;
use crate::store::members::{self, Member};
use crate::store::sessions::{self, Session};
use crate::store::{Db, HoldsStoreError, StoreError};
use crate::vault::action::Action;
use crate::vault::passwords::{self, Password};
use crate::vault::seal::Identity;
use crate::vault::session::{Token, Wrapping};
use crate::vault::signing::Signer;
use chrono::{DateTime, TimeDelta, Utc};
use scoped_futures::ScopedFutureExt;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Time since the member's last action after which a session ends. Automatic refreshes of a page are no actions.
pub const IDLE: TimeDelta = TimeDelta::minutes(30);
/// Maximum age of a session.
pub const MAX_AGE: TimeDelta = TimeDelta::hours(12);
/// Minimum time between two updates of the stored time of a session's last use.
const TOUCH: TimeDelta = TimeDelta::minutes(1);

/// A logged-in member, with their key.
pub struct Authenticated {
    /// The member.
    pub member: Member,
    /// The private half of the member's key.
    pub identity: Identity,
    /// The hash of the session's token.
    pub hash: [u8; 32],
    /// System time at which the member gave their password last, in this session.
    pub proved_at: DateTime<Utc>,
    /// Wraps the member's next key for the session, when they change their password.
    pub wrapping: Wrapping,
}

/// Where a login comes from.
pub struct Origin {
    /// The client's address, as the key for limits per source: of an IPv6 address the first 64 bits.
    pub address: IpAddr,
    /// The device cookie the browser sent, if any. It is not verified yet.
    pub device: Option<Device>,
}

/// A successful login.
pub struct LoggedIn {
    /// The token of the new session.
    pub token: Token,
    /// The member.
    pub member: Member,
    /// The device cookie for the browser. It marks the browser's next login as one from a known browser.
    pub device: Device,
}

/// Why a login failed.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Name or password are wrong, the member is locked out, or their password was changed during the login; the answer
    /// does not tell which.
    #[error("the name or the password is wrong")]
    Wrong,
    /// Too many logins with this name, from this address, or in total, or no turn within 14 seconds. The password was
    /// not checked.
    #[error("too many logins at once")]
    TooMany,
    /// Too many wrong passwords in a row in a session, which has ended. This password was the last of them, or was not
    /// checked.
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

/// Logs a member in and records that in the trail of each of their lines. Goes on with [`resealing`] on those lines
/// where it is not finished. An unknown name costs as much time as a known one. After five wrong passwords in a row,
/// each further attempt at the name is delayed by up to five seconds, with a right password too; attempts from a
/// browser that this member has logged in from before are counted separately. An attempt that gets no turn within 14
/// seconds is refused.
///
/// # Errors
///
/// See [`LoginError`]; [`LoginError::SessionOver`] is not returned.
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
        hash: token.hash().to_vec(),
        member: member.id,
        wrapped: token.wrap(&identity),
        created_at: now,
        seen_at: now,
        proved_at: now,
    };
    let console = &service.db.console;
    let (member_now, session) = (&member, &session);
    let signer = &Signer::new(member.id, &identity);
    let begin_session = console.write(|tx| {
        async move {
            // The password may have been changed, or the member locked out, while this login waited.
            if rights::unchanged(tx, member_now).await?.is_none() {
                return Err(LoginError::Wrong);
            }
            tx.sign_as(signer.clone());
            sessions::insert(tx, session).await?;
            let grants = keys::grants(tx, member_now.id).await?;
            let unfinished = resealing::unfinished(&grants);
            let lines: BTreeSet<String> = grants.into_iter().map(|grant| grant.line).collect();
            for line in lines {
                let act = Act {
                    actor: Some(&member_now.name),
                    ..Act::new(service.clock.line_now(), Action::Login)
                };
                audit::append(tx, &line, act);
            }
            Ok(unfinished)
        }
        .scope_boxed()
    });
    for line in begin_session.await? {
        resealing::start(service, &member, &identity, &line);
    }
    let device = known.unwrap_or_else(|| Device::new(service, &member));
    Ok(LoggedIn {
        token,
        member,
        device,
    })
}

/// Opens the key of a member who is logged in already, with their password. Wrong passwords cause delays like those of
/// a login, but are counted for this session only, so that failures elsewhere do not slow a member down here. Seven
/// wrong ones in a row end the session: a stolen session cannot be used for guessing, and does not block the member's
/// own forms.
///
/// # Errors
///
/// Returns [`LoginError::Wrong`] when the password was checked and is wrong, [`LoginError::TooMany`] when it was not
/// checked, and [`LoginError::SessionOver`] when the session has ended. Also when the database fails.
pub async fn is_right(
    service: &Service,
    member: &Member,
    session: [u8; 32],
    password: impl Into<Password>,
) -> Result<Identity, LoginError> {
    let found = Some(member.clone());
    let proved = prove(service, Try::Session(session), found, password.into()).await;
    if matches!(proved, Err(LoginError::SessionOver)) {
        // Repeated in case the deletion in [`prove`] failed at the try that ended the session; also wakes the session's
        // open pages.
        end_session(&service.db.console, &session).await?;
        service.live.session_ended();
    }
    Ok(proved?.1)
}

async fn end_session(db: &Db, hash: &[u8; 32]) -> Result<(), StoreError> {
    db.write(|tx| async move { sessions::end(tx, hash).await }.scope_boxed())
        .await
}

/// Waits for the attempt's turn, then opens the key of `found`, the member with the name that was given. `None` is
/// checked against a dummy key.
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
        // An unknown name costs as much time as a known one.
        None => (passwords::dummy().to_vec(), true),
    };
    // Runs as a separate task, which goes on if the client disconnects: the turn is kept until the check ends, so that
    // the client's next attempt has to wait, and a wrong password is counted in any case.
    let (db, wrong) = (
        service.db.console.clone(),
        service.metrics.logins_wrong.clone(),
    );
    let who = found.as_ref().map(|member| member.id);
    let of = found.clone();
    let opening = tokio::spawn(async move {
        let opened = passwords::unwrap(lane, wrapped, password).await;
        let opened = opened.ok().filter(|_| !disabled);
        let opened = opened.filter(|key| of.is_some_and(|member| super::is_key_of(&member, key)));
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

/// Ends the session of this token, if there is one, for all clients that use the token.
///
/// # Errors
///
/// When the database fails.
pub async fn log_out(service: &Service, token: &Token) -> Result<(), StoreError> {
    let (console, hash) = (&service.db.console, token.hash());
    let end = console.write(|tx| {
        async move {
            let ended = sessions::get(tx, &hash).await?;
            sessions::end(tx, &hash).await?;
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

/// What a session is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// An action of the member, which extends the session.
    Member,
    /// An automatic refresh of a page. It does not extend the session, so that an open page does not keep the session
    /// alive.
    Page,
}

/// Returns the member that a token belongs to; `None` if the token is unknown or its session has ended, or if the
/// member is locked out. An action of the member extends the session.
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
    let Some(session) = sessions::get(&mut tx, &hash).await? else {
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
    if !super::is_key_of(&member, &identity) {
        return Ok(None);
    }
    if by == Use::Member && now - session.seen_at > TOUCH {
        let console = &service.db.console;
        let touch =
            console.write(|tx| async move { sessions::touch(tx, &hash, now).await }.scope_boxed());
        touch.await?;
    }
    Ok(Some(Authenticated {
        member,
        identity,
        hash,
        proved_at: session.proved_at,
        wrapping: token.wrapping(),
    }))
}

/// True if the session with this token hash still lasts. Does not extend it.
///
/// # Errors
///
/// When the database fails.
pub async fn lasts(service: &Service, hash: &[u8; 32]) -> Result<bool, StoreError> {
    let now = service.clock.system_now();
    let mut tx = service.db.console.begin_read().await?;
    let session = sessions::get(&mut tx, hash).await?;
    Ok(session.is_some_and(|session| !is_over(&session, now)))
}

/// True if a session is too old or was not used for too long. A session that was created or used in the future has
/// ended too: the clock was wrong then, and the session would otherwise last until that time.
pub(crate) fn is_over(session: &Session, now: DateTime<Utc>) -> bool {
    /// Maximum difference between the clocks of two nodes. Times up to this far in the future are accepted.
    const AHEAD: TimeDelta = TimeDelta::minutes(5);
    now - session.seen_at > IDLE
        || now - session.created_at > MAX_AGE
        || session.seen_at - now > AHEAD
        || session.created_at - now > AHEAD
}
