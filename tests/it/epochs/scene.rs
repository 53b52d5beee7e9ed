//! What the tests of epochs share: the steps of the change, and who opens which report.

use crate::support::console::Desk;
use crate::support::sql::number;
use crate::support::{Api, LEAD, LINES, TestLine};
use dutyline::members::resealing::finish;
use dutyline::members::{self, MemberError, next_key, take_off};
use dutyline::register::verify;
use dutyline::store::members::{Member, by_name};
use dutyline::store::report_keys::ReportKeyRow;
use dutyline::store::{Db, keys, report_keys, reports};
use dutyline::vault::seal::{Identity, open_identity};
use reqwest::StatusCode;
use std::collections::BTreeMap;
use uuid::Uuid;

pub const PASSWORD: &str = "nine geese above still reeds";
pub const LINE: &str = LINES[0];

/// Numbers of rows that are sealed to a former key of a line.
pub const FORMER_KEYS: &str = "SELECT COUNT(*) FROM report_keys JOIN line_keys ON line_keys.id = sealed_to
    WHERE line_keys.epoch < (SELECT MAX(epoch) FROM line_keys AS others WHERE others.line = line_keys.line)";
pub const FORMER_GRANTS: &str = "SELECT COUNT(*) FROM grants JOIN line_keys ON line_keys.id = line_key
    WHERE line_keys.epoch < (SELECT MAX(epoch) FROM line_keys AS others WHERE others.line = line_keys.line)";

pub async fn is_whole(line: &TestLine, when: &str) {
    let service = verify::service(line.db(), None).await.unwrap();
    assert_eq!(service.wrong, [""; 0], "{when}");
    let proof = verify::line(line.db(), &line.service().blobs, LINE, None).await;
    assert_eq!(proof.unwrap().wrong, [""; 0], "{when}");
}

pub async fn member(db: &Db, name: &str) -> Member {
    let mut tx = db.begin_read().await.unwrap();
    by_name(&mut tx, name).await.unwrap().unwrap()
}

pub async fn unlocked(db: &Db, name: &str) -> (Member, Identity) {
    let password = if name == LEAD.0 { LEAD.1 } else { PASSWORD };
    members::unlock(db, name, password).await.unwrap()
}

/// The first step: the line's next key, without `name`.
pub async fn step_one(line: &TestLine, name: &str) -> Result<(), MemberError> {
    let (db, clock) = (line.db(), line.service().clock);
    let (wang, own) = unlocked(db, LEAD.0).await;
    let member = member(db, name).await;
    let next = next_key(db, &wang, &own, &member, LINE).await?;
    let mut tx = db.begin().await?;
    take_off(&mut tx, &clock, &wang, &member, &next).await?;
    Ok(tx.commit().await?)
}

/// Does the rest as this member, on this handle of the database. Returns the number of report keys that were sealed
/// again.
pub async fn rest(line: &TestLine, db: &Db, name: &str) -> usize {
    let clock = line.service().clock;
    let (member, own) = unlocked(db, name).await;
    let done = finish(db, &clock, &member, &own, LINE, || false).await;
    done.unwrap().sealed
}

/// Waits until the background tasks of the service are done.
pub async fn settled(line: &TestLine) {
    let mut count = line.service().resealing.count.subscribe();
    count.wait_for(|count| *count == 0).await.unwrap();
}

/// Returns the line keys that a member's grants open.
pub async fn held(db: &Db, member: &Member, own: &Identity) -> BTreeMap<Uuid, Identity> {
    let mut tx = db.begin_read().await.unwrap();
    let grants = keys::grants(&mut tx, member.id).await.unwrap();
    let opened = grants.into_iter().map(|grant| {
        let opened = open_identity(&grant.sealed, own).unwrap();
        (grant.line_key, opened)
    });
    opened.collect()
}

/// Returns all report keys of the line, with the public half of each report's key. There are two of a report while it
/// is sealed again.
pub async fn rows(db: &Db) -> Vec<(String, Vec<ReportKeyRow>)> {
    let mut tx = db.begin_read().await.unwrap();
    let (all, refused) = reports::all_of_line(&mut tx, LINE).await.unwrap();
    assert!(refused.is_empty());
    let mut rows = Vec::new();
    for report in all {
        let keys = report_keys::of_report(&mut tx, report.id).await.unwrap();
        rows.push((report.recipient, keys));
    }
    rows
}

/// Checks that each report of the line opens with one of these line keys. Returns the number of reports.
pub async fn opens_all(db: &Db, held: &BTreeMap<Uuid, Identity>, who: &str) -> usize {
    let all = rows(db).await;
    open(&all, held, who);
    all.len()
}

/// Checks that each of these reports opens with one of these line keys.
pub fn open(all: &[(String, Vec<ReportKeyRow>)], held: &BTreeMap<Uuid, Identity>, who: &str) {
    for (recipient, keys) in all {
        let own = keys
            .iter()
            .find_map(|key| Some((held.get(&key.sealed_to)?, key)));
        let (own, key) = own.unwrap_or_else(|| panic!("{who}: a report is not sealed to them"));
        let opened = open_identity(&key.sealed, own).unwrap();
        assert_eq!(opened.recipient().to_string(), *recipient, "{who}");
    }
}

/// Checks that these members, and the recovery key, open every report, that the chains are whole, and returns the
/// number of reports.
pub async fn all_open(line: &TestLine, names: &[&str], when: &str) -> usize {
    let db = line.db();
    let mut counts = Vec::new();
    for name in names {
        let (member, own) = unlocked(db, name).await;
        counts.push(opens_all(db, &held(db, &member, &own).await, name).await);
    }
    let mut tx = db.begin_read().await.unwrap();
    let all = keys::line_keys(&mut tx).await.unwrap();
    drop(tx);
    let opened = all.into_iter().filter(|key| key.line == LINE).map(|key| {
        let opened = open_identity(&key.recovery, &line.keys[0].1.recovery).unwrap();
        (key.id, opened)
    });
    counts.push(opens_all(db, &opened.collect(), "the recovery key").await);
    is_whole(line, when).await;
    counts.dedup();
    assert_eq!(counts.len(), 1, "{when}");
    counts[0]
}

pub async fn is_finished(line: &TestLine) {
    assert_eq!(number(line.db(), FORMER_KEYS).await, 0);
    assert_eq!(number(line.db(), FORMER_GRANTS).await, 0);
}

/// Opens a report in the API, and all its recordings.
pub async fn shown(api: &Api) -> Vec<bytes::Bytes> {
    let mut said = Vec::new();
    for listed in api.reports().await {
        let report = api.open(&listed).await;
        said.push(api.recording(&report, 1).await);
    }
    said
}

pub async fn take_off_form(line: &TestLine, desk: &Desk, name: &str, own: &str) -> StatusCode {
    let path = format!(
        "/console/members/{}/take-off",
        member(line.db(), name).await.id
    );
    let form = [("line", LINE), ("own_password", own)];
    desk.post(&path, &form).await.status
}
