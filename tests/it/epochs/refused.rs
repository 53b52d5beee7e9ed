//! Who may take whom off a line, in the console and on the command line.

use super::scene::{
    FORMER_KEYS, LINE, PASSWORD, is_finished, is_whole, member, settled, shown, step_one,
    take_off_form, unlocked,
};
use crate::support::console::Desk;
use crate::support::sql::number;
use crate::support::{Api, LEAD, LINES, NUMBER, TestLine, on_both, two_lines, wav, wrote};
use dutyline::members::{MemberError, next_key, take_off};
use dutyline::report::role::Role;
use reqwest::StatusCode;
use std::fs;

on_both! {
    async fn who_is_needed_stays_and_who_may_not_is_refused(line: TestLine = two_lines) {
        let line = &*line;
        line.make_member("zhao", Role::Lead, PASSWORD, &LINES[1..]).await;
        line.make_member("li", Role::Inspector, PASSWORD, &LINES).await;
        let before = number(line.db(), "SELECT COUNT(*) FROM line_keys").await;
        let wang = line.desk().await;
        // The page offers no form that is refused: wang is the only lead of the first line, zhao leads the second too.
        let page = wang.get("/console/members").await.ok();
        let form_of = async |name: &str| {
            let (_, form) = page.split_once(&format!("/console/members/{}/take-off", member(line.db(), name).await.id))?;
            let (form, _) = form.split_once("</form>")?;
            Some(LINES.map(|line| form.contains(&format!("<option>{line}</option>"))))
        };
        assert_eq!(form_of(LEAD.0).await, Some([false, true]));
        assert_eq!(form_of("li").await, Some([true, true]));
        assert_eq!(take_off_form(line, &wang, LEAD.0, LEAD.1).await, StatusCode::CONFLICT, "the last lead");
        assert!(matches!(step_one(line, LEAD.0).await, Err(MemberError::LastLead(..))));
        assert!(matches!(step_one(line, "zhao").await, Err(MemberError::NotOnLine(..))));
        assert_eq!(take_off_form(line, &wang, "zhao", LEAD.1).await, StatusCode::NOT_FOUND);
        let zhao = Desk::sign_in(&line.url, "zhao", PASSWORD).await;
        assert_eq!(take_off_form(line, &zhao, "li", PASSWORD).await, StatusCode::NOT_FOUND, "not their line");
        let li = Desk::sign_in(&line.url, "li", PASSWORD).await;
        assert_eq!(take_off_form(line, &li, LEAD.0, PASSWORD).await, StatusCode::FORBIDDEN);
        for (file, password) in [("wang.txt", LEAD.1), ("zhao.txt", PASSWORD), ("wrong.txt", "eight cranes over red hills")] {
            fs::write(line.path().join(file), password).unwrap();
        }
        for (name, lead, file, says) in [
            ("li", LEAD.0, "wrong.txt", "the password of wang is wrong"),
            ("li", "zhao", "zhao.txt", "zhao does not hold the key of line fcg-5"),
            ("zhao", LEAD.0, "wang.txt", "zhao does not work on line fcg-5"),
            (LEAD.0, LEAD.0, "wang.txt", "wang is the last lead of line fcg-5"),
            ("nobody", LEAD.0, "wang.txt", "there is no member nobody"),
        ] {
            let output = line.cli(&["member", "take-off", name, "--line", LINE, "--as", lead, "--as-password-file", file]).await;
            assert_eq!(output.status.code(), Some(1), "{}", wrote(&output));
            assert!(wrote(&output).contains(says), "{}", wrote(&output));
        }
        assert_eq!(number(line.db(), "SELECT COUNT(*) FROM line_keys").await, before);

        // A key that was made for other members is not stored.
        let (db, clock) = (line.db(), line.service().clock);
        let (lead, own) = unlocked(db, LEAD.0).await;
        let row = member(db, "li").await;
        let next = next_key(db, &lead, &own, &row, LINE).await.unwrap();
        line.make_member("qian", Role::Lead, PASSWORD, &LINES[..1]).await;
        let mut tx = db.begin().await.unwrap();
        let refused = take_off(&mut tx, &clock, &lead, &row, &next).await;
        assert!(matches!(refused, Err(MemberError::KeysChanged(_))));
        drop(tx);

        // The command does all of it. The member keeps the other line, and a lead may take themselves off.
        line.leave("+8613800138001", NUMBER, &wav(b"first")).await;
        line.idle().await;
        let take_off = |name: &'static str| ["member", "take-off", name, "--line", LINE, "--as", LEAD.0, "--as-password-file", "wang.txt"];
        let li = Api::log_in(&line.url, "li", PASSWORD).await;
        let listed = li.reports().await.remove(0);
        assert_eq!(li.act(&format!("/reports/{}/claim", listed["id"].as_str().unwrap())).await.status, 200);
        let output = line.cli(&take_off("li")).await;
        assert_eq!(wrote(&output), "li does not work on fcg-5 any more; the line has another key\n\
            what li has read or copied they know; backups from before still open with their key\n\
            1 reports and calls sealed to the line's new key; the former key is retired\n");
        is_finished(line).await;
        // What li had claimed waits in the queue again.
        let listed = line.lead().await.reports().await.remove(0);
        assert_eq!((&listed["status"], &listed["assignee"]), (&"queued".into(), &serde_json::Value::Null));
        let page = line.desk().await.get("/console/").await.ok();
        assert_eq!(page.matches("给qian分配了本线路").count(), 1, "{page}");
        let li = Api::log_in(&line.url, "li", PASSWORD).await;
        assert_eq!(li.get("/session").await.ok()["lines"], serde_json::json!([LINES[1]]));
        assert_eq!(line.cli(&take_off(LEAD.0)).await.status.code(), Some(0));
        assert_eq!(number(line.db(), FORMER_KEYS).await, 1);
        let qian = Api::log_in(&line.url, "qian", PASSWORD).await;
        settled(line).await;
        is_finished(line).await;
        assert_eq!(shown(&qian).await, [wav(b"first")]);
        is_whole(line, "at the end").await;
    }
}
