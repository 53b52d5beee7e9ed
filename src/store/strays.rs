//! Strays: recordings that a provider told of without saying which line they are for, and calls that are over and that the
//! service never answered, whose recordings have to be asked for.

use super::statements::{row, run, statements};
use super::{ReadTx, Result, WriteTx};
use chrono::{DateTime, Utc};
use uuid::Uuid;

row! {
    /// A recording that is kept by its id until it is known which call and line it belongs to; or a call that is kept by its
    /// id until the provider has said which recordings it has.
    #[derive(Clone)]
    pub struct Stray {
        /// Our id of it.
        pub id: Uuid,
        /// The provider's name and its id of the recording, or of the call, under the service secret.
        pub sid: Vec<u8>,
        /// The provider's name and its id of the call, under the service secret, when the webhook named it.
        pub call: Option<Vec<u8>>,
        /// It is a call, and not a recording.
        pub whole_call: bool,
    }
}

statements! {
    INSERT = "INSERT INTO strays (id, lookup, sid, call, hour, whole_call) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (lookup) DO NOTHING";
    KNOWN = "SELECT COUNT(*) FROM recordings WHERE source = $1";
    GET = "SELECT id, sid, call, whole_call FROM strays WHERE id = $1";
    DELETE = "DELETE FROM strays WHERE id = $1";
    COUNT = "SELECT COUNT(*) FROM strays WHERE NOT whole_call";
}

/// Keeps a recording or a call. `lookup` is the keyed hash of its provider and its id there. False when it is kept already,
/// or is a recording of a known call.
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
    Ok(run!(
        tx,
        INSERT,
        execute,
        stray.id,
        &lookup[..],
        &stray.sid[..],
        stray.call.as_deref(),
        hour,
        stray.whole_call
    )? == 1)
}

/// The stray with this id, just to look at.
pub async fn get(tx: &mut ReadTx, id: Uuid) -> Result<Option<Stray>> {
    run!(tx, GET, fetch_optional, id)
}

/// Removes a stray that is settled.
pub async fn delete(tx: &mut WriteTx, id: Uuid) -> Result<()> {
    run!(tx, DELETE, execute, id).map(drop)
}

/// How many recordings there are among them.
pub async fn count(tx: &mut ReadTx) -> Result<i64> {
    let found: Option<(i64,)> = run!(tx, COUNT, fetch_optional)?;
    Ok(found.map_or(0, |(count,)| count))
}
