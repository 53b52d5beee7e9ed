//! Writes the changes of many webhooks: one statement a table.

use super::super::rows::{Rows, execute};
use super::super::{Result, StoreError, Tx, jobs, reports};
use super::{Changes, JobChange};
use crate::clock::random_id;
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

const REPORTS: (&str, &str) = (
    "INSERT INTO reports (id, line, recipient, source, received_hour)",
    "",
);
const KEYS: (&str, &str) = ("INSERT INTO report_keys (report, sealed_to, sealed)", "");
const CALLS: (&str, &str) = (
    "INSERT INTO calls (id, lookup, line, report, sid, state, ended, settled, addition_to, addition_from, addition_offset,
        added, at_duty, taken_step, addition_entry, addition_caller)",
    "ON CONFLICT (id) DO UPDATE SET state = excluded.state, ended = excluded.ended, addition_to = excluded.addition_to,
        addition_from = excluded.addition_from, addition_offset = excluded.addition_offset, added = excluded.added,
        at_duty = excluded.at_duty, taken_step = excluded.taken_step, addition_entry = excluded.addition_entry,
        addition_caller = excluded.addition_caller",
);
const FIRST_ENTRIES: (&str, &str) = ("INSERT INTO entries (id, report, seq, kind, sealed)", "");
const ANSWERS: (&str, &str) = (
    "INSERT INTO steps (call, step, answer)",
    "ON CONFLICT (call, step) DO UPDATE SET answer = excluded.answer",
);
const RECORDINGS: (&str, &str) = (
    "INSERT INTO recordings (id, report, lookup, source, sid, step, state, deleted)",
    "",
);
const ABSENT: (&str, &str) = (
    "WITH changed (id) AS (",
    ") UPDATE recordings SET state = 'absent' WHERE id IN (SELECT id FROM changed) AND state = 'announced'",
);
const LIVE: (&str, &str) = (
    "WITH changed (id) AS (",
    ") UPDATE reports SET source = 'live' WHERE id IN (SELECT id FROM changed) AND reference IS NULL",
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
    "WITH queued (id, reference) AS (",
    ") UPDATE reports SET status = 'queued', reference = queued.reference FROM queued
        WHERE reports.id = queued.id AND reports.reference IS NULL",
);

/// Writes changes; their links and counts are written at the commit. What is counted for operators is given back, for
/// after the commit.
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
        counted: _,
    } = changes;
    let mut statements = rows_of_reports(new);
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
    for ((before, after), ids) in [(ABSENT, absent), (LIVE, live), (REOPENED, reopened)] {
        statements.push(Rows::new(before, after).uuid(ids.into_iter().map(Some)));
    }
    let hastened = rows_of_jobs(jobs, &mut statements);
    execute(tx, statements).await?;
    for entry in entries {
        reports::insert_entry(tx, &entry).await?;
    }
    for (kind, subject, now) in hastened {
        jobs::hasten(tx, kind, subject, now).await?;
    }
    for (line, links) in acts {
        tx.acts.entry(line).or_default().extend(links);
    }
    for (hour, (answered, without)) in hours {
        let count = tx.counts.entry(hour).or_default();
        count.0 += answered;
        count.1 += without;
    }
    number(tx, queued).await
}

fn rows_of_reports(new: Vec<super::NewReport>) -> Vec<Rows> {
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
        Rows::new(FIRST_ENTRIES.0, FIRST_ENTRIES.1)
            .uuid(new.iter().map(|new| Some(new.caller.id)))
            .uuid(new.iter().map(|new| Some(new.caller.report)))
            .integer(new.iter().map(|_| Some(1)))
            .text(new.iter().map(|new| Some(new.caller.kind.clone())))
            .bytes(new.iter().map(|new| Some(new.caller.sealed.clone()))),
    ]
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
    let mut references: HashMap<Uuid, String> = HashMap::new();
    for ((line, year), reports) in of {
        let count = i32::try_from(reports.len()).map_err(|_| StoreError::Unreadable("batch"))?;
        let last = reports::take_numbers(tx, &line, year, count).await?;
        for (number, report) in (last - count + 1..=last).zip(reports) {
            references.insert(report, format!("{year}-{number:04}"));
        }
    }
    for link in tx.acts.values_mut().flatten() {
        if link.action == "report_queued" && link.detail.is_none() {
            link.detail = link
                .report
                .and_then(|report| references.get(&report).cloned());
        }
    }
    let rows = Rows::new(QUEUED.0, QUEUED.1)
        .uuid(references.keys().copied().map(Some))
        .text(references.values().cloned().map(Some));
    execute(tx, vec![rows]).await
}
