//! What a caller's receipt opens: a reply sealed to an identity that comes out of its digits.
//!
//! Eleven free digits are few. What keeps them from being searched is the service secret, which is not in the
//! database, and Argon2id, which makes each guess cost 19 MiB and some milliseconds to who has both. Who has
//! both can search all the same.

use super::seal::Identity;
use super::secret::Key;
use crate::report::receipt::Receipt;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::task::JoinError;
use zeroize::Zeroizing;

/// The label of the key a [`Bench`] takes: `secret.derive(receipts::LABEL)`.
pub const LABEL: &str = "receipts";

/// Where receipts are worked out, one after the other, who came first before who came later. A buffer for each would
/// stay with each of the threads that take turns, some hundred megabytes in the end; and callers on the line need the
/// other processors.
#[derive(Default)]
pub struct Bench {
    scratch: Arc<Mutex<Vec<Block>>>,
    jobs: Mutex<()>,
}

impl Bench {
    /// Derives the lookup and the identity of a receipt on a line, the same every time, for a caller who waits. `key`
    /// is the service secret's under [`LABEL`]. Takes tens of milliseconds, off the threads that answer webhooks, and
    /// 19 MiB, which are kept (OWASP's minimum for Argon2id: 19 MiB, 2 passes).
    ///
    /// # Errors
    ///
    /// When the thread that worked on it has stopped.
    pub async fn derive(
        &self,
        receipt: Receipt,
        line: String,
        key: Key,
    ) -> Result<Derived, JoinError> {
        let mut scratch = Arc::clone(&self.scratch).lock_owned().await;
        tokio::task::spawn_blocking(move || derive(&mut scratch, &receipt, &line, &key)).await
    }

    /// The same for a job. Nobody waits for it, so one at a time queues here: many calls that end at once do not keep
    /// those waiting who call back.
    ///
    /// # Errors
    ///
    /// As [`Bench::derive`].
    pub async fn derive_for_job(
        &self,
        receipt: Receipt,
        line: String,
        key: Key,
    ) -> Result<Derived, JoinError> {
        let _turn = self.jobs.lock().await;
        self.derive(receipt, line, key).await
    }
}

/// What comes out of a receipt.
pub struct Derived {
    /// What the database keeps to find the report again.
    pub lookup: [u8; 32],
    /// Opens the replies; only its public half is stored.
    pub identity: Identity,
}

impl fmt::Debug for Derived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Derived([hidden])")
    }
}

fn derive(scratch: &mut Vec<Block>, receipt: &Receipt, line: &str, key: &Key) -> Derived {
    // Hashed because a line's id may be shorter than the 8 bytes Argon2 wants of a salt.
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
    // Apart, so that the lookup, which is stored, tells nothing of the seed.
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
