//! Listening to a take: finds the provider's copy of the recording, which is then passed through memory to the
//! provider's player.

use crate::base::hidden::Hidden;
use crate::call::state::State;
use crate::service::{ProviderRef, Service};
use crate::store::{StoreError, calls, recordings};
use crate::telephony::take_token;
use crate::vault::secret::Key;
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// Returns the key that authenticates the addresses of takes while a call is at `step`. It is another key at every
/// step.
pub(super) fn take_key(call_key: &Key, step: u32) -> Hidden<String> {
    call_key
        .derive(&format!("take at {step}"))
        .bytes_base64url()
}

/// Returns the key that makes the addresses of a call's streams unguessable.
pub(super) fn stream_key(call_key: &Key) -> Hidden<String> {
    call_key.derive("stream").bytes_base64url()
}

/// Returns the provider's id of the recording that step `take` of a call made. `None` unless the call is running at
/// `provider` and at the step that plays the take, the token is right, this address was requested at most eight times
/// on this node, and the recording's id is stored.
///
/// # Errors
///
/// When the database fails.
pub async fn find_take(
    service: &Service,
    provider: &str,
    call: Uuid,
    take: u32,
    token: &str,
) -> Result<Option<ProviderRef>, StoreError> {
    let mut tx = service.db.webhooks.begin_read().await?;
    let Some(call) = calls::by_id_unlocked(&mut tx, call).await? else {
        return Ok(None);
    };
    let Some((sid, state)) = open_state(service, &call).filter(|_| !call.ended) else {
        return Ok(None);
    };
    let call_key = service.secret.call_key(&sid.provider, &sid.id);
    let expected = take_token(&take_key(&call_key, state.step), take);
    let fits: bool = expected.as_bytes().ct_eq(token.as_bytes()).into();
    if !fits || sid.provider != provider {
        return Ok(None);
    }
    if !service.take_fetches.another((call.id, state.step, take)) {
        return Ok(None);
    }
    let (report, number) = call.place_of(take);
    let recordings = recordings::of_report(&mut tx, report).await?;
    Ok(recordings
        .iter()
        .find(|recording| recording.step == number)
        .and_then(|recording| service.open_sid(recording.id, recording.sid.as_ref()?)))
}

/// Opens the provider's id and the state of a call, with the service secret alone. `None` if the call is settled or has
/// no state, or if they cannot be opened.
pub(crate) fn open_state(service: &Service, call: &calls::Call) -> Option<(ProviderRef, State)> {
    let sid = service.open_sid(call.id, call.sid.as_ref()?)?;
    let key = service.secret.call_key(&sid.provider, &sid.id);
    let plain = key.open(call.state.as_ref()?, b"state").ok()?;
    let state = serde_json::from_slice(&plain).ok()?;
    Some((sid, state))
}
