//! The page of a report: its state, its recordings and its entries.

use super::page::{Page, Stop, Visit, render};
use super::said;
use super::words::Words;
use crate::desk::opened::OpenReport;
use crate::desk::{DeskError, opened};
use crate::line::hours::Phase;
use crate::login::Role;
use crate::members::confirming::Judged;
use crate::report::classification::{Classification, Scope};
use crate::report::status::Status;
use crate::service::Service;
use crate::store::columns::RecordingState;
use crate::vault::entry::{Entry, EntryKind};
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use chrono_tz::Tz;
use serde_json::Value;
use std::sync::Arc;
use uuid::Uuid;

pub(super) type App = State<Arc<Service>>;

#[derive(Template)]
#[template(path = "report.html", config = "src/web/askama.toml")]
struct ReportPage {
    page: Page,
    id: Uuid,
    reference: String,
    line: String,
    status: &'static str,
    status_name: &'static str,
    mark: &'static str,
    source: &'static str,
    /// Its caller is on the telephone.
    live: bool,
    arrived: String,
    arrived_exact: String,
    assignee: String,
    problem: Option<String>,
    actions: Vec<Action>,
    may_close: bool,
    recordings: Vec<Recording>,
    draft: String,
    reply_draft: String,
    scope: &'static str,
    disciplines: Vec<Choice>,
    focuses: Vec<Choice>,
    entries: Vec<Shown>,
}

struct Action {
    to: &'static str,
    name: String,
    kind: &'static str,
}

struct Recording {
    n: usize,
    /// Seconds with a fraction, as the player counts.
    seconds: Option<String>,
    /// Minutes and seconds, for people.
    length: Option<String>,
    replaced: bool,
    state: RecordingState,
    /// An SVG path, see [`waveform`].
    waveform: String,
}

struct Choice {
    name: String,
    chosen: bool,
}

struct Shown {
    kind: &'static str,
    title: String,
    at: String,
    exact: String,
    by: String,
    lines: Vec<String>,
    approval: Option<Approval>,
}

/// How a reply stands.
struct Approval {
    words: String,
    /// The entry's id, where whoever looks at it may approve it.
    entry: Option<Uuid>,
    /// A third member has to confirm an account first.
    waits: bool,
}

/// What was written and could not be kept.
#[derive(Default)]
pub(super) struct Draft<'a> {
    pub(super) note: &'a str,
    pub(super) reply: &'a str,
}

/// The id in an address. What is no id gets the answer of a report that is missing.
pub(super) fn report_id(visit: &Visit, text: &str) -> Result<Uuid, Stop> {
    text.parse().map_err(|_| visit.stop(DeskError::Missing))
}

/// `GET /console/reports/{id}`. Members of its line; opens everything; in the trail.
pub(super) async fn show(
    State(service): App,
    Path(id): Path<String>,
    visit: Visit,
) -> Result<Response, Stop> {
    page_of(&service, &visit, &id, None, Draft::default()).await
}

/// The page, with what went wrong and what was written before.
pub(super) async fn page_of(
    service: &Service,
    visit: &Visit,
    id: &str,
    problem: Option<String>,
    draft: Draft<'_>,
) -> Result<Response, Stop> {
    let id = report_id(visit, id)?;
    let open = opened::open(service, &visit.inspector, id)
        .await
        .map_err(|error| visit.stop(error))?;
    let mut page = visit.page(service, "report").await?;
    page.live = format!("/console/reports/{id}/events?after={}", open.trail);
    page.renews = true;
    // A page that answers a form has the form's address, where nothing is to be fetched.
    page.back = format!("/console/reports/{id}");
    let w = page.w;
    let report = &open.report;
    let line = service.config.line(&report.line);
    let zone = line.map_or(Tz::UTC, |line| line.schedule.timezone);
    let status = report.status;
    let (status_name, mark) = said::status(w, status);
    let mine =
        report.assignee == Some(visit.inspector.id()) || visit.inspector.role() == Role::Lead;
    let action = |to, name: &str, kind| Action {
        to,
        name: name.to_owned(),
        kind,
    };
    let actions = match status {
        Some(Status::Queued) => vec![action("claim", &w.claim, "main")],
        Some(Status::Claimed) if mine => vec![action("release", &w.release, "")],
        Some(Status::Closed) => vec![action("reopen", &w.reopen, "")],
        _ => Vec::new(),
    };
    let classification = last_classification(&open);
    let choices = |all: Option<&Vec<String>>, chosen: &[String]| {
        all.into_iter()
            .flatten()
            .map(|name| Choice {
                name: name.clone(),
                chosen: chosen.contains(name),
            })
            .collect()
    };
    let none = Vec::new();
    let template = ReportPage {
        id,
        reference: report.reference.clone().unwrap_or_default(),
        line: report.line.clone(),
        status: status.map_or("", Status::as_str),
        status_name,
        mark,
        source: said::source(w, report.source),
        live: report.live,
        arrived: said::hour(w, report.received_hour, zone),
        arrived_exact: said::exactly(report.received_hour, zone),
        assignee: report
            .assignee_name
            .clone()
            .unwrap_or_else(|| w.nobody.clone()),
        problem,
        actions,
        may_close: status == Some(Status::Claimed) && mine,
        recordings: open
            .recordings
            .iter()
            .map(|recording| Recording {
                n: recording.n,
                seconds: recording
                    .milliseconds
                    .map(|ms| format!("{:.3}", ms as f64 / 1000.0)),
                length: recording.milliseconds.map(|ms| {
                    let seconds = ms.div_ceil(1000);
                    format!("{}:{:02}", seconds / 60, seconds % 60)
                }),
                replaced: recording.replaced,
                state: recording.row.state,
                waveform: waveform(&recording.peaks),
            })
            .collect(),
        draft: draft.note.to_owned(),
        reply_draft: draft.reply.to_owned(),
        scope: match classification.as_ref().map(|own| own.scope) {
            Some(Scope::In) => "in",
            Some(Scope::Out) => "out",
            None => "",
        },
        disciplines: choices(
            line.map(|line| &line.disciplines),
            classification
                .as_ref()
                .map_or(&none, |own| &own.disciplines),
        ),
        focuses: choices(
            line.map(|line| &line.focuses),
            classification.as_ref().map_or(&none, |own| &own.focuses),
        ),
        entries: open
            .entries
            .iter()
            .map(|entry| Shown {
                approval: approval(w, &open, entry, visit.inspector.id()),
                ..shown(w, entry, zone)
            })
            .collect(),
        page,
    };
    Ok(render(&template))
}

/// How loud it is, as an outline in a box of 600 by 60, the middle at 30. Empty when it is not known.
fn waveform(peaks: &[u8]) -> String {
    use std::fmt::Write;
    let mut path = String::new();
    let step = 600.0 / peaks.len().max(1) as f64;
    for (i, peak) in peaks.iter().enumerate() {
        // Silence is a line as well.
        let half = (f64::from(*peak) / 254.0 * 29.0).max(0.5);
        let (x, bar) = (i as f64 * step, step * 0.7);
        let _ = write!(
            path,
            "M{x:.1} {:.1}h{bar:.1}v{:.1}h-{bar:.1}z",
            30.0 - half,
            2.0 * half
        );
    }
    path
}

fn last_classification(open: &OpenReport) -> Option<Classification> {
    open.entries
        .iter()
        .rev()
        .find(|entry| entry.address.kind == EntryKind::Classification)
        .and_then(|entry| serde_json::from_value(entry.body.clone()).ok())
}

/// An entry in words.
fn shown(w: &'static Words, entry: &Entry, zone: Tz) -> Shown {
    let text = |name: &str| entry.body[name].as_str().map(str::to_owned);
    let list = |name: &str| -> Option<String> {
        let items: Vec<&str> = entry.body[name]
            .as_array()?
            .iter()
            .filter_map(Value::as_str)
            .collect();
        (!items.is_empty()).then(|| items.join("、"))
    };
    let own = std::slice::from_ref(entry);
    let (title, lines): (&str, Vec<Option<String>>) = match entry.address.kind {
        EntryKind::Caller => (&w.caller, vec![caller(w, own)]),
        EntryKind::Call => (
            &w.call_entry,
            vec![
                call_word(w, own, "phase"),
                call_word(w, own, "reached"),
                match entry.body["receipt_spoken"].as_bool() {
                    // Who adds to a report has its receipt.
                    _ if entry.body["added"] == true => None,
                    Some(true) => Some(w.receipt_given.clone()),
                    Some(false) => Some(w.receipt_not_given.clone()),
                    None => None,
                },
            ],
        ),
        EntryKind::Talk => (
            &w.talk_entry,
            vec![
                text("on_duty"),
                (entry.body["recorded"] == true).then(|| w.talk_recorded.clone()),
            ],
        ),
        EntryKind::Recording => (&w.recording_entry, Vec::new()),
        EntryKind::Take => (&w.take_entry, Vec::new()),
        EntryKind::Transcript => (&w.transcript_entry, vec![text("text")]),
        EntryKind::Note => (&w.note, vec![text("text")]),
        EntryKind::Reply => (&w.reply_entry, vec![text("text")]),
        EntryKind::Classification => (
            &w.classification,
            vec![
                Some(match entry.body["scope"].as_str() {
                    Some("in") => w.scope_in.clone(),
                    Some("out") => w.scope_out.clone(),
                    other => unknown(w, &w.scope, other),
                }),
                list("disciplines"),
                list("focuses"),
            ],
        ),
        EntryKind::Outcome => (
            &w.outcome_entry,
            vec![
                Some(match entry.body["outcome"].as_str() {
                    Some("referred") => w.referred.clone(),
                    Some("no_action") => w.no_action.clone(),
                    Some("duplicate") => w.duplicate.clone(),
                    Some("handled") => w.handled.clone(),
                    other => unknown(w, &w.outcome, other),
                }),
                text("destination"),
                text("of"),
            ],
        ),
    };
    Shown {
        kind: entry.address.kind.as_str(),
        title: title.to_owned(),
        at: said::moment(w, entry.at, zone),
        exact: said::exactly(entry.at, zone),
        by: entry.by.clone().unwrap_or_else(|| w.by_service.clone()),
        lines: lines.into_iter().flatten().collect(),
        approval: None,
    }
}

/// How an entry stands that is a reply, and whether `member` may approve it.
fn approval(w: &Words, open: &OpenReport, entry: &Entry, member: Uuid) -> Option<Approval> {
    let id = entry.address.entry;
    let mut replies = open.replies.iter();
    let Judged { reply, unconfirmed } = replies.find(|judged| judged.reply.entry == id)?;
    Some(match (&reply.approved_by, unconfirmed) {
        (Some(approver), Some(account)) => Approval {
            words: w
                .unconfirmed
                .split("{name}")
                .map(|part| part.replace("{approver}", approver))
                .collect::<Vec<_>>()
                .join(account),
            entry: None,
            waits: true,
        },
        (Some(name), None) => Approval {
            words: w.approved_by.replace("{name}", name),
            entry: None,
            waits: false,
        },
        (None, _) => Approval {
            words: w.not_approved.clone(),
            entry: (reply.author != member).then_some(id),
            waits: false,
        },
    })
}

/// Who called.
pub(super) fn caller(w: &Words, entries: &[Entry]) -> Option<String> {
    let entry = entries
        .iter()
        .find(|entry| entry.address.kind == EntryKind::Caller)?;
    Some(match entry.body.get("number") {
        Some(Value::String(number)) => number.clone(),
        Some(Value::Null) => w.caller_withheld.clone(),
        _ => unknown(w, &w.caller, None),
    })
}

/// The phase a call was answered in, or how far the caller got, in words.
pub(super) fn call_word(w: &'static Words, entries: &[Entry], name: &str) -> Option<String> {
    let entry = entries
        .iter()
        .find(|entry| entry.address.kind == EntryKind::Call)?;
    let value = entry.body.get(name)?.clone();
    Some(match value.as_str().unwrap_or_default() {
        "greeting" if name == "reached" => w.reached_greeting.clone(),
        "called_back" if name == "reached" => w.reached_called_back.clone(),
        "guidance" if name == "reached" => w.reached_guidance.clone(),
        "recording" if name == "reached" => w.reached_recording.clone(),
        "receipt" if name == "reached" => w.reached_receipt.clone(),
        "added" if name == "reached" => w.reached_added.clone(),
        other => match serde_json::from_value::<Phase>(value.clone()) {
            Ok(phase) if name == "phase" => said::phase(w, phase).to_owned(),
            _ if name == "phase" => unknown(w, &w.phase, Some(other)),
            _ => unknown(w, &w.reached, Some(other)),
        },
    })
}

/// A value this version has no word for, as it stands in the entry: a later version may have written it.
fn unknown(w: &Words, what: &str, value: Option<&str>) -> String {
    let value = value.filter(|value| !value.is_empty()).unwrap_or("?");
    let words = w.unknown_value.replace("{what}", what);
    words.replace("{value}", value)
}

#[cfg(test)]
mod tests {
    use super::super::words::words;
    use super::*;
    use crate::vault::entry::Address;
    use serde_json::json;

    fn entry(kind: EntryKind, body: Value) -> Entry {
        Entry {
            address: Address {
                line: "fcg-5".into(),
                report: crate::clock::random_id(),
                entry: crate::clock::random_id(),
                kind,
            },
            at: chrono::DateTime::UNIX_EPOCH,
            by: None,
            body,
        }
    }

    #[test]
    fn what_is_not_known_is_not_shown_as_something_known() {
        for language in ["en", "zh-CN"] {
            let w = words(language);
            let known = [
                &w.handled,
                &w.referred,
                &w.no_action,
                &w.duplicate,
                &w.scope_in,
                &w.scope_out,
                &w.caller_withheld,
                &w.receipt_given,
                &w.receipt_not_given,
                &w.open,
                &w.reached_recording,
            ];
            for (kind, body) in [
                (EntryKind::Outcome, json!({ "outcome": "vanished" })),
                (EntryKind::Outcome, json!({})),
                (EntryKind::Classification, json!({ "scope": "sideways" })),
                (EntryKind::Classification, json!({ "scope": 1 })),
                (EntryKind::Caller, json!({})),
                (EntryKind::Caller, json!({ "number": 1 })),
                (
                    EntryKind::Call,
                    json!({ "phase": "recording", "reached": "vanished" }),
                ),
                (
                    EntryKind::Call,
                    json!({ "phase": "lunch", "reached": "open" }),
                ),
            ] {
                let shown = shown(w, &entry(kind, body.clone()), Tz::UTC);
                assert!(!shown.lines.is_empty(), "{body}");
                for line in &shown.lines {
                    assert!(!known.contains(&line), "{body}: {line}");
                }
            }
            let lost = entry(EntryKind::Outcome, json!({ "outcome": "vanished" }));
            assert!(shown(w, &lost, Tz::UTC).lines[0].contains("vanished"));
        }
    }
}
