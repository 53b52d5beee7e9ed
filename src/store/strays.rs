//! Strays: recordings whose line is not known, and calls that are over and have no row in `calls`. A job asks the
//! provider for the line of such a recording, and for the recordings of such a call.

use super::proofs::{Proven, WithMac};
use super::statements::{row, run, statements};
use super::{ReadTx, Result, WriteTx};
use crate::vault::proof::Content;
use chrono::{DateTime, Utc};
use uuid::Uuid;

row! {
    /// A recording whose line is not known, or a call that is over and whose recordings the provider has not listed
    /// yet.
    #[derive(Clone)]
    pub struct Stray {
        /// The service's own id of the stray.
        pub id: Uuid,
        /// The provider's name and its id of the recording or call, sealed under the service secret.
        pub sid: Vec<u8>,
        /// The provider's name and its id of the recording's call, sealed under the service secret; `None` if the
        /// webhook did not name it, or if the stray is a call.
        pub call: Option<Vec<u8>>,
        /// True if the stray is a call, false if it is a recording.
        pub whole_call: bool,
    }
}

impl Proven for Stray {
    const TABLE: &'static str = "strays";

    fn content(&self) -> Content {
        Content::of(Self::TABLE)
            .id(self.id)
            .bytes(&*self.sid)
            .bytes(self.call.as_deref())
            .boolean(self.whole_call)
    }

    fn id(&self) -> Uuid {
        self.id
    }
}

statements! {
    INSERT = "INSERT INTO strays (id, lookup, sid, call, hour, whole_call, mac) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (lookup) DO NOTHING";
    KNOWN = "SELECT COUNT(*) FROM recordings WHERE source = $1";
    GET = "SELECT id, sid, call, whole_call, mac FROM strays WHERE id = $1";
    ALL = "SELECT id, sid, call, whole_call, mac FROM strays";
    DELETE = "DELETE FROM strays WHERE id = $1";
    COUNT = "SELECT COUNT(*) FROM strays WHERE NOT whole_call";
}

/// Stores a stray. `lookup` is the keyed hash of the provider's name and its id of the recording or call, `hour` the
/// hour of line time. Returns false, and stores nothing, when it is stored already or is a recording of a known call.
pub async fn insert(
    tx: &mut WriteTx,
    stray: &Stray,
    lookup: &[u8; 32],
    hour: DateTime<Utc>,
) -> Result<bool> {
    let known: Option<(i64,)> = run!(tx, KNOWN, fetch_optional, &lookup[..])?;
    if known.is_some_and(|(count,)| count > 0) {
        return Ok(false);
    }
    let mac = tx.mac(stray)?;
    Ok(run!(
        tx,
        INSERT,
        execute,
        stray.id,
        &lookup[..],
        &stray.sid[..],
        stray.call.as_deref(),
        hour,
        stray.whole_call,
        mac
    )? == 1)
}

/// Returns the stray with this id, not locked.
pub async fn get(tx: &mut ReadTx, id: Uuid) -> Result<Option<Stray>> {
    let found = run!(tx, GET, fetch_optional, id)?;
    tx.proven_one(found).await
}

/// Returns the ids of the strays whose rows are refused, for `audit verify`.
pub async fn refused(tx: &mut ReadTx) -> Result<Vec<Uuid>> {
    let found: Vec<WithMac<Stray>> = run!(tx, ALL, fetch_all)?;
    let (_, refused) = tx.proven_rest(found).await?;
    Ok(refused.into_iter().map(|stray| stray.id).collect())
}

/// Removes a stray that is settled.
pub async fn delete(tx: &mut WriteTx, id: Uuid) -> Result<()> {
    run!(tx, DELETE, execute, id).map(drop)
}

/// Returns the number of strays that are recordings.
pub async fn count(tx: &mut ReadTx) -> Result<i64> {
    let found: Option<(i64,)> = run!(tx, COUNT, fetch_optional)?;
    Ok(found.map_or(0, |(count,)| count))
}
