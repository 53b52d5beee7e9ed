//! Who may sign which link, as the chain of the service says. Pure.
//!
//! A link that a member caused is signed by that member. The first link of the service's chain adds the first lead, and
//! names the public half of the lead's signing key; every other key is named by a link that a lead has signed. With the
//! first lead's key all members can be checked, and neither the database nor the service secret has to be trusted for
//! that. The configuration can pin the first lead's key.
//!
//! | link of the service's chain | detail | signed by |
//! |---|---|---|
//! | `member_added`, the first one | role, key, name | the member whom it adds, the first lead |
//! | `member_added` | role, key, name | a lead, or a line's recovery key |
//! | `password_changed` | new key, name | the member, with the key before |
//! | `member_disabled`, `member_enabled` | name | a lead |
//! | `member_confirmed` | name | another member |
//! | `line_key_made` | line, key of its recovery key | a lead; who holds the line's key before, if there is one |
//! | `granted` | id of the line key | a lead, or the recovery key of that line key |
//! | `grant_renewed` | id of the line key | the member whose grant of that key it is, or a lead |
//! | `taken_off` | id of the line key | a lead |
//! | `line_key_retired` | id of a line key that is not the line's last one | a member |
//! | `confirmation_waived` | line | a lead |
//! | `confirmation_required` | line | a lead, or a recovery key of the line |
//!
//! A link commits to the whole row that it sets. Which columns of a member's row its action may change follows from the
//! links too: see [`Facts`].
//!
//! Parts of a detail are separated by a space; a name is the last part and may contain spaces.

use super::action::Action;
use super::chain::Link;
use super::signing::Verifying;
use crate::report::entries::EntryKind;
use crate::report::role::Role;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// The actor of a link that the holder of a line's recovery key caused.
pub const RECOVERY_KEY: &str = "recovery key";

/// The signature of a link, and the id of who made it: of a member, or of the line key whose recovery key made it.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The member or line key.
    pub by: Uuid,
    /// 64 bytes.
    pub signature: &'a [u8],
}

/// A member, as the links so far say.
#[derive(Clone, Debug)]
struct Person {
    facts: Facts,
    /// The public halves of the member's signing keys. The last one is the present one.
    keys: Vec<Verifying>,
}

/// What the row of a member must say, by the links so far. A link commits to the whole row, so without this, who may
/// cause a link that changes one column could change the others too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The member's name.
    pub name: String,
    /// The member's role.
    pub role: Role,
    /// True if the account is disabled.
    pub is_disabled: bool,
    /// Who added the account: the member with this id, or a recovery key if it is `None`.
    pub made_by: Option<Uuid>,
    /// Who confirmed the account.
    pub confirmed_by: Option<Uuid>,
    /// The public half of the present signing key.
    pub verifying: String,
    /// The row at the last link that set the member's keys.
    pub keyed: Keyed,
}

/// The row of a member at a link that set their keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyed {
    /// The digest of the row.
    pub digest: [u8; 32],
    /// True if the account was disabled then.
    pub is_disabled: bool,
    /// Who had confirmed the account then.
    pub confirmed_by: Option<Uuid>,
}

/// The members and recovery keys that the links of the service's chain name so far.
#[derive(Clone, Debug, Default)]
pub struct Signers {
    people: BTreeMap<Uuid, Person>,
    /// By id of a line key: the line, and the signing key of the recovery key.
    recoveries: BTreeMap<Uuid, (String, Verifying)>,
    /// By line: the id of its last line key.
    current: BTreeMap<String, Uuid>,
    /// The line keys with the members who hold them.
    held: BTreeSet<(Uuid, Uuid)>,
    /// The first lead's key as the configuration pins it.
    pinned: Option<Verifying>,
}

impl Signers {
    /// Returns signers for a chain without links. `pinned` is the key that the first lead must have; `None` if any is
    /// accepted.
    pub fn new(pinned: Option<Verifying>) -> Self {
        Self {
            pinned,
            ..Self::default()
        }
    }

    /// Returns signers for a chain without links, with the same pinned key.
    pub fn unlearned(&self) -> Self {
        Self::new(self.pinned.clone())
    }

    /// True if this link adds the member whose key is pinned, or no key is pinned.
    pub fn is_first(&self, link: &Link) -> bool {
        let Some(pinned) = &self.pinned else {
            return true;
        };
        matches!(Change::of(link), Some(Change::Member(_, key, _)) if key == *pinned)
    }

    /// Adds the next link of the service's chain, which has this hash. Returns false, and adds nothing, if it has to be
    /// signed and is not signed by whom the table above says.
    #[must_use]
    pub fn add(&mut self, link: &Link, hash: &[u8; 32], signed: Option<Signed<'_>>) -> bool {
        let (new, signed) = match (Change::of(link), signed) {
            (Some(new), Some(signed)) => (new, signed),
            // The other links of this chain change nothing of what is kept here.
            _ => return matches!(link.action, Action::HeadAccepted | Action::HeadNamed),
        };
        let Some(key) = self.key_for(link, &new, signed.by) else {
            return false;
        };
        if !key.has_signed(hash, signed.signature) {
            return false;
        }
        self.apply(link, new, signed.by);
        true
    }

    /// Returns the key by which `by` has to sign a link that changes members, keys or grants; `None` if `by` may not
    /// cause it.
    fn key_for(&self, link: &Link, new: &Change, by: Uuid) -> Option<Verifying> {
        if let (Change::Member(_, key, _), true) = (new, self.people.is_empty()) {
            let is_pinned = self.pinned.as_ref().is_none_or(|pinned| pinned == key);
            return (is_pinned && link.object == Some(by)).then(|| key.clone());
        }
        if let Some((line, key)) = self.recoveries.get(&by) {
            // A recovery key that was replaced does not count any more.
            let current = self
                .current
                .get(line)
                .and_then(|id| self.recoveries.get(id));
            if current.is_none_or(|(_, now)| now != key) {
                return None;
            }
            let may = match new {
                Change::Member(..) => true,
                // A recovery key is that of several keys of its line.
                Change::Grant(of) => self.recoveries.get(of).is_some_and(|(_, own)| own == key),
                Change::Waiver(of, Action::ConfirmationRequired) => of == line,
                _ => false,
            };
            let is_named = link.actor.as_deref() == Some(RECOVERY_KEY);
            return (may && is_named).then(|| key.clone());
        }
        let person = self.people.get(&by)?;
        let is_lead = person.facts.role == Role::Lead;
        let is_own = link.object == Some(by);
        let may = match new {
            Change::Member(..) | Change::Grant(_) | Change::TakenOff(_) | Change::Waiver(..) => {
                is_lead
            }
            Change::LineKey(line, _) => {
                let before = self.current.get(line);
                is_lead && before.is_none_or(|before| self.held.contains(&(*before, by)))
            }
            Change::Access(_) if !self.is_known(link) => false,
            Change::Access(Action::MemberConfirmed) => !is_own,
            Change::Access(_) => is_lead,
            Change::Key(..) => is_own,
            // A member seals the grants that they hold to their next key.
            Change::Renewed(key) => is_lead || is_own && self.held.contains(&(*key, by)),
            Change::Retired(key) => self.is_former(*key),
        };
        let is_named = link.actor.as_deref() == Some(person.facts.name.as_str());
        let may = may && is_named && !person.facts.is_disabled;
        person.keys.last().filter(|_| may).cloned()
    }

    /// True if the link is about a member whom a link has added.
    fn is_known(&self, link: &Link) -> bool {
        link.object.is_some_and(|id| self.people.contains_key(&id))
    }

    /// Returns what the row of a member must say; `None` if no link has added the member.
    pub fn facts(&self, member: Uuid) -> Option<&Facts> {
        self.people.get(&member).map(|person| &person.facts)
    }

    /// True if this is the id of a line key that is not the last one of its line.
    fn is_former(&self, key: Uuid) -> bool {
        let line = self.recoveries.get(&key).map(|(line, _)| line);
        line.is_some_and(|line| self.current.get(line) != Some(&key))
    }

    fn apply(&mut self, link: &Link, new: Change, by: Uuid) {
        let object = link.object.unwrap_or_default();
        let digest = link.digest.unwrap_or_default();
        match new {
            Change::Member(role, key, name) => {
                let is_by_recovery = self.recoveries.contains_key(&by);
                let facts = Facts {
                    name,
                    role,
                    is_disabled: false,
                    made_by: (!is_by_recovery).then_some(by),
                    confirmed_by: None,
                    verifying: key.to_string(),
                    keyed: Keyed {
                        digest,
                        is_disabled: false,
                        confirmed_by: None,
                    },
                };
                let person = Person {
                    facts,
                    keys: vec![key],
                };
                // A second link that adds the same member is none of ours.
                self.people.entry(object).or_insert(person);
            }
            Change::Key(key) => {
                if let Some(person) = self.people.get_mut(&object) {
                    let facts = &mut person.facts;
                    facts.verifying = key.to_string();
                    facts.keyed = Keyed {
                        digest,
                        is_disabled: facts.is_disabled,
                        confirmed_by: facts.confirmed_by,
                    };
                    person.keys.push(key);
                }
            }
            Change::Access(action) => {
                if let Some(person) = self.people.get_mut(&object) {
                    match action {
                        Action::MemberDisabled => person.facts.is_disabled = true,
                        Action::MemberEnabled => person.facts.is_disabled = false,
                        _ => {
                            let confirmed_by = person.facts.confirmed_by;
                            person.facts.confirmed_by = confirmed_by.or(Some(by));
                        }
                    }
                }
            }
            Change::LineKey(line, key) => {
                self.current.insert(line.clone(), object);
                self.recoveries.insert(object, (line, key));
            }
            Change::Grant(key) | Change::Renewed(key) => {
                self.held.insert((key, object));
            }
            Change::TakenOff(key) | Change::Retired(key) => {
                self.held.remove(&(key, object));
            }
            Change::Waiver(..) => {}
        }
    }

    /// True if a link of a line's chain is signed by whom its actor names, with any key that the member has or had. A link
    /// without an actor has no signature, and says something that the service itself causes.
    pub fn has_signed(&self, link: &Link, hash: &[u8; 32], signed: Option<Signed<'_>>) -> bool {
        let (actor, signed) = match (&link.actor, signed) {
            (None, signed) => return signed.is_none() && is_of_service(link),
            (Some(_), None) => return false,
            (Some(actor), Some(signed)) => (actor, signed),
        };
        let has_signed = |key: &Verifying| key.has_signed(hash, signed.signature);
        match self.people.get(&signed.by) {
            Some(person) => person.facts.name == *actor && person.keys.iter().any(has_signed),
            None => {
                let recovery = self.recoveries.get(&signed.by);
                let of_line = recovery.filter(|(line, _)| *line == link.line);
                actor == RECOVERY_KEY && of_line.is_some_and(|(_, key)| has_signed(key))
            }
        }
    }

    /// Returns the place of the key that has signed a link among those that the member has had, from 0; `None` if none
    /// of them has.
    pub fn place_of_key(&self, hash: &[u8; 32], signed: Signed<'_>) -> Option<usize> {
        let keys = &self.people.get(&signed.by)?.keys;
        keys.iter()
            .position(|key| key.has_signed(hash, signed.signature))
    }
}

/// True for a link of a line's chain that the service itself may cause. An entry that only members write is none.
fn is_of_service(link: &Link) -> bool {
    match link.action {
        Action::CallAnswered
        | Action::ReportQueued
        | Action::TalkEnded
        | Action::RecordingSealed
        | Action::RecordingLost
        | Action::ReceiptShared
        | Action::EntryPurged
        | Action::Reopen
        | Action::ExportSealed
        | Action::HeadAccepted
        | Action::HeadNamed => true,
        Action::EntryAdded => {
            let kind = link.detail.as_deref().and_then(|kind| kind.parse().ok());
            kind.is_some_and(|kind| match kind {
                EntryKind::Caller
                | EntryKind::Call
                | EntryKind::Talk
                | EntryKind::Recording
                | EntryKind::Take
                | EntryKind::Transcript => true,
                EntryKind::Note
                | EntryKind::Classification
                | EntryKind::Outcome
                | EntryKind::Reply => false,
            })
        }
        _ => false,
    }
}

/// What a link of the service's chain changes.
enum Change {
    /// Adds a member with this role, key and name.
    Member(Role, Verifying, String),
    /// Replaces a member's key.
    Key(Verifying),
    /// Disables, enables or confirms a member.
    Access(Action),
    /// Makes a key of this line, whose recovery key has this signing key.
    LineKey(String, Verifying),
    /// Grants this line key.
    Grant(Uuid),
    /// Grants this line key to a member who works on the line already.
    Renewed(Uuid),
    /// Removes the grant of this line key, because its holder is taken off the line.
    TakenOff(Uuid),
    /// Removes the grant of this line key, to which no report is sealed any more.
    Retired(Uuid),
    /// Sets or ends the waiver of this line.
    Waiver(String, Action),
}

impl Change {
    /// Returns what a link changes; `None` if it changes nothing of what is listed, or cannot be read.
    fn of(link: &Link) -> Option<Self> {
        let detail = link.detail.as_deref();
        match link.action {
            Action::MemberAdded => {
                let mut parts = detail?.splitn(3, ' ');
                let (role, key, name) = (parts.next()?, parts.next()?, parts.next()?);
                let name = name.to_owned();
                Some(Self::Member(role.parse().ok()?, key.parse().ok()?, name))
            }
            Action::PasswordChanged => {
                let (key, _) = detail?.split_once(' ')?;
                Some(Self::Key(key.parse().ok()?))
            }
            Action::MemberDisabled | Action::MemberEnabled | Action::MemberConfirmed => {
                Some(Self::Access(link.action))
            }
            Action::LineKeyMade => {
                let (line, key) = detail?.split_once(' ')?;
                Some(Self::LineKey(line.to_owned(), key.parse().ok()?))
            }
            Action::Granted => Some(Self::Grant(detail?.parse().ok()?)),
            Action::GrantRenewed => Some(Self::Renewed(detail?.parse().ok()?)),
            Action::TakenOff => Some(Self::TakenOff(detail?.parse().ok()?)),
            Action::LineKeyRetired => Some(Self::Retired(detail?.parse().ok()?)),
            Action::ConfirmationWaived | Action::ConfirmationRequired => {
                Some(Self::Waiver(detail?.to_owned(), link.action))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
