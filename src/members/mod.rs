//! Who holds which key: the first lead, line keys, members, grants.
//!
//! Only who has a line key can pass it on, so everything but the first lead needs a password, or the line's
//! recovery key.
//!
//! | file | holds |
//! |---|---|
//! | `name` | what may be a name, and which look alike |
//! | `giving` | passing on the keys of lines |
//! | [`rights`] | who may lock whom out |
//! | [`confirming`] | whose approval of a reply counts |

pub mod confirming;
mod giving;
pub mod login;
mod name;
pub mod rights;

pub use giving::{SealedKeys, Source, grant, seal_keys};
pub use name::{MemberName, NameError, canonical, look_alike};

use crate::base::clock::{Clock, random_id};
use crate::report::role::Role;
use crate::store::audit::{self, Act};
use crate::store::members::{self, LineKey, Member};
use crate::store::{Db, ReadTx, StoreError, WriteTx};
use crate::vault::action::Action;
use crate::vault::passwords::{self, Lane, NewPassword, Password, Stopped};
use crate::vault::seal::{Identity, Recipient, seal_identity};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Why keys could not be given.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// Name or password wrong.
    #[error("the password of {0} is wrong, or there is no such member")]
    WrongPassword(String),
    /// No name for a member.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The name is taken.
    #[error("there is a member {0} already")]
    NameTaken(String),
    /// The name could be taken for the other one.
    #[error("{0} looks like the name of another member, {1}; choose a name that differs more")]
    LooksLike(String, String),
    /// The member who acts is locked out, or no lead.
    #[error("{0} is no lead, or locked out")]
    NoLead(String),
    /// The member works on a line that is not the acting lead's.
    #[error(
        "{actor} does not hold the key of line {line}, so they neither lock {member} out nor let them back in"
    )]
    NotTheirs {
        /// The lead.
        actor: String,
        /// Whom it is about.
        member: String,
        /// The line.
        line: String,
    },
    /// Without this member a line would have no lead.
    #[error("{0} is the last lead of line {1}; give the line to another lead first")]
    LastLead(String, String),
    /// Without this member there would be no lead.
    #[error("{0} is the last lead; add another lead first")]
    LastLeadOfAll(String),
    /// Without this member nobody could open a line's reports.
    #[error(
        "{0} is the last member who holds the key of line {1}; give it to another member first"
    )]
    LastHolder(String, String),
    /// The member cannot confirm this account.
    #[error(
        "{0} cannot confirm the account of {1}: that takes a member who does not come from the same account, by the chain of who added whom"
    )]
    NoThird(String, String),
    /// With three members the confirmation cannot be waived.
    #[error("line {0} has three members or more; one of them confirms")]
    EnoughMembers(String),
    /// No such member.
    #[error("there is no member {0}")]
    NoMember(String),
    /// Nobody can pass on what they don't have.
    #[error("{0} does not hold the key of line {1}, so they cannot pass it on")]
    NotHeld(String, String),
    /// Keys were made or changed since they were sealed to the member.
    #[error("the keys of line {0} have changed meanwhile; try again")]
    KeysChanged(String),
    /// The line has no key yet.
    #[error("line {0} has no key yet; `dutyline init` makes it")]
    NoKey(String),
    /// The recovery key is another line's.
    #[error("this is not the recovery key of line {0}")]
    WrongRecovery(String),
    /// This role works on no reports.
    #[error("a member with the role {0} does not open reports, so they are given no line")]
    NoReports(Role),
    /// No key could be derived from the password.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Finds a member and opens their key. No transaction is open while the password is stretched: on SQLite callers would wait
/// for it, and Postgres ends a transaction that is idle for longer than 5 s.
///
/// # Errors
///
/// [`MemberError::WrongPassword`], whichever of the two is wrong.
pub async fn unlock(
    db: &Db,
    name: &str,
    password: impl Into<Password>,
) -> Result<(Member, Identity), MemberError> {
    let wrong = || MemberError::WrongPassword(name.to_owned());
    let mut tx = db.begin_read().await?;
    let member = find(&mut tx, name).await?.ok_or_else(wrong)?;
    drop(tx);
    if member.disabled {
        return Err(wrong());
    }
    let identity = passwords::unwrap(Lane::Known, member.wrapped.clone(), password.into())
        .await
        .map_err(|_| wrong())?;
    Ok((member, identity))
}

/// The member with this name, as it is written or as it would be stored.
///
/// # Errors
///
/// When the database fails.
pub async fn find(tx: &mut ReadTx, name: &str) -> Result<Option<Member>, StoreError> {
    match members::by_name(tx, name).await? {
        Some(member) => Ok(Some(member)),
        None => members::by_name(tx, &canonical(name)).await,
    }
}

/// The beginning of a member's id, to tell apart two whose names look alike.
pub fn short_id(id: Uuid) -> String {
    id.simple().to_string().chars().take(8).collect()
}

/// Where a new account comes from: see [`confirming`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// From `init`: it is the first one, and comes from itself.
    Init,
    /// From the holder of a recovery key.
    Recovery,
    /// From the member with this id.
    Member(Uuid),
}

impl Maker {
    /// Where the account of a member comes from.
    pub fn of(member: &Member) -> Self {
        match member.made_by {
            Some(maker) if maker == member.id => Self::Init,
            Some(maker) => Self::Member(maker),
            None => Self::Recovery,
        }
    }
}

/// A new member with a fresh key, not in the database yet. Takes a good part of a second, for the password.
///
/// # Errors
///
/// [`MemberError::Stopped`].
pub async fn new_member(
    name: &MemberName,
    role: Role,
    password: NewPassword,
    maker: Maker,
) -> Result<Member, MemberError> {
    let identity = Identity::generate();
    let id = random_id();
    Ok(Member {
        id,
        name: name.as_str().to_owned(),
        role,
        recipient: identity.recipient().to_string(),
        wrapped: passwords::wrap(identity, password).await?,
        disabled: false,
        made_by: match maker {
            Maker::Init => Some(id),
            Maker::Recovery => None,
            Maker::Member(maker) => Some(maker),
        },
        confirmed_by: None,
    })
}

/// Writes down a new member.
///
/// # Errors
///
/// [`MemberError::NameTaken`], [`MemberError::LooksLike`].
pub async fn insert(tx: &mut WriteTx, clock: &Clock, member: &Member) -> Result<(), MemberError> {
    // Two names that look alike must not be added at once either.
    members::lock(tx).await?;
    let all = members::list(tx).await?;
    let alike =
        |other: &&Member| other.name != member.name && look_alike(&other.name, &member.name);
    if let Some(other) = all.iter().find(alike) {
        return Err(MemberError::LooksLike(
            member.name.clone(),
            other.name.clone(),
        ));
    }
    match members::insert(tx, member, clock.system_now()).await {
        Err(StoreError::Duplicate) => Err(MemberError::NameTaken(member.name.clone())),
        result => Ok(result?),
    }
}

/// Writes down a new member and gives them lines; who added them is in the trail of each line.
///
/// # Errors
///
/// As [`insert`] and [`grant`].
pub async fn add(
    tx: &mut WriteTx,
    clock: &Clock,
    keys: &SealedKeys,
    member: &Member,
) -> Result<(), MemberError> {
    insert(tx, clock, member).await?;
    for line in keys.lines() {
        let act = about(clock, keys.actor(), Action::MemberAdded, member);
        audit::append(tx, line, act);
    }
    grant(tx, clock, keys, member).await
}

/// Locks a member out and ends their sessions; in the trail of all their lines. One who is locked out stays so.
///
/// # Errors
///
/// [`MemberError::NoLead`], [`MemberError::NotTheirs`], [`MemberError::LastLead`], [`MemberError::LastLeadOfAll`],
/// [`MemberError::LastHolder`].
pub async fn disable(
    tx: &mut WriteTx,
    clock: &Clock,
    actor: &Member,
    member: &Member,
) -> Result<bool, MemberError> {
    let actor = rights::acting(tx, actor).await?;
    rights::holds_all_of(tx, &actor, member).await?;
    rights::can_be_done_without(tx, member).await?;
    let changed = members::disable(tx, member.id).await?;
    if changed {
        note(tx, clock, &actor.name, Action::MemberDisabled, member).await?;
    }
    Ok(changed)
}

/// Lets a member who was locked out log in again; in the trail of all their lines. False when they were not locked out.
///
/// # Errors
///
/// [`MemberError::NoLead`], [`MemberError::NotTheirs`].
pub async fn enable(
    tx: &mut WriteTx,
    clock: &Clock,
    actor: &Member,
    member: &Member,
) -> Result<bool, MemberError> {
    let actor = rights::acting(tx, actor).await?;
    rights::holds_all_of(tx, &actor, member).await?;
    let changed = members::enable(tx, member.id).await?;
    if changed {
        note(tx, clock, &actor.name, Action::MemberEnabled, member).await?;
        for line in rights::lines_of(tx, member.id).await? {
            confirming::end_waiver_of_three(tx, clock, &actor.name, &line).await?;
        }
    }
    Ok(changed)
}

/// A link about a member.
fn about<'a>(clock: &Clock, actor: &'a str, action: Action, member: &'a Member) -> Act<'a> {
    Act {
        actor: Some(actor),
        object: Some(member.id),
        detail: Some(&member.name),
        ..Act::new(clock.line_now(), action)
    }
}

/// Writes a link about a member into the trail of each of their lines.
async fn note(
    tx: &mut WriteTx,
    clock: &Clock,
    actor: &str,
    action: Action,
    member: &Member,
) -> Result<(), StoreError> {
    for line in rights::lines_of(tx, member.id).await? {
        audit::append(tx, &line, about(clock, actor, action, member));
    }
    Ok(())
}

/// A line's fresh key: what to print once, and never again.
pub struct NewLineKey {
    /// The recovery key; to be kept on paper.
    pub recovery: Identity,
    /// The line's public key, for pinning.
    pub recipient: Recipient,
}

/// Makes a line's first key and grants it to `lead`. `None` when the line has one already.
///
/// # Errors
///
/// When the database fails.
pub async fn make_line_key(
    tx: &mut WriteTx,
    clock: &Clock,
    line: &str,
    lead: &Member,
) -> Result<Option<NewLineKey>, MemberError> {
    if members::current_key(tx, line).await?.is_some() {
        return Ok(None);
    }
    let identity = Identity::generate();
    let recovery = Identity::generate();
    let recipient = identity.recipient();
    let key = LineKey {
        id: random_id(),
        line: line.to_owned(),
        epoch: 1,
        recipient: recipient.to_string(),
        recovery: seal_identity(&identity, &[&recovery.recipient()]),
    };
    members::insert_line_key(tx, &key, clock.system_now()).await?;
    let act = Act {
        actor: Some(&lead.name),
        object: Some(key.id),
        digest: Some(Sha256::digest(&key.recovery).into()),
        detail: Some(&key.recipient),
        ..Act::new(clock.line_now(), Action::LineKeyMade)
    };
    audit::append(tx, line, act);
    give(tx, clock, &key, &identity, lead, &lead.name).await?;
    Ok(Some(NewLineKey {
        recovery,
        recipient,
    }))
}

async fn give(
    tx: &mut WriteTx,
    clock: &Clock,
    key: &LineKey,
    identity: &Identity,
    to: &Member,
    actor: &str,
) -> Result<(), MemberError> {
    let recipient: Recipient = to
        .recipient
        .parse()
        .map_err(|_| StoreError::Unreadable("member's key"))?;
    let sealed = seal_identity(identity, &[&recipient]);
    write_grant(tx, clock, key, &sealed, to, actor).await?;
    Ok(())
}

/// Writes down that a member holds a line key, as it is sealed to them.
async fn write_grant(
    tx: &mut WriteTx,
    clock: &Clock,
    key: &LineKey,
    sealed: &[u8],
    to: &Member,
    actor: &str,
) -> Result<(), StoreError> {
    members::insert_grant(tx, key.id, to.id, sealed).await?;
    audit::append(tx, &key.line, about(clock, actor, Action::Granted, to));
    Ok(())
}
