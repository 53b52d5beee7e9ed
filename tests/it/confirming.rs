//! Which members can confirm which account, and when a line needs no confirmation.

use crate::support::console::Desk;
use crate::support::sql::run;
use crate::support::{LEAD, LINES, NUMBER, TestLine, on_both, wav, wrote};
use dutyline::report::role::Role;
use dutyline::store::{audit, members};
use reqwest::StatusCode;
use serde_json::Value;

const PASSWORD: &str = "a long password";

/// Adds a member in the console as the first lead, and signs them in.
async fn added(line: &TestLine, name: &str) -> Desk {
    let form = [
        ("name", name),
        ("password", PASSWORD),
        ("role", "lead"),
        ("line", LINES[0]),
        ("own_password", LEAD.1),
    ];
    let answer = line.desk().await.post("/console/members", &form).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    Desk::sign_in(&line.url, name, PASSWORD).await
}

/// Adds a member on the command line with the recovery key, and signs them in.
async fn added_with_recovery_key(line: &TestLine, name: &str) -> Desk {
    let key = line.keys[0].1.recovery.to_secret();
    std::fs::write(line.path().join("paper"), key.expose().as_str()).unwrap();
    std::fs::write(line.path().join("new"), PASSWORD).unwrap();
    let [file, paper] = [["--password-file", "new"], ["--recovery-key-file", "paper"]];
    let add = ["member", "add", name, "--role", "lead", "--line", LINES[0]];
    let output = line.cli(&[&add[..], &file, &paper].concat()).await;
    assert!(output.status.success(), "{}", wrote(&output));
    Desk::sign_in(&line.url, name, PASSWORD).await
}

async fn path(line: &TestLine, name: &str, act: &str) -> String {
    let mut tx = line.db().begin_read().await.unwrap();
    let member = members::by_name(&mut tx, name).await.unwrap().unwrap();
    format!("/console/members/{}/{act}", member.id)
}

/// True if this desk can confirm the account of `name`. Checks that the page offers it exactly then.
async fn confirms(line: &TestLine, desk: &Desk, name: &str) -> bool {
    let path = path(line, name, "confirm").await;
    let offered = desk.get("/console/members").await.ok().contains(&path);
    let status = desk.post(&path, &[]).await.status;
    assert_eq!(status == StatusCode::SEE_OTHER, offered, "{name}: {status}");
    offered
}

/// Makes a report with a reply that `writer` wrote and `approver` approved. Returns the account that has to be
/// confirmed, if any.
async fn waits_for(line: &TestLine, writer: &Desk, approver: &Desk) -> Option<String> {
    line.leave("+8613800138001", NUMBER, &wav(b"said")).await;
    line.idle().await;
    let lead = line.lead().await;
    let report = lead.reports().await.pop().expect("a report");
    let report = report["id"].as_str().unwrap().to_owned();
    let page = format!("/console/reports/{report}");
    let written = writer
        .post(&format!("{page}/reply"), &[("text", "已经转交。")])
        .await;
    assert_eq!(written.status, StatusCode::SEE_OTHER, "{}", written.text());
    let replies =
        async || -> Value { lead.get(&format!("/reports/{report}")).await.ok()["replies"].clone() };
    let entry = replies().await[0]["entry"].as_str().unwrap().to_owned();
    let approved = approver
        .post(&format!("{page}/replies/{entry}/approve"), &[])
        .await;
    assert_eq!(
        approved.status,
        StatusCode::SEE_OTHER,
        "{}",
        approved.text()
    );
    replies().await[0]["unconfirmed"]
        .as_str()
        .map(str::to_owned)
}

on_both! {
    async fn accounts_that_one_lead_added_do_not_confirm_each_other(line: TestLine) {
        line.make_member("zhao", Role::Inspector, PASSWORD, &LINES[..1]).await;
        let zhao = Desk::sign_in(&line.url, "zhao", PASSWORD).await;
        let (wang, li, chen) = (line.desk().await, added(line, "li").await, added(line, "chen").await);
        assert_eq!(waits_for(line, &wang, &li).await.as_deref(), Some("li"));
        for desk in [&wang, &li, &chen] {
            for name in ["li", "chen"] {
                assert!(!confirms(line, desk, name).await, "{name}");
            }
        }
        assert!(confirms(line, &zhao, "li").await);
        assert_eq!(waits_for(line, &wang, &li).await, None);
        // A confirmed account belongs to another person, who can confirm others.
        assert_eq!(waits_for(line, &wang, &chen).await.as_deref(), Some("chen"));
        assert!(confirms(line, &li, "chen").await);
        assert_eq!(waits_for(line, &wang, &chen).await, None);
    }

    async fn accounts_that_the_recovery_key_added_come_from_one_person(line: TestLine) {
        let (sun, qian) = (added_with_recovery_key(line, "sun").await, added_with_recovery_key(line, "qian").await);
        assert_eq!(waits_for(line, &sun, &qian).await.as_deref(), Some("qian"));
        for desk in [&sun, &qian] {
            for name in ["sun", "qian"] {
                assert!(!confirms(line, desk, name).await, "{name}");
            }
        }
        // The first lead is another person than the holder of the recovery key: each confirms what the other added.
        let (wang, li) = (line.desk().await, added(line, "li").await);
        assert!(confirms(line, &wang, "qian").await);
        assert_eq!(waits_for(line, &sun, &qian).await, None);
        assert!(confirms(line, &sun, "li").await);
        assert_eq!(waits_for(line, &wang, &li).await, None);
        let page = qian.get("/console/members").await.ok();
        assert!(page.contains("由恢复密钥持有人添加"), "{page}");
    }

    async fn a_waiver_ends_for_good_when_a_third_member_arrives(line: TestLine) {
        let (wang, li) = (line.desk().await, added(line, "li").await);
        let waive = [("line", LINES[0]), ("waive", "1"), ("own_password", LEAD.1)];
        let own = [("own_password", LEAD.1)];
        let ok = async |path: &str, form: &[(&str, &str)]| {
            let answer = wang.post(path, form).await;
            assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}: {}", answer.text());
        };
        ok("/console/members/waiver", &waive).await;
        assert_eq!(waits_for(line, &wang, &li).await, None);
        // The third member is given the line, and disabled again.
        added(line, "chen").await;
        ok(&path(line, "chen", "disable").await, &own).await;
        assert_eq!(waits_for(line, &wang, &li).await.as_deref(), Some("li"), "given a line");
        // The third member is enabled, and disabled again.
        ok("/console/members/waiver", &waive).await;
        assert_eq!(waits_for(line, &wang, &li).await, None);
        for act in ["enable", "disable"] {
            ok(&path(line, "chen", act).await, &own).await;
        }
        assert_eq!(waits_for(line, &wang, &li).await.as_deref(), Some("li"), "back again");
        let mut tx = line.db().begin_read().await.unwrap();
        let links = audit::links(&mut tx, LINES[0], 0).await.unwrap();
        let noted: Vec<_> = links.iter().map(|link| link.action.as_str()).filter(|action| action.starts_with("confirmation_")).collect();
        let [waived, required] = ["confirmation_waived", "confirmation_required"];
        assert_eq!(noted, [waived, required, waived, required]);
    }

    async fn a_damaged_row_of_a_member_makes_no_line_small(line: TestLine) {
        let (wang, _li, _chen) = (line.desk().await, added(line, "li").await, added(line, "chen").await);
        let waive = [("line", LINES[0]), ("waive", "1"), ("own_password", LEAD.1)];
        for damage in ["UPDATE members SET role = 'auditor' WHERE name = 'chen'", "UPDATE members SET disabled = TRUE WHERE name = 'chen'"] {
            run(line.db(), damage, &[]).await;
            assert_eq!(wang.post("/console/members/waiver", &waive).await.status, StatusCode::CONFLICT, "{damage}");
        }
    }
}
