//! "Listen": the provider's copy of a take, passed through memory to the provider's player.

use crate::call::state::State;
use crate::hidden::Hidden;
use crate::service::{ProviderRef, Service};
use crate::store::{StoreError, calls, recordings};
use crate::telephony::take_token;
use crate::vault::secret::Key;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// So often each address can be fetched: a provider fetches it once, and again when something failed.
const MOST_FETCHES: u32 = 8;
/// So many addresses are remembered; beyond, all are forgotten. Only a right address is remembered.
const ADDRESSES: usize = 10_000;

/// How often each address of a take was fetched from this node, by call, step and take.
#[derive(Default)]
pub struct Fetches(Mutex<HashMap<(Uuid, u32, u32), u32>>);

impl Fetches {
    /// Counts a fetch; false when there were too many.
    fn another(&self, address: (Uuid, u32, u32)) -> bool {
        let mut fetched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if fetched.len() >= ADDRESSES {
            fetched.clear();
        }
        let times = fetched.entry(address).or_default();
        *times += 1;
        *times <= MOST_FETCHES
    }
}

/// What the addresses of takes are made with while a call is at `step`: that of another step is of no use.
pub(super) fn take_key(call_key: &Key, step: u32) -> Hidden<String> {
    call_key
        .derive(&format!("take at {step}"))
        .bytes_base64url()
}

/// What makes the addresses unguessable that what is said in a call is streamed to.
pub(super) fn stream_key(call_key: &Key) -> Hidden<String> {
    call_key.derive("stream").bytes_base64url()
}

/// The recording behind an address of a take: only while the call is at the step that plays it, only with the right
/// token, and eight times at most.
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
