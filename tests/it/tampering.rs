//! An attacker who can write to the database and the folder of recordings, and knows every public key, can destroy
//! data, but cannot make an inspector see something that was not said: swapped rows, flipped bits, cut files and added
//! rows are refused when a report is opened, and found by `audit verify`.

mod attack;
mod columns;
mod contents;
mod forger;
mod matrix;
mod running;
mod scene;
mod secret_columns;
mod secret_links;
mod triggers;
mod with_secret;

use crate::support::sql::{change, run};
use crate::support::{LINES, NUMBER, TestLine, on_both, wav, wrote};
use chrono::TimeDelta;
use dutyline::app;
use dutyline::conduct::{Hook, conduct};
use dutyline::config::Config;
use dutyline::line::number::Caller;
use dutyline::register::verify;
use dutyline::report::entries::Body;
use dutyline::store::StoreError;
use dutyline::store::recordings::RecordingRow;
use dutyline::store::report_keys;
use dutyline::store::reports;
use dutyline::telephony::Event;
use dutyline::vault::action::Action;
use dutyline::vault::blobs::Digests;
use dutyline::vault::chain;
use dutyline::vault::entry::{Address, Entry, EntryKind, seal_entry};
use dutyline::vault::seal::{Identity, Recipient, seal_identity};
use dutyline::work::housekeeping;
use reqwest::Method;
use scene::{
    Scene, flipped, forged_recording, is_missing, is_refusal, places, was_added, was_changed,
    was_forged, was_refused,
};
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

const LINE: &str = LINES[0];
/// A text that no inspector may be shown, because it was not said on this line.
const FORGED: &str = "this was never said";

const SET_SEALED: &str = "UPDATE entries SET sealed = $2 WHERE id = $1";

on_both! {
    async fn entries_are_what_was_written(line: TestLine) {
        let scene = Scene::set(line).await;
        let (db, [one, two]) = (scene.db(), scene.reports);
        let own = scene.entries(one).await;
        let foreign = scene.entries(two).await;
        let kinds: Vec<_> = own.iter().map(|entry| entry.kind.as_str()).collect();
        for kind in ["caller", "recording", "take", "call", "note"] {
            assert!(kinds.contains(&kind), "{kind} is not in {kinds:?}");
        }

        for entry in &own {
            for at in places(entry.sealed.len()) {
                change(db, SET_SEALED, &[entry.id.into(), (&flipped(&entry.sealed, at)).into()]).await;
                scene.found("a bit flipped", &[one], &[was_changed("entry", entry.id)]).await;
            }
            let cut = &entry.sealed[..entry.sealed.len() - 20];
            change(db, SET_SEALED, &[entry.id.into(), cut.into()]).await;
            scene.found("an entry cut", &[one], &[was_changed("entry", entry.id)]).await;

            change(db, "DELETE FROM entries WHERE id = $1", &[entry.id.into()]).await;
            scene.found("an entry deleted", &[one], &[is_missing("entry", entry.id)]).await;
        }

        for (a, b, refused) in [
            (&own[0], &own[own.len() - 1], vec![one]),
            (&own[1], &own[2], vec![one]),
            (&own[0], &foreign[0], vec![one, two]),
        ] {
            change(db, SET_SEALED, &[a.id.into(), (&b.sealed).into()]).await;
            change(db, SET_SEALED, &[b.id.into(), (&a.sealed).into()]).await;
            let named = [was_changed("entry", a.id), was_changed("entry", b.id)];
            scene.found("two entries swapped", &refused, &named).await;
        }
        scene.is_whole("after all").await;
    }

    async fn entries_keep_their_kind_and_place(line: TestLine) {
        let scene = Scene::set(line).await;
        let (db, [one, two]) = (scene.db(), scene.reports);
        for entry in scene.entries(one).await {
            for kind in ["caller", "note"].into_iter().filter(|kind| *kind != entry.kind.as_str()) {
                let sql = "UPDATE entries SET kind = $2 WHERE id = $1";
                change(db, sql, &[entry.id.into(), kind.into()]).await;
                scene.found("a kind changed", &[one], &[format!("entry {}", entry.id)]).await;
            }
            change(db, "UPDATE entries SET kind = $2 WHERE id = $1", &[entry.id.into(), "nothing".into()]).await;
            let named = format!("report {one}: the database holds something unreadable: entries.kind");
            scene.found("no kind", &[one], &[named]).await;
            let sql = "UPDATE entries SET report = (SELECT n FROM reports WHERE id = $2) WHERE id = $1";
            change(db, sql, &[entry.id.into(), two.into()]).await;
            scene.found("an entry moved", &[one, two], &[format!("entry {}", entry.id)]).await;
        }
        scene.is_whole("after all").await;
    }

    async fn nobody_can_add_an_entry(line: TestLine) {
        let scene = Scene::set(line).await;
        let (db, [one, _]) = (scene.db(), scene.reports);
        let recipient = scene.recipient(one).await;
        let forge = |id, kind| {
            let address = Address { line: LINE.into(), report: one, entry: id, kind };
            let at = scene.line.service().clock.line_now();
            let body = Body::Note(FORGED.into()).into();
            seal_entry(&Entry { address, at, by: Some("wang".into()), body }, &recipient).bytes
        };
        let id = dutyline::base::clock::random_id();
        let sealed = forge(id, EntryKind::Note);
        let sql = "INSERT INTO entries (id, report, kind, sealed) SELECT $1, n, 'note', $3 FROM reports WHERE id = $2";
        change(db, sql, &[id.into(), one.into(), (&sealed).into()]).await;
        scene.found("an entry added", &[one], &[was_added("entry", id)]).await;

        // In place of a true entry, under its id.
        for entry in scene.entries(one).await {
            let sealed = forge(entry.id, entry.kind);
            change(db, SET_SEALED, &[entry.id.into(), (&sealed).into()]).await;
            scene.found("an entry replaced", &[one], &[was_changed("entry", entry.id)]).await;
        }
        scene.is_whole("after all").await;
    }

    async fn recordings_are_what_was_said(line: TestLine) {
        let scene = Scene::set(line).await;
        let [one, two] = scene.reports;
        let [a, b, c] = &scene.recordings;
        // As the API numbers them: in order of speaking.
        let at = |row: &RecordingRow| {
            let (report, n) = match row.id {
                id if id == c.id => (two, 1),
                id if id == b.id => (one, 2),
                _ => (one, 1),
            };
            format!("/reports/{report}/recordings/{n}")
        };
        let all = [a, b, c].map(|row| (row, std::fs::read(scene.file(row)).unwrap()));
        let mut cases: Vec<(&str, &RecordingRow, Vec<u8>)> = Vec::new();
        for (row, sealed) in &all {
            for place in places(sealed.len()) {
                cases.push(("a bit flipped", row, flipped(sealed, place)));
            }
            for length in [0, 100, sealed.len() / 2, sealed.len() - 1] {
                cases.push(("cut", row, sealed[..length].to_vec()));
            }
            cases.push(("longer", row, [&sealed[..], b"x"].concat()));
        }
        // Swapped within a report, whose key opens both, and with another report's.
        for (i, j) in [(0, 1), (1, 0), (0, 2), (2, 0)] {
            cases.push(("swapped", all[i].0, all[j].1.clone()));
        }
        for (row, _) in &all {
            cases.push(("replaced", row, forged_recording(&scene, row).await));
        }
        for (what, row, bytes) in cases {
            let whole = std::fs::read(scene.file(row)).unwrap();
            std::fs::write(scene.file(row), bytes).unwrap();
            is_refusal(what, &scene.lead.get(&at(row)).await);
            let range = [("range", "bytes=0-43")];
            is_refusal(what, &scene.lead.request(Method::GET, &at(row), &range, None).await);
            scene.is_named(what, &[was_changed("recording", row.id)]).await;
            std::fs::write(scene.file(row), whole).unwrap();
        }
        std::fs::remove_file(scene.file(a)).unwrap();
        is_refusal("removed", &scene.lead.get(&at(a)).await);
        scene.is_named("removed", &[was_changed("recording", a.id)]).await;
        std::fs::write(scene.file(a), &all[0].1).unwrap();
        scene.is_whole("after all").await;
        assert_eq!(scene.lead.recording(&scene.shown[0], 2).await, wav(b"secnd"));
    }

    async fn rows_of_recordings_stay_with_their_report(line: TestLine) {
        let scene = Scene::set(line).await;
        let (db, [one, two]) = (scene.db(), scene.reports);
        let [a, b, _] = &scene.recordings;

        change(db, "DELETE FROM recordings WHERE id = $1", &[a.id.into()]).await;
        scene.found("a row deleted", &[one], &[is_missing("recording", a.id)]).await;

        change(db, "UPDATE recordings SET report = (SELECT n FROM reports WHERE id = $2) WHERE id = $1", &[a.id.into(), two.into()]).await;
        scene.found("a row moved", &[one, two], &[was_refused(two, "recordings")]).await;

        for state in ["absent", "lost", "announced"] {
            change(db, "UPDATE recordings SET state = $2 WHERE id = $1", &[a.id.into(), state.into()]).await;
            scene.found("a state changed", &[one], &[is_missing("recording", a.id)]).await;
        }

        // The step that recorded a take decides which take counts.
        for (row, step) in [(a, b.step), (b, a.step)] {
            let values = [row.id.into(), i64::from(step).into()];
            change(db, "UPDATE recordings SET step = $2 WHERE id = $1", &values).await;
        }
        is_refusal("steps swapped", &scene.lead.get(&format!("/reports/{one}")).await);
        scene.put_back().await;

        let id = dutyline::base::clock::random_id();
        let sql = "INSERT INTO recordings (id, report, lookup, source, step, state, deleted)
            SELECT $1, n, $3, $3, 99, 'sealed', TRUE FROM reports WHERE id = $2";
        let lookup = dutyline::base::clock::random::<32>();
        change(db, sql, &[id.into(), one.into(), lookup[..].into()]).await;
        scene.found("a row added", &[one], &[was_refused(one, "recordings")]).await;
        scene.is_whole("after all").await;
    }

    async fn rows_of_sealed_files_cannot_be_exchanged(line: TestLine) {
        let scene = Scene::set(line).await;
        let (db, [one, _]) = (scene.db(), scene.reports);
        let [a, b, _] = &scene.recordings;
        let at = format!("/reports/{one}/recordings/1");
        let changed = [was_changed("recording", a.id)];
        let set = "UPDATE blobs SET sha256 = $2, header_sha256 = $3 WHERE n = (SELECT blob FROM recordings WHERE id = $1)";
        let put_back = async || {
            let Digests { whole, header } = scene.blobs[&a.id].digests;
            change(db, set, &[a.id.into(), whole[..].into(), header[..].into()]).await;
        };
        let honest = scene.blobs[&a.id].digests;

        // Another file, and a row that agrees with it.
        let sealed = std::fs::read(scene.file(a)).unwrap();
        std::fs::write(scene.file(a), forged_recording(&scene, a).await).unwrap();
        let forged = scene.line.service().blobs.digests(scene.blobs[&a.id].object).unwrap();
        for digests in [forged, Digests { header: honest.header, ..forged }, Digests { header: forged.header, ..honest }] {
            change(db, set, &[a.id.into(), digests.whole[..].into(), digests.header[..].into()]).await;
            is_refusal("a file and its row", &scene.lead.get(&at).await);
            scene.is_named("a file and its row", &changed).await;
        }
        std::fs::write(scene.file(a), &sealed).unwrap();
        // The row alone.
        is_refusal("a row", &scene.lead.get(&at).await);
        scene.is_named("a row", &changed).await;
        put_back().await;

        let exchange = "UPDATE recordings SET blob = (SELECT blob FROM recordings WHERE id = $2) WHERE id = $1";
        change(db, exchange, &[a.id.into(), b.id.into()]).await;
        is_refusal("another file of the report", &scene.lead.get(&at).await);
        scene.is_named("another file of the report", &changed).await;
        let object = scene.blobs[&a.id].object;
        let own = "UPDATE recordings SET blob = (SELECT n FROM blobs WHERE object = $2) WHERE id = $1";
        change(db, own, &[a.id.into(), object.into()]).await;
        scene.is_whole("after all").await;
    }

    async fn report_keys_cannot_be_exchanged(line: TestLine) {
        let scene = Scene::set(line).await;
        let (db, [one, two]) = (scene.db(), scene.reports);
        let mut tx = db.begin_read().await.unwrap();
        let a = report_keys::of_report(&mut tx, one).await.unwrap().remove(0);
        let b = report_keys::of_report(&mut tx, two).await.unwrap().remove(0);
        drop(tx);
        let set = "UPDATE report_keys SET sealed = $2 WHERE report = (SELECT n FROM reports WHERE id = $1)";

        for at in places(a.sealed.len()) {
            change(db, set, &[one.into(), (&flipped(&a.sealed, at)).into()]).await;
            scene.found("a bit flipped", &[one], &[was_refused(one, "report_keys")]).await;
        }
        change(db, set, &[one.into(), (&b.sealed).into()]).await;
        change(db, set, &[two.into(), (&a.sealed).into()]).await;
        let named = [was_refused(one, "report_keys"), was_refused(two, "report_keys")];
        scene.found("swapped", &[one, two], &named).await;

        change(db, "DELETE FROM report_keys WHERE report = (SELECT n FROM reports WHERE id = $1)", &[one.into()]).await;
        scene.found("deleted", &[one], &[is_missing("report key", one)]).await;

        // A whole forged report: the attacker's key, sealed to the line as the service does, and entries sealed to it.
        let forger = Identity::generate();
        let line_key: Recipient = scene.line_key().await.recipient.parse().unwrap();
        let forged = seal_identity(&forger, &[&line_key]);
        let honest = scene.recipient(one).await.to_string();
        change(db, set, &[one.into(), (&forged).into()]).await;
        let set_recipient = "UPDATE reports SET recipient = $2 WHERE id = $1";
        change(db, set_recipient, &[one.into(), forger.recipient().to_string().as_str().into()]).await;
        for row in scene.entries(one).await {
            let address = Address { line: LINE.into(), report: one, entry: row.id, kind: row.kind };
            let at = scene.line.service().clock.line_now();
            let entry = Entry { address, at, by: None, body: Body::Note(FORGED.into()).into() };
            let sealed = seal_entry(&entry, &forger.recipient()).bytes;
            change(db, SET_SEALED, &[row.id.into(), (&sealed).into()]).await;
        }
        is_refusal("forged", &scene.lead.get(&format!("/reports/{one}")).await);
        scene.is_named("forged", &[was_forged("report", one)]).await;
        scene.put_back().await;

        // The public half alone: nothing an inspector writes may be sealed to the attacker.
        is_refusal("public half", &scene.lead.get(&format!("/reports/{one}")).await);
        let path = format!("/reports/{one}");
        for (step, body) in [("notes", Some(json!({ "text": "x" }))), ("claim", None)] {
            let path = format!("{path}/{step}");
            is_refusal(step, &scene.lead.request(Method::POST, &path, &[], body).await);
        }
        scene.is_named("public half", &[was_forged("report", one)]).await;
        change(db, set_recipient, &[one.into(), honest.as_str().into()]).await;
        scene.is_whole("after all").await;
    }

    async fn line_keys_cannot_be_exchanged(line: TestLine) {
        let scene = Scene::set(line).await;
        let db = scene.db();
        let key = scene.line_key().await;
        let forger = Identity::generate().recipient().to_string();
        let set = "UPDATE line_keys SET recipient = $2 WHERE id = $1";

        change(db, set, &[key.id.into(), forger.as_str().into()]).await;
        scene.is_named("the key replaced", &[was_forged("line key", key.id)]).await;
        // Nothing is sealed to the forger: the caller hears the fallback answer, and the recording stays with the
        // provider.
        let before = scene.lead.reports().await.len();
        let mut caller = crate::support::Caller::dial(scene.line).await;
        caller.hang_up().await;
        assert_eq!(scene.lead.reports().await.len(), before);
        // With the key pinned in the configuration too. Other lines are served.
        let toml = scene.line.toml.replace("# key = \"age1…\"", &format!("key = \"{}\"", key.recipient));
        let config = Config::parse(&toml, "test.toml", scene.line.path()).unwrap();
        app::build(config, scene.line.service().clock).await.unwrap().db.close().await;
        change(db, set, &[key.id.into(), key.recipient.as_str().into()]).await;
        assert_eq!(scene.verify(None).await.wrong, [""; 0]);

        let set = "UPDATE line_keys SET recovery = $2 WHERE id = $1";
        change(db, set, &[key.id.into(), (&flipped(&key.recovery, 200)).into()]).await;
        scene.is_named("the recovery half", &[was_forged("line key", key.id)]).await;
        change(db, set, &[key.id.into(), (&key.recovery).into()]).await;

        let id = dutyline::base::clock::random_id();
        let sql = "INSERT INTO line_keys (id, line, epoch, recipient, recovery, recovery_recipient, recovery_verifying, created_at) VALUES ($1, $2, 2, $3, $4, $3, '', $5)";
        let now = scene.line.service().clock.system_now();
        change(db, sql, &[id.into(), LINE.into(), forger.as_str().into(), (&key.recovery).into(), now.into()]).await;
        scene.is_named("a key added", &[was_forged("line key", id)]).await;
        change(db, "DELETE FROM line_keys WHERE id = $1", &[id.into()]).await;
        assert_eq!(scene.verify(None).await.wrong, [""; 0]);
    }

    async fn a_pinned_key_is_looked_at_before_every_call(line: TestLine) {
        let key = line.keys[0].1.recipient.to_string();
        let toml = line.toml.replace("# key = \"age1…\"", &format!("key = \"{key}\""));
        let config = Config::parse(&toml, "test.toml", line.path()).unwrap();
        let service = app::build(config, line.service().clock).await.unwrap();
        let provider = &service.providers["twilio"];
        let call = |id: &str| Event {
            call: id.to_owned().into(),
            to: NUMBER.to_owned().into(),
            from: Caller::Withheld,
            keys: None,
            ended: false,
            recording: None,
            unnamed: None,
        };
        assert!(conduct(&service, provider, &Hook::Call, &call("CA1")).await.is_ok());
        let forger = Identity::generate().recipient().to_string();
        change(line.db(), "UPDATE line_keys SET recipient = $1", &[forger.as_str().into()]).await;
        // The webhook fails, so that the caller receives the fallback answer, and nothing is sealed to the attacker.
        let refused = conduct(&service, provider, &Hook::Call, &call("CA2")).await;
        assert!(matches!(refused, Err(StoreError::Forged("line_keys"))));
        let mut tx = line.db().begin_read().await.unwrap();
        assert_eq!(reports::all_of_line(&mut tx, LINE).await.unwrap().0.len(), 1);
        drop(tx);
        service.db.close().await;
    }

    async fn purging_is_no_tampering(line: TestLine) {
        line.abandon("+8613800138001", NUMBER).await;
        line.idle().await;
        let lead = line.lead().await;
        let kinds = async || {
            let calls = lead.get("/abandoned").await.ok();
            let entries = calls["calls"][0]["entries"].as_array().unwrap().clone();
            entries.iter().map(|entry| entry["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(kinds().await, ["caller", "call"]);
        let before = line.service().clock.line_now() - TimeDelta::days(31);
        change(line.db(), "UPDATE reports SET received_hour = $1", &[before.into()]).await;
        housekeeping::tidy(line.service()).await.unwrap();
        assert_eq!(kinds().await, ["call"]);
        let proof = verify::line(line.db(), &line.service().blobs, LINE, None).await.unwrap();
        assert_eq!(proof.wrong, [""; 0]);
    }

    async fn the_number_of_a_report_is_not_purged(line: TestLine) {
        line.leave("+8613800138001", NUMBER, &wav(b"said")).await;
        line.idle().await;
        let lead = line.lead().await;
        let report = lead.only_report().await;
        // As if it were an old call without a message.
        let before = line.service().clock.line_now() - TimeDelta::days(31);
        run(line.db(), "CREATE TABLE kept AS SELECT number, received_hour FROM reports", &[]).await;
        change(line.db(), "UPDATE reports SET number = NULL, received_hour = $1", &[before.into()]).await;
        housekeeping::tidy(line.service()).await.unwrap();
        let back = "UPDATE reports SET number = kept.number, received_hour = kept.received_hour FROM kept";
        change(line.db(), back, &[]).await;
        assert_eq!(lead.only_report().await["entries"], report["entries"]);
        assert!(report["entries"].to_string().contains("+8613800138001"));
    }

    async fn a_refused_report_leaves_the_others_in_the_queue(line: TestLine) {
        for n in 1..=3 {
            line.leave(&format!("+861380013800{n}"), NUMBER, &wav(b"said!")).await;
        }
        line.idle().await;
        let lead = line.lead().await;
        let all = lead.reports().await;
        let ids = || all.iter().map(|report| report["id"].as_str().unwrap().parse::<Uuid>().unwrap());
        let first = ids().next().unwrap();
        let forger = Identity::generate().recipient().to_string();
        change(line.db(), "UPDATE reports SET recipient = $2 WHERE id = $1", &[first.into(), forger.as_str().into()]).await;
        let mut tx = line.db().begin_read().await.unwrap();
        let listed = reports::Listed { line: Some(LINE), status: None, assignee: None, after: 0, limit: 2 };
        let page = reports::list(&mut tx, listed).await.unwrap();
        drop(tx);
        let listed: Vec<Uuid> = page.iter().map(|report| report.id).collect();
        assert_eq!(listed, ids().skip(1).collect::<Vec<_>>(), "the page is full");
        assert_eq!(lead.reports().await.len(), 2);
    }

    async fn one_abandoned_call_that_was_tampered_with_hides_no_other(line: TestLine) {
        line.abandon("+8613800138001", NUMBER).await;
        line.abandon("+8613800138002", NUMBER).await;
        line.idle().await;
        let lead = line.lead().await;
        let listed = async || {
            let answer = lead.get("/abandoned").await.ok();
            let calls = answer["calls"].as_array().unwrap().iter();
            let mut calls: Vec<_> = calls
                .map(|call| (call["damaged"].as_bool().unwrap(), call["entries"].as_array().unwrap().len()))
                .collect();
            calls.sort_unstable();
            (calls, answer["calls"][0]["id"].as_str().unwrap().parse::<Uuid>().unwrap())
        };
        let (calls, id) = listed().await;
        assert_eq!(calls, [(false, 2), (false, 2)]);
        change(line.db(), "DELETE FROM entries WHERE report = (SELECT n FROM reports WHERE id = $1) AND kind = 'call'", &[id.into()]).await;
        assert_eq!(listed().await.0, [(false, 2), (true, 0)]);
    }

    async fn the_trail_is_a_chain(line: TestLine) {
        let scene = Scene::set(line).await;
        let db = scene.db();
        for sql in KEEP_TRAIL {
            run(db, sql, &[]).await;
        }
        let whole = scene.links().await;
        let put_back = async || {
            for sql in PUT_TRAIL_BACK {
                run(db, sql, &[]).await;
            }
            assert_eq!(scene.verify(None).await.wrong, [""; 0]);
        };
        let seqs = [1, whole.len() as i64 / 2, whole.len() as i64];
        for seq in seqs {
            let id = dutyline::base::clock::random_id();
            let row = &whole[seq as usize - 1];
            let [one, two] = scene.reports;
            let other = if row.report == Some(one) { two } else { one };
            let digest = dutyline::base::clock::random::<32>();
            let named = [format!("link {seq} was changed, or the one before it")];
            for (column, sql, value) in [
                ("at", "UPDATE audit SET at = $2 WHERE seq = $1 AND line = 'fcg-5'", (row.at + TimeDelta::hours(1)).into()),
                ("actor", "UPDATE audit SET actor = $2 WHERE seq = $1 AND line = 'fcg-5'", "li".into()),
                ("action", "UPDATE audit SET action = $2 WHERE seq = $1 AND line = 'fcg-5'", "login".into()),
                ("report", "UPDATE audit SET report = (SELECT n FROM reports WHERE id = $2) WHERE seq = $1 AND line = 'fcg-5'", other.into()),
                ("object", "UPDATE audit SET object = $2 WHERE seq = $1 AND line = 'fcg-5'", id.into()),
                ("digest", "UPDATE audit SET digest = $2 WHERE seq = $1 AND line = 'fcg-5'", digest[..].into()),
                ("detail", "UPDATE audit SET detail = $2 WHERE seq = $1 AND line = 'fcg-5'", "else".into()),
                ("hash", "UPDATE audit SET hash = $2 WHERE seq = $1 AND line = 'fcg-5'", digest[..].into()),
            ] {
                change(db, sql, &[seq.into(), value]).await;
                scene.is_named(column, &named).await;
                put_back().await;
            }
            change(db, "UPDATE audit SET digest = $2 WHERE seq = $1 AND line = 'fcg-5'", &[seq.into(), (&vec![1u8]).into()]).await;
            scene.is_named("a short digest", &[format!("link {seq} is missing or broken")]).await;
            put_back().await;
            change(db, "UPDATE audit SET action = $2 WHERE seq = $1 AND line = 'fcg-5'", &[seq.into(), "nothing".into()]).await;
            scene.is_named("no action", &[format!("link {seq} is missing or broken")]).await;
            put_back().await;
            change(db, "DELETE FROM audit WHERE seq = $1 AND line = 'fcg-5'", &[seq.into()]).await;
            let named = if row.seq == whole.len() as i64 {
                "the chain does not end where its head says".to_owned()
            } else {
                format!("link {seq} is missing or broken")
            };
            scene.is_named("deleted", &[named]).await;
            put_back().await;
        }
        for (from, to) in [(2i64, 999i64), (3, 2), (999, 3)] {
            change(db, "UPDATE audit SET seq = $2 WHERE seq = $1 AND line = 'fcg-5'", &[from.into(), to.into()]).await;
        }
        scene.is_named("reordered", &["link 2 was changed".to_owned(), "link 3 was changed".to_owned()]).await;
        put_back().await;
        run(db, "DELETE FROM audit_heads", &[]).await;
        scene.is_named("no head", &["the chain does not end where its head says".to_owned()]).await;
        put_back().await;
    }

    async fn a_head_kept_elsewhere_finds_a_rewritten_trail(line: TestLine) {
        let scene = Scene::set(line).await;
        let db = scene.db();
        let head = scene.verify(None).await;
        let kept = Some((head.links, head.head));
        let text = format!("{}:{}", head.links, hex(&head.head));
        let verify = ["audit", "verify"];
        let with_head = ["audit", "verify", "--line", LINE, "--head", &text];
        for arguments in [&verify[..], &with_head[..]] {
            let output = scene.line.cli(arguments).await;
            assert!(output.status.success(), "{}", wrote(&output));
            assert!(wrote(&output).contains(&format!("✓ {LINE}: {} links whole\n  head {text}", head.links)));
        }

        // The openings at the end are deleted, and the head is rewritten: only a head kept elsewhere can prove it.
        let links = scene.links().await;
        let cut = links.len() - 2;
        assert!(links[cut..].iter().all(|link| link.action == Action::ReportOpened));
        run(db, "DELETE FROM audit WHERE seq > $1 AND line = 'fcg-5'", &[(cut as i64).into()]).await;
        let set = "UPDATE audit_heads SET seq = $1, hash = $2 WHERE line = 'fcg-5'";
        change(db, set, &[(cut as i64).into(), (&links[cut - 1].hash).into()]).await;
        let shorter = "the chain is shorter than the last link that this machine has seen";
        assert_eq!(scene.verify(None).await.wrong, [shorter]);
        let wrong = scene.verify(kept).await.wrong;
        assert_eq!(wrong, ["the chain is shorter than the head kept elsewhere", shorter]);
        let output = scene.line.cli(&with_head).await;
        assert_eq!(output.status.code(), Some(1), "{}", wrote(&output));
        assert!(wrote(&output).contains("✗ fcg-5: the chain is shorter than the head kept elsewhere"));

        // Filled up again with other links, every hash correct.
        let mut previous: [u8; 32] = links[cut - 1].hash.as_slice().try_into().unwrap();
        for row in &links[cut..] {
            let link = chain::Link { actor: Some("li".into()), ..row.link().unwrap() };
            previous = chain::hash(&previous, &link);
            let sql = "INSERT INTO audit (line, seq, at, actor, action, report, hash)
                SELECT $1, $2, $3, 'li', $4, n, $6 FROM reports WHERE id = $5";
            let report = link.report.unwrap();
            let values = [LINE.into(), link.seq.into(), link.at.into(), link.action.as_str().into(), report.into(), previous[..].into()];
            change(db, sql, &values).await;
        }
        change(db, set, &[(links.len() as i64).into(), previous[..].into()]).await;
        let wrong = scene.verify(kept).await.wrong;
        for seq in [links.len() - 1, links.len()] {
            assert!(wrong.contains(&format!("link {seq} was not written by the service")), "{wrong:?}");
        }
        for by in ["the head kept elsewhere", "the last link that this machine has seen"] {
            assert!(wrong.contains(&format!("link {} is not {by}", head.links)), "{wrong:?}");
        }
        let output = scene.line.cli(&with_head).await;
        assert_eq!(output.status.code(), Some(1), "{}", wrote(&output));

        // The command's output for a changed entry.
        let entry = scene.entries(scene.reports[0]).await.remove(0);
        change(db, SET_SEALED, &[entry.id.into(), (&flipped(&entry.sealed, 99)).into()]).await;
        let output = scene.line.cli(&verify).await;
        assert_eq!(output.status.code(), Some(1));
        assert!(wrote(&output).contains(&format!("✗ {LINE}: {}", was_changed("entry", entry.id))), "{}", wrote(&output));
    }
}

const KEEP_TRAIL: [&str; 2] = [
    "CREATE TABLE kept_audit AS SELECT * FROM audit",
    "CREATE TABLE kept_heads AS SELECT * FROM audit_heads",
];
const PUT_TRAIL_BACK: [&str; 4] = [
    "DELETE FROM audit",
    "DELETE FROM audit_heads",
    "INSERT INTO audit SELECT * FROM kept_audit",
    "INSERT INTO audit_heads SELECT * FROM kept_heads",
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_forged_thing_is_told_from_a_true_one_by_its_hash_alone() {
    // Why the trail is consulted at all: sealing needs no secret, so that an entry that opens does not prove who sealed
    // it.
    let report = Identity::generate();
    let [a, b] =
        [b"one", b"two"].map(|plain| dutyline::vault::seal::seal(plain, &[&report.recipient()]));
    assert!(
        [&a, &b]
            .iter()
            .all(|sealed| dutyline::vault::seal::open(sealed, &report).is_ok())
    );
    assert_ne!(Sha256::digest(&a), Sha256::digest(&b));
}
