//! Tries at one name: whose turn it is, and how long wrong ones make the next one wait.
//!
//! One try at a time. Of those who wait, the one from the address with the fewest wrong passwords is next, so guesses
//! from one address, or from several, do not keep a member out at another. Places to wait are counted for each address:
//! a try that finds none takes that of its own address' oldest one, and never that of another address.

use super::Refused;
use crate::base::clock::instant;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How many wrong passwords in a row are free.
const FREE_TRIES: u32 = 5;
/// The longest wait of one try after wrong ones.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// Wrong tries are forgotten after this.
const FORGOTTEN: Duration = Duration::from_secs(15 * 60);
/// Tries that wait from one address, at most: the first number, or the second while wrong passwords cause a wait.
const WAITING: (usize, usize) = (8, 1);
/// Tries that wait from all addresses together, at most.
const WAITING_IN_ALL: usize = 64;
/// At this many addresses the counts for each address begin at zero again.
const ADDRESSES: usize = 1_000;

/// What tries are counted by: the name of a login, a known browser, or a session.
#[derive(Default)]
pub struct Name(Mutex<State>);

#[derive(Default)]
struct State {
    /// A try has its turn.
    busy: bool,
    /// In the order they came.
    waiting: VecDeque<Waiting>,
    /// Wrong passwords in a row, and when the last one was.
    tries: Option<(u32, Instant)>,
    /// Those of each address.
    wrong_from: HashMap<Option<IpAddr>, u32>,
}

struct Waiting {
    from: Option<IpAddr>,
    turn: oneshot::Sender<AtName>,
}

/// The turn of one try. Dropped, it goes on to the next one.
pub struct AtName {
    name: Arc<Name>,
    from: Option<IpAddr>,
}

impl Name {
    /// Waits for the turn of a try from an address; none where addresses do not matter. The turn begins with the wait
    /// that wrong tries before it cause.
    ///
    /// # Errors
    ///
    /// [`Refused::TooMany`] when a later try from the same address has taken the place.
    pub async fn turn(self: Arc<Self>, from: Option<IpAddr>) -> Result<AtName, Refused> {
        let waits = {
            let mut state = self.lock();
            if state.busy {
                Some(state.enter(from))
            } else {
                state.busy = true;
                None
            }
        };
        let turn = match waits {
            Some(turn) => turn.await.map_err(|_| Refused::TooMany)?,
            None => AtName { name: self, from },
        };
        let wait = turn.name.lock().wait();
        tokio::time::sleep(wait).await;
        Ok(turn)
    }

    /// Wrong passwords in a row. 0 once they are forgotten.
    pub fn wrong(&self) -> u32 {
        self.lock().wrong()
    }

    fn pass_on(self: &Arc<Self>) {
        let next = self.lock().next();
        if let Some(next) = next {
            let turn = AtName {
                name: Arc::clone(self),
                from: next.from,
            };
            // One that has just hung up drops its turn here, and so passes it on again.
            drop(next.turn.send(turn));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wrong(&self) -> u32 {
        let fresh = |(_, last): &(u32, Instant)| instant() - *last <= FORGOTTEN;
        self.tries.filter(fresh).map_or(0, |(wrong, _)| wrong)
    }

    /// How long the next try waits.
    fn wait(&self) -> Duration {
        match self.wrong().checked_sub(FREE_TRIES) {
            Some(over) => Duration::from_secs(1 << over.min(10)).min(MAX_WAIT),
            None => Duration::ZERO,
        }
    }

    fn enter(&mut self, from: Option<IpAddr>) -> oneshot::Receiver<AtName> {
        let (turn, waits) = oneshot::channel();
        self.waiting.retain(|other| !other.turn.is_closed());
        self.waiting.push_back(Waiting { from, turn });
        let most = match self.wait().is_zero() {
            true => WAITING.0,
            false => WAITING.1,
        };
        let own = |other: &Waiting| other.from == from;
        let count = self.waiting.iter().filter(|other| own(other)).count();
        let at = match self.waiting.iter().position(own) {
            oldest @ Some(_) if count > most => oldest,
            _ if self.waiting.len() > WAITING_IN_ALL => self.last(),
            _ => None,
        };
        // Dropping its sender tells the try that it has no place.
        at.and_then(|at| self.waiting.remove(at));
        waits
    }

    fn wrong_of(&self, waiting: &Waiting) -> u32 {
        self.wrong_from.get(&waiting.from).copied().unwrap_or(0)
    }

    /// The one whose turn would be the last.
    fn last(&self) -> Option<usize> {
        (0..self.waiting.len()).max_by_key(|at| self.wrong_of(&self.waiting[*at]))
    }

    /// Takes the one whose turn it is out of those who wait.
    fn next(&mut self) -> Option<Waiting> {
        self.waiting.retain(|other| !other.turn.is_closed());
        let at = (0..self.waiting.len()).min_by_key(|at| self.wrong_of(&self.waiting[*at]));
        let next = at.and_then(|at| self.waiting.remove(at));
        self.busy = next.is_some();
        next
    }
}

impl AtName {
    /// Counts how the try ended. Wrong passwords in a row from now on.
    pub fn ends(&self, right: bool) -> u32 {
        let mut state = self.name.lock();
        let wrong = match right {
            true => 0,
            false => state.wrong().saturating_add(1),
        };
        if wrong <= 1 || state.wrong_from.len() >= ADDRESSES {
            state.wrong_from.clear();
        }
        if !right {
            *state.wrong_from.entry(self.from).or_default() += 1;
        }
        state.tries = (!right).then(|| (wrong, instant()));
        wrong
    }
}

impl Drop for AtName {
    fn drop(&mut self) {
        self.name.pass_on();
    }
}
