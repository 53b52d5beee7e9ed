//! Triggers that an attacker has put into the database, which change rows at the moment they are written, while calls come in
//! and members work: nothing is sealed to a stranger, nothing forged is spoken, and it is noticed.

use super::LINE;
use crate::support::{Api, Caller, LEAD, NUMBER, TestLine, on_both, wav, wrote};
use dutyline::report::role::Role;
use dutyline::simulator::faults::Faults;
use dutyline::simulator::spoken;
use dutyline::store::members::by_name;
use dutyline::store::{Db, keys};
use dutyline::vault::seal::{Identity, open, open_identity};
use serde_json::json;
use sqlx::AssertSqlSafe;
use std::fs;

const PASSWORD: &str = "nine geese above still reeds";
const CALLER: &str = "+8613800138001";

/// Adds a trigger that makes this change to each row of a table that is inserted or updated.
async fn add(db: &Db, table: &str, event: &str, set: &str, key: &str) {
    let change = format!("UPDATE {table} SET {set} WHERE {table}.{key} = NEW.{key};");
    add_change(db, table, event, &change).await;
}

/// Adds a trigger that runs this statement when a row of a table is inserted or updated.
async fn add_change(db: &Db, table: &str, event: &str, change: &str) {
    match db {
        Db::Sqlite { writer, .. } => {
            let sql = format!("CREATE TRIGGER evil AFTER {event} ON {table} BEGIN {change} END");
            sqlx::raw_sql(AssertSqlSafe(sql))
                .execute(writer)
                .await
                .unwrap();
        }
        Db::Postgres { pool, .. } => {
            // A trigger that fires itself again would not end.
            let sql = format!(
                "CREATE FUNCTION evil() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN IF pg_trigger_depth() = 1 THEN {change} END IF; RETURN NULL; END $$;
                CREATE TRIGGER evil AFTER {event} ON {table} FOR EACH ROW EXECUTE FUNCTION evil()"
            );
            sqlx::raw_sql(AssertSqlSafe(sql))
                .execute(pool)
                .await
                .unwrap();
        }
    }
}

/// Removes the trigger.
async fn remove(db: &Db, table: &str) {
    match db {
        Db::Sqlite { writer, .. } => {
            sqlx::raw_sql("DROP TRIGGER evil")
                .execute(writer)
                .await
                .unwrap();
        }
        Db::Postgres { pool, .. } => {
            let sql = format!("DROP TRIGGER evil ON {table}; DROP FUNCTION evil");
            sqlx::raw_sql(AssertSqlSafe(sql))
                .execute(pool)
                .await
                .unwrap();
        }
    }
}

/// Calls, speaks, and hangs up; returns what was heard last.
async fn speak(line: &TestLine) -> String {
    let mut caller = Caller::dial_from(line, CALLER, NUMBER, Faults::default()).await;
    caller.press("1").await;
    caller.says(&wav(b"a word of mine")).await;
    let heard = caller.press("1").await;
    caller.hang_up().await;
    heard
}

/// Returns the number of sealed files.
fn files(line: &TestLine) -> usize {
    let folder = fs::read_dir(line.recordings()).unwrap();
    let names = folder.map(|file| file.unwrap().file_name());
    names
        .filter(|name| name.to_string_lossy().ends_with(".age"))
        .count()
}

on_both! {
    async fn a_report_is_not_tapped(line: TestLine) {
        let db = line.db();
        let stranger = Identity::generate();
        speak(line).await;
        line.idle().await;
        let (lead, sealed) = (line.lead().await, files(line));
        let set = format!("recipient = '{}'", stranger.recipient());
        add(db, "reports", "INSERT", &set, "n").await;
        let before = db.proofs().refusals();
        // The call's later webhooks find a row that the service did not write.
        speak(line).await;
        assert!(db.proofs().refusals() > before);
        assert_eq!(lead.reports().await.len(), 1, "it is not listed");
        remove(db, "reports").await;
        assert_eq!(files(line), sealed, "no recording is sealed");
        // Nothing in the database opens with the stranger's key.
        let mut tx = db.begin_read().await.unwrap();
        for report in dutyline::store::reports::all_of_line(&mut tx, LINE).await.unwrap().1 {
            for entry in dutyline::store::reports::entries(&mut tx, report.id).await.unwrap() {
                assert!(open(&entry.sealed, &stranger).is_err());
            }
        }
        drop(tx);
        let desk = crate::support::console::Desk::sign_in(&line.url, LEAD.0, LEAD.1).await;
        let page = desk.get("/console/").await.ok();
        assert!(page.contains("拒绝使用不是由本系统写入的数据"), "{page}");
        // The line goes on.
        speak(line).await;
        line.until_reports(2).await;
        line.idle().await;
        assert_eq!(files(line), sealed + 1);
    }

    async fn a_report_that_is_changed_during_the_call_is_restored(line: TestLine) {
        let db = line.db();
        let stranger = Identity::generate().recipient();
        let change = format!("UPDATE reports SET recipient = '{stranger}' WHERE n = NEW.report;");
        add_change(db, "recordings", "INSERT", &change).await;
        speak(line).await;
        remove(db, "recordings").await;
        assert_eq!(files(line), 0);
        let mut tx = db.begin_read().await.unwrap();
        let refused = dutyline::store::reports::all_of_line(&mut tx, LINE).await.unwrap().1[0].id.to_string();
        drop(tx);
        fs::write(line.path().join("wang.txt"), LEAD.1).unwrap();
        let by_wang = ["--line", LINE, "--as", LEAD.0, "--as-password-file", "wang.txt"];
        let restore = async |id: &str| line.cli(&[&["audit", "restore", id], &by_wang[..]].concat()).await;
        let unknown = restore(&dutyline::base::clock::random_id().to_string()).await;
        assert!(!unknown.status.success() && wrote(&unknown).contains("names no report"), "{}", wrote(&unknown));
        let restored = restore(&refused).await;
        assert!(restored.status.success(), "{}", wrote(&restored));
        assert!(wrote(&restore(&refused).await).contains("nothing was changed"));
        // Its jobs are done now: the call is settled, and what was said is fetched.
        for job in crate::support::queue::all(db).await {
            crate::support::queue::make_due(db, &job.kind).await;
        }
        line.service().wake.notify_one();
        line.idle().await;
        assert_eq!(files(line), 1);
        let lead = line.lead().await;
        let verified = line.cli(&["audit", "verify"]).await;
        assert!(verified.status.success(), "{}", wrote(&verified));
        let report = lead.only_report().await;
        assert_eq!(lead.recording(&report, 1).await, wav(b"a word of mine"));
    }

    async fn a_recording_is_not_put_into_another_report(line: TestLine) {
        let db = line.db();
        speak(line).await;
        line.idle().await;
        let (lead, sealed) = (line.lead().await, files(line));
        let first = lead.only_report().await;
        add(db, "recordings", "INSERT", "report = (SELECT MIN(n) FROM reports)", "n").await;
        speak(line).await;
        assert!(db.proofs().refusals() > 0);
        remove(db, "recordings").await;
        assert_eq!(files(line), sealed);
        // The report whose recordings are not what they were is not shown, and after they are taken out again it is.
        let path = format!("/reports/{}", first["id"].as_str().unwrap());
        assert_eq!(lead.get(&path).await.status, 500);
        crate::support::sql::run(db, "DELETE FROM recordings WHERE report = (SELECT MIN(n) FROM reports) AND n > (SELECT MIN(n) FROM recordings)", &[]).await;
        let now = lead.get(&path).await.ok();
        assert_eq!(now["entries"], first["entries"]);
        line.forget_jobs().await;
    }

    async fn a_members_key_is_not_exchanged(line: TestLine) {
        line.make_member("li", Role::Inspector, PASSWORD, &[]).await;
        let db = line.db();
        let stranger = Identity::generate();
        let set = format!("recipient = '{}'", stranger.recipient());
        add(db, "members", "UPDATE", &set, "id").await;
        fs::write(line.path().join("wang.txt"), LEAD.1).unwrap();
        let by_wang = ["--as", LEAD.0, "--as-password-file", "wang.txt"];
        let member = async |arguments: &[&str]| line.cli(&[&["member"], arguments, &by_wang].concat()).await;
        // The first change is stored; the second one finds another row than the program wrote.
        member(&["disable", "li"]).await;
        let enabled = member(&["enable", "li"]).await;
        assert!(!enabled.status.success(), "{}", wrote(&enabled));
        let given = member(&["grant", "li", "--line", LINE]).await;
        assert!(!given.status.success() && wrote(&given).contains("did not write"), "{}", wrote(&given));
        remove(db, "members").await;
        let mut tx = db.begin_read().await.unwrap();
        assert!(by_name(&mut tx, "li").await.is_err());
        let wang = by_name(&mut tx, LEAD.0).await;
        assert!(wang.is_err() || wang.unwrap().is_some());
        drop(tx);
        for grant in keys::grants_but_refused(&mut db.begin_read().await.unwrap()).await.unwrap().1 {
            assert!(open_identity(&grant.sealed, &stranger).is_err());
        }
    }

    async fn a_reply_that_nobody_approved_is_not_spoken(line: TestLine) {
        line.make_member("li", Role::Inspector, PASSWORD, &[LINE]).await;
        let db = line.db();
        let mut caller = Caller::dial_from(line, CALLER, NUMBER, Faults::default()).await;
        caller.press("1").await;
        caller.says(&wav(b"a word of mine")).await;
        let receipt = spoken::receipt(&caller.press("1").await).unwrap();
        caller.hang_up().await;
        line.idle().await;
        let lead = line.lead().await;
        let id = lead.only_report().await["id"].as_str().unwrap().to_owned();
        let set = "approved_by = (SELECT id FROM members WHERE name = 'li')";
        add(db, "replies", "INSERT", set, "entry").await;
        lead.post(&format!("/reports/{id}/reply"), json!({ "text": "请带证据来某处。" })).await;
        remove(db, "replies").await;
        let mut back = Caller::dial_from(line, CALLER, NUMBER, Faults::default()).await;
        back.press("4").await;
        let heard = back.press(&receipt).await;
        back.hang_up().await;
        assert!(!heard.contains("请带证据"), "{heard}");
        assert!(db.proofs().refusals() > 0);
        let _: Api = Api::log_in(&line.url, "li", PASSWORD).await;
    }
}
