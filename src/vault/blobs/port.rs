//! The port to the storage of sealed objects: a folder, or another object store.

use super::MarkerError;
use chrono::{DateTime, Utc};
use std::fmt;
use std::io::{self, Write};
use std::ops::Range;

/// Stores objects by name. An object becomes visible only when it is complete and on stable storage, and is not changed
/// after that.
///
/// All methods block.
pub trait ObjectStore: fmt::Debug + Send + Sync {
    /// Checks that the store belongs to this installation.
    ///
    /// # Errors
    ///
    /// See [`MarkerError`].
    fn check_marker(&self) -> Result<(), MarkerError>;

    /// Begins an object. `name` must be random and not in use. Fails when the store does not belong to this
    /// installation.
    fn put(&self, name: &str) -> io::Result<Box<dyn Put>>;

    /// Returns size and times of an object.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotFound`] when there is no object of that name.
    fn about(&self, name: &str) -> io::Result<About>;

    /// Returns the bytes of an object at `range`; fewer if it ends earlier.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotFound`] when there is no object of that name.
    fn get(&self, name: &str, range: Range<u64>) -> io::Result<Vec<u8>>;

    /// Deletes an object, or an unfinished one listed by [`ObjectStore::list`]. Returns false if there is none of that
    /// name.
    fn delete(&self, name: &str) -> io::Result<bool>;

    /// Returns all objects, and the unfinished ones unless they are known to be being written.
    fn list(&self) -> io::Result<Vec<Listed>>;

    /// Removes other users' permissions on the store, if it has any, and deletes unfinished objects left by a crash of
    /// a process on this machine. Returns the number of these.
    fn tidy(&self) -> io::Result<usize>;
}

/// An object that is being written. If it is dropped before [`Put::finish`], the unfinished object is deleted.
pub trait Put: Write + Send {
    /// Completes the object. When this returns, it is on stable storage under its name. Its time is set to the hour of
    /// `at`, if the store can set it.
    fn finish(self: Box<Self>, at: DateTime<Utc>) -> io::Result<()>;
}

/// Size and times of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// Its size in bytes.
    pub bytes: u64,
    /// Its modification time: the hour that was set, if the store can set it.
    pub modified: DateTime<Utc>,
    /// The latest of its times that the store knows. An object restored from a backup has the time of the restoration.
    pub changed: DateTime<Utc>,
}

/// An object, or an unfinished one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name. The name of an unfinished object begins with the name that the object would get.
    pub name: String,
    /// True if the object is finished.
    pub is_finished: bool,
    /// Size and times.
    pub about: About,
}
