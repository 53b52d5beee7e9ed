//! The lines that a member works on, read from the database or from the cache in `service/held.rs`.

use super::{Result, off_thread};
use crate::service::Service;
use crate::service::held::Held;
use crate::store::StoreError;
use crate::store::keys;
use crate::vault::seal::{Identity, open_identity};
use scoped_futures::ScopedFutureExt;
use std::sync::Arc;
use uuid::Uuid;

/// Returns the keys and lines that a member holds. After a change of the member's grants, all of them are read once,
/// and opened to check that the member's key opens them.
///
/// # Errors
///
/// When the database fails, or a grant does not open with the member's key.
pub(super) async fn of(service: &Service, member: Uuid, identity: &Identity) -> Result<Arc<Held>> {
    let console = &service.db.console;
    let read = console.read(|tx| {
        async move {
            // Read in the same snapshot as the grants, so that it is their version.
            let version = keys::grants_version(tx, member).await?;
            Ok::<_, StoreError>(match service.held_lines.get(member, version) {
                Some(held) => Read::Kept(held),
                None => Read::Anew(version, keys::grants(tx, member).await?),
            })
        }
        .scope_boxed()
    });
    let (version, grants) = match read.await? {
        Read::Kept(held) => return Ok(held),
        Read::Anew(version, grants) => (version, grants),
    };
    let identity = identity.clone();
    // Opening takes about 0.1 ms per grant.
    let opened = off_thread(move || {
        let open = |grant: &keys::Grant| open_identity(&grant.sealed, &identity).is_ok();
        match grants.iter().all(open) {
            true => Ok(grants),
            false => Err(StoreError::Unreadable("grant").into()),
        }
    });
    let held = Arc::new(Held::new(version, &opened.await?, &service.config));
    service.held_lines.keep(member, &held);
    Ok(held)
}

/// Result of reading a member's grants.
enum Read {
    /// The grants have not changed since they were cached.
    Kept(Arc<Held>),
    /// All grants of the member, with their version.
    Anew(keys::GrantsVersion, Vec<keys::Grant>),
}
