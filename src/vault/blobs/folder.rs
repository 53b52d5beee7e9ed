//! Objects as files of a folder that only the service's user can open.
//!
//! A file appears under its name complete and on disk, or not at all. Its access and modification times are set to the
//! hour. (The time of the last change of the inode cannot be set; it shows when the file was finished on the running
//! machine and in images of its disk, but not in backups.)

mod marker;

pub use marker::{MARKER, MarkerError};

use super::port::{About, Listed, ObjectStore, Put};
use crate::base::clock;
use crate::base::private::{new_private_file, sync_folder, sync_folder_of};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use std::fs::{self, File, FileTimes, TryLockError};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use uuid::Uuid;

/// The extension of unfinished files: `{name}.{node}.part`.
const UNFINISHED: &str = "part";

/// A folder as a store of objects.
#[derive(Debug, Clone)]
pub struct Folder {
    folder: PathBuf,
    installation: Uuid,
    /// Text that identifies this machine in the names of its unfinished files; see [`node()`].
    node: String,
}

impl Folder {
    /// Opens the folder of an installation, without accessing it: see [`ObjectStore::check_marker`].
    pub fn open(folder: impl Into<PathBuf>, installation: Uuid) -> Self {
        Self {
            folder: folder.into(),
            installation,
            node: node(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn files(&self) -> io::Result<impl Iterator<Item = io::Result<(String, PathBuf)>>> {
        Ok(fs::read_dir(&self.folder)?.map(|item| {
            let item = item?;
            let name = item.file_name().to_string_lossy().into_owned();
            Ok((name, item.path()))
        }))
    }
}

impl ObjectStore for Folder {
    fn check_marker(&self) -> Result<(), MarkerError> {
        self.read_marker()
    }

    fn put(&self, name: &str) -> io::Result<Box<dyn Put>> {
        self.check_marker()?;
        let unfinished = format!("{name}.{}.{UNFINISHED}", self.node);
        let temporary = Temporary(self.path(&unfinished));
        let file = new_private_file(&temporary.0)?;
        // The lock shows `tidy` that the file is being written. On a file system without locks, `tidy` deletes nothing.
        let _ = file.lock();
        Ok(Box::new(NewFile {
            file: BufWriter::with_capacity(256 * 1024, file),
            temporary,
            path: self.path(name),
        }))
    }

    fn about(&self, name: &str) -> io::Result<About> {
        about(&fs::metadata(self.path(name))?)
    }

    fn get(&self, name: &str, range: Range<u64>) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.path(name))?;
        file.seek(SeekFrom::Start(range.start))?;
        let length = range.end.saturating_sub(range.start);
        let mut bytes = Vec::with_capacity(usize::try_from(length).map_err(io::Error::other)?);
        file.take(length).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn delete(&self, name: &str) -> io::Result<bool> {
        let deleted = deleted(&self.path(name))?;
        if deleted {
            sync_folder(&self.folder)?;
        }
        Ok(deleted)
    }

    fn list(&self) -> io::Result<Vec<Listed>> {
        let mut found = Vec::new();
        for file in self.files()? {
            let (name, path) = file?;
            let is_unfinished = path.extension().is_some_and(|end| end == UNFINISHED);
            if is_unfinished && matches!(lock(&path), Ok(Err(TryLockError::WouldBlock))) {
                continue;
            }
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_file() => found.push(Listed {
                    name,
                    is_finished: !is_unfinished,
                    about: about(&metadata)?,
                }),
                Ok(_) => {}
                // The file was finished or deleted since the folder was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    fn tidy(&self) -> io::Result<usize> {
        self.make_private()?;
        let own = format!(".{}.{UNFINISHED}", self.node);
        let mut swept = 0;
        for file in self.files()? {
            let (name, path) = file?;
            // If the lock cannot be acquired, the file may be being written.
            if name.ends_with(&own) && matches!(lock(&path), Ok(Ok(()))) {
                swept += usize::from(deleted(&path)?);
            }
        }
        if swept > 0 {
            sync_folder(&self.folder)?;
        }
        Ok(swept)
    }
}

/// Tests whether an unfinished file is being written: its writer holds a lock on it. A lock acquired here is released
/// on return. The outer error means that the file cannot be opened; the inner one, that it is locked (`WouldBlock`) or
/// that the file system has no locks.
fn lock(path: &Path) -> io::Result<Result<(), TryLockError>> {
    File::open(path).map(|file| file.try_lock())
}

/// Returns eight hexadecimal digits that identify this machine: a hash of its machine id and its host name, the same in
/// all its processes.
fn node() -> String {
    let mut hasher = Sha256::new();
    #[cfg(unix)]
    hasher.update(rustix::system::uname().nodename().to_bytes());
    // Not every system has this file; without it, only the host name is used.
    hasher.update(fs::read("/etc/machine-id").unwrap_or_default());
    let hash = hasher.finalize();
    hash[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Deletes a file. Returns false if it did not exist.
fn deleted(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn about(metadata: &fs::Metadata) -> io::Result<About> {
    let modified: DateTime<Utc> = metadata.modified()?.into();
    #[cfg(unix)]
    let changed = {
        use std::os::unix::fs::MetadataExt;
        // The change time of the inode, in seconds, which cannot be set.
        DateTime::from_timestamp(metadata.ctime(), 0).unwrap_or(modified)
    };
    #[cfg(not(unix))]
    let changed = modified;
    Ok(About {
        bytes: metadata.len(),
        modified,
        changed: changed.max(modified),
    })
}

/// Returns file times at the start of the hour that contains `at`.
pub(super) fn hour_times(at: DateTime<Utc>) -> FileTimes {
    let hour: SystemTime = clock::hour(at).into();
    FileTimes::new().set_accessed(hour).set_modified(hour)
}

/// A file that is being written: under a temporary name until it is finished.
struct NewFile {
    // Declared before `temporary`, so that the file is closed before it is deleted.
    file: BufWriter<File>,
    temporary: Temporary,
    path: PathBuf,
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Put for NewFile {
    fn finish(self: Box<Self>, at: DateTime<Utc>) -> io::Result<()> {
        let file = self.file.into_inner();
        let file = file.map_err(io::IntoInnerError::into_error)?;
        // Before the fsync, which then covers the times; after the last write, which would set them again.
        file.set_times(hour_times(at))?;
        file.sync_all()?;
        fs::rename(&self.temporary.0, &self.path)?;
        sync_folder_of(&self.path)
            // After a failed sync the name may not be on disk, so the file is deleted.
            .inspect_err(|_| drop(fs::remove_file(&self.path)))
    }
}

/// An unfinished file, deleted on drop. After the rename no file has this name, and none will get it, because it is
/// random: nothing is deleted.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
