//! Checks that rows are what this service wrote: [`crate::vault::proof`] defines the MACs, this module when they are
//! made and checked.
//!
//! A table whose rows say or choose a key or a right has the column `mac`. Its rows are read as [`WithMac`], which gives
//! the row only if its MAC holds. So no function of the store returns a row that another program wrote.
//!
//! The rows of a table with the column `link` are set by links of the chain of the service
//! (`store/service_chain.rs`), and have the number of the link that set them last. The statements that read such rows
//! also read the number of the chain's last link, as `head`: a row is used only if, up to that link, the last link that
//! names it is the row's own. The key of a report that was sealed again has a `link` too, which is one of the line's
//! trail: the MAC covers it, and `register/trail.rs` checks that the link commits to the row.

use super::audit::SERVICE;
use super::audit::{self, Act};
use super::heads::Heads;
use super::service_chain::{ServiceChain, SetRow};
use super::statements::{run, statements};
use super::{ReadTx, Result, StoreError, WriteTx};
use crate::vault::proof::{Content, ProofKeys};
use crate::vault::secret::ServiceSecret;
use sqlx::FromRow;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tracing::error;
use uuid::Uuid;

/// Maximum number of refused rows that are remembered, so that each of them is logged once.
const MAX_REMEMBERED: usize = 1000;

/// The keys of the MACs, and what was refused. All pools of a database share it.
#[derive(Clone, Debug, Default)]
pub struct Proofs(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    keys: OnceLock<ProofKeys>,
    refusals: AtomicU64,
    logged: Mutex<BTreeSet<(&'static str, String)>>,
    heads: Heads,
    service: ServiceChain,
}

impl Proofs {
    /// Sets the service secret and the installation, unless they are set already.
    pub(super) fn set_keys(&self, secret: &ServiceSecret, installation: Uuid) {
        let new = || ProofKeys::new(secret, installation);
        self.0.keys.get_or_init(new);
        self.0.heads.set_installation(installation);
    }

    /// Returns the keys.
    ///
    /// # Errors
    ///
    /// When the service secret was not set: see [`super::Db::prove_with`].
    pub(super) fn keys(&self) -> Result<&ProofKeys> {
        let keys = self.0.keys.get();
        keys.ok_or(StoreError::Broken("the database has no service secret"))
    }

    /// Returns the last links that this node has seen.
    pub fn heads(&self) -> &Heads {
        &self.0.heads
    }

    /// Returns the chain of the service, as far as it was verified.
    pub fn service(&self) -> &ServiceChain {
        &self.0.service
    }

    /// Returns the number of the last link of the service's chain that this node has seen.
    pub(super) fn floor(&self) -> i64 {
        let seen = self.0.heads.of(SERVICE).map_or(0, |(seq, _)| seq);
        seen.max(self.0.service.end().0)
    }

    /// Number of times that a row or link was refused since the process started.
    pub fn refusals(&self) -> u64 {
        self.0.refusals.load(Ordering::Relaxed)
    }

    /// Counts a refusal, and logs it unless the same row was refused before.
    pub(super) fn refuse(&self, table: &'static str, id: &str) -> StoreError {
        self.0.refusals.fetch_add(1, Ordering::Relaxed);
        let mut logged = self.0.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.len() < MAX_REMEMBERED && logged.insert((table, id.to_owned())) {
            error!(
                table,
                id, "refused a row that this service did not write; run `dutyline audit verify`"
            );
        }
        StoreError::Forged(table)
    }
}

/// A row whose MAC covers the columns that say or choose a key or a right.
pub(super) trait Proven {
    /// The name of the table.
    const TABLE: &'static str;

    /// Returns the columns that the MAC covers.
    fn content(&self) -> Content;

    /// Returns the row as links name it; `None` if no link sets such rows.
    fn set_row(&self) -> Option<SetRow> {
        None
    }

    /// True if the row says what the links say that set it. Only rows of members say more than their last link.
    fn agrees(&self, _service: &ServiceChain, _until: i64) -> bool {
        true
    }

    /// Returns what the row is called in the log. It must identify no person.
    fn id(&self) -> Uuid;
}

/// A row as read, with what its proof takes, which is not checked yet.
pub struct WithMac<T> {
    row: T,
    mac: Option<Vec<u8>>,
    /// The number of the link that set the row.
    link: Option<i64>,
    /// The number of the last link of the service's chain at the time of the statement.
    head: Option<i64>,
}

impl<'r, R: sqlx::Row, T: FromRow<'r, R>> FromRow<'r, R> for WithMac<T>
where
    Option<Vec<u8>>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    Option<i64>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    &'static str: sqlx::ColumnIndex<R>,
{
    fn from_row(row: &'r R) -> std::result::Result<Self, sqlx::Error> {
        Ok(Self {
            row: T::from_row(row)?,
            mac: row.try_get("mac")?,
            // Tables whose rows no link sets have neither.
            link: row.try_get("link").unwrap_or(None),
            head: row.try_get("head").unwrap_or(None),
        })
    }
}

impl<T> WithMac<T> {
    /// Returns the number of the last link of the service's chain at the time of the statement; `None` if links set no
    /// such row.
    pub(super) fn head(&self) -> Option<i64> {
        self.head
    }
}

/// A row that a link sets: at the commit it gets the link's number, and its MAC.
#[derive(Debug)]
pub(super) struct Setting {
    pub row: SetRow,
    pub content: Content,
}

statements! {
    SET_MEMBER = "UPDATE members SET link = $2, mac = $3 WHERE id = $1";
    SET_LINE_KEY = "UPDATE line_keys SET link = $2, mac = $3 WHERE id = $1";
    SET_GRANT = "UPDATE grants SET link = $3, mac = $4 WHERE line_key = $1 AND member = $2";
    SET_WAIVER = "UPDATE waivers SET link = $2, mac = $3 WHERE line = $1";
}

impl Setting {
    /// Stores the number of the link that set the row, and the row's MAC.
    pub(super) async fn store(self, tx: &mut WriteTx, link: i64) -> Result<()> {
        let mac = tx.proofs.keys()?.of_row(self.content, Some(link)).to_vec();
        match self.row {
            SetRow::Member(id) => run!(tx, SET_MEMBER, execute, id, link, mac),
            SetRow::LineKey(id) => run!(tx, SET_LINE_KEY, execute, id, link, mac),
            SetRow::Grant(key, member) => run!(tx, SET_GRANT, execute, key, member, link, mac),
            SetRow::Waiver(line) => run!(tx, SET_WAIVER, execute, line, link, mac),
        }
        .map(drop)
    }
}

impl WriteTx {
    /// Adds the link that sets a row to the chain of the service, and commits to the row's content by it. Until the
    /// commit, the row as it is in the database is not checked in this transaction.
    pub(super) fn set<T: Proven>(&mut self, act: Act<'_>, row: SetRow, content: &T) {
        self.pending.insert(row.clone());
        let content = content.content();
        let act = Act {
            digest: Some(content.digest()),
            ..act
        };
        let place = audit::append(self, SERVICE, act);
        self.settings.insert(place, Setting { row, content });
    }

    /// Adds the link that removes a row to the chain of the service.
    pub(super) fn unset(&mut self, act: Act<'_>, row: SetRow) {
        self.pending.insert(row);
        audit::append(self, SERVICE, act);
    }
}

impl ReadTx {
    /// Returns the row if its MAC holds and, if links set such rows, the last link that names the row has set it.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError::Forged`] when it does not, and [`StoreError::PutBack`] when the chain of the service is
    /// shorter than it was. Also when the database fails.
    pub(super) async fn proven<T: Proven>(&mut self, found: WithMac<T>) -> Result<T> {
        if let Some(head) = found.head {
            self.follow_to(head).await?;
        }
        self.check(found)
    }

    fn check<T: Proven>(&self, found: WithMac<T>) -> Result<T> {
        let row = found.row;
        let set_row = row.set_row();
        if set_row
            .as_ref()
            .is_some_and(|set| self.pending.contains(set))
        {
            return Ok(row);
        }
        let (keys, content) = (self.proofs.keys()?, row.content());
        let is_last = match (&set_row, found.link, found.head) {
            (None, ..) => true,
            (Some(set), Some(link), Some(head)) => {
                let service = self.proofs.service();
                service.was_set_last(set, link, content.digest(), head) && row.agrees(service, head)
            }
            (Some(_), ..) => false,
        };
        let has_mac = |mac: &Vec<u8>| keys.has_row(content, found.link, mac);
        match is_last && found.mac.as_ref().is_some_and(has_mac) {
            true => Ok(row),
            false => Err(self.proofs.refuse(T::TABLE, &row.id().to_string())),
        }
    }

    /// Like [`ReadTx::proven`], for what an optional statement found.
    pub(super) async fn proven_one<T: Proven>(
        &mut self,
        found: Option<WithMac<T>>,
    ) -> Result<Option<T>> {
        match found {
            Some(found) => self.proven(found).await.map(Some),
            None => Ok(None),
        }
    }

    /// Like [`ReadTx::proven`], for many rows: none is returned when one is refused.
    pub(super) async fn proven_all<T: Proven>(&mut self, found: Vec<WithMac<T>>) -> Result<Vec<T>> {
        if let Some(head) = found.iter().filter_map(|row| row.head).max() {
            self.follow_to(head).await?;
        }
        found.into_iter().map(|found| self.check(found)).collect()
    }

    /// Like [`ReadTx::proven`], for many rows that do not depend on each other: returns those that are proven, and those
    /// that are refused, which may only be named.
    pub(super) async fn proven_rest<T: Proven + Clone>(
        &mut self,
        found: Vec<WithMac<T>>,
    ) -> Result<(Vec<T>, Vec<T>)> {
        if let Some(head) = found.iter().filter_map(|row| row.head).max() {
            match self.follow_to(head).await {
                // A link that does not hold, or is missing, may have set any of these rows.
                Err(StoreError::Forged(_) | StoreError::PutBack { .. }) => {
                    let refused = found.into_iter().map(|found| found.row);
                    return Ok((Vec::new(), refused.collect()));
                }
                followed => followed?,
            }
        }
        let (mut proven, mut refused) = (Vec::new(), Vec::new());
        for found in found {
            let row = found.row.clone();
            match self.check(found) {
                Ok(row) => proven.push(row),
                Err(StoreError::Forged(_)) => refused.push(row),
                Err(error) => return Err(error),
            }
        }
        Ok((proven, refused))
    }

    /// Checks the MAC of a row that no link sets.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError::Forged`] when it does not hold.
    pub(super) fn prove<T: Proven>(&self, row: &T, mac: Option<&[u8]>) -> Result<()> {
        let keys = self.proofs.keys()?;
        match mac.is_some_and(|mac| keys.has_row(row.content(), None, mac)) {
            true => Ok(()),
            false => Err(self.proofs.refuse(T::TABLE, &row.id().to_string())),
        }
    }

    /// Returns the MAC of a row that no link sets, to be stored with it.
    ///
    /// # Errors
    ///
    /// When the service secret was not set.
    pub(super) fn mac<T: Proven>(&self, row: &T) -> Result<Vec<u8>> {
        self.mac_with(row, None)
    }

    /// Like [`ReadTx::mac`], for the columns of a row.
    pub(super) fn mac_of(&self, content: Content) -> Result<Vec<u8>> {
        Ok(self.proofs.keys()?.of_row(content, None).to_vec())
    }

    /// Like [`ReadTx::mac`], for a row that has the number of a link of the line's trail.
    pub(super) fn mac_with<T: Proven>(&self, row: &T, link: Option<i64>) -> Result<Vec<u8>> {
        Ok(self.proofs.keys()?.of_row(row.content(), link).to_vec())
    }
}
