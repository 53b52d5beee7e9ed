//! Sealed recordings: a folder of age files, written and read as streams.
//!
//! Plain audio never touches the disk: what is written is sealed 64 KiB at a time, and the unfinished file is as
//! sealed as the finished one. Inside, zeros pad the audio to a Padmé length; the true length is in a
//! sealed entry.
//!
//! Each file gets a random name (`{uuid}.age`) that is committed with the row of the recording, and is never written to
//! or replaced after that: two workers at the same recording write two files, and the row names one of them. A file has
//! its name whole and on disk, or not at all. Its times are set to the hour. (The time of the last change of the inode
//! cannot be set; it shows when the file was finished on the running machine and in images of its disk, but not in
//! backups.)

mod marker;

pub use marker::{MARKER, MarkerError};

use super::seal::{self, Identity, OpenError, Recipient};
use crate::clock;
use crate::private::{new_private_file, sync_folder, sync_folder_of};
use age::stream::{StreamReader, StreamWriter};
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File, FileTimes, TryLockError};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use uuid::Uuid;

/// A folder of sealed recordings, which only the service's own user can look into.
#[derive(Debug, Clone)]
pub struct Recordings {
    folder: PathBuf,
    installation: Uuid,
    /// What this machine marks its unfinished files with.
    node: String,
}

/// What was stored. `Debug` shows nothing the queue must not show.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// The name of the file, without its extension.
    pub file: Uuid,
    /// Bytes inside, with the padding: the only size kept in the clear.
    pub padded: u64,
    /// Bytes of audio. Belongs into a sealed entry.
    pub length: u64,
    /// SHA-256 of the audio. Belongs into a sealed entry.
    pub plain_sha256: [u8; 32],
    /// SHA-256 of the file.
    pub sealed_sha256: [u8; 32],
    /// Bytes of the file.
    pub sealed_bytes: u64,
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored")
            .field("padded", &self.padded)
            .field("sealed_bytes", &self.sealed_bytes)
            .finish_non_exhaustive()
    }
}

/// A file that has its name, and that no row names yet. Dropped, it is removed: without [`Finished::keep`] nothing
/// refers to it.
#[derive(Debug)]
pub struct Finished {
    stored: Stored,
    path: PathBuf,
    kept: bool,
}

impl Finished {
    /// What was stored.
    pub fn stored(&self) -> &Stored {
        &self.stored
    }

    /// From now on the file stays, whatever happens: a row may name it.
    pub fn keep(mut self) -> Stored {
        self.kept = true;
        self.stored
    }
}

impl Drop for Finished {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A file of the folder that no row names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unnamed {
    /// Its name in the folder.
    pub name: String,
    /// When it was finished or written to last, whichever of its times is the latest.
    pub at: DateTime<Utc>,
    /// Its size in bytes, sealed and padded.
    pub bytes: u64,
}

/// The extension of finished files.
const FINISHED: &str = "age";
/// The extension of files that are not finished yet: `{uuid}.{node}.part`.
const UNFINISHED: &str = "part";
/// Files that no row names are never removed before they are as old as this.
pub const KEPT_UNNAMED: TimeDelta = TimeDelta::days(30);

impl Recordings {
    /// The folder of recordings of an installation. Touches nothing: see [`Recordings::check_marker`].
    pub fn open(folder: impl Into<PathBuf>, installation: Uuid) -> Self {
        Self {
            folder: folder.into(),
            installation,
            node: node(),
        }
    }

    /// Starts a file with a random name. Nothing is there under that name before [`Writer::finish`]. Fails where the folder is
    /// not the installation's own.
    pub fn writer(&self, to: &Recipient) -> io::Result<Writer> {
        self.check_marker()?;
        let name = clock::random_id();
        let unfinished = format!("{name}.{}.{UNFINISHED}", self.node);
        let temporary = Temporary(self.folder.join(unfinished));
        let file = new_private_file(&temporary.0)?;
        // Tells `sweep` that the file is being written. Where a file system has no locks, `sweep` removes nothing.
        let _ = file.lock();
        let out = HashedFile {
            file: BufWriter::with_capacity(256 * 1024, file),
            sha256: Sha256::new(),
            bytes: 0,
        };
        Ok(Writer {
            stream: seal::sealing(&[to], out)?,
            temporary,
            name,
            path: self.path(name),
            length: 0,
            plain: Box::default(),
        })
    }

    /// Opens a file for reading. `length` is the true one, from the sealed entry; what lies behind it is padding and never shown.
    ///
    /// # Errors
    ///
    /// [`OpenError::Damaged`] also when the file was cut off, whatever part is read later, or when it is
    /// shorter than `length`.
    pub fn reader(&self, file: Uuid, with: &Identity, length: u64) -> Result<Reader, OpenError> {
        let file = BufReader::new(File::open(self.path(file))?);
        let mut stream = seal::opening(file, with)?;
        // Seeking to the end opens the last piece as the last one: this is where a cut shows.
        if stream.seek(SeekFrom::End(0))? < length {
            return Err(OpenError::Damaged);
        }
        Ok(Reader {
            stream,
            length,
            position: 0,
        })
    }

    /// SHA-256 of the file as it now is in the folder.
    pub fn sealed_sha256(&self, file: Uuid) -> io::Result<[u8; 32]> {
        let mut hasher = Sha256::new();
        io::copy(&mut File::open(self.path(file))?, &mut hasher)?;
        Ok(hasher.finalize().into())
    }

    /// True if the file is there, whole.
    pub fn exists(&self, file: Uuid) -> io::Result<bool> {
        self.path(file).try_exists()
    }

    /// Copies the sealed file, with its times, to `dest`, which must not be there yet.
    pub fn copy_sealed(&self, file: Uuid, dest: &Path) -> io::Result<()> {
        let mut from = File::open(self.path(file))?;
        let mut to = new_private_file(dest)?;
        io::copy(&mut from, &mut to)
            .and_then(|_| to.set_times(hour_times(from.metadata()?.modified()?)))
            .and_then(|()| to.sync_all())
            .and_then(|()| sync_folder_of(dest))
            // Half a copy is worse than none.
            .inspect_err(|_| drop(fs::remove_file(dest)))
    }

    /// Removes the files that a crash of a process on this machine left unfinished; returns their number. Files that are
    /// still being written (locked) and files of other machines are left alone.
    pub fn sweep(&self) -> io::Result<usize> {
        let own = format!(".{}.{UNFINISHED}", self.node);
        let mut removed = 0;
        for item in fs::read_dir(&self.folder)? {
            let item = item?;
            if !item.file_name().to_string_lossy().ends_with(&own) {
                continue;
            }
            // Between listing and opening its writer may have finished: then it is nothing left over.
            let Ok(file) = File::open(item.path()) else {
                continue;
            };
            // Without the lock it is not known whether it is still being written.
            if file.try_lock().is_err() {
                continue;
            }
            removed += usize::from(removed_file(&item.path())?);
        }
        if removed > 0 {
            sync_folder(&self.folder)?;
        }
        Ok(removed)
    }

    /// The files last changed before `before` that are not among `named`, the oldest first: finished ones, and
    /// unfinished ones that are not being written. Other files of the folder are not looked at.
    pub fn unnamed(
        &self,
        named: &HashSet<Uuid>,
        before: DateTime<Utc>,
    ) -> io::Result<Vec<Unnamed>> {
        let mut found = Vec::new();
        for item in fs::read_dir(&self.folder)? {
            let item = item?;
            let path = item.path();
            let is_named = || {
                let stem = path.file_stem().and_then(|stem| stem.to_str());
                stem.and_then(|stem| Uuid::parse_str(stem).ok())
                    .is_some_and(|name| named.contains(&name))
            };
            let unnamed = match path.extension().and_then(|end| end.to_str()) {
                Some(FINISHED) => !is_named(),
                Some(UNFINISHED) => File::open(&path)
                    .is_ok_and(|file| !matches!(file.try_lock(), Err(TryLockError::WouldBlock))),
                _ => false,
            };
            if !unnamed {
                continue;
            }
            let about = match item.metadata() {
                Ok(about) => about,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let at = last_change(&about)?;
            if at < before {
                found.push(Unnamed {
                    name: item.file_name().to_string_lossy().into_owned(),
                    at,
                    bytes: about.len(),
                });
            }
        }
        found.sort_by(|a, b| (a.at, &a.name).cmp(&(b.at, &b.name)));
        Ok(found)
    }

    /// Removes the files that are not among `named` and older than [`KEPT_UNNAMED`] at `now`; returns them.
    pub fn remove_unnamed(
        &self,
        named: &HashSet<Uuid>,
        now: DateTime<Utc>,
    ) -> io::Result<Vec<Unnamed>> {
        let mut old = self.unnamed(named, now - KEPT_UNNAMED)?;
        for file in &old {
            removed_file(&self.folder.join(&file.name))?;
        }
        if !old.is_empty() {
            sync_folder(&self.folder)?;
        }
        old.sort();
        Ok(old)
    }

    fn path(&self, file: Uuid) -> PathBuf {
        self.folder.join(format!("{file}.{FINISHED}"))
    }
}

/// Eight hex digits that stand for this machine: a hash of its id and its host name, the same in each of its processes.
fn node() -> String {
    let mut hasher = Sha256::new();
    #[cfg(unix)]
    hasher.update(rustix::system::uname().nodename().to_bytes());
    // Not there on every system: then the host name alone has to do.
    hasher.update(fs::read("/etc/machine-id").unwrap_or_default());
    let hash = hasher.finalize();
    hash[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Removes a file; false when it was not there.
fn removed_file(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The later one of a file's modification time, which is set, and of the change time of its inode, which is not: a
/// restored backup is as young as its restoring.
fn last_change(about: &fs::Metadata) -> io::Result<DateTime<Utc>> {
    let modified = about.modified()?.into();
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let changed = DateTime::from_timestamp(about.ctime(), 0).unwrap_or(modified);
        Ok(changed.max(modified))
    }
    #[cfg(not(unix))]
    Ok(modified)
}

/// A recording on its way in. Dropped before [`Writer::finish`] it leaves nothing behind.
pub struct Writer {
    // Before `temporary`, so that the file is closed when it is removed.
    stream: StreamWriter<HashedFile>,
    temporary: Temporary,
    name: Uuid,
    path: PathBuf,
    length: u64,
    /// In a box: it buffers up to 64 bytes of audio, and each move of the writer would leave a copy of them on a stack.
    plain: Box<Sha256>,
}

impl Writer {
    /// Takes the next piece of audio.
    pub fn write(&mut self, audio: &[u8]) -> io::Result<()> {
        self.stream.write_all(audio)?;
        self.plain.update(audio);
        self.length += audio.len() as u64;
        Ok(())
    }

    /// Bytes of audio so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Pads, and gives the file its name. When this returns, file and name are on disk. Times are set to the hour `at`
    /// lies in. The file is removed again unless it is [kept](Finished::keep).
    pub fn finish(mut self, at: DateTime<Utc>) -> io::Result<Finished> {
        let padded = padme(self.length);
        io::copy(
            &mut io::repeat(0).take(padded - self.length),
            &mut self.stream,
        )?;
        let out = self.stream.finish()?;
        let (sealed_sha256, sealed_bytes) = (out.sha256.finalize().into(), out.bytes);
        let mut plain_sha256 = [0; 32];
        self.plain.finalize_into_reset((&mut plain_sha256).into());
        let file = out
            .file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        // Before the fsync, so that it covers the times; after the last write, which would set them anew.
        file.set_times(hour_times(at.into()))?;
        file.sync_all()?;
        fs::rename(&self.temporary.0, &self.path)?;
        let finished = Finished {
            stored: Stored {
                file: self.name,
                padded,
                length: self.length,
                plain_sha256,
                sealed_sha256,
                sealed_bytes,
            },
            path: self.path,
            kept: false,
        };
        sync_folder_of(&finished.path)?;
        Ok(finished)
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

/// An unfinished file, which goes with this value. After the rename there is nothing left to remove: its
/// random name is never used again.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Hashes and counts what goes into a file.
struct HashedFile {
    file: BufWriter<File>,
    sha256: Sha256,
    bytes: u64,
}

impl Write for HashedFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let written = self.file.write(buf)?;
        self.sha256.update(&buf[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A recording on its way out: the audio without its padding. Opens only the pieces that are asked for.
pub struct Reader {
    stream: StreamReader<BufReader<File>>,
    length: u64,
    position: u64,
}

impl Reader {
    /// Bytes of audio.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The audio from byte `start` up to, not including, byte `end`; less where it ends before.
    pub fn read_range(&mut self, start: u64, end: u64) -> io::Result<Vec<u8>> {
        let end = end.min(self.length);
        let count = usize::try_from(end.saturating_sub(start)).map_err(io::Error::other)?;
        let mut audio = vec![0; count];
        self.seek(SeekFrom::Start(start))?;
        self.read_exact(&mut audio)?;
        Ok(audio)
    }
}

impl Read for Reader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.length.saturating_sub(self.position);
        let most = usize::try_from(left).map_or(buf.len(), |left| left.min(buf.len()));
        if most == 0 {
            return Ok(0);
        }
        // Only ever within the length: age's reader panics when it reads from behind the end.
        self.stream.seek(SeekFrom::Start(self.position))?;
        let read = self.stream.read(&mut buf[..most])?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

/// The Padmé length of a file: the next one whose binary form ends in enough zeros that lengths up to `n` tell no more than
/// log log `n` bits, at a cost of at most 12 %.
///
/// Source: Nikitin, Barman, Lueks, Underwood, Hubaux, Ford, "Reducing Metadata Leakage from Encrypted Files and
/// Communication with PURBs", PoPETs 2019(4), algorithm 1, <https://arxiv.org/abs/1806.03160>.
pub fn padme(length: u64) -> u64 {
    if length < 2 {
        return length;
    }
    let exponent = length.ilog2();
    let kept = exponent.ilog2() + 1;
    let mask = (1 << (exponent - kept)) - 1;
    // Within a few parts in a hundred of 2^64 there may be no such length; no recording gets there.
    length
        .checked_add(mask)
        .map_or(length, |above| above & !mask)
}

/// Times of a file on the hour.
fn hour_times(at: SystemTime) -> FileTimes {
    let hour = clock::hour(at.into()).into();
    FileTimes::new().set_accessed(hour).set_modified(hour)
}

#[cfg(test)]
mod tests;
