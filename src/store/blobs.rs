//! Sealed files: the names of their objects, their padded sizes and their digests.

use super::columns::{BlobKind, BlobState};
use super::proofs::{Proven, WithMac};
use super::statements::{row, run, statements};
use super::{ReadTx, Result, StoreError, WriteTx};
use crate::vault::blobs::{Digests, Stored};
use crate::vault::proof::Content;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

row! {
    #[derive(Clone)]
    struct BlobRow {
        id: Uuid,
        report: Uuid,
        recording: Uuid,
        object: Uuid,
        sha256: Vec<u8>,
        header_sha256: Vec<u8>,
    }
}

/// A sealed file, as its row describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blob {
    /// The random name of the object.
    pub object: Uuid,
    /// Digests of the object as it was sealed.
    pub digests: Digests,
}

impl Proven for BlobRow {
    const TABLE: &'static str = "blobs";

    /// The recording is not part of the row. The link about its sealing commits to the digests.
    fn content(&self) -> Content {
        Content::of(Self::TABLE)
            .id(self.id)
            .id(self.report)
            .id(self.object)
            .bytes(&*self.sha256)
            .bytes(&*self.header_sha256)
    }

    fn id(&self) -> Uuid {
        self.id
    }
}

statements! {
    INSERT = "INSERT INTO blobs (id, report, kind, state, padded, sha256, header_sha256, object, mac)
        SELECT $2, report, $7, $8, $3, $4, $5, $6, $9 FROM recordings WHERE id = $1";
    OF_RECORDING = "SELECT blobs.id, reports.id AS report, recordings.id AS recording, object, sha256, header_sha256, blobs.mac
        FROM recordings JOIN blobs ON blobs.n = recordings.blob JOIN reports ON reports.n = blobs.report WHERE recordings.id = $1";
    OF_REPORT = "SELECT blobs.id, reports.id AS report, recordings.id AS recording, object, sha256, header_sha256, blobs.mac
        FROM recordings JOIN blobs ON blobs.n = recordings.blob JOIN reports ON reports.n = blobs.report WHERE recordings.report = (SELECT n FROM reports WHERE id = $1)";
    OBJECTS = "SELECT object FROM blobs";
}

impl BlobRow {
    fn blob(self) -> Result<Blob> {
        let digest = |bytes: Vec<u8>| {
            let unreadable = StoreError::Unreadable("digest of a sealed file");
            <[u8; 32]>::try_from(bytes).map_err(|_| unreadable)
        };
        Ok(Blob {
            object: self.object,
            digests: Digests {
                whole: digest(self.sha256)?,
                header: digest(self.header_sha256)?,
            },
        })
    }
}

/// Adds the row of the sealed file of a recording of `report`, with the id `blob`. `super::recordings::seal` makes the recording refer
/// to it.
pub(super) async fn insert(
    tx: &mut WriteTx,
    recording: Uuid,
    report: Uuid,
    blob: Uuid,
    stored: &Stored,
) -> Result<()> {
    let row = BlobRow {
        id: blob,
        report,
        recording,
        object: stored.object,
        sha256: stored.digests.whole.to_vec(),
        header_sha256: stored.digests.header.to_vec(),
    };
    let mac = tx.mac(&row)?;
    run!(
        tx,
        INSERT,
        execute,
        recording,
        blob,
        i64::try_from(stored.padded).unwrap_or(i64::MAX),
        &stored.digests.whole[..],
        &stored.digests.header[..],
        stored.object,
        BlobKind::Recording,
        BlobState::Stored,
        mac
    )
    .map(drop)
}

/// Returns the sealed file of a recording; `None` if it has none.
///
/// # Errors
///
/// Returns [`StoreError::Unreadable`] when the row holds no valid digest. Also when the database fails.
pub async fn of_recording(tx: &mut ReadTx, recording: Uuid) -> Result<Option<Blob>> {
    let found = run!(tx, OF_RECORDING, fetch_optional, recording)?;
    tx.proven_one(found).await?.map(BlobRow::blob).transpose()
}

/// Returns the sealed files of a report's recordings, by the recordings' ids. Files whose rows are refused are left out.
///
/// # Errors
///
/// When the database fails.
pub async fn of_report(tx: &mut ReadTx, report: Uuid) -> Result<HashMap<Uuid, Blob>> {
    let found: Vec<WithMac<BlobRow>> = run!(tx, OF_REPORT, fetch_all, report)?;
    let (found, _) = tx.proven_rest(found).await?;
    Ok(found
        .into_iter()
        .filter_map(|row| Some((row.recording, row.blob().ok()?)))
        .collect())
}

/// Returns the names of all objects that have a row.
///
/// # Errors
///
/// When the database fails.
pub async fn objects(tx: &mut ReadTx) -> Result<HashSet<Uuid>> {
    let found: Vec<(Uuid,)> = run!(tx, OBJECTS, fetch_all)?;
    Ok(found.into_iter().map(|(object,)| object).collect())
}
