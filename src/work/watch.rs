//! Asks the provider, from ten minutes after the answer on, whether a call still runs, because the webhook about its
//! end may have been lost.

use super::{Claimed, Unfinished};
use crate::conduct::{commit, end_call, open_state};
use crate::service::Service;
use crate::store::{calls, cases};
use chrono::TimeDelta;
use std::sync::Arc;

/// Time between two requests to the provider about a running call.
const EVERY: TimeDelta = TimeDelta::minutes(10);
/// Number of tries, reached two hours after the call was answered, at which a call counts as over whatever the provider
/// says.
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
        // The call is locked before its job, as webhooks lock them: in another order the two could deadlock.
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

/// True if the provider says that the call is over. False also if it does not answer or cannot be asked; it is asked
/// again later.
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
