//! Members and their lines, for the lead.
//!
//! A lead sees whom they share a line with, and members without any; nobody passes on a line they do not hold.

use super::{DeskError, Inspector, Invalid, Result};
use crate::hidden::Hidden;
use crate::login::{self, LoginError, Role};
use crate::members::{self, MemberError, Source};
use crate::service::Service;
use crate::store::Tx;
use crate::store::audit::{self, Act};
use crate::store::members::{self as rows, Member};
use crate::vault::passwords::{self, NewPassword, Unfit};
use uuid::Uuid;

/// The longest name, in characters.
const LONGEST_NAME: usize = 40;

/// A member, as a lead sees them.
pub struct Colleague {
    /// Their id.
    pub id: Uuid,
    /// Their name.
    pub name: String,
    /// What they may do.
    pub role: Option<Role>,
    /// The lead's lines they work on.
    pub lines: Vec<String>,
    /// They cannot log in any more.
    pub disabled: bool,
}

/// The members.
///
/// # Errors
///
/// [`DeskError::LeadsOnly`].
pub async fn list(service: &Service, inspector: &Inspector) -> Result<Vec<Colleague>> {
    lead(inspector)?;
    let mut tx = service.db.read().await?;
    let mut colleagues = Vec::new();
    for member in rows::list(&mut tx).await? {
        colleagues.extend(colleague(&mut tx, inspector, member).await?);
    }
    Ok(colleagues)
}

/// Adds a member and gives them lines.
///
/// # Errors
///
/// [`DeskError::LeadsOnly`], [`DeskError::Invalid`], [`DeskError::Missing`] for a line that is not the lead's.
pub async fn add(
    service: &Service,
    inspector: &Inspector,
    name: &str,
    role: Role,
    password: Hidden<String>,
    lines: &[String],
) -> Result<()> {
    lead(inspector)?;
    let name = name.trim().to_owned();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control)
    {
        return Err(DeskError::Invalid(Invalid::Name));
    }
    let password = NewPassword::choose(password.show())?;
    if lines.is_empty() && role.works_on_reports() {
        return Err(DeskError::Invalid(Invalid::NoLine));
    }
    if lines.iter().any(|line| !inspector.has_line(line)) {
        return Err(DeskError::Missing);
    }
    // Slow on purpose: not while the database waits.
    let member = members::new_member(&name, role, password).await?;
    let mut tx = service.db.begin().await?;
    members::insert(&mut tx, &service.clock, &member).await?;
    if role.works_on_reports() {
        for line in lines {
            let from = Source::Member(inspector.member(), inspector.identity());
            members::grant(&mut tx, &service.clock, line, from, &member).await?;
        }
    }
    Ok(tx.commit().await?)
}

/// Gives a member one of the lead's lines.
///
/// # Errors
///
/// [`DeskError::LeadsOnly`], [`DeskError::Missing`] for a member or a line that is not theirs, [`DeskError::Invalid`]
/// for a member whose role works on no reports.
pub async fn give_line(
    service: &Service,
    inspector: &Inspector,
    id: Uuid,
    line: &str,
) -> Result<()> {
    lead(inspector)?;
    if !inspector.has_line(line) {
        return Err(DeskError::Missing);
    }
    let mut tx = service.db.begin().await?;
    let member = find(&mut tx, inspector, id).await?;
    let from = Source::Member(inspector.member(), inspector.identity());
    members::grant(&mut tx, &service.clock, line, from, &member).await?;
    Ok(tx.commit().await?)
}

/// Locks a member out and ends their sessions.
///
/// # Errors
///
/// [`DeskError::LeadsOnly`], [`DeskError::Missing`], [`Invalid::Oneself`].
pub async fn disable(service: &Service, inspector: &Inspector, id: Uuid) -> Result<()> {
    lead(inspector)?;
    if id == inspector.id() {
        return Err(DeskError::Invalid(Invalid::Oneself));
    }
    let mut tx = service.db.begin().await?;
    let member = find(&mut tx, inspector, id).await?;
    members::disable(&mut tx, &service.clock, inspector.name(), &member).await?;
    tx.commit().await?;
    service.live.session_ended();
    Ok(())
}

/// Puts the inspector's own key under another password. Their other sessions end.
///
/// # Errors
///
/// [`Invalid::WrongPassword`] when the old one is wrong, [`DeskError::TooManyTries`] when it was not looked at,
/// [`Invalid::ShortPassword`], [`Invalid::CommonPassword`].
pub async fn change_password(
    service: &Service,
    inspector: &Inspector,
    old: Hidden<String>,
    new: Hidden<String>,
) -> Result<()> {
    let new = NewPassword::choose(new.show())?;
    // Guessing at an open desk is guessing: it is slowed like a login.
    let right = login::is_right(service, inspector.member(), old)
        .await
        .map_err(|error| match error {
            LoginError::Store(error) => DeskError::Store(error),
            LoginError::Wrong => DeskError::Invalid(Invalid::WrongPassword),
            LoginError::TooMany => DeskError::TooManyTries,
        })?;
    let wrapped = passwords::wrap(right, new)
        .await
        .map_err(|error| DeskError::Failed(error.to_string()))?;
    let mut tx = service.db.begin().await?;
    rows::set_wrapped(&mut tx, inspector.id(), &wrapped, &inspector.session()).await?;
    for line in inspector.lines(service) {
        let act = Act {
            at: service.clock.line_now(),
            actor: Some(inspector.name()),
            action: "password_changed",
            ..Act::default()
        };
        audit::append(&mut tx, &line.id, act).await?;
    }
    tx.commit().await?;
    service.live.session_ended();
    Ok(())
}

fn lead(inspector: &Inspector) -> Result<()> {
    if inspector.role() == Role::Lead {
        Ok(())
    } else {
        Err(DeskError::LeadsOnly)
    }
}

async fn find(tx: &mut Tx, inspector: &Inspector, id: Uuid) -> Result<Member> {
    let member = rows::by_id(tx, id).await?.ok_or(DeskError::Missing)?;
    let seen = colleague(tx, inspector, member.clone()).await?;
    seen.map(|_| member).ok_or(DeskError::Missing)
}

/// A member as this lead sees them; none when all their lines are others'.
async fn colleague(
    tx: &mut Tx,
    inspector: &Inspector,
    member: Member,
) -> Result<Option<Colleague>> {
    let mut lines: Vec<String> = rows::grants(tx, member.id)
        .await?
        .into_iter()
        .map(|grant| grant.line)
        .collect();
    lines.dedup();
    let without = lines.is_empty();
    lines.retain(|line| inspector.has_line(line));
    let seen = without || !lines.is_empty();
    Ok(seen.then(|| Colleague {
        id: member.id,
        role: Role::parse(&member.role),
        lines,
        disabled: member.disabled,
        name: member.name,
    }))
}

impl From<MemberError> for DeskError {
    fn from(error: MemberError) -> Self {
        match error {
            MemberError::NameTaken(_) => Self::Invalid(Invalid::NameTaken),
            MemberError::NoReports(_) => Self::Invalid(Invalid::NoReports),
            MemberError::NotHeld(..) | MemberError::NoMember(_) => Self::Missing,
            MemberError::Store(error) => Self::Store(error),
            MemberError::Stopped(error) => Self::Failed(error.to_string()),
            MemberError::WrongPassword(_)
            | MemberError::NoKey(_)
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
