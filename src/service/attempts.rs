//! Slows down guessing of passwords, without letting those who guess keep members out.
//!
//! A login with a name waits, in this order: for its turn at the name (`name`; wrong passwords delay the next try), for
//! its turn at its source (one try at a time), and for memory ([`passwords`](crate::vault::passwords) bounds it). If
//! the queue of a source is full, the try that has waited longest is refused, so that a burst that came first does not
//! refuse later tries. Tries from a browser that has logged in before, and tries in a session, are counted by browser
//! and by session; they have no queue by source, and places of their own for memory.
//!
//! All of it is in memory, on each node separately, so a restart resets it.

mod name;

use self::name::{AtName, Name};
use crate::service::log_pace::LogPace;
use crate::vault::passwords::Lane;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, oneshot};

/// Number of wrong passwords in a row in one session at which the session ends, because its cookie may be stolen.
const MAX_IN_SESSION: u32 = 7;
/// Maximum number of tries that wait for their turn at one source.
const AT_SOURCE: usize = 8;
/// Maximum number of tries that wait for memory or use it: the first number for logins with a name (at most one from
/// each source at a time), the second for known browsers and sessions together.
const WAITING: (usize, usize) = (32, 16);
/// Maximum time that a try waits for its turn, in which the delay at its name is included. After that it is refused.
const PATIENCE: Duration = Duration::from_secs(14);
/// Number of names, or of sources, from which on those without a try are removed before each further try; names with
/// wrong passwords that count are kept. Memory bounds the tries to about ten a second, and wrong passwords count for 15
/// minutes, so at most about ten thousand names are kept.
const REMEMBERED: usize = 10_000;

/// Why a password is not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Too many tries at this name, from this source, or in total, or the turn did not come in time.
    TooMany,
    /// Too many wrong passwords in a row were given in the session.
    SessionOver,
}

/// What wrong passwords are counted by, and the turns that the try waits for.
#[derive(Clone, Copy)]
pub enum Try<'a> {
    /// A login with a name from a source: an IPv4 address, or the first 64 bits of an IPv6 address.
    Name(&'a str, IpAddr),
    /// A login from a browser in which the member has logged in before. Holds the id in its device cookie.
    Device([u8; 16]),
    /// A password given by a member who is logged in. Holds the hash of the session's token. Guesses in one session do
    /// not slow the member down in another one.
    Session([u8; 32]),
}

impl Try<'_> {
    /// Returns the queue of key derivations that the try waits in.
    pub fn lane(self) -> Lane {
        match self {
            Self::Name(..) => Lane::Anybody,
            Self::Device(_) | Self::Session(_) => Lane::Known,
        }
    }

    /// Returns the key that wrong passwords are counted by. It is a hash, so that a long name needs no more memory than
    /// a short one.
    fn key(self) -> [u8; 32] {
        let (kind, bytes): (u8, &[u8]) = match &self {
            Self::Name(name, _) => (0, name.as_bytes()),
            Self::Device(id) => (1, id),
            Self::Session(hash) => (2, hash),
        };
        Sha256::new()
            .chain_update([kind])
            .chain_update(bytes)
            .finalize()
            .into()
    }
}

/// The tries of this process that wait or have their turn, and the counts of wrong passwords.
pub struct Logins {
    names: Mutex<HashMap<[u8; 32], Arc<Name>>>,
    sources: Mutex<HashMap<IpAddr, Arc<Queue>>>,
    anybody: Arc<Semaphore>,
    known: Arc<Semaphore>,
    /// Bounds how often refused passwords are logged.
    pub refused: LogPace,
}

impl Default for Logins {
    fn default() -> Self {
        Self {
            names: Mutex::default(),
            sources: Mutex::default(),
            anybody: Arc::new(Semaphore::new(WAITING.0)),
            known: Arc::new(Semaphore::new(WAITING.1)),
            refused: LogPace::new(),
        }
    }
}

/// A try whose password may be checked now. While it exists, other tries at the same name, browser or session, or from
/// the same source, wait.
pub struct Turn {
    at_name: AtName,
    in_session: bool,
    _at_source: Option<OwnedMutexGuard<()>>,
    _place: OwnedSemaphorePermit,
}

impl Logins {
    /// Waits for the turn of a try.
    ///
    /// # Errors
    ///
    /// Returns [`Refused::TooMany`] when too many tries wait, or this one has waited for 14 seconds, and
    /// [`Refused::SessionOver`] when the session has had too many wrong passwords in a row.
    pub async fn turn(&self, attempt: Try<'_>) -> Result<Turn, Refused> {
        tokio::time::timeout(PATIENCE, self.wait(attempt))
            .await
            .unwrap_or(Err(Refused::TooMany))
    }

    async fn wait(&self, attempt: Try<'_>) -> Result<Turn, Refused> {
        let name = remembered(&self.names, attempt.key(), |name| name.wrong() == 0);
        let address = match attempt {
            Try::Name(_, address) => Some(address),
            Try::Device(_) | Try::Session(_) => None,
        };
        let in_session = matches!(attempt, Try::Session(_));
        let at_name = Arc::clone(&name).turn(address).await?;
        // Tries that waited while the last wrong password was counted are refused here.
        if in_session && name.wrong() >= MAX_IN_SESSION {
            return Err(Refused::SessionOver);
        }
        let at_source = match address {
            Some(address) => {
                let source = remembered(&self.sources, address, |_| true);
                Some(source.turn(AT_SOURCE).await?)
            }
            None => None,
        };
        let places = match attempt.lane() {
            Lane::Anybody => &self.anybody,
            Lane::Known => &self.known,
        };
        let place = Arc::clone(places)
            .try_acquire_owned()
            .map_err(|_| Refused::TooMany)?;
        Ok(Turn {
            at_name,
            in_session,
            _at_source: at_source,
            _place: place,
        })
    }
}

/// Returns the value of a key, a new one if there is none. If there are [`REMEMBERED`] values or more, first removes
/// those that are not in use and for which `is_forgotten` returns true.
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
    /// Counts the result of the try: `right` is true if the password was right. Returns true if the try was in a
    /// session and the session has to end.
    pub fn ends(&self, right: bool) -> bool {
        let wrong = self.at_name.ends(right);
        self.in_session && wrong >= MAX_IN_SESSION
    }
}

/// A queue that lets one try through at a time, in order of arrival, with a bounded number of waiting tries.
#[derive(Default)]
struct Queue {
    turn: Arc<tokio::sync::Mutex<()>>,
    waiting: Mutex<VecDeque<oneshot::Sender<()>>>,
}

impl Queue {
    /// Waits for the turn. If more than `most` tries wait, the one that has waited longest is refused.
    async fn turn(&self, most: usize) -> Result<OwnedMutexGuard<()>, Refused> {
        if let Ok(turn) = Arc::clone(&self.turn).try_lock_owned() {
            return Ok(turn);
        }
        let (sender, refused) = oneshot::channel();
        {
            let mut waiting = lock(&self.waiting);
            // Tries that have their turn, or whose client has hung up, do not wait any more.
            waiting.retain(|other| !other.is_closed());
            waiting.push_back(sender);
            let over = waiting.len().saturating_sub(most);
            // A try whose sender is dropped is refused.
            waiting.drain(..over);
        }
        tokio::select! {
            turn = Arc::clone(&self.turn).lock_owned() => Ok(turn),
            _ = refused => Err(Refused::TooMany),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    /// The longest time until a login gets its turn: two delays of 5 seconds, of the try before it and its own, and
    /// some margin.
    const AFTER_TWO: Duration = Duration::from_secs(12);
    const GUESSER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1));

    /// Tries wrong passwords without end; a try that is refused is repeated after 200 ms.
    async fn guesses(logins: Arc<Logins>, from: IpAddr) {
        loop {
            match logins.turn(Try::Name("li", from)).await {
                Ok(turn) => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    turn.ends(false);
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn guesses_from_one_address_do_not_keep_a_member_out_at_another() {
        let logins = Arc::new(Logins::default());
        for connections in [4, 40] {
            let guessers: Vec<_> = (0..connections)
                .map(|_| tokio::spawn(guesses(Arc::clone(&logins), GUESSER)))
                .collect();
            tokio::time::sleep(Duration::from_secs(60)).await;
            for n in 0..8 {
                let turn = timeout(AFTER_TWO, logins.turn(Try::Name("li", HOME))).await;
                let got = matches!(turn, Ok(Ok(_)));
                assert!(got, "try {n} beside {connections} connections");
                drop(turn);
                tokio::time::sleep(Duration::from_millis(700)).await;
            }
            for guesser in guessers {
                guesser.abort();
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn guesses_in_one_session_end_it_and_do_not_slow_another() {
        let logins = Logins::default();
        let [stolen, own] = [Try::Session([1; 32]), Try::Session([2; 32])];
        for n in 1..=MAX_IN_SESSION {
            let turn = logins.turn(stolen).await.unwrap();
            assert_eq!(turn.ends(false), n == MAX_IN_SESSION, "{n}");
        }
        let own = timeout(Duration::from_millis(500), logins.turn(own)).await;
        let turn = own.expect("no wait").unwrap();
        assert!(!turn.ends(true));
        let after = logins.turn(stolen).await;
        assert!(matches!(after, Err(Refused::SessionOver)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_address_with_the_fewest_wrong_passwords_is_next() {
        let logins = Arc::new(Logins::default());
        // Ten addresses that guess wait for most of a minute in total.
        let guessers: Vec<_> = (10..20)
            .map(|n| IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, n)))
            .map(|from| tokio::spawn(guesses(Arc::clone(&logins), from)))
            .collect();
        tokio::time::sleep(Duration::from_secs(120)).await;
        let turn = timeout(AFTER_TWO, logins.turn(Try::Name("li", HOME))).await;
        assert!(matches!(turn, Ok(Ok(_))));
        drop(turn);
        for guesser in guessers {
            guesser.abort();
        }
    }
}
