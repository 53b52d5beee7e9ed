//! Slots: bound how many things run at the same time, separately for each key.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Slots for each key. The keys come from the configuration and the program, so there are few of them.
pub struct Slots<K> {
    most: fn(&K) -> usize,
    by_key: Mutex<HashMap<K, Arc<Semaphore>>>,
}

impl<K: Clone + Eq + Hash> Slots<K> {
    /// Returns slots of which none is used. `most` returns the number of slots of a key, and must return the same
    /// number each time.
    pub fn new(most: fn(&K) -> usize) -> Self {
        Self {
            most,
            by_key: Mutex::default(),
        }
    }

    /// Acquires a slot of this key; `None` if none is free. The slot is free again when the permit is dropped.
    pub fn take(&self, key: &K) -> Option<OwnedSemaphorePermit> {
        let mut by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        let slots = match by_key.get(key) {
            Some(slots) => Arc::clone(slots),
            None => {
                let slots = Arc::new(Semaphore::new((self.most)(key)));
                by_key.insert(key.clone(), Arc::clone(&slots));
                slots
            }
        };
        slots.try_acquire_owned().ok()
    }

    /// Waits, key by key, until every slot is free.
    pub async fn all_free(&self) {
        let all: Vec<(K, Arc<Semaphore>)> = {
            let by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
            let pairs = by_key.iter();
            pairs
                .map(|(key, slots)| (key.clone(), Arc::clone(slots)))
                .collect()
        };
        for (key, slots) in all {
            let most = u32::try_from((self.most)(&key)).unwrap_or(u32::MAX);
            let _all = slots.acquire_many(most).await;
        }
    }
}
