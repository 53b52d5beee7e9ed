//! Who holds which key: the first lead, line keys, members, grants.
//!
//! Only who has a line key can pass it on, so everything but the first lead needs a password, or the line's
//! recovery key.

use crate::clock::{Clock, random_id};
use crate::login::Role;
use crate::store::audit::{self, Act};
use crate::store::members::{self, LineKey, Member};
use crate::store::{StoreError, Tx};
use crate::vault::passwords::{self, Lane, NewPassword, Password, Stopped};
use crate::vault::seal::{Identity, Recipient, open_identity, seal_identity};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Why keys could not be given.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// Name or password wrong.
    #[error("the password of {0} is wrong, or there is no such member")]
    WrongPassword(String),
    /// The name is taken.
    #[error("there is a member {0} already")]
    NameTaken(String),
    /// No such member.
    #[error("there is no member {0}")]
    NoMember(String),
    /// Nobody can pass on what they don't have.
    #[error("{0} does not hold the key of line {1}, so they cannot pass it on")]
    NotHeld(String, String),
    /// The line has no key yet.
    #[error("line {0} has no key yet; `dutyline init` makes it")]
    NoKey(String),
    /// The recovery key is another line's.
    #[error("this is not the recovery key of line {0}")]
    WrongRecovery(String),
    /// This role works on no reports.
    #[error("a member with the role {0} does not open reports, so they are given no line")]
    NoReports(&'static str),
    /// No key could be derived from the password.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Finds a member and opens their key.
///
/// # Errors
///
/// [`MemberError::WrongPassword`], whichever of the two is wrong.
pub async fn unlock(
    tx: &mut Tx,
    name: &str,
    password: impl Into<Password>,
) -> Result<(Member, Identity), MemberError> {
    let wrong = || MemberError::WrongPassword(name.to_owned());
    let member = members::by_name(tx, name).await?.ok_or_else(wrong)?;
    if member.disabled {
        return Err(wrong());
    }
    let identity = passwords::unwrap(Lane::Known, member.wrapped.clone(), password.into())
        .await
        .map_err(|_| wrong())?;
    Ok((member, identity))
}

/// A new member with a fresh key, not in the database yet. Takes a good part of a second, for the password.
///
/// # Errors
///
/// [`MemberError::Stopped`].
pub async fn new_member(
    name: &str,
    role: Role,
    password: NewPassword,
) -> Result<Member, MemberError> {
    let identity = Identity::generate();
    Ok(Member {
        id: random_id(),
        name: name.to_owned(),
        role: role.as_str().to_owned(),
        recipient: identity.recipient().to_string(),
        wrapped: passwords::wrap(identity, password).await?,
        disabled: false,
    })
}

/// Writes down a new member.
///
/// # Errors
///
/// [`MemberError::NameTaken`].
pub async fn insert(tx: &mut Tx, clock: &Clock, member: &Member) -> Result<(), MemberError> {
    match members::insert(tx, member, clock.system_now()).await {
        Err(StoreError::Duplicate) => Err(MemberError::NameTaken(member.name.clone())),
        result => Ok(result?),
    }
}

/// Makes a member with a fresh key, and writes them down.
///
/// # Errors
///
/// [`MemberError::NameTaken`].
pub async fn make(
    tx: &mut Tx,
    clock: &Clock,
    name: &str,
    role: Role,
    password: NewPassword,
) -> Result<Member, MemberError> {
    let member = new_member(name, role, password).await?;
    insert(tx, clock, &member).await?;
    Ok(member)
}

/// Locks a member out and ends their sessions; `actor` is who did it.
///
/// # Errors
///
/// When the database fails.
pub async fn disable(
    tx: &mut Tx,
    clock: &Clock,
    actor: &str,
    member: &Member,
) -> Result<(), MemberError> {
    members::disable(tx, member.id).await?;
    let mut noted: Vec<String> = Vec::new();
    for grant in members::grants(tx, member.id).await? {
        if noted.contains(&grant.line) {
            continue;
        }
        let act = Act {
            at: clock.line_now(),
            actor: Some(actor),
            action: "member_disabled",
            object: Some(member.id),
            detail: Some(&member.name),
            ..Act::default()
        };
        audit::append(tx, &grant.line, act).await?;
        noted.push(grant.line);
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
    tx: &mut Tx,
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
        at: clock.line_now(),
        actor: Some(&lead.name),
        action: "line_key_made",
        object: Some(key.id),
        digest: Some(Sha256::digest(&key.recovery).into()),
        detail: Some(&key.recipient),
        ..Act::default()
    };
    audit::append(tx, line, act).await?;
    give(tx, clock, &key, &identity, lead, &lead.name).await?;
    Ok(Some(NewLineKey {
        recovery,
        recipient,
    }))
}

/// Where a line key to be passed on comes from.
pub enum Source<'a> {
    /// From a member who holds it.
    Member(&'a Member, &'a Identity),
    /// From the recovery key on paper.
    Recovery(&'a Identity),
}

/// Gives a line's keys, of all epochs, to a member.
///
/// # Errors
///
/// When the source does not open them, or the member's role does not work on reports.
pub async fn grant(
    tx: &mut Tx,
    clock: &Clock,
    line: &str,
    from: Source<'_>,
    to: &Member,
) -> Result<(), MemberError> {
    let role = Role::parse(&to.role).ok_or(StoreError::Unreadable("role"))?;
    if !role.works_on_reports() {
        return Err(MemberError::NoReports(role.as_str()));
    }
    let keys: Vec<LineKey> = members::line_keys(tx)
        .await?
        .into_iter()
        .filter(|key| key.line == line)
        .collect();
    if keys.is_empty() {
        return Err(MemberError::NoKey(line.to_owned()));
    }
    for key in keys {
        let (identity, actor) = match &from {
            Source::Member(member, own) => {
                let held = held(tx, member.id, own, key.id).await?;
                let held =
                    held.ok_or_else(|| MemberError::NotHeld(member.name.clone(), line.to_owned()))?;
                (held, member.name.as_str())
            }
            Source::Recovery(recovery) => {
                let identity = open_identity(&key.recovery, recovery)
                    .map_err(|_| MemberError::WrongRecovery(line.to_owned()))?;
                (identity, "recovery key")
            }
        };
        give(tx, clock, &key, &identity, to, actor).await?;
    }
    Ok(())
}

async fn held(
    tx: &mut Tx,
    member: Uuid,
    identity: &Identity,
    key: Uuid,
) -> Result<Option<Identity>, StoreError> {
    let grants = members::grants(tx, member).await?;
    grants
        .into_iter()
        .find(|grant| grant.line_key == key)
        .map(|grant| {
            open_identity(&grant.sealed, identity).map_err(|_| StoreError::Unreadable("grant"))
        })
        .transpose()
}

async fn give(
    tx: &mut Tx,
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
    members::insert_grant(tx, key.id, to.id, &sealed).await?;
    let act = Act {
        at: clock.line_now(),
        actor: Some(actor),
        action: "granted",
        object: Some(to.id),
        detail: Some(&to.name),
        ..Act::default()
    };
    Ok(audit::append(tx, &key.line, act).await?)
}
