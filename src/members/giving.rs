//! Passes on the keys of lines. Keys are opened, and sealed to the receiving member, on a blocking thread before the
//! transaction that stores them. The transaction then checks that the lines' keys are still the same.

use super::{MemberError, confirming, write_grant};
use crate::base::clock::Clock;
use crate::report::role::Role;
use crate::store::keys::{self, LineKey};
use crate::store::members::{self, Member};
use crate::store::{Db, StoreError, WriteTx};
use crate::vault::seal::{Identity, Recipient, open_identity, seal_identity};
use crate::vault::signers::RECOVERY_KEY;
use crate::vault::signing::Signer;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Whose key opens the line keys that are passed on.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// A lead who holds the key.
    Member(&'a Member, &'a Identity),
    /// The recovery key on paper.
    Recovery(&'a Identity),
}

impl Source<'_> {
    /// Returns the actor for the audit trail: the lead's name, or `recovery key`.
    fn actor(&self) -> &str {
        match self {
            Self::Member(member, _) => &member.name,
            Self::Recovery(_) => RECOVERY_KEY,
        }
    }

    fn identity(&self) -> &Identity {
        match self {
            Self::Member(_, identity) | Self::Recovery(identity) => identity,
        }
    }
}

/// The keys of some lines, sealed to one member: of each line the current key, and those that reports are still sealed
/// to, as far as the source opens them. [`grant`] stores them in the database.
pub struct SealedKeys {
    actor: String,
    /// Signs the links about the keys; `None` if there are no lines and the source is a recovery key.
    signer: Option<Signer>,
    /// The lead who passes the keys on; `None` for a recovery key.
    from: Option<Uuid>,
    /// The public key that the line keys are sealed to.
    recipient: String,
    /// Keys by line, in the order in which the lines were given.
    of_lines: Vec<(String, Vec<SealedKey>)>,
}

/// A line key, and its private half sealed to the member.
struct SealedKey {
    key: LineKey,
    sealed: Vec<u8>,
}

impl SealedKeys {
    /// Returns the actor for the audit trail: the name of the lead who passes the keys on, or `recovery key`.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// Returns the lines the keys belong to.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.of_lines.iter().map(|(line, _)| line.as_str())
    }
}

/// Seals the keys of lines ([`SealedKeys`]) to a member who need not be in the database yet. After a line's recovery key
/// was replaced, the present one does not open the line's former keys: the member is given the current key, and so gets
/// each report once it is sealed to that key.
///
/// # Errors
///
/// Returns [`MemberError::NoReports`] when `lines` is not empty and the member's role does not work on reports;
/// [`MemberError::NoLead`] when the source is a member who is no lead; [`MemberError::NoKey`] when a line has no key;
/// [`MemberError::NotHeld`] when the lead does not hold a key; [`MemberError::WrongRecovery`] when the recovery key
/// does not open a line's current key. Also when the database fails, or holds a key that cannot be read.
pub async fn seal_keys(
    db: &Db,
    from: Source<'_>,
    to: &Member,
    lines: &[String],
) -> Result<SealedKeys, MemberError> {
    if !lines.is_empty() && !to.role.works_on_reports() {
        return Err(MemberError::NoReports(to.role));
    }
    let recipient: Recipient = to
        .recipient
        .parse()
        .map_err(|_| StoreError::Unreadable("member's key"))?;
    let found = to_be_opened(db, from, lines).await?;
    let signer = match from {
        Source::Member(member, identity) => Some(Signer::new(member.id, identity)),
        Source::Recovery(identity) => {
            let current = found.iter().find_map(|(_, keys)| keys.last());
            current.map(|current| Signer::new(current.key.id, identity))
        }
    };
    let own = from.identity().clone();
    let seal = move || {
        let of_lines = found.into_iter().map(|(line, keys)| {
            let last = keys.len().saturating_sub(1);
            let mut sealed = Vec::new();
            for (place, key) in keys.into_iter().enumerate() {
                match key.sealed_to(&own, &recipient) {
                    Err(MemberError::WrongRecovery(_)) if place < last => {}
                    key => sealed.push(key?),
                }
            }
            Ok((line, sealed))
        });
        of_lines.collect::<Result<Vec<_>, MemberError>>()
    };
    let sealed = tokio::task::spawn_blocking(seal).await;
    Ok(SealedKeys {
        actor: from.actor().to_owned(),
        signer,
        from: match from {
            Source::Member(member, _) => Some(member.id),
            Source::Recovery(_) => None,
        },
        recipient: to.recipient.clone(),
        of_lines: sealed
            .map_err(|_| StoreError::Broken("a thread that seals keys has stopped"))??,
    })
}

/// A line key, with its private half sealed to the source's key.
struct ToBeOpened {
    key: LineKey,
    sealed: Vec<u8>,
    by_recovery: bool,
}

impl ToBeOpened {
    fn sealed_to(self, own: &Identity, recipient: &Recipient) -> Result<SealedKey, MemberError> {
        let opened = open_identity(&self.sealed, own);
        let identity = opened.map_err(|_| match self.by_recovery {
            true => MemberError::WrongRecovery(self.key.line.clone()),
            false => StoreError::Unreadable("grant").into(),
        })?;
        Ok(SealedKey {
            sealed: seal_identity(&identity, &[recipient]),
            key: self.key,
        })
    }
}

async fn to_be_opened(
    db: &Db,
    from: Source<'_>,
    lines: &[String],
) -> Result<Vec<(String, Vec<ToBeOpened>)>, MemberError> {
    let mut tx = db.begin_read().await?;
    let mut all = Vec::new();
    for line in lines {
        all.extend(keys::needed(&mut tx, line).await?);
    }
    let held = match from {
        Source::Member(member, _) if member.role != Role::Lead => {
            return Err(MemberError::NoLead(member.name.clone()));
        }
        Source::Member(member, _) => keys::grants(&mut tx, member.id).await?,
        Source::Recovery(_) => Vec::new(),
    };
    drop(tx);
    let of_key = |key: &LineKey| {
        let sealed = match from {
            Source::Recovery(_) => key.recovery.clone(),
            Source::Member(member, _) => {
                let grant = held.iter().find(|grant| grant.line_key == key.id);
                let not_held = || MemberError::NotHeld(member.name.clone(), key.line.clone());
                grant.ok_or_else(not_held)?.sealed.clone()
            }
        };
        Ok(ToBeOpened {
            key: key.clone(),
            sealed,
            by_recovery: matches!(from, Source::Recovery(_)),
        })
    };
    let of_line = |line: &String| {
        let keys = all.iter().filter(|key| key.line == *line);
        let found: Vec<_> = keys.map(of_key).collect::<Result<_, MemberError>>()?;
        match found.is_empty() {
            true => Err(MemberError::NoKey(line.clone())),
            false => Ok((line.clone(), found)),
        }
    };
    lines.iter().map(of_line).collect()
}

/// Stores that a member holds these keys, and records it in the trail of each line. Ends the waiver of each line that
/// has three members or more then. Locks the members until the transaction ends.
///
/// # Errors
///
/// Returns [`MemberError::KeysChanged`] when the keys of a line, or the member's public key, are no longer those that
/// were used for sealing, and [`MemberError::NotHeld`] when the lead does not hold a key any more. Also when the
/// database fails.
pub async fn grant(
    tx: &mut WriteTx,
    clock: &Clock,
    keys: &SealedKeys,
    to: &Member,
) -> Result<(), MemberError> {
    if let Some(signer) = &keys.signer {
        tx.sign_as(signer.clone());
    }
    // Locked, so that if two members are given a line at the same time, the second transaction counts the first member
    // too, and ends the waiver if the line has three.
    members::lock(tx).await?;
    for (line, sealed) in &keys.of_lines {
        if !are_now(tx, keys, line, sealed).await? || to.recipient != keys.recipient {
            return Err(MemberError::KeysChanged(line.clone()));
        }
        for SealedKey { key, sealed } in sealed {
            if let Some(from) = keys.from
                && keys::grant(tx, key.id, from).await?.is_none()
            {
                return Err(MemberError::NotHeld(keys.actor.clone(), line.clone()));
            }
            write_grant(tx, clock, key, sealed, to, &keys.actor).await?;
        }
        confirming::end_waiver_of_three(tx, clock, &keys.actor, line).await?;
    }
    Ok(())
}

/// True if these are the keys that the members of the line need now; of a recovery key, which may not open the former
/// ones, if the current key is among them.
async fn are_now(
    tx: &mut WriteTx,
    keys: &SealedKeys,
    line: &str,
    sealed: &[SealedKey],
) -> Result<bool, StoreError> {
    let needed = keys::needed(tx, line).await?;
    let current = needed.last().map(|key| key.id);
    let needed: BTreeSet<Uuid> = needed.iter().map(|key| key.id).collect();
    let given: BTreeSet<Uuid> = sealed.iter().map(|sealed| sealed.key.id).collect();
    Ok(match keys.from {
        Some(_) => needed == given,
        None => given.is_subset(&needed) && current.is_some_and(|current| given.contains(&current)),
    })
}
