//! Keys derived from a caller's receipt: replies are sealed to an identity derived from its digits.
//!
//! A receipt has only eleven free digits. A search is made harder by the service secret, which is not in the database,
//! and by Argon2id: to an attacker who has the database and the secret, each guess costs 19 MiB and some milliseconds.
//! Such an attacker can still search all receipts.

use super::seal::Identity;
use super::secret::Key;
use crate::base::aside::yield_to_callers;
use crate::report::receipt::Receipt;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use sha2::{Digest, Sha256};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::{fmt, io, thread};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// The label of the key that a [`ReceiptDeriver`] uses: `secret.derive(receipts::LABEL)`.
pub const LABEL: &str = "receipts";

/// Derives keys from receipts, on two threads of its own: one for waiting callers, one for jobs. Each processes one
/// request at a time, in order of arrival, and keeps its 19 MiB of memory. They are not threads of tokio's blocking
/// pool, which grows with the load: each thread of it would keep 19 MiB, and calls in progress need the processors.
pub struct ReceiptDeriver {
    typed: Worker,
    settled: Worker,
}

/// The derivation panicked, or the thread that derives receipts has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the thread that derives receipts has stopped")]
pub struct Stopped;

impl ReceiptDeriver {
    /// Starts the threads. They end when the value is dropped.
    ///
    /// # Errors
    ///
    /// When the operating system cannot start a thread.
    pub fn start() -> io::Result<Self> {
        Ok(Self {
            typed: Worker::start("receipts-typed", || ())?,
            settled: Worker::start("receipts-jobs", yield_to_callers)?,
        })
    }

    /// Derives the lookup and the identity of a receipt on a line, deterministically, for a waiting caller. `key` is
    /// derived from the service secret with [`LABEL`]. Takes tens of milliseconds, outside the threads that answer
    /// webhooks, and 19 MiB (OWASP's minimum for Argon2id: 19 MiB, 2 passes). Skipped if the future is dropped before
    /// its turn.
    ///
    /// # Errors
    ///
    /// [`Stopped`] when the derivation panicked or the thread has ended.
    pub async fn derive(
        &self,
        receipt: Receipt,
        line: String,
        key: Key,
    ) -> Result<Derived, Stopped> {
        let work = move |scratch: &mut Scratch| derive(scratch, &receipt, &line, &key);
        self.typed.run(work).await
    }

    /// The same as [`ReceiptDeriver::derive`] for a job, on Linux at the lowest priority: many calls that end at once
    /// neither take processor time from calls in progress, nor delay callers who call back.
    ///
    /// # Errors
    ///
    /// As [`ReceiptDeriver::derive`].
    pub async fn derive_for_job(
        &self,
        receipt: Receipt,
        line: String,
        key: Key,
    ) -> Result<Derived, Stopped> {
        let work = move |scratch: &mut Scratch| derive(scratch, &receipt, &line, &key);
        self.settled.run(work).await
    }
}

/// Memory for Argon2, reused by all derivations of a thread.
type Scratch = Vec<Block>;
type Task = Box<dyn FnOnce(&mut Scratch) + Send>;

/// A thread that runs one task after the other.
struct Worker {
    tasks: mpsc::Sender<Task>,
}

impl Worker {
    fn start(name: &str, first: fn()) -> io::Result<Self> {
        let (tasks, waiting) = mpsc::channel::<Task>();
        let work = move || {
            first();
            let mut scratch = Scratch::new();
            for task in waiting {
                // A task that panics drops its end of the channel, and its caller gets `Stopped`.
                let _ = catch_unwind(AssertUnwindSafe(|| task(&mut scratch)));
            }
        };
        thread::Builder::new().name(name.to_owned()).spawn(work)?;
        Ok(Self { tasks })
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Scratch) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let (done, result) = oneshot::channel();
        let task = move |scratch: &mut Scratch| {
            if !done.is_closed() {
                // The receiver may have been dropped by now.
                let _ = done.send(work(scratch));
            }
        };
        self.tasks.send(Box::new(task)).map_err(|_| Stopped)?;
        result.await.map_err(|_| Stopped)
    }
}

/// The values derived from a receipt on a line.
pub struct Derived {
    /// Stored in the database, to find the report by its receipt.
    pub lookup: [u8; 32],
    /// Opens the replies of this report. Only its public half is stored.
    pub identity: Identity,
}

impl fmt::Debug for Derived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Derived([hidden])")
    }
}

fn derive(scratch: &mut Vec<Block>, receipt: &Receipt, line: &str, key: &Key) -> Derived {
    // Hashed because a line's id may be shorter than the 8 bytes that Argon2 requires of a salt.
    let salt = Sha256::new()
        .chain_update("dutyline receipt v1\0")
        .chain_update(line)
        .finalize();
    let params = Params::new(19 * 1024, 2, 1, Some(32)).expect("these parameters are valid");
    let mut out = Zeroizing::new([0; 32]);
    scratch.resize(params.block_count(), Block::default());
    Argon2::new_with_secret(key.bytes(), Algorithm::Argon2id, Version::V0x13, params)
        .expect("a key of 32 bytes is within bounds")
        .hash_password_into_with_memory(
            receipt.digits().as_bytes(),
            &salt,
            out.as_mut_slice(),
            scratch.as_mut_slice(),
        )
        .expect("the lengths are within bounds");
    scratch.fill(Block::default());
    // Derived separately, so that the lookup, which is stored, reveals nothing about the seed.
    let out = Key::new(*out);
    Derived {
        lookup: *out.derive("receipt lookup").bytes(),
        identity: Identity::from_seed(*out.derive("receipt identity").bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derive(receipt: &Receipt, line: &str, key: &Key) -> Derived {
        super::derive(&mut Vec::new(), receipt, line, key)
    }

    fn receipt() -> (Receipt, String, Key) {
        let receipt = Receipt::from_random([7; 16]);
        (receipt, "fcg-5".into(), Key::new([1; 32]))
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn jobs_derive_at_the_lowest_priority_and_callers_at_the_normal_one() {
        let bench = ReceiptDeriver::start().unwrap();
        let own = |_: &mut Scratch| rustix::process::getpriority_process(None).unwrap();
        let normal = own(&mut Scratch::new());
        assert_eq!(bench.settled.run(own).await, Ok(19));
        assert_eq!(bench.typed.run(own).await, Ok(normal));
        assert_ne!(normal, 19);
    }

    #[test]
    fn deriving_takes_no_blocking_thread_and_a_typed_receipt_does_not_wait_for_jobs() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(1)
            .build()
            .unwrap();
        let (end, ended) = mpsc::channel::<()>();
        let (end_job, job_ended) = mpsc::channel::<()>();
        runtime.block_on(async {
            let bench = ReceiptDeriver::start().unwrap();
            let blocking = tokio::task::spawn_blocking(move || ended.recv());
            let job = bench.settled.run(move |_| job_ended.recv());
            let mut job = std::pin::pin!(job);
            assert!(futures_util::poll!(&mut job).is_pending());
            let (typed, line, key) = receipt();
            let derived = bench.derive(typed, line, key).await.unwrap();
            let (typed, line, key) = receipt();
            assert_eq!(derived.lookup, derive(&typed, &line, &key).lookup);
            assert!(futures_util::poll!(&mut job).is_pending());
            drop((end, end_job));
            job.await.unwrap().unwrap_err();
            blocking.await.unwrap().unwrap_err();
        });
    }

    #[tokio::test]
    async fn a_panic_stops_one_derivation_and_not_the_thread() {
        let bench = ReceiptDeriver::start().unwrap();
        let panics = bench.typed.run(|_| -> () { panic!("on purpose") });
        assert_eq!(panics.await, Err(Stopped));
        assert_eq!(bench.typed.run(|_| 7).await, Ok(7));
    }

    /// One test, because each derivation is slow in a debug build.
    #[test]
    fn the_same_receipt_line_and_secret_and_nothing_else() {
        let key = Key::new([1; 32]);
        let receipt = Receipt::from_random([7; 16]);
        let first = derive(&receipt, "fcg-5", &key);
        let again = derive(&Receipt::parse(&receipt.spoken()).unwrap(), "fcg-5", &key);
        assert_eq!(first.lookup, again.lookup);
        assert_eq!(first.identity.recipient(), again.identity.recipient());
        // Receipts already given out must keep opening; computed once with this function.
        assert_eq!(
            first.identity.recipient().to_string(),
            "age18ph7ddct5fhgwmnlh9pqnxj6xf0e3akmqlcg3006k0djzcupl3gqn62lcj"
        );
        for other in [
            derive(&Receipt::from_random([8; 16]), "fcg-5", &key),
            derive(&receipt, "fcg-6", &key),
            derive(&receipt, "fcg-5", &Key::new([2; 32])),
        ] {
            assert_ne!(other.lookup, first.lookup);
            assert_ne!(other.identity.recipient(), first.identity.recipient());
        }
        assert_eq!(format!("{first:?}"), "Derived([hidden])");
    }
}
