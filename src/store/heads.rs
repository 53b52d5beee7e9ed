//! The last link of each chain that this node has seen, in memory and in the file `heads` beside the service secret. A
//! database whose chains end before these links, or differ there, was put back to an earlier state: rows that were
//! replaced since would be valid in it again. Such a database is refused.
//!
//! The file has a line for each chain: the installation, number and hash of the link, and the chain, as in
//! `0f8e… 57 9f2c… fcg-5`. Commands and the service of one machine share it, and so may several installations whose
//! secrets are in one folder.

use super::audit::{self, Act, SERVICE};
use super::{Db, Result, StoreError};
use crate::base::private::{new_private_file, sync_folder_of};
use crate::vault::action::Action;
use crate::vault::chain::{self, Link};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use uuid::Uuid;

/// Minimum time between two times at which chains name each other's last links.
const DAY: TimeDelta = TimeDelta::days(1);

/// Number and hash of a link.
pub type Head = (i64, [u8; 32]);

/// The last links that were seen, by chain.
#[derive(Debug, Default)]
pub struct Heads {
    seen: Mutex<BTreeMap<String, Head>>,
    file: OnceLock<PathBuf>,
    installation: OnceLock<Uuid>,
    /// Chains of which an earlier state was accepted: what the file holds of them does not count.
    accepted: Mutex<BTreeSet<String>>,
}

impl Heads {
    /// Sets the file, and adds what it holds to what was seen. Lines that cannot be read are skipped: the machine may
    /// have lost power while the file was written.
    ///
    /// # Errors
    ///
    /// When the file exists and cannot be read.
    pub(super) fn load(&self, file: &Path) -> io::Result<()> {
        let (read, _) = self.read(file)?;
        self.file.get_or_init(|| file.to_owned());
        for (chain, head) in read {
            self.see(&chain, head);
        }
        Ok(())
    }

    /// Writes the file, with what it holds already of chains that another process has seen further. Does nothing before
    /// [`Heads::load`], or when the file has all that was seen.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written.
    pub(super) fn save(&self) -> io::Result<()> {
        let Some(file) = self.file.get() else {
            return Ok(());
        };
        let (before, others) = self.read(file)?;
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        for (chain, head) in &before {
            if !accepted.contains(chain) {
                self.see(chain, *head);
            }
        }
        let seen = self.all();
        if seen == before {
            return Ok(());
        }
        let mut text = others;
        let installation = self.installation();
        for (chain, head) in &seen {
            let head = self::text(*head).replacen(':', " ", 1);
            let _ = writeln!(text, "{installation} {head} {chain}");
        }
        // Another process may write at the same time.
        let new = file.with_extension(format!("new-{}", std::process::id()));
        let _ = fs::remove_file(&new);
        let mut written = new_private_file(&new)?;
        written.write_all(text.as_bytes())?;
        written.sync_all()?;
        as_folder(&new, file);
        fs::rename(&new, file)?;
        accepted.clear();
        sync_folder_of(file)
    }

    /// Sets the installation, unless it is set already.
    pub(super) fn set_installation(&self, installation: Uuid) {
        self.installation.get_or_init(|| installation);
    }

    fn installation(&self) -> Uuid {
        self.installation.get().copied().unwrap_or_default()
    }

    /// Returns what the file holds of this installation, and its lines of others.
    fn read(&self, file: &Path) -> io::Result<(BTreeMap<String, Head>, String)> {
        let text = match fs::read_to_string(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text?,
        };
        let own = format!("{} ", self.installation());
        let of_own = text.lines().filter_map(|line| line.strip_prefix(&own));
        let others = text.lines().filter(|line| !line.starts_with(&own));
        let others = others.filter(|line| line.split(' ').next().is_some_and(is_id));
        let others = others.fold(String::new(), |all, line| all + line + "\n");
        Ok((of_own.filter_map(parse).collect(), others))
    }

    /// Adds the last link of a chain, unless a later one was seen.
    pub(super) fn see(&self, chain: &str, head: Head) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.get_mut(chain) {
            Some(last) if last.0 >= head.0 => {}
            Some(last) => *last = head,
            None => {
                seen.insert(chain.to_owned(), head);
            }
        }
    }

    /// Forgets what was seen of a chain, because the operator has accepted an earlier state of it.
    pub(super) fn accept(&self, chain: &str, head: Head) {
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.insert(chain.to_owned());
        drop(accepted);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(chain.to_owned(), head);
    }

    /// Returns the last link that was seen of a chain.
    pub fn of(&self, chain: &str) -> Option<Head> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(chain).copied()
    }

    /// Returns the last links that were seen, by chain.
    pub fn all(&self) -> BTreeMap<String, Head> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone()
    }

    /// Checks the last link of a chain in the database, as read after the last commit of this process.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError::PutBack`] when a later link was seen, or another one with the same number.
    pub(super) fn check(&self, chain: &str, now: Head) -> Result<()> {
        self.of(chain)
            .map_or(Ok(()), |seen| compare(chain, seen, now))
    }
}

impl Db {
    /// Reads the last links that this node has seen from this file, beside the service secret, and checks that the
    /// chains still have them.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError::PutBack`] when a chain does not. Also when the database fails, or the file cannot be read.
    pub async fn check_heads(&self, file: &Path) -> Result<()> {
        self.proofs().heads().load(file).map_err(|error| {
            let named = format!("{} cannot be read: {error}", file.display());
            StoreError::Failed(sqlx::Error::Io(io::Error::new(error.kind(), named)))
        })?;
        self.check_heads_seen().await
    }

    /// Checks that the chains still have the last links that this node has seen, and sees the links that other nodes
    /// have added since.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError::PutBack`] when a chain does not. Also when the database fails.
    pub async fn check_heads_seen(&self) -> Result<()> {
        let heads = self.proofs().heads();
        // Read before the transaction begins, which sees all that was committed until then.
        let seen = heads.all();
        let mut tx = self.begin_read().await?;
        let hashes = audit::hashes(&mut tx, &seen).await?;
        let now = audit::all_heads(&mut tx).await?;
        for (chain, head) in &seen {
            let last = now.get(chain).copied().unwrap_or(0);
            if last < head.0 {
                return Err(put_back(chain, head.0, last));
            }
            // If it is another one, another chain was made in place of this one.
            let is_other = hashes.get(chain) != Some(&head.1);
            if is_other && head.0 > 0 {
                return Err(put_back(chain, head.0, last));
            }
        }
        for (chain, last) in now {
            if seen.get(&chain).is_some_and(|head| head.0 >= last) {
                continue;
            }
            // A link whose MAC holds was written by a node; that the links between them hold is verified elsewhere.
            if let Some(hash) = audit::proven_hash(&mut tx, &chain, last).await? {
                heads.see(&chain, (last, hash));
            }
        }
        Ok(())
    }

    /// Accepts chains that were put back to an earlier state than this node has seen, and adds a link to each of them
    /// that says so. `at` is line time. Returns their names.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn accept_heads(&self, at: DateTime<Utc>) -> Result<Vec<String>> {
        let mut accepted = Vec::new();
        for (chain, seen) in self.proofs().heads().all() {
            let mut tx = self.begin_read().await?;
            let now = audit::head(&mut tx, &chain).await?;
            let now = now.unwrap_or_else(|| (0, chain::genesis(&chain)));
            let kept = audit::is_seen(&mut tx, &chain, seen, now).await;
            drop(tx);
            match kept {
                Err(StoreError::PutBack { .. }) => {}
                kept => {
                    kept?;
                    continue;
                }
            }
            self.proofs().heads().accept(&chain, now);
            self.proofs().service().forget();
            let mut tx = self.begin().await?;
            let text = text(seen);
            let act = Act {
                detail: Some(&text),
                ..Act::new(at, Action::HeadAccepted)
            };
            audit::append(&mut tx, &chain, act);
            tx.commit().await?;
            accepted.push(chain);
        }
        Ok(accepted)
    }

    /// Names the last link of each line in the chain of the service, and the last link of that chain in each line's, if
    /// that was not done for a day: so no chain can be rewritten alone. Lines of which nothing was recorded since are left
    /// out. `now` is line time.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn name_heads(&self, now: DateTime<Utc>) -> Result<()> {
        let last = self.proofs().service().named_at();
        if last.is_none_or(|last| now - last < DAY) {
            return Ok(());
        }
        let mut after = String::new();
        loop {
            let mut tx = self.begin().await?;
            let heads = audit::heads_to_name(&mut tx, &after).await?;
            let service = audit::head(&mut tx, SERVICE).await?;
            let (Some((line, ..)), Some(service)) = (heads.last(), service) else {
                return Ok(());
            };
            after.clone_from(line);
            for (line, seq, hash) in &heads {
                let head = format!("{line} {}", text((*seq, audit::read_hash(hash.clone())?)));
                let act = |detail| Act {
                    detail: Some(detail),
                    ..Act::new(now, Action::HeadNamed)
                };
                audit::append(&mut tx, SERVICE, act(&head));
                audit::append(&mut tx, line, act(&text(service)));
            }
            tx.commit().await?;
        }
    }

    /// Writes the last links that this node has seen to their file. Does nothing before [`Db::check_heads`].
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn save_heads(&self) -> std::io::Result<()> {
        self.proofs().heads().save()
    }
}

/// Checks that a chain that ends with `now` was not put back to a state before the link `seen`.
///
/// # Errors
///
/// Returns [`StoreError::PutBack`] when `now` comes before `seen`, or is another link with the same number.
pub(super) fn compare(chain: &str, seen: Head, now: Head) -> Result<()> {
    match now.0 > seen.0 || now == seen {
        true => Ok(()),
        false => Err(put_back(chain, seen.0, now.0)),
    }
}

/// Returns the error for a chain that ends with link `now`, or has another link there, although link `seen` was seen.
pub(super) fn put_back(chain: &str, seen: i64, now: i64) -> StoreError {
    let chain = match chain {
        SERVICE => "the service".to_owned(),
        line => format!("line {line}"),
    };
    StoreError::PutBack { chain, seen, now }
}

/// Returns a head as `audit verify` prints it, such as `57:9f2c…`.
pub(super) fn text((seq, hash): Head) -> String {
    let mut text = format!("{seq}:");
    for byte in hash {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Gives a file the owner of the folder: a command that root runs must not leave a file that the service cannot read.
/// Only root can do that, and only then it is needed.
#[cfg(unix)]
fn as_folder(new: &Path, file: &Path) {
    use std::os::unix::fs::{MetadataExt, chown};
    if let Some(Ok(folder)) = file.parent().map(fs::metadata) {
        let _ = chown(new, Some(folder.uid()), Some(folder.gid()));
    }
}

#[cfg(not(unix))]
fn as_folder(_: &Path, _: &Path) {}

/// Returns the line and the link that a link of the service's chain names; `None` if it is another link.
pub(super) fn named(link: &Link) -> Option<(&str, Head)> {
    let detail = link.detail.as_deref()?;
    let (line, head) = detail.split_once(' ')?;
    let head = read(head).filter(|_| link.action == Action::HeadNamed);
    Some((line, head?))
}

/// Returns the link of the service's chain that a link of a line's chain names; `None` if it is another link.
pub fn named_of_service(link: &Link) -> Option<Head> {
    let head = read(link.detail.as_deref()?);
    head.filter(|_| link.action == Action::HeadNamed)
}

/// Reads a head as `audit verify` prints it, such as `57:9f2c…`.
pub fn read(text: &str) -> Option<Head> {
    let (seq, hash) = text.split_once(':')?;
    Some((seq.parse().ok()?, read_hex(hash)?))
}

fn read_hex(hex: &str) -> Option<[u8; 32]> {
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    let mut hash = [0; 32];
    for (i, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(hash)
}

fn is_id(text: &str) -> bool {
    text.parse::<Uuid>().is_ok()
}

fn parse(line: &str) -> Option<(String, Head)> {
    let mut words = line.splitn(3, ' ');
    let seq = words.next()?.parse().ok()?;
    let hash = read_hex(words.next()?)?;
    let chain = words.next()?.to_owned();
    Some((chain, (seq, hash)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_keeps_what_was_seen_of_each_chain() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("heads");
        let heads = Heads::default();
        heads.see("x", (9, [9; 32]));
        heads.save().unwrap();
        assert!(!file.exists(), "there is no file yet");
        heads.load(&file).unwrap();
        heads.see("fcg-5", (57, [0x9f; 32]));
        heads.save().unwrap();
        let other = Heads::default();
        other.load(&file).unwrap();
        assert_eq!(other.of("fcg-5"), Some((57, [0x9f; 32])));
        assert_eq!(other.of("x"), Some((9, [9; 32])));
        // Another process has seen less of one chain and more of the other.
        other.see("fcg-5", (56, [1; 32]));
        other.see("x", (10, [1; 32]));
        heads.see("fcg-5", (58, [2; 32]));
        other.save().unwrap();
        heads.save().unwrap();
        let third = Heads::default();
        third.load(&file).unwrap();
        assert_eq!(
            third.all(),
            BTreeMap::from([
                ("fcg-5".to_owned(), (58, [2; 32])),
                ("x".to_owned(), (10, [1; 32])),
            ])
        );
    }

    #[test]
    fn a_damaged_line_is_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("heads");
        let hash = "ab".repeat(32);
        let id = Uuid::nil();
        let text = format!(
            "{id} 1 {hash} a\n\n{id} 2 {} b\n{id} x {hash} c\n{id} 3 {hash}\n4 {hash} d\n{id} 4 {hash} d e\n{id} 5 {hash}",
            &hash[2..]
        );
        fs::write(&file, text).unwrap();
        let heads = Heads::default();
        heads.load(&file).unwrap();
        let chains: Vec<String> = heads.all().into_keys().collect();
        assert_eq!(chains, ["a", "d e"]);
    }

    #[test]
    fn installations_share_the_file_and_do_not_see_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("heads");
        let [one, two] = [1, 2].map(|n| {
            let heads = Heads::default();
            heads.set_installation(Uuid::from_bytes([n; 16]));
            heads.load(&file).unwrap();
            heads
        });
        one.see("fcg-5", (57, [1; 32]));
        one.save().unwrap();
        two.see("fcg-5", (3, [2; 32]));
        two.save().unwrap();
        one.see("fcg-5", (58, [1; 32]));
        one.save().unwrap();
        assert_eq!(one.of("fcg-5"), Some((58, [1; 32])));
        assert_eq!(two.of("fcg-5"), Some((3, [2; 32])));
        let again = Heads::default();
        again.set_installation(Uuid::from_bytes([2; 16]));
        again.load(&file).unwrap();
        assert_eq!(again.of("fcg-5"), Some((3, [2; 32])));
    }

    #[test]
    fn an_earlier_or_another_link_is_refused() {
        let heads = Heads::default();
        assert!(heads.check("a", (0, [0; 32])).is_ok(), "nothing was seen");
        heads.see("a", (5, [5; 32]));
        assert!(heads.check("a", (5, [5; 32])).is_ok());
        assert!(heads.check("a", (6, [6; 32])).is_ok());
        assert!(heads.check("b", (1, [1; 32])).is_ok());
        for now in [(4, [4; 32]), (5, [6; 32]), (0, [0; 32])] {
            assert!(matches!(
                heads.check("a", now),
                Err(StoreError::PutBack { seen: 5, .. })
            ));
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("heads");
        heads.load(&file).unwrap();
        heads.save().unwrap();
        heads.accept("a", (4, [4; 32]));
        assert!(heads.check("a", (4, [4; 32])).is_ok());
        heads.save().unwrap();
        let other = Heads::default();
        other.load(&file).unwrap();
        assert_eq!(
            other.of("a"),
            Some((4, [4; 32])),
            "the file has the accepted one"
        );
    }
}
