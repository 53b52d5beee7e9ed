//! What went on, counted for operators. Never who, never what.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Counters since the start of the service.
        #[derive(Default)]
        pub struct Counters { $($(#[$doc])* pub $name: Counter),* }

        impl Counters {
            /// Every counter with its name, in the order of declaration.
            pub fn all(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.get())),*]
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
    /// Recordings given up.
    recordings_lost,
    /// Times a sealed recording was found not to be as it was sealed, before its deletion at the provider.
    recordings_damaged,
    /// Jobs given up.
    jobs_dead,
    /// Logins with a wrong name or password.
    logins_wrong,
    /// Receipts nobody looked up, because there were too many tries.
    receipts_refused,
    /// Receipts nobody looked up, because there was no time.
    receipts_late,
}

/// A number that only grows.
#[derive(Default)]
pub struct Counter(AtomicU64);

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
