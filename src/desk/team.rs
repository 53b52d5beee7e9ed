//! Members and their lines, as an inspector sees them.
//!
//! A lead sees the members with whom they share a line, and members without a line. An inspector sees the members with
//! whom they share a line.

use super::{DeskError, Inspector, Lead, Result};
use crate::line::Line;
use crate::members::{self, Maker, confirming, look_alike};
use crate::report::role::Role;
use crate::service::Service;
use crate::store::members::{self as rows, Member};
use crate::store::{ReadTx, StoreError};
use scoped_futures::ScopedFutureExt;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Who added a member's account.
pub enum MadeBy {
    /// The member with this name.
    Member(String),
    /// The holder of a recovery key.
    Recovery,
}

/// A member, as the inspector who asks sees them.
pub struct Colleague {
    /// The member's id.
    pub id: Uuid,
    /// The member's name.
    pub name: String,
    /// True if the name of another member looks like this one, so that the id has to be shown too.
    pub ambiguous: bool,
    /// The member's role.
    pub role: Role,
    /// The lines that both this member and the inspector work on.
    pub lines: Vec<String>,
    /// Those of the lines that the inspector, who is a lead, may take the member off.
    pub removable: Vec<String>,
    /// True if the member is locked out.
    pub disabled: bool,
    /// Who added the member; `None` for the first lead.
    pub made_by: Option<MadeBy>,
    /// The name of the member who confirmed the account; `None` if it is not confirmed.
    pub confirmed_by: Option<String>,
    /// True if the inspector may confirm the account.
    pub to_confirm: bool,
}

/// Returns the members that the inspector sees, the inspector included.
///
/// # Errors
///
/// When the database fails.
pub async fn list(service: &Service, inspector: &Inspector) -> Result<Vec<Colleague>> {
    let console = &service.db.console;
    let read = console.read(|tx| {
        async move {
            // A row that is refused hides no other member; a warning above every page says that there is one.
            let (all, _) = rows::list_but_refused(tx).await?;
            let mut colleagues = Vec::new();
            for member in &all {
                colleagues.extend(colleague(tx, inspector, member, &all).await?);
            }
            if inspector.is_lead() {
                set_removable(tx, &mut colleagues).await?;
            }
            Ok(colleagues)
        }
        .scope_boxed()
    });
    read.await
}

/// Returns the name of the lead who waived the confirmation by a third member for approvals of a line; `None` if it is
/// not waived, or while the line has three members or more.
///
/// # Errors
///
/// When the database fails.
pub async fn waived_by(service: &Service, line: &Line) -> Result<Option<String>> {
    let console = &service.db.console;
    let read =
        console.read(|tx| async move { confirming::waived_by(tx, &line.id).await }.scope_boxed());
    match read.await {
        // Pages are shown nevertheless, with the warning that a row was refused. Approvals are not counted.
        Err(StoreError::Forged(_)) => Ok(None),
        name => Ok(name?),
    }
}

/// A line with fewer than three members, so that no third one can confirm an account.
pub struct SmallLine {
    /// The line's id.
    pub line: String,
    /// The name of the lead who waived the confirmation; `None` if it is required.
    pub waived_by: Option<String>,
}

/// Returns those of the lead's lines that have fewer than three members.
///
/// # Errors
///
/// When the database fails.
pub async fn small_lines(service: &Service, lead: &Lead) -> Result<Vec<SmallLine>> {
    let console = &service.db.console;
    let read = console.read(|tx| {
        async move {
            let mut small = Vec::new();
            for line in lead.lines(service) {
                if rows::holders(tx, &line.id).await?.len() < confirming::THREE {
                    small.push(SmallLine {
                        waived_by: rows::waiver(tx, &line.id).await?,
                        line: line.id.clone(),
                    });
                }
            }
            Ok(small)
        }
        .scope_boxed()
    });
    read.await
}

/// Sets from which lines each member may be taken off: a line keeps at least one lead.
async fn set_removable(tx: &mut ReadTx, colleagues: &mut [Colleague]) -> Result<()> {
    let mut leads: BTreeMap<String, Vec<Uuid>> = BTreeMap::new();
    for line in colleagues.iter().flat_map(|member| &member.lines) {
        if !leads.contains_key(line) {
            let mut holders = rows::holders(tx, line).await?;
            holders.retain(|holder| holder.role == Role::Lead);
            let holders = holders.into_iter().map(|holder| holder.id);
            leads.insert(line.clone(), holders.collect());
        }
    }
    for member in colleagues {
        let is_needed = |line: &String| leads.get(line).is_some_and(|leads| *leads == [member.id]);
        let removable = member.lines.iter().filter(|line| !is_needed(line));
        member.removable = removable.cloned().collect();
    }
    Ok(())
}

pub(super) async fn find(tx: &mut ReadTx, inspector: &Inspector, id: Uuid) -> Result<Member> {
    let member = rows::by_id(tx, id).await?.ok_or(DeskError::Missing)?;
    let seen = colleague(tx, inspector, &member, &[]).await?;
    seen.map(|_| member).ok_or(DeskError::Missing)
}

/// Returns a member as this inspector sees them; `None` if they share no line, unless the inspector is a lead and the
/// member has no line. `all` is the list of all members; if it is empty, the result only tells whether the member is
/// seen.
async fn colleague(
    tx: &mut ReadTx,
    inspector: &Inspector,
    member: &Member,
    all: &[Member],
) -> Result<Option<Colleague>> {
    let mut lines = members::rights::lines_of(tx, member.id).await?;
    let without = lines.is_empty() && inspector.is_lead();
    lines.retain(|line| inspector.has_line(line));
    let seen = without || !lines.is_empty();
    let name_of = |id: Option<Uuid>| {
        let other = all.iter().find(|other| Some(other.id) == id)?;
        Some(other.name.clone())
    };
    Ok(seen.then(|| Colleague {
        id: member.id,
        role: member.role,
        lines,
        removable: Vec::new(),
        disabled: member.disabled,
        ambiguous: all
            .iter()
            .any(|other| other.id != member.id && look_alike(&other.name, &member.name)),
        made_by: match Maker::of(member) {
            Maker::Init => None,
            Maker::Recovery => Some(MadeBy::Recovery),
            Maker::Member(maker) => name_of(Some(maker)).map(MadeBy::Member),
        },
        confirmed_by: name_of(member.confirmed_by),
        to_confirm: confirming::may_confirm(all, inspector.member(), member),
        name: member.name.clone(),
    }))
}
