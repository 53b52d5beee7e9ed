//! Report keys that another program adds, changes or puts back: they stop no change of a line's key for longer than it
//! takes to run `dutyline audit restore`, and keep no member from the line.

use super::scene::{
    FORMER_KEYS, LINE, PASSWORD, held, is_finished, is_whole, member, opens_all, rest, step_one,
    unlocked,
};
use crate::support::sql::{number, run};
use crate::support::{LEAD, NUMBER, TestLine, on_both, wav, wrote};
use dutyline::members::resealing::{Resealing, finish};
use dutyline::members::{MemberError, next_recovery_key, renew_recovery};
use dutyline::report::role::Role;
use dutyline::store::reports;
use std::fs;

/// Leaves a message, and returns the id of the report.
async fn leave(line: &TestLine, said: &[u8]) -> String {
    line.leave("+8613800138001", NUMBER, &wav(said)).await;
    line.idle().await;
    let mut tx = line.db().begin_read().await.unwrap();
    let (all, _) = reports::all_of_line(&mut tx, LINE).await.unwrap();
    all.last().unwrap().id.to_string()
}

async fn restore(line: &TestLine, report: &str) -> std::process::Output {
    fs::write(line.path().join("wang.txt"), LEAD.1).unwrap();
    let by_wang = [
        "--line",
        LINE,
        "--as",
        LEAD.0,
        "--as-password-file",
        "wang.txt",
    ];
    line.cli(&[&["audit", "restore", report], &by_wang[..]].concat())
        .await
}

/// Adds a second key of the last report that seems to be sealed to the line's first key.
const PLANT: &str = "INSERT INTO report_keys (report, epoch, holder, sealed_to, sealed, mac)
    SELECT report, epoch + 1, holder, (SELECT id FROM line_keys WHERE line = 'fcg-5' AND epoch = 1), sealed, mac
    FROM report_keys WHERE report = (SELECT MAX(n) FROM reports)";
/// Changes of a row whose sealed key stays what it was.
const CHANGES: [&str; 5] = [
    "UPDATE report_keys SET mac = NULL",
    "UPDATE report_keys SET epoch = 2",
    "UPDATE report_keys SET holder = 'member'",
    "UPDATE report_keys SET sealed_to = (SELECT id FROM members ORDER BY name LIMIT 1)",
    "UPDATE report_keys SET sealed_to = (SELECT id FROM line_keys WHERE line = 'fcg-5' AND epoch = 1)",
];

on_both! {
    async fn a_report_key_that_was_added_by_hand_is_named_and_removed(line: TestLine) {
        let (db, clock) = (line.db(), line.service().clock);
        line.make_member("li", Role::Inspector, PASSWORD, &[LINE]).await;
        leave(line, b"first").await;
        step_one(line, "li").await.unwrap();
        let second = leave(line, b"second").await;
        run(db, PLANT, &[]).await;
        let (wang, own) = unlocked(db, LEAD.0).await;
        let stopped = finish(db, &clock, &wang, &own, LINE, || false).await;
        assert!(matches!(stopped, Err(MemberError::NotResealed(_, 1))), "{stopped:?}");
        // The lead gives the line nevertheless.
        line.make_member("qian", Role::Inspector, PASSWORD, &[LINE]).await;
        let restored = restore(line, &second).await;
        assert!(wrote(&restored).contains("1 keys removed that are not its own"), "{}", wrote(&restored));
        rest(line, db, LEAD.0).await;
        is_finished(line).await;
        is_whole(line, "at the end").await;

        // Once the former key is retired, such a row changes nothing, and is found.
        run(db, PLANT, &[]).await;
        line.make_member("sun", Role::Inspector, PASSWORD, &[LINE]).await;
        assert!(Resealing::begin(db, &wang, &own, LINE).await.unwrap().is_none());
        step_one(line, "qian").await.unwrap();
        rest(line, db, LEAD.0).await;
        let verified = line.cli(&["audit", "verify"]).await;
        assert!(!verified.status.success() && wrote(&verified).contains(&second), "{}", wrote(&verified));
        assert!(restore(line, &second).await.status.success());
        is_finished(line).await;
        is_whole(line, "after the second change").await;
    }

    async fn a_report_key_that_is_put_back_is_named_and_removed(line: TestLine) {
        let db = line.db();
        line.make_member("li", Role::Inspector, PASSWORD, &[LINE]).await;
        let first = leave(line, b"first").await;
        run(db, "CREATE TABLE kept AS SELECT * FROM report_keys", &[]).await;
        step_one(line, "li").await.unwrap();
        rest(line, db, LEAD.0).await;
        run(db, "INSERT INTO report_keys SELECT * FROM kept", &[]).await;
        assert_eq!(number(db, FORMER_KEYS).await, 1);
        line.make_member("qian", Role::Inspector, PASSWORD, &[LINE]).await;
        let (wang, own) = unlocked(db, LEAD.0).await;
        assert!(Resealing::begin(db, &wang, &own, LINE).await.unwrap().is_none());
        let verified = line.cli(&["audit", "verify"]).await;
        assert!(!verified.status.success() && wrote(&verified).contains(&first), "{}", wrote(&verified));
        let restored = restore(line, &first).await;
        assert!(wrote(&restored).contains("1 keys removed"), "{}", wrote(&restored));
        is_finished(line).await;
        is_whole(line, "at the end").await;
        let (qian, own) = unlocked(db, "qian").await;
        assert_eq!(opens_all(db, &held(db, &qian, &own).await, "qian").await, 1);
    }

    async fn the_row_of_a_report_key_is_restored(line: TestLine) {
        let db = line.db();
        line.make_member("li", Role::Inspector, PASSWORD, &[LINE]).await;
        let first = leave(line, b"first").await;
        for epoch in [1, 2] {
            if epoch == 2 {
                // The same of a key that was sealed again.
                step_one(line, "li").await.unwrap();
                rest(line, db, LEAD.0).await;
            }
            let lead = line.lead().await;
            let path = format!("/reports/{first}");
            lead.get(&path).await.ok();
            for change in CHANGES {
                run(db, change, &[]).await;
                let is_shown = lead.get(&path).await.status == 200;
                let restored = restore(line, &first).await;
                assert!(restored.status.success(), "{change}: {}", wrote(&restored));
                assert_eq!(is_shown, wrote(&restored).contains("nothing was changed"), "{change}: {}", wrote(&restored));
                lead.get(&path).await.ok();
                is_whole(line, change).await;
            }
            run(db, "CREATE TABLE kept AS SELECT * FROM report_keys", &[]).await;
            run(db, "UPDATE report_keys SET sealed = mac", &[]).await;
            let restored = restore(line, &first).await;
            assert!(!restored.status.success() && wrote(&restored).contains("must be taken from a backup"), "{}", wrote(&restored));
            assert_eq!(number(db, "SELECT COUNT(*) FROM report_keys").await, 1);
            for sql in ["DELETE FROM report_keys", "INSERT INTO report_keys SELECT * FROM kept", "DROP TABLE kept"] {
                run(db, sql, &[]).await;
            }
            lead.get(&path).await.ok();
        }
    }

    async fn a_recovery_key_gives_a_line_before_all_is_sealed_again(line: TestLine) {
        let (db, clock) = (line.db(), line.service().clock);
        leave(line, b"first").await;
        let write = |name: &str, text: &str| fs::write(line.path().join(name), text).unwrap();
        write("former.txt", line.keys[0].1.recovery.to_secret().expose().as_str());
        write("new.txt", PASSWORD);
        let (wang, own) = unlocked(db, LEAD.0).await;
        let (next, recovery) = next_recovery_key(db, &wang, &own, LINE).await.unwrap();
        write("recovery.txt", recovery.to_secret().expose().as_str());
        let mut tx = db.begin().await.unwrap();
        renew_recovery(&mut tx, &clock, &wang, &next).await.unwrap();
        tx.commit().await.unwrap();
        let add = async |name: &str, file: &str| {
            let add = ["member", "add", name, "--role", "inspector", "--line", LINE, "--password-file", "new.txt"];
            line.cli(&[&add[..], &["--recovery-key-file", file]].concat()).await
        };
        let refused = add("zhao", "former.txt").await;
        assert!(!refused.status.success() && wrote(&refused).contains("not the recovery key of line fcg-5"), "{}", wrote(&refused));
        let added = add("qian", "recovery.txt").await;
        assert!(added.status.success(), "{}", wrote(&added));
        rest(line, db, LEAD.0).await;
        is_finished(line).await;
        let qian = member(db, "qian").await;
        let (_, own) = unlocked(db, "qian").await;
        assert_eq!(opens_all(db, &held(db, &qian, &own).await, "qian").await, 1);
        is_whole(line, "at the end").await;
    }
}
