//! Changes of members' access: adding, giving and taking lines, locking out, confirming, passwords.
//!
//! A lead can give other members the lines whose keys the lead holds.
//!
//! Every change of access needs a [`Fresh`] right.

use super::fresh::{Fresh, prove};
use super::rights::SignedIn;
use super::team::find;
use super::{DeskError, Inspector, Invalid, Lead, Result};
use crate::base::hidden::Hidden;
use crate::members::{self, Maker, MemberError, MemberName, NameError, Source, confirming};
use crate::members::{renewal, resealing, rights};
use crate::report::role::Role;
use crate::service::Service;
use crate::service::security_log;
use crate::store::members::Member;
use crate::vault::passwords::{NewPassword, Unfit};
use scoped_futures::ScopedFutureExt;
use uuid::Uuid;

/// The input of a lead who adds a member.
pub struct NewMember<'a> {
    /// The name as it was typed.
    pub name: &'a str,
    /// The role.
    pub role: Role,
    /// The first password, chosen by the lead.
    pub password: Hidden<String>,
    /// The ids of the lines that the member is given; none for a role that does not work on reports.
    pub lines: &'a [String],
}

/// Adds a member and gives them lines.
///
/// # Errors
///
/// Returns [`DeskError::Missing`] for a line that the lead does not hold;
/// [`DeskError::Invalid`] for the name, the password, no line at all, a line with a role that does not work on reports. Also when the database fails.
pub async fn add(service: &Service, lead: &Fresh<Lead>, new: NewMember<'_>) -> Result<()> {
    let name = MemberName::parse(new.name).map_err(MemberError::from)?;
    let password = choose(service, name.as_str(), &new.password)?;
    if new.role.works_on_reports() && new.lines.is_empty() {
        return Err(DeskError::Invalid(Invalid::NoLine));
    }
    if new.lines.iter().any(|line| !lead.has_line(line)) {
        return Err(DeskError::Missing);
    }
    let (role, maker) = (new.role, Maker::Member(lead.id()));
    // Deriving a key from the password is slow on purpose, so no transaction is open meanwhile.
    let (member, _) = members::new_member(&name, role, password, maker).await?;
    let console = &service.db.console;
    let from = Source::Member(lead.member(), lead.identity());
    let keys = members::seal_keys(console, from, &member, new.lines).await?;
    let (added, keys) = (&member, &keys);
    let add = console.write(|tx| {
        async move {
            members::rights::acting(tx, lead.member()).await?;
            members::add(tx, &service.clock, keys, added).await?;
            Ok::<_, DeskError>(())
        }
        .scope_boxed()
    });
    add.await?;
    security_log::member_added(lead.id(), member.id, role);
    for line in new.lines {
        security_log::line_given(lead.id(), member.id, line);
    }
    Ok(())
}

/// Returns the member whose access to a line the lead is about to change.
async fn member_for(service: &Service, lead: &Fresh<Lead>, id: Uuid, line: &str) -> Result<Member> {
    if !lead.has_line(line) {
        return Err(DeskError::Missing);
    }
    is_seen(service, lead, id).await?;
    let console = &service.db.console;
    let read = console.read(|tx| find(tx, lead, id).scope_boxed());
    read.await
}

/// Gives a member one of the lead's lines.
///
/// # Errors
///
/// Returns [`DeskError::Missing`] for a member whom the lead does not see or a line that the
/// lead does not hold; [`Invalid::NoReports`] for a member whose role does not work on reports. Also when the database fails.
pub async fn give_line(service: &Service, lead: &Fresh<Lead>, id: Uuid, line: &str) -> Result<()> {
    let member = member_for(service, lead, id, line).await?;
    let console = &service.db.console;
    let from = Source::Member(lead.member(), lead.identity());
    let keys = members::seal_keys(console, from, &member, &[line.to_owned()]).await?;
    let keys = &keys;
    let give = console.write(|tx| {
        async move {
            members::rights::acting(tx, lead.member()).await?;
            let member = find(tx, lead, id).await?;
            members::grant(tx, &service.clock, keys, &member).await?;
            Ok::<_, DeskError>(())
        }
        .scope_boxed()
    });
    give.await?;
    security_log::line_given(lead.id(), id, line);
    Ok(())
}

/// Takes a member off one of the lead's lines: the line gets another key, the member's sessions end, and in the
/// background the line's reports are sealed to that key. What the member has read or copied they keep.
///
/// # Errors
///
/// Returns [`DeskError::Missing`] for a member whom the lead does not see or who does not
/// work on the line, and for a line that the lead does not hold; [`DeskError::LastOne`] when the line would have no
/// lead. Also when the database fails.
pub async fn take_off(service: &Service, lead: &Fresh<Lead>, id: Uuid, line: &str) -> Result<()> {
    let member = member_for(service, lead, id, line).await?;
    let console = &service.db.console;
    let (actor, key) = (lead.member(), lead.identity());
    let next = members::next_key(console, actor, key, &member, line).await?;
    let next = &next;
    let take_off = console.write(|tx| {
        async move {
            let member = find(tx, lead, id).await?;
            members::take_off(tx, &service.clock, actor, &member, next).await?;
            Ok::<_, DeskError>(())
        }
        .scope_boxed()
    });
    take_off.await?;
    security_log::line_taken(lead.id(), id, line);
    service.live.session_ended();
    // A lead who took themselves off leaves the rest to the others.
    if id != lead.id() {
        resealing::start(service, actor, key, line);
    }
    Ok(())
}

/// Locks a member out and ends their sessions.
///
/// # Errors
///
/// Returns [`DeskError::Missing`] for a member whom the lead does not see;
/// [`Invalid::Oneself`] for the lead's own account; [`DeskError::OthersLine`] when the member works on a line that the
/// lead does not hold; [`DeskError::LastOne`] when no other lead, or no other holder of a line's key, would be left.
/// Also when the database fails.
pub async fn disable(service: &Service, lead: &Fresh<Lead>, id: Uuid) -> Result<()> {
    if id == lead.id() {
        return Err(DeskError::Invalid(Invalid::Oneself));
    }
    is_seen(service, lead, id).await?;
    let console = &service.db.console;
    let disable = console.write(|tx| {
        async move {
            tx.sign_as(lead.signer());
            let member = find(tx, lead, id).await?;
            let changed = members::disable(tx, &service.clock, lead.member(), &member).await?;
            Ok::<_, DeskError>(changed)
        }
        .scope_boxed()
    });
    if disable.await? {
        security_log::member_disabled(lead.id(), id);
    }
    service.live.session_ended();
    Ok(())
}

/// Lets a member who was locked out log in again.
///
/// # Errors
///
/// Returns [`DeskError::Missing`] and [`DeskError::OthersLine`] as [`disable`] does. Also when the database fails.
pub async fn enable(service: &Service, lead: &Fresh<Lead>, id: Uuid) -> Result<()> {
    is_seen(service, lead, id).await?;
    let console = &service.db.console;
    let enable = console.write(|tx| {
        async move {
            tx.sign_as(lead.signer());
            let member = find(tx, lead, id).await?;
            let changed = members::enable(tx, &service.clock, lead.member(), &member).await?;
            Ok::<_, DeskError>(changed)
        }
        .scope_boxed()
    });
    if enable.await? {
        security_log::member_enabled(lead.id(), id);
    }
    Ok(())
}

/// Confirms that a member's account belongs to another person than the one who added it. Needs no password.
///
/// # Errors
///
/// Returns [`DeskError::Missing`] for a member whom the inspector does not see, and [`DeskError::NoThird`] when the
/// inspector may not confirm the account. Also when the database fails.
pub async fn confirm(service: &Service, inspector: &Inspector, id: Uuid) -> Result<()> {
    let console = &service.db.console;
    let confirm = console.write(|tx| {
        async move {
            tx.sign_as(inspector.signer());
            let member = find(tx, inspector, id).await?;
            let by = inspector.member();
            let changed = confirming::confirm(tx, &service.clock, by, &member).await?;
            Ok::<_, DeskError>(changed)
        }
        .scope_boxed()
    });
    if confirm.await? {
        security_log::member_confirmed(inspector.id(), id);
    }
    Ok(())
}

/// Waives the confirmation by a third member for approvals of a line, or ends the waiver if `waive` is false.
///
/// # Errors
///
/// Returns [`DeskError::Missing`] for a line that the lead does not hold;
/// [`DeskError::EnoughMembers`] when the line has three members or more and a waiver is asked for. Also when the database fails.
pub async fn waive(service: &Service, lead: &Fresh<Lead>, line: &str, waive: bool) -> Result<()> {
    if !lead.has_line(line) {
        return Err(DeskError::Missing);
    }
    let console = &service.db.console;
    let set = console.write(|tx| {
        async move {
            tx.sign_as(lead.signer());
            let actor = members::rights::acting(tx, lead.member()).await?;
            let changed = confirming::set_waiver(tx, &service.clock, &actor, line, waive).await?;
            Ok::<_, DeskError>(changed)
        }
        .scope_boxed()
    });
    match (set.await?, waive) {
        (true, true) => security_log::confirmation_waived(lead.id(), line),
        (true, false) => security_log::confirmation_required(lead.id(), line),
        (false, _) => {}
    }
    Ok(())
}

/// Changes a member's own password, with another key pair for them ([`renewal`]), and ends their other sessions.
///
/// # Errors
///
/// Returns [`Invalid::ShortPassword`] or [`Invalid::CommonPassword`] when the new password is unfit;
/// [`Invalid::WrongPassword`] when the old one is wrong, or was changed meanwhile; [`DeskError::TooManyTries`] when it
/// was not checked; [`DeskError::LoggedOut`] when wrong ones have ended the session. Also when the database fails, or the
/// member was given a line meanwhile.
pub async fn change_password(
    service: &Service,
    who: &SignedIn,
    old: Hidden<String>,
    new: Hidden<String>,
) -> Result<()> {
    let new = choose(service, who.name(), &new)?;
    // Wrong passwords are slowed down like those of a login, because an open session can be used for guessing.
    let own = prove(service, who, old, Invalid::WrongPassword).await?;
    let (console, member) = (&service.db.console, who.member());
    let renewed = renewal::renew(console, member, own, new, who.wrapping()).await?;
    let (renewed, session) = (&renewed, who.session());
    let change = console.write(|tx| {
        async move {
            // Of two changes at the same time, the second one has proved a password that is not the member's any more.
            let Some(now) = rights::unchanged(tx, member).await? else {
                return Err(DeskError::Invalid(Invalid::WrongPassword));
            };
            Ok(renewal::store(tx, &service.clock, &now, renewed, &session).await?)
        }
        .scope_boxed()
    });
    change.await?;
    security_log::password_changed(who.id());
    service.live.session_ended();
    Ok(())
}

/// Checks that a password is fit to be a new one of the member with this name.
fn choose(service: &Service, name: &str, password: &Hidden<String>) -> Result<NewPassword> {
    let known = service.config.known_words(name);
    Ok(NewPassword::choose_for(password.expose(), &known)?)
}

/// Returns [`DeskError::Missing`] if the inspector does not see the member. Called before any password is checked.
async fn is_seen(service: &Service, inspector: &Inspector, id: Uuid) -> Result<()> {
    let console = &service.db.console;
    let read =
        console.read(|tx| async move { find(tx, inspector, id).await.map(drop) }.scope_boxed());
    read.await
}

impl From<MemberError> for DeskError {
    fn from(error: MemberError) -> Self {
        match error {
            MemberError::Name(NameError::Form) => Self::Invalid(Invalid::Name),
            MemberError::Name(NameError::Reserved) => Self::Invalid(Invalid::ReservedName),
            MemberError::NameTaken(_) => Self::Invalid(Invalid::NameTaken),
            MemberError::LooksLike(..) => Self::Invalid(Invalid::NameLooksLike),
            MemberError::NoReports(_) => Self::Invalid(Invalid::NoReports),
            MemberError::NotHeld(..) | MemberError::NotOnLine(..) | MemberError::NoMember(_) => {
                Self::Missing
            }
            MemberError::NoLead(_) => Self::LoggedOut,
            MemberError::NotTheirs { .. } => Self::OthersLine,
            MemberError::LastLead(..)
            | MemberError::LastLeadOfAll(_)
            | MemberError::LastHolder(..) => Self::LastOne,
            MemberError::NoThird(..) => Self::NoThird,
            MemberError::EnoughMembers(_) => Self::EnoughMembers,
            MemberError::Store(error) => error.into(),
            MemberError::Stopped(error) => Self::Failed(error.to_string()),
            error @ MemberError::NotResealed(..) => Self::Failed(error.to_string()),
            MemberError::WrongPassword(_)
            | MemberError::NoKey(_)
            | MemberError::KeysChanged(_)
            | MemberError::WrongRecovery(_) => {
                Self::Failed("a line key cannot be passed on".into())
            }
        }
    }
}

impl From<Unfit> for DeskError {
    fn from(unfit: Unfit) -> Self {
        Self::Invalid(match unfit {
            Unfit::Short => Invalid::ShortPassword,
            Unfit::Common => Invalid::CommonPassword,
        })
    }
}
