//! Sealed files ("blobs"): recordings at present. Each is one age file in an object store, written and read as a
//! stream.
//!
//! Plain audio is not written to disk here: data is sealed 64 KiB at a time, and an unfinished object is sealed like a
//! finished one. Inside, zeros pad the audio to a Padmé length; the exact length is in a sealed entry.
//!
//! Each object gets a random name (`{uuid}.age`), which is committed with its row, and is not changed after it is
//! finished: two workers that process the same recording write two objects, and the row names one of them.
//!
//! A part of an object is returned only after the digest of its header was checked: an attacker who does not know the
//! key that the header wraps cannot make other chunks open under that header. The digest of the whole is checked after
//! the object was written, before the provider's copy is deleted, and by `dutyline audit verify`.
//!
//! | module | what it holds |
//! |---|---|
//! | [`port`] | the port to a store of objects |
//! | [`folder`] | a folder as such a store |
//! | `writing` | sealing an object while it is written |
//! | `reading` | opening parts of an object |

pub mod folder;
pub mod port;
mod reading;
mod writing;

pub use folder::{MARKER, MarkerError};
pub use reading::Reader;
pub use writing::{Finished, Stored, Writer, padme};

use super::seal::{Identity, OpenError, Recipient};
use crate::base::private::{new_private_file, sync_folder_of};
use chrono::{DateTime, TimeDelta, Utc};
use folder::Folder;
use port::{Listed, ObjectStore};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uuid::Uuid;

/// The extension of object names.
const SEALED: &str = ".age";
/// Maximum length of an object's header, in bytes. The header for one recipient has a few hundred: age adds a stanza of
/// random length.
const MAX_HEADER: usize = 4096;
/// Number of bytes of an object that are hashed or copied at once.
const PIECE: u64 = 1024 * 1024;
/// Minimum age at which an object that no row names is deleted.
pub const KEPT_UNNAMED: TimeDelta = TimeDelta::days(30);

/// All sealed files of an installation. Cheap to clone. Methods block.
#[derive(Clone, Debug)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
}

/// The digests that identify a sealed object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digests {
    /// SHA-256 of all its bytes.
    pub whole: [u8; 32],
    /// SHA-256 of its header, with the nonce.
    pub header: [u8; 32],
}

impl Digests {
    /// Returns what the audit trail commits to: SHA-256 of the header's digest followed by the digest of the whole.
    pub fn committed(&self) -> [u8; 32] {
        let both = Sha256::new().chain_update(self.header);
        both.chain_update(self.whole).finalize().into()
    }
}

/// An object that no row names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unnamed {
    /// Time at which it was finished or last written to; see [`port::About::changed`].
    pub at: DateTime<Utc>,
    /// Its name in the store.
    pub name: String,
    /// Its size in bytes, sealed and padded.
    pub bytes: u64,
}

impl Blobs {
    /// Opens the installation's folder of sealed files, without accessing it: see [`Blobs::check_marker`].
    pub fn open(folder: impl Into<PathBuf>, installation: Uuid) -> Self {
        let store = Arc::new(Folder::open(folder, installation));
        Self { store }
    }

    /// Creates the folder if it is missing, and its marker file if that is missing. Removes other users' permissions on
    /// the folder.
    ///
    /// # Errors
    ///
    /// [`MarkerError::Foreign`], or an error of the operating system.
    pub fn make(folder: impl Into<PathBuf>, installation: Uuid) -> Result<Self, MarkerError> {
        let store = Arc::new(Folder::make(folder, installation)?);
        Ok(Self { store })
    }

    /// Checks that the store belongs to this installation.
    ///
    /// # Errors
    ///
    /// See [`MarkerError`].
    pub fn check_marker(&self) -> Result<(), MarkerError> {
        self.store.check_marker()
    }

    /// Begins an object with a random name. The object does not exist before [`Writer::finish`]. Fails when the store
    /// does not belong to this installation.
    pub fn writer(&self, to: &Recipient) -> io::Result<Writer> {
        Writer::new(Arc::clone(&self.store), to)
    }

    /// Opens an object for reading. `length` is its exact length, from the sealed entry; the padding after it is not
    /// returned.
    ///
    /// # Errors
    ///
    /// [`OpenError::Damaged`] when the header's digest differs from `digests`, when the object was truncated, whichever
    /// part is read later, or when it is shorter than `length`. The digest of the whole is not checked. Otherwise as
    /// [`open`](super::seal::open), or [`OpenError::Missing`] when the object does not exist.
    pub fn reader(
        &self,
        object: Uuid,
        digests: &Digests,
        with: &Identity,
        length: u64,
    ) -> Result<Reader, OpenError> {
        Reader::new(Arc::clone(&self.store), object, digests, with, length)
    }

    /// Returns the digests of an object as it is in the store now. Reads all of it.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotFound`] when the object is missing; [`io::ErrorKind::InvalidData`] when it has no header.
    pub fn digests(&self, object: Uuid) -> io::Result<Digests> {
        let mut whole = Sha256::new();
        let mut header_digest = None;
        self.each_piece(object, |piece| {
            if header_digest.is_none() {
                let header = header(piece).ok_or(io::ErrorKind::InvalidData)?;
                header_digest = Some(Sha256::digest(header).into());
            }
            whole.update(piece);
            Ok(())
        })?;
        Ok(Digests {
            whole: whole.finalize().into(),
            header: header_digest.ok_or(io::ErrorKind::InvalidData)?,
        })
    }

    /// Copies the sealed object to a file, which must not exist, and sets the file's time to the hour of the object's.
    pub fn copy_sealed(&self, object: Uuid, dest: &Path) -> io::Result<()> {
        let about = self.store.about(&object_name(object))?;
        let mut to = new_private_file(dest)?;
        self.each_piece(object, |piece| to.write_all(piece))
            .and_then(|()| to.set_times(folder::hour_times(about.modified)))
            .and_then(|()| to.sync_all())
            .and_then(|()| sync_folder_of(dest))
            // An incomplete copy must not remain.
            .inspect_err(|_| drop(std::fs::remove_file(dest)))
    }

    /// Removes other users' permissions on the store, and deletes unfinished objects left by a crash of a process on
    /// this machine; returns the number of these. Unfinished objects that are being written, or that belong to other
    /// machines, are kept.
    pub fn tidy(&self) -> io::Result<usize> {
        self.store.tidy()
    }

    /// Returns the objects last changed before `before` that are not in `named`, the oldest first. These include
    /// unfinished objects, unless they are known to be being written. Other files in the store are ignored.
    pub fn unnamed(
        &self,
        named: &HashSet<Uuid>,
        before: DateTime<Utc>,
    ) -> io::Result<Vec<Unnamed>> {
        let is_unnamed = |one: &Listed| {
            let object = match one.is_finished {
                true => one.name.strip_suffix(SEALED),
                false => one.name.split_once(SEALED).map(|(object, _)| object),
            };
            let object = object.and_then(|object| Uuid::parse_str(object).ok());
            object.is_some_and(|object| !one.is_finished || !named.contains(&object))
        };
        let listed = self.store.list()?.into_iter();
        let mut found: Vec<Unnamed> = listed
            .filter(|one| one.about.changed < before && is_unnamed(one))
            .map(|one| Unnamed {
                at: one.about.changed,
                name: one.name,
                bytes: one.about.bytes,
            })
            .collect();
        found.sort();
        Ok(found)
    }

    /// Deletes the objects that [`Blobs::unnamed`] finds and that are older than [`KEPT_UNNAMED`] at `now`; returns
    /// them.
    pub fn remove_unnamed(
        &self,
        named: &HashSet<Uuid>,
        now: DateTime<Utc>,
    ) -> io::Result<Vec<Unnamed>> {
        let old = self.unnamed(named, now - KEPT_UNNAMED)?;
        for object in &old {
            self.store.delete(&object.name)?;
        }
        Ok(old)
    }

    fn each_piece(
        &self,
        object: Uuid,
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let name = object_name(object);
        let mut start = 0;
        loop {
            let piece = self.store.get(&name, start..start + PIECE)?;
            if piece.is_empty() {
                return Ok(());
            }
            take(&piece)?;
            start += piece.len() as u64;
        }
    }
}

fn object_name(object: Uuid) -> String {
    format!("{object}{SEALED}")
}

/// Returns the header at the beginning of an age file, with the nonce: everything before the first chunk. `None` if the
/// header does not end within [`MAX_HEADER`].
///
/// Source: <https://age-encryption.org/v1>: the header ends with a line that begins with `---`; the nonce has 16 bytes.
fn header(file: &[u8]) -> Option<&[u8]> {
    const LAST_LINE: &[u8] = b"\n--- ";
    const NONCE: usize = 16;
    let head = &file[..file.len().min(MAX_HEADER)];
    let last = head
        .windows(LAST_LINE.len())
        .position(|at| at == LAST_LINE)?
        + LAST_LINE.len();
    let line = head[last..].iter().position(|byte| *byte == b'\n')? + 1;
    head.get(..last + line + NONCE)
}

#[cfg(test)]
mod tests;
