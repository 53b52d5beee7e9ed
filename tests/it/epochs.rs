//! A member who is taken off a line: the line gets another key, to which its reports are sealed again.

mod callers;
mod changed;
mod damaged;
mod gate;
mod killed;
mod measured;
mod refused;
mod renewed;
mod scene;
mod sequences;

use crate::load::fill::fill;
use crate::recovery::by_hand;
use crate::support::sql::number;
use crate::support::{
    Api, Caller, DEADLINE, Database, LEAD, LINES, NUMBER, TestLine, on_both, until_one_waits, wav,
    wrote,
};
use dutyline::members::resealing::{Piece, Resealing, unfinished};
use dutyline::members::{MemberError, next_key, take_off};
use dutyline::report::role::Role;
use dutyline::store::{audit, keys};
use dutyline::vault::action::Action;
use dutyline::vault::seal::open_identity;
use reqwest::StatusCode;
use scene::{
    FORMER_GRANTS, LINE, PASSWORD, all_open, held, is_finished, member, opens_all, rest, rows,
    settled, shown, step_one, take_off_form, unlocked,
};
use std::fs;
use std::process::Command;

on_both! {
    async fn a_member_who_is_taken_off_opens_nothing_more(line: TestLine) {
        line.leave("+8613800138001", NUMBER, &wav(b"first")).await;
        line.abandon("+8613800138009", NUMBER).await;
        line.idle().await;
        line.make_member("li", Role::Inspector, PASSWORD, &LINES[..1]).await;
        let li = Api::log_in(&line.url, "li", PASSWORD).await;
        let (row, own) = unlocked(line.db(), "li").await;
        let stolen = held(line.db(), &row, &own).await;
        let backup = rows(line.db()).await;
        opens_all(line.db(), &stolen, "li").await;

        let wang = line.desk().await;
        assert!(wang.get("/console/members").await.ok().contains("此前的备份仍可用其旧密钥打开"));
        assert_eq!(take_off_form(line, &wang, "li", "a wrong password").await, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(shown(&li).await.len(), 1);
        assert_eq!(take_off_form(line, &wang, "li", LEAD.1).await, StatusCode::SEE_OTHER);
        assert_eq!(li.get("/reports").await.status, StatusCode::UNAUTHORIZED);
        let li = Api::log_in(&line.url, "li", PASSWORD).await;
        assert!(li.reports().await.is_empty());
        line.leave("+8613800138002", NUMBER, &wav(b"second")).await;
        line.idle().await;
        settled(line).await;

        is_finished(line).await;
        assert!(held(line.db(), &row, &own).await.is_empty());
        for (_, keys) in rows(line.db()).await {
            for key in keys {
                for stolen in stolen.values() {
                    assert!(open_identity(&key.sealed, stolen).is_err());
                }
            }
        }
        // What was in a backup still opens.
        for (_, keys) in &backup {
            assert!(open_identity(&keys[0].sealed, &stolen[&keys[0].sealed_to]).is_ok());
        }
        assert_eq!(shown(&line.lead().await).await, [wav(b"first"), wav(b"second")]);
        assert_eq!(all_open(line, &[LEAD.0], "at the end").await, 3);
        let page = wang.get("/console/").await.ok();
        assert!(page.contains("wang将li移出了本线路"), "{page}");
        // Given the line again, the member opens everything, with one key.
        let form = [("line", LINE), ("own_password", LEAD.1)];
        let path = format!("/console/members/{}/line", row.id);
        assert_eq!(wang.post(&path, &form).await.status, StatusCode::SEE_OTHER);
        assert_eq!(shown(&li).await.len(), 2);
        assert_eq!(held(line.db(), &row, &own).await.len(), 1);
    }

    async fn the_recovery_key_opens_a_line_with_two_keys_by_hand(line: TestLine) {
        line.leave("+8613800138001", NUMBER, &wav(b"first")).await;
        line.make_member("li", Role::Inspector, PASSWORD, &LINES[..1]).await;
        line.idle().await;
        step_one(line, "li").await.unwrap();
        line.leave("+8613800138002", NUMBER, &wav(b"second")).await;
        line.idle().await;
        let (wang, own) = unlocked(line.db(), LEAD.0).await;
        let work = Resealing::begin(line.db(), &wang, &own, LINE).await;
        let clock = line.service().clock;
        assert_eq!(work.unwrap().unwrap().piece(line.db(), &clock).await.unwrap(), Piece::Sealed(1));
        // The first report has two rows now, the second one.
        let key = line.keys[0].1.recovery.to_secret();
        fs::write(line.path().join("recovery.txt"), format!("{}\n", key.expose().as_str())).unwrap();
        for (folder, done) in [("sealed", false), ("sealed-after", true)] {
            if done {
                rest(line, line.db(), LEAD.0).await;
            }
            let output = line.cli(&["export", "--sealed", folder]).await;
            assert!(output.status.success(), "{}", wrote(&output));
            let commands = by_hand().replace("sealed/", &format!("{folder}/"));
            let output = Command::new("sh").args(["-euc", &commands]).current_dir(line.path()).output().unwrap();
            assert!(output.status.success(), "{}", wrote(&output));
            for (report, said) in [("2024-0001", b"first".as_slice()), ("2024-0002", b"second")] {
                let folder = line.path().join(folder).join(LINE).join(report);
                let mut files = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
                let found = files.find(|file| file.extension().is_some_and(|end| end == "wav")).unwrap();
                assert_eq!(fs::read(found).unwrap(), wav(said));
            }
            let opened = format!("opened-{folder}");
            let output = line.cli(&["export", "--recovery-key-file", "recovery.txt", &opened]).await;
            assert!(output.status.success(), "{}", wrote(&output));
        }
    }

    async fn it_goes_on_after_a_stop_at_any_step(line: TestLine) {
        let line = &*line;
        let end = line.service().clock.line_now();
        fill(&line.service().config, LEAD.0, 410, end, false).await;
        line.make_member("zhao", Role::Lead, PASSWORD, &LINES[..1]).await;
        line.make_member("li", Role::Inspector, PASSWORD, &LINES[..1]).await;
        let (db, clock) = (line.db(), line.service().clock);
        let mut running = Caller::dial(line).await;
        running.press("1").await;

        step_one(line, "li").await.unwrap();
        line.leave("+8613800138001", NUMBER, &wav(b"after the first step")).await;
        assert_eq!(all_open(line, &["wang", "zhao"], "after the first step").await, 412);
        let (wang, own) = unlocked(db, "wang").await;
        let mut work = Resealing::begin(db, &wang, &own, LINE).await.unwrap().unwrap();
        assert_eq!(work.piece(db, &clock).await.unwrap(), Piece::Sealed(200));
        drop(work);
        running.says(&wav(b"across the change")).await;
        line.leave("+8613800138002", NUMBER, &wav(b"after a piece")).await;
        assert_eq!(all_open(line, &["wang", "zhao"], "after a piece").await, 413);

        // Another member goes on, on another node, and stops before the end.
        let again = line.db_again().await;
        let (zhao, own) = unlocked(&again, "zhao").await;
        let mut work = Resealing::begin(&again, &zhao, &own, LINE).await.unwrap().unwrap();
        assert_eq!(work.piece(&again, &clock).await.unwrap(), Piece::Sealed(200));
        assert_eq!(work.piece(&again, &clock).await.unwrap(), Piece::Sealed(11));
        assert_eq!(all_open(line, &["wang", "zhao"], "before anything is dropped").await, 413);
        assert_eq!(work.piece(&again, &clock).await.unwrap(), Piece::Dropped(200));
        drop(work);
        running.press("1").await;
        running.hang_up().await;
        line.leave("+8613800138003", NUMBER, &wav(b"while it is dropped")).await;
        line.idle().await;
        assert_eq!(all_open(line, &["wang", "zhao"], "while it is dropped").await, 414);
        assert_eq!(number(db, FORMER_GRANTS).await, 2);

        // The next login of a member of the line goes on.
        let zhao = Api::log_in(&line.url, "zhao", PASSWORD).await;
        settled(line).await;
        is_finished(line).await;
        assert_eq!(all_open(line, &["wang", "zhao"], "at the end").await, 414);
        let said: Vec<_> = zhao.reports().await.split_off(410);
        let mut heard = Vec::new();
        for listed in said {
            let report = zhao.open(&listed).await;
            heard.push(zhao.recording(&report, 1).await);
        }
        heard.sort();
        let words: [&[u8]; 4] = [b"across the change", b"after a piece", b"after the first step", b"while it is dropped"];
        assert_eq!(heard, words.map(wav));
        let mut tx = db.begin_read().await.unwrap();
        let mut links = Vec::new();
        for after in [0, 1000, 2000] {
            links.extend(audit::links(&mut tx, LINE, after).await.unwrap());
        }
        let resealed = links.iter().filter(|link| link.action == Action::ReportKeysResealed);
        let resealed: Vec<_> = resealed.map(|link| (link.actor.as_deref().unwrap(), link.detail.as_deref().unwrap())).collect();
        assert_eq!(resealed, [("wang", "200"), ("zhao", "200"), ("zhao", "11")]);
        drop(tx);
        again.close().await;
    }

    async fn two_at_once_and_another_member_in_between(line: TestLine) {
        let line = &*line;
        let end = line.service().clock.line_now();
        fill(&line.service().config, LEAD.0, 410, end, false).await;
        for (name, role) in [("zhao", Role::Lead), ("li", Role::Inspector), ("qian", Role::Inspector)] {
            line.make_member(name, role, PASSWORD, &LINES[..1]).await;
        }
        let (db, clock) = (line.db(), line.service().clock);
        let (qian, own) = unlocked(db, "qian").await;
        let stolen = held(db, &qian, &own).await;
        let (li, of_li) = unlocked(db, "li").await;
        step_one(line, "li").await.unwrap();
        assert!(held(db, &li, &of_li).await.is_empty(), "access ends with the first step");
        let mut work = Resealing::begin(db, &qian, &own, LINE).await.unwrap().unwrap();
        assert_eq!(work.piece(db, &clock).await.unwrap(), Piece::Sealed(200));
        let second = held(db, &qian, &own).await;
        assert_eq!(second.len(), 2);

        // A member who does the work is taken off too: the line has three keys now.
        step_one(line, "qian").await.unwrap();
        assert_eq!(work.piece(db, &clock).await.unwrap(), Piece::Changed);
        let gone = Resealing::begin(db, &qian, &own, LINE).await;
        assert!(matches!(gone, Err(MemberError::NotHeld(..))));
        let again = line.db_again().await;
        let calls = async {
            for n in 0..6 {
                line.leave(&format!("+861380013800{n}"), NUMBER, &wav(b"meanwhile")).await;
            }
        };
        let (one, other, ()) = tokio::join!(rest(line, db, "wang"), rest(line, &again, "zhao"), calls);
        assert_eq!(one + other, 410);
        line.idle().await;
        is_finished(line).await;
        assert_eq!(all_open(line, &["wang", "zhao"], "at the end").await, 416);
        for (_, keys) in rows(db).await {
            assert_eq!(keys.len(), 1);
            for stolen in stolen.values().chain(second.values()) {
                assert!(open_identity(&keys[0].sealed, stolen).is_err());
            }
        }
        let mut tx = db.begin_read().await.unwrap();
        let grants = keys::grants(&mut tx, member(db, "wang").await.id).await.unwrap();
        assert!(unfinished(&grants).is_empty());
        drop(tx);
        again.close().await;
    }
}

/// While the next key is being stored, a call waits and is sealed to it: no call is sealed to a former key afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_meanwhile_is_sealed_to_the_next_key_postgres() {
    let line = TestLine::open(Database::postgres().await).await;
    line.make_member("li", Role::Inspector, PASSWORD, &LINES[..1])
        .await;
    // The key is in memory.
    line.abandon("+8613800138001", NUMBER).await;
    line.idle().await;
    let (db, clock) = (line.db(), line.service().clock);
    let (wang, own) = unlocked(db, LEAD.0).await;
    let li = member(db, "li").await;
    let next = next_key(db, &wang, &own, &li, LINE).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    take_off(&mut tx, &clock, &wang, &li, &next).await.unwrap();
    let call = line.abandon("+8613800138002", NUMBER);
    let commit = async {
        let again = line.db_again().await;
        let waits = tokio::time::timeout(DEADLINE, until_one_waits(&again));
        waits.await.expect("the call waits");
        again.close().await;
        tx.commit().await.unwrap();
    };
    tokio::join!(call, commit);
    line.idle().await;
    let sealed_to = "SELECT COUNT(*) FROM report_keys JOIN line_keys ON line_keys.id = sealed_to WHERE line_keys.epoch = 2";
    assert_eq!(number(db, sealed_to).await, 1);
    assert_eq!(all_open(&line, &[LEAD.0], "afterwards").await, 2);
    line.finish().await;
}
