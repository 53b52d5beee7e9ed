//! Bounds how often a provider may fetch the address of a take, to play the take back to the caller.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use uuid::Uuid;

/// Maximum number of fetches of one address: a provider fetches it once, and again if something failed.
const MAX_FETCHES: u32 = 8;
/// Number of addresses at which the counts of all addresses are reset. Only addresses with a right token are counted.
const ADDRESSES: usize = 10_000;

/// Number of fetches from this node of each address of a take. An address is identified by the call's id, the step at
/// which the take is played, and the take.
#[derive(Default)]
pub struct Fetches(Mutex<HashMap<(Uuid, u32, u32), u32>>);

impl Fetches {
    /// Counts a fetch of this address. Returns false, so that the fetch is refused, from the ninth fetch on.
    pub fn another(&self, address: (Uuid, u32, u32)) -> bool {
        let mut fetched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if fetched.len() >= ADDRESSES {
            fetched.clear();
        }
        let times = fetched.entry(address).or_default();
        *times += 1;
        *times <= MAX_FETCHES
    }
}
