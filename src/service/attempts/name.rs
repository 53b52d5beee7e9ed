//! The order of tries at one name, and the delay that wrong passwords cause.
//!
//! One try at a time has its turn. The next turn goes to the waiting try whose address has the fewest wrong passwords
//! at this name, so that guesses from one address, or from several, do not keep a member out at another one. Each
//! address has a number of places to wait: a try that finds none gets the place of the oldest waiting try from its own
//! address, which is refused. If the places for all addresses together are used up, the try whose turn would be last is
//! refused.

use super::Refused;
use crate::base::clock::instant;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Number of wrong passwords in a row from which on the next try is delayed.
const FREE_TRIES: u32 = 5;
/// Maximum delay of one try after wrong passwords.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// Time after the last wrong password after which wrong passwords no longer count.
const FORGOTTEN: Duration = Duration::from_secs(15 * 60);
/// Maximum number of tries from one address that wait at this name: the first number, or the second while wrong
/// passwords cause a delay.
const WAITING: (usize, usize) = (8, 1);
/// Maximum number of tries from all addresses together that wait at this name.
const WAITING_IN_ALL: usize = 64;
/// Number of addresses with wrong passwords at this name at which their counts are all reset.
const ADDRESSES: usize = 1_000;

/// Tries that are counted together: at the name of a login, from a known browser, or in a session.
#[derive(Default)]
pub struct Name(Mutex<State>);

#[derive(Default)]
struct State {
    /// True if a try has its turn.
    busy: bool,
    /// Waiting tries, in order of arrival.
    waiting: VecDeque<Waiting>,
    /// Number of wrong passwords in a row, and the time of the last one.
    tries: Option<(u32, Instant)>,
    /// Number of wrong passwords by address. Cleared by a right password, and before the first wrong password in a row
    /// or one at [`ADDRESSES`] addresses is counted. The address is `None` for a known browser and for a session.
    wrong_from: HashMap<Option<IpAddr>, u32>,
}

struct Waiting {
    from: Option<IpAddr>,
    turn: oneshot::Sender<AtName>,
}

/// The turn of one try. When it is dropped, the next waiting try gets its turn.
pub struct AtName {
    name: Arc<Name>,
    from: Option<IpAddr>,
}

impl Name {
    /// Waits for the turn of a try, then for the delay that wrong passwords before it cause. `from` is the address the
    /// try comes from; `None` for a known browser or a session.
    ///
    /// # Errors
    ///
    /// Returns [`Refused::TooMany`] when the try loses its place to wait, because there are too many waiting tries.
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

    /// Returns the number of wrong passwords in a row; 0 once they no longer count.
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
            // If the client of this try has just hung up, `send` gives the turn back, and dropping it passes it on
            // again.
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

    /// Returns the delay of the next try.
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
        // A try whose sender is dropped is refused.
        at.and_then(|at| self.waiting.remove(at));
        waits
    }

    fn wrong_of(&self, waiting: &Waiting) -> u32 {
        self.wrong_from.get(&waiting.from).copied().unwrap_or(0)
    }

    /// Returns the index of the waiting try whose turn would be last; `None` if no try waits.
    fn last(&self) -> Option<usize> {
        (0..self.waiting.len()).max_by_key(|at| self.wrong_of(&self.waiting[*at]))
    }

    /// Removes the try that gets the next turn from the waiting ones, and returns it; `None` if no try waits.
    fn next(&mut self) -> Option<Waiting> {
        self.waiting.retain(|other| !other.turn.is_closed());
        let at = (0..self.waiting.len()).min_by_key(|at| self.wrong_of(&self.waiting[*at]));
        let next = at.and_then(|at| self.waiting.remove(at));
        self.busy = next.is_some();
        next
    }
}

impl AtName {
    /// Counts the result of the try: `right` is true if the password was right. Returns the number of wrong passwords
    /// in a row.
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
