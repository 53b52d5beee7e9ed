//! Replies to callers: written by one, approved by another, heard by whoever calls back with the receipt.

use super::opened::{find, prove_key};
use super::{DeskError, Inspector, Invalid, Result};
use crate::filing::{NewEntry, add_entry_also};
use crate::report::entries::Body;
use crate::service::Service;
use crate::store::audit::{self, Act};
use crate::store::{StoreError, replies, reports};
use crate::trail::OfReport;
use crate::vault::action::Action;
use crate::vault::seal::Recipient;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The longest reply, in characters: two minutes of speech.
const LONGEST: usize = 500;

/// Writes a reply, sealed to the report's key and to the caller's receipt. Nobody hears it before it is approved.
/// Gives the entry's id.
///
/// # Errors
///
/// [`DeskError::Missing`], [`DeskError::Invalid`], [`DeskError::NoReceipt`].
pub async fn write(service: &Service, inspector: &Inspector, id: Uuid, text: &str) -> Result<Uuid> {
    let text = text.trim();
    if text.is_empty() {
        return Err(DeskError::Invalid(Invalid::EmptyReply));
    }
    if text.chars().count() > LONGEST {
        return Err(DeskError::Invalid(Invalid::LongReply));
    }
    let mut tx = service.db.console.begin().await?;
    let report = find(&mut tx, inspector, id).await?;
    prove_key(&mut tx, inspector, &report).await?;
    let receipts = reports::receipts(&mut tx, id)
        .await?
        .iter()
        .map(|recipient| recipient.parse())
        .collect::<std::result::Result<Vec<Recipient>, _>>()
        .map_err(|_| StoreError::Unreadable("receipt"))?;
    if receipts.is_empty() {
        return Err(DeskError::NoReceipt);
    }
    let new = NewEntry {
        at: service.clock.line_now(),
        by: Some(inspector.name()),
        body: Body::Reply(text.into()),
    };
    let entry = add_entry_also(&mut tx, &report, new, &receipts).await?;
    replies::insert(&mut tx, entry, id, inspector.id()).await?;
    tx.commit().await?;
    Ok(entry)
}

/// Approves a reply somebody else wrote: from now on whoever calls back hears it. One that is approved already stays
/// so, and nothing is done.
///
/// # Errors
///
/// [`DeskError::Missing`], [`DeskError::OwnReply`].
pub async fn approve(
    service: &Service,
    inspector: &Inspector,
    id: Uuid,
    entry: Uuid,
) -> Result<()> {
    let mut tx = service.db.console.begin().await?;
    let report = find(&mut tx, inspector, id).await?;
    prove_key(&mut tx, inspector, &report).await?;
    let all = replies::of_report(&mut tx, id).await?;
    let reply = all.iter().find(|reply| reply.entry == entry);
    let reply = reply.ok_or(DeskError::Missing)?;
    if reply.author == inspector.id() {
        return Err(DeskError::OwnReply);
    }
    // What is approved is what was written: somebody may have put another entry in its place since it was shown.
    reports::lock(&mut tx, id).await?;
    let committed = OfReport::read(&mut tx, &report).await?;
    let rows = reports::entries(&mut tx, id).await?;
    let row = rows.iter().find(|row| row.id == entry);
    let row = row
        .filter(|row| committed.has_entry(row))
        .ok_or(StoreError::Unreadable("entry"))?;
    if replies::approve(&mut tx, entry, inspector.id()).await? {
        let act = Act {
            actor: Some(inspector.name()),
            report: Some(id),
            object: Some(entry),
            digest: Some(Sha256::digest(&row.sealed).into()),
            ..Act::new(service.clock.line_now(), Action::ReplyApproved)
        };
        audit::append(&mut tx, &report.line, act);
    }
    Ok(tx.commit().await?)
}
