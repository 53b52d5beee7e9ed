//! Whose approval counts. A lead can add a second account for themselves and approve their own reply with it, or two and
//! approve with one what the other writes. So every account that is not confirmed counts as the one it comes from: the
//! account that added it, or that one's, up to one that is confirmed or that no member added. Where author and approver
//! come from the same one, the approval counts once a third member has confirmed the account of one of them.

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

/// The account that an account comes from: itself, when it is confirmed or no member added it.
fn origin<'a>(all: &'a [Member], of: &'a Member) -> &'a Member {
    let mut at = of;
    // Each account is younger than its maker's, so this ends; a doctored table must not make it go on.
    for _ in all {
        let maker = at.made_by.filter(|_| at.confirmed_by.is_none());
        match maker.and_then(|maker| all.iter().find(|member| member.id == maker)) {
            Some(maker) => at = maker,
            None => break,
        }
    }
    at
}

/// The name of the account that has to be confirmed before the approval of this reply counts.
fn unconfirmed(all: &[Member], reply: &Reply) -> Option<String> {
    let approver = reply.approved_by.as_ref()?;
    let approver = all.iter().find(|member| &member.name == approver)?;
    let writer = all.iter().find(|member| member.id == reply.author)?;
    let from = origin(all, writer);
    if from.id != origin(all, approver).id {
        return None;
    }
    // The younger of two in a chain; of two that one account added, the approver's.
    let own = [approver, writer].into_iter().find(|own| own.id != from.id);
    own.map(|own| own.name.clone())
}

/// A report's replies in the order they were written. [`Reply::unconfirmed`] is none where the approval counts.
///
/// # Errors
///
/// When the database fails.
pub async fn replies_of(tx: &mut Tx, report: &Report) -> Result<Vec<Reply>, StoreError> {
    let mut all = replies::of_report(tx, report.id).await?;
    if all.iter().any(|reply| reply.approved_by.is_some()) {
        let members = members::list(tx).await?;
        for reply in &mut all {
            reply.unconfirmed = unconfirmed(&members, reply);
        }
    }
    let waits = all.iter().any(|reply| reply.unconfirmed.is_some());
    if waits && waived_by(tx, &report.line).await?.is_some() {
        for reply in &mut all {
            reply.unconfirmed = None;
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::random_id;

    fn member(name: &str, made_by: Option<&Member>) -> Member {
        Member {
            id: random_id(),
            name: name.to_owned(),
            role: "lead".to_owned(),
            recipient: String::new(),
            wrapped: Vec::new(),
            disabled: false,
            made_by: made_by.map(|maker| maker.id),
            confirmed_by: None,
        }
    }

    #[test]
    fn accounts_that_come_from_one_do_not_approve_each_other() {
        let wang = member("wang", None);
        let other = member("zhao", None);
        let first = member("first", Some(&wang));
        let second = member("second", Some(&wang));
        let grandchild = member("grandchild", Some(&first));
        let mut all = vec![wang, other, first, second, grandchild];
        let asked = |all: &[Member], writer: usize, approver: usize| {
            let reply = Reply {
                entry: random_id(),
                author: all[writer].id,
                approved_by: Some(all[approver].name.clone()),
                unconfirmed: None,
            };
            unconfirmed(all, &reply)
        };
        for (writer, approver, name) in [
            (0, 2, "first"),
            (2, 0, "first"),
            (2, 3, "second"),
            (0, 4, "grandchild"),
            (3, 4, "grandchild"),
        ] {
            assert_eq!(asked(&all, writer, approver).as_deref(), Some(name));
        }
        assert_eq!(asked(&all, 1, 4), None);
        all[2].confirmed_by = Some(all[1].id);
        assert_eq!(asked(&all, 0, 2), None);
        assert_eq!(asked(&all, 0, 4), None);
        assert_eq!(asked(&all, 2, 4).as_deref(), Some("grandchild"));
    }
}
