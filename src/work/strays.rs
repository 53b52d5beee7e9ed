//! Settles a stray: asks the provider which call the recording belongs to and which number was dialled, and makes it a
//! report of that line.
//!
//! It stays a stray while the provider does not say so, or names a number that no line has; where the provider cannot
//! be asked, for good. Strays are shown to leads, in the metrics and by `dutyline check`.

use super::{Claimed, Unfinished, unreadable};
use crate::conduct::{Hook, conduct};
use crate::service::Service;
use crate::store::strays;
use crate::telephony::{Event, ProviderError, RecordingFact, RecordingOutcome};
use std::sync::Arc;
use tracing::{debug, warn};

pub(super) async fn run(service: &Arc<Service>, job: &Claimed) -> Result<(), Unfinished> {
    let id = job.row.subject;
    let mut tx = service.db.read().await?;
    let stray = strays::get(&mut tx, id).await?;
    drop(tx);
    let Some(stray) = stray else {
        return finish(service, job).await;
    };
    let source = service
        .open_sid(&stray.sid)
        .ok_or_else(|| unreadable("the id of a stray"))?;
    let call = stray.call.as_ref().and_then(|call| service.open_sid(call));
    let provider = service.provider_that_knows(&source)?;
    let call = call.as_ref().map(|call| call.id.as_str());
    let origin = match provider.origin(&source.id, call).await {
        Err(ProviderError::Unsupported) => {
            warn!(stray = %id, provider = source.provider, "stray recording stays: this provider cannot be asked for its call");
            return finish(service, job).await;
        }
        origin => origin?,
    };
    if service.config.line_dialled(origin.to.show()).is_none() {
        return Err(Unfinished::Failed(
            "the provider says that the call was to a number that no line has".into(),
        ));
    }
    // As if its callback had said all this: a known call gets the recording, an unknown one becomes a report.
    let event = Event {
        call: origin.call,
        to: origin.to,
        from: origin.from,
        recording: Some(RecordingFact {
            id: source.id.into(),
            outcome: RecordingOutcome::Completed {
                seconds: None,
                end: None,
            },
        }),
        ..Event::nothing()
    };
    conduct(service, provider.as_ref(), &Hook::Recording(None), &event).await?;
    let mut tx = service.db.begin().await?;
    job.done(&mut tx).await?;
    strays::delete(&mut tx, id).await?;
    tx.commit().await?;
    // Not above debug: a log line has an exact time, and that of a call is sealed.
    debug!(stray = %id, "stray recording settled");
    Ok(())
}

async fn finish(service: &Service, job: &Claimed) -> Result<(), Unfinished> {
    let mut tx = service.db.begin().await?;
    job.done(&mut tx).await?;
    Ok(tx.commit().await?)
}
