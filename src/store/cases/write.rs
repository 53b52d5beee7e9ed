//! Writes the changes of many webhooks: one statement for each kind of change, and on Postgres one for all changes that
//! do not depend on each other.

use super::super::calls::{Call, OfAddition, SealedCaller};
use super::super::columns::RecordingState;
use super::super::proofs::Proven;
use super::super::recordings::RecordingRow;
use super::super::reports::EntryRow;
use super::super::rows::{Groups, Rows, execute, execute_last, over_rows};
use super::super::{Result, StoreError, WriteTx, jobs, reports};
use super::{Changes, JobChange, NewReport};
use crate::base::clock::random_id;
use crate::report::reference::Reference;
use crate::report::status::{Source, Status};
use crate::vault::action::Action;
use std::collections::BTreeMap;
use uuid::Uuid;

// A subquery that finds no report returns NULL, which a NOT NULL column refuses: the statement fails, and no row is
// left out silently. Only `calls.addition_to` may be NULL.
over_rows! {
    REPORTS = "INSERT INTO reports (id, line, recipient, source, received_hour, mac)",
        ["uuid", "text", "text", "text", "timestamptz", "bytea"], "";
    KEYS = "WITH new (report, epoch, holder, sealed_to, sealed, mac) AS (", ["uuid", "bigint", "text", "uuid", "bytea", "bytea"],
        ") INSERT INTO report_keys (report, epoch, holder, sealed_to, sealed, mac)
        SELECT (SELECT n FROM reports WHERE reports.id = new.report), new.epoch, new.holder, new.sealed_to, new.sealed, new.mac
        FROM new";
    /// Inserted in order of lookup, because two transactions may insert the same new calls and have to lock them in the same
    /// order.
    CALLS = "WITH new (id, lookup, line, report, sid, state, ended, settled, addition_to, addition_from, addition_offset, added,
        at_duty, accepted_step, addition_entry, addition_caller, addition_mac, mac) AS (",
        ["uuid", "bytea", "text", "uuid", "bytea", "bytea", "boolean", "boolean", "uuid", "bigint", "bigint", "boolean",
        "boolean", "bigint", "uuid", "bytea", "bytea", "bytea"],
        ") INSERT INTO calls (id, lookup, line, report, sid, state, ended, settled, addition_to, addition_from, addition_offset,
        added, at_duty, accepted_step, addition_entry, addition_caller, addition_mac, mac)
        SELECT new.id, new.lookup, new.line, (SELECT n FROM reports WHERE reports.id = new.report), new.sid, new.state,
        new.ended, new.settled, (SELECT n FROM reports WHERE reports.id = new.addition_to), new.addition_from,
        new.addition_offset, new.added, new.at_duty, new.accepted_step, new.addition_entry, new.addition_caller,
        new.addition_mac, new.mac
        FROM new WHERE TRUE ORDER BY new.lookup
        ON CONFLICT (report) DO UPDATE SET state = excluded.state, ended = excluded.ended, addition_to = excluded.addition_to,
        addition_from = excluded.addition_from, addition_offset = excluded.addition_offset, added = excluded.added,
        at_duty = excluded.at_duty, accepted_step = excluded.accepted_step, addition_entry = excluded.addition_entry,
        addition_caller = excluded.addition_caller, addition_mac = excluded.addition_mac, mac = excluded.mac";
    ENTRIES = "WITH new (place, id, report, kind, sealed) AS (", ["bigint", "uuid", "uuid", "text", "bytea"],
        ") INSERT INTO entries (id, report, kind, sealed)
        SELECT new.id, (SELECT n FROM reports WHERE reports.id = new.report), new.kind, new.sealed FROM new ORDER BY new.place";
    ANSWERS = "WITH new (report, step, answer) AS (", ["uuid", "bigint", "bytea"],
        ") INSERT INTO steps (call, step, answer)
        SELECT (SELECT n FROM reports WHERE reports.id = new.report), new.step, new.answer FROM new WHERE TRUE
        ON CONFLICT (call, step) DO UPDATE SET answer = excluded.answer";
    RECORDINGS = "WITH new (id, report, lookup, source, sid, step, state, deleted, mac) AS (",
        ["uuid", "uuid", "bytea", "bytea", "bytea", "bigint", "text", "boolean", "bytea"],
        ") INSERT INTO recordings (id, report, lookup, source, sid, step, state, deleted, mac)
        SELECT new.id, (SELECT n FROM reports WHERE reports.id = new.report), new.lookup, new.source, new.sid, new.step,
        new.state, new.deleted, new.mac FROM new";
    ABSENT = "WITH changed (id, before, after) AS (", ["uuid", "text", "text"],
        ") UPDATE recordings SET state = changed.after FROM changed
        WHERE recordings.id = changed.id AND recordings.state = changed.before";
    LIVE = "WITH changed (id, source) AS (", ["uuid", "text"],
        ") UPDATE reports SET source = changed.source FROM changed WHERE reports.id = changed.id AND reports.number IS NULL";
    REOPENED = "WITH changed (id, before, after) AS (", ["uuid", "text", "text"],
        ") UPDATE reports SET status = changed.after, assignee = NULL FROM changed
        WHERE reports.id = changed.id AND reports.status = changed.before";
    CANCELLED = "WITH cancelled (kind, subject) AS (", ["text", "uuid"],
        ") DELETE FROM jobs WHERE (kind, subject) IN (SELECT kind, subject FROM cancelled)";
    ENQUEUED = "INSERT INTO jobs (id, kind, subject, provider, run_after, attempts)",
        ["uuid", "text", "uuid", "text", "timestamptz", "bigint"], "ON CONFLICT (kind, subject) DO NOTHING";
    QUEUED = "WITH queued (id, status, year, number) AS (", ["uuid", "text", "bigint", "bigint"],
        ") UPDATE reports SET status = queued.status, year = queued.year, number = queued.number FROM queued
        WHERE reports.id = queued.id AND reports.number IS NULL";
}

/// Writes changes. Links and counts among them are written at the commit, and operators' counters are incremented after
/// it.
///
/// # Errors
///
/// When the database fails. Returns [`StoreError::Duplicate`] when another transaction, of this or of another node, has
/// written one of the new calls or recordings first.
pub async fn write(tx: &mut WriteTx, changes: Changes) -> Result<()> {
    write_by(tx, changes, When::Now).await
}

/// Like [`write()`], for a transaction that reads none of these rows afterwards: on SQLite they are written in one
/// round trip, at the commit. References are assigned, and jobs hastened, at once.
///
/// # Errors
///
/// As [`write()`]. On SQLite the commit returns the errors of the statements that it runs.
pub async fn write_last(tx: &mut WriteTx, changes: Changes) -> Result<()> {
    write_by(tx, changes, When::Last).await
}

/// Time at which statements are run.
#[derive(Clone, Copy)]
enum When {
    Now,
    Last,
}

impl When {
    async fn execute(self, tx: &mut WriteTx, groups: Groups) -> Result<()> {
        match self {
            Self::Now => execute(tx, groups).await,
            Self::Last => execute_last(tx, groups).await,
        }
    }
}

async fn write_by(tx: &mut WriteTx, changes: Changes, when: When) -> Result<()> {
    let Changes {
        reports: new,
        calls,
        entries,
        answers,
        recordings,
        absent,
        queued,
        live,
        reopened,
        jobs,
        acts,
        hours,
        counted,
    } = changes;
    let reports = rows_of_reports(tx, &new)?;
    let mut independent = vec![rows_of_keys(tx, &new)?];
    let callers = new.into_iter().map(|new| new.caller);
    independent.push(rows_of_entries(callers.chain(entries).collect()));
    independent.push(rows_of_calls(tx, calls)?);
    independent.push(
        Rows::new(ANSWERS)
            .uuid(answers.keys().map(|(report, _)| Some(*report)))
            .integer(answers.keys().map(|(_, step)| Some(i64::from(*step))))
            .bytes(answers.values().cloned().map(Some)),
    );
    independent.push(rows_of_recordings(tx, &recordings)?);
    let (of_jobs, hastened) = rows_of_jobs(jobs);
    independent.extend(of_jobs);
    // These change rows that the statements before them may insert.
    let changing = vec![
        Rows::new(ABSENT)
            .uuid(absent.iter().copied().map(Some))
            .name(absent.iter().map(|_| RecordingState::Announced))
            .name(absent.iter().map(|_| RecordingState::Absent)),
        Rows::new(LIVE)
            .uuid(live.iter().copied().map(Some))
            .name(live.iter().map(|_| Source::Live)),
        Rows::new(REOPENED)
            .uuid(reopened.iter().map(|(id, _)| Some(*id)))
            .name(reopened.iter().map(|_| Status::Closed))
            .name(reopened.iter().map(|_| Status::Queued)),
    ];
    when.execute(tx, vec![vec![reports], independent, changing])
        .await?;
    for (kind, subject, now) in hastened {
        jobs::hasten(tx, kind, subject, now).await?;
    }
    for (_, line) in reopened {
        tx.count_status(&line, Status::Closed, -1);
        tx.count_status(&line, Status::Queued, 1);
    }
    for (line, links) in acts {
        tx.acts.entry(line).or_default().extend(links);
    }
    for (hour, (answered, without)) in hours {
        let count = tx.counts.entry(hour).or_default();
        count.0 += answered;
        count.1 += without;
    }
    tx.counted.extend(counted);
    number(tx, queued, when).await
}

/// Returns the MAC of each row, in their order.
fn macs<'a, T: Proven + 'a>(
    tx: &WriteTx,
    rows: impl IntoIterator<Item = &'a T>,
) -> Result<Vec<Option<Vec<u8>>>> {
    let macs = rows.into_iter().map(|row| tx.mac(row).map(Some));
    macs.collect()
}

fn rows_of_reports(tx: &WriteTx, new: &[NewReport]) -> Result<Rows> {
    let macs = macs(tx, new.iter().map(|new| &new.report))?;
    Ok(Rows::new(REPORTS)
        .uuid(new.iter().map(|new| Some(new.report.id)))
        .text(new.iter().map(|new| Some(new.report.line.clone())))
        .text(new.iter().map(|new| Some(new.report.recipient.clone())))
        .name(new.iter().map(|_| Source::Call))
        .time(new.iter().map(|new| Some(new.report.received_hour)))
        .bytes(macs))
}

fn rows_of_keys(tx: &WriteTx, new: &[NewReport]) -> Result<Rows> {
    let macs = macs(tx, new.iter().map(|new| &new.key))?;
    Ok(Rows::new(KEYS)
        .uuid(new.iter().map(|new| Some(new.key.report)))
        .integer(new.iter().map(|new| Some(i64::from(new.key.epoch))))
        .name(new.iter().map(|new| new.key.holder))
        .uuid(new.iter().map(|new| Some(new.key.sealed_to)))
        .bytes(new.iter().map(|new| Some(new.key.sealed.clone())))
        .bytes(macs))
}

fn rows_of_calls(
    tx: &WriteTx,
    calls: BTreeMap<Uuid, (Call, Option<SealedCaller>)>,
) -> Result<Rows> {
    let (calls, callers): (Vec<Call>, Vec<Option<SealedCaller>>) = calls.into_values().unzip();
    let of_addition = calls.iter().zip(&callers).map(|(call, caller)| {
        let of = caller.as_ref().map(|caller| OfAddition {
            call: call.id,
            caller,
        });
        of.map(|of| tx.mac(&of)).transpose()
    });
    let of_addition = of_addition.collect::<Result<Vec<_>>>()?;
    let macs = macs(tx, &calls)?;
    let caller = || callers.iter().map(Option::as_ref);
    let integer = |value: Option<i32>| value.map(i64::from);
    Ok(Rows::new(CALLS)
        .uuid(calls.iter().map(|call| Some(call.id)))
        .bytes(calls.iter().map(|call| Some(call.lookup.clone())))
        .text(calls.iter().map(|call| Some(call.line.clone())))
        .uuid(calls.iter().map(|call| Some(call.report)))
        .bytes(calls.iter().map(|call| call.sid.clone()))
        .bytes(calls.iter().map(|call| call.state.clone()))
        .boolean(calls.iter().map(|call| call.ended))
        .boolean(calls.iter().map(|call| call.settled))
        .uuid(calls.iter().map(|call| call.addition_to))
        .integer(calls.iter().map(|call| integer(call.addition_from)))
        .integer(calls.iter().map(|call| integer(call.addition_offset)))
        .boolean(calls.iter().map(|call| call.added))
        .boolean(calls.iter().map(|call| call.at_duty))
        .integer(calls.iter().map(|call| integer(call.accepted_step)))
        .uuid(caller().map(|caller| caller.map(|caller| caller.entry)))
        .bytes(caller().map(|caller| caller.map(|caller| caller.sealed.clone())))
        .bytes(of_addition)
        .bytes(macs))
}

fn rows_of_recordings(tx: &WriteTx, recordings: &[RecordingRow]) -> Result<Rows> {
    let macs = macs(tx, recordings)?;
    Ok(Rows::new(RECORDINGS)
        .uuid(recordings.iter().map(|new| Some(new.id)))
        .uuid(recordings.iter().map(|new| Some(new.report)))
        .bytes(recordings.iter().map(|new| Some(new.lookup.clone())))
        .bytes(recordings.iter().map(|new| Some(new.source.clone())))
        .bytes(recordings.iter().map(|new| new.sid.clone()))
        .integer(recordings.iter().map(|new| Some(i64::from(new.step))))
        .name(recordings.iter().map(|new| new.state))
        .boolean(recordings.iter().map(|new| new.deleted))
        .bytes(macs))
}

fn rows_of_entries(entries: Vec<EntryRow>) -> Rows {
    Rows::new(ENTRIES)
        .integer((1..).zip(&entries).map(|(place, _)| Some(place)))
        .uuid(entries.iter().map(|entry| Some(entry.id)))
        .uuid(entries.iter().map(|entry| Some(entry.report)))
        .name(entries.iter().map(|entry| entry.kind))
        .bytes(entries.iter().map(|entry| Some(entry.sealed.clone())))
}

type Hastened = Vec<(jobs::Kind, Uuid, chrono::DateTime<chrono::Utc>)>;

/// Returns the statements that cancel and enqueue jobs, and the jobs to be hastened.
fn rows_of_jobs(changes: BTreeMap<(jobs::Kind, Uuid), JobChange>) -> ([Rows; 2], Hastened) {
    let (mut cancelled, mut enqueued, mut hastened) = (Vec::new(), Vec::new(), Vec::new());
    for ((kind, subject), change) in changes {
        match change {
            JobChange::Enqueue { provider, at } => enqueued.push((kind, subject, provider, at)),
            JobChange::Cancel => cancelled.push((kind, subject)),
            JobChange::Hasten { now } => hastened.push((kind, subject, now)),
        }
    }
    let of_cancelled = Rows::new(CANCELLED)
        .name(cancelled.iter().map(|(kind, _)| *kind))
        .uuid(cancelled.iter().map(|(_, subject)| Some(*subject)));
    let of_enqueued = Rows::new(ENQUEUED)
        .uuid(enqueued.iter().map(|_| Some(random_id())))
        .name(enqueued.iter().map(|(kind, ..)| *kind))
        .uuid(enqueued.iter().map(|(_, subject, ..)| Some(*subject)))
        .text(
            enqueued
                .iter()
                .map(|(_, _, provider, _)| Some(provider.clone())),
        )
        .time(enqueued.iter().map(|(.., at)| Some(*at)))
        .integer(enqueued.iter().map(|_| Some(0)));
    ([of_cancelled, of_enqueued], hastened)
}

/// Assigns references to the calls that became reports, in the order in which they did. All reports of a line and year
/// use the same row of `report_numbers`, so it is locked after the rows of the cases, and in order of line.
async fn number(tx: &mut WriteTx, queued: Vec<(Uuid, String, i32)>, when: When) -> Result<()> {
    if queued.is_empty() {
        return Ok(());
    }
    let mut of: BTreeMap<(String, i32), Vec<Uuid>> = BTreeMap::new();
    for (report, line, year) in queued {
        of.entry((line, year)).or_default().push(report);
    }
    let mut numbers: BTreeMap<Uuid, Reference> = BTreeMap::new();
    for ((line, year), ids) in of {
        let count = i32::try_from(ids.len()).map_err(|_| StoreError::Unreadable("batch"))?;
        let last = reports::assign_numbers(tx, &line, year, count).await?;
        let references = (last - count + 1..=last).map(|number| Reference { year, number });
        numbers.extend(ids.into_iter().zip(references));
        tx.count_status(&line, Status::Queued, i64::from(count));
    }
    for link in tx.acts.values_mut().flatten() {
        if link.action == Action::ReportQueued && link.detail.is_none() {
            let number = link.report.and_then(|report| numbers.get(&report));
            link.detail = number.map(Reference::to_string);
        }
    }
    let year = numbers.values().map(|one| Some(i64::from(one.year)));
    let number = numbers.values().map(|one| Some(i64::from(one.number)));
    let rows = Rows::new(QUEUED)
        .uuid(numbers.keys().copied().map(Some))
        .name(numbers.keys().map(|_| Status::Queued))
        .integer(year)
        .integer(number);
    when.execute(tx, vec![vec![rows]]).await
}
