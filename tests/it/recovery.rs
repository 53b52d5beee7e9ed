//! Recovery: everything of a line can be opened with its recovery key alone, by the program and by Debian's `age`; and
//! a line whose members are gone can be given to another member.

use crate::duty::{connected, roster};
use crate::support::sql::change;
use crate::support::{Api, LINES, NUMBER, OTHER_NUMBER, TestLine, on_both, two_lines, wav, wrote};
use dutyline::register::filing::{NewEntry, add_entry, add_sealed};
use dutyline::report::entries::{Body, Content};
use dutyline::report::role::Role;
use dutyline::store::reports::EntryRow;
use dutyline::store::{audit, reports};
use dutyline::vault::action::Action;
use dutyline::vault::entry::{Address, Entry, EntryKind, seal_entry};
use dutyline::vault::seal::Identity;
use reqwest::StatusCode;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use uuid::Uuid;

/// Returns the commands of "Recovery by hand" in the documents. `recovery.txt` holds the line that `dutyline init`
/// printed, `sealed` is what `dutyline export --sealed sealed` wrote, the line is fcg-5.
pub fn by_hand() -> &'static str {
    let document = include_str!("../../docs/security.md");
    let from_there = &document[document.find("umask 077").unwrap()..];
    &from_there[..from_there.find("```").unwrap()]
}

const ABANDONED: &str = "+8613800138009";

/// The contents of a line with every kind of entry, as an export must restore them.
struct Expected {
    /// Entries by folder (`2024-0001`, `call-…`) and id: the body and its author.
    entries: BTreeMap<String, BTreeMap<Uuid, (EntryKind, Value, Value)>>,
    /// Audio by recording.
    said: BTreeMap<Uuid, bytes::Bytes>,
}

async fn fill(line: &TestLine) -> Expected {
    let [first, second, third] = [b"first".as_slice(), b"second", b"third!!"].map(wav);
    line.leave_two_takes("+8613800138001", NUMBER, &first, &second)
        .await;
    line.leave("anonymous", NUMBER, &third).await;
    line.abandon(ABANDONED, NUMBER).await;
    connected(line).await.hang_up().await;
    line.idle().await;
    let lead = line.lead().await;
    let all = lead.reports().await;
    let path = |step: &str| format!("/reports/{}{step}", all[0]["id"].as_str().unwrap());
    lead.act(&path("/claim")).await.ok();
    lead.post(&path("/notes"), json!({ "text": "说了两遍，第二遍算数" }))
        .await
        .ok();
    let classification = json!({ "scope": "in", "disciplines": ["廉洁纪律"] });
    lead.post(&path("/classification"), classification)
        .await
        .ok();
    // Kinds that are not in use yet, so that future ones are covered too.
    let mut tx = line.db().begin().await.unwrap();
    line.sign(&mut tx).await;
    let id = all[0]["id"].as_str().unwrap().parse().unwrap();
    let report = reports::get(&mut tx, id).await.unwrap().unwrap();
    for body in [Body::Transcript, Body::Reply] {
        let new = NewEntry {
            at: line.service().clock.line_now(),
            by: Some("wang"),
            body: body("逐字".into()),
        };
        add_entry(&mut tx, &report, new).await.unwrap();
    }
    tx.commit().await.unwrap();
    let outcome = json!({ "outcome": "referred", "destination": "市教育局" });
    lead.post(&path("/close"), outcome).await.ok();

    let mut expected = Expected {
        entries: BTreeMap::new(),
        said: BTreeMap::new(),
    };
    for summary in all {
        let id = summary["id"].as_str().unwrap();
        let report = lead.get(&format!("/reports/{id}")).await.ok();
        expected.add(summary["reference"].as_str().unwrap().to_owned(), &report);
        for recording in report["recordings"].as_array().unwrap() {
            let n = recording["n"].as_u64().unwrap();
            let id = recording["id"].as_str().unwrap().parse().unwrap();
            expected.said.insert(id, lead.recording(&report, n).await);
        }
    }
    let calls = lead.get("/abandoned").await.ok();
    let call = &calls["calls"][0];
    expected.add(format!("call-{}", call["id"].as_str().unwrap()), call);
    expected.check([first, second, third]);
    expected
}

impl Expected {
    fn add(&mut self, folder: String, report: &Value) {
        let entries = report["entries"].as_array().unwrap().iter().map(|entry| {
            let kind = entry["kind"].as_str().unwrap().parse().unwrap();
            let id = entry["id"].as_str().unwrap().parse().unwrap();
            (id, (kind, entry["by"].clone(), entry["body"].clone()))
        });
        self.entries.insert(folder, entries.collect());
    }

    /// Checks that the expected contents are not empty: every kind of entry, and the callers' audio.
    fn check(&self, said: [bytes::Bytes; 3]) {
        let kinds: BTreeSet<_> = self
            .entries
            .values()
            .flat_map(|of| of.values().map(|one| one.0))
            .collect();
        assert_eq!(kinds, EntryKind::ALL.iter().copied().collect());
        let found: BTreeSet<_> = self.said.values().collect();
        assert_eq!(found, said.iter().collect());
        let text = format!("{:?}", self.entries);
        assert!(
            text.contains(ABANDONED) && text.contains("+8613800138001"),
            "{text}"
        );
    }

    /// Checks that `folder` holds every entry and recording opened, and besides them only the clear `report.json`.
    fn is_in(&self, folder: &Path) {
        let folders: BTreeSet<_> = subfolders(folder).into_iter().collect();
        assert_eq!(folders, self.entries.keys().cloned().collect());
        let mut recordings = 0;
        for (name, entries) in &self.entries {
            let mut found = BTreeSet::new();
            for path in files(&folder.join(name)) {
                let file = path.file_name().unwrap().to_str().unwrap();
                if file.starts_with("entry-") && file.ends_with(".json") {
                    let opened: Value =
                        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
                    let same = entries.iter().find(|(id, (kind, by, body))| {
                        file.ends_with(&format!("-{kind}.json"))
                            && opened["kind"] == kind.as_str()
                            && opened["by"] == *by
                            && opened["body"] == *body
                            && (opened
                                .get("entry")
                                .is_none_or(|entry| *entry == id.to_string()))
                            && !found.contains(*id)
                    });
                    found.insert(
                        *same
                            .unwrap_or_else(|| panic!("{name}/{file} was never written"))
                            .0,
                    );
                } else if let Some(id) = file
                    .strip_prefix("recording-")
                    .and_then(|f| f.strip_suffix(".wav"))
                {
                    assert_eq!(
                        std::fs::read(&path).unwrap(),
                        self.said[&id.parse().unwrap()],
                        "{file}"
                    );
                    recordings += 1;
                }
            }
            assert_eq!(found.len(), entries.len(), "{name}");
        }
        assert_eq!(recordings, self.said.len());
    }
}

fn subfolders(folder: &Path) -> Vec<String> {
    let items = std::fs::read_dir(folder).unwrap().map(|item| item.unwrap());
    items
        .filter(|item| item.file_type().unwrap().is_dir())
        .map(|item| item.file_name().into_string().unwrap())
        .collect()
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|item| item.unwrap().path())
        .collect()
}

/// Writes the whole line that `init` printed into a file, as an operator would copy it.
fn on_paper(line: &TestLine, id: &str, file: &str) {
    let key = &line
        .keys
        .iter()
        .find(|(line, _)| line == id)
        .unwrap()
        .1
        .recovery;
    let text = format!("  recovery key: {}\n", key.to_secret().expose().as_str());
    std::fs::write(line.path().join(file), text).unwrap();
}

async fn links(line: &TestLine) -> Vec<Action> {
    let mut tx = line.db().begin_read().await.unwrap();
    let links = audit::links(&mut tx, LINES[0], 0).await.unwrap();
    links.into_iter().map(|link| link.action).collect()
}

on_both! {
    async fn stock_age_opens_everything(line: TestLine = roster) {
        let expected = fill(line).await;
        let output = line.cli(&["export", "--sealed", "sealed"]).await;
        assert!(output.status.success(), "{}", wrote(&output));
        assert!(wrote(&output).contains("fcg-5: 4 reports and calls written to sealed/fcg-5"), "{}", wrote(&output));
        // The sealed export contains no readable text except `report.json`.
        for folder in subfolders(&line.path().join("sealed/fcg-5")) {
            for path in files(&line.path().join("sealed/fcg-5").join(folder)) {
                let sealed = path.extension().unwrap() == "age";
                assert!(sealed || path.ends_with("report.json"), "{path:?}");
            }
        }
        // age reads an identity file, which has a key or a comment on each line.
        let key = line.keys[0].1.recovery.to_secret();
        std::fs::write(line.path().join("recovery.txt"), format!("{}\n", key.expose().as_str())).unwrap();
        let folder = line.path().to_owned();
        let output = tokio::task::spawn_blocking(move || {
            Command::new("sh").arg("-eu").arg("-c").arg(by_hand()).current_dir(folder).output().unwrap()
        })
        .await
        .unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{}", wrote(&output));
        expected.is_in(&line.path().join("sealed/fcg-5"));
        assert_eq!(links(line).await.last(), Some(&Action::ExportSealed));
    }

    async fn the_program_opens_everything_at_once(line: TestLine = roster) {
        let expected = fill(line).await;
        on_paper(line, LINES[0], "recovery.txt");
        let output = line.cli(&["export", "--recovery-key-file", "recovery.txt", "opened"]).await;
        assert!(output.status.success(), "{}", wrote(&output));
        expected.is_in(&line.path().join("opened/fcg-5"));
        assert_eq!(links(line).await.last(), Some(&Action::ExportOpened));

        // An export does not write into an existing folder.
        let output = line.cli(&["export", "--recovery-key-file", "recovery.txt", "opened"]).await;
        assert_eq!(output.status.code(), Some(2), "{}", wrote(&output));
        assert!(wrote(&output).contains("opened is there already; name a new folder"), "{}", wrote(&output));
    }

    // The trail may be what is damaged, so nothing is left out because of it.
    async fn what_the_trail_does_not_commit_to_is_exported_and_marked(line: TestLine) {
        for n in 1..=3 {
            line.leave(&format!("+861380013800{n}"), NUMBER, &wav(b"said!")).await;
        }
        line.idle().await;
        let db = line.db();
        let all = line.lead().await.reports().await;
        let ids: Vec<uuid::Uuid> = all.iter().map(|report| report["id"].as_str().unwrap().parse().unwrap()).collect();
        let mut tx = db.begin_read().await.unwrap();
        let report = reports::get(&mut tx, ids[0]).await.unwrap().unwrap();
        drop(tx);
        // A stranger's entry in the first report; in the second one a damaged entry, and no file of the recording.
        let address = Address { line: LINES[0].into(), report: ids[0], entry: dutyline::base::clock::random_id(), kind: EntryKind::Note };
        let at = line.service().clock.line_now();
        let entry = Entry { address: address.clone(), at, by: None, body: Body::Note("forged".into()).into() };
        let sealed = seal_entry(&entry, &report.recipient.parse().unwrap()).bytes;
        let sql = "INSERT INTO entries (id, report, kind, sealed) SELECT $1, n, 'note', $3 FROM reports WHERE id = $2";
        change(db, sql, &[address.entry.into(), ids[0].into(), (&sealed).into()]).await;
        let damage = "UPDATE entries SET sealed = $2 WHERE kind = 'call' AND report = (SELECT n FROM reports WHERE id = $1)";
        change(db, damage, &[ids[1].into(), (&sealed).into()]).await;
        let mut tx = db.begin_read().await.unwrap();
        let files = dutyline::store::blobs::of_report(&mut tx, ids[1]).await.unwrap();
        drop(tx);
        for blob in files.values() {
            std::fs::remove_file(line.recordings().join(format!("{}.age", blob.object))).unwrap();
        }
        std::fs::write(line.path().join("recovery.txt"), line.keys[0].1.recovery.to_secret().expose().as_str()).unwrap();
        let output = line.cli(&["export", "--recovery-key-file", "recovery.txt", "opened"]).await;
        let said = wrote(&output);
        assert!(!output.status.success() && said.contains("problems are listed above; everything else was written"), "{said}");
        let written = |report: usize| -> Vec<String> {
            let folder = line.path().join("opened").join(LINES[0]).join(all[report]["reference"].as_str().unwrap());
            let names = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<String> = names.collect();
            names.sort();
            names
        };
        let ends = |names: &[String], end: &str| names.iter().filter(|name| name.ends_with(end)).count();
        let first = written(0);
        assert_eq!((ends(&first, ".unproven.json"), ends(&first, ".wav")), (1, 1), "{first:?}");
        let second = written(1);
        assert_eq!((ends(&second, ".unproven.age"), ends(&second, ".wav")), (1, 0), "{second:?}");
        let third = written(2);
        assert_eq!((ends(&third, ".unproven.json"), ends(&third, ".age"), ends(&third, ".wav")), (0, 0, 1), "{third:?}");
    }

    // Pages accept an entry of a later version, and the export restores it as it was sealed.
    async fn an_entry_of_a_later_version_is_kept(line: TestLine) {
        const LATER: &str = r#"{"words":["后来的版本"],"text":17}"#;
        line.leave("+8613800138001", NUMBER, &wav(b"said")).await;
        line.idle().await;
        let lead = line.lead().await;
        let id = lead.only_report().await["id"].as_str().unwrap().parse().unwrap();
        let mut tx = line.db().begin().await.unwrap();
        line.sign(&mut tx).await;
        let report = reports::get(&mut tx, id).await.unwrap().unwrap();
        let address = Address {
            line: LINES[0].into(),
            report: id,
            entry: dutyline::base::clock::random_id(),
            kind: EntryKind::Note,
        };
        let at = line.service().clock.line_now();
        let json = RawValue::from_string(LATER.to_owned()).unwrap();
        let body = Content::Unknown { version: 2, json };
        let entry = Entry { address: address.clone(), at, by: Some("wang".into()), body };
        let row = EntryRow {
            id: address.entry,
            report: id,
            kind: address.kind,
            sealed: seal_entry(&entry, &report.recipient.parse().unwrap()).bytes,
        };
        add_sealed(&mut tx, &report, &row, at, Some("wang")).await.unwrap();
        tx.commit().await.unwrap();

        let page = line.desk().await.speaking("en").get(&format!("/console/reports/{id}")).await.ok();
        assert!(page.contains("cannot show this entry (version 2 of its format)"), "{page}");
        assert!(!page.contains("后来的版本"), "{page}");
        let shown = lead.only_report().await;
        let last = shown["entries"].as_array().unwrap().last().unwrap();
        assert_eq!(last["body"], serde_json::from_str::<Value>(LATER).unwrap());
        // The rest of the report is shown.
        assert_eq!(lead.recording(&shown, 1).await, wav(b"said"));
        on_paper(line, LINES[0], "recovery.txt");
        let output = line.cli(&["export", "--recovery-key-file", "recovery.txt", "opened"]).await;
        assert!(output.status.success(), "{}", wrote(&output));
        let folder = line.path().join("opened/fcg-5").join(shown["reference"].as_str().unwrap());
        let note = files(&folder).into_iter().find(|path| path.to_str().unwrap().ends_with("-note.json"));
        let exported = std::fs::read_to_string(note.unwrap()).unwrap();
        assert!(exported.contains(LATER) && exported.contains("\"version\": 2"), "{exported}");
    }

    async fn a_wrong_recovery_key_opens_and_leaves_nothing(line: TestLine = two_lines) {
        line.leave("+8613800138001", NUMBER, &wav(b"secret")).await;
        line.leave("+8613800138002", OTHER_NUMBER, &wav(b"secret")).await;
        line.idle().await;
        let stranger = Identity::generate().to_secret();
        std::fs::write(line.path().join("stranger.txt"), stranger.expose().as_str()).unwrap();
        std::fs::write(line.path().join("none.txt"), "AGE-SECRET-KEY-1QQQQ, or so").unwrap();
        on_paper(line, LINES[1], "other.txt");
        line.make_member("li", Role::Inspector, "a long password", &[]).await;
        let before = links(line).await;
        let export = ["export", "--line", "fcg-5", "--recovery-key-file"];
        let grant = ["member", "grant", "li", "--line", "fcg-5", "--recovery-key-file"];
        for (file, code, says) in [
            ("stranger.txt", 1, "this is not the recovery key of line fcg-5"),
            ("other.txt", 1, "this is not the recovery key of line fcg-5"),
            ("none.txt", 2, "none.txt: no recovery key in it; it starts with AGE-SECRET-KEY-1"),
            ("missing.txt", 2, "missing.txt cannot be read"),
        ] {
            for (arguments, last) in [(&export[..], &["opened"][..]), (&grant[..], &[])] {
                let output = line.cli(&[arguments, &[file], last].concat()).await;
                assert_eq!(output.status.code(), Some(code), "{}", wrote(&output));
                assert!(wrote(&output).contains(says), "{}", wrote(&output));
                assert!(!wrote(&output).contains("QQQQ"), "{}", wrote(&output));
            }
        }
        assert!(!line.path().join("opened").exists());
        assert_eq!(links(line).await, before);
        let li = Api::log_in(&line.url, "li", "a long password").await;
        assert!(li.reports().await.is_empty());
    }

    async fn a_recovery_key_gives_a_line_to_a_member(line: TestLine = two_lines) {
        line.leave("+8613800138001", NUMBER, &wav(b"said before li came")).await;
        line.leave("+8613800138002", OTHER_NUMBER, &wav(b"on the other line")).await;
        line.idle().await;
        line.make_member("li", Role::Inspector, "a long password", &[]).await;
        let li = Api::log_in(&line.url, "li", "a long password").await;
        assert!(li.reports().await.is_empty());
        on_paper(line, LINES[0], "recovery.txt");
        let grant = ["member", "grant", "li", "--line", "fcg-5", "--recovery-key-file", "recovery.txt"];
        let output = line.cli(&grant).await;
        assert!(output.status.success(), "{}", wrote(&output));
        assert_eq!(wrote(&output), "li works on fcg-5\n");
        // Effective at once, in the open session.
        let report = li.only_report().await;
        assert_eq!(report["line"], "fcg-5");
        assert_eq!(li.recording(&report, 1).await, wav(b"said before li came"));
        let mut tx = line.db().begin_read().await.unwrap();
        let all = audit::links(&mut tx, LINES[0], 0).await.unwrap();
        let granted = all.iter().rfind(|link| link.action == Action::Granted).unwrap();
        assert_eq!(granted.actor.as_deref(), Some("recovery key"));
        assert_eq!(granted.detail.as_deref(), Some("li"));
        drop(tx);

        line.make_member("zhao", Role::Auditor, "a long password", &[]).await;
        let grant = ["member", "grant", "zhao", "--line", "fcg-5", "--recovery-key-file", "recovery.txt"];
        let output = line.cli(&grant).await;
        assert_eq!(output.status.code(), Some(1), "{}", wrote(&output));
        assert_eq!(
            Api::log_in(&line.url, "zhao", "a long password").await.get("/reports").await.status,
            StatusCode::FORBIDDEN
        );
    }
}
