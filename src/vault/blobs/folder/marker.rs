//! The file that distinguishes the installation's folder of recordings from any other folder at the same path.
//!
//! If the file system with the recordings is not mounted, its mount point is an empty folder. Recordings sealed there
//! would be hidden by the next mount, and their copies at the provider deleted.

use super::Folder;
use crate::base::private::{make_folder, new_private_file, sync_folder_of};
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use uuid::Uuid;

/// Name of the marker file. It holds the installation's id as text, and a newline.
pub const MARKER: &str = "dutyline-installation";

/// Why a folder is not the installation's folder of recordings.
#[derive(Debug, thiserror::Error)]
pub enum MarkerError {
    /// The folder does not exist.
    #[error("the folder of recordings {0} is missing; is its file system mounted?")]
    NoFolder(PathBuf),
    /// The folder has no marker file.
    #[error(
        "the folder {folder} is not this installation's folder of recordings, it has no file {MARKER}; is its file system mounted? If it is the right folder, write the line {installation} into that file"
    )]
    NoMarker {
        /// The folder.
        folder: PathBuf,
        /// The id expected in the marker file.
        installation: Uuid,
    },
    /// The marker file does not hold this installation's id.
    #[error("the folder {0} belongs to another installation, its file {MARKER} says so")]
    Foreign(PathBuf),
    /// The operating system returned an error.
    #[error("the folder of recordings {folder}: {source}")]
    Io {
        /// The folder.
        folder: PathBuf,
        /// The error.
        source: io::Error,
    },
}

impl From<MarkerError> for io::Error {
    fn from(error: MarkerError) -> Self {
        match error {
            MarkerError::Io { source, .. } => source,
            error => Self::new(io::ErrorKind::NotFound, error.to_string()),
        }
    }
}

impl Folder {
    /// Creates the folder if it is missing, and its marker file if that is missing. Removes other users' permissions on
    /// the folder.
    ///
    /// # Errors
    ///
    /// [`MarkerError::Foreign`], or an error of the operating system.
    pub fn make(folder: impl Into<PathBuf>, installation: Uuid) -> Result<Self, MarkerError> {
        let made = Self::open(folder, installation);
        match made.read_marker() {
            Err(MarkerError::NoFolder(_) | MarkerError::NoMarker { .. }) => {
                made.write_marker().map_err(|source| made.io(source))?;
            }
            checked => checked?,
        }
        made.make_private().map_err(|source| made.io(source))?;
        Ok(made)
    }

    /// Checks that the folder belongs to this installation, by its marker file.
    ///
    /// # Errors
    ///
    /// See [`MarkerError`].
    pub(super) fn read_marker(&self) -> Result<(), MarkerError> {
        let folder = || self.folder.clone();
        match fs::read_to_string(self.folder.join(MARKER)) {
            Ok(text) if text.trim().parse() == Ok(self.installation) => Ok(()),
            Ok(_) => Err(MarkerError::Foreign(folder())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match self.folder.try_exists() {
                    Ok(false) => Err(MarkerError::NoFolder(folder())),
                    Ok(true) => Err(MarkerError::NoMarker {
                        folder: folder(),
                        installation: self.installation,
                    }),
                    Err(source) => Err(self.io(source)),
                }
            }
            Err(source) => Err(self.io(source)),
        }
    }

    /// Removes other users' permissions on the folder.
    pub(super) fn make_private(&self) -> io::Result<()> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            if fs::metadata(&self.folder)?.permissions().mode() & 0o077 != 0 {
                fs::set_permissions(&self.folder, fs::Permissions::from_mode(0o700))?;
            }
        }
        Ok(())
    }

    fn write_marker(&self) -> io::Result<()> {
        make_folder(&self.folder)?;
        sync_folder_of(&self.folder)?;
        let path = self.folder.join(MARKER);
        let mut file = new_private_file(&path)?;
        writeln!(file, "{}", self.installation)
            .and_then(|()| file.sync_all())
            .and_then(|()| sync_folder_of(&path))
            // An incomplete marker would be read as another installation's.
            .inspect_err(|_| drop(fs::remove_file(&path)))
    }

    fn io(&self, source: io::Error) -> MarkerError {
        MarkerError::Io {
            folder: self.folder.clone(),
            source,
        }
    }
}
