//! The installation: the service secret and the folder of recordings that belong to this database.

use super::columns::RecordingState;
use super::statements::{row, run, statements};
use super::{ReadTx, Result, WriteTx};
use uuid::Uuid;

row! {
    /// Row that `init` writes when it sets up the database.
    pub struct Installation {
        /// Random id of the installation.
        pub id: Uuid,
        /// Keyed hash of the id under the service secret, 32 bytes.
        pub key_check: Vec<u8>,
    }
}

statements! {
    GET = "SELECT id, key_check FROM installation WHERE only_row = 1";
    INSERT = "INSERT INTO installation (only_row, id, key_check) VALUES (1, $1, $2)";
    A_SEALED_RECORDING = "SELECT id FROM recordings WHERE state = $1 LIMIT 1";
}

/// Returns the installation; `None` before `init`.
pub async fn get(tx: &mut ReadTx) -> Result<Option<Installation>> {
    run!(tx, GET, fetch_optional)
}

/// Writes the row of the installation.
///
/// # Errors
///
/// Returns [`StoreError::Duplicate`](super::StoreError::Duplicate) when there is one already. Also when the database
/// fails.
pub async fn insert(tx: &mut WriteTx, installation: &Installation) -> Result<()> {
    run!(
        tx,
        INSERT,
        execute,
        installation.id,
        &installation.key_check
    )
    .map(drop)
}

/// True if a recording is sealed, and so has a file in the folder of recordings.
pub async fn has_recordings(tx: &mut ReadTx) -> Result<bool> {
    let found: Option<(Uuid,)> = run!(
        tx,
        A_SEALED_RECORDING,
        fetch_optional,
        RecordingState::Sealed
    )?;
    Ok(found.is_some())
}
