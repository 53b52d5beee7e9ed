//! Writes the changes of many webhooks: one statement a table.

use super::super::reports::EntryRow;
use super::super::rows::{Rows, execute};
use super::super::{Result, StoreError, Tx, jobs, reports};
use super::{Changes, JobChange, NewReport};
use crate::clock::random_id;
use crate::report::status::Status;
use std::collections::BTreeMap;
use uuid::Uuid;

const REPORTS: (&str, &str) = (
    "INSERT INTO reports (id, line, recipient, source, received_hour)",
    "",
);
const KEYS: (&str, &str) = (
    "WITH new (report, sealed_to, sealed) AS (",
    ") INSERT INTO report_keys (report, epoch, holder, sealed_to, sealed)
        SELECT reports.n, 1, 'line', new.sealed_to, new.sealed FROM new JOIN reports ON reports.id = new.report",
);
/// In order of lookup: two nodes may have the same new calls.
const CALLS: (&str, &str) = (
    "WITH new (id, lookup, line, report, sid, state, ended, settled, addition_to, addition_from, addition_offset, added, at_duty,
        taken_step, addition_entry, addition_caller) AS (",
    ") INSERT INTO calls (id, lookup, line, report, sid, state, ended, settled, addition_to, addition_from, addition_offset,
        added, at_duty, taken_step, addition_entry, addition_caller)
        SELECT new.id, new.lookup, new.line, own.n, new.sid, new.state, new.ended, new.settled, earlier.n, new.addition_from,
        new.addition_offset, new.added, new.at_duty, new.taken_step, new.addition_entry, new.addition_caller
        FROM new JOIN reports AS own ON own.id = new.report LEFT JOIN reports AS earlier ON earlier.id = new.addition_to
        WHERE TRUE ORDER BY new.lookup
        ON CONFLICT (report) DO UPDATE SET state = excluded.state, ended = excluded.ended, addition_to = excluded.addition_to,
        addition_from = excluded.addition_from, addition_offset = excluded.addition_offset, added = excluded.added,
        at_duty = excluded.at_duty, taken_step = excluded.taken_step, addition_entry = excluded.addition_entry,
        addition_caller = excluded.addition_caller",
);
const ENTRIES: (&str, &str) = (
    "WITH new (place, id, report, kind, sealed) AS (",
    ") INSERT INTO entries (id, report, kind, sealed)
        SELECT new.id, reports.n, new.kind, new.sealed FROM new JOIN reports ON reports.id = new.report ORDER BY new.place",
);
const ANSWERS: (&str, &str) = (
    "WITH new (call, step, answer) AS (",
    ") INSERT INTO steps (call, step, answer)
        SELECT calls.report, new.step, new.answer FROM new JOIN calls ON calls.id = new.call WHERE TRUE
        ON CONFLICT (call, step) DO UPDATE SET answer = excluded.answer",
);
const RECORDINGS: (&str, &str) = (
    "WITH new (id, report, lookup, source, sid, step, state, deleted) AS (",
    ") INSERT INTO recordings (id, report, lookup, source, sid, step, state, deleted)
        SELECT new.id, reports.n, new.lookup, new.source, new.sid, new.step, new.state, new.deleted
        FROM new JOIN reports ON reports.id = new.report",
);
const ABSENT: (&str, &str) = (
    "WITH changed (id) AS (",
    ") UPDATE recordings SET state = 'absent' WHERE id IN (SELECT id FROM changed) AND state = 'announced'",
);
const LIVE: (&str, &str) = (
    "WITH changed (id) AS (",
    ") UPDATE reports SET source = 'live' WHERE id IN (SELECT id FROM changed) AND number IS NULL",
);
const REOPENED: (&str, &str) = (
    "WITH changed (id) AS (",
    ") UPDATE reports SET status = 'queued', assignee = NULL WHERE id IN (SELECT id FROM changed) AND status = 'closed'",
);
const CANCELLED: (&str, &str) = (
    "WITH cancelled (kind, subject) AS (",
    ") DELETE FROM jobs WHERE (kind, subject) IN (SELECT kind, subject FROM cancelled)",
);
const ENQUEUED: (&str, &str) = (
    "INSERT INTO jobs (id, kind, subject, provider, run_after, attempts)",
    "ON CONFLICT (kind, subject) DO NOTHING",
);
const QUEUED: (&str, &str) = (
    "WITH queued (id, year, number) AS (",
    ") UPDATE reports SET status = 'queued', year = queued.year, number = queued.number FROM queued
        WHERE reports.id = queued.id AND reports.number IS NULL",
);

/// Writes changes. Their links and counts are written at the commit, and operators' counters are raised after it.
///
/// # Errors
///
/// When the database fails. [`StoreError::Duplicate`] when another node wrote one of the calls or recordings first.
pub async fn write(tx: &mut Tx, changes: Changes) -> Result<()> {
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
    let mut statements = rows_of_reports(&new);
    let callers = new.into_iter().map(|new| new.caller);
    statements.push(rows_of_entries(callers.chain(entries).collect()));
    let (ids, rows): (Vec<Uuid>, Vec<_>) = calls.into_iter().unzip();
    statements.push(
        Rows::new(CALLS.0, CALLS.1)
            .uuid(ids.into_iter().map(Some))
            .bytes(rows.iter().map(|(call, _)| Some(call.lookup.clone())))
            .text(rows.iter().map(|(call, _)| Some(call.line.clone())))
            .uuid(rows.iter().map(|(call, _)| Some(call.report)))
            .bytes(rows.iter().map(|(call, _)| call.sid.clone()))
            .bytes(rows.iter().map(|(call, _)| call.state.clone()))
            .boolean(rows.iter().map(|(call, _)| call.ended))
            .boolean(rows.iter().map(|(call, _)| call.settled))
            .uuid(rows.iter().map(|(call, _)| call.addition_to))
            .integer(
                rows.iter()
                    .map(|(call, _)| call.addition_from.map(i64::from)),
            )
            .integer(
                rows.iter()
                    .map(|(call, _)| call.addition_offset.map(i64::from)),
            )
            .boolean(rows.iter().map(|(call, _)| call.added))
            .boolean(rows.iter().map(|(call, _)| call.at_duty))
            .integer(rows.iter().map(|(call, _)| call.taken_step.map(i64::from)))
            .uuid(
                rows.iter()
                    .map(|(_, caller)| caller.as_ref().map(|caller| caller.entry)),
            )
            .bytes(
                rows.iter()
                    .map(|(_, caller)| caller.as_ref().map(|caller| caller.sealed.clone())),
            ),
    );
    statements.push(
        Rows::new(ANSWERS.0, ANSWERS.1)
            .uuid(answers.keys().map(|(call, _)| Some(*call)))
            .integer(answers.keys().map(|(_, step)| Some(i64::from(*step))))
            .bytes(answers.values().cloned().map(Some)),
    );
    statements.push(
        Rows::new(RECORDINGS.0, RECORDINGS.1)
            .uuid(recordings.iter().map(|new| Some(new.row.id)))
            .uuid(recordings.iter().map(|new| Some(new.row.report)))
            .bytes(recordings.iter().map(|new| Some(new.row.lookup.clone())))
            .bytes(recordings.iter().map(|new| Some(new.source.to_vec())))
            .bytes(recordings.iter().map(|new| new.row.sid.clone()))
            .integer(recordings.iter().map(|new| Some(i64::from(new.row.step))))
            .text(recordings.iter().map(|new| Some(new.row.state.clone())))
            .boolean(recordings.iter().map(|new| new.row.deleted)),
    );
    let reopened_lines: Vec<String> = reopened.iter().map(|(_, line)| line.clone()).collect();
    let reopened = reopened.into_iter().map(|(id, _)| id).collect();
    for ((before, after), ids) in [(ABSENT, absent), (LIVE, live), (REOPENED, reopened)] {
        statements.push(Rows::new(before, after).uuid(ids.into_iter().map(Some)));
    }
    let hastened = rows_of_jobs(jobs, &mut statements);
    execute(tx, statements).await?;
    for (kind, subject, now) in hastened {
        jobs::hasten(tx, kind, subject, now).await?;
    }
    for line in reopened_lines {
        tx.count_status(&line, Status::Closed.as_str(), -1);
        tx.count_status(&line, Status::Queued.as_str(), 1);
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
    number(tx, queued).await
}

fn rows_of_reports(new: &[NewReport]) -> Vec<Rows> {
    let source = || Some("call".to_owned());
    vec![
        Rows::new(REPORTS.0, REPORTS.1)
            .uuid(new.iter().map(|new| Some(new.report.id)))
            .text(new.iter().map(|new| Some(new.report.line.clone())))
            .text(new.iter().map(|new| Some(new.report.recipient.clone())))
            .text(new.iter().map(|_| source()))
            .time(new.iter().map(|new| Some(new.report.received_hour))),
        Rows::new(KEYS.0, KEYS.1)
            .uuid(new.iter().map(|new| Some(new.key.report)))
            .uuid(new.iter().map(|new| Some(new.key.sealed_to)))
            .bytes(new.iter().map(|new| Some(new.key.sealed.clone()))),
    ]
}

fn rows_of_entries(entries: Vec<EntryRow>) -> Rows {
    Rows::new(ENTRIES.0, ENTRIES.1)
        .integer((1..).zip(&entries).map(|(place, _)| Some(place)))
        .uuid(entries.iter().map(|entry| Some(entry.id)))
        .uuid(entries.iter().map(|entry| Some(entry.report)))
        .text(entries.iter().map(|entry| Some(entry.kind.clone())))
        .bytes(entries.iter().map(|entry| Some(entry.sealed.clone())))
}

type Hastened = Vec<(jobs::Kind, Uuid, chrono::DateTime<chrono::Utc>)>;

fn rows_of_jobs(
    changes: BTreeMap<(jobs::Kind, Uuid), JobChange>,
    statements: &mut Vec<Rows>,
) -> Hastened {
    let (mut cancelled, mut enqueued, mut hastened) = (Vec::new(), Vec::new(), Vec::new());
    for ((kind, subject), change) in changes {
        match change {
            JobChange::Enqueue { provider, at } => enqueued.push((kind, subject, provider, at)),
            JobChange::Cancel => cancelled.push((kind, subject)),
            JobChange::Hasten { now } => hastened.push((kind, subject, now)),
        }
    }
    let name = |kind: jobs::Kind| Some(kind.as_str().to_owned());
    statements.push(
        Rows::new(CANCELLED.0, CANCELLED.1)
            .text(cancelled.iter().map(|(kind, _)| name(*kind)))
            .uuid(cancelled.iter().map(|(_, subject)| Some(*subject))),
    );
    statements.push(
        Rows::new(ENQUEUED.0, ENQUEUED.1)
            .uuid(enqueued.iter().map(|_| Some(random_id())))
            .text(enqueued.iter().map(|(kind, ..)| name(*kind)))
            .uuid(enqueued.iter().map(|(_, subject, ..)| Some(*subject)))
            .text(
                enqueued
                    .iter()
                    .map(|(_, _, provider, _)| Some(provider.clone())),
            )
            .time(enqueued.iter().map(|(.., at)| Some(*at)))
            .integer(enqueued.iter().map(|_| Some(0))),
    );
    hastened
}

/// Gives references to the calls that became reports, in the order in which they did. Every report of a line changes the row
/// that is counted in, so it is locked last, in order of line.
async fn number(tx: &mut Tx, queued: Vec<(Uuid, String, i32)>) -> Result<()> {
    if queued.is_empty() {
        return Ok(());
    }
    let mut of: BTreeMap<(String, i32), Vec<Uuid>> = BTreeMap::new();
    for (report, line, year) in queued {
        of.entry((line, year)).or_default().push(report);
    }
    let mut numbers: BTreeMap<Uuid, (i32, i32)> = BTreeMap::new();
    for ((line, year), ids) in of {
        let count = i32::try_from(ids.len()).map_err(|_| StoreError::Unreadable("batch"))?;
        let last = reports::take_numbers(tx, &line, year, count).await?;
        numbers.extend(
            ids.into_iter()
                .zip((last - count + 1..=last).map(|n| (year, n))),
        );
        tx.count_status(&line, Status::Queued.as_str(), i64::from(count));
    }
    for link in tx.acts.values_mut().flatten() {
        if link.action == "report_queued" && link.detail.is_none() {
            let number = link.report.and_then(|report| numbers.get(&report));
            link.detail = number.map(|(year, number)| reports::reference(*year, *number));
        }
    }
    let year = numbers.values().map(|(year, _)| Some(i64::from(*year)));
    let number = numbers.values().map(|(_, number)| Some(i64::from(*number)));
    let rows = Rows::new(QUEUED.0, QUEUED.1)
        .uuid(numbers.keys().copied().map(Some))
        .integer(year)
        .integer(number);
    execute(tx, vec![rows]).await
}
