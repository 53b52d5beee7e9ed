//! Creates what the service needs before it can start, as `dutyline init` does. Run again, it adds what is missing.

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
use crate::vault::signing::{Signer, Verifying};
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

/// Creates what is missing: service secret, installation, first lead, keys of `lines`, folder of recordings. Returns
/// the new keys of lines. Their recovery keys are not stored, so they cannot be retrieved later.
///
/// # Errors
///
/// Returns a sentence when a folder or the service secret cannot be written; when the database fails; when the
/// service secret is missing although the database has an installation; when the secret or the folder belongs to
/// another installation, or the folder has no marker although recordings are sealed; when the password is wrong, the
/// name is invalid or the member is locked out; or when `lead` is not a lead, or is unknown although there are
/// members.
pub async fn init(
    config: &Config,
    clock: &Clock,
    lead: &str,
    password: NewPassword,
    lines: &[String],
) -> Result<Vec<MadeKey>, StartError> {
    init_showing(config, clock, lead, password, lines, |_, _| Ok(())).await
}

/// Like [`init`]; `show` receives the new keys, if there are any, before they are committed, and with the first lead's
/// account the public half of their signing key. If it fails, no key is stored.
///
/// # Errors
///
/// Returns a sentence in the cases listed at [`init`], and when `show` fails.
pub async fn init_showing(
    config: &Config,
    clock: &Clock,
    lead: &str,
    password: NewPassword,
    lines: &[String],
    show: impl FnOnce(Option<&Verifying>, &[MadeKey]) -> io::Result<()>,
) -> Result<Vec<MadeKey>, StartError> {
    let db = Db::open(&config.database)
        .await
        .map_err(StartError::Failed)?;
    let mut tx = db.begin().await?;
    let (installation, secret) = installed(&mut tx, config).await?;
    db.prove_with(&secret, installation, config.lead.as_ref());
    // Committed before the folder is prepared: if the folder has no marker, the error of `prepare_folder` names the
    // installation's id, which belongs into the marker and must not change any more.
    tx.commit().await?;
    db.check_lead().await?;
    let member = member(&db, lead, password).await?;
    let mut tx = db.begin().await?;
    prepare_folder(&mut tx, config, installation).await?;
    let first_lead = match &member {
        Lead::New(_, signer) => Some(signer.verifying()),
        Lead::Known(..) => None,
    };
    let member = may_make_keys(&mut tx, clock, member).await?;
    let mut made = Vec::new();
    for line in lines {
        if let Some(key) = members::make_line_key(&mut tx, clock, line, &member).await? {
            made.push((line.clone(), key));
        }
    }
    if !made.is_empty() {
        show(first_lead.as_ref(), &made).map_err(|error| {
            StartError::Failed(format!(
                "the recovery keys cannot be shown, so no keys were made: {error}"
            ))
        })?;
    }
    tx.commit().await.map_err(|error| {
        StartError::Failed(format!(
            "{error}; run `dutyline init` again: if it makes keys, the recovery keys that were shown before are void, and if it says that every line has its key, they are in force"
        ))
    })?;
    Blobs::make(&config.recordings, installation).map_err(|error| failed(&error))?;
    db.close().await;
    Ok(made)
}

fn failed(error: &dyn std::fmt::Display) -> StartError {
    StartError::Failed(error.to_string())
}

/// Returns the installation's id and the service secret. A database without an installation gets one, and the service
/// secret is created if its file is missing; an existing installation must have been set up with the secret in the file.
async fn installed(tx: &mut WriteTx, config: &Config) -> Result<(Uuid, ServiceSecret), StartError> {
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
        return Ok((installation.id, secret));
    }
    let installation = crate::app::installation::new(&secret);
    installation::insert(tx, &installation).await?;
    Ok((installation.id, secret))
}

/// Creates the folder of recordings if it is missing. Its marker file is written at the end of `init_showing`, after
/// the last commit. If recordings are sealed already, a missing folder or one without the marker is refused, because
/// the right one is probably not mounted; a folder of another installation is always refused.
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

/// The member to whom the new line keys are sealed.
enum Lead {
    /// The member with the name given to `init`, whose password was right.
    Known(Member, Signer),
    /// A new member with the name and password given to `init`, not in the database yet.
    New(Member, Signer),
}

/// Returns the member named `lead`, whose password must be right, or a new one if there is no such member. No
/// transaction is open while a key is derived from the password.
async fn member(db: &Db, lead: &str, password: NewPassword) -> Result<Lead, StartError> {
    let mut tx = db.begin_read().await?;
    let known = members::find(&mut tx, lead).await?.is_some();
    drop(tx);
    if known {
        let (member, identity) = members::unlock(db, lead, password).await?;
        let signer = Signer::new(member.id, &identity);
        return Ok(Lead::Known(member, signer));
    }
    let name = MemberName::parse(lead).map_err(members::MemberError::from)?;
    let (member, signer) = members::new_member(&name, Role::Lead, password, Maker::Init).await?;
    Ok(Lead::New(member, signer))
}

/// Checks that `lead` may make keys of lines, inserts a new member into the database, and returns the member. A new
/// member is accepted only if there are no members yet. The holder of a line's key can open all reports of the line, so
/// only a lead may make such a key.
async fn may_make_keys(tx: &mut WriteTx, clock: &Clock, lead: Lead) -> Result<Member, StartError> {
    match lead {
        Lead::Known(member, signer) if member.role == Role::Lead => {
            tx.sign_as(signer);
            Ok(members::rights::acting(tx, &member).await?)
        }
        Lead::Known(member, _) => Err(StartError::Failed(format!(
            "{} is no lead; only a lead makes the key of a new line",
            member.name
        ))),
        // The operator administers the machine, but only the first lead decides who else becomes a lead.
        Lead::New(member, _) if !rows::list(tx).await?.is_empty() => {
            Err(StartError::Failed(format!(
                "there are members already, and {} is none of them; a lead adds others with `dutyline member add`",
                member.name
            )))
        }
        Lead::New(member, signer) => {
            tx.sign_as(signer);
            members::insert(tx, clock, &member, &member.name).await?;
            Ok(member)
        }
    }
}
