//! Making what the service needs before it can start. Run again, it adds what is missing.

use crate::app::StartError;
use crate::base::clock::Clock;
use crate::config::Config;
use crate::members::{self, Maker, MemberName, NewLineKey};
use crate::report::role::Role;
use crate::store::members::{self as rows, Member};
use crate::store::{Db, StoreError, WriteTx, installation};
use crate::vault::blobs::{Blobs, MarkerError};
use crate::vault::passwords::NewPassword;
use crate::vault::secret::ServiceSecret;
use std::io;
use std::path::Path;
use uuid::Uuid;

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<members::MemberError> for StartError {
    fn from(error: members::MemberError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// A line's id and its new key.
pub type MadeKey = (String, NewLineKey);

/// Makes what is missing: service secret, installation, first lead, keys of `lines`, folder of recordings. Gives the keys
/// that are new, for the only time.
///
/// # Errors
///
/// A sentence: a folder that can't be written, a database that can't be reached, a service secret or a folder of
/// recordings of another installation, a wrong password, a member who is no lead.
pub async fn init(
    config: &Config,
    clock: &Clock,
    lead: &str,
    password: NewPassword,
    lines: &[String],
) -> Result<Vec<MadeKey>, StartError> {
    init_showing(config, clock, lead, password, lines, |_| Ok(())).await
}

/// The same; `show` is given the new keys, if there are any, before anything is committed. When it fails, nothing was made.
///
/// # Errors
///
/// See [`init`].
pub async fn init_showing(
    config: &Config,
    clock: &Clock,
    lead: &str,
    password: NewPassword,
    lines: &[String],
    show: impl FnOnce(&[MadeKey]) -> io::Result<()>,
) -> Result<Vec<MadeKey>, StartError> {
    let db = Db::open(&config.database)
        .await
        .map_err(StartError::Failed)?;
    let member = member(&db, lead, password).await?;
    let mut tx = db.begin().await?;
    let installation = installed(&mut tx, config).await?;
    // What follows may fail for want of the folder's marker, and then says the id that belongs into it.
    tx.commit().await?;
    let mut tx = db.begin().await?;
    prepare_folder(&mut tx, config, installation).await?;
    let member = may_make_keys(&mut tx, clock, member).await?;
    let mut made = Vec::new();
    for line in lines {
        if let Some(key) = members::make_line_key(&mut tx, clock, line, &member).await? {
            made.push((line.clone(), key));
        }
    }
    if !made.is_empty() {
        show(&made).map_err(|error| {
            StartError::Failed(format!(
                "the recovery keys cannot be shown, so no keys were made: {error}"
            ))
        })?;
    }
    tx.commit().await.map_err(|error| {
        StartError::Failed(format!(
            "{error}; nothing was made, recovery keys that were shown are void"
        ))
    })?;
    Blobs::make(&config.recordings, installation).map_err(|error| failed(&error))?;
    db.close().await;
    Ok(made)
}

fn failed(error: &dyn std::fmt::Display) -> StartError {
    StartError::Failed(error.to_string())
}

/// The installation's id; a new database becomes an installation. The service secret is made with it, and must fit later.
async fn installed(tx: &mut WriteTx, config: &Config) -> Result<Uuid, StartError> {
    let file = &config.secret_file;
    let found = installation::get(tx).await?;
    if found.is_some() && !file.exists() {
        return Err(StartError::Failed(format!(
            "{} is missing, and the database was set up with a service secret already; copy the file from a node or a backup where it works",
            file.display()
        )));
    }
    if !file.exists() {
        if let Some(folder) = file.parent() {
            crate::base::private::make_folder(folder)
                .map_err(|error| cannot_be_made(folder, &error))?;
        }
        ServiceSecret::create(file).map_err(|error| failed(&error))?;
    }
    let secret = ServiceSecret::load(file).map_err(|error| failed(&error))?;
    if let Some(installation) = found {
        crate::app::installation::verify(&installation, &secret, file)?;
        return Ok(installation.id);
    }
    let installation = crate::app::installation::new(&secret);
    installation::insert(tx, &installation).await?;
    Ok(installation.id)
}

/// Makes the folder of recordings. Its marker file comes after the commit, when the id in it is true. Where recordings are
/// sealed already, a folder without the marker is another one: the right one is not mounted.
async fn prepare_folder(
    tx: &mut WriteTx,
    config: &Config,
    installation: Uuid,
) -> Result<(), StartError> {
    let folder = &config.recordings;
    match Blobs::open(folder, installation).check_marker() {
        Ok(()) => Ok(()),
        Err(MarkerError::NoFolder(_) | MarkerError::NoMarker { .. })
            if !installation::has_recordings(tx).await? =>
        {
            crate::base::private::make_folder(folder)
                .map_err(|error| cannot_be_made(folder, &error))
        }
        Err(error) => Err(failed(&error)),
    }
}

fn cannot_be_made(folder: &Path, error: &io::Error) -> StartError {
    StartError::Failed(format!(
        "the folder {} cannot be made: {error}",
        folder.display()
    ))
}

/// Who the keys are given to.
enum Lead {
    /// A member with this name and password.
    Known(Member),
    /// A member who is not in the database yet.
    New(Member),
}

/// The member with this name and password, or a new one. No transaction is open while the password is stretched.
async fn member(db: &Db, lead: &str, password: NewPassword) -> Result<Lead, StartError> {
    let mut tx = db.begin_read().await?;
    let known = members::find(&mut tx, lead).await?.is_some();
    drop(tx);
    if known {
        return Ok(Lead::Known(members::unlock(db, lead, password).await?.0));
    }
    let name = MemberName::parse(lead).map_err(members::MemberError::from)?;
    Ok(Lead::New(
        members::new_member(&name, Role::Lead, password, Maker::Init).await?,
    ))
}

/// Checks that `lead` may make a line's key: whoever holds it opens all reports of the line, so that only a lead decides. Adds
/// the first lead to the database.
async fn may_make_keys(tx: &mut WriteTx, clock: &Clock, lead: Lead) -> Result<Member, StartError> {
    match lead {
        Lead::Known(member) if member.role == Role::Lead => {
            Ok(members::rights::acting(tx, &member).await?)
        }
        Lead::Known(member) => Err(StartError::Failed(format!(
            "{} is no lead; only a lead makes the key of a new line",
            member.name
        ))),
        // The operator owns the machine; but the first lead decides who becomes another one.
        Lead::New(member) if !rows::list(tx).await?.is_empty() => Err(StartError::Failed(format!(
            "there are members already, and {} is none of them; a lead adds others with `dutyline member add`",
            member.name
        ))),
        Lead::New(member) => {
            members::insert(tx, clock, &member).await?;
            Ok(member)
        }
    }
}
