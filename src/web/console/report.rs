//! The page of a report: its state, its recordings and its entries.

use super::page::{Page, Stop, Visit, render};
use super::said;
use super::words::Words;
use crate::desk::opened::OpenReport;
use crate::desk::{DeskError, opened};
use crate::members::confirming::Judged;
use crate::report::classification::{Classification, Scope};
use crate::report::entries::{Body, CallerBody, Content};
use crate::report::status::{Outcome, Status};
use crate::service::Service;
use crate::store::columns::RecordingState;
use crate::vault::entry::{Entry, EntryKind};
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use chrono_tz::Tz;
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
    closed: bool,
    status_name: &'static str,
    mark: &'static str,
    source: &'static str,
    /// True while the report's caller is connected to the duty inspector.
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
    /// Length in seconds with three decimals, for the player; `None` if it is not known.
    seconds: Option<String>,
    /// Length as minutes and seconds, for display; `None` if it is not known.
    length: Option<String>,
    replaced: bool,
    state: RecordingState,
    /// An SVG path, empty if the loudness is not known; see [`waveform`].
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

/// The state of a reply's approval.
struct Approval {
    words: String,
    /// The id of the reply's entry, if the viewing member may approve the reply.
    entry: Option<Uuid>,
    /// True if the reply is approved, but the approval counts only after a third member has confirmed an account.
    waits: bool,
}

/// Text from a form that could not be stored.
#[derive(Default)]
pub(super) struct Draft<'a> {
    pub(super) note: &'a str,
    pub(super) reply: &'a str,
}

/// Parses the id in an address. Text that is not an id is answered like the id of a missing report.
pub(super) fn report_id(visit: &Visit, text: &str) -> Result<Uuid, Stop> {
    text.parse().map_err(|_| visit.stop(DeskError::Missing))
}

/// `GET /console/reports/{id}`, for members of the report's line. Opens all entries. Recorded in the trail.
pub(super) async fn show(
    State(service): App,
    Path(id): Path<String>,
    visit: Visit,
) -> Result<Response, Stop> {
    page_of(&service, &visit, &id, None, Draft::default()).await
}

/// Opens the report and returns its page. After a form has failed, `problem` is the text for the error, and `draft`
/// what was written.
pub(super) async fn page_of(
    service: &Service,
    visit: &Visit,
    id: &str,
    problem: Option<String>,
    draft: Draft<'_>,
) -> Result<Response, Stop> {
    let id = report_id(visit, id)?;
    let open = opened::open(service, &visit.who, id)
        .await
        .map_err(|error| visit.stop(error))?;
    let mut page = visit.page(service, "report").await?;
    page.live = format!("/console/reports/{id}/events?after={}", open.trail);
    page.renews = true;
    // A page that answers a form has the form's address, from which the page cannot be fetched again.
    page.back = format!("/console/reports/{id}");
    let w = page.w;
    let report = &open.report;
    let line = service.config.line(&report.line);
    let zone = line.map_or(Tz::UTC, |line| line.schedule.timezone);
    let status = report.status;
    let (status_name, mark) = said::status(w, status);
    let mine = report.assignee == Some(visit.who.id()) || visit.who.is_lead();
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
        closed: status == Some(Status::Closed),
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
                approval: approval(w, &open, entry, visit.who.id()),
                ..shown(w, entry, zone)
            })
            .collect(),
        page,
    };
    Ok(render(&template))
}

/// Returns the loudness as an SVG path in a box of 600 by 60: a vertical bar for each value, centred at 30. Empty if
/// `peaks` is empty.
fn waveform(peaks: &[u8]) -> String {
    use std::fmt::Write;
    let mut path = String::new();
    let step = 600.0 / peaks.len().max(1) as f64;
    for (i, peak) in peaks.iter().enumerate() {
        // Silence is drawn as a thin line.
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

/// Returns the last classification; `None` if there is none, or if this version cannot read it.
fn last_classification(open: &OpenReport) -> Option<&Classification> {
    let mut entries = open.entries.iter().rev();
    let last = entries.find(|entry| entry.address.kind == EntryKind::Classification)?;
    match last.body.known() {
        Some(Body::Classification(classification)) => Some(classification),
        _ => None,
    }
}

/// Returns an entry in words.
fn shown(w: &'static Words, entry: &Entry, zone: Tz) -> Shown {
    let title = match entry.address.kind {
        EntryKind::Caller => &w.caller,
        EntryKind::Call => &w.call_entry,
        EntryKind::Talk => &w.talk_entry,
        EntryKind::Recording => &w.recording_entry,
        EntryKind::Take => &w.take_entry,
        EntryKind::Transcript => &w.transcript_entry,
        EntryKind::Note => &w.note,
        EntryKind::Reply => &w.reply_entry,
        EntryKind::Classification => &w.classification,
        EntryKind::Outcome => &w.outcome_entry,
    };
    Shown {
        kind: entry.address.kind.as_str(),
        title: title.clone(),
        at: said::moment(w, entry.at, zone),
        exact: said::exactly(entry.at, zone),
        by: entry.by.clone().unwrap_or_else(|| w.by_service.clone()),
        lines: match &entry.body {
            Content::Known(body) => lines(w, body),
            Content::Unknown { version, .. } => vec![unreadable(w, *version)],
        },
        approval: None,
    }
}

/// Returns the contents of an entry in words.
fn lines(w: &'static Words, body: &Body) -> Vec<String> {
    let list = |items: &[String]| (!items.is_empty()).then(|| items.join("、"));
    let lines = match body {
        Body::Caller(caller) => vec![Some(number(w, caller))],
        Body::Call(call) => vec![
            Some(said::phase(w, call.phase).to_owned()),
            Some(said::reached(w, call.reached).to_owned()),
            match call.receipt_spoken {
                // A caller who adds to a report has its receipt already.
                _ if call.added => None,
                true => Some(w.receipt_given.clone()),
                false => Some(w.receipt_not_given.clone()),
            },
        ],
        Body::Talk(talk) => vec![
            Some(talk.on_duty.clone()),
            talk.recorded.then(|| w.talk_recorded.clone()),
        ],
        Body::Recording(_) | Body::Take(_) => Vec::new(),
        Body::Transcript(words) | Body::Note(words) | Body::Reply(words) => {
            vec![Some(words.text.clone())]
        }
        Body::Classification(classification) => vec![
            Some(match classification.scope {
                Scope::In => w.scope_in.clone(),
                Scope::Out => w.scope_out.clone(),
            }),
            list(&classification.disciplines),
            list(&classification.focuses),
        ],
        Body::Outcome(outcome) => match outcome {
            Outcome::Handled {} => vec![Some(w.handled.clone())],
            Outcome::Referred { destination } => {
                vec![Some(w.referred.clone()), Some(destination.clone())]
            }
            Outcome::NoAction {} => vec![Some(w.no_action.clone())],
            Outcome::Duplicate { of } => vec![Some(w.duplicate.clone()), of.clone()],
        },
    };
    lines.into_iter().flatten().collect()
}

/// Returns the text for an entry that this version cannot read.
fn unreadable(w: &Words, version: u32) -> String {
    w.entry_unreadable
        .replace("{version}", &version.to_string())
}

fn number(w: &Words, caller: &CallerBody) -> String {
    let number = caller.number.as_ref();
    number.unwrap_or(&w.caller_withheld).clone()
}

/// Returns the state of a reply's approval, and whether `member` may approve the reply; `None` if the entry is no
/// reply.
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

/// Returns the caller's number, or in words that it was withheld or cannot be read; `None` if no entry holds it.
pub(super) fn caller(w: &Words, entries: &[Entry]) -> Option<String> {
    match first(entries, EntryKind::Caller)? {
        Content::Known(Body::Caller(caller)) => Some(number(w, caller)),
        body => Some(unreadable(w, body.version())),
    }
}

/// Returns the phase in which a call was answered, and how far the caller got, in words; `None` without an entry of the
/// kind `call`. If that entry cannot be read, the second text says so.
pub(super) fn course(w: &'static Words, entries: &[Entry]) -> Option<[String; 2]> {
    match first(entries, EntryKind::Call)? {
        Content::Known(Body::Call(call)) => Some([
            said::phase(w, call.phase).to_owned(),
            said::reached(w, call.reached).to_owned(),
        ]),
        body => Some([String::new(), unreadable(w, body.version())]),
    }
}

/// Returns the body of the first entry of a kind; `None` if there is none.
fn first(entries: &[Entry], kind: EntryKind) -> Option<&Content> {
    let mut entries = entries.iter();
    let found = entries.find(|entry| entry.address.kind == kind);
    found.map(|entry| &entry.body)
}

#[cfg(test)]
mod tests {
    use super::super::words::words;
    use super::*;
    use crate::vault::entry::Address;
    use serde_json::value::RawValue;

    #[test]
    fn what_is_not_known_is_not_shown_as_something_known() {
        for language in ["en", "zh-CN"] {
            let w = words(language);
            for (kind, version, json) in [
                (EntryKind::Outcome, 1, r#"{"outcome":"vanished"}"#),
                (EntryKind::Outcome, 1, "{}"),
                (EntryKind::Classification, 1, r#"{"scope":"sideways"}"#),
                (EntryKind::Classification, 1, r#"{"scope":1}"#),
                (EntryKind::Caller, 1, r#"{"number":1}"#),
                (EntryKind::Caller, 2, r#"{"number":null,"withheld":true}"#),
                (EntryKind::Note, 2, r#"{"text":"x"}"#),
                (EntryKind::Call, 1, r#"{"phase":"lunch","reached":"open"}"#),
            ] {
                let json = RawValue::from_string(json.to_owned()).unwrap();
                let entry = Entry {
                    address: Address {
                        line: "fcg-5".into(),
                        report: crate::base::clock::random_id(),
                        entry: crate::base::clock::random_id(),
                        kind,
                    },
                    at: chrono::DateTime::UNIX_EPOCH,
                    by: None,
                    body: Content::read(kind, version, &json),
                };
                let said = w
                    .entry_unreadable
                    .replace("{version}", &version.to_string());
                assert_eq!(
                    shown(w, &entry, Tz::UTC).lines,
                    std::slice::from_ref(&said),
                    "{json}"
                );
                let entries = [entry];
                if kind == EntryKind::Caller {
                    assert_eq!(caller(w, &entries), Some(said));
                } else if kind == EntryKind::Call {
                    assert_eq!(course(w, &entries), Some([String::new(), said]));
                }
            }
        }
    }
}
