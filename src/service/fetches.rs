//! Bounds how often the address of a take is fetched.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use uuid::Uuid;

/// Maximum number of fetches of one address: a provider fetches it once, and again when something failed.
const MAX_FETCHES: u32 = 8;
/// Maximum number of addresses that are remembered; at this number all are forgotten. Only addresses with a right token
/// are remembered.
const ADDRESSES: usize = 10_000;

/// Number of fetches of each address of a take from this node, by call, step and take.
#[derive(Default)]
pub struct Fetches(Mutex<HashMap<(Uuid, u32, u32), u32>>);

impl Fetches {
    /// Counts a fetch. Returns false when there were too many.
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
