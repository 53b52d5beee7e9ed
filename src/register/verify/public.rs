//! Verifies hashes and signatures without the service secret: what an outsider can check who has the database and the
//! public half of the first lead's signing key.

use super::Proof;
use super::chain::{OfLine, Walk};
use super::service::NOT_SIGNED;
use crate::store::audit::{self, SERVICE};
use crate::store::{Db, StoreError};
use crate::vault::signers::Signers;
use crate::vault::signing::Verifying;
use std::sync::Arc;

/// Verifies the chain of the service and those of all lines, from the first lead's key. Returns the results by chain.
///
/// # Errors
///
/// When the database fails.
pub async fn public(db: &Db, lead: &Verifying) -> Result<Vec<(String, Proof)>, StoreError> {
    let mut tx = db.begin_read().await?;
    let mut signers = Signers::new(Some(lead.clone()));
    let proof = walk(SERVICE)
        .verify(&mut tx, &mut |link, hash, signed| {
            let is_signed = signers.add(link, hash, signed);
            (!is_signed).then_some(NOT_SIGNED)
        })
        .await?;
    let mut proofs = vec![(SERVICE.to_owned(), proof)];
    let signers = Arc::new(signers);
    for (line, _) in audit::heads(&mut tx).await? {
        let mut of_line = OfLine::new(Arc::clone(&signers));
        let proof = walk(&line)
            .verify(&mut tx, &mut |link, hash, signed| {
                of_line.judge(link, hash, signed)
            })
            .await?;
        proofs.push((line, proof));
    }
    Ok(proofs)
}

fn walk(chain: &str) -> Walk<'_> {
    Walk {
        chain,
        kept: &[],
        has_macs: false,
    }
}
