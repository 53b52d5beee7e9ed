//! Seals the keys of a line's reports to the line's current key, after a member was taken off the line
//! (`members/taking_off.rs`), and drops what is sealed to the former keys.
//!
//! The work is done in pieces, each with a transaction of its own, by any member who holds the keys. It can be stopped
//! after any piece; [`Resealing::begin`] finds what is left, on any node. Two may do it at the same time.
//!
//! 1. The keys of up to 200 reports are opened and sealed again on a thread of its own, then stored beside the former ones.
//!    One link commits to the root of a Merkle tree over them, and each row has its path.
//! 2. Once every report has such a row, the former rows are removed, 200 at a time.
//! 3. The grants of the former keys are removed. The keys' rows stay, for `audit verify`.
//!
//! The commit of a piece that is stored waits for the disk, because it adds a link: if the database's machine stopped, a
//! link that a node has seen would be missing, and the node would refuse the database. What is removed is removed again.

use super::{MemberError, releasing};
use crate::base::aside;
use crate::base::clock::{Clock, instant};
use crate::service::Service;
use crate::store::audit::{self, Act};
use crate::store::columns::Holder;
use crate::store::keys::{self, Grant, LineKey};
use crate::store::members::{self, Member};
use crate::store::report_keys::{self, NumberedKey, ReportKeyRow};
use crate::store::{Db, StoreError, WriteTx};
use crate::vault::action::Action;
use crate::vault::merkle;
use crate::vault::seal::{Identity, Recipient, open_identity, seal_identity};
use crate::vault::signing::Signer;
use scoped_futures::ScopedFutureExt;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use uuid::Uuid;

/// Maximum number of reports in a piece. Callers' webhooks wait for the transaction of a piece: on SQLite for all of it,
/// on Postgres while it adds its link to the line's trail.
const AT_ONCE: i64 = 200;
/// Time between two pieces, in which webhooks need not wait: 5,000 reports are 50 pieces, half of them to remove the
/// former rows.
const REST: Duration = Duration::from_millis(100);

/// A former key of the line.
struct Former {
    id: Uuid,
    /// The private half; `None` if no report needs it any more, or only rows that are refused are sealed to it.
    identity: Option<Identity>,
}

/// The work that is left on a line, by one member. Holds the private halves of the line's former keys.
pub struct Resealing {
    line: String,
    actor: Member,
    /// Signs the links as the member.
    signer: Signer,
    /// The line's current key.
    target: LineKey,
    recipient: Recipient,
    /// The line's former keys, the latest first, with their private halves.
    former: Arc<Vec<Former>>,
    /// Index in `former` of the key whose reports are sealed again.
    place: usize,
    /// Reports up to this number are done.
    after: i64,
    /// Number of report keys that could not be sealed again.
    skipped: usize,
    /// The longest time that a transaction of the work took, from its first statement to the end of its commit.
    longest_write: Duration,
}

/// What was done on a line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Finished {
    /// Number of report keys that were sealed to the line's current key.
    pub sealed: usize,
    /// The longest time that a transaction of the work took, from its first statement to the end of its commit.
    pub longest_write: Duration,
}

/// What a piece of the work did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// This many report keys were sealed to the current key; 0 if another process was faster.
    Sealed(usize),
    /// This many report keys that are sealed to a former key were removed.
    Dropped(usize),
    /// The grants of the former keys were removed: nothing is left to do.
    Done,
    /// The line has another key now, or the work has to be planned anew for another reason: see [`Resealing::begin`].
    Changed,
}

impl Resealing {
    /// Finds what is left to do on a line. `own` is the member's private key. Returns `None` when nothing is.
    ///
    /// # Errors
    ///
    /// Returns [`MemberError::NotHeld`] when the member is locked out, or does not hold the line's current key, or a former
    /// one to which reports are sealed. Also when the database fails, or a grant does not open.
    pub async fn begin(
        db: &Db,
        member: &Member,
        own: &Identity,
        line: &str,
    ) -> Result<Option<Self>, MemberError> {
        let mut tx = db.begin_read().await?;
        let not_held = || MemberError::NotHeld(member.name.clone(), line.to_owned());
        let Some(target) = keys::current_key(&mut tx, line).await? else {
            return Ok(None);
        };
        // Otherwise each piece would find that the work has to be planned anew.
        let now = members::by_id(&mut tx, member.id).await?;
        if now.is_none_or(|now| now.disabled) {
            return Err(not_held());
        }
        let granted = keys::grants_of_line(&mut tx, line).await?;
        let used = keys::sealed_to(&mut tx, line).await?;
        let needed = keys::needed(&mut tx, line).await?;
        let mut all = keys::line_keys(&mut tx).await?;
        drop(tx);
        let of_member = |key: Uuid| {
            let is_it = |grant: &&Grant| grant.line_key == key && grant.member == member.id;
            granted.iter().find(is_it).map(|grant| grant.sealed.clone())
        };
        of_member(target.id).ok_or_else(not_held)?;
        let is_granted = |key: Uuid| granted.iter().any(|grant| grant.line_key == key);
        all.retain(|key| {
            key.line == line
                && key.id != target.id
                && (used.contains(&key.id) || is_granted(key.id))
        });
        if all.is_empty() {
            return Ok(None);
        }
        let mut former = Vec::new();
        for key in all.iter().rev() {
            let sealed = match needed.iter().any(|needed| needed.id == key.id) {
                true => Some(of_member(key.id).ok_or_else(not_held)?),
                false => None,
            };
            former.push((key.id, sealed));
        }
        let (own, signer) = (own.clone(), Signer::new(member.id, own));
        let open = move || {
            let opened = former.into_iter().map(|(id, sealed)| {
                let identity = sealed
                    .map(|sealed| open_identity(&sealed, &own))
                    .transpose();
                identity.map(|identity| Former { id, identity })
            });
            opened.collect::<Result<Vec<_>, _>>()
        };
        let former = on_thread(open).await?;
        let former = former.map_err(|_| StoreError::Unreadable("grant"))?;
        Ok(Some(Self {
            recipient: target
                .recipient
                .parse()
                .map_err(|_| StoreError::Unreadable("line key"))?,
            line: line.to_owned(),
            actor: member.clone(),
            signer,
            target,
            former: Arc::new(former),
            place: 0,
            after: 0,
            skipped: 0,
            longest_write: Duration::ZERO,
        }))
    }

    /// Does the next piece of the work.
    ///
    /// # Errors
    ///
    /// Returns [`MemberError::NotResealed`] when all report keys but some are sealed again; then nothing is dropped.
    /// Also when the database fails.
    pub async fn piece(&mut self, db: &Db, clock: &Clock) -> Result<Piece, MemberError> {
        while let Some(former) = self.former.get(self.place) {
            let mut tx = db.begin_read().await?;
            let (target, after) = (self.target.id, self.after);
            let (found, refused) =
                report_keys::to_reseal(&mut tx, former.id, target, after, AT_ONCE).await?;
            drop(tx);
            let all = found.iter().chain(&refused);
            let Some(last) = all.map(|key| key.n).max() else {
                (self.place, self.after) = (self.place + 1, 0);
                continue;
            };
            let asked = found.len() + refused.len();
            let (keys, sealed) = self.seal(found).await?;
            let piece = match keys.is_empty() {
                true => Piece::Sealed(0),
                false => self.store(db, clock, &keys, &sealed).await?,
            };
            // If another process was faster, the rest of the piece is looked for again.
            if piece != Piece::Sealed(0) || keys.is_empty() {
                self.after = last;
                self.skipped += asked - keys.len();
            }
            return Ok(piece);
        }
        if self.skipped > 0 {
            return Err(MemberError::NotResealed(self.line.clone(), self.skipped));
        }
        let former: Vec<Uuid> = self.former.iter().map(|former| former.id).collect();
        for former in former {
            match self.drop_of(db, former).await? {
                Piece::Dropped(0) => {}
                piece => return Ok(piece),
            }
        }
        self.retire(db, clock).await
    }

    /// Opens the keys of reports, and seals them to the line's current key. Returns those that opened, and the new
    /// rows, with their paths.
    async fn seal(
        &self,
        found: Vec<NumberedKey>,
    ) -> Result<(Vec<NumberedKey>, Vec<ReportKeyRow>), MemberError> {
        let (former, place) = (Arc::clone(&self.former), self.place);
        let (recipient, target) = (self.recipient.clone(), self.target.id);
        let seal = move || {
            let own = former
                .get(place)
                .and_then(|former| former.identity.as_ref());
            let (mut opened, mut rows) = (Vec::new(), Vec::new());
            for key in found {
                let own = own.filter(|_| key.key.holder == Holder::Line);
                let Some(Ok(identity)) = own.map(|own| open_identity(&key.key.sealed, own)) else {
                    tracing::error!(report = %key.key.report, "the key of a report does not open; it is not sealed to the line's next key");
                    continue;
                };
                rows.push(ReportKeyRow {
                    sealed_to: target,
                    sealed: seal_identity(&identity, &[&recipient]),
                    ..key.key.clone()
                });
                opened.push(key);
            }
            let leaves = rows
                .iter()
                .map(|row| merkle::leaf_of_key(row.report, &row.sealed));
            let leaves: Vec<[u8; 32]> = leaves.collect();
            if let Some((_, paths)) = merkle::tree(&leaves) {
                for (row, path) in rows.iter_mut().zip(paths) {
                    row.path = Some(path);
                }
            }
            (opened, rows)
        };
        Ok(on_thread(seal).await?)
    }

    /// Stores the keys of a piece, with the link that commits to them.
    async fn store(
        &mut self,
        db: &Db,
        clock: &Clock,
        keys: &[NumberedKey],
        sealed: &[ReportKeyRow],
    ) -> Result<Piece, MemberError> {
        let leaves = sealed
            .iter()
            .map(|row| merkle::leaf_of_key(row.report, &row.sealed));
        let root = merkle::tree(&leaves.collect::<Vec<_>>()).map(|(root, _)| root);
        let count = sealed.len().to_string();
        let (this, mut began) = (&*self, instant());
        let store = db.write(|tx| {
            began = instant();
            let count = &count;
            async move {
                tx.sign_as(this.signer.clone());
                keys::lock_for_piece(tx, &this.line).await?;
                if !this.is_valid(tx).await? {
                    return Ok(Piece::Changed);
                }
                if report_keys::is_any_resealed(tx, keys, this.target.id).await? {
                    return Ok(Piece::Sealed(0));
                }
                let act = Act {
                    object: Some(this.target.id),
                    digest: root,
                    detail: Some(count),
                    ..this.act(clock, Action::ReportKeysResealed)
                };
                report_keys::insert(tx, &this.line, sealed.to_vec(), act);
                Ok::<_, StoreError>(Piece::Sealed(sealed.len()))
            }
            .scope_boxed()
        });
        let stored = store.await?;
        self.longest_write = self.longest_write.max(began.elapsed());
        Ok(stored)
    }

    /// Removes report keys that are sealed to a former key, at most [`AT_ONCE`].
    async fn drop_of(&mut self, db: &Db, former: Uuid) -> Result<Piece, MemberError> {
        let (this, mut began) = (&*self, instant());
        let drop = db.write_unflushed(|tx| {
            began = instant();
            async move {
                keys::lock_for_piece(tx, &this.line).await?;
                if !this.is_valid(tx).await? {
                    return Ok(Piece::Changed);
                }
                let dropped = report_keys::drop_former(tx, former, this.target.id, AT_ONCE).await?;
                Ok::<_, StoreError>(Piece::Dropped(dropped))
            }
            .scope_boxed()
        });
        let dropped = drop.await?;
        self.longest_write = self.longest_write.max(began.elapsed());
        Ok(dropped)
    }

    /// Removes all grants of the former keys, unless a report is sealed to one of them.
    async fn retire(&mut self, db: &Db, clock: &Clock) -> Result<Piece, MemberError> {
        let (this, mut began) = (&*self, instant());
        let retire = db.write(|tx| {
            began = instant();
            async move {
                tx.sign_as(this.signer.clone());
                // So that no member is given a former key meanwhile.
                members::lock(tx).await?;
                keys::lock(tx, &this.line).await?;
                let used = keys::sealed_to(tx, &this.line).await?;
                if !this.is_valid(tx).await? || used.iter().any(|key| *key != this.target.id) {
                    return Ok(Piece::Changed);
                }
                let mut grants = keys::grants_of_line(tx, &this.line).await?;
                grants.retain(|grant| grant.line_key != this.target.id);
                let act = this.act(clock, Action::LineKeyRetired);
                keys::delete_grants(tx, &grants, &act).await?;
                let retired: BTreeSet<Uuid> = grants.iter().map(|grant| grant.line_key).collect();
                let former = this.former.iter().map(|former| former.id);
                for key in retired
                    .into_iter()
                    .chain(former)
                    .collect::<BTreeSet<Uuid>>()
                {
                    let act = Act {
                        object: Some(key),
                        ..act.clone()
                    };
                    audit::append(tx, &this.line, act);
                }
                Ok::<_, StoreError>(Piece::Done)
            }
            .scope_boxed()
        });
        let retired = retire.await?;
        self.longest_write = self.longest_write.max(began.elapsed());
        Ok(retired)
    }

    fn act(&self, clock: &Clock, action: Action) -> Act<'_> {
        Act {
            actor: Some(&self.actor.name),
            ..Act::new(clock.line_now(), action)
        }
    }

    /// True if the line's key is still the one that is sealed to, and the member may work on the line.
    async fn is_valid(&self, tx: &mut WriteTx) -> Result<bool, StoreError> {
        let current = keys::current_key(tx, &self.line).await?;
        if current.is_none_or(|current| current.id != self.target.id) {
            return Ok(false);
        }
        let member = members::by_id(tx, self.actor.id).await?;
        let is_in = member.is_some_and(|member| !member.disabled);
        Ok(is_in
            && keys::grant(tx, self.target.id, self.actor.id)
                .await?
                .is_some())
    }
}

/// Puts reports that a member has claimed who does not work on the line any more back into the queue, and does all that
/// is left to do on the line. Stops early, between two pieces, when `stops` returns true.
///
/// # Errors
///
/// As [`Resealing::begin`] and [`Resealing::piece`].
pub async fn finish(
    db: &Db,
    clock: &Clock,
    member: &Member,
    own: &Identity,
    line: &str,
    stops: impl Fn() -> bool,
) -> Result<Finished, MemberError> {
    let mut finished = Finished::default();
    while let Some(mut work) = Resealing::begin(db, member, own, line).await? {
        releasing::release(db, clock, member, &work.signer, line).await?;
        loop {
            if stops() {
                return Ok(finished);
            }
            let piece = work.piece(db, clock).await?;
            finished.longest_write = finished.longest_write.max(work.longest_write);
            match piece {
                Piece::Sealed(more) => finished.sealed += more,
                Piece::Dropped(_) => {}
                Piece::Done => return Ok(finished),
                Piece::Changed => break,
            }
            sleep(REST).await;
        }
    }
    Ok(finished)
}

/// Does what is left to do on a line in the background, until it is done, fails, or the service stops. What is left
/// then is done after the next login of a member who holds the line's keys.
pub fn start(service: &Service, member: &Member, own: &Identity, line: &str) {
    let Some(running) = service.resealing.begin(line, member.id) else {
        return;
    };
    let (db, clock) = (service.db.jobs.clone(), service.clock);
    let (member, own, line) = (member.clone(), own.clone(), line.to_owned());
    let closing = service.closing.subscribe();
    tokio::spawn(async move {
        let stops = || *closing.borrow();
        match finish(&db, &clock, &member, &own, &line, stops).await {
            Ok(done) => tracing::info!(
                line,
                count = done.sealed,
                longest_write_ms = done.longest_write.as_millis(),
                "report keys sealed to the line's next key"
            ),
            Err(error) => {
                tracing::error!(line, %error, "report keys not all sealed to the line's next key; the next login of a member of the line goes on");
            }
        }
        drop(running);
    });
}

/// Returns the lines of which a member holds a former key besides the current one, by the member's grants: there
/// something is left to do.
pub fn unfinished(grants: &[Grant]) -> Vec<String> {
    let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
    for grant in grants {
        *counts.entry(&grant.line).or_default() += 1;
    }
    let unfinished = counts.into_iter().filter(|(_, count)| *count > 1);
    unfinished.map(|(line, _)| line.clone()).collect()
}

/// Runs work that takes processor time. At the lowest priority: callers' webhooks need the processors meanwhile.
async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    let done = aside::run(work).await;
    done.ok_or(StoreError::Broken("a thread that seals keys has stopped"))
}
