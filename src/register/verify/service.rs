//! Verifies the chain of the service, and the rows that its links set: members, line keys, grants and waivers.

use super::chain::Walk;
use super::{Kept, Proof};
use crate::store::audit::SERVICE;
use crate::store::heads::Head;
use crate::store::keys;
use crate::store::service_chain::SetRow;
use crate::store::{Db, ReadTx, StoreError, members, sessions, strays};
use std::collections::BTreeMap;

/// Verifies the chain of the service from its first link, and compares the rows that its links set with it. `expected`
/// is a head that was kept elsewhere, as for [`super::line()`].
///
/// # Errors
///
/// When the database fails.
pub async fn service(db: &Db, expected: Option<Head>) -> Result<Proof, StoreError> {
    let kept = Kept::of(db, SERVICE, expected);
    service_in(&mut db.begin_read().await?, &kept).await
}

/// Like [`service()`], in a transaction.
///
/// # Errors
///
/// When the database fails.
pub async fn service_in(tx: &mut ReadTx, kept: &[Kept]) -> Result<Proof, StoreError> {
    let mut rows = Rows::default();
    let mut signers = tx.signers().await?.unlearned();
    let walk = Walk {
        chain: SERVICE,
        kept,
        has_macs: true,
    };
    let mut proof = walk
        .verify(tx, &mut |link, hash, signed| {
            if let Some((row, digest)) = SetRow::of(link) {
                rows.0.insert(row, digest);
            }
            let is_signed = signers.add(link, hash, signed);
            (!is_signed).then_some(NOT_SIGNED)
        })
        .await?;
    let (all, refused) = members::list_but_refused(tx).await?;
    rows.refuse(refused.iter().map(|row| SetRow::Member(row.id)), &mut proof);
    for row in all {
        rows.compare(SetRow::Member(row.id), row.digest(), &mut proof);
    }
    let (all, refused) = keys::line_keys_but_refused(tx).await?;
    rows.refuse(
        refused.iter().map(|row| SetRow::LineKey(row.id)),
        &mut proof,
    );
    for row in all {
        rows.compare(SetRow::LineKey(row.id), row.digest(), &mut proof);
    }
    let (all, refused) = keys::grants_but_refused(tx).await?;
    let refused = refused
        .iter()
        .map(|row| SetRow::Grant(row.line_key, row.member));
    rows.refuse(refused, &mut proof);
    for row in all {
        rows.compare(
            SetRow::Grant(row.line_key, row.member),
            row.digest(),
            &mut proof,
        );
    }
    let (all, refused) = members::waivers_but_refused(tx).await?;
    rows.refuse(
        refused.iter().map(|row| SetRow::Waiver(row.line.clone())),
        &mut proof,
    );
    for row in all {
        rows.compare(SetRow::Waiver(row.line.clone()), row.digest(), &mut proof);
    }
    for (row, digest) in rows.0 {
        if digest.is_some() {
            proof.wrong.push(format!("{} is missing", named(&row)));
        }
    }
    for id in sessions::with_refused(tx).await? {
        proof.forged("a session of member", id);
    }
    for id in strays::refused(tx).await? {
        proof.forged("stray", id);
    }
    Ok(proof)
}

/// The end of the sentence about a link of the service's chain whose signature does not hold.
pub(super) const NOT_SIGNED: &str = "is not signed by a member who may cause it";

/// The rows that the chain names, each with the digest of its content; no digest if the row was removed. Rows that were
/// compared are taken out.
#[derive(Default)]
struct Rows(BTreeMap<SetRow, Option<[u8; 32]>>);

impl Rows {
    /// Adds to `proof` that these rows are not what the service wrote last.
    fn refuse(&mut self, rows: impl Iterator<Item = SetRow>, proof: &mut Proof) {
        for row in rows {
            self.0.remove(&row);
            let what = named(&row);
            proof.wrong.push(format!(
                "the row of {what} is not what the service wrote last"
            ));
        }
    }

    /// Compares a row that is not refused with what the chain says of it.
    fn compare(&mut self, row: SetRow, digest: [u8; 32], proof: &mut Proof) {
        let what = named(&row);
        match self.0.remove(&row).flatten() {
            None => proof
                .wrong
                .push(format!("{what} was added behind the trail's back")),
            Some(committed) if committed != digest => {
                proof.wrong.push(format!("{what} was changed"));
            }
            Some(_) => {}
        }
    }
}

/// Returns the name of a row in the sentences about it.
fn named(row: &SetRow) -> String {
    match row {
        SetRow::Member(id) => format!("member {id}"),
        SetRow::LineKey(id) => format!("line key {id}"),
        SetRow::Grant(key, member) => format!("the grant of line key {key} to member {member}"),
        SetRow::Waiver(line) => format!("the waiver of line {line}"),
    }
}
