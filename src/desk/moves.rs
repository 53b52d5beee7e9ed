//! Moves of a report: claim, release, close, reopen.

use super::opened::{find_locked, has_same_key, proven};
use super::writing::sealed;
use super::{DeskError, Inspector, Invalid, Result};
use crate::register::filing::add_sealed;
use crate::report::entries::Body;
use crate::report::status::{Move, Outcome, Status};
use crate::service::Service;
use crate::store::audit::{self, Act};
use crate::store::reports::{self, Report};
use crate::vault::action::Action;
use scoped_futures::ScopedFutureExt;
use uuid::Uuid;

impl From<Move> for Action {
    fn from(step: Move) -> Self {
        match step {
            Move::Claim => Self::Claim,
            Move::Release => Self::Release,
            Move::Close => Self::Close,
            Move::Reopen => Self::Reopen,
        }
    }
}

/// Maximum length of a destination or a reference in an outcome, in characters.
const MAX_TEXT_CHARS: usize = 500;

/// Makes a move without an outcome: claim, release or reopen. Returns the report as it is afterwards.
///
/// # Errors
///
/// Returns [`DeskError::Missing`] for a report that is not accessible to the inspector; [`DeskError::WrongStatus`] when
/// its status does not allow the move; [`DeskError::SomebodyElses`] when the report is to be released or closed,
/// another member has claimed it, and the inspector is no lead. Also when the stored key is not the report's, or the
/// database fails.
pub async fn make(
    service: &Service,
    inspector: &Inspector,
    id: Uuid,
    step: Move,
) -> Result<Report> {
    carry_out(service, inspector, id, step, None).await
}

/// Closes a report. The outcome is added as a sealed entry. Returns the report as it is afterwards.
///
/// # Errors
///
/// As [`make`], and [`DeskError::Invalid`] when a referral has no destination, when the destination or the reference is
/// longer than 500 characters, or when no other report of the line has the reference.
pub async fn close(
    service: &Service,
    inspector: &Inspector,
    id: Uuid,
    outcome: &Outcome,
) -> Result<Report> {
    check(outcome).map_err(DeskError::Invalid)?;
    carry_out(service, inspector, id, Move::Close, Some(outcome)).await
}

fn check(outcome: &Outcome) -> std::result::Result<(), Invalid> {
    let text = match outcome {
        Outcome::Referred { destination } if destination.trim().is_empty() => {
            return Err(Invalid::NoDestination);
        }
        Outcome::Referred { destination } => Some(destination),
        Outcome::Duplicate { of } => of.as_ref(),
        Outcome::Handled {} | Outcome::NoAction {} => None,
    };
    match text {
        Some(text) if text.chars().count() > MAX_TEXT_CHARS => Err(Invalid::LongDestination),
        _ => Ok(()),
    }
}

async fn carry_out(
    service: &Service,
    inspector: &Inspector,
    id: Uuid,
    step: Move,
    outcome: Option<&Outcome>,
) -> Result<Report> {
    let report = &proven(service, inspector, id).await?;
    let at = service.clock.line_now();
    let entry = match outcome {
        Some(outcome) => {
            let body = Body::Outcome(outcome.clone());
            Some(sealed(inspector, report, body, at, Vec::new()).await?)
        }
        None => None,
    };
    let entry = entry.as_ref();
    let (from, to) = step.between();
    let assignee = (step == Move::Claim).then(|| inspector.id());
    service
        .db
        .console
        .write(|tx| {
            async move {
                tx.sign_as(inspector.signer());
                let now = find_locked(tx, inspector, id).await?;
                has_same_key(report, &now)?;
                may(inspector, &now, step)?;
                if let Some(Outcome::Duplicate { of: Some(of) }) = outcome {
                    let of = reports::by_reference(tx, &now.line, of.trim()).await?;
                    if of.is_none_or(|of| of == id) {
                        return Err(DeskError::Invalid(Invalid::NoSuchReference));
                    }
                }
                if !reports::change_status(tx, id, from, to, assignee).await? {
                    let status = now.status.filter(|status| *status != from);
                    return Err(DeskError::WrongStatus(step, status));
                }
                if let Some(entry) = entry {
                    add_sealed(tx, &now, entry, at, Some(inspector.name())).await?;
                }
                let act = Act {
                    actor: Some(inspector.name()),
                    report: Some(now.id),
                    ..Act::new(at, Action::from(step))
                };
                audit::append(tx, &now.line, act);
                reports::get(tx, id).await?.ok_or(DeskError::Missing)
            }
            .scope_boxed()
        })
        .await
}

/// Checks that the inspector may make the move: only the assignee or a lead may release or close a claimed report.
fn may(inspector: &Inspector, report: &Report, step: Move) -> Result<()> {
    let others = matches!(step, Move::Release | Move::Close)
        && report.status == Some(Status::Claimed)
        && report.assignee != Some(inspector.id())
        && !inspector.is_lead();
    if others {
        return Err(DeskError::SomebodyElses);
    }
    Ok(())
}
