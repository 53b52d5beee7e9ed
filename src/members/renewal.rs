//! Another key pair for a member, made when they change their password: an old copy of the database and the old password
//! then open nothing that the member is given later. Everything that is sealed to the member is sealed to the new key.

use super::MemberError;
use crate::base::clock::Clock;
use crate::store::audit::{self, Act};
use crate::store::keys::{self, Grant, GrantsVersion};
use crate::store::members::{self, Member, NextKey};
use crate::store::{Db, StoreError, WriteTx, sessions};
use crate::vault::action::Action;
use crate::vault::passwords::{self, NewPassword};
use crate::vault::seal::{Identity, open_identity, seal_identity};
use crate::vault::session::Wrapping;
use crate::vault::signing::Signer;
use scoped_futures::ScopedFutureExt;
use std::collections::BTreeSet;

/// A member's next key pair, with everything that is sealed to them sealed to it. [`store`] stores it.
pub struct Renewed {
    next: NextKey,
    /// Signs the links of the change with the present key.
    signer: Signer,
    /// The private half, for the session in which the password is changed.
    of_session: Vec<u8>,
    /// The grants, sealed to the new key.
    grants: Vec<Grant>,
    /// Version of the grants that were read.
    version: GrantsVersion,
}

/// Makes another key pair for a member, whose present one is `own`, and seals what is sealed to them to it.
///
/// # Errors
///
/// When the database fails, a grant does not open, or no key could be derived from the password.
pub async fn renew(
    db: &Db,
    member: &Member,
    own: Identity,
    password: NewPassword,
    session: &Wrapping,
) -> Result<Renewed, MemberError> {
    let read = db.read(|tx| {
        async move {
            let version = keys::grants_version(tx, member.id).await?;
            Ok::<_, StoreError>((version, keys::grants(tx, member.id).await?))
        }
        .scope_boxed()
    });
    let (version, mut grants) = read.await?;
    let signer = Signer::new(member.id, &own);
    let identity = Identity::generate();
    let recipient = identity.recipient();
    let reseal = move || {
        for grant in &mut grants {
            let line_key = open_identity(&grant.sealed, &own);
            let line_key = line_key.map_err(|_| StoreError::Unreadable("grant"))?;
            grant.sealed = seal_identity(&line_key, &[&recipient]);
        }
        Ok::<_, StoreError>(grants)
    };
    let grants = tokio::task::spawn_blocking(reseal).await;
    let grants = grants.map_err(|_| StoreError::Broken("a thread that seals keys has stopped"))?;
    Ok(Renewed {
        signer,
        of_session: session.wrap(&identity),
        next: NextKey {
            recipient: identity.recipient().to_string(),
            verifying: Signer::new(member.id, &identity).verifying().to_string(),
            wrapped: passwords::wrap(identity, password).await?,
        },
        grants: grants?,
        version,
    })
}

/// Stores a member's next key pair, ends their sessions except `session`, and records it in the chain of the service and
/// in the trail of each of the member's lines. The member's row must be locked.
///
/// # Errors
///
/// Returns [`MemberError::KeysChanged`] when the member was given a key since the others were sealed. Also when the
/// database fails.
pub async fn store(
    tx: &mut WriteTx,
    clock: &Clock,
    member: &Member,
    renewed: &Renewed,
    session: &[u8; 32],
) -> Result<(), MemberError> {
    if keys::grants_version(tx, member.id).await? != renewed.version {
        return Err(MemberError::KeysChanged(member.name.clone()));
    }
    tx.sign_as(renewed.signer.clone());
    let act = |action| super::about(clock, &member.name, action, member);
    for grant in &renewed.grants {
        keys::reseal_grant(tx, grant, act(Action::GrantRenewed)).await?;
    }
    sessions::end_others(tx, member.id, session, &renewed.of_session).await?;
    // After the links that the present key signs: from then on only the next one counts.
    let lines: BTreeSet<&String> = renewed.grants.iter().map(|grant| &grant.line).collect();
    for line in lines {
        let changed: Act<'_> = act(Action::PasswordChanged);
        audit::append(tx, line, changed);
    }
    members::set_key(tx, member, &renewed.next, act(Action::PasswordChanged)).await?;
    Ok(())
}
