//! Which lines a member works on, kept in memory: a member may hold the keys of thousands of lines.

use super::{Result, off_thread};
use crate::config::Config;
use crate::service::Service;
use crate::store::{StoreError, members};
use crate::vault::seal::{Identity, open_identity};
use scoped_futures::ScopedFutureExt;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// The lines whose keys a member holds. No private key is in here.
#[derive(Debug)]
pub(super) struct Held {
    /// Of the grants that this was read from.
    version: members::GrantsVersion,
    /// Ids of the line keys.
    keys: HashSet<Uuid>,
    lines: HashSet<String>,
    /// Places of the lines in the configuration, in order. Lines that it does not have are left out.
    places: Vec<usize>,
}

impl Held {
    pub(super) fn has_line(&self, line: &str) -> bool {
        self.lines.contains(line)
    }

    pub(super) fn has_key(&self, line_key: Uuid) -> bool {
        self.keys.contains(&line_key)
    }

    pub(super) fn places(&self) -> &[usize] {
        &self.places
    }

    fn new(version: members::GrantsVersion, grants: &[members::Grant], config: &Config) -> Self {
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

/// What members hold, by member, as it was when they were seen last.
#[derive(Default)]
pub struct HeldLines(Mutex<HashMap<Uuid, Arc<Held>>>);

impl HeldLines {
    fn get(&self, member: Uuid, version: members::GrantsVersion) -> Option<Arc<Held>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held = kept.get(&member).filter(|held| held.version == version);
        held.cloned()
    }

    fn keep(&self, member: Uuid, held: &Arc<Held>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(member, Arc::clone(held));
    }
}

/// What a member holds. After each change of the member's grants all of them are read and opened once.
///
/// # Errors
///
/// When the database fails, or a grant does not open with the member's key.
pub(super) async fn of(service: &Service, member: Uuid, identity: &Identity) -> Result<Arc<Held>> {
    let console = &service.db.console;
    let read = console.read(|tx| {
        async move {
            // In the same snapshot as the grants.
            let version = members::grants_version(tx, member).await?;
            Ok::<_, StoreError>(match service.held_lines.get(member, version) {
                Some(held) => Read::Kept(held),
                None => Read::Anew(version, members::grants(tx, member).await?),
            })
        }
        .scope_boxed()
    });
    let (version, grants) = match read.await? {
        Read::Kept(held) => return Ok(held),
        Read::Anew(version, grants) => (version, grants),
    };
    let identity = identity.clone();
    // About 0.1 ms each.
    let opened = off_thread(move || {
        let open = |grant: &members::Grant| open_identity(&grant.sealed, &identity).is_ok();
        match grants.iter().all(open) {
            true => Ok(grants),
            false => Err(StoreError::Unreadable("grant").into()),
        }
    });
    let held = Arc::new(Held::new(version, &opened.await?, &service.config));
    service.held_lines.keep(member, &held);
    Ok(held)
}

/// What was read of a member's grants.
enum Read {
    /// Nothing has changed.
    Kept(Arc<Held>),
    /// All of them.
    Anew(members::GrantsVersion, Vec<members::Grant>),
}
