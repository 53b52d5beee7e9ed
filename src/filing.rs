//! Adding to a report: seal, store, and commit to it in the audit trail, in one transaction.

use crate::clock::{hour, random_id};
use crate::store::audit::{self, Act};
use crate::store::reports::{self, EntryRow, Report};
use crate::store::{StoreError, Tx};
use crate::vault::entry::{Address, Entry, EntryKind, seal_entry};
use crate::vault::seal::Recipient;
use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

/// An entry to be added.
pub struct NewEntry<'a> {
    /// What kind.
    pub kind: EntryKind,
    /// When it happened, line time, exactly. In the clear there will be only the hour, unless a member wrote it.
    pub at: DateTime<Utc>,
    /// Which member wrote it.
    pub by: Option<&'a str>,
    /// What it says.
    pub body: Value,
}

/// Adds an entry to a report, sealed to the report's key. Gives the entry's id.
///
/// # Errors
///
/// When the database fails, or the report's key in it is none.
pub async fn add_entry(
    tx: &mut Tx,
    report: &Report,
    new: NewEntry<'_>,
) -> Result<Uuid, StoreError> {
    let recipient: Recipient = report
        .recipient
        .parse()
        .map_err(|_| StoreError::Unreadable("report key"))?;
    let id = random_id();
    let sealed = seal_entry(
        &Entry {
            address: Address {
                line: report.line.clone(),
                report: report.id,
                entry: id,
                kind: new.kind,
            },
            at: new.at,
            by: new.by.map(str::to_owned),
            body: new.body,
        },
        &recipient,
    );
    reports::insert_entry(
        tx,
        &EntryRow {
            id,
            report: report.id,
            kind: new.kind.as_str().to_owned(),
            sealed: sealed.bytes,
        },
    )
    .await?;
    audit::append(
        tx,
        &report.line,
        Act {
            at: if new.by.is_some() {
                new.at
            } else {
                hour(new.at)
            },
            actor: new.by,
            action: "entry_added",
            report: Some(report.id),
            object: Some(id),
            digest: Some(sealed.sha256),
            detail: Some(new.kind.as_str()),
        },
    )
    .await?;
    Ok(id)
}
