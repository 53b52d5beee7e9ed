//! Makes a call a report, and adds what a call says to an earlier report.

use super::filing;
use crate::base::clock::hour;
use crate::service::Service;
use crate::store::audit::Act;
use crate::store::cases::Case;
use crate::store::reports::EntryRow;
use crate::vault::action::Action;
use crate::vault::entry::EntryKind;
use chrono::{DateTime, Datelike, Utc};

/// Handles an addition to the earlier report of a case: with the first one adds the caller's entry to it, and with each
/// one puts it back into the queue if it was closed. Does nothing when the case has no earlier report.
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

/// Corrects the count of calls without a message, because a recording was found after the call was settled: it was
/// counted as one of them unless it is a report.
fn has_come_after_all(case: &mut Case) {
    if !case.own.is_report() {
        case.count_hour(0, -1);
    }
}

/// Makes a call a report with a reference, and puts it into the queue, unless it is a report already.
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
    // The link's detail, which is the reference, is set when the case is written.
    case.act(Act {
        report: Some(case.own.id),
        ..Act::new(hour(now), Action::ReportQueued)
    });
}
