//! Puts the reports of a line that were claimed by a member who does not work on it any more back into the queue, so
//! that the others see that they wait.

use super::MemberError;
use crate::base::clock::Clock;
use crate::report::status::Status;
use crate::store::audit::{self, Act};
use crate::store::members::Member;
use crate::store::reports::{self, Listed, Report};
use crate::store::{Db, ReadTx, StoreError, WriteTx, keys};
use crate::vault::action::Action;
use crate::vault::signing::Signer;
use scoped_futures::ScopedFutureExt;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Maximum number of reports that are put back in one transaction.
const AT_ONCE: i64 = 50;

/// Releases all such reports of a line, in transactions of at most 50 reports. Recorded in the line's trail, as acts of
/// `actor`.
///
/// # Errors
///
/// When the database fails.
pub(super) async fn release(
    db: &Db,
    clock: &Clock,
    actor: &Member,
    signer: &Signer,
    line: &str,
) -> Result<(), MemberError> {
    let mut after = 0;
    loop {
        let mut tx = db.begin_read().await?;
        let asked = Listed {
            line: Some(line),
            status: Some(Status::Claimed),
            assignee: None,
            after,
            limit: AT_ONCE,
        };
        let mut found = reports::list(&mut tx, asked).await?;
        let holders = holders_of(&mut tx, line).await?;
        drop(tx);
        let Some(last) = found.last() else {
            return Ok(());
        };
        after = last.n;
        found.retain(|report| is_left(report, &holders));
        if found.is_empty() {
            continue;
        }
        let release = db.write(|tx| {
            let found = &found;
            async move {
                tx.sign_as(signer.clone());
                let holders = holders_of(tx, line).await?;
                for report in found {
                    release_one(tx, clock, actor, report.id, &holders).await?;
                }
                Ok::<_, StoreError>(())
            }
            .scope_boxed()
        });
        release.await?;
    }
}

async fn release_one(
    tx: &mut WriteTx,
    clock: &Clock,
    actor: &Member,
    id: Uuid,
    holders: &BTreeSet<Uuid>,
) -> Result<(), StoreError> {
    reports::lock(tx, id).await?;
    let Some(now) = reports::get(tx, id).await? else {
        return Ok(());
    };
    // Another member may have claimed it meanwhile.
    if !is_left(&now, holders)
        || !reports::change_status(tx, id, Status::Claimed, Status::Queued, None).await?
    {
        return Ok(());
    }
    let act = Act {
        actor: Some(&actor.name),
        report: Some(id),
        ..Act::new(clock.line_now(), Action::Release)
    };
    audit::append(tx, &now.line, act);
    Ok(())
}

/// Returns the ids of the members who hold the current key of the line.
async fn holders_of(tx: &mut ReadTx, line: &str) -> Result<BTreeSet<Uuid>, StoreError> {
    let current = keys::current_key(tx, line).await?;
    let grants = keys::grants_of_line(tx, line).await?.into_iter();
    let of_current =
        grants.filter(|grant| current.as_ref().is_some_and(|key| key.id == grant.line_key));
    Ok(of_current.map(|grant| grant.member).collect())
}

/// True if a member who is none of these has claimed the report.
fn is_left(report: &Report, holders: &BTreeSet<Uuid>) -> bool {
    let claimed_by = report
        .assignee
        .filter(|_| report.status == Some(Status::Claimed));
    claimed_by.is_some_and(|member| !holders.contains(&member))
}
