//! Verifies one chain: that each link follows from the one before it, was written by the service, and is signed by whom
//! its actor names.

use super::{Kept, Proof};
use crate::store::{ReadTx, StoreError, audit};
use crate::vault::action::Action;
use crate::vault::chain::{self, Link};
use crate::vault::signers::{Signed, Signers};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;

/// How a chain is verified.
pub(super) struct Walk<'a> {
    /// The line, or the name of the service's chain.
    pub chain: &'a str,
    /// Links that the chain must still have.
    pub kept: &'a [Kept],
    /// True if the MACs of the links are checked, which takes the service secret.
    pub has_macs: bool,
}

/// Called with each link, its hash and its signature. Returns what is wrong with the signature.
pub(super) type Judge<'a> =
    &'a mut (dyn FnMut(&Link, &[u8; 32], Option<Signed<'_>>) -> Option<&'static str> + Send);

impl Walk<'_> {
    /// Verifies the chain from its first link.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn verify(&self, tx: &mut ReadTx, judge: Judge<'_>) -> Result<Proof, StoreError> {
        let genesis = chain::genesis(self.chain);
        let mut proof = Proof {
            links: 0,
            head: genesis,
            wrong: Vec::new(),
        };
        self.links(tx, &mut proof, judge).await?;
        // A line without any act has neither links nor a head.
        let head = audit::head(tx, self.chain).await?;
        if head.unwrap_or((0, genesis)) != (proof.links, proof.head) {
            proof
                .wrong
                .push("the chain does not end where its head says".into());
        }
        for Kept { head, by } in self.kept {
            if head.0 > proof.links {
                proof.wrong.push(format!("the chain is shorter than {by}"));
            }
        }
        Ok(proof)
    }

    async fn links(
        &self,
        tx: &mut ReadTx,
        proof: &mut Proof,
        judge: Judge<'_>,
    ) -> Result<(), StoreError> {
        loop {
            let links = audit::stored_links(tx, self.chain, proof.links).await?;
            if links.is_empty() {
                return Ok(());
            }
            for stored in links {
                let seq = proof.links + 1;
                let read = stored.row.as_ref().filter(|row| row.seq == seq);
                let read = read.and_then(|row| Some((row.link()?, row.hash.clone())));
                let Some((link, stored_hash)) = read else {
                    proof.wrong.push(format!("link {seq} is missing or broken"));
                    proof.links = stored.seq;
                    continue;
                };
                let hash = chain::hash(&proof.head, &link);
                if stored_hash != hash {
                    proof
                        .wrong
                        .push(format!("link {seq} was changed, or the one before it"));
                }
                if self.has_macs && !stored.has_mac_of(&hash, tx)? {
                    proof
                        .wrong
                        .push(format!("link {seq} was not written by the service"));
                }
                for Kept { head, by } in self.kept {
                    if head.0 == seq && head.1 != hash {
                        proof.wrong.push(format!("link {seq} is not {by}"));
                    }
                }
                if let Some(wrong) = judge(&link, &hash, stored.signed()) {
                    proof.wrong.push(format!("link {seq} {wrong}"));
                }
                proof.links = seq;
                // Continues from the stored hash, so that every broken link is found and not only the first.
                proof.head = stored_hash.as_slice().try_into().unwrap_or(hash);
            }
        }
    }
}

/// Judges the signatures of a line's chain.
pub(super) struct OfLine {
    signers: Arc<Signers>,
    /// Members who are disabled at this link.
    disabled: BTreeSet<Uuid>,
    /// By member: the place of the key that they have at this link, among those they have or had.
    keys: BTreeMap<Uuid, usize>,
}

impl OfLine {
    pub fn new(signers: Arc<Signers>) -> Self {
        Self {
            signers,
            disabled: BTreeSet::new(),
            keys: BTreeMap::new(),
        }
    }

    /// Returns what is wrong with the signature of the next link; `None` if nothing is.
    pub fn judge(
        &mut self,
        link: &Link,
        hash: &[u8; 32],
        signed: Option<Signed<'_>>,
    ) -> Option<&'static str> {
        if !self.signers.has_signed(link, hash, signed) {
            return Some("is not signed by whom it names");
        }
        let signed = signed.filter(|_| link.actor.is_some());
        let place = signed.and_then(|signed| {
            let place = self.signers.place_of_key(hash, signed)?;
            Some((signed.by, place))
        });
        let mut wrong = None;
        if let Some((by, place)) = place {
            let now = self.keys.entry(by).or_default();
            if place < *now {
                wrong = Some("is signed with a key that was replaced before");
            }
            *now = place + usize::from(link.action == Action::PasswordChanged);
            if self.disabled.contains(&by) {
                wrong = Some("is signed by a member who was locked out before");
            }
        }
        match (link.action, link.object) {
            (Action::MemberDisabled, Some(member)) => {
                self.disabled.insert(member);
            }
            // A member who is given the line was let in before, which the line's chain does not say if they did not
            // work on it then.
            (Action::MemberEnabled | Action::Granted, Some(member)) => {
                self.disabled.remove(&member);
            }
            _ => {}
        }
        wrong
    }
}
