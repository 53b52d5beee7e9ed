//! Members who look after the service or its accounts, or read its trail: what they see, what they do not, and the
//! sessions of every member.

use crate::support::console::Desk;
use crate::support::sql::{change, number};
use crate::support::{Api, LEAD, LINES, NUMBER, TestLine, on_both, wav};
use chrono::TimeDelta;
use dutyline::report::role::Role;
use dutyline::store::audit::{self, Act};
use dutyline::vault::action::Action;
use reqwest::StatusCode;

const PASSWORD: &str = "nine geese above still reeds";
const SESSIONS: &str = "SELECT COUNT(*) FROM sessions";

async fn in_office(line: &TestLine, name: &str, role: Role) -> Desk {
    line.make_member(name, role, PASSWORD, &[]).await;
    Desk::sign_in(&line.url, name, PASSWORD).await
}

/// Returns the values of a hidden field of this name on a page.
fn hidden<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let field = format!("name=\"{name}\" value=\"");
    let parts = page.split(&field).skip(1);
    parts.map(|part| part.split('"').next().unwrap()).collect()
}

on_both! {
    async fn an_auditor_reads_the_trail_and_no_content(line: TestLine) {
        line.leave("+8613800138001", NUMBER, &wav(b"first")).await;
        line.idle().await;
        let lead = line.lead().await;
        let report = lead.only_report().await;
        lead.recording(&report, 1).await;
        let zhou = in_office(line, "zhou", Role::Auditor).await;
        assert_eq!(zhou.get("/console/").await.status, StatusCode::FORBIDDEN);
        let page = zhou.get("/console/audits").await.ok();
        let reference = report["reference"].as_str().unwrap();
        for expected in [reference, LEAD.0, "查看", "登录"] {
            assert!(page.contains(expected), "{expected}: {page}");
        }
        assert!(!page.contains("13800138001") && !page.contains("▲ 非工作时间"), "{page}");
        // Reading is recorded.
        let trail = async || {
            let mut tx = line.db().begin_read().await.unwrap();
            audit::links(&mut tx, LINES[0], 0).await.unwrap()
        };
        let last = trail().await.pop().unwrap();
        assert_eq!((last.action, last.actor.as_deref()), (Action::TrailOpened, Some("zhou")));
        assert_eq!(zhou.get("/console/audits?line=fcg-9").await.status, StatusCode::NOT_FOUND);
        assert_eq!(zhou.get("/console/audits?before=x").await.status, StatusCode::OK);
        // Before the second link there is one, and the numbers outside are clamped.
        for (before, rows) in [("2", 1), ("-5", 0), ("99999", trail().await.len() + 2)] {
            let page = zhou.get(&format!("/console/audits?before={before}")).await.ok();
            assert_eq!(page.matches("<td data-label=\"№\">").count(), rows, "{before}");
        }
        // A link that was changed is left out, and said to be.
        change(line.db(), "UPDATE audit SET actor = 'li' WHERE line = 'fcg-5' AND seq = 2", &[]).await;
        let page = zhou.get("/console/audits").await.ok();
        assert!(page.contains("本页有1条记录缺失或未通过核对"), "{page}");
    }

    async fn openings_out_of_hours_are_marked(line: TestLine) {
        line.leave("+8613800138001", NUMBER, &wav(b"first")).await;
        line.idle().await;
        let report = line.lead().await.only_report().await;
        let zhou = in_office(line, "zhou", Role::Auditor).await;
        line.lead().await.open(&report).await;
        let marked = async || zhou.get("/console/audits").await.ok().matches("▲ 非工作时间").count();
        assert_eq!(marked().await, 0);
        // The same at night.
        let mut tx = line.db().begin().await.unwrap();
        line.sign(&mut tx).await;
        let night = line.service().clock.line_now() + TimeDelta::hours(12);
        let act = Act {
            actor: Some(LEAD.0),
            report: Some(report["id"].as_str().unwrap().parse().unwrap()),
            ..Act::new(night, Action::ReportOpened)
        };
        audit::append(&mut tx, LINES[0], act);
        tx.commit().await.unwrap();
        assert_eq!(marked().await, 1);
        let page = zhou.get("/console/audits").await.ok();
        assert!(page.contains("wang：3次，其中非工作时间1次"), "{page}");
    }

    async fn an_operator_sees_how_the_service_does(line: TestLine) {
        line.leave("+8613800138001", NUMBER, &wav(b"first")).await;
        line.idle().await;
        let wu = in_office(line, "wu", Role::Operator).await;
        let page = wu.get("/console/operations").await.ok();
        for expected in ["目前没有需要处理的问题", "twilio", env!("CARGO_PKG_VERSION"), "取回并封存录音"] {
            assert!(page.contains(expected), "{expected}: {page}");
        }
        for hidden in ["13800138001", LEAD.0] {
            assert!(!page.contains(hidden), "{hidden}: {page}");
        }
        for other in ["/console/", "/console/audits", "/console/accounts", "/console/members"] {
            assert_eq!(wu.get(other).await.status, StatusCode::FORBIDDEN, "{other}");
        }
        assert_eq!(wu.get("/console/password").await.status, StatusCode::OK);
    }

    async fn a_security_administrator_ends_sessions(line: TestLine) {
        line.make_member("li", Role::Inspector, PASSWORD, &[LINES[0]]).await;
        let sun = in_office(line, "sun", Role::SecurityAdmin).await;
        let (li, other) = (Desk::sign_in(&line.url, "li", PASSWORD).await, Api::log_in(&line.url, "li", PASSWORD).await);
        let page = sun.get("/console/accounts").await.ok();
        for expected in ["li", "sun", LEAD.0, "本次登录"] {
            assert!(page.contains(expected), "{expected}: {page}");
        }
        // Of those who are signed in elsewhere: li, and not sun.
        let ids = hidden(&page, "member");
        assert_eq!(ids.len(), 1, "{page}");
        let form = [("member", ids[0])];
        let before = number(line.db(), SESSIONS).await;
        assert_eq!(sun.post("/console/accounts/end", &form).await.status, StatusCode::SEE_OTHER);
        assert_eq!(number(line.db(), SESSIONS).await, before - 2);
        assert_eq!(li.get("/console/").await.status, StatusCode::SEE_OTHER);
        assert_eq!(other.get("/reports").await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(sun.get("/console/accounts").await.status, StatusCode::OK);
        for form in [[("member", "x")], [("other", "y")]] {
            assert_eq!(sun.post("/console/accounts/end", &form).await.status, StatusCode::NOT_FOUND);
        }
    }

    async fn a_member_ends_their_own_sessions_and_no_others(line: TestLine) {
        line.make_member("li", Role::Inspector, PASSWORD, &[LINES[0]]).await;
        let sign_in = async || Desk::sign_in(&line.url, "li", PASSWORD).await;
        let (here, there, elsewhere) = (sign_in().await, sign_in().await, sign_in().await);
        let wang = line.desk().await;
        let page = wang.get("/console/password").await.ok();
        assert!(hidden(&page, "session").is_empty(), "{page}");
        let page = here.get("/console/password").await.ok();
        let ids = hidden(&page, "session");
        assert_eq!((ids.len(), ids[2]), (3, "others"), "{page}");
        let end = async |desk: &Desk, id: &str| desk.post("/console/sessions/end", &[("session", id)]).await.status;
        // Of another member, and of nobody.
        assert_eq!(end(&wang, ids[0]).await, StatusCode::SEE_OTHER);
        assert_eq!(end(&here, "AAAA").await, StatusCode::SEE_OTHER);
        let are_in = async || {
            let mut are_in = Vec::new();
            for desk in [&here, &there, &elsewhere] {
                are_in.push(desk.get("/console/").await.status == StatusCode::OK);
            }
            are_in
        };
        assert_eq!(are_in().await, [true; 3]);
        assert_eq!(end(&here, ids[0]).await, StatusCode::SEE_OTHER);
        let left = are_in().await;
        assert!(left[0] && left.iter().filter(|is_in| **is_in).count() == 2, "{left:?}");
        assert_eq!(end(&here, "others").await, StatusCode::SEE_OTHER);
        assert_eq!(are_in().await, [true, false, false]);
        assert_eq!(wang.get("/console/").await.status, StatusCode::OK);
    }
}
