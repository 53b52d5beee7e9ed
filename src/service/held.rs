//! The lines and line keys that each member holds, kept in memory so that they are not read for each request: a member
//! may hold the keys of thousands of lines.

use crate::config::Config;
use crate::store::keys;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// The lines whose keys a member holds, and the ids of these keys. It contains no private key.
#[derive(Debug)]
pub struct Held {
    /// Version of the member's grants that this was read from.
    version: keys::GrantsVersion,
    /// Ids of the line keys.
    keys: HashSet<Uuid>,
    lines: HashSet<String>,
    /// Indexes in the configuration of these lines, in ascending order. Lines that are not in the configuration are
    /// left out.
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

    /// Returns the indexes of these lines in the configuration, in ascending order. Lines that are not in it are left
    /// out.
    pub fn places(&self) -> &[usize] {
        &self.places
    }

    /// Collects the lines and keys of a member's grants. `version` is that of the grants.
    pub fn new(version: keys::GrantsVersion, grants: &[keys::Grant], config: &Config) -> Self {
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

/// What each member holds, as last read.
#[derive(Default)]
pub struct HeldLines(Mutex<HashMap<Uuid, Arc<Held>>>);

impl HeldLines {
    /// Returns what a member holds; `None` if it was not read yet, or if the version of their grants is another one
    /// now.
    pub fn get(&self, member: Uuid, version: keys::GrantsVersion) -> Option<Arc<Held>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held = kept.get(&member).filter(|held| held.version == version);
        held.cloned()
    }

    /// Keeps what was read for a member, in place of what was kept before.
    pub fn keep(&self, member: Uuid, held: &Arc<Held>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(member, Arc::clone(held));
    }
}
