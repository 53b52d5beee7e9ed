//! Decides which approvals of replies count. A lead could add a second account for themselves and approve their own
//! reply with it, or add several accounts that approve and confirm each other. Therefore each account has an origin:
//! the origin of the account that added it. A confirmed account and the account of the first lead are their own origin.
//! All unconfirmed accounts that were added with a recovery key have one common origin, which is not an account.
//!
//! If author and approver of a reply have the same origin, the approval counts once the account of one of them is
//! confirmed by a member of another origin, or while a lead has waived that for a line with fewer than three members.

use super::Maker;
use super::MemberError;
use crate::base::clock::Clock;
use crate::store::audit::Act;
use crate::store::keys;
use crate::store::members::{self, Member};
use crate::store::replies::{self, Reply};
use crate::store::reports::Report;
use crate::store::{ReadTx, StoreError, WriteTx};
use crate::vault::action::Action;
use uuid::Uuid;

/// Number of members of a line from which on a third member can confirm an account, so that the confirmation cannot be
/// waived.
pub const THREE: usize = 3;

/// The origin of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// The account with this id.
    Member(Uuid),
    /// The holder of a recovery key.
    Recovery,
    /// Not known, because an account that it leads to is missing: the database was manipulated.
    Unknown,
}

impl Origin {
    /// True if the two may be the same. An unknown origin may be any.
    fn may_be(self, other: Self) -> bool {
        self == other || self == Self::Unknown || other == Self::Unknown
    }
}

/// Returns the origin of an account. `all` is the list of all members.
fn origin(all: &[Member], of: &Member) -> Origin {
    let mut at = of;
    // The chain of makers ends, because each account is younger than its maker's. The loop is bounded so that it also
    // ends if the table was manipulated.
    for _ in all {
        if at.confirmed_by.is_some() {
            break;
        }
        let maker = match Maker::of(at) {
            Maker::Init => break,
            Maker::Recovery => return Origin::Recovery,
            Maker::Member(maker) => maker,
        };
        match all.iter().find(|member| member.id == maker) {
            Some(maker) => at = maker,
            None => return Origin::Unknown,
        }
    }
    Origin::Member(at.id)
}

/// True if `by` may confirm the account of `member`: it is not confirmed and is not the first lead's, and the two have
/// different origins. `all` is the list of all members.
pub fn may_confirm(all: &[Member], by: &Member, member: &Member) -> bool {
    let is_first = Maker::of(member) == Maker::Init;
    member.confirmed_by.is_none() && !is_first && !origin(all, by).may_be(origin(all, member))
}

/// Confirms that a member's account belongs to another person than the one who added it, and records that in the trail
/// of each of the member's lines. Returns false and changes nothing if the account is confirmed already.
///
/// # Errors
///
/// Returns [`MemberError::NoThird`] when `by` may not confirm the account or is locked out, and
/// [`MemberError::NoMember`] when one of the two does not exist. Also when the database fails.
pub async fn confirm(
    tx: &mut WriteTx,
    clock: &Clock,
    by: &Member,
    member: &Member,
) -> Result<bool, MemberError> {
    // The members are locked so that no origin changes between the check and the write.
    members::lock(tx).await?;
    // An account whose row is refused cannot confirm another one, and cannot be confirmed.
    let (all, _) = members::list_but_refused(tx).await?;
    let now = |of: &Member| all.iter().find(|member| member.id == of.id);
    let (Some(by), Some(member)) = (now(by), now(member)) else {
        return Err(MemberError::NoMember(member.name.clone()));
    };
    if member.confirmed_by.is_some() {
        return Ok(false);
    }
    if by.disabled || !may_confirm(&all, by, member) {
        return Err(MemberError::NoThird(by.name.clone(), member.name.clone()));
    }
    let act = super::about(clock, &by.name, Action::MemberConfirmed, member);
    let changed = members::confirm(tx, member.id, by.id, act).await?;
    if changed {
        super::note(tx, clock, &by.name, Action::MemberConfirmed, member).await?;
    }
    Ok(changed)
}

/// Waives the confirmation by a third member for approvals of a line, or ends the waiver if `waive` is false, and
/// records that in the line's trail. Returns false if nothing changes.
///
/// # Errors
///
/// Returns [`MemberError::EnoughMembers`] when a waiver is asked for and the line has three members or more. Also when
/// the database fails.
pub async fn set_waiver(
    tx: &mut WriteTx,
    clock: &Clock,
    lead: &Member,
    line: &str,
    waive: bool,
) -> Result<bool, MemberError> {
    if waive && count_of_holders(tx, line).await? >= THREE {
        return Err(MemberError::EnoughMembers(line.to_owned()));
    }
    let act = waiver_act(clock, &lead.name, waive);
    if waive {
        return Ok(members::insert_waiver(tx, line, lead.id, act).await?);
    }
    Ok(members::delete_waiver(tx, line, act).await?)
}

/// Returns how many members hold the line's current key and are not disabled. A member whose row is refused counts, so
/// that a damaged row makes no line small.
async fn count_of_holders(tx: &mut WriteTx, line: &str) -> Result<usize, StoreError> {
    let Some(current) = keys::current_key(tx, line).await? else {
        return Ok(0);
    };
    let mut grants = keys::grants_of_line(tx, line).await?;
    let (all, _) = members::list_but_refused(tx).await?;
    let is_disabled = |id: Uuid| all.iter().any(|member| member.id == id && member.disabled);
    grants.retain(|grant| grant.line_key == current.id && !is_disabled(grant.member));
    Ok(grants.len())
}

/// Ends the waiver of a line that has three members or more, so that the waiver does not come back when one of them is
/// locked out. Called after `actor` has given a member access to the line, with the members locked.
pub(super) async fn end_waiver_of_three(
    tx: &mut WriteTx,
    clock: &Clock,
    actor: &str,
    line: &str,
) -> Result<(), StoreError> {
    if members::holders(tx, line).await?.len() >= THREE {
        members::delete_waiver(tx, line, waiver_act(clock, actor, false)).await?;
    }
    Ok(())
}

/// Returns the act of waiving the confirmation, or of ending the waiver if `waived` is false.
fn waiver_act<'a>(clock: &Clock, actor: &'a str, waived: bool) -> Act<'a> {
    let action = match waived {
        true => Action::ConfirmationWaived,
        false => Action::ConfirmationRequired,
    };
    Act {
        actor: Some(actor),
        ..Act::new(clock.line_now(), action)
    }
}

/// Returns the name of the lead who waived the confirmation by a third member for approvals of a line. `None` if it is
/// not waived, or while the line has three members or more.
///
/// # Errors
///
/// When the database fails.
pub async fn waived_by(tx: &mut ReadTx, line: &str) -> Result<Option<String>, StoreError> {
    let Some(name) = members::waiver(tx, line).await? else {
        return Ok(None);
    };
    let few = members::holders(tx, line).await?.len() < THREE;
    Ok(Some(name).filter(|_| few))
}

/// A reply, and whether its approval counts.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The reply.
    pub reply: Reply,
    /// The name of the account that has to be confirmed before the approval counts; `None` if no account has to be
    /// confirmed.
    pub unconfirmed: Option<String>,
}

/// Returns the name of the account that has to be confirmed before the approval of this reply counts: the approver's,
/// unless that is the common origin, else the author's. `None` if the reply is not approved or the approval counts.
fn unconfirmed(all: &[Member], reply: &Reply) -> Option<String> {
    let name = reply.approved_by.as_ref()?;
    let approver = all.iter().find(|member| &member.name == name);
    let writer = all.iter().find(|member| member.id == reply.author);
    // If one of the two is missing, the approval does not count.
    let (Some(approver), Some(writer)) = (approver, writer) else {
        return Some(name.clone());
    };
    let from = origin(all, writer);
    if !from.may_be(origin(all, approver)) {
        return None;
    }
    // The approver's account comes first, unless it is the origin itself.
    let mut both = [approver, writer].into_iter();
    let own = both.find(|own| from != Origin::Member(own.id));
    Some(own.unwrap_or(approver).name.clone())
}

/// Returns a report's replies in the order they were written, each with whether its approval counts.
///
/// # Errors
///
/// When the database fails.
pub async fn replies_of(tx: &mut ReadTx, report: &Report) -> Result<Vec<Judged>, StoreError> {
    let replies = replies::of_report(tx, report.id).await?;
    let mut all = Vec::new();
    // Members are read only if a reply is approved.
    if replies.iter().any(|reply| reply.approved_by.is_some()) {
        // An account whose row is refused counts as missing.
        all = members::list_but_refused(tx).await?.0;
    }
    let mut judged: Vec<Judged> = replies
        .into_iter()
        .map(|reply| Judged {
            unconfirmed: unconfirmed(&all, &reply),
            reply,
        })
        .collect();
    let waits = judged.iter().any(|reply| reply.unconfirmed.is_some());
    if waits && waived_by(tx, &report.line).await?.is_some() {
        for reply in &mut judged {
            reply.unconfirmed = None;
        }
    }
    Ok(judged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::random_id;
    use crate::report::role::Role;

    fn member(name: &str, made_by: Option<&Member>) -> Member {
        let id = random_id();
        Member {
            id,
            name: name.to_owned(),
            role: Role::Lead,
            recipient: String::new(),
            verifying: String::new(),
            wrapped: Vec::new(),
            disabled: false,
            made_by: Some(made_by.map_or(id, |maker| maker.id)),
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
                report: random_id(),
                author: all[writer].id,
                approver: Some(all[approver].id),
                approved_by: Some(all[approver].name.clone()),
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
        // Accounts that were deleted do not make approvals count.
        let without = |gone: usize| {
            let mut rest = all.clone();
            rest.remove(gone);
            rest
        };
        let reply = |writer: usize, approver: usize| Reply {
            entry: random_id(),
            report: random_id(),
            author: all[writer].id,
            approver: Some(all[approver].id),
            approved_by: Some(all[approver].name.clone()),
        };
        for (writer, approver, gone) in [(0, 4, 2), (0, 4, 0), (0, 4, 4), (1, 4, 2), (1, 4, 1)] {
            let named = unconfirmed(&without(gone), &reply(writer, approver));
            assert!(named.is_some(), "{writer} {approver} without {gone}");
        }
        assert!(
            !may_confirm(&without(2), &all[1], &all[4]),
            "the maker of its maker is not known"
        );
        all[2].confirmed_by = Some(all[1].id);
        assert_eq!(asked(&all, 0, 2), None);
        assert_eq!(asked(&all, 0, 4), None);
        assert_eq!(asked(&all, 2, 4).as_deref(), Some("grandchild"));
    }
}
