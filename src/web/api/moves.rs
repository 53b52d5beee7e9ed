//! Claim, release, close, reopen.

use super::opened;
use super::reports::report_id;
use super::{Answer, App, Inspector, Json, Path, Problem};
use crate::filing::{NewEntry, add_entry};
use crate::login::Role;
use crate::report::status::{Move, Outcome, Status};
use crate::service::Service;
use crate::store::Tx;
use crate::store::audit::{self, Act};
use crate::store::reports::{self, Report};
use crate::vault::entry::EntryKind;
use axum::extract::State;
use serde_json::Value;

/// The longest destination and reference, in characters.
const LONGEST: usize = 500;

/// `POST /reports/{id}/claim`. Members of the line; takes the report on; in the trail.
pub(in crate::web) async fn claim(
    State(service): App,
    Path(id): Path<String>,
    inspector: Inspector,
) -> Answer<axum::Json<Value>> {
    make_move(&service, &inspector, &id, Move::Claim, None).await
}

/// `POST /reports/{id}/release`. Whoever has it, or a lead; gives it back; in the trail.
pub(in crate::web) async fn release(
    State(service): App,
    Path(id): Path<String>,
    inspector: Inspector,
) -> Answer<axum::Json<Value>> {
    make_move(&service, &inspector, &id, Move::Release, None).await
}

/// `POST /reports/{id}/close` with the outcome. Whoever has it, or a lead; adds a sealed entry; in the trail.
pub(in crate::web) async fn close(
    State(service): App,
    Path(id): Path<String>,
    inspector: Inspector,
    Json(outcome): Json<Outcome>,
) -> Answer<axum::Json<Value>> {
    check(&outcome)?;
    make_move(&service, &inspector, &id, Move::Close, Some(outcome)).await
}

/// `POST /reports/{id}/reopen`. Members of the line; puts it back into the queue; in the trail.
pub(in crate::web) async fn reopen(
    State(service): App,
    Path(id): Path<String>,
    inspector: Inspector,
) -> Answer<axum::Json<Value>> {
    make_move(&service, &inspector, &id, Move::Reopen, None).await
}

fn check(outcome: &Outcome) -> Answer<()> {
    let text = match outcome {
        Outcome::Referred { destination } if destination.trim().is_empty() => {
            return Err(Problem::invalid(
                "A referred report needs a destination: who deals with it now?",
            ));
        }
        Outcome::Referred { destination } => Some(destination),
        Outcome::Duplicate { of } => of.as_ref(),
        Outcome::Handled {} | Outcome::NoAction {} => None,
    };
    match text {
        Some(text) if text.chars().count() > LONGEST => Err(Problem::invalid(
            "The destination is longer than 500 characters; put the rest into a note.",
        )),
        _ => Ok(()),
    }
}

async fn make_move(
    service: &Service,
    inspector: &Inspector,
    id: &str,
    step: Move,
    outcome: Option<Outcome>,
) -> Answer<axum::Json<Value>> {
    let id = report_id(id)?;
    let mut tx = service.db.begin().await?;
    let report = opened::find(&mut tx, inspector, id).await?;
    // Opened, so that nothing is sealed to a key that is not the report's.
    let report = opened::open(&mut tx, inspector, report).await?.report;
    may(inspector, &report, step)?;
    let (from, to) = step.between();
    let assignee = (step == Move::Claim).then_some(inspector.who.member.id);
    // The status is checked where it is changed: of two at once, one is told that the other was first.
    if !reports::change_status(&mut tx, id, from.as_str(), to.as_str(), assignee).await? {
        let status = report.status.as_deref().and_then(Status::parse);
        return Err(Problem::wrong_status(
            step,
            status.filter(|status| *status != from),
        ));
    }
    note(service, &mut tx, inspector, &report, step, outcome).await?;
    let moved = reports::get(&mut tx, id)
        .await?
        .ok_or_else(Problem::missing)?;
    tx.commit().await?;
    Ok(axum::Json(opened::summary(&moved)))
}

/// A claimed report is its assignee's; a lead may take it away.
fn may(inspector: &Inspector, report: &Report, step: Move) -> Answer<()> {
    let others = matches!(step, Move::Release | Move::Close)
        && report.status.as_deref() == Some(Status::Claimed.as_str())
        && report.assignee != Some(inspector.who.member.id)
        && inspector.who.role != Role::Lead;
    if others {
        return Err(Problem::conflict(
            "Somebody else has claimed this report; ask them, or a lead, to release it.",
        ));
    }
    Ok(())
}

async fn note(
    service: &Service,
    tx: &mut Tx,
    inspector: &Inspector,
    report: &Report,
    step: Move,
    outcome: Option<Outcome>,
) -> Answer<()> {
    let at = service.clock.line_now();
    if let Some(outcome) = outcome {
        let body = serde_json::to_value(&outcome)
            .map_err(|_| Problem::internal("an outcome cannot be written"))?;
        add_entry(
            tx,
            report,
            NewEntry {
                kind: EntryKind::Outcome,
                at,
                by: Some(inspector.name()),
                body,
            },
        )
        .await?;
    }
    let act = Act {
        at,
        actor: Some(inspector.name()),
        action: step.as_str(),
        report: Some(report.id),
        ..Act::default()
    };
    Ok(audit::append(tx, &report.line, act).await?)
}
