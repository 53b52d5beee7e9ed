//! Rights of leads to lock members out and let them back in.

use super::MemberError;
use crate::report::role::Role;
use crate::store::keys;
use crate::store::members::{self, Member};
use crate::store::{ReadTx, StoreError, WriteTx};
use uuid::Uuid;

/// Returns the lines of which a member holds a key, each once, sorted. They may include lines that are not in the
/// configuration.
///
/// # Errors
///
/// When the database fails.
pub async fn lines_of(tx: &mut ReadTx, member: Uuid) -> Result<Vec<String>, StoreError> {
    let grants = keys::grants(tx, member).await?;
    let mut lines: Vec<String> = grants.into_iter().map(|grant| grant.line).collect();
    lines.dedup();
    Ok(lines)
}

/// Returns the member's current row; `None` if they are locked out, or if their password was changed since `member` was
/// read, so that proofs with the old password do not count any more. Locks the members: no other transaction changes or
/// adds one until this one ends.
///
/// # Errors
///
/// When the database fails.
pub async fn unchanged(tx: &mut WriteTx, member: &Member) -> Result<Option<Member>, StoreError> {
    members::lock(tx).await?;
    let now = members::by_id(tx, member.id).await?;
    Ok(now.filter(|now| !now.disabled && now.wrapped == member.wrapped))
}

/// Returns the acting lead's current row, with the members locked as by [`unchanged`]. If two leads lock each other out
/// at the same time, the second transaction fails here.
///
/// # Errors
///
/// [`MemberError::NoLead`] when the member is locked out or no lead any more, or when their password was changed since
/// `actor` was read.
pub async fn acting(tx: &mut WriteTx, actor: &Member) -> Result<Member, MemberError> {
    let is_lead = |now: &Member| now.role == Role::Lead;
    let now = unchanged(tx, actor).await?.filter(is_lead);
    now.ok_or_else(|| MemberError::NoLead(actor.name.clone()))
}

/// Checks that `actor` holds a key of every line of `member`. Otherwise `actor` may neither lock the member out nor let
/// them back in.
///
/// # Errors
///
/// Returns [`MemberError::NotTheirs`] with the first line whose key `actor` does not hold. Also when the database
/// fails.
pub async fn holds_all_of(
    tx: &mut WriteTx,
    actor: &Member,
    member: &Member,
) -> Result<(), MemberError> {
    let own = lines_of(tx, actor.id).await?;
    for line in lines_of(tx, member.id).await? {
        if !own.contains(&line) {
            return Err(MemberError::NotTheirs {
                actor: actor.name.clone(),
                member: member.name.clone(),
                line,
            });
        }
    }
    Ok(())
}

/// Checks that without this member each of their lines still has a holder of its key and, if the member is a lead who
/// is not locked out, that each of their lines and the service still have a lead. Must be called after [`acting`] has
/// locked the members.
///
/// # Errors
///
/// Returns [`MemberError::LastHolder`], [`MemberError::LastLead`] or [`MemberError::LastLeadOfAll`] when that is not
/// so. Also when the database fails.
pub async fn can_be_done_without(tx: &mut WriteTx, member: &Member) -> Result<(), MemberError> {
    let is_lead = |other: &Member| other.role == Role::Lead;
    let was_lead = is_lead(member) && !member.disabled;
    for line in lines_of(tx, member.id).await? {
        let mut others = members::holders(tx, &line).await?;
        others.retain(|other| other.id != member.id);
        if was_lead && !others.iter().any(is_lead) {
            return Err(MemberError::LastLead(member.name.clone(), line));
        }
        if others.is_empty() {
            return Err(MemberError::LastHolder(member.name.clone(), line));
        }
    }
    let (all, _) = members::list_but_refused(tx).await?;
    let mut others = all.iter().filter(|other| other.id != member.id);
    if was_lead && !others.any(|other| is_lead(other) && !other.disabled) {
        return Err(MemberError::LastLeadOfAll(member.name.clone()));
    }
    Ok(())
}
