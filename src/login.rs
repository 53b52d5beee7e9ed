//! Logging in, and who a token belongs to.
//!
//! A password is right when it opens the member's key. A login leaves a session: the token's hash, and the key
//! wrapped under the token. So nobody's key is at rest, and any node serves any request.

use crate::hidden::Hidden;
use crate::security_log;
use crate::service::Service;
use crate::store::StoreError;
use crate::store::audit::{self, Act};
use crate::store::members::{self, Member, Session};
use crate::vault::passwords;
use crate::vault::seal::{Identity, open_identity};
use crate::vault::session::Token;
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// How long a session lasts without a request.
pub const IDLE: TimeDelta = TimeDelta::minutes(30);
/// How long a session lasts at most.
pub const LONGEST: TimeDelta = TimeDelta::hours(12);
/// A session's last use is written down no finer than this.
const TOUCH: TimeDelta = TimeDelta::minutes(1);

/// What a member may do.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Works on reports and adds members.
    Lead,
    /// Works on reports.
    Inspector,
    /// Reads the audit trail. Comes later.
    Auditor,
    /// Looks after the service. Comes later.
    Operator,
}

impl Role {
    /// Its name in the database, in JSON and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lead => "lead",
            Self::Inspector => "inspector",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
        }
    }

    /// The role with this name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Lead, Self::Inspector, Self::Auditor, Self::Operator]
            .into_iter()
            .find(|role| role.as_str() == text)
    }

    /// May open reports and work on them.
    pub fn works_on_reports(self) -> bool {
        matches!(self, Self::Lead | Self::Inspector)
    }
}

/// Somebody who is logged in, with their key.
pub struct Authenticated {
    /// Who it is.
    pub member: Member,
    /// What they may do.
    pub role: Role,
    /// Their key.
    pub identity: Identity,
    /// The session.
    pub hash: [u8; 32],
}

/// Why a login came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Name or password wrong, or the member is disabled: nobody is told which.
    #[error("the name or the password is wrong")]
    Wrong,
    /// Too many people are guessing at this name at once.
    #[error("too many logins at once")]
    TooMany,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Logs somebody in.
///
/// # Errors
///
/// See [`LoginError`]. Takes as long whether the name exists or not; after five wrong ones in a row each next try at
/// a name has to wait, longer and longer, right or wrong.
pub async fn log_in(
    service: &Service,
    name: &str,
    password: Hidden<String>,
) -> Result<(Token, Member), LoginError> {
    let mut tx = service.db.read().await?;
    let found = members::by_name(&mut tx, name).await?;
    drop(tx);
    let (member, identity) = prove(service, name, found, password).await?;
    let token = Token::generate();
    let now = service.clock.system_now();
    let session = Session {
        member: member.id,
        wrapped: token.wrap(&identity),
        created_at: now,
        seen_at: now,
    };
    let mut tx = service.db.begin().await?;
    members::insert_session(&mut tx, &token.hash(), &session).await?;
    let mut noted: Vec<String> = Vec::new();
    for grant in members::grants(&mut tx, member.id).await? {
        if !noted.contains(&grant.line) {
            let act = Act {
                at: service.clock.line_now(),
                actor: Some(&member.name),
                action: "login",
                ..Act::default()
            };
            audit::append(&mut tx, &grant.line, act).await?;
            noted.push(grant.line);
        }
    }
    tx.commit().await?;
    Ok((token, member))
}

/// Is this the password of a member who is logged in already? Gives their key. Slowed as a login is.
///
/// # Errors
///
/// See [`LoginError`].
pub async fn is_right(
    service: &Service,
    member: &Member,
    password: Hidden<String>,
) -> Result<Identity, LoginError> {
    let found = Some(member.clone());
    Ok(prove(service, &member.name, found, password).await?.1)
}

/// Opens the key of whoever was found under a name. Takes its turn at the name, right or wrong.
async fn prove(
    service: &Service,
    name: &str,
    found: Option<Member>,
    password: Hidden<String>,
) -> Result<(Member, Identity), LoginError> {
    let mut turn = service.logins.turn(name).await?;
    let wrapped = match &found {
        Some(member) => member.wrapped.clone(),
        None => passwords::dummy().to_vec(),
    };
    let opened = {
        let _slot = service.logins.slots.acquire().await;
        tokio::task::spawn_blocking(move || passwords::unwrap(&wrapped, password.show()))
            .await
            .map_err(|_| LoginError::Wrong)?
    };
    let proven = match (found, opened) {
        (Some(member), Ok(identity)) if !member.disabled => Some((member, identity)),
        _ => None,
    };
    match proven {
        Some(proven) => {
            turn.right();
            Ok(proven)
        }
        None => {
            turn.wrong();
            service.counters.logins_wrong.add();
            security_log::password_refused();
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
    let mut tx = service.db.begin().await?;
    let ended = members::session(&mut tx, &token.hash()).await?;
    members::delete_session(&mut tx, &token.hash()).await?;
    tx.commit().await?;
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
    let mut tx = service.db.read().await?;
    let Some(session) = members::session(&mut tx, &hash).await? else {
        return Ok(None);
    };
    let member = members::by_id(&mut tx, session.member).await?;
    drop(tx);
    let (Some(member), false) = (member, is_over(&session, now)) else {
        return Ok(None);
    };
    let (Ok(identity), Some(role), false) = (
        token.unwrap(&session.wrapped),
        Role::parse(&member.role),
        member.disabled,
    ) else {
        return Ok(None);
    };
    if by == Use::Member && now - session.seen_at > TOUCH {
        let mut tx = service.db.begin().await?;
        members::touch_session(&mut tx, &hash, now).await?;
        tx.commit().await?;
    }
    Ok(Some(Authenticated {
        member,
        role,
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
    let mut tx = service.db.read().await?;
    let session = members::session(&mut tx, hash).await?;
    Ok(session.is_some_and(|session| !is_over(&session, now)))
}

/// A session from the future is over too: it was begun or used while a clock was wrong, and would last until then.
fn is_over(session: &Session, now: DateTime<Utc>) -> bool {
    /// What the clocks of two nodes may differ.
    const AHEAD: TimeDelta = TimeDelta::minutes(5);
    now - session.seen_at > IDLE
        || now - session.created_at > LONGEST
        || session.seen_at - now > AHEAD
        || session.created_at - now > AHEAD
}

/// The line keys a member holds, open: id, line, key.
///
/// # Errors
///
/// When the database fails, or a grant does not open with the member's key.
pub async fn line_keys(
    tx: &mut crate::store::Tx,
    who: Uuid,
    identity: &Identity,
) -> Result<Vec<(Uuid, String, Identity)>, StoreError> {
    members::grants(tx, who)
        .await?
        .into_iter()
        .map(|grant| {
            let key = open_identity(&grant.sealed, identity)
                .map_err(|_| StoreError::Unreadable("grant"))?;
            Ok((grant.line_key, grant.line, key))
        })
        .collect()
}

/// How often a name may be tried wrongly before it is slowed.
const FREE_TRIES: u32 = 5;
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Wrong tries are forgotten after this.
const FORGOTTEN: Duration = Duration::from_secs(15 * 60);
/// So many may wait for a turn at one name.
const QUEUE: usize = 8;
/// So many names are remembered; beyond, every try waits.
const NAMES: usize = 10_000;

/// Slows guessing down. In memory: a restart forgets, which costs a guesser more than it gives.
pub struct Logins {
    names: Mutex<HashMap<[u8; 32], Arc<Name>>>,
    /// Argon2 takes 64 MiB each time: at most two at once.
    slots: Semaphore,
}

struct Name {
    /// Whose turn it is.
    turn: Arc<tokio::sync::Mutex<()>>,
    waiting: Semaphore,
    tries: Mutex<(u32, Instant)>,
}

impl Default for Logins {
    fn default() -> Self {
        Self {
            names: Mutex::default(),
            slots: Semaphore::new(2),
        }
    }
}

/// One try at a name; others at the same name wait until it is over.
struct Turn {
    name: Arc<Name>,
    _turn: tokio::sync::OwnedMutexGuard<()>,
}

impl Logins {
    async fn turn(&self, name: &str) -> Result<Turn, LoginError> {
        let name = self.remembered(name);
        let turn = {
            let _place = name
                .waiting
                .try_acquire()
                .map_err(|_| LoginError::TooMany)?;
            let turn = Arc::clone(&name.turn).lock_owned().await;
            let wait = name.wait();
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            turn
        };
        Ok(Turn { name, _turn: turn })
    }

    fn remembered(&self, name: &str) -> Arc<Name> {
        let key: [u8; 32] = Sha256::digest(name).into();
        let now = crate::clock::instant();
        let mut names = self
            .names
            .lock()
            .unwrap_or_else(|broken| broken.into_inner());
        if names.len() >= NAMES {
            names.retain(|_, name| name.tries().0 > 0 && now - name.tries().1 < FORGOTTEN);
            if names.len() >= NAMES {
                names.clear();
            }
        }
        Arc::clone(names.entry(key).or_insert_with(|| {
            Arc::new(Name {
                turn: Arc::default(),
                waiting: Semaphore::new(QUEUE),
                tries: Mutex::new((0, now)),
            })
        }))
    }
}

impl Name {
    fn tries(&self) -> (u32, Instant) {
        *self
            .tries
            .lock()
            .unwrap_or_else(|broken| broken.into_inner())
    }

    fn wait(&self) -> Duration {
        let (wrong, last) = self.tries();
        if wrong < FREE_TRIES || crate::clock::instant() - last > FORGOTTEN {
            return Duration::ZERO;
        }
        Duration::from_secs(1 << (wrong - FREE_TRIES).min(10)).min(LONGEST_WAIT)
    }

    fn set(&self, wrong: u32) {
        *self
            .tries
            .lock()
            .unwrap_or_else(|broken| broken.into_inner()) = (wrong, crate::clock::instant());
    }
}

impl Turn {
    fn wrong(&mut self) {
        let (wrong, last) = self.name.tries();
        let forgotten = crate::clock::instant() - last > FORGOTTEN;
        self.name.set(if forgotten {
            1
        } else {
            wrong.saturating_add(1)
        });
    }

    fn right(&mut self) {
        self.name.set(0);
    }
}
