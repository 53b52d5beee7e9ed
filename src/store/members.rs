//! Members, waivers, and which changes a lead has dismissed.

use super::audit::{self, Act};
use super::proofs::Proven;
use super::service_chain::{ServiceChain, SetRow};
use super::statements::{row, run, statements};
use super::{ReadTx, Result, WriteTx, keys, sessions};
use crate::report::role::Role;
use crate::vault::proof::Content;
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;
use uuid::Uuid;

row! {
    /// A member: a person with a login.
    #[derive(Clone)]
    pub struct Member {
        /// The member's id.
        pub id: Uuid,
        /// The name for logging in.
        pub name: String,
        /// The role, which decides what the member may do.
        pub role: Role,
        /// The public half of the member's key.
        pub recipient: String,
        /// The public half of the member's signing key ([`crate::vault::signing`]).
        pub verifying: String,
        /// The private half of the member's key, encrypted under the password.
        pub wrapped: Vec<u8>,
        /// True if the account is disabled: the member cannot log in.
        pub disabled: bool,
        /// The id of the member who added this one. The first lead, whom `init` adds, has their own id here; `None` if
        /// the account was added with a recovery key.
        pub made_by: Option<Uuid>,
        /// The id of the member who confirmed that the account belongs to another person than the one who added it;
        /// `None` if it is not confirmed.
        pub confirmed_by: Option<Uuid>,
    }
}

row! {
    /// The decision that a line's approvals count without a third member.
    #[derive(Clone)]
    pub struct Waiver {
        /// The line.
        pub line: String,
        /// The id of the member who decided it.
        member: Uuid,
        /// The name of that member.
        name: String,
    }
}

impl Proven for Member {
    const TABLE: &'static str = "members";

    fn content(&self) -> Content {
        Content::of(Self::TABLE)
            .id(self.id)
            .text(&*self.name)
            .text(self.role.as_str())
            .text(&*self.recipient)
            .text(&*self.verifying)
            .bytes(&*self.wrapped)
            .boolean(self.disabled)
            .id(self.made_by)
            .id(self.confirmed_by)
    }

    fn set_row(&self) -> Option<SetRow> {
        Some(SetRow::Member(self.id))
    }

    /// The links that set a member's keys commit to the row as it was then; of the columns that change without them, the
    /// links say who was confirmed, disabled and enabled.
    fn agrees(&self, service: &ServiceChain, until: i64) -> bool {
        let Some(facts) = service.facts(self.id, until) else {
            return false;
        };
        let when_keyed = Self {
            disabled: facts.keyed.is_disabled,
            confirmed_by: facts.keyed.confirmed_by,
            ..self.clone()
        };
        self.name == facts.name
            && self.role == facts.role
            && self.verifying == facts.verifying
            && self.disabled == facts.is_disabled
            && self.made_by == facts.made_by
            && self.confirmed_by == facts.confirmed_by
            && when_keyed.content().digest() == facts.keyed.digest
    }

    fn id(&self) -> Uuid {
        self.id
    }
}

impl Proven for Waiver {
    const TABLE: &'static str = "waivers";

    fn content(&self) -> Content {
        Content::of(Self::TABLE).text(&*self.line).id(self.member)
    }

    fn set_row(&self) -> Option<SetRow> {
        Some(SetRow::Waiver(self.line.clone()))
    }

    fn id(&self) -> Uuid {
        self.member
    }
}

impl Member {
    /// Returns the digest of the columns that say or choose a key or a right, to which the link that sets the row
    /// commits.
    pub fn digest(&self) -> [u8; 32] {
        self.content().digest()
    }
}

impl Waiver {
    /// Returns the digest of the row, to which the link that sets it commits.
    pub fn digest(&self) -> [u8; 32] {
        self.content().digest()
    }
}

statements! {
    INSERT_MEMBER = "INSERT INTO members (id, name, role, recipient, verifying, wrapped, disabled, made_by, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    MEMBER_BY_NAME = "SELECT id, name, role, recipient, verifying, wrapped, disabled, made_by, confirmed_by, mac, link,
        (SELECT MAX(seq) FROM audit WHERE audit.line = '*') AS head
        FROM members WHERE name = $1";
    MEMBER_BY_ID = "SELECT id, name, role, recipient, verifying, wrapped, disabled, made_by, confirmed_by, mac, link,
        (SELECT MAX(seq) FROM audit WHERE audit.line = '*') AS head
        FROM members WHERE id = $1";
    MEMBERS = "SELECT id, name, role, recipient, verifying, wrapped, disabled, made_by, confirmed_by, mac, link,
        (SELECT MAX(seq) FROM audit WHERE audit.line = '*') AS head
        FROM members ORDER BY name";
    UPDATE_MEMBER = "UPDATE members SET recipient = $2, verifying = $3, wrapped = $4, disabled = $5, confirmed_by = $6 WHERE id = $1";
    LOCK_MEMBER = "SELECT id FROM members WHERE id = $1", postgres: " FOR NO KEY UPDATE";
    LOCK_MEMBERS = "SELECT id FROM members ORDER BY id", postgres: " FOR NO KEY UPDATE";
    HOLDERS = "SELECT id, name, role, recipient, verifying, wrapped, disabled, made_by, confirmed_by, members.mac, members.link,
        (SELECT MAX(seq) FROM audit WHERE audit.line = '*') AS head FROM members
        JOIN grants ON grants.member = members.id WHERE line_key = $1 AND NOT disabled AND role IN ($2, $3) ORDER BY name";
    INSERT_WAIVER = "INSERT INTO waivers (line, member) VALUES ($1, $2) ON CONFLICT (line) DO NOTHING";
    DELETE_WAIVER = "DELETE FROM waivers WHERE line = $1";
    WAIVERS = "SELECT line, member, name, waivers.mac, waivers.link, (SELECT MAX(seq) FROM audit WHERE audit.line = '*') AS head
        FROM waivers JOIN members ON members.id = member ORDER BY line";
    WAIVER = "SELECT line, member, name, waivers.mac, waivers.link, (SELECT MAX(seq) FROM audit WHERE audit.line = '*') AS head
        FROM waivers JOIN members ON members.id = member WHERE line = $1";
    SEEN_UP_TO = "SELECT seq FROM changes_seen WHERE member = $1 AND line = $2";
    SET_SEEN = "INSERT INTO changes_seen (member, line, seq) VALUES ($1, $2, $3) ON CONFLICT (member, line) DO UPDATE SET seq = $3 WHERE changes_seen.seq < $3";
}

/// Adds a member, and `act` to the chain of the service. `now` is system time.
///
/// # Errors
///
/// Returns [`super::StoreError::Duplicate`] when the name is in use. Also when the database fails.
pub async fn insert(
    tx: &mut WriteTx,
    member: &Member,
    now: DateTime<Utc>,
    act: Act<'_>,
) -> Result<()> {
    run!(
        tx,
        INSERT_MEMBER,
        execute,
        member.id,
        &member.name,
        member.role,
        &member.recipient,
        &member.verifying,
        &member.wrapped[..],
        member.disabled,
        member.made_by,
        now
    )?;
    let detail = format!("{} {} {}", member.role, member.verifying, member.name);
    let act = Act {
        detail: Some(&detail),
        ..act
    };
    tx.set(act, SetRow::Member(member.id), member);
    Ok(())
}

/// Returns the member with this name.
pub async fn by_name(tx: &mut ReadTx, name: &str) -> Result<Option<Member>> {
    // Postgres refuses text with a NUL, even as a parameter of a comparison. No member has such a name.
    if name.contains('\0') {
        return Ok(None);
    }
    let found = run!(tx, MEMBER_BY_NAME, fetch_optional, name)?;
    tx.proven_one(found).await
}

/// Returns the member with this id.
pub async fn by_id(tx: &mut ReadTx, id: Uuid) -> Result<Option<Member>> {
    let found = run!(tx, MEMBER_BY_ID, fetch_optional, id)?;
    let member = tx.proven_one(found).await?;
    if member.is_none() {
        let is_it = move |row: &SetRow| *row == SetRow::Member(id);
        tx.none_missing(is_it, |_| false).await?;
    }
    Ok(member)
}

/// Returns all members, by name.
pub async fn list(tx: &mut ReadTx) -> Result<Vec<Member>> {
    let found = run!(tx, MEMBERS, fetch_all)?;
    let members: Vec<Member> = tx.proven_all(found).await?;
    let ids: BTreeSet<Uuid> = members.iter().map(|member| member.id).collect();
    let is_found = |row: &SetRow| matches!(row, SetRow::Member(id) if ids.contains(id));
    let is_member = |row: &SetRow| matches!(row, SetRow::Member(_));
    tx.none_missing(is_member, is_found).await?;
    Ok(members)
}

/// Changes a member's row, which is locked until the transaction ends, and adds `act` to the chain of the service.
/// `change` returns false if there is nothing to change. Returns false when it did, or there is no such member.
async fn update(
    tx: &mut WriteTx,
    id: Uuid,
    act: Act<'_>,
    change: impl FnOnce(&mut Member) -> bool,
) -> Result<bool> {
    // A statement of its own: one that also read the links would, after waiting for the lock, see the row as the other
    // transaction left it, and the links as they were before.
    let _: Option<(Uuid,)> = run!(tx, LOCK_MEMBER, fetch_optional, id)?;
    let Some(mut member) = by_id(tx, id).await? else {
        return Ok(false);
    };
    if !change(&mut member) {
        return Ok(false);
    }
    run!(
        tx,
        UPDATE_MEMBER,
        execute,
        id,
        &member.recipient,
        &member.verifying,
        &member.wrapped[..],
        member.disabled,
        member.confirmed_by
    )?;
    tx.set(act, SetRow::Member(id), &member);
    Ok(true)
}

/// A member's next key.
pub struct NextKey {
    /// The public half.
    pub recipient: String,
    /// The public half of the signing key.
    pub verifying: String,
    /// The private half, encrypted under the member's new password.
    pub wrapped: Vec<u8>,
}

/// Stores a member's next key. Adds `act` to the chain of the service.
pub async fn set_key(
    tx: &mut WriteTx,
    member: &Member,
    next: &NextKey,
    act: Act<'_>,
) -> Result<()> {
    let detail = format!("{} {}", next.verifying, member.name);
    let act = Act {
        detail: Some(&detail),
        ..act
    };
    let change = |member: &mut Member| {
        next.recipient.clone_into(&mut member.recipient);
        next.verifying.clone_into(&mut member.verifying);
        next.wrapped.clone_into(&mut member.wrapped);
        true
    };
    update(tx, member.id, act, change).await.map(drop)
}

/// Locks the rows of all members until the transaction ends: no other transaction can change them. All code that adds a
/// member calls this first, so none is added either. While there is no member, nothing is locked.
pub async fn lock(tx: &mut WriteTx) -> Result<()> {
    let locked: Vec<(Uuid,)> = run!(tx, LOCK_MEMBERS, fetch_all)?;
    drop(locked);
    Ok(())
}

/// Disables a member and ends their sessions, and adds `act` to the chain of the service. Returns false when they were
/// disabled already or do not exist.
pub async fn disable(tx: &mut WriteTx, id: Uuid, act: Act<'_>) -> Result<bool> {
    let change = |member: &mut Member| !std::mem::replace(&mut member.disabled, true);
    let changed = update(tx, id, act, change).await?;
    sessions::end_all(tx, id).await?;
    Ok(changed)
}

/// Enables a disabled member again, and adds `act` to the chain of the service. Returns false when they were not
/// disabled or do not exist.
pub async fn enable(tx: &mut WriteTx, id: Uuid, act: Act<'_>) -> Result<bool> {
    let change = |member: &mut Member| std::mem::replace(&mut member.disabled, false);
    update(tx, id, act, change).await
}

/// Stores that the member `by` confirmed the account `id`, and adds `act` to the chain of the service. Returns false when
/// it is confirmed already or does not exist.
pub async fn confirm(tx: &mut WriteTx, id: Uuid, by: Uuid, act: Act<'_>) -> Result<bool> {
    let change = |member: &mut Member| {
        let is_new = member.confirmed_by.is_none();
        member.confirmed_by = member.confirmed_by.or(Some(by));
        is_new
    };
    update(tx, id, act, change).await
}

/// Returns the members who can open what arrives on a line now, in order of name: they hold the line's latest key, are
/// leads or inspectors, and are not disabled. A member whose row is refused does not count.
pub async fn holders(tx: &mut ReadTx, line: &str) -> Result<Vec<Member>> {
    let Some(key) = keys::current_key(tx, line).await? else {
        return Ok(Vec::new());
    };
    let [lead, inspector] = Role::ON_REPORTS;
    let found = run!(tx, HOLDERS, fetch_all, key.id, lead, inspector)?;
    let (mut members, _): (Vec<Member>, _) = tx.proven_rest(found).await?;
    members.retain(|member| tx.stands(&SetRow::Grant(key.id, member.id)));
    Ok(members)
}

/// Stores a waiver: a line's approvals count without a third member, as this member decided. Adds `act` to the line's
/// trail and to the chain of the service. Returns false when the line has a waiver already.
pub async fn insert_waiver(
    tx: &mut WriteTx,
    line: &str,
    member: Uuid,
    act: Act<'_>,
) -> Result<bool> {
    if run!(tx, INSERT_WAIVER, execute, line, member)? == 0 {
        return Ok(false);
    }
    let waiver = Waiver {
        line: line.to_owned(),
        member,
        name: String::new(),
    };
    audit::append(tx, line, act.clone());
    let of_service = Act {
        detail: Some(line),
        ..act
    };
    tx.set(of_service, SetRow::Waiver(line.to_owned()), &waiver);
    Ok(true)
}

/// Removes a line's waiver, and adds `act` to the line's trail and to the chain of the service. Returns false when the
/// line has none.
pub async fn delete_waiver(tx: &mut WriteTx, line: &str, act: Act<'_>) -> Result<bool> {
    if run!(tx, DELETE_WAIVER, execute, line)? == 0 {
        return Ok(false);
    }
    audit::append(tx, line, act.clone());
    let of_service = Act {
        detail: Some(line),
        ..act
    };
    tx.unset(of_service, SetRow::Waiver(line.to_owned()));
    Ok(true)
}

/// Returns the name of the member who decided a line's waiver; `None` when the line has none.
pub async fn waiver(tx: &mut ReadTx, line: &str) -> Result<Option<String>> {
    let found = run!(tx, WAIVER, fetch_optional, line)?;
    let waiver: Option<Waiver> = tx.proven_one(found).await?;
    if waiver.is_none() {
        let row = SetRow::Waiver(line.to_owned());
        tx.none_missing(|other| *other == row, |_| false).await?;
    }
    Ok(waiver.map(|waiver| waiver.name))
}

/// Returns the waivers of all lines, and those whose rows are refused, for `audit verify`.
pub async fn waivers_but_refused(tx: &mut ReadTx) -> Result<(Vec<Waiver>, Vec<Waiver>)> {
    let found = run!(tx, WAIVERS, fetch_all)?;
    tx.proven_rest(found).await
}

/// Returns the number of the link up to which this member has dismissed the changes in a line's trail; 0 if they have
/// dismissed none.
pub async fn seen_up_to(tx: &mut ReadTx, member: Uuid, line: &str) -> Result<i64> {
    let found: Option<(i64,)> = run!(tx, SEEN_UP_TO, fetch_optional, member, line)?;
    Ok(found.map_or(0, |(seq,)| seq))
}

/// Stores that a member has dismissed the changes in a line's trail up to the link with this number. A lower number
/// than the stored one has no effect.
pub async fn set_seen(tx: &mut WriteTx, member: Uuid, line: &str, seq: i64) -> Result<()> {
    run!(tx, SET_SEEN, execute, member, line, seq).map(drop)
}

/// Like [`list`]: returns the members, and those whose rows are refused.
pub async fn list_but_refused(tx: &mut ReadTx) -> Result<(Vec<Member>, Vec<Member>)> {
    let found = run!(tx, MEMBERS, fetch_all)?;
    tx.proven_rest(found).await
}
