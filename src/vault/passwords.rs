//! A member's identity, wrapped under the member's password. A password is correct if it opens the identity; no other
//! hash of the password is stored.
//!
//! A wrapped identity consists of, in this order (numbers big-endian):
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version, `1` |
//! | 4 | Argon2id memory in KiB |
//! | 4 | passes |
//! | 4 | lanes |
//! | 16 | salt |
//! | 24 | nonce |
//! | 75 + 16 | XChaCha20-Poly1305 of the line `AGE-SECRET-KEY-1…`; associated data: everything before the nonce |

mod common;
mod typed;

pub use typed::{NewPassword, Password, SHORTEST, Unfit};

use super::seal::{self, Identity};
use super::secret::Key;
use crate::base::clock;
use argon2::{Algorithm, Argon2, Params, Version};
use std::sync::OnceLock;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// The password does not open the wrapped identity, or the bytes were not made by [`wrap`]. A login must not
/// distinguish the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name or the password is wrong")]
pub struct WrongPassword;

/// Argon2id parameters. Stored with each wrapped identity, so that they can be raised for new ones.
#[derive(Clone, Copy)]
struct Cost {
    kib: u32,
    passes: u32,
    lanes: u32,
}

/// Parameters for new wrapped identities: RFC 9106, section 4, the second recommended option, with one lane instead of
/// four, because logins are rare and a small machine has one core to spare.
const COST: Cost = Cost {
    kib: 64 * 1024,
    passes: 3,
    lanes: 1,
};

/// Upper bounds for stored parameters: a manipulated row must not exhaust the machine.
const MAX_COST: Cost = Cost {
    kib: 256 * 1024,
    passes: 10,
    lanes: 4,
};

const VERSION: u8 = 1;
const SALT: usize = 16;
const HEAD: usize = 1 + 3 * 4 + SALT;
/// Length of the nonce, the identity's line of 75 bytes and the tag, in bytes.
const BODY: usize = 24 + 75 + 16;

/// Permits of [`Lane::Anybody`], and below of [`Lane::Known`], for derivations with Argon2, each of which uses 64 MiB
/// at the present [`COST`]. They bound how many run at once in this process, including those whose caller no longer
/// waits for the result.
static FOR_ANYBODY: Semaphore = Semaphore::const_new(2);
static FOR_KNOWN: Semaphore = Semaphore::const_new(1);

/// The queue in which a derivation waits. The two queues are independent of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Logins from a browser or another client that is not known: two at once.
    Anybody,
    /// Known browsers, members who are logged in, commands of the command line, and new passwords: one at once.
    Known,
}

/// The derivation of a key from a password panicked, or the program is stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the thread that derived a key from the password has stopped")]
pub struct Stopped;

/// Wraps an identity under a password. Waits for its turn, then takes a large part of a second and 64 MiB, outside the
/// threads that answer requests.
///
/// # Errors
///
/// [`Stopped`] when the derivation has ended without a result.
pub async fn wrap(identity: Identity, password: NewPassword) -> Result<Vec<u8>, Stopped> {
    bounded(Lane::Known, move || {
        wrap_at(COST, &identity, password.password())
    })
    .await
}

/// Opens a wrapped identity. Costs as much time and memory as the parameters stored in it say, up to a maximum. Waits
/// for its turn in `lane`.
///
/// # Errors
///
/// [`WrongPassword`], also when the derivation has ended without a result.
pub async fn unwrap(
    lane: Lane,
    wrapped: Vec<u8>,
    password: Password,
) -> Result<Identity, WrongPassword> {
    bounded(lane, move || unwrap_now(&wrapped, &password))
        .await
        .map_err(|Stopped| WrongPassword)?
}

/// Runs `work` on a blocking thread, in its turn. The permit is moved into the work: if the caller is dropped while it
/// runs, the next derivation still waits until the memory of this one is free.
async fn bounded<T: Send + 'static>(
    lane: Lane,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Stopped> {
    let lane = match lane {
        Lane::Anybody => &FOR_ANYBODY,
        Lane::Known => &FOR_KNOWN,
    };
    let permit = lane.acquire().await.map_err(|_| Stopped)?;
    let work = move || {
        let _permit = permit;
        work()
    };
    tokio::task::spawn_blocking(work).await.map_err(|_| Stopped)
}

fn wrap_at(cost: Cost, identity: &Identity, password: &Password) -> Vec<u8> {
    let mut wrapped = head(cost);
    let key = stretch(&wrapped, password).expect("our own parameters are within bounds");
    let sealed = key.seal(seal::identity_line(identity).as_bytes(), &wrapped);
    wrapped.extend_from_slice(&sealed);
    wrapped
}

fn unwrap_now(wrapped: &[u8], password: &Password) -> Result<Identity, WrongPassword> {
    let (head, sealed) = wrapped.split_at_checked(HEAD).ok_or(WrongPassword)?;
    let line = stretch(head, password)?
        .open(sealed, head)
        .map_err(|_| WrongPassword)?;
    seal::read_identity_line(&line).map_err(|_| WrongPassword)
}

/// Returns bytes that have the form of a wrapped identity and that no password opens, the same ones for the life of the
/// process. A login with an unknown name opens them, so that it takes as long as one with a known name.
///
/// The ciphertext consists of random bytes: generating it costs nothing, so the first login with an unknown name is no
/// slower than later ones.
pub fn dummy() -> &'static [u8] {
    static DUMMY: OnceLock<Vec<u8>> = OnceLock::new();
    DUMMY.get_or_init(|| {
        let mut wrapped = head(COST);
        wrapped.extend_from_slice(&clock::random::<BODY>());
        wrapped
    })
}

/// Returns the head of a wrapped identity: version, cost and a new salt.
fn head(cost: Cost) -> Vec<u8> {
    let mut head = Vec::with_capacity(HEAD + BODY);
    head.push(VERSION);
    for number in [cost.kib, cost.passes, cost.lanes] {
        head.extend_from_slice(&number.to_be_bytes());
    }
    head.extend_from_slice(&clock::random::<SALT>());
    head
}

/// Derives the key from a password, with the cost and salt in the head of a wrapped identity. [`WrongPassword`] if the
/// head is malformed or its cost exceeds [`MAX_COST`].
fn stretch(head: &[u8], password: &Password) -> Result<Key, WrongPassword> {
    let (&[version], rest) = head.split_first_chunk().ok_or(WrongPassword)?;
    let mut salt = rest;
    let mut number = || {
        let (four, rest) = salt.split_first_chunk().ok_or(WrongPassword)?;
        salt = rest;
        Ok(u32::from_be_bytes(*four))
    };
    let (kib, passes, lanes) = (number()?, number()?, number()?);
    if version != VERSION
        || kib > MAX_COST.kib
        || passes > MAX_COST.passes
        || lanes > MAX_COST.lanes
    {
        return Err(WrongPassword);
    }
    let params = Params::new(kib, passes, lanes, Some(32)).map_err(|_| WrongPassword)?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.bytes(), salt, key.as_mut_slice())
        .map_err(|_| WrongPassword)?;
    Ok(Key::new(*key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    fn wrap(identity: &Identity, password: &str) -> Vec<u8> {
        super::wrap_at(COST, identity, &password.into())
    }

    fn wrap_at(cost: Cost, identity: &Identity, password: &str) -> Vec<u8> {
        super::wrap_at(cost, identity, &password.into())
    }

    fn unwrap(wrapped: &[u8], password: &str) -> Result<Identity, WrongPassword> {
        unwrap_now(wrapped, &password.into())
    }

    const CHEAP: Cost = Cost {
        kib: 8,
        passes: 1,
        lanes: 1,
    };

    #[test]
    fn the_password_opens_it_and_no_other() {
        let identity = Identity::generate();
        let wrapped = wrap(&identity, "correct horse ");
        let opened = unwrap(&wrapped, "correct horse ").unwrap();
        assert_eq!(opened.recipient(), identity.recipient());
        assert_eq!(
            unwrap(&wrapped, "correct horse").unwrap_err(),
            WrongPassword
        );
        // The dummy must have the same cost and the same form.
        assert_eq!(dummy()[..13], wrapped[..13]);
        assert_eq!(dummy().len(), wrapped.len());
        assert_eq!(dummy(), dummy());
        assert_eq!(
            unwrap(dummy(), "correct horse ").unwrap_err(),
            WrongPassword
        );
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_bound_holds_for_work_whose_caller_is_gone() {
        let running = Arc::new(AtomicUsize::new(0));
        let (started, starts) = mpsc::channel();
        let ends: Vec<_> = (0..8)
            .map(|_| {
                let (end, ended) = mpsc::channel::<()>();
                let (running, started) = (Arc::clone(&running), started.clone());
                let work = move || {
                    let before = running.fetch_add(1, Ordering::SeqCst);
                    let _ = started.send(before);
                    let _ = ended.recv();
                    running.fetch_sub(1, Ordering::SeqCst);
                };
                (end, tokio::spawn(bounded(Lane::Known, work)))
            })
            .collect();
        assert_eq!(starts.recv().unwrap(), 0);
        for (_, caller) in &ends {
            caller.abort();
        }
        let next = tokio::spawn(bounded(Lane::Known, || ()));
        for (_, caller) in &ends {
            while !caller.is_finished() {
                tokio::task::yield_now().await;
            }
        }
        assert!(starts.try_recv().is_err(), "a second one has begun");
        assert!(!next.is_finished());
        drop(ends);
        assert_eq!(next.await.unwrap(), Ok(()));
    }

    #[test]
    fn a_doctored_row_costs_nothing() {
        let wrapped = wrap_at(CHEAP, &Identity::generate(), "x");
        for at in [1, 5, 9] {
            let mut doctored = wrapped.clone();
            doctored[at..at + 4].copy_from_slice(&u32::MAX.to_be_bytes());
            assert_eq!(unwrap(&doctored, "x").unwrap_err(), WrongPassword);
            doctored[at..at + 4].copy_from_slice(&0u32.to_be_bytes());
            assert_eq!(unwrap(&doctored, "x").unwrap_err(), WrongPassword);
        }
    }

    #[test]
    fn every_cut_and_every_change_is_refused() {
        let wrapped = wrap_at(CHEAP, &Identity::generate(), "x");
        for at in 0..wrapped.len() {
            assert!(unwrap(&wrapped[..at], "x").is_err(), "cut at {at}");
        }
        for at in (0..wrapped.len()).filter(|at| !(1..13).contains(at)) {
            for bit in 0u8..8 {
                let mut bad = wrapped.clone();
                bad[at] ^= 1 << bit;
                assert!(unwrap(&bad, "x").is_err(), "byte {at} bit {bit}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn any_password_opens_what_it_wrapped(password in ".{0,40}", other in ".{0,40}") {
            let identity = Identity::from_seed([1; 32]);
            let wrapped = wrap_at(CHEAP, &identity, &password);
            prop_assert_eq!(unwrap(&wrapped, &password).unwrap().recipient(), identity.recipient());
            let same = Password::typed(&password).bytes() == Password::typed(&other).bytes();
            prop_assert_eq!(unwrap(&wrapped, &other).is_ok(), same);
        }
    }
}
