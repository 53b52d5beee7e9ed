//! Lines that each member works on, kept in memory because a member may hold the keys of thousands of lines.

use crate::config::Config;
use crate::store::members;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// The lines whose keys a member holds. It contains no private key.
#[derive(Debug)]
pub struct Held {
    /// Version of the grants that this was read from.
    version: members::GrantsVersion,
    /// Ids of the line keys.
    keys: HashSet<Uuid>,
    lines: HashSet<String>,
    /// Indexes of the lines in the configuration, in order. Lines that are not in it are left out.
    places: Vec<usize>,
}

impl Held {
    /// True if the member holds a key of this line.
    pub fn has_line(&self, line: &str) -> bool {
        self.lines.contains(line)
    }

    /// True if the member holds this line key.
    pub fn has_key(&self, line_key: Uuid) -> bool {
        self.keys.contains(&line_key)
    }

    /// Returns the indexes of the lines in the configuration, in order.
    pub fn places(&self) -> &[usize] {
        &self.places
    }

    /// Collects the lines and keys of these grants.
    pub fn new(
        version: members::GrantsVersion,
        grants: &[members::Grant],
        config: &Config,
    ) -> Self {
        let lines: HashSet<String> = grants.iter().map(|grant| grant.line.clone()).collect();
        let places = lines.iter().filter_map(|line| config.lines.by_id(line));
        let mut places: Vec<usize> = places.map(|(place, _)| place).collect();
        places.sort_unstable();
        Self {
            version,
            keys: grants.iter().map(|grant| grant.line_key).collect(),
            lines,
            places,
        }
    }
}

/// Lines held by each member, as last read.
#[derive(Default)]
pub struct HeldLines(Mutex<HashMap<Uuid, Arc<Held>>>);

impl HeldLines {
    /// Returns what a member holds, unless the grants have changed since it was read.
    pub fn get(&self, member: Uuid, version: members::GrantsVersion) -> Option<Arc<Held>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held = kept.get(&member).filter(|held| held.version == version);
        held.cloned()
    }

    /// Keeps what was read for a member.
    pub fn keep(&self, member: Uuid, held: &Arc<Held>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(member, Arc::clone(held));
    }
}
