use super::*;
use crate::base::clock::random_id;
use chrono::TimeDelta;

fn report(status: Option<Status>) -> CallReport {
    CallReport {
        id: random_id(),
        line: "line".to_owned(),
        recipient: "age1…".to_owned(),
        status,
        received_hour: DateTime::UNIX_EPOCH,
    }
}

/// A call whose caller adds to this report.
fn adds_to(earlier: &CallReport, lookup: u8) -> Case {
    let own = report(None);
    Case {
        call: Call {
            id: random_id(),
            lookup: vec![lookup; 32],
            line: own.line.clone(),
            report: own.id,
            sid: None,
            state: None,
            ended: false,
            settled: false,
            addition_to: Some(earlier.id),
            addition_from: Some(1),
            addition_offset: Some(10_000),
            added: false,
            at_duty: false,
            accepted_step: None,
        },
        own,
        earlier: Some(earlier.clone()),
        recordings: Vec::new(),
        answers: BTreeMap::new(),
        caller: None,
        changes: Changes::default(),
    }
}

#[test]
fn of_two_calls_in_a_batch_that_add_to_a_closed_report_one_reopens_it() {
    let closed = report(Some(Status::Closed));
    let calls = [1, 2].map(|lookup| adds_to(&closed, lookup));
    let mut loaded = Loaded::default();
    for case in calls.clone() {
        loaded.put(case);
    }
    let reopened = calls.map(|call| {
        let mut case = loaded
            .case(&Key::Id(call.call.id))
            .unwrap()
            .unwrap()
            .clone();
        let reopened = case.reopen();
        loaded.put(case);
        reopened
    });
    assert_eq!(reopened, [true, false]);
}

#[test]
fn only_jobs_that_are_due_soon_are_announced() {
    let now = DateTime::UNIX_EPOCH;
    let soon = now + TimeDelta::seconds(1);
    let announced = |change: &dyn Fn(&mut Case)| {
        let mut case = adds_to(&report(None), 1);
        change(&mut case);
        case.changes.has_job_before(soon)
    };
    let subject = random_id();
    assert!(!announced(&|_| {}));
    assert!(announced(&|case| case.enqueue(
        Kind::Fetch,
        subject,
        "",
        now
    )));
    assert!(!announced(&|case| case.enqueue(
        Kind::Watch,
        subject,
        "",
        soon
    )));
    assert!(announced(&|case| case.hasten(Kind::Fetch, subject, now)));
    assert!(!announced(&|case| case.cancel(Kind::Fetch, subject)));
}
