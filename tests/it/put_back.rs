//! A database that is put back to an earlier state: rows that were replaced since would be valid in it again.

use crate::support::console::Desk;
use crate::support::sql::{change, run};
use crate::support::standin::StandIn;
use crate::support::webhooks::Story;
use crate::support::{Binary, Database, LEAD, LINES, NUMBER, TestLine, on_both, wav, wrote};
use chrono::TimeDelta;
use dutyline::base::clock::random_id;
use dutyline::register::verify;
use dutyline::report::role::Role;
use dutyline::store::audit::{self, Act, SERVICE};
use dutyline::store::members::{self, by_name};
use dutyline::vault::action::Action;
use dutyline::work::trust;
use reqwest::StatusCode;
use std::fs;
use std::os::unix::fs::PermissionsExt;

const PASSWORD: &str = "nine geese above still reeds";

/// Stops the service with a signal, and waits until it has ended.
async fn stopped(binary: &mut Binary) {
    binary.signal("TERM");
    assert!(binary.ended().await.success());
}

/// The whole database, as in a backup that is put back behind the service's back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_earlier_database_is_refused_until_it_is_accepted() {
    let twilio = StandIn::start().await;
    let mut binary = Binary::start(Database::sqlite(), &twilio.url, |toml| toml).await;
    binary.speak(&twilio, &Story::new()).await;
    stopped(&mut binary).await;
    let (database, heads) = (
        binary.path().join("data/dutyline.db"),
        binary.path().join("data/heads"),
    );
    let mode = fs::metadata(&heads).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let earlier = fs::read(&database).unwrap();
    binary.serve().await;
    binary.speak(&twilio, &Story::new()).await;
    stopped(&mut binary).await;
    for file in fs::read_dir(binary.path().join("data")).unwrap() {
        let name = file.unwrap().file_name();
        assert!(!name.to_string_lossy().contains("-wal"), "the log is empty");
    }
    fs::write(&database, earlier).unwrap();

    let refused = binary.try_run(&["serve"]);
    assert_eq!(refused.status.code(), Some(1));
    let said = wrote(&refused);
    assert!(
        said.contains("the database was put back to an earlier state: the chain of line fcg-5"),
        "{said}"
    );
    assert!(said.contains("--accept-head"), "{said}");
    let verified = binary.try_run(&["audit", "verify"]);
    assert_eq!(verified.status.code(), Some(1));
    let said = wrote(&verified);
    let shorter = "✗ fcg-5: the chain is shorter than the last link that this machine has seen";
    assert!(said.contains(shorter), "{said}");

    binary.serve_with(&["--accept-head"]).await;
    binary.speak(&twilio, &Story::new()).await;
    stopped(&mut binary).await;
    binary.run(&["audit", "verify"]);
    let db = binary.db().await;
    let links = audit::links(&mut db.begin_read().await.unwrap(), LINES[0], 0)
        .await
        .unwrap();
    let accepted: Vec<_> = links
        .iter()
        .filter(|link| link.action == Action::HeadAccepted)
        .collect();
    assert_eq!(accepted.len(), 1, "the trail says so");
    assert!(accepted[0].detail.as_ref().unwrap().contains(':'));
    db.close().await;
    binary.serve().await;
    binary.finish().await;
}

/// A new database with the service secret of a former one is not an earlier state of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_database_beside_the_former_secret_starts() {
    let twilio = StandIn::start().await;
    let mut binary = Binary::start(Database::sqlite(), &twilio.url, |toml| toml).await;
    binary.speak(&twilio, &Story::new()).await;
    stopped(&mut binary).await;
    let data = binary.path().join("data");
    fs::remove_file(data.join("dutyline.db")).unwrap();
    fs::remove_dir_all(data.join("recordings")).unwrap();
    let password = binary.path().join("password");
    fs::write(&password, LEAD.1).unwrap();
    binary.run(&[
        "init",
        "--lead",
        LEAD.0,
        "--password-file",
        "password",
        "--line",
        LINES[0],
    ]);
    binary.serve().await;
    binary.finish().await;
}

on_both! {
    async fn links_that_are_added_by_hand_are_not_read_with_each_statement(line: TestLine) {
        let db = line.db();
        let plant = "INSERT INTO audit (line, seq, at, action, hash, mac)
            SELECT line, seq + 1, at, 'login', hash, mac FROM audit WHERE line = '*' ORDER BY seq DESC LIMIT 1";
        let read = async || by_name(&mut db.begin_read().await.unwrap(), LEAD.0).await;
        read().await.unwrap();
        run(db, plant, &[]).await;
        let before = db.proofs().refusals();
        assert!(read().await.is_err());
        assert_eq!(db.proofs().refusals(), before + 1);
        assert!(read().await.is_err());
        assert_eq!(db.proofs().refusals(), before + 1, "the link was read again");
        run(db, "DELETE FROM audit WHERE line = '*' AND seq = (SELECT MAX(seq) FROM audit WHERE line = '*')", &[]).await;
        read().await.unwrap();
    }

    async fn a_chain_that_was_cut_takes_no_link(line: TestLine) {
        line.leave("+8613800138001", NUMBER, &wav(b"first")).await;
        line.idle().await;
        let (lead, db) = (line.lead().await, line.db());
        let desk = Desk::sign_in(&line.url, LEAD.0, LEAD.1).await;
        let report = lead.only_report().await;
        let mut tx = db.begin_read().await.unwrap();
        let links = audit::links(&mut tx, LINES[0], 0).await.unwrap();
        drop(tx);
        let cut = links.len() - 2;
        let kept = ["CREATE TABLE kept_audit AS SELECT * FROM audit", "CREATE TABLE kept_heads AS SELECT * FROM audit_heads"];
        for sql in kept {
            run(db, sql, &[]).await;
        }
        run(db, "DELETE FROM audit WHERE seq > $1 AND line = 'fcg-5'", &[(cut as i64).into()]).await;
        let set = "UPDATE audit_heads SET seq = $1, hash = $2 WHERE line = 'fcg-5'";
        change(db, set, &[(cut as i64).into(), (&links[cut - 1].hash).into()]).await;

        let claim = format!("/reports/{}/claim", report["id"].as_str().unwrap());
        assert_eq!(lead.act(&claim).await.status, StatusCode::INTERNAL_SERVER_ERROR);
        let service = line.service();
        trust::look(service).await;
        let page = desk.get("/console/").await.ok();
        assert!(page.contains("数据库被换回了较早的状态"), "{page}");
        assert!(service.put_back.load(std::sync::atomic::Ordering::Relaxed));

        for sql in ["DELETE FROM audit", "DELETE FROM audit_heads", "INSERT INTO audit SELECT * FROM kept_audit", "INSERT INTO audit_heads SELECT * FROM kept_heads"] {
            run(db, sql, &[]).await;
        }
        trust::look(service).await;
        assert!(!service.put_back.load(std::sync::atomic::Ordering::Relaxed));
        assert_eq!(lead.act(&claim).await.status, StatusCode::OK);
    }

    async fn a_former_row_of_a_member_is_not_valid(line: TestLine) {
        line.make_member("li", Role::Inspector, PASSWORD, &LINES[..1]).await;
        let db = line.db();
        run(db, "CREATE TABLE former AS SELECT id, disabled, mac, link FROM members WHERE name = 'li'", &[]).await;
        fs::write(line.path().join("wang.txt"), LEAD.1).unwrap();
        let disable = ["member", "disable", "li", "--as", LEAD.0, "--as-password-file", "wang.txt"];
        assert!(line.cli(&disable).await.status.success());
        // The row as it was before, with a MAC that holds.
        let back = "UPDATE members SET disabled = former.disabled, mac = former.mac, link = former.link
            FROM former WHERE former.id = members.id";
        change(db, back, &[]).await;
        let log_in = |name: &'static str| {
            let body = serde_json::json!({ "name": name, "password": PASSWORD });
            line.anybody().post_owned("/session", body)
        };
        assert_eq!(log_in("li").await.status, StatusCode::INTERNAL_SERVER_ERROR);
        let wrong = verify::service(db, None).await.unwrap().wrong;
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert!(wrong[0].starts_with("the row of member"), "{wrong:?}");

        // The link that disabled the member, changed so that it names no row: this process knows which row it set, and
        // another process refuses all rows that were set before it.
        let change_link = "UPDATE audit SET object = NULL WHERE line = '*' AND action = 'member_disabled'";
        change(db, change_link, &[]).await;
        assert_eq!(log_in("li").await.status, StatusCode::INTERNAL_SERVER_ERROR);
        let other = line.db_again().await;
        let found = by_name(&mut other.begin_read().await.unwrap(), "li").await;
        assert!(found.is_err(), "another process refuses the row too");
        // What was set after that link is certain again.
        line.make_member("zhao", Role::Inspector, PASSWORD, &[]).await;
        let zhao = by_name(&mut other.begin_read().await.unwrap(), "zhao").await;
        assert!(zhao.unwrap().is_some());
        other.close().await;
        assert_eq!(log_in("zhao").await.status, StatusCode::OK);

        // Without that link, the links after it have no place in the chain.
        change(db, "DELETE FROM audit WHERE line = '*' AND action = 'member_disabled'", &[]).await;
        let other = line.db_again().await;
        assert!(by_name(&mut other.begin_read().await.unwrap(), "li").await.is_err());
        other.close().await;
    }

    /// A node that has read the chain learns what another one adds to it before it uses a row.
    async fn a_former_row_is_not_valid_on_another_node(line: TestLine) {
        line.make_member("li", Role::Inspector, PASSWORD, &LINES[..1]).await;
        let (db, other) = (line.db(), line.db_again().await);
        run(db, "CREATE TABLE former AS SELECT id, disabled, mac, link FROM members WHERE name = 'li'", &[]).await;
        let li = by_name(&mut other.begin_read().await.unwrap(), "li").await.unwrap().unwrap();
        let before = other.begin_read().await.unwrap();
        let act = Act { actor: Some(LEAD.0), object: Some(li.id), ..Act::new(line.service().clock.line_now(), Action::MemberDisabled) };
        let mut tx = db.begin().await.unwrap();
        line.sign(&mut tx).await;
        members::disable(&mut tx, li.id, act).await.unwrap();
        tx.commit().await.unwrap();
        drop(before);
        let now = by_name(&mut other.begin_read().await.unwrap(), "li").await.unwrap().unwrap();
        assert!(now.disabled);
        let back = "UPDATE members SET disabled = former.disabled, mac = former.mac, link = former.link
            FROM former WHERE former.id = members.id";
        change(db, back, &[]).await;
        let third = line.db_again().await;
        for node in [db, &other, &third] {
            assert!(by_name(&mut node.begin_read().await.unwrap(), "li").await.is_err());
        }
        other.close().await;
        third.close().await;
    }

    /// A transaction that began before a change of a member sees the member as they were, and that is no alarm.
    async fn a_row_that_changes_meanwhile_is_no_alarm(line: TestLine) {
        line.make_member("li", Role::Inspector, PASSWORD, &LINES[..1]).await;
        let db = line.db();
        let mut before = db.begin_read().await.unwrap();
        let li = by_name(&mut before, "li").await.unwrap().unwrap();
        let act = |action| Act { actor: Some(LEAD.0), object: Some(li.id), ..Act::new(line.service().clock.line_now(), action) };
        for _ in 0..2 {
            let mut tx = db.begin().await.unwrap();
            line.sign(&mut tx).await;
            members::disable(&mut tx, li.id, act(Action::MemberDisabled)).await.unwrap();
            tx.commit().await.unwrap();
            let now = by_name(&mut db.begin_read().await.unwrap(), "li").await.unwrap().unwrap();
            assert!(now.disabled);
            let mut tx = db.begin().await.unwrap();
            line.sign(&mut tx).await;
            members::enable(&mut tx, li.id, act(Action::MemberEnabled)).await.unwrap();
            tx.commit().await.unwrap();
        }
        let again = by_name(&mut before, "li").await.unwrap().unwrap();
        assert!(!again.disabled);
        assert_eq!(members::list(&mut before).await.unwrap().len(), 2);
        drop(before);
        assert_eq!(db.proofs().refusals(), 0);
    }

    async fn a_row_that_is_missing_is_an_alarm(line: TestLine) {
        use dutyline::members::confirming::{set_waiver, waived_by};
        use dutyline::store::keys;
        line.make_member("li", Role::Inspector, PASSWORD, &LINES[..1]).await;
        let (db, clock) = (line.db(), line.service().clock);
        let mut tx = db.begin().await.unwrap();
        let [li, wang] = ["li", LEAD.0];
        let li = by_name(&mut tx, li).await.unwrap().unwrap();
        let wang = by_name(&mut tx, wang).await.unwrap().unwrap();
        line.sign(&mut tx).await;
        assert!(set_waiver(&mut tx, &clock, &wang, LINES[0], true).await.unwrap());
        tx.commit().await.unwrap();
        for node in [db, &line.db_again().await] {
            run(node, "CREATE TABLE kept_grants AS SELECT * FROM grants", &[]).await;
            change(node, "DELETE FROM grants WHERE member = $1", &[li.id.into()]).await;
            assert!(keys::grants(&mut node.begin_read().await.unwrap(), li.id).await.is_err());
            assert_eq!(keys::grants(&mut node.begin_read().await.unwrap(), wang.id).await.unwrap().len(), 1);
            run(node, "DELETE FROM grants", &[]).await;
            run(node, "INSERT INTO grants SELECT * FROM kept_grants", &[]).await;
            run(node, "DROP TABLE kept_grants", &[]).await;

            run(node, "CREATE TABLE kept_waivers AS SELECT * FROM waivers", &[]).await;
            change(node, "DELETE FROM waivers", &[]).await;
            assert!(waived_by(&mut node.begin_read().await.unwrap(), LINES[0]).await.is_err());
            run(node, "INSERT INTO waivers SELECT * FROM kept_waivers", &[]).await;
            run(node, "DROP TABLE kept_waivers", &[]).await;
            let waived = waived_by(&mut node.begin_read().await.unwrap(), LINES[0]).await;
            assert_eq!(waived.unwrap().as_deref(), Some(LEAD.0));
        }
        // A later key of the line that was removed does not make the former one current again.
        let mut tx = db.begin().await.unwrap();
        let key = keys::current_key(&mut tx, LINES[0]).await.unwrap().unwrap();
        let next = keys::LineKey { id: random_id(), epoch: 2, ..key };
        line.sign(&mut tx).await;
        let act = Act { actor: Some(LEAD.0), object: Some(next.id), ..Act::new(clock.line_now(), Action::LineKeyMade) };
        keys::insert_line_key(&mut tx, &next, clock.system_now(), act).await.unwrap();
        tx.commit().await.unwrap();
        change(db, "DELETE FROM line_keys WHERE epoch = 2", &[]).await;
        for node in [db, &line.db_again().await] {
            assert!(keys::current_key(&mut node.begin_read().await.unwrap(), LINES[0]).await.is_err());
        }
        // A member.
        run(db, "DELETE FROM grants", &[]).await;
        change(db, "DELETE FROM members WHERE id = $1", &[li.id.into()]).await;
        for node in [db, &line.db_again().await] {
            assert!(members::by_id(&mut node.begin_read().await.unwrap(), li.id).await.is_err());
            assert!(members::list(&mut node.begin_read().await.unwrap()).await.is_err());
        }
    }

    async fn chains_name_each_others_last_links_once_a_day(line: TestLine) {
        line.leave("+8613800138001", NUMBER, &wav(b"first")).await;
        line.idle().await;
        let (db, blobs) = (line.db(), &line.service().blobs);
        let now = line.service().clock.line_now();
        let named = async || {
            let mut tx = db.begin_read().await.unwrap();
            let mut numbers = Vec::new();
            for chain in [SERVICE, LINES[0]] {
                let links = audit::links(&mut tx, chain, 0).await.unwrap();
                let named = links.into_iter().filter(|link| link.action == Action::HeadNamed);
                numbers.push(named.map(|link| (link.seq, link.detail.unwrap())).collect::<Vec<_>>());
            }
            numbers
        };
        db.name_heads(now + TimeDelta::hours(23)).await.unwrap();
        assert_eq!(named().await, [vec![], vec![]], "not a day yet");
        let before = audit::head(&mut db.begin_read().await.unwrap(), LINES[0]).await.unwrap().unwrap();
        db.name_heads(now + TimeDelta::hours(25)).await.unwrap();
        // Another node does it at the same time, and later nothing has happened.
        line.db_again().await.name_heads(now + TimeDelta::hours(25)).await.unwrap();
        db.name_heads(now + TimeDelta::hours(50)).await.unwrap();
        let numbers = named().await;
        assert_eq!((numbers[0].len(), numbers[1].len()), (1, 1), "{numbers:?}");
        assert!(numbers[0][0].1.starts_with(&format!("{} {}:", LINES[0], before.0)));
        let whole = verify::line(db, blobs, LINES[0], None).await.unwrap().wrong;
        assert_eq!(whole, [""; 0]);

        // The service's chain is another one than the line names.
        run(db, "CREATE TABLE kept AS SELECT seq, hash FROM audit WHERE line = '*'", &[]).await;
        let (seq, _) = numbers[1][0].1.split_once(':').unwrap();
        let seq: i64 = seq.parse().unwrap();
        change(db, "UPDATE audit SET hash = mac WHERE line = '*' AND seq = $1", &[seq.into()]).await;
        let wrong = verify::line(db, blobs, LINES[0], None).await.unwrap().wrong;
        let other = format!("the chain of the service has another link {seq} than this chain names");
        assert_eq!(wrong, [other]);
        let back = "UPDATE audit SET hash = (SELECT hash FROM kept WHERE kept.seq = audit.seq) WHERE line = '*' AND seq = $1";
        change(db, back, &[seq.into()]).await;
        // The line's chain ends before the link that the service's chain names.
        run(db, "DELETE FROM audit WHERE line = $1 AND seq >= $2", &[LINES[0].into(), before.0.into()]).await;
        let wrong = verify::line(db, blobs, LINES[0], None).await.unwrap().wrong;
        let shorter = "the chain is shorter than the last link that the chain of the service names".to_owned();
        assert!(wrong.contains(&shorter), "{wrong:?}");
    }

    async fn a_former_waiver_is_not_valid(line: TestLine) {
        use dutyline::members::confirming::{set_waiver, waived_by};
        let (db, clock) = (line.db(), line.service().clock);
        let mut tx = db.begin().await.unwrap();
        let wang = dutyline::store::members::by_name(&mut tx, LEAD.0).await.unwrap().unwrap();
        line.sign(&mut tx).await;
        assert!(set_waiver(&mut tx, &clock, &wang, LINES[0], true).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(waived_by(&mut db.begin_read().await.unwrap(), LINES[0]).await.unwrap().as_deref(), Some(LEAD.0));
        run(db, "CREATE TABLE former AS SELECT * FROM waivers", &[]).await;
        let mut tx = db.begin().await.unwrap();
        line.sign(&mut tx).await;
        assert!(set_waiver(&mut tx, &clock, &wang, LINES[0], false).await.unwrap());
        tx.commit().await.unwrap();
        run(db, "INSERT INTO waivers SELECT * FROM former", &[]).await;
        assert!(waived_by(&mut db.begin_read().await.unwrap(), LINES[0]).await.is_err());
        let page = Desk::sign_in(&line.url, LEAD.0, LEAD.1).await.get("/console/").await.ok();
        assert!(page.contains("拒绝使用不是由本系统写入的数据"), "{page}");
    }
}
