//! The console over HTTP: access to pages, escaping of texts, and events sent to open pages.

use crate::support::console::{Desk, PageAnswer};
use crate::support::{DEADLINE, LEAD, NUMBER, TestLine, on_both, pause, two_lines, wav};
use dutyline::members::MemberName;
use dutyline::report::role::Role;
use dutyline::store::{audit, sessions};
use reqwest::{Method, StatusCode};
use serde_json::Value;

/// Every page that is not about a report.
const PAGES: [&str; 8] = [
    "/console/",
    "/console/abandoned",
    "/console/calendar",
    "/console/hear",
    "/console/members",
    "/console/help",
    "/console/password",
    "/console/?status=closed&mine=1",
];

/// Leaves a report and returns its id.
async fn report(line: &TestLine, said: &str) -> String {
    line.leave("+8613800138000", NUMBER, &wav(said.as_bytes()))
        .await;
    line.idle().await;
    let all = line.lead().await.reports().await;
    all.last().unwrap()["id"].as_str().unwrap().to_owned()
}

fn assert_guarded(page: &PageAnswer, what: &str) {
    let header = |name: &str| page.headers[name].to_str().unwrap();
    assert_eq!(header("cache-control"), "no-store", "{what}");
    assert_eq!(header("x-content-type-options"), "nosniff", "{what}");
    assert_eq!(header("x-frame-options"), "DENY", "{what}");
    assert_eq!(header("referrer-policy"), "no-referrer", "{what}");
    let policy = header("content-security-policy");
    assert!(policy.contains("default-src 'none'"), "{what}: {policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{what}");
    assert!(!policy.contains("unsafe"), "{what}: {policy}");
}

/// Returns a page's text between its tags with askama's entities decoded: what people read.
fn seen(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        rest = tag.split_once('>').map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    text.replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#38;", "&")
}

/// Texts that have broken pages, lists and logs elsewhere.
const PAYLOADS: [&str; 50] = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<iframe src=javascript:alert(1)>",
    "<body onload=alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<math><mtext></mtext><style><img src onerror=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<style>*{display:none}</style>",
    "<link rel=stylesheet href=//x>",
    "<meta http-equiv=refresh content=0;url=//x>",
    "<base href=//x>",
    "<form action=//x><button>y</button>",
    "</textarea><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</option></select><b>x</b>",
    "--><script>alert(1)</script><!--",
    "<!--",
    "]]><script>alert(1)</script>",
    "\" onmouseover=\"alert(1)",
    "' onmouseover='alert(1)",
    "\"><script>alert(1)</script>",
    "'><img src=x>",
    "` onerror=`alert(1)",
    "x\" hx-get=\"/console/sign-out\" hx-trigger=\"load",
    "<div hx-get=/console/ hx-trigger=load>",
    "<div hx-on:load=alert(1)>",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "//x.example/%2e%2e",
    "expression(alert(1))",
    "url(javascript:alert(1))",
    "}*{background:url(//x)}",
    "=1+1",
    "+1+1",
    "@SUM(1,1)",
    "-2+3|cmd",
    "=HYPERLINK(\"//x\",\"y\")",
    "a\r\nSet-Cookie: x=y",
    "a\nLocation: //x",
    "%0d%0aX: y",
    "{{ 7*7 }}",
    "${7*7} <%= 7*7 %> #{7*7}",
    "\u{202e}txt.exe\u{202c}",
    "\u{2066}left\u{2069} \u{200f}right",
    "zero\u{200b}width\u{feff}",
    "bell\u{7} escape\u{1b}[31m del\u{7f}",
    "&lt;b&gt; &amp; &#60;script&#62;",
];

on_both! {
    async fn every_page_is_guarded_in_both_languages(line: TestLine) {
        let id = report(line, "said").await;
        let lead = line.desk().await;
        let about = ["", "/trail"].map(|end| format!("/console/reports/{id}{end}"));
        for (language, words) in [("zh-CN", "待办"), ("en", "Queue")] {
            let lead = lead.clone().speaking(language);
            for path in PAGES.into_iter().chain(about.iter().map(String::as_str)) {
                let page = lead.get(path).await;
                assert_guarded(&page, path);
                let text = page.ok();
                assert!(text.contains(&format!("<html lang=\"{language}\">")), "{path}");
                assert!(text.contains(words), "{path}");
                let title = text.split("<title>").nth(1).unwrap().split("</title>").next().unwrap();
                assert!(!title.contains("2024-0001") && !title.contains("wang"), "{path}: {title}");
                assert!(!text.contains("style=") && !text.contains("<style") && !text.contains(" onclick"), "{path}");
            }
        }
        for (path, status) in [("/console/none", 404), ("/console/reports/none", 404), ("/console/reports/none/trail", 404)] {
            let page = lead.get(path).await;
            assert_eq!(page.status.as_u16(), status, "{path}");
            assert_guarded(&page, path);
        }
        // Without a session every page leads to the sign-in page.
        let anybody = Desk::anybody(&line.url);
        for path in PAGES.into_iter().chain(about.iter().map(String::as_str)) {
            let page = anybody.get(path).await;
            assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/console/sign-in"), "{path}");
        }
        let asset = anybody.get("/console/assets/console.css").await;
        assert_eq!(asset.status, StatusCode::OK);
        assert_eq!(asset.headers["content-type"], "text/css; charset=utf-8");
    }

    async fn a_report_is_worked_on_from_the_queue_to_its_end(line: TestLine) {
        let id = report(line, "said").await;
        let desk = line.desk().await;
        let at = format!("/console/reports/{id}");
        let claimed = desk.post("/console/claim-next", &[("line", "")]).await;
        assert_eq!(claimed.location(), at);
        assert!(desk.post("/console/claim-next", &[("line", "")]).await.location().contains("nothing=1"));
        let heard = desk.get(&format!("{at}/recordings/1")).await;
        assert_eq!(heard.body, wav(b"said"));
        let ranged = desk.any(Method::GET, &format!("{at}/recordings/1"), &[("range", "bytes=100-199")], &[]).await;
        assert_eq!((ranged.status, &ranged.body), (StatusCode::PARTIAL_CONTENT, &wav(b"said").slice(100..200)));

        // An error is shown on the page itself, with the submitted text.
        let refused = desk.post(&format!("{at}/note"), &[("text", " \r\n ")]).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.text().contains("记录不能为空。"));
        let long = "长".repeat(10_001);
        let refused = desk.post(&format!("{at}/note"), &[("text", &long)]).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.text().contains(&long), "nothing that was written is lost");
        let refused = desk.post(&format!("{at}/close"), &[("outcome", "referred"), ("destination", " ")]).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.text().contains("请填写转交单位。"));
        let refused = desk.post(&format!("{at}/classification"), &[("scope", "in"), ("discipline", "没有这一项")]).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);

        for (to, form) in [
            ("note", &[("text", "听到：食堂\r\n采购")][..]),
            ("classification", &[("scope", "in"), ("discipline", "廉洁纪律"), ("discipline", "群众纪律")]),
            ("close", &[("outcome", "referred"), ("destination", "派驻纪检组")]),
        ] {
            let done = desk.post(&format!("{at}/{to}"), form).await;
            assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, at.as_str()), "{to}");
        }
        let page = seen(&desk.get(&at).await.ok());
        for words in ["听到：食堂\n采购", "廉洁纪律、群众纪律", "已转交", "派驻纪检组", "已办结", "wang"] {
            assert!(page.contains(words), "{words}");
        }
        let late = desk.post(&format!("{at}/classification"), &[("scope", "out")]).await;
        assert_eq!(late.status, StatusCode::CONFLICT);
        assert_eq!(desk.post(&format!("{at}/claim"), &[]).await.status, StatusCode::CONFLICT);
        assert_eq!(desk.post(&format!("{at}/reopen"), &[]).await.status, StatusCode::SEE_OTHER);
        assert!(seen(&desk.get("/console/?status=queued").await.ok()).contains("2024-0001"));
        let trail = seen(&desk.get(&format!("{at}/trail")).await.ok());
        for words in ["接听来电", "进入待办", "收听录音", "打开反映", "新增内容 · 记录", "认领", "办结", "重新办理"] {
            assert!(trail.contains(words), "{words}: {trail}");
        }
    }

    async fn of_several_who_claim_one_has_it(line: TestLine) {
        let id = report(line, "said").await;
        let mut desks = vec![line.desk().await];
        for name in ["li", "zhao", "chen"] {
            line.make_member(name, Role::Inspector, "a long password", &["fcg-5"]).await;
            desks.push(Desk::sign_in(&line.url, name, "a long password").await);
        }
        let path = format!("/console/reports/{id}/claim");
        let asked = desks.iter().map(|desk| desk.post(&path, &[]));
        let answers = futures_util::future::join_all(asked).await;
        let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 409, 409, 409]);
        let lost = answers.iter().find(|answer| answer.status == StatusCode::CONFLICT).unwrap();
        assert!(lost.text().contains("这件反映的状态已经改变"), "{}", lost.text());
        // A member who has not claimed the report cannot close it; a lead can release it.
        let api = line.lead().await;
        let has = api.reports().await[0]["assignee"].as_str().unwrap().to_owned();
        let other = ["li", "zhao"].into_iter().find(|name| *name != has).unwrap();
        let other = Desk::sign_in(&line.url, other, "a long password").await;
        let refused = other.post(&format!("/console/reports/{id}/close"), &[("outcome", "handled")]).await;
        assert_eq!(refused.status, StatusCode::CONFLICT);
        assert!(refused.text().contains("已由其他人认领"));
        assert_eq!(desks[0].post(&format!("/console/reports/{id}/release"), &[]).await.status, StatusCode::SEE_OTHER);
    }

    async fn whatever_is_written_is_shown_as_text(line: TestLine) {
        let id = report(line, "said").await;
        let desk = line.desk().await;
        let at = format!("/console/reports/{id}");
        // One note for each payload, and the longest destination, duplicate's reference and member's name.
        for payload in PAYLOADS {
            let done = desk.post(&format!("{at}/note"), &[("text", payload)]).await;
            assert_eq!(done.status, StatusCode::SEE_OTHER, "{payload:?}");
        }
        let page = desk.get(&at).await.ok();
        let text = seen(&page);
        let clean = |payload: &str| payload.replace("\r\n", "\n");
        for payload in PAYLOADS {
            assert!(text.contains(&clean(payload)), "{payload:?} is not shown as it was written");
            if payload.contains(['<', '"', '\'']) {
                assert!(!page.contains(&clean(payload)), "{payload:?} is markup");
            }
        }
        assert_eq!(page.matches("<script").count(), 3, "our own and no others");
        assert!(!page.contains("<img") && !page.contains("<iframe") && !page.contains("<style"));
        for payload in PAYLOADS {
            desk.post(&format!("{at}/claim"), &[]).await;
            let form = [("outcome", "referred"), ("destination", payload)];
            let done = desk.post(&format!("{at}/close"), &form).await;
            assert_eq!(done.status, StatusCode::SEE_OTHER, "{payload:?}");
            assert_eq!(done.location(), at, "{payload:?}");
            desk.post(&format!("{at}/reopen"), &[]).await;
        }
        let page = desk.get(&at).await.ok();
        let text = seen(&page);
        for payload in PAYLOADS {
            assert!(text.contains(&clean(payload)) || text.contains(payload), "{payload:?}");
        }
        assert_eq!(page.matches("<script").count(), 3);
        // A refused draft is returned in its field, as text.
        let long = "<b>\"'</textarea>".repeat(1_000);
        let refused = desk.post(&format!("{at}/note"), &[("text", &long)]).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(seen(&refused.text()).contains(&long));
        // No valid name contains such a text, but a row of the database may.
        for payload in PAYLOADS {
            assert!(MemberName::parse(payload).is_err(), "{payload:?}");
            line.write_member(payload, &["fcg-5"]).await;
        }
        let members = desk.get("/console/members").await.ok();
        for payload in PAYLOADS {
            assert!(seen(&members).contains(payload), "{payload:?}");
        }
        assert_eq!(members.matches("<script").count(), 3);
        let form = [("name", PAYLOADS[0]), ("password", PAYLOADS[1])];
        let refused = Desk::anybody(&line.url).post("/console/sign-in", &form).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        assert!(!refused.text().contains("alert(1)"));
        let asked: String = form_urlencoded::byte_serialize("\"><script>alert(1)</script>".as_bytes()).collect();
        for path in ["/console/?line=", "/console/?cursor=", "/console/calendar?month=", "/console/hear?at=", "/console/hear?acts=", "/console/sign-in?again="] {
            let page = desk.get(&format!("{path}{asked}")).await;
            assert!(!page.status.is_server_error(), "{path}: {}", page.status);
            assert!(!page.text().contains("<script>"), "{path}");
        }
    }

    async fn a_month_or_time_far_away_is_shown_or_refused(line: TestLine) {
        let desk = line.desk().await;
        for far in ["%2B262142-12", "-262143-01", "0000-01", "9999-12", "%2B99999-11"] {
            let calendar = desk.get(&format!("/console/calendar?month={far}")).await;
            assert_eq!(calendar.status, StatusCode::OK, "{far}");
            let hear = desk.get(&format!("/console/hear?at={far}-31T00:00")).await;
            assert!(!hear.status.is_server_error(), "{far}: {}", hear.status);
        }
    }

    async fn other_sites_cannot_post_for_anybody(line: TestLine) {
        let id = report(line, "said").await;
        let desk = line.desk().await;
        let path = format!("/console/reports/{id}/claim");
        for headers in [
            &[("origin", "https://evil.example")][..],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("origin", "null")],
        ] {
            let answer = desk.any(Method::POST, &path, headers, &[]).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{headers:?}");
        }
        assert_eq!(line.lead().await.reports().await[0]["status"], "queued");
        let own = desk.any(Method::POST, &path, &[("sec-fetch-site", "same-origin")], &[]).await;
        assert_eq!(own.status, StatusCode::SEE_OTHER);
        // The form does not redirect to another origin.
        for back in ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"] {
            let answer = desk.post("/console/language", &[("back", back)]).await;
            assert_eq!(answer.location(), "/console/", "{back}");
        }
    }

    async fn a_session_ends_everywhere_at_once(line: TestLine) {
        let mut desk = Desk::anybody(&line.url);
        let wrong = desk.post("/console/sign-in", &[("name", LEAD.0), ("password", "wrong")]).await;
        assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
        assert!(wrong.text().contains("姓名或密码不正确"));
        assert!(wrong.headers.get("set-cookie").is_none());
        let right = desk.post("/console/sign-in", &[("name", LEAD.0), ("password", LEAD.1)]).await;
        let cookie = right.headers["set-cookie"].to_str().unwrap();
        assert!(cookie.starts_with("__Host-dutyline="), "{cookie}");
        for part in ["Path=/", "HttpOnly", "SameSite=Lax", "Secure"] {
            assert!(cookie.split("; ").any(|own| own == part), "{cookie}");
        }
        desk.keep(&right);
        let other_tab = desk.clone();
        let mut told = other_tab.follow(&other_tab.get("/console/").await.ok()).await;
        let page = desk.get("/console/").await.ok();
        let (_, member) = page.split_once("data-member=\"").unwrap();
        let member = member.split('"').next().unwrap();
        let own = desk.get(&format!("/console/session?member={member}")).await;
        assert_eq!(own.status, StatusCode::NO_CONTENT);
        // A page opened by another member does not belong to this session.
        assert_eq!(desk.get("/console/session?member=none").await.status, StatusCode::CONFLICT);
        let out = desk.post("/console/sign-out", &[]).await;
        assert_eq!(out.location(), "/console/sign-in?out=1");
        assert!(out.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
        assert_eq!(told.next().await.unwrap().0, "logged-out");
        assert_eq!(told.next().await, None);
        assert_eq!(other_tab.get("/console/").await.location(), "/console/sign-in?again=1");
        let script = other_tab.any(Method::GET, "/console/", &[("hx-request", "true")], &[]).await;
        assert_eq!(script.status, StatusCode::UNAUTHORIZED);
    }

    async fn everybody_changes_their_own_password(line: TestLine) {
        line.make_member("li", Role::Inspector, "a long password", &["fcg-5"]).await;
        let desk = Desk::sign_in(&line.url, "li", "a long password").await;
        let elsewhere = Desk::sign_in(&line.url, "li", "a long password").await;
        let id = report(line, "said").await;
        let change = async |old: &str, new: &str, again: &str| {
            desk.post("/console/password", &[("old", old), ("new", new), ("again", again)]).await
        };
        for (old, new, again, words) in [
            ("wrong", "another long password", "another long password", "现在的密码不正确"),
            ("a long password", "too short", "too short", "至少12个字符"),
            ("a long password", "another long password", "another long passwort", "不一样"),
        ] {
            let refused = change(old, new, again).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
            assert!(refused.text().contains(words), "{words}");
            assert!(!refused.text().contains(new), "a password is never shown");
        }
        assert_eq!(elsewhere.get("/console/").await.status, StatusCode::OK, "nothing was changed");
        let changed = change("a long password", "another long password", "another long password").await;
        assert!(changed.ok().contains("密码已修改"));
        assert_eq!(elsewhere.get("/console/").await.status, StatusCode::SEE_OTHER);
        assert_eq!(desk.get(&format!("/console/reports/{id}")).await.status, StatusCode::OK);
        let old = Desk::anybody(&line.url);
        let old = old.post("/console/sign-in", &[("name", "li"), ("password", "a long password")]).await;
        assert_eq!(old.status, StatusCode::UNAUTHORIZED);
        let new = Desk::sign_in(&line.url, "li", "another long password").await;
        assert_eq!(new.get(&format!("/console/reports/{id}/recordings/1")).await.body, wav(b"said"));
    }

    async fn a_page_left_open_does_not_keep_its_session(line: TestLine) {
        let desk = line.desk().await;
        let page = desk.get("/console/").await.ok();
        let long_ago = line.service().clock.system_now() - chrono::TimeDelta::minutes(20);
        let seen = async || {
            let mut tx = line.db().begin().await.unwrap();
            let found = sessions::get(&mut tx, &desk.token_hash()).await.unwrap().unwrap();
            found.seen_at
        };
        let mut tx = line.db().begin().await.unwrap();
        sessions::touch(&mut tx, &desk.token_hash(), long_ago).await.unwrap();
        tx.commit().await.unwrap();
        let before = seen().await;
        for path in ["/console/", "/console/banners"] {
            let fresh = desk.any(Method::GET, path, &[("hx-request", "true")], &[]).await;
            assert_eq!(fresh.status, StatusCode::OK, "{path}");
        }
        let events = desk.follow(&page).await;
        assert_eq!(seen().await, before);
        drop(events);
        desk.get("/console/").await.ok();
        assert!(seen().await > before);
    }

    async fn a_session_has_eight_event_streams_at_most(line: TestLine) {
        let desk = line.desk().await;
        let page = desk.get("/console/").await.ok();
        let mut open = Vec::new();
        for _ in 0..8 {
            open.push(desk.follow(&page).await);
        }
        let ninth = desk.get("/console/events").await;
        assert_eq!(ninth.status, StatusCode::TOO_MANY_REQUESTS);
        // Another session of the same member has its own limit.
        let other = line.desk().await;
        let page = other.get("/console/").await.ok();
        drop(other.follow(&page).await);
        // Closing a page frees its place, once the server has noticed it.
        drop(open.pop());
        let again = async {
            while desk.status_of("/console/events").await != StatusCode::OK {
                pause().await;
            }
        };
        tokio::time::timeout(DEADLINE, again).await.expect("a place");
    }

    async fn pages_are_told_what_changes(line: TestLine) {
        let id = report(line, "said").await;
        let lead = line.desk().await;
        line.make_member("li", Role::Inspector, "a long password", &["fcg-5"]).await;
        let li = Desk::sign_in(&line.url, "li", "a long password").await;
        let at = format!("/console/reports/{id}");
        let mut queue = lead.follow(&lead.get("/console/").await.ok()).await;
        let mut open = lead.follow(&lead.get(&at).await.ok()).await;

        // Opening a report sends no change, but the other member's presence.
        let page = li.get(&at).await.ok();
        let theirs = li.follow(&page).await;
        assert_eq!(open.next().await.unwrap(), ("present".into(), "[\"li\"]".into()));
        drop(theirs);
        assert_eq!(open.next().await.unwrap(), ("present".into(), "[]".into()));
        // Another report is news for the queue, not for this report's page.
        report(line, "another").await;
        assert_eq!(queue.next().await.unwrap().0, "changed");
        assert_eq!(li.post(&format!("{at}/note"), &[("text", "x")]).await.status, StatusCode::SEE_OTHER);
        assert_eq!(open.next().await.unwrap().0, "changed");
        // Changes between the rendering of a page and its connection are sent first.
        let page = lead.get(&at).await.ok();
        assert_eq!(li.post(&format!("{at}/claim"), &[]).await.status, StatusCode::SEE_OTHER);
        let mut late = lead.follow(&page).await;
        assert_eq!(late.next().await.unwrap().0, "changed");
        // An opening is not sent to a page whose connection was interrupted.
        let page = lead.get(&at).await.ok();
        li.get(&at).await.ok();
        let mut interrupted = lead.follow(&page).await;
        assert_eq!(li.post(&format!("{at}/release"), &[]).await.status, StatusCode::SEE_OTHER);
        assert_eq!(interrupted.next().await.unwrap().0, "changed");
        let mut tx = line.db().begin_read().await.unwrap();
        let end = audit::end(&mut tx, "fcg-5").await.unwrap();
        assert!(end > 0);
    }

    async fn leads_look_after_members(line: TestLine = two_lines) {
        line.make_member("li", Role::Inspector, "a long password", &["fcg-5"]).await;
        line.make_member("zhao", Role::Lead, "a long password", &["fcg-6"]).await;
        let li = Desk::sign_in(&line.url, "li", "a long password").await;
        let zhao = Desk::sign_in(&line.url, "zhao", "a long password").await;
        // An inspector sees the members of shared lines, and can change nothing.
        let page = li.get("/console/members").await.ok();
        assert!(page.contains("wang") && !page.contains("zhao") && !page.contains("own_password"));
        let own = ("own_password", "a long password");
        let form = [("name", "chen"), ("password", "chen's first password"), ("role", "inspector"), ("line", "fcg-6"), own];
        assert_eq!(li.post("/console/members", &form).await.status, StatusCode::FORBIDDEN);
        for (name, password, lines, words) in [
            ("", "chen's first password", "fcg-6", "姓名为1至40个字"),
            ("a\u{7}b", "chen's first password", "fcg-6", "姓名为1至40个字"),
            ("chen", "too short", "fcg-6", "至少12个字符"),
            ("chen", "chen's first password", "", "至少选择一条线路"),
            ("li", "chen's first password", "fcg-6", "已有同名成员"),
        ] {
            let mut form = vec![("name", name), ("password", password), ("role", "inspector"), own];
            if !lines.is_empty() {
                form.push(("line", lines));
            }
            let refused = zhao.post("/console/members", &form).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{name:?} {words}");
            assert!(refused.text().contains(words), "{words}: {}", seen(&refused.text()));
            assert!(!refused.text().contains("chen's first"), "a password is never shown again");
        }
        // A member cannot give a line they do not hold, and such a line looks like one that does not exist.
        let mut foreign = form;
        foreign[3].1 = "fcg-5";
        assert_eq!(zhao.post("/console/members", &foreign).await.status, StatusCode::NOT_FOUND);
        assert_eq!(zhao.post("/console/members", &form).await.status, StatusCode::SEE_OTHER);
        let chen = Desk::sign_in(&line.url, "chen", "chen's first password").await;
        let mut told = chen.follow(&chen.get("/console/").await.ok()).await;
        let page = seen(&zhao.get("/console/members").await.ok());
        assert!(page.contains("chen") && page.contains("zhao"));
        // This lead neither sees the other line's members nor can change them.
        assert!(!page.contains("li\n") && !page.contains(" li "), "{page}");
        let mut tx = line.db().begin_read().await.unwrap();
        let id = async |tx: &mut _, name: &str| dutyline::store::members::by_name(tx, name).await.unwrap().unwrap().id;
        let (li_id, chen_id, zhao_id) = (id(&mut tx, "li").await, id(&mut tx, "chen").await, id(&mut tx, "zhao").await);
        drop(tx);
        for path in [format!("/console/members/{li_id}/disable"), format!("/console/members/{li_id}/line")] {
            assert_eq!(zhao.post(&path, &[("line", "fcg-6"), own]).await.status, StatusCode::NOT_FOUND, "{path}");
        }
        let oneself = zhao.post(&format!("/console/members/{zhao_id}/disable"), &[own]).await;
        assert_eq!(oneself.status, StatusCode::UNPROCESSABLE_ENTITY);
        // The lead of both lines gives chen the other one; when chen is disabled, chen's open page receives an event.
        let lead = line.desk().await;
        let given = lead.post(&format!("/console/members/{chen_id}/line"), &[("line", "fcg-5"), ("own_password", LEAD.1)]).await;
        assert_eq!(given.status, StatusCode::SEE_OTHER);
        assert!(chen.get("/console/").await.ok().contains("fcg-5"));
        // A lead who holds one of chen's two lines cannot disable chen.
        let out = zhao.post(&format!("/console/members/{chen_id}/disable"), &[own]).await;
        assert_eq!(out.status, StatusCode::CONFLICT);
        let out = lead.post(&format!("/console/members/{chen_id}/disable"), &[("own_password", LEAD.1)]).await;
        assert_eq!(out.status, StatusCode::SEE_OTHER);
        loop {
            let (event, _) = told.next().await.expect("the end of the session is told");
            if event == "logged-out" {
                break;
            }
            assert_eq!(event, "changed");
        }
        assert_eq!(chen.get("/console/").await.status, StatusCode::SEE_OTHER);
        let trail = dutyline::register::verify::line(line.db(), &line.service().blobs, "fcg-6", None).await.unwrap();
        assert_eq!(trail.wrong, [""; 0]);
    }

    async fn what_a_caller_hears_is_what_hear_prints(line: TestLine) {
        let desk = line.desk().await;
        for (at, acts) in [
            ("2024-03-06T09:00", ""),
            ("2024-03-06T12:30", ""),
            ("2024-04-07T09:00", "1,speak,#,1"),
            ("2024-04-11T10:00", "3,silence"),
            ("2024-06-17T10:00", "9"),
        ] {
            let printed = line.cli(&["hear", "--at", at, "--keys", acts, "--json"]).await;
            let printed: Value = serde_json::from_slice(&printed.stdout).unwrap();
            let query: String = form_urlencoded::Serializer::new(String::new())
                .append_pair("at", at).append_pair("acts", acts).finish();
            let page = seen(&desk.get(&format!("/console/hear?{query}")).await.ok());
            let mut from = 0;
            for verb in printed["script"].as_array().unwrap() {
                if let Some(text) = verb["text"].as_str() {
                    let found = page[from..].find(text).unwrap_or_else(|| panic!("{at} {acts}: {text}"));
                    from += found + text.len();
                }
            }
        }
        let calendar = seen(&desk.get("/console/calendar?month=2024-04").await.ok());
        for words in ["2024年4月", "清明节调休上班", "壮族三月三", "08:30-12:00", "15:00-18:00"] {
            assert!(calendar.contains(words), "{words}");
        }
        assert!(seen(&desk.get("/console/calendar?month=2024-06").await.ok()).contains("不再受理新的反映"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_light() {
    let line = TestLine::open(crate::support::Database::sqlite()).await;
    let id = report(&line, "said").await;
    let desk = line.desk().await;
    let mut assets = 0;
    for name in [
        "console.css",
        "console.js",
        "player.js",
        "htmx.js",
        "icon.svg",
    ] {
        let asset = desk.get(&format!("/console/assets/{name}")).await;
        assert_eq!(asset.status, StatusCode::OK, "{name}");
        assets += asset.body.len();
    }
    for path in PAGES
        .into_iter()
        .map(str::to_owned)
        .chain([format!("/console/reports/{id}")])
    {
        let page = desk.get(&path).await;
        assert!(
            assets + page.body.len() <= 250 * 1024,
            "{path}: {} bytes",
            assets + page.body.len()
        );
    }
    line.finish().await;
}
