//! Whose approval counts. A lead can add a second account for themselves and approve their own reply with it; so where
//! one of author and approver added the other's account, the approval counts once a third member has confirmed it.

use super::MemberError;
use crate::clock::Clock;
use crate::store::audit::{self, Act};
use crate::store::members::{self, Member};
use crate::store::replies::{self, Reply};
use crate::store::reports::Report;
use crate::store::{StoreError, Tx};

/// A line with fewer members has no third one to ask.
pub const THREE: usize = 3;

/// May this member confirm the other's account? Not the member themselves, not who added them, and nobody they added.
pub fn may_confirm(by: &Member, member: &Member) -> bool {
    member.confirmed_by.is_none()
        && by.id != member.id
        && member.made_by.is_some_and(|maker| maker != by.id)
        && by.made_by != Some(member.id)
}

/// Confirms that a member's account belongs to somebody else than who added it; in the trail of all their lines. One
/// that is confirmed already stays so.
///
/// # Errors
///
/// [`MemberError::NoThird`].
pub async fn confirm(
    tx: &mut Tx,
    clock: &Clock,
    by: &Member,
    member: &Member,
) -> Result<(), MemberError> {
    if member.confirmed_by.is_some() {
        return Ok(());
    }
    if !may_confirm(by, member) {
        return Err(MemberError::NoThird(by.name.clone(), member.name.clone()));
    }
    if members::confirm(tx, member.id, by.id).await? {
        super::note(tx, clock, &by.name, "member_confirmed", member).await?;
    }
    Ok(())
}

/// Lets approvals of a line count without a third member, or ends that. Nothing is written when it is so already.
///
/// # Errors
///
/// [`MemberError::EnoughMembers`] when the line has three members or more.
pub async fn set_waiver(
    tx: &mut Tx,
    clock: &Clock,
    lead: &Member,
    line: &str,
    waive: bool,
) -> Result<(), MemberError> {
    if waive && members::holders(tx, line).await?.len() >= THREE {
        return Err(MemberError::EnoughMembers(line.to_owned()));
    }
    let (changed, action) = if waive {
        let changed = members::insert_waiver(tx, line, lead.id).await?;
        (changed, "confirmation_waived")
    } else {
        let changed = members::delete_waiver(tx, line).await?;
        (changed, "confirmation_required")
    };
    if changed {
        let act = Act {
            at: clock.line_now(),
            actor: Some(&lead.name),
            action,
            ..Act::default()
        };
        audit::append(tx, line, act);
    }
    Ok(())
}

/// The name of the lead who lets approvals of a line count without a third member; none when nobody does, or while the
/// line has three members or more.
///
/// # Errors
///
/// When the database fails.
pub async fn waived_by(tx: &mut Tx, line: &str) -> Result<Option<String>, StoreError> {
    let Some(name) = members::waiver(tx, line).await? else {
        return Ok(None);
    };
    let few = members::holders(tx, line).await?.len() < THREE;
    Ok(Some(name).filter(|_| few))
}

/// A report's replies in the order they were written. [`Reply::unconfirmed`] is none where the approval counts.
///
/// # Errors
///
/// When the database fails.
pub async fn replies_of(tx: &mut Tx, report: &Report) -> Result<Vec<Reply>, StoreError> {
    let mut all = replies::of_report(tx, report.id).await?;
    let waits = all.iter().any(|reply| reply.unconfirmed.is_some());
    if waits && waived_by(tx, &report.line).await?.is_some() {
        for reply in &mut all {
            reply.unconfirmed = None;
        }
    }
    Ok(all)
}
