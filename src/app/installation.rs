//! The installation: a database, the service secret whose keyed hashes its rows are looked up by, and the folder of
//! its recordings.

use crate::app::StartError;
use crate::base::clock::{Clock, random_id};
use crate::config::{Config, DatabaseAddress};
use crate::store::installation::{self as rows, Installation};
use crate::store::{Databases, Db, ReadTx, StoreError};
use crate::vault::secret::ServiceSecret;
use std::path::{Path, PathBuf};
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// Label of the keyed hash, stored with the installation, by which a service secret is checked.
const LABEL: &str = "installation";

/// Returns a new installation with this service secret. It is not stored yet.
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

/// Opens the database and migrates it. Fails if an SQLite file is missing, which only `init` creates: its file system
/// may not be mounted, and a new file on the mount point would be the database from then on.
///
/// # Errors
///
/// Returns a sentence for the operator when an SQLite file is missing, or the database cannot be opened or migrated.
pub async fn open_database(address: &DatabaseAddress) -> Result<Db, String> {
    check_file(address)?;
    Db::open(address).await
}

/// Like [`open_database`], for a command that reads or writes rows with a MAC: checks that the database was set up with
/// the service secret in the configured file.
///
/// # Errors
///
/// Returns a sentence for the operator as [`open_database`], when the service secret cannot be read, and when the
/// database was not set up, or was set up with another secret.
pub async fn open_proven(config: &Config) -> Result<Db, String> {
    let secret = ServiceSecret::load(&config.secret_file).map_err(|error| error.to_string())?;
    let db = open_database(&config.database).await?;
    let installation = id(&db, config, &secret)
        .await
        .map_err(|error| error.to_string())?;
    db.prove_with(&secret, installation, config.lead.as_ref());
    db.check_lead().await.map_err(|error| error.to_string())?;
    let file = heads_file(config);
    match db.check_heads(&file).await {
        // `audit verify` reports it too; other commands that write links are refused by the store.
        Err(error @ StoreError::PutBack { .. }) => {
            tracing::error!(%error, "the database was put back")
        }
        checked => checked.map_err(|error| error.to_string())?,
    }
    Ok(db)
}

/// Accepts a database that was put back to an earlier state than this machine has seen, as after a restored backup. The
/// chains that were put back say so from then on.
///
/// # Errors
///
/// Returns a sentence for the operator as [`open_proven`].
pub async fn accept_heads(config: &Config, clock: &Clock) -> Result<(), String> {
    let db = open_proven(config).await?;
    let accepted = db.accept_heads(clock.line_now()).await;
    for chain in accepted.map_err(|error| error.to_string())? {
        tracing::warn!(%chain, "accepted a database that was put back to an earlier state");
    }
    db.close().await;
    Ok(())
}

/// Returns the path of the file with the last links that this machine has seen: `heads`, beside the service secret.
pub fn heads_file(config: &Config) -> PathBuf {
    config.secret_file.with_file_name("heads")
}

/// Like [`open_database`], with separate connections for webhooks, jobs and the console, as the service needs them.
///
/// # Errors
///
/// Returns a sentence for the operator when an SQLite file is missing, or the database cannot be opened or migrated.
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
    /// The database was set up with another service secret than the one in the file named here.
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

/// Checks that the installation was set up with this service secret. `file`, the path of the secret, is named in the
/// error.
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

/// Returns the id of the installation in `db`, after checking that it was set up with this service secret.
///
/// # Errors
///
/// Returns an [`InstallationError`] when the database was not set up, was set up with another secret, or fails.
pub async fn id(
    db: &Db,
    config: &Config,
    secret: &ServiceSecret,
) -> Result<Uuid, InstallationError> {
    let installation = read(&mut db.begin_read().await?).await?;
    verify(&installation, secret, &config.secret_file)?;
    Ok(installation.id)
}

/// Reads the installation from the database.
///
/// # Errors
///
/// Returns [`InstallationError::Missing`] when the database was not set up, and [`InstallationError::Store`] when it
/// fails.
pub async fn read(tx: &mut ReadTx) -> Result<Installation, InstallationError> {
    rows::get(tx).await?.ok_or(InstallationError::Missing)
}
