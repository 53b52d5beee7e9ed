//! Replies to callers: one member writes a reply, another member approves it, and the caller hears it when they call
//! back with the receipt.

use super::opened::{find, has_same_key, proven};
use super::writing::sealed;
use super::{DeskError, Inspector, Invalid, Result};
use crate::register::filing::add_sealed;
use crate::register::trail::OfReport;
use crate::report::entries::Body;
use crate::service::Service;
use crate::store::audit::{self, Act};
use crate::store::{StoreError, replies, reports};
use crate::vault::action::Action;
use crate::vault::seal::Recipient;
use scoped_futures::ScopedFutureExt;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Maximum length of a reply, in characters: about two minutes of speech.
const MAX_REPLY_CHARS: usize = 500;

/// Writes a reply, sealed to the report's key and to each of its receipts that is not shared. It is not played before
/// its approval counts. Returns the id of its entry.
///
/// # Errors
///
/// Returns [`DeskError::Missing`] for a report that is not accessible to the inspector; [`DeskError::Invalid`] when the
/// text is empty or longer than 500 characters; [`DeskError::NoReceipt`] when the report has no receipt that opens it,
/// or its receipts have changed meanwhile. Also when the stored key is not the report's, or the database fails.
pub async fn write(service: &Service, inspector: &Inspector, id: Uuid, text: &str) -> Result<Uuid> {
    let text = text.trim();
    if text.is_empty() {
        return Err(DeskError::Invalid(Invalid::EmptyReply));
    }
    if text.chars().count() > MAX_REPLY_CHARS {
        return Err(DeskError::Invalid(Invalid::LongReply));
    }
    let report = &proven(service, inspector, id).await?;
    let console = &service.db.console;
    let receipts = console.read(|tx| async move { reports::receipts(tx, id).await }.scope_boxed());
    let receipts = &receipts.await?;
    let parsed = receipts.iter().map(|recipient| recipient.parse());
    let to = parsed
        .collect::<std::result::Result<Vec<Recipient>, _>>()
        .map_err(|_| StoreError::Unreadable("receipt"))?;
    if to.is_empty() {
        return Err(DeskError::NoReceipt);
    }
    let at = service.clock.line_now();
    let entry = &sealed(inspector, report, Body::Reply(text.into()), at, to).await?;
    console
        .write(|tx| {
            async move {
                tx.sign_as(inspector.signer());
                let now = find(tx, inspector, id).await?;
                has_same_key(report, &now)?;
                // Since the reply was sealed, a receipt may have been added, or have become shared.
                if reports::receipts(tx, id).await? != *receipts {
                    return Err(DeskError::NoReceipt);
                }
                add_sealed(tx, &now, entry, at, Some(inspector.name())).await?;
                replies::insert(tx, entry.id, id, inspector.id()).await?;
                Ok(entry.id)
            }
            .scope_boxed()
        })
        .await
}

/// Approves a reply of another author. If the approval counts (see [`confirming`](crate::members::confirming)), the
/// caller hears the reply from now on. Does nothing if the reply is approved already.
///
/// # Errors
///
/// Returns [`DeskError::Missing`] when the report is not accessible to the inspector or has no such reply, and
/// [`DeskError::OwnReply`] when the inspector wrote it. Also when the reply is not what the trail committed to, or the
/// database fails.
pub async fn approve(
    service: &Service,
    inspector: &Inspector,
    id: Uuid,
    entry: Uuid,
) -> Result<()> {
    let proven = &proven(service, inspector, id).await?;
    service
        .db
        .console
        .write(|tx| {
            async move {
                tx.sign_as(inspector.signer());
                let report = find(tx, inspector, id).await?;
                has_same_key(proven, &report)?;
                let all = replies::of_report(tx, id).await?;
                let reply = all.iter().find(|reply| reply.entry == entry);
                let reply = reply.ok_or(DeskError::Missing)?;
                if reply.author == inspector.id() {
                    return Err(DeskError::OwnReply);
                }
                // The approval must cover the entry as it was written; it may have been replaced since the inspector
                // saw it.
                reports::lock(tx, id).await?;
                let committed = OfReport::read(tx, &report).await?;
                let rows = reports::entries(tx, id).await?;
                let row = rows.iter().find(|row| row.id == entry);
                let row = row
                    .filter(|row| committed.has_entry(row))
                    .ok_or(StoreError::Unreadable("entry"))?;
                if replies::approve(tx, reply, inspector.id()).await? {
                    let act = Act {
                        actor: Some(inspector.name()),
                        report: Some(id),
                        object: Some(entry),
                        digest: Some(Sha256::digest(&row.sealed).into()),
                        ..Act::new(service.clock.line_now(), Action::ReplyApproved)
                    };
                    audit::append(tx, &report.line, act);
                }
                Ok(())
            }
            .scope_boxed()
        })
        .await
}
