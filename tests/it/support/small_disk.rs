//! A file system of a few megabytes that a test can fill.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small tmpfs, mounted for one test and unmounted when dropped. Only root can mount one: `tests/run` leaves out the
/// tests with `small_disk` in their name for other users.
pub struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// Mounts an empty file system of this many megabytes.
    ///
    /// # Panics
    ///
    /// When it cannot be mounted, because the test could not check anything.
    pub fn mount(megabytes: u32) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "dutyline-test"])
            .arg(folder.path())
            .output()
            .expect("the program mount");
        assert!(
            mounted.status.success(),
            "a tmpfs cannot be mounted, which only root can do; leave this test out with --skip small_disk: {mounted:?}"
        );
        Self { folder }
    }

    /// Returns the mount point.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Writes until the file system is full.
    pub fn fill(&self) {
        let file = File::options()
            .append(true)
            .create(true)
            .open(self.filler());
        let mut file = file.expect("a file");
        for size in [1 << 16, 1 << 12, 1] {
            let piece = vec![0x5a; size];
            loop {
                match file.write(&piece) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("filling the disk: {error}"),
                }
            }
        }
    }

    /// Frees the space again.
    pub fn free(&self) {
        std::fs::remove_file(self.filler()).expect("the file that fills the disk");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A lazy unmount: files still open are closed with the process.
        let unmounted = Command::new("umount").arg("-l").arg(self.path()).status();
        if !unmounted.is_ok_and(|status| status.success()) && !std::thread::panicking() {
            panic!("{} is still mounted", self.path().display());
        }
    }
}
