//! What went on, counted for operators. Never who, never what.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

macro_rules! counters {
    (
        $($(#[$doc:meta])* $name:ident),* ;
        $($(#[$labelled_doc:meta])* $labelled:ident by $label:ident),* $(,)?
    ) => {
        /// Counters since the start of the service.
        #[derive(Default)]
        pub struct Counters {
            $($(#[$doc])* pub $name: Counter,)*
            $($(#[$labelled_doc])* pub $labelled: Labelled,)*
        }

        impl Counters {
            /// Every counter with its name, in the order of declaration.
            pub fn all(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.get())),*]
            }

            /// Those told apart by a label, each with its name and the label's.
            pub fn labelled(&self) -> Vec<(&'static str, &'static str, &Labelled)> {
                vec![$((stringify!($labelled), stringify!($label), &self.$labelled)),*]
            }
        }
    };
}

counters! {
    /// Webhooks whose signature fitted.
    webhooks,
    /// Webhooks refused because of their signature or account.
    webhooks_refused,
    /// Webhooks answered from configuration and clock alone, because the database did not do its work in time.
    webhooks_blunt,
    /// Calls answered.
    calls,
    /// Calls the duty inspector took.
    calls_taken,
    /// Calls to a number no line has.
    calls_not_in_service,
    /// Calls that became reports.
    reports,
    /// Recordings sealed.
    recordings_sealed,
    /// Recordings that were lost while they were streamed.
    recordings_lost,
    /// Times a sealed recording was found not to be as it was sealed, before its deletion at the provider.
    recordings_damaged,
    /// Tries of jobs that failed.
    jobs_failed,
    /// Logins with a wrong name or password.
    logins_wrong,
    /// Receipts nobody looked up, because there were too many tries.
    receipts_refused,
    /// Receipts that two callers were told, found when the second call was settled.
    receipts_shared,
    /// Receipts nobody looked up, because there was no time.
    receipts_late,
    /// Keys that were not offered where they were pressed, and keys behind the one that was waited for.
    keys_unasked;
    /// Calls that are over and left no message, by how far they got.
    calls_without_message by reached,
    /// Webhooks whose signature fitted, by what they were about.
    webhooks_by_kind by kind,
}

/// A number that only grows. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// One more.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is counted once a transaction is committed.
#[derive(Debug, Clone)]
pub enum Counted {
    /// One more.
    One(Counter),
    /// One more of this value of the label.
    As(Labelled, &'static str),
}

impl Counted {
    /// Counts it.
    pub fn add(&self) {
        match self {
            Self::One(counter) => counter.add(),
            Self::As(counter, value) => counter.add(value),
        }
    }
}

/// A number for each value of a label. The values come from the program, never from outside, so they are few.
/// Clones are the same ones.
#[derive(Clone, Debug, Default)]
pub struct Labelled(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Labelled {
    /// One more of this.
    pub fn add(&self, value: &'static str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(value).or_default() += 1;
    }

    /// The values there were so far, and how often.
    pub fn get(&self) -> BTreeMap<&'static str, u64> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.clone()
    }
}
