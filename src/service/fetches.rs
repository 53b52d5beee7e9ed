//! Bounds how often the address of a recording that a caller listens to is fetched.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use uuid::Uuid;

/// So often each address can be fetched: a provider fetches it once, and again when something failed.
const MAX_FETCHES: u32 = 8;
/// So many addresses are remembered; beyond, all are forgotten. Only a right address is remembered.
const ADDRESSES: usize = 10_000;

/// How often each address of a take was fetched from this node, by call, step and take.
#[derive(Default)]
pub struct Fetches(Mutex<HashMap<(Uuid, u32, u32), u32>>);

impl Fetches {
    /// Counts a fetch; false when there were too many.
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
