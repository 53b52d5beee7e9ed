//! Strays: recordings that a provider told of without saying which line they are for.

use super::statements::{row, run, statements};
use super::{Result, Tx};
use chrono::{DateTime, Utc};
use uuid::Uuid;

row! {
    /// A recording that is kept by its id until it is known which call and line it belongs to.
    #[derive(Clone)]
    pub struct Stray {
        /// Our id of it.
        pub id: Uuid,
        /// The provider's name and its id of the recording, under the service secret.
        pub sid: Vec<u8>,
        /// The provider's name and its id of the call, under the service secret, when the webhook named it.
        pub call: Option<Vec<u8>>,
    }
}

statements! {
    INSERT = "INSERT INTO strays (id, lookup, sid, call, hour) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (lookup) DO NOTHING";
    KNOWN = "SELECT COUNT(*) FROM recordings WHERE source = $1";
    GET = "SELECT id, sid, call FROM strays WHERE id = $1";
    DELETE = "DELETE FROM strays WHERE id = $1";
    COUNT = "SELECT COUNT(*) FROM strays";
}

/// Keeps a recording. `lookup` is the keyed hash of its provider and its id there. False when it is kept already, or is
/// a recording of a known call.
pub async fn insert(
    tx: &mut Tx,
    stray: &Stray,
    lookup: &[u8; 32],
    hour: DateTime<Utc>,
) -> Result<bool> {
    let known: Option<(i64,)> = run!(tx, KNOWN, fetch_optional, &lookup[..])?;
    if known.is_some_and(|(count,)| count > 0) {
        return Ok(false);
    }
    Ok(run!(
        tx,
        INSERT,
        execute,
        stray.id,
        &lookup[..],
        &stray.sid[..],
        stray.call.as_deref(),
        hour
    )? == 1)
}

/// The stray with this id, just to look at.
pub async fn get(tx: &mut Tx, id: Uuid) -> Result<Option<Stray>> {
    run!(tx, GET, fetch_optional, id)
}

/// Removes a stray that is a recording of a call now.
pub async fn delete(tx: &mut Tx, id: Uuid) -> Result<()> {
    run!(tx, DELETE, execute, id).map(drop)
}

/// How many there are.
pub async fn count(tx: &mut Tx) -> Result<i64> {
    let found: Option<(i64,)> = run!(tx, COUNT, fetch_optional)?;
    Ok(found.map_or(0, |(count,)| count))
}
