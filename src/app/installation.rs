//! The installation: a database, the service secret that its rows are looked up with, and the folder of its
//! recordings.

use crate::app::StartError;
use crate::base::clock::random_id;
use crate::config::{Config, DatabaseAddress};
use crate::store::installation::{self as rows, Installation};
use crate::store::{Databases, Db, ReadTx, StoreError};
use crate::vault::secret::ServiceSecret;
use std::path::Path;
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// Label of the keyed hash by which a service secret is checked.
const LABEL: &str = "installation";

/// Returns a new installation under this secret.
pub fn new(secret: &ServiceSecret) -> Installation {
    let id = random_id();
    Installation {
        id,
        key_check: check_value(secret, id).to_vec(),
    }
}

fn check_value(secret: &ServiceSecret, id: Uuid) -> [u8; 32] {
    secret.lookup(LABEL, &[&id.to_string()])
}

/// Opens an existing database and migrates it. Only `init` creates an SQLite file: where one is missing, its file
/// system may not be mounted, and a new file on the mount point would be the database from then on.
///
/// # Errors
///
/// Returns a sentence for the operator.
pub async fn open_database(address: &DatabaseAddress) -> Result<Db, String> {
    check_file(address)?;
    Db::open(address).await
}

/// Like [`open_database`], with the connections of the service.
///
/// # Errors
///
/// Returns a sentence for the operator.
pub async fn open_databases(config: &Config) -> Result<Databases, String> {
    check_file(&config.database)?;
    Databases::open(&config.database, config.connections).await
}

fn check_file(address: &DatabaseAddress) -> Result<(), String> {
    if let DatabaseAddress::Sqlite(path) = address
        && !path.exists()
    {
        return Err(format!(
            "there is no database {}; is its file system mounted? For a new line, `dutyline init` makes it",
            path.display()
        ));
    }
    Ok(())
}

/// Why the service cannot use this database.
#[derive(Debug, thiserror::Error)]
pub enum InstallationError {
    /// The database was not set up by `init`.
    #[error(
        "the database has not been set up; run `dutyline init --lead NAME --password-file FILE`"
    )]
    Missing,
    /// The database was set up with another secret.
    #[error(
        "{0} is not the service secret this database was set up with: calls and receipts could not be found with it; copy the file from a node or a backup where it works"
    )]
    OtherSecret(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<InstallationError> for StartError {
    fn from(error: InstallationError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Checks that the installation was set up with this secret. `file` is the path the secret was read from.
///
/// # Errors
///
/// Returns [`InstallationError::OtherSecret`] when it was not.
pub fn verify(
    installation: &Installation,
    secret: &ServiceSecret,
    file: &Path,
) -> Result<(), InstallationError> {
    let fits = installation
        .key_check
        .ct_eq(&check_value(secret, installation.id)[..]);
    match bool::from(fits) {
        true => Ok(()),
        false => Err(InstallationError::OtherSecret(file.display().to_string())),
    }
}

/// Returns the id of the installation, after checking that the secret belongs to it.
///
/// # Errors
///
/// See [`InstallationError`].
pub async fn id(
    db: &Db,
    config: &Config,
    secret: &ServiceSecret,
) -> Result<Uuid, InstallationError> {
    let installation = read(&mut db.begin_read().await?).await?;
    verify(&installation, secret, &config.secret_file)?;
    Ok(installation.id)
}

/// Reads the installation.
///
/// # Errors
///
/// Returns [`InstallationError::Missing`], or [`InstallationError::Store`] when the database fails.
pub async fn read(tx: &mut ReadTx) -> Result<Installation, InstallationError> {
    rows::get(tx).await?.ok_or(InstallationError::Missing)
}
