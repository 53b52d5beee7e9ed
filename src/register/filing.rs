//! Adds entries to a report: seals them, stores them, and commits to them in the audit trail in the same transaction.

use crate::base::clock::{hour, random_id};
use crate::report::entries::Body;
use crate::store::audit::{self, Act};
use crate::store::cases::{CallReport, Case};
use crate::store::reports::{self, EntryRow, Report};
use crate::store::{StoreError, WriteTx};
use crate::vault::action::Action;
use crate::vault::entry::{Address, Entry, seal_entry_to};
use crate::vault::seal::Recipient;
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// An entry to be added.
pub struct NewEntry<'a> {
    /// Exact time of the event, in line time. It is sealed; unsealed, it is stored exactly if a member wrote the entry,
    /// and cut to the hour otherwise.
    pub at: DateTime<Utc>,
    /// The name of the member who wrote the entry; `None` if the service did.
    pub by: Option<&'a str>,
    /// The content.
    pub body: Body,
}

/// A report that an entry is sealed to.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// Its id.
    pub report: Uuid,
    /// Its line.
    pub line: &'a str,
    /// The public half of its key.
    pub recipient: &'a str,
}

impl<'a> From<&'a Report> for Target<'a> {
    fn from(report: &'a Report) -> Self {
        Self {
            report: report.id,
            line: &report.line,
            recipient: &report.recipient,
        }
    }
}

impl<'a> From<&'a CallReport> for Target<'a> {
    fn from(report: &'a CallReport) -> Self {
        Self {
            report: report.id,
            line: &report.line,
            recipient: &report.recipient,
        }
    }
}

/// Adds an entry to a report, sealed to the report's key. Returns the entry's id.
///
/// # Errors
///
/// When the database fails, or the report's key in it is not a valid public key.
pub async fn add_entry(
    tx: &mut WriteTx,
    report: &Report,
    new: NewEntry<'_>,
) -> Result<Uuid, StoreError> {
    add_entry_also(tx, report, new, &[]).await
}

/// Like [`add_entry`], and seals the entry to the keys in `also` too. Their owners can open this entry, and nothing
/// else of the report by it.
///
/// # Errors
///
/// As [`add_entry`].
pub async fn add_entry_also(
    tx: &mut WriteTx,
    report: &Report,
    new: NewEntry<'_>,
    also: &[Recipient],
) -> Result<Uuid, StoreError> {
    let (at, by) = (new.at, new.by);
    let entry = seal(report, new, also)?;
    let at = if by.is_some() { at } else { hour(at) };
    add_sealed(tx, report, &entry, at, by).await?;
    Ok(entry.id)
}

/// Seals an entry to a report's key and to the keys in `also`, to be added by [`add_sealed`] or [`add_to_case`].
///
/// # Errors
///
/// When the report's key is not a valid public key.
pub fn seal<'a>(
    target: impl Into<Target<'a>>,
    new: NewEntry<'_>,
    also: &[Recipient],
) -> Result<EntryRow, StoreError> {
    let target: Target<'a> = target.into();
    let recipient: Recipient = target
        .recipient
        .parse()
        .map_err(|_| StoreError::Unreadable("report key"))?;
    let id = random_id();
    let kind = new.body.kind();
    let entry = Entry {
        address: Address {
            line: target.line.to_owned(),
            report: target.report,
            entry: id,
            kind,
        },
        at: new.at,
        by: new.by.map(str::to_owned),
        body: new.body.into(),
    };
    let to: Vec<&Recipient> = std::iter::once(&recipient).chain(also).collect();
    Ok(EntryRow {
        id,
        report: target.report,
        kind,
        sealed: seal_entry_to(&entry, &to).bytes,
    })
}

/// Adds a sealed entry to its report, and the link that commits to it. The link holds `at` and `by` unsealed.
///
/// # Errors
///
/// When the database fails.
pub async fn add_sealed(
    tx: &mut WriteTx,
    report: &Report,
    entry: &EntryRow,
    at: DateTime<Utc>,
    by: Option<&str>,
) -> Result<(), StoreError> {
    reports::insert_entry(tx, entry).await?;
    audit::append(tx, &report.line, added(entry, at, by));
    Ok(())
}

/// Adds a sealed entry to a report of a case, and the link that commits to it. `at` is the hour of line time.
pub fn add_to_case(case: &mut Case, entry: EntryRow, at: DateTime<Utc>) {
    case.act(added(&entry, at, None));
    case.add_entry(entry);
}

/// Returns the act of adding an entry, for the trail. Its link commits to the sealed entry.
pub fn added<'a>(entry: &'a EntryRow, at: DateTime<Utc>, by: Option<&'a str>) -> Act<'a> {
    Act {
        actor: by,
        report: Some(entry.report),
        object: Some(entry.id),
        digest: Some(Sha256::digest(&entry.sealed).into()),
        detail: Some(entry.kind.as_str()),
        ..Act::new(at, Action::EntryAdded)
    }
}
