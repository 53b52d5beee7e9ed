//! Settles a stray. For a recording, asks the provider which call it belongs to and which number was dialled, and adds
//! it to the report of that call. For a call that is over and that the service never answered, first asks for its
//! recordings.
//!
//! If the provider does not tell, or names a number that no line has, the job fails and is tried again. If the provider
//! has no such request, the job ends and the stray is kept. Stray recordings are shown to leads, in the metrics and by
//! `dutyline check`.

use super::{Claimed, Unfinished, unreadable};
use crate::conduct::{Hook, conduct};
use crate::service::Service;
use crate::store::strays;
use crate::telephony::{
    Event, Provider, ProviderError, ProviderRecordingId, RecordingFact, RecordingOutcome,
};
use std::sync::Arc;
use tracing::{debug, warn};

pub(super) async fn run(service: &Arc<Service>, job: &Claimed) -> Result<(), Unfinished> {
    let id = job.row.subject;
    let mut tx = service.db.jobs.begin_read().await?;
    let stray = strays::get(&mut tx, id).await?;
    drop(tx);
    let Some(stray) = stray else {
        return finish(service, job).await;
    };
    let source = service
        .open_sid(stray.id, &stray.sid)
        .ok_or_else(|| unreadable("the id of a stray"))?;
    let provider = service.provider_that_knows(&source)?;
    let (recordings, call) = match stray.whole_call {
        true => (provider.recordings_of(&source.id).await?, Some(source.id)),
        false => {
            let call = stray
                .call
                .as_ref()
                .and_then(|call| service.open_sid(stray.id, call));
            (vec![source.id.into()], call.map(|call| call.id))
        }
    };
    for recording in recordings {
        match settle(service, provider, recording, call.as_deref()).await? {
            Settled::Yes => {}
            Settled::CannotBeAsked => {
                warn!(stray = %id, provider = source.provider, "stray recording kept: the provider cannot be asked for its call");
                return finish(service, job).await;
            }
        }
    }
    // If this commit is lost, the job runs once more, and the webhooks it conducts change nothing.
    let mut tx = service.db.jobs.begin_unflushed().await?;
    strays::delete(&mut tx, id).await?;
    job.done(&mut tx).await?;
    tx.commit().await?;
    // Not above debug, because a log line has an exact time, and that of a call is sealed data.
    debug!(stray = %id, "stray settled");
    Ok(())
}

/// Result of settling one recording.
enum Settled {
    /// The recording belongs to a call of this service now.
    Yes,
    /// The provider has no request for the call of a recording.
    CannotBeAsked,
}

/// Asks the provider for the call of a recording, and adds the recording to that call. `call` is the provider's id of
/// the call, if it is known.
async fn settle(
    service: &Arc<Service>,
    provider: &Arc<dyn Provider>,
    recording: ProviderRecordingId,
    call: Option<&str>,
) -> Result<Settled, Unfinished> {
    let origin = match provider.origin(recording.expose(), call).await {
        Err(ProviderError::Unsupported) => return Ok(Settled::CannotBeAsked),
        origin => origin?,
    };
    if service.config.line_dialled(origin.to.expose()).is_none() {
        return Err(Unfinished::Failed(
            "the provider says that the call was to a number that no line has".into(),
        ));
    }
    // Handled like a webhook that says all of this: a known call gets the recording, an unknown one becomes a report.
    let event = Event {
        call: origin.call,
        to: origin.to,
        from: origin.from,
        recording: Some(RecordingFact {
            id: recording,
            outcome: RecordingOutcome::Completed {
                seconds: None,
                end: None,
            },
        }),
        ..Event::nothing()
    };
    conduct(service, provider, &Hook::Recording(None), &event).await?;
    Ok(Settled::Yes)
}

async fn finish(service: &Service, job: &Claimed) -> Result<(), Unfinished> {
    let mut tx = service.db.jobs.begin_unflushed().await?;
    job.done(&mut tx).await?;
    Ok(tx.commit().await?)
}
