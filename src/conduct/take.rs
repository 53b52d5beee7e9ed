//! "Listen": the provider's copy of a take, passed through memory to the provider's player.

use crate::call::state::State;
use crate::hidden::Hidden;
use crate::service::{ProviderRef, Service};
use crate::store::{StoreError, calls, reports};
use crate::vault::secret::Key;
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// What makes the addresses of a call's takes unguessable.
pub(super) fn take_key(call_key: &Key) -> Hidden<String> {
    call_key.derive("take").bytes_base64url()
}

/// What makes the addresses unguessable that what is said in a call is streamed to.
pub(super) fn stream_key(call_key: &Key) -> Hidden<String> {
    call_key.derive("stream").bytes_base64url()
}

/// The recording behind an address of a take: only while the call runs, only with the right key.
///
/// # Errors
///
/// When the database fails.
pub async fn find_take(
    service: &Service,
    provider: &str,
    call: Uuid,
    step: u32,
    key: &str,
) -> Result<Option<ProviderRef>, StoreError> {
    let mut tx = service.db.read().await?;
    let Some(call) = calls::by_id_unlocked(&mut tx, call).await? else {
        return Ok(None);
    };
    let Some(sid) = call.sid.as_ref().and_then(|sid| service.open_sid(sid)) else {
        return Ok(None);
    };
    let call_key = service.secret.call_key(&sid.provider, &sid.id);
    let expected = take_key(&call_key);
    let fits: bool = expected.show().as_bytes().ct_eq(key.as_bytes()).into();
    if !fits || sid.provider != provider {
        return Ok(None);
    }
    let (report, number) = call.place_of(step);
    let recordings = reports::recordings(&mut tx, report).await?;
    Ok(recordings
        .iter()
        .find(|recording| recording.step == number)
        .and_then(|recording| service.open_sid(recording.sid.as_ref()?)))
}

/// Reads a running call's state with nothing but the database and the service secret; for jobs.
pub(crate) fn open_state(service: &Service, call: &calls::Call) -> Option<(ProviderRef, State)> {
    let sid = service.open_sid(call.sid.as_ref()?)?;
    let key = service.secret.call_key(&sid.provider, &sid.id);
    let plain = key.open(call.state.as_ref()?, b"state").ok()?;
    let state = serde_json::from_slice(&plain).ok()?;
    Some((sid, state))
}
