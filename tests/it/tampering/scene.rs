//! Two reports that are changed in the database, and the expected findings for each change.

use super::LINE;
use crate::support::sql::run;
use crate::support::{Answer, Api, NUMBER, TestLine, wav};
use dutyline::register::verify::{self, Proof};
use dutyline::store::Db;
use dutyline::store::audit::{self, LinkRow};
use dutyline::store::blobs::{self, Blob};
use dutyline::store::keys;
use dutyline::store::recordings::{self, RecordingRow};
use dutyline::store::reports::{self, EntryRow};
use dutyline::vault::seal::Recipient;
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::PathBuf;
use uuid::Uuid;

/// Two reports: the first with two takes, of which one was replaced, and a note; the second with one recording.
pub struct Scene<'a> {
    pub line: &'a TestLine,
    pub lead: Api,
    pub reports: [Uuid; 2],
    /// The reports as the API shows them while they are intact.
    pub shown: [Value; 2],
    /// The recordings of the first in order of speaking, and of the second.
    pub recordings: [RecordingRow; 3],
    /// Their sealed files, by the id of the recording.
    pub blobs: HashMap<Uuid, Blob>,
}

impl<'a> Scene<'a> {
    pub async fn set(line: &'a TestLine) -> Self {
        let [first, second, third] = [b"first", b"secnd", b"third"].map(|word| wav(word));
        line.leave_two_takes("+8613800138001", NUMBER, &first, &second)
            .await;
        line.leave("+8613800138002", NUMBER, &third).await;
        line.idle().await;
        let lead = line.lead().await;
        let all = lead.reports().await;
        let reports = [0, 1].map(|i| all[i]["id"].as_str().unwrap().parse().unwrap());
        let note = json!({ "text": "as it was written" });
        lead.post(&format!("/reports/{}/notes", reports[0]), note)
            .await
            .ok();
        let mut shown = [Value::Null, Value::Null];
        let mut rows = Vec::new();
        let mut blobs = HashMap::new();
        let mut tx = line.db().begin_read().await.unwrap();
        for (i, report) in reports.into_iter().enumerate() {
            shown[i] = lead.get(&format!("/reports/{report}")).await.ok();
            rows.extend(recordings::of_report(&mut tx, report).await.unwrap());
            blobs.extend(blobs::of_report(&mut tx, report).await.unwrap());
        }
        drop(tx);
        let Ok(recordings) = rows.try_into() else {
            panic!("three recordings")
        };
        let scene = Self {
            line,
            lead,
            reports,
            shown,
            recordings,
            blobs,
        };
        scene.is_whole("in the beginning").await;
        for table in KEPT {
            run(scene.db(), table.keep, &[]).await;
        }
        scene
    }

    pub fn db(&self) -> &Db {
        self.line.db()
    }

    /// Verifies the chains of the line and of the service.
    pub async fn verify(&self, head: Option<(i64, [u8; 32])>) -> Proof {
        let recordings = &self.line.service().blobs;
        let of_line = verify::line(self.db(), recordings, LINE, head).await;
        let mut proof = of_line.unwrap();
        let of_service = verify::service(self.db(), None).await.unwrap();
        proof.wrong.extend(of_service.wrong);
        proof
    }

    pub async fn is_whole(&self, when: &str) {
        let wrong = self.verify(None).await.wrong;
        assert!(wrong.is_empty(), "{when}: {wrong:?}");
        for (report, shown) in self.reports.iter().zip(&self.shown) {
            assert_eq!(
                self.lead.get(&format!("/reports/{report}")).await.ok(),
                *shown,
                "{when}"
            );
        }
    }

    /// Checks after a change that these reports are refused, the others are unchanged, and `audit verify` prints
    /// `named`. Then restores the rows.
    pub async fn found(&self, what: &str, refused: &[Uuid], named: &[String]) {
        for (report, shown) in self.reports.iter().zip(&self.shown) {
            let answer = self.lead.get(&format!("/reports/{report}")).await;
            if refused.contains(report) {
                is_refusal(what, &answer);
                for n in 1..=2 {
                    let answer = self
                        .lead
                        .get(&format!("/reports/{report}/recordings/{n}"))
                        .await;
                    is_refusal(what, &answer);
                }
            } else {
                assert_eq!(answer.ok(), *shown, "{what}");
            }
        }
        self.is_named(what, named).await;
        self.put_back().await;
    }

    pub async fn is_named(&self, what: &str, named: &[String]) {
        let wrong = self.verify(None).await.wrong;
        for name in named {
            let is_there = wrong.iter().any(|sentence| sentence.contains(name));
            assert!(is_there, "{what}: {name:?} is not in {wrong:?}");
        }
        assert!(!named.is_empty() && !wrong.is_empty(), "{what}");
    }

    /// Restores the rows, except what the trail has recorded since.
    pub async fn put_back(&self) {
        for table in KEPT.iter().rev() {
            run(self.db(), table.empty, &[]).await;
        }
        for table in &KEPT {
            run(self.db(), table.fill, &[]).await;
        }
    }

    pub async fn entries(&self, report: Uuid) -> Vec<EntryRow> {
        let mut tx = self.db().begin_read().await.unwrap();
        reports::entries(&mut tx, report).await.unwrap()
    }

    pub async fn links(&self) -> Vec<LinkRow> {
        let mut tx = self.db().begin_read().await.unwrap();
        audit::links(&mut tx, LINE, 0).await.unwrap()
    }

    pub async fn recipient(&self, report: Uuid) -> Recipient {
        let mut tx = self.db().begin_read().await.unwrap();
        let report = reports::get(&mut tx, report).await.unwrap().unwrap();
        report.recipient.parse().unwrap()
    }

    pub async fn line_key(&self) -> keys::LineKey {
        let mut tx = self.db().begin_read().await.unwrap();
        keys::current_key(&mut tx, LINE).await.unwrap().unwrap()
    }

    pub fn file(&self, recording: &RecordingRow) -> PathBuf {
        let name = self.blobs[&recording.id].object;
        self.line.recordings().join(format!("{name}.age"))
    }
}

/// The statements that copy, empty and restore a table.
struct Kept {
    keep: &'static str,
    empty: &'static str,
    fill: &'static str,
}

macro_rules! kept {
    ($($table:literal),*) => {
        [$(Kept {
            keep: concat!("CREATE TABLE kept_", $table, " AS SELECT * FROM ", $table),
            empty: concat!("DELETE FROM ", $table),
            fill: concat!("INSERT INTO ", $table, " SELECT * FROM kept_", $table),
        }),*]
    };
}

/// A table that references another one comes after it.
const KEPT: [Kept; 4] = kept!["entries", "blobs", "recordings", "report_keys"];

/// Checks for a 500 that discloses nothing: the same words whatever was wrong.
pub fn is_refusal(what: &str, answer: &Answer) {
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{what}");
    assert_eq!(
        answer.headers["content-type"], "application/problem+json",
        "{what}"
    );
    assert_eq!(
        answer.json(),
        json!({
            "type": "about:blank",
            "title": "Internal Server Error",
            "status": 500,
            "detail": "Something failed here; it has been noted. Try again.",
        }),
        "{what}"
    );
}

pub fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}

/// Positions of bytes to flip: in the header, at its end, in the sealed content, and the last one.
pub fn places(length: usize) -> [usize; 4] {
    [0, 150, length / 2, length - 1]
}

pub fn was_changed(what: &str, id: Uuid) -> String {
    format!("{what} {id} was changed, or cannot be read")
}

pub fn was_added(what: &str, id: Uuid) -> String {
    format!("{what} {id} was added behind the trail's back")
}

/// Part of the finding about a row of a report that the service did not write.
pub fn was_refused(report: Uuid, table: &str) -> String {
    format!(
        "report {report}: the database holds a row that this service did not write, in the table {table}"
    )
}

/// Part of the finding about a row that the service did not write.
pub fn was_forged(what: &str, id: Uuid) -> String {
    format!("the row of {what} {id} is not what the service wrote last")
}

pub fn is_missing(what: &str, id: Uuid) -> String {
    format!("{what} {id} is missing")
}

/// Returns another recording of the same length, sealed to the right report as the service does.
pub async fn forged_recording(scene: &Scene<'_>, row: &RecordingRow) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let store = dutyline::vault::blobs::Blobs::make(folder.path(), Uuid::nil()).unwrap();
    let mut writer = store.writer(&scene.recipient(row.report).await).unwrap();
    writer.write(&wav(b"forgd")).unwrap();
    let finished = writer
        .finish(scene.line.service().clock.line_now())
        .unwrap();
    let name = finished.keep().object;
    std::fs::read(folder.path().join(format!("{name}.age"))).unwrap()
}
