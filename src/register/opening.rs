//! Makes a call a report, and adds what a caller says later to an earlier one.

use super::filing;
use crate::base::clock::hour;
use crate::service::Service;
use crate::store::audit::Act;
use crate::store::cases::Case;
use crate::store::reports::EntryRow;
use crate::vault::action::Action;
use crate::vault::entry::EntryKind;
use chrono::{DateTime, Datelike, Utc};

/// Something was added to an earlier report: the caller's entry is put into it, and a closed one goes back to the queue.
pub fn add_to(case: &mut Case, now: DateTime<Utc>) {
    let Some(earlier) = case.earlier.as_ref().map(|report| report.id) else {
        return;
    };
    let at = hour(now);
    if let Some(caller) = case.caller.take() {
        let entry = EntryRow {
            id: caller.entry,
            report: earlier,
            kind: EntryKind::Caller,
            sealed: caller.sealed,
        };
        filing::add_to_case(case, entry, at);
    }
    if case.reopen() {
        case.act(Act {
            report: Some(earlier),
            ..Act::new(at, Action::Reopen)
        });
    }
    if case.call.settled && !case.call.added {
        has_come_after_all(case);
    }
    if !case.call.added {
        case.call.added = true;
        case.call_changed();
    }
}

/// A recording came to light when its call was settled, and counted as one without a message.
fn has_come_after_all(case: &mut Case) {
    if !case.own.is_report() {
        case.count_hour(0, -1);
    }
}

/// The first recording of a call makes it a report, with a reference and in the queue.
pub fn make_report(service: &Service, case: &mut Case, now: DateTime<Utc>) {
    if case.own.is_report() {
        return;
    }
    if case.call.settled && !case.call.added {
        has_come_after_all(case);
    }
    let year = match service.config.line(&case.call.line) {
        Some(line) => now.with_timezone(&line.schedule.timezone).year(),
        None => now.year(),
    };
    case.queue(year);
    case.count(&service.metrics.reports);
    // Its reference, the link's detail, is known at the commit.
    case.act(Act {
        report: Some(case.own.id),
        ..Act::new(hour(now), Action::ReportQueued)
    });
}
