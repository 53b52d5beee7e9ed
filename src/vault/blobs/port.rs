//! The port to what keeps sealed objects: a folder, or another store of objects.

use super::MarkerError;
use chrono::{DateTime, Utc};
use std::fmt;
use std::io::{self, Write};
use std::ops::Range;

/// Keeps objects under names. An object appears whole, on stable storage, and is never changed after that.
///
/// All methods block.
pub trait ObjectStore: fmt::Debug + Send + Sync {
    /// Checks that the store belongs to this installation.
    ///
    /// # Errors
    ///
    /// See [`MarkerError`].
    fn check_marker(&self) -> Result<(), MarkerError>;

    /// Begins an object. `name` is not in use: names are random. Fails where the store does not belong to this installation.
    fn put(&self, name: &str) -> io::Result<Box<dyn Put>>;

    /// Size and times of an object.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotFound`] when there is none of that name.
    fn about(&self, name: &str) -> io::Result<About>;

    /// The bytes of an object at `range`; fewer when it ends earlier.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotFound`] when there is none of that name.
    fn get(&self, name: &str, range: Range<u64>) -> io::Result<Vec<u8>>;

    /// Deletes an object, or an unfinished one that [`ObjectStore::list`] names; false when there is none of that name.
    fn delete(&self, name: &str) -> io::Result<bool>;

    /// All objects, and the unfinished ones that no process is writing.
    fn list(&self) -> io::Result<Vec<Listed>>;

    /// Closes the store to other users, where it can, and deletes the unfinished objects that a crash of a process on this
    /// machine left. Returns their number.
    fn tidy(&self) -> io::Result<usize>;
}

/// An object that is being written. Dropped before [`Put::finish`], it leaves nothing behind.
pub trait Put: Write + Send {
    /// Completes the object. When this returns, it is on stable storage under its name. Its time is set to the hour of `at`,
    /// where the store can set it.
    fn finish(self: Box<Self>, at: DateTime<Utc>) -> io::Result<()>;
}

/// Size and times of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// Its size in bytes.
    pub bytes: u64,
    /// Its modification time.
    pub modified: DateTime<Utc>,
    /// The latest of its times that the store knows: a restored backup is as young as its restoring.
    pub changed: DateTime<Utc>,
}

/// An object, or an unfinished one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name; that of an unfinished one begins with the name that the object would get.
    pub name: String,
    /// False for an unfinished one.
    pub is_finished: bool,
    /// Size and times.
    pub about: About,
}
