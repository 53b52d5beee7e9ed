//! Access: two lines in one configuration are separate in everything, and access ends when it should.

use crate::support::sql::{change, run};
use crate::support::{
    Answer, Api, LEAD, LINES, NUMBER, OTHER_NUMBER, TestLine, on_both, two_lines, wav, wrote,
};
use chrono::TimeDelta;
use dutyline::members::login;
use dutyline::report::role::Role;
use dutyline::store::{audit, reports};
use dutyline::vault::action::Action;
use dutyline::vault::session::Token;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const PASSWORD: &str = "a long password";
/// An id of no report.
const NOBODYS: &str = "7f2c1a52-6a0e-4d8e-9a54-0c3b8e6f1d20";

/// Two lines, each with a member, a report, a claimed report and an abandoned call.
struct Two {
    members: [Api; 2],
    reports: [Vec<Value>; 2],
}

async fn two(line: &TestLine) -> Two {
    line.make_member("li", Role::Inspector, PASSWORD, &LINES[..1])
        .await;
    line.make_member("zhao", Role::Inspector, PASSWORD, &LINES[1..])
        .await;
    for (i, number) in [NUMBER, OTHER_NUMBER].into_iter().enumerate() {
        for said in ["first", "second"] {
            line.leave(&format!("+861380013800{i}"), number, &said_on(i, said))
                .await;
        }
        line.abandon(&format!("+861380013801{i}"), number).await;
    }
    line.idle().await;
    let members = [
        Api::log_in(&line.url, "li", PASSWORD).await,
        Api::log_in(&line.url, "zhao", PASSWORD).await,
    ];
    let reports = [members[0].reports().await, members[1].reports().await];
    Two { members, reports }
}

fn said_on(line: usize, said: &str) -> bytes::Bytes {
    wav(format!("{said} on {line}").as_bytes())
}

fn id(report: &Value) -> &str {
    report["id"].as_str().unwrap()
}

/// Compares everything but the date, which a proxy would set anyway.
fn same(a: &Answer, b: &Answer) {
    assert_eq!(a.status, b.status);
    let headers = |answer: &Answer| {
        let mut headers = answer.headers.clone();
        headers.remove("date");
        headers
    };
    assert_eq!(headers(a), headers(b));
    assert_eq!(a.body, b.body);
}

/// Returns every request about one report.
fn requests(id: &str) -> Vec<(Method, String, Option<Value>)> {
    let classification = json!({ "scope": "out" });
    let mut requests = vec![
        (Method::GET, String::new(), None),
        (Method::GET, "/recordings/1".into(), None),
        (Method::GET, "/recordings/99".into(), None),
        (Method::POST, "/claim".into(), None),
        (Method::POST, "/release".into(), None),
        (Method::POST, "/reopen".into(), None),
        (
            Method::POST,
            "/close".into(),
            Some(json!({ "outcome": "handled" })),
        ),
        (Method::POST, "/notes".into(), Some(json!({ "text": "x" }))),
        (Method::POST, "/classification".into(), Some(classification)),
        (
            Method::POST,
            "/classification".into(),
            Some(json!({ "scope": "in", "disciplines": ["none"] })),
        ),
    ];
    for (_, path, _) in &mut requests {
        *path = format!("/reports/{id}{path}");
    }
    requests
}

async fn actions(line: &TestLine, id: &str) -> Vec<(Action, Option<String>)> {
    let mut tx = line.db().begin_read().await.unwrap();
    let links = audit::links(&mut tx, id, 0).await.unwrap();
    links
        .into_iter()
        .map(|link| (link.action, link.actor))
        .collect()
}

on_both! {
    async fn two_lines_are_apart(line: TestLine = two_lines) {
        let Two { members, reports } = two(line).await;
        for (own, (member, number)) in members.iter().zip([NUMBER, OTHER_NUMBER]).enumerate() {
            let references: Vec<_> = reports[own].iter().map(|r| r["reference"].as_str().unwrap()).collect();
            assert_eq!(references, ["2024-0001", "2024-0002"], "each line counts from 1");
            assert!(reports[own].iter().all(|r| r["line"] == LINES[own]));
            let report = member.get(&format!("/reports/{}", id(&reports[own][0]))).await.ok();
            assert_eq!(report["entries"][0]["body"]["number"], format!("+861380013800{own}"));
            assert_eq!(member.recording(&report, 1).await, said_on(own, "first"));
            let lines = member.get("/lines").await.ok();
            assert_eq!(lines["lines"].as_array().unwrap().len(), 1);
            assert_eq!(lines["lines"][0]["id"], LINES[own]);
            assert_eq!(lines["lines"][0]["number"], number);
            assert_eq!(lines["lines"][0]["reports"]["queued"], 2);
            assert_eq!(member.get("/session").await.ok()["lines"], json!([LINES[own]]));
            let calls = member.get("/abandoned").await.ok();
            assert_eq!(calls["calls"].as_array().unwrap().len(), 1);
            assert_eq!(calls["calls"][0]["line"], LINES[own]);
            assert_eq!(calls["calls"][0]["entries"][0]["body"]["number"], format!("+861380013801{own}"));
        }
        // The first lead sees both lines, one after the other, and can filter by one.
        let lead = line.lead().await;
        assert_eq!(lead.reports().await, [&reports[0][..], &reports[1][..]].concat());
        for (own, reports) in LINES.iter().zip(&reports) {
            let page = lead.get(&format!("/reports?line={own}")).await.ok();
            assert_eq!(page["reports"], json!(reports));
            assert_eq!(lead.get(&format!("/abandoned?line={own}")).await.ok()["calls"].as_array().unwrap().len(), 1);
        }
        // Members' actions appear in the trail of their own line only.
        for (own, name, other) in [(0, "li", "zhao"), (1, "zhao", "li")] {
            let actions = actions(line, LINES[own]).await;
            let by = |name: &str| actions.iter().any(|(_, actor)| actor.as_deref() == Some(name));
            assert!(by(name) && !by(other), "{actions:?}");
        }
    }

    async fn a_foreign_report_is_as_good_as_none(line: TestLine = two_lines) {
        let Two { members, reports } = two(line).await;
        let abandoned = members[1].get("/abandoned").await.ok();
        let before = actions(line, LINES[1]).await;
        let foreign = [&reports[1][0], &abandoned["calls"][0]].map(|report| id(report).to_owned());
        for id in foreign.iter().map(String::as_str).chain(["no-id", "%00", &NOBODYS.to_uppercase()]) {
            for ((method, path, body), (_, nobodys, _)) in requests(id).into_iter().zip(requests(NOBODYS)) {
                let answer = members[0].request(method.clone(), &path, &[], body.clone()).await;
                let missing = members[0].request(method, &nobodys, &[], body).await;
                assert_eq!(missing.status, StatusCode::NOT_FOUND, "{path}");
                assert_eq!(missing.headers["content-type"], "application/problem+json");
                same(&answer, &missing);
            }
        }
        for (foreign, missing) in [
            (format!("/lines/{}", LINES[1]), "/lines/none"),
            (format!("/reports?line={}", LINES[1]), "/reports?line=none"),
            (format!("/abandoned?line={}", LINES[1]), "/abandoned?line=none"),
        ] {
            same(&members[0].get(&foreign).await, &members[0].get(missing).await);
        }
        // A cursor of the other line is answered like one that was never issued.
        use base64::Engine;
        let cursor = |line: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(format!("{line}/2024-0001"));
        let [foreign, missing] = [LINES[1], "none"].map(|line| format!("/reports?cursor={}", cursor(line)));
        same(&members[0].get(&foreign).await, &members[0].get(&missing).await);
        assert_eq!(actions(line, LINES[1]).await, before, "and it leaves nothing in the other line's trail");
        // No status has changed, and nothing was added.
        assert_eq!(members[1].reports().await, reports[1]);
    }

    async fn a_grant_that_was_not_given_opens_nothing(line: TestLine = two_lines) {
        // An attacker who can write to the database cannot give a line away: a grant has to be sealed by a member who
        // holds it.
        let Two { members, reports } = two(line).await;
        let sql = "INSERT INTO grants (line_key, member, sealed)
            SELECT line_keys.id, members.id, own.sealed FROM line_keys, members, grants own
            WHERE line_keys.line = $1 AND members.name = 'li' AND own.member = members.id";
        change(line.db(), sql, &[LINES[1].into()]).await;
        for report in &reports[1] {
            for (method, path, body) in requests(id(report)) {
                let answer = members[0].request(method, &path, &[], body).await;
                let text = String::from_utf8_lossy(&answer.body).into_owned();
                let refused = answer.status.is_client_error() || answer.status.is_server_error();
                assert!(refused, "{path}: {} {text}", answer.status);
                assert!(!text.contains("+86"), "{text}");
            }
        }
        // The lead's own grant for the other line, stored for li, does not open with li's key.
        run(line.db(), "DELETE FROM grants WHERE member = (SELECT id FROM members WHERE name = 'li')", &[]).await;
        let sql = "INSERT INTO grants (line_key, member, sealed)
            SELECT own.line_key, li.id, own.sealed FROM grants own
            JOIN members wang ON wang.id = own.member AND wang.name = 'wang'
            JOIN line_keys ON line_keys.id = own.line_key AND line_keys.line = $1
            JOIN members li ON li.name = 'li'";
        change(line.db(), sql, &[LINES[1].into()]).await;
        let answer = members[0].get("/reports").await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    }

    async fn a_disabled_member_is_out_at_once(line: TestLine) {
        line.leave("+8613800138001", NUMBER, &wav(b"something")).await;
        line.idle().await;
        line.make_member("li", Role::Inspector, PASSWORD, &LINES[..1]).await;
        let li = Api::log_in(&line.url, "li", PASSWORD).await;
        let other = Api::log_in(&line.url, "li", PASSWORD).await;
        let report = li.only_report().await;
        std::fs::write(line.path().join("wang.txt"), LEAD.1).unwrap();
        let disable = ["member", "disable", "li", "--as", LEAD.0, "--as-password-file", "wang.txt"];
        let output = line.cli(&disable).await;
        assert!(output.status.success(), "{}", wrote(&output));
        let stranger = line.anybody().request(Method::GET, "/reports", &[("authorization", "Bearer x")], None).await;
        for token in [&li, &other] {
            for (method, path, body) in requests(id(&report)) {
                same(&token.request(method, &path, &[], body).await, &stranger);
            }
            same(&token.get("/reports").await, &stranger);
        }
        let login = |name: &str| line.anybody().post_owned("/session", json!({ "name": name, "password": PASSWORD }));
        let (disabled, nobody) = (login("li").await, login("nobody").await);
        assert_eq!(disabled.status, StatusCode::UNAUTHORIZED);
        same(&disabled, &nobody);
        // Enabled again directly in the database, the member still has no session, and cannot log in.
        change(line.db(), "UPDATE members SET disabled = FALSE WHERE name = $1", &["li".into()]).await;
        same(&li.get("/reports").await, &stranger);
        assert_eq!(login("li").await.status, StatusCode::INTERNAL_SERVER_ERROR);
    }

    async fn only_who_works_on_reports_opens_them(line: TestLine) {
        line.leave("+8613800138001", NUMBER, &wav(b"something")).await;
        line.idle().await;
        let report = line.lead().await.only_report().await;
        std::fs::write(line.path().join("wang.txt"), LEAD.1).unwrap();
        let before = line.lead().await.only_report().await;
        for (name, role) in [("zhao", Role::Auditor), ("qian", Role::Operator)] {
            line.make_member(name, role, PASSWORD, &[]).await;
            let grant = ["member", "grant", name, "--line", LINES[0], "--as", LEAD.0, "--as-password-file", "wang.txt"];
            let output = line.cli(&grant).await;
            assert_eq!(output.status.code(), Some(1));
            assert!(wrote(&output).contains("does not open reports"), "{}", wrote(&output));
            let api = Api::log_in(&line.url, name, PASSWORD).await;
            let lists = ["/reports", "/lines", "/abandoned", "/session"];
            let lists = lists.map(|path| (Method::GET, path.to_owned(), None));
            for (method, path, body) in requests(id(&report)).into_iter().chain(lists) {
                let answer = api.request(method, &path, &[], body).await;
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
            }
        }
        // A role that was changed in the database is not believed.
        line.make_member("li", Role::Inspector, PASSWORD, &LINES[..1]).await;
        let li = Api::log_in(&line.url, "li", PASSWORD).await;
        li.only_report().await;
        for role in ["auditor", "lead"] {
            change(line.db(), "UPDATE members SET role = $2 WHERE name = $1", &["li".into(), role.into()]).await;
            assert_eq!(li.get("/reports").await.status, StatusCode::INTERNAL_SERVER_ERROR);
        }
        assert_eq!(line.lead().await.only_report().await, before);
    }

    async fn a_session_ends(line: TestLine) {
        let (minute, second) = (TimeDelta::minutes(1), TimeDelta::seconds(5));
        let clock = line.service().clock;
        for (made, seen, lasts) in [
            (login::MAX_AGE - minute, TimeDelta::zero(), true),
            (login::MAX_AGE + second, TimeDelta::zero(), false),
            (login::IDLE, login::IDLE - minute, true),
            (login::IDLE, login::IDLE + second, false),
            (login::MAX_AGE + second, login::IDLE + second, false),
        ] {
            let lead = line.lead().await;
            let now = clock.system_now();
            line.age_session(lead.token(), now - made, now - seen).await;
            let expected = if lasts { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
            // Two requests: one that comes too late does not restore the session.
            for _ in 0..2 {
                assert_eq!(lead.get("/reports").await.status, expected, "made {made}, seen {seen} ago");
            }
        }
        // A request within half an hour restarts the half hour, but not the twelve hours.
        let lead = line.lead().await;
        let hash = lead.token().parse::<Token>().unwrap().hash();
        let now = clock.system_now();
        let made = now - login::IDLE + minute;
        line.age_session(lead.token(), made, made).await;
        lead.get("/reports").await.ok();
        let mut tx = line.db().begin_read().await.unwrap();
        let session = dutyline::store::sessions::get(&mut tx, &hash).await.unwrap().unwrap();
        assert!(session.seen_at >= now && session.created_at == made);
    }

    async fn signing_out_ends_a_session_and_no_other(line: TestLine) {
        let (one, other) = (line.lead().await, line.lead().await);
        assert_ne!(one.token(), other.token());
        assert_eq!(one.request(Method::DELETE, "/session", &[], None).await.status, StatusCode::NO_CONTENT);
        let stranger = line.anybody().request(Method::GET, "/reports", &[("authorization", "Bearer x")], None).await;
        assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
        same(&one.get("/reports").await, &stranger);
        other.get("/reports").await.ok();
        // An invalid token, or nearly valid one, is answered like none.
        let token = other.token();
        let last = if token.ends_with('A') { "E" } else { "A" };
        for (scheme, token) in [
            ("Bearer", format!("{}{last}", &token[..token.len() - 1])),
            ("Bearer", token[1..].to_owned()),
            ("Bearer", format!("{token}=")),
            ("Basic", token.to_owned()),
            ("Bearer", String::new()),
        ] {
            let header = format!("{scheme} {token}");
            let answer = line.anybody().request(Method::GET, "/reports", &[("authorization", &header)], None).await;
            same(&answer, &stranger);
        }
        // A wrong password cannot be distinguished from a wrong name.
        let wrong = |name: &str| line.anybody().post_owned("/session", json!({ "name": name, "password": PASSWORD }));
        same(&wrong(LEAD.0).await, &wrong("nobody").await);
        assert_eq!(wrong(LEAD.0).await.status, StatusCode::UNAUTHORIZED);
    }

    async fn a_key_is_passed_on_only_by_who_has_it(line: TestLine = two_lines) {
        line.make_member("sun", Role::Lead, PASSWORD, &LINES[1..]).await;
        line.make_member("li", Role::Inspector, PASSWORD, &[]).await;
        for (name, text) in [("sun", PASSWORD), ("li", PASSWORD), ("wrong", "not the password")] {
            std::fs::write(line.path().join(name), text).unwrap();
        }
        for (by, file, says) in [
            ("sun", "sun", "sun does not hold the key of line fcg-5, so they cannot pass it on"),
            ("li", "li", "li is no lead"),
            (LEAD.0, "wrong", "the password of wang is wrong, or there is no such member"),
            ("nobody", "wrong", "the password of nobody is wrong, or there is no such member"),
        ] {
            let output = line.cli(&["member", "grant", "li", "--line", LINES[0], "--as", by, "--as-password-file", file]).await;
            assert_eq!(output.status.code(), Some(1), "{}", wrote(&output));
            assert!(wrote(&output).contains(says), "{}", wrote(&output));
        }
        // Both lines at once, of which the member holds one: neither is given.
        let both = ["member", "grant", "li", "--line", LINES[1], "--line", LINES[0], "--as", "sun", "--as-password-file", "sun"];
        assert_eq!(line.cli(&both).await.status.code(), Some(1));
        let li = Api::log_in(&line.url, "li", PASSWORD).await;
        assert_eq!(li.get("/session").await.ok()["lines"], json!([]));
        let one = ["member", "grant", "li", "--line", LINES[1], "--as", "sun", "--as-password-file", "sun"];
        let output = line.cli(&one).await;
        assert!(output.status.success(), "{}", wrote(&output));
        assert_eq!(li.get("/session").await.ok()["lines"], json!([LINES[1]]));
        let mut tx = line.db().begin_read().await.unwrap();
        assert!(reports::all_of_line(&mut tx, LINES[0]).await.unwrap().0.is_empty());
    }
}
