//! Slows guessing of passwords, and keeps those who guess from keeping others out.
//!
//! A try waits, in this order: for its turn at its name (wrong ones make the next one wait), for its turn at its source
//! (one at a time), and for memory ([`passwords`](crate::vault::passwords) has the bound). A queue that is full refuses
//! the one who has waited longest, so a burst that came first does not refuse who comes after it. Browsers that have
//! logged in before, and members at their desk, are counted by themselves and wait for none of the others.
//!
//! All of it is in memory, on each node by itself. A restart forgets, which costs a guesser more than it gives.

use super::LoginError;
use crate::clock::instant;
use crate::vault::passwords::Lane;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, oneshot};
use uuid::Uuid;

/// How many wrong passwords in a row are free.
const FREE_TRIES: u32 = 5;
/// The longest wait of one try after wrong ones.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Wrong tries are forgotten after this.
const FORGOTTEN: Duration = Duration::from_secs(15 * 60);
/// So many wait for their turn at one name, and while wrong tries make each wait, so many.
const AT_NAME: (usize, usize) = (8, 1);
/// So many wait for their turn at one source.
const AT_SOURCE: usize = 8;
/// So many sources wait for memory at once; so many known browsers and members at their desk.
const WAITING: (usize, usize) = (32, 16);
/// A try that has waited so long is refused.
const PATIENCE: Duration = Duration::from_secs(14);
/// From so many names or sources on, those without a try are forgotten before another one is remembered. Memory bounds
/// the tries, some ten a second, so no more than some ten thousand names have one that counts.
const REMEMBERED: usize = 10_000;

/// What a try is counted by.
#[derive(Clone, Copy)]
pub(super) enum Try<'a> {
    /// A login with a name, from an address.
    Name(&'a str, IpAddr),
    /// A login from a browser that is known.
    Device([u8; 16]),
    /// A member who is logged in already.
    Desk(Uuid),
}

impl Try<'_> {
    /// Whose turn at the memory it waits for.
    pub fn lane(self) -> Lane {
        match self {
            Self::Name(..) => Lane::Anybody,
            Self::Device(_) | Self::Desk(_) => Lane::Known,
        }
    }

    /// What wrong ones are counted by. Hashed, so that a long name takes no more memory than a short one.
    fn key(self) -> [u8; 32] {
        let (kind, bytes): (u8, &[u8]) = match &self {
            Self::Name(name, _) => (0, name.as_bytes()),
            Self::Device(id) => (1, id),
            Self::Desk(member) => (2, member.as_bytes()),
        };
        Sha256::new()
            .chain_update([kind])
            .chain_update(bytes)
            .finalize()
            .into()
    }
}

/// All tries of this process.
pub struct Logins {
    names: Mutex<HashMap<[u8; 32], Arc<Name>>>,
    sources: Mutex<HashMap<IpAddr, Arc<Queue>>>,
    anybody: Arc<Semaphore>,
    known: Arc<Semaphore>,
}

impl Default for Logins {
    fn default() -> Self {
        Self {
            names: Mutex::default(),
            sources: Mutex::default(),
            anybody: Arc::new(Semaphore::new(WAITING.0)),
            known: Arc::new(Semaphore::new(WAITING.1)),
        }
    }
}

/// One try that may look at its password now. While it lasts, others at the same name and source wait.
pub(super) struct Turn {
    name: Arc<Name>,
    _at_name: OwnedMutexGuard<()>,
    _at_source: Option<OwnedMutexGuard<()>>,
    _place: OwnedSemaphorePermit,
}

impl Logins {
    /// Waits for the turn of a try.
    ///
    /// # Errors
    ///
    /// [`LoginError::TooMany`] when too many wait, or it has waited for 14 seconds.
    pub(super) async fn turn(&self, attempt: Try<'_>) -> Result<Turn, LoginError> {
        tokio::time::timeout(PATIENCE, self.wait(attempt))
            .await
            .unwrap_or(Err(LoginError::TooMany))
    }

    async fn wait(&self, attempt: Try<'_>) -> Result<Turn, LoginError> {
        let name = remembered(&self.names, attempt.key(), Name::is_forgotten);
        let most = match name.wait().is_zero() {
            true => AT_NAME.0,
            false => AT_NAME.1,
        };
        let at_name = name.queue.turn(most).await?;
        tokio::time::sleep(name.wait()).await;
        let at_source = match attempt {
            Try::Name(_, address) => {
                let source = remembered(&self.sources, address, |_| true);
                Some(source.turn(AT_SOURCE).await?)
            }
            Try::Device(_) | Try::Desk(_) => None,
        };
        let places = match attempt.lane() {
            Lane::Anybody => &self.anybody,
            Lane::Known => &self.known,
        };
        let place = Arc::clone(places)
            .try_acquire_owned()
            .map_err(|_| LoginError::TooMany)?;
        Ok(Turn {
            name,
            _at_name: at_name,
            _at_source: at_source,
            _place: place,
        })
    }
}

/// What is kept under a key; new when there is nothing. One that is in use is never forgotten.
fn remembered<K: Eq + Hash, V: Default>(
    all: &Mutex<HashMap<K, Arc<V>>>,
    key: K,
    is_forgotten: impl Fn(&V) -> bool,
) -> Arc<V> {
    let mut all = lock(all);
    if all.len() >= REMEMBERED {
        all.retain(|_, kept| Arc::strong_count(kept) > 1 || !is_forgotten(kept));
    }
    Arc::clone(all.entry(key).or_default())
}

impl Turn {
    /// Counts how it ended.
    pub fn ends(&mut self, right: bool) {
        let mut tries = lock(&self.name.tries);
        let (wrong, _) = tries.filter(is_fresh).unwrap_or((0, instant()));
        *tries = (!right).then(|| (wrong.saturating_add(1), instant()));
    }
}

fn is_fresh(&(_, last): &(u32, Instant)) -> bool {
    instant() - last <= FORGOTTEN
}

/// A name, a known browser, or a member at their desk.
#[derive(Default)]
struct Name {
    queue: Queue,
    /// Wrong passwords in a row, and when the last one was.
    tries: Mutex<Option<(u32, Instant)>>,
}

impl Name {
    /// How long the next try waits.
    fn wait(&self) -> Duration {
        match lock(&self.tries).filter(is_fresh) {
            Some((wrong, _)) if wrong >= FREE_TRIES => {
                Duration::from_secs(1 << (wrong - FREE_TRIES).min(10)).min(LONGEST_WAIT)
            }
            _ => Duration::ZERO,
        }
    }

    fn is_forgotten(&self) -> bool {
        lock(&self.tries).filter(is_fresh).is_none()
    }
}

/// One at a time, in the order they came; of those who wait, only so many.
#[derive(Default)]
struct Queue {
    turn: Arc<tokio::sync::Mutex<()>>,
    waiting: Mutex<VecDeque<oneshot::Sender<()>>>,
}

impl Queue {
    /// Waits for its turn. When more than `most` wait, the one who has waited longest is refused.
    async fn turn(&self, most: usize) -> Result<OwnedMutexGuard<()>, LoginError> {
        if let Ok(turn) = Arc::clone(&self.turn).try_lock_owned() {
            return Ok(turn);
        }
        let (sender, refused) = oneshot::channel();
        {
            let mut waiting = lock(&self.waiting);
            // Whoever has its turn, or has hung up, does not wait any more.
            waiting.retain(|other| !other.is_closed());
            waiting.push_back(sender);
            let over = waiting.len().saturating_sub(most);
            // Dropping the sender tells its receiver.
            waiting.drain(..over);
        }
        tokio::select! {
            turn = Arc::clone(&self.turn).lock_owned() => Ok(turn),
            _ = refused => Err(LoginError::TooMany),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
