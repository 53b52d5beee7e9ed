//! Changes each column of each row that the program reads, swaps it between two rows, and deletes and copies a row, in
//! the database of a service that runs, and then asks the service: nothing is sealed to a stranger, nothing is shown or
//! spoken that was not said, and an error is an error. Then the row is put back, and the service, which goes on running,
//! works as before.
//!
//! [`targets`] says which of these are asked for which row: those that read it. A log-in takes longer than all else of a
//! case, because a key is derived from the password, so it is tried for some columns of the lead's row only ([`LOG_IN`]);
//! for the same reason a line is given by the functions that the console calls after it has checked the password. Tables
//! that choose no key and no right are left out, as in `columns.rs`, and so are strays, which only jobs read. A job may
//! fail while a row is changed, and is done in the end.

mod change;
mod scene;

use super::contents::{id_literal, literal};
use super::matrix::{begin, findings, tables};
use crate::support::{DEADLINE, TestLine, on_both, pause, queue};
use change::{Case, Changed, Saved};
use dutyline::vault::session::Token;
use scene::{Deed, GIVEN, LINES, Running, SIDES, seven_lines};
use std::collections::BTreeMap;

/// True for a change that the service may build on, so that it is not enough to undo it: where a chain ends has a higher
/// number, and links are added that have a gap before them; a call is not found, and gets another row; a call is counted
/// as a report that its row does not become. Then the whole database is put back, and the service is told to accept
/// that, as `serve --accept-head` does.
fn is_built_on(target: &Target, case: &Case) -> bool {
    match (target.table, case) {
        ("audit_heads", Case::Change(column) | Case::Swap(column)) => column == "seq",
        ("calls", Case::Change(column)) => column == "lookup",
        ("calls", Case::Delete) => true,
        ("reports", Case::Change(column)) if target.deeds == [Deed::GoOn] => column == "number",
        ("reports", Case::Swap(column)) if target.deeds == [Deed::GoOn] => {
            matches!(column.as_str(), "year" | "number")
        }
        _ => false,
    }
}

/// Columns of the lead's row that are changed before a log-in.
const LOG_IN: [&str; 5] = ["recipient", "verifying", "wrapped", "disabled", "mac"];

/// A row that is changed, another one to swap its columns with, what reads it, and what may be put in place of what it
/// holds.
pub struct Target {
    table: &'static str,
    row: String,
    other: Option<String>,
    deeds: &'static [Deed],
    forged: Option<String>,
}

fn target(
    table: &'static str,
    row: String,
    other: Option<String>,
    deeds: &'static [Deed],
) -> Target {
    Target {
        table,
        row,
        other,
        deeds,
        forged: None,
    }
}

/// Returns the rows that are changed: those of the report of this line, or of a call of it that runs.
fn targets(running: &Running<'_>, side: usize) -> Vec<Target> {
    use Deed::{CallBack, Give, GoOn, Leave, LogIn, Open, Play, Reply};
    let db = running.line.db();
    let report = |side: usize| {
        let id = id_literal(db, running.report(side));
        format!("(SELECT n FROM reports WHERE id = {id})")
    };
    let next = (side + 1) % SIDES;
    let (own, others) = (report(side), report(next));
    let call = "(SELECT MAX(n) FROM reports)";
    let of = |report: &str| format!("report = {report}");
    let line = |n: usize| format!("line = '{}'", LINES[n]);
    let named = |name: &str| format!("name = '{name}'");
    let grant = |n: usize| {
        format!(
            "member = (SELECT id FROM members WHERE name = 'wang') AND line_key = (SELECT id FROM line_keys WHERE {})",
            line(n)
        )
    };
    let approved = format!("{} AND action = 'reply_approved'", line(side));
    let first = |line: &str| Some(format!("line = '{line}' AND seq = 1"));
    let made = format!(
        "line = '*' AND action = 'line_key_made' AND detail LIKE '{} %'",
        GIVEN
    );
    let entry = |kind: &str| format!("report = {own} AND kind = '{kind}'");
    let token: Token = running.lead.token().parse().unwrap();
    let token = token.hash();
    let token = format!("hash = {}", literal(db, &token));
    let li = "member = (SELECT id FROM members WHERE name = 'li')".to_owned();
    vec![
        target("audit", approved, first(LINES[side]), &[Open, CallBack]),
        target("audit", made, first("*"), &[Give]),
        target("audit_heads", line(side), Some(line(next)), &[Open, Leave]),
        target("audit_heads", "line = '*'".into(), None, &[Give]),
        target("blobs", of(&own), Some(of(&others)), &[Play]),
        target("calls", of(call), Some(of(&own)), &[GoOn]),
        Target {
            forged: Some(literal(db, running.forged(side))),
            ..target(
                "entries",
                entry("reply"),
                Some(entry("caller")),
                &[Open, CallBack],
            )
        },
        target("grants", grant(side), Some(grant(SIDES)), &[Open]),
        target("grants", grant(SIDES), None, &[Give]),
        target("line_keys", line(side), Some(line(SIDES)), &[Leave]),
        target("line_keys", line(SIDES), None, &[Give]),
        target(
            "members",
            named("wang"),
            Some(named("li")),
            &[Open, Give, LogIn],
        ),
        target("members", named("li"), Some(named("zhao")), &[CallBack]),
        target("members", named("zhao"), Some(named("wang")), &[Give]),
        target("receipts", of(&own), Some(of(&others)), &[CallBack, Reply]),
        target("recordings", of(&own), Some(of(&others)), &[Play]),
        target("replies", of(&own), Some(of(&others)), &[Open, CallBack]),
        target("report_keys", of(&own), Some(of(&others)), &[Open]),
        target("report_keys", of(call), Some(of(&own)), &[GoOn]),
        target(
            "reports",
            format!("n = {own}"),
            Some(format!("n = {others}")),
            &[Open, CallBack],
        ),
        target(
            "reports",
            format!("n = {call}"),
            Some(format!("n = {own}")),
            &[GoOn],
        ),
        target("sessions", token, Some(li), &[Open]),
        target("waivers", line(side), Some(line(next)), &[CallBack]),
    ]
}

/// Waits until all jobs are done, also those that have failed while a row was changed and wait to be tried again.
async fn settle(line: &TestLine) {
    let settled = async {
        while !line.jobs().await.is_empty() {
            for job in queue::all(line.db()).await {
                if job.kind != "watch" {
                    queue::make_due(line.db(), &job.kind).await;
                }
            }
            line.service().wake.notify_one();
            pause().await;
        }
    };
    tokio::time::timeout(DEADLINE, settled)
        .await
        .expect("all jobs are done");
}

on_both! {
    async fn a_row_is_changed_while_the_service_runs(line: TestLine = seven_lines) {
        let line = &*line;
        let (mut running, attack) = Running::set(line).await;
        let tables = tables(line.db()).await;
        change::prepare(line.db(), &tables).await;
        let (mut cases, mut failed) = (0, BTreeMap::new());
        for n in 0..targets(&running, 0).len() {
            let target = &targets(&running, 0)[n];
            let table = tables.iter().find(|table| table.name == target.table).unwrap();
            for case in change::cases(&attack, table, target) {
                let side = cases % SIDES;
                let is_shown = target.deeds.iter().any(|deed| matches!(deed, Deed::Open | Deed::Play));
                let begun = match target.deeds.contains(&Deed::GoOn) {
                    true => Some(running.begin(side).await),
                    false => None,
                };
                let target = &targets(&running, side)[n];
                let saved = match is_built_on(target, &case) {
                    true => {
                        settle(line).await;
                        Some(Saved::save(line.db(), &tables).await)
                    }
                    false => None,
                };
                let changed = Changed::make(&attack, table, target, &case).await;
                let is_changed = changed.is_some();
                cases += 1;
                let begun = begun.as_ref().map(|(call, _)| call.as_str());
                for deed in target.deeds {
                    let is_asked = match deed {
                        Deed::LogIn => is_changed && case.is_of(&LOG_IN),
                        // The call has begun.
                        Deed::GoOn => true,
                        _ => is_changed,
                    };
                    if is_asked && !running.act(*deed, side, begun).await {
                        *failed.entry(*deed).or_insert(0) += 1;
                    }
                }
                let is_undone = match changed {
                    Some(changed) => changed.undo(&attack).await,
                    None => true,
                };
                assert!(is_undone || saved.is_some(), "{} {case:?} cannot be undone", target.table);
                if let Some(saved) = saved {
                    let found = findings(line, &mut begin(line.db()).await, &LINES).await;
                    let is_wrong = !is_undone || !found.is_empty() || line.wrong_counts().await > 0;
                    // What is swapped with another row may be what the program writes, or may not be used.
                    let may_be_right = matches!(case, Case::Swap(_));
                    assert!(is_wrong || may_be_right, "{} {case:?} can be undone", target.table);
                    saved.put_back(line.db()).await;
                    let service = line.service();
                    let accepted = service.db.console.accept_heads(service.clock.line_now());
                    accepted.await.unwrap();
                }
                running.nothing_is_sealed_to_a_stranger().await;
                if target.deeds.contains(&Deed::Give) {
                    running.take_back().await;
                }
                if target.deeds.contains(&Deed::Reply) {
                    running.look_again(side).await;
                }
                if is_changed {
                    running.reads(side).await;
                }
                if is_changed && is_shown {
                    let works = running.act(Deed::Open, side, None).await;
                    assert!(works, "{} {case:?}: it does not work again", target.table);
                }
            }
        }
        settle(line).await;
        running.is_whole().await;
        assert_eq!(line.service().metrics.receipts_refused.get(), 0, "receipts were looked up");
        let all = [Deed::Open, Deed::Play, Deed::LogIn, Deed::CallBack, Deed::Leave, Deed::GoOn, Deed::Give, Deed::Reply];
        for deed in all {
            assert!(failed.contains_key(&deed), "{deed:?} never fails: {failed:?}");
        }
        assert!(cases > 400, "{cases} cases");
    }
}
