//! Making what the service needs before it can start. Run again, it adds what is missing.

use crate::app::StartError;
use crate::clock::Clock;
use crate::config::Config;
use crate::login::Role;
use crate::members::{self, NewLineKey};
use crate::store::members as rows;
use crate::store::{Db, StoreError};
use crate::vault::passwords::NewPassword;
use crate::vault::recordings::Recordings;
use crate::vault::secret::ServiceSecret;

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

/// Makes what is missing: folder, secret, first lead, keys of `lines`. Gives the keys that are new, for the only time.
///
/// # Errors
///
/// A sentence: a folder that can't be written, a database that can't be reached, a wrong password.
pub async fn init(
    config: &Config,
    clock: &Clock,
    lead: &str,
    password: NewPassword,
    lines: &[String],
) -> Result<Vec<(String, NewLineKey)>, StartError> {
    let failed = |error: &dyn std::fmt::Display| StartError::Failed(error.to_string());
    if let Some(folder) = config.secret_file.parent() {
        crate::private::make_folder(folder).map_err(|error| {
            StartError::Failed(format!(
                "the folder {} cannot be made: {error}",
                folder.display()
            ))
        })?;
    }
    if !config.secret_file.exists() {
        ServiceSecret::create(&config.secret_file).map_err(|error| failed(&error))?;
    }
    ServiceSecret::load(&config.secret_file).map_err(|error| failed(&error))?;
    Recordings::open_folder(&config.recordings).map_err(|error| {
        StartError::Failed(format!(
            "the folder {} cannot be written: {error}",
            config.recordings.display()
        ))
    })?;
    let db = Db::open(&config.database)
        .await
        .map_err(StartError::Failed)?;
    let mut tx = db.begin().await?;
    let member = if rows::by_name(&mut tx, lead).await?.is_some() {
        members::unlock(&mut tx, lead, password).await?.0
    } else {
        // Whoever can run this has the whole machine; but a second lead is the first one's to make.
        if !rows::list(&mut tx).await?.is_empty() {
            return Err(StartError::Failed(format!(
                "there are members already, and {lead} is none of them; a lead adds others with `dutyline member add`"
            )));
        }
        members::make(&mut tx, clock, lead, Role::Lead, password).await?
    };
    let mut made = Vec::new();
    for line in lines {
        if let Some(key) = members::make_line_key(&mut tx, clock, line, &member).await? {
            made.push((line.clone(), key));
        }
    }
    tx.commit().await?;
    db.close().await;
    Ok(made)
}
