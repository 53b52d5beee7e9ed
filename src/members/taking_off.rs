//! Taking a member off a line, and replacing a line's recovery key. The line gets another key, and the member's grants are
//! removed: what is sealed from then on does not open with a key that they may have kept, or with the former recovery key.
//! [`super::resealing`] then seals what is there already to the new key.
//!
//! As in `members/giving.rs`, the key is made and sealed on a blocking thread before the transaction that stores it.

use super::{MemberError, rights};
use crate::base::clock::{Clock, random_id};
use crate::report::role::Role;
use crate::store::audit::{self, Act};
use crate::store::keys::{self, LineKey};
use crate::store::members::{self, Member};
use crate::store::{Db, ReadTx, StoreError, WriteTx, sessions};
use crate::vault::action::Action;
use crate::vault::seal::{Identity, Recipient, open_identity, seal_identity};
use crate::vault::signing::Signer;
use std::collections::BTreeSet;
use uuid::Uuid;

/// A line's next key, sealed to a recovery key of the line and to those who work on the line, without the member who is
/// taken off. [`take_off`] and [`renew_recovery`] store it.
pub struct NextKey {
    /// The line's key before.
    before: Uuid,
    key: LineKey,
    grants: Vec<(Member, Vec<u8>)>,
    /// Signs the links as the acting lead.
    signer: Signer,
}

impl NextKey {
    /// Returns the line.
    pub fn line(&self) -> &str {
        &self.key.line
    }
}

/// Makes the next key of a line, for those who work on it without `member`. `own` is the private key of the acting
/// lead.
///
/// # Errors
///
/// Returns [`MemberError::NoKey`] when the line has no key, [`MemberError::NotHeld`] when the acting lead does not hold
/// its current key, and [`MemberError::NotOnLine`] when `member` holds none of its keys. Also when the database fails,
/// or holds a key that cannot be read.
pub async fn next_key(
    db: &Db,
    actor: &Member,
    own: &Identity,
    member: &Member,
    line: &str,
) -> Result<NextKey, MemberError> {
    works_on(&mut db.begin_read().await?, member, line).await?;
    make(db, (actor, own), line, Some(member.id), None).await
}

/// Makes the next key of a line, for all who work on it, and another recovery key, which is returned and not stored.
///
/// # Errors
///
/// As [`next_key`].
pub async fn next_recovery_key(
    db: &Db,
    actor: &Member,
    own: &Identity,
    line: &str,
) -> Result<(NextKey, Identity), MemberError> {
    let recovery = Identity::generate();
    let next = make(db, (actor, own), line, None, Some(&recovery)).await?;
    Ok((next, recovery))
}

/// Makes the next key of a line, for those who work on it but the member `but`, sealed to the recovery key `recovery`, or
/// to the present one.
async fn make(
    db: &Db,
    (actor, own): (&Member, &Identity),
    line: &str,
    but: Option<Uuid>,
    recovery: Option<&Identity>,
) -> Result<NextKey, MemberError> {
    let mut tx = db.begin_read().await?;
    let current = current(&mut tx, line).await?;
    let held = keys::grant(&mut tx, current.id, actor.id).await?;
    let held = held.ok_or_else(|| not_held(actor, line))?;
    // A grant that is missing or refused must not leave its holder out of the next key.
    keys::grants_of_line(&mut tx, line).await?;
    let to = others(&mut tx, but, line).await?;
    drop(tx);
    let (own, signer) = (own.clone(), Signer::new(actor.id, own));
    let id = random_id();
    let recovery = recovery.map(|recovery| {
        let verifying = Signer::new(id, recovery).verifying();
        (recovery.recipient().to_string(), verifying.to_string())
    });
    let make = move || {
        // The lead must hold the key, and not only a row that says so.
        open_identity(&held, &own).map_err(|_| StoreError::Unreadable("grant"))?;
        let (recovery_recipient, recovery_verifying) = recovery.unwrap_or_else(|| {
            let now = &current;
            (
                now.recovery_recipient.clone(),
                now.recovery_verifying.clone(),
            )
        });
        let recovery: Recipient = recovery_recipient
            .parse()
            .map_err(|_| StoreError::Unreadable("recovery key"))?;
        let identity = Identity::generate();
        let key = LineKey {
            id,
            epoch: current.epoch + 1,
            recipient: identity.recipient().to_string(),
            recovery: seal_identity(&identity, &[&recovery]),
            recovery_recipient,
            recovery_verifying,
            line: current.line.clone(),
        };
        let mut grants = Vec::new();
        for member in to {
            let recipient: Recipient = member
                .recipient
                .parse()
                .map_err(|_| StoreError::Unreadable("member's key"))?;
            grants.push((member, seal_identity(&identity, &[&recipient])));
        }
        Ok::<_, StoreError>(NextKey {
            before: current.id,
            key,
            grants,
            signer,
        })
    };
    let made = tokio::task::spawn_blocking(make).await;
    Ok(made.map_err(|_| StoreError::Broken("a thread that seals keys has stopped"))??)
}

/// Takes a member off a line: stores the line's next key with its grants, removes the member's grants of the line, and
/// ends the member's sessions. All of it is recorded in the line's trail and in the chain of the service.
///
/// # Errors
///
/// Returns [`MemberError::NoLead`] when `actor` is no lead, is locked out, or has changed their password since they
/// were read; [`MemberError::NotHeld`] and [`MemberError::NotOnLine`] as [`next_key`] does; [`MemberError::LastLead`]
/// when the line would have no lead, and so perhaps no member who holds its key; [`MemberError::KeysChanged`] when the
/// line's key or its holders are no longer those for which `next` was made. Also when the database fails.
pub async fn take_off(
    tx: &mut WriteTx,
    clock: &Clock,
    actor: &Member,
    member: &Member,
    next: &NextKey,
) -> Result<(), MemberError> {
    let line = next.line();
    let (actor, others) = prepare(tx, actor, Some(member.id), next).await?;
    works_on(tx, member, line).await?;
    let is_lead = |other: &Member| other.role == Role::Lead;
    if is_lead(member) && !member.disabled && !others.iter().any(is_lead) {
        let (name, line) = (member.name.clone(), line.to_owned());
        return Err(MemberError::LastLead(name, line));
    }
    has_same_holders(next, &others)?;
    let mut former = keys::grants(tx, member.id).await?;
    former.retain(|grant| grant.line == line);
    let taken_off = super::about(clock, &actor.name, Action::TakenOff, member);
    // Before the grants are removed, because who makes a line's next key must hold the one before, also a lead who takes
    // themselves off.
    store(tx, clock, &actor, next).await?;
    keys::delete_grants(tx, &former, &taken_off).await?;
    audit::append(tx, line, taken_off);
    sessions::end_all(tx, member.id).await?;
    Ok(())
}

/// Replaces the recovery key of a line: stores the line's next key, which is sealed to the new recovery key, with its
/// grants. Recorded in the line's trail and in the chain of the service.
///
/// # Errors
///
/// Returns [`MemberError::NoLead`], [`MemberError::NotHeld`] and [`MemberError::KeysChanged`] as [`take_off`] does. Also
/// when the database fails.
pub async fn renew_recovery(
    tx: &mut WriteTx,
    clock: &Clock,
    actor: &Member,
    next: &NextKey,
) -> Result<(), MemberError> {
    let (actor, others) = prepare(tx, actor, None, next).await?;
    has_same_holders(next, &others)?;
    let renewed = Act {
        actor: Some(&actor.name),
        object: Some(next.key.id),
        ..Act::new(clock.line_now(), Action::RecoveryRenewed)
    };
    audit::append(tx, next.line(), renewed);
    store(tx, clock, &actor, next).await
}

/// Locks the members and the line's keys, and checks that the acting lead holds the key before `next`. Returns the lead,
/// and those who work on the line but the member `but`.
async fn prepare(
    tx: &mut WriteTx,
    actor: &Member,
    but: Option<Uuid>,
    next: &NextKey,
) -> Result<(Member, Vec<Member>), MemberError> {
    let line = next.line();
    tx.sign_as(next.signer.clone());
    let actor = rights::acting(tx, actor).await?;
    // Batches of webhooks that have read the former key are committed before, so that all later ones read the next one.
    keys::lock(tx, line).await?;
    let current = current(tx, line).await?;
    if keys::grant(tx, current.id, actor.id).await?.is_none() {
        return Err(not_held(&actor, line));
    }
    if current.id != next.before {
        return Err(MemberError::KeysChanged(line.to_owned()));
    }
    keys::grants_of_line(tx, line).await?;
    let others = others(tx, but, line).await?;
    Ok((actor, others))
}

/// Checks that the next key was sealed to these members and no other.
fn has_same_holders(next: &NextKey, others: &[Member]) -> Result<(), MemberError> {
    let named = |member: &Member| (member.id, member.recipient.clone());
    let now: BTreeSet<_> = others.iter().map(named).collect();
    let before: BTreeSet<_> = next.grants.iter().map(|(to, _)| named(to)).collect();
    match now == before {
        true => Ok(()),
        false => Err(MemberError::KeysChanged(next.line().to_owned())),
    }
}

/// Stores the next key of a line, and its grants.
async fn store(
    tx: &mut WriteTx,
    clock: &Clock,
    actor: &Member,
    next: &NextKey,
) -> Result<(), MemberError> {
    let made = super::made(clock, &next.key, actor);
    keys::insert_line_key(tx, &next.key, clock.system_now(), made).await?;
    for (to, sealed) in &next.grants {
        // They work on the line already, so this is not shown to leads as another member.
        let renewed = super::about(clock, &actor.name, Action::GrantRenewed, to);
        keys::insert_grant(tx, &next.key, to.id, sealed, renewed).await?;
    }
    Ok(())
}

async fn current(tx: &mut ReadTx, line: &str) -> Result<LineKey, MemberError> {
    let key = keys::current_key(tx, line).await?;
    key.ok_or_else(|| MemberError::NoKey(line.to_owned()))
}

fn not_held(actor: &Member, line: &str) -> MemberError {
    MemberError::NotHeld(actor.name.clone(), line.to_owned())
}

async fn works_on(tx: &mut ReadTx, member: &Member, line: &str) -> Result<(), MemberError> {
    let lines = rights::lines_of(tx, member.id).await?;
    match lines.iter().any(|own| own == line) {
        true => Ok(()),
        false => Err(MemberError::NotOnLine(member.name.clone(), line.to_owned())),
    }
}

/// Returns the members who hold the line's current key, but the member `but`.
async fn others(tx: &mut ReadTx, but: Option<Uuid>, line: &str) -> Result<Vec<Member>, StoreError> {
    let mut others = members::holders(tx, line).await?;
    others.retain(|other| Some(other.id) != but);
    Ok(others)
}
