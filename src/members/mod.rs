//! Members and the keys they hold: the first lead, line keys, members, grants.
//!
//! Only a holder of a line key can pass it on. So giving a member a line requires the password of a lead who holds the
//! line's key, or the line's recovery key; a new line key is granted to the lead who makes it.
//!
//! | file | holds |
//! |---|---|
//! | [`login`] | login and sessions |
//! | `name` | the form of names, and which names look alike |
//! | `giving` | passing on the keys of lines |
//! | `taking_off` | taking a member off a line, which gives the line another key |
//! | [`resealing`] | sealing the keys of a line's reports to the line's next key |
//! | [`renewal`] | another key pair for a member, when the password changes |
//! | [`rights`] | which member may lock out which other one |
//! | [`confirming`] | which approvals of replies count |

pub mod confirming;
mod giving;
pub mod login;
mod name;
mod releasing;
pub mod renewal;
pub mod resealing;
pub mod rights;
mod taking_off;

pub use giving::{SealedKeys, Source, grant, seal_keys};
pub use name::{MemberName, NameError, canonical, look_alike};
pub use taking_off::{NextKey, next_key, next_recovery_key, renew_recovery, take_off};

use crate::base::clock::{Clock, random_id};
use crate::report::role::Role;
use crate::store::audit::{self, Act};
use crate::store::keys::{self, LineKey};
use crate::store::members::{self, Member};
use crate::store::{Db, ReadTx, StoreError, WriteTx};
use crate::vault::action::Action;
use crate::vault::passwords::{self, Lane, NewPassword, Password, Stopped};
use crate::vault::seal::{Identity, Recipient, seal_identity};
use crate::vault::signing::Signer;
use uuid::Uuid;

/// Why an operation on members or keys failed.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// The name or the password is wrong, or the member is locked out.
    #[error("the password of {0} is wrong, or there is no such member")]
    WrongPassword(String),
    /// The name does not have the form of a member's name, or is reserved.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Another member has this name.
    #[error("there is a member {0} already")]
    NameTaken(String),
    /// The first name can be mistaken for the second one, which another member has.
    #[error("{0} looks like the name of another member, {1}; choose a name that differs more")]
    LooksLike(String, String),
    /// The acting member is no lead or is locked out, or their password was changed meanwhile.
    #[error("{0} is no lead, or locked out")]
    NoLead(String),
    /// The member works on a line whose key the acting lead does not hold.
    #[error(
        "{actor} does not hold the key of line {line}, so they neither lock {member} out nor let them back in"
    )]
    NotTheirs {
        /// The lead.
        actor: String,
        /// The member to be locked out or let back in.
        member: String,
        /// The line.
        line: String,
    },
    /// Without the member (the first text) the line (the second one) would have no lead.
    #[error("{0} is the last lead of line {1}; give the line to another lead first")]
    LastLead(String, String),
    /// Without this member the service would have no lead.
    #[error("{0} is the last lead; add another lead first")]
    LastLeadOfAll(String),
    /// Without this member, no member who may log in would hold the line's current key.
    #[error(
        "{0} is the last member who holds the key of line {1}; give it to another member first"
    )]
    LastHolder(String, String),
    /// The first member cannot confirm the account of the second one: both accounts have the same origin, the first
    /// member is locked out, or the second account is the first lead's.
    #[error(
        "{0} cannot confirm the account of {1}: that takes a member who does not come from the same account, by the chain of who added whom"
    )]
    NoThird(String, String),
    /// The line has three members or more, so the confirmation by a third member cannot be waived.
    #[error("line {0} has three members or more; one of them confirms")]
    EnoughMembers(String),
    /// There is no member with this name, or no longer.
    #[error("there is no member {0}")]
    NoMember(String),
    /// The lead does not hold the line's key, so they cannot pass it on.
    #[error("{0} does not hold the key of line {1}, so they cannot pass it on")]
    NotHeld(String, String),
    /// The line's keys, or the member's public key, have changed since the line's keys were sealed to the member.
    #[error("the keys of line {0} have changed meanwhile; try again")]
    KeysChanged(String),
    /// The member (the first text) holds no key of the line (the second one).
    #[error("{0} does not work on line {1}")]
    NotOnLine(String, String),
    /// This many report keys of the line could not be sealed to the line's current key.
    #[error(
        "{1} report keys of line {0} cannot be sealed to its next key, so nothing that is sealed to the former one was removed; `dutyline audit verify` names their reports, and `dutyline audit restore` mends them"
    )]
    NotResealed(String, usize),
    /// The line has no key yet.
    #[error("line {0} has no key yet; `dutyline init` makes it")]
    NoKey(String),
    /// The recovery key does not open the line's key.
    #[error("this is not the recovery key of line {0}")]
    WrongRecovery(String),
    /// A member with this role is to be given a line, but the role does not work on reports.
    #[error("a member with the role {0} does not open reports, so they are given no line")]
    NoReports(Role),
    /// No key could be derived from a new password, because the thread for it has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Finds a member by name and opens their key with their password. No transaction is open while the key is derived from
/// the password: on SQLite, calls would wait for a transaction that writes, and Postgres ends a transaction that is
/// idle for longer than 5 s.
///
/// # Errors
///
/// Returns [`MemberError::WrongPassword`] when there is no such member, they are locked out, or the password is wrong.
/// Also when the database fails.
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
    match is_key_of(&member, &identity) {
        true => Ok((member, identity)),
        false => Err(wrong()),
    }
}

/// True if a key that a member's password or session opened is the one that their row names: other members seal line
/// keys to it, and links that the member causes are signed with it. Logs an error if it is not.
fn is_key_of(member: &Member, identity: &Identity) -> bool {
    let is_own = identity.recipient().to_string() == member.recipient
        && Signer::new(member.id, identity).verifying().to_string() == member.verifying;
    if !is_own {
        tracing::error!(member = %member.id, "the public key in a member's row is not that of their private key");
    }
    is_own
}

/// Returns the member with this name; if there is none, the member whose name is the canonical form of it.
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

/// Returns the first eight hex digits of a member's id, which distinguish members whose names look alike.
pub fn short_id(id: Uuid) -> String {
    id.simple().to_string().chars().take(8).collect()
}

/// The maker of an account; see [`confirming`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// `init`, which created the first account. It is its own maker.
    Init,
    /// The holder of a recovery key, who added the account.
    Recovery,
    /// The member with this id, who added the account.
    Member(Uuid),
}

impl Maker {
    /// Returns the maker of a member's account.
    pub fn of(member: &Member) -> Self {
        match member.made_by {
            Some(maker) if maker == member.id => Self::Init,
            Some(maker) => Self::Member(maker),
            None => Self::Recovery,
        }
    }
}

/// Creates a member with a new key, without storing it. Returns them with what signs as them. Takes a large part of a second, because a key is derived from
/// the password.
///
/// # Errors
///
/// Returns [`MemberError::Stopped`] when no key could be derived.
pub async fn new_member(
    name: &MemberName,
    role: Role,
    password: NewPassword,
    maker: Maker,
) -> Result<(Member, Signer), MemberError> {
    let identity = Identity::generate();
    let id = random_id();
    let signer = Signer::new(id, &identity);
    let member = Member {
        id,
        name: name.as_str().to_owned(),
        role,
        recipient: identity.recipient().to_string(),
        verifying: signer.verifying().to_string(),
        wrapped: passwords::wrap(identity, password).await?,
        disabled: false,
        made_by: match maker {
            Maker::Init => Some(id),
            Maker::Recovery => None,
            Maker::Member(maker) => Some(maker),
        },
        confirmed_by: None,
    };
    Ok((member, signer))
}

/// Stores a new member, and records in the chain of the service that `actor` added them.
///
/// # Errors
///
/// Returns [`MemberError::NameTaken`] when a member has the same name, and [`MemberError::LooksLike`] when the name can
/// be mistaken for that of another member. Also when the database fails.
pub async fn insert(
    tx: &mut WriteTx,
    clock: &Clock,
    member: &Member,
    actor: &str,
) -> Result<(), MemberError> {
    // Locked, so that two names that look alike cannot be added at the same time.
    members::lock(tx).await?;
    let (mut all, refused) = members::list_but_refused(tx).await?;
    all.extend(refused);
    let alike =
        |other: &&Member| other.name != member.name && look_alike(&other.name, &member.name);
    if let Some(other) = all.iter().find(alike) {
        return Err(MemberError::LooksLike(
            member.name.clone(),
            other.name.clone(),
        ));
    }
    let act = about(clock, actor, Action::MemberAdded, member);
    match members::insert(tx, member, clock.system_now(), act).await {
        Err(StoreError::Duplicate) => Err(MemberError::NameTaken(member.name.clone())),
        result => Ok(result?),
    }
}

/// Stores a new member and gives them the lines of `keys`. The trail of each line records who added them. Ends the
/// waiver of each of these lines that has three members or more then.
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
    insert(tx, clock, member, keys.actor()).await?;
    for line in keys.lines() {
        let act = about(clock, keys.actor(), Action::MemberAdded, member);
        audit::append(tx, line, act);
    }
    grant(tx, clock, keys, member).await
}

/// Locks a member out, ends their sessions, and records that in the trail of each of their lines. Returns false if the
/// member was locked out already.
///
/// # Errors
///
/// Returns [`MemberError::NoLead`] when `actor` is no lead, is locked out, or has changed their password since they
/// were read; [`MemberError::NotTheirs`] when they do not hold the key of one of the member's lines;
/// [`MemberError::LastLead`], [`MemberError::LastLeadOfAll`] or [`MemberError::LastHolder`] when the member is needed.
/// Also when the database fails.
pub async fn disable(
    tx: &mut WriteTx,
    clock: &Clock,
    actor: &Member,
    member: &Member,
) -> Result<bool, MemberError> {
    let actor = rights::acting(tx, actor).await?;
    rights::holds_all_of(tx, &actor, member).await?;
    rights::can_be_done_without(tx, member).await?;
    let act = about(clock, &actor.name, Action::MemberDisabled, member);
    let changed = members::disable(tx, member.id, act).await?;
    if changed {
        note(tx, clock, &actor.name, Action::MemberDisabled, member).await?;
    }
    Ok(changed)
}

/// Lets a member who was locked out log in again, and records that in the trail of each of their lines. Ends the waiver
/// of each of their lines that has three members or more again. Returns false if the member was not locked out.
///
/// # Errors
///
/// Returns [`MemberError::NoLead`] and [`MemberError::NotTheirs`] as [`disable`] does. Also when the database fails.
pub async fn enable(
    tx: &mut WriteTx,
    clock: &Clock,
    actor: &Member,
    member: &Member,
) -> Result<bool, MemberError> {
    let actor = rights::acting(tx, actor).await?;
    rights::holds_all_of(tx, &actor, member).await?;
    let act = about(clock, &actor.name, Action::MemberEnabled, member);
    let changed = members::enable(tx, member.id, act).await?;
    if changed {
        note(tx, clock, &actor.name, Action::MemberEnabled, member).await?;
        for line in rights::lines_of(tx, member.id).await? {
            confirming::end_waiver_of_three(tx, clock, &actor.name, &line).await?;
        }
    }
    Ok(changed)
}

/// Returns the act of `actor` on a member's account, for the trail of a line.
fn about<'a>(clock: &Clock, actor: &'a str, action: Action, member: &'a Member) -> Act<'a> {
    Act {
        actor: Some(actor),
        object: Some(member.id),
        detail: Some(&member.name),
        ..Act::new(clock.line_now(), action)
    }
}

/// Records an act of `actor` on a member's account in the trail of each of the member's lines.
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

/// The parts of a new line key that are shown once. The recovery key is not stored.
pub struct NewLineKey {
    /// The recovery key, to be kept on paper: the line key's private half is sealed to it.
    pub recovery: Identity,
    /// The line's public key, which can be pinned in the configuration.
    pub recipient: Recipient,
}

/// Creates a line's first key, grants it to `lead`, and records both in the line's trail. Returns `None` if the line
/// has a key already.
///
/// # Errors
///
/// When the database fails, or the lead's public key in it is invalid.
pub async fn make_line_key(
    tx: &mut WriteTx,
    clock: &Clock,
    line: &str,
    lead: &Member,
) -> Result<Option<NewLineKey>, MemberError> {
    if keys::current_key(tx, line).await?.is_some() {
        return Ok(None);
    }
    let identity = Identity::generate();
    let recovery = Identity::generate();
    let recipient = identity.recipient();
    let id = random_id();
    let recovery_verifying = Signer::new(id, &recovery).verifying().to_string();
    let key = LineKey {
        id,
        recovery_verifying,
        line: line.to_owned(),
        epoch: 1,
        recipient: recipient.to_string(),
        recovery: seal_identity(&identity, &[&recovery.recipient()]),
        recovery_recipient: recovery.recipient().to_string(),
    };
    let act = made(clock, &key, lead);
    keys::insert_line_key(tx, &key, clock.system_now(), act).await?;
    give(tx, clock, &key, &identity, lead, &lead.name).await?;
    Ok(Some(NewLineKey {
        recovery,
        recipient,
    }))
}

/// Returns the act of making a line key.
fn made<'a>(clock: &Clock, key: &'a LineKey, lead: &'a Member) -> Act<'a> {
    Act {
        actor: Some(&lead.name),
        object: Some(key.id),
        detail: Some(&key.recipient),
        ..Act::new(clock.line_now(), Action::LineKeyMade)
    }
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

/// Stores a line key's private half, sealed to a member, and records the grant in the line's trail.
async fn write_grant(
    tx: &mut WriteTx,
    clock: &Clock,
    key: &LineKey,
    sealed: &[u8],
    to: &Member,
    actor: &str,
) -> Result<(), StoreError> {
    let act = about(clock, actor, Action::Granted, to);
    keys::insert_grant(tx, key, to.id, sealed, act).await
}
