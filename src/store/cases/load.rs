//! Loads the cases of many webhooks, and locks their calls until the transaction ends.

use super::super::calls::{self, Call, OfAddition, SealedCaller};
use super::super::columns::RecordingState;
use super::super::keys::{self, LineKey};
use super::super::recordings::RecordingRow;
use super::super::reports::{self};
use super::super::rows::{Rows, fetch, over_rows};
use super::super::statements::row;
use super::super::{On, ReadTx, Result, StoreError, WriteTx};
use super::{CallReport, Case, Changes};
use crate::report::status::Status;
use chrono::{DateTime, Utc};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use uuid::Uuid;

/// What a call is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The keyed hash of the provider's name and its id of the call.
    Lookup([u8; 32]),
    /// The service's own id of the call.
    Id(Uuid),
}

/// Which answers of a call are loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// No answers.
    Nothing,
    /// The answer of one step.
    Of(u32),
    /// All answers.
    All,
}

/// What is to be loaded for one webhook.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// What the call is found by.
    pub key: Key,
    /// Which of the call's answers are needed.
    pub answers: Answers,
    /// True if the recordings of the call's reports are needed.
    pub recordings: bool,
    /// Keyed hash of the provider's name and its id of a recording, if it is needed whether another call has named that
    /// recording.
    pub source: Option<[u8; 32]>,
    /// The line whose calls with the roster are counted, with its roster locked; `None` if the count is not needed.
    pub roster_of: Option<String>,
    /// An earlier report that the call may begin to add to; `None` if there is none.
    pub earlier: Option<Uuid>,
    /// The line whose current key is needed; `None` if it is not needed.
    pub key_of: Option<String>,
}

impl Wanted {
    /// Asks for the call alone.
    pub fn call(key: Key) -> Self {
        Self {
            key,
            answers: Answers::Nothing,
            recordings: false,
            source: None,
            roster_of: None,
            earlier: None,
            key_of: None,
        }
    }
}

/// Data loaded for a batch. A case that was changed is put back by [`Loaded::put`], so that a later webhook of the
/// batch finds the changes.
#[derive(Default)]
pub struct Loaded {
    cases: HashMap<Uuid, Case>,
    ids: HashMap<[u8; 32], Uuid>,
    /// Calls whose rows, or those of their reports or recordings, this service did not write.
    refused: HashSet<Uuid>,
    /// Number of calls with the roster, by line.
    pub at_roster: HashMap<String, i64>,
    /// Reports that calls begin to add to, each with the number of calls that have called back about it before.
    pub earlier: HashMap<Uuid, (CallReport, i64)>,
    /// Current key of each line.
    pub line_keys: HashMap<String, LineKey>,
    /// The ids of known recordings, by keyed hash of the provider's name and its id of the recording. If several calls
    /// have named a recording, the id is that of one of their rows.
    pub sources: HashMap<[u8; 32], Uuid>,
}

impl Loaded {
    /// Returns the case of a call; `None` when there is no such call.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError::Forged`] when a row of the case was refused. The cases of other calls can be used.
    pub fn case(&self, key: &Key) -> Result<Option<&Case>> {
        match self.id(key) {
            Some(id) if self.refused.contains(&id) => Err(StoreError::Forged("calls")),
            Some(id) => Ok(self.cases.get(&id)),
            None => Ok(None),
        }
    }

    fn id(&self, key: &Key) -> Option<Uuid> {
        match key {
            Key::Id(id) => Some(*id),
            Key::Lookup(lookup) => self.ids.get(lookup).copied(),
        }
    }

    /// Puts a case back, and returns its changes. Updates `at_roster`, `earlier`, `sources` and the other calls that add
    /// to the same report by them.
    pub fn put(&mut self, mut case: Case) -> Changes {
        let changes = std::mem::take(&mut case.changes);
        let before = self.cases.get(&case.call.id).map(|case| &case.call);
        let was_at_duty = before.is_some_and(|call| call.at_duty);
        let added_to = before.and_then(|call| call.addition_to);
        if let Some(count) = self.at_roster.get_mut(&case.call.line) {
            *count += i64::from(case.call.at_duty) - i64::from(was_at_duty);
        }
        if added_to != case.call.addition_to
            && let Some(earlier) = case.call.addition_to
            && let Some((_, count)) = self.earlier.get_mut(&earlier)
        {
            *count += 1;
        }
        for (reopened, _) in &changes.reopened {
            let begun = self.earlier.values_mut().map(|(report, _)| report);
            let added = self
                .cases
                .values_mut()
                .filter_map(|case| case.earlier.as_mut());
            for report in begun.chain(added).filter(|report| report.id == *reopened) {
                report.status = Some(Status::Queued);
            }
        }
        for new in &changes.recordings {
            if let Ok(source) = new.source.as_slice().try_into() {
                self.sources.insert(source, new.id);
            }
        }
        self.ids.insert(case.call.lookup_bytes(), case.call.id);
        self.cases.insert(case.call.id, case);
        changes
    }
}

row! {
    struct LockedRow {
        id: Uuid,
        addition_to: Option<Uuid>,
    }
}

row! {
    struct CaseRow {
        id: Uuid,
        lookup: Vec<u8>,
        line: String,
        report: Uuid,
        sid: Option<Vec<u8>>,
        state: Option<Vec<u8>>,
        ended: bool,
        settled: bool,
        addition_to: Option<Uuid>,
        addition_from: Option<i32>,
        addition_offset: Option<i32>,
        addition_entry: Option<Uuid>,
        addition_caller: Option<Vec<u8>>,
        added: bool,
        at_duty: bool,
        accepted_step: Option<i32>,
        recipient: String,
        status: Option<Status>,
        received_hour: DateTime<Utc>,
        earlier_recipient: Option<String>,
        earlier_status: Option<Status>,
        earlier_hour: Option<DateTime<Utc>>,
        step: Option<i32>,
        answer: Option<Vec<u8>>,
        mac: Option<Vec<u8>>,
        own_mac: Option<Vec<u8>>,
        earlier_mac: Option<Vec<u8>>,
        addition_mac: Option<Vec<u8>>,
    }
}

row! {
    struct OfCall {
        of: Uuid,
        id: Uuid,
        report: Uuid,
        lookup: Vec<u8>,
        source: Vec<u8>,
        sid: Option<Vec<u8>>,
        step: i32,
        state: RecordingState,
        deleted: bool,
        outcome: Option<Vec<u8>>,
        mac: Option<Vec<u8>>,
    }
}

row! {
    struct OfSource {
        source: Vec<u8>,
        id: Uuid,
    }
}

row! {
    struct AnswerRow {
        call: Uuid,
        step: i32,
        answer: Vec<u8>,
    }
}

over_rows! {
    LOCK = "WITH wanted (lookup, id) AS (", ["bytea", "uuid"],
        ") SELECT calls.id, (SELECT reports.id FROM reports WHERE reports.n = calls.addition_to) AS addition_to
        FROM calls WHERE id IN
        (SELECT COALESCE(wanted.id, (SELECT named.id FROM calls AS named WHERE named.lookup = wanted.lookup)) FROM wanted)
        ORDER BY id";
    LOCK_REPORTS = "WITH wanted (id) AS (", ["uuid"],
        ") SELECT id, id AS addition_to FROM reports WHERE id IN (SELECT id FROM wanted) ORDER BY id";
    /// Against `keys::lock`: a line's next key is made before this statement has locked the former one, or after the
    /// batch is committed.
    LOCK_LINE_KEYS = "WITH wanted (line) AS (", ["text"],
        ") SELECT id, id AS addition_to FROM line_keys WHERE line IN (SELECT line FROM wanted) ORDER BY line, epoch";
    LOAD = "WITH wanted (lookup, id, step) AS (", ["bytea", "uuid", "bigint"],
        ") SELECT calls.id, calls.lookup, calls.line, own.id AS report, calls.sid, calls.state, calls.ended, calls.settled,
        earlier.id AS addition_to, calls.addition_from, calls.addition_offset, calls.addition_entry, calls.addition_caller,
        calls.added, calls.at_duty, calls.accepted_step, own.recipient, own.status, own.received_hour,
        earlier.recipient AS earlier_recipient, earlier.status AS earlier_status, earlier.received_hour AS earlier_hour,
        steps.step, steps.answer, calls.mac, own.mac AS own_mac, earlier.mac AS earlier_mac, calls.addition_mac
        FROM wanted JOIN calls ON calls.id =
            COALESCE(wanted.id, (SELECT named.id FROM calls AS named WHERE named.lookup = wanted.lookup))
        JOIN reports AS own ON own.n = calls.report
        LEFT JOIN reports AS earlier ON earlier.n = calls.addition_to
        LEFT JOIN steps ON steps.call = calls.report AND steps.step = wanted.step";
    OF_CALLS = "WITH wanted (of, report) AS (", ["uuid", "uuid"],
        ") SELECT wanted.of, recordings.id, wanted.report, lookup, recordings.source, sid, step, state, deleted, outcome,
        recordings.mac
        FROM wanted JOIN reports ON reports.id = wanted.report JOIN recordings ON recordings.report = reports.n
        ORDER BY step, recordings.id";
    SOURCES = "WITH wanted (source) AS (", ["bytea"],
        ") SELECT recordings.source, recordings.id FROM wanted JOIN recordings ON recordings.source = wanted.source";
    ANSWERS = "WITH wanted (call) AS (", ["uuid"],
        ") SELECT calls.id AS call, steps.step, steps.answer FROM wanted JOIN calls ON calls.id = wanted.call
        JOIN steps ON steps.call = calls.report";
}

/// Loads what is wanted, and locks the calls. All transactions lock in the same order: rosters in order of line, calls
/// in order of id, reports in order of id, keys of lines, then the rows that are written.
///
/// # Errors
///
/// When the database fails.
pub async fn load(tx: &mut WriteTx, wanted: &[Wanted]) -> Result<Loaded> {
    let mut loaded = Loaded::default();
    let lines: BTreeSet<&String> = wanted
        .iter()
        .filter_map(|one| one.roster_of.as_ref())
        .collect();
    for line in &lines {
        calls::lock_roster(tx, line).await?;
    }
    let locked = lock(tx, wanted).await?;
    load_calls(tx, wanted, &mut loaded).await?;
    if let Some(locked) = locked {
        // Another transaction may have written a call between the two statements. Such a call is not locked here, so it counts
        // as unknown until the next try.
        loaded.cases.retain(|id, _| locked.contains(id));
        loaded.ids.retain(|_, id| locked.contains(id));
    }
    load_recordings(tx, wanted, &mut loaded).await?;
    load_all_answers(tx, wanted, &mut loaded).await?;
    for line in lines {
        let count = calls::at_duty(tx, line).await?;
        loaded.at_roster.insert(line.clone(), count);
    }
    for id in wanted.iter().filter_map(|one| one.earlier) {
        // A row that is refused fails only the webhooks that need it.
        if let Some(Some(report)) = unless_refused(reports::get(tx, id).await)? {
            let called_back = calls::called_back(tx, id).await?;
            let report = CallReport {
                id,
                line: report.line,
                recipient: report.recipient,
                status: report.status,
                received_hour: report.received_hour,
            };
            loaded.earlier.insert(id, (report, called_back));
        }
    }
    let lines: BTreeSet<&String> = wanted
        .iter()
        .filter_map(|one| one.key_of.as_ref())
        .collect();
    if matches!(tx.on, On::Postgres(_)) {
        // A statement of its own, as for calls: after waiting, the next one sees a key that was made meanwhile.
        let rows = Rows::new(LOCK_LINE_KEYS).text(lines.iter().map(|line| Some((*line).clone())));
        let _: Vec<LockedRow> = fetch(tx, rows, " FOR KEY SHARE").await?;
    }
    for line in lines {
        if let Some(Some(key)) = unless_refused(keys::current_key(tx, line).await)? {
            loaded.line_keys.insert(line.clone(), key);
        }
    }
    Ok(loaded)
}

/// Returns the case of one call, locked, with its recordings; `None` when there is no such call.
///
/// # Errors
///
/// When the database fails.
pub async fn of_call(tx: &mut WriteTx, id: Uuid) -> Result<Option<Case>> {
    let mut wanted = Wanted::call(Key::Id(id));
    wanted.recordings = true;
    let mut loaded = load(tx, &[wanted]).await?;
    loaded.case(&Key::Id(id))?;
    Ok(loaded.cases.remove(&id))
}

fn keys(wanted: &[Wanted], rows: Rows) -> Rows {
    let lookup = wanted.iter().map(|one| match one.key {
        Key::Lookup(lookup) => Some(lookup.to_vec()),
        Key::Id(_) => None,
    });
    let id = wanted.iter().map(|one| match one.key {
        Key::Lookup(_) => None,
        Key::Id(id) => Some(id),
    });
    rows.bytes(lookup).uuid(id)
}

/// Locks the calls, and the earlier reports that may be added to. It uses statements of its own, because a statement
/// that also read other rows of a call would, after waiting for another transaction, see the call as that one left it
/// and the other rows as they were before. Returns the ids of the locked calls; `None` on SQLite, which has one writer
/// and needs no locks.
async fn lock(tx: &mut WriteTx, wanted: &[Wanted]) -> Result<Option<HashSet<Uuid>>> {
    if matches!(tx.on, On::Sqlite(_)) {
        return Ok(None);
    }
    let rows = keys(wanted, Rows::new(LOCK));
    let locked: Vec<LockedRow> = fetch(tx, rows, " FOR NO KEY UPDATE").await?;
    let adds = wanted.iter().any(|one| one.recordings);
    let additions = locked.iter().filter_map(|row| row.addition_to);
    let reports: BTreeSet<Uuid> = (additions.filter(|_| adds))
        .chain(wanted.iter().filter_map(|one| one.earlier))
        .collect();
    let rows = Rows::new(LOCK_REPORTS).uuid(reports.into_iter().map(Some));
    let _: Vec<LockedRow> = fetch(tx, rows, " FOR NO KEY UPDATE").await?;
    Ok(Some(locked.into_iter().map(|row| row.id).collect()))
}

async fn load_calls(tx: &mut WriteTx, wanted: &[Wanted], loaded: &mut Loaded) -> Result<()> {
    let step = wanted.iter().map(|one| match one.answers {
        Answers::Of(step) => Some(i64::from(step)),
        Answers::Nothing | Answers::All => None,
    });
    let rows = keys(wanted, Rows::new(LOAD)).integer(step);
    let found: Vec<CaseRow> = fetch(tx, rows, "").await?;
    for mut row in found {
        let answer = row.step.zip(row.answer.take());
        let id = row.id;
        let case = match loaded.cases.entry(id) {
            Entry::Occupied(loaded) => loaded.into_mut(),
            Entry::Vacant(new) => {
                let case = row.case();
                if !row.is_proven(tx, &case)? {
                    loaded.refused.insert(id);
                }
                new.insert(case)
            }
        };
        if let Some((step, answer)) = answer
            && let Ok(step) = u32::try_from(step)
        {
            case.answers.insert(step, answer);
        }
        loaded.ids.insert(case.call.lookup_bytes(), id);
    }
    Ok(())
}

async fn load_recordings(tx: &mut WriteTx, wanted: &[Wanted], loaded: &mut Loaded) -> Result<()> {
    let mut of: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
    for one in wanted.iter().filter(|one| one.recordings) {
        let id = loaded.id(&one.key);
        if let Some(case) = id.and_then(|id| loaded.cases.get(&id)) {
            let reports = std::iter::once(case.own.id).chain(case.call.addition_to);
            of.insert(case.call.id, reports.collect());
        }
    }
    let pairs: Vec<(Uuid, Uuid)> = of
        .into_iter()
        .flat_map(|(call, reports)| reports.into_iter().map(move |report| (call, report)))
        .collect();
    let rows = Rows::new(OF_CALLS)
        .uuid(pairs.iter().map(|(call, _)| Some(*call)))
        .uuid(pairs.iter().map(|(_, report)| Some(*report)));
    let found: Vec<OfCall> = fetch(tx, rows, "").await?;
    for mut row in found {
        let (of, mac) = (row.of, row.mac.take());
        let recording = row.recording();
        if unless_refused(tx.prove(&recording, mac.as_deref()))?.is_none() {
            loaded.refused.insert(of);
        }
        if let Some(case) = loaded.cases.get_mut(&of) {
            case.recordings.push(recording);
        }
    }
    let sources = wanted.iter().filter_map(|one| one.source);
    let rows = Rows::new(SOURCES).bytes(sources.map(|source| Some(source.to_vec())));
    let found: Vec<OfSource> = fetch(tx, rows, "").await?;
    for row in found {
        if let Ok(source) = row.source.try_into() {
            loaded.sources.insert(source, row.id);
        }
    }
    Ok(())
}

async fn load_all_answers(tx: &mut WriteTx, wanted: &[Wanted], loaded: &mut Loaded) -> Result<()> {
    let all = wanted.iter().filter(|one| one.answers == Answers::All);
    let ids: Vec<Option<Uuid>> = all
        .filter_map(|one| loaded.id(&one.key))
        .map(Some)
        .collect();
    let found: Vec<AnswerRow> = fetch(tx, Rows::new(ANSWERS).uuid(ids), "").await?;
    for row in found {
        if let (Some(case), Ok(step)) = (loaded.cases.get_mut(&row.call), u32::try_from(row.step)) {
            case.answers.insert(step, row.answer);
        }
    }
    Ok(())
}

/// Returns `None` for the error of a refused row.
fn unless_refused<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(row) => Ok(Some(row)),
        Err(StoreError::Forged(_) | StoreError::PutBack { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

impl CaseRow {
    /// True if the rows of the call and of its reports are what this service wrote.
    fn is_proven(&self, tx: &ReadTx, case: &Case) -> Result<bool> {
        let call = tx.prove(&case.call, self.mac.as_deref());
        let own = tx.prove(&case.own, self.own_mac.as_deref());
        let earlier = case.earlier.as_ref().map_or(Ok(()), |earlier| {
            tx.prove(earlier, self.earlier_mac.as_deref())
        });
        let caller = case.caller.as_ref().map_or(Ok(()), |caller| {
            let of = OfAddition {
                call: case.call.id,
                caller,
            };
            tx.prove(&of, self.addition_mac.as_deref())
        });
        Ok(unless_refused(call.and(own).and(earlier).and(caller))?.is_some())
    }

    fn case(&mut self) -> Case {
        let own = CallReport {
            id: self.report,
            line: self.line.clone(),
            recipient: std::mem::take(&mut self.recipient),
            status: self.status,
            received_hour: self.received_hour,
        };
        let earlier = self
            .addition_to
            .zip(self.earlier_recipient.take())
            .zip(self.earlier_hour);
        let earlier = earlier.map(|((id, recipient), received_hour)| CallReport {
            id,
            // A receipt opens only reports of its own line.
            line: self.line.clone(),
            recipient,
            status: self.earlier_status,
            received_hour,
        });
        let caller = self.addition_entry.zip(self.addition_caller.take());
        Case {
            call: Call {
                id: self.id,
                lookup: std::mem::take(&mut self.lookup),
                line: std::mem::take(&mut self.line),
                report: self.report,
                sid: self.sid.take(),
                state: self.state.take(),
                ended: self.ended,
                settled: self.settled,
                addition_to: self.addition_to,
                addition_from: self.addition_from,
                addition_offset: self.addition_offset,
                added: self.added,
                at_duty: self.at_duty,
                accepted_step: self.accepted_step,
            },
            own,
            earlier,
            recordings: Vec::new(),
            answers: BTreeMap::new(),
            caller: caller.map(|(entry, sealed)| SealedCaller { entry, sealed }),
            changes: Changes::default(),
        }
    }
}

impl OfCall {
    fn recording(self) -> RecordingRow {
        RecordingRow {
            id: self.id,
            report: self.report,
            lookup: self.lookup,
            source: self.source,
            sid: self.sid,
            step: self.step,
            state: self.state,
            deleted: self.deleted,
            outcome: self.outcome,
        }
    }
}
