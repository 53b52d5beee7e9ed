//! Files that another user of the machine reads: the softswitch plays them.

use crate::base::clock;
use crate::base::private::sync_folder_of;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Mode of a folder that other users can list.
pub const LISTED: u32 = 0o755;
/// Mode of a folder that other users cannot list, but in which they can open files by name.
pub const UNLISTED: u32 = 0o711;

/// Extension of a file that is still being written.
pub const UNFINISHED: &str = "part";

/// Creates a folder and its ancestors, as far as they are missing, and sets the mode of the folder itself.
pub fn make_folder(path: &Path, mode: u32) -> io::Result<()> {
    fs::create_dir_all(path)?;
    permit(path, mode)
}

/// Writes or replaces a file, which other users may read. The file at `path` is never incomplete: it is the old one,
/// if any, until the new one is whole. On return the new one is on disk.
pub fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let random = u64::from_be_bytes(clock::random());
    let temporary = Temporary(path.with_extension(format!("{random:016x}.{UNFINISHED}")));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&temporary.0)?;
    file.write_all(bytes)?;
    permit(&temporary.0, 0o644)?;
    file.sync_all()?;
    fs::rename(&temporary.0, path)?;
    sync_folder_of(path)
}

/// Returns those ancestor folders of a file that other users of the machine cannot enter, the nearest one first.
pub fn barred(path: &Path) -> Vec<PathBuf> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let above = path.ancestors().skip(1);
    above
        .filter(|folder| !others_pass(folder))
        .map(Path::to_owned)
        .collect()
}

/// True if this folder is on a tmpfs, or will be once it is created. False on systems other than Linux.
#[cfg(target_os = "linux")]
pub fn in_memory(folder: &Path) -> bool {
    /// `TMPFS_MAGIC` of `linux/magic.h`.
    const TMPFS: u64 = 0x0102_1994;
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let there = folder.ancestors().find(|folder| folder.exists());
    there
        .and_then(|folder| rustix::fs::statfs(folder).ok())
        .is_some_and(|found| u64::try_from(found.f_type) == Ok(TMPFS))
}

#[cfg(not(target_os = "linux"))]
pub fn in_memory(_: &Path) -> bool {
    false
}

struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // Fails if the file was renamed, which is the usual case.
        let _ = fs::remove_file(&self.0);
    }
}

/// Sets the mode explicitly, independent of the process's umask.
#[cfg(unix)]
fn permit(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn permit(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn others_pass(folder: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    // A folder that cannot be examined counts as open to others: most likely it does not exist yet, and `make_folder`
    // will create it with such a mode.
    fs::metadata(folder).map_or(true, |found| found.permissions().mode() & 0o001 != 0)
}

#[cfg(not(unix))]
fn others_pass(_: &Path) -> bool {
    true
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn others_can_read_what_is_put_there() {
        let folder = tempfile::tempdir().unwrap();
        let sounds = folder.path().join("sounds/en");
        make_folder(&sounds, LISTED).unwrap();
        let file = sounds.join("a.wav");
        put(&file, b"first").unwrap();
        put(&file, b"second").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"second");
        assert_eq!((mode(&sounds), mode(&file)), (0o755, 0o644));
        assert_eq!(fs::read_dir(&sounds).unwrap().count(), 1);
        let root = folder.path().to_owned();
        make_folder(&root, LISTED).unwrap();
        assert!(!barred(&file).contains(&root));
        make_folder(&root, 0o700).unwrap();
        assert!(barred(&file).contains(&root));
    }

    #[test]
    fn what_cannot_be_put_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        // A folder at the target path cannot be replaced by a file.
        let taken = folder.path().join("a.wav");
        fs::create_dir(&taken).unwrap();
        put(&taken, b"sound").unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
