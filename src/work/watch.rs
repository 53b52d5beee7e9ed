//! Asks the provider about a call that has been silent: the word that it is over may have been lost.

use super::{Claimed, Unfinished};
use crate::conduct::{commit, end_call, open_state};
use crate::service::Service;
use crate::store::{calls, cases};
use chrono::TimeDelta;
use std::sync::Arc;

/// How often a running call is asked about.
const EVERY: TimeDelta = TimeDelta::minutes(10);
/// After so many times, two hours after the answer, a call is over whatever the provider says.
const MAX_ATTEMPTS: i32 = 12;

pub(super) async fn run(service: &Arc<Service>, job: &Claimed) -> Result<(), Unfinished> {
    let mut tx = service.db.jobs.begin_read().await?;
    let call = calls::by_id_unlocked(&mut tx, job.row.subject).await?;
    drop(tx);
    if let Some(call) = call
        && !call.ended
    {
        let over = job.row.attempts >= MAX_ATTEMPTS || asked(service, &call).await;
        if !over {
            return Err(Unfinished::Later(EVERY));
        }
        let mut tx = service.db.jobs.begin().await?;
        // The call before its job, as webhooks take them: in another order the two would wait for each other.
        let case = cases::of_call(&mut tx, call.id).await?;
        job.done(&mut tx).await?;
        if let Some(mut case) = case {
            end_call(service, &mut case, service.clock.times());
            return Ok(commit(tx, case).await?);
        }
        return Ok(tx.commit().await?);
    }
    let mut tx = service.db.jobs.begin_unflushed().await?;
    job.done(&mut tx).await?;
    Ok(tx.commit().await?)
}

/// Does the provider say the call is over? A provider that does not answer is asked again later.
async fn asked(service: &Service, call: &calls::Call) -> bool {
    let Some((sid, _)) = open_state(service, call) else {
        return false;
    };
    match service.provider_that_knows(&sid) {
        Ok(provider) => provider
            .ask(&sid.id)
            .await
            .is_ok_and(|standing| standing.ended),
        Err(_) => false,
    }
}
